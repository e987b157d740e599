"""The two-player games, played by the training steps of PyTorch.

The networks are as small as networks can be: a discriminator with one weight and a generator that shifts its noise.
Every update is one that :mod:`ganbook.gradient_descent.step.steps_torch` makes, so what these paths show holds
for the training loop itself.

Explained in the book's section "Game dynamics".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from ganbook.gradient_descent.step.steps_torch import Gradients, Objectives, Report, Tensors, gradients
from ganbook.gradient_descent.step.train_state_torch import TrainState
from ganbook.gradient_descent.studies.games import Game, check_run, game_inputs, game_recipe


def game_state(game: Game, start: ArrayLike, rate: ArrayLike, order: str = "simultaneous") -> TrainState:
    r"""Both players of a game as networks, their numbers set to a point.

    The discriminator has one weight.  The generator shifts its noise, :math:`G(z) = z + b`: the weight in front of z is
    1 and has no optimiser state, so that no step changes it.

    Args:
        game: the game.
        start: the point, shape (2,).
        rate: step size, one number, or one per coordinate, above 0.
        order: one of ``ganbook.data.recipe.ORDERS``.

    Returns:
        the train state, whose steps are plain descent in float64.

    Raises:
        ValueError: an unknown order, or a rate of 0 or below.
    """
    state = TrainState(game_recipe(game, order, rate), np.random.default_rng(0), "cpu")
    del state.optimiser_state["generator"]["dense_1.weight"]
    _place(state, game, start)
    return state


def consensus_gradients(strength: float) -> Gradients:
    r"""What moves both players along the field and down its squared length, both taken at one point.

    .. math:: v + c\, \nabla_w \tfrac12 \lVert v \rVert^2, \qquad v_r = \nabla_{w_r} L_r

    Args:
        strength: c, at least 0.

    Returns:
        what a step takes as its gradients.

    Reference: Mescheder, Nowozin and Geiger, 2017, equation 11, arXiv:1705.10461.
    """

    def differentiate(objectives: Objectives, weights: dict[str, Tensors]) -> tuple[dict[str, Tensors], Report]:
        leaves = {
            role: {name: weight.detach().requires_grad_() for name, weight in group.items()}
            for role, group in weights.items()
        }
        values, report = objectives(leaves)
        field = {
            role: torch.autograd.grad(value, list(leaves[role].values()), create_graph=True)
            for role, value in values.items()
        }
        # Of no parts at all the sum would be the number 0.
        half_square = torch.as_tensor(sum(part.square().sum() for parts in field.values() for part in parts) / 2)
        return {
            role: {
                name: part + strength * slope
                for name, part, slope in zip(
                    leaves[role],
                    parts,
                    torch.autograd.grad(
                        half_square, list(leaves[role].values()), retain_graph=True, materialize_grads=True
                    ),
                    strict=True,
                )
            }
            for role, parts in field.items()
        }, report

    return differentiate


def simulate(
    game: Game, rule: str, start: ArrayLike, steps: int, rate: float | Sequence[float], *, strength: float = 1.0
) -> np.ndarray:
    """The path of a game under an update rule, made by this framework's training steps.

    The extragradient and the optimistic rule are put together from displacements of simultaneous steps.

    Args:
        game, rule, start, steps, rate, strength: as of :func:`ganbook.gradient_descent.studies.games.simulate`.

    Returns:
        the points, shape (steps + 1, 2), float64.

    Raises:
        ValueError: as :func:`ganbook.gradient_descent.studies.games.simulate`.

    Example:
        >>> from ganbook.gradient_descent.studies.games import DiracGAN
        >>> simulate(DiracGAN(), "simultaneous", (0.0, 1.0), 2, 0.1).shape
        (3, 2)

    Reference: Mescheder, Geiger and Nowozin, 2018, section 2, arXiv:1801.04406.
    """
    start, rates = check_run(game, rule, start, steps, rate, strength)
    inputs = [game_inputs(game, rates)]
    state = game_state(game, start, rates, "alternating" if rule == "alternating" else "simultaneous")
    differentiate = consensus_gradients(strength) if rule == "consensus" else gradients
    path, before = [start], None
    for _ in range(steps):
        w = path[-1]
        state.run(inputs, differentiate)
        new = _point(state, game)
        if rule == "extragradient":
            state.run(inputs, differentiate)
            new = w + (_point(state, game) - new)
        elif rule == "optimistic":
            moved = new - w
            new, before = w + 2 * moved - (moved if before is None else before), moved
        if rule in ("extragradient", "optimistic"):
            _place(state, game, new)
        path.append(new)
    return np.array(path)


def _place(state: TrainState, game: Game, point: ArrayLike) -> None:
    discriminator, generator = np.asarray(point, np.float64)[[game.discriminator, 1 - game.discriminator]]
    state.discriminator.load({"dense_1.weight": discriminator.reshape(1, 1)})
    state.generator.load({"dense_1.weight": np.ones((1, 1)), "dense_1.bias": generator.reshape(1)})


def _point(state: TrainState, game: Game) -> np.ndarray:
    point = np.empty(2)
    point[game.discriminator] = state.discriminator.export()["dense_1.weight"].item()
    point[1 - game.discriminator] = state.generator.export()["dense_1.bias"].item()
    return point

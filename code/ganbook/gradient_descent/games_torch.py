"""The two-player games, played by the training steps of PyTorch.

The networks are as small as networks can be: a discriminator with one weight and a generator that shifts its noise.
Every update is one that :mod:`ganbook.gradient_descent.steps_torch` makes, so what these paths show holds for the
training loop itself.

Explained in the book's section "Game dynamics".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ganbook.gradient_descent.draws import Draws
from ganbook.gradient_descent.games import Game, check_run, game_draws, game_recipe
from ganbook.gradient_descent.steps_torch import Players, discriminator_objective, generator_objective, run_rounds
from ganbook.tensors.architectures import blueprint_of
from ganbook.tensors.networks_torch import Network


class Shift(Network):
    r"""A generator that shifts its noise.

    .. math:: G(z) = z + b

    The weight in front of z is 1 and stays there: only the shift is trainable.
    """

    def trainable(self) -> dict[str, nn.Parameter]:
        """The shift alone, by canonical name."""
        return {name: tensor for name, tensor in super().trainable().items() if name == "dense_1.bias"}

    def moving(self) -> dict[str, Tensor]:
        """The weight, which no step changes, by canonical name."""
        return {name: tensor for name, tensor in super().trainable().items() if name == "dense_1.weight"}


def game_players(game: Game, start: ArrayLike, rate: float | Sequence[float], order: str = "simultaneous") -> Players:
    """Both players of a game as networks, their numbers set to a point.

    Args:
        game: the game.
        start: the point, shape (2,).
        rate: step size, one number, or one per coordinate, above 0.
        order: one of ``ganbook.data.recipe.ORDERS``.

    Returns:
        the players, whose steps are plain descent in float64.

    Raises:
        ValueError: an unknown order, or a rate of 0 or below.
    """
    recipe = game_recipe(game, order, rate)
    players = Players(recipe, np.random.default_rng(0), "cpu")
    players.generator = Shift(blueprint_of(recipe.generator), 0, recipe.dtype, "cpu")
    _place(players, game, start)
    return players


def consensus_step(players: Players, draws: Draws, strength: float) -> None:
    r"""Update both players along the field and down its squared length, both taken at one point.

    .. math:: w \leftarrow w + h \left( v - c\, \nabla_w \tfrac12 \lVert v \rVert^2 \right)

    Args:
        players: changed in place.
        draws: native, one round's.
        strength: c, at least 0.

    Reference: Mescheder, Nowozin and Geiger, 2017, equation 11, arXiv:1705.10461.
    """
    step, rates = draws["discriminator"][0], draws["generator"]["rates"]
    weights = {"discriminator": players.discriminator.trainable(), "generator": players.generator.trainable()}
    fake = players.generator(step["noise"], training=True)
    losses = {"discriminator": discriminator_objective(players.recipe, players.discriminator, fake, step)[0],
              "generator": generator_objective(players.recipe, players.generator, players.discriminator,
                                               draws["generator"])[0]}
    fields = {role: torch.autograd.grad(loss, list(weights[role].values()), create_graph=True)
              for role, loss in losses.items()}
    half_square = sum(part.square().sum() for parts in fields.values() for part in parts) / 2
    slopes = {role: torch.autograd.grad(half_square, list(weights[role].values()), retain_graph=True,
                                        materialize_grads=True) for role in fields}
    for role, learning in (("discriminator", step["rates"]), ("generator", rates)):
        moves = [part + strength * slope for part, slope in zip(fields[role], slopes[role], strict=True)]
        players.apply(role, dict(zip(weights[role], moves, strict=True)), {}, learning)


def simulate(game: Game, rule: str, start: ArrayLike, steps: int, rate: float | Sequence[float], *,
             strength: float = 1.0) -> np.ndarray:
    """The path of a game under an update rule, made by this framework's training steps.

    The extragradient and the optimistic rule are put together from displacements of simultaneous steps.

    Args:
        game, rule, start, steps, rate, strength: as of :func:`ganbook.gradient_descent.games.simulate`.

    Returns:
        the points, shape (steps + 1, 2), float64.

    Raises:
        ValueError: as :func:`ganbook.gradient_descent.games.simulate`.

    Reference: Mescheder, Geiger and Nowozin, 2018, section 2, arXiv:1801.04406.
    """
    start, rates = check_run(game, rule, start, steps, rate, strength)
    draws = game_draws(game, rates)
    players = game_players(game, start, rates, "alternating" if rule == "alternating" else "simultaneous")
    native, path, before = players.native_round(draws), [start], None
    for _ in range(steps):
        w = path[-1]
        if rule == "consensus":
            consensus_step(players, native, strength)
        else:
            run_rounds(players, [draws])
        new = _point(players, game)
        if rule == "extragradient":
            run_rounds(players, [draws])
            new = w + (_point(players, game) - new)
        elif rule == "optimistic":
            moved = new - w
            new, before = w + 2 * moved - (moved if before is None else before), moved
        if rule in ("extragradient", "optimistic"):
            _place(players, game, new)
        path.append(new)
    return np.array(path)


def _place(players: Players, game: Game, point: ArrayLike) -> None:
    discriminator, generator = np.asarray(point, np.float64)[[game.discriminator, 1 - game.discriminator]]
    players.discriminator.load({"dense_1.weight": discriminator.reshape(1, 1)})
    players.generator.load({"dense_1.weight": np.ones((1, 1)), "dense_1.bias": generator.reshape(1)})


def _point(players: Players, game: Game) -> np.ndarray:
    point = np.empty(2)
    point[game.discriminator] = players.discriminator.export()["dense_1.weight"].item()
    point[1 - game.discriminator] = players.generator.export()["dense_1.bias"].item()
    return point

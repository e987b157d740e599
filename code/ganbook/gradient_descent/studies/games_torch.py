"""The two-player games, played by the training steps of PyTorch.

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
from ganbook.gradient_descent.studies.game_steps import play
from ganbook.gradient_descent.studies.games import Game, check_run


def _consensus_gradients(strength: float) -> Gradients:
    r"""The field and the slope of half its squared length at one point: :math:`v + c\, \nabla \tfrac12 |v|^2`."""

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
    differentiate = _consensus_gradients(strength) if rule == "consensus" else gradients
    return play(TrainState, differentiate, game, rule, start, steps, rates)

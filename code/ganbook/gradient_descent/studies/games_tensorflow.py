"""The two-player games, played by the training steps of TensorFlow.

Every update is one that :mod:`ganbook.gradient_descent.step.steps_tensorflow` makes, so what these paths show holds
for the training loop itself.

Explained in the book's section "Game dynamics".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from ganbook.gradient_descent.step.steps_tensorflow import Gradients, Objectives, Report, Tensors, gradients
from ganbook.gradient_descent.step.train_state_tensorflow import TrainState
from ganbook.gradient_descent.studies.game_steps import play
from ganbook.gradient_descent.studies.games import Game, check_run


def _consensus_gradients(strength: float) -> Gradients:
    r"""The field and the slope of half its squared length at one point: :math:`v + c\, \nabla \tfrac12 |v|^2`."""

    def differentiate(objectives: Objectives, weights: dict[str, Tensors]) -> tuple[dict[str, Tensors], Report]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            field, report = gradients(objectives, weights)
            half_square = sum(tf.reduce_sum(part**2) for group in field.values() for part in group.values()) / 2
        slopes = tape.gradient(half_square, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return tf.nest.map_structure(lambda part, slope: part + strength * slope, field, slopes), report

    return differentiate


def simulate(
    game: Game, rule: str, start: ArrayLike, steps: int, rate: float | Sequence[float], *, strength: float = 1.0
) -> np.ndarray:
    """The twin of :func:`ganbook.gradient_descent.studies.games_torch.simulate`."""
    start, rates = check_run(game, rule, start, steps, rate, strength)
    differentiate = _consensus_gradients(strength) if rule == "consensus" else gradients
    return play(TrainState, differentiate, game, rule, start, steps, rates)

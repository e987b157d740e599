"""The two-player games, played by the training steps of TensorFlow.

The networks are as small as networks can be: a discriminator with one weight and a generator that shifts its noise.
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
from ganbook.gradient_descent.studies.games import Game, check_run, game_inputs, game_recipe


def game_state(game: Game, start: ArrayLike, rate: ArrayLike, order: str = "simultaneous") -> TrainState:
    """The twin of :func:`ganbook.gradient_descent.studies.games_torch.game_state`."""
    state = TrainState(game_recipe(game, order, rate), np.random.default_rng(0), "cpu")
    del state.optimiser_state["generator"]["dense_1.weight"]
    _place(state, game, start)
    return state


def consensus_gradients(strength: float) -> Gradients:
    """The twin of :func:`ganbook.gradient_descent.studies.games_torch.consensus_gradients`."""

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

"""The two-player games, played by the training steps of TensorFlow.

The networks are as small as networks can be: a discriminator with one weight and a generator that shifts its noise.
Every update is one that :mod:`ganbook.gradient_descent.steps_tensorflow` makes, so what these paths show holds for the
training loop itself.

Explained in the book's section "Game dynamics".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from ganbook.gradient_descent.draws import Draws
from ganbook.gradient_descent.games import Game, check_run, game_draws, game_recipe
from ganbook.gradient_descent.steps_tensorflow import Players, discriminator_objective, generator_objective, run_rounds
from ganbook.tensors.architectures import blueprint_of
from ganbook.tensors.networks_tensorflow import Network


class Shift(Network):
    """The twin of :class:`ganbook.gradient_descent.games_torch.Shift`."""

    def trainable(self) -> dict[str, tf.Variable]:
        return {name: tensor for name, tensor in super().trainable().items() if name == "dense_1.bias"}

    def moving(self) -> dict[str, tf.Variable]:
        return {name: tensor for name, tensor in super().trainable().items() if name == "dense_1.weight"}


def game_players(game: Game, start: ArrayLike, rate: float | Sequence[float], order: str = "simultaneous") -> Players:
    """The twin of :func:`ganbook.gradient_descent.games_torch.game_players`."""
    recipe = game_recipe(game, order, rate)
    players = Players(recipe, np.random.default_rng(0), "cpu")
    players.generator = Shift(blueprint_of(recipe.generator), 0, recipe.dtype, "cpu")
    _place(players, game, start)
    return players


def consensus_step(players: Players, draws: Draws, strength: float) -> None:
    """The twin of :func:`ganbook.gradient_descent.games_torch.consensus_step`."""
    step, rates = draws["discriminator"][0], draws["generator"]["rates"]
    weights = {"discriminator": players.discriminator.trainable(), "generator": players.generator.trainable()}
    parts = {role: list(tensors.values()) for role, tensors in weights.items()}
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape(persistent=True) as inner:
            fake = players.generator(step["noise"], training=True)
            losses = {"discriminator": discriminator_objective(players.recipe, players.discriminator, fake, step)[0],
                      "generator": generator_objective(players.recipe, players.generator, players.discriminator,
                                                       draws["generator"])[0]}
        fields = {role: inner.gradient(loss, parts[role]) for role, loss in losses.items()}
        half_square = sum(tf.reduce_sum(part**2) for field in fields.values() for part in field) / 2
    slopes = {role: outer.gradient(half_square, parts[role], unconnected_gradients="zero") for role in parts}
    for role, learning in (("discriminator", step["rates"]), ("generator", rates)):
        moves = [part + strength * slope for part, slope in zip(fields[role], slopes[role], strict=True)]
        players.apply(role, dict(zip(weights[role], moves, strict=True)), {}, learning)


def simulate(game: Game, rule: str, start: ArrayLike, steps: int, rate: float | Sequence[float], *,
             strength: float = 1.0) -> np.ndarray:
    """The twin of :func:`ganbook.gradient_descent.games_torch.simulate`."""
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

"""What both frameworks share when their training steps play a game: its recipe, its players, their inputs, the loop.

The networks are as small as networks can be: a discriminator with one weight and a generator that shifts its noise.

Explained in the book's section "Game dynamics".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganbook.data.recipe import Architecture, Optimiser, Recipe
from ganbook.gradient_descent.studies.games import Game


def game_state(train_state: Callable[..., Any], game: Game, start: np.ndarray, rates: np.ndarray, order: str) -> Any:
    r"""Both players of a game as networks, their numbers set to a point.

    The discriminator has one weight.  The generator shifts its noise, :math:`G(z) = z + b`: the weight in front of z is
    1 and has no optimiser state, so that no step changes it.

    Args:
        train_state: a framework's ``TrainState``.
        game: the game.
        start: the point, shape (2,).
        rates: step size of each coordinate, shape (2,).
        order: one of ``ganbook.data.recipe.ORDERS``.

    Returns:
        the train state, whose steps are plain descent in float64.
    """
    state = train_state(_recipe(game, order, rates), np.random.default_rng(0), "cpu")
    del state.optimiser_state["generator"]["dense_1.weight"]
    _place(state, game, start)
    return state


def play(
    train_state: Callable[..., Any],
    differentiate: Callable[..., Any],
    game: Game,
    rule: str,
    start: np.ndarray,
    steps: int,
    rates: np.ndarray,
) -> np.ndarray:
    """The path of a game, made by a framework's training steps.

    The extragradient and the optimistic rule are put together from displacements of simultaneous steps.

    Args:
        train_state: a framework's ``TrainState``.
        differentiate: what a step takes as its gradients.
        game, rule, steps: as of :func:`ganbook.gradient_descent.studies.games.simulate`.
        start, rates: as :func:`ganbook.gradient_descent.studies.games.check_run` returns them.

    Returns:
        the points, shape (steps + 1, 2), float64.
    """
    inputs = [_inputs(game, rates)]
    state = game_state(train_state, game, start, rates, "alternating" if rule == "alternating" else "simultaneous")
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


def _recipe(game: Game, order: str, rates: np.ndarray) -> Recipe:
    linear = {"shape": (1,), "hidden": ()}
    return Recipe(
        name="game",
        loss=game.loss,
        r1=game.r1,
        r2=game.r2,
        gradient_penalty=game.gradient_penalty,
        clip=game.clip,
        generator=Architecture("MLPGenerator", {"latent": 1, **linear, "output_activation": None}),
        discriminator=Architecture("MLPDiscriminator", {**linear, "bias": False}),
        generator_optimiser=Optimiser("sgd", float(rates[1 - game.discriminator])),
        discriminator_optimiser=Optimiser("sgd", float(rates[game.discriminator])),
        order=order,
        batch=len(game.batch()[0]),
        averaging=0.0,
        dtype="float64",
    )


def _inputs(game: Game, rates: np.ndarray) -> dict:
    """The inputs of one iteration, the same at every step: the game's examples, its noise and its rates."""
    real, noise = game.batch()
    step = {
        "real": real[:, None],
        "noise": noise[:, None],
        "masks": {"generator": {}, "real": {}, "fake": {}},
        "weights": np.full(len(real), 0.5),
    }
    numbers = {"t": 1.0, "r1": game.r1, "r2": game.r2, "decay": 0.0}
    return {
        "discriminator": [step | {"rates": numbers | {"learning_rate": float(rates[game.discriminator])}}],
        "generator": step | {"rates": numbers | {"learning_rate": float(rates[1 - game.discriminator])}},
    }


def _place(state: Any, game: Game, point: np.ndarray) -> None:
    discriminator, generator = point[[game.discriminator, 1 - game.discriminator]]
    state.discriminator.load({"dense_1.weight": discriminator.reshape(1, 1)})
    state.generator.load({"dense_1.weight": np.ones((1, 1)), "dense_1.bias": generator.reshape(1)})


def _point(state: Any, game: Game) -> np.ndarray:
    point = np.empty(2)
    point[game.discriminator] = state.discriminator.export()["dense_1.weight"].item()
    point[1 - game.discriminator] = state.generator.export()["dense_1.bias"].item()
    return point

"""What the page "Playground" offers, as recipes of the package: data, losses, penalties and update rules.

The page trains by a script of its own; a test runs every combination in both and compares losses and points.

Explained in the book's section "Playground".
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

from ganbook.data.mixtures import grid, ring
from ganbook.data.recipe import LOSSES, Architecture, Optimiser, Recipe, Schedule, check_choice

_LAYERS = {"shape": (2,), "hidden": (32, 32), "slope": 0.2, "initialiser": "he", "last_gain": 0.5}
_ADAM = Optimiser("adam", Schedule(2e-3), beta1=0.0, beta2=0.99)

#: The first choice: small networks and constant rates, so that a page makes a few hundred steps a second.
FIRST = Recipe(
    name="playground",
    data="ring",
    scale=0.707,
    generator=Architecture("MLPGenerator", {"latent": 2, "output_activation": None, **_LAYERS}),
    discriminator=Architecture("MLPDiscriminator", _LAYERS),
    loss="non_saturating",
    r1=Schedule(0.1),
    r2=Schedule(0.0),
    generator_optimiser=_ADAM,
    discriminator_optimiser=_ADAM,
    batch=64,
    steps=1000,
    averaging=0.0,
    dtype="float64",
)
#: Data with the means at most 2 from the middle, and a spread that shows on a screen.
MIXTURES = MappingProxyType({"ring": ring(sigma=0.05, scale=0.707), "grid": grid(side=3, sigma=0.1, scale=1.414)})
_NONE = {"r1": 0.0, "r2": 0.0, "gradient_penalty": 0.0, "clip": 0.0}
#: By what the reader reads, the fields of the recipe that a penalty sets.
PENALTIES = MappingProxyType(
    {
        "R1, γ = 0.1": _NONE | {"r1": 0.1},
        "none": _NONE,
        "R1 and R2, γ = 0.1": _NONE | {"r1": 0.1, "r2": 0.1},
        "WGAN-GP, λ = 1": _NONE | {"gradient_penalty": 1.0},
        "weights clipped to ±0.1": _NONE | {"clip": 0.1},
    }
)
#: By name, the update rules, without their rates.
OPTIMISERS = MappingProxyType(
    {
        name: Optimiser(name, _ADAM.learning_rate, beta1, 0.99)
        for name, beta1 in (("adam", 0.0), ("rmsprop", 0.0), ("sgd", 0.0), ("momentum", 0.5))
    }
)


def chosen(
    *,
    data: str = "ring",
    loss: str = FIRST.loss,
    penalty: str = "R1, γ = 0.1",
    optimiser: str = "adam",
    generator_rate: float = 2e-3,
    discriminator_rate: float = 2e-3,
    discriminator_steps: int = 1,
    seed: int = 0,
) -> Recipe:
    """The recipe of a reader's choices.

    Args:
        data: one of ``MIXTURES``, which is to be given to ``train`` as its ``source``.
        loss: one of ``LOSSES``.
        penalty: one of ``PENALTIES``.
        optimiser: one of ``OPTIMISERS``, for both players.
        generator_rate, discriminator_rate: learning rates, constant.
        discriminator_steps: per step of the generator.
        seed: of all that is random.

    Returns:
        A float64 recipe of 1,000 steps.

    Raises:
        ValueError: an unknown name, or a number outside its range.

    Example:
        >>> chosen() == FIRST
        True
        >>> chosen(penalty="none").r1.start
        0.0
    """
    rule = OPTIMISERS[check_choice("optimiser", optimiser, tuple(OPTIMISERS))]
    fields = {
        f"{player}_optimiser": dataclasses.replace(rule, learning_rate=Schedule(rate))
        for player, rate in (("generator", generator_rate), ("discriminator", discriminator_rate))
    }
    return FIRST.replace(
        data=check_choice("data", data, tuple(MIXTURES)),
        loss=check_choice("loss", loss, LOSSES),
        seed=seed,
        discriminator_steps=discriminator_steps,
        **fields,
        **PENALTIES[check_choice("penalty", penalty, tuple(PENALTIES))],
    )

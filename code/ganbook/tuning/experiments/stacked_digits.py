"""Stacked digits: 10^n modes to cover, small networks and four ways of training them, and two articles' DCGANs.

Every channel of an example is a digit of 8x8 pixels, so stacks of n digits have 10^n modes.  The classifier learns from
one stratified half of the digits and the stacks are made of the other half.  Three digits, 1,000 modes and 26,000
samples are the published protocol with smaller images; two digits and 2,600 samples keep its floor and train while one
reads on.

``STACKED_DIGITS`` runs the best method as long as it takes, in both frameworks.  ``STACKED_DIGITS_METHODS`` gives four
methods a quarter of those steps: networks, noise, batch, optimisers and schedules are equal, and a method's own are
its loss, its penalties and its packing.

``ARTICLE_001`` and ``ARTICLE_004`` are those articles' networks, optimisers and batches at their own size, digits of 28
and 32 pixels, measured again and again on the way.

Every other run is measured with the moving average of the generator's weights and with the last weights.  A mode
counts as covered where a classifier reads it, and a classifier reads digits into anything, so :func:`limits` and the
share of readable channels belong beside every count.

Reference: Srivastava, Valkov, Russell, Gutmann and Sutton, VEEGAN, NIPS 2017, section 4.2, arXiv:1705.07761; Lin,
Khetan, Fanti and Oh, PacGAN, NeurIPS 2018, section 4.2, arXiv:1712.04086.

Explained in the book's section "Mode collapse".
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ganbook import data
from ganbook.data.recipe import FRAMEWORKS, Architecture, Optimiser, Recipe, Schedule, check_choice, check_int
from ganbook.gradient_descent import training
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.experiments.tables import Cell, Table
from ganbook.tuning.metrics import modes

#: By name, the fields of a recipe that a method sets, besides packing.
METHODS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "relativistic_r1_r2": {
            "loss": "relativistic",
            "r1": Schedule(1.0, 0.3, "cosine"),
            "r2": Schedule(1.0, 0.3, "cosine"),
        },
        "r1": {"loss": "non_saturating", "r1": Schedule(1.0, 0.3, "cosine"), "r2": 0.0},
        "packing": {"loss": "non_saturating", "r1": 0.0, "r2": 0.0},
        "non_saturating": {"loss": "non_saturating", "r1": 0.0, "r2": 0.0},
    }
)
BEST = "relativistic_r1_r2"
#: Of the runs of the best method.
SEEDS = (0, 1, 2)
#: Examples that the method ``packing`` judges together.
PACKING = 2
#: Steps by the number n of digits: those of the best method, and those that all methods get.
STEPS = MappingProxyType({2: 3_000, 3: 36_000})
COMPARED_STEPS = 9_000
#: By the number n of digits: units of the three hidden layers of both networks, batch, and learning rate at the start.
UNITS = MappingProxyType({2: 128, 3: 256})
BATCH = MappingProxyType({2: 64, 3: 128})
RATE = MappingProxyType({2: 2e-3, 3: 1e-3})
#: Seed of the noise that runs are measured with: none that a run of the tables has.
NOISE = 12345
MEASURES = ("modes", "kl", "readable", "last_modes", "last_kl", "last_readable")


def stacked_recipe(n: int = 2, method: str = BEST, steps: int | None = None, seed: int = 0) -> Recipe:
    """A recipe for stacks of n digits.

    Args:
        n: digits of a stack, 2 or 3.
        method: one of ``METHODS``.
        steps: of the whole run; None means those of ``STEPS``.
        seed: of the run.

    Returns:
        A recipe that learns the half of the digits that the classifier has not seen.

    Raises:
        ValueError: an argument outside its range.

    Example:
        >>> stacked_recipe(2, "packing").packing
        2
    """
    fields = METHODS[check_choice("method", method, tuple(METHODS))]
    if check_int("n", n, 1) not in STEPS:
        raise ValueError(f"n is {n}; accepted: {', '.join(map(str, STEPS))}")
    layers = {"shape": (8, 8, n), "hidden": (UNITS[n],) * 3, "slope": 0.2, "initialiser": "he"}
    adam = Optimiser("adam", Schedule(RATE[n], 2e-5, "cosine"), beta1=0.0, beta2=0.99)
    return Recipe(
        name=f"stacked-{n}-{method.replace('_', '-')}",
        data="stacked_digits",
        split="test",
        generator=Architecture("MLPGenerator", {"latent": 32, **layers}),
        discriminator=Architecture("MLPDiscriminator", layers | ({"packing": PACKING} if method == "packing" else {})),
        generator_optimiser=adam,
        discriminator_optimiser=adam,
        batch=BATCH[n],
        averaging=0.999,
        dequantisation=0.125,
        steps=STEPS[n] if steps is None else steps,
        seed=seed,
        **fields,
    )


@functools.cache
def classifier(size: int | None = None) -> modes.ModeClassifier:
    """The classifier that every run is measured with, fitted on the half of the digits that no run sees.

    Args:
        size: of the digits in pixels; None means their own 8.
    """
    return modes.fit_classifier(*(data.load("digits", split=split, size=size) for split in ("train", "test")))


@dataclasses.dataclass(frozen=True)
class Limits:
    """Between which bounds the numbers of a run on stacks of n digits lie.

    Args:
        accuracy: share of single held-out digits that the classifier names rightly.
        floor: number of modes and divergence that equally likely modes have on average in so many samples.
        ceiling: what real stacks score.
        control: what stacks without a digit score: each channel from a Gaussian with the digits' mean and covariance.
        control_readable: share of the control's channels that are as near to a digit as 95 % of real ones.
    """

    accuracy: float
    floor: modes.Coverage
    ceiling: modes.Coverage
    control: modes.Coverage
    control_readable: float


@functools.cache
def limits(n: int = 2) -> Limits:
    """Floor, ceiling and control of stacks of n digits, for 26 samples of each mode.

    Args:
        n: digits of a stack, 2 or 3.

    Raises:
        ValueError: another number of digits.
    """
    recipe = stacked_recipe(n)
    possible, rng = modes.DIGITS**n, np.random.default_rng(NOISE)
    shared = {"possible": possible, "samples": modes.SAMPLES_PER_MODE * possible}
    control = modes.gaussian_stacks(data.load("digits", split="test"), n, shared["samples"], rng)
    return Limits(
        classifier().accuracy,
        modes.Coverage(modes=round(modes.expected_modes(**shared)), kl=modes.expected_kl(**shared), **shared),
        modes.ceiling(classifier(), training.load_source(recipe), rng),
        modes.measure(classifier(), control),
        float(classifier().readable(control).mean()),
    )


def measure_stacks(run: training.Run) -> dict[str, float]:
    """What a trained run covers, by 26 samples of each mode.

    Args:
        run: of a recipe of :func:`stacked_recipe`.

    Returns:
        By the names of ``MEASURES``: modes, divergence from uniform in nats and share of readable channels, of the
        moving average of the generator's weights and of the last weights.

    Example:
        >>> run = training.start_run(stacked_recipe(2), device="cpu")
        >>> measure_stacks(run)["modes"] <= 100
        True
    """
    found: dict[str, float] = {}
    for prefix, use_average in (("", True), ("last_", False)):
        samples = modes.SAMPLES_PER_MODE * modes.DIGITS ** run.generator.blueprint.output_shape[2]
        scores = _scores(classifier(), run.sample(samples, NOISE, use_average=use_average))
        found |= {f"{prefix}{name}": value for name, value in scores.items()}
    return found


def _scores(reader: modes.ModeClassifier, stacks: np.ndarray) -> dict[str, float]:
    covered = modes.measure(reader, stacks)
    return {"modes": covered.modes, "kl": covered.kl, "readable": float(reader.readable(stacks).mean())}


def measure_dcgan(run: training.Run) -> dict[str, float]:
    """What a run of full size covers, by 26 samples of each mode: modes, divergence in nats and readable share."""
    stacks = run.sample(
        modes.SAMPLES_PER_MODE * modes.DIGITS ** run.generator.blueprint.output_shape[2], run.recipe.seed
    )
    return _scores(classifier(run.recipe.size), stacks)


def dcgan_limits(recipe: Recipe) -> dict[str, Any]:
    """Between which bounds :func:`measure_dcgan` lies: as :class:`Limits`, by name, for stacks of three digits.

    Args:
        recipe: whose size of digits.
    """
    reader, rng = classifier(recipe.size), np.random.default_rng(recipe.seed)
    ceiling = modes.ceiling(reader, training.load_source(recipe), rng)
    shared = {"possible": ceiling.possible, "samples": ceiling.samples}
    stacks = modes.gaussian_stacks(data.load("digits", split="test", size=recipe.size), 3, ceiling.samples, rng)
    return {
        "accuracy": reader.accuracy,
        "floor": {"modes": modes.expected_modes(**shared), "kl": modes.expected_kl(**shared)},
        "ceiling": {"modes": ceiling.modes, "kl": ceiling.kl, "readable": modes.READABLE},
        "control": _scores(reader, stacks),
    }


def examples(run: training.Run) -> np.ndarray:
    """Forty samples, for a picture."""
    return run.sample(40, run.recipe.seed)


def _as_listed(name: str, recipe: Recipe, frameworks: tuple[str, ...], every: int) -> Table:
    cells = tuple(Cell("as_listed", framework, recipe) for framework in frameworks)
    return Table(
        name,
        f"Stacks of three digits: the DCGAN of article {name[-3:]} at full width",
        cells,
        ("modes", "kl", "readable"),
        measure_dcgan,
        compiled=False,
        every=every,
        limits=dcgan_limits,
        picture=examples,
    )


#: As far as half an hour of a thread brings the one, and as many steps as the other asks for.
ARTICLE_001 = _as_listed("article_001", RECIPES["colour-dcgan"].replace(steps=1250), FRAMEWORKS, 250)
ARTICLE_004 = _as_listed("article_004", RECIPES["article-004"], ("tensorflow",), 300)
STACKED_DIGITS = Table(
    "stacked_digits",
    "Stacks of three digits: the best method in both frameworks",
    tuple(Cell(BEST, framework, stacked_recipe(3, seed=seed)) for seed in SEEDS for framework in FRAMEWORKS),
    MEASURES,
    measure_stacks,
)
STACKED_DIGITS_METHODS = Table(
    "stacked_digits_methods",
    f"Stacks of three digits: four methods, {COMPARED_STEPS:,} steps each",
    tuple(
        Cell(method, framework, stacked_recipe(3, method, COMPARED_STEPS))
        for method in METHODS
        for framework in FRAMEWORKS
    ),
    MEASURES,
    measure_stacks,
)

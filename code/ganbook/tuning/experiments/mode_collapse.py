"""Mixtures under the published metric: one recipe for as long as a minute allows, and seven methods for equal steps.

``MIXTURES`` runs the recipes ``ring`` and ``grid`` with ten seeds in both frameworks.  Their steps are those that one
thread of a processor makes in about a minute, so they differ between the frameworks.

``COMPARISON`` asks which method covers the modes.  Equal for all methods on both mixtures: networks, noise, batch,
number of generator steps, schedule of the learning rate, and the search that chose the rate (the ``RATES``, one
seed, fewer steps; ``RATES_TABLE``).  A method's own are its loss, its penalty, the constants of Adam, the
discriminator's share of the rate, packing, steps that the generator looks ahead and discriminator steps for each
generator step, as published; ``METHODS`` states them all.

Every run is measured twice: with the 2,500 samples of the published protocol and with 10,000, whose divergence has a
floor four times as low.

Explained in the book's section "Mode collapse".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from ganbook.data.recipe import FRAMEWORKS, Optimiser, Recipe, Schedule, check_choice, check_int
from ganbook.gradient_descent import training
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.experiments.tables import Cell, Table
from ganbook.tuning.metrics import mixture_modes

#: The two mixtures.
NAMES = ("ring", "grid")
SEEDS = tuple(range(10))
#: Samples that every run is measured with, besides the 2,500 of the published protocol.
SAMPLES = 10_000
#: Seed of the noise that runs are measured with: none that a run of the tables has.
NOISE = 12345
#: Steps of a minute of one thread, compiling included.
STEPS = MappingProxyType({"tensorflow": 80_000, "pytorch": 50_000})
#: Generator steps of every method in the comparison.
COMPARED_STEPS = 10_000
#: What the search chooses the generator's learning rate from, and the seed that it uses.
RATES = (2e-4, 6e-4, 2e-3, 6e-3, 2e-2)
SEARCH_SEED = 100
#: Generator steps of the search.
SEARCH_STEPS = 4000
MEASURES = ("modes", "high_quality", "reverse_kl", "protocol_modes", "protocol_high_quality", "protocol_reverse_kl")


@dataclasses.dataclass(frozen=True)
class Method:
    """What distinguishes one way of training from the others.

    Args:
        title: as tables show it.
        fields: of the recipe, where they differ from those of the non-saturating GAN.
        penalties: ``r1`` and ``r2``, weighted as in the recipe of the mixture.
        beta1, beta2: constants of Adam, of both players.
        packing: examples that the discriminator judges together.
        share: the discriminator's learning rate, divided by the generator's.
    """

    title: str
    fields: Mapping[str, object] = dataclasses.field(default_factory=dict)
    penalties: tuple[str, ...] = ()
    beta1: float = 0.5
    beta2: float = 0.999
    packing: int = 1
    share: float = 1.0


#: The settings are from the publications at the side, by their keys in the book's bibliography.
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "plain": Method("non-saturating"),  # radford2016
        "packing_2": Method("packing, 2 samples", packing=2),  # lin2018
        "packing_4": Method("packing, 4 samples", packing=4),  # lin2018
        "unrolled": Method("unrolled, 5 steps", {"unrolled": 5}, share=0.1),  # metz2017
        "wgan_gp": Method(  # gulrajani2017
            "WGAN-GP", {"loss": "wasserstein", "gradient_penalty": 0.1, "discriminator_steps": 5}, beta2=0.9
        ),
        "r1": Method("non-saturating, R1", penalties=("r1",), beta1=0.0, beta2=0.99),  # mescheder2018
        "relativistic": Method(  # huang2024
            "relativistic, R1 + R2", {"loss": "relativistic"}, ("r1", "r2"), beta1=0.0, beta2=0.99
        ),
    }
)
#: By method, the rate of ``RATES`` with most effective modes of high quality, K Q exp(-KL), added over both mixtures.
CHOSEN: Mapping[str, float] = MappingProxyType(
    {
        "plain": 6e-3,
        "packing_2": 6e-3,
        "packing_4": 2e-2,
        "unrolled": 2e-3,
        "wgan_gp": 2e-2,
        "r1": 6e-3,
        "relativistic": 6e-3,
    }
)


def recipe(method: str, data: str, rate: float | None = None, seed: int = 0) -> Recipe:
    """One method on one mixture.

    Args:
        method: one of ``METHODS``.
        data: ``ring`` or ``grid``.
        rate: learning rate of the generator at the start, above 0; it falls to a hundredth by a cosine, and the
            discriminator's with it.  None means the one that the search chose.
        seed: of the run.

    Returns:
        The recipe of that mixture with the method's own settings.

    Raises:
        ValueError: an unknown name, or a number outside its range.
    """
    own = METHODS[check_choice("method", method, tuple(METHODS))]
    common = RECIPES[check_choice("data", data, NAMES)]
    rate = CHOSEN[method] if rate is None else rate
    adam, slow = (
        Optimiser("adam", Schedule(start, start / 100, "cosine"), own.beta1, own.beta2)
        for start in (rate, own.share * rate)
    )
    fields = {"loss": "non_saturating", "r1": 0.0, "r2": 0.0, **own.fields}
    fields |= {name: getattr(common, name) for name in own.penalties}
    discriminator = common.discriminator.with_(packing=own.packing) if own.packing > 1 else common.discriminator
    return common.replace(
        name=f"{data}-{method}",
        discriminator=discriminator,
        generator_optimiser=adam,
        discriminator_optimiser=slow,
        averaging=0.0,
        steps=COMPARED_STEPS,
        seed=seed,
        **fields,
    )


def measure(run: training.Run) -> dict[str, float]:
    """The three numbers of a run on a mixture, from 10,000 samples and from the first 2,500 of them.

    Args:
        run: of a recipe on ``ring`` or ``grid``.

    Returns:
        By the names of ``MEASURES``.

    Raises:
        ValueError: a run of other data.
    """
    check_choice("data", run.recipe.data, NAMES)
    mixture, points = training.load_source(run.recipe), run.sample(SAMPLES, NOISE)
    measured: dict[str, float] = {}
    for prefix, part in (("", points), ("protocol_", points[: mixture_modes.SAMPLES])):
        found = mixture_modes.measure_mixture(mixture, part)
        measured |= {
            f"{prefix}modes": found.modes,
            f"{prefix}high_quality": found.high_quality,
            f"{prefix}reverse_kl": found.reverse_kl,
        }
    return measured


def snapshots(
    recipe: Recipe,
    framework: str = "pytorch",
    *,
    every: int,
    samples: int = mixture_modes.SAMPLES,
    compiled: bool = False,
    device: str | None = None,
) -> dict[int, np.ndarray]:
    """Train, and stop every so many steps to look at samples of the same noise.

    Args:
        recipe: what to run.
        framework: ``pytorch`` or ``tensorflow``.
        every: steps between two looks, at least 1.
        samples: how many at each look, at least 1.
        compiled: as for :func:`ganbook.gradient_descent.training.train`.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        By step, float32 samples of shape (samples, ...); the last step is among them.

    Raises:
        ValueError: an argument outside its range.
        NonFiniteLoss: a loss became infinite or not a number; the step is named.

    Example:
        >>> seen = snapshots(lopsided().replace(steps=3), every=2, samples=5, device="cpu")
        >>> {step: points.shape for step, points in seen.items()}
        {2: (5, 2), 3: (5, 2)}
    """
    check_int("every", every, 1)
    run = training.start_run(recipe, framework, device=device)
    seen = {}
    for _ in training.iterate(run, every, run_iterations=training.make_runner(run, compiled)):
        seen[run.step] = run.sample(samples, NOISE)
    return seen


def lopsided(data: str = "ring") -> Recipe:
    """A game that collapses within a few hundred steps: a generator ten times as quick as its discriminator.

    Args:
        data: ``ring`` or ``grid``.

    Returns:
        The recipe of the non-saturating GAN on that mixture with rates of 5e-3 and 5e-4, 400 steps in float64.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> lopsided().generator_optimiser.learning_rate.start
        0.005
    """
    quick, slow = (Optimiser("adam", rate, beta1=0.5, beta2=0.999) for rate in (5e-3, 5e-4))
    return recipe("plain", data).replace(
        name=f"{data}-lopsided", generator_optimiser=quick, discriminator_optimiser=slow, steps=400, dtype="float64"
    )


def _table(name: str, title: str, cells: list[Cell]) -> Table:
    return Table(name, title, tuple(cells), MEASURES, measure)


MIXTURES = _table(
    "mixtures",
    "Ring and grid: the recipes of the book, a minute of one thread each",
    [
        Cell("relativistic", framework, RECIPES[data].replace(steps=STEPS[framework], seed=seed))
        for framework in reversed(FRAMEWORKS)
        for data in NAMES
        for seed in SEEDS
    ],
)
RATES_TABLE = _table(
    "mode_collapse_rates",
    "Ring and grid: learning rates of seven methods",
    [
        Cell(f"{name}-{rate:g}", "tensorflow", recipe(name, data, rate, SEARCH_SEED).replace(steps=SEARCH_STEPS))
        for name in METHODS
        for rate in RATES
        for data in NAMES
    ],
)
#: Seed by seed, so that a table that was stopped still compares all methods alike.
COMPARISON = _table(
    "mode_collapse",
    "Ring and grid: seven methods for equal steps",
    [Cell(name, "tensorflow", recipe(name, data, seed=seed)) for seed in SEEDS for data in NAMES for name in METHODS],
)

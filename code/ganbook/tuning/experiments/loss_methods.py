"""Every loss and penalty of the book at one budget: what is equal, what is each method's own, and what is measured.

Equal for all methods on one data set: networks, batch, number of generator steps, moving average, and the search that
chose the learning rate (the ``RATES``, three seeds; on mnist fewer steps).  A method's own are its loss, its penalty,
the constants of its optimiser and its discriminator steps for each generator step, as published; ``METHODS`` states
them all.  The budget counts generator steps: a method with five discriminator steps sees five times as many real images
and takes longer, and the records say how much longer.

Explained in the book's section "Losses and penalties".
"""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ganbook.data.recipe import Optimiser, Recipe, Schedule, check_choice
from ganbook.gradient_descent import training
from ganbook.tensors.configurations import CONFIGURATIONS
from ganbook.tuning.experiments.tables import Cell, Table
from ganbook.tuning.metrics import frechet
from ganbook.tuning.metrics.neighbours import measure_neighbourhoods

RATES = (2e-4, 6e-4, 2e-3, 6e-3, 2e-2)
SEEDS = (0, 1, 2, 3, 4)
#: The search for the rates has seeds of its own, so that no run of the tables was chosen for its luck.
SEARCH_SEEDS = (100, 101, 102)
#: On digits the search makes all steps: at half of them some rates still look good at which a run breaks down later.
SEARCH_STEPS = MappingProxyType({"digits": 1000, "mnist": 300})
#: Of the moving average; a shorter memory in the first steps, see ``ganbook.gradient_descent.step.inputs``.
AVERAGING = 0.995


@dataclasses.dataclass(frozen=True)
class Method:
    """What distinguishes one way of training from the others.

    Args:
        title: as tables show it.
        loss: one of ``ganbook.data.recipe.LOSSES``.
        optimiser: ``adam`` or ``rmsprop``, of both players.
        beta1, beta2: the optimiser's constants.
        r1, r2: weights gamma of the zero-centred penalties.
        gradient_penalty: weight lambda of WGAN-GP's penalty.
        clip: bound of the discriminator's weights; 0 for none.
        discriminator_steps: for each generator step.
        spectral_norm: divide the discriminator's weights by their spectral norms.
    """

    title: str
    loss: str
    optimiser: str = "adam"
    beta1: float = 0.5
    beta2: float = 0.999
    r1: float = 0.0
    r2: float = 0.0
    gradient_penalty: float = 0.0
    clip: float = 0.0
    discriminator_steps: int = 1
    spectral_norm: bool = False


#: The settings are from the publications at the side, by their keys in the book's bibliography.
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "minimax": Method("minimax", "minimax"),  # radford2016
        "non_saturating": Method("non-saturating", "non_saturating"),  # radford2016
        "least_squares": Method("least squares", "least_squares"),  # mao2017
        "hinge": Method("hinge", "hinge"),  # radford2016
        "wgan_clip": Method(  # arjovsky2017
            "WGAN, clipping", "wasserstein", "rmsprop", 0.0, 0.99, clip=0.01, discriminator_steps=5
        ),
        "wgan_gp": Method(  # gulrajani2017
            "WGAN-GP", "wasserstein", beta1=0.0, beta2=0.9, gradient_penalty=10.0, discriminator_steps=5
        ),
        "wgan_gp_one": Method(  # lucic2018
            "WGAN-GP, one step", "wasserstein", beta1=0.0, beta2=0.9, gradient_penalty=10.0
        ),
        "spectral_norm": Method(  # miyato2018
            "hinge, spectral norm", "hinge", beta1=0.0, beta2=0.9, discriminator_steps=5, spectral_norm=True
        ),
        "r1": Method("non-saturating, R1", "non_saturating", beta1=0.0, beta2=0.99, r1=10.0),  # mescheder2018
        "relativistic": Method(  # huang2024
            "relativistic, R1 + R2", "relativistic", beta1=0.0, beta2=0.99, r1=1.0, r2=1.0
        ),
    }
)

_WIDTH = 8
#: By data set, everything that is equal for all methods.
SETTINGS: Mapping[str, Recipe] = MappingProxyType(
    {
        "digits": Recipe(name="losses", data="digits", steps=1000, batch=128, averaging=AVERAGING, r1=0.0, r2=0.0),
        "mnist": Recipe(
            name="losses",
            data="mnist",
            split="test",
            steps=600,
            batch=64,
            averaging=AVERAGING,
            r1=0.0,
            r2=0.0,
            generator=CONFIGURATIONS["recommended_generator"].with_(width=_WIDTH),
            discriminator=CONFIGURATIONS["recommended_discriminator"].with_(channels=(_WIDTH, 2 * _WIDTH, 4 * _WIDTH)),
        ),
    }
)
#: XLA makes small dense networks several times faster, and small convolutions on a processor slower.
COMPILED = MappingProxyType({"digits": True, "mnist": False})
#: The rate of each method that won the search, see ``RATE_TABLES``.
CHOSEN: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "digits": MappingProxyType(
            {
                "minimax": 6e-4,
                "non_saturating": 2e-4,
                "least_squares": 2e-3,
                "hinge": 6e-4,
                "wgan_clip": 2e-4,
                "wgan_gp": 6e-4,
                "wgan_gp_one": 6e-4,
                "spectral_norm": 6e-4,
                "r1": 2e-3,
                "relativistic": 6e-4,
            }
        ),
        "mnist": MappingProxyType(
            {
                "minimax": 2e-3,
                "non_saturating": 2e-2,
                "least_squares": 6e-3,
                "hinge": 6e-3,
                "wgan_clip": 6e-4,
                "wgan_gp": 6e-3,
                "wgan_gp_one": 6e-3,
                "spectral_norm": 2e-2,
                "r1": 2e-3,
                "relativistic": 6e-3,
            }
        ),
    }
)
#: Last steps that the losses are averaged over.
TAIL = 50
_SCORES = ("pixel_frechet", "feature_frechet", "precision", "recall", "coverage")
MEASURES = (*(f"{score}{ending}" for ending in ("", "_last", "_real") for score in _SCORES), *training.LOSSES)


def recipe(method: str, data: str, rate: float, seed: int = 0) -> Recipe:
    """One method on one data set.

    Args:
        method: one of ``METHODS``.
        data: one of ``SETTINGS``.
        rate: learning rate of both players, above 0.
        seed: of the run.

    Returns:
        The recipe of that data set with the method's own settings.

    Raises:
        ValueError: an unknown name, or a number outside its range.

    Example:
        >>> recipe("wgan_gp", "digits", 1e-4).gradient_penalty
        10.0
    """
    own = METHODS[check_choice("method", method, tuple(METHODS))]
    common = SETTINGS[check_choice("data", data, tuple(SETTINGS))]
    optimiser = Optimiser(own.optimiser, Schedule(rate), own.beta1, own.beta2)
    discriminator = common.discriminator
    return common.replace(
        **{
            name: getattr(own, name) for name in ("loss", "r1", "r2", "gradient_penalty", "clip", "discriminator_steps")
        },
        discriminator=discriminator.with_(spectral_norm=True) if own.spectral_norm else discriminator,
        generator_optimiser=optimiser,
        discriminator_optimiser=optimiser,
        seed=seed,
    )


def halves(data: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint random halves of the real images: one to measure against, one to measure the floor with.

    Args:
        data: one of ``SETTINGS``.
        seed: of the choice.

    Returns:
        Two equally long arrays of shape (N, H, W, C).
    """
    images = training.load_source(SETTINGS[check_choice("data", data, tuple(SETTINGS))]).images
    order = np.random.default_rng(seed).permutation(len(images))
    half = len(images) // 2
    return images[order[:half]], images[order[half : 2 * half]]


def measure(run: training.Run) -> dict[str, float]:
    """Distances and shares of one trained run, for the averaged and for the last weights of its generator.

    Half of the real images, drawn with the run's seed, is compared with as many samples; the other half, compared in
    their place, gives the floors.

    Args:
        run: of a recipe of :func:`recipe`, at its last step.

    Returns:
        ``MEASURES`` by name: of the averaged weights, with ``_last`` of the last ones, with ``_real`` of real images;
        and the mean losses of the last ``TAIL`` steps.
    """
    real, other = halves(run.recipe.data, run.recipe.seed)
    reader = _reader(run.framework, real.shape[1])
    features = [frechet.pixels(real), reader.features(real)]
    sets = {
        "": run.sample(len(real), run.recipe.seed),
        "_real": other,
        "_last": run.sample(len(real), run.recipe.seed, use_average=False),
    }
    found: dict[str, float] = {}
    for ending, images in sets.items():
        compared = [frechet.pixels(images), reader.features(images)]
        near = measure_neighbourhoods(features[1], compared[1])
        distances = map(frechet.frechet_distance, features, compared)
        values = (*distances, near.precision, near.recall, near.coverage)
        found |= {f"{score}{ending}": value for score, value in zip(_SCORES, values, strict=True)}
    return found | {name: float(np.mean(run.history[name][-TAIL:])) for name in training.LOSSES}


@functools.cache
def _reader(framework: str, side: int) -> Any:
    return training.twin("ganbook.tuning.metrics.features", framework).DigitClassifier(side)


def _table(data: str) -> Table:
    """Every method with its rate, one seed after the other, so that a part of the table is balanced too."""
    cells = [
        Cell(name, "tensorflow", recipe(name, data, rate, seed))
        for seed in SEEDS
        for name, rate in CHOSEN[data].items()
    ]
    title = f"Every loss and penalty at one budget on {data}"
    return Table(f"losses_{data}", title, tuple(cells), MEASURES, measure, COMPILED[data])


def rate_scores(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[float, float]]:
    """What the search for the learning rates found.

    Args:
        records: of one of ``RATE_TABLES``, see :func:`ganbook.tuning.experiments.tables.read_table`.

    Returns:
        By method and rate, the median over the seeds of the distance in pixels, where a run that failed counts as
        infinitely far.  The smallest one wins.

    Example:
        >>> from ganbook.tuning.experiments.tables import read_table
        >>> found = rate_scores(read_table(RATE_TABLES["digits"]))
        >>> len(found["wgan_gp"]) == len(RATES)
        True
    """
    found: dict[str, dict[float, list[float]]] = {}
    for record in records:
        name, _, rate = record["method"].partition("-")
        distance = math.inf if record["failed"] else record["pixel_frechet"]
        found.setdefault(name, {}).setdefault(float(rate), []).append(distance)
    return {
        name: {rate: statistics.median(distances) for rate, distances in rates.items()} for name, rates in found.items()
    }


def _search_measure(run: training.Run) -> dict[str, float]:
    real, _ = halves(run.recipe.data, run.recipe.seed)
    fake = run.sample(len(real), run.recipe.seed)
    return {"pixel_frechet": frechet.frechet_distance(frechet.pixels(real), frechet.pixels(fake))}


def _search(data: str) -> Table:
    """The search for the learning rates: every method gets the same ones, the same seeds and the same steps."""
    cells = [
        Cell(f"{name}-{rate:g}", "tensorflow", recipe(name, data, rate, seed).replace(steps=SEARCH_STEPS[data]))
        for seed in SEARCH_SEEDS
        for name in METHODS
        for rate in RATES
    ]
    title = f"Learning rates for every loss and penalty on {data}"
    return Table(f"losses_{data}_rates", title, tuple(cells), ("pixel_frechet",), _search_measure, COMPILED[data])


RATE_TABLES = MappingProxyType({data: _search(data) for data in SETTINGS})
TABLES = MappingProxyType({data: _table(data) for data in SETTINGS})

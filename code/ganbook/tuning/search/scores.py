"""How a search judges a setting: the Frechet distance in pixels to the half of the images that no training saw.

Explained in the book's section "Search".
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ganbook import data
from ganbook.data.recipe import Recipe
from ganbook.gradient_descent import training
from ganbook.tuning.experiments import table_runs, tables
from ganbook.tuning.metrics.frechet import frechet_distance, half_split_floor, pixels
from ganbook.tuning.search.problems import OTHER_HALF, SearchProblem, check_seeds

#: Seeds that no problem uses: winners are scored again on these.
FRESH_SEEDS = tuple(range(100, 112))
#: Random splits that the noise floor is averaged over.
FLOOR_SPLITS = 20


@functools.lru_cache(maxsize=8)
def _judges(name: str, split: str, size: int | None) -> np.ndarray:
    return pixels(data.load(name, split=split, size=size).images)


def _distance(run: training.Run) -> float:
    """To the half that the run did not learn, of as many images, from noise of a seed that the training did not use."""
    recipe = run.recipe
    real = _judges(recipe.data, OTHER_HALF[recipe.split], recipe.size)
    images = run.sample(len(real), seed=10**6 + recipe.seed)
    if not np.isfinite(images).all():
        raise training.NonFiniteLoss(f"step {run.step}: the generator makes values that are not finite")
    return frechet_distance(pixels(images), real)


def noise_floor(problem: SearchProblem) -> tuple[float, float]:
    """What a perfect generator scores: the distance between two random halves of the real images.

    Args:
        problem: names the images.

    Returns:
        Mean and standard deviation over ``FLOOR_SPLITS`` splits, of halves as large as those that are scored.

    Example:
        >>> from ganbook.tuning.search.problems import PROBLEMS
        >>> [round(value, 2) for value in noise_floor(PROBLEMS["digits"])]
        [0.28, 0.02]
    """
    features = _judges(problem.base.data, "all", problem.base.size)
    rng = np.random.default_rng(0)
    floors = [half_split_floor(features, rng) for _ in range(FLOOR_SPLITS)]
    return statistics.fmean(floors), statistics.stdev(floors)


_TABLE = tables.Table(
    "trial", "one training of a trial", (), ("distance",), lambda run: {"distance": _distance(run)}, compiled=False
)


def run_seed(problem: SearchProblem, recipe: Recipe, seed: int, device: str | None = None) -> dict[str, Any]:
    """Train once and measure.

    Small networks run plainly: each trial has a program of its own, and compiling it takes longer than it saves.

    Args:
        problem: names the framework.
        recipe: what is run, but for its seed.
        seed: of the training.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        ``distance`` (None where the run diverged), ``failed`` (None, or what happened), ``early_losses`` (the losses of
        step ``tables.EARLY``, for whoever runs it again) and ``seconds``.
    """
    cell = tables.Cell("trial", problem.framework, recipe.replace(seed=seed))
    try:
        record = table_runs.run_cell(_TABLE, cell, device)
    except training.NonFiniteLoss as error:  # of the samples: the last update did it, and no loss has shown it yet
        record = {"distance": None, "failed": str(error).split(". ")[0], "early_losses": None, "seconds": None}
    return {name: record[name] for name in ("distance", "failed", "early_losses", "seconds")}


def score(
    problem: SearchProblem, settings: Mapping[str, Any], seeds: Sequence[int], device: str | None = None
) -> list[float]:
    """The distance of each seed, for one set of settings.

    Args:
        problem: what is asked.
        settings: values for all names of the problem's space.
        seeds: whole numbers of at least 0.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        As many distances as seeds; infinite where the run diverged.

    Raises:
        ValueError: settings outside the space, or no seed.

    Example:
        >>> import dataclasses
        >>> from ganbook.tuning.search.problems import PROBLEMS
        >>> problem = dataclasses.replace(PROBLEMS["rates"], steps=1)
        >>> len(score(problem, {"generator_rate": 1e-3, "discriminator_rate": 1e-3}, (0, 1), device="cpu"))
        2
    """
    check_seeds(seeds, 1)
    recipe = problem.recipe(settings)
    found = [run_seed(problem, recipe, seed, device)["distance"] for seed in seeds]
    return [math.inf if value is None else value for value in found]


def rescore(
    problem: SearchProblem, settings: Mapping[str, Any], seeds: Sequence[int], device: str | None = None
) -> list[float]:
    """:func:`score` of the winner of a search, on seeds that the search never saw.

    Raises:
        ValueError: a seed that the search has used, or as :func:`score`.
    """
    used = sorted(set(seeds) & set(problem.seeds))
    if used:
        raise ValueError(f"seeds has {', '.join(map(str, used))}, on which the search chose; accepted: fresh ones")
    return score(problem, settings, seeds, device)

"""Experiments that take longer than a page may, by name; each leaves files of results.

* ``colour_dcgan``: article 001's networks at full width on stacks of three digits; modes covered of 1,000, and
  divergence of their histogram from uniform, again and again during the training; one file for each framework.
* ``article_004``: the same for article 004's networks, on stacks of 32x32 pixels.
* ``digit_generator``: the quickstart's generator, see :mod:`ganbook.tuning.experiments.digit_generator`.
* ``TABLES``: many runs each, see :mod:`ganbook.tuning.experiments.tables`.

Explained in the book's section "Counting modes" and in the chapter "Tuning".
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ganbook import data
from ganbook.data.grids import save_grid_png
from ganbook.data.recipe import FRAMEWORKS, Recipe, check_choice, check_int, check_range
from ganbook.gradient_descent import training
from ganbook.tuning import results
from ganbook.tuning.experiments import loss_methods, mode_collapse, stacked_digits
from ganbook.tuning.experiments.digit_generator import digit_generator
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.experiments.tables import Table
from ganbook.tuning.metrics import modes

#: What a result on stacked digits has besides the fields of every result.
FIELDS = (*results.FIELDS, "finished", "classifier", "floor", "ceiling", "control", "curve")
CURVE = ("step", "images", "modes", "kl", "readable", "samples")
MEASUREMENTS = 10
PICTURES = 40


def colour_dcgan(framework: str = "pytorch", *, recipe: Recipe | None = None, every: int | None = None,
                 samples: int | None = None, minutes: float | None = None, out: str | Path = "results",
                 device: str | None = None, report: Callable[[str], None] = print,
                 name: str = "colour_dcgan") -> dict[str, Any]:
    """Train on stacked digits and measure again and again which modes are covered.

    The classifier learns from one stratified half of the digits, the stacks are made of the other half.  After every
    measurement the results so far are written, ``finished`` telling whether it was the last one; so is a picture of
    samples, under the same name with the ending ``.png``.

    Args:
        framework: ``pytorch`` or ``tensorflow``.
        recipe: what to run, on ``stacked_digits``; None means that of ``RECIPE_OF``.
        every: steps between two measurements; None means a tenth of the steps.
        samples: stacks per measurement; None means 26 for each mode.
        minutes: stop when another stage would probably take longer than this in all; None runs all steps.
        out: folder of the file, ``NAME_FRAMEWORK.json``.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if there is one.
        report: gets a line after each measurement.
        name: of the experiment, one of ``RECIPE_OF``.

    Returns:
        The result, as :func:`ganbook.tuning.results.read_result` reads it.

    Raises:
        ValueError: an argument outside its range, or a recipe of other data.
        NonFiniteLoss: a loss became infinite or not a number; the results so far are written.
    """
    check_choice("framework", framework, FRAMEWORKS)
    recipe = RECIPE_OF[check_choice("name", name, tuple(RECIPE_OF))] if recipe is None else recipe
    if recipe.data != "stacked_digits" or recipe.split != "test":
        raise ValueError(f"recipe learns {recipe.data!r}, split {recipe.split!r}; accepted: 'stacked_digits', split "
                         "'test', since the classifier learns from the other half")
    every = max(1, recipe.steps // MEASUREMENTS) if every is None else check_int("every", every, 1)
    budget = float("inf") if minutes is None else 60 * check_range("minutes", minutes, 0.0, open_low=True)
    classifier, source, result = _begin(name, framework, recipe, samples)
    path = Path(out) / f"{name}_{framework}.json"
    started = last = time.perf_counter()
    for run in _stages(recipe, framework, source, every, device):
        stacks = run.sample(result["floor"]["samples"], recipe.seed)
        covered = modes.measure(classifier, stacks)
        now = time.perf_counter()
        over = now - started + (now - last) > budget
        last = now
        readable = float(classifier.readable(stacks).mean())
        row = (run.step, run.step * recipe.batch, covered.modes, covered.kl, readable, covered.samples)
        for name, value in zip(CURVE, row, strict=True):
            result["curve"][name].append(value)
        result |= {"seconds": round(now - started, 3), "training_seconds": round(run.seconds, 3),
                   "finished": over or run.step == recipe.steps}
        results.write_result(path, result, FIELDS)
        save_grid_png(stacks[:PICTURES], path.with_suffix(".png"), columns=PICTURES // 4)
        report(f"step {run.step:,} of {recipe.steps:,}: {covered.modes:,} of {covered.possible:,} modes, "
               f"KL {covered.kl:.4f}, {readable:.1%} of the channels readable, after {now - started:.0f} s")
        if over:
            break
    return result


def _begin(name: str, framework: str, recipe: Recipe,
           samples: int | None) -> tuple[modes.ModeClassifier, Any, dict[str, Any]]:
    """The classifier, the stacks, and a result that has all but what is measured."""
    halves = [data.load("digits", split=split, size=recipe.size) for split in ("train", "test")]
    classifier = modes.fit_classifier(*halves)
    source = training.load_source(recipe)
    rng = np.random.default_rng(recipe.seed)
    best = modes.ceiling(classifier, source, rng, samples)
    without = modes.gaussian_stacks(halves[1], source.shape[2], best.samples, rng)
    control = modes.measure(classifier, without)
    shared = {"possible": best.possible, "samples": best.samples}
    result = {
        "experiment": name, "framework": framework, "recipe": json.loads(recipe.to_json()),
        "seed": recipe.seed, **results.provenance(framework), "seconds": 0.0, "finished": False,
        "classifier": {"accuracy": classifier.accuracy, "train": len(halves[0]), "held_out": len(halves[1])},
        "floor": {**shared, "modes": modes.expected_modes(**shared), "kl": modes.expected_kl(**shared)},
        "ceiling": {**shared, "modes": best.modes, "kl": best.kl, "readable": modes.READABLE},
        "control": {**shared, "modes": control.modes, "kl": control.kl,
                    "readable": float(classifier.readable(without).mean())},
        "curve": {name: [] for name in CURVE}}
    return classifier, source, result


def _stages(recipe: Recipe, framework: str, source: Any, every: int, device: str | None) -> Iterator[training.Run]:
    """The run, before its first step and after every so many."""
    run = training.start_run(recipe, framework, device=device)
    sampler, runner = training.make_sampler(run, source), training.make_runner(run, compiled=False)
    yield run
    while run.step < recipe.steps:
        stop = min(run.step + every, recipe.steps)
        while run.step < stop:
            training.advance(run, sampler, runner, min(training.STEPS_PER_CALL, stop - run.step))
        yield run


#: By name, the tables of many runs, each filled by the same command.
TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in (
    mode_collapse.MIXTURES, mode_collapse.RATES_TABLE, mode_collapse.COMPARISON,
    *loss_methods.RATE_TABLES.values(), *loss_methods.TABLES.values(),
    stacked_digits.STACKED_DIGITS, stacked_digits.STACKED_DIGITS_METHODS)})
#: By name, what runs an experiment of one run, and the recipe that it runs.
EXPERIMENTS = MappingProxyType({"colour_dcgan": colour_dcgan,
                                "article_004": functools.partial(colour_dcgan, name="article_004"),
                                "digit_generator": digit_generator})
RECIPE_OF = MappingProxyType({"colour_dcgan": RECIPES["colour-dcgan"], "article_004": RECIPES["article-004"],
                              "digit_generator": RECIPES["quickstart"]})

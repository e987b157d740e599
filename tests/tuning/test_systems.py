"""The five articles' systems: what is measured of a run, and thresholds that lie between the runs and noise."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ganbook.data.recipe import FRAMEWORKS, Recipe
from ganbook.gradient_descent import training
from ganbook.tuning import systems, tables
from ganbook.tuning.experiments import TABLES

every_article = pytest.mark.parametrize("article", systems.SYSTEMS)


@every_article
def test_a_recipe_survives_json_and_takes_its_arguments(article):
    recipe = systems.SYSTEMS[article](7, "float64")
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert (recipe.name, recipe.steps, recipe.dtype) == (f"article-{article}", 7, "float64")
    assert recipe == recipe.replace(**systems.COMMON)


def stub(article, framework, sample):
    """A run that was trained to give these samples."""
    recipe = systems.SYSTEMS[article](1)
    return SimpleNamespace(recipe=recipe, framework=framework,
                           sample=lambda n: sample(training.load_source(recipe), n))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_real_images_and_noise_as_samples(framework):
    real = systems.measure(stub("002", framework, lambda source, n: source.batch(np.random.default_rng(1), n)))
    assert tuple(real) == systems.MEASURES
    assert real["samples"] == real["other_real"] < 0.5
    assert real["digits"] == 10
    noise = systems.measure(stub("002", framework, lambda source, n: np.clip(
        np.random.default_rng(2).normal(size=(n, *source.shape)), -1, 1)))
    assert noise["samples"] == noise["noise"] > 20
    assert real["untrained"] == noise["untrained"] > 20


def test_one_image_as_every_sample_is_one_digit():
    found = systems.measure(stub("001", "pytorch", lambda source, n: np.repeat(
        source.batch(np.random.default_rng(0), 1)[..., :1], n, axis=0).repeat(3, axis=3)))
    assert found["digits"] == 1
    assert found["samples"] > found["other_real"]


@every_article
def test_a_threshold_has_room_above_ten_runs_and_lies_far_below_noise(article):
    runs = [run for run in tables.read_table(systems.REPAIRED_SYSTEMS) if run["method"] == f"article_{article}"]
    threshold = systems.THRESHOLDS[article]
    assert len(runs) == len(FRAMEWORKS) * len(systems.SEEDS)
    assert all(run["digits"] == 10 for run in runs)
    assert threshold > 1.15 * max(run["samples"] for run in runs)
    assert threshold < 0.7 * min(run["noise"] for run in runs)
    assert threshold < 0.4 * min(run["untrained"] for run in runs)


def test_the_table_is_registered():
    assert TABLES["repaired_systems"] is systems.REPAIRED_SYSTEMS

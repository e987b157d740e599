"""Modes of Gaussian mixtures: hand-made points, floors by simulation, and points that are no points."""

import dataclasses
import math

import numpy as np
import pytest

from ganbook import data
from ganbook.data import Mixture
from ganbook.gradient_descent import training
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.metrics import mixture_modes, modes
from tuning.metrics.simulation import rng, within_three_errors

NAMES = ("ring", "grid")
#: Two modes of sigma 1, at 0 and at 100 on the first axis.
PAIR = Mixture(np.array([[0.0, 0.0], [100.0, 0.0]]), 1.0)


def at(*distances):
    """Points so far from the first mode, along the second axis."""
    return np.array([[0.0, distance] for distance in distances])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lost", [0, 1, 7])
def test_the_means_that_are_left_are_even(name, lost):
    mixture = data.load(name)
    k = len(mixture.means)
    found = mixture_modes.measure_mixture(mixture, np.repeat(mixture.means[lost:], 10, axis=0))
    assert (found.modes, found.high_quality, found.possible, found.samples) == (k - lost, 1, k, 10 * (k - lost))
    assert found.reverse_kl == pytest.approx(math.log(k / (k - lost)), abs=1e-12)


def test_three_standard_deviations_are_the_bound():
    found = mixture_modes.measure_mixture(PAIR, at(0.0, 2.999, 3.0, 3.001, -3.001, 50.0, 2.999, -3.0))
    assert (found.modes, found.high_quality) == (1, 5 / 8)
    assert found.reverse_kl == pytest.approx(math.log(2), abs=1e-15)


def test_an_uneven_histogram():
    found = mixture_modes.measure_mixture(PAIR, np.concatenate([at(0, 1, 2), [[100.0, 1.0], [50.0, 0.0]]]))
    assert (found.modes, found.high_quality) == (2, 4 / 5)
    assert found.reverse_kl == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), abs=1e-15)


def test_a_far_point_captures_nothing():
    """Its nearest mode is not captured by a point of low quality."""
    found = mixture_modes.measure_mixture(PAIR, np.array([[0.0, 0.0], [90.0, 0.0]]))
    assert (found.modes, found.high_quality) == (1, 0.5)


def test_without_a_point_of_high_quality_the_divergence_is_the_largest_there_is():
    found = mixture_modes.measure_mixture(PAIR, at(4, 5, 6))
    assert found == mixture_modes.MixtureCoverage(0, 0.0, math.log(2), 2, 3)


@pytest.mark.parametrize("name", NAMES)
def test_the_recipes_own_data_score_in_their_own_units(name):
    source = training.load_source(RECIPES[name])
    assert source.sigma == pytest.approx({"ring": 0.01, "grid": 0.05}[name] / RECIPES[name].scale, rel=1e-15)
    found = mixture_modes.measure_mixture(source, source.batch(rng(), 10_000))
    assert found.modes == len(source.means)
    assert found.high_quality == pytest.approx(0.9889, abs=0.004)
    assert found.reverse_kl < 0.003


# What the mixture itself scores.


@pytest.mark.parametrize(("name", "samples"), [("ring", 40), ("grid", 60), ("grid", 2500)])
def test_floors_are_what_samples_of_the_mixture_score(name, samples):
    mixture, source = data.load(name), rng(1)
    found = [mixture_modes.measure_mixture(mixture, mixture.sample(source, samples)) for _ in range(400)]
    ideal = mixture_modes.ideal_mixture(mixture, samples)
    for field in ("modes", "high_quality", "reverse_kl"):
        assert within_three_errors([getattr(one, field) for one in found], getattr(ideal, field)), field


@pytest.mark.parametrize(("name", "floor"), [("ring", 0.0014), ("grid", 0.0048)])
def test_the_divergence_floor_of_the_published_protocol(name, floor):
    """About (K - 1) / 2n, and a little more, since some samples are not of high quality."""
    ideal = mixture_modes.ideal_mixture(data.load(name))
    assert ideal.samples == 2500
    assert ideal.reverse_kl == pytest.approx(floor, abs=1e-4)
    assert ideal.reverse_kl == pytest.approx(modes.kl_floor(ideal.possible, 2500) / ideal.high_quality, rel=5e-3)
    assert ideal.high_quality == pytest.approx(1 - math.exp(-4.5), abs=1e-15)
    assert ideal.modes == pytest.approx(ideal.possible, abs=1e-9)


def test_the_floor_of_one_sample_is_exact():
    """One sample captures a mode with probability q; either way its divergence is ln K."""
    ideal = mixture_modes.ideal_mixture(data.ring(), 1)
    assert ideal.modes == pytest.approx(ideal.high_quality, abs=1e-12)
    assert ideal.reverse_kl == pytest.approx(math.log(8), abs=1e-12)


# Bad input.


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((9, 3)), r"points has shape \(9, 3\); accepted: \(n, 2\)"),
        (np.zeros((7, 2)), r"points has shape \(7, 2\); accepted: \(N, D\) with N at least 8"),
        (np.array([[0.0, np.inf], *[[0.0, 0.0]] * 8]), "points has values that are not finite, in 1 of its 9 rows"),
    ],
)
def test_wrong_points_are_named(points, message):
    with pytest.raises(ValueError, match=message):
        mixture_modes.measure_mixture(data.ring(), points)


def test_modes_that_run_into_each_other_have_no_floor():
    near = dataclasses.replace(PAIR, sigma=10.0)
    with pytest.raises(ValueError, match="means 10 standard deviations apart; accepted: at least 12"):
        mixture_modes.ideal_mixture(near)
    with pytest.raises(ValueError, match="samples is 0; accepted"):
        mixture_modes.ideal_mixture(data.ring(), 0)

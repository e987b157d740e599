"""Trained Wasserstein critics against what they should find, in both frameworks: within 2 %."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from ganbook.data.recipe import Architecture, Optimiser, Schedule
from ganbook.probability.distributions import Empirical, Normal, NormalMixture
from ganbook.probability.divergences import wasserstein_plan, wasserstein_quantiles
from parity import TWINS, module

LINE = np.linspace(-5, 5, 20_001)
ADAM = Optimiser("adam", Schedule(1e-2, 1e-4, "cosine"), beta1=0.5, beta2=0.9)


@functools.cache
def samples() -> tuple[np.ndarray, np.ndarray]:
    """Two samples whose optimal critic has a kink: a V."""
    rng = np.random.default_rng(0)
    return NormalMixture([-2.0, 2.0], 0.5).sample(rng, 256), Normal().sample(rng, 256)


def trained(twin: str, real: np.ndarray, fake: np.ndarray, steps: int, **settings):
    """The critic's function and its tensors after training from a fixed start."""
    critics = module("gradient_descent.studies.critics", twin)
    shape = (1,) if real.ndim == 1 else real.shape[1:]
    network = module("tensors.networks", twin).build(
        Architecture("MLPDiscriminator", {"shape": shape, "hidden": (32, 32)}), 0, "float64"
    )
    critics.fit_critic(network, real, fake, loss="wasserstein", steps=steps, optimiser=ADAM, **settings)
    return functools.partial(critics.critic_values, network), network.export()


def gap(critic, real: np.ndarray, fake: np.ndarray) -> float:
    return critic(real).mean() - critic(fake).mean()


def steepest(critic) -> float:
    return np.abs(np.diff(critic(LINE)) / np.diff(LINE)).max()


def excess(real: np.ndarray, fake: np.ndarray) -> float:
    """The integral of (P - Q)^2 / r, with r the density of uniform points between the pairs."""
    low, high = np.minimum(real, fake), np.maximum(real, fake)
    r = (((low[:, None] <= LINE) & (high[:, None] >= LINE)) / (high - low)[:, None]).mean(axis=0)
    apart = Empirical(real).cdf(LINE) - Empirical(fake).cdf(LINE)
    return float(np.sum(apart[apart != 0] ** 2 / r[apart != 0]) * (LINE[1] - LINE[0]))


@pytest.mark.parametrize("twin", TWINS)
def test_critic_finds_the_distance_within_2_percent(twin):
    real, fake = samples()
    exact = wasserstein_quantiles(Empirical(real), Empirical(fake))
    critic, _ = trained(twin, real, fake, 600, gradient_penalty=100.0)
    assert abs(gap(critic, real, fake) / exact - 1) < 0.02


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("strength", [10.0, 100.0])
def test_gradient_penalty_overshoots_as_predicted(twin, strength):
    """W1 plus the integral of (P - Q)^2 / r over 2 lambda; at lambda 10 that is 7 % above W1."""
    real, fake = samples()
    exact = wasserstein_quantiles(Empirical(real), Empirical(fake))
    predicted = exact + excess(real, fake) / (2 * strength)
    critic, _ = trained(twin, real, fake, 600, gradient_penalty=strength)
    assert abs(gap(critic, real, fake) / predicted - 1) < 0.02
    if strength == 10:
        assert gap(critic, real, fake) > 1.04 * exact


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize(("theta", "strength"), [(2.0, 1.0), (1.0, 10.0), (-4.0, 2.0)])
def test_slope_between_two_points(twin, theta, strength):
    """1 + theta / 2 lambda, not 1."""
    real, fake = np.full(64, theta), np.zeros(64)
    critic, _ = trained(twin, real, fake, 200, gradient_penalty=strength)
    slope = gap(critic, real, fake) / abs(theta)
    assert abs(slope / (1 + abs(theta) / (2 * strength)) - 1) < 0.02
    assert slope > 1.02
    between = critic(theta * np.array([0.25, 0.75]))
    assert abs((between[1] - between[0]) / (0.5 * abs(theta)) / slope - 1) < 0.05


@pytest.mark.parametrize("twin", TWINS)
def test_critic_in_the_plane_against_the_linear_programme(twin):
    rng = np.random.default_rng(1)
    real, fake = rng.normal((2.0, 1.0), 0.4, (64, 2)), rng.normal(0.0, 0.4, (64, 2))
    exact = wasserstein_plan(Empirical(real), Empirical(fake)).value
    critic, _ = trained(twin, real, fake, 600, gradient_penalty=100.0)
    assert abs(gap(critic, real, fake) / exact - 1) < 0.02


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("clip", [0.01, 0.1, 0.3])
def test_clipped_critic_falls_short(twin, clip):
    """Gap over steepest slope stays well below the distance, and nearly all weights end at the bound."""
    real, fake = samples()
    exact = wasserstein_quantiles(Empirical(real), Empirical(fake))
    critic, arrays = trained(twin, real, fake, 400, clip=clip)
    found = gap(critic, real, fake) / steepest(critic)
    assert 0.5 * exact < found < 0.9 * exact
    weights = np.concatenate([array.ravel() for name, array in arrays.items() if name.endswith("weight")])
    assert np.abs(weights).max() <= clip * (1 + 1e-12)
    assert np.mean(np.abs(weights) > 0.999 * clip) > 0.9


@pytest.mark.parametrize("twin", TWINS)
def test_gap_is_at_most_slope_times_distance(twin):
    """For any critic, trained or not, of any steepness."""
    real, fake = samples()
    exact = wasserstein_quantiles(Empirical(real), Empirical(fake))
    for steps, settings in ((1, {}), (50, {"gradient_penalty": 0.1}), (50, {"clip": 0.5})):
        critic, _ = trained(twin, real, fake, steps, **settings)
        assert gap(critic, real, fake) <= steepest(critic) * exact * (1 + 1e-9)

"""Ring and grid: where their modes are, and their samples against their densities."""

import math

import numpy as np
import pytest

from ganbook.data import Mixture, grid, load, ring

MIXTURES = {
    "ring": ring(),
    "grid": grid(),
    "scaled ring": ring(scale=0.707),
    "scaled grid": grid(scale=2.828),
    "one mode": Mixture(np.zeros((1, 2)), 1.0),
}


@pytest.fixture(params=MIXTURES)
def mixture(request):
    return MIXTURES[request.param]


def log_density(mixture, x):
    """K Gaussians of equal weight: log p(x), finite far away too."""
    squares = ((x[:, None] - mixture.means) ** 2).sum(-1)
    exponents = np.logaddexp.reduce(-squares / (2 * mixture.sigma**2), axis=-1)
    return exponents - math.log(len(mixture.means) * 2 * math.pi * mixture.sigma**2)


def lattice(mixture, shift=0.0):
    """Points half a sigma apart, over all that carries mass: the trapezoid rule is then exact to rounding."""
    step = mixture.sigma / 2
    reach = np.abs(mixture.means).max() + 9 * mixture.sigma
    ticks = np.arange(-reach, reach + step, step) + shift * step
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), -1).reshape(-1, 2), step**2


def test_samples_follow_the_density(mixture):
    """The mean log-density of samples is minus the entropy, which quadrature gives."""
    n = 40_000
    samples = mixture.sample(np.random.default_rng(0), n)
    assert samples.shape == (n, 2)
    assert samples.dtype == np.float64
    points, area = lattice(mixture)
    log = log_density(mixture, points)
    mass = np.exp(log) * area
    assert mass.sum() == pytest.approx(1, rel=1e-12)
    mean = mass @ log
    spread = math.sqrt(mass @ (log - mean) ** 2 / n)
    assert log_density(mixture, samples).mean() == pytest.approx(mean, abs=4 * spread)
    nearest = ((samples[:, None] - mixture.means) ** 2).sum(-1).argmin(1)
    modes = len(mixture.means)
    counts = np.bincount(nearest, minlength=modes)
    np.testing.assert_allclose(counts / n, 1 / modes, atol=4.5 * math.sqrt(1 / modes * (1 - 1 / modes) / n))
    within = (((samples - mixture.means[nearest]) ** 2).sum(1) < (3 * mixture.sigma) ** 2).mean()
    assert within == pytest.approx(1 - math.exp(-4.5), abs=4 * math.sqrt(0.0111 / n))


def test_the_published_settings():
    a, b = load("ring"), load("grid")
    assert (len(a.means), a.sigma, len(b.means), b.sigma) == (8, 0.01, 25, 0.05)
    np.testing.assert_allclose(np.hypot(*a.means.T), 1)
    np.testing.assert_allclose(a.means[[0, 2]], [[1, 0], [0, 1]], atol=1e-15)
    assert {tuple(mean) for mean in b.means} == {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}


@pytest.mark.parametrize("build", [ring, grid])
def test_scale_divides_the_data(build):
    full, small = build(), build(scale=4.0)
    np.testing.assert_allclose(small.means * 4, full.means)
    assert small.sigma * 4 == pytest.approx(full.sigma)
    np.testing.assert_allclose(small.sample(np.random.default_rng(0), 9) * 4, full.sample(np.random.default_rng(0), 9))
    assert load(build.__name__, scale=4.0).sigma == small.sigma


def test_batch_is_the_sample_in_float32(mixture):
    batch = mixture.batch(np.random.default_rng(0), 5)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, mixture.sample(np.random.default_rng(0), 5).astype(np.float32))


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (ring, dict(sigma=0.0)),
        (ring, dict(scale=-1.0)),
        (grid, dict(side=0)),
        (grid, dict(side=2.5)),
        (grid, dict(sigma=-1.0)),
        (grid, dict(scale=float("nan"))),
    ],
)
def test_bad_arguments_are_named(build, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"^{name} is .*accepted"):
        build(**arguments)


@pytest.mark.parametrize("means", [np.zeros(2), np.zeros((0, 2)), np.zeros((3, 3)), np.full((1, 2), np.inf)])
def test_bad_means_are_refused(means):
    with pytest.raises(ValueError, match="means has shape"):
        Mixture(means, 1.0)

"""Modes of stacked digits: known answers, finite-sample floors by simulation, and the classifier."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganbook import data
from ganbook.data import Images, StackedImages
from ganbook.tuning.metrics import modes
from tuning.metrics.simulation import rng, within_three_errors

SIZES = (None, 28)


@pytest.fixture(scope="module", params=SIZES, ids=["8x8", "28x28"])
def halves(request):
    return [data.load("digits", split=split, size=request.param) for split in ("train", "test")]


@pytest.fixture(scope="module")
def classifier(halves):
    return modes.fit_classifier(*halves)


def draw(possible, samples, repeats, seed=0):
    """Modes covered and divergence of samples from a uniform distribution, each repeats times."""
    source = rng(seed)
    found = [modes.coverage(source.integers(possible, size=samples), possible) for _ in range(repeats)]
    return np.array([(c.modes, c.kl) for c in found]).T


# What a histogram scores.


@pytest.mark.parametrize(("left", "possible"), [(1, 1), (10, 10), (1000, 1000), (1, 1000), (700, 1000)])
def test_an_even_histogram_of_some_modes(left, possible):
    found = modes.coverage(np.tile(np.arange(possible - left, possible), 7), possible)
    assert (found.modes, found.possible, found.samples) == (left, possible, 7 * left)
    assert found.kl == pytest.approx(math.log(possible / left), abs=1e-12)
    assert found.kl >= 0


def test_divergence_of_an_uneven_histogram():
    found = modes.coverage(np.array([0, 0, 0, 1]), 4)
    assert found.modes == 2
    assert found.kl == pytest.approx(0.75 * math.log(3) + 0.25 * math.log(1), abs=1e-15)


def test_a_digit_missing_in_every_channel():
    numbers = np.arange(1000)
    left = numbers[[("3" not in f"{number:03}") for number in numbers]]
    found = modes.coverage(np.tile(left, 4), 1000)
    assert found.modes == 9**3
    assert found.kl == pytest.approx(3 * math.log(10 / 9), abs=1e-12)


def test_equal_channels_reach_ten_modes():
    found = modes.coverage(np.repeat(np.arange(10) * 111, 26), 1000)
    assert found.modes == 10
    assert found.kl == pytest.approx(math.log(100), abs=1e-12)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any))
def test_divergence_lies_between_its_bounds(counts):
    """With M modes: ln(K/M) <= KL <= ln K, and the left side for equal shares alone."""
    possible = 20
    found = modes.coverage(np.repeat(np.arange(len(counts)), counts), possible)
    least = math.log(possible / found.modes)
    assert least - 1e-12 <= found.kl <= math.log(possible) + 1e-12
    occurring = [count for count in counts if count]
    if len(set(occurring)) == 1:
        assert found.kl == pytest.approx(least, abs=1e-12)
    else:
        assert found.kl > least + 1e-6


def test_divergence_is_half_a_mean_of_squares():
    """Up to third order in the relative deviations: their scale by t scales what is left by t^3."""
    counts = rng().integers(-100, 101, size=40)
    counts -= counts[::-1]  # they sum to 0, and every odd power does too
    rest = []
    for scale in (1, 2):
        shares = 100_000 + scale * counts
        found = modes.coverage(np.repeat(np.arange(40), shares), 40)
        rest.append(abs(found.kl - ((shares / 100_000 - 1) ** 2).mean() / 2))
        assert rest[-1] < 1e-6 * found.kl
    assert rest[1] < 17 * max(rest[0], 1e-15)


# What finite samples cost a perfect generator.


@pytest.mark.parametrize("possible", [2, 10, 100])
@pytest.mark.parametrize("per_mode", [2, 26])
def test_expected_values_by_simulation(possible, per_mode):
    samples = per_mode * possible
    covered, divergence = draw(possible, samples, 2000)
    assert within_three_errors(covered, modes.expected_modes(possible, samples))
    assert within_three_errors(divergence, modes.expected_kl(possible, samples))


@pytest.mark.parametrize("possible", [100, 1000])
def test_floor_of_the_protocol_by_simulation(possible):
    floor = modes.kl_floor(possible, 26 * possible)
    _, divergence = draw(possible, 26 * possible, 40, seed=1)
    assert within_three_errors(divergence, floor)
    assert not within_three_errors(divergence, 1.1 * floor)


def test_spread_of_the_divergence_by_simulation():
    """Twice N KL is nearly chi-squared, whose excess kurtosis is 12 / (K - 1): so far the sample variance strays."""
    possible, repeats = 1000, 400
    _, divergence = draw(possible, 26 * possible, repeats, seed=2)
    variance = 2 * (possible - 1) / (2 * 26 * possible) ** 2
    error = 3 * variance * math.sqrt(2 / (repeats - 1) + 12 / (possible - 1) / repeats)
    assert abs(divergence.var(ddof=1) - variance) < error


def test_wait_for_every_mode_by_simulation():
    possible, source = 100, rng(3)
    waits = [
        np.unique(source.integers(possible, size=40 * possible), return_index=True)[1].max() + 1 for _ in range(400)
    ]
    assert within_three_errors(waits, possible * (1 / np.arange(1, possible + 1)).sum())


def test_floor_is_the_leading_term():
    """The rest is (K^2 - 1) / 12 N^2 (Miller, 1955; Harris, 1975), up to third order in 1/N."""
    assert modes.kl_floor(1000, 26_000) == 999 / 52_000
    for possible, samples in ((10, 10_000), (100, 26_000), (1000, 26_000)):
        rest = modes.expected_kl(possible, samples) - modes.kl_floor(possible, samples)
        assert rest == pytest.approx((possible**2 - 1) / (12 * samples**2), rel=0.1)


def test_expected_modes_at_the_ends():
    assert modes.expected_modes(1, 5) == 1
    assert modes.expected_modes(1000, 1) == pytest.approx(1, abs=1e-12)
    assert modes.expected_modes(10, 10**6) == 10
    assert modes.expected_modes(2, 3) == pytest.approx(2 * (1 - 1 / 8), abs=1e-15)
    assert modes.expected_kl(1, 5) == 0
    assert modes.expected_kl(50, 1) == pytest.approx(math.log(50), abs=1e-12)


# The classifier, and stacks.


def test_the_classifier_is_right_on_the_other_half(classifier, halves):
    held_out = halves[1]
    share = (classifier.digits(held_out.images)[:, 0] == held_out.labels).mean()
    assert classifier.accuracy == share
    assert 0.98 < share < 1


def test_measure_reads_stacks(classifier, halves):
    base = halves[0]
    one = np.stack([base.images[base.labels == digit][:1, :, :, 0] for digit in (4, 0, 7)], axis=-1)
    assert classifier.modes(one).tolist() == [407]
    assert classifier.digits(one[..., ::-1]).tolist() == [[7, 0, 4]]
    found = modes.measure(classifier, np.repeat(one, 20, axis=0))
    assert found == modes.Coverage(1, pytest.approx(math.log(1000)), 1000, 20)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_ceiling_is_the_sum_of_its_three_causes(classifier, halves, n):
    """Readings that are not uniform, a finite set of stacks, and a finite sample of them."""
    q = np.bincount(classifier.digits(halves[1].images)[:, 0], minlength=10) / len(halves[1])
    possible, stacks = 10**n, 40 * 10**n
    real = StackedImages.draw(halves[1], n, stacks, rng(5))
    best = modes.ceiling(classifier, real, rng(6))
    assert (best.possible, best.samples, modes.ceiling(classifier, real, rng(6), 70).samples) == (10**n, 26 * 10**n, 70)
    causes = (n * (q @ np.log(10 * q)), modes.kl_floor(possible, stacks), modes.kl_floor(possible, best.samples))
    # Both samples spread as chi-squared does.
    error = 3 * math.sqrt(2 * (possible - 1)) / 2 * math.hypot(1 / stacks, 1 / best.samples)
    assert abs(best.kl - sum(causes)) < error
    assert n == 1 or error < causes[1] + causes[0]


# Readable channels, and the control.


def test_real_digits_are_readable(classifier, halves):
    assert classifier.readable(halves[0].images).all()
    assert classifier.readable(halves[1].images).mean() == pytest.approx(modes.READABLE, abs=1 / len(halves[1]))


def test_what_is_no_digit_is_not_readable(classifier, halves):
    shape = (50, *classifier.shape, 2)
    for images in (np.full(shape, -1.0), np.ones(shape), -halves[1].images[:50], rng().uniform(-1, 1, shape)):
        assert not classifier.readable(images).any()
    beside = np.concatenate([halves[0].images[:30], -halves[0].images[:30]], axis=-1)
    assert (classifier.readable(beside) == [True, False]).all()  # channel by channel


def test_control_has_mean_and_covariance_of_the_images():
    """Exact for images far from the ends of the range, where nothing is cut off."""
    source = rng()
    small = Images((0.1 * source.uniform(-1, 1, (500, 3, 3, 1)) + 0.3).astype(np.float32), np.zeros(500, np.int64))
    stacks = modes.gaussian_stacks(small, 2, 40_000, source)
    assert (stacks.shape, stacks.dtype) == ((40_000, 3, 3, 2), np.float32)
    pixels = small.images.reshape(500, 9).astype(float)
    for channel in range(2):
        made = stacks[..., channel].reshape(-1, 9).astype(float)
        spread = pixels.std(0)
        assert (np.abs(made.mean(0) - pixels.mean(0)) < 4.5 * spread / math.sqrt(40_000)).all()
        error = np.abs(np.cov(made.T) - np.cov(pixels.T, bias=True)) / np.outer(spread, spread)
        assert error.max() < 4.5 * math.sqrt(2 / 40_000)
    crossed = np.corrcoef(stacks[..., 0].reshape(-1, 9).T, stacks[..., 1].reshape(-1, 9).T)[:9, 9:]
    assert np.abs(crossed).max() < 4.5 / math.sqrt(40_000)


def test_control_covers_the_modes_and_is_not_readable(classifier, halves):
    control = modes.gaussian_stacks(halves[1], 2, 2600, rng())
    assert np.abs(control).max() <= 1
    assert modes.measure(classifier, control).modes > 95
    assert classifier.readable(control).mean() < 0.5


# What is refused.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 2), int), 4), r"modes has shape \(2, 2\) .*accepted: \(N,\)"),
        ((np.zeros(0, int), 4), r"modes has shape \(0,\)"),
        ((np.zeros(3), 4), "type float64; accepted: .*whole number"),
        ((np.array([0, 4]), 4), "modes has numbers from 0 to 4; accepted: 0 to 3"),
        ((np.array([-1, 3]), 4), "modes has numbers from -1 to 3"),
        ((np.array([0]), 0), "possible is 0; accepted: a whole number of at least 1"),
    ],
)
def test_wrong_modes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        modes.coverage(*arguments)


@pytest.mark.parametrize("function", [modes.expected_modes, modes.kl_floor, modes.expected_kl])
@pytest.mark.parametrize(
    ("arguments", "name"), [((0, 5), "possible is 0"), ((5, 0), "samples is 0"), ((2.5, 5), "possible is 2.5")]
)
def test_numbers_below_one_are_refused(function, arguments, name):
    with pytest.raises(ValueError, match=f"{name}; accepted: a whole number of at least 1"):
        function(*arguments)


def test_wrong_images_are_named(classifier):
    with pytest.raises(ValueError, match=r"images has shape \(2, 9, 9, 1\); accepted: \(N, "):
        classifier.digits(np.zeros((2, 9, 9, 1)))
    for bad in (1.5, np.nan):
        with pytest.raises(ValueError, match=r"images has values from .*accepted: -1 to 1"):
            classifier.modes(np.full((2, *classifier.shape, 1), bad))


def test_wrong_sets_are_named(halves):
    train, held_out = halves
    with pytest.raises(ValueError, match="held_out has images that train has too"):
        modes.fit_classifier(train, train)
    with pytest.raises(ValueError, match=r"train has no image with the labels \[3\]"):
        modes.fit_classifier(train.take(np.flatnonzero(train.labels != 3)), held_out)
    odd = Images(held_out.images[:, :4], held_out.labels)
    with pytest.raises(ValueError, match="held_out has images of shape"):
        modes.fit_classifier(train, odd)
    with pytest.raises(ValueError, match=r"train has images of shape .* and labels up to 10"):
        modes.fit_classifier(Images(train.images, train.labels + 1), held_out)
    with pytest.raises(ValueError, match="samples is 0"):
        modes.ceiling(None, StackedImages.draw(held_out, 1, 5, rng()), rng(), 0)
    for wrong, message in (
        ((held_out, 0, 5), "n is 0"),
        ((held_out, 1, 0), "samples is 0"),
        ((Images(np.repeat(held_out.images, 2, axis=3), held_out.labels), 1, 5), "has 2 channels"),
    ):
        with pytest.raises(ValueError, match=message):
            modes.gaussian_stacks(*wrong, rng())

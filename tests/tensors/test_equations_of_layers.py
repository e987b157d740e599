"""The equations of the section "Layers": each side computed in a way of its own."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from complex_step import slopes
from ganbook.tensors import layers as a
from ganbook.tensors import layers_numpy as oracle
from ganbook.tensors.initial import initial_weight
from parity import finite_differences

X, W, BETA = (np.random.default_rng(k).normal(size=shape) for k, shape in enumerate([(5, 4), (4, 3), (3,)]))
GRID = list(itertools.product(range(5, 10), range(1, 6), range(1, 4)))  # size, kernel, stride


def dense(x, w, beta):
    return oracle.apply_layer(a.Dense("dense_1", 4, 3), x, {"weight": w, "bias": beta})[0]


def test_dense():
    expected = [[sum(X[b, i] * W[i, j] for i in range(4)) + BETA[j] for j in range(3)] for b in range(5)]
    np.testing.assert_allclose(dense(X, W, BETA), expected, rtol=1e-12)


def test_dense_gradients():
    delta = np.random.default_rng(3).normal(size=(5, 3))
    by_x, by_w, by_beta = (
        slopes(
            lambda array, k=k: np.sum(
                delta * dense(*(array if k == i else each for i, each in enumerate((X, W, BETA))))
            ),
            start,
        )
        for k, start in enumerate((X, W, BETA))
    )
    np.testing.assert_allclose(delta @ W.T, by_x, rtol=1e-12)
    np.testing.assert_allclose(X.T @ delta, by_w, rtol=1e-12)
    np.testing.assert_allclose(delta.sum(axis=0), by_beta, rtol=1e-12)


def draw(size, kernel, seed=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=size), rng.normal(size=kernel)


def convolved(x, w, stride, before, outputs):
    """The equation, read aloud."""

    def at(j):
        return x[j] if 0 <= j < len(x) else 0.0

    return np.array([sum(w[k] * at(stride * i + k - before) for k in range(len(w))) for i in range(outputs)])


def outer(operation, x, w, *settings):
    """An image and a kernel that are products of row and column give products of the one-dimensional results."""
    image, kernel = np.multiply.outer(x, x)[None, :, :, None], np.multiply.outer(w, w)[:, :, None, None]
    return operation(image, kernel, *settings)[0, :, :, 0]


@pytest.mark.parametrize("padding", ["same", "valid", 1])
def test_convolution(padding):
    for size, kernel, stride in GRID:
        x, w = draw(size, kernel)
        before, after = a.padding_before_after(size, kernel, stride, padding)
        expected = convolved(x, w, stride, before, (size + before + after - kernel) // stride + 1)
        np.testing.assert_allclose(
            outer(oracle.convolve, x, w, stride, padding), np.outer(expected, expected), atol=1e-12
        )


@pytest.mark.parametrize("padding", ["same", "valid", 1])
def test_size_of_a_convolution(padding):
    for size, kernel, stride in GRID:
        before, after = a.padding_before_after(size, kernel, stride, padding)
        starts = [start for start in range(-before, size + after) if start + kernel <= size + after]
        counted = len(starts[::stride])
        assert (size + before + after - kernel) // stride + 1 == counted
        assert a.Conv2D("conv_1", 1, 1, kernel, stride, padding).output_shape((size, size, 1))[0] == counted


def test_same_padding_is_tensorflows():
    import tensorflow as tf

    for size, kernel, stride in GRID:
        x, w = draw(size, kernel)
        outputs = math.ceil(size / stride)
        total = max(stride * (outputs - 1) + kernel - size, 0)
        assert a.padding_before_after(size, kernel, stride, "same") == (total // 2, total - total // 2)
        found = tf.nn.conv1d(x[None, :, None], w[:, None, None], stride, "SAME").numpy().ravel()
        np.testing.assert_allclose(found, convolved(x, w, stride, total // 2, outputs), atol=1e-12)


def matrix(size, w, stride, before, outputs):
    """The matrix of a convolution with kernel w."""
    return np.array(
        [
            [w[j - stride * i + before] if 0 <= j - stride * i + before < len(w) else 0.0 for j in range(size)]
            for i in range(outputs)
        ]
    )


def test_a_convolution_is_a_matrix():
    for size, kernel, stride in GRID:
        x, w = draw(size, kernel)
        before, after = a.padding_before_after(size, kernel, stride, "same")
        padded = np.pad(x, (before, after))
        expected = np.correlate(padded, w, "valid")[::stride]
        found = matrix(size, w, stride, before, len(expected)) @ x
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_transposed_convolution_stamps():
    for places, kernel, stride in GRID:
        if kernel < stride:
            continue
        y, w = draw(places, kernel)
        before, _ = a.crop_before_after(kernel, stride, "same")
        size = places * stride
        by_matrix = matrix(size, w, stride, before, places).T @ y
        stamped = np.zeros(size + 2 * kernel)
        for i, value in enumerate(y):
            stamped[stride * i - before + kernel :][:kernel] += value * w
        np.testing.assert_allclose(by_matrix, stamped[kernel:-kernel], atol=1e-12)
        found = outer(oracle.convolve_transposed, y, w, stride, "same")
        np.testing.assert_allclose(found, np.outer(by_matrix, by_matrix), atol=1e-12)


def test_sizes_that_a_convolution_brings_to_the_same_outputs():
    for outputs, kernel, stride in GRID:
        for before, after in ((0, 0), (1, 1), (1, 2)):
            sizes = [
                n
                for n in range(1, 60)
                if n + before + after >= kernel and (n + before + after - kernel) // stride + 1 == outputs
            ]
            expected = [stride * (outputs - 1) + kernel - before - after + r for r in range(stride)]
            assert sizes == [n for n in expected if n > 0]


def test_stamps_that_cover_a_pixel():
    for kernel, stride, before in itertools.product(range(1, 8), range(1, 5), range(3)):
        covered = matrix(60, np.ones(kernel), stride, before, 45).sum(axis=0)
        for j in range(20, 40):
            assert covered[j] == math.ceil((kernel - (j + before) % stride) / stride)


def test_pixel_shuffle():
    import tensorflow as tf

    x, s, channels = np.random.default_rng(5).normal(size=(2, 3, 4, 18)), 3, 2
    found = oracle.shuffle_pixels(x, s)
    for b, i, j, u, v, c in itertools.product(range(2), range(3), range(4), range(s), range(s), range(channels)):
        assert found[b, s * i + u, s * j + v, c] == x[b, i, j, (s * u + v) * channels + c]
    np.testing.assert_array_equal(found, tf.nn.depth_to_space(x, s).numpy())


@pytest.mark.parametrize("slope", [0.0, 0.2, 0.9, 1.0])
def test_leaky_relu(slope):
    x = np.linspace(-3, 3, 61)
    np.testing.assert_array_equal(np.maximum(slope * x, x), [t if t >= 0 else slope * t for t in x])
    np.testing.assert_array_equal(np.maximum(slope * x, x), oracle.activate(x, "leaky_relu", slope))
    assert max(1.5 * -1.0, -1.0) != 1.5 * -1.0  # and not for a slope above 1


def test_elu_and_its_slope():
    x = np.linspace(-3.02, 3, 50)
    np.testing.assert_allclose(oracle.activate(x, "elu", 0), [t if t > 0 else math.expm1(t) for t in x], rtol=1e-12)
    found = finite_differences(lambda t: np.sum(oracle.activate(t, "elu", 0)), x)
    np.testing.assert_allclose([1 if t > 0 else math.exp(t) for t in x], found, atol=1e-8)


def test_sigmoid_and_tanh():
    x = np.linspace(-4, 4, 81)
    sigmoid = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(2 / (1 + np.exp(-2 * x)) - 1, np.tanh(x), atol=1e-15)
    np.testing.assert_allclose(sigmoid * (1 - sigmoid), slopes(lambda t: np.sum(1 / (1 + np.exp(-t))), x), rtol=1e-12)
    np.testing.assert_allclose(1 - np.tanh(x) ** 2, slopes(lambda t: np.sum(np.tanh(t)), x), rtol=1e-10)
    assert (sigmoid * (1 - sigmoid)).max() == 0.25
    assert (1 - np.tanh(x) ** 2).max() == 1


NORM = a.BatchNorm("batch_norm_1", 3)


def normalised(x, training=True, **tensors):
    start = {
        "gamma": np.ones(x.shape[-1]),
        "beta": np.zeros(x.shape[-1]),
        "moving_mean": np.zeros(x.shape[-1]),
        "moving_variance": np.ones(x.shape[-1]),
    }
    return oracle.normalise(a.BatchNorm("batch_norm_1", x.shape[-1]), x, start | tensors, training)


def images():
    rng = np.random.default_rng(6)
    return rng.normal(size=(4, 2, 5, 3)) * [1.0, 2.0, 0.01] + [3.0, 0.0, -1.0], rng.normal(size=3), rng.normal(size=3)


def test_batch_normalisation():
    x, gamma, beta = images()
    found, _ = normalised(x, gamma=gamma, beta=beta)
    for c in range(3):
        feature = [float(value) for value in x[..., c].ravel()]
        mean = math.fsum(feature) / 40
        variance = math.fsum((value - mean) ** 2 for value in feature) / 40
        expected = [gamma[c] * (value - mean) / math.sqrt(variance + NORM.epsilon) + beta[c] for value in feature]
        np.testing.assert_allclose(found[..., c].ravel(), expected, rtol=1e-9, atol=1e-12)


def test_moments_after_batch_normalisation():
    x, gamma, beta = images()
    found, _ = normalised(x, gamma=gamma, beta=beta)
    variance = x.var(axis=(0, 1, 2))
    np.testing.assert_allclose(found.mean(axis=(0, 1, 2)), beta, atol=1e-12)
    np.testing.assert_allclose(found.var(axis=(0, 1, 2)), gamma**2 * variance / (variance + NORM.epsilon), rtol=1e-10)


def test_moving_mean():
    x, _, _ = images()
    start, mean = np.array([0.5, -2.0, 7.0]), x.mean(axis=(0, 1, 2))
    moving = {"moving_mean": start}
    for step in range(1, 12):
        before = moving["moving_mean"]
        moving = normalised(x, **moving)[1]
        np.testing.assert_allclose(moving["moving_mean"], 0.9 * before + 0.1 * mean, rtol=1e-12)
        np.testing.assert_allclose(moving["moving_mean"], mean + 0.9**step * (start - mean), rtol=1e-12)


def mixtures():
    """A real and a fake batch, mixed with k of 8 parts fake."""
    rng = np.random.default_rng(7)
    real, fake = rng.normal(1, 2, size=(16, 1)), rng.normal(-2, 0.5, size=(16, 1))
    return real, fake, [(k / 8, np.concatenate([np.tile(real, (8 - k, 1)), np.tile(fake, (k, 1))])) for k in range(9)]


def test_variance_of_a_mixed_batch():
    real, fake, batches = mixtures()
    gap = real.mean() - fake.mean()
    for share, batch in batches:
        within = (1 - share) * real.var() + share * fake.var()
        between = (1 - share) * (share * gap) ** 2 + share * ((1 - share) * gap) ** 2
        assert batch.var() == pytest.approx(within + between, rel=1e-12)
        assert batch.var() == pytest.approx(within + share * (1 - share) * gap**2, rel=1e-12)


def test_what_batch_normalisation_makes_of_one_real_image():
    real, fake, batches = mixtures()
    gap = real.mean() - fake.mean()
    for share, batch in batches[:-1]:  # the first real image stands in all but the last
        variance = (1 - share) * real.var() + share * fake.var() + share * (1 - share) * gap**2
        expected = (real[0, 0] - real.mean() + share * gap) / math.sqrt(variance + NORM.epsilon)
        assert normalised(batch)[0][0, 0] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.8])
def test_moments_of_dropout(keep):
    layer, x = a.Dropout("dropout_1", 1 - keep), np.array([[-1.5, 0.2, 3.0]])
    kept, dropped = (oracle.apply_layer(layer, x, {}, True, np.full(x.shape, m))[0] for m in (1.0, 0.0))
    mean = keep * kept + (1 - keep) * dropped
    np.testing.assert_allclose(mean, x, rtol=1e-12)
    np.testing.assert_allclose(
        keep * (kept - mean) ** 2 + (1 - keep) * (dropped - mean) ** 2, (1 - keep) / keep * x**2, rtol=1e-12
    )


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_mean_square_through_a_layer(slope):
    """The mean over all 2^8 sign patterns is the exact expectation for weights of plus or minus sigma."""
    h, sigma = np.random.default_rng(8).normal(size=8), 0.3
    weights = sigma * np.array(list(itertools.product([-1.0, 1.0], repeat=8))).T
    outputs = oracle.activate(h @ weights, "leaky_relu", slope)
    ratio = 8 * sigma**2 * (1 + slope**2) / 2
    assert np.mean(outputs**2) == pytest.approx(ratio * np.mean(h**2), rel=1e-12)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_initialisers(slope):
    def ratio(n, variance):
        return n * variance * (1 + slope**2) / 2

    assert ratio(300, 2 / ((1 + slope**2) * 300)) == pytest.approx(1, rel=1e-12)
    inputs = 2 / ((1 + slope**2) * 0.02**2)
    assert ratio(inputs, 0.02**2) == pytest.approx(1, rel=1e-12)
    rng = np.random.default_rng(9)
    for name, variance in (("he", 2 / 300), ("glorot", 2 / 500), ("normal", 0.02**2)):
        weight = initial_weight(rng, name, (300, 400), (300, 200))
        kurtosis = 9 / 5 if name == "glorot" else 3
        assert abs(weight.var() / variance - 1) < 3 * math.sqrt((kurtosis - 1) / weight.size)


def test_spectral_norm_is_the_largest_stretch():
    rng = np.random.default_rng(11)
    matrix = rng.normal(size=(6, 9))
    largest = math.sqrt(np.linalg.eigvalsh(matrix @ matrix.T)[-1])
    _, values, right = np.linalg.svd(matrix)
    assert values[0] == pytest.approx(largest, rel=1e-12)
    assert np.linalg.norm(matrix @ right[0]) == pytest.approx(largest, rel=1e-12)
    for x in rng.normal(size=(200, 9)):
        by_parts = np.sum(values**2 * (right[:6] @ x) ** 2)
        assert np.sum((matrix @ x) ** 2) == pytest.approx(by_parts, rel=1e-12)
        assert by_parts < largest**2 * np.sum(x**2)


def test_normalised_layers_stretch_no_difference():
    """Two dense layers that share their directions reach the bound; others stay below it."""
    rng = np.random.default_rng(12)
    layers = [
        a.Dense("dense_1", 5, 5, bias=False, spectral_norm=True),
        a.Activation("activation_1", "leaky_relu", 0.2),
        a.Dense("dense_2", 5, 1, bias=False, spectral_norm=True),
    ]
    first = 3 * rng.normal(size=(5, 5))
    left, _, right = np.linalg.svd(first)  # of rows: x @ first
    second = left.T[0] @ first
    arrays = {
        "dense_1.weight": first,
        "dense_1.u": right[0],
        "dense_2.weight": second[:, None],
        "dense_2.u": np.ones(1),
    }
    x = rng.normal(size=(300, 5))
    y = x + rng.normal(scale=0.1, size=(300, 5))
    change = np.abs(np.subtract(*(oracle.apply_layers(layers, each, arrays)[0][:, 0] for each in (x, y))))
    assert (change <= np.linalg.norm(x - y, axis=1)).all()
    linear = [layers[0], layers[2]]
    x, y = left[:, 0][None], np.zeros((1, 5))
    change = abs(np.subtract(*(oracle.apply_layers(linear, each, arrays)[0] for each in (x, y))).item())
    assert change == pytest.approx(np.linalg.norm(x - y), rel=1e-12)


def test_power_iteration_rises_to_the_largest_singular_value():
    """For random 64 x 128 matrices as predicted at each repetition; about a quarter short at first."""
    rng, short = np.random.default_rng(13), []
    for _ in range(20):
        matrix, u = rng.normal(size=(64, 128)), rng.normal(size=64)
        left, values, _ = np.linalg.svd(matrix, full_matrices=False)
        squares, shares, estimates = (left.T @ u) ** 2, values / values[0], []
        for t in range(1, 51):
            estimate, u = oracle.spectral_norm(matrix, u)
            weights = shares ** (4 * t - 2) * squares
            predicted = values[0] * math.sqrt(np.sum(shares**2 * weights) / np.sum(weights))
            assert estimate == pytest.approx(predicted, rel=1e-9)
            estimates.append(estimate)
        assert np.all(np.diff(estimates) > -1e-12)
        assert estimates[-1] <= values[0] * (1 + 1e-12)
        short.append(1 - np.array(estimates) / values[0])
    first, last = np.mean(short, axis=0)[[0, -1]]
    assert 0.24 < first < 0.29
    assert last < 0.002


@pytest.mark.parametrize("detached", [False, True])
def test_a_shared_matrix_learns_nothing_from_the_discriminator(detached):
    import torch

    rng = np.random.default_rng(10)
    real, z, start, head = (torch.from_numpy(rng.normal(size=shape)) for shape in ((64, 2), (64, 2), (2, 2), (2,)))

    def value(A, B):
        log = torch.nn.functional.logsigmoid
        return log(real @ B @ head).mean() + log(-(z @ A) @ B @ head).mean()

    def slope(function):
        s = start.clone().requires_grad_()
        return torch.autograd.grad(function(s), s)[0]

    rate, by_generator = 0.1, slope(lambda s: value(s, s.detach()))
    climbs = slope(lambda s: value(s.detach() if detached else s, s))
    moved = rate * climbs - rate * slope(lambda s: value(s, s))
    torch.testing.assert_close(moved, -rate * by_generator * detached, rtol=1e-12, atol=1e-15)
    assert by_generator.abs().max() > 1e-3


def test_gain_of_the_elu():
    normal = scipy.stats.norm
    square, _ = scipy.integrate.quad(
        lambda y: oracle.activate(np.array([y]), "elu", 0)[0] ** 2 * normal.pdf(y), -12, 12, points=[0], epsabs=1e-12
    )
    gain = 1 + math.exp(2) * normal.cdf(-2) - 2 * math.exp(0.5) * normal.cdf(-1)
    assert square == pytest.approx(gain, rel=1e-9)
    # With that variance a sum over n inputs of mean square g has variance 1.
    h = np.full(50, math.sqrt(gain))
    assert 1 / (gain * 50) * np.sum(h**2) == pytest.approx(1, rel=1e-12)

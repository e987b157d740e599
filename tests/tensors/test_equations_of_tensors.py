"""The equations of the section "Tensors": each side computed in a way of its own."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from complex_step import slopes
from ganbook.probability import losses_numpy as losses

FRAMEWORKS = ("numpy", "torch", "tensorflow")
everywhere = pytest.mark.parametrize("framework", FRAMEWORKS)
A, B = np.random.default_rng(0).normal(size=(2, 3, 4))
W, BIAS = np.random.default_rng(1).normal(size=(4, 5)), np.random.default_rng(2).normal(size=4)
LOGITS = np.random.default_rng(3).normal(scale=3, size=7)
LABELS = np.array([1.0, 0, 0, 1, 1, 0, 1])


def run(framework, operation, *arrays):
    """The value of ``operation(library, *tensors)`` as an array."""
    if framework == "numpy":
        return operation(np, *arrays)
    if framework == "torch":
        import torch

        return operation(torch, *map(torch.from_numpy, arrays)).numpy()
    import tensorflow as tf

    return operation(tf, *map(tf.constant, arrays)).numpy()


def filled(shape, value):
    """An array whose number at each index is ``value(*index)``."""
    array = np.empty(shape)
    for index in np.ndindex(*shape):
        array[index] = value(*index)
    return array


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def softplus(t):
    return np.log1p(np.exp(t))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (4, 1, 5), (2, 3, 4, 5), (3, 0, 2)])
def test_size_is_the_product_of_the_shape(shape):
    assert np.zeros(shape).size == math.prod(shape) == sum(1 for _ in np.ndindex(*shape))


@everywhere
def test_sum(framework):
    expected = filled((3, 4), lambda i, j: A[i, j] + B[i, j])
    np.testing.assert_array_equal(run(framework, lambda _, a, b: a + b, A, B), expected)


@everywhere
def test_elementwise_product(framework):
    expected = filled((3, 4), lambda i, j: A[i, j] * B[i, j])
    np.testing.assert_array_equal(run(framework, lambda _, a, b: a * b, A, B), expected)


@everywhere
def test_transpose(framework):
    expected = filled((4, 3), lambda j, i: A[i, j])
    transposed = run(framework, lambda lib, a: a.T if lib.__name__ != "tensorflow" else lib.transpose(a), A)
    np.testing.assert_array_equal(transposed, expected)


@everywhere
def test_reduction(framework):
    names = {"numpy": "sum", "torch": "sum", "tensorflow": "reduce_sum"}
    expected = filled((3,), lambda i: sum(A[i, j] for j in range(4)))
    found = run(framework, lambda lib, a: getattr(lib, names[framework])(a, 1), A)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@everywhere
def test_dot_product(framework):
    expected = filled((3, 5), lambda i, k: sum(A[i, j] * W[j, k] for j in range(4)))
    np.testing.assert_allclose(run(framework, lambda _, a, w: a @ w, A, W), expected, rtol=1e-12)


@everywhere
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (3, 1, 0, 2), (2, 3, 0, 1)])
def test_permutation_and_its_inverse(framework, order):
    array = np.arange(120.0).reshape(2, 3, 4, 5)
    permute = {"numpy": "transpose", "torch": "permute", "tensorflow": "transpose"}[framework]
    inverse = tuple(order.index(axis) for axis in range(4))
    moved = run(framework, lambda lib, a: getattr(lib, permute)(a, order), array)
    assert moved.shape == tuple(array.shape[axis] for axis in order)
    for index in np.ndindex(*array.shape):
        assert moved[tuple(index[axis] for axis in order)] == array[index]
    back = run(framework, lambda lib, a: getattr(lib, permute)(a, inverse), np.ascontiguousarray(moved))
    np.testing.assert_array_equal(back, array)


@everywhere
def test_einsum_sums_over_the_letters_dropped(framework):
    x, y = np.random.default_rng(4).normal(size=(2, 3, 4)), np.random.default_rng(5).normal(size=(4, 2, 5))
    found = run(framework, lambda lib, a, b: lib.einsum("bij,jbk->ki", a, b), x, y)
    expected = filled((5, 3), lambda k, i: sum(x[b, i, j] * y[j, b, k] for b in range(2) for j in range(4)))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


class Counted:
    """A number that counts how often it is multiplied."""

    count = 0

    def __init__(self, value):
        self.value = value

    def __mul__(self, other):
        Counted.count += 1
        return Counted(self.value * other.value)

    def __add__(self, other):
        return Counted(self.value + other.value)


@pytest.mark.parametrize(("n", "j", "k"), [(2, 3, 4), (5, 1, 2), (3, 7, 1)])
def test_cost_of_a_dot_product(n, j, k):
    left, right = (
        np.array([Counted(float(i)) for i in range(a * b)], dtype=object).reshape(a, b) for a, b in ((n, j), (j, k))
    )
    Counted.count = 0
    left @ right
    assert Counted.count == n * j * k


@everywhere
@pytest.mark.parametrize(
    ("one", "other"), [((3, 4), (1, 4)), ((3, 1), (3, 4)), ((3, 1), (1, 4)), ((2, 1, 4), (1, 3, 1))]
)
def test_broadcasting(framework, one, other):
    a, b = np.random.default_rng(6).normal(size=one), np.random.default_rng(7).normal(size=other)
    shape = tuple(max(pair) for pair in zip(one, other, strict=True))

    def beta(index, sizes):
        return tuple(0 if size == 1 else i for i, size in zip(index, sizes, strict=True))

    expected = filled(shape, lambda *index: a[beta(index, one)] + b[beta(index, other)])
    np.testing.assert_array_equal(run(framework, lambda _, x, y: x + y, a, b), expected)


def bug(a, y):
    """The loss that broadcasting (N, 1) with (N,) makes, and the one that was meant."""
    return np.mean((a[:, None] - y) ** 2), np.mean((a - y) ** 2)


def test_the_bug_costs_twice_the_covariance():
    a, y = np.random.default_rng(8).normal(loc=[[1.0], [2.0]], size=(2, 9))
    wrong, meant = bug(a, y)
    assert wrong - meant == pytest.approx(2 * np.cov(a, y, ddof=0)[0, 1], rel=1e-12)


def test_the_bug_is_least_for_constants():
    rng = np.random.default_rng(9)
    y = rng.normal(size=9) + 2
    for a in rng.normal(size=(20, 9)):
        wrong, _ = bug(a, y)
        assert wrong == pytest.approx(a.var() + (a.mean() - y.mean()) ** 2 + y.var(), rel=1e-12)
        assert wrong > y.var()
    assert bug(np.full(9, y.mean()), y)[0] == pytest.approx(y.var(), rel=1e-12)


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (2, 1, 5, 3)])
def test_strides_give_the_offset(shape):
    array = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    strides = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    assert [each // array.itemsize for each in array.strides] == strides
    for index in np.ndindex(*shape):
        assert array[index] == sum(i * s for i, s in zip(index, strides, strict=True))


@pytest.mark.parametrize("channels", range(1, 8))
@pytest.mark.parametrize("places", [1, 2, 5, 7, 16, 49])
def test_reshaping_instead_of_transposing_leaves_few_in_place(channels, places):
    array = np.arange(places * channels).reshape(places, channels)  # NHWC, its pixels in one row
    in_place = np.sum(array.reshape(channels, places) == array.T)
    # A single row or column is the same either way: gcd(0, n - 1) + 1 = n.
    assert in_place == math.gcd(channels - 1, places - 1) + 1


@pytest.mark.parametrize(("dtype", "u"), [("float32", Fraction(1, 2**24)), ("float64", Fraction(1, 2**53))])
def test_every_operation_rounds_by_at_most_u(dtype, u):
    pairs = np.random.default_rng(10).normal(size=(300, 2)).astype(dtype)
    worst = Fraction(0)
    for a, b in pairs:
        x, y = Fraction(float(a)), Fraction(float(b))
        for rounded, exact in ((a + b, x + y), (a - b, x - y), (a * b, x * y), (a / b, x / y)):
            worst = max(worst, abs(Fraction(float(rounded)) / exact - 1))
    assert u / 2 < worst <= u


@pytest.mark.parametrize("way", ["left to right", "in pairs"])
def test_the_error_of_a_sum_stays_below_its_bound(way):
    numbers = np.random.default_rng(11).normal(size=1024).astype(np.float32)
    exact, u = sum(Fraction(float(x)) for x in numbers), Fraction(1, 2**24)
    if way == "left to right":
        found, m = np.add.accumulate(numbers)[-1], len(numbers) - 1
    else:
        found, m = numbers, 10
        while len(found) > 1:
            found = found[0::2] + found[1::2]
        found = found[0]
    error = abs(Fraction(float(found)) - exact)
    assert 0 < error <= ((1 + u) ** m - 1) * sum(abs(Fraction(float(x))) for x in numbers)


def cross_entropy(logits, labels):
    """By the definition of the probability."""
    p = sigmoid(logits)
    return np.mean(-labels * np.log(p) - (1 - labels) * np.log(1 - p))


def loss(logits, labels):
    return np.mean(softplus(logits) - labels * logits)


def test_cross_entropy_by_softplus():
    assert loss(LOGITS, LABELS) == pytest.approx(cross_entropy(LOGITS, LABELS), rel=1e-12)


def test_softplus_without_overflow():
    for t in (-800.0, -40.0, -3.0, -1e-9, 0.0, 1e-9, 0.5, 30.0, 800.0):
        with localcontext() as context:
            context.prec = 60
            exact = (1 + Decimal(t).exp()).ln() if t > -100 else Decimal(t).exp()
        assert max(t, 0) + math.log1p(math.exp(-abs(t))) == pytest.approx(float(exact), rel=1e-15, abs=1e-320)


@pytest.mark.parametrize(("dtype", "bits"), [("float32", 24), ("float64", 53)])
def test_the_sigmoid_is_one_from_a_known_logit_on(dtype, bits):
    threshold = bits * math.log(2)
    logits = np.array([threshold - 0.05, threshold + 0.05], dtype=dtype)
    one = np.array(1, dtype=dtype)
    below, above = one / (one + np.exp(-logits))
    assert below < 1
    assert above == 1


def test_the_gradient_is_the_first_order_of_every_change():
    direction = np.random.default_rng(12).normal(size=7)
    gradient = slopes(lambda logits: loss(logits, LABELS), LOGITS)

    def rest(step):
        return loss(LOGITS + step * direction, LABELS) - loss(LOGITS, LABELS) - step * np.sum(gradient * direction)

    assert rest(1e-2) / rest(1e-3) == pytest.approx(100, rel=0.02)


def test_gradient_by_the_logits():
    found = slopes(lambda logits: cross_entropy(logits, LABELS), LOGITS)
    np.testing.assert_allclose((sigmoid(LOGITS) - LABELS) / 7, found, rtol=1e-12)


def test_value_in_logits():
    real, fake = LOGITS, LOGITS[:4] - 1
    value = np.mean(np.log(sigmoid(real))) + np.mean(np.log(1 - sigmoid(fake)))
    assert -np.mean(softplus(-real)) - np.mean(softplus(fake)) == pytest.approx(value, rel=1e-12)
    assert losses.minimax_discriminator(real, fake) == pytest.approx(-value, rel=1e-12)


def test_saturation():
    fake = np.array([-10.0])
    ratio = losses.generator_gradient("non_saturating", None, fake) / losses.generator_gradient("minimax", None, fake)
    assert sigmoid(10.0) / sigmoid(-10.0) == pytest.approx(math.exp(10), rel=1e-12)
    assert ratio.item() == pytest.approx(math.exp(10), rel=1e-12)


def gradients(operation, *arrays):
    """Gradients of sum(G * operation(...)) and G."""
    weights = np.random.default_rng(13).normal(size=np.shape(operation(*arrays)))

    def by(k):
        return slopes(lambda x: np.sum(weights * operation(*arrays[:k], x, *arrays[k + 1 :])), arrays[k])

    return weights, [by(k) for k in range(len(arrays))]


def test_backward_of_the_dot_product():
    weights, (by_a, by_w) = gradients(np.matmul, A, W)
    np.testing.assert_allclose(weights @ W.T, by_a, rtol=1e-12)
    np.testing.assert_allclose(A.T @ weights, by_w, rtol=1e-12)


def test_backward_of_the_other_operations():
    weights, (_, by_bias) = gradients(np.add, A, BIAS)
    np.testing.assert_allclose(weights.sum(axis=0), by_bias, rtol=1e-12)
    weights, (by_a, _) = gradients(np.multiply, A, B)
    np.testing.assert_allclose(weights * B, by_a, rtol=1e-12)
    weights, (by_a,) = gradients(np.transpose, A)
    np.testing.assert_allclose(weights.T, by_a, rtol=1e-12)
    weights, (by_a,) = gradients(lambda a: a.sum(axis=1), A)
    np.testing.assert_allclose(np.broadcast_to(weights[:, None], A.shape), by_a, rtol=1e-12)


def test_backward_of_a_linear_discriminator():
    w, b = W[:, 0], np.array([0.3])
    weights, (by_x, by_w, by_b) = gradients(lambda x, w, b: x @ w + b, A, w, b)
    np.testing.assert_allclose(A.T @ weights, by_w, rtol=1e-12)
    np.testing.assert_allclose([weights.sum()], by_b, rtol=1e-12)
    np.testing.assert_allclose(np.outer(weights, w), by_x, rtol=1e-12)


def test_slope_of_a_sigmoid_taken_twice():
    found = slopes(lambda logits: np.sum(softplus(-sigmoid(logits))), LOGITS)
    np.testing.assert_allclose(-sigmoid(-sigmoid(LOGITS)) * sigmoid(LOGITS) * sigmoid(-LOGITS), found, rtol=1e-12)


def test_shifted_pairs_are_all_pairs():
    real, fake = LOGITS, LOGITS[::-1] ** 2 / 5
    shifted = np.mean([np.mean(softplus(-(real - np.roll(fake, -k)))) for k in range(7)])
    every = np.mean([softplus(-(r - f)) for r in real for f in fake])
    assert shifted == pytest.approx(every, rel=1e-13)

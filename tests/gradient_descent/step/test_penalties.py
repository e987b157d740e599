"""Penalties: closed forms, derivatives written out by hand, twin against oracle, properties and planted mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbook.gradient_descent.step import penalties_numpy as oracle
from parity import (
    TWIN_MODES,
    TWINS,
    as_numpy,
    assert_parity,
    finite_differences,
    module,
    native,
    relative_error,
    value_and_gradients,
    variant,
)

PENALTIES = ("r1", "r2", "wgan_gp")
BUDGET = settings(max_examples=30, deadline=None, derandomize=True)
RNG = np.random.default_rng(2)
REAL, FAKE = RNG.normal(size=(2, 5, 2, 3))
MIX = RNG.uniform(size=5)
# A critic with one hidden layer, D(x) = tanh(x W + b) . a: smooth, so that its penalty has weight gradients everywhere.
WEIGHTS = (RNG.normal(size=(6, 4)) / 2, RNG.normal(size=4), RNG.normal(size=4))


def critic(ending: str, w: object, b: object, a: object):
    """That critic of one framework's tensors, or of NumPy's real or complex arrays."""
    if ending == "numpy":
        return lambda x: np.tanh(x.reshape(len(x), -1) @ w + b) @ a
    if ending == "torch":
        import torch

        return lambda x: torch.tanh(x.flatten(1) @ w + b) @ a
    import tensorflow as tf

    return lambda x: tf.linalg.matvec(tf.tanh(tf.reshape(x, (-1, 6)) @ w + b), a)


def linear(ending: str, w: np.ndarray):
    """The critic D(x) = w . x."""
    if ending == "numpy":
        return lambda x: x.reshape(len(x), -1) @ w
    if ending == "torch":
        return lambda x: x.flatten(1) @ native("torch", w, "float64")
    import tensorflow as tf

    return lambda x: tf.linalg.matvec(tf.reshape(x, (-1, w.size)), w)


def penalty(penalties, name: str, judge, real, fake, mix):
    """One penalty by name, as a scalar."""
    if name == "wgan_gp":
        return penalties.wgan_gp(judge, real, fake, mix)
    return {"r1": penalties.r1, "r2": penalties.r2}[name](judge, real if name == "r1" else fake)[0]


def weight_gradients(name: str, w: np.ndarray, b: np.ndarray, a: np.ndarray) -> list[np.ndarray]:
    """The penalty's derivatives by W, b and a: the second derivatives of the critic, by hand.

    With h = tanh(xW + b) and s = a (1 - h^2) the input gradient is g = s W^T; dP/dg is 2 g / N for R1 and R2, and
    2 (|g| - 1) g / (N |g|) for WGAN-GP.
    """
    x = {"r1": REAL, "r2": FAKE, "wgan_gp": MIX[:, None, None] * REAL + (1 - MIX)[:, None, None] * FAKE}[name]
    x = x.reshape(len(x), -1)
    h = np.tanh(x @ w + b)
    s = a * (1 - h**2)
    g = s @ w.T
    by_g = 2 * g / len(x)
    if name == "wgan_gp":
        by_g = by_g * (1 - 1 / np.linalg.norm(g, axis=1, keepdims=True))
    by_s = by_g @ w
    by_sum = by_s * a * -2 * h * (1 - h**2)
    return [by_g.T @ s + x.T @ by_sum, by_sum.sum(0), (by_s * (1 - h**2)).sum(0)]


def evaluate(penalties, twin: str, dtype: str, name: str, mode: str = "eager") -> tuple:
    real, fake, mix = (native(twin, array, dtype) for array in (REAL, FAKE, MIX))
    return value_and_gradients(
        twin,
        lambda *weights: penalty(penalties, name, critic(twin, *weights), real, fake, mix),
        *(native(twin, array, dtype) for array in WEIGHTS),
        mode=mode,
    )


def check_penalty(penalties, twin: str, dtype: str, name: str, mode: str = "eager") -> None:
    """Hold one penalty of one twin, its value and weight gradients, to the oracle and to the derivatives by hand."""
    value, gradients = evaluate(penalties, twin, dtype, name, mode)
    assert_parity(value, penalty(oracle, name, critic("numpy", *WEIGHTS), REAL, FAKE, MIX), dtype, what=name)
    assert_parity(gradients, weight_gradients(name, *WEIGHTS), dtype, what=f"{name} by (W, b, a)")


# Closed forms.


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
@BUDGET
@given(w=st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_linear_critic(ending, w):
    penalties, w = module("gradient_descent.step.penalties", ending), np.array(w)
    real, fake, mix = _give(ending, REAL, FAKE, MIX)
    judge = linear(ending, w)
    logits, gradient = penalties.input_gradient(judge, real)
    assert relative_error(logits, REAL.reshape(5, 6) @ w, floor=1.0) < 1e-12
    assert relative_error(gradient, np.broadcast_to(w.reshape(2, 3), REAL.shape), floor=1e-9) < 1e-12
    for value, logits in (penalties.r1(judge, real), penalties.r2(judge, real)):
        assert relative_error(value, w @ w, floor=1.0) < 1e-12
        assert relative_error(logits, REAL.reshape(5, 6) @ w, floor=1.0) < 1e-12
    assert relative_error(penalties.wgan_gp(judge, real, fake, mix), (np.linalg.norm(w) - 1) ** 2, floor=1.0) < 1e-12


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_quadratic_critic(ending):
    """D(x) = |x|^2 / 2 has gradient x, so R1 is the mean squared length and WGAN-GP shows where it looks."""
    penalties = module("gradient_descent.step.penalties", ending)
    real, fake, mix = _give(ending, REAL, FAKE, MIX)
    judge = {
        "numpy": lambda x: (x**2).sum((1, 2)) / 2,
        "torch": lambda x: (x**2).sum((1, 2)) / 2,
        "tensorflow": lambda x: _tensorflow().reduce_sum(x**2, axis=(1, 2)) / 2,
    }[ending]
    lengths = {
        name: np.linalg.norm(x.reshape(5, 6), axis=1)
        for name, x in (
            ("real", REAL),
            ("fake", FAKE),
            ("between", MIX[:, None, None] * REAL + (1 - MIX)[:, None, None] * FAKE),
        )
    }
    assert_parity(penalties.input_gradient(judge, real)[1], REAL, "float64")
    assert_parity(penalties.r1(judge, real)[0], np.mean(lengths["real"] ** 2), "float64")
    assert_parity(penalties.r2(judge, fake)[0], np.mean(lengths["fake"] ** 2), "float64")
    ones, zeros = _give(ending, np.ones(5), np.zeros(5))
    for weights, where in ((mix, "between"), (ones, "real"), (zeros, "fake")):
        assert_parity(penalties.wgan_gp(judge, real, fake, weights), np.mean((lengths[where] - 1) ** 2), "float64")


# Derivatives.


def test_oracle_input_gradient_is_finite_differences():
    judge = critic("numpy", *WEIGHTS)
    logits, gradient = oracle.input_gradient(judge, REAL)
    assert np.array_equal(logits, judge(REAL))
    assert relative_error(gradient, finite_differences(lambda x: judge(x).sum(), REAL)) < 1e-8


@pytest.mark.parametrize("name", PENALTIES)
def test_derivatives_by_hand_are_finite_differences(name):
    for i, by_hand in enumerate(weight_gradients(name, *WEIGHTS)):

        def value(array, i=i):
            return penalty(oracle, name, critic("numpy", *WEIGHTS[:i], array, *WEIGHTS[i + 1 :]), REAL, FAKE, MIX)

        assert relative_error(by_hand, finite_differences(value, WEIGHTS[i])) < 1e-7


@pytest.mark.parametrize("name", PENALTIES)
def test_torch_gradcheck(name):
    import torch

    penalties = module("gradient_descent.step.penalties", "torch")
    real, fake, mix = _give("torch", REAL, FAKE, MIX)
    weights = [array.requires_grad_() for array in _give("torch", *WEIGHTS)]
    assert torch.autograd.gradcheck(
        lambda *weights: penalty(penalties, name, critic("torch", *weights), real, fake, mix), weights
    )


@pytest.mark.parametrize("name", PENALTIES)
def test_tensorflow_finite_differences(name):
    penalties = module("gradient_descent.step.penalties", "tensorflow")
    real, fake, mix = _give("tensorflow", REAL, FAKE, MIX)
    _, gradients = evaluate(penalties, "tensorflow", "float64", name)
    for i, gradient in enumerate(gradients):

        def value(array, i=i):
            weights = _give("tensorflow", *WEIGHTS[:i], array, *WEIGHTS[i + 1 :])
            return penalty(penalties, name, critic("tensorflow", *weights), real, fake, mix)

        assert relative_error(gradient, finite_differences(value, WEIGHTS[i])) < 1e-7


# Twin against oracle, each way that a step may take its gradients.


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("twin", "mode"), TWIN_MODES)
def test_parity(twin, mode, dtype, name):
    check_penalty(module("gradient_descent.step.penalties", twin), twin, dtype, name, mode)


def test_torch_module_in_an_eager_loop():
    """``backward`` through an ``nn.Module``, as an eager step does it, fills the parameters' gradients."""
    import torch

    penalties = module("gradient_descent.step.penalties", "torch")
    network = torch.nn.Module()
    for name, array in zip("wba", _give("torch", *WEIGHTS), strict=True):
        network.register_parameter(name, torch.nn.Parameter(array))
    value, logits = penalties.r1(critic("torch", network.w, network.b, network.a), _give("torch", REAL)[0])
    (value + 0.0 * logits.sum()).backward()
    assert_parity([network.w.grad, network.b.grad, network.a.grad], weight_gradients("r1", *WEIGHTS), "float64")


def test_tensorflow_variables_in_a_tape():
    import tensorflow as tf

    penalties = module("gradient_descent.step.penalties", "tensorflow")
    variables = [tf.Variable(array) for array in WEIGHTS]
    with tf.GradientTape() as tape:
        value, _ = penalties.r1(critic("tensorflow", *variables), _give("tensorflow", REAL)[0])
    assert_parity(tape.gradient(value, variables), weight_gradients("r1", *WEIGHTS), "float64")


@pytest.mark.parametrize("twin", TWINS)
def test_returned_logits_carry_their_own_gradient(twin):
    """The loss is computed from the logits that r1 returns, so these must be differentiable by the weights too."""
    penalties, real = module("gradient_descent.step.penalties", twin), _give(twin, REAL)[0]
    sums = [
        value_and_gradients(twin, function, *_give(twin, *WEIGHTS))
        for function in (
            lambda *weights: penalties.r1(critic(twin, *weights), real)[1][0],
            lambda *weights: critic(twin, *weights)(real)[0],
        )
    ]
    assert_parity(sums[0], [as_numpy(sums[1][0]), [as_numpy(part) for part in sums[1][1]]], "float64")


# Edges and properties.


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("twin", TWINS)
def test_a_critic_without_slope_has_finite_gradients(twin, name):
    """A last layer of zeros: WGAN-GP is 1 there, and its derivative is taken as 0 rather than NaN."""
    penalties = module("gradient_descent.step.penalties", twin)
    real, fake, mix = _give(twin, REAL, FAKE, MIX)
    value, gradients = value_and_gradients(
        twin,
        lambda *weights: penalty(penalties, name, critic(twin, *weights), real, fake, mix),
        *_give(twin, *WEIGHTS[:2], np.zeros(4)),
    )
    assert float(value) == (1.0 if name == "wgan_gp" else 0.0)
    assert all(
        np.array_equal(as_numpy(gradient), np.zeros_like(array))
        for gradient, array in zip(gradients, WEIGHTS, strict=True)
    )


@pytest.mark.parametrize("twin", TWINS)
def test_a_critic_that_ignores_its_input_has_gradient_zero(twin):
    penalties, (real, ones) = module("gradient_descent.step.penalties", twin), _give(twin, REAL, np.ones(5))
    assert_parity(penalties.input_gradient(lambda x: ones, real), [np.ones(5), np.zeros_like(REAL)], "float64")


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
@BUDGET
@given(seed=st.integers(0, 999), name=st.sampled_from(PENALTIES))
def test_the_order_of_the_batch_does_not_matter(ending, seed, name):
    penalties, order = module("gradient_descent.step.penalties", ending), np.random.default_rng(seed).permutation(5)
    judge = critic(ending, *_give(ending, *WEIGHTS))
    one, other = (
        penalty(penalties, name, judge, *_give(ending, *arrays))
        for arrays in ((REAL, FAKE, MIX), (REAL[order], FAKE[order], MIX[order]))
    )
    assert relative_error(one, other) < 1e-12


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_the_penalty_of_a_batch_is_the_mean_over_its_images(ending):
    penalties, judge = module("gradient_descent.step.penalties", ending), critic(ending, *_give(ending, *WEIGHTS))
    for name in PENALTIES:
        alone = [
            float(penalty(penalties, name, judge, *_give(ending, REAL[i : i + 1], FAKE[i : i + 1], MIX[i : i + 1])))
            for i in range(5)
        ]
        assert_parity(penalty(penalties, name, judge, *_give(ending, REAL, FAKE, MIX)), np.mean(alone), "float64")


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_images_judged_together_count_as_one(ending):
    """D(X) = |X|^2 / 2 of a pack X of two images has gradient X, so lengths are those of the pack."""
    penalties, rng = module("gradient_descent.step.penalties", ending), np.random.default_rng(3)
    arrays = rng.standard_normal((2, 6, 2, 3))
    mixed = np.repeat(rng.random(3), 2)
    real, fake, mix = _give(ending, *arrays, mixed)
    judge = {
        "numpy": lambda x: (x.reshape(3, -1) ** 2).sum(1) / 2,
        "torch": lambda x: (x.reshape(3, -1) ** 2).sum(1) / 2,
        "tensorflow": lambda x: _tensorflow().reduce_sum(_tensorflow().reshape(x, (3, -1)) ** 2, axis=1) / 2,
    }[ending]
    between = mixed[:, None, None] * arrays[0] + (1 - mixed)[:, None, None] * arrays[1]
    lengths = [np.linalg.norm(x.reshape(3, 12), axis=1) for x in (*arrays, between)]
    assert_parity(penalties.input_gradient(judge, real)[1], arrays[0], "float64")
    for rule, images, length in ((penalties.r1, real, lengths[0]), (penalties.r2, fake, lengths[1])):
        value, logits = rule(judge, images)
        assert_parity(value, np.mean(length**2), "float64")
        assert_parity(logits, length**2 / 2, "float64")
    assert_parity(penalties.wgan_gp(judge, real, fake, mix), np.mean((lengths[2] - 1) ** 2), "float64")
    with pytest.raises(ValueError, match=r"critic returned shape \(3,\); accepted: .* here \(5,\), or \(N/m,\)"):
        penalties.r1(lambda x: judge(real), real[:5])


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_clip_weights(ending):
    penalties = module("gradient_descent.step.penalties", ending)
    arrays = {"w": np.array([[-3.0, 0.01], [0.5, -0.02]]), "b": np.array(7.0)}
    tensors = {name: _give(ending, array)[0] for name, array in arrays.items()}
    clipped = penalties.clip_weights(tensors, 0.01)
    assert_parity(clipped, {"w": np.array([[-0.01, 0.01], [0.01, -0.01]]), "b": np.array(0.01)}, "float64")
    assert_parity(tensors, arrays, "float64")
    for bound in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"bound is .*; accepted: a number above 0"):
            penalties.clip_weights(tensors, bound)


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_errors(ending):
    penalties, judge = module("gradient_descent.step.penalties", ending), critic(ending, *_give(ending, *WEIGHTS))
    real, fake, mix, flat = _give(ending, REAL, FAKE, MIX, np.zeros(5))
    with pytest.raises(ValueError, match=r"images has shape \(5,\); accepted: \(N, \.\.\.\)"):
        penalties.input_gradient(judge, flat)
    with pytest.raises(ValueError, match=r"critic returned shape \(5, 1\); accepted: .* here \(5,\)"):
        penalties.r1(lambda x: judge(x)[:, None], real)
    shapes = r"real has shape \(5, 2, 3\), fake \({}, 2, 3\) and weights \({}\); accepted: two equal shapes"
    with pytest.raises(ValueError, match=shapes.format(4, "5,")):
        penalties.wgan_gp(judge, real, fake[:4], mix)
    with pytest.raises(ValueError, match=shapes.format(5, "4,")):
        penalties.wgan_gp(judge, real, fake, mix[:4])
    with pytest.raises(ValueError, match=shapes.format(5, "5, 1")):
        penalties.wgan_gp(judge, real, fake, mix[:, None])


def _give(ending: str, *arrays: np.ndarray) -> list:
    return [array if ending == "numpy" else native(ending, array, "float64") for array in arrays]


def _tensorflow():
    import tensorflow

    return tensorflow


# Planted mistakes: each must fail the very check above.


def _tools(twin):
    """Mean and sum over everything, the squared length of every image's gradient, and a stop of gradients."""
    if twin == "torch":
        import torch

        return torch.mean, torch.sum, lambda g: g.square().flatten(1).sum(1), torch.Tensor.detach
    tf = _tensorflow()
    return tf.reduce_mean, tf.reduce_sum, lambda g: tf.reduce_sum(g**2, axis=range(1, g.shape.rank)), tf.stop_gradient


def mutant(twin: str, label: str) -> tuple:
    """The penalty that the mistake is in, and the module with the mistake."""
    mean, total, squares, stop = _tools(twin)
    penalties = module("gradient_descent.step.penalties", twin)
    gradient_of = penalties.input_gradient

    def r1(of_gradient):
        return lambda judge, real: (of_gradient(gradient_of(judge, real)[1]), None)

    def between(of_gradient, swap=False):
        def wgan_gp(judge, real, fake, weights):
            weights = weights[:, None, None]
            left, right = (fake, real) if swap else (real, fake)
            return of_gradient(gradient_of(judge, weights * left + (1 - weights) * right)[1])

        return wgan_gp

    name, replaced = {
        "sum instead of mean": ("r1", {"r1": r1(lambda g: total(squares(g)))}),
        "mean over pixels": ("r1", {"r1": r1(lambda g: mean(g**2))}),
        "mean gradient instead of every image's": ("r1", {"r1": r1(lambda g: squares(_mean_image(g))[0])}),
        "length instead of its square": ("r1", {"r1": r1(lambda g: mean(squares(g) ** 0.5))}),
        "gradient cut off": ("r1", {"r1": r1(lambda g: mean(squares(stop(g))))}),
        "fake instead of real": ("r1", {"r1": lambda judge, real: penalties.r1(judge, 2 * real)}),
        "flipped sign": ("r2", {"r2": lambda judge, fake: (-penalties.r2(judge, fake)[0], None)}),
        "no root": ("wgan_gp", {"wgan_gp": between(lambda g: mean((squares(g) - 1) ** 2))}),
        "sides swapped": ("wgan_gp", {"wgan_gp": between(lambda g: mean((squares(g) ** 0.5 - 1) ** 2), swap=True)}),
        "one weight for all images": (
            "wgan_gp",
            {"wgan_gp": lambda judge, real, fake, w: penalties.wgan_gp(judge, real, fake, 0 * w + w[0])},
        ),
        "centred at zero": ("wgan_gp", {"wgan_gp": between(lambda g: mean(squares(g)))}),
    }[label]
    return name, variant(penalties, **replaced)


def _mean_image(gradient):
    total = sum(gradient[i] for i in range(5)) / 5
    return total[None]


LABELS = [
    "sum instead of mean",
    "mean over pixels",
    "mean gradient instead of every image's",
    "length instead of its square",
    "gradient cut off",
    "fake instead of real",
    "flipped sign",
    "no root",
    "sides swapped",
    "one weight for all images",
    "centred at zero",
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("twin", TWINS)
def test_mutants_fail_parity(twin, label, dtype):
    name, wrong = mutant(twin, label)
    check_penalty(module("gradient_descent.step.penalties", twin), twin, dtype, name)
    with pytest.raises(AssertionError, match="relative error"):
        check_penalty(wrong, twin, dtype, name)


@pytest.mark.parametrize("twin", TWINS)
def test_a_right_copy_passes_where_the_mutants_fail(twin):
    """The mutants' own scaffold, without a mistake, is right: so each fails for its mistake alone."""
    mean, _, squares, _ = _tools(twin)
    penalties = module("gradient_descent.step.penalties", twin)
    check_penalty(
        variant(penalties, r1=lambda judge, real: (mean(squares(penalties.input_gradient(judge, real)[1])), None)),
        twin,
        "float64",
        "r1",
    )

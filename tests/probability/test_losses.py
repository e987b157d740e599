"""Losses: hand values, the oracle's derivatives, twin against oracle, properties, errors and planted mistakes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ganbook.data.recipe import LOSSES
from ganbook.probability import losses_numpy as oracle
from parity import (
    TWIN_MODES,
    TWINS,
    assert_parity,
    finite_differences,
    module,
    native,
    relative_error,
    value_and_gradients,
    variant,
)

SCALES = (1.0, 10.0, 100.0)
TAILS = (-100.0, -36.0, -21.0, -20.0, -5.0, -1.0, 0.0, 1.0, 5.0, 20.0, 21.0, 36.0, 100.0)
BUDGET = settings(max_examples=60, deadline=None, derandomize=True)
logits = arrays(np.float64, st.integers(1, 9), elements=st.floats(-100, 100))
pairs = st.integers(1, 9).flatmap(lambda n: arrays(np.float64, (2, n), elements=st.floats(-100, 100)))


def draw(scale: float) -> np.ndarray:
    """Two batches of seven logits, of that size."""
    return scale * np.random.default_rng(int(scale)).uniform(-1, 1, (2, 7))


def discriminator(losses, twin, dtype, name, real, fake, mode="eager"):
    return value_and_gradients(twin, lambda r, f: losses.discriminator_loss(name, r, f),
                               native(twin, real, dtype), native(twin, fake, dtype), mode=mode)


def generator(losses, twin, dtype, name, real, fake, mode="eager"):
    real = native(twin, real, dtype)
    return value_and_gradients(twin, lambda f: losses.generator_loss(name, real, f),
                               native(twin, fake, dtype), mode=mode)


def check_loss(losses, twin: str, dtype: str, name: str, real: np.ndarray, fake: np.ndarray, mode="eager") -> None:
    """Hold one loss of one twin, values and gradients, to the oracle; planted mistakes go through it too.

    The oracle sees the logits as that precision rounds them, so that only the arithmetic is compared.
    """
    real, fake = (np.asarray(batch, dtype).astype(np.float64) for batch in (real, fake))
    value, gradients = discriminator(losses, twin, dtype, name, real, fake, mode)
    # A mean of logits that cancel is small beside them: the scale of the logits is what rounding knows.
    floor = 1e-3 * max(1.0, np.abs(real).max(), np.abs(fake).max())
    assert_parity(value, oracle.discriminator_loss(name, real, fake), dtype, floor, f"{name} discriminator")
    assert_parity(gradients, oracle.discriminator_gradients(name, real, fake), dtype, what=f"{name} discriminator")
    value, gradients = generator(losses, twin, dtype, name, real, fake, mode)
    assert_parity(value, oracle.generator_loss(name, real, fake), dtype, floor, f"{name} generator")
    assert_parity(gradients[0], oracle.generator_gradient(name, real, fake), dtype, what=f"{name} generator")


# Values that a person can work out.

ZERO = {"minimax": (2 * math.log(2), -math.log(2)), "non_saturating": (2 * math.log(2), math.log(2)),
        "least_squares": (0.5, 0.5), "hinge": (2.0, 0.0), "wasserstein": (0.0, 0.0),
        "relativistic": (math.log(2), math.log(2))}
S = {x: math.log(1 + math.exp(x)) for x in (-2, -1, 1, 3, -3)}
HAND = {  # one real logit of 2, one fake logit of -1
    "minimax": (S[-2] + S[-1], -S[-1]), "non_saturating": (S[-2] + S[-1], S[1]), "least_squares": (1.0, 2.0),
    "hinge": (0.0, 1.0), "wasserstein": (-3.0, 1.0), "relativistic": (S[-3], S[3])}


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
@pytest.mark.parametrize("name", LOSSES)
def test_hand_values(ending, name):
    losses = module("probability.losses", ending)
    give = np.asarray if ending == "numpy" else lambda array: native(ending, array, "float64")
    for real, fake, expected in (([0.0] * 5, [0.0] * 5, ZERO[name]), ([2.0], [-1.0], HAND[name])):
        for loss, value in zip((losses.discriminator_loss, losses.generator_loss), expected, strict=True):
            assert_parity(loss(name, give(real), give(fake)), value, "float64", floor=1.0, what=name)


def test_least_squares_targets_are_options():
    real, fake = draw(1.0)
    for ending in TWINS:
        losses = module("probability.losses", ending)
        r, f = native(ending, real, "float64"), native(ending, fake, "float64")
        assert_parity(losses.least_squares_discriminator(r, f, a=-1.0, b=1.0),
                      0.5 * np.mean((real - 1) ** 2) + 0.5 * np.mean((fake + 1) ** 2), "float64")
        assert_parity(losses.least_squares_generator(None, f, c=0.0), 0.5 * np.mean(fake**2), "float64")


def test_every_name_of_a_recipe_has_two_functions_that_the_dispatch_reaches():
    real, fake = draw(1.0)
    for name in LOSSES:
        assert oracle.discriminator_loss(name, real, fake) == getattr(oracle, f"{name}_discriminator")(real, fake)
        assert oracle.generator_loss(name, real, fake) == getattr(oracle, f"{name}_generator")(real, fake)


# Derivatives.

@pytest.mark.parametrize("name", LOSSES)
def test_oracle_derivatives_are_finite_differences(name):
    real, fake = draw(10.0)
    by_real, by_fake = oracle.discriminator_gradients(name, real, fake)
    assert relative_error(by_real, finite_differences(lambda r: oracle.discriminator_loss(name, r, fake), real)) < 1e-7
    assert relative_error(by_fake, finite_differences(lambda f: oracle.discriminator_loss(name, real, f), fake)) < 1e-7
    by_fake = oracle.generator_gradient(name, real, fake)
    assert relative_error(by_fake, finite_differences(lambda f: oracle.generator_loss(name, real, f), fake)) < 1e-7


@pytest.mark.parametrize("name", LOSSES)
def test_torch_gradcheck(name):
    import torch

    losses = module("probability.losses", "torch")
    real, fake = (native("torch", batch, "float64").requires_grad_() for batch in draw(10.0))
    assert torch.autograd.gradcheck(lambda r, f: losses.discriminator_loss(name, r, f), (real, fake))
    assert torch.autograd.gradcheck(lambda f: losses.generator_loss(name, real.detach(), f), (fake,))


@pytest.mark.parametrize("name", LOSSES)
def test_tensorflow_finite_differences(name):
    losses = module("probability.losses", "tensorflow")
    real, fake = draw(10.0)
    _, gradients = discriminator(losses, "tensorflow", "float64", name, real, fake)

    def give(batch):
        return native("tensorflow", batch, "float64")

    r, f = give(real), give(fake)
    numbers = [finite_differences(lambda x: losses.discriminator_loss(name, give(x), f), real),
               finite_differences(lambda x: losses.discriminator_loss(name, r, give(x)), fake)]
    assert all(relative_error(one, other) < 1e-7 for one, other in zip(gradients, numbers, strict=True))
    _, gradients = generator(losses, "tensorflow", "float64", name, real, fake)
    numbers = finite_differences(lambda x: losses.generator_loss(name, r, give(x)), fake)
    assert relative_error(gradients[0], numbers) < 1e-7


# Twin against oracle.

@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("twin", TWINS)
def test_parity(twin, dtype, name, scale):
    check_loss(module("probability.losses", twin), twin, dtype, name, *draw(scale))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("twin", TWINS)
def test_parity_of_batches_of_different_sizes(twin, dtype, name):
    real, fake = draw(1.0)
    if name != "relativistic":
        check_loss(module("probability.losses", twin), twin, dtype, name, real, fake[:3])


def check_tail(losses, twin: str, dtype: str, logit: float) -> None:
    """One logit at a time, so that no larger neighbour hides an error: softplus's tails and their slopes."""
    # float32 holds nothing as small as e^-100: a floor at its smallest normal number.
    floor = 1e-30 if dtype == "float32" else 0.0
    value, gradients = generator(losses, twin, dtype, "non_saturating", [0.0], [logit])
    assert_parity(value, oracle.generator_loss("non_saturating", None, [logit]), dtype, floor, f"value at {logit}")
    assert_parity(gradients[0], oracle.generator_gradient("non_saturating", None, [logit]), dtype, floor,
                  f"slope at {logit}")


@pytest.mark.parametrize("logit", TAILS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("twin", TWINS)
def test_parity_in_the_tails(twin, dtype, logit):
    check_tail(module("probability.losses", twin), twin, dtype, logit)


@pytest.mark.parametrize(("twin", "mode"), [pair for pair in TWIN_MODES if pair[1] != "eager"])
def test_parity_under_transforms_and_compilers(twin, mode):
    """All losses in one graph, since a compilation takes seconds; each weighed differently so that none can hide."""
    losses, (real, fake) = module("probability.losses", twin), draw(10.0)
    weights = [0.5 + i for i in range(2 * len(LOSSES))]

    def total(r, f):
        values = [losses.discriminator_loss(name, r, f) for name in LOSSES]
        values += [losses.generator_loss(name, r, f) for name in LOSSES]
        return sum(weight * value for weight, value in zip(weights, values, strict=True))

    value, gradients = value_and_gradients(twin, total, native(twin, real, "float64"), native(twin, fake, "float64"),
                                           mode=mode)
    rivals, makers = weights[:len(LOSSES)], weights[len(LOSSES):]
    expected = sum(w * oracle.discriminator_loss(n, real, fake) for w, n in zip(rivals, LOSSES, strict=True))
    expected += sum(w * oracle.generator_loss(n, real, fake) for w, n in zip(makers, LOSSES, strict=True))
    by_fake = sum(w * oracle.discriminator_gradients(n, real, fake)[1] for w, n in zip(rivals, LOSSES, strict=True))
    by_fake += sum(w * oracle.generator_gradient(n, real, fake) for w, n in zip(makers, LOSSES, strict=True))
    assert_parity(value, expected, "float64")
    assert_parity(gradients[1], by_fake, "float64")


# Saturation: which slopes vanish and which must not.

@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("twin", TWINS)
def test_saturated_gradients(twin, dtype):
    losses = module("probability.losses", twin)

    def slope(name, logit):
        return float(generator(losses, twin, dtype, name, [0.0], [logit])[1][0][0])

    assert slope("non_saturating", -20.0) == pytest.approx(-1.0, abs=1e-6)  # log(sigmoid + 1e-8) has 0.17 here
    assert slope("non_saturating", -100.0) == -1.0
    assert abs(slope("minimax", -20.0)) < 1e-8
    assert abs(slope("minimax", -100.0)) < 1e-40
    assert slope("minimax", 100.0) == -1.0
    assert slope("relativistic", -100.0) == -1.0
    assert abs(slope("relativistic", 100.0)) < 1e-40


@pytest.mark.parametrize("twin", TWINS)
@BUDGET
@given(batch=pairs, name=st.sampled_from(LOSSES))
def test_finite_up_to_100(twin, batch, name):
    losses = module("probability.losses", twin)
    for side in (discriminator, generator):
        value, gradients = side(losses, twin, "float32", name, *batch)
        assert np.isfinite(float(value))
        assert all(np.isfinite(np.asarray(gradient)).all() for gradient in gradients)


# Properties.

@pytest.mark.parametrize("ending", ["numpy", *TWINS])
@BUDGET
@given(batch=pairs, name=st.sampled_from(LOSSES), seed=st.integers(0, 99))
def test_the_order_of_the_batch_does_not_matter(ending, batch, name, seed):
    losses = module("probability.losses", ending)
    order = np.random.default_rng(seed).permutation(batch.shape[1])
    for loss in (losses.discriminator_loss, losses.generator_loss):
        one, other = (loss(name, *_give(ending, both)) for both in (batch, batch[:, order]))
        assert relative_error(one, other, floor=1.0) < 1e-12


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
@BUDGET
@given(batch=pairs, shift=st.floats(-50, 50))
def test_a_common_shift_leaves_wasserstein_and_relativistic_unchanged(ending, batch, shift):
    losses = module("probability.losses", ending)
    for name in ("wasserstein", "relativistic"):
        one, other = (losses.discriminator_loss(name, *_give(ending, both)) for both in (batch, batch + shift))
        assert relative_error(one, other, floor=100.0) < 1e-12
    one, other = (losses.generator_loss("relativistic", *_give(ending, both)) for both in (batch, batch + shift))
    assert relative_error(one, other, floor=100.0) < 1e-12


@pytest.mark.parametrize("name", ["minimax", "least_squares", "hinge"])
def test_a_common_shift_changes_the_others(name):
    real, fake = draw(1.0)
    assert abs(oracle.discriminator_loss(name, real + 1, fake + 1) - oracle.discriminator_loss(name, real, fake)) > 0.01


@BUDGET
@given(batch=pairs)
def test_relativistic_game_is_antisymmetric(batch):
    real, fake = batch
    assert oracle.relativistic_discriminator(real, fake) == oracle.relativistic_generator(fake, real)


def _give(ending: str, both: np.ndarray) -> list:
    return [batch if ending == "numpy" else native(ending, batch, "float64") for batch in both]


# Bad input.

@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_errors(ending):
    losses = module("probability.losses", ending)
    flat, column = _give(ending, [np.zeros(4), np.zeros((4, 1))])
    shorter = _give(ending, [np.zeros(3)])[0]
    with pytest.raises(ValueError, match=r"loss is 'hindge'; accepted: minimax, .*hinge.* relativistic"):
        losses.discriminator_loss("hindge", flat, flat)
    with pytest.raises(ValueError, match=r"loss is 'hindge'; accepted: minimax, .*hinge.* relativistic"):
        losses.generator_loss("hindge", flat, flat)
    for name in LOSSES:
        with pytest.raises(ValueError, match=r"fake has shape \(4, 1\); accepted: logits of shape \(N,\)"):
            losses.discriminator_loss(name, flat, column)
        with pytest.raises(ValueError, match=r"real has shape \(4, 1\); accepted: logits of shape \(N,\)"):
            losses.discriminator_loss(name, column, flat)
        with pytest.raises(ValueError, match=r"fake has shape \(4, 1\); accepted: logits of shape \(N,\)"):
            losses.generator_loss(name, flat, column)
        if name != "relativistic":
            losses.generator_loss(name, None, flat)
    with pytest.raises(ValueError, match=r"real has shape None; accepted: logits of shape \(N,\)"):
        losses.generator_loss("relativistic", None, flat)
    for loss in (losses.discriminator_loss, losses.generator_loss):
        with pytest.raises(ValueError, match=r"real has shape \(4,\) and fake \(3,\); accepted: pairs"):
            loss("relativistic", flat, shorter)


# Planted mistakes: each must fail the very checks above.

def _tools(twin):
    if twin == "torch":
        import torch

        return torch.mean, torch.sum, torch.sigmoid, torch.log, torch.nn.functional.softplus
    import tensorflow as tf

    return tf.reduce_mean, tf.reduce_sum, tf.sigmoid, tf.math.log, tf.nn.softplus


def _mutants(twin):
    mean, total, sigmoid, _, softplus = _tools(twin)
    losses = module("probability.losses", twin)
    dispatch = {
        "swapped real and fake": ("relativistic", lambda n, r, f: losses.discriminator_loss(n, f, r), None),
        "flipped sign": ("wasserstein", lambda n, r, f: -losses.discriminator_loss(n, r, f), None),
        "flipped sign of the generator": ("hinge", None, lambda n, r, f: -losses.generator_loss(n, r, f)),
        "sum instead of mean": ("non_saturating", None, lambda n, r, f: total(softplus(-f))),
        "saturating instead of non-saturating": ("non_saturating", None, lambda n, r, f: -mean(softplus(f))),
        "hinge on one side only": ("hinge", lambda n, r, f: mean(softplus(1 - r)) + mean(softplus(1 + f)), None),
        "no half in least squares": ("least_squares", lambda n, r, f: 2 * losses.discriminator_loss(n, r, f), None),
        "pairs broadcast to a square": (
            "relativistic", lambda n, r, f: mean(softplus(f[:, None] - r[None, :])), None),
        "sigmoid twice": ("minimax", lambda n, r, f: losses.discriminator_loss(n, sigmoid(r), sigmoid(f)), None),
    }
    for label, (name, rival, maker) in dispatch.items():
        replaced = {"discriminator_loss": rival, "generator_loss": maker}
        yield label, name, variant(losses, **{key: value for key, value in replaced.items() if value})


LABELS = ["swapped real and fake", "flipped sign", "flipped sign of the generator", "sum instead of mean",
          "saturating instead of non-saturating", "hinge on one side only", "no half in least squares",
          "pairs broadcast to a square", "sigmoid twice"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("twin", TWINS)
def test_mutants_fail_parity(twin, label, dtype):
    name, mutant = {key: (name, mutant) for key, name, mutant in _mutants(twin)}[label]
    check_loss(module("probability.losses", twin), twin, dtype, name, *draw(1.0))
    with pytest.raises(AssertionError, match="relative error"):
        check_loss(mutant, twin, dtype, name, *draw(1.0))


def test_every_mutant_is_tried():
    assert [label for label, _, _ in _mutants("torch")] == LABELS


@pytest.mark.parametrize("twin", TWINS)
def test_logarithm_of_a_sigmoid_fails_in_the_tail(twin):
    mean, _, sigmoid, log, _ = _tools(twin)
    mutant = variant(module("probability.losses", twin),
                     generator_loss=lambda name, real, fake: -mean(log(sigmoid(fake) + 1e-8)))
    with pytest.raises(AssertionError, match="relative error"):
        check_tail(mutant, twin, "float64", -20.0)
    assert float(generator(mutant, twin, "float64", "", [0.0], [-20.0])[1][0][0]) == pytest.approx(-0.17, abs=0.005)


def test_default_softplus_of_torch_fails_in_the_tail():
    from torch.nn.functional import softplus

    mutant = variant(module("probability.losses", "torch"),
                     generator_loss=lambda name, real, fake: softplus(-fake).mean())
    with pytest.raises(AssertionError, match="relative error"):
        check_tail(mutant, "torch", "float64", -21.0)

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
from loss_gradients import discriminator_gradients
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
    return value_and_gradients(
        twin,
        lambda r, f: losses.discriminator_loss(name, r, f),
        native(twin, real, dtype),
        native(twin, fake, dtype),
        mode=mode,
    )


def generator(losses, twin, dtype, name, real, fake, mode="eager"):
    real = native(twin, real, dtype)
    return value_and_gradients(
        twin, lambda f: losses.generator_loss(name, real, f), native(twin, fake, dtype), mode=mode
    )


def check_loss(losses, twin: str, dtype: str, name: str, real: np.ndarray, fake: np.ndarray, mode="eager") -> None:
    """Hold one loss of one twin, values and gradients, to the oracle; planted mistakes go through it too.

    The oracle sees the logits as that precision rounds them, so that only the arithmetic is compared.
    """
    real, fake = (np.asarray(batch, dtype).astype(np.float64) for batch in (real, fake))
    value, gradients = discriminator(losses, twin, dtype, name, real, fake, mode)
    # A mean of logits that cancel is small beside them: the scale of the logits is what rounding knows.
    floor = 1e-3 * max(1.0, np.abs(real).max(), np.abs(fake).max())
    assert_parity(value, oracle.discriminator_loss(name, real, fake), dtype, floor, f"{name} discriminator")
    assert_parity(gradients, discriminator_gradients(name, real, fake), dtype, what=f"{name} discriminator")
    value, gradients = generator(losses, twin, dtype, name, real, fake, mode)
    assert_parity(value, oracle.generator_loss(name, real, fake), dtype, floor, f"{name} generator")
    assert_parity(gradients[0], oracle.generator_gradient(name, real, fake), dtype, what=f"{name} generator")


# Values that a person can work out.

ZERO = {
    "minimax": (2 * math.log(2), -math.log(2)),
    "non_saturating": (2 * math.log(2), math.log(2)),
    "least_squares": (0.5, 0.5),
    "hinge": (2.0, 0.0),
    "wasserstein": (0.0, 0.0),
    "relativistic": (math.log(2), math.log(2)),
}
S = {x: math.log(1 + math.exp(x)) for x in (-2, -1, 1, 3, -3)}
HAND = {  # one real logit of 2, one fake logit of -1
    "minimax": (S[-2] + S[-1], -S[-1]),
    "non_saturating": (S[-2] + S[-1], S[1]),
    "least_squares": (1.0, 2.0),
    "hinge": (0.0, 1.0),
    "wasserstein": (-3.0, 1.0),
    "relativistic": (S[-3], S[3]),
}


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
        assert_parity(
            losses.least_squares_discriminator(r, f, a=-1.0, b=1.0),
            0.5 * np.mean((real - 1) ** 2) + 0.5 * np.mean((fake + 1) ** 2),
            "float64",
        )
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
    by_real, by_fake = discriminator_gradients(name, real, fake)
    assert relative_error(by_real, finite_differences(lambda r: oracle.discriminator_loss(name, r, fake), real)) < 1e-7
    assert relative_error(by_fake, finite_differences(lambda f: oracle.discriminator_loss(name, real, f), fake)) < 1e-7
    by_fake = oracle.generator_gradient(name, real, fake)
    assert relative_error(by_fake, finite_differences(lambda f: oracle.generator_loss(name, real, f), fake)) < 1e-7


# Twin against oracle.


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("twin", TWINS)
def test_parity(twin, dtype, name, scale):
    losses, (real, fake) = module("probability.losses", twin), draw(scale)
    check_loss(losses, twin, dtype, name, real, fake)
    if name != "relativistic":  # which pairs them
        check_loss(losses, twin, dtype, name, real, fake[:3])


def check_tail(losses, twin: str, dtype: str, logit: float) -> None:
    """One logit at a time, so that no larger neighbour hides an error: softplus's tails and their slopes."""
    # float32 holds nothing as small as e^-100: a floor at its smallest normal number.
    floor = 1e-30 if dtype == "float32" else 0.0
    value, gradients = generator(losses, twin, dtype, "non_saturating", [0.0], [logit])
    assert_parity(value, oracle.generator_loss("non_saturating", None, [logit]), dtype, floor, f"value at {logit}")
    assert_parity(
        gradients[0], oracle.generator_gradient("non_saturating", None, [logit]), dtype, floor, f"slope at {logit}"
    )


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

    value, gradients = value_and_gradients(
        twin, total, native(twin, real, "float64"), native(twin, fake, "float64"), mode=mode
    )
    rivals, makers = weights[: len(LOSSES)], weights[len(LOSSES) :]
    expected = sum(w * oracle.discriminator_loss(n, real, fake) for w, n in zip(rivals, LOSSES, strict=True))
    expected += sum(w * oracle.generator_loss(n, real, fake) for w, n in zip(makers, LOSSES, strict=True))
    by_fake = sum(w * discriminator_gradients(n, real, fake)[1] for w, n in zip(rivals, LOSSES, strict=True))
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

MUTANTS = {  # what is wrong -> the loss, the function, and its wrong form from the right module
    "swapped real and fake": ("relativistic", "discriminator_loss", lambda right: lambda n, r, f: right(n, f, r)),
    "flipped sign": ("wasserstein", "discriminator_loss", lambda right: lambda n, r, f: -right(n, r, f)),
    "flipped sign of the generator": ("hinge", "generator_loss", lambda right: lambda n, r, f: -right(n, r, f)),
    "sum instead of mean": ("non_saturating", "generator_loss", lambda right: lambda n, r, f: 7 * right(n, r, f)),
    "saturating": ("non_saturating", "generator_loss", lambda right: lambda n, r, f: right("minimax", r, f)),
    "no half": ("least_squares", "discriminator_loss", lambda right: lambda n, r, f: 2 * right(n, r, f)),
}


@pytest.mark.parametrize("label", MUTANTS)
@pytest.mark.parametrize("twin", TWINS)
def test_mutants_fail_parity(twin, label):
    losses = module("probability.losses", twin)
    name, function, wrong = MUTANTS[label]
    with pytest.raises(AssertionError, match="relative error"):
        check_loss(variant(losses, **{function: wrong(getattr(losses, function))}), twin, "float64", name, *draw(1.0))

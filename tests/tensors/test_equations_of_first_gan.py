"""The equations of the section "A first GAN": each side computed in a way of its own."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from complex_step import slopes
from ganbook.data.recipe import Optimiser, Recipe
from ganbook.gradient_descent.step import penalties_numpy as penalties
from ganbook.gradient_descent.training import train
from ganbook.probability import losses_numpy as losses
from ganbook.tensors import layers as a
from ganbook.tensors.configurations import CONFIGURATIONS

REAL, FAKE = np.random.default_rng(0).normal(scale=3, size=(2, 9))


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def zeta(t):
    return np.log1p(np.exp(t))


def test_side_of_a_convolution():
    for size, kernel, stride, zeros in itertools.product(range(5, 30), range(1, 6), range(1, 4), range(3)):
        places = len(range(-zeros, size + zeros - kernel + 1, stride))
        assert (size + 2 * zeros - kernel) // stride + 1 == places
        assert a.Conv2D("conv_1", 1, 1, kernel, stride, zeros).output_shape((size, size, 1)) == (places, places, 1)


def test_value():
    expected = np.mean(np.log(sigmoid(REAL))) + np.mean(np.log(1 - sigmoid(FAKE)))
    assert -losses.minimax_discriminator(REAL, FAKE) == pytest.approx(expected, rel=1e-12)


def test_loss_of_the_discriminator():
    expected = np.mean(-np.log(sigmoid(REAL))) + np.mean(-np.log(1 - sigmoid(FAKE)))
    assert np.mean(zeta(-REAL)) + np.mean(zeta(FAKE)) == pytest.approx(expected, rel=1e-12)
    assert losses.non_saturating_discriminator(REAL, FAKE) == pytest.approx(expected, rel=1e-12)


def test_losses_of_the_generator():
    minimax, heuristic = np.mean(np.log(1 - sigmoid(FAKE))), -np.mean(np.log(sigmoid(FAKE)))
    assert -np.mean(zeta(FAKE)) == pytest.approx(minimax, rel=1e-12)
    assert np.mean(zeta(-FAKE)) == pytest.approx(heuristic, rel=1e-12)
    assert losses.minimax_generator(None, FAKE) == pytest.approx(minimax, rel=1e-12)
    assert losses.non_saturating_generator(None, FAKE) == pytest.approx(heuristic, rel=1e-12)


def test_losses_of_a_discriminator_that_knows_nothing():
    zero = np.zeros(5)
    assert losses.minimax_discriminator(zero, zero) == pytest.approx(2 * math.log(2), rel=1e-15)
    assert losses.non_saturating_generator(None, zero) == pytest.approx(math.log(2), rel=1e-15)
    assert losses.minimax_generator(None, zero) == pytest.approx(-math.log(2), rel=1e-15)


def test_what_the_generator_hears():
    """D(x) = v tanh(x W): its gradient by hand of the penalties' oracle, the loss's by a complex step."""
    rng = np.random.default_rng(1)
    images, weight, v = rng.normal(size=(6, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)

    def judge(x):
        return np.tanh(x @ weight) @ v

    logits, gradient = penalties.input_gradient(judge, images)
    expected = slopes(lambda x: np.mean(zeta(-judge(x))), images)
    by_hand = ((1 - np.tanh(images @ weight) ** 2) * v) @ weight.T
    np.testing.assert_allclose(-sigmoid(-logits)[:, None] / 6 * by_hand, expected, rtol=1e-11)
    np.testing.assert_allclose(gradient, by_hand, rtol=1e-6)


def test_least_loss_of_a_sigmoid_taken_twice():
    bound = zeta(-1.0) + math.log(2)
    assert f"{bound:.4f}" == "1.0064"
    logits = np.linspace(-30, 30, 61)
    real, fake = np.meshgrid(sigmoid(logits), sigmoid(logits))
    every = [
        losses.minimax_discriminator(np.array([r]), np.array([f]))
        for r, f in zip(real.ravel(), fake.ravel(), strict=True)
    ]
    assert bound < min(every) < bound + 1e-9


def test_both_labels_for_one_picture():
    np.testing.assert_allclose(zeta(-FAKE) + zeta(FAKE), 2 * np.log(2 * np.cosh(FAKE / 2)), rtol=1e-13)
    assert zeta(0.0) + zeta(-0.0) == min(zeta(t) + zeta(-t) for t in np.linspace(-2, 2, 41))


def test_mean_square_of_independent_pairs():
    rng = np.random.default_rng(2)
    real, fake = rng.normal(1, 2, size=(7, 3)), rng.normal(-1, 0.5, size=(5, 3))
    pairs = np.mean([np.sum((g - x) ** 2) for g in fake for x in real])  # every pair alike: independent draws
    spread = real.var(axis=0).sum() + fake.var(axis=0).sum()
    assert pairs == pytest.approx(spread + np.sum((fake.mean(axis=0) - real.mean(axis=0)) ** 2), rel=1e-12)


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_what_the_discriminator_does_not_see_the_generator_never_learns(framework):
    """After three steps the biases of the pixels that no kernel reaches are still what they were: zero."""
    adam = Optimiser("adam", 2e-4, beta1=0.5, beta2=0.999)
    recipe = Recipe(
        data="digits",
        size=28,
        dtype="float64",
        batch=4,
        steps=3,
        loss="non_saturating",
        r1=0.0,
        r2=0.0,
        generator=CONFIGURATIONS["article_000_generator"].with_(output_activation="tanh"),
        discriminator=CONFIGURATIONS["article_000_discriminator"],
        averaging=0.0,
        generator_optimiser=adam,
        discriminator_optimiser=adam,
    )
    biases = train(recipe, framework, device="cpu").generator.export()["dense_3.bias"]
    seen = np.pad(np.ones((25, 25), bool), (0, 3))
    np.testing.assert_array_equal(biases.reshape(28, 28) != 0, seen)

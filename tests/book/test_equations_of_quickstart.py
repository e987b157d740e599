"""The equations of the quickstart: each side computed in a way of its own."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from complex_step import slopes
from ganbook.data.recipe import Recipe
from ganbook.probability import losses_numpy as losses
from ganbook.tuning.metrics.frechet import frechet_distance
from parity import module, native

REAL, FAKE = np.random.default_rng(0).normal(scale=3, size=(2, 9))


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def test_value():
    expected = np.mean(np.log(sigmoid(REAL))) + np.mean(np.log(1 - sigmoid(FAKE)))
    assert -losses.minimax_discriminator(REAL, FAKE) == pytest.approx(expected, rel=1e-12)


def test_losses():
    """The losses of the program's step, from the logits that its discriminator gives by itself."""
    from ganbook import quickstart_torch as program

    players, real, noise = small_players(program)
    generator, discriminator = players[:2]
    with torch.no_grad():
        a, b = (discriminator(images).numpy() for images in (real, generator(noise)))
    expected = np.mean(np.log(1 + np.exp(-a))) + np.mean(np.log(1 + np.exp(b)))
    before = program.train_step(*players, real, noise)
    assert float(before[0]) == pytest.approx(expected, rel=1e-12)
    players, real, noise = small_players(program)
    players[3].param_groups[0]["lr"] = 0.0  # the same fakes, before the new discriminator
    g_loss = float(program.train_step(*players, real, noise)[1])
    with torch.no_grad():
        c = players[1](players[0](noise)).numpy()
    assert g_loss == pytest.approx(np.mean(np.log(1 + np.exp(-c))), rel=1e-12)


def test_the_penalty_of_the_program():
    """The slope that the step squares is that of the logits by the pixels, here from differences."""
    from ganbook import quickstart_torch as program

    players, real, _ = small_players(program)
    discriminator = players[1]
    slopes_at = [
        (discriminator(real + h).double() - discriminator(real - h)).detach().numpy()[:, 0] / 2e-6
        for h in 1e-6 * torch.eye(16, dtype=torch.float64).reshape(16, 1, 1, 4, 4)
    ]
    expected = np.mean(np.sum(np.square(slopes_at), axis=0))
    (slope,) = torch.autograd.grad(discriminator(real.requires_grad_()).sum(), real)
    assert float(slope.square().sum((1, 2, 3)).mean()) == pytest.approx(expected, rel=1e-8)


def small_players(program):
    """Players of the program in double precision, four pictures and their noise."""
    torch.manual_seed(0)
    players = program.make_players(4, 6)
    for network in players[:3]:
        network.double()
    chance = torch.Generator().manual_seed(1)
    real = torch.rand(5, 1, 4, 4, generator=chance, dtype=torch.float64) * 2 - 1
    return players, real, torch.randn(5, program.NOISE, generator=chance, dtype=torch.float64)


def test_relativistic_losses():
    gap = REAL - FAKE
    assert losses.relativistic_discriminator(REAL, FAKE) == pytest.approx(-np.mean(np.log(sigmoid(gap))), rel=1e-12)
    assert losses.relativistic_generator(REAL, FAKE) == pytest.approx(-np.mean(np.log(1 - sigmoid(gap))), rel=1e-12)


@pytest.mark.parametrize("twin", ["torch", "tensorflow"])
def test_the_discriminators_objective_with_both_penalties(twin):
    """Against D(x) = v . tanh(x W), whose slopes a complex step gives to the last digits."""
    steps, rng = module("gradient_descent.step.steps", twin), np.random.default_rng(1)
    real, fake, weight, v = (rng.normal(size=shape) for shape in ((6, 2), (6, 2), (2, 3), (3,)))
    tanh = {"torch": lambda x: x.tanh(), "tensorflow": lambda x: _tensorflow().tanh(x)}[twin]

    def judge(x, matrix=weight, column=v[:, None], function=np.tanh):
        return (function(x @ matrix) @ column)[:, 0]

    squares = [np.mean(np.sum(slopes(lambda x: np.sum(judge(x)), points) ** 2, axis=1)) for points in (real, fake)]
    expected = losses.relativistic_discriminator(judge(real), judge(fake)) + 0.3 / 2 * squares[0] + 0.7 / 2 * squares[1]
    recipe = Recipe(name="both", data="ring", loss="relativistic", r1=0.3, r2=0.7, batch=6)
    x, y, matrix, column = (native(twin, each, "float64") for each in (real, fake, weight, v[:, None]))
    inputs = {"real": x, "masks": {"real": {}, "fake": {}}, "rates": {"r1": 0.3, "r2": 0.7}}
    found, _ = steps.discriminator_objective(recipe, lambda x, **_: judge(x, matrix, column, tanh), y, inputs)
    assert float(found) == pytest.approx(expected, rel=1e-10)


def _tensorflow():
    import tensorflow as tf

    return tf


def gaussians(d=4):
    """Two clouds with what was fitted to them: mean and covariance."""
    rng = np.random.default_rng(2)
    clouds = [rng.normal(size=(60, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d) for _ in range(2)]
    return [(cloud, cloud.mean(axis=0), np.cov(cloud.T)) for cloud in clouds]


def test_frechet_distance_is_the_cost_of_the_best_transport():
    """A linear map carries one Gaussian to the other at that price, and its dual shows that none is cheaper."""
    (x, m, c), (y, n, k) = gaussians()
    root = np.real(scipy.linalg.sqrtm(c))
    inverse = np.linalg.inv(root)
    carry = inverse @ np.real(scipy.linalg.sqrtm(root @ k @ root)) @ inverse
    np.testing.assert_allclose(carry @ c @ carry.T, k, rtol=1e-9, atol=1e-9)  # the carried covariance is the other's
    move = np.eye(4) - carry
    primal = np.sum((m - n) ** 2) + np.trace(move @ c @ move.T)
    # Potentials |x|^2 - x.Ax and |y|^2 - y.A^-1 y of the centred parts: u(x) + w(y) <= |x - y|^2 everywhere.
    np.testing.assert_array_less(0, np.linalg.eigvalsh((carry + carry.T) / 2))
    dual = np.sum((m - n) ** 2) + np.trace(c) - np.trace(carry @ c) + np.trace(k) - np.trace(np.linalg.inv(carry) @ k)
    written = np.sum((m - n) ** 2) + np.trace(c + k - 2 * np.real(scipy.linalg.sqrtm(c @ k)))
    assert primal == pytest.approx(dual, rel=1e-9)
    assert written == pytest.approx(primal, rel=1e-9)
    assert frechet_distance(x, y) == pytest.approx(primal, rel=1e-9)

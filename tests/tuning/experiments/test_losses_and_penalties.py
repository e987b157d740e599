"""The equations of the section "Losses and penalties": both sides, computed."""

import itertools
import math

import numpy as np
import pytest

from ganbook.data.recipe import Optimiser
from ganbook.gradient_descent.step import optimisers_numpy, penalties_numpy
from ganbook.gradient_descent.studies import games


@pytest.mark.parametrize("gradient", [-3.0, 1e-6, 128.0])
def test_adam_moves_by_its_rate_where_the_gradient_is_constant(gradient):
    adam, rate = Optimiser("adam", 2e-4, 0.5, 0.999, 1e-7), 2e-4
    value, state = 1.0, optimisers_numpy.initial_state(adam, np.array(1.0))
    for t in range(1, 51):
        value, state = optimisers_numpy.update(adam, value, gradient, state, t, rate)
        predicted = 1.0 - rate * t * gradient / (abs(gradient) + adam.epsilon)
        assert value == pytest.approx(predicted, rel=1e-12)


def bound(widths, c):
    """The steepest slope that clipped dense layers of these widths can have."""
    return math.prod(c * math.sqrt(a * b) for a, b in itertools.pairwise(widths))


@pytest.mark.parametrize("c", [0.01, 0.3])
def test_the_slope_of_a_box_is_bounded_and_the_bound_is_attained(c):
    widths, rng = (5, 7, 4, 1), np.random.default_rng(0)
    assert bound(widths, c) == pytest.approx(c**3 * math.sqrt(5) * 7 * 4)

    def slope(matrices, x):
        """Return the norm of the gradient of leaky dense layers at x."""
        gradient = np.eye(5)
        for i, matrix in enumerate(matrices):
            x, gradient = matrix @ x, matrix @ gradient
            if i < 2:
                kept = np.where(x > 0, 1.0, 0.2)
                x, gradient = x * kept, kept[:, None] * gradient
        return np.linalg.norm(gradient)

    shapes = [(b, a) for a, b in itertools.pairwise(widths)]
    for _ in range(200):
        assert slope([rng.uniform(-c, c, shape) for shape in shapes], rng.normal(size=5)) <= bound(widths, c)
    assert slope([np.full(shape, c) for shape in shapes], np.ones(5)) == pytest.approx(bound(widths, c), rel=1e-12)


def test_a_penalty_sees_no_slope_behind_batch_normalisation():
    rng = np.random.default_rng(0)
    x, w, epsilon, h = rng.normal(size=(6, 4)), rng.normal(size=4), 1e-5, 1e-6

    def critic(batch):
        a = batch @ w
        return (a - a.mean()) / math.sqrt(a.var() + epsilon)

    logits, s = critic(x), math.sqrt((x @ w).var() + epsilon)
    jacobian = np.zeros((6, 6, 4))
    for i, k in np.ndindex(6, 4):
        step = np.zeros_like(x)
        step[i, k] = h
        jacobian[:, i, k] = (critic(x + step) - critic(x - step)) / (2 * h)
    assert np.abs(jacobian.sum(0)).max() < 1e-8
    for i in range(6):
        assert jacobian[i, i] == pytest.approx(w / s * (1 - 1 / 6 - logits[i] ** 2 / 6), abs=1e-8)


@pytest.mark.parametrize(("eta", "beta"), [(0.1, 0.995), (0.5, 0.9), (0.01, 0.99)])
def test_averaging_shrinks_a_circle_by_its_gain(eta, beta):
    path = games.simulate(games.Bilinear(), "alternating", (1.0, 0.0), 6000, eta)
    average = np.array(path[0], dtype=float)
    for point in path[1:]:
        average = beta * average + (1 - beta) * np.asarray(point)
    size = [x**2 + y**2 - eta * x * y for x, y in (average, path[-1])]
    predicted = (1 - beta) / math.sqrt(1 - 2 * beta * (1 - eta**2 / 2) + beta**2)
    assert math.sqrt(size[0] / size[1]) == pytest.approx(predicted, rel=1e-6)


def test_the_penalty_s_weight_goes_with_the_square_of_the_units():
    rng, s, gamma = np.random.default_rng(0), 0.5, 10.0
    images, first, second = rng.normal(size=(4, 6)), rng.normal(size=(6, 5)), rng.normal(size=5)

    def critic(x):
        return np.tanh(x @ first) @ second

    mine, _ = penalties_numpy.r1(critic, images)
    hers, _ = penalties_numpy.r1(lambda x: critic((x - 1.0) / s), s * images + 1.0)
    assert mine > 0.1
    assert s**2 * gamma / 2 * hers == pytest.approx(gamma / 2 * mine, rel=1e-9)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_chance_that_equal_methods_are_separated(n):
    # All choices of n places among 2n, counted one by one.
    choices = list(itertools.combinations(range(2 * n), n))
    apart = sum(set(chosen) in (set(range(n)), set(range(n, 2 * n))) for chosen in choices)
    assert apart / len(choices) == 2 / math.comb(2 * n, n)

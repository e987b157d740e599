"""Descent on functions whose answer is known: paths, step sizes, momentum, minibatch noise, wrong input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ganbook.data.recipe import OPTIMISERS, Optimiser
from ganbook.gradient_descent.step import optimisers_numpy
from ganbook.gradient_descent.studies import descent
from parity import TWINS, as_numpy, finite_differences, module, native, relative_error

SGD = Optimiser("sgd")
CURVATURES = np.array([0.5, 2.0, 3.0, 10.0])
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
BOWL = descent.quadratic((TURN * CURVATURES) @ TURN.T / 2 + ((TURN * CURVATURES) @ TURN.T).T / 2)


def errors(path: np.ndarray) -> np.ndarray:
    """Distances from the minimum along the eigenvectors."""
    return (path - BOWL.minimum) @ TURN


def speed(path: np.ndarray, last: int = 50) -> float:
    """Factor by which the error's length shrinks in one step, over the last steps."""
    length = np.linalg.norm(path, axis=-1)
    return float((length[-1] / length[-1 - last]) ** (1 / last))


# Problems.


@pytest.mark.parametrize("name", descent.PROBLEMS)
def test_gradients_of_problems(name):
    problem = descent.problem(name)
    for point in np.random.default_rng(1).normal(size=(5, 2)):
        assert relative_error(problem.gradient(point), finite_differences(problem.value, point), floor=1.0) < 1e-7
    assert np.abs(problem.gradient(problem.minimum)).max() < 1e-12
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-3, 3, 61)]), axis=-1)
    assert problem.value(grid).shape == (61, 61)
    assert problem.gradient(grid).shape == (61, 61, 2)
    assert problem.value(problem.minimum) <= problem.value(grid).min()


@pytest.mark.parametrize(("name", "across"), [("bowl", 1.0), ("valley", 25.0)])
def test_curvatures_of_bowl_and_valley(name, across):
    problem = descent.problem(name)
    np.testing.assert_array_equal(problem.gradient(np.array([1.0, 1.0])), [1.0, across])
    np.testing.assert_array_equal(problem.start, [-2.0, 1.0])


def test_quadratic_of_a_turned_hessian():
    point = np.array([0.3, 0.1, -0.7, 2.0])
    assert relative_error(BOWL.gradient(point), finite_differences(BOWL.value, point)) < 1e-7
    assert abs(BOWL.value(point) - 0.5 * CURVATURES @ errors(point) ** 2) < 1e-12


def test_steepest_direction():
    """No direction of length 1 goes down faster than minus the gradient."""
    gradient = BOWL.gradient(BOWL.start)
    directions = np.random.default_rng(2).normal(size=(1000, 4))
    slopes = directions @ gradient / np.linalg.norm(directions, axis=1)
    steepest = -gradient / np.linalg.norm(gradient)
    assert steepest @ gradient <= slopes.min()
    assert abs(steepest @ gradient + np.linalg.norm(gradient)) < 1e-12


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.19])
def test_descent_lemma(rate):
    """One step lowers f by at least eta (1 - eta L / 2) |g|^2, with equality along the steepest curvature."""
    points = BOWL.minimum + np.random.default_rng(3).normal(size=(200, 4)) @ TURN.T
    points[0] = BOWL.minimum + TURN[:, 3]
    gradients = BOWL.gradient(points)
    fall = BOWL.value(points) - BOWL.value(points - rate * gradients)
    promised = rate * (1 - rate * CURVATURES.max() / 2) * np.sum(gradients**2, axis=1)
    assert (fall >= promised - 1e-12).all()
    assert abs(fall[0] - promised[0]) < 1e-9


# Step size and curvature.


@pytest.mark.parametrize("rate", [0.02, 0.15, 0.19])
def test_error_factors(rate):
    path = descent.descend(BOWL.gradient, BOWL.start, SGD, 40, rate)
    predicted = errors(BOWL.start) * descent.error_factors(CURVATURES, rate) ** np.arange(41)[:, None]
    assert relative_error(errors(path), predicted) < 1e-12


@pytest.mark.parametrize(("share", "grows"), [(0.99, False), (1.01, True)])
def test_stability_limit(share, grows):
    """Stable iff eta < 2 / L: 1 % on either side of it."""
    path = descent.descend(BOWL.gradient, BOWL.start, SGD, 400, share * 2 / CURVATURES.max())
    assert (np.abs(errors(path)[-1]).max() > np.abs(errors(path)[0]).max()) == grows


def test_best_rate():
    rate, speed_ = descent.best_rate(CURVATURES)
    kappa = 20.0
    assert abs(rate - 2 / 10.5) < 1e-15
    assert abs(speed_ - (kappa - 1) / (kappa + 1)) < 1e-15
    slowest = [np.abs(descent.error_factors(CURVATURES, r)).max() for r in np.linspace(0.001, 0.25, 2000)]
    assert speed_ <= min(slowest) + 1e-12
    assert abs(np.abs(descent.error_factors(CURVATURES, rate)).max() - speed_) < 1e-12
    assert abs(speed(errors(descent.descend(BOWL.gradient, BOWL.start, SGD, 120, rate))) - speed_) < 1e-9


# Momentum.


def test_momentum_matrix():
    rate, beta = 0.1, 0.7
    path = errors(descent.descend(BOWL.gradient, BOWL.start, Optimiser("momentum", beta1=beta), 30, rate))
    for i, curvature in enumerate(CURVATURES):
        pair = path[[0, 0], i]
        for t in range(30):
            pair = descent.momentum_matrix(curvature, rate, beta) @ pair
            assert abs(pair[0] - path[t + 1, i]) < 1e-12


def radius(rate: float, beta: float, curvatures=CURVATURES) -> float:
    return max(np.abs(np.linalg.eigvals(descent.momentum_matrix(c, rate, beta))).max() for c in curvatures)


def test_complex_roots_have_the_square_root_of_beta():
    rate, beta = 0.1, 0.7
    for curvature in CURVATURES:
        inside = (1 - math.sqrt(beta)) ** 2 < rate * curvature < (1 + math.sqrt(beta)) ** 2
        assert inside == (abs(radius(rate, beta, [curvature]) - math.sqrt(beta)) < 1e-12)


def test_best_momentum():
    rate, beta, speed_ = descent.best_momentum(CURVATURES)
    root = math.sqrt(20.0)
    assert abs(speed_ - (root - 1) / (root + 1)) < 1e-14
    assert abs(beta - speed_**2) < 1e-15
    assert abs(rate - 4 / (math.sqrt(10.0) + math.sqrt(0.5)) ** 2) < 1e-15
    assert abs(radius(rate, beta) - speed_) < 1e-6  # a double root: eigvals is good to the root of the rounding
    others = [radius(r, b) for r in np.linspace(0.05, 0.5, 40) for b in np.linspace(0, 0.98, 50)]
    assert speed_ <= min(others) + 1e-6
    # At the two double roots the error falls as t rho^t: 1.5 % slower over these steps.
    path = errors(descent.descend(BOWL.gradient, BOWL.start, Optimiser("momentum", beta1=beta), 70, rate))
    assert speed_ < speed(path, 40) < 1.03 * speed_


def test_momentum_needs_the_square_root_of_the_steps():
    for kappa in (1e2, 1e4):
        plain, heavy = descent.best_rate([1.0, kappa])[1], descent.best_momentum([1.0, kappa])[2]
        assert abs(math.log(plain) / math.log(heavy) * math.sqrt(kappa) - 1) < 0.02


# RMSprop and Adam.


@pytest.mark.parametrize("gradient", [-3.0, 1e-3, 700.0])
def test_first_steps(gradient):
    """From 0 at rate 0.1: Adam goes the rate, RMSprop the rate over sqrt(1 - beta2), whatever the gradient."""
    tiny = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-300}
    for name, length in (("adam", 0.1), ("rmsprop", 1.0), ("momentum", 0.1 * abs(gradient))):
        path = descent.descend(lambda x: np.full(1, gradient), [0.0], Optimiser(name, **tiny), 1, 0.1)
        assert abs(path[1, 0] + length * np.sign(gradient)) < 1e-12 * length


@pytest.mark.parametrize("gradient", [-3.0, 1e-3, 700.0])
def test_steady_gradients(gradient):
    """A gradient that stays: in the long run Adam and RMSprop go the rate, the heavy ball 1 / (1 - beta) times SGD."""
    settings = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-300}
    for name, length in (("adam", 0.1), ("rmsprop", 0.1), ("momentum", abs(gradient))):
        path = descent.descend(lambda x: np.full(1, gradient), [0.0], Optimiser(name, **settings), 3000, 0.1)
        assert abs((path[-1] - path[-2])[0] + length * np.sign(gradient)) < 1e-9 * length


@pytest.mark.parametrize("gradient", [-3.0, 1e-3, 1e-9])
def test_first_step_of_adam_with_epsilon(gradient):
    path = descent.descend(lambda x: np.full(1, gradient), [0.0], Optimiser("adam", beta1=0.9, epsilon=1e-4), 1, 0.1)
    assert abs(path[1, 0] + 0.1 * gradient / (abs(gradient) + 1e-4)) < 1e-12


@pytest.mark.parametrize("rate", [0.02, 0.06])
def test_rmsprop_ends_in_a_hop_of_its_rate(rate):
    """On both curvatures: |x| = eta / 2, the sign changing at every step."""
    problem = descent.problem("valley")
    path = descent.descend(problem.gradient, problem.start, Optimiser("rmsprop", beta2=0.9), 2000, rate)
    assert np.abs(np.abs(path[-2:]) - rate / 2).max() < 1e-6
    assert (path[-1] * path[-2] < 0).all()


def test_bias_correction():
    """E m_t = (1 - beta1^t) E g and E v_t = (1 - beta2^t) E g^2, exactly where g is steady, sampled where it is not."""
    config, rng = Optimiser("adam", beta1=0.9, beta2=0.99), np.random.default_rng(4)
    steps, n = 20, 40_000
    for noise in (0.0, 2.0):
        gradients = 1.0 + noise * rng.normal(size=(steps, n))
        x = np.zeros(n)
        state = optimisers_numpy.initial_state(config, x)
        for t, g in enumerate(gradients, start=1):
            x, state = optimisers_numpy.update(config, x, g, state, t, 0.1)
            for slot, beta, mean in (("m", 0.9, 1.0), ("v", 0.99, 1.0 + noise**2)):
                error = abs(state[slot].mean() - (1 - beta**t) * mean)
                assert error <= 3 * state[slot].std() / math.sqrt(n) + 1e-12


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("twin", TWINS)
def test_paths_of_the_twins(twin, name):
    """descend and the twins' rules walk the same path through the bent valley."""
    rules, problem = module("gradient_descent.step.optimisers", twin), descent.problem("rosenbrock")
    config = Optimiser(name, beta1=0.9, beta2=0.99)
    path = descent.descend(problem.gradient, problem.start, config, 100, 1e-3)
    x = native(twin, problem.start, "float64")
    state = rules.initial_state(config, x)
    for t in range(1, 101):
        gradient = native(twin, problem.gradient(as_numpy(x)), "float64")
        x, state = rules.update(config, x, gradient, state, t, 1e-3)
        assert np.abs(as_numpy(x) - path[t]).max() < 1e-9


@pytest.mark.parametrize("name", OPTIMISERS)
def test_paths_of_torch_optim(name):
    """PyTorch's own optimisers walk the path too, with their default epsilon."""
    import torch

    problem, config = descent.problem("valley"), Optimiser(name, beta1=0.9, beta2=0.99)
    path = descent.descend(problem.gradient, problem.start, config, 200, 0.01)
    x = torch.nn.Parameter(torch.tensor(problem.start))
    own = {
        "sgd": lambda: torch.optim.SGD([x], 0.01),
        "momentum": lambda: torch.optim.SGD([x], 0.01, momentum=0.9),
        "rmsprop": lambda: torch.optim.RMSprop([x], 0.01, alpha=0.99),
        "adam": lambda: torch.optim.Adam([x], 0.01, betas=(0.9, 0.99)),
    }[name]()
    for expected in path[1:]:
        x.grad = torch.tensor(problem.gradient(x.detach().numpy()))
        own.step()
        assert np.abs(x.detach().numpy() - expected).max() < 1e-9


def test_a_rate_that_changes_parts_keras_from_the_rule():
    """Keras keeps eta inside the velocity: u <- beta u - eta g.  Equal while eta stays, another path once it falls."""
    import keras
    import tensorflow as tf

    problem, config = descent.problem("valley"), Optimiser("momentum", beta1=0.5)
    rates = np.repeat([2.0**-5, 2.0**-8], 10)  # exact in float32, in which Keras holds its rate
    x, state = problem.start, optimisers_numpy.initial_state(config, problem.start)
    variable = keras.Variable(problem.start, dtype="float64")
    own = keras.optimizers.SGD(rates[0], momentum=0.5)
    velocity, apart = np.zeros(2), []
    by_hand = problem.start
    for t, rate in enumerate(rates, start=1):
        own.learning_rate = rate
        own.apply([tf.constant(problem.gradient(variable.numpy()))], [variable])
        velocity = 0.5 * velocity - rate * problem.gradient(by_hand)
        by_hand = by_hand + velocity
        x, state = optimisers_numpy.update(config, x, problem.gradient(x), state, t, rate)
        assert np.abs(variable.numpy() - by_hand).max() < 1e-12
        apart.append(np.abs(variable.numpy() - x).max())
    assert max(apart[:10]) < 1e-12
    assert apart[10] > 1e-3


# Minibatch noise.


def test_minibatch_gradients():
    """The mean of B gradients drawn at random has the full gradient as mean and s^2 / B as variance."""
    rng = np.random.default_rng(5)
    slopes = rng.normal(3.0, 2.0, size=500)  # gradients of 500 examples
    for batch in (1, 4, 16):
        means = slopes[rng.integers(0, 500, size=(40_000, batch))].mean(axis=1)
        assert abs(means.mean() - slopes.mean()) < 3 * means.std() / 200
        fourth = np.mean((means - means.mean()) ** 4)
        error = math.sqrt((fourth - means.var() ** 2) / 40_000)
        assert abs(means.var() - slopes.var() / batch) < 3 * error


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_stationary_variance_solves_the_recursion(beta, share):
    """V = M V M^T + noise for the pair of two successive errors: solved as a linear system."""
    curvature, noise = 2.5, 1.7
    rate = share * 2 * (1 + beta) / curvature
    m = descent.momentum_matrix(curvature, rate, beta)
    source = np.array([rate**2 * noise / 4, 0.0, 0.0, 0.0])
    solved = np.linalg.solve(np.eye(4) - np.kron(m, m), source)[0]
    assert abs(descent.stationary_variance(curvature, rate, noise, batch=4, beta=beta) / solved - 1) < 1e-9


@pytest.mark.parametrize("beta", [0.0, 0.9])
@pytest.mark.parametrize(("rate", "batch"), [(0.05, 1), (0.4, 1), (0.4, 8)])
def test_stationary_variance_is_sampled(rate, batch, beta):
    """20,000 independent chains, seeded: within three standard errors of the variance."""
    curvature, s, chains, steps = 2.0, 1.5, 20_000, 400
    rng = np.random.default_rng(6)
    x = np.zeros(chains)
    settings = Optimiser("momentum" if beta else "sgd", beta1=beta)
    state = optimisers_numpy.initial_state(settings, x)
    for t in range(1, steps + 1):
        noise = s / math.sqrt(batch) * rng.normal(size=chains)
        x, state = optimisers_numpy.update(settings, x, curvature * x + noise, state, t, rate)
    predicted = descent.stationary_variance(curvature, rate, s**2, batch=batch, beta=beta)
    assert abs(x.var() - predicted) < 3 * predicted * math.sqrt(2 / chains)


def test_a_falling_rate_averages():
    """With eta_t = 1 / (lambda t) the error after t steps is minus the mean of the noise over lambda."""
    curvature, rng, steps = 2.0, np.random.default_rng(8), 100
    noise, x = rng.normal(size=(steps, 3)), np.full(3, 5.0)
    for t in range(1, steps + 1):
        x = x - (curvature * x + noise[t - 1]) / (curvature * t)
        assert np.abs(x + noise[:t].mean(axis=0) / curvature).max() < 1e-12


def test_the_start_decides_between_two_wells():
    problem = descent.problem("double_well")
    ends = [descent.descend(problem.gradient, [x, 1.0], SGD, 2000, 0.1)[-1] for x in (-1.5, 1.5)]
    assert np.abs(ends[0] - problem.minimum).max() < 1e-9
    assert ends[1][0] > 0.9
    assert problem.value(ends[1]) > problem.value(ends[0]) + 0.2


# Wrong input.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: descent.descend(BOWL.gradient, BOWL.start, SGD, 5, 0.0), "learning_rate is 0.0; accepted"),
        (lambda: descent.descend(BOWL.gradient, BOWL.start, SGD, 5, -0.1), "learning_rate is -0.1; accepted"),
        (lambda: descent.descend(BOWL.gradient, BOWL.start, SGD, 5, math.nan), "learning_rate is nan; accepted"),
        (lambda: descent.descend(BOWL.gradient, BOWL.start, SGD, 0, 0.1), "steps is 0; accepted"),
        (lambda: descent.descend(lambda x: np.zeros(3), BOWL.start, SGD, 5, 0.1), "gradient has shape"),
        (lambda: descent.descend(lambda x: x, [1.0], Optimiser("nadam"), 5, 0.1), "optimiser is 'nadam'; accepted"),
        (lambda: descent.problem("himmelblau"), "problem is 'himmelblau'; accepted: bowl"),
        (lambda: descent.quadratic([[1.0, 2.0], [0.0, 1.0]]), "hessian has shape"),
        (lambda: descent.quadratic([1.0, 0.0]), "hessian has the curvatures"),
        (lambda: descent.quadratic([1.0, -2.0]), "hessian has the curvatures"),
        (lambda: descent.error_factors([1.0], 0.0), "learning_rate is 0.0; accepted"),
        (lambda: descent.error_factors([[1.0]], 0.1), "curvatures has the curvatures"),
        (lambda: descent.best_rate([0.0, 1.0]), "curvatures has the curvatures"),
        (lambda: descent.best_momentum([]), "curvatures has the curvatures"),
        (lambda: descent.momentum_matrix(1.0, 0.1, 1.0), "beta is 1.0; accepted"),
        (lambda: descent.momentum_matrix(0.0, 0.1, 0.5), "curvature is 0.0; accepted"),
        (lambda: descent.stationary_variance(1.0, 2.0, 1.0), "learning_rate is 2.0; accepted: below 2"),
        (lambda: descent.stationary_variance(1.0, 0.0, 1.0), "learning_rate is 0.0; accepted"),
        (lambda: descent.stationary_variance(1.0, 0.1, -1.0), "noise_variance is -1.0; accepted"),
        (lambda: descent.stationary_variance(1.0, 0.1, 1.0, batch=0), "batch is 0; accepted"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_divergence_is_named():
    with pytest.raises(FloatingPointError, match="not finite after step"):
        descent.descend(BOWL.gradient, BOWL.start, SGD, 2000, 1.0)

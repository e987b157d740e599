r"""Update rules in NumPy: the oracle of both twins.

A rule is a pure function: parameter, gradient and state in, new parameter and new state out, all in float64 and
straight from the published equations.

Explained in the book's section "Descent".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from ganbook.data.recipe import Optimiser

Scalar = float
State = Mapping[str, np.ndarray]
Update = tuple[np.ndarray, dict[str, np.ndarray]]


def sgd(
    parameter: np.ndarray, gradient: np.ndarray, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    r"""Gradient descent: one step against the gradient.

    .. math:: \theta \leftarrow \theta - \eta g

    Args:
        parameter: theta, any shape.
        gradient: g, of the same shape.
        state: none, an empty mapping.
        t: number of this step, counted from 1; not used.
        learning_rate: eta, at least 0.
        settings: the constants; not used.

    Returns:
        the new parameter and the new state.

    Example:
        >>> sgd(1.0, 0.5, {}, 1, 0.1, Optimiser("sgd"))
        (0.95, {})

    Reference: Robbins and Monro, A Stochastic Approximation Method, Annals of Mathematical Statistics 22, 1951.
    """
    return parameter - learning_rate * gradient, {}


def momentum(
    parameter: np.ndarray, gradient: np.ndarray, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    r"""Heavy-ball momentum: a step along the decaying sum of gradients.

    .. math:: u \leftarrow \beta_1 u + g, \quad \theta \leftarrow \theta - \eta u

    Args:
        parameter: theta, any shape.
        gradient: g, of the same shape.
        state: ``velocity``, u, 0 at the start.
        t: number of this step, counted from 1; not used.
        learning_rate: eta, at least 0.
        settings: the constants; beta1 is read.

    Returns:
        the new parameter and the new state.

    Reference: Polyak, Some Methods of Speeding up the Convergence of Iteration Methods, 1964.
    """
    velocity = settings.beta1 * state["velocity"] + gradient
    return parameter - learning_rate * velocity, {"velocity": velocity}


def rmsprop(
    parameter: np.ndarray, gradient: np.ndarray, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    r"""RMSprop: every gradient divided by the root of its running mean square.

    .. math:: v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad \theta \leftarrow \theta - \eta g / (\sqrt v + \epsilon)

    Args:
        parameter: theta, any shape.
        gradient: g, of the same shape.
        state: ``v``, 0 at the start.
        t: number of this step, counted from 1; not used.
        learning_rate: eta, at least 0.
        settings: the constants; beta2 (often called rho) and epsilon are read.

    Returns:
        the new parameter and the new state.

    Reference: Tieleman and Hinton, Neural Networks for Machine Learning, lecture 6.5, 2012.
    """
    v = settings.beta2 * state["v"] + (1.0 - settings.beta2) * np.square(gradient)
    return parameter - learning_rate * gradient / (np.sqrt(v) + settings.epsilon), {"v": v}


def adam(
    parameter: np.ndarray, gradient: np.ndarray, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    r"""Adam: momentum over the root of the mean square, both corrected for their start at 0.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        \theta \leftarrow \theta - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Args:
        parameter: theta, any shape.
        gradient: g, of the same shape.
        state: ``m`` and ``v``, 0 at the start.
        t: number of this step, counted from 1.
        learning_rate: eta, at least 0.
        settings: the constants; beta1, beta2 and epsilon are read; epsilon stands outside the root.

    Returns:
        the new parameter and the new state.

    Example:
        >>> new, state = adam(1.0, 0.5, {"m": 0.0, "v": 0.0}, 1, 0.1, Optimiser())
        >>> round(float(new), 6)  # the first step is the rate, whatever the gradient
        0.9

    Reference: Kingma and Ba, 2015, algorithm 1, arXiv:1412.6980.
    """
    m = settings.beta1 * state["m"] + (1.0 - settings.beta1) * gradient
    v = settings.beta2 * state["v"] + (1.0 - settings.beta2) * np.square(gradient)
    m_hat, v_hat = m / (1.0 - settings.beta1**t), v / (1.0 - settings.beta2**t)
    return parameter - learning_rate * m_hat / (np.sqrt(v_hat) + settings.epsilon), {"m": m, "v": v}


_RULES = {
    "sgd": (sgd, ()),
    "momentum": (momentum, ("velocity",)),
    "rmsprop": (rmsprop, ("v",)),
    "adam": (adam, ("m", "v")),
}


def initial_state(settings: Optimiser, parameter: ArrayLike) -> dict[str, np.ndarray]:
    r"""The state that a rule starts from: zeros of the parameter's shape.

    .. math:: u = m = v = 0

    Args:
        settings: which rule.
        parameter: any shape.

    Returns:
        the state by name, {} for ``sgd``.

    Example:
        >>> sorted(initial_state(Optimiser("adam"), np.ones(3)))
        ['m', 'v']

    Reference: Kingma and Ba, 2015, algorithm 1, arXiv:1412.6980.
    """
    names = _RULES[settings.name][1]
    return {name: np.zeros_like(parameter, np.float64) for name in names}


def update(
    settings: Optimiser, parameter: np.ndarray, gradient: np.ndarray, state: State, t: Scalar, learning_rate: Scalar
) -> Update:
    r"""One step of the rule that the settings name.

    .. math:: (\theta, s) \leftarrow \mathrm{rule}(\theta, g, s, t, \eta)

    Args:
        settings: which rule, and its constants; its learning rate schedule is not read.
        parameter: theta, any shape.
        gradient: g, of the same shape.
        state: what :func:`initial_state` or the step before returned.
        t: number of this step, counted from 1.
        learning_rate: eta, at least 0.

    Returns:
        the new parameter and the new state.

    Raises:
        ValueError: a gradient of another shape than the parameter's.

    Example:
        >>> new, state = update(Optimiser("momentum", beta1=0.9), 1.0, 0.5, {"velocity": 1.0}, 1, 0.1)
        >>> round(float(new), 4), round(float(state["velocity"]), 4)
        (0.86, 1.4)
    """
    rule = _RULES[settings.name][0]
    if np.shape(gradient) != np.shape(parameter):
        raise ValueError(f"gradient has shape {np.shape(gradient)}; accepted: the parameter's, {np.shape(parameter)}")
    return rule(parameter, gradient, state, t, learning_rate, settings)

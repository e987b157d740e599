r"""Update rules in TensorFlow, with the same arithmetic as in PyTorch.

A rule is a pure function: parameter, gradient and state in, new parameter and new state out.  It assigns nothing, so
that it runs inside ``tf.function`` and under XLA; the caller assigns what it returns.
``t`` and ``learning_rate`` may be scalar tensors, so that a compiled step need not be traced again when they change;
give a ``learning_rate`` tensor in the parameter's precision.

Explained in the book's section "Descent".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from ganbook.data.recipe import Optimiser

Scalar: TypeAlias = float | tf.Tensor
State = Mapping[str, tf.Tensor]
Update = tuple[tf.Tensor, dict[str, tf.Tensor]]


def sgd(
    parameter: tf.Tensor, gradient: tf.Tensor, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.sgd`."""
    return parameter - learning_rate * gradient, {}


def momentum(
    parameter: tf.Tensor, gradient: tf.Tensor, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.momentum`."""
    velocity = settings.beta1 * state["velocity"] + gradient
    return parameter - learning_rate * velocity, {"velocity": velocity}


def rmsprop(
    parameter: tf.Tensor, gradient: tf.Tensor, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.rmsprop`."""
    v = settings.beta2 * state["v"] + (1.0 - settings.beta2) * tf.square(gradient)
    return parameter - learning_rate * gradient / (_root(v) + settings.epsilon), {"v": v}


def adam(
    parameter: tf.Tensor, gradient: tf.Tensor, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.adam`."""
    m = settings.beta1 * state["m"] + (1.0 - settings.beta1) * gradient
    v = settings.beta2 * state["v"] + (1.0 - settings.beta2) * tf.square(gradient)
    rate = learning_rate / _correction(settings.beta1, t, parameter)
    root = _root(v / _correction(settings.beta2, t, parameter)) + settings.epsilon
    return parameter - rate * m / root, {"m": m, "v": v}


_RULES = {
    "sgd": (sgd, ()),
    "momentum": (momentum, ("velocity",)),
    "rmsprop": (rmsprop, ("v",)),
    "adam": (adam, ("m", "v")),
}


def initial_state(settings: Optimiser, parameter: tf.Tensor) -> dict[str, tf.Tensor]:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.initial_state`."""
    names = _RULES[settings.name][1]
    return {name: tf.zeros_like(tf.convert_to_tensor(parameter)) for name in names}


def update(
    settings: Optimiser, parameter: tf.Tensor, gradient: tf.Tensor, state: State, t: Scalar, learning_rate: Scalar
) -> Update:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.update`."""
    rule = _RULES[settings.name][0]
    if not gradient.shape.is_compatible_with(parameter.shape):
        raise ValueError(
            f"gradient has shape {tuple(gradient.shape)}; accepted: the parameter's, {tuple(parameter.shape)}"
        )
    return rule(parameter, gradient, state, t, learning_rate, settings)


def update_all(
    settings: Optimiser,
    parameters: Mapping[str, tf.Tensor],
    gradients: Mapping[str, tf.Tensor],
    state: Mapping[str, State],
    t: Scalar,
    learning_rate: Scalar,
) -> tuple[dict[str, tf.Tensor], dict[str, dict[str, tf.Tensor]]]:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_torch.update_all`."""
    new, memory = {}, {}
    for name, gradient in gradients.items():
        new[name], memory[name] = update(settings, parameters[name], gradient, state[name], t, learning_rate)
    return new, memory


def _correction(beta: float, t: Scalar, parameter: tf.Tensor) -> Scalar:
    """1 - beta^t, in the parameter's precision where t is a tensor."""
    if not tf.is_tensor(t):
        return 1.0 - beta**t
    if beta == 0.0:
        return 1.0
    # 1 - 0.999^1 keeps four digits in float32; expm1 keeps them all.
    return -tf.math.expm1(tf.cast(t, parameter.dtype) * math.log(beta))


def _root(squares: tf.Tensor) -> tf.Tensor:
    # At 0 the root has no derivative, and who differentiates a rule would get 0 times infinity.  The smallest normal
    # number under the root stops that, and vanishes beside epsilon.
    return tf.sqrt(tf.maximum(squares, np.finfo(squares.dtype.as_numpy_dtype).tiny))

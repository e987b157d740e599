r"""Update rules in PyTorch, with the same arithmetic as in TensorFlow.

A rule is a pure function: parameter, gradient and state in, new parameter and new state out.  It changes nothing in
place, so that it runs under ``torch.func`` and ``torch.compile``; in an eager loop call it under ``torch.no_grad()``.
``t`` and ``learning_rate`` may be zero-dimensional tensors, so that a compiled step need not be compiled again when
they change; give a ``learning_rate`` tensor in the parameter's precision.

Explained in the book's section "Descent".
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ganbook.data.recipe import Optimiser

Scalar = float | Tensor
State = Mapping[str, Tensor]
Update = tuple[Tensor, dict[str, Tensor]]


def sgd(
    parameter: Tensor, gradient: Tensor, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.sgd`."""
    return parameter - learning_rate * gradient, {}


def momentum(
    parameter: Tensor, gradient: Tensor, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.momentum`."""
    velocity = torch.add(gradient, state["velocity"], alpha=settings.beta1)
    return parameter - learning_rate * velocity, {"velocity": velocity}


def rmsprop(
    parameter: Tensor, gradient: Tensor, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.rmsprop`."""
    v = torch.lerp(state["v"], gradient.square(), 1.0 - settings.beta2)
    return torch.addcdiv(parameter, gradient * -learning_rate, _root(v) + settings.epsilon), {"v": v}


def adam(
    parameter: Tensor, gradient: Tensor, state: State, t: Scalar, learning_rate: Scalar, settings: Optimiser
) -> Update:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.adam`."""
    m = torch.lerp(state["m"], gradient, 1.0 - settings.beta1)
    v = torch.lerp(state["v"], gradient.square(), 1.0 - settings.beta2)
    rate = learning_rate / _correction(settings.beta1, t, parameter)
    root = _root(v / _correction(settings.beta2, t, parameter)) + settings.epsilon
    return torch.addcdiv(parameter, m * -rate, root), {"m": m, "v": v}


_RULES = {
    "sgd": (sgd, ()),
    "momentum": (momentum, ("velocity",)),
    "rmsprop": (rmsprop, ("v",)),
    "adam": (adam, ("m", "v")),
}


def initial_state(settings: Optimiser, parameter: Tensor) -> dict[str, Tensor]:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.initial_state`."""
    names = _RULES[settings.name][1]
    return {name: torch.zeros_like(parameter) for name in names}


def update(
    settings: Optimiser, parameter: Tensor, gradient: Tensor, state: State, t: Scalar, learning_rate: Scalar
) -> Update:
    """The twin of :func:`ganbook.gradient_descent.step.optimisers_numpy.update`."""
    rule = _RULES[settings.name][0]
    if gradient.shape != parameter.shape:
        raise ValueError(
            f"gradient has shape {tuple(gradient.shape)}; accepted: the parameter's, {tuple(parameter.shape)}"
        )
    return rule(parameter, gradient, state, t, learning_rate, settings)


def update_all(
    settings: Optimiser,
    parameters: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    state: Mapping[str, State],
    t: Scalar,
    learning_rate: Scalar,
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """One update of many parameters.

    Args:
        settings: the update rule and its constants.
        parameters, gradients: by name; parameters without a gradient stay where they are.
        state: by name, what the rule remembers.
        t: number of this update, counted from 1.
        learning_rate: of this update.

    Returns:
        new parameters, and the new state, by name.

    Raises:
        ValueError: a gradient of another shape than its parameter's.

    Example:
        >>> settings, w = Optimiser("sgd"), {"a": torch.ones(2)}
        >>> new, _ = update_all(settings, w, {"a": torch.tensor([1.0, 2.0])}, {"a": {}}, 1, 0.5)
        >>> new["a"]
        tensor([0.5000, 0.0000])
    """
    new, memory = {}, {}
    for name, gradient in gradients.items():
        new[name], memory[name] = update(settings, parameters[name], gradient, state[name], t, learning_rate)
    return new, memory


def _correction(beta: float, t: Scalar, parameter: Tensor) -> Scalar:
    """1 - beta^t, in the parameter's precision where t is a tensor."""
    if not isinstance(t, Tensor):
        return 1.0 - beta**t
    if beta == 0.0:
        return 1.0
    # 1 - 0.999^1 keeps four digits in float32; expm1 keeps them all.  A whole t would make beta^t float32.
    return -torch.expm1(t.to(parameter.dtype) * math.log(beta))


def _root(squares: Tensor) -> Tensor:
    # At 0 the root has no derivative, and who differentiates a rule would get 0 times infinity.  The smallest normal
    # number under the root stops that, and vanishes beside epsilon.
    return torch.sqrt(torch.clamp(squares, min=torch.finfo(squares.dtype).tiny))

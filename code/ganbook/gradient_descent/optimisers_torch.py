r"""Update rules in PyTorch, with the same arithmetic as in TensorFlow.

A rule is a pure function: parameter, gradient and slots in, new parameter and new slots out.  It changes nothing in
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

from ganbook.data.recipe import OPTIMISERS, Optimiser, one_of

Scalar = float | Tensor
Slots = Mapping[str, Tensor]
Update = tuple[Tensor, dict[str, Tensor]]


def sgd(parameter: Tensor, gradient: Tensor, slots: Slots, t: Scalar, learning_rate: Scalar,
        settings: Optimiser) -> Update:
    r"""Gradient descent: one step against the gradient.

    .. math:: \theta \leftarrow \theta - \eta g

    Args:
        parameter: theta, any shape.
        gradient: g, of the same shape.
        slots: none, an empty mapping.
        t: number of this step, counted from 1; not used.
        learning_rate: eta, at least 0.
        settings: the constants; not used.

    Returns:
        the new parameter and the new slots.

    Reference: Robbins and Monro, A Stochastic Approximation Method, Annals of Mathematical Statistics 22, 1951.
    Explained in the book's section "Descent".
    """
    return parameter - learning_rate * gradient, {}


def momentum(parameter: Tensor, gradient: Tensor, slots: Slots, t: Scalar, learning_rate: Scalar,
             settings: Optimiser) -> Update:
    r"""Heavy-ball momentum: a step along the decaying sum of gradients.

    .. math:: u \leftarrow \beta_1 u + g, \quad \theta \leftarrow \theta - \eta u

    Args:
        parameter: theta, any shape.
        gradient: g, of the same shape.
        slots: ``velocity``, u, 0 at the start.
        t: number of this step, counted from 1; not used.
        learning_rate: eta, at least 0.
        settings: the constants; beta1 is read.

    Returns:
        the new parameter and the new slots.

    Reference: Polyak, Some Methods of Speeding up the Convergence of Iteration Methods, 1964.
    Explained in the book's section "Descent".
    """
    velocity = torch.add(gradient, slots["velocity"], alpha=settings.beta1)
    return parameter - learning_rate * velocity, {"velocity": velocity}


def rmsprop(parameter: Tensor, gradient: Tensor, slots: Slots, t: Scalar, learning_rate: Scalar,
            settings: Optimiser) -> Update:
    r"""RMSprop: every gradient divided by the root of its running mean square.

    .. math:: v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad \theta \leftarrow \theta - \eta g / (\sqrt v + \epsilon)

    Args:
        parameter: theta, any shape.
        gradient: g, of the same shape.
        slots: ``v``, 0 at the start.
        t: number of this step, counted from 1; not used.
        learning_rate: eta, at least 0.
        settings: the constants; beta2 (often called rho) and epsilon are read.

    Returns:
        the new parameter and the new slots.

    Reference: Tieleman and Hinton, Neural Networks for Machine Learning, lecture 6.5, 2012.
    Explained in the book's section "Descent".
    """
    v = torch.lerp(slots["v"], gradient.square(), 1.0 - settings.beta2)
    return torch.addcdiv(parameter, gradient * -learning_rate, _root(v) + settings.epsilon), {"v": v}


def adam(parameter: Tensor, gradient: Tensor, slots: Slots, t: Scalar, learning_rate: Scalar,
         settings: Optimiser) -> Update:
    r"""Adam: momentum over the root of the mean square, both corrected for their start at 0.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        \theta \leftarrow \theta - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Args:
        parameter: theta, any shape.
        gradient: g, of the same shape.
        slots: ``m`` and ``v``, 0 at the start.
        t: number of this step, counted from 1.
        learning_rate: eta, at least 0.
        settings: the constants; beta1, beta2 and epsilon are read; epsilon stands outside the root.

    Returns:
        the new parameter and the new slots.

    Reference: Kingma and Ba, 2015, algorithm 1, arXiv:1412.6980.
    Explained in the book's section "Descent".
    """
    m = torch.lerp(slots["m"], gradient, 1.0 - settings.beta1)
    v = torch.lerp(slots["v"], gradient.square(), 1.0 - settings.beta2)
    rate = learning_rate / _correction(settings.beta1, t, parameter)
    root = _root(v / _correction(settings.beta2, t, parameter)) + settings.epsilon
    return torch.addcdiv(parameter, m * -rate, root), {"m": m, "v": v}


_RULES = {
    "sgd": (sgd, ()),
    "momentum": (momentum, ("velocity",)),
    "rmsprop": (rmsprop, ("v",)),
    "adam": (adam, ("m", "v")),
}


def initial_slots(settings: Optimiser, parameter: Tensor) -> dict[str, Tensor]:
    r"""The slots that a rule starts from: zeros of the parameter's shape.

    .. math:: u = m = v = 0

    Args:
        settings: which rule.
        parameter: any shape.

    Returns:
        the slots by name, {} for ``sgd``.

    Raises:
        ValueError: an unknown rule.

    Reference: Kingma and Ba, 2015, algorithm 1, arXiv:1412.6980.
    Explained in the book's section "Descent".
    """
    names = _RULES[one_of("optimiser", settings.name, OPTIMISERS)][1]
    return {name: torch.zeros_like(parameter) for name in names}


def update(settings: Optimiser, parameter: Tensor, gradient: Tensor, slots: Slots, t: Scalar,
           learning_rate: Scalar) -> Update:
    r"""One step of the rule that the settings name.

    .. math:: (\theta, s) \leftarrow \mathrm{rule}(\theta, g, s, t, \eta)

    Args:
        settings: which rule, and its constants; its learning rate schedule is not read.
        parameter: theta, any shape.
        gradient: g, of the same shape.
        slots: what :func:`initial_slots` or the step before returned.
        t: number of this step, counted from 1.
        learning_rate: eta, at least 0.

    Returns:
        the new parameter and the new slots.

    Raises:
        ValueError: an unknown rule, or a gradient of another shape than the parameter's.

    Explained in the book's section "Descent".
    """
    rule = _RULES[one_of("optimiser", settings.name, OPTIMISERS)][0]
    if gradient.shape != parameter.shape:
        raise ValueError(f"gradient has shape {tuple(gradient.shape)}; accepted: "
                         f"the parameter's, {tuple(parameter.shape)}")
    return rule(parameter, gradient, slots, t, learning_rate, settings)


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

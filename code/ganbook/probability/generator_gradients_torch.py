r"""The generator's gradient at a frozen discriminator, by PyTorch's own differentiation of the book's losses.

Data are :math:`p = N(0, 1)`, the generator adds one number to its noise, :math:`x = \theta + z`, so that
:math:`q = N(\theta, 1)`.  Nothing is differentiated by hand here: the gradients come through the discriminator and
through :mod:`ganbook.probability.losses_torch`, as they do in training.

Explained in the book's section "The generator's gradient".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ganbook.data.recipe import LOSSES, check_choice, check_range
from ganbook.probability import losses_torch

Function = Callable[[Tensor], Tensor]


def optimal_discriminator(loss: str, theta: float) -> Function:
    """The twin of :func:`ganbook.probability.generator_gradients_numpy.optimal_discriminator`."""
    check_choice("loss", loss, LOSSES)
    check_range("theta", theta, -math.inf)

    def ratio(x: Tensor) -> Tensor:
        return theta**2 / 2 - theta * x

    if loss == "least_squares":
        return lambda x: torch.sigmoid(ratio(x))
    if loss == "hinge":
        return lambda x: torch.sign(ratio(x))
    if loss == "wasserstein":
        return lambda x: ((theta < 0) - (theta > 0)) * x
    return ratio


def frozen_gradients(
    loss: str, theta: float, noise: Tensor, real: Tensor | None = None, discriminator: Function | None = None
) -> Tensor:
    """The twin of :func:`ganbook.probability.generator_gradients_numpy.frozen_gradients`."""
    judge = optimal_discriminator(loss, theta) if discriminator is None else discriminator
    noise, judged = _vector("noise", noise), None if real is None else judge(_vector("real", real))
    # One theta for each example: the mean of the loss, times N, then has the examples' own gradients.
    own = torch.full_like(noise, check_range("theta", theta, -math.inf)).requires_grad_()
    total = losses_torch.generator_loss(loss, judged, judge(own + noise)) * len(noise)
    (gradients,) = torch.autograd.grad(total, own)
    return gradients


def logit_gradients(loss: str, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """The twin of :func:`ganbook.probability.generator_gradients_numpy.logit_gradients`."""
    fake = fake.detach().requires_grad_()
    total = losses_torch.generator_loss(loss, real, fake) * fake.numel()
    (gradients,) = torch.autograd.grad(total, fake)
    return gradients


def _vector(name: str, tensor: Tensor) -> Tensor:
    if tensor.ndim != 1:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}; accepted: (N,)")
    return tensor

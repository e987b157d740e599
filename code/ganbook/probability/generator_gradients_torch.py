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

from ganbook.data.recipe import LOSSES, in_range, one_of
from ganbook.probability import losses_torch

Function = Callable[[Tensor], Tensor]


def optimal_discriminator(loss: str, theta: float) -> Function:
    r"""The discriminator that minimises its loss between N(0, 1) and N(theta, 1).

    With :math:`\ell(x) = \ln p/q = \theta^2/2 - \theta x`:

    .. math:: D^*(x) = \ell(x) \text{ (minimax, non-saturating, relativistic)}, \quad
        \sigma(\ell(x)) \text{ (least squares)}, \quad \mathrm{sign}\, \ell(x) \text{ (hinge)}, \quad
        -\mathrm{sign}(\theta)\, x \text{ (Wasserstein, of slope at most 1)}

    Args:
        loss: one of ``ganbook.data.recipe.LOSSES``.
        theta: mean of the generated distribution.

    Returns:
        a function from x, shape (N,), to D(x), shape (N,).

    Raises:
        ValueError: an unknown loss, or a theta that is not a finite number.

    Reference: Goodfellow et al., 2014, proposition 1, arXiv:1406.2661; Mao et al., 2017, equation 5, arXiv:1611.04076.
    Explained in the book's section "The generator's gradient".
    """
    one_of("loss", loss, LOSSES)
    in_range("theta", theta, -math.inf)

    def ratio(x: Tensor) -> Tensor:
        return theta**2 / 2 - theta * x

    if loss == "least_squares":
        return lambda x: torch.sigmoid(ratio(x))
    if loss == "hinge":
        return lambda x: torch.sign(ratio(x))
    if loss == "wasserstein":
        return lambda x: -math.copysign(1.0, theta) * x if theta else torch.zeros_like(x) * x
    return ratio


def frozen_gradients(loss: str, theta: float, noise: Tensor, real: Tensor | None = None,
                     discriminator: Function | None = None) -> Tensor:
    r"""The derivative by theta of every example's generator loss, with the discriminator held fixed.

    .. math:: g_i = \frac{\partial}{\partial \theta}\, \varphi\bigl(D(\theta + z_i)\bigr)

    Args:
        loss: one of ``ganbook.data.recipe.LOSSES``; its generator loss is the mean of phi.
        theta: mean of the generated distribution.
        noise: z, shape (N,); its precision is the result's.
        real: real examples, shape (N,), one for each noise; only ``relativistic`` reads them.
        discriminator: D, None for the one that is optimal for this loss and this theta.

    Returns:
        shape (N,); the mean is the gradient of the batch's loss.

    Raises:
        ValueError: an unknown loss, a theta that is not a finite number, or tensors of a wrong shape.

    Reference: Arjovsky and Bottou, 2017, theorem 2.5, arXiv:1701.04862.
    Explained in the book's section "The generator's gradient".
    """
    judge = optimal_discriminator(loss, theta) if discriminator is None else discriminator
    noise, judged = _vector("noise", noise), None if real is None else judge(_vector("real", real))
    # One theta for each example: the mean of the loss, times N, then has the examples' own gradients.
    own = torch.full_like(noise, in_range("theta", theta, -math.inf)).requires_grad_()
    total = losses_torch.generator_loss(loss, judged, judge(own + noise)) * len(noise)
    (gradients,) = torch.autograd.grad(total, own)
    return gradients


def logit_gradients(loss: str, fake: Tensor, real: Tensor | None = None) -> Tensor:
    r"""The derivative of every example's generator loss by its own logit.

    .. math:: \varphi'(D) = -\sigma(D),\; -\sigma(-D),\; D - 1,\; -1,\; -1,\; -\sigma(D(x) - D)

    Args:
        loss: one of ``ganbook.data.recipe.LOSSES``, in whose order the formulas stand.
        fake: logits of generated examples, shape (N,).
        real: logits of real examples, shape (N,); only ``relativistic`` reads them.

    Returns:
        shape (N,).

    Raises:
        ValueError: an unknown loss, or logits of a wrong shape.

    Explained in the book's section "The generator's gradient".
    """
    fake = fake.detach().requires_grad_()
    total = losses_torch.generator_loss(loss, real, fake) * fake.numel()
    (gradients,) = torch.autograd.grad(total, fake)
    return gradients


def _vector(name: str, tensor: Tensor) -> Tensor:
    if tensor.ndim != 1:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}; accepted: (N,)")
    return tensor

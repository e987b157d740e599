"""Penalties on a discriminator's gradient by its input, in PyTorch.

All rest on :func:`input_gradient`, whose result can itself be differentiated by the discriminator's weights: by
``torch.autograd.grad``, by ``torch.func.grad`` and inside ``torch.compile``.

Explained in the book's sections "Game dynamics" and "Losses and penalties".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Critic = Callable[[Tensor], Tensor]


def input_gradient(critic: Critic, images: Tensor) -> tuple[Tensor, Tensor]:
    r"""The logits of a batch and the gradient of each logit by its own image.

    .. math:: g_n = \nabla_x D(x_n)

    The critic must judge every image alone: with batch normalisation a logit depends on the whole batch, and the
    result is the gradient of the sum of the logits instead.  It must also leave nothing behind, such as new moving
    statistics: PyTorch cannot hand out what was computed inside a transform of ``torch.func``.

    Args:
        critic: maps images to logits, shape (N,), or (N/m,) where it judges m images together.
        images: the batch, shape (N, ...), two axes or more.

    Returns:
        logits as the critic gave them and gradient of the shape of ``images``.

    Raises:
        ValueError: images without a second axis, or logits of another shape.

    Reference: Gulrajani et al., 2017, section 4, arXiv:1704.00028.
    Explained in the book's section "Game dynamics".
    """
    if images.ndim < 2:
        raise ValueError(f"images has shape {tuple(images.shape)}; accepted: (N, ...), two axes or more")
    logits, pullback = torch.func.vjp(critic, images)
    if logits.ndim != 1 or len(images) % max(len(logits), 1):
        raise ValueError(f"critic returned shape {tuple(logits.shape)}; accepted: logits of shape (N,), "
                         f"here ({images.shape[0]},), or (N/m,) of m images together")
    (gradient,) = pullback(torch.ones_like(logits))
    return logits, gradient


def r1(critic: Critic, real: Tensor) -> tuple[Tensor, Tensor]:
    r"""The zero-centred gradient penalty on real images, unscaled.

    .. math:: E_{x \sim p} \lVert \nabla_x D(x) \rVert^2

    The loss adds it gamma/2 times.  The logits come back too, so that the loss need not ask the critic again.

    Args:
        critic: maps images to logits, shape (N,), or (N/m,) where it judges m images together, whose gradients then
            count as one.
        real: the real batch, shape (N, ...).

    Returns:
        the penalty, a scalar of at least 0, and the logits.

    Raises:
        ValueError: images without a second axis, or logits of another shape.

    Reference: Mescheder, Geiger and Nowozin, 2018, equation 9, arXiv:1801.04406.
    Explained in the book's sections "Game dynamics" and "Losses and penalties".
    """
    logits, gradient = input_gradient(critic, real)
    return torch.mean(_squared_norms(gradient, logits)), logits


def r2(critic: Critic, fake: Tensor) -> tuple[Tensor, Tensor]:
    r"""The zero-centred gradient penalty on generated images, unscaled.

    .. math:: E_{x \sim q} \lVert \nabla_x D(x) \rVert^2

    The loss adds it gamma/2 times.  The logits come back too, so that the loss need not ask the critic again.

    Args:
        critic: maps images to logits, shape (N,), or (N/m,) where it judges m images together, whose gradients then
            count as one.
        fake: the generated batch, shape (N, ...).

    Returns:
        the penalty, a scalar of at least 0, and the logits.

    Raises:
        ValueError: images without a second axis, or logits of another shape.

    Reference: Mescheder, Geiger and Nowozin, 2018, equation 10, arXiv:1801.04406.
    Explained in the book's sections "Game dynamics" and "Losses and penalties".
    """
    logits, gradient = input_gradient(critic, fake)
    return torch.mean(_squared_norms(gradient, logits)), logits


def wgan_gp(critic: Critic, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    r"""The one-centred gradient penalty on points between real and generated images, unscaled.

    .. math:: E\,(\lVert \nabla_x D(\hat x) \rVert - 1)^2, \quad \hat x_n = w_n x_n + (1 - w_n)\,G(z_n)

    The loss adds it lambda times.

    Args:
        critic: maps images to logits, shape (N,), or (N/m,) where it judges m images together, whose gradients then
            count as one.
        real: the real batch, shape (N, ...).
        fake: the generated batch, of the same shape.
        weights: drawn uniformly from [0, 1], one per image, shape (N,); images judged together share theirs.

    Returns:
        the penalty, a scalar of at least 0.

    Raises:
        ValueError: batches of different shapes, weights of another shape than (N,), or what
            :func:`input_gradient` refuses.

    Reference: Gulrajani et al., 2017, equation 3 and algorithm 1, arXiv:1704.00028.
    Explained in the book's sections "Game dynamics" and "Losses and penalties".
    """
    if real.shape != fake.shape or weights.shape != real.shape[:1]:
        raise ValueError(f"real has shape {tuple(real.shape)}, fake {tuple(fake.shape)} and weights "
                         f"{tuple(weights.shape)}; accepted: two equal shapes (N, ...) and weights of shape (N,)")
    weights = weights.reshape(-1, *(1,) * (real.ndim - 1))
    logits, gradient = input_gradient(critic, weights * real + (1.0 - weights) * fake)
    return torch.mean((_root(_squared_norms(gradient, logits)) - 1.0).square())


def clip_weights(tensors: Mapping[str, Tensor], bound: float) -> dict[str, Tensor]:
    r"""Every weight, clipped to a box around zero.

    .. math:: w \leftarrow \max(-c, \min(c, w))

    Args:
        tensors: weights by name, of any shape.
        bound: c, above 0.

    Returns:
        new tensors by the same names; the given ones stay as they are.

    Raises:
        ValueError: a bound of 0 or less.

    Reference: Arjovsky, Chintala and Bottou, 2017, algorithm 1, arXiv:1701.07875.
    Explained in the book's section "Losses and penalties".
    """
    if not bound > 0:
        raise ValueError(f"bound is {bound!r}; accepted: a number above 0")
    return {name: tensor.clamp(-bound, bound) for name, tensor in tensors.items()}


def _squared_norms(gradient: Tensor, logits: Tensor) -> Tensor:
    squares = gradient.square().flatten(1).sum(1)
    return squares if squares.shape == logits.shape else squares.reshape(len(logits), -1).sum(1)  # one per logit


def _root(squares: Tensor) -> Tensor:
    # The root has no derivative at 0, where a critic without any slope starts; take 0 there instead of NaN.
    positive = squares > 0
    return torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)

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
    """The twin of :func:`ganbook.gradient_descent.step.penalties_numpy.input_gradient`."""
    if images.ndim < 2:
        raise ValueError(f"images has shape {tuple(images.shape)}; accepted: (N, ...), two axes or more")
    logits, pullback = torch.func.vjp(critic, images)  # type: ignore[misc]  # of PyTorch's annotation: two or three
    if logits.ndim != 1 or len(images) % max(len(logits), 1):
        raise ValueError(
            f"critic returned shape {tuple(logits.shape)}; accepted: logits of shape (N,), "
            f"here ({images.shape[0]},), or (N/m,) of m images together"
        )
    (gradient,) = pullback(torch.ones_like(logits))
    return logits, gradient


def r1(critic: Critic, real: Tensor) -> tuple[Tensor, Tensor]:
    """The twin of :func:`ganbook.gradient_descent.step.penalties_numpy.r1`."""
    logits, gradient = input_gradient(critic, real)
    return torch.mean(_squared_norms(gradient, logits)), logits


def r2(critic: Critic, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The twin of :func:`ganbook.gradient_descent.step.penalties_numpy.r2`."""
    logits, gradient = input_gradient(critic, fake)
    return torch.mean(_squared_norms(gradient, logits)), logits


def wgan_gp(critic: Critic, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    """The twin of :func:`ganbook.gradient_descent.step.penalties_numpy.wgan_gp`."""
    if real.shape != fake.shape or weights.shape != real.shape[:1]:
        raise ValueError(
            f"real has shape {tuple(real.shape)}, fake {tuple(fake.shape)} and weights "
            f"{tuple(weights.shape)}; accepted: two equal shapes (N, ...) and weights of shape (N,)"
        )
    weights = weights.reshape(-1, *(1,) * (real.ndim - 1))
    logits, gradient = input_gradient(critic, weights * real + (1.0 - weights) * fake)
    return torch.mean((_root(_squared_norms(gradient, logits)) - 1.0).square())


def clip_weights(tensors: Mapping[str, Tensor], bound: float) -> dict[str, Tensor]:
    """The twin of :func:`ganbook.gradient_descent.step.penalties_numpy.clip_weights`."""
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

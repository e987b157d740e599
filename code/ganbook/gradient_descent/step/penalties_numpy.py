r"""Penalties on a discriminator's gradient by its input, in NumPy: the oracle of both twins.

The gradient is taken by the complex step, :math:`f'(x) = \Im f(x + ih)/h`, which has no cancellation and so is exact
to the last digits in float64.  It needs a critic that accepts complex arrays and is analytic where it is asked
(``tanh`` and products are; a leaky ReLU written as ``np.where(x.real > 0, x, slope * x)`` is).

Explained in the book's sections "Game dynamics" and "Losses and penalties".

Reference: Squire and Trapp, Using Complex Variables to Estimate Derivatives of Real Functions, SIAM Review 40, 1998.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

Critic = Callable[[np.ndarray], np.ndarray]
_STEP = 1e-30


def input_gradient(critic: Critic, images: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    r"""The logits of a batch and the gradient of each logit by its own image.

    .. math:: g_n = \nabla_x D(x_n)

    The critic must judge every image alone: with batch normalisation a logit depends on the whole batch, and the
    result is the gradient of the sum of the logits instead.

    Args:
        critic: maps images to logits, shape (N,), or (N/m,) where it judges m images together.
        images: the batch, shape (N, ...), two axes or more.

    Returns:
        logits as the critic gave them and gradient of the shape of ``images``.

    Raises:
        ValueError: images without a second axis, or logits of another shape.

    Example:
        >>> logits, slope = input_gradient(lambda x: x @ [3.0, 4.0], np.zeros((2, 2)))
        >>> slope.round(6)
        array([[3., 4.],
               [3., 4.]])

    Reference: Gulrajani et al., 2017, section 4, arXiv:1704.00028.
    """
    images = np.asarray(images, np.float64)
    if images.ndim < 2:
        raise ValueError(f"images has shape {images.shape}; accepted: (N, ...), two axes or more")
    logits = _logits(critic, images)
    flat, together = images.reshape(len(images), -1), len(images) // len(logits)
    gradient = np.empty_like(flat)
    for k, i in np.ndindex(together, flat.shape[1]):
        moved = flat.astype(np.complex128)
        moved[k::together, i] += 1j * _STEP
        gradient[k::together, i] = _logits(critic, moved.reshape(images.shape)).imag / _STEP
    return logits, gradient.reshape(images.shape)


def r1(critic: Critic, real: ArrayLike) -> tuple[float, np.ndarray]:
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

    Example:
        >>> penalty, logits = r1(lambda x: x @ [3.0, 4.0], np.zeros((2, 2)))
        >>> round(float(penalty), 6)  # of a linear critic: the squared length of its weights
        25.0

    Reference: Mescheder, Geiger and Nowozin, 2018, equation 9, arXiv:1801.04406.
    """
    logits, gradient = input_gradient(critic, real)
    return np.mean(_squared_norms(gradient, logits)), logits


def r2(critic: Critic, fake: ArrayLike) -> tuple[float, np.ndarray]:
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
    """
    logits, gradient = input_gradient(critic, fake)
    return np.mean(_squared_norms(gradient, logits)), logits


def wgan_gp(critic: Critic, real: ArrayLike, fake: ArrayLike, weights: ArrayLike) -> float:
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
    """
    real, fake, weights = (np.asarray(array, np.float64) for array in (real, fake, weights))
    if real.shape != fake.shape or weights.shape != real.shape[:1]:
        raise ValueError(
            f"real has shape {real.shape}, fake {fake.shape} and weights {weights.shape}; accepted: two "
            "equal shapes (N, ...) and weights of shape (N,)"
        )
    weights = weights.reshape(-1, *(1,) * (real.ndim - 1))
    logits, gradient = input_gradient(critic, weights * real + (1.0 - weights) * fake)
    return np.mean((np.sqrt(_squared_norms(gradient, logits)) - 1.0) ** 2)


def clip_weights(tensors: Mapping[str, ArrayLike], bound: float) -> dict[str, np.ndarray]:
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
    """
    if not bound > 0:
        raise ValueError(f"bound is {bound!r}; accepted: a number above 0")
    return {name: np.clip(tensor, -bound, bound) for name, tensor in tensors.items()}


def _logits(critic: Critic, images: np.ndarray) -> np.ndarray:
    logits = np.asarray(critic(images))
    if logits.ndim != 1 or len(images) % max(len(logits), 1):
        raise ValueError(
            f"critic returned shape {logits.shape}; accepted: logits of shape (N,), here ({len(images)},)"
            ", or (N/m,) of m images together"
        )
    return logits


def _squared_norms(gradient: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return np.sum(gradient.reshape(len(logits), -1) ** 2, axis=1)

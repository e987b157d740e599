"""Penalties on a discriminator's gradient by its input, in TensorFlow.

All rest on :func:`input_gradient`, whose result can itself be differentiated by the discriminator's weights: by an
outer ``tf.GradientTape``, eagerly, inside ``tf.function`` and with ``jit_compile=True``.

Explained in the book's sections "Game dynamics" and "Losses and penalties".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

Critic = Callable[[tf.Tensor], tf.Tensor]


def input_gradient(critic: Critic, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
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
    if images.shape.rank is not None and images.shape.rank < 2:
        raise ValueError(f"images has shape {tuple(images.shape)}; accepted: (N, ...), two axes or more")
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = critic(images)
    sizes = logits.shape[0] if logits.shape.rank == 1 else 0, images.shape[0]
    if None not in sizes and (not sizes[0] or sizes[1] % sizes[0]):
        raise ValueError(f"critic returned shape {tuple(logits.shape)}; accepted: logits of shape (N,), "
                         f"here ({images.shape[0]},), or (N/m,) of m images together")
    return logits, tape.gradient(logits, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def r1(critic: Critic, real: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
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
    return tf.reduce_mean(_squared_norms(gradient, logits)), logits


def r2(critic: Critic, fake: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
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
    return tf.reduce_mean(_squared_norms(gradient, logits)), logits


def wgan_gp(critic: Critic, real: tf.Tensor, fake: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
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
    if not (real.shape.is_compatible_with(fake.shape) and weights.shape.is_compatible_with(real.shape[:1])):
        raise ValueError(f"real has shape {tuple(real.shape)}, fake {tuple(fake.shape)} and weights "
                         f"{tuple(weights.shape)}; accepted: two equal shapes (N, ...) and weights of shape (N,)")
    weights = tf.reshape(weights, (-1, *(1,) * (real.shape.rank - 1)))
    logits, gradient = input_gradient(critic, weights * real + (1.0 - weights) * fake)
    return tf.reduce_mean(tf.square(_root(_squared_norms(gradient, logits)) - 1.0))


def clip_weights(tensors: Mapping[str, tf.Tensor], bound: float) -> dict[str, tf.Tensor]:
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
    return {name: tf.clip_by_value(tensor, -bound, bound) for name, tensor in tensors.items()}


def _squared_norms(gradient: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    squares = tf.reduce_sum(tf.square(gradient), axis=range(1, gradient.shape.rank))
    return squares if squares.shape == logits.shape else tf.reduce_sum(
        tf.reshape(squares, (tf.shape(logits)[0], -1)), axis=1)  # one per logit


def _root(squares: tf.Tensor) -> tf.Tensor:
    # The root has no derivative at 0, where a critic without any slope starts; take 0 there instead of NaN.
    positive = squares > 0
    return tf.where(positive, tf.sqrt(tf.where(positive, squares, tf.ones_like(squares))), tf.zeros_like(squares))

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
    """The twin of :func:`ganbook.gradient_descent.step.penalties_numpy.input_gradient`."""
    if images.shape.rank is not None and images.shape.rank < 2:
        raise ValueError(f"images has shape {tuple(images.shape)}; accepted: (N, ...), two axes or more")
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = critic(images)
    sizes = logits.shape[0] if logits.shape.rank == 1 else 0, images.shape[0]
    if None not in sizes and (not sizes[0] or sizes[1] % sizes[0]):
        raise ValueError(
            f"critic returned shape {tuple(logits.shape)}; accepted: logits of shape (N,), "
            f"here ({images.shape[0]},), or (N/m,) of m images together"
        )
    return logits, tape.gradient(logits, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def r1(critic: Critic, real: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The twin of :func:`ganbook.gradient_descent.step.penalties_numpy.r1`."""
    logits, gradient = input_gradient(critic, real)
    return tf.reduce_mean(_squared_norms(gradient, logits)), logits


def r2(critic: Critic, fake: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The twin of :func:`ganbook.gradient_descent.step.penalties_numpy.r2`."""
    logits, gradient = input_gradient(critic, fake)
    return tf.reduce_mean(_squared_norms(gradient, logits)), logits


def wgan_gp(critic: Critic, real: tf.Tensor, fake: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The twin of :func:`ganbook.gradient_descent.step.penalties_numpy.wgan_gp`."""
    if not (real.shape.is_compatible_with(fake.shape) and weights.shape.is_compatible_with(real.shape[:1])):
        raise ValueError(
            f"real has shape {tuple(real.shape)}, fake {tuple(fake.shape)} and weights "
            f"{tuple(weights.shape)}; accepted: two equal shapes (N, ...) and weights of shape (N,)"
        )
    weights = tf.reshape(weights, (-1, *(1,) * (real.shape.rank - 1)))
    logits, gradient = input_gradient(critic, weights * real + (1.0 - weights) * fake)
    return tf.reduce_mean(tf.square(_root(_squared_norms(gradient, logits)) - 1.0))


def clip_weights(tensors: Mapping[str, tf.Tensor], bound: float) -> dict[str, tf.Tensor]:
    """The twin of :func:`ganbook.gradient_descent.step.penalties_numpy.clip_weights`."""
    if not bound > 0:
        raise ValueError(f"bound is {bound!r}; accepted: a number above 0")
    return {name: tf.clip_by_value(tensor, -bound, bound) for name, tensor in tensors.items()}


def _squared_norms(gradient: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    squares = tf.reduce_sum(tf.square(gradient), axis=range(1, gradient.shape.rank))
    return (
        squares
        if squares.shape == logits.shape
        else tf.reduce_sum(tf.reshape(squares, (tf.shape(logits)[0], -1)), axis=1)
    )  # one per logit


def _root(squares: tf.Tensor) -> tf.Tensor:
    # The root has no derivative at 0, where a critic without any slope starts; take 0 there instead of NaN.
    positive = squares > 0
    return tf.where(positive, tf.sqrt(tf.where(positive, squares, tf.ones_like(squares))), tf.zeros_like(squares))

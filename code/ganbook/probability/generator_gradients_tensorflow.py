r"""The generator's gradient at a frozen discriminator, by TensorFlow's own differentiation of the book's losses.

Data are :math:`p = N(0, 1)`, the generator adds one number to its noise, :math:`x = \theta + z`, so that
:math:`q = N(\theta, 1)`.  Nothing is differentiated by hand here: the gradients come through the discriminator and
through :mod:`ganbook.probability.losses_tensorflow`, as they do in training.

Explained in the book's section "The generator's gradient".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from ganbook.data.recipe import LOSSES, check_choice, check_range
from ganbook.probability import losses_tensorflow

Function = Callable[[tf.Tensor], tf.Tensor]


def optimal_discriminator(loss: str, theta: float) -> Function:
    """The twin of :func:`ganbook.probability.generator_gradients_numpy.optimal_discriminator`."""
    check_choice("loss", loss, LOSSES)
    check_range("theta", theta, -math.inf)

    def ratio(x: tf.Tensor) -> tf.Tensor:
        return theta**2 / 2 - theta * x

    if loss == "least_squares":
        return lambda x: tf.sigmoid(ratio(x))
    if loss == "hinge":
        return lambda x: tf.sign(ratio(x))
    if loss == "wasserstein":
        return lambda x: ((theta < 0) - (theta > 0)) * x
    return ratio


def frozen_gradients(
    loss: str, theta: float, noise: tf.Tensor, real: tf.Tensor | None = None, discriminator: Function | None = None
) -> tf.Tensor:
    """The twin of :func:`ganbook.probability.generator_gradients_numpy.frozen_gradients`."""
    judge = optimal_discriminator(loss, theta) if discriminator is None else discriminator
    noise, judged = _vector("noise", noise), None if real is None else judge(_vector("real", real))
    # One theta for each example: the mean of the loss, times N, then has the examples' own gradients.
    own = tf.fill(noise.shape, tf.cast(check_range("theta", theta, -math.inf), noise.dtype))
    with tf.GradientTape() as tape:
        tape.watch(own)
        total = losses_tensorflow.generator_loss(loss, judged, judge(own + noise)) * len(noise)
    return tape.gradient(total, own)


def logit_gradients(loss: str, fake: tf.Tensor, real: tf.Tensor | None = None) -> tf.Tensor:
    """The twin of :func:`ganbook.probability.generator_gradients_numpy.logit_gradients`."""
    with tf.GradientTape() as tape:
        tape.watch(fake)
        total = losses_tensorflow.generator_loss(loss, real, fake) * tf.size(fake, out_type=fake.dtype)
    return tape.gradient(total, fake)


def _vector(name: str, tensor: tf.Tensor) -> tf.Tensor:
    if tensor.shape.rank != 1:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}; accepted: (N,)")
    return tensor

"""A plain DCGAN loop by the method of TensorFlow's own GAN tutorial, on the networks of article 001's shape.

The method: Keras Sequential networks, binary cross-entropy from logits, two gradient tapes over one judgement of the
fakes, both players updated from the same point, all in one ``tf.function``.

Reference: Deep Convolutional Generative Adversarial Network, TensorFlow tutorials, 2019.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers


def make_step(images: np.ndarray) -> Callable[[], object]:
    """A call that trains on one batch of images (N, 28, 28, 1)."""
    keras.utils.set_random_seed(0)
    real = tf.constant(images)
    generator = keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(7 * 7 * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.3),
            layers.Reshape((7, 7, 256)),
            layers.Conv2DTranspose(128, 5, 1, "same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.3),
            layers.Conv2DTranspose(64, 5, 2, "same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.3),
            layers.Conv2DTranspose(1, 5, 2, "same", use_bias=False, activation="tanh"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(64, 5, 2, "same"),
            layers.LeakyReLU(0.3),
            layers.Dropout(0.3),
            layers.Conv2D(128, 5, 2, "same"),
            layers.LeakyReLU(0.3),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    return step_of(generator, discriminator, real, 100)


def step_of(generator: keras.Model, discriminator: keras.Model, real: tf.Tensor, latent: int) -> Callable[[], object]:
    """A call that trains networks on one batch, the discriminator giving logits."""
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    generator_optimiser, discriminator_optimiser = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)

    @tf.function
    def train() -> tf.Tensor:
        noise = tf.random.normal((real.shape[0], latent))
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            fake = generator(noise, training=True)
            real_logits, fake_logits = discriminator(real, training=True), discriminator(fake, training=True)
            generator_loss = loss(tf.ones_like(fake_logits), fake_logits)
            discriminator_loss = loss(tf.ones_like(real_logits), real_logits) + loss(
                tf.zeros_like(fake_logits), fake_logits
            )
        generator_gradients = generator_tape.gradient(generator_loss, generator.trainable_variables)
        discriminator_gradients = discriminator_tape.gradient(discriminator_loss, discriminator.trainable_variables)
        generator_optimiser.apply_gradients(zip(generator_gradients, generator.trainable_variables, strict=True))
        discriminator_optimiser.apply_gradients(
            zip(discriminator_gradients, discriminator.trainable_variables, strict=True)
        )
        return generator_loss

    return lambda: train().numpy()

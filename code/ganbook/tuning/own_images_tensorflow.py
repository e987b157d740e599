"""A DCGAN in Keras for images of your own, 16 to 128 pixels wide.

Explained in the book's section "Images of your own".
"""

import keras
import tensorflow as tf
from keras import layers
from tqdm import trange

from ganbook.data import programs

NOISE = 100  # numbers that each image is drawn from
SLOPE = 0.25  # of leaky ReLU below zero
NORM = {"epsilon": 1e-3, "momentum": 0.9}  # 1 - PyTorch's
GAMMA = 1.0  # weight of the penalty R1
RATE = 1e-3  # of both players' Adam
BETAS = (0.0, 1 - 2**-7)  # no momentum, and about 0.99
EPSILON = 1e-8
DECAY = 0.997  # of the average of the generator's weights


def doublings(size):
    """Sides of the images on their way from 8 to size: 16, 32, ..."""
    return [2**n for n in range(4, size.bit_length())]


class Generator(keras.Sequential):
    """Noise to images in [-1, 1]."""

    def __init__(self, size=32, width=64):
        inner = width * size // 8
        same = {"padding": "same", "use_bias": False}
        stack = [
            keras.Input((NOISE,)),
            layers.Dense(64 * inner, use_bias=False),
            layers.BatchNormalization(**NORM), layers.LeakyReLU(SLOPE),
            layers.Reshape((8, 8, inner)),            # (N, 8, 8, 256)
            layers.Conv2DTranspose(inner // 2, 5, 1, **same)]
        for side in doublings(size):       # from (N, 8, 8, 128) by way
            before = width * size // side           # of 16, 16, 64 ...
            after = before // 2 if side < size else 3
            stack += [
                layers.BatchNormalization(**NORM),
                layers.LeakyReLU(SLOPE),
                layers.Conv2DTranspose(after, 5, 2, **same)]
        super().__init__([*stack, layers.Activation("tanh")])


class Discriminator(keras.Sequential):
    """Images to logits, above zero for real."""

    def __init__(self, size=32, width=64):
        stack = [keras.Input((size, size, 3))]
        for side in doublings(size):     # from (N, 32, 32, 3) by way of
            after = width * side // 16         # 16, 16, 64 to 8, 8, 128
            stack += [layers.Conv2D(after, 5, 2, padding="same"),
                      layers.LeakyReLU(SLOPE)]
        super().__init__([*stack, layers.Flatten(), layers.Dense(1)])


def batches(images, batch):
    """Endless batches of images, shuffled anew in every epoch."""
    dataset = tf.data.Dataset.from_tensor_slices(images)
    dataset = dataset.shuffle(len(images))
    return iter(dataset.batch(batch, drop_remainder=True).repeat())


def discriminator_loss(real, fake):
    """Cross-entropy of logits (N, 1): real is 1, fake is 0."""
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return (loss(tf.ones_like(real), real)
            + loss(tf.zeros_like(fake), fake))


def generator_loss(fake):
    """Cross-entropy of logits (N, 1): a fake should pass for real."""
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return loss(tf.ones_like(fake), fake)


@tf.function
def train_step(generator, discriminator, average, g_optimiser,
               d_optimiser, real, noise):
    """Move both players; return both losses and both mean logits."""
    with tf.GradientTape() as g_tape:
        # 1. The generator draws a batch of fakes.
        fake = generator(noise, training=True)
        # 2. The discriminator learns; R1 keeps it flat at real images.
        with tf.GradientTape() as d_tape:
            with tf.GradientTape() as slope_tape:
                slope_tape.watch(real)
                real_logit = discriminator(real, training=True)
            fake_logit = discriminator(tf.stop_gradient(fake),
                                       training=True)
            d_loss = discriminator_loss(real_logit, fake_logit)
            slope = slope_tape.gradient(real_logit, real)
            r1 = GAMMA / 2 * tf.reduce_mean(
                tf.reduce_sum(slope**2, (1, 2, 3)))
            total = d_loss + r1
        weights = discriminator.trainable_variables
        gradients = d_tape.gradient(total, weights)
        d_optimiser.apply_gradients(zip(gradients, weights))
        # 3. The generator learns from the new discriminator.
        g_loss = generator_loss(discriminator(fake, training=True))
    weights = generator.trainable_variables
    gradients = g_tape.gradient(g_loss, weights)
    g_optimiser.apply_gradients(zip(gradients, weights))
    # 4. The average follows the generator.
    for old, new in zip(average.weights, generator.weights):
        old.assign(DECAY * old + (1 - DECAY) * new)
    return tf.stack([d_loss, g_loss, tf.reduce_mean(real_logit),
                     tf.reduce_mean(fake_logit)])


def adam(network):
    """Adam for one player's weights."""
    optimiser = keras.optimizers.Adam(RATE, *BETAS, EPSILON)
    optimiser.build(network.trainable_variables)
    return optimiser


def make_players(size, width):
    """Both networks, the generator's average, and both optimisers."""
    generator = Generator(size, width)
    discriminator = Discriminator(size, width)
    average = Generator(size, width)
    average.set_weights(generator.get_weights())
    return (generator, discriminator, average,
            adam(generator), adam(discriminator))


def sample(average, noise):
    """Draw images (N, size, size, C) in [-1, 1], as NumPy."""
    return average(noise, training=False).numpy()


def train(images, width=64, steps=2000, batch=16, seed=0,
          device="cpu", show=None, shown=(), samples=64):
    """Train on images (N, size, size, C); return the players.

    ``show`` gets each step of ``shown``, the means of what the last 100
    steps returned, and samples.
    """
    keras.utils.set_random_seed(seed)
    with tf.device(device):
        players = make_players(images.shape[1], width)
        fixed = tf.random.stateless_normal((samples, NOISE), (seed, 0))
        real = batches(images, batch)
        history = []
        for step in trange(1, steps + 1, disable=None):
            noise = tf.random.normal((batch, NOISE))
            history.append(train_step(*players, next(real), noise))
            if step in shown:
                recent = tf.reduce_mean(history[-100:], 0)
                show(step, recent, sample(players[2], fixed))
    return players


def main():
    """Train from the command line; leave grids and weights."""
    options = programs.read_options(
        __doc__, data="emoji", size=32, width=64, steps=2000,
        batch=16, every=500, out="runs/own_images_tensorflow")
    images = programs.training_images(options, channels=3,
                                      sizes=(16, 32, 64, 128))
    gpu = programs.use_gpu(options.device,
                           bool(tf.config.list_physical_devices("GPU")))
    _, discriminator, average, *_ = train(
        images, options.width, options.steps, options.batch,
        options.seed, "gpu" if gpu else "cpu",
        *programs.film(options))
    average.save_weights(options.out / "generator.weights.h5")
    discriminator.save_weights(options.out / "discriminator.weights.h5")


if __name__ == "__main__":
    programs.run(main)

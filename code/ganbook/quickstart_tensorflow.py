"""A whole GAN in Keras, of dense layers alone.

Explained in the book's section "Quickstart".
"""

import keras
import tensorflow as tf
from keras import layers
from tqdm import trange

from ganbook.data import programs

NOISE = 32  # numbers that each image is drawn from
GAMMA = 1.0  # weight of the penalty R1
DECAY = 0.997  # of the average of the generator's weights


class Generator(keras.Sequential):
    """Noise to images in [-1, 1]."""

    def __init__(self, size=8, width=256):
        super().__init__([
            keras.Input((NOISE,)),                           # (N, 32)
            layers.Dense(width), layers.LeakyReLU(0.25),    # (N, 256)
            layers.Dense(width), layers.LeakyReLU(0.25),    # (N, 256)
            layers.Dense(size * size, activation="tanh"),    # (N, 64)
            layers.Reshape((size, size, 1))])           # (N, 8, 8, 1)


class Discriminator(keras.Sequential):
    """Images to logits, above zero for real."""

    def __init__(self, size=8, width=256):
        super().__init__([
            keras.Input((size, size, 1)),               # (N, 8, 8, 1)
            layers.Flatten(),                                # (N, 64)
            layers.Dense(width), layers.LeakyReLU(0.25),    # (N, 256)
            layers.Dense(width), layers.LeakyReLU(0.25),    # (N, 256)
            layers.Dense(1)])                                 # (N, 1)


def batches(images, batch):
    """Endless batches of images, shuffled anew in every epoch."""
    dataset = tf.data.Dataset.from_tensor_slices(images)
    dataset = dataset.shuffle(len(images))
    return iter(dataset.batch(batch, drop_remainder=True).repeat())


@tf.function
def train_step(generator, discriminator, average, g_optimiser,
               d_optimiser, real, noise):
    """Move both players; return both losses and both mean logits."""
    with tf.GradientTape() as g_tape:
        # 1. The generator draws a batch of fakes.
        fake = generator(noise)
        # 2. The discriminator learns; R1 keeps it flat at real images.
        with tf.GradientTape() as d_tape:
            with tf.GradientTape() as slope_tape:
                slope_tape.watch(real)
                real_logit = discriminator(real)
            fake_logit = discriminator(tf.stop_gradient(fake))
            d_loss = (tf.reduce_mean(tf.nn.softplus(-real_logit))
                      + tf.reduce_mean(tf.nn.softplus(fake_logit)))
            slope = slope_tape.gradient(real_logit, real)
            r1 = GAMMA / 2 * tf.reduce_mean(
                tf.reduce_sum(slope**2, (1, 2, 3)))
            total = d_loss + r1
        weights = discriminator.trainable_variables
        gradients = d_tape.gradient(total, weights)
        d_optimiser.apply_gradients(zip(gradients, weights))
        # 3. The generator learns from the new discriminator.
        g_loss = tf.reduce_mean(tf.nn.softplus(-discriminator(fake)))
    weights = generator.trainable_variables
    gradients = g_tape.gradient(g_loss, weights)
    g_optimiser.apply_gradients(zip(gradients, weights))
    # 4. The average follows the generator.
    for old, new in zip(average.weights, generator.weights):
        old.assign(DECAY * old + (1 - DECAY) * new)
    return tf.stack([d_loss, g_loss, tf.reduce_mean(real_logit),
                     tf.reduce_mean(fake_logit)])


def make_players(size, width):
    """Both networks, the generator's average, and both optimisers."""
    generator = Generator(size, width)
    discriminator = Discriminator(size, width)
    average = Generator(size, width)
    average.set_weights(generator.get_weights())
    optimisers = keras.optimizers.Adam(), keras.optimizers.Adam()
    optimisers[0].build(generator.trainable_variables)
    optimisers[1].build(discriminator.trainable_variables)
    return generator, discriminator, average, *optimisers


def sample(average, noise):
    """Draw images (N, size, size, C) in [-1, 1], as NumPy."""
    return average(noise).numpy()


def train(images, width=256, steps=4000, batch=32, seed=0,
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
        __doc__, data="digits", size=8, width=256, steps=4000,
        batch=32, every=500, out="runs/quickstart_tensorflow")
    images = programs.training_images(options, channels=1,
                                      sizes=range(4, 257))
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

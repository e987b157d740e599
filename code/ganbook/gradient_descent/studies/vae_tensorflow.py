"""A small variational autoencoder in TensorFlow, from the book's own dense networks and update rules.

Explained in the book's section "Distributions".
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ganbook.data import Images
from ganbook.data.recipe import check_int
from ganbook.gradient_descent.step.optimisers_tensorflow import initial_state, update_all
from ganbook.gradient_descent.studies.vae import VariationalAutoencoder, fit
from ganbook.probability.variational_tensorflow import gaussian_kl, negative_elbo, reconstruction_loss, reparameterise
from ganbook.tensors.networks_tensorflow import build, find_device, to_native, to_numpy


class VAE(VariationalAutoencoder):
    """The twin of :class:`ganbook.gradient_descent.studies.vae_torch.VAE`."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        latent: int,
        hidden: tuple[int, ...],
        learning_rate: float,
        sigma: float,
        rng: np.random.Generator,
        dtype: str,
        device: str | None,
    ) -> None:
        super().__init__(shape, latent, hidden, learning_rate, sigma, rng, dtype, device, build)
        self.networks = {"encoder": self.encoder, "decoder": self.decoder}
        with tf.device(find_device(self.encoder.device_name)):
            self.optimiser_state = {
                role: {
                    name: {
                        moment: tf.Variable(zeros) for moment, zeros in initial_state(self.optimiser, weight).items()
                    }
                    for name, weight in network.trainable().items()
                }
                for role, network in self.networks.items()
            }
        # One graph for a whole step: run eagerly, so small a step costs many times as much.
        self._graph_step = tf.function(self._step, autograph=False)

    def apply_network(self, name: str, rows: np.ndarray) -> np.ndarray:
        return to_numpy(self.networks[name](self._native(rows)))

    def terms(self, rows: np.ndarray, noise: np.ndarray) -> list[float]:
        return self._terms(self._native(rows), self._native(noise)).numpy().tolist()

    def step(self, rows: np.ndarray, noise: np.ndarray, t: int) -> list[float]:
        # The number of the step becomes a tensor: for each new number tf.function would trace anew.
        number = tf.constant(t, self.encoder.dtype_name)
        return self._graph_step(self._native(rows), self._native(noise), number).numpy().tolist()

    def _step(self, rows: tf.Tensor, noise: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            terms = self._terms(rows, noise)
            loss = terms[0]
        weights = {role: network.trainable() for role, network in self.networks.items()}
        gradients = tape.gradient(loss, weights)
        for role, network in self.networks.items():
            new, state = update_all(
                self.optimiser,
                weights[role],
                gradients[role],
                self.optimiser_state[role],
                t,
                self.optimiser.learning_rate.start,
            )
            network.assign(new)
            for name, values in state.items():
                for moment, value in values.items():
                    self.optimiser_state[role][name][moment].assign(value)
        return terms

    def _native(self, array: np.ndarray) -> tf.Tensor:
        return to_native(array, self.encoder.dtype_name, self.encoder.device_name)

    def _terms(self, rows: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        output = self.encoder(rows, training=True)
        mean, log_variance = output[:, : self.latent], output[:, self.latent :]
        reconstruction = self.decoder(reparameterise(mean, log_variance, noise), training=True)
        return tf.stack(
            [
                negative_elbo(rows, reconstruction, mean, log_variance, self.sigma),
                tf.reduce_mean(reconstruction_loss(rows, reconstruction, self.sigma)),
                tf.reduce_mean(gaussian_kl(mean, log_variance)),
            ]
        )


def train_vae(
    data: Images,
    *,
    latent: int = 8,
    hidden: tuple[int, ...] = (256, 256),
    steps: int = 2000,
    batch: int = 128,
    learning_rate: float = 1e-3,
    sigma: float = 0.25,
    seed: int = 0,
    dtype: str = "float32",
    device: str | None = None,
) -> VAE:
    """The twin of :func:`ganbook.gradient_descent.studies.vae_torch.train_vae`."""
    rng = np.random.default_rng(check_int("seed", seed, 0))
    vae = VAE(data.shape, latent, hidden, learning_rate, sigma, rng, dtype, device)
    fit(vae, data, steps, batch, rng)
    return vae

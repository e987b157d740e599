"""A small variational autoencoder in PyTorch, from the book's own dense networks and update rules.

Explained in the book's section "Distributions".
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganbook.data import Images
from ganbook.data.recipe import check_int
from ganbook.gradient_descent.step.optimisers_torch import initial_state, update_all
from ganbook.gradient_descent.studies.vae import VariationalAutoencoder, fit
from ganbook.probability.variational_torch import gaussian_kl, negative_elbo, reconstruction_loss, reparameterise
from ganbook.tensors.networks_torch import build, to_native, to_numpy


class VAE(VariationalAutoencoder):
    """A variational autoencoder whose arithmetic this framework does.

    Args:
        shape, latent, hidden, learning_rate, sigma, rng, dtype, device: as of the class it extends.
    """

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
        """Build both networks."""
        super().__init__(shape, latent, hidden, learning_rate, sigma, rng, dtype, device, build)
        self.networks = {"encoder": self.encoder, "decoder": self.decoder}
        self.optimiser_state = {
            role: {name: initial_state(self.optimiser, weight.detach()) for name, weight in network.trainable().items()}
            for role, network in self.networks.items()
        }

    def apply_network(self, name: str, rows: np.ndarray) -> np.ndarray:
        """What the network of that name, ``encoder`` or ``decoder``, makes of rows, in NumPy."""
        with torch.no_grad():
            return to_numpy(self.networks[name](self._native(rows)))

    def terms(self, rows: np.ndarray, noise: np.ndarray) -> list[float]:
        """Loss, reconstruction term and divergence of rows, with latents made from noise (N, latent)."""
        with torch.no_grad():
            return self._terms(self._native(rows), self._native(noise)).tolist()

    def step(self, rows: np.ndarray, noise: np.ndarray, t: int) -> list[float]:
        """Make the t-th update of both networks, t from 1; returns the terms before it."""
        terms = self._terms(self._native(rows), self._native(noise))
        weights = {role: network.trainable() for role, network in self.networks.items()}
        gradients = iter(torch.autograd.grad(terms[0], [w for group in weights.values() for w in group.values()]))
        with torch.no_grad():
            for role, network in self.networks.items():
                new, self.optimiser_state[role] = update_all(
                    self.optimiser,
                    weights[role],
                    dict(zip(weights[role], gradients, strict=False)),
                    self.optimiser_state[role],
                    t,
                    self.optimiser.learning_rate.start,
                )
                network.assign(new)
        return terms.tolist()

    def _native(self, array: np.ndarray) -> Tensor:
        return to_native(array, self.encoder.dtype_name, self.encoder.device_name)

    def _terms(self, rows: Tensor, noise: Tensor) -> Tensor:
        output = self.encoder(rows, training=True)
        mean, log_variance = output[:, : self.latent], output[:, self.latent :]
        reconstruction = self.decoder(reparameterise(mean, log_variance, noise), training=True)
        return torch.stack(
            [
                negative_elbo(rows, reconstruction, mean, log_variance, self.sigma),
                torch.mean(reconstruction_loss(rows, reconstruction, self.sigma)),
                torch.mean(gaussian_kl(mean, log_variance)),
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
    r"""Train a variational autoencoder on pictures.

    .. math:: \min\; E\big[ -\ln p(x|z) + KL(q(z|x) \,\|\, N(0, I)) \big], \quad z = m(x) + e^{l(x)/2}\, \epsilon

    Args:
        data: pictures in [-1, 1].
        latent: coordinates of the latent, at least 1.
        hidden: units of the encoder's hidden layers; the decoder has the same in reverse.
        steps: updates, at least 1.
        batch: pictures per update, drawn with replacement, at least 1.
        learning_rate: of Adam with betas 0.9 and 0.999, above 0.
        sigma: width of the decoder's Gaussian noise, above 0, in the units of the pixels; it is fixed.
        seed: of the weights, the batches and the noise.
        dtype: ``float32`` or ``float64``.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        the trained autoencoder; its ``history`` has the loss and its two terms in nats per picture.

    Raises:
        ValueError: an argument outside its range.
        NonFiniteLoss: the loss became infinite or not a number; the step is named.

    Example:
        >>> from ganbook.data import load
        >>> vae = train_vae(load("digits"), hidden=(8,), steps=1, batch=4, device="cpu")
        >>> vae.sample(2).shape
        (2, 8, 8, 1)

    Reference: Kingma and Welling, 2014, algorithm 1 and equation 10, arXiv:1312.6114.
    """
    rng = np.random.default_rng(check_int("seed", seed, 0))
    vae = VAE(data.shape, latent, hidden, learning_rate, sigma, rng, dtype, device)
    fit(vae, data, steps, batch, rng)
    return vae

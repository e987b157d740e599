r"""The part of a small variational autoencoder that is the same in both frameworks: shapes, draws, loop and history.

Two stacks of dense layers.  The encoder maps a picture, as a row of pixels, to the mean m and the log-variance l of
a Gaussian over latents; the decoder maps a latent to the mean of a Gaussian over pictures.  All randomness is drawn
in NumPy, so that one seed gives one run, whatever computes it.

Explained in the book's section "Distributions".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ganbook.data import Images
from ganbook.data.recipe import Architecture, Optimiser, check_int, check_range
from ganbook.gradient_descent.step.inputs import latent_noise
from ganbook.gradient_descent.training import NonFiniteLoss

HISTORY = ("negative_elbo", "reconstruction", "kl")
ROOM = 1000


class VariationalAutoencoder:
    """Encoder, decoder and what their optimiser remembers; a framework's subclass does the arithmetic.

    Args:
        shape: of one picture, (H, W, C).
        latent: coordinates of the latent, at least 1.
        hidden: units of the encoder's hidden layers; the decoder has the same in reverse.
        learning_rate: of Adam with betas 0.9 and 0.999, above 0.
        sigma: width of the decoder's noise, above 0; pixels are in [-1, 1].
        rng: draws the initial weights, the encoder's first.
        dtype: ``float32`` or ``float64``.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.
        build: makes a framework's network from an architecture.

    Attributes:
        history: equally long lists ``step``, ``negative_elbo``, ``reconstruction`` and ``kl``: the batch's means in
            nats per picture before each step; the first is the sum of the other two.

    Raises:
        ValueError: an argument outside its range.

    Reference: Kingma and Welling, 2014, section 3, arXiv:1312.6114.
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
        build: Callable[..., Any],
    ) -> None:
        self.shape, self.latent = tuple(shape), check_int("latent", latent, 1)
        self.sigma = check_range("sigma", sigma, 0.0, open_low=True)
        check_range("learning_rate", learning_rate, 0.0, open_low=True)
        self.optimiser = Optimiser(learning_rate=learning_rate, beta1=0.9, beta2=0.999)
        pixels = math.prod(self.shape)
        # A stack of dense layers that ends in plain numbers; the first latent columns are m, the others l.  A small
        # last layer lets the encoder start close to the standard normal distribution.
        self.encoder = build(
            Architecture(
                "MLPGenerator",
                {
                    "latent": pixels,
                    "shape": (2 * latent,),
                    "hidden": hidden,
                    "output_activation": None,
                    "last_gain": 0.1,
                },
            ),
            rng,
            dtype,
            device,
        )
        self.decoder = build(
            Architecture(
                "MLPGenerator",
                {"latent": latent, "shape": (pixels,), "hidden": tuple(hidden)[::-1], "output_activation": "tanh"},
            ),
            rng,
            dtype,
            device,
        )
        self.history: dict[str, list[float]] = {name: [] for name in ("step", *HISTORY)}

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The Gaussian over latents of each picture.

        Args:
            images: shape (N, H, W, C), in [-1, 1].

        Returns:
            mean and log-variance, each of shape (N, latent).

        Raises:
            ValueError: pictures of another shape.
        """
        output = self.apply_network("encoder", self.rows(images))
        return output[:, : self.latent], output[:, self.latent :]

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """The decoder's mean picture of each latent: shape (N, latent) to (N, H, W, C) in [-1, 1].

        Raises:
            ValueError: latents of another shape.
        """
        return self.apply_network("decoder", np.asarray(latents)).reshape(-1, *self.shape)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """What is left of pictures after the bottleneck: the decoder's mean at the encoder's mean, (N, H, W, C)."""
        return self.decode(self.encode(images)[0])

    def sample(self, n: int = 64, seed: int = 0) -> np.ndarray:
        """Make pictures: the decoder's mean at latents from the standard normal distribution.

        Args:
            n: how many, at least 1.
            seed: of their latents.

        Returns:
            shape (n, H, W, C), in [-1, 1]; the decoder's noise of width sigma is not added.

        Raises:
            ValueError: n below 1 or a negative seed.
        """
        rng = np.random.default_rng(check_int("seed", seed, 0))
        return self.decode(latent_noise("normal", check_int("n", n, 1), self.latent, rng))

    def evaluate(self, images: np.ndarray, seed: int = 0) -> dict[str, float]:
        """The loss and its two terms on given pictures, with one latent drawn for each.

        Args:
            images: shape (N, H, W, C), in [-1, 1].
            seed: of the latents.

        Returns:
            ``negative_elbo``, ``reconstruction`` and ``kl``, in nats per picture.

        Raises:
            ValueError: pictures of another shape or a negative seed.
        """
        rng = np.random.default_rng(check_int("seed", seed, 0))
        noise = latent_noise("normal", len(images), self.latent, rng)
        return dict(zip(HISTORY, self.terms(self.rows(images), noise), strict=True))

    def rows(self, images: np.ndarray) -> np.ndarray:
        """Pictures as rows of pixels, in the order (height, width, channels).

        Raises:
            ValueError: pictures of another shape, or none.
        """
        images = np.asarray(images)
        if images.shape[1:] != self.shape or not len(images):
            raise ValueError(f"images has shape {images.shape}; accepted: {('N', *self.shape)}, N at least 1")
        return images.reshape(len(images), -1)

    def apply_network(self, name: str, rows: np.ndarray) -> np.ndarray:
        """What the network of that name, ``encoder`` or ``decoder``, makes of rows, in NumPy."""
        raise NotImplementedError

    def terms(self, rows: np.ndarray, noise: np.ndarray) -> list[float]:
        """Loss, reconstruction term and divergence of rows, with latents made from noise (N, latent)."""
        raise NotImplementedError

    def step(self, rows: np.ndarray, noise: np.ndarray, t: int) -> list[float]:
        """Make the t-th update of both networks, t from 1; returns the terms before it."""
        raise NotImplementedError


def fit(vae: VariationalAutoencoder, data: Images, steps: int, batch: int, rng: np.random.Generator) -> None:
    """Train an autoencoder in place and write its history.

    Args:
        vae: changed in place.
        data: the pictures.
        steps: updates, at least 1.
        batch: pictures per update, at least 1.
        rng: draws the pictures of each batch, then the noise of their latents.

    Raises:
        ValueError: an argument outside its range.
        NonFiniteLoss: the loss became infinite or not a number; the step is named.
    """
    check_int("steps", steps, 1)
    check_int("batch", batch, 1)
    every = max(1, steps // ROOM)
    for t in range(1, steps + 1):
        rows = vae.rows(data.batch(rng, batch))
        terms = vae.step(rows, latent_noise("normal", batch, vae.latent, rng), t)
        if not all(map(math.isfinite, terms)):
            raise NonFiniteLoss(f"step {t}: negative_elbo is {terms[0]}; lower the learning rate or raise sigma")
        if t % every == 0:
            for name, value in zip(("step", *HISTORY), (t, *terms), strict=True):
                vae.history[name].append(value)

"""Two-dimensional Gaussian mixtures.

Explained in the book's section "Distributions"; what a GAN makes of them in the section "Mode collapse".
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ganbook.data.recipe import check_int, check_range


@dataclasses.dataclass(frozen=True, eq=False)
class Mixture:
    """K Gaussians of equal weight and equal spread in the plane.

    .. math:: p(x) = \\frac1K \\sum_{k=1}^K \\frac{1}{2\\pi\\sigma^2}\\, e^{-|x - \\mu_k|^2 / 2\\sigma^2}

    Args:
        means: shape (K, 2), finite.
        sigma: standard deviation along each axis, above 0.
        name: of the data set.

    Raises:
        ValueError: means of another shape, or sigma not above 0.
    """

    means: np.ndarray
    sigma: float
    name: str = "mixture"

    def __post_init__(self) -> None:
        """Check the fields and keep the means in float64."""
        means = np.asarray(self.means, dtype=np.float64)
        if means.ndim != 2 or means.shape[1] != 2 or not len(means) or not np.isfinite(means).all():
            raise ValueError(f"means has shape {means.shape}; accepted: (K, 2), at least one mean, finite")
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "sigma", check_range("sigma", self.sigma, 0.0, open_low=True))

    @property
    def shape(self) -> tuple[int]:
        """Shape (2,) of one point."""
        return (2,)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` points: shape (n, 2), float64."""
        return self.means[rng.integers(len(self.means), size=n)] + self.sigma * rng.standard_normal((n, 2))

    def batch(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` points: shape (n, 2), float32."""
        return self.sample(rng, n).astype(np.float32)


def ring(sigma: float = 0.01, scale: float = 1.0) -> Mixture:
    """Eight modes evenly spaced on the unit circle, the first at angle 0.

    .. math:: \\mu_k = \\frac1s\\,(\\cos 2\\pi k/8,\\ \\sin 2\\pi k/8), \\qquad k = 0, \\dots, 7

    Args:
        sigma: standard deviation of each mode, above 0.
        scale: number s that means and sigma are divided by, above 0.

    Raises:
        ValueError: an argument outside its range.

    Reference: Lin, Khetan, Fanti and Oh, PacGAN, NeurIPS 2018, arXiv:1712.04086 (the defaults).
    """
    angles = 2 * np.pi * np.arange(8) / 8
    return _scaled(np.stack([np.cos(angles), np.sin(angles)], axis=-1), sigma, scale, "ring")


def grid(side: int = 5, sigma: float = 0.05, scale: float = 1.0) -> Mixture:
    """Modes on a square grid centred at the origin, 2 apart.

    .. math:: \\mu_{ij} = \\frac2s\\,(i - \\tfrac{m - 1}{2}, j - \\tfrac{m - 1}{2}), \\quad i, j = 0, \\dots, m - 1

    Args:
        side: number m of modes along each axis, at least 1.
        sigma, scale: as of :func:`ring`.

    Raises:
        ValueError: an argument outside its range.

    Reference: as of :func:`ring`.
    """
    check_int("side", side, 1)
    ticks = 2.0 * (np.arange(side) - (side - 1) / 2)
    return _scaled(np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2), sigma, scale, "grid")


def _scaled(means: np.ndarray, sigma: float, scale: float, name: str) -> Mixture:
    check_range("scale", scale, 0.0, open_low=True)
    return Mixture(means / scale, check_range("sigma", sigma, 0.0, open_low=True) / scale, name)

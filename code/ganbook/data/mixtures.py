"""Two-dimensional Gaussian mixtures whose density is known exactly.

Explained in the book's section "Distributions"; what a GAN makes of them in the section "Mode collapse".
"""

from __future__ import annotations

import dataclasses
import math

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

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """:math:`\\log p(x)`, finite however far ``x`` lies from every mean.

        Args:
            x: points, shape (..., 2).

        Returns:
            Shape (...), float64.

        Raises:
            ValueError: points of another shape.
        """
        x = np.asarray(x, dtype=np.float64)
        if x.shape[-1:] != (2,):
            raise ValueError(f"x has shape {x.shape}; accepted: (..., 2)")
        squares = ((x[..., None, :] - self.means) ** 2).sum(-1)  # (..., K)
        exponents = np.logaddexp.reduce(-squares / (2 * self.sigma**2), axis=-1)
        return exponents - math.log(len(self.means)) - math.log(2 * math.pi * self.sigma**2)

    def density(self, x: np.ndarray) -> np.ndarray:
        """:math:`p(x)`; arguments as for :meth:`log_density`."""
        return np.exp(self.log_density(x))


def ring(modes: int = 8, radius: float = 1.0, sigma: float = 0.01, scale: float = 1.0) -> Mixture:
    """Modes evenly spaced on a circle, the first at angle 0.

    .. math:: \\mu_k = \\frac{r}{s}\\,(\\cos 2\\pi k/K,\\ \\sin 2\\pi k/K), \\qquad k = 0, \\dots, K - 1

    Args:
        modes: number K of modes, at least 1.
        radius: r of the circle, at least 0.
        sigma: standard deviation of each mode, above 0.
        scale: number s that means and sigma are divided by, above 0.

    Raises:
        ValueError: an argument outside its range.

    Reference: Lin, Khetan, Fanti and Oh, PacGAN, NeurIPS 2018, arXiv:1712.04086 (the defaults).
    """
    check_int("modes", modes, 1)
    check_range("radius", radius, 0.0)
    check_range("scale", scale, 0.0, open_low=True)
    angles = 2 * np.pi * np.arange(modes) / modes
    means = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return Mixture(means / scale, check_range("sigma", sigma, 0.0, open_low=True) / scale, "ring")


def grid(side: int = 5, spacing: float = 2.0, sigma: float = 0.05, scale: float = 1.0) -> Mixture:
    """Modes on a square grid centred at the origin.

    .. math:: \\mu_{ij} = \\frac{d}{s}\\,(i - \\tfrac{m - 1}{2}, j - \\tfrac{m - 1}{2}), \\quad i, j = 0, \\dots, m - 1

    Args:
        side: number m of modes along each axis, at least 1.
        spacing: distance d between neighbours, above 0.
        sigma: standard deviation of each mode, above 0.
        scale: number s that means and sigma are divided by, above 0.

    Raises:
        ValueError: an argument outside its range.

    Reference: Lin, Khetan, Fanti and Oh, PacGAN, NeurIPS 2018, arXiv:1712.04086 (the defaults).
    """
    check_int("side", side, 1)
    check_range("spacing", spacing, 0.0, open_low=True)
    check_range("scale", scale, 0.0, open_low=True)
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    means = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)
    return Mixture(means / scale, check_range("sigma", sigma, 0.0, open_low=True) / scale, "grid")

r"""Distributions that are given by functions: by their density, or by what a function makes of another distribution.

Explained in the book's section "Distributions".
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
import scipy.integrate
from numpy.typing import ArrayLike

from ganbook.data.recipe import check_range
from ganbook.probability.distributions import TOTAL_TOLERANCE, Continuous, Uniform, check_finite, integrate


@dataclasses.dataclass(frozen=True, eq=False)
class Density(Continuous):
    r"""The distribution of a density given as a function, checked to be one.

    .. math:: p(x) \ge 0, \qquad \int_a^b p(x)\,dx = 1

    The integral is scaled away where it is not exactly one: a total of 1.0000004 is rounding, 1.1 is an error.

    Args:
        function: an array of numbers to their densities, of the same shape; a constant may be one number.
        low, high: finite ends a < b of the support.
        breaks: where the function jumps or bends or where its peaks are; quadrature is cut there.

    Raises:
        ValueError: a density that is negative or not finite, that does not integrate to one within 1e-6, that
            returns another shape, or ends in the wrong order.
    """

    function: Callable[[np.ndarray], ArrayLike]
    low: float
    high: float
    breaks: tuple[float, ...] = ()
    _total: float = dataclasses.field(init=False, repr=False)
    _cuts: np.ndarray = dataclasses.field(init=False, repr=False)
    _below: np.ndarray = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_range("high", self.high, check_range("low", self.low, -math.inf), open_low=True)
        for b in self.breaks:
            check_range("breaks", b, self.low, self.high)
        cuts = np.unique([self.low, *self.breaks, self.high])
        try:
            masses = [integrate(self._value, Uniform(*piece)) for piece in itertools.pairwise(cuts.tolist())]
        except ArithmeticError as error:
            raise ValueError(f"function has no integral that quadrature can find: {error}") from None
        total = math.fsum(masses)
        if not abs(total - 1) <= TOTAL_TOLERANCE:
            raise ValueError(
                f"function integrates to {total:.9g} from low to high; accepted: a density, whose "
                f"integral is one within {TOTAL_TOLERANCE:g} (name narrow peaks in breaks)"
            )
        object.__setattr__(self, "_total", total)
        object.__setattr__(self, "_cuts", cuts)
        object.__setattr__(self, "_below", np.concatenate([[0.0], np.cumsum(masses) / total]))

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def _value(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, np.float64)
        value = np.asarray(self.function(x), np.float64)
        if value.shape not in ((), x.shape):
            raise ValueError(f"function returns shape {value.shape} for shape {x.shape}; accepted: the same shape")
        if not (value >= 0).all():
            worst = np.broadcast_to(value, x.shape)[~(value >= 0) | (x != x)].ravel()[0]
            raise ValueError(f"function gives {worst:.6g} between low and high; accepted: densities of at least 0")
        return np.broadcast_to(value, x.shape).copy()  # SciPy writes into what it gets

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(self._value(x) / self._total)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        piece = np.searchsorted(self._cuts, x, side="right") - 1
        part = scipy.integrate.tanhsinh(self._value, self._cuts[piece], x, atol=1e-13, rtol=1e-12).integral
        return np.clip(self._below[piece] + part / self._total, 0.0, 1.0)

    def _quantile(self, u: np.ndarray) -> np.ndarray:
        piece = np.clip(np.searchsorted(self._below, u, side="left") - 1, 0, len(self._cuts) - 2)
        return self._solve(u, self._cuts[piece], self._cuts[piece + 1])


@dataclasses.dataclass(frozen=True, eq=False)
class Pushforward(Continuous):
    r"""What becomes of a distribution when every sample goes through a monotone function.

    .. math:: x = g(z), \qquad p_X(x) = \frac{p_Z(g^{-1}(x))}{|g'(g^{-1}(x))|}

    Args:
        base: the distribution of z.
        function: g, strictly monotone on the support of ``base``, of arrays; its limits stand at infinite ends.
        inverse: g^-1, of arrays.
        slope: g', the derivative of ``function``, as a function of z.

    Raises:
        ValueError: a function that is not monotone, an inverse that does not undo it, or a slope that is not its
            derivative, at 100 quantiles of the base.
    """

    base: Continuous
    function: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    support: tuple[float, float] = dataclasses.field(default=(-math.inf, math.inf), init=False, repr=False)
    breaks: tuple[float, ...] = dataclasses.field(default=(), init=False, repr=False)
    _rising: bool = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        z = self.base.quantile((np.arange(100) + 0.5) / 100)
        x = check_finite("function(z)", self.function(z))
        slope = check_finite("slope(z)", np.broadcast_to(self.slope(z), z.shape))
        if not ((np.diff(x) > 0).all() or (np.diff(x) < 0).all()):
            raise ValueError(
                "function is not strictly monotone on the support of base; accepted: one that rises or "
                "falls everywhere (cut the base where it turns)"
            )
        scale = np.ptp(z)
        if not (np.abs(self.inverse(x) - z) <= 1e-6 * scale).all():
            raise ValueError("inverse(function(z)) differs from z; accepted: the inverse of function")
        h = 1e-5 * np.minimum(scale, 1.0)
        difference = (self.function(z[1:-1] + h) - self.function(z[1:-1] - h)) / (2 * h)
        if not (np.abs(slope[1:-1] - difference) <= 1e-4 * (np.abs(slope[1:-1]) + np.abs(slope).max() * 1e-3)).all():
            raise ValueError("slope(z) differs from the difference quotient of function; accepted: its derivative")
        object.__setattr__(self, "_rising", bool(x[-1] > x[0]))
        object.__setattr__(self, "support", self._images(self.base.support))
        object.__setattr__(self, "breaks", self._images(self.base.breaks))

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` numbers, shape (n,): samples of the base, sent through the function."""
        return self.function(self.base.sample(rng, n))

    def _images(self, points: tuple[float, ...]) -> tuple[float, ...]:
        with np.errstate(all="ignore"):
            images = np.asarray(self.function(np.asarray(points, np.float64)), np.float64)
        if np.isnan(images).any():
            raise ValueError(
                f"function has no value at {points}; accepted: one that has its limits at the ends of the "
                "support of base"
            )
        return tuple(sorted(images.tolist()))

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            z = np.asarray(self.inverse(x), np.float64)
            log_base = self.base.log_density(z)
            steepness = np.log(np.abs(self.slope(z)))
            # Where the base has no density (z infinite, at an end of the support) the slope does not matter.
            return np.where(log_base == -math.inf, log_base, log_base - steepness)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        below = self.base.cdf(self.inverse(x))
        return below if self._rising else 1 - below

    def _quantile(self, u: np.ndarray) -> np.ndarray:
        return self.function(self.base.quantile(u if self._rising else 1 - u))

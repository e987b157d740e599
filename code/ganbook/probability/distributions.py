r"""Distributions whose density, distribution function, quantiles and samples are all known: the book's ground truth.

A continuous one here lives on the line and has ``density``, ``log_density``, ``cdf``, ``quantile``, ``sample``,
``support`` and ``breaks`` (where quadrature must be cut); a discrete one has points, of any dimension, with
probabilities.  What SciPy has, SciPy computes.  Distributions that are given by functions are in
:mod:`ganbook.probability.densities`.

Explained in the book's section "Distributions".
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, SupportsFloat

import numpy as np
import scipy.integrate
import scipy.stats
from numpy.typing import ArrayLike
from scipy.optimize import elementwise
from scipy.special import logsumexp

from ganbook.data.recipe import check_int, check_range

TOTAL_TOLERANCE = 1e-6  # how far from one a total may be: a constant typed with six digits passes
CUTS = (-9.0, -3.0, 0.0, 3.0, 9.0)  # standard deviations at which quadrature is cut; beyond 9 lie 2e-19 of a normal


class Continuous(abc.ABC):
    """What all distributions on the line have in common.

    A subclass gives ``_log_density``, ``_cdf`` and ``_quantile`` for arrays inside the support, which the methods here
    check and complete.
    """

    @property
    def support(self) -> tuple[float, float]:
        return -math.inf, math.inf

    @property
    def breaks(self) -> tuple[float, ...]:
        return ()

    @abc.abstractmethod
    def _log_density(self, x: np.ndarray) -> np.ndarray: ...

    @abc.abstractmethod
    def _cdf(self, x: np.ndarray) -> np.ndarray: ...

    @abc.abstractmethod
    def _quantile(self, u: np.ndarray) -> np.ndarray: ...

    def log_density(self, x: ArrayLike) -> np.ndarray:
        r""":math:`\log p(x)`, minus infinity outside the support; shape as ``x``."""
        x = _numbers("x", x)
        inside = (x >= self.support[0]) & (x <= self.support[1]) & np.isfinite(x)
        return _where(inside, self._log_density, x, -math.inf)

    def density(self, x: ArrayLike) -> np.ndarray:
        """:math:`p(x)`, zero outside the support; shape as ``x``."""
        return np.exp(self.log_density(x))

    def cdf(self, x: ArrayLike) -> np.ndarray:
        r""":math:`F(x) = P(X \le x)`; shape as ``x``."""
        x = _numbers("x", x)
        inside = (x > self.support[0]) & (x < self.support[1])
        return _where(inside, self._cdf, x, (x >= self.support[1]).astype(np.float64))

    def quantile(self, u: ArrayLike) -> np.ndarray:
        """The inverse :math:`F^{-1}(u)` of the distribution function, for ``u`` in [0, 1]; shape as ``u``."""
        u = _numbers("u", u)
        if (u < 0).any() or (u > 1).any():
            raise ValueError(f"u has values from {u.min():g} to {u.max():g}; accepted: probabilities in [0, 1]")
        return _where((u > 0) & (u < 1), self._quantile, u, np.where(u == 0, *self.support))

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` numbers, shape (n,): the quantiles of uniform noise."""
        return self.quantile(rng.random(check_int("n", n, 1)))

    def _solve(self, u: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The x between left and right with F(x) = u."""
        room = 1e-9 * (1 + np.abs(left) + np.abs(right))  # rounding may put the root a hair outside
        return elementwise.find_root(
            lambda x, u: self.cdf(x) - u, (left - room, right + room), args=(u,), tolerances={"fatol": 1e-14}
        ).x


@dataclasses.dataclass(frozen=True)
class Normal(Continuous):
    r"""The normal distribution.

    .. math:: p(x) = \frac{1}{\sigma\sqrt{2\pi}}\, e^{-(x - \mu)^2 / 2\sigma^2}

    Args:
        mean: mu, finite.
        sigma: standard deviation, above 0.

    Raises:
        ValueError: a field outside its range.
    """

    mean: float = 0.0
    sigma: float = 1.0

    def __post_init__(self) -> None:
        check_range("mean", self.mean, -math.inf)
        check_range("sigma", self.sigma, 0.0, open_low=True)

    @property
    def breaks(self) -> tuple[float, ...]:
        """The mean, and 3 and 9 standard deviations to either side."""
        return tuple(self.mean + c * self.sigma for c in CUTS)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` numbers, shape (n,): standard normal noise, scaled and shifted."""
        return self.mean + self.sigma * rng.standard_normal(check_int("n", n, 1))

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        return scipy.stats.norm.logpdf(x, self.mean, self.sigma)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return scipy.stats.norm.cdf(x, self.mean, self.sigma)

    def _quantile(self, u: np.ndarray) -> np.ndarray:
        return scipy.stats.norm.ppf(u, self.mean, self.sigma)


@dataclasses.dataclass(frozen=True)
class Uniform(Continuous):
    r"""The uniform distribution on an interval.

    .. math:: p(x) = \frac{1}{b - a}, \qquad a \le x \le b

    Args:
        low: a, finite.
        high: b, finite, above ``low``.

    Raises:
        ValueError: a field outside its range.
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        check_range("high", self.high, check_range("low", self.low, -math.inf), open_low=True)

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        return np.full(x.shape, -math.log(self.high - self.low))

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return (x - self.low) / (self.high - self.low)

    def _quantile(self, u: np.ndarray) -> np.ndarray:
        return self.low + (self.high - self.low) * u


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class NormalMixture(Continuous):
    r"""A mixture of normal distributions; with one component on every example it is a kernel density.

    .. math:: p(x) = \sum_{k=1}^K w_k\, \frac{1}{\sigma_k\sqrt{2\pi}}\, e^{-(x - \mu_k)^2 / 2\sigma_k^2}

    Args:
        means: shape (K,), finite.
        sigmas: shape (K,) or one number for all, above 0.
        weights: shape (K,), at least 0, summing to one; None makes them equal.

    Raises:
        ValueError: a field of another shape or outside its range.
    """

    means: np.ndarray
    sigmas: np.ndarray
    weights: np.ndarray

    def __init__(self, means: ArrayLike, sigmas: ArrayLike, weights: ArrayLike | None = None) -> None:
        means = check_finite("means", means)
        if means.ndim != 1 or not len(means):
            raise ValueError(f"means has shape {means.shape}; accepted: (K,), at least one mean")
        sigmas = check_finite("sigmas", sigmas)
        if sigmas.shape not in ((), means.shape) or (sigmas <= 0).any():
            raise ValueError(
                f"sigmas is {np.array2string(sigmas, threshold=6)}; accepted: {len(means)} numbers above "
                "0, one for each mean, or one number above 0"
            )
        weights = check_probabilities("weights", weights, len(means))
        for name, value in (("means", means), ("sigmas", np.broadcast_to(sigmas, means.shape)), ("weights", weights)):
            object.__setattr__(self, name, value)

    @property
    def breaks(self) -> tuple[float, ...]:
        """Every component's mean, and 3 and 9 of its standard deviations to either side."""
        return tuple(np.unique(self.means + np.multiply.outer(CUTS, self.sigmas)).tolist())

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` numbers, shape (n,): a component each by its weight, then a normal number of that component."""
        k = rng.choice(len(self.means), size=check_int("n", n, 1), p=self.weights)
        return self.means[k] + self.sigmas[k] * rng.standard_normal(n)

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        parts = scipy.stats.norm.logpdf(x[:, None], self.means, self.sigmas)  # (n, K)
        return logsumexp(parts, b=self.weights, axis=1)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return scipy.stats.norm.cdf(x[:, None], self.means, self.sigmas) @ self.weights

    def _quantile(self, u: np.ndarray) -> np.ndarray:
        # The mixture's quantile lies between its components' quantiles.
        parts = scipy.stats.norm.ppf(u[:, None], self.means, self.sigmas)[:, self.weights > 0]
        return self._solve(u, parts.min(axis=1), parts.max(axis=1))


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class Discrete:
    r"""Finitely many points with a probability each; a distribution without a density.

    .. math:: P(X \in A) = \sum_{k:\, x_k \in A} p_k

    Args:
        points: shape (K,) on the line or (K, d), finite; a point may occur more than once.
        probabilities: shape (K,), at least 0, summing to one; None makes them equal.

    Raises:
        ValueError: a field of another shape or outside its range.
    """

    points: np.ndarray
    probabilities: np.ndarray

    def __init__(self, points: ArrayLike, probabilities: ArrayLike | None = None) -> None:
        points = check_finite("points", points)
        if points.ndim not in (1, 2) or not points.size:
            raise ValueError(f"points has shape {points.shape}; accepted: (K,) or (K, d), at least one point")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "probabilities", check_probabilities("probabilities", probabilities, len(points)))

    def mean(self) -> np.ndarray:
        """The mean, a number or shape (d,)."""
        return self.probabilities @ self.points

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` points with replacement, shape (n,) or (n, d)."""
        return self.points[rng.choice(len(self.points), size=check_int("n", n, 1), p=self.probabilities)]

    def cdf(self, x: ArrayLike) -> np.ndarray:
        r""":math:`F(x) = P(X \le x)` on the line; shape as ``x``."""
        if self.points.ndim != 1:
            raise ValueError(f"points has shape {self.points.shape}; accepted here: (K,), points on the line")
        order = np.argsort(self.points, kind="stable")
        below = np.concatenate([[0.0], np.cumsum(self.probabilities[order])])
        return below[np.searchsorted(self.points[order], _numbers("x", x), side="right")]


class Empirical(Discrete):
    r"""The distribution of a data set: each of its N examples with probability 1/N.

    .. math:: \hat p_N = \frac1N \sum_{i=1}^N \delta_{x_i}

    Args:
        points: the examples, shape (N,) or (N, d), finite.

    Raises:
        ValueError: as :class:`Discrete`.
    """

    def __init__(self, points: ArrayLike) -> None:
        super().__init__(points)


Distribution = Continuous | Discrete


class Range(NamedTuple):
    """What :func:`integrate` asks of a distribution, for an integral that belongs to none."""

    support: tuple[float, float]
    breaks: tuple[float, ...]


def integrate(function: Callable[[Any], SupportsFloat], *distributions: Continuous | Range) -> float:
    r"""Integrate a function over the union of the supports of some distributions, cut at all their breaks.

    .. math:: \int_{S_1 \cup S_2 \cup \dots} f(x)\,dx

    Args:
        function: a number to a number.
        distributions: one or more whose supports are the range and whose breaks say where to look closely.

    Returns:
        The integral, within 1e-10 or 1e-10 of its size.

    Raises:
        ValueError: no distribution.
        ArithmeticError: an integral that is infinite or not a number, or whose error quadrature cannot bring down.

    Example:
        >>> round(integrate(lambda x: x**2, Uniform(0.0, 3.0)), 6)
        9.0

    Reference: Piessens, de Doncker-Kapenga, Ueberhuber and Kahaner, QUADPACK, 1983.
    """
    if not distributions:
        raise ValueError("distributions is empty; accepted: one or more distributions")
    return math.fsum(_quad(function, a, b) for a, b in _pieces(*distributions))


def _pieces(*distributions: Continuous | Range) -> list[tuple[float, float]]:
    """The intervals between neighbouring cuts that lie in some support."""
    cuts = {float(c) for d in distributions for c in (*d.support, *d.breaks)}
    if not any(map(math.isfinite, cuts)):
        cuts.add(0.0)
    return [
        (a, b)
        for a, b in itertools.pairwise(sorted(cuts))
        if any(d.support[0] <= a and b <= d.support[1] for d in distributions)
    ]


def _quad(function: Callable[[Any], SupportsFloat], a: float, b: float) -> float:
    value, error = scipy.integrate.quad(
        lambda x: float(function(x)), a, b, epsabs=1e-12, epsrel=1e-12, limit=400, full_output=1
    )[:2]
    if not error <= 1e-10 * max(1.0, abs(value)):  # not a number fails too
        raise ArithmeticError(
            f"the integral from {a:g} to {b:g} is {value:g} with an error of {error:g}; accepted: a "
            "function whose integral exists (name jumps and narrow peaks in breaks)"
        )
    return value


def _where(
    inside: np.ndarray, function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, otherwise: ArrayLike
) -> np.ndarray:
    result = np.broadcast_to(otherwise, x.shape).astype(np.float64)
    if inside.any():
        result[inside] = function(x[inside])
    return result[()]


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if np.isnan(values).any():
        raise ValueError(f"{name} has values that are not numbers; accepted: numbers")
    return values


def check_finite(name: str, values: ArrayLike) -> np.ndarray:
    """Return numbers as float64 of the same shape if all of them are finite; a ValueError names the argument if not."""
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} has values that are not finite; accepted: finite numbers")
    return values


def check_probabilities(name: str, values: ArrayLike | None, count: int | None = None) -> np.ndarray:
    """Return a vector of probabilities as float64, scaled to sum to one exactly, if it is one.

    Args:
        name: of the argument, for the error.
        values: shape (K,), at least 0, summing to one within 1e-6; None for ``count`` equal ones.
        count: K, None for any.

    Raises:
        ValueError: names the argument, what came and what is accepted.
    """
    if values is None and count:
        return np.full(count, 1 / count)
    vector = np.asarray(values, np.float64)
    if vector.ndim != 1 or not vector.size or count not in (None, vector.size):
        raise ValueError(
            f"{name} has shape {vector.shape}; accepted: probabilities of shape "
            + (f"({count},), one for each point" if count else "(K,), K at least 1")
        )
    if not np.isfinite(vector).all() or vector.min() < 0:
        raise ValueError(f"{name} has {vector.min():g}; accepted: probabilities, finite and at least 0")
    if not abs(vector.sum() - 1.0) <= TOTAL_TOLERANCE:
        raise ValueError(
            f"{name} sums to {vector.sum():.9g}; accepted: probabilities that sum to one within {TOTAL_TOLERANCE:g}"
        )
    return vector / vector.sum()

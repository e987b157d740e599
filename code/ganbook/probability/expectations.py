r"""Sums over weighted points and integrals over densities: what every divergence and every expectation is made of.

Sums are exact and densities are integrated by quadrature.  Everything is computed from log densities, so that a tail
that underflows does not turn into 0/0, and what is infinite comes out as ``inf``, never as NaN.

Explained in the book's section "Divergences".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ganbook.probability.distributions import Continuous, Discrete, Distribution, Range, check_probabilities, integrate

Term = Callable[[np.ndarray, np.ndarray], np.ndarray]
NEGLIGIBLE = -69.0  # log of 1e-30: next to nothing, so a zero beside it may be an underflow


def total(term: Term, p: ArrayLike | Distribution, q: ArrayLike | Distribution) -> float:
    r"""Sum or integrate a function of both log densities.

    .. math:: \int t(\ln p(x), \ln q(x))\, dx

    Args:
        term: maps two arrays of log densities to the values to add up; asked only where not both densities vanish.
        p, q: as of :func:`ganbook.probability.divergences.kl`, with the same errors.

    Returns:
        a number; ``inf`` as soon as one value is.
    """
    if isinstance(p, Continuous) and isinstance(q, Continuous):
        return _total_of_densities(term, p, q)
    with np.errstate(divide="ignore"):
        log_p, log_q = (np.log(vector) for vector in _outcomes(p, q))
    return float(np.sum(_safely(term, log_p, log_q)))


def expectation(
    function: ArrayLike | Callable[[np.ndarray], ArrayLike],
    p: ArrayLike | Distribution,
    *,
    name: str = "p",
    function_name: str = "function",
) -> float:
    r"""The expectation of a function of a random variable.

    .. math:: E_{x \sim p}\, h(x)

    Args:
        function: h, from points to numbers; for a vector of probabilities its values, shape (K,).
        p: a vector of probabilities of shape (K,), or a distribution.
        name, function_name: what an error calls ``p`` and ``function``.

    Returns:
        a number; infinite where h is on a set that p gives mass.

    Raises:
        ValueError: no probabilities, a function where values are due or the reverse, or values of another shape.

    Example:
        >>> expectation([1.0, 5.0], [0.25, 0.75]), expectation(np.square, Discrete([1.0, 3.0]))
        (4.0, 5.0)
    """
    given = kind(name, p)
    if isinstance(p, Distribution):
        if not callable(function):
            raise ValueError(f"{function_name} is an array; accepted: a function, since {name} is a {given}")
        if isinstance(p, Continuous):
            return _mean(function, p)
        mass, values = p.probabilities, np.asarray(function(p.points), np.float64)
    else:
        if callable(function):
            raise ValueError(f"{function_name} is a function; accepted: values, since {name} is a {given}")
        mass, values = check_probabilities(name, p), np.asarray(function, np.float64)
    if values.shape != mass.shape:
        raise ValueError(
            f"{function_name} has shape {values.shape}; accepted: {mass.shape}, one value for each point of {name}"
        )
    return float(np.sum(values[mass > 0] * mass[mass > 0]))


def _total_of_densities(term: Term, p: Continuous, q: Continuous) -> float:
    for one, other, densities in ((p, q, (0.0, -np.inf)), (q, p, (-np.inf, 0.0))):
        wider = one.support[0] < other.support[0] or one.support[1] > other.support[1]
        if wider and np.isinf(_safely(term, *np.array(densities))):
            return math.inf

    def at(x: float) -> float:
        log_p, log_q = p.log_density(x), q.log_density(x)
        if min(log_p, log_q) == -np.inf and max(log_p, log_q) < NEGLIGIBLE:
            return 0.0
        return float(_safely(term, log_p, log_q))

    return integral(at, p, q)


def _mean(function: Callable[[Any], Any], p: Continuous) -> float:
    def at(x: float) -> float:
        density = float(p.density(x))
        if density == 0:
            return 0.0
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            value = float(function(np.float64(x)))
        return 0.0 if density < math.exp(NEGLIGIBLE) and not math.isfinite(value) else density * value

    return integral(at, p)


def integral(function: Callable[[float], float], *ranges: Continuous | Range) -> float:
    r"""An integral that may be infinite.

    .. math:: \int f(x)\,dx

    Args:
        function, ranges: as of :func:`ganbook.probability.distributions.integrate`, with the same errors.

    Returns:
        the integral; ``inf`` where the function is infinite or does not vanish faster than 1/x.
    """
    infinite = False

    def finite(x: float) -> float:
        nonlocal infinite
        value = function(x)
        infinite |= value == math.inf
        return 0.0 if value == math.inf else value

    try:
        value = integrate(finite, *ranges)
    except ArithmeticError:
        if not infinite and not _heavy_tail(finite, *ranges):
            raise
        return math.inf
    return math.inf if infinite else value


def _heavy_tail(function: Callable[[float], float], *ranges: Continuous | Range) -> bool:
    ends = {end for each in ranges for end in each.support if math.isinf(end)}
    return any(abs(x * function(x)) >= abs(x / 10 * function(x / 10)) > 0 for x in (np.sign(e) * 1e6 for e in ends))


def _safely(term: Term, log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """The term, and 0 where neither distribution has mass."""
    nowhere = np.isneginf(log_p) & np.isneginf(log_q)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        return np.where(nowhere, 0.0, term(log_p, log_q))


def kind(name: str, given: object) -> str:
    """Which of the three a distribution is, ``points``, ``density`` or ``vector``; a ValueError for anything else."""
    if isinstance(given, Discrete):
        return "points"
    if isinstance(given, Continuous):
        return "density"
    if isinstance(given, (np.ndarray, list, tuple)):
        return "vector"
    raise ValueError(f"{name} is {given!r}; accepted: a vector of probabilities or a distribution")


def _outcomes(p: ArrayLike | Distribution, q: ArrayLike | Distribution) -> tuple[np.ndarray, np.ndarray]:
    """Both distributions as probabilities of common outcomes."""
    kinds = kind("p", p), kind("q", q)
    if isinstance(p, Discrete) and isinstance(q, Discrete):
        x, y = same_space(p, q)
        points, where = np.unique(np.concatenate([x, y]), axis=0, return_inverse=True)
        p_places, q_places = np.split(where.ravel(), [len(x)])
        return (
            np.bincount(p_places, p.probabilities, len(points)),
            np.bincount(q_places, q.probabilities, len(points)),
        )
    if isinstance(p, Distribution) and isinstance(q, Distribution):  # weighted points against a density
        return np.array([1.0, 0.0]), np.array([0.0, 1.0])
    if isinstance(p, Distribution) or isinstance(q, Distribution):
        raise ValueError(
            f"p is a {kinds[0]} and q a {kinds[1]}; accepted: two vectors of probabilities, or two distributions"
        )
    first, second = check_probabilities("p", p), check_probabilities("q", q)
    if first.shape != second.shape:
        raise ValueError(f"p has shape {first.shape} and q {second.shape}; accepted: two equal shapes (K,)")
    return first, second


def same_space(p: Discrete, q: Discrete) -> tuple[np.ndarray, np.ndarray]:
    """The points of both as rows, shapes (K, d) and (L, d); a ValueError for another kind or points of two spaces."""
    for name, given in (("p", p), ("q", q)):
        if not isinstance(given, Discrete):
            raise ValueError(f"{name} is {given!r}; accepted: a Discrete or an Empirical distribution")
    x, y = (given.points.reshape(len(given.points), -1) for given in (p, q))
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"p has points of {x.shape[1]} coordinates and q of {y.shape[1]}; accepted: points of one space"
        )
    return x, y

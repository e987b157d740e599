r"""f-divergences, and the lower bound that a discriminator climbs: the f-GAN's table, each row complete.

A convex f with f(1) = 0 gives :math:`D_f(p, q) = \int q\, f(p/q)`.  Its convex conjugate
:math:`f^*(t) = \sup_{u > 0} (tu - f(u))` gives the bound :math:`D_f(p, q) \ge E_p T - E_q f^*(T)` for every function
T, attained by :math:`T = f'(p/q)`.  A network whose output v is any real number becomes such a T through an output
activation onto the numbers where the conjugate is finite.

Explained in the book's section "Divergences".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from ganbook.data.recipe import one_of
from ganbook.probability.distributions import Distribution
from ganbook.probability.divergences import expectation, total

Function = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class FDivergence:
    r"""One row of the table.

    .. math:: f(u), \quad f^*(t) = \sup_{u > 0} (tu - f(u)), \quad T^* = f'(u), \quad u = p/q > 0

    Args:
        name: what it is called in ``NAMES``.
        generator: f, for u > 0.
        conjugate: the convex conjugate, ``inf`` outside its domain.
        witness: the derivative of f, which is the optimal witness as a function of u = p/q.
        activation: maps any real v into the conjugate's domain, rising with v.
        at_zero: f(0), the weight of what only q gives; may be ``inf``.
        slope_at_infinity: the limit of f(u)/u, the weight of what only p gives; may be ``inf``.

    Reference: Nowozin, Cseke and Tomioka, 2016, tables 1, 2 and 6, arXiv:1606.00709.
    Explained in the book's section "Divergences".
    """

    name: str
    generator: Function
    conjugate: Function
    witness: Function
    activation: Function
    at_zero: float
    slope_at_infinity: float


def _where(condition: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return np.where(condition, inside, np.inf)


def _softplus(v: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, v)


def _log_sum(u: np.ndarray) -> np.ndarray:
    return scipy.special.xlogy(u + 1, u + 1)


_LN2 = math.log(2)
_ROWS = (
    FDivergence("kl", lambda u: scipy.special.xlogy(u, u), lambda t: np.exp(t - 1), lambda u: 1 + np.log(u),
                lambda v: v, 0.0, math.inf),
    FDivergence("reverse_kl", lambda u: -np.log(u), lambda t: _where(t < 0, -1 - np.log(-t)), lambda u: -1 / u,
                lambda v: -np.exp(-v), math.inf, 0.0),
    FDivergence("jensen_shannon",
                lambda u: 0.5 * (scipy.special.xlogy(u, u) - _log_sum(u) + (u + 1) * _LN2),
                lambda t: _where(t < _LN2 / 2, -0.5 * np.log(2 - np.exp(2 * t))),
                lambda u: 0.5 * (_LN2 - np.log1p(1 / u)), lambda v: 0.5 * (_LN2 - _softplus(-v)), _LN2 / 2, _LN2 / 2),
    FDivergence("gan", lambda u: scipy.special.xlogy(u, u) - _log_sum(u),
                lambda t: _where(t < 0, -np.log(-np.expm1(t))), lambda u: -np.log1p(1 / u), lambda v: -_softplus(-v),
                0.0, 0.0),
    FDivergence("total_variation", lambda u: 0.5 * np.abs(u - 1), lambda t: _where(t <= 0.5, np.maximum(t, -0.5)),
                lambda u: 0.5 * np.sign(u - 1), lambda v: 0.5 * np.tanh(v), 0.5, 0.5),
    FDivergence("chi_squared", lambda u: np.square(u - 1), lambda t: np.where(t > -2, t**2 / 4 + t, -1.0),
                lambda u: 2 * (u - 1), lambda v: v, 1.0, math.inf),
    FDivergence("reverse_chi_squared", lambda u: np.square(u - 1) / u,
                lambda t: _where(t <= 1, 2 - 2 * np.sqrt(1 - t)), lambda u: 1 - 1 / u**2, lambda v: 1 - np.exp(-v),
                math.inf, 1.0),
    FDivergence("squared_hellinger", lambda u: np.square(np.sqrt(u) - 1), lambda t: _where(t < 1, t / (1 - t)),
                lambda u: 1 - 1 / np.sqrt(u), lambda v: 1 - np.exp(-v), 1.0, 1.0),
)
TABLE = MappingProxyType({row.name: row for row in _ROWS})
NAMES = tuple(TABLE)


def f_divergence(name: str, p: ArrayLike | Distribution, q: ArrayLike | Distribution) -> float:
    r"""The f-divergence of that name.

    .. math:: D_f(p, q) = \int q\, f\left(\frac{p}{q}\right)

    Where q has no mass the integrand is p times the limit of f(u)/u, and where p has none it is q f(0).

    Args:
        name: one of ``NAMES``.
        p, q: two vectors of probabilities of equal shape (K,), or two distributions.

    Returns:
        a number of at least f(1), which is 0 but for "gan", where it is -ln 4; ``inf`` where a limit demands it.

    Raises:
        ValueError: an unknown name, no probabilities, shapes that differ, or something that is no distribution.

    Reference: Nowozin, Cseke and Tomioka, 2016, equation 2, arXiv:1606.00709.
    Explained in the book's section "Divergences".
    """
    row = TABLE[one_of("name", name, NAMES)]

    def term(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
        only_p, only_q = np.isneginf(log_q), np.isneginf(log_p)
        # A ratio that over- or underflows makes f over- or underflow: its ends keep the product with q finite.
        ratio = np.exp(np.clip(log_p - log_q, -700.0, 700.0))
        both = np.exp(log_q) * row.generator(ratio)
        return np.where(only_p, np.exp(log_p) * row.slope_at_infinity,
                        np.where(only_q, np.exp(log_q) * row.at_zero, both))

    return total(term, p, q)


def variational_bound(name: str, witness: ArrayLike | Function, p: ArrayLike | Distribution,
                      q: ArrayLike | Distribution) -> float:
    r"""What a witness earns: the lower bound on the f-divergence that f-GAN's discriminator climbs.

    .. math:: E_p\, T - E_q\, f^*(T) \le D_f(p, q)

    Args:
        name: one of ``NAMES``.
        witness: T, a function of the points; for vectors of probabilities its values, shape (K,).
        p, q: two vectors of probabilities of equal shape (K,), or two distributions.

    Returns:
        a number of at most the f-divergence; ``-inf`` where q has mass and the conjugate is infinite.

    Raises:
        ValueError: an unknown name, no probabilities, shapes that differ, or something that is no distribution.

    Reference: Nowozin, Cseke and Tomioka, 2016, equation 4, arXiv:1606.00709.
    Explained in the book's section "Divergences".
    """
    conjugate = TABLE[one_of("name", name, NAMES)].conjugate
    if callable(witness):
        return expectation("p", witness, p) - expectation("q", lambda x: conjugate(np.asarray(witness(x))), q)
    values = np.asarray(witness, np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return expectation("p", values, p) - expectation("q", conjugate(values), q)

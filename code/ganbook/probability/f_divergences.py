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

from ganbook.data.recipe import check_choice
from ganbook.probability.distributions import Distribution
from ganbook.probability.divergences import chi_squared_term, js_term, kl_term, total_variation_term
from ganbook.probability.expectations import Term, expectation, total

Function = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class FDivergence:
    r"""One row of the table.

    .. math:: f(u), \quad f^*(t) = \sup_{u > 0} (tu - f(u)), \quad T^* = f'(u), \quad u = p/q > 0

    Args:
        generator: f, for u > 0.
        conjugate: the convex conjugate, ``inf`` outside its domain.
        witness: the derivative of f, which is the optimal witness as a function of u = p/q.
        activation: maps any real v into the conjugate's domain, rising with v.
        term: q f(p/q) as a function of ln p and ln q, with its limits where p or q is 0: q f(0) and p times the limit
            of f(u)/u, either of which may be ``inf``.

    Reference: Nowozin, Cseke and Tomioka, 2016, tables 1 and 2, arXiv:1606.00709.
    """

    generator: Function
    conjugate: Function
    witness: Function
    activation: Function
    term: Term


def _where(condition: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return np.where(condition, inside, np.inf)


def _softplus(v: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, v)


def _log_sum(u: np.ndarray) -> np.ndarray:
    return scipy.special.xlogy(u + 1, u + 1)


def _gan_term(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    return 2 * js_term(log_p, log_q) - _LN2 * (np.exp(log_p) + np.exp(log_q))


def _hellinger_term(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    return np.square(np.exp(0.5 * log_p) - np.exp(0.5 * log_q))


_LN2 = math.log(2)
TABLE = MappingProxyType(
    {
        "kl": FDivergence(
            lambda u: scipy.special.xlogy(u, u), lambda t: np.exp(t - 1), lambda u: 1 + np.log(u), lambda v: v, kl_term
        ),
        "reverse_kl": FDivergence(
            lambda u: -np.log(u),
            lambda t: _where(t < 0, -1 - np.log(-t)),
            lambda u: -1 / u,
            lambda v: -np.exp(-v),
            lambda log_p, log_q: kl_term(log_q, log_p),
        ),
        "jensen_shannon": FDivergence(
            lambda u: 0.5 * (scipy.special.xlogy(u, u) - _log_sum(u) + (u + 1) * _LN2),
            lambda t: _where(t < _LN2 / 2, -0.5 * np.log(2 - np.exp(2 * t))),
            lambda u: 0.5 * (_LN2 - np.log1p(1 / u)),
            lambda v: 0.5 * (_LN2 - _softplus(-v)),
            js_term,
        ),
        "gan": FDivergence(
            lambda u: scipy.special.xlogy(u, u) - _log_sum(u),
            lambda t: _where(t < 0, -np.log(-np.expm1(t))),
            lambda u: -np.log1p(1 / u),
            lambda v: -_softplus(-v),
            _gan_term,
        ),
        "total_variation": FDivergence(
            lambda u: 0.5 * np.abs(u - 1),
            lambda t: _where(t <= 0.5, np.maximum(t, -0.5)),
            lambda u: 0.5 * np.sign(u - 1),
            lambda v: 0.5 * np.tanh(v),
            total_variation_term,
        ),
        "chi_squared": FDivergence(
            lambda u: np.square(u - 1),
            lambda t: np.where(t > -2, t**2 / 4 + t, -1.0),
            lambda u: 2 * (u - 1),
            lambda v: v,
            chi_squared_term,
        ),
        "reverse_chi_squared": FDivergence(
            lambda u: np.square(u - 1) / u,
            lambda t: _where(t <= 1, 2 - 2 * np.sqrt(1 - t)),
            lambda u: 1 - 1 / u**2,
            lambda v: 1 - np.exp(-v),
            lambda log_p, log_q: chi_squared_term(log_q, log_p),
        ),
        "squared_hellinger": FDivergence(
            lambda u: np.square(np.sqrt(u) - 1),
            lambda t: _where(t < 1, t / (1 - t)),
            lambda u: 1 - 1 / np.sqrt(u),
            lambda v: 1 - np.exp(-v),
            _hellinger_term,
        ),
    }
)
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

    Example:
        >>> round(f_divergence("chi_squared", [0.5, 0.5], [0.25, 0.75]), 4)
        0.3333

    Reference: Nowozin, Cseke and Tomioka, 2016, equation 2, arXiv:1606.00709.
    """
    return total(TABLE[check_choice("name", name, NAMES)].term, p, q)


def variational_bound(
    name: str, witness: ArrayLike | Function, p: ArrayLike | Distribution, q: ArrayLike | Distribution
) -> float:
    r"""What a witness earns: the lower bound on the f-divergence that f-GAN's discriminator climbs.

    .. math:: E_p\, T - E_q\, f^*(T) \le D_f(p, q)

    Args:
        name, p, q: as of :func:`f_divergence`, with the same errors.
        witness: T, a function of the points; for vectors of probabilities its values, shape (K,).

    Returns:
        a number of at most the f-divergence; ``-inf`` where q has mass and the conjugate is infinite.

    Example:
        >>> best = TABLE["chi_squared"].witness(np.array([2.0, 2 / 3]))  # at p / q
        >>> round(variational_bound("chi_squared", best, [0.5, 0.5], [0.25, 0.75]), 4)
        0.3333

    Reference: Nowozin, Cseke and Tomioka, 2016, equation 4, arXiv:1606.00709.
    """
    conjugate = TABLE[check_choice("name", name, NAMES)].conjugate

    def price(values: ArrayLike) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return conjugate(np.asarray(values, np.float64))

    paid = (lambda x: price(witness(x))) if callable(witness) else price(witness)
    earned = expectation(witness, p, function_name="witness")
    return earned - expectation(paid, q, name="q", function_name="witness")

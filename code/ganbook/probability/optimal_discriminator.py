r"""The best discriminator between two known distributions, what it earns, and how far a trained one is from it.

A discriminator is given by its *logit* :math:`D(x)`, a function of the line; :math:`\sigma(D(x))` is the probability
that it gives to "real".  The best logit is :math:`\ln p - \ln q`, so that a trained one estimates a density ratio.

Explained in the book's section "The optimal discriminator".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit

from ganbook.probability.distributions import Continuous, Normal, integrate

Logit = Callable[[np.ndarray], np.ndarray]


def optimal_logit(p: Continuous, q: Continuous, x: ArrayLike) -> np.ndarray:
    r"""The logit of the best discriminator between p and q.

    .. math:: D^*(x) = \ln p(x) - \ln q(x)

    Args:
        p, q: distributions on the line, of the real and of the generated examples.
        x: numbers, any shape.

    Returns:
        shape as ``x``; infinite where one density vanishes, NaN where both do: there no example ever asks.

    Raises:
        ValueError: p or q is no distribution on the line.

    Example:
        >>> optimal_logit(Normal(), Normal(2.0), [0.0, 1.0, 2.0]).round(6)  # 0 halfway
        array([ 2.,  0., -2.])

    Reference: Goodfellow et al., 2014, proposition 1, arXiv:1406.2661.
    """
    _check_distributions(p, q)
    with np.errstate(invalid="ignore"):
        return p.log_density(x) - q.log_density(x)


def optimal_discriminator(p: Continuous, q: Continuous, x: ArrayLike) -> np.ndarray:
    r"""The probability of "real" that the best discriminator gives.

    .. math:: \sigma(D^*(x)) = \frac{p(x)}{p(x) + q(x)}

    Args:
        p, q, x: as of :func:`optimal_logit`, with the same errors.

    Returns:
        numbers in [0, 1], shape as ``x``; NaN where both densities vanish.

    Example:
        >>> optimal_discriminator(Normal(), Normal(2.0), [-9.0, 1.0, 9.0]).round(4)
        array([1. , 0.5, 0. ])

    Reference: Goodfellow et al., 2014, equation 2, arXiv:1406.2661.
    """
    return expit(optimal_logit(p, q, x))


def normal_logit(p: Normal, q: Normal) -> tuple[float, float, float]:
    r"""The optimal logit of two normal distributions, a parabola; a straight line where their widths are equal.

    .. math:: D^*(x) = c_0 + c_1 x + c_2 x^2, \quad
              c_0 = \ln\frac{\sigma_q}{\sigma_p} + \frac{\mu_q^2}{2\sigma_q^2} - \frac{\mu_p^2}{2\sigma_p^2}, \quad
              c_1 = \frac{\mu_p}{\sigma_p^2} - \frac{\mu_q}{\sigma_q^2}, \quad
              c_2 = \frac{1}{2\sigma_q^2} - \frac{1}{2\sigma_p^2}

    Args:
        p, q: normal distributions.

    Returns:
        the coefficients of 1, x and x squared.

    Raises:
        ValueError: p or q is not normal.

    Example:
        >>> normal_logit(Normal(), Normal(2.0))
        (2.0, -2.0, 0.0)
    """
    for name, given in (("p", p), ("q", q)):
        if not isinstance(given, Normal):
            raise ValueError(f"{name} is {given!r}; accepted: a Normal")
    a, b = p.sigma**-2, q.sigma**-2
    return (math.log(q.sigma / p.sigma) + (b * q.mean**2 - a * p.mean**2) / 2, a * p.mean - b * q.mean, (b - a) / 2)


def value(p: Continuous, q: Continuous, logit: Logit) -> float:
    r"""The value of the game for a discriminator.

    .. math:: V(D) = E_p \ln \sigma(D) + E_q \ln(1 - \sigma(D))

    Args:
        p, q: distributions on the line.
        logit: D, maps numbers to logits of the same shape.

    Returns:
        a number of at most 0; minus infinity for a discriminator that is certain and wrong.

    Raises:
        ValueError: p or q is no distribution on the line, or logits of another shape or not a number.

    Example:
        >>> round(value(Normal(), Normal(2.0), np.zeros_like), 4)  # a coin: -ln 4
        -1.3863

    Reference: Goodfellow et al., 2014, equation 1, arXiv:1406.2661.
    """
    return _integral(p, q, logit, lambda x, d: _weighted(p, x, log_expit(d)) + _weighted(q, x, log_expit(-d)))


def optimal_value(p: Continuous, q: Continuous) -> float:
    r"""The value of the game for the best discriminator.

    .. math:: V(D^*) = -\ln 4 + 2\, JS(p, q)

    Args:
        p, q: as of :func:`optimal_logit`, with the same errors.

    Returns:
        a number from -ln 4 (equal distributions) to 0 (disjoint ones).

    Example:
        >>> round(optimal_value(Normal(), Normal()), 4), round(optimal_value(Normal(), Normal(2.0)), 4)
        (-1.3863, -0.7126)

    Reference: Goodfellow et al., 2014, theorem 1, arXiv:1406.2661.
    """
    return value(p, q, lambda x: _decided(optimal_logit(p, q, x)))


def implied_js(value: float) -> float:
    r"""The Jensen-Shannon divergence that a value of the game would mean, were its discriminator the best.

    .. math:: JS = \tfrac12 (V + \ln 4)

    The value of any other discriminator gives less: a lower bound.

    Args:
        value: V, at most 0.

    Returns:
        a number of at most ln 2, in nats; negative for a discriminator worse than a coin.

    Raises:
        ValueError: a value above 0, which no discriminator has.

    Example:
        >>> round(implied_js(0.0), 4)  # ln 2
        0.6931

    Reference: Goodfellow et al., 2014, theorem 1, arXiv:1406.2661.
    """
    if not value <= 0:
        raise ValueError(f"value is {value!r}; accepted: a number of at most 0")
    return (value + math.log(4.0)) / 2.0


def value_gap(p: Continuous, q: Continuous, logit: Logit) -> float:
    r"""What a discriminator loses against the best one: an expected divergence between two verdicts on x.

    .. math:: V(D^*) - V(D) = \int (p + q) \Bigl(s^* \ln \frac{s^*}{s} + (1 - s^*) \ln \frac{1 - s^*}{1 - s}\Bigr) dx,
              \quad s = \sigma(D(x))

    Computed as written, without a difference of two values, so that a small gap keeps its digits.

    Args:
        p, q, logit: as of :func:`value`, with the same errors.

    Returns:
        a number of at least 0, up to the rounding of the integral; infinite for a discriminator that is certain and
        wrong.

    Example:
        >>> round(value_gap(Normal(), Normal(2.0), np.zeros_like), 4)  # of a coin: -0.7126 + 1.3863
        0.6737

    Reference: Goodfellow et al., 2014, proposition 1, arXiv:1406.2661.
    """

    def gap(x: np.ndarray, d: np.ndarray) -> np.ndarray:
        best = _decided(optimal_logit(p, q, x))
        return _weighted(p, x, log_expit(best) - log_expit(d)) + _weighted(q, x, log_expit(-best) - log_expit(-d))

    return _integral(p, q, logit, gap)


def logit_error(p: Continuous, q: Continuous, logit: Logit) -> tuple[float, float]:
    r"""The root mean square error of a logit, where real examples lie and where generated ones do.

    .. math:: \sqrt{E_p (D - D^*)^2}, \qquad \sqrt{E_q (D - D^*)^2}

    Args:
        p, q, logit: as of :func:`value`, with the same errors.

    Returns:
        both errors; infinite where a whole region belongs to one side alone.

    Example:
        >>> p, q = Normal(), Normal(2.0)
        >>> [round(error, 4) for error in logit_error(p, q, lambda x: optimal_logit(p, q, x) + 0.3)]
        [0.3, 0.3]
    """

    def squares(x: np.ndarray, d: np.ndarray) -> np.ndarray:
        return np.square(d - optimal_logit(p, q, x))

    by_p, by_q = (_integral(p, q, logit, lambda x, d, side=side: _weighted(side, x, squares(x, d))) for side in (p, q))
    return math.sqrt(by_p), math.sqrt(by_q)


def density_ratio(logits: ArrayLike) -> np.ndarray:
    r"""The ratio of densities that a discriminator's logits estimate.

    .. math:: r(x) = e^{D(x)} \approx \frac{p(x)}{q(x)}

    Args:
        logits: D(x), any shape.

    Returns:
        numbers of at least 0, shape as ``logits``; infinite for logits above some 709.

    Raises:
        ValueError: logits that are not numbers.

    Example:
        >>> density_ratio(np.log([1.0, 3.0])).round(6)
        array([1., 3.])

    Reference: Sugiyama, Suzuki and Kanamori, Density Ratio Estimation in Machine Learning, 2012, chapter 4.
    """
    logits = np.asarray(logits, np.float64)
    if np.isnan(logits).any():
        raise ValueError("logits has NaN; accepted: numbers")
    with np.errstate(over="ignore"):
        return np.exp(logits)


def reweighted_mean(values: ArrayLike, ratios: ArrayLike) -> tuple[float, float]:
    r"""A mean over p from examples of q, by importance weights.

    .. math:: \hat f = \frac1N \sum_n r(y_n) f(y_n), \quad y_n \sim q; \qquad E \hat f = E_p f \text{ for } r = p / q

    Args:
        values: f(y), shape (N,), N at least 2.
        ratios: r(y), shape (N,), at least 0.

    Returns:
        the mean, and its standard error.

    Raises:
        ValueError: shapes that differ, fewer than two examples, or a ratio that is negative or not finite.

    Example:
        >>> reweighted_mean([1.0, 3.0], [1.0, 1.0])
        (2.0, 1.0)

    Reference: Robert and Casella, Monte Carlo Statistical Methods, 2004, section 3.3.
    """
    values, ratios = np.asarray(values, np.float64), np.asarray(ratios, np.float64)
    if values.ndim != 1 or values.shape != ratios.shape or len(values) < 2:
        raise ValueError(
            f"values has shape {values.shape} and ratios {ratios.shape}; accepted: two equal shapes (N,), N at least 2"
        )
    if not (np.isfinite(ratios).all() and (ratios >= 0).all()):
        raise ValueError("ratios has numbers that are negative or not finite; accepted: finite ratios of at least 0")
    products = ratios * values
    return float(products.mean()), float(products.std(ddof=1) / math.sqrt(len(products)))


def _check_distributions(p: Continuous, q: Continuous) -> None:
    for name, given in (("p", p), ("q", q)):
        if not isinstance(given, Continuous):
            raise ValueError(f"{name} is {given!r}; accepted: a distribution with a density on the line")


def _decided(logits: np.ndarray) -> np.ndarray:
    """Logits with a verdict also where both densities vanish, and where it weighs nothing."""
    return np.nan_to_num(logits, nan=0.0, posinf=math.inf, neginf=-math.inf)


def _weighted(side: Continuous, x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Density times value, 0 where the density vanishes, whatever the value."""
    density = side.density(x)
    return np.where(density > 0, density * np.where(density > 0, values, 0.0), 0.0)


def _integral(p: Continuous, q: Continuous, logit: Logit, of: Callable[..., np.ndarray]) -> float:
    _check_distributions(p, q)
    infinite = 0.0

    def integrand(x: np.ndarray) -> np.ndarray:
        nonlocal infinite
        logits = np.asarray(logit(x), np.float64)
        if logits.shape != np.shape(x) or np.isnan(logits).any():
            raise ValueError(
                f"logit gave {'NaN' if logits.shape == np.shape(x) else f'shape {logits.shape}'} for "
                f"numbers of shape {np.shape(x)}; accepted: as many numbers"
            )
        values = of(x, logits)
        infinite += np.where(np.isinf(values), values, 0.0).sum()
        return np.where(np.isinf(values), 0.0, values)

    total = float(integrate(integrand, p, q))
    return float(infinite) if infinite else total

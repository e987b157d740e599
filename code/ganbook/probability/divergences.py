r"""How far apart two distributions are: Kullback-Leibler, Jensen-Shannon, total variation, chi-squared, Wasserstein-1.

A distribution is given in one of three ways: as a vector of probabilities over common outcomes, as weighted points
(``Discrete``, ``Empirical``), or by its density (``Normal`` and its like).  Weighted points and a density lie apart
like disjoint supports: a point has no density.

Explained in the book's section "Divergences".
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.stats
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from ganbook.probability.distributions import Discrete, Distribution, Normal, Range
from ganbook.probability.expectations import integral, kind, same_space, total

SLACK = 1e-9  # what rounding and quadrature may add to the smaller side of an inequality


def kl(p: ArrayLike | Distribution, q: ArrayLike | Distribution) -> float:
    r"""The Kullback-Leibler divergence of p from q, in nats.

    .. math:: KL(p \Vert q) = \int p \ln \frac{p}{q}

    Args:
        p, q: two vectors of probabilities of equal shape (K,), or two distributions.

    Returns:
        a number of at least 0; ``inf`` where p has mass that q lacks.

    Raises:
        ValueError: no probabilities, shapes that differ, or something that is no distribution.

    Example:
        >>> round(kl([1.0, 0.0], [0.5, 0.5]), 4), kl([0.5, 0.5], [1.0, 0.0])  # ln 2 there, infinite back
        (0.6931, inf)

    Reference: Kullback and Leibler, On Information and Sufficiency, 1951.
    """
    return max(0.0, total(kl_term, p, q))


def js(p: ArrayLike | Distribution, q: ArrayLike | Distribution) -> float:
    r"""The Jensen-Shannon divergence, in nats.

    .. math:: JS(p, q) = \tfrac12 KL(p \Vert m) + \tfrac12 KL(q \Vert m), \quad m = \tfrac12 (p + q)

    Args:
        p, q: as of :func:`kl`, with the same errors.

    Returns:
        a number from 0 to ln 2, which disjoint supports reach.

    Example:
        >>> round(js([1.0, 0.0], [0.0, 1.0]), 4), round(js([0.5, 0.5], [0.5, 0.5]), 4)
        (0.6931, 0.0)

    Reference: Lin, Divergence Measures Based on the Shannon Entropy, 1991.
    """
    return min(max(0.0, total(js_term, p, q)), math.log(2))


def total_variation(p: ArrayLike | Distribution, q: ArrayLike | Distribution) -> float:
    r"""The total variation distance: the most that the probability of one event can differ.

    .. math:: TV(p, q) = \tfrac12 \int |p - q|

    Args:
        p, q: as of :func:`kl`, with the same errors.

    Returns:
        a number from 0 to 1, which disjoint supports reach.

    Example:
        >>> round(total_variation([0.5, 0.5], [0.25, 0.75]), 4)
        0.25
    """
    return min(total(total_variation_term, p, q), 1.0)


def chi_squared(p: ArrayLike | Distribution, q: ArrayLike | Distribution) -> float:
    r"""Pearson's chi-squared divergence of p from q.

    .. math:: \chi^2(p \Vert q) = \int \frac{(p - q)^2}{q}

    Args:
        p, q: as of :func:`kl`, with the same errors.

    Returns:
        a number of at least 0; ``inf`` where p has mass that q lacks, or where the tails of p are too heavy.

    Example:
        >>> round(chi_squared([0.5, 0.5], [0.25, 0.75]), 4)  # a sixteenth over a quarter and over three
        0.3333
    """
    return total(chi_squared_term, p, q)


# What each divergence adds up, as a function of both log densities.


def kl_term(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    r"""The term of the Kullback-Leibler divergence, :math:`p \ln (p/q)`."""
    return np.where(np.isneginf(log_p), 0.0, np.exp(log_p) * (log_p - log_q))


def js_term(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    r"""The term of the Jensen-Shannon divergence, :math:`\tfrac12 p \ln (p/m) + \tfrac12 q \ln (q/m)`."""
    log_m = np.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * (kl_term(log_p, log_m) + kl_term(log_q, log_m))


def total_variation_term(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    r"""The term of the total variation distance, :math:`\tfrac12 |p - q|`."""
    return 0.5 * np.abs(np.exp(log_p) - np.exp(log_q))


def chi_squared_term(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    r"""The term of the chi-squared divergence, :math:`(p - q)^2 / q`."""
    # The square of p / sqrt(q) - sqrt(q): q may underflow where that quotient does not.
    return np.square(np.exp(log_p - 0.5 * log_q) - np.exp(0.5 * log_q))


# Closed forms for normal distributions.


def kl_of_normals(p: Normal, q: Normal) -> float:
    r"""The Kullback-Leibler divergence of two normal distributions.

    .. math:: KL(p \Vert q) = \ln \frac{\sigma_q}{\sigma_p} + \frac{\sigma_p^2 + (\mu_p - \mu_q)^2}{2 \sigma_q^2}
        - \frac12

    Args:
        p, q: two normal distributions.

    Returns:
        a number of at least 0, in nats.

    Example:
        >>> kl_of_normals(Normal(0.0, 1.0), Normal(3.0, 1.0))  # half the square of the distance
        4.5
    """
    return math.log(q.sigma / p.sigma) + (p.sigma**2 + (p.mean - q.mean) ** 2) / (2 * q.sigma**2) - 0.5


def chi_squared_of_normals(p: Normal, q: Normal) -> float:
    r"""Pearson's chi-squared divergence of two normal distributions.

    .. math:: \chi^2(p \Vert q) = \frac{\sigma_q^2}{\sigma_p \sqrt{2 \sigma_q^2 - \sigma_p^2}}
        \exp \frac{(\mu_p - \mu_q)^2}{2 \sigma_q^2 - \sigma_p^2} - 1

    Args:
        p, q: two normal distributions.

    Returns:
        a number of at least 0; ``inf`` unless sigma_p < sqrt(2) sigma_q.

    Example:
        >>> round(chi_squared_of_normals(Normal(), Normal(1.0)), 4), chi_squared_of_normals(Normal(0.0, 2.0), Normal())
        (1.7183, inf)
    """
    spare = 2 * q.sigma**2 - p.sigma**2
    if spare <= 0:
        return math.inf
    with np.errstate(over="ignore"):
        return float(q.sigma**2 / (p.sigma * math.sqrt(spare)) * np.exp((p.mean - q.mean) ** 2 / spare) - 1)


def total_variation_of_normals(p: Normal, q: Normal) -> float:
    r"""The total variation distance of two normal distributions, from the points where their densities cross.

    .. math:: TV(p, q) = \tfrac12 \sum_i |(P - Q)(x_i, x_{i+1})|, \quad p(x_i) = q(x_i)

    For equal widths there is one crossing and :math:`TV = 2 \Phi(|\mu_p - \mu_q| / 2 \sigma) - 1`.

    Args:
        p, q: two normal distributions.

    Returns:
        a number from 0 to 1.

    Example:
        >>> round(total_variation_of_normals(Normal(0.0), Normal(2.0)), 4)  # 2 Phi(1) - 1
        0.6827
    """
    a, b = 1 / q.sigma**2 - 1 / p.sigma**2, 2 * (p.mean / p.sigma**2 - q.mean / q.sigma**2)
    c = (q.mean / q.sigma) ** 2 - (p.mean / p.sigma) ** 2 + 2 * math.log(q.sigma / p.sigma)
    crossings = np.sort(np.roots([a, b, c]).real)
    gaps = [float(p.cdf(x)) - float(q.cdf(x)) for x in crossings]
    return 0.5 * float(np.abs(np.diff([0.0, *gaps, 0.0])).sum())


def wasserstein_of_normals(p: Normal, q: Normal) -> float:
    r"""The Wasserstein-1 distance of two normal distributions on the line.

    .. math:: W_1(p, q) = E\,|\delta + \rho Z|, \quad \delta = \mu_p - \mu_q,\ \rho = \sigma_p - \sigma_q,\
        Z \sim N(0, 1)

    Args:
        p, q: two normal distributions.

    Returns:
        a number of at least 0, in the unit of the points.

    Example:
        >>> wasserstein_of_normals(Normal(0.0, 1.0), Normal(3.0, 1.0))
        3.0
    """
    shift, spread = p.mean - q.mean, abs(p.sigma - q.sigma)
    if spread == 0:
        return abs(shift)
    ratio = shift / spread
    return spread * math.sqrt(2 / math.pi) * math.exp(-0.5 * ratio**2) + shift * math.erf(ratio / math.sqrt(2))


# Inequalities between them.


@dataclasses.dataclass(frozen=True)
class Inequality:
    """A theorem ``smaller <= larger`` with both sides computed.

    Args:
        name: what it is called, or what it compares.
        smaller, larger: the two sides.
    """

    name: str
    smaller: float
    larger: float

    @property
    def holds(self) -> bool:
        """Whether the sides stand as the theorem says, up to the error of quadrature."""
        return self.smaller <= self.larger + SLACK


def inequalities(p: ArrayLike | Distribution, q: ArrayLike | Distribution) -> tuple[Inequality, ...]:
    r"""The inequalities that bind the divergences to each other, both sides of each computed.

    .. math:: TV \le \sqrt{KL/2}, \quad TV \le \sqrt{1 - e^{-KL}}, \quad KL \le \ln(1 + \chi^2) \le \chi^2, \quad
        \tfrac12 TV^2 \le JS \le TV \ln 2 \le \ln 2, \quad JS \le \tfrac14 (KL(p \Vert q) + KL(q \Vert p))

    Args:
        p, q: as of :func:`kl`, with the same errors.

    Returns:
        eight inequalities.

    Example:
        >>> pinsker = inequalities([0.5, 0.5], [0.25, 0.75])[0]
        >>> pinsker.name, pinsker.holds, round(pinsker.smaller, 4), round(pinsker.larger, 4)
        ('Pinsker: TV and KL', True, 0.25, 0.2682)

    Reference: Tsybakov, Introduction to Nonparametric Estimation, 2009, section 2.4; Lin, 1991.
    """
    forward, backward, mixed = kl(p, q), kl(q, p), js(p, q)
    variation, pearson = total_variation(p, q), chi_squared(p, q)
    return (
        Inequality("Pinsker: TV and KL", variation, math.sqrt(forward / 2)),
        Inequality("Bretagnolle-Huber: TV and KL", variation, math.sqrt(-math.expm1(-forward))),
        Inequality("KL and ln(1 + chi-squared)", forward, math.log1p(pearson)),
        Inequality("ln(1 + chi-squared) and chi-squared", math.log1p(pearson), pearson),
        Inequality("TV^2 / 2 and JS", variation**2 / 2, mixed),
        Inequality("JS and TV ln 2", mixed, variation * math.log(2)),
        Inequality("TV ln 2 and ln 2", variation * math.log(2), math.log(2)),
        Inequality("JS and the mean of both KL, halved", mixed, (forward + backward) / 4),
    )


# Wasserstein-1.


@dataclasses.dataclass(frozen=True)
class Transport:
    r"""The cheapest way to carry one set of weighted points to another, and the prices that prove it cheapest.

    .. math:: W_1 = \sum_{ij} \pi_{ij}\, |x_i - y_j| = \sum_i p_i f_i + \sum_j q_j g_j, \quad
        f_i + g_j \le |x_i - y_j|

    Args:
        plan: mass carried from point i of p to point j of q, shape (K, L).
        value: what the plan costs.
        dual_value: what the prices earn; equal to ``value`` up to rounding, which proves both optimal.
        targets: the points of q, shape (L, d).
        prices: price g of mass at every one of them, shape (L,).
    """

    plan: np.ndarray
    value: float
    dual_value: float
    targets: np.ndarray
    prices: np.ndarray

    def critic(self, points: ArrayLike) -> np.ndarray:
        r"""The optimal critic: the prices carried on to any point by a function of slope at most 1.

        .. math:: \varphi(x) = \min_j \left( |x - y_j| - g_j \right)

        Args:
            points: where to judge, shape (N, d), or (N,) on the line.

        Returns:
            values of shape (N,).

        Reference: Villani, Optimal Transport: Old and New, 2009, chapter 5.
        """
        points = np.asarray(points, np.float64)
        return (cdist(points.reshape(len(points), -1), self.targets) - self.prices).min(axis=1)


def wasserstein_plan(p: Discrete, q: Discrete) -> Transport:
    r"""The Wasserstein-1 distance of weighted points in any dimension, by linear programming.

    .. math:: W_1(p, q) = \min_{\pi \ge 0} \sum_{ij} \pi_{ij}\, |x_i - y_j| \quad \text{with} \quad
        \sum_j \pi_{ij} = p_i, \ \sum_i \pi_{ij} = q_j

    Args:
        p, q: discrete or empirical distributions over points of one space, K and L of them.

    Returns:
        the plan, the prices and both their values; time and memory grow like K L.

    Raises:
        ValueError: something that is no set of weighted points, or points of different spaces.

    Example:
        >>> best = wasserstein_plan(Discrete([0.0, 1.0]), Discrete([2.0, 3.0]))
        >>> round(best.value, 6), round(best.dual_value, 6)
        (2.0, 2.0)

    Reference: Kantorovich, On the Translocation of Masses, 1942; solver: HiGHS through ``scipy.optimize.linprog``.
    """
    x, y = same_space(p, q)
    cost = cdist(x, y)
    leaves = scipy.sparse.kron(scipy.sparse.eye_array(len(x)), np.ones((1, len(y))))
    arrives = scipy.sparse.kron(np.ones((1, len(x))), scipy.sparse.eye_array(len(y)))
    solution = scipy.optimize.linprog(
        cost.ravel(),
        A_eq=scipy.sparse.vstack([leaves, arrives], format="csr"),
        b_eq=np.concatenate([p.probabilities, q.probabilities]),
        method="highs",
    )
    if not solution.success:
        raise RuntimeError(f"the linear programme was not solved: {solution.message}")
    f, g = np.split(solution.eqlin.marginals, [len(x)])
    dual_value = float(p.probabilities @ f + q.probabilities @ g)
    return Transport(solution.x.reshape(cost.shape), float(solution.fun), dual_value, y, g)


def wasserstein_quantiles(p: Distribution, q: Distribution) -> float:
    r"""The Wasserstein-1 distance on the line, from quantile functions.

    .. math:: W_1(p, q) = \int_0^1 |P^{-1}(u) - Q^{-1}(u)|\, du = \int_{-\infty}^{\infty} |P(x) - Q(x)|\, dx

    Two sets of weighted points are summed exactly, by SciPy.  As soon as one side has a density, the second form is
    integrated.

    Args:
        p, q: two distributions on the line.

    Returns:
        a number of at least 0, in the unit of the points.

    Raises:
        ValueError: points of more than one coordinate, or something that is no distribution.

    Example:
        >>> wasserstein_quantiles(Discrete([0.0, 1.0]), Discrete([2.0, 3.0]))
        2.0

    Reference: Vallender, Calculation of the Wasserstein Distance Between Probability Distributions on the Line, 1974.
    """
    for name, given in (("p", p), ("q", q)):
        if kind(name, given) == "vector":
            raise ValueError(f"{name} is a vector of probabilities without points; accepted: a distribution")
        if isinstance(given, Discrete) and given.points[0].size != 1:
            raise ValueError(f"{name} has points of {given.points[0].size} coordinates; accepted: points on the line")
    if isinstance(p, Discrete) and isinstance(q, Discrete):
        return float(
            scipy.stats.wasserstein_distance(p.points.ravel(), q.points.ravel(), p.probabilities, q.probabilities)
        )
    ranges = [
        Range((given.points.min(), given.points.max()), tuple(given.points.ravel()))
        if isinstance(given, Discrete)
        else given
        for given in (p, q)
    ]
    cuts = {float(cut) for each in ranges for cut in (*each.support, *each.breaks)}
    return integral(lambda x: abs(float(p.cdf(x)) - float(q.cdf(x))), Range((min(cuts), max(cuts)), tuple(cuts)))

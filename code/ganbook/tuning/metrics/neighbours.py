r"""Precision, recall, density and coverage: what share of one set lies where the other one is.

Around each example lies a ball that reaches to its k-th nearest neighbour in its own set; the balls of a set stand for
the region that its distribution covers.

.. math:: \text{precision} &= \frac1M \#\{\text{fakes in the ball of some real}\} \\
          \text{recall}    &= \frac1N \#\{\text{reals in the ball of some fake}\} \\
          \text{density}   &= \frac1{kM} \sum_\text{fakes} \#\{\text{balls of reals that hold it}\} \\
          \text{coverage}  &= \frac1N \#\{\text{reals whose ball holds some fake}\}

A ball does not hold its border.  So density is exactly 1 and coverage exactly 1 for a set and itself.

Reference: Kynkaanniemi, Karras, Laine, Lehtinen and Aila, Improved Precision and Recall Metric, NeurIPS 2019, equations
1 and 2, arXiv:1904.06991; Naeem, Oh, Uh, Choi and Yoo, Reliable Fidelity and Diversity Metrics, ICML 2020, section 3,
arXiv:2002.09797.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ganbook.data.recipe import check_int
from ganbook.tuning.metrics.checks import checked_pair

#: The number k of neighbours that a ball reaches to, as in Naeem and others; Kynkaanniemi and others take 3.
K = 5
#: Squared distances closer than this, in units of the largest squared norm, are equal: rounding is a hundredth of it.
TIE = 1e-12


@dataclasses.dataclass(frozen=True)
class Neighbourhoods:
    """How two sets lie in each other's balls.

    Args:
        precision: share of fakes in the ball of some real, in [0, 1].
        recall: share of reals in the ball of some fake, in [0, 1].
        density: mean number of balls of reals that hold a fake, in units of k; at least 0, 1 on average if the
            distributions are equal.
        coverage: share of reals whose ball holds a fake, in [0, 1].
    """

    precision: float
    recall: float
    density: float
    coverage: float


def measure_neighbourhoods(real: np.ndarray, fake: np.ndarray) -> Neighbourhoods:
    """Precision, recall, density and coverage of generated examples.

    Args:
        real, fake: features, shapes (N, D) and (M, D), at least k + 1 = 6 rows each, finite.

    Raises:
        ValueError: arrays of other shapes, fewer than k + 1 rows, or a value that is not finite.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((20, 2))
        >>> measure_neighbourhoods(x, x)
        Neighbourhoods(precision=1.0, recall=1.0, density=1.0, coverage=1.0)
    """
    from sklearn.metrics import pairwise_distances_chunked

    real, fake = checked_pair(real, fake, K + 1, ("real", "fake"))
    # Distances do not know where the origin is, but their rounding does.
    origin = real.mean(0)
    real, fake = real - origin, fake - origin
    tie = TIE * max((real**2).sum(1).max(), (fake**2).sum(1).max())
    of_reals, of_fakes = (_ball_radii(a) ** 2 - tie for a in (real, fake))
    holders = np.zeros(len(fake), dtype=np.int64)
    recalled = covered = start = 0
    for distances in pairwise_distances_chunked(real, fake, working_memory=64):
        squares = distances**2
        held = squares < of_reals[start : start + len(squares), None]
        holders += held.sum(0)
        covered += held.any(1).sum()
        recalled += (squares < of_fakes).any(1).sum()
        start += len(squares)
    return Neighbourhoods(
        float((holders > 0).mean()), float(recalled / len(real)), float(holders.mean() / K), float(covered / len(real))
    )


def expected_coverage(n: int, m: int) -> float:
    r"""The coverage of n real by m generated examples on average, if both come from one distribution.

    .. math:: 1 - \prod_{i=1}^{k} \frac{n - i}{n + m - i} \;\to\; 1 - 2^{-k} \quad (n = m \to \infty)

    It depends on no dimension and on no distribution, as long as no two distances are equal.

    Args:
        n: number of real examples, at least k + 1 = 6.
        m: number of generated ones, at least 1.

    Raises:
        ValueError: a number below its least value.

    Example:
        >>> round(expected_coverage(10**7, 10**7), 4)  # nearly 1 - 2⁻⁵
        0.9688

    Reference: Naeem, Oh, Uh, Choi and Yoo, ICML 2020, lemma 2, arXiv:2002.09797.
    """
    check_int("n", n, K + 1)
    check_int("m", m, 1)
    return 1 - math.prod((n - i) / (n + m - i) for i in range(1, K + 1))


def _ball_radii(features: np.ndarray) -> np.ndarray:
    """The distance of every row to its k-th nearest other row."""
    from sklearn.neighbors import NearestNeighbors

    # Without an argument, kneighbors leaves out each row itself.
    return NearestNeighbors(n_neighbors=K).fit(features).kneighbors()[0][:, -1]

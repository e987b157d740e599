r"""The kernel distance (KID): a squared maximum mean discrepancy with a cubic kernel, without bias.

.. math:: k(x, y) = \Bigl(\frac{x \cdot y}{d} + 1\Bigr)^3, \qquad
          \mathrm{MMD}^2 = E\,k(x, x') + E\,k(y, y') - 2\,E\,k(x, y)

It compares the means, the covariances and the third moments of two distributions of features.  Averages over pairs of
*different* examples estimate it without bias, so where the distributions are equal it averages 0 and often comes out
below.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from ganbook.data.recipe import check_int
from ganbook.tuning.metrics.checks import checked, checked_pair

#: Rows of a kernel matrix that are held at a time.
ROWS = 1024
#: Blocks whose scatter says how far to trust their mean.
BLOCKS = 10


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number measured on samples.

    Args:
        value: the number.
        standard_error: standard deviation of the number, estimated.
    """

    value: float
    standard_error: float


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    r"""The kernel distance between two sets of features, without bias.

    .. math:: \frac{1}{n(n-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{m(m-1)} \sum_{i \ne j} k(y_i, y_j)
              - \frac{2}{nm} \sum_{i, j} k(x_i, y_j)

    Args:
        x, y: features, shapes (N, D) and (M, D), at least 2 rows each, finite.

    Returns:
        A number, 0 on average where both come from one distribution, and then often below 0.

    Raises:
        ValueError: arrays of other shapes, too few rows, or a value that is not finite.

    Example:
        >>> kernel_distance(np.zeros((2, 1)), np.ones((2, 1)))  # 1 + 2³ - 2
        7.0

    Reference: Binkowski, Sutherland, Arbel and Gretton, Demystifying MMD GANs, ICLR 2018, section 4, arXiv:1801.01401;
    Gretton, Borgwardt, Rasch, Schoelkopf and Smola, A Kernel Two-Sample Test, JMLR 13, 2012, equation 3.
    """
    x, y = checked_pair(x, y)
    within = sum((_total(a, a) - _kernel_of_itself(a).sum()) / (len(a) * (len(a) - 1)) for a in (x, y))
    return float(within - 2 * _total(x, y) / (len(x) * len(y)))


def kernel_distance_blocks(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Estimate:
    """The kernel distance averaged over ten disjoint blocks of both sets, with its standard error.

    The blocks are independent, so their scatter says how much to trust their mean.  It scatters more than
    :func:`kernel_distance` of the whole sets: about three times as much where the distributions are equal.

    Args:
        x, y: as of :func:`kernel_distance`, but at least 20 rows each.
        rng: deals the rows to the blocks.

    Raises:
        ValueError: as of :func:`kernel_distance`.

    Example:
        >>> kernel_distance_blocks(np.zeros((20, 1)), np.ones((20, 1)), np.random.default_rng(0))
        Estimate(value=7.0, standard_error=0.0)
    """
    x, y = checked_pair(x, y, 2 * BLOCKS)
    parts = (np.array_split(a[rng.permutation(len(a))], BLOCKS) for a in (x, y))
    found = np.array([kernel_distance(a, b) for a, b in zip(*parts, strict=True)])
    return Estimate(float(found.mean()), float(found.std(ddof=1) / math.sqrt(BLOCKS)))


def kernel_distance_noise(features: np.ndarray, n: int, m: int) -> float:
    r"""The standard deviation of the kernel distance of two samples from the distribution of these features.

    .. math:: \sigma^2 = \Bigl(\frac{2}{n(n-1)} + \frac{2}{m(m-1)} + \frac{4}{nm}\Bigr) E\,\tilde k(x, x')^2

    with the kernel centred, :math:`\tilde k(x, x') = k(x, x') - h(x) - h(x') + E\,h`, :math:`h(x) = E_y\,k(x, y)`.
    The mean is 0, so this is the noise floor.

    Args:
        features: shape (N, D), at least 3 rows, finite.
        n, m: sizes of the samples, at least 2.

    Returns:
        A number of at least 0.

    Raises:
        ValueError: an array of another shape, too few rows, a value that is not finite, or a sample below 2.

    Example:
        >>> points = np.array([[-1.0], [1.0], [-1.0], [1.0]])  # their centred kernel is 4 or -4
        >>> round(kernel_distance_noise(points, 100, 100), 2)
        0.11

    Reference: Gretton, Borgwardt, Rasch, Schoelkopf and Smola, JMLR 13, 2012, after theorem 12.
    """
    features = checked("features", features, 3)
    pairs = 2 / (check_int("n", n, 2) * (n - 1)) + 2 / (check_int("m", m, 2) * (m - 1)) + 4 / (n * m)
    means = np.concatenate([rows.mean(1) for rows in _rows(features, features)])
    mean, squares, start = means.mean(), 0.0, 0
    for rows in _rows(features, features):
        centred = rows - means[start : start + len(rows), None] - means + mean
        own = np.arange(len(rows))
        centred[own, start + own] = 0
        squares += (centred**2).sum()
        start += len(rows)
    return math.sqrt(pairs * squares / (len(features) * (len(features) - 1)))


def gaussian_kernel_distance(
    mean_x: np.ndarray, covariance_x: np.ndarray, mean_y: np.ndarray, covariance_y: np.ndarray
) -> float:
    r"""The kernel distance of two Gaussians, exactly.

    With a and b the means, S and T the covariances of two independent Gaussian vectors,

    .. math:: E\,(x \cdot y)   &= a \cdot b \\
              E\,(x \cdot y)^2 &= \operatorname{tr} (S + a a')(T + b b') \\
              E\,(x \cdot y)^3 &= (a \cdot b)^3 + 3\,(a \cdot b)\,(a'Ta + b'Sb + \operatorname{tr} ST) + 6\,a'TSb

    and the kernel is 1 + 3s/d + 3s²/d² + s³/d³ of s = x . y.

    Args:
        mean_x, mean_y: shape (D,).
        covariance_x, covariance_y: shape (D, D), symmetric.

    Returns:
        A number of at least 0.

    Raises:
        ValueError: arrays of other shapes.

    Example:
        >>> gaussian_kernel_distance([0.0], np.eye(1), [1.0], np.eye(1))
        22.0
    """
    x, y = ([np.asarray(moment, float) for moment in pair] for pair in ((mean_x, covariance_x), (mean_y, covariance_y)))
    d = x[0].size
    if any(mean.shape != (d,) or covariance.shape != (d, d) for mean, covariance in (x, y)):
        raise ValueError(
            f"means and covariances have the shapes {x[0].shape}, {x[1].shape}, {y[0].shape} and "
            f"{y[1].shape}; accepted: (D,), (D, D), (D,) and (D, D)"
        )
    return _expected_kernel(*x, *x) + _expected_kernel(*y, *y) - 2 * _expected_kernel(*x, *y)


def _expected_kernel(a: np.ndarray, s: np.ndarray, b: np.ndarray, t: np.ndarray) -> float:
    """E k(x, y) of independent Gaussians with means a, b and covariances s, t."""
    d, dot = len(a), a @ b
    second = ((s + np.outer(a, a)) * (t + np.outer(b, b))).sum()
    third = dot**3 + 3 * dot * (a @ t @ a + b @ s @ b + (s * t).sum()) + 6 * a @ t @ s @ b
    return float(1 + 3 * dot / d + 3 * second / d**2 + third / d**3)


def _rows(x: np.ndarray, y: np.ndarray) -> Iterator[np.ndarray]:
    """The kernel matrix of x and y, some rows at a time."""
    for start in range(0, len(x), ROWS):
        base = x[start : start + ROWS] @ y.T / x.shape[1] + 1
        yield base * base * base  # ten times as fast as a power


def _total(x: np.ndarray, y: np.ndarray) -> float:
    return sum(rows.sum() for rows in _rows(x, y))


def _kernel_of_itself(x: np.ndarray) -> np.ndarray:
    return ((x**2).sum(1) / x.shape[1] + 1) ** 3

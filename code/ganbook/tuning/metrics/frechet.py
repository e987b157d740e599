"""The Frechet distance between a set of real and a set of generated examples, and what finite samples add to it.

Explained in the book's section "Evaluation"; first used in the section "Quickstart".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ganbook.data.recipe import check_int
from ganbook.tuning.metrics.checks import checked, checked_pair

#: Most blocks that the sets are cut into to carry their distance on: the points on the line.
BLOCKS = 4


def pixels(images: np.ndarray) -> np.ndarray:
    """The plainest features of images: their pixels.

    Args:
        images: shape (N, H, W, C).

    Returns:
        Shape (N, H * W * C), float64.

    Raises:
        ValueError: an array of another shape.

    Example:
        >>> pixels(np.zeros((3, 8, 8, 1))).shape
        (3, 64)
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f"images has shape {images.shape}; accepted: (N, H, W, C)")
    return images.reshape(len(images), -1).astype(np.float64)


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """The Frechet distance: the squared Wasserstein-2 distance between two fitted Gaussians.

    .. math:: d^2 = |m_x - m_y|^2 + \\operatorname{tr}\\bigl(C_x + C_y - 2\\,(C_x C_y)^{1/2}\\bigr)

    with the means m and the covariances C (divisor N - 1).  It is 0 for equal means and covariances.  On finite samples
    it is too large: by how much says :func:`frechet_bias`.  So values are comparable only at equal n, d and features.

    Args:
        x, y: features, shapes (N, D) and (M, D); at least 2 rows each, finite.

    Returns:
        A number of at least 0, in squared units of the features.

    Raises:
        ValueError: arrays of other shapes, too few rows, or a value that is not finite.

    Example:
        >>> x = np.array([[0.0], [2.0]])
        >>> round(frechet_distance(x, x + 3), 4)
        9.0

    Reference: Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, NIPS 2017, equation 6, arXiv:1706.08500; Dowson
    and Landau, The Frechet distance between multivariate normal distributions, 1982.
    """
    x, y = checked_pair(x, y)
    mean_x, root_x = _fit(x)
    mean_y, root_y = _fit(y)
    # With C_x = A'A and C_y = B'B the eigenvalues of C_x C_y are the squares of the singular values of AB'. So the
    # trace of the root is their sum: no matrix is squared or rooted, and covariances without full rank do no harm.
    overlap = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    squares = ((mean_x - mean_y) ** 2).sum() + (root_x**2).sum() + (root_y**2).sum()
    return max(float(squares - 2 * overlap), 0.0)


def gaussian_frechet_bias(covariance: np.ndarray, n: int) -> float:
    r"""How far apart two samples of n examples of one Gaussian are on average, to first order in 1/n.

    .. math:: \frac2n \Bigl(\sum_i \lambda_i
              + \frac12 \sum_{i,j} \frac{\lambda_i \lambda_j\,(1 + \delta_{ij})}{\lambda_i + \lambda_j}\Bigr)

    with the eigenvalues of the covariance.  For N(0, I) in d dimensions this is 2d/n + d(d + 1)/2n.  Good where n is
    many times d.

    Args:
        covariance: shape (D, D), symmetric, no negative eigenvalue.
        n: size of the samples, at least 2.

    Raises:
        ValueError: an array of another shape, a negative eigenvalue, or a sample below 2.

    Example:
        >>> round(gaussian_frechet_bias(np.eye(2), 100), 4)
        0.07
    """
    covariance = np.asarray(covariance, dtype=np.float64)
    if covariance.ndim != 2 or len(set(covariance.shape)) != 1:
        raise ValueError(f"covariance has shape {covariance.shape}; accepted: (D, D)")
    values = np.linalg.eigvalsh(covariance)
    if not values.min() >= -1e-9 * abs(values).max():
        raise ValueError(f"covariance has the eigenvalue {values.min():g}; accepted: none below 0")
    values = values.clip(0)
    return _bias(values, np.outer(values, values) * (1 + np.eye(len(values))), n, n)


def frechet_bias(features: np.ndarray, n: int, m: int | None = None) -> float:
    r"""How far apart two samples from the distribution of these features are on average, to first order in 1/n and 1/m.

    .. math:: \Bigl(\frac1n + \frac1m\Bigr) \Bigl(\sum_i \lambda_i
              + \frac12 \sum_{i,j} \frac{\operatorname{var}(u_i u_j)}{\lambda_i + \lambda_j}\Bigr)

    with the eigenvalues of the covariance and the centred features u in the directions of its eigenvectors.  No
    Gaussian is assumed; for one it is :func:`gaussian_frechet_bias`.  Good where n, m and N are many times D.

    Args:
        features: shape (N, D), at least 2 rows, finite.
        n, m: sizes of the samples, at least 2; None means m = n.

    Raises:
        ValueError: an array of another shape, too few rows, a value that is not finite, or a sample below 2.

    Example:
        >>> round(frechet_bias(np.random.default_rng(0).standard_normal((10_000, 2)), 100), 2)
        0.07
    """
    features = checked("features", features)
    features = features - features.mean(0)
    values, directions = np.linalg.eigh(features.T @ features / (len(features) - 1))
    values = values.clip(0)
    squares = (features @ directions) ** 2
    return _bias(values, (squares.T @ squares / len(features) - np.diag(values**2)).clip(0), n, n if m is None else m)


def frechet_infinite(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """The Frechet distance carried on to infinitely many samples, by a straight line in 1/n.

    For each k from 1 to 4 both sets are cut, in random order, into k blocks, and the distances of the k pairs of blocks
    are averaged.  To first order their bias is k times that of the whole sets, so the line through these means meets
    k = 0 at the distance without bias.  (Chong and Forsyth let the number of generated examples alone grow; here both
    sets do.)  Good where the smallest block still has many times D rows; the result may be below 0.

    Args:
        x, y: as of :func:`frechet_distance`, but at least 8 rows each.
        rng: draws the order.

    Raises:
        ValueError: as of :func:`frechet_distance`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.standard_normal((2, 500, 10))
        >>> round(frechet_distance(x, y), 1), round(frechet_infinite(x, y, rng), 1)
        (0.2, 0.0)

    Reference: Chong and Forsyth, CVPR 2020, section 3, arXiv:1911.07023.
    """
    x, y = checked_pair(x, y, 2 * BLOCKS)
    x, y = x[rng.permutation(len(x))], y[rng.permutation(len(y))]
    counts = np.arange(1, BLOCKS + 1)
    means = [
        np.mean([frechet_distance(*pair) for pair in zip(np.array_split(x, k), np.array_split(y, k), strict=True)])
        for k in counts
    ]
    return float(np.polyfit(counts, means, 1)[1])


def half_splits(
    metric: Callable[[np.ndarray, np.ndarray], Any], features: np.ndarray, rng: np.random.Generator, repeats: int
) -> np.ndarray:
    """What a metric gives for two random halves of one set: the score, and its scatter, of a perfect generator.

    Args:
        metric: takes two sets of features, gives a number or several.
        features: shape (N, D), at least 4 rows, finite.
        rng: source of the halves.
        repeats: number of random splits.

    Returns:
        Shape (``repeats``,), or (``repeats``, numbers), float64.

    Raises:
        ValueError: an array of another shape, too few rows, a value that is not finite, or what the metric refuses.

    Example:
        >>> half_splits(lambda x, y: (len(x), len(y)), np.zeros((9, 2)), np.random.default_rng(0), 2)
        array([[4., 5.],
               [4., 5.]])
    """
    features = checked("features", features, 4)
    half = len(features) // 2
    orders = (rng.permutation(len(features)) for _ in range(check_int("repeats", repeats, 1)))
    return np.array([metric(features[order[:half]], features[order[half:]]) for order in orders], dtype=np.float64)


def half_split_floor(features: np.ndarray, rng: np.random.Generator, repeats: int = 1) -> float:
    """The Frechet distance between two random halves of one set: what a perfect generator scores at that size.

    Args and Raises as of :func:`half_splits`; the distances of all splits are averaged.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> round(half_split_floor(rng.standard_normal((2000, 2)), rng, repeats=50), 3)
        0.007
    """
    return float(half_splits(frechet_distance, features, rng, repeats).mean())


def _bias(values: np.ndarray, variances: np.ndarray, n: int, m: int) -> float:
    """The first-order bias from the eigenvalues and the variances of the products of components."""
    sizes = 1 / check_int("n", n, 2) + 1 / check_int("m", m, 2)
    sums = values[:, None] + values
    # A direction without variance has no product that varies.
    known = sums > 1e-12 * values.max()
    return float(sizes * (values.sum() + (variances[known] / sums[known]).sum() / 2))


def _fit(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean, and a matrix A with at most D rows whose A'A is the covariance."""
    mean = values.mean(0)
    # NumPy's annotation knows no mode that gives one array.
    factor: Any = np.linalg.qr((values - mean) / math.sqrt(len(values) - 1), mode="r")
    return mean, factor

"""Distances between a set of real and a set of generated examples, both given as features.

Explained in the book's chapter "Tuning"; first used in the section "Quickstart".
"""

from __future__ import annotations

import math

import numpy as np

from ganbook.data.recipe import whole


def pixels(images: np.ndarray) -> np.ndarray:
    """The plainest features of images: their pixels.

    Args:
        images: shape (N, H, W, C).

    Returns:
        Shape (N, H * W * C), float64.

    Raises:
        ValueError: an array of another shape.

    Explained in the book's section "Quickstart".
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f"images has shape {images.shape}; accepted: (N, H, W, C)")
    return images.reshape(len(images), -1).astype(np.float64)


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """The Frechet distance: the squared Wasserstein-2 distance between two fitted Gaussians.

    .. math:: d^2 = |m_x - m_y|^2 + \\operatorname{tr}\\bigl(C_x + C_y - 2\\,(C_x C_y)^{1/2}\\bigr)

    with the means m and the covariances C (divisor N - 1).  It is 0 for equal means and covariances.  On finite samples
    it is too large: two samples of n points from one Gaussian in d dimensions are about 2d/n + d(d + 1)/2n apart, so
    values are comparable only at equal n, d and features.

    Args:
        x, y: features, shapes (N, D) and (M, D); at least 2 rows each, finite.

    Returns:
        A number of at least 0, in squared units of the features.

    Raises:
        ValueError: arrays of other shapes, too few rows, or a value that is not finite.

    Reference: Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, NIPS 2017, equation 6, arXiv:1706.08500; Dowson
    and Landau, The Frechet distance between multivariate normal distributions, 1982.

    Explained in the book's chapter "Tuning".
    """
    x, y = _features("x", x), _features("y", y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"x has {x.shape[1]} features and y has {y.shape[1]}; accepted: as many in both")
    mean_x, root_x = _fit(x)
    mean_y, root_y = _fit(y)
    # With C_x = A'A and C_y = B'B the eigenvalues of C_x C_y are the squares of the singular values of AB'. So the
    # trace of the root is their sum: no matrix is squared or rooted, and covariances without full rank do no harm.
    overlap = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    squares = ((mean_x - mean_y) ** 2).sum() + (root_x**2).sum() + (root_y**2).sum()
    return max(float(squares - 2 * overlap), 0.0)


def half_split_floor(features: np.ndarray, rng: np.random.Generator, repeats: int = 1) -> float:
    """The Frechet distance between two random halves of one set: what a perfect generator scores at that size.

    Args:
        features: shape (N, D), at least 4 rows, finite.
        rng: source of the halves.
        repeats: number of random splits to average over.

    Returns:
        The mean of ``repeats`` distances.

    Raises:
        ValueError: an array of another shape, too few rows, or a value that is not finite.

    Explained in the book's section "Quickstart".
    """
    features = _features("features", features, rows=4)
    half = len(features) // 2
    distances = []
    for _ in range(whole("repeats", repeats, 1)):
        order = rng.permutation(len(features))
        distances.append(frechet_distance(features[order[:half]], features[order[half:]]))
    return float(np.mean(distances))


def _features(name: str, values: np.ndarray, rows: int = 2) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) < rows or not values.shape[1]:
        raise ValueError(f"{name} has shape {values.shape}; accepted: (N, D) with N at least {rows} and D at least 1")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} has values that are not finite; accepted: finite features")
    return values


def _fit(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean, and a matrix A with at most D rows whose A'A is the covariance."""
    mean = values.mean(0)
    return mean, np.linalg.qr((values - mean) / math.sqrt(len(values) - 1), mode="r")

"""What every metric asks of its features or images before it computes anything.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

import numpy as np


def checked(name: str, features: np.ndarray, rows: int = 2) -> np.ndarray:
    """Features as float64, if they can be measured at all.

    Args:
        name: of the argument, for the message.
        features: shape (N, D).
        rows: fewest rows that the metric can do with.

    Raises:
        ValueError: an array of another shape, too few rows, no column, or a value that is not finite.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < rows or not features.shape[1]:
        raise ValueError(f"{name} has shape {features.shape}; accepted: (N, D) with N at least {rows} and D at least 1")
    if not np.isfinite(features).all():
        count = int((~np.isfinite(features)).any(1).sum())
        raise ValueError(
            f"{name} has values that are not finite, in {count} of its {len(features)} rows; accepted: finite features"
        )
    return features


def checked_pair(
    x: np.ndarray,
    y: np.ndarray,
    rows: int = 2,
    names: tuple[str, str] = ("x", "y"),
) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features of one width as float64.

    Args:
        x, y: shapes (N, D) and (M, D).
        rows, names: of each, as of :func:`checked`.

    Raises:
        ValueError: as :func:`checked`, or sets of different widths.
    """
    x, y = checked(names[0], x, rows), checked(names[1], y, rows)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"{names[0]} has {x.shape[1]} features and {names[1]} has {y.shape[1]}; accepted: as many in both"
        )
    return x, y


def planes_of(images: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Every channel of every image by itself.

    Args:
        images: shape (N, H, W, C), values in [-1, 1].
        shape: (H, W).

    Returns:
        Shape (N C, H, W, 1), the channels of an image one after the other.

    Raises:
        ValueError: an array of another shape, or a value outside the range.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:3] != shape or 0 in images.shape:
        raise ValueError(
            f"images has shape {images.shape}; accepted: (N, {shape[0]}, {shape[1]}, C), at least one image"
        )
    if not (images.min() >= -1 and images.max() <= 1):  # false for NaN as well
        raise ValueError(f"images has values from {images.min()} to {images.max()}; accepted: -1 to 1")
    return np.moveaxis(images, -1, 1).reshape(-1, *shape, 1)

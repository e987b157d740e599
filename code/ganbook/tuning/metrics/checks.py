"""What every metric asks of its features before it computes anything.

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

    Returns:
        Shape (N, D), float64.

    Raises:
        ValueError: an array of another shape, too few rows, no column, or a value that is not finite.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < rows or not features.shape[1]:
        raise ValueError(f"{name} has shape {features.shape}; accepted: (N, D) with N at least {rows} and D at least 1")
    if not np.isfinite(features).all():
        count = int((~np.isfinite(features)).any(1).sum())
        raise ValueError(f"{name} has values that are not finite, in {count} of its {len(features)} rows; accepted: "
                         "finite features")
    return features


def checked_pair(x: np.ndarray, y: np.ndarray, rows: int = 2, names: tuple[str, str] = ("x", "y"),
                 ) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features of one width as float64.

    Args:
        x, y: shapes (N, D) and (M, D).
        rows: fewest rows of each.
        names: of the arguments, for the message.

    Returns:
        Both as float64.

    Raises:
        ValueError: as :func:`checked`, or sets of different widths.
    """
    x, y = checked(names[0], x, rows), checked(names[1], y, rows)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"{names[0]} has {x.shape[1]} features and {names[1]} has {y.shape[1]}; accepted: as many in "
                         "both")
    return x, y

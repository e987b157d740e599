"""Which examples a set holds, as one number: data that are given by hand have no name to know them by.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ganbook.data.images import Images, StackedImages

#: Seed and size of the batch that stands for a source without arrays.
SEED, BATCH = 0, 256


def fingerprint(source: Any) -> str:
    """SHA-256 of the shape and of all values; of a source without arrays, of one batch with a fixed seed.

    Args:
        source: images, stacks of them, or anything with ``shape`` and ``batch(rng, n)``.  What ``batch`` gives must
            depend on ``rng`` and ``n`` alone: else the same source has another fingerprint each time.

    Returns:
        64 hexadecimal digits; labels and names have no part in them.
    """
    if isinstance(source, Images):
        arrays: tuple[np.ndarray, ...] = (source.images,)
    elif isinstance(source, StackedImages):
        arrays = (source.base.images, source.indices)
    else:
        arrays = (np.asarray(source.batch(np.random.default_rng(SEED), BATCH)),)
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.shape} {array.dtype.str}\n".encode())
        found.update(np.ascontiguousarray(array).view(np.uint8).data)
    return found.hexdigest()

"""Pictures of many images: a grid as one array, or as a PNG.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np

from ganbook.data.files import write_atomically
from ganbook.data.recipe import check_int

GAP = 1
SMALLEST_TILE = 32
#: Pixels of a picture at most: more is no picture that anybody looks at.
MOST_PIXELS = 10**8


def tile(images: np.ndarray, columns: int | None = None, name: str = "images") -> np.ndarray:
    """One picture of all images, row by row, with a white line between neighbours.

    Args:
        images: shape (N, H, W, C), values in [-1, 1]; values outside become the nearest end.  One channel is grey, two
            are red and green, three colours.
        columns: images per row; None makes the grid nearly square.
        name: what an error calls the images.

    Returns:
        Shape (height, width, 3), uint8.

    Raises:
        ValueError: an array of another shape, a value that is not finite, columns below 1, or a picture of more than
            ``MOST_PIXELS``.
    """
    images = np.asarray(images)
    if images.ndim != 4 or 0 in images.shape or images.shape[3] > 3:
        raise ValueError(f"{name} has shape {images.shape}; accepted: (N, H, W, C), at least one image, C from 1 to 3")
    if not np.isfinite(images).all():
        raise ValueError(f"{name} has values that are not finite; accepted: values in [-1, 1]")
    n, height, width, _ = images.shape
    columns = math.ceil(math.sqrt(n)) if columns is None else check_int("columns", columns, 1)
    rows = math.ceil(n / columns)
    _check_pixels(name, (rows * (height + GAP), columns * (width + GAP)))
    canvas = np.full((rows, columns, height + GAP, width + GAP, 3), 255, np.uint8)
    canvas.reshape(-1, height + GAP, width + GAP, 3)[:n, :height, :width] = _colours(images)
    picture = canvas.transpose(0, 2, 1, 3, 4).reshape(rows * (height + GAP), columns * (width + GAP), 3)
    return picture[:-GAP, :-GAP]


def _colours(images: np.ndarray) -> np.ndarray:
    """Bytes of three channels: grey from one, and black in place of a missing blue."""
    levels = np.round((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)
    if images.shape[3] == 2:
        return np.concatenate([levels, np.zeros_like(levels[..., :1])], axis=-1)
    return np.broadcast_to(levels, (*images.shape[:3], 3))


def save_grid_png(images: np.ndarray, path: str | Path, columns: int | None = None) -> None:
    """Write images as one PNG without axes; the same images give the same bytes.

    Small images are enlarged by a whole number, every pixel to a square, until a side has at least 32 pixels.

    Args:
        images: shape (N, H, W, C), as for :func:`tile`.
        path: the file; its folder must exist.
        columns: images per row; None makes the grid nearly square.

    Raises:
        ValueError: as :func:`tile`.
        OSError: the file cannot be written.
    """
    from PIL import Image

    tiles = tile(images, columns)
    factor = math.ceil(SMALLEST_TILE / min(np.shape(images)[1:3]))
    _check_pixels("images", (tiles.shape[0] * factor, tiles.shape[1] * factor))
    file = io.BytesIO()
    Image.fromarray(tiles.repeat(factor, axis=0).repeat(factor, axis=1)).save(file, format="PNG")
    write_atomically(Path(path), file.getvalue())


def _check_pixels(name: str, sides: tuple[int, int]) -> None:
    if math.prod(sides) > MOST_PIXELS:
        raise ValueError(
            f"{name} make a picture of {sides[1]:,}x{sides[0]:,} pixels; accepted: at most "
            f"{MOST_PIXELS:,} in all, of fewer or smaller images or columns"
        )

"""One image file as an array: whatever its size, mode and format, made one shape by Pillow.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import contextlib
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError


def endings() -> set[str]:
    """The endings, such as ``.jpg``, of the files that Pillow reads."""
    return {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}


def colour_of(background: str) -> tuple[int, ...]:
    """Red, green and blue of a colour, from 0 to 255.

    Args:
        background: a colour's name or code, as Pillow knows them.

    Raises:
        ValueError: another one.
    """
    try:
        return ImageColor.getrgb(background)[:3]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"background is {background!r}; accepted: a colour that Pillow knows, such as 'white' or '#ff8800'"
        ) from error


@contextlib.contextmanager
def strict_reading() -> Iterator[None]:
    """Within it Pillow says nothing of odd tags and palettes, and refuses images that are suspiciously large."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_picture(file: Path, size: int, channels: int, colour: tuple[int, ...]) -> np.ndarray:
    """Read one image: turned as its tag says, without transparency, the square in its middle resized.

    Args:
        file: the image; of an animated one the first picture is taken.
        size: side in pixels that it shall have.
        channels: 1 for grey, 3 for colour.
        colour: red, green and blue behind what is transparent.

    Returns:
        Shape (size, size, channels), uint8.

    Raises:
        Exception: what Pillow's reader of a damaged file runs into, of any kind, or ValueError for an image that is
            smaller than ``size`` or whose range is not known.
    """
    with Image.open(file) as image:
        if min(image.size) < size:
            raise ValueError(f"{image.width}x{image.height} pixels, fewer than {size}x{size}")
        image.draft(None, (2 * size, 2 * size))  # lets JPEG leave out detail that the resizing would lose
        upright = _opaque(ImageOps.exif_transpose(image), colour).convert("L" if channels == 1 else "RGB")
    square = ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS)
    return np.asarray(square).reshape(size, size, channels)


def _opaque(image: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """The image with 8 bits a channel, and without transparency."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"numbers of mode {image.mode!r}, whose range is not known")
    if not image.has_transparency_data:
        return image
    paper = Image.new("RGBA", image.size, colour)
    paper.alpha_composite(image.convert("RGBA"))
    return paper


def reason(error: Exception) -> str:
    """What is wrong with a file, in a few words, from what :func:`read_picture` raised."""
    if isinstance(error, UnidentifiedImageError):
        return "no image that Pillow knows"
    return textwrap.shorten(str(error), 120) or type(error).__name__

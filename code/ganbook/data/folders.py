"""A folder of the reader's own images: any mixture of sizes, modes and formats, made one shape by Pillow.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import collections
import dataclasses
import os
import textwrap
import warnings
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from ganbook.data.images import Images, to_range
from ganbook.data.problems import DataError
from ganbook.data.recipe import whole

PREFIX = "folder:"
CHANNELS = (1, 3)
BACKGROUND = "white"


@dataclasses.dataclass(frozen=True, eq=False)
class FolderImages(Images):
    """The images of a folder, and how they were read.

    Args:
        background: colour that transparent images were laid on.
        skip_unreadable: whether files that could not be used were left out.
        unreadable: those files, each with the reason.
    """

    background: str = BACKGROUND
    skip_unreadable: bool = False
    unreadable: tuple[str, ...] = ()


def load_folder(path: str | Path, size: int | None, channels: int = 3, background: str = BACKGROUND,
                skip_unreadable: bool = False) -> FolderImages:
    """Read every image in a folder and in its subfolders, in the order of their names.

    An image is turned as its orientation tag says; of an animated one the first picture is taken.  Transparent parts
    show the background.  Then the largest square in the middle is cut out and resized with Pillow's Lanczos filter.
    Hidden files and folders, and files with an ending that is none of an image, are passed over.  Nothing is written.

    Args:
        path: the folder.
        size: side of the images in pixels; no image may be smaller.
        channels: 1 for grey, 3 for colour.
        background: a colour's name or code, as Pillow knows them.
        skip_unreadable: leave out, and count, the files that cannot be read whole or are smaller than ``size``.

    Returns:
        Images of shape (N, size, size, channels), float32 in [-1, 1]; the label is the number of the subfolder that an
        image lies in, in the order of their names, and 0 where it lies in none.

    Raises:
        ValueError: an argument outside its range.
        DataError: there is no such folder, it holds no image, or one of its files cannot be used; it is named.
    """
    folder = Path(path)
    name = f"{PREFIX}{folder}"
    if size is None:
        raise ValueError(f"size is None; accepted with data {name!r}: the side in pixels that all images shall have")
    whole("size", size, 1)
    if channels not in CHANNELS:
        raise ValueError(f"channels is {channels!r}; accepted: 1 for grey, 3 for colour")
    try:
        colour = ImageColor.getcolor(background, "RGB")
    except (ValueError, TypeError) as error:
        raise ValueError(f"background is {background!r}; accepted: a colour that Pillow knows, such as 'white' or "
                         "'#ff8800'") from error
    files = image_files(folder)
    pixels, kept, unreadable = [], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tags and palettes: what is wrong with a file is an error below
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for file in tqdm(files, desc="reading", unit="image", leave=False, disable=None):
            try:
                pixels.append(_read(file, size, channels, colour))
                kept.append(file)
            except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
                unreadable.append(f"{file}: {_reason(error)}")
                if not skip_unreadable:
                    raise DataError(f"{unreadable[0]}; accepted: images that can be read whole and have at least "
                                    f"{size}x{size} pixels, or skip_unreadable (--skip-unreadable), which leaves the "
                                    "others out and counts them") from error
    if not kept:
        raise DataError(f"none of the {len(files):,} images in {folder} can be used; the first is {unreadable[0]}")
    return FolderImages(to_range(np.stack(pixels)), _labels(folder, files, kept), name, background, skip_unreadable,
                        tuple(unreadable))


def image_files(folder: Path) -> list[Path]:
    """The files of a folder and its subfolders whose endings are those of images, in the order of their names.

    Raises:
        DataError: there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; accepted: one that holds images")
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files, others = [], collections.Counter()
    for root, folders, names in os.walk(folder, onerror=_stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(root, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() in endings:
                files.append(path)
            else:
                others[path.suffix.lower() or "no ending"] += 1
    if not files:
        there = ", ".join(f"{count:,} of {ending}" for ending, count in others.most_common(3)) or "nothing else"
        raise DataError(f"the folder {folder} holds no image that Pillow reads, such as .jpg, .png or .webp; it holds "
                        f"{there}")
    return sorted(files, key=lambda path: path.relative_to(folder).parts)


def _stop(error: OSError) -> NoReturn:
    raise error


def _read(file: Path, size: int, channels: int, colour: tuple[int, ...]) -> np.ndarray:
    """One image as whole numbers from 0 to 255: shape (size, size, channels)."""
    with Image.open(file) as image:
        if min(image.size) < size:
            raise ValueError(f"{image.width}x{image.height} pixels, fewer than {size}x{size}")
        image.draft(None, (2 * size, 2 * size))  # lets JPEG leave out detail that the resizing would lose
        whole_image = _opaque(ImageOps.exif_transpose(image), colour).convert("L" if channels == 1 else "RGB")
    square = ImageOps.fit(whole_image, (size, size), Image.Resampling.LANCZOS)
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


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no image that Pillow knows"
    return textwrap.shorten(str(error), 120) or type(error).__name__


def _labels(folder: Path, files: list[Path], kept: list[Path]) -> np.ndarray:
    """The number of each image's subfolder, among all that hold images."""
    inside = [file.relative_to(folder).parts for file in files]
    numbers = {name: number for number, name in enumerate(sorted({parts[0] for parts in inside if len(parts) > 1}))}
    return np.array([numbers.get(file.relative_to(folder).parts[0], 0) for file in kept], np.int64)

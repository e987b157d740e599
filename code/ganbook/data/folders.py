"""A folder of the reader's own images: which files it has, in which order, and those that cannot be used.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import collections
import dataclasses
import os
from pathlib import Path
from typing import NoReturn

import numpy as np

from ganbook.data.errors import DataError
from ganbook.data.images import Images, check_size, to_range

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


def load_folder(
    path: str | Path, size: int | None, channels: int = 3, background: str = BACKGROUND, skip_unreadable: bool = False
) -> FolderImages:
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
    from tqdm import tqdm

    from ganbook.data.pictures import colour_of, read_picture, reason, strict_reading  # Pillow only where it is needed

    folder = Path(path)
    name = f"{PREFIX}{folder}"
    if size is None:
        raise ValueError(f"size is None; accepted with data {name!r}: the side in pixels that all images shall have")
    if channels not in CHANNELS:
        raise ValueError(f"channels is {channels!r}; accepted: 1 for grey, 3 for colour")
    colour, files = colour_of(background), image_files(folder)
    size = check_size(size, len(files), channels)
    pixels, kept, unreadable = [], [], []
    with strict_reading():
        for file in tqdm(files, desc="reading", unit="image", leave=False, disable=None):
            try:
                pixels.append(read_picture(file, size, channels, colour))
                kept.append(file)
            except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
                unreadable.append(f"{file}: {reason(error)}")
                if not skip_unreadable:
                    raise DataError(
                        f"{unreadable[0]}; accepted: images that can be read whole and have at least "
                        f"{size}x{size} pixels, or skip_unreadable (--skip-unreadable), which leaves the "
                        "others out and counts them"
                    ) from error
    if not kept:
        raise DataError(f"none of the {len(files):,} images in {folder} can be used; the first is {unreadable[0]}")
    return FolderImages(
        to_range(np.stack(pixels)), _labels(folder, files, kept), name, background, skip_unreadable, tuple(unreadable)
    )


def image_files(folder: Path) -> list[Path]:
    """The files of a folder and its subfolders whose endings are those of images, in the order of their names.

    Raises:
        DataError: there is no such folder, or no such file in it.
    """
    from ganbook.data.pictures import endings

    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; accepted: one that holds images")
    known, files = endings(), []
    others: collections.Counter[str] = collections.Counter()
    for root, folders, names in os.walk(folder, onerror=_stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(root, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() in known:
                files.append(path)
            else:
                others[path.suffix.lower() or "no ending"] += 1
    if not files:
        there = ", ".join(f"{count:,} of {ending}" for ending, count in others.most_common(3)) or "nothing else"
        raise DataError(
            f"the folder {folder} holds no image that Pillow reads, such as .jpg, .png or .webp; it holds {there}"
        )
    return sorted(files, key=lambda path: path.relative_to(folder).parts)


def _stop(error: OSError) -> NoReturn:
    raise error


def _labels(folder: Path, files: list[Path], kept: list[Path]) -> np.ndarray:
    """The number of each image's subfolder, among all that hold images."""
    inside = [file.relative_to(folder).parts for file in files]
    numbers = {name: number for number, name in enumerate(sorted({parts[0] for parts in inside if len(parts) > 1}))}
    return np.array([numbers.get(file.relative_to(folder).parts[0], 0) for file in kept], np.int64)

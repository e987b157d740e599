"""Labelled images as arrays: NHWC, float32, in [-1, 1].

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ganbook.data.recipe import SPLITS, check_choice, check_int, check_range

LARGEST_STACK = 6
#: Numbers of all images of a set at most: as many in float32 take 8 GB.
MOST_NUMBERS = 2 * 10**9
#: What the name of a set of coloured images begins with.
COLOURED = "coloured_"


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """A set of labelled images.

    Args:
        images: shape (N, H, W, C), float32, in [-1, 1].
        labels: shape (N,), int64, at least 0.
        name: of the data set.

    Raises:
        ValueError: an array of another shape or type, no image, or a value outside its range.
    """

    images: np.ndarray
    labels: np.ndarray
    name: str = "images"

    def __post_init__(self) -> None:
        """Check the arrays."""
        if self.images.ndim != 4 or self.images.dtype != np.float32 or 0 in self.images.shape:
            raise ValueError(
                f"images has shape {self.images.shape} and type {self.images.dtype}; "
                "accepted: (N, H, W, C), at least one image, float32"
            )
        low, high = self.images.min(), self.images.max()
        if not (low >= -1 and high <= 1):  # false for NaN as well
            raise ValueError(f"images has values from {low} to {high}; accepted: -1 to 1")
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != np.int64 or self.labels.min() < 0:
            raise ValueError(
                f"labels has shape {self.labels.shape} and type {self.labels.dtype}; "
                f"accepted: ({len(self.images)},), int64, at least 0"
            )

    def __len__(self) -> int:
        """Return the number N of images."""
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (H, W, C) of one image."""
        return self.images.shape[1:]

    def batch(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` images with replacement: shape (n, H, W, C), float32."""
        return self.images[rng.integers(len(self), size=n)]

    def take(self, indices: np.ndarray) -> Images:
        """The images at ``indices``, in that order, as a set of the same name."""
        return dataclasses.replace(self, images=self.images[indices], labels=self.labels[indices])

    def split(self, share: float, rng: np.random.Generator) -> tuple[Images, Images]:
        """Two disjoint stratified parts, the second of which holds ``share`` of the images; see `split_indices`."""
        first, second = split_indices(self.labels, share, rng)
        return self.take(first), self.take(second)

    def part(self, split: str, share: float, rng: np.random.Generator) -> Images:
        """``train`` or ``test`` of two stratified parts, the second of which holds ``share``; ``all`` is the set."""
        if check_choice("split", split, SPLITS) == "all":
            return self
        train, test = self.split(share, rng)
        return train if split == "train" else test


@dataclasses.dataclass(frozen=True, eq=False)
class StackedImages:
    """Images stacked as the channels of one: all combinations of K labels make :math:`K^n` modes.

    The stacks are kept as indices and built when asked for, since 128,000 of them at 28x28 would fill 1.2 GB.

    Args:
        base: single-channel images with labels 0 to 9.
        indices: shape (N, n), which image of ``base`` each channel of each stack is.
        name: of the data set.

    Reference: Srivastava, Valkov, Russell, Gutmann and Sutton, VEEGAN, NIPS 2017, section 4.2, arXiv:1705.07761.
    """

    base: Images
    indices: np.ndarray
    name: str = "stacked"

    @classmethod
    def draw(cls, base: Images, n: int, count: int, rng: np.random.Generator, name: str = "stacked") -> StackedImages:
        """Draw ``count`` stacks of ``n`` images each, every channel uniformly and with replacement.

        Args:
            base: single-channel images with labels 0 to 9.
            n: images per stack, 1 to 6.
            count: number of stacks.
            rng: source of the choice.
            name: of the data set.

        Raises:
            ValueError: a number outside its range, or images of several channels.
        """
        check_int("stack", n, 1)
        check_range("stack", n, 1, LARGEST_STACK)
        check_int("count", count, 1)
        if base.shape[2] != 1 or base.labels.max() > 9:
            raise ValueError(
                f"base has {base.shape[2]} channels and labels up to {base.labels.max()}; "
                "accepted: 1 channel and labels 0 to 9"
            )
        return cls(base, rng.integers(len(base), size=(count, n)), name)

    def __len__(self) -> int:
        """Return the number N of stacks."""
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (H, W, n) of one stack."""
        return (*self.base.shape[:2], self.indices.shape[1])

    @property
    def images(self) -> np.ndarray:
        """All stacks: shape (N, H, W, n), float32.  Builds them at every call."""
        return self._build(self.indices)

    @property
    def labels(self) -> np.ndarray:
        """The labels of the channels read as one decimal number, first channel first: shape (N,), int64."""
        places = 10 ** np.arange(self.indices.shape[1], dtype=np.int64)[::-1]
        return self.base.labels[self.indices] @ places

    def batch(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` stacks with replacement: shape (n, H, W, channels), float32."""
        return self._build(self.indices[rng.integers(len(self), size=n)])

    def _build(self, indices: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(self.base.images[indices, :, :, 0], 1, -1))


def coloured(images: Images, rng: np.random.Generator) -> Images:
    r"""Each image of one channel in a colour of its own, of full brightness and a hue drawn at random.

    .. math:: c_k = \operatorname{clip}\bigl(\lvert (6h + o_k) \bmod 6 - 3 \rvert - 1,\, 0,\, 1\bigr), \qquad
              o = (0, 4, 2), \quad h \sim U(0, 1)

    is the share of red, green and blue in the hue h; black stays black.

    Args:
        images: single-channel images.
        rng: draws the hues.

    Returns:
        Images of three channels, the largest of which is the image itself.

    Raises:
        ValueError: images of several channels.

    Reference: Smith, Color gamut transform pairs, SIGGRAPH 1978 (hue, saturation and value).
    """
    if images.shape[2] != 1:
        raise ValueError(f"images has {images.shape[2]} channels; accepted: 1")
    hues = 6 * rng.random((len(images), 1)) + np.array([0, 4, 2])
    shares = np.clip(np.abs(hues % 6 - 3) - 1, 0, 1).astype(np.float32)
    return dataclasses.replace(
        images, images=(images.images + 1) * shares[:, None, None] - 1, name=f"{COLOURED}{images.name}"
    )


def check_size(size: int, count: int, channels: int) -> int:
    """Return ``size``, as a number of Python's own, if so many square images of this side are not too much to keep.

    Raises:
        ValueError: they are, or it is no whole number of at least 1.
    """
    size = check_int("size", size, 1)
    if count * channels * size**2 > MOST_NUMBERS:
        raise ValueError(
            f"size is {size}; accepted with {count:,} images of {channels} channels: at most "
            f"{math.isqrt(MOST_NUMBERS // (count * channels))}"
        )
    return size


def to_range(pixels: np.ndarray) -> np.ndarray:
    """Whole numbers from 0 to 255 as float32 from -1 to 1."""
    return pixels / np.float32(127.5) - 1


def split_indices(labels: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Split at random so that every label keeps its share in both parts, up to one example.

    Args:
        labels: shape (N,), whole numbers.
        share: part of the examples in the second part, above 0 and below 1.
        rng: source of the choice.

    Returns:
        Indices of the first and of the second part, each in ascending order; together they are 0 to N - 1.

    Raises:
        ValueError: ``share`` outside its range, or so extreme that a part would be empty.
    """
    check_range("share", share, 0.0, 1.0, open_low=True)
    kinds, counts = np.unique(labels, return_counts=True)
    taken = np.floor(share * counts).astype(int)
    # What rounding down leaves over goes to the labels that lost most by it.
    missing = round(share * len(labels)) - taken.sum()
    taken[np.argsort(taken - share * counts, kind="stable")[:missing]] += 1
    second = np.zeros(len(labels), dtype=bool)
    for kind, number in zip(kinds, taken, strict=True):
        second[rng.permutation(np.flatnonzero(labels == kind))[:number]] = True
    if second.all() or not second.any():
        raise ValueError(f"share is {share!r}; accepted with {len(labels)} examples: one that leaves no part empty")
    return np.flatnonzero(~second), np.flatnonzero(second)


def resize(images: Images, size: int | None) -> Images:
    """Resize to ``size`` x ``size`` pixels with Pillow's bilinear filter.

    The filter is a triangle as wide as two pixels of the coarser grid: it smooths when it shrinks, and it never leaves
    the range of the input, as sharper filters do.

    Args:
        images: the set to resize.
        size: new side in pixels, at least 1; None, or the side it has, returns the set itself.

    Raises:
        ValueError: as :func:`check_size`.
    """
    if size is None:
        return images
    n, channels = len(images), images.shape[2]
    size = check_size(size, n, channels)
    if images.shape[:2] == (size, size):
        return images
    from PIL import Image

    resized = np.empty((n, size, size, channels), np.float32)
    for i, c in np.ndindex(n, channels):
        plane = Image.fromarray(np.ascontiguousarray(images.images[i, :, :, c]))
        resized[i, :, :, c] = np.asarray(plane.resize((size, size), Image.Resampling.BILINEAR))
    # A weighted mean of values in [-1, 1] may leave the range by one rounding.
    return dataclasses.replace(images, images=np.clip(resized, -1, 1))

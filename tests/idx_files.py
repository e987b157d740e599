"""Small IDX files for the tests of the data."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from ganbook.data.downloads import Publication

NAMES = {"train": "train", "test": "t10k"}


def real_folder() -> Path | None:
    """The folder that holds the 10,000 published test images of MNIST, if one does."""
    places = [os.environ.get("GANBOOK_DATA"), Path(__file__).resolve().parents[2] / "shared" / "data"]
    return next(
        (
            Path(place)
            for place in places
            if place and any((Path(place) / part / "t10k-images-idx3-ubyte.gz").is_file() for part in ("mnist", "."))
        ),
        None,
    )


REAL = real_folder()  # before a fixture hides the environment
needs_real_mnist = pytest.mark.skipif(
    REAL is None, reason="the MNIST test files are neither in GANBOOK_DATA nor in ../shared/data"
)


def idx_bytes(array: np.ndarray, magic: bytes | None = None, shape: tuple[int, ...] | None = None) -> bytes:
    """An IDX file of bytes before compression; ``magic`` and ``shape`` replace the true ones."""
    shape = array.shape if shape is None else shape
    magic = bytes((0, 0, 8, len(shape))) if magic is None else magic
    return magic + struct.pack(f">{len(shape)}I", *shape) + array.astype(np.uint8).tobytes()


def squeeze(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def write_published(folder: Path, counts: dict[str, int], seed: int = 0) -> dict[str, str]:
    """Write a data set of random images and return its MD5 sums by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, md5 = np.random.default_rng(seed), {}
    for split, count in counts.items():
        arrays = {"images-idx3": rng.integers(0, 256, (count, 28, 28)), "labels-idx1": np.arange(count) % 10}
        for kind, array in arrays.items():
            content = squeeze(idx_bytes(array))
            name = f"{NAMES[split]}-{kind}-ubyte.gz"
            (folder / name).write_bytes(content)
            md5[name] = hashlib.md5(content).hexdigest()
    return md5


def publication(md5: dict[str, str], *sources: str) -> Publication:
    return Publication(sources=sources, md5=md5)

"""CIFAR-10, the binary version: photographs of ten kinds of things in 32x32 pixels, read without pickle.

A file of the archive is a row of records: one byte for the label, then 1,024 bytes of red, of green and of blue, each
in C order.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

import numpy as np

from ganbook.data.downloads import locate
from ganbook.data.errors import DataError
from ganbook.data.images import Images, to_range
from ganbook.data.recipe import SPLITS, check_choice

ARCHIVE = "cifar-10-binary.tar.gz"
FILES = {
    "train": tuple(f"cifar-10-batches-bin/data_batch_{k}.bin" for k in range(1, 6)),
    "test": ("cifar-10-batches-bin/test_batch.bin",),
}
SIDE, CHANNELS, CLASSES = 32, 3, 10
RECORD = 1 + CHANNELS * SIDE * SIDE


def load_cifar10(split: str = "all", folder: str | Path | None = None) -> Images:
    """Load CIFAR-10, from a folder or from the network.

    Args:
        split: ``train``, ``test``, or ``all`` for the 50,000 training images followed by the 10,000 test images.
        folder: see :func:`ganbook.data.load`.

    Returns:
        Images of shape (N, 32, 32, 3), float32 in [-1, 1], with labels 0 to 9.

    Raises:
        DataError: the archive is missing, damaged or not the published one, or no source of it can be reached.

    Reference: Krizhevsky, Learning multiple layers of features from tiny images, 2009, chapter 3.
    """
    check_choice("split", split, SPLITS)
    path = locate("cifar10", ARCHIVE, folder)
    records = _read(path, [name for part, names in FILES.items() if split in (part, "all") for name in names])
    pixels, labels = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE), records[:, 0].astype(np.int64)
    if labels.max() >= CLASSES:
        raise DataError(f"{path} holds the label {labels.max()}; cifar10 has labels 0 to {CLASSES - 1}")
    return Images(to_range(np.ascontiguousarray(np.moveaxis(pixels, 1, -1))), labels, "cifar10")


def _read(path: Path, names: list[str]) -> np.ndarray:
    """The records of some files of the archive, in that order: shape (N, 3073), uint8."""
    found = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.name in names and member.isfile() and (file := archive.extractfile(member)):
                    found[member.name] = file.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{path} is not a sound archive ({error}); fetch the file again") from error
    for name in names:
        if not found.get(name) or len(found[name]) % RECORD:
            raise DataError(
                f"{path} lacks {name} with whole records of {RECORD:,} bytes: it holds "
                f"{len(found.get(name, b'')):,} bytes of it"
            )
    return np.frombuffer(b"".join(found[name] for name in names), np.uint8).reshape(-1, RECORD)

"""Reader of gzipped IDX files, the format that MNIST and Fashion-MNIST are published in.

An IDX file of bytes is: two zero bytes, the type code 8, the number of dimensions, the dimensions as big-endian
32-bit numbers, then the values in C order.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from ganbook.data.errors import DataError

UNSIGNED_BYTE = 8
LARGEST = 2**30


def read_idx(path: str | Path, dimensions: int) -> np.ndarray:
    """Read one gzipped IDX file of unsigned bytes.

    Args:
        path: the file.
        dimensions: how many dimensions it must have: 3 for images, 1 for labels.

    Returns:
        Array of uint8 with the shape that the file states.

    Raises:
        DataError: the file is missing, not gzip, truncated, corrupt, of another type, or longer or shorter than the
            shape it states.  The message names the file.

    Reference: LeCun, Cortes and Burges, The MNIST database of handwritten digits, section "File formats".
    """
    path = Path(path)
    try:
        with gzip.open(path) as file:
            shape = _shape(path, file, dimensions)
            expected = math.prod(shape)
            # One byte more than stated: it shows whether the file goes on, and makes gzip check its own checksum.
            values = file.read(expected + 1)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except EOFError as error:
        raise DataError(f"{path} is truncated: the compressed data end too early; fetch the file again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is not a sound gzip file ({error}); fetch the file again") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if len(values) != expected:
        found = f"{len(values):,}" if len(values) < expected else "more"
        raise DataError(f"{path} states the shape {shape}, {expected:,} bytes, but holds {found}")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _shape(path: Path, file: gzip.GzipFile, dimensions: int) -> tuple[int, ...]:
    wanted = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    magic = file.read(4)
    if magic != wanted:
        raise DataError(
            f"{path} begins with the bytes {magic.hex(' ') or 'of nothing'}; an IDX file of bytes in "
            f"{dimensions} dimension{'s' * (dimensions > 1)} begins with {wanted.hex(' ')}"
        )
    header = file.read(4 * dimensions)
    if len(header) != 4 * dimensions:
        raise DataError(f"{path} ends inside its header of {4 + 4 * dimensions} bytes")
    shape = struct.unpack(f">{dimensions}I", header)
    if math.prod(shape) > LARGEST:
        raise DataError(f"{path} states the shape {shape}, more than {LARGEST:,} bytes: its header is corrupt")
    return shape

"""The IDX reader: what it reads, and what it says of each kind of damage."""

import struct

import numpy as np
import pytest

from ganbook.data import DataError
from ganbook.data.idx import read_idx
from idx_files import idx_bytes, squeeze

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3))


def write(folder, content):
    path = folder / "some-images.gz"
    path.write_bytes(content)
    return path


def test_reads_images(tmp_path):
    found = read_idx(write(tmp_path, squeeze(idx_bytes(IMAGES))), dimensions=3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, IMAGES)


def test_reads_labels(tmp_path):
    labels = np.arange(7)
    np.testing.assert_array_equal(read_idx(write(tmp_path, squeeze(idx_bytes(labels))), dimensions=1), labels)


SOUND = squeeze(idx_bytes(IMAGES))
BROKEN_SUM = SOUND[:-8] + bytes(b ^ 255 for b in SOUND[-8:-4]) + SOUND[-4:]
BROKEN_MIDDLE = SOUND[:20] + bytes(b ^ 255 for b in SOUND[20:40]) + SOUND[40:]
DAMAGE = {
    "truncated": (SOUND[:-20], "truncated"),
    "truncated in the checksum": (SOUND[:-6], "truncated"),
    "empty": (b"", "begins with the bytes of nothing"),
    "not gzip": (idx_bytes(IMAGES), "not a sound gzip file"),
    "wrong checksum": (BROKEN_SUM, "not a sound gzip file"),
    "corrupt": (BROKEN_MIDDLE, "not a sound gzip file"),
    "labels for images": (squeeze(idx_bytes(np.arange(7))), "begins with the bytes 00 00 08 01"),
    "wrong type": (squeeze(idx_bytes(IMAGES, magic=bytes((0, 0, 13, 3)))), "begins with the bytes 00 00 0d 03"),
    "no magic": (squeeze(b"\x00"), "begins with the bytes 00;"),
    "short header": (squeeze(bytes((0, 0, 8, 3)) + struct.pack(">I", 5)), "ends inside its header of 16 bytes"),
    "too few values": (squeeze(idx_bytes(IMAGES, shape=(6, 4, 3))), "72 bytes, but holds 60"),
    "too many values": (squeeze(idx_bytes(IMAGES, shape=(4, 4, 3))), "48 bytes, but holds more"),
    "absurd shape": (squeeze(idx_bytes(IMAGES, shape=(2**32 - 1,) * 3)), "header is corrupt"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(tmp_path, damage):
    content, message = DAMAGE[damage]
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_idx(path, dimensions=3)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.gz does not exist"):
        read_idx(tmp_path / "nothing.gz", dimensions=3)


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path, dimensions=3)

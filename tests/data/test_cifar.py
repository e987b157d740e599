"""CIFAR-10 from archives that are made here: what is read, in which order, and what is said of each kind of damage."""

import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest

from ganbook.data import DataError, cifar, downloads, load
from idx_files import publication

NAMES = [name for names in cifar.FILES.values() for name in names]


def records(count, seed=0):
    """Labels and bytes of pixels, planes of colour first."""
    rng = np.random.default_rng(seed)
    return np.c_[np.arange(count) % 10, rng.integers(0, 256, (count, 3072))].astype(np.uint8)


def write(folder, files):
    """An archive of some files, in their order, with another one among them."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / cifar.ARCHIVE
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"cifar-10-batches-bin/batches.meta.txt": b"airplane\n", **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def publish(monkeypatch, path):
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setitem(downloads.PUBLICATIONS, "cifar10", publication({cifar.ARCHIVE: md5}))


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Four images in each file; the files lie in the archive in another order than they are read in."""
    monkeypatch.delenv("GANBOOK_DATA", raising=False)
    path = write(tmp_path / "cifar10", {name: records(4, NAMES.index(name)).tobytes() for name in reversed(NAMES)})
    publish(monkeypatch, path)
    return path


@pytest.mark.parametrize("through", ["argument", "environment"])
def test_reads_a_folder(archive, monkeypatch, through):
    if through == "environment":
        monkeypatch.setenv("GANBOOK_DATA", str(archive.parent.parent))
    images = load("cifar10", folder=archive.parent if through == "argument" else None)
    assert (images.name, len(images), images.shape) == ("cifar10", 24, (32, 32, 3))
    assert images.images.dtype == np.float32
    assert images.images.flags.c_contiguous
    np.testing.assert_array_equal(images.labels, np.tile(np.arange(4), 6))
    first = records(4)[0, 1:]
    for row, column, colour in ((0, 0, 0), (5, 7, 1), (31, 31, 2)):  # a plane of colour after the other, row by row
        wanted = first[1024 * colour + 32 * row + column] / 127.5 - 1
        assert images.images[0, row, column, colour] == pytest.approx(wanted, abs=1e-6)


def test_splits_are_the_published_ones(archive):
    parts = {split: load("cifar10", split=split, folder=archive.parent).images for split in ("train", "test", "all")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 20, "test": 4, "all": 24}
    np.testing.assert_array_equal(parts["all"], np.concatenate([parts["train"], parts["test"]]))


def test_resized_like_any_other_set(archive):
    assert load("cifar10", folder=archive.parent, size=16).images.shape == (24, 16, 16, 3)


def test_another_archive_is_not_read(archive):
    archive.write_bytes(archive.read_bytes() + b"\0")
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz is not the published file of cifar10: its MD5 sum is"):
        load("cifar10", folder=archive.parent)


DAMAGE = {
    "a file is missing": ({NAMES[5]: b""}, r"lacks cifar-10-batches-bin/test_batch.bin .*holds 0 bytes"),
    "half a record": (
        {NAMES[0]: records(2).tobytes()[:-1]},
        r"lacks cifar-10-batches-bin/data_batch_1.bin with whole "
        r"records of 3,073 bytes: it holds 6,145",
    ),
    "a label": ({NAMES[1]: bytes([11] * 3073)}, "holds the label 11; cifar10 has labels 0 to 9"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_files_that_cannot_be(tmp_path, monkeypatch, damage):
    changed, message = DAMAGE[damage]
    path = write(tmp_path, {name: records(2).tobytes() for name in NAMES} | changed)
    publish(monkeypatch, path)
    with pytest.raises(DataError, match=message):
        load("cifar10", folder=tmp_path)


@pytest.mark.parametrize(
    "content", [b"not gzip", gzip.compress(b"not tar" * 999), None], ids=["no gzip", "no tar", "cut off"]
)
def test_what_is_no_archive(archive, monkeypatch, content):
    archive.write_bytes(archive.read_bytes()[:9000] if content is None else content)
    publish(monkeypatch, archive)
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz is not a sound archive .*; fetch the file again"):
        load("cifar10", folder=archive.parent)

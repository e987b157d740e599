"""Published data sets: found in a folder, in a package of the system or downloaded, and checked by hash before use.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import logging
import os
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np

from ganbook.data.errors import DataError
from ganbook.data.idx import read_idx
from ganbook.data.images import Images, to_range

FOLDER_VARIABLE = "GANBOOK_DATA"
PARTS = {"train": "train", "test": "t10k"}
SIDE, CLASSES = 28, 10
OFFLINE = "the data sets 'digits' and 'mnist_5k' need no network"


@dataclasses.dataclass(frozen=True)
class Publication:
    """Where a data set is published and how to know its files.

    Args:
        sources: addresses to try in this order; a file's name is appended to each.
        md5: the published MD5 sum of each file, by file name.
        package: folder in which a package of the operating system puts the files; None where there is no package.
        content: SHA-256 of each file's content before compression, by file name; only where a package compresses the
            files anew, or takes name and time out of their headers.
    """

    sources: tuple[str, ...]
    md5: dict[str, str]
    package: Path | None = None
    content: dict[str, str] = dataclasses.field(default_factory=dict)


PUBLICATIONS = {
    # The author's own site no longer serves the files; these two mirrors are TorchVision's and TensorFlow's.
    "mnist": Publication(
        sources=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        md5={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion_mnist": Publication(
        sources=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        md5={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        # Debian's dataset-fashion-mnist.  With name and time put back its files have the published MD5 sums.
        package=Path("/usr/share/datasets/fashion-mnist"),
        content={
            "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
    # The author's own site, and a copy of its file that MindSpore keeps.
    "cifar10": Publication(
        sources=(
            "https://www.cs.toronto.edu/~kriz/",
            "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
        ),
        md5={"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
    ),
}


def load_mnist(name: str, split: str = "all", folder: str | Path | None = None) -> Images:
    """Load MNIST or Fashion-MNIST, from a folder or from the network.

    Args:
        name: ``mnist`` or ``fashion_mnist``.
        split: ``train``, ``test``, or ``all`` for the training images followed by the test images.
        folder: see :func:`ganbook.data.load`.

    Returns:
        Images of shape (N, 28, 28, 1), float32 in [-1, 1], with labels 0 to 9.

    Raises:
        DataError: a file is missing, damaged or not the published one, or no source of it can be reached.
    """
    parts = [_part(name, prefix, folder) for part, prefix in PARTS.items() if split in (part, "all")]
    pixels, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Images(to_range(pixels)[..., None], labels.astype(np.int64), name)


def _part(name: str, prefix: str, folder: str | Path | None) -> tuple[np.ndarray, np.ndarray]:
    image_path = locate(name, f"{prefix}-images-idx3-ubyte.gz", folder)
    label_path = locate(name, f"{prefix}-labels-idx1-ubyte.gz", folder)
    pixels, labels = read_idx(image_path, dimensions=3), read_idx(label_path, dimensions=1)
    if pixels.shape[1:] != (SIDE, SIDE):
        raise DataError(
            f"{image_path} holds images of {pixels.shape[1]}x{pixels.shape[2]} pixels; {name} has {SIDE}x{SIDE}"
        )
    if len(pixels) != len(labels):
        raise DataError(f"{image_path} holds {len(pixels):,} images but {label_path} {len(labels):,} labels")
    if len(labels) and labels.max() >= CLASSES:
        raise DataError(f"{label_path} holds the label {labels.max()}; {name} has labels 0 to {CLASSES - 1}")
    return pixels, labels


def locate(name: str, file: str, folder: str | Path | None = None) -> Path:
    """The path of one published file whose hash has been checked: in a folder, in a system's package, or downloaded.

    Args:
        name: a key of ``PUBLICATIONS``.
        file: a file's name there.
        folder: see :func:`ganbook.data.load`.

    Raises:
        DataError: the file is not in the folder, is not the published one, or no source of it can be reached.
    """
    published, places = PUBLICATIONS[name], []
    named = folder or os.environ.get(FOLDER_VARIABLE) or None
    if named is not None:
        named = Path(named).expanduser()
        if not named.is_dir():
            raise DataError(
                f"the data folder {named} does not exist; name another, or unset {FOLDER_VARIABLE} and "
                f"give no folder to download {name}; {OFFLINE}"
            )
        places = [named / name / file, named / file]
    if published.package and not folder:
        places.append(published.package / file)
    there = [path for path in places if path.is_file()]
    for path in there:
        if _is_published(published, path):
            return path
    if there:
        raise DataError(
            f"{there[0]} is not the published file of {name}: its MD5 sum is {_md5(there[0])} instead of "
            f"{published.md5[file]}; fetch the file again"
        )
    if named is None:
        return _download(name, file)
    parts = [
        part
        for part, prefix in PARTS.items()
        if any((path / f"{prefix}-images-idx3-ubyte.gz").is_file() for path in (named / name, named))
    ]
    also = f", which holds split {parts[0]!r} alone" if len(parts) == 1 else ""
    raise DataError(
        f"neither {name}/{file} nor {file} is in the data folder {named}{also}; put it there, or unset "
        f"{FOLDER_VARIABLE} and give no folder to download it; {OFFLINE}"
    )


def _is_published(published: Publication, path: Path) -> bool:
    if _md5(path) == published.md5[path.name]:
        return True
    if path.name not in published.content:
        return False
    try:
        with gzip.open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == published.content[path.name]
    except (OSError, EOFError, zlib.error):
        return False


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def cache() -> Path:
    """The folder that downloads are kept in, by the conventions of the operating system."""
    import pooch

    return Path(pooch.os_cache("ganbook"))


def _download(name: str, file: str) -> Path:
    import pooch

    publication, failures = PUBLICATIONS[name], []
    # pooch writes to a temporary name, checks the hash, and only then renames: nothing partial stays behind.
    pooch.get_logger().setLevel(logging.WARNING)
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
    for source in publication.sources:
        try:
            return Path(
                pooch.retrieve(
                    source + file,
                    f"md5:{publication.md5[file]}",
                    fname=file,
                    path=cache() / name,
                    downloader=downloader,
                )
            )
        except (OSError, ValueError) as error:  # no connection, or a hash that differs
            failures.append(f"  {source}: {textwrap.shorten(f'{type(error).__name__}: {error}', 160)}")
    raise DataError(
        f"{file} of {name} could not be downloaded:\n" + "\n".join(failures) + "\n"
        f"Connect to the network and try again, or put the file into a folder and name that folder in "
        f"the environment variable {FOLDER_VARIABLE}; {OFFLINE}."
    )

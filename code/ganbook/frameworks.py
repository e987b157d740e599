"""What has to be settled before PyTorch and TensorFlow are loaded into one process.

Explained in the book's section "Practice".
"""

import os
import sys


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


#: Environment variables that libraries read once, when they are loaded; a value that is there already stands.
DEFAULTS = {
    # PyTorch's threads meet after each operation, and all wait for the one that shares its core with another program.
    # So one core is left to other programs, and a thread that waits sleeps in place of keeping its core.
    "OMP_NUM_THREADS": str(max(1, cores() - 1)),
    "OMP_WAIT_POLICY": "PASSIVE",
    # TensorFlow prints warnings and errors, and no notes on the processor.
    "TF_CPP_MIN_LOG_LEVEL": "1",
    # TensorFlow takes a GPU's memory as it needs it, and leaves the rest to PyTorch.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}
# By this module of its own TensorFlow shows its symbols to libraries that are loaded later; without it, it hides them.
# Wheels of shared libraries, as for Linux, do not need it; TensorFlow's own repair leaves it out of them.
_SHOWS_SYMBOLS = "tensorflow.python.pywrap_dlopen_global_flags"


def prepare() -> None:
    """Make this process safe for both frameworks, in either order; ``import ganbook`` calls it.

    On Linux TensorFlow 2.20 and 2.21 show two things to every library that is loaded later: an LLVM of its own, on
    which Triton, which PyTorch for CUDA loads with its first optimiser, ends the process with a segmentation fault;
    and stand-ins for CUDA's functions, through which PyTorch finds no GPU and warns. Here both are hidden.
    Where TensorFlow is loaded already, Triton is hidden instead: PyTorch trains without it, but compiles nothing for
    a GPU.

    ``DEFAULTS`` are set where the environment says nothing.

    Reference: tensorflow/tensorflow on GitHub, issue 124205 and its repair, pull request 124230, 2026.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # None in place of a module makes its import fail with ImportError.
    hidden = "triton" if "tensorflow" in sys.modules else _SHOWS_SYMBOLS
    sys.modules.setdefault(hidden, None)  # type: ignore[arg-type]  # typeshed leaves out the None that Python documents

"""The environment that tests and notebooks run in: one place, so that a stored output meets the same one again."""

import os
from collections.abc import MutableMapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Notebooks store CPU results, so that a machine with a GPU must not compute them there.  Nor may PyTorch's compiler
# look for CUDA's, which it does in places of its own unless both names are there: found without a GPU, it warns.
NOTEBOOK = {"CUDA_VISIBLE_DEVICES": "-1", "CUDA_HOME": "", "CUDA_PATH": ""}


def set_defaults(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what is not set yet; OMP_NUM_THREADS alone (1 if absent) decides the number of threads everywhere.

    Args:
        environment: changed in place; kernels and other child processes inherit it.
    """
    threads = environment.setdefault("OMP_NUM_THREADS", "1")
    for name in ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        environment.setdefault(name, threads)
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    environment.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    # What PyTorch's compiler says on Python 3.13.0 alone, of a fault of that version that changes no result.
    environment.setdefault("PYTHONWARNINGS", "ignore:Guards may run slower on Python 3.13.0:RuntimeWarning")
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    if str(ROOT / "code") not in paths:
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "code"), *filter(None, paths)])

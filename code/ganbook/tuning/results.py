"""What longer runs left behind: small JSON files, each with what is needed to judge it and to make it again.

A result says what was run (recipe, seed), by what (versions of the packages), on what (processor and threads), when,
and for how long; what was measured stands beside it.  Files are written under a temporary name, flushed and renamed,
so that none is ever half there.

Explained in the book's section "Counting modes".
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ganbook
from ganbook.data.files import write_atomically
from ganbook.data.recipe import FRAMEWORKS, check_choice
from ganbook.frameworks import cores

#: What every result of a run has; what was measured comes on top.
FIELDS = ("experiment", "framework", "recipe", "seed", "versions", "machine", "date", "seconds")
#: By framework: the package, and the variable that says how many threads it computes with.
_PACKAGES = {"pytorch": ("torch", "OMP_NUM_THREADS"), "tensorflow": ("tensorflow", "TF_NUM_INTRAOP_THREADS")}


class ResultError(ValueError):
    """A file that is not a result, or lacks a part of one."""


def provenance(framework: str) -> dict[str, Any]:
    """Where a result comes from: versions, machine and date.

    Args:
        framework: ``pytorch`` or ``tensorflow``.

    Returns:
        ``versions`` by name, ``machine`` (processor's model, threads) and ``date`` (UTC).

    Raises:
        ValueError: an unknown framework.
    """
    package, variable = _PACKAGES[check_choice("framework", framework, FRAMEWORKS)]
    versions = {name: importlib.metadata.version(name) for name in (package, "numpy", "scikit-learn")}
    threads = os.environ.get(variable, "")
    machine = {"processor": _processor(), "threads": int(threads) if threads.isdigit() and int(threads) else cores()}
    return {
        "versions": {"ganbook": ganbook.__version__, "python": platform.python_version(), **versions},
        "machine": machine,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def write_result(path: str | Path, result: Mapping[str, Any], fields: Iterable[str] = FIELDS) -> None:
    """Write a result in one step: the file is the old one or the new one, never a part.

    Args:
        path: the file; its folder is made if missing.
        result: numbers, names, lists and mappings of them.
        fields: what it must have.

    Raises:
        ResultError: a field is missing.
        ValueError: a value that JSON does not hold, such as a number that is not finite.
        OSError: the disk refuses; the old file is still whole.
    """
    path = Path(path)
    _check(path, result, fields)
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())


def read_result(path: str | Path, fields: Iterable[str] = FIELDS) -> dict[str, Any]:
    """Read a result and make sure that it is whole.

    Args:
        path: what :func:`write_result` wrote; a bare name, as text, is that of a file in the project's ``results``.
        fields: what it must have.

    Returns:
        The result.

    Raises:
        ResultError: there is no such file, it is not JSON, or it lacks a field, which is named.

    Example:
        >>> read_result("classifier_8.json")["experiment"]
        'classifier'
    """
    named = isinstance(path, str) and Path(path).parent == Path()
    path = results_folder() / path if named else Path(path)
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultError(f"{path} does not exist; accepted: a file that python -m ganbook experiment wrote") from None
    except ValueError as error:
        raise ResultError(f"{path} is not JSON: {error}") from error
    _check(path, result, fields)
    return result


def results_folder() -> Path:
    """The project's folder ``results``, or the copy that came with an installed package, as on Colab.

    Raises:
        ResultError: there is neither.

    Example:
        >>> results_folder().name
        'results'
    """
    installed = Path(sysconfig.get_path("data")) / "share" / "ganbook" / "results"
    folders = Path(__file__).resolve().parents[3] / "results", installed
    for folder in folders:
        if folder.is_dir():
            return folder
    raise ResultError(
        f"there is no folder {' or '.join(map(str, folders))}; accepted: a copy of the whole project, or "
        "the package as pip installs it"
    )


def _check(path: Path, result: Any, fields: Iterable[str]) -> None:
    if not isinstance(result, Mapping):
        raise ResultError(f"{path} holds {type(result).__name__}; accepted: an object with {', '.join(fields)}")
    missing = [name for name in fields if name not in result]
    if missing:
        raise ResultError(f"{path} lacks {', '.join(missing)}; accepted: an object with {', '.join(fields)}")


def _processor() -> str:
    """The processor's model, without anything that names one machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()

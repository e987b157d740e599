"""A run on disk: one file of tensors, numbers and names; no pickle, never half-written.

A folder holds ``run.safetensors``, with the same tensor names and layout from both frameworks: the weights of both
networks, what their optimisers remember, and in the file's metadata recipe and state as JSON.  The recipe is what the
run was begun with and never changes; the state says how far it has come, to which step it is to go, and what it was
trained on.  A hash of everything stands beside them.

Explained in the book's section "Inside a training step"; first used in the section "Quickstart".
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from ganbook.data.files import write_atomically
from ganbook.data.recipe import FRAMEWORKS, Recipe, check_choice, check_int, check_range, plain

ROLES = ("generator", "discriminator")
LOSSES = ("discriminator_loss", "penalty", "generator_loss")
FILE = "run.safetensors"
LOCK = ".lock"
FORMAT = "2"
Arrays = dict[str, dict[str, np.ndarray]]


class CheckpointError(ValueError):
    """A folder that does not hold a complete run, holds another run, or is in use."""


def split_names(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Group arrays by what stands before the slash of their names; weights themselves have nothing there."""
    groups: dict[str, dict[str, np.ndarray]] = {"": {}}
    for name, array in arrays.items():
        prefix, _, rest = name.rpartition("/")
        groups.setdefault(prefix, {})[rest] = array
    return groups


def save(folder: Path, recipe: Recipe, state: Mapping[str, Any], arrays: Arrays) -> None:
    """Write one run, replacing the one of the same recipe that the folder may hold.

    Args:
        folder: made if missing.
        recipe: what is run.
        state: numbers, names, lists and mappings of them.
        arrays: by role and name.

    Raises:
        CheckpointError: the folder holds a run of another recipe, or a damaged one.
        OSError: the disk refuses; the run saved before is still whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if holds_run(folder):
        check_recipe(folder, recipe)
    tensors = {f"{role}/{name}": np.ascontiguousarray(array) for role in ROLES for name, array in arrays[role].items()}
    texts = {"format": FORMAT, "recipe": recipe.to_json(), "state": json.dumps(state, default=plain)}
    write_atomically(folder / FILE, safetensors.numpy.save(tensors, texts | {"sha256": _hash(texts, tensors)}))


def load(folder: Path) -> tuple[Recipe, dict[str, Any], Arrays]:
    """Read a run.

    Args:
        folder: what :func:`save` wrote.

    Returns:
        recipe, state and arrays by role and name.

    Raises:
        CheckpointError: there is none, it is damaged, or it is of an earlier version.
    """
    with _opened(folder) as (file, texts):
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        if _hash(texts, tensors) != texts.get("sha256"):
            raise CheckpointError(f"{folder / FILE} is damaged: it is not what was saved")
        recipe = Recipe.from_json(texts["recipe"])
        state = _checked_state(json.loads(texts["state"]), recipe)
        arrays: Arrays = {role: {} for role in ROLES}
        for name, array in tensors.items():
            role, _, rest = name.partition("/")
            arrays[role][rest] = array
        return recipe, state, arrays


def read_recipe(folder: Path) -> Recipe:
    """The recipe of the run that a folder holds.

    Raises:
        CheckpointError: there is none, it is damaged, or it is of an earlier version.
    """
    with _opened(folder) as (_, texts):
        return Recipe.from_json(texts["recipe"])


def read_step(folder: Path) -> int:
    """The step of the run that a folder holds, 0 if it holds none.

    Raises:
        CheckpointError: it is damaged, or of an earlier version.
    """
    if not holds_run(folder):
        return 0
    with _opened(folder) as (_, texts):
        return json.loads(texts["state"])["step"]


def check_recipe(folder: Path, recipe: Recipe) -> None:
    """Make sure that a folder holds a run of this recipe.

    Raises:
        CheckpointError: it holds another; the fields that differ are named.
    """
    there, here = json.loads(read_recipe(folder).to_json()), json.loads(recipe.to_json())
    differing = [name for name in here if here[name] != there[name]]
    if differing:
        extend = ", and steps= (--steps) to extend it" if "steps" in differing else ""
        raise CheckpointError(
            f"{folder} holds another run; these fields of the recipe differ: {', '.join(differing)}. "
            f"Choose another folder, or give that run's own recipe{extend}"
        )


def holds_run(folder: Path) -> bool:
    """Whether a folder holds a saved run, be it of an earlier version."""
    return any((folder / name).exists() for name in (FILE, "state.json"))


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes from training into a folder.

    Args:
        folder: made if missing.

    Raises:
        CheckpointError: another process trains into it.
        OSError: it cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise CheckpointError(f"another process trains into {folder}; accepted: another folder, or wait") from None
    try:
        yield
    finally:
        lock.release()


def check_free(folder: Path) -> None:
    """Find out, without a trace, that no other process trains into a folder just now.

    Raises:
        CheckpointError: one does.
    """
    if (folder / LOCK).exists():
        with alone(folder):
            pass


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[tuple[Any, dict[str, str]]]:
    """A run's file and its metadata; whatever is wrong with them is one error."""
    path = folder / FILE
    if not path.is_file():
        old = ", but one of an earlier version, in several files" if holds_run(folder) else ""
        raise CheckpointError(
            f"{path} cannot be read: there is no such file{old}; accepted: a folder that "
            "'python -m ganbook train' wrote"
        )
    try:
        with safetensors.safe_open(path, "np") as file:
            texts = file.metadata() or {}
            if texts.get("format") != FORMAT:
                raise CheckpointError(f"{path} has format {texts.get('format')!r}; accepted: {FORMAT!r}")
            yield file, texts
    except CheckpointError:
        raise
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def _checked_state(state: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Return what a run writes of itself, if it is that."""
    check_choice("framework", state["framework"], FRAMEWORKS)
    check_int("steps", state.setdefault("steps", recipe.steps), check_int("step", state["step"], 0))
    check_range("seconds", state["seconds"], 0.0)
    columns = [state["history"][name] for name in ("step", *LOSSES)]
    for value in itertools.chain(*columns):
        check_range("history", value, -math.inf)
    if len({len(column) for column in columns}) > 1:
        raise ValueError("its history has columns of several lengths")
    record = state.setdefault("data", None)
    if record is None:
        return state
    if not isinstance(record["name"], str | None) or not isinstance(record.get("sha256", ""), str):
        raise TypeError(f"its data are {record!r}")
    if "sha256" in record:
        for n in (*record["shape"], 1 if record["count"] is None else record["count"]):
            check_int("data", n, 1)
    return state


def _hash(texts: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in ("format", "recipe", "state"):
        digest.update(f"{name} {texts[name]}\n".encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}\n".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()

"""A run on disk: two files of weights, one of numbers, one of names; no pickle, never half-written.

A folder holds ``recipe.json``, ``state.json``, ``generator.safetensors`` and ``discriminator.safetensors``, with the
same tensor names and layout from both frameworks.  The recipe is what the run was begun with and never changes; the
state says how far it has come, to which step it is to go, and what it was trained on.  Saving writes the weights beside
the old ones, under the ending ``.new``; then ``state.json``, which holds the hashes of all that belongs to it, replaces
the old one in one step; then the new weights take their names.  Whenever this is cut off, the state on disk names
weights that are on disk too: :func:`load` finds them under either name, and the next :func:`save` first gives them
their names.

Explained in the book's section "Inside a training step"; first used in the section "Quickstart".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from ganbook.data.files import flush_folder, replace_file
from ganbook.data.recipe import Recipe

ROLES = ("generator", "discriminator")
FORMAT = 1
Arrays = dict[str, dict[str, np.ndarray]]


class CheckpointError(ValueError):
    """A folder that does not hold a complete run, or holds another run."""


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
    if (folder / "recipe.json").exists():
        check_recipe(folder, recipe)
    else:
        replace_file(folder / "recipe.json", recipe.to_json().encode())
    files = {role: safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays[role].items()})
             for role in ROLES}
    _finish(folder)
    for role, content in files.items():
        replace_file(_new(folder, role), content)
    hashes = {role: _hash(content) for role, content in files.items()}
    hashes |= {"recipe": _hash(recipe.to_json().encode()), "state": _hash(json.dumps(state).encode())}
    replace_file(folder / "state.json", (json.dumps({"format": FORMAT, "sha256": hashes, **state}) + "\n").encode())
    for role in ROLES:
        _new(folder, role).replace(folder / f"{role}.safetensors")
    flush_folder(folder)


def load(folder: Path) -> tuple[Recipe, dict[str, Any], Arrays]:
    """Read a run.

    Args:
        folder: what :func:`save` wrote.

    Returns:
        recipe, state and arrays by role and name.

    Raises:
        CheckpointError: a file is missing, damaged or belongs to another state; it is named.
    """
    recipe = read_recipe(folder)
    state = _state(folder)
    hashes = state.pop("sha256")
    if _hash(recipe.to_json().encode()) != hashes["recipe"]:
        raise CheckpointError(f"{folder / 'recipe.json'} is not of the state in {folder / 'state.json'}")
    return recipe, state, {role: _weights(folder, role, hashes[role]) for role in ROLES}


def read_recipe(folder: Path) -> Recipe:
    """The recipe of the run that a folder holds.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    try:
        return Recipe.from_json(_read(folder / "recipe.json").decode())
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{folder / 'recipe.json'} is damaged: {error}") from error


def check_recipe(folder: Path, recipe: Recipe) -> None:
    """Make sure that a folder holds a run of this recipe.

    Raises:
        CheckpointError: it holds another; the fields that differ are named.
    """
    there, here = json.loads(read_recipe(folder).to_json()), json.loads(recipe.to_json())
    differing = [name for name in here if here[name] != there[name]]
    if differing:
        extend = ", and steps= (--steps) to extend it" if "steps" in differing else ""
        raise CheckpointError(f"{folder} holds another run; these fields of the recipe differ: {', '.join(differing)}. "
                              f"Choose another folder, or give that run's own recipe{extend}")


def holds_run(folder: Path) -> bool:
    """Whether a folder holds a saved state."""
    return (folder / "state.json").exists()


def _state(folder: Path) -> dict[str, Any]:
    path = folder / "state.json"
    content = _read(path)
    try:
        state = json.loads(content)
        found, hashes = state["format"], state["sha256"]
        state["sha256"] = {name: hashes[name] for name in (*ROLES, "recipe", "state")}
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: {error!r}") from error
    if found != FORMAT:
        raise CheckpointError(f"{path} has format {found!r}; accepted: {FORMAT}")
    given = {name: value for name, value in state.items() if name not in ("format", "sha256")}
    if _hash(json.dumps(given).encode()) != hashes["state"]:
        raise CheckpointError(f"{path} is damaged: it is not what was saved")
    return state


def _finish(folder: Path) -> None:
    # A save cut off after its state was written left weights of that state under the ending that comes next.
    if not holds_run(folder):
        return
    hashes = _state(folder)["sha256"]
    for role in ROLES:
        path = _new(folder, role)
        if path.exists() and _hash(path.read_bytes()) == hashes[role]:
            path.replace(folder / f"{role}.safetensors")
    flush_folder(folder)


def _weights(folder: Path, role: str, sha256: str) -> dict[str, np.ndarray]:
    final = folder / f"{role}.safetensors"
    for path in (final, _new(folder, role)):
        if path.exists():
            content = path.read_bytes()
            if _hash(content) == sha256:
                try:
                    return safetensors.numpy.load(content)
                except SafetensorError as error:
                    raise CheckpointError(f"{path} is damaged: {error}") from error
    raise CheckpointError(f"{final} is missing, damaged or not of the state in {folder / 'state.json'}")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _new(folder: Path, role: str) -> Path:
    return folder / f"{role}.safetensors.new"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); accepted: a folder that "
                              "'python -m ganbook train' wrote") from error

"""The real examples of a run: loaded from its recipe, written down, and known again when the run goes on.

A run on a data set that its recipe names needs no more than the name.  Of the reader's own images, and of examples
that were given in Python, the run keeps shape, number and fingerprint, and it takes no others later.

Explained in the book's section "Inside a training step".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganbook import data
from ganbook.data import DataError, FolderImages
from ganbook.data.recipe import Recipe
from ganbook.gradient_descent.checkpoint import CheckpointError
from ganbook.tensors.architectures import blueprint_of

#: How a folder was read, as far as no recipe says it.
OPTIONS = ("background", "skip_unreadable")


def load_source(recipe: Recipe, **options: Any) -> Any:
    """The real examples that a recipe names: images, stacks of as many as the generator has channels, or a mixture.

    Args:
        recipe: of a folder's images the generator says how many channels they have and, where the recipe does not,
            their size.
        options: ``background`` and ``skip_unreadable`` of :func:`ganbook.data.load`, for a folder.

    Raises:
        ValueError: a combination of data, split, size and scale that does not exist.
        DataError: a file is missing or damaged, or a folder holds fewer images than a batch.

    Example:
        >>> source = load_source(Recipe(data="digits"))
        >>> source.name, len(source), source.shape
        ('digits', 1797, (8, 8, 1))
    """
    made = blueprint_of(recipe.generator).output_shape
    name, size = data.full_name(recipe.data), recipe.size
    if data.is_folder(name):
        size, options = made[0] if size is None else size, {"channels": made[-1], **options}
    elif name.startswith("stacked_") and len(made) == 3:
        options = {"stack": made[-1], **options}
    source = data.load(
        name, split=recipe.split, size=size, scale=None if recipe.scale == 1.0 else recipe.scale, **options
    )
    if isinstance(source, FolderImages) and len(source) < recipe.batch:
        raise DataError(
            f"{source.name} has {len(source):,} images in split {recipe.split!r}; accepted: at least "
            f"{recipe.batch:,}, the recipe's batch, or a smaller batch (--batch)"
        )
    return source


def describe(source: Any) -> dict[str, Any]:
    """What a run keeps of examples that no recipe names: numbers and names alone.

    Returns:
        ``name`` (or None), ``shape`` of one example, ``count`` (None where they are drawn), ``sha256``, and of a folder
        how it was read and how many files were left out.
    """
    name = getattr(source, "name", None)
    record = {
        "name": name if isinstance(name, str) else None,
        "shape": list(map(int, source.shape)),
        "count": len(source) if hasattr(source, "__len__") else None,
        "sha256": data.fingerprint(source),
    }
    if isinstance(source, FolderImages):
        record |= read_as(source) | {"unreadable": len(source.unreadable)}
    return record


def read_as(source: Any) -> dict[str, Any]:
    """The options of :func:`load_source` that a folder was read with; of other examples none."""
    return {option: getattr(source, option) for option in OPTIONS} if isinstance(source, FolderImages) else {}


def find_source(
    recipe: Recipe, record: Mapping[str, Any] | None = None, source: Any = None
) -> tuple[Any, dict[str, Any]]:
    """The real examples of a run, and what it keeps of them.

    Args:
        recipe: of the run.
        record: what the run has kept so far: what :func:`describe` gives, or ``name`` alone of a data set that its
            recipe names; None where it has kept nothing.
        source: the examples, where they are given; None loads them.

    Returns:
        the examples and their record.

    Raises:
        CheckpointError: they are not those that the run was trained on, or nobody but who gave those can give them.
        DataError: they are not at hand.
    """
    known = record if record is not None and "sha256" in record else None
    if source is None:
        if record is not None and not loadable(record):
            raise CheckpointError(
                f"the run was trained on examples that were given in Python, {told(record)}, and not "
                f"on {recipe.data!r} of its recipe; accepted: the same ones as source=, or if they "
                "are a folder's images its path (--data)"
            )
        if known:
            recipe = recipe.replace(data=known["name"])
        source = load_source(recipe, **({option: known[option] for option in OPTIONS} if known else {}))
        if not data.is_folder(data.full_name(recipe.data)):
            return source, {"name": recipe.data}
    found = describe(source)
    wanted = record if known or record is None else describe(load_source(recipe))
    if wanted is not None and wanted["sha256"] != found["sha256"]:
        raise CheckpointError(
            f"the run was trained on {told(wanted)}, and these are {told(found)}; accepted: the same examples"
        )
    return source, found if known or record is None else dict(record)


def loadable(record: Mapping[str, Any]) -> bool:
    """Whether the examples of a record have a name that they can be loaded by."""
    return "sha256" not in record or data.is_folder(record["name"] or "")


def told(record: Mapping[str, Any]) -> str:
    """A record in words, such as ``digits`` or ``folder:/photos (200 of shape 64x64x3, SHA-256 0123456789ab)``."""
    if "sha256" not in record:
        return record["name"]
    shape = "x".join(map(str, record["shape"]))
    count = "drawn" if record["count"] is None else f"{record['count']:,}"
    left_out = f", {record['unreadable']:,} files left out" if record.get("unreadable") else ""
    return f"{record['name'] or 'no name'} ({count} of shape {shape}{left_out}, SHA-256 {record['sha256'][:12]})"

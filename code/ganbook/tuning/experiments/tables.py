"""Tables of many runs: what they hold, and how their files of results are read and shown.

A *cell* is one recipe run by one framework; a *table* is a list of cells and what is measured of each finished run.
:mod:`ganbook.tuning.experiments.table_runs` fills its file.  Every record keeps the losses of an early step, its
*early losses*: whoever doubts a cell runs that many steps again and compares.

Explained in the book's section "Losses and penalties".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganbook.data.recipe import Recipe, up_to_date
from ganbook.gradient_descent import training
from ganbook.tuning import results

#: The step whose losses are kept.  So early, float32 agrees to three digits between processors and between compiled and
#: plain steps; at large learning rates it no longer does at step 20, since a game magnifies every rounding.
EARLY = 5
#: What the file of a table has.
FIELDS = ("table", "title", "measures", "recipes", "provenance", "records")
#: What every record has; what was measured comes on top.
RECORD = ("data", "method", "framework", "seed", "early_losses", "failed", "seconds", "processor_seconds", "provenance")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a table.

    Args:
        method: what distinguishes the run from others on the same data; letters, digits, ``-`` and ``_``.
        framework: ``pytorch`` or ``tensorflow``.
        recipe: what is run; data and seed stand in it.
    """

    method: str
    framework: str
    recipe: Recipe

    @property
    def key(self) -> str:
        """``DATA/METHOD/FRAMEWORK/SEED``."""
        return f"{self.group}/{self.recipe.seed}"

    @property
    def group(self) -> str:
        """``DATA/METHOD/FRAMEWORK``, of cells that differ in nothing but their seed."""
        return f"{self.recipe.data}/{self.method}/{self.framework}"


@dataclasses.dataclass(frozen=True)
class Table:
    """Many runs and what is measured of each.

    Args:
        name: of the file, without its ending; letters, digits, ``-`` and ``_``.
        title: what the table shows, in one line.
        cells: the runs, in the order in which they are made; no key occurs twice.
        measures: names of the numbers that ``measure`` gives.
        measure: takes a trained :class:`ganbook.gradient_descent.training.Run`.
        compiled: run many steps in one compiled call.
        every: steps between two measurements on the way; 0 for none.  A record keeps them as ``curve``: by ``step``
            and the names of the measures, equally long lists, from before the first step to the last.
        limits: of a recipe, numbers between which its measures lie, kept in its records; None for none.
        picture: of a trained run, images for a grid beside the file, named after the cell; None for none.

    Raises:
        ValueError: two cells with one key.
    """

    name: str
    title: str
    cells: tuple[Cell, ...]
    measures: tuple[str, ...]
    measure: Callable[[training.Run], Mapping[str, float]]
    compiled: bool = True
    every: int = 0
    limits: Callable[[Recipe], Mapping[str, Any]] | None = None
    picture: Callable[[training.Run], np.ndarray] | None = None

    def __post_init__(self) -> None:
        keys = [cell.key for cell in self.cells]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(
                f"cells has the keys {', '.join(twice)} more than once; accepted: cells with keys of their own"
            )

    def cell(self, key: str) -> Cell:
        """The cell with this key.

        Raises:
            ValueError: there is none.
        """
        for cell in self.cells:
            if cell.key == key:
                return cell
        raise ValueError(
            f"key is {key!r}; accepted: that of a cell of table {self.name!r}, such as {self.cells[0].key!r}"
        )


def picture_of(table: Table, cell: Cell, folder: str | Path | None = None) -> Path:
    """The file of a cell's picture.

    Args:
        table, cell: whose.
        folder: where the table's file lies; None means the project's folder ``results``.

    Example:
        >>> from ganbook.tuning.experiments.registry import TABLES
        >>> picture_of(TABLES["article_004"], TABLES["article_004"].cells[0], "results").name
        'article_004_as_listed_tensorflow_0.png'
    """
    folder = results.results_folder() if folder is None else Path(folder)
    return folder / f"{table.name}_{cell.method}_{cell.framework}_{cell.recipe.seed}.png"


def read_table(table: Table, folder: str | Path | None = None) -> list[dict[str, Any]]:
    """The records of a table, so far.

    Args:
        table: says what the file must hold.
        folder: where ``NAME.json`` lies; None means the project's folder ``results``.

    Returns:
        Mappings with ``RECORD`` and the table's measures, in the order of the table's cells.

    Raises:
        ResultError: there is no such file, it lacks a field, or it holds another table or runs of other recipes.

    Example:
        >>> from ganbook.tuning.experiments.registry import TABLES
        >>> records = read_table(TABLES["mixtures"])
        >>> records[0]["data"], records[0]["framework"]
        ('ring', 'tensorflow')
    """
    return read_file(table, folder)["records"]


def provenance_of(table: Table, folder: str | Path | None = None) -> list[dict[str, Any]]:
    """Versions, machine and date of a table's runs; a record's ``provenance`` is an index into this list.

    Args and Raises as of :func:`read_table`.

    Example:
        >>> from ganbook.tuning.experiments.registry import TABLES
        >>> sorted(provenance_of(TABLES["mixtures"])[0])
        ['date', 'machine', 'versions']
    """
    return read_file(table, folder)["provenance"]


def read_file(table: Table, folder: str | Path | None = None) -> dict[str, Any]:
    """The whole file of a table, by the names of ``FIELDS``; Args and Raises as of :func:`read_table`."""
    path = (results.results_folder() if folder is None else Path(folder)) / f"{table.name}.json"
    content = results.read_result(path, FIELDS)
    if content["table"] != table.name or content["measures"] != list(table.measures):
        raise results.ResultError(
            f"{path} holds table {content['table']!r} with {', '.join(content['measures'])}; "
            f"accepted: {table.name!r} with {', '.join(table.measures)}"
        )
    keys = {cell.key for cell in table.cells}
    for record in content["records"]:
        missing = [name for name in (*RECORD, *table.measures) if name not in record]
        if missing:
            raise results.ResultError(
                f"{path} has a record without {', '.join(missing)}; accepted: records with all fields"
            )
        if key_of(record) not in keys:
            raise results.ResultError(
                f"{path} has a record {key_of(record)}; accepted: the cells of table {table.name!r}"
            )
    recipes = {cell.group: cell.recipe.replace(seed=Recipe().seed) for cell in table.cells}
    for group, recipe in content["recipes"].items():
        if group not in recipes or up_to_date(recipe) != json.loads(recipes[group].to_json()):
            raise results.ResultError(
                f"{path} has runs of another recipe {group}; accepted: that of table "
                f"{table.name!r}. Move the file away to run the table anew"
            )
    return content


def key_of(record: Mapping[str, Any]) -> str:
    """The key of the cell that a record is of."""
    return f"{record['data']}/{record['method']}/{record['framework']}/{record['seed']}"


@dataclasses.dataclass(frozen=True)
class Summary:
    """One measure over the seeds of one group of records.

    Args:
        n: runs that ended well; ``failed``: those that did not.
        median, low, high: the middle and the quartiles of those that ended well; NaN where none did.
        smallest, largest: the extremes.
    """

    n: int
    failed: int
    median: float
    low: float
    high: float
    smallest: float
    largest: float


def summarise(
    records: Iterable[Mapping[str, Any]], measure: str, by: Sequence[str] = ("data", "method", "framework")
) -> dict[tuple[str, ...], Summary]:
    """Median, quartiles and extremes of one measure, for each group of records.

    Args:
        records: of :func:`read_table`.
        measure: name of the number.
        by: fields that make a group.

    Returns:
        By the values of ``by``, in the order in which they first occur.

    Raises:
        ValueError: records without the measure or a field.

    Example:
        >>> records = [{"method": "a", "modes": modes} for modes in (7.0, 8.0, None)]
        >>> found = summarise(records, "modes", by=("method",))["a",]
        >>> found.n, found.failed, found.median
        (2, 1, 7.5)
    """
    groups: dict[tuple[str, ...], list[float | None]] = {}
    for record in records:
        missing = [name for name in (measure, *by) if name not in record]
        if missing:
            raise ValueError(f"records has one without {', '.join(missing)}; accepted: {', '.join(record)}")
        groups.setdefault(tuple(record[name] for name in by), []).append(record[measure])
    summaries = {}
    for group, values in groups.items():
        good = np.array([value for value in values if value is not None], np.float64)
        points = np.quantile(good, (0.5, 0.25, 0.75, 0, 1)) if len(good) else np.full(5, np.nan)
        summaries[group] = Summary(len(good), len(values) - len(good), *map(float, points))
    return summaries


def text(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as lines of text: the first column to the left, the others to the right.

    Args:
        headers: of the columns.
        rows: as many values each, shown by ``str``.

    Returns:
        Lines, the second one a rule.

    Raises:
        ValueError: a row of another length.

    Example:
        >>> print(text(("", "modes"), [("a", 7), ("bc", 25)]))
            modes
        ---------
        a       7
        bc     25
    """
    lines = [list(map(str, line)) for line in (headers, *rows)]
    for line in lines:
        if len(line) != len(headers):
            raise ValueError(f"rows has one of {len(line)} values; accepted: {len(headers)}, one for each header")
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = []
    for first, *others in lines:
        cells = [value.rjust(width) for value, width in zip(others, widths[1:], strict=True)]
        shown.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join([shown[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *shown[1:]])

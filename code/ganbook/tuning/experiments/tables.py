"""Tables of many runs: one file of results for each table, filled cell by cell.

A *cell* is one recipe run by one framework; a *table* is a list of cells and what is measured of each finished run.
The file is written after every cell, so a table that was stopped goes on where it stood, and a run that failed is a
record too.  Every record keeps the losses of an early step, its *early losses*: whoever doubts a cell runs that many
steps again and compares.

Explained in the book's section "Losses and penalties".
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import fnmatch
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ganbook.data.grids import save_grid_png
from ganbook.data.recipe import Recipe, check_int, check_range, up_to_date
from ganbook.gradient_descent import training
from ganbook.tuning import results

#: The step whose losses are kept.  So early, float32 agrees to three digits between processors and between compiled and
#: plain steps; at large learning rates it no longer does at step 20, since a game magnifies every rounding.
EARLY = 5
#: What the file of a table has.
FIELDS = ("table", "title", "measures", "recipes", "provenance", "records")
#: What every record has; what was measured comes on top.
RECORD = ("data", "method", "framework", "seed", "early_losses", "failed", "seconds", "processor_seconds", "provenance")
#: Cells that one process runs before a new one takes its place: compiled programs are never given back.
CELLS_PER_PROCESS = 8


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
        return f"{self.recipe.data}/{self.method}/{self.framework}/{self.recipe.seed}"


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


def run_cell(table: Table, cell: Cell, device: str | None = None) -> dict[str, Any]:
    """Train one cell to its end and measure it.

    Args:
        table: says what is measured.
        cell: what is run.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        A record with ``RECORD`` but its ``provenance``, the table's measures, and ``curve``, ``limits`` and ``picture``
        where the table has them.  ``seconds`` is the time on the clock spent in training, with compiling;
        ``processor_seconds`` that of all cores.  Where a loss was not finite, ``failed`` says so and every measure is
        None.

    Raises:
        ValueError: ``measure`` gives other names than the table announces, or a number that is not finite.
    """
    run = training.start_run(cell.recipe, cell.framework, device=device)
    record = {
        "data": cell.recipe.data,
        "method": cell.method,
        "framework": cell.framework,
        "seed": cell.recipe.seed,
        "early_losses": None,
        "failed": None,
    }
    curve: dict[str, list[float]] = {}
    runner, looking = training.make_runner(run, table.compiled), 0.0
    if table.every:
        _look(table, cell, run, curve)
    started = time.process_time()
    try:
        [early] = training.iterate(run, until=min(EARLY, run.steps), run_iterations=runner)
        for _ in training.iterate(run, table.every, run_iterations=runner):
            looking += _look(table, cell, run, curve) if table.every else 0.0
        record["early_losses"] = early.tolist()
    except training.NonFiniteLoss as error:
        record["failed"] = str(error).split(". ")[0]
    record |= {"seconds": round(run.seconds, 2), "processor_seconds": round(time.process_time() - started - looking, 2)}
    if curve:
        record["curve"] = curve
    if record["failed"]:
        return record | dict.fromkeys(table.measures)
    if table.limits:
        record["limits"] = table.limits(cell.recipe)
    if table.picture:
        record["picture"] = table.picture(run)
    return record | _measured(table, cell, run)


def _look(table: Table, cell: Cell, run: training.Run, curve: dict[str, list[float]]) -> float:
    """Put what is measured now into the curve: seconds of the processor that this took."""
    started = time.process_time()
    for name, value in {"step": run.step, **_measured(table, cell, run)}.items():
        curve.setdefault(name, []).append(value)
    return time.process_time() - started


def early_losses(cell: Cell, device: str | None = None) -> list[float]:
    """Run the first steps of a cell, without compiling, and give the losses of the last of them.

    Args:
        cell: what is run.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        Discriminator loss, penalty and generator loss of step ``EARLY``, or of the last one of a shorter run.
    """
    run = training.start_run(cell.recipe, cell.framework, device=device)
    [early] = training.iterate(run, until=min(EARLY, cell.recipe.steps))
    return early.tolist()


def _measured(table: Table, cell: Cell, run: training.Run) -> dict[str, float]:
    measured = {name: float(value) for name, value in table.measure(run).items()}
    if set(measured) != set(table.measures):
        raise ValueError(
            f"measure gives {', '.join(sorted(measured))} for {cell.key}; accepted: {', '.join(sorted(table.measures))}"
        )
    for name, value in measured.items():
        check_range(f"{name} of {cell.key}", value, -np.inf)
    return measured


def run_table(
    table: Table,
    out: str | Path = "results",
    *,
    only: str = "*",
    jobs: int = 1,
    minutes: float | None = None,
    device: str | None = None,
    report: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Run the cells that the file of a table lacks, one after another or in several processes.

    Args:
        table: with ``jobs`` above 1 one whose ``measure`` can be sent to a process, as a module's function can.
        out: folder of the file, ``NAME.json``.
        only: pattern of keys, as a shell matches file names.
        jobs: processes; give each one thread.
        minutes: begin no cell after this time; None runs all.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if there is one.
        report: gets a line after each cell.

    Returns:
        All records of the file, in the table's order.

    Raises:
        ValueError: an argument outside its range, or a pattern that no key matches.
        ResultError: the file holds another table, or runs of other recipes, or another process is writing it; it is
            left as it was.
    """
    check_int("jobs", jobs, 1)
    budget = np.inf if minutes is None else 60 * check_range("minutes", minutes, 0.0, open_low=True)
    cells = [cell for cell in table.cells if fnmatch.fnmatchcase(cell.key, only)]
    if not cells:
        raise ValueError(f"only is {only!r}; accepted: a pattern that matches a key, such as {table.cells[0].key!r}")
    path = Path(out) / f"{table.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(path.name + ".lock"), blocking=False):
            content = _content(table, path)
            done = {_key(record) for record in content["records"]}
            left = [cell for cell in cells if cell.key not in done]
            report(f"{table.name}: {len(cells) - len(left)} of {len(cells)} cells are there")
            for number, (cell, record) in enumerate(_records(table, left, jobs, budget, device), 1):
                if table.picture and not record["failed"]:
                    save_grid_png(record.pop("picture"), picture_of(table, cell, out))
                _add(table, content, cell, record)
                results.write_result(path, content, FIELDS)
                report(f"{number} of {len(left)}: {_line(table, cell, record)}")
    except Timeout:
        raise results.ResultError(
            f"{path} is being written by another process; accepted: one at a time, or --jobs "
            "for several processes at once"
        ) from None
    return content["records"]


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


def _records(
    table: Table, cells: Sequence[Cell], jobs: int, budget: float, device: str | None
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Cells with their records, as they are finished; none is begun after the time is up."""
    started = time.perf_counter()
    if jobs == 1:
        for cell in cells:
            if time.perf_counter() - started > budget:
                return
            yield cell, run_cell(table, cell, device)
        return
    with concurrent.futures.ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), max_tasks_per_child=CELLS_PER_PROCESS
    ) as pool:
        waiting = list(reversed(cells))
        running: dict[concurrent.futures.Future[dict[str, Any]], Cell] = {}
        while True:
            while waiting and len(running) < jobs and time.perf_counter() - started <= budget:
                cell = waiting.pop()
                running[pool.submit(run_cell, dataclasses.replace(table, cells=(cell,)), cell, device)] = cell
            if not running:
                return
            finished, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()


def _content(table: Table, path: Path) -> dict[str, Any]:
    """What the file holds, or what a new one starts with."""
    if path.exists():
        return _checked(table, path)
    return {
        "table": table.name,
        "title": table.title,
        "measures": list(table.measures),
        "recipes": {},
        "provenance": [],
        "records": [],
    }


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
    path = Path(f"{table.name}.json") if folder is None else Path(folder) / f"{table.name}.json"
    return _checked(table, path)["records"]


def provenance_of(table: Table, folder: str | Path | None = None) -> list[dict[str, Any]]:
    """Versions, machine and date of a table's runs; a record's ``provenance`` is an index into this list.

    Args:
        table: as for :func:`read_table`.
        folder: as for :func:`read_table`.

    Raises:
        ResultError: as :func:`read_table`.

    Example:
        >>> from ganbook.tuning.experiments.registry import TABLES
        >>> sorted(provenance_of(TABLES["mixtures"])[0])
        ['date', 'machine', 'versions']
    """
    path = Path(f"{table.name}.json") if folder is None else Path(folder) / f"{table.name}.json"
    return _checked(table, path)["provenance"]


def _checked(table: Table, path: Path) -> dict[str, Any]:
    content = results.read_result(path, FIELDS)
    cells = {cell.key: cell for cell in table.cells}
    if content["table"] != table.name or content["measures"] != list(table.measures):
        raise results.ResultError(
            f"{path} holds table {content['table']!r} with {', '.join(content['measures'])}; "
            f"accepted: {table.name!r} with {', '.join(table.measures)}"
        )
    for record in content["records"]:
        missing = [name for name in (*RECORD, *table.measures) if name not in record]
        if missing:
            raise results.ResultError(
                f"{path} has a record without {', '.join(missing)}; accepted: records with all fields"
            )
        if _key(record) not in cells:
            raise results.ResultError(
                f"{path} has a record {_key(record)}; accepted: the cells of table {table.name!r}"
            )
    for name, recipe in content["recipes"].items():
        now = next((cell for cell in table.cells if _group(cell) == name), None)
        if now is None or up_to_date(recipe) != json.loads(now.recipe.replace(seed=Recipe().seed).to_json()):
            raise results.ResultError(
                f"{path} has runs of another recipe {name}; accepted: that of table "
                f"{table.name!r}. Move the file away to run the table anew"
            )
    return content


def _add(table: Table, content: dict[str, Any], cell: Cell, record: dict[str, Any]) -> None:
    """Put a record in its place: the file's order is the table's, whichever cell was finished first."""
    where = results.provenance(cell.framework)
    if where not in content["provenance"]:
        content["provenance"].append(where)
    content["recipes"][_group(cell)] = _plain(cell.recipe)
    content["records"].append(record | {"provenance": content["provenance"].index(where)})
    order = {cell.key: place for place, cell in enumerate(table.cells)}
    content["records"].sort(key=lambda one: order[_key(one)])


def _group(cell: Cell) -> str:
    """Cells that differ in nothing but their seed."""
    return cell.key.rpartition("/")[0]


def _plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON holds it, without its seed: that stands in the record."""
    fields = json.loads(recipe.to_json())
    del fields["seed"]
    return fields


def _key(record: Mapping[str, Any]) -> str:
    return f"{record['data']}/{record['method']}/{record['framework']}/{record['seed']}"


def _line(table: Table, cell: Cell, record: Mapping[str, Any]) -> str:
    found = record["failed"] or ", ".join(f"{name} {record[name]:.4g}" for name in table.measures)
    return f"{cell.key}: {found}; {record['seconds']:.0f} s"


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
    lines = [list(map(str, headers)), *[list(map(str, row)) for row in rows]]
    for line in lines:
        if len(line) != len(headers):
            raise ValueError(f"rows has one of {len(line)} values; accepted: {len(headers)}, one for each header")
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    shown = [
        "  ".join(
            value.ljust(width) if column == 0 else value.rjust(width)
            for column, (value, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([shown[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *shown[1:]])

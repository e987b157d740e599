"""Filling the file of a table, cell by cell.

The file is written after every cell, so a table that was stopped goes on where it stood, and a run that failed is a
record too.

Explained in the book's section "Losses and penalties".
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import fnmatch
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ganbook.data.grids import save_grid_png
from ganbook.data.recipe import check_int, check_range
from ganbook.gradient_descent import training
from ganbook.tuning import results
from ganbook.tuning.experiments.tables import EARLY, FIELDS, Cell, Table, key_of, picture_of, read_file

#: Cells that one process runs before a new one takes its place: compiled programs are never given back.
CELLS_PER_PROCESS = 8


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
            content = read_file(table, out) if path.exists() else _without_runs(table)
            done = {key_of(record) for record in content["records"]}
            left = [cell for cell in cells if cell.key not in done]
            report(f"{table.name}: {len(cells) - len(left)} of {len(cells)} cells are there")
            for number, (cell, record) in enumerate(_records(table, left, jobs, budget, device), 1):
                if table.picture and not record["failed"]:
                    save_grid_png(record.pop("picture"), picture_of(table, cell, out))
                _add(table, content, cell, record)
                results.write_result(path, content, FIELDS)
                found = record["failed"] or ", ".join(f"{name} {record[name]:.4g}" for name in table.measures)
                report(f"{number} of {len(left)}: {cell.key}: {found}; {record['seconds']:.0f} s")
    except Timeout:
        raise results.ResultError(
            f"{path} is being written by another process; accepted: one at a time, or --jobs "
            "for several processes at once"
        ) from None
    return content["records"]


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


def _without_runs(table: Table) -> dict[str, Any]:
    """What a new file starts with."""
    named = {"table": table.name, "title": table.title, "measures": list(table.measures)}
    return named | {"recipes": {}, "provenance": [], "records": []}


def _add(table: Table, content: dict[str, Any], cell: Cell, record: dict[str, Any]) -> None:
    """Put a record in its place: the file's order is the table's, whichever cell was finished first."""
    where = results.provenance(cell.framework)
    if where not in content["provenance"]:
        content["provenance"].append(where)
    recipe = json.loads(cell.recipe.to_json())
    del recipe["seed"]  # it stands in the record
    content["recipes"][cell.group] = recipe
    content["records"].append(record | {"provenance": content["provenance"].index(where)})
    order = {cell.key: place for place, cell in enumerate(table.cells)}
    content["records"].sort(key=lambda one: order[key_of(one)])

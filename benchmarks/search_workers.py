"""Trials per second of a search with two workers against one, on two cores with one thread each.

Every trial trains the same small networks for the same number of steps, so all take about as long.  Only the stretch
in which all workers are busy counts: it begins when the last of them has finished its first trial (imports and first
calls are over by then), and ends when the last trial begins (after it some worker may be idle).  A trial that lies
partly in the stretch counts for that part.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from ganbook.tuning import results
from ganbook.tuning.search import optuna_studies, workers
from ganbook.tuning.search.problems import PROBLEMS
from ganbook.tuning.search.storages import open_storage

PROBLEM = "rates"
WORKERS = 2
#: Finished trials of each study; the first of each worker is not counted.
TRIALS = 14
STEPS = 800
FIELDS = (*results.FIELDS, "ratio", "ratios", "rounds", "workers", "trials", "load")


def rate(trials: Sequence[FrozenTrial]) -> float:
    """Trials per second while all workers were busy.

    Args:
        trials: finished ones, each with its worker.

    Raises:
        ValueError: too few trials for a stretch in which all are busy.
    """
    spans = [(trial.user_attrs["process"], *_span(trial)) for trial in trials]
    first: dict[int, datetime] = {}
    for process, _, completed in sorted(spans, key=lambda span: span[1]):
        first.setdefault(process, completed)
    begin, end = max(first.values()), max(started for _, started, _ in spans)
    if end <= begin:
        raise ValueError(
            f"trials has {len(trials)} of {len(first)} workers; accepted: enough that all are busy after their first"
        )
    done = sum(
        max(0.0, (min(end, completed) - max(begin, started)).total_seconds()) / (completed - started).total_seconds()
        for _, started, completed in spans
    )
    return done / (end - begin).total_seconds()


def _span(trial: FrozenTrial) -> tuple[datetime, datetime]:
    """When a finished trial began and when it ended."""
    assert trial.datetime_start is not None
    assert trial.datetime_complete is not None
    return trial.datetime_start, trial.datetime_complete


def measure(count: int, trials: int, steps: int) -> dict[str, float]:
    """Run one study with so many workers.

    Returns:
        ``workers``, ``rate`` (trials per second), ``seconds`` of the whole study, start of the processes included, and
        ``processor_seconds`` of its processes.
    """
    problem = dataclasses.replace(PROBLEMS[PROBLEM], steps=steps)
    before, started = _processor_seconds(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/study.db"
        optuna_studies.open_study(problem, open_storage(storage), "random", 0, "none")
        study = workers.run_workers(problem, storage, count, trials, device="cpu")
        seconds = time.perf_counter() - started
        return {
            "workers": count,
            "rate": rate(optuna_studies.finished(study)),
            "seconds": seconds,
            "processor_seconds": _processor_seconds() - before,
        }


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(rounds: int, out: Path | None = None, trials: int = TRIALS, steps: int = STEPS) -> dict[str, Any]:
    """Print the table and, with ``out``, write ``search_workers.json`` there."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    cores = len(os.sched_getaffinity(0))
    if cores < WORKERS:
        raise SystemExit(f"search_workers: this process may use {cores} core; two workers need two")
    load, started = os.getloadavg()[0], time.perf_counter()
    print(
        f"Search with {WORKERS} workers against one, one thread each, on {cores} cores; load before {load:.2f}; "
        f"{trials} trials a study, {rounds} rounds in turn"
    )
    pairs = []
    for _ in range(rounds):
        pairs.append([measure(count, trials, steps) for count in (1, WORKERS)])
        one, two = (found["rate"] for found in pairs[-1])
        print(f"  {one:6.3f} and {two:6.3f} trials a second: {two / one:5.2f} times", flush=True)
    ratios = [two["rate"] / one["rate"] for one, two in pairs]
    problem = dataclasses.replace(PROBLEMS[PROBLEM], steps=steps)
    where = results.provenance(problem.framework)
    where["versions"]["optuna"] = importlib.metadata.version("optuna")
    where["machine"] |= {"threads": 1, "cores": cores}
    result = {
        "experiment": "search_workers",
        "framework": problem.framework,
        "recipe": json.loads(problem.base.to_json()),
        "seed": 0,
        **where,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "rounds": [found for pair in pairs for found in pair],
        "workers": WORKERS,
        "trials": trials,
        "load": load,
        "seconds": round(time.perf_counter() - started, 1),
    }
    print(f"  median {result['ratio']:.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
    if out is not None:
        results.write_result(out / "search_workers.json", result, FIELDS)
    return result

"""Several processes that work at one study, on this host and, through a shared database, on others.

Each worker is a process of its own with one thread: several small trainings at once use the cores better than one
training with several threads does.  What a worker leaves unfinished when it dies is tried again by another.

Explained in the book's section "Search".
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from multiprocessing.queues import SimpleQueue

import optuna

from ganbook.data.recipe import check_int
from ganbook.tuning.search import optuna_studies
from ganbook.tuning.search.problems import SearchProblem
from ganbook.tuning.search.storages import open_storage

#: Variables that libraries read when they start, to know how many threads to compute with.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
#: Seconds between two looks at the study, and that a worker has to end before it is killed.
LOOK, FAREWELL = 0.5, 5


class WorkerError(RuntimeError):
    """A worker raised an error, or all workers died before the study was finished."""


def run_workers(
    problem: SearchProblem, storage: str, workers: int, trials: int, *, device: str | None = None
) -> optuna.Study:
    """Work at a study with several processes of this host, until it has at least as many finished trials as asked for.

    Other hosts may do the same at the same time, with the same storage.  Each worker asks after each trial whether
    there are enough, so up to one trial for each other worker is finished beyond the number.

    Args:
        problem: the study's; the study is there already.
        storage: URL of a database, as :func:`ganbook.tuning.search.storages.open_storage` reads it.
        workers: processes, at least 1.
        trials: complete and pruned trials that the study shall have in the end, at least 1.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        The study.

    Raises:
        ValueError: an argument outside its range, or a storage that cannot be used.
        WorkerError: a worker raised an error, or all died before the study was finished.
        KeyboardInterrupt: Ctrl-C; the workers are stopped, and their trials are tried again by whoever goes on.
    """
    check_int("workers", workers, 1)
    check_int("trials", trials, 1)
    study = optuna_studies.read_study(problem, open_storage(storage, workers))
    context = multiprocessing.get_context("spawn")
    errors: SimpleQueue[str] = context.SimpleQueue()
    crew = [
        context.Process(target=_work, args=(problem, storage, trials, device, errors), daemon=True)
        for _ in range(workers)
    ]
    try:
        with _one_thread():
            for process in crew:
                process.start()
        with optuna_studies.show_trials(trials) as show:
            while any(process.is_alive() for process in crew) and errors.empty():
                show(study)
                next(process for process in crew if process.is_alive() or process is crew[-1]).join(LOOK)
            show(study)
    finally:
        for process in crew:
            process.terminate()
        for process in crew:
            process.join(FAREWELL)
            process.kill()
    if not errors.empty():
        raise WorkerError(f"a worker failed: {errors.get()}")
    found = len(optuna_studies.finished(study))
    if found < trials:
        raise WorkerError(
            f"all {workers} workers died, the last with exit code {crew[-1].exitcode}, and {found} of "
            f"{trials} trials are finished; is there enough memory for {workers}?"
        )
    return study


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """The environment in which a process is started that shall compute with one thread."""
    before = {name: os.environ[name] for name in THREADS if name in os.environ}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name in THREADS:
            del os.environ[name]
        os.environ.update(before)


def _work(problem: SearchProblem, storage: str, trials: int, device: str | None, errors: SimpleQueue[str]) -> None:
    """What a worker does, in its own process."""
    # Ctrl-C reaches every process of a terminal; the first one alone decides what follows from it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def stop_with_parent(study: optuna.Study, _trial: optuna.trial.FrozenTrial) -> None:
        if parent is not None and not parent.is_alive():
            study.stop()

    try:
        study = optuna_studies.read_study(problem, open_storage(storage))
        optuna_studies.run_trials(study, problem, trials, progress=False, device=device, callbacks=[stop_with_parent])
    except Exception as error:
        errors.put("".join(traceback.format_exception_only(error)).strip())
        sys.exit(1)

"""Several processes that work at one study, on this host and, through a shared storage, on others.

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
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from ganbook.data.recipe import whole
from ganbook.tuning.search import claims
from ganbook.tuning.search.storages import open_storage

#: What a worker needs: opens the study in a storage and says how a trial is run.
Prepare = Callable[[BaseStorage], tuple[optuna.Study, claims.Run]]

#: Variables that libraries read when they start, to know how many threads to compute with.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
           "TF_NUM_INTEROP_THREADS")
#: Workers that may die one after another while no trial is finished.
DEATHS = 4
#: Seconds that a worker has to end before it is killed.
FAREWELL = 5


class WorkerError(RuntimeError):
    """A worker raised an error, or workers die faster than they finish trials."""


def run_workers(prepare: Prepare, storage: str | Path, workers: int, trials: int, *, pace: claims.Pace | None = None,
                progress: Callable[[int], None] | None = None) -> optuna.Study:
    """Work at a study with several processes of this host, until it has as many finished trials as asked for.

    Other hosts may do the same at the same time, with the same storage: together they finish exactly ``trials``.
    Trials that dead processes left unfinished, in this call or before it, are tried again.

    Args:
        prepare: opens the study in a storage and returns it with what runs a trial; each worker calls it, so it must
            be one that can be pickled: a function of a module, or a ``functools.partial`` of one.
        storage: as :func:`ganbook.tuning.search.storages.open_storage` reads it.
        workers: processes, at least 1.
        trials: complete and pruned trials that the study shall have in the end, at least 1.
        pace: how often to look and sign; None means the defaults of :class:`ganbook.tuning.search.claims.Pace`.
        progress: gets the number of finished trials whenever it has changed.

    Returns:
        The study.

    Raises:
        ValueError: an argument outside its range, or a storage that cannot be used.
        WorkerError: a worker raised an error, or at least four workers died while no trial was finished.
        KeyboardInterrupt: Ctrl-C; the workers are stopped and their trials queued again.
    """
    whole("workers", workers, 1)
    whole("trials", trials, 1)
    pace = pace or claims.Pace()
    study, _ = prepare(open_storage(storage, workers))
    watch = claims.Watch(study, pace)
    watch.recover()
    crew = _Crew(prepare, str(storage), trials, pace)
    told = -1
    try:
        while True:
            count = claims.finished(study)
            if count != told and progress:
                progress(count)
            told = count
            if count >= trials:
                break
            crew.man(workers, count)
            time.sleep(pace.poll)
            watch.recover()
        crew.wait()
    finally:
        crew.dismiss()
        watch.recover()
    return study


class _Crew:
    """The processes, and what became of those that ended."""

    def __init__(self, prepare: Prepare, storage: str, trials: int, pace: claims.Pace) -> None:
        context = multiprocessing.get_context("spawn")
        self._errors: SimpleQueue[str] = context.SimpleQueue()
        self._new = lambda: context.Process(target=_serve, args=(prepare, storage, trials, pace, self._errors),
                                            daemon=True)
        self._there: list[BaseProcess] = []
        self._deaths, self._count = 0, -1

    def man(self, workers: int, count: int) -> None:
        """Start workers until there are so many, in place of those that died; ``count`` trials are finished."""
        if count > self._count:
            self._deaths, self._count = 0, count
        ended = [process for process in self._there if not process.is_alive()]
        self._there = [process for process in self._there if process not in ended]
        if not self._errors.empty():
            raise WorkerError(f"a worker failed: {self._errors.get()}")
        dead = [process for process in ended if process.exitcode != 0]
        self._deaths += len(dead)
        if dead and self._deaths >= DEATHS:
            raise WorkerError(f"{self._deaths} workers died one after another while no trial was finished, the last "
                              f"with exit code {dead[-1].exitcode}; is there enough memory for {workers}?")
        with _one_thread():
            while len(self._there) < workers:
                process = self._new()
                process.start()
                self._there.append(process)

    def wait(self) -> None:
        """Let the workers see that the study is complete."""
        for process in self._there:
            process.join(FAREWELL)

    def dismiss(self) -> None:
        """End what still runs."""
        for process in self._there:
            process.terminate()
        for process in self._there:
            process.join(FAREWELL)
            process.kill()
            process.join()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """The environment in which a process is started that shall compute with one thread."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(prepare: Prepare, storage: str, trials: int, pace: claims.Pace, errors: SimpleQueue[str]) -> None:
    """What a worker does, in its own process."""
    # Ctrl-C reaches every process of a terminal; the first one alone decides what follows from it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parent = multiprocessing.parent_process()
    try:
        study, run = prepare(open_storage(storage))
        claims.work(study, run, trials, pace=pace, stop=lambda: not parent.is_alive(), watch=False)
    except Exception as error:
        errors.put("".join(traceback.format_exception_only(error)).strip())
        sys.exit(1)

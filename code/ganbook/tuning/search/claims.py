"""How several processes share one study: exactly as many trials as asked for, and none lost with its worker.

Every storage of Optuna numbers trials one by one, whoever begins them.  A worker that has begun trial k counts the
trials with smaller numbers that are not failed; if they suffice, k is one too many, and is given up before any work is
done.  So two workers that both see one trial missing never run two.

A worker marks its trial with its process, and again every few seconds.  A watcher gives up a trial whose process is
dead, or, where the process is on another host, whose mark has not changed for a while by the watcher's own clock; the
same parameters are put into the queue first, for the next worker that is free.  (Optuna's own heartbeat serves
databases alone, misses a worker that dies before its first beat, and gives the trial up before it is queued again, so
that another worker can begin a new one in its place.)

Explained in the book's section "Search".
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import optuna
from optuna.trial import FrozenTrial, TrialState

from ganbook.data.recipe import in_range, whole

#: Attribute of a running trial: whose it is.
WORKER = "worker"
#: Attribute of a trial that was queued again: the number of the trial that its worker left unfinished.
RETRY_OF = "retry_of"
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
#: Times that a trial is tried again: one that kills each of its workers is given up in the end.
RETRIES = 3

#: Computes a trial and tells the study what came of it.
Run = Callable[[optuna.Trial], object]


@dataclasses.dataclass(frozen=True)
class Pace:
    """How often workers and watchers look and sign.

    Args:
        beat: seconds between two marks of a running trial, above 0.
        grace: seconds without a new mark after which a trial of another host is given up, above ``beat``.
        poll: seconds between two looks at the study, above 0.

    Raises:
        ValueError: a number outside its range.
    """

    beat: float = 10.0
    grace: float = 60.0
    poll: float = 0.5

    def __post_init__(self) -> None:
        in_range("beat", self.beat, 0.0, open_low=True)
        in_range("grace", self.grace, self.beat, open_low=True)
        in_range("poll", self.poll, 0.0, open_low=True)


def finished(study: optuna.Study) -> int:
    """How many trials of a study are complete or pruned."""
    return len(study.get_trials(deepcopy=False, states=FINISHED))


def work(study: optuna.Study, run: Run, trials: int, *, pace: Pace | None = None,
         stop: Callable[[], bool] = lambda: False, watch: bool = True) -> None:
    """Run trials until the study has as many finished ones as asked for, together with whoever else works at it.

    Args:
        study: in a storage that all workers share.
        run: computes a trial and tells the study its outcome, which must depend on the trial's parameters alone.
        trials: complete and pruned trials that the study shall have in the end, at least 1.
        pace: how often to look and sign; None means the defaults.
        stop: asked before each trial; True ends the work.
        watch: look for trials of dead processes, at the beginning and while there is nothing else to do; False where
            another process of this host does.

    Raises:
        ValueError: an argument outside its range.
        KeyboardInterrupt: Ctrl-C; the trial in hand is queued again.
        BaseException: what else ``run`` raises; its trial is failed and not tried again.
    """
    whole("trials", trials, 1)
    pace = pace or Pace()
    watcher = Watch(study, pace)
    if watch:
        watcher.recover()
    while not stop():
        there = study.get_trials(deepcopy=False)
        if sum(trial.state in FINISHED for trial in there) >= trials:
            return
        if len(_claims(there)) < trials or any(trial.state is TrialState.WAITING for trial in there):
            _begin(study, run, trials, pace)
        else:
            # Others are at the last ones.  One of them may yet die, and its trial come back into the queue.
            time.sleep(pace.poll)
            if watch:
                watcher.recover()


def _begin(study: optuna.Study, run: Run, trials: int, pace: Pace) -> None:
    """Take the next trial, and run it unless it is one too many."""
    trial = study.ask()
    try:
        with _Signature(trial, pace.beat):
            if _is_surplus(study.get_trials(deepcopy=False), trial.number, trials):
                study.tell(trial, state=TrialState.FAIL)
            else:
                run(trial)
    except KeyboardInterrupt:
        there = study.get_trials(deepcopy=False)
        _give_up(study, there, there[trial.number])
        raise
    except BaseException:
        # Whoever slept longer than the grace finds its trial given up and queued again: nothing is wrong then.
        if trial.number not in _retried(study.get_trials(deepcopy=False)):
            study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            raise


def _retried(trials: Iterable[FrozenTrial]) -> set[int]:
    """Numbers of the trials that were put into the queue again."""
    return {trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs}


def _claims(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that are, or will be, finished ones: neither failed nor about to be."""
    trials = list(trials)
    retried = _retried(trials)
    return [trial for trial in trials if trial.state is not TrialState.FAIL
            and not (trial.state is TrialState.RUNNING and trial.number in retried)]


def _is_surplus(there: list[FrozenTrial], number: int, trials: int) -> bool:
    """Whether the trials before this one suffice, or another one has taken its place."""
    claims = _claims(there)
    attempts = {trial.number: trial.user_attrs.get(RETRY_OF) for trial in there}
    source = attempts[number]
    if source is not None:
        same = (trial for trial in claims if trial.number == source or attempts[trial.number] == source)
        if any(trial.number < number for trial in same):
            return True
    return sum(trial.number < number for trial in claims) >= trials


class _Signature:
    """Marks a running trial as this process's, at once and again every ``beat`` seconds, until the block ends."""

    def __init__(self, trial: optuna.Trial, beat: float) -> None:
        self._trial, self._beat, self._count = trial, beat, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Self:
        self._sign()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 where: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _sign(self) -> None:
        self._trial.set_user_attr(WORKER, {**this_process(), "count": self._count})
        self._count += 1

    def _go_on(self) -> None:
        while not self._ended.wait(self._beat):
            # A server that is away for a moment may miss a mark; if it stays away, the trial itself will notice.
            with contextlib.suppress(Exception):
                self._sign()


class Watch:
    """Finds the trials of a study whose workers are dead, and puts them into the queue again.

    Args:
        study: in a storage that all workers share.
        pace: ``grace`` is what counts here.
    """

    def __init__(self, study: optuna.Study, pace: Pace | None = None) -> None:
        self._study, self._pace = study, pace or Pace()
        self._seen: dict[int, tuple[Any, float]] = {}

    def recover(self) -> list[int]:
        """Look once.

        Returns:
            Numbers of the trials that were given up and queued again, or given up for good after ``RETRIES`` times.
        """
        there = self._study.get_trials(deepcopy=False)
        lost = [trial for trial in there if trial.state is TrialState.RUNNING and self._is_lost(trial)]
        for trial in lost:
            _give_up(self._study, there, trial)
        return [trial.number for trial in lost]

    def _is_lost(self, trial: FrozenTrial) -> bool:
        mark, now = trial.user_attrs.get(WORKER), time.monotonic()
        if mark is not None and is_dead(mark):
            return True
        before, since = self._seen.setdefault(trial.number, (mark, now))
        if before != mark:
            self._seen[trial.number] = mark, now
            return False
        return now - since > self._pace.grace


def _give_up(study: optuna.Study, there: list[FrozenTrial], trial: FrozenTrial) -> None:
    """Queue a trial again, then fail it: in this order, so that its place is never free in between."""
    if trial.number not in _retried(there) and _attempts(there, trial) < RETRIES:
        kept = {name: value for name, value in trial.user_attrs.items() if name != WORKER}
        study.add_trial(optuna.trial.create_trial(
            state=TrialState.WAITING, params=trial.params, distributions=trial.distributions,
            user_attrs=kept | {RETRY_OF: trial.number}, system_attrs=trial.system_attrs))
    # Another watcher, or the worker itself if it only slept, may have been quicker.
    with contextlib.suppress(ValueError, optuna.exceptions.UpdateFinishedTrialError):
        study.tell(trial.number, state=TrialState.FAIL)


def _attempts(there: list[FrozenTrial], trial: FrozenTrial) -> int:
    """How often a trial was queued again before."""
    by_number, count = {each.number: each for each in there}, 0
    while RETRY_OF in trial.user_attrs:
        trial, count = by_number[trial.user_attrs[RETRY_OF]], count + 1
    return count


def this_process() -> dict[str, Any]:
    """What tells this process from every other one: host, number, and moment of its start."""
    return {"host": _host(), "process": os.getpid(), "started": _started(os.getpid())}


def is_dead(mark: Mapping[str, Any]) -> bool:
    """Whether a process, as :func:`this_process` names it, is of this host and has ended."""
    return mark.get("host") == _host() and _started(mark["process"]) != mark["started"]


@functools.cache
def _host() -> str:
    """A name for this host, or container on it, that tells nothing about it."""
    parts = [platform.node()]
    for path in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        with contextlib.suppress(OSError):
            parts.append(Path(path).read_text(encoding="ascii"))
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _started(process: int) -> str | None:
    """When a process was started, in the system's own terms; None if there is no such process, or only its remains."""
    try:
        # The name stands in brackets and may hold anything; state and start are the 3rd and 22nd field.
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _started_elsewhere(process)
    return None if fields[0] in "ZX" else fields[19]


def _started_elsewhere(process: int) -> str | None:
    """Without a folder /proc all that can be seen is whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "unknown"

"""Cheap studies for tests of several processes: what a worker prepares lies in a module, since it is sent by name."""

from __future__ import annotations

import os
import time
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from ganbook.tuning.search import claims
from ganbook.tuning.search.optuna_studies import NumberedSampler

SEED = 5
#: Seconds after which a trial that nobody kills goes on, so that its test fails instead of waiting for ever.
HANG = 200


def score(x: float, y: int) -> float:
    return (x - 0.3) ** 2 + y


def open_study(storage: BaseStorage, name: str = "study") -> optuna.Study:
    return optuna.create_study(storage=storage, study_name=name, sampler=NumberedSampler("random", SEED),
                               load_if_exists=True)


def prepare(storage: BaseStorage, *, seconds: float = 0.0, hang: str = "", fail: bool = False, end: bool = False,
            host: str = "", name: str = "study") -> tuple[optuna.Study, claims.Run]:
    """A study whose trials sleep.

    Args:
        seconds: that a trial takes.
        hang: a file; the trial that creates it writes the number of its process there and hangs.
        fail: trials raise an error.
        end: each trial kills its worker.
        host: what the worker takes for the name of its host.
        name: of the study.
    """
    if host:
        claims._host = lambda: host

    study = open_study(storage, name)

    def run(trial: optuna.Trial) -> None:
        x, y = trial.suggest_float("x", 0.0, 1.0), trial.suggest_int("y", 0, 3)
        trial.set_user_attr("by", os.getpid())
        if fail:
            raise ArithmeticError("the objective cannot be computed")
        if end:
            os.kill(os.getpid(), 9)
        if hang and _first(Path(hang)):
            time.sleep(HANG)
        time.sleep(seconds)
        study.tell(trial, score(x, y))

    return study, run


def _first(path: Path) -> bool:
    """Whether this process is the one that makes the file, complete from its first moment on."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_text(str(os.getpid()))
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    return True

"""Cheap problems for tests of studies: what a trial computes is said by the environment, which workers inherit."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import optuna

from ganbook.data.recipe import Recipe
from ganbook.tuning.search.problems import PROBLEMS, SearchProblem

#: Seconds after which a trial that nobody kills goes on, so that its test fails instead of waiting for ever.
HANG = 200


class Troubled(SearchProblem):
    """A problem whose trials hang, fail or kill their worker.

    * ``TRIAL_HANGS``: a file; the trial that creates it writes the number of its process there and hangs.
    * ``TRIAL_FAILS``: trials raise an error.
    * ``TRIAL_KILLS``: each trial kills its worker.
    """

    def suggest(self, trial: optuna.Trial) -> Recipe:
        trial.set_user_attr("by", os.getpid())
        recipe = super().suggest(trial)
        if "TRIAL_FAILS" in os.environ:
            raise ArithmeticError("the objective cannot be computed")
        if "TRIAL_KILLS" in os.environ:
            os.kill(os.getpid(), 9)
        if "TRIAL_HANGS" in os.environ and _first(Path(os.environ["TRIAL_HANGS"])):
            time.sleep(HANG)
        return recipe


def problem() -> Troubled:
    """One whose trials take a tenth of a second."""
    asked = dataclasses.replace(PROBLEMS["rates"], steps=1)
    return Troubled(asked.name, asked.base, asked.space, asked.seeds, asked.steps, asked.framework)


def _first(path: Path) -> bool:
    """Whether this process is the one that makes the file, complete from its first moment on."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_text(str(os.getpid()))
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    return True

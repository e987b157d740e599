"""The book's own searches: one problem, two samplers at equal budget, three seeds each, and the winners scored again.

Every search leaves its study as Optuna's journal, ``search_SAMPLER_SEED.journal``; what was measured of the winners
stands in ``search.json``.  Running them again continues what is not finished.

Explained in the book's section "Search".
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from ganbook.data.recipe import check_int
from ganbook.tuning import results
from ganbook.tuning.search import optuna_studies
from ganbook.tuning.search.problems import PROBLEMS, SearchProblem
from ganbook.tuning.search.scores import FRESH_SEEDS, noise_floor, rescore
from ganbook.tuning.search.storages import open_storage

#: What the file of the winners has.
FIELDS = (
    "experiment",
    "framework",
    "problem",
    "fingerprint",
    "trials",
    "floor",
    "fresh_seeds",
    "winners",
    "versions",
    "machine",
    "date",
    "seconds",
)
WINNER = ("search", "sampler", "seed", "pruner", "number", "settings", "score", "rescored", "trainings")


@dataclasses.dataclass(frozen=True)
class Search:
    """One search: a sampler, its seed and a pruner.

    Args:
        sampler, seed, pruner: as for :func:`ganbook.tuning.search.optuna_studies.open_study`.
    """

    sampler: str
    seed: int
    pruner: str = "none"

    @property
    def name(self) -> str:
        """Of the study's file, without its ending."""
        return f"search_{self.sampler}_{self.seed}" + ("" if self.pruner == "none" else f"_{self.pruner}")


#: Searches that are compared prune nothing, so that each spends the same; the last one shows what pruning saves.
SEARCHES = (*(Search(sampler, seed) for seed in range(3) for sampler in ("random", "tpe")), Search("tpe", 0, "median"))
TRIALS = 40


def run_searches(
    problem: SearchProblem = PROBLEMS["digits"],
    *,
    trials: int = TRIALS,
    out: str | Path = "results",
    device: str | None = None,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run every search to its end, one after another, and score each winner again on fresh seeds.

    Args:
        problem: what is asked.
        trials: of each search, at least 1.
        out: folder of the journals and of ``search.json``.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if there is one.
        report: gets a line after each search.

    Returns:
        The result, as :func:`read_searches` reads it.

    Raises:
        StudyError: a journal is there and of another problem.
        ValueError: an argument outside its range.
    """
    check_int("trials", trials, 1)
    path, started = Path(out) / "search.json", time.perf_counter()
    winners: list[dict[str, Any]] = []
    before = results.read_result(path, FIELDS)["winners"] if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    versions = results.provenance(problem.framework)
    versions["versions"]["optuna"] = importlib.metadata.version("optuna")
    for one in SEARCHES:
        storage = open_storage(Path(out) / f"{one.name}.journal")
        study = optuna_studies.open_study(problem, storage, one.sampler, one.seed, one.pruner)
        optuna_studies.run_trials(study, problem, trials, device=device)
        winners.append(_winner(one, study, problem, device, [*before, *winners]))
        mean, spread = noise_floor(problem)
        result = {
            "experiment": "search",
            "framework": problem.framework,
            "problem": json.loads(problem.to_json()),
            "fingerprint": problem.fingerprint,
            "trials": trials,
            "floor": {"mean": mean, "deviation": spread},
            "fresh_seeds": list(FRESH_SEEDS),
            "winners": winners,
            **versions,
            "seconds": round(time.perf_counter() - started, 1),
        }
        results.write_result(path, result, FIELDS)
        report(
            f"{one.name}: best of {trials} trials {winners[-1]['score']:.4f}, again on {len(FRESH_SEEDS)} "
            f"fresh seeds {median(winners[-1]['rescored']):.4f}"
        )
    return result


def _winner(
    one: Search, study: optuna.Study, problem: SearchProblem, device: str | None, before: list[dict[str, Any]]
) -> dict[str, Any]:
    best = optuna_studies.best_trial(study)
    known = [
        winner["rescored"]
        for winner in before
        if winner["settings"] == best.params and len(winner["rescored"]) == len(FRESH_SEEDS)
    ]
    again = (
        known[0]
        if known
        else [None if math.isinf(value) else value for value in rescore(problem, best.params, FRESH_SEEDS, device)]
    )
    return {
        "search": one.name,
        "sampler": one.sampler,
        "seed": one.seed,
        "pruner": one.pruner,
        "number": best.number,
        "settings": best.params,
        "score": best.value,
        "rescored": again,
        "trainings": sum(len(records(trial)) for trial in optuna_studies.finished(study)),
    }


def records(trial: optuna.trial.FrozenTrial) -> dict[int, dict[str, Any]]:
    """What was noted of each training of a trial, by seed."""
    return {
        int(name.removeprefix("seed ")): value for name, value in trial.user_attrs.items() if name.startswith("seed ")
    }


def median(values: list[float | None]) -> float:
    """The middle of some distances, where None stands for a run that diverged.

    Example:
        >>> median([3.0, None, 1.0])
        3.0
    """
    return statistics.median(math.inf if value is None else value for value in values)


def read_searches(
    folder: str | Path | None = None, problem: SearchProblem = PROBLEMS["digits"]
) -> tuple[dict[str, Any], dict[str, optuna.Study]]:
    """The winners and the studies that :func:`run_searches` left; nothing is written.

    Args:
        folder: where they lie; None means the project's folder ``results``.
        problem: what was asked.

    Returns:
        What ``search.json`` holds, and the studies by the name of their search.

    Raises:
        ResultError: a file is missing, is of another problem, or lacks a field.
        StudyError: a study of another problem.

    Example:
        >>> result, studies = read_searches()
        >>> [(name, len(study.trials)) for name, study in studies.items()][:2]
        [('search_random_0', 40), ('search_tpe_0', 40)]
    """
    folder = results.results_folder() if folder is None else Path(folder)
    result = results.read_result(folder / "search.json", FIELDS)
    if not problem.is_that_of(json.dumps(result["problem"])):
        raise results.ResultError(
            f"{folder / 'search.json'} is of another problem, {result['problem']['name']!r} "
            f"with fingerprint {result['fingerprint']}; accepted: {problem.fingerprint}"
        )
    studies = {}
    for winner in result["winners"]:
        missing = [name for name in WINNER if name not in winner]
        if missing:
            raise results.ResultError(
                f"{folder / 'search.json'} has a winner without {', '.join(missing)}; accepted: winners with all fields"
            )
        path = folder / f"{winner['search']}.journal"
        if not path.is_file():
            raise results.ResultError(f"{path} does not exist; accepted: the journal of each search of search.json")
        studies[winner["search"]] = optuna_studies.read_study(problem, open_storage(path))
    return result, studies

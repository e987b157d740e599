"""What ``python -m ganbook experiment|tune|classifier`` do: they make many runs, or a long one, and write a result.

Explained in the book's sections "Practice" and "Search".
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from typing import Any

from ganbook.commands import RUNS, check_writable, given, say
from ganbook.data.recipe import FRAMEWORKS, Recipe
from ganbook.pages import figures
from ganbook.tuning.experiments.digit_generator import digit_generator
from ganbook.tuning.experiments.program_runs import run_programs
from ganbook.tuning.experiments.registry import TABLES
from ganbook.tuning.experiments.table_runs import run_table
from ganbook.tuning.metrics.classifier import make_classifier
from ganbook.tuning.search import optuna_studies, searches
from ganbook.tuning.search.problems import PROBLEMS, SearchProblem
from ganbook.tuning.search.scores import noise_floor, rescore
from ganbook.tuning.search.storages import StorageError, open_storage, shown
from ganbook.tuning.search.workers import WorkerError, run_workers


def experiment(options: argparse.Namespace) -> None:
    """Run an experiment of the book at full length and write its result, with where it comes from."""
    check_writable("out", options.out)
    shared = {"out": options.out, "device": options.device, "report": say}
    chosen = {"only": options.only or "*", "minutes": options.minutes}
    path = options.out / f"{options.name}.json"
    if options.name in TABLES:
        _refuse(options, "framework", "steps", "seed", "samples")
        run_table(TABLES[options.name], jobs=options.jobs or 1, **chosen, **shared)
    elif options.name == "programs":
        _refuse(options, "framework", "steps", "seed", "samples", "jobs", "device")
        path = options.out / "programs"
        run_programs(out=path, report=say, **chosen)
    elif options.name == "search":
        _refuse(options, "framework", "steps", "seed", "samples", "only", "jobs", "minutes")
        searches.run_searches(**shared)
    else:
        _refuse(options, "only", "jobs", "minutes")
        framework = options.framework or FRAMEWORKS[0]
        path = options.out / f"digit_generator_{framework}.json"
        say(f"digit_generator with {figures.TITLES[framework]}")
        digit_generator(framework, recipe=Recipe(**given(options, "steps", "seed")), samples=options.samples, **shared)
    print(f"saved in {path}")


def tune(options: argparse.Namespace) -> None:
    """Search for good settings of a recipe, or go on with a search, and score the winner again on fresh seeds."""
    problem = dataclasses.replace(PROBLEMS[options.problem], **given(options, "framework", "steps"))
    tools = {name: getattr(options, name) for name in ("sampler", "seed", "pruner")}
    storage = options.study
    if storage is None:
        RUNS.mkdir(exist_ok=True)
        place = RUNS / f"search-{problem.name}"
        storage = f"{place}.journal" if options.workers == 1 else f"sqlite:///{place}.db"
    try:
        study = optuna_studies.open_study(problem, open_storage(storage, options.workers), **tools)
        begun, found = study.user_attrs, len(optuna_studies.finished(study))
    except (StorageError, optuna_studies.StudyError):
        raise
    except Exception as error:  # Optuna's readers raise whatever a damaged file leads them to
        raise ValueError(
            f"study is {shown(storage)!r}, which cannot be read ({type(error).__name__}: {error}); "
            "accepted: one that python -m ganbook tune wrote, whole, or a new one"
        ) from error
    say(
        f"{problem.name} with {figures.TITLES[problem.framework]}, {begun['sampler']}, seed {begun['seed']}, in "
        f"{shown(storage)}: {found} of {options.trials} trials are there"
    )
    try:
        if options.workers == 1:
            optuna_studies.run_trials(study, problem, options.trials, device=options.device)
        else:
            run_workers(problem, storage, options.workers, options.trials, device=options.device)
    except WorkerError as error:
        raise ValueError(str(error)) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; {shown(storage)} keeps {len(optuna_studies.finished(study))} finished "
            "trials. To go on, give the same command again"
        ) from None
    _print_best(study, problem, options.fresh, options.device)


def _print_best(study: Any, problem: SearchProblem, fresh: int, device: str | None) -> None:
    best, trials = optuna_studies.best_trial(study), optuna_studies.finished(study)
    pruned = sum(trial.state.name == "PRUNED" for trial in trials)
    print(f"best of {len(trials)} trials, {pruned} of them given up: number {best.number}")
    for name, value in best.params.items():
        print(f"  {name:<20}{value:.4g}" if isinstance(value, float) else f"  {name:<20}{value}")
    mean, deviation = noise_floor(problem)
    print(f"its distance, median of {len(problem.seeds)} seeds {best.value:9.4f}")
    if fresh:
        again = rescore(problem, best.params, tuple(range(100, 100 + fresh)), device)
        print(
            f"on {fresh:2} fresh seeds, median     {statistics.median(again):9.4f}   from {min(again):.4f} to "
            f"{max(again):.4f}"
        )
    print(f"noise floor                   {mean:9.4f}   two random halves of the real ones, deviation {deviation:.4f}")


def _refuse(options: argparse.Namespace, *names: str) -> None:
    """An option that would do nothing is an error, not a surprise."""
    for name, value in given(options, *names).items():
        raise ValueError(f"{name} is {value!r}; accepted with {options.name}: none")


def classifier(options: argparse.Namespace) -> None:
    """Train the digit classifier whose features the metrics compare, and write its weights and record."""
    check_writable("out", options.out)
    record = make_classifier(
        options.side,
        options.framework or FRAMEWORKS[0],
        seed=options.seed,
        steps=options.steps,
        out=options.out,
        device=options.device,
        report=say,
    )
    print(f"saved in {options.out / f'classifier_{options.side}.safetensors'}, SHA-256 {record['sha256']}")

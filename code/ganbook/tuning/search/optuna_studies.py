"""A search over the settings of a recipe, as an Optuna study that is stored and can always be continued.

A *study* holds the answers to a problem so far, one *trial* for each set of settings, judged by the median of its
score over a few fixed seeds.  It carries the fingerprint of its problem, so that trials of two problems never mix.

Explained in the book's section "Search".
"""

from __future__ import annotations

import contextlib
import math
import os
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from tqdm import tqdm

from ganbook.data.recipe import check_choice, check_int
from ganbook.gradient_descent import training
from ganbook.tuning.search import scores
from ganbook.tuning.search.problems import SearchProblem
from ganbook.tuning.search.storages import Journal

#: Trials before the Tree-structured Parzen Estimator takes over from uniform draws, and before anything is pruned.
START = 10
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class StudyError(ValueError):
    """A study that does not exist, or is of another problem."""


class NumberedSampler(optuna.samplers.BaseSampler):
    """A sampler whose randomness depends on its seed and on the number of the trial, and on nothing else.

    Optuna's own samplers draw from one stream that begins anew in every process: a study that is continued with the
    same seed would draw its first points again, and so would every worker.  Here trial k draws the same whether the
    study was stopped before it or not, and whichever worker runs it.

    Args:
        name: one of ``SAMPLERS``.
        seed: at least 0.

    Raises:
        ValueError: an unknown name or a negative seed.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed = check_choice("sampler", name, tuple(SAMPLERS)), check_int("seed", seed, 0)

    def before_trial(self, study: Any, trial: Any) -> None:
        self._own = SAMPLERS[self.name](int(np.random.SeedSequence((self.seed, trial.number)).generate_state(1)[0]))

    def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
        return self._own.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
        return self._own.sample_relative(study, trial, search_space)

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        return self._own.sample_independent(study, trial, param_name, param_distribution)


SAMPLERS = MappingProxyType(
    {
        "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=START),
        "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    }
)


def _wilcoxon() -> optuna.pruners.BasePruner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.pruners.WilcoxonPruner()


PRUNERS = MappingProxyType(
    {
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=START),
        "wilcoxon": _wilcoxon,
        "none": optuna.pruners.NopPruner,
    }
)
#: How a study is begun where nothing else is asked for.
DEFAULTS = MappingProxyType({"sampler": "tpe", "seed": 0, "pruner": "median"})


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's lines about every study and trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def open_study(
    problem: SearchProblem,
    storage: BaseStorage,
    sampler: str | None = None,
    seed: int | None = None,
    pruner: str | None = None,
) -> optuna.Study:
    """Begin the study of a problem, or go on with the one that the storage holds.

    Args:
        problem: what is asked.
        storage: see :func:`ganbook.tuning.search.storages.open_storage`.
        sampler: one of ``SAMPLERS``; None means that of the study, ``tpe`` for a new one.
        seed: of the sampler; None means that of the study, 0 for a new one.
        pruner: one of ``PRUNERS``; None means that of the study, ``median`` for a new one.

    Returns:
        The study, with its sampler and pruner.

    Raises:
        StudyError: the storage is a journal of another problem, its study of this name asks something else, or it was
            begun with another sampler, seed or pruner; nothing is written.
        ValueError: an unknown sampler or pruner, or a negative seed.

    Example:
        >>> from ganbook.tuning.search.problems import PROBLEMS
        >>> study = open_study(PROBLEMS["rates"], optuna.storages.InMemoryStorage(), "random")
        >>> study.user_attrs["sampler"], study.user_attrs["pruner"]
        ('random', 'median')
    """
    begun = _begun(problem, storage)
    tools = {name: begun.get(name, default) for name, default in DEFAULTS.items()}
    for name, value in (("sampler", sampler), ("seed", seed), ("pruner", pruner)):
        if begun and value not in (None, begun[name]):
            raise StudyError(
                f"{name} is {value!r}, and the study was begun with {begun[name]!r}; accepted: that one, "
                "or another file"
            )
        tools[name] = tools[name] if value is None else value
    given: dict[str, Any] = {
        "storage": storage,
        "study_name": problem.name,
        "sampler": NumberedSampler(tools["sampler"], tools["seed"]),
        "pruner": PRUNERS[check_choice("pruner", tools["pruner"], tuple(PRUNERS))](),
    }
    if begun:  # loading writes nothing, while Optuna notes every attempt to create a study
        return optuna.load_study(**given)
    with quiet():
        study = optuna.create_study(load_if_exists=True, **given)
    for name, value in (tools | {"problem": problem.to_json(), "fingerprint": problem.fingerprint}).items():
        study.set_user_attr(name, value)
    return study


def _begun(problem: SearchProblem, storage: BaseStorage) -> dict[str, Any]:
    """How the study of this problem was begun; empty if it is not there."""
    names = optuna.get_all_study_names(storage)
    if problem.name not in names:
        if names and isinstance(storage, optuna.storages.JournalStorage):
            raise StudyError(
                f"the file holds a study of the problem {names[0]!r}; accepted: one of {problem.name!r}, or a new file"
            )
        return {}
    study = storage.get_study_id_from_name(problem.name)
    attributes = storage.get_study_user_attrs(study)
    if attributes.get("fingerprint") == problem.fingerprint or problem.is_that_of(attributes.get("problem")):
        return attributes
    if "fingerprint" not in attributes and not storage.get_all_trials(study, deepcopy=False):
        return {}  # another process has just made it, or was stopped before it could say what it asks
    raise StudyError(
        f"the study {problem.name!r} has the fingerprint {attributes.get('fingerprint')!r}, and the "
        f"problem has {problem.fingerprint!r}: its base, space, seeds, steps or framework differ; "
        "accepted: the problem that the study was begun with, or a new file"
    )


def read_study(problem: SearchProblem, storage: BaseStorage) -> optuna.Study:
    """The study of a problem that a storage holds already.

    Raises:
        StudyError: it holds none, or one of another problem.
    """
    if not _begun(problem, storage):
        raise StudyError(
            f"there is no study {problem.name!r} in the storage; accepted: one that python -m ganbook tune began"
        )
    return open_study(problem, storage)


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that count: those with a score, and those that were given up because they diverged or were pruned.

    Example:
        >>> study = optuna.create_study()
        >>> study.add_trials([optuna.trial.create_trial(value=2.0), optuna.trial.create_trial(state=TrialState.FAIL)])
        >>> [trial.value for trial in finished(study)]
        [2.0]
    """
    return study.get_trials(deepcopy=False, states=FINISHED)


def run_trials(
    study: optuna.Study,
    problem: SearchProblem,
    trials: int,
    *,
    progress: bool | None = None,
    device: str | None = None,
    callbacks: Sequence[Callable[..., None]] = (),
) -> None:
    """Run trials until the study has so many finished ones.

    In one process the outcome depends on the problem and on the sampler's seed alone, however often it was stopped
    between two trials.  A trial that was stopped is tried again by whoever continues.

    Args:
        study: of :func:`open_study`.
        problem: the study's.
        trials: finished trials in all, those that are there included; at least 1.
        progress: show a bar; None shows one on a terminal, and none under test.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.
        callbacks: Optuna's, called with the study and each trial when it has ended.

    Raises:
        ValueError: fewer than 1 trial.
        StorageError: another process works at the study's journal.
        KeyboardInterrupt: Ctrl-C; the trial in hand is queued again.

    Example:
        >>> import dataclasses
        >>> from ganbook.tuning.search.problems import PROBLEMS
        >>> problem = dataclasses.replace(PROBLEMS["rates"], steps=1)
        >>> study = open_study(problem, optuna.storages.InMemoryStorage())
        >>> run_trials(study, problem, 1, device="cpu")
        >>> len(finished(study))
        1
    """
    check_int("trials", trials, 1)
    with quiet(), _alone(study), show_trials(trials, progress) as show:
        show(study)
        if len(finished(study)) < trials:
            study.optimize(
                lambda trial: _score_trial(study, problem, trial, device),
                callbacks=[
                    lambda study, _trial: show(study),
                    *callbacks,
                    optuna.study.MaxTrialsCallback(trials, FINISHED),
                ],
            )


@contextlib.contextmanager
def _alone(study: optuna.Study) -> Iterator[None]:
    """Keep others from a journal, so that nobody runs what it says is running: queue that again."""
    if not isinstance(study._storage, Journal):  # a database has Optuna's heartbeat
        yield
        return
    with study._storage.alone():
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params)
        yield


@contextlib.contextmanager
def show_trials(trials: int, progress: bool | None = None) -> Iterator[Callable[[optuna.Study], None]]:
    """A bar of progress, as a function that reads a study.

    Args:
        trials: at the end of the bar.
        progress: show it; None shows it on a terminal, and never under test.
    """
    with tqdm(total=trials, unit="trial", leave=False, disable=not training.show_bar(progress)) as bar:

        def show(study: optuna.Study) -> None:
            bar.n, best = len(finished(study)), best_distance(study)
            bar.set_postfix_str(f"best {best:.4g}" if math.isfinite(best) else "no score yet")

        yield show


def _score_trial(study: optuna.Study, problem: SearchProblem, trial: optuna.Trial, device: str | None) -> float:
    """The median distance of a training for each seed, each reported to the pruner.

    A trial that diverges with any seed is pruned too, with the reason: a sampler learns from pruned trials, and not
    from failed ones.  One that is interrupted is queued again.
    """
    recipe, distances = problem.suggest(trial), []
    trial.set_user_attr("process", os.getpid())
    try:
        for number, seed in enumerate(problem.seeds, 1):
            record = scores.run_seed(problem, recipe, seed, device)
            trial.set_user_attr(f"seed {seed}", record)
            if record["failed"]:
                _prune(trial, f"diverged with seed {seed}: {record['failed']}")
            distances.append(record["distance"])
            trial.report(record["distance"], number)
            if number < len(problem.seeds) and trial.should_prune():
                _prune(trial, f"hopeless after seed {seed}: distance {record['distance']:.4g}")
    except KeyboardInterrupt:
        study.enqueue_trial(trial.params)
        raise
    return statistics.median(distances)


def _prune(trial: optuna.Trial, reason: str) -> NoReturn:
    trial.set_user_attr("reason", reason)
    raise optuna.TrialPruned(reason)


def best_distance(study: optuna.Study) -> float:
    """The lowest score of a study so far; infinite if no trial has one.

    Example:
        >>> study = optuna.create_study()
        >>> best_distance(study)
        inf
        >>> study.add_trials([optuna.trial.create_trial(value=value) for value in (3.0, 2.0)])
        >>> best_distance(study)
        2.0
    """
    complete = (trial for trial in finished(study) if trial.state == TrialState.COMPLETE)
    return min((trial.value for trial in complete if trial.value is not None), default=math.inf)


def best_trial(study: optuna.Study) -> optuna.trial.FrozenTrial:
    """The trial with the lowest score.

    Raises:
        StudyError: no trial has a score.
    """
    if best_distance(study) == math.inf:
        raise StudyError(f"none of the {len(finished(study))} finished trials has a score; run more")
    return study.best_trial

"""A search over the settings of a recipe, as an Optuna study that is stored and can always be continued.

A *question* says which settings vary and how a setting is judged: by the median, over a few fixed seeds, of the
Frechet distance in pixels between generated images and the half of the data that no training saw.  A *study* holds the
answers so far, one *trial* for each set of settings.  It carries the fingerprint of its question, so that trials of
two questions never mix.

Explained in the book's section "Search".
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import math
import statistics
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from tqdm import tqdm

from ganbook import data
from ganbook.data.recipe import FRAMEWORKS, LOSSES, Architecture, Optimiser, Recipe, Schedule, in_range, one_of, whole
from ganbook.gradient_descent import training
from ganbook.tuning import claims, tables
from ganbook.tuning.metrics import frechet_distance, half_split_floor, pixels

#: Seeds that no question uses: winners are scored again on these.
FRESH_SEEDS = tuple(range(100, 112))
SEEDS_AT_LEAST = 3
#: Random splits that the noise floor is averaged over.
FLOOR_SPLITS = 20
#: Trials before the Tree-structured Parzen Estimator takes over from uniform draws, and before anything is pruned.
START = 10
_OTHER_HALF = MappingProxyType({"train": "test", "test": "train"})


class StudyError(ValueError):
    """A study that does not exist, or is of another question."""


@dataclasses.dataclass(frozen=True)
class Range:
    """A number that a search draws from an interval.

    Args:
        low, high: the ends, both included.
        log: draw its logarithm uniformly, which needs ``low`` above 0.

    Raises:
        ValueError: an empty interval, or one that has no logarithm.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        in_range("low", self.low, 0.0, open_low=self.log)
        in_range("high", self.high, self.low, open_low=True)

    def suggest(self, trial: optuna.Trial, name: str) -> float:
        """What the sampler of the study proposes."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def check(self, name: str, value: Any) -> None:
        """Raise ValueError unless the value lies in the interval."""
        in_range(name, value, self.low, self.high)


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of several values, which have no order.

    Args:
        values: at least two.

    Raises:
        ValueError: fewer.
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            raise ValueError(f"values is {self.values!r}; accepted: at least two values")

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        """What the sampler of the study proposes."""
        return trial.suggest_categorical(name, self.values)

    def check(self, name: str, value: Any) -> None:
        """Raise ValueError unless the value is one of them."""
        if value not in self.values:
            raise ValueError(f"{name} is {value!r}; accepted: {', '.join(map(str, self.values))}")


def _scaled(schedule: Schedule, start: float) -> Schedule:
    """A schedule of the same shape that begins at another value."""
    return dataclasses.replace(schedule, start=start, end=schedule.end * start / schedule.start)


def _optimisers(recipe: Recipe, change: Any, *roles: str) -> Recipe:
    fields = [f"{role}_optimiser" for role in roles]
    return recipe.replace(**{field: change(getattr(recipe, field)) for field in fields})


def _with_rate(role: str, recipe: Recipe, value: float) -> Recipe:
    def change(optimiser: Optimiser) -> Optimiser:
        return dataclasses.replace(optimiser, learning_rate=_scaled(optimiser.learning_rate, value))
    return _optimisers(recipe, change, role)


def _with_beta1(recipe: Recipe, value: float) -> Recipe:
    return _optimisers(recipe, lambda optimiser: dataclasses.replace(optimiser, beta1=value),
                       "generator", "discriminator")


def _with_penalty(recipe: Recipe, value: float) -> Recipe:
    active = {name: getattr(recipe, name) for name in ("r1", "r2") if getattr(recipe, name).start > 0}
    if not active:
        raise ValueError(f"recipe {recipe.name!r} has neither r1 nor r2; accepted where the penalty varies: a recipe "
                         "with one of them")
    return recipe.replace(**{name: _scaled(schedule, value) for name, schedule in active.items()})


def _with_width(recipe: Recipe, value: int) -> Recipe:
    def widened(network: Architecture) -> Architecture:
        if not network.kind.startswith("MLP"):
            raise ValueError(f"recipe {recipe.name!r} has a {network.kind}; accepted where the width varies: "
                             "MLPGenerator and MLPDiscriminator")
        return network.with_(hidden=(value,) * len(network.settings["hidden"]))
    return recipe.replace(generator=widened(recipe.generator), discriminator=widened(recipe.discriminator))


#: What may vary: by name, how a recipe takes a value.  Rates and penalties keep the shape of their schedules.
SETTINGS = MappingProxyType({
    "generator_rate": functools.partial(_with_rate, "generator"),
    "discriminator_rate": functools.partial(_with_rate, "discriminator"),
    "beta1": _with_beta1,
    "penalty": _with_penalty,
    "width": _with_width,
    "batch": lambda recipe, value: recipe.replace(batch=value),
    "loss": lambda recipe, value: recipe.replace(loss=value),
})


@dataclasses.dataclass(frozen=True)
class Question:
    """Which settings of a recipe are best, and how that is judged.

    Args:
        name: of the study too; letters, digits, ``-`` and ``_``.
        base: recipe of everything that does not vary; it learns one half of images, and the other half judges.
        space: by the names in ``SETTINGS``, what varies and where.
        seeds: of the trainings of each trial, at least 3; the same for all trials, so that trials are compared on
            equal draws.
        steps: of each training.
        framework: ``pytorch`` or ``tensorflow``.

    Raises:
        ValueError: a name, a space, seeds, steps or a recipe outside what is accepted.
    """

    name: str
    base: Recipe
    space: Mapping[str, Range | Choice]
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 400
    framework: str = "pytorch"

    def __post_init__(self) -> None:
        one_of("framework", self.framework, FRAMEWORKS)
        if not self.space:
            raise ValueError(f"space is empty; accepted: at least one of {', '.join(SETTINGS)}")
        for name in self.space:
            one_of("a name in space", name, tuple(SETTINGS))
        _check_seeds(self.seeds, SEEDS_AT_LEAST)
        object.__setattr__(self, "space", MappingProxyType(dict(self.space)))
        object.__setattr__(self, "seeds", tuple(self.seeds))
        object.__setattr__(self, "base", self.base.replace(name=self.name, steps=whole("steps", self.steps, 1)))
        if self.base.split not in _OTHER_HALF or len(self.base.generator.settings.get("shape", ())) != 3:
            raise ValueError(f"base learns {self.base.data!r}, split {self.base.split!r}; accepted: images, split "
                             "'train' or 'test', since the other half judges")

    def recipe(self, settings: Mapping[str, Any]) -> Recipe:
        """The base with these values.

        Raises:
            ValueError: other names than those of the space, or a value outside its range.
        """
        if set(settings) != set(self.space):
            raise ValueError(f"settings has {', '.join(sorted(settings))}; accepted: {', '.join(sorted(self.space))}")
        recipe = self.base
        for name, where in self.space.items():
            where.check(name, settings[name])
            recipe = SETTINGS[name](recipe, settings[name])
        return recipe

    def suggest(self, trial: optuna.Trial) -> Recipe:
        """The recipe that a trial is to try."""
        return self.recipe({name: where.suggest(trial, name) for name, where in self.space.items()})

    def to_json(self) -> str:
        """The question as one line of JSON."""
        space = {name: {"kind": type(where).__name__} | dataclasses.asdict(where) for name, where in self.space.items()}
        return json.dumps({"name": self.name, "base": json.loads(self.base.to_json()), "space": space,
                           "seeds": self.seeds, "steps": self.steps, "framework": self.framework,
                           "measure": "pixel Frechet distance, median over the seeds"})

    @property
    def fingerprint(self) -> str:
        """A hash of everything that the scores depend on: 16 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def _check_seeds(seeds: Sequence[int], least: int) -> None:
    if len(set(seeds)) != len(seeds) or len(seeds) < least:
        raise ValueError(f"seeds is {tuple(seeds)!r}; accepted: at least {least} different whole numbers")
    for seed in seeds:
        whole("seeds", seed, 0)


#: The ranges of Lucic and others (2018) for rates and beta1, on the book's quickstart with smaller networks.
QUESTIONS = MappingProxyType({question.name: question for question in (
    Question("digits", Recipe(split="train", averaging=0.99), {
        "generator_rate": Range(1e-5, 1e-2, log=True),
        "discriminator_rate": Range(1e-5, 1e-2, log=True),
        "beta1": Range(0.0, 0.9),
        "penalty": Range(0.01, 10.0, log=True),
        "width": Choice((32, 64, 128)),
        "batch": Choice((32, 64, 128)),
        "loss": Choice(tuple(loss for loss in LOSSES if loss != "minimax")),
    }),
    Question("rates", Recipe(split="train", averaging=0.99, batch=32,
                             generator=Recipe().generator.with_(hidden=(32, 32)),
                             discriminator=Recipe().discriminator.with_(hidden=(32, 32))), {
        "generator_rate": Range(1e-4, 1e-2, log=True),
        "discriminator_rate": Range(1e-4, 1e-2, log=True),
    }, steps=100),
)})


@functools.lru_cache(maxsize=8)
def _judges(name: str, split: str, size: int | None) -> np.ndarray:
    return pixels(data.load(name, split=split, size=size).images)


def distance(run: training.Run) -> float:
    """The Frechet distance in pixels between generated images and the half of the data that the run did not learn.

    As many images are generated as that half has, from noise of a seed that the training did not use.

    Args:
        run: of a recipe that learns one half of images.

    Raises:
        NonFiniteLoss: an image has a value that is not finite.
    """
    recipe = run.recipe
    real = _judges(recipe.data, _OTHER_HALF[recipe.split], recipe.size)
    images = run.sample(len(real), seed=10**6 + recipe.seed)
    if not np.isfinite(images).all():
        raise training.NonFiniteLoss(f"step {run.step}: the generator makes values that are not finite")
    return frechet_distance(pixels(images), real)


def noise_floor(question: Question) -> tuple[float, float]:
    """What a perfect generator scores: the distance between two random halves of the real images.

    Args:
        question: names the images.

    Returns:
        Mean and standard deviation over ``FLOOR_SPLITS`` splits, of halves as large as those that are scored.
    """
    features = _judges(question.base.data, "all", question.base.size)
    rng = np.random.default_rng(0)
    floors = [half_split_floor(features, rng) for _ in range(FLOOR_SPLITS)]
    return statistics.fmean(floors), statistics.stdev(floors)


_TABLE = tables.Table("trial", "one training of a trial", (), ("distance",), lambda run: {"distance": distance(run)},
                      compiled=False)


def run_seed(question: Question, recipe: Recipe, seed: int, device: str | None = None) -> dict[str, Any]:
    """Train once and measure.

    Small networks run plainly: each trial has a program of its own, and compiling it takes longer than it saves.

    Args:
        question: names the framework.
        recipe: what is run, but for its seed.
        seed: of the training.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        ``distance`` (None where the run diverged), ``failed`` (None, or what happened), ``opening`` (the losses of
        step ``tables.OPENING``, for whoever runs it again) and ``seconds``.
    """
    cell = tables.Cell("trial", question.framework, recipe.replace(seed=seed))
    try:
        record = tables.run_cell(_TABLE, cell, device)
    except training.NonFiniteLoss as error:  # of the samples: the last update did it, and no loss has shown it yet
        record = {"distance": None, "failed": str(error).split(". ")[0], "opening": None, "seconds": None}
    return {name: record[name] for name in ("distance", "failed", "opening", "seconds")}


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

    Explained in the book's section "Search".
    """

    def __init__(self, name: str = "tpe", seed: int = 0) -> None:
        self.name, self.seed = one_of("sampler", name, tuple(SAMPLERS)), whole("seed", seed, 0)
        self._numbered: dict[int, optuna.samplers.BaseSampler] = {}

    def _of(self, trial: optuna.trial.FrozenTrial) -> optuna.samplers.BaseSampler:
        if trial.number not in self._numbered:
            seed = int(np.random.SeedSequence((self.seed, trial.number)).generate_state(1)[0])
            self._numbered[trial.number] = SAMPLERS[self.name](seed)
        return self._numbered[trial.number]

    def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
        """As the sampler of this trial does."""
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
        """As the sampler of this trial does."""
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """As the sampler of this trial does."""
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Any, trial: Any) -> None:
        """As the sampler of this trial does."""
        self._of(trial).before_trial(study, trial)

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        """As the sampler of this trial does; then it is no longer needed."""
        self._of(trial).after_trial(study, trial, state, values)
        del self._numbered[trial.number]


SAMPLERS = MappingProxyType({
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=START),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
})


def _wilcoxon() -> optuna.pruners.BasePruner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.pruners.WilcoxonPruner()


PRUNERS = MappingProxyType({
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=START),
    "wilcoxon": _wilcoxon,
    "none": optuna.pruners.NopPruner,
})
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


def open_study(question: Question, storage: BaseStorage, sampler: str | None = None, seed: int | None = None,
               pruner: str | None = None) -> optuna.Study:
    """Begin the study of a question, or go on with the one that the storage holds.

    Args:
        question: what is asked.
        storage: see :func:`ganbook.tuning.storages.open_storage`.
        sampler: one of ``SAMPLERS``; None means that of the study, ``tpe`` for a new one.
        seed: of the sampler; None means that of the study, 0 for a new one.
        pruner: one of ``PRUNERS``; None means that of the study, ``median`` for a new one.

    Returns:
        The study, with its sampler and pruner.

    Raises:
        StudyError: the storage is a journal of another question, its study of this name asks something else, or it was
            begun with another sampler, seed or pruner; nothing is written.
        ValueError: an unknown sampler or pruner, or a negative seed.

    Explained in the book's section "Search".
    """
    asked = {"sampler": sampler, "seed": seed, "pruner": pruner}
    for name, accepted in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        if asked[name] is not None:
            one_of(name, asked[name], tuple(accepted))
    if seed is not None:
        whole("seed", seed, 0)
    begun = _begun(question, storage)
    for name, value in asked.items():
        if begun and value not in (None, begun[name]):
            raise StudyError(f"{name} is {value!r}, and the study was begun with {begun[name]!r}; accepted: that one, "
                             "or another file")
        asked[name] = begun[name] if begun else DEFAULTS[name] if value is None else value
    tools = {"sampler": NumberedSampler(asked["sampler"], asked["seed"]), "pruner": PRUNERS[asked["pruner"]]()}
    if begun:  # loading writes nothing, while Optuna notes every attempt to create a study
        return optuna.load_study(storage=storage, study_name=question.name, **tools)
    with quiet():
        study = optuna.create_study(storage=storage, study_name=question.name, direction="minimize",
                                    load_if_exists=True, **tools)
        for name, value in asked.items():
            study.set_user_attr(name, value)
        study.set_user_attr("question", question.to_json())
        study.set_user_attr("fingerprint", question.fingerprint)
    return study


def _begun(question: Question, storage: BaseStorage) -> dict[str, Any]:
    """How the study of this question was begun; empty if it is not there."""
    names = optuna.get_all_study_names(storage)
    if question.name not in names:
        if names and isinstance(storage, optuna.storages.JournalStorage):
            raise StudyError(f"the file holds a study of the question {names[0]!r}; accepted: one of "
                             f"{question.name!r}, or a new file")
        return {}
    study = storage.get_study_id_from_name(question.name)
    attributes = storage.get_study_user_attrs(study)
    if attributes.get("fingerprint") == question.fingerprint:
        return attributes
    if "fingerprint" not in attributes and not storage.get_all_trials(study, deepcopy=False):
        return {}  # another process has just made it, or was stopped before it could say what it asks
    raise StudyError(f"the study {question.name!r} has the fingerprint {attributes.get('fingerprint')!r}, and the "
                     f"question has {question.fingerprint!r}: its base, space, seeds, steps or framework differ; "
                     "accepted: the question that the study was begun with, or a new file")


def read_study(question: Question, storage: BaseStorage) -> optuna.Study:
    """The study of a question that a storage holds already.

    Raises:
        StudyError: it holds none, or one of another question.
    """
    if not _begun(question, storage):
        raise StudyError(f"there is no study {question.name!r} in the storage; accepted: one that python -m ganbook "
                         "tune began")
    return open_study(question, storage)


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that count: those with a score, and those that were given up because they diverged or were pruned."""
    return study.get_trials(deepcopy=False, states=claims.FINISHED)


def run_trials(study: optuna.Study, question: Question, trials: int, *, progress: bool | None = None,
               device: str | None = None) -> None:
    """Run trials until the study has so many finished ones.

    In one process the outcome depends on the question and on the sampler's seed alone, however often it was stopped
    between two trials.  Ctrl-C keeps what is finished; the trial in hand is tried again by whoever continues.

    Args:
        study: of :func:`open_study`.
        question: the study's.
        trials: finished trials in all, those that are there included; at least 1.
        progress: show a bar; None shows one on a terminal, and none under test.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Raises:
        ValueError: fewer than 1 trial.
        KeyboardInterrupt: Ctrl-C; the trial in hand is queued again.

    Explained in the book's section "Search".
    """
    claims.Watch(study).recover()
    with quiet(), show_trials(whole("trials", trials, 1), progress) as show:
        show(len(finished(study)), best_distance(study))

        def run(trial: optuna.Trial) -> None:
            run_trial(study, question, trial, device)
            show(len(finished(study)), best_distance(study))

        claims.work(study, run, trials)


@contextlib.contextmanager
def show_trials(trials: int, progress: bool | None = None) -> Iterator[Callable[[int, float], None]]:
    """A bar of progress, as a function that takes the number of finished trials and the best distance so far.

    Args:
        trials: at the end of the bar.
        progress: show it; None shows it on a terminal, and never under test.
    """
    with tqdm(total=trials, unit="trial", leave=False, disable=not training.show_bar(progress)) as bar:
        def show(done: int, best: float) -> None:
            bar.n = done
            bar.set_postfix_str(f"best {best:.4g}" if math.isfinite(best) else "no score yet")
        yield show


def prepare(name: str, changes: Mapping[str, Any], tools: Mapping[str, Any], device: str | None,
            storage: BaseStorage) -> tuple[optuna.Study, Callable[[optuna.Trial], object]]:
    """What a worker of :func:`ganbook.tuning.workers.run_workers` needs, told in words that can be sent to a process.

    Args:
        name: of a question in ``QUESTIONS``.
        changes: fields of the question that are replaced, such as ``steps``.
        tools: ``sampler``, ``seed`` and ``pruner`` of :func:`open_study`.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.
        storage: where the study is.

    Returns:
        The study, and what runs one of its trials.

    Raises:
        ValueError: as :func:`open_study`, or an unknown question.
    """
    question = dataclasses.replace(QUESTIONS[one_of("question", name, tuple(QUESTIONS))], **changes)
    study = open_study(question, storage, **tools)
    return study, lambda trial: run_trial(study, question, trial, device)


def run_trial(study: optuna.Study, question: Question, trial: optuna.Trial,
              device: str | None = None) -> optuna.trial.FrozenTrial:
    """Run a trial that was just begun: a training for each seed, and the median of their distances.

    After each seed its distance is reported to the pruner.  A trial that diverges with any seed is pruned too, with the
    reason: a sampler learns from pruned trials, and not from failed ones.

    Args:
        study: of :func:`open_study`.
        question: the study's.
        trial: the study's, without settings yet, or with those of one that was interrupted.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        The trial, finished.
    """
    recipe, distances = question.suggest(trial), []
    for number, seed in enumerate(question.seeds, 1):
        record = run_seed(question, recipe, seed, device)
        trial.set_user_attr(f"seed {seed}", record)
        if record["failed"]:
            trial.set_user_attr("reason", f"diverged with seed {seed}: {record['failed']}")
            return study.tell(trial, state=TrialState.PRUNED)
        distances.append(record["distance"])
        trial.report(record["distance"], number)
        if number < len(question.seeds) and trial.should_prune():
            trial.set_user_attr("reason", f"hopeless after seed {seed}: distance {record['distance']:.4g}")
            return study.tell(trial, state=TrialState.PRUNED)
    return study.tell(trial, statistics.median(distances))


def best_distance(study: optuna.Study) -> float:
    """The lowest score of a study so far; infinite if no trial has one."""
    return min((trial.value for trial in finished(study) if trial.state == TrialState.COMPLETE), default=math.inf)


def best_trial(study: optuna.Study) -> optuna.trial.FrozenTrial:
    """The trial with the lowest score.

    Raises:
        StudyError: no trial has a score.
    """
    if best_distance(study) == math.inf:
        raise StudyError(f"none of the {len(finished(study))} finished trials has a score; run more")
    return study.best_trial


def score(question: Question, settings: Mapping[str, Any], seeds: Sequence[int],
          device: str | None = None) -> list[float]:
    """The distance of each seed, for one set of settings.

    Args:
        question: what is asked.
        settings: values for all names of the question's space.
        seeds: whole numbers of at least 0.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        As many distances as seeds; infinite where the run diverged.

    Raises:
        ValueError: settings outside the space, or no seed.
    """
    _check_seeds(seeds, 1)
    recipe = question.recipe(settings)
    found = [run_seed(question, recipe, seed, device)["distance"] for seed in seeds]
    return [math.inf if value is None else value for value in found]


def rescore(question: Question, settings: Mapping[str, Any], seeds: Sequence[int] = FRESH_SEEDS,
            device: str | None = None) -> list[float]:
    """Score the winner of a search again, on seeds that the search never saw.

    Args:
        question: what was asked.
        settings: the winner's.
        seeds: none of the question's.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Returns:
        As many distances as seeds; infinite where the run diverged.

    Raises:
        ValueError: a seed that the search has used, or settings outside the space.

    Explained in the book's section "Search".
    """
    used = sorted(set(seeds) & set(question.seeds))
    if used:
        raise ValueError(f"seeds has {', '.join(map(str, used))}, on which the search chose; accepted: fresh ones")
    return score(question, settings, seeds, device)

"""The problems that a search answers: which settings of a recipe vary, where, and what does not.

A *problem* also fixes the trainings that judge a setting: their seeds, steps and framework.  Its fingerprint is a hash
of everything that a score depends on.

Explained in the book's section "Search".
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import optuna

from ganbook.data.recipe import (
    FRAMEWORKS,
    LOSSES,
    Architecture,
    Recipe,
    Schedule,
    check_choice,
    check_int,
    check_range,
    up_to_date,
)

#: By split that a recipe learns, the split that judges it.
OTHER_HALF = MappingProxyType({"train": "test", "test": "train"})


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
        check_range("low", self.low, 0.0, open_low=self.log)
        check_range("high", self.high, self.low, open_low=True)

    def suggest(self, trial: optuna.Trial, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def check(self, name: str, value: Any) -> None:
        """Raise ValueError unless the value lies in the interval."""
        check_range(name, value, self.low, self.high)


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
        return trial.suggest_categorical(name, self.values)

    def check(self, name: str, value: Any) -> None:
        """Raise ValueError unless the value is one of them."""
        if value not in self.values:
            raise ValueError(f"{name} is {value!r}; accepted: {', '.join(map(str, self.values))}")


def _scaled(schedule: Schedule, start: float) -> Schedule:
    """A schedule of the same shape that begins at another value."""
    return dataclasses.replace(schedule, start=start, end=schedule.end * start / schedule.start)


def _with_rate(field: str, recipe: Recipe, value: float) -> Recipe:
    rule = getattr(recipe, field)
    return recipe.replace(**{field: dataclasses.replace(rule, learning_rate=_scaled(rule.learning_rate, value))})


def _with_beta1(recipe: Recipe, value: float) -> Recipe:
    return recipe.replace(
        **{
            field: dataclasses.replace(getattr(recipe, field), beta1=value)
            for field in ("generator_optimiser", "discriminator_optimiser")
        }
    )


def _with_penalty(recipe: Recipe, value: float) -> Recipe:
    active = {name: getattr(recipe, name) for name in ("r1", "r2") if getattr(recipe, name).start > 0}
    if not active:
        raise ValueError(
            f"recipe {recipe.name!r} has neither r1 nor r2; accepted where the penalty varies: a recipe "
            "with one of them"
        )
    return recipe.replace(**{name: _scaled(schedule, value) for name, schedule in active.items()})


def _with_width(recipe: Recipe, value: int) -> Recipe:
    def widened(network: Architecture) -> Architecture:
        if not network.kind.startswith("MLP"):
            raise ValueError(
                f"recipe {recipe.name!r} has a {network.kind}; accepted where the width varies: "
                "MLPGenerator and MLPDiscriminator"
            )
        return network.with_(hidden=(value,) * len(network.settings["hidden"]))

    return recipe.replace(generator=widened(recipe.generator), discriminator=widened(recipe.discriminator))


#: What may vary: by name, how a recipe takes a value.  Rates and penalties keep the shape of their schedules.
SETTINGS: Mapping[str, Callable[[Recipe, Any], Recipe]] = MappingProxyType(
    {
        "generator_rate": functools.partial(_with_rate, "generator_optimiser"),
        "discriminator_rate": functools.partial(_with_rate, "discriminator_optimiser"),
        "beta1": _with_beta1,
        "penalty": _with_penalty,
        "width": _with_width,
        "batch": lambda recipe, value: recipe.replace(batch=value),
        "loss": lambda recipe, value: recipe.replace(loss=value),
    }
)


@dataclasses.dataclass(frozen=True)
class SearchProblem:
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
        check_choice("framework", self.framework, FRAMEWORKS)
        if not self.space:
            raise ValueError(f"space is empty; accepted: at least one of {', '.join(SETTINGS)}")
        for name in self.space:
            check_choice("a name in space", name, tuple(SETTINGS))
        check_seeds(self.seeds, 3)
        object.__setattr__(self, "space", MappingProxyType(dict(self.space)))
        object.__setattr__(self, "seeds", tuple(self.seeds))
        object.__setattr__(self, "base", self.base.replace(name=self.name, steps=check_int("steps", self.steps, 1)))
        if self.base.split not in OTHER_HALF or len(self.base.generator.settings.get("shape", ())) != 3:
            raise ValueError(
                f"base learns {self.base.data!r}, split {self.base.split!r}; accepted: images, split "
                "'train' or 'test', since the other half judges"
            )

    def __reduce__(self) -> tuple[Any, ...]:  # a mapping proxy cannot be pickled
        return type(self), (self.name, self.base, dict(self.space), self.seeds, self.steps, self.framework)

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
        """The problem as one line of JSON."""
        space = {name: {"kind": type(where).__name__} | dataclasses.asdict(where) for name, where in self.space.items()}
        return json.dumps(
            {
                "name": self.name,
                "base": json.loads(self.base.to_json()),
                "space": space,
                "seeds": self.seeds,
                "steps": self.steps,
                "framework": self.framework,
                "measure": "pixel Frechet distance, median over the seeds",
            }
        )

    def is_that_of(self, text: str | None) -> bool:
        """Whether :meth:`to_json` wrote this, now or before a field with a default joined the recipe."""
        if text is None:
            return False
        fields = json.loads(text)
        return fields | {"base": up_to_date(fields["base"])} == json.loads(self.to_json())

    @property
    def fingerprint(self) -> str:
        """A hash of everything that the scores depend on: 16 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def check_seeds(seeds: Sequence[int], least: int) -> None:
    """Raise ValueError unless these are so many different whole numbers of at least 0."""
    if len(set(seeds)) != len(seeds) or len(seeds) < least:
        raise ValueError(f"seeds is {tuple(seeds)!r}; accepted: at least {least} different whole numbers")
    for seed in seeds:
        check_int("seeds", seed, 0)


#: The ranges of Lucic and others (2018) for rates and beta1, on the book's quickstart with smaller networks.
PROBLEMS = MappingProxyType(
    {
        problem.name: problem
        for problem in (
            SearchProblem(
                "digits",
                Recipe(split="train", averaging=0.99),
                {
                    "generator_rate": Range(1e-5, 1e-2, log=True),
                    "discriminator_rate": Range(1e-5, 1e-2, log=True),
                    "beta1": Range(0.0, 0.9),
                    "penalty": Range(0.01, 10.0, log=True),
                    "width": Choice((32, 64, 128)),
                    "batch": Choice((32, 64, 128)),
                    "loss": Choice(tuple(loss for loss in LOSSES if loss != "minimax")),
                },
            ),
            SearchProblem(
                "rates",
                Recipe(
                    split="train",
                    averaging=0.99,
                    batch=32,
                    generator=Recipe().generator.with_(hidden=(32, 32)),
                    discriminator=Recipe().discriminator.with_(hidden=(32, 32)),
                ),
                {
                    "generator_rate": Range(1e-4, 1e-2, log=True),
                    "discriminator_rate": Range(1e-4, 1e-2, log=True),
                },
                steps=100,
            ),
        )
    }
)

"""A sampler whose proposals belong to the trial and not to the process that happens to make it.

A sampler that is seeded once per process proposes the same first points in every process, and again after a study was
closed and opened.  Seeded anew for each trial, from the study's seed and the trial's number, it never repeats itself;
and random search tries the same points however many workers share them.

Explained in the book's section "Search".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from ganbook.data.recipe import whole

#: Attribute of a trial that was queued again: the number of the trial that its worker left unfinished.
RETRY_OF = "retry_of"


class SeededByTrial(BaseSampler):
    """Proposals that depend on the seed, the trial's number and the study so far, on nothing else.

    A trial that is tried again keeps the seed of the first attempt.

    Args:
        make: makes the sampler of one trial from a whole number.
        seed: of the study, at least 0.

    Raises:
        ValueError: a seed that is no whole number of at least 0.

    Explained in the book's section "Search".
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int = 0) -> None:
        self._make = make
        self._seed = whole("seed", seed, 0)
        self._inner = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Make the sampler of this trial."""
        number = first_attempt(study, trial)
        self._inner = self._make(int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0]))
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the trial's sampler does."""
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial,
                        search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """As the trial's sampler does."""
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str,
                           param_distribution: BaseDistribution) -> Any:
        """As the trial's sampler does."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState,
                    values: Sequence[float] | None) -> None:
        """As the trial's sampler does."""
        self._inner.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Nothing to do: each trial has its own seed."""


def first_attempt(study: Study, trial: FrozenTrial) -> int:
    """Number of the trial that this one repeats, or its own number if it repeats none."""
    if RETRY_OF not in trial.user_attrs:
        return trial.number
    there = {each.number: each for each in study.get_trials(deepcopy=False)}
    while RETRY_OF in trial.user_attrs:
        trial = there[trial.user_attrs[RETRY_OF]]
    return trial.number

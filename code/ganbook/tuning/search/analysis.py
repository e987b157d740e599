"""What a finished search says: how much of the best score is luck, and which settings matter.

Explained in the book's section "Search".
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import optuna
from optuna.importance import BaseImportanceEvaluator, FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState
from scipy import integrate, stats

from ganbook.data.recipe import check_choice, check_int, check_range
from ganbook.tuning.search import optuna_studies

METHODS = ("fanova", "ped_anova")
#: The share of trials that PED-ANOVA calls good.
GOOD = 0.1


def expected_largest(n: int) -> float:
    """The mean of the largest of n independent standard normal numbers.

    .. math:: m_n = n \\int x\\,\\varphi(x)\\,\\Phi(x)^{n - 1}\\,dx

    Args:
        n: at least 1.

    Returns:
        0 for n = 1, and about the square root of 2 ln n for large n.

    Raises:
        ValueError: n below 1.

    Example:
        >>> round(expected_largest(2), 6), round(1 / math.sqrt(math.pi), 6)
        (0.56419, 0.56419)
    """
    check_int("n", n, 1)

    def integrand(x: float) -> float:
        return x * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1)

    return n * integrate.quad(integrand, -12, 12, epsabs=1e-12, epsrel=1e-12, limit=200)[0]


def winners_curse(n: int, noise: float, spread: float) -> float:
    """How much better the best of n noisy scores looks than it is, on average.

    .. math:: \\frac{\\sigma^2}{\\sqrt{\\sigma^2 + \\tau^2}}\\,m_n

    for true scores that are normal with standard deviation tau, each seen with normal noise of standard deviation
    sigma; m_n is :func:`expected_largest`.

    Args:
        n: scores, at least 1.
        noise: sigma, at least 0.
        spread: tau, at least 0; one of the two above 0.

    Returns:
        At least 0, in the unit of the scores.

    Raises:
        ValueError: a number outside its range.

    Example:
        >>> round(winners_curse(2, noise=3.0, spread=4.0), 6), round(9 / 5 / math.sqrt(math.pi), 6)
        (1.015541, 1.015541)
    """
    check_range("noise", noise, 0.0)
    check_range("spread", spread, 0.0, open_low=noise == 0)
    return noise**2 / math.hypot(noise, spread) * expected_largest(n)


def chance_of_good(share: float, n: int) -> float:
    """The probability that at least one of n uniform draws falls into the best share of the space.

    .. math:: 1 - (1 - q)^n

    Args:
        share: q, in [0, 1].
        n: draws, at least 1.

    Raises:
        ValueError: a number outside its range.

    Example:
        >>> chance_of_good(0.25, 2)  # 1 less 3/4 times 3/4
        0.4375
    """
    return 1 - (1 - check_range("share", share, 0.0, 1.0)) ** check_int("n", n, 1)


def best_so_far(study: optuna.Study) -> np.ndarray:
    """The lowest score after each finished trial; infinite before the first one that has a score.

    Example:
        >>> study = optuna.create_study()
        >>> study.add_trials([optuna.trial.create_trial(value=value) for value in (3.0, 5.0, 2.0)])
        >>> best_so_far(study).tolist()
        [3.0, 3.0, 2.0]
    """
    scores = [
        trial.value if trial.state == TrialState.COMPLETE else math.inf for trial in optuna_studies.finished(study)
    ]
    return np.minimum.accumulate(np.array(scores, np.float64))


def importances(trials: Iterable[FrozenTrial], method: str = "fanova", seed: int = 0) -> dict[str, float]:
    """Which share of the differences between scores each setting explains by itself.

    The logarithms of the scores are explained, since scores span decades and the worst would decide alone.

    * ``fanova`` fits a random forest to the scores and splits its variance: what the mean over all other settings
      varies with one setting (Hutter, Hoos and Leyton-Brown, ICML 2014).  Its forest depends on the seed.
    * ``ped_anova`` asks how far the best tenth of the trials is gathered in each setting (Watanabe, Bansal and Hutter,
      IJCAI 2023, arXiv:2304.10255).  It ignores the seed.

    Args:
        trials: finished ones, of one problem; those without a score are left out.  Let a random search have chosen
            their settings: a sampler that gathers trials where scores are good leaves little to compare with.
        method: one of ``METHODS``.
        seed: of the forest.

    Returns:
        By setting, numbers of at least 0 with sum 1, the largest first.

    Raises:
        ValueError: an unknown method, a negative seed, or fewer than two trials with a score.

    Example:
        >>> unit = optuna.distributions.FloatDistribution(0, 1)
        >>> trials = [optuna.trial.create_trial(params={"a": a, "b": b}, distributions={"a": unit, "b": unit},
        ...                                     value=math.exp(a)) for a in (0, 0.5, 1) for b in (0, 1)]
        >>> list(importances(trials))
        ['a', 'b']
    """
    evaluator: BaseImportanceEvaluator = (
        FanovaImportanceEvaluator(seed=check_int("seed", seed, 0))
        if check_choice("method", method, METHODS) == "fanova"
        else PedAnovaImportanceEvaluator(target_quantile=GOOD)
    )
    scored = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if len(scored) < 2:
        raise ValueError(f"trials has {len(scored)} with a score; accepted: at least two")
    with optuna_studies.quiet(), warnings.catch_warnings():
        # PED-ANOVA reminds everyone who names a target that low ones count as good: here they are.
        warnings.simplefilter("ignore", UserWarning)
        study = optuna.create_study()
        study.add_trials(scored)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, target=_log_score)
    return {name: float(value) for name, value in found.items()}


def _log_score(trial: optuna.trial.FrozenTrial) -> float:
    assert trial.value is not None  # only those that have a score are asked
    return math.log(trial.value)


def replay(study: optuna.Study, pruner: str, seeds: Sequence[int]) -> tuple[int, float]:
    """What a pruner would have made of a search that pruned nothing.

    Args:
        study: whose trials report a distance for each seed.
        pruner: one of ``optuna_studies.PRUNERS``.
        seeds: of the study's problem.

    Returns:
        Trainings that are left, and the best score among the trials that are left.

    Raises:
        ValueError: an unknown pruner.

    Example:
        >>> study = optuna.create_study()
        >>> study.add_trial(optuna.trial.create_trial(value=2.0, intermediate_values={1: 3.0, 2: 1.0, 3: 2.0},
        ...                                           user_attrs={f"seed {seed}": {} for seed in range(3)}))
        >>> replay(study, "none", seeds=(0, 1, 2))
        (3, 2.0)
    """
    rule = optuna_studies.PRUNERS[check_choice("pruner", pruner, tuple(optuna_studies.PRUNERS))]()
    trainings = 0
    with optuna_studies.quiet():
        again = optuna.create_study(pruner=rule)
        for old in optuna_studies.finished(study):
            again.enqueue_trial(old.params)
            trial, kept = again.ask(old.distributions), old.state == TrialState.COMPLETE
            trainings += sum(f"seed {seed}" in old.user_attrs for seed in seeds)
            for number, distance in old.intermediate_values.items():
                trial.report(distance, number)
                if kept and number < len(seeds) and trial.should_prune():
                    trainings, kept = trainings - (len(seeds) - number), False
                    break
            again.tell(trial, old.value if kept else None, state=None if kept else TrialState.PRUNED)
    return trainings, optuna_studies.best_distance(again)

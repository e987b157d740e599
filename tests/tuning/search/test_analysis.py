"""Luck, importances and the replay of pruning, against known answers."""

import math

import numpy as np
import optuna
import pytest
from scipy import integrate, stats

from ganbook.tuning.search import analysis
from ganbook.tuning.search.optuna_studies import quiet


def searched(function, names="abc", trials=200):
    """A random search on the unit cube."""
    with quiet():
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        study.optimize(lambda trial: function(*[trial.suggest_float(name, 0, 1) for name in names]), trials)
    return study


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, 0.0),
        (2, 1 / math.sqrt(math.pi)),
        (3, 1.5 / math.sqrt(math.pi)),
        (5, 1.16296447364052),  # the table of Harter (1961) has 1.16296
    ],
)
def test_the_largest_of_n(n, expected):
    assert analysis.expected_largest(n) == pytest.approx(expected, abs=1e-10)


def test_the_largest_of_many_by_sampling():
    rng = np.random.default_rng(0)
    largest = rng.standard_normal((20_000, 40)).max(1)
    assert abs(largest.mean() - analysis.expected_largest(40)) < 3 * largest.std() / math.sqrt(len(largest))


@pytest.mark.parametrize(("noise", "spread"), [(1.0, 0.0), (0.5, 1.0), (0.0, 1.0), (2.0, 0.5)])
def test_the_curse_by_sampling(noise, spread):
    rng = np.random.default_rng(1)
    true = spread * rng.standard_normal((20_000, 20))
    seen = true + noise * rng.standard_normal(true.shape)
    chosen = np.arange(len(true)), seen.argmin(1)
    gains = (true - seen)[chosen]
    expected = analysis.winners_curse(20, noise, spread)
    assert abs(gains.mean() - expected) <= 3 * gains.std() / math.sqrt(len(gains)) + 1e-12


def test_the_chance_of_a_good_draw():
    assert analysis.chance_of_good(0.05, 59) > 0.95 > analysis.chance_of_good(0.05, 58)
    assert analysis.chance_of_good(0.25, 2) == 1 - 0.75**2


@pytest.mark.parametrize(
    "call",
    [
        lambda: analysis.expected_largest(0),
        lambda: analysis.winners_curse(3, -1.0, 1.0),
        lambda: analysis.winners_curse(3, 0.0, 0.0),
        lambda: analysis.chance_of_good(1.5, 2),
        lambda: analysis.importances([], "guess"),
        lambda: analysis.importances([]),
        lambda: analysis.importances(searched(lambda a: 1 + a, "a", 3).trials, seed=-1),
    ],
)
def test_wrong_arguments_are_refused(call):
    with pytest.raises(ValueError, match="accepted"):
        call()


def test_the_forest_splits_a_known_variance(recwarn):
    trials = searched(lambda a, b, c: math.exp(3 * a + b)).trials
    found = analysis.importances(trials)
    # The logarithm 3a + b has the variance 9/12 + 1/12.
    assert found["a"] == pytest.approx(0.9, abs=0.04)
    assert found["b"] == pytest.approx(0.1, abs=0.04)
    assert found["c"] < 0.01
    assert sum(found.values()) == pytest.approx(1)
    assert analysis.importances(trials, seed=0) == found != analysis.importances(trials, seed=1)
    gathered = analysis.importances(trials, "ped_anova")
    assert list(gathered) == ["a", "b", "c"]
    assert not recwarn.list


def replayed(distances, pruner):
    """A study of trials whose three seeds gave these distances, replayed."""
    study = optuna.create_study()
    for row in distances:
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": row[0]},
                distributions={"x": optuna.distributions.FloatDistribution(0, 1e3)},
                value=float(np.median(row)),
                intermediate_values={k: value for k, value in enumerate(row, 1)},
                user_attrs={f"seed {seed}": {"distance": value} for seed, value in enumerate(row)},
            )
        )
    return analysis.replay(study, pruner, (0, 1, 2))


def test_replaying_counts_what_the_median_rule_saves():
    good, bad, unlucky = (1.0, 1.1, 1.2), (9.0, 9.1, 9.2), (2.0, 0.1, 0.1)
    # After ten trials two hopeless ones stop after one seed, and so does the best one, whose first seed was bad.
    assert replayed([good] * 10 + [bad, bad, unlucky, good], "median") == (10 * 3 + 3 + 3, 1.1)
    assert replayed([good] * 10 + [bad, bad, unlucky, good], "none") == (14 * 3, 0.1)


def test_three_seeds_are_too_few_for_wilcoxon():
    assert stats.wilcoxon([1.0, 2.0, 3.0], alternative="greater").pvalue == 2.0**-3
    assert replayed([(1.0, 1.1, 1.2)] * 10 + [(9.0, 9.1, 9.2)] * 4, "wilcoxon") == (14 * 3, 1.1)


def test_the_best_so_far():
    study = optuna.create_study()
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    for value in (3.0, 5.0, 2.0):
        study.add_trial(optuna.trial.create_trial(value=value))
    assert analysis.best_so_far(study).tolist() == [math.inf, 3.0, 3.0, 2.0]


def test_the_variance_of_a_median_of_three():
    variance = integrate.quad(lambda x: 6 * x**2 * stats.norm.cdf(x) * stats.norm.sf(x) * stats.norm.pdf(x), -12, 12)[0]
    assert variance == pytest.approx(1 - math.sqrt(3) / math.pi, abs=1e-9)


def test_the_best_estimate_of_a_true_score_shrinks_the_seen_one():
    noise, spread, mean, seen = 0.7, 1.2, 3.0, 1.5
    prior, likelihood = stats.norm(mean, spread), stats.norm(seen, noise)
    weight = integrate.quad(lambda t: prior.pdf(t) * likelihood.pdf(t), -10, 15)[0]
    estimate = integrate.quad(lambda t: t * prior.pdf(t) * likelihood.pdf(t), -10, 15)[0] / weight
    assert estimate == pytest.approx(seen + noise**2 / (noise**2 + spread**2) * (mean - seen), abs=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_expected_improvement_depends_on_the_ratio_of_the_densities(share):
    """Scores are uniform on [0, 1]; below the quantile settings have the density l, and above it g."""
    low, high = stats.norm(0.0, 0.5), stats.norm(1.0, 1.0)

    def improvement(x):
        joint = integrate.quad(lambda y: (share - y) * low.pdf(x), 0, share)[0]
        return joint / (share * low.pdf(x) + (1 - share) * high.pdf(x))

    settings = np.linspace(-2, 2, 9)
    by_ratio = 1 / (share + (1 - share) * high.pdf(settings) / low.pdf(settings))
    found = np.array([improvement(x) for x in settings])
    np.testing.assert_allclose(found / found[0], by_ratio / by_ratio[0], rtol=1e-9)


def test_a_grid_tries_few_values_of_each_setting():
    """Of as many trials a random search tries as many values, a grid the d-th root of it."""
    rng = np.random.default_rng(0)
    d, k = 3, 4
    grid = np.stack(np.meshgrid(*[np.arange(k)] * d)).reshape(d, -1).T
    drawn = rng.uniform(size=(k**d, d))
    assert len(grid) == len(drawn) == k**d
    assert [len(np.unique(column)) for column in grid.T] == [k] * d
    assert [len(np.unique(column)) for column in drawn.T] == [k**d] * d


@pytest.mark.parametrize(("noise", "seeds"), [(0.3, 1), (3.0, 3), (3.0, 10)])
def test_the_true_score_of_a_winner_by_sampling(noise, seeds):
    rng = np.random.default_rng(2)
    true = rng.standard_normal((20_000, 120 // seeds))
    seen = true + noise / math.sqrt(seeds) * rng.standard_normal(true.shape)
    found = true[np.arange(len(true)), seen.argmin(1)]
    expected = -analysis.expected_largest(120 // seeds) / math.hypot(1, noise / math.sqrt(seeds))
    assert abs(found.mean() - expected) < 3 * found.std() / math.sqrt(len(found))

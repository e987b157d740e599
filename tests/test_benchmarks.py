"""The benchmarks' own arithmetic: what they time is another matter, and never asserted."""

import datetime
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from benchmarks import timing

from ganbook.tuning.experiments.recipes import RECIPES

ROOT = Path(__file__).parents[1]
BEGINNING = datetime.datetime(2026, 1, 1)


def test_contestants_run_in_turn():
    calls = []
    seconds = timing.in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3, warm_up=1)
    assert calls == ["a", "b"] * 4
    assert [len(values) for values in seconds.values()] == [3, 3]
    assert min(seconds["a"]) >= 0


def test_ratio_is_the_median_of_paired_ratios():
    # The ratio of the medians would be 3 / 2; round by round it is 1, 3 and 0.5.
    assert timing.ratio([2.0, 6.0, 1.0], [2.0, 2.0, 2.0]).split() == ["1.00", "(0.50", "to", "3.00)"]


def test_cost_of_a_dcgan_step():
    steps = pytest.importorskip("benchmarks.steps")
    dense, first = 2 * 100 * 7 * 7 * 256, 2 * 49 * 25 * 256 * 128
    second, third = 2 * 49 * 25 * 128 * 64, 2 * 196 * 25 * 64
    one, two, logit = 2 * 196 * 25 * 64, 2 * 49 * 25 * 64 * 128, 2 * 49 * 128
    generator = 2 * dense + 3 * (first + second + third)
    real = 2 * one + 3 * (two + logit)
    fake = 3 * one + 4 * (two + logit)
    assert steps.flops_per_image(RECIPES["dcgan"]) == generator + real + fake


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_a_course_stops_when_it_is_good_enough(framework):
    quality = pytest.importorskip("benchmarks.quality")
    recipe = RECIPES["quickstart"].replace(batch=8, steps=3)
    assert [step for _, step, _ in quality.course(recipe, framework, 1000.0, 0.0, enough=1e9)] == [1]
    assert [step for _, step, _ in quality.course(recipe, framework, 1000.0, 0.0, enough=0.0)] == [1, 2, 3]


def test_unknown_table_is_refused():
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "wheels"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "wheels" in run.stderr
    assert "steps, programs, compiled, neighbour" in run.stderr


def test_trials_a_second_are_counted_while_all_workers_are_busy():
    search_workers = pytest.importorskip("benchmarks.search_workers")

    def trial(worker: int, start: float, end: float) -> optuna.trial.FrozenTrial:
        return optuna.trial.FrozenTrial(
            number=0,
            trial_id=0,
            state=optuna.trial.TrialState.COMPLETE,
            value=0.0,
            params={},
            distributions={},
            datetime_start=BEGINNING + datetime.timedelta(seconds=start),
            intermediate_values={},
            system_attrs={},
            datetime_complete=BEGINNING + datetime.timedelta(seconds=end),
            user_attrs={"process": worker},
        )

    # The second worker's first trial ends at 6, the last trial begins at 12: one worker ends 3 trials in these six
    # seconds, the other one and a half.
    trials = [
        trial(1, 0, 4),
        trial(1, 4, 6),
        trial(1, 6, 8),
        trial(1, 8, 10),
        trial(1, 10, 12),
        trial(1, 12, 14),
        trial(2, 2, 6),
        trial(2, 6, 10),
        trial(2, 10, 14),
    ]
    assert search_workers.rate(trials) == pytest.approx((3 + 1.5) / 6)
    with pytest.raises(ValueError, match="accepted"):
        search_workers.rate([trial(1, 0, 4), trial(2, 1, 9)])

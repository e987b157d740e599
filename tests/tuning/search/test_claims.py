"""Who may run a trial, and who has given one up: the rules, one by one, without a second process."""

import os
import subprocess
import sys
import time

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from ganbook.tuning.search import claims
from ganbook.tuning.search.claims import RETRY_OF
from ganbook.tuning.search.optuna_studies import NumberedSampler
from tuning.search import studies_at_hand

RUNNING, WAITING, COMPLETE, PRUNED, FAIL = (TrialState[name] for name in
                                           ("RUNNING", "WAITING", "COMPLETE", "PRUNED", "FAIL"))
QUICK = claims.Pace(0.05, 1.0, 0.01)


def study_of(*states, retries=None) -> optuna.Study:
    """A study with trials in these states; ``retries`` tells by number what a trial repeats."""
    study = studies_at_hand.open_study(optuna.storages.InMemoryStorage())
    for number, state in enumerate(states):
        attributes = {RETRY_OF: retries[number]} if retries and number in retries else {}
        study.add_trial(optuna.trial.create_trial(
            state=state, value=1.0 if state is COMPLETE else None, params={"x": 0.5},
            distributions={"x": FloatDistribution(0.0, 1.0)}, user_attrs=attributes))
    return study


@pytest.mark.parametrize(("states", "retries", "number", "surplus"), [
    ((COMPLETE, PRUNED, RUNNING), {}, 2, False),
    ((COMPLETE, PRUNED, COMPLETE, RUNNING), {}, 3, True),
    ((COMPLETE, RUNNING, WAITING, RUNNING), {}, 3, True),
    # Failed ones leave a place, and later ones take none.
    ((COMPLETE, FAIL, RUNNING, RUNNING), {}, 3, False),
    ((COMPLETE, COMPLETE, RUNNING, RUNNING, RUNNING), {}, 2, False),
    # A trial that was queued again, and is about to be failed, is counted once.
    ((RUNNING, COMPLETE, COMPLETE, RUNNING), {3: 0}, 3, False),
    # Two watchers queued the same trial; or its worker had only slept and finished it.
    ((FAIL, RUNNING, RUNNING), {1: 0, 2: 0}, 2, True),
    ((FAIL, RUNNING, RUNNING), {1: 0, 2: 0}, 1, False),
    ((FAIL, FAIL, RUNNING), {1: 0, 2: 0}, 2, False),
    ((COMPLETE, RUNNING), {1: 0}, 1, True),
])
def test_which_of_three_trials_are_too_many(states, retries, number, surplus):
    there = study_of(*states, retries=retries).get_trials(deepcopy=False)
    assert claims._is_surplus(there, number, 3) == surplus


def test_work_ends_at_the_number_asked_for_and_goes_on_from_there():
    study, run = studies_at_hand.prepare(optuna.storages.InMemoryStorage())
    claims.work(study, run, 3, pace=QUICK)
    claims.work(study, run, 3, pace=QUICK)
    assert [trial.state for trial in study.trials] == [COMPLETE] * 3
    claims.work(study, run, 5, pace=QUICK)
    assert claims.finished(study) == 5
    claims.work(study, run, 9, pace=QUICK, stop=lambda: claims.finished(study) == 7)
    assert claims.finished(study) == 7


def test_a_trial_begun_by_another_in_the_same_moment_makes_this_one_too_many():
    study, run = studies_at_hand.prepare(optuna.storages.InMemoryStorage())
    there, shown = study.get_trials, []

    def late(*arguments, **options):
        # Another worker begins the last trial after this one has looked, and before it begins its own.
        found = there(*arguments, **options)
        if not shown:
            shown.append(study.ask())
        return found

    study.get_trials = late
    claims.work(study, run, 1, pace=QUICK, stop=lambda: len(there()) == 2, watch=False)
    assert [trial.state for trial in there()] == [RUNNING, FAIL]
    assert there()[1].params == {}


def test_an_error_in_a_trial_ends_the_work():
    study, run = studies_at_hand.prepare(optuna.storages.InMemoryStorage(), fail=True)
    with pytest.raises(ArithmeticError):
        claims.work(study, run, 3, pace=QUICK)
    assert [trial.state for trial in study.trials] == [FAIL]


def test_a_worker_that_slept_finds_its_trial_given_up_and_goes_on():
    study = studies_at_hand.open_study(optuna.storages.InMemoryStorage())
    watch, given_up = claims.Watch(study, claims.Pace(10.0, 20.0, 0.01)), []

    def run(trial: optuna.Trial) -> None:
        x = trial.suggest_float("x", 0.0, 1.0)
        if not given_up:
            there = study.get_trials(deepcopy=False)
            claims._give_up(study, there, there[0])
            given_up.extend(watch.recover() or [trial.number])
        study.tell(trial, x)

    claims.work(study, run, 2, pace=QUICK)
    assert given_up == [0]
    assert [trial.state for trial in study.trials] == [FAIL, COMPLETE, COMPLETE]
    assert study.trials[1].params == study.trials[0].params


def marked(mark) -> optuna.Study:
    study = studies_at_hand.open_study(optuna.storages.InMemoryStorage())
    trial = study.ask()
    trial.suggest_float("x", 0.0, 1.0)
    trial.set_user_attr("kept", 1)
    if mark is not None:
        trial.set_user_attr(claims.WORKER, mark)
    return study


def dead_process() -> dict:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = {**claims.this_process(), "process": process.pid, "started": claims._started(process.pid)}
    assert not claims.is_dead(mark)
    process.kill()
    process.communicate()
    return mark


def test_the_trial_of_a_dead_process_is_queued_again_at_once():
    study = marked(dead_process())
    assert claims.Watch(study).recover() == [0]
    first, again = study.trials
    assert (first.state, again.state) == (FAIL, WAITING)
    assert (again.params, again.distributions) == (first.params, first.distributions)
    assert again.user_attrs == {"kept": 1, RETRY_OF: 0}
    assert claims.Watch(study).recover() == []
    claims.work(study, lambda trial: study.tell(trial, trial.suggest_float("x", 0.0, 1.0)), 1, pace=QUICK)
    assert study.trials[1].value == first.params["x"]
    assert len(study.trials) == 2


def test_a_process_with_the_number_of_a_dead_one_is_another():
    mine = claims.this_process()
    assert not claims.is_dead(mine)
    assert claims.is_dead(mine | {"started": "1"})
    assert not claims.is_dead(mine | {"started": "1", "host": "elsewhere"})


def test_what_remains_of_a_process_until_its_parent_looks_is_dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    mark = {**claims.this_process(), "process": process.pid, "started": "any"}
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert claims._started(process.pid) is None
    assert claims.is_dead(mark)
    process.wait()


@pytest.mark.parametrize("mark", [None, {"host": "elsewhere", "process": 1, "started": "1", "count": 0}])
def test_a_trial_of_another_host_is_given_up_when_its_mark_stands_still(mark, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(claims.time, "monotonic", lambda: now[0])
    study, pace = marked(mark), claims.Pace(10.0, 60.0)
    watch = claims.Watch(study, pace)
    assert watch.recover() == []
    now[0] += 59
    assert watch.recover() == []
    now[0] += 2
    assert watch.recover() == [0]


@pytest.mark.parametrize("watch", [True, False])
def test_a_worker_without_anything_to_do_looks_after_the_others(watch):
    study, run = studies_at_hand.prepare(optuna.storages.InMemoryStorage())
    study.ask().set_user_attr(claims.WORKER, {"host": "elsewhere", "process": 1, "started": "1", "count": 0})
    end = time.monotonic() + 0.5
    claims.work(study, run, 2, pace=claims.Pace(0.01, 0.1, 0.01), watch=watch,
                stop=lambda: not watch and time.monotonic() > end)
    assert [trial.state for trial in study.trials] == ([FAIL, COMPLETE, COMPLETE] if watch else [RUNNING, COMPLETE])


def test_a_trial_of_another_host_that_signs_is_left_alone(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(claims.time, "monotonic", lambda: now[0])
    study = marked(None)
    trial = optuna.Trial(study, 0)
    watch = claims.Watch(study, claims.Pace(10.0, 60.0))
    for count in range(5):
        trial.set_user_attr(claims.WORKER, {"host": "elsewhere", "process": 1, "started": "1", "count": count})
        assert watch.recover() == []
        now[0] += 59


def test_a_worker_signs_its_trial_again_and_again():
    study, counts = studies_at_hand.open_study(optuna.storages.InMemoryStorage()), []

    def run(trial: optuna.Trial) -> None:
        while not counts or counts[-1] < 3:
            counts.append(study.get_trials()[0].user_attrs[claims.WORKER]["count"])
        study.tell(trial, 0.0)

    claims.work(study, run, 1, pace=claims.Pace(0.01, 1.0, 0.01))
    assert counts[0] <= 1
    assert study.trials[0].user_attrs[claims.WORKER].items() >= claims.this_process().items()


def test_a_trial_that_kills_its_workers_is_given_up_in_the_end():
    study, mark = marked(dead_process()), dead_process()
    for attempt in range(claims.RETRIES):
        assert claims.Watch(study).recover() == [attempt]
        trial = study.ask()
        assert trial.number == attempt + 1
        trial.set_user_attr(claims.WORKER, mark)
    assert claims.Watch(study).recover() == [claims.RETRIES]
    assert [trial.state for trial in study.trials] == [FAIL] * (claims.RETRIES + 1)


@pytest.mark.parametrize("numbers", [(0, 60, 1), (10, 10, 1), (10, 60, 0)])
def test_paces_that_make_no_sense_are_refused(numbers):
    with pytest.raises(ValueError, match="accepted"):
        claims.Pace(*numbers)


def test_ctrl_c_queues_the_trial_in_hand_again():
    study, run = studies_at_hand.prepare(optuna.storages.InMemoryStorage())

    def interrupted(trial: optuna.Trial) -> None:
        trial.suggest_float("x", 0.0, 1.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        claims.work(study, interrupted, 1, pace=QUICK)
    assert [trial.state for trial in study.trials] == [FAIL, WAITING]
    claims.work(study, run, 1, pace=QUICK)
    assert [trial.state for trial in study.trials] == [FAIL, COMPLETE]
    assert study.trials[1].params["x"] == study.trials[0].params["x"]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_study_that_was_interrupted_tries_the_same_points_as_one_that_was_not(sampler):
    def points(storage, trials: int) -> list[dict]:
        study, run = studies_at_hand.prepare(storage)
        study.sampler = NumberedSampler(sampler, 3)
        claims.work(study, run, trials, pace=QUICK)
        return [trial.params for trial in study.trials]

    whole = points(optuna.storages.InMemoryStorage(), 14)
    storage = optuna.storages.InMemoryStorage()
    points(storage, 5)
    assert points(storage, 14) == whole
    assert len({each["x"] for each in whole}) == 14


def test_without_a_seed_for_each_trial_the_same_points_come_again():
    storage, found = optuna.storages.InMemoryStorage(), []
    for trials in (2, 4):
        study, run = studies_at_hand.prepare(storage)
        study.sampler = RandomSampler(3)
        claims.work(study, run, trials, pace=QUICK)
        found = [trial.params for trial in study.trials]
    assert found[:2] == found[2:]

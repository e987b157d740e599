"""Several processes at one study, for real: in a journal, in PostgreSQL, and through gRPC."""

import contextlib
import functools
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from ganbook.tuning.search import claims, workers
from ganbook.tuning.search.storages import open_storage
from tuning.search import servers_at_hand, studies_at_hand

#: Marks are looked at by the second, since a test that waits a minute is not run.
QUICK = claims.Pace(0.2, 3.0, 0.1)
#: Seconds that a busy machine may take for anything.
WAIT = 120

WITHOUT = ("PostgreSQL is not installed (Debian's package postgresql)" if servers_at_hand.postgresql_folder() is None
           else "PostgreSQL's driver psycopg is not installed" if importlib.util.find_spec("psycopg") is None else "")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """URL of a database: PostgreSQL's where it is installed; behind gRPC, SQLite's does as well."""
    if WITHOUT:
        yield f"sqlite:///{tmp_path_factory.mktemp('database')}/study.db"
    else:
        with servers_at_hand.postgresql() as url:
            yield url


@pytest.fixture(scope="module", params=["journal", "database", "grpc"])
def storage(request, tmp_path_factory):
    """Each kind of storage that several workers may share."""
    if request.param == "journal":
        yield str(tmp_path_factory.mktemp("journal") / "study")
    elif request.param == "grpc":
        pytest.importorskip("grpc", reason="gRPC is not installed")
        with servers_at_hand.grpc_server(request.getfixturevalue("database")) as url:
            yield url
    elif WITHOUT:
        pytest.skip(WITHOUT)
    else:
        yield request.getfixturevalue("database")


def trials_of(storage, name="study") -> list[optuna.trial.FrozenTrial]:
    return studies_at_hand.open_study(open_storage(storage), name).trials


def scores(trials) -> dict[tuple, float]:
    return {(trial.params["x"], trial.params["y"]): trial.value for trial in trials
            if trial.state is TrialState.COMPLETE}


def kill_when_told(path: Path, killed: list[int]) -> threading.Thread:
    """Kill the process whose number is found in a file, as the kernel does when memory runs out."""
    def kill() -> None:
        process = int(appears(path))
        # The trial is signed again before the end, so that nothing but the process tells that it is lost.
        time.sleep(2 * QUICK.beat)
        os.kill(process, signal.SIGKILL)
        killed.append(process)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def appears(path: Path) -> str:
    end = time.monotonic() + WAIT
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.01)
    return path.read_text()


def ends(process: int) -> bool:
    end = time.monotonic() + WAIT
    while claims._started(process) is not None:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_killed_worker_loses_nothing_but_its_trial_which_is_tried_again(storage, tmp_path):
    killed, told = [], []
    thread = kill_when_told(tmp_path / "hang", killed)
    prepare = functools.partial(studies_at_hand.prepare, seconds=0.02, hang=str(tmp_path / "hang"),
                                name=f"killed, {storage}")
    study = workers.run_workers(prepare, storage, 2, 9, pace=QUICK, progress=told.append)
    thread.join()
    there = study.trials
    lost = [trial for trial in there if trial.user_attrs.get("by") == killed[0] and trial.state is TrialState.FAIL]
    assert len(lost) == 1
    again = [trial for trial in there if trial.user_attrs.get("retry_of") == lost[0].number]
    assert [trial.state for trial in again] == [TrialState.COMPLETE]
    assert again[0].params == lost[0].params
    assert again[0].value == studies_at_hand.score(**lost[0].params)
    assert claims.finished(study) == 9
    assert told[0] == 0
    assert told[-1] == 9
    by = {trial.user_attrs["by"] for trial in there if trial.state is TrialState.COMPLETE}
    assert len(by - {os.getpid()}) >= 1
    # What was done is what one process alone would have done, but for the place of the lost one.
    alone, run = studies_at_hand.prepare(optuna.storages.InMemoryStorage())
    claims.work(alone, run, 10, pace=QUICK)
    assert scores(there).items() <= scores(alone.trials).items()
    # Whoever opens the study later finds it as it was, and finished.
    again = workers.run_workers(prepare, storage, 2, 9, pace=QUICK)
    assert [(trial.state, trial.params) for trial in again.trials] == [(trial.state, trial.params) for trial in there]


def test_several_workers_finish_exactly_as_many_as_asked_for(tmp_path):
    prepare, storage = functools.partial(studies_at_hand.prepare, seconds=0.01), str(tmp_path / "study")
    study = workers.run_workers(prepare, storage, 4, 14, pace=QUICK)
    assert claims.finished(study) == 14
    assert {trial.state for trial in study.trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    # A trial that was one too many was given up before anything was computed.
    assert all(trial.params == {} for trial in study.trials if trial.state is TrialState.FAIL)
    assert len(scores(study.trials)) == 14


HOST = """
import functools, sys
from ganbook.tuning.search import claims, workers
from tuning.search import studies_at_hand
if __name__ == "__main__":
    storage, name, host, seconds, trials, hang = sys.argv[1:]
    prepare = functools.partial(studies_at_hand.prepare, name=name, host=host, seconds=float(seconds), hang=hang)
    claims._host = lambda: host
    workers.run_workers(prepare, storage, 1, int(trials), pace=claims.Pace(0.2, 3.0, 0.1))
"""


@pytest.fixture
def host(tmp_path):
    """Starts a process that takes itself for another host."""
    script = tmp_path / "host.py"
    script.write_text(HOST)
    started = []

    def start(storage: str, name: str, host: str, *, seconds: float, trials: int, hang: str = "") -> subprocess.Popen:
        started.append(subprocess.Popen(
            [sys.executable, str(script), storage, name, host, str(seconds), str(trials), hang], stderr=subprocess.PIPE,
            text=True, start_new_session=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            # Whoever starts the tests in the background may have Ctrl-C ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)))
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_two_hosts_begin_together_and_share_the_trials(storage, host):
    both = [host(storage, f"two, {storage}", name, seconds=0.1, trials=12) for name in ("one", "two")]
    for process in both:
        assert process.wait(WAIT) == 0, process.stderr.read()
    there = [trial for trial in trials_of(storage, f"two, {storage}") if trial.state is TrialState.COMPLETE]
    assert len(there) == len(scores(there)) == 12
    assert {trial.user_attrs["worker"]["host"] for trial in there} == {"one", "two"}


def test_a_host_that_vanishes_leaves_its_trial_to_the_other(storage, host, tmp_path):
    gone = host(storage, f"vanishes, {storage}", "gone", seconds=0.0, trials=4, hang=str(tmp_path / "hang"))
    appears(tmp_path / "hang")
    time.sleep(2 * QUICK.beat)
    os.killpg(gone.pid, signal.SIGKILL)
    other = host(storage, f"vanishes, {storage}", "other", seconds=0.0, trials=4)
    assert other.wait(WAIT) == 0, other.stderr.read()
    lost, *rest = trials_of(storage, f"vanishes, {storage}")
    assert lost.state is TrialState.FAIL
    assert lost.user_attrs["worker"]["host"] == "gone"
    assert [trial.params for trial in rest if trial.user_attrs.get("retry_of") == 0] == [lost.params]
    assert sum(trial.state is TrialState.COMPLETE for trial in rest) == 4


def test_ctrl_c_stops_the_workers_and_queues_their_trials_again(tmp_path, host):
    storage, hang = str(tmp_path / "study"), tmp_path / "hang"
    process = host(storage, "study", claims._host(), seconds=0.0, trials=6, hang=str(hang))
    worker = int(appears(hang))
    os.killpg(process.pid, signal.SIGINT)
    process.wait(WAIT)
    assert "KeyboardInterrupt" in process.stderr.read()
    assert ends(worker)
    there = trials_of(storage)
    assert [trial.state for trial in there[-2:]] == [TrialState.FAIL, TrialState.WAITING]
    study = workers.run_workers(studies_at_hand.prepare, storage, 1, 6, pace=QUICK)
    assert claims.finished(study) == 6
    assert {trial.state for trial in study.trials if trial.number >= len(there) - 1} == {TrialState.COMPLETE}


def test_workers_whose_first_process_is_killed_end_after_their_trial(tmp_path, host):
    storage = str(tmp_path / "study")
    process = host(storage, "study", claims._host(), seconds=0.3, trials=1000)
    end = time.monotonic() + WAIT
    while not (there := [t for t in trials_of(storage) if "by" in t.user_attrs]) and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert ends(there[0].user_attrs["by"])
    assert trials_of(storage)[-1].state is TrialState.COMPLETE


def test_an_error_in_a_worker_is_told_and_ends_the_others(tmp_path):
    storage = str(tmp_path / "study")
    with pytest.raises(workers.WorkerError, match="ArithmeticError: the objective cannot be computed"):
        workers.run_workers(functools.partial(studies_at_hand.prepare, fail=True), storage, 2, 5, pace=QUICK)
    states = [trial.state for trial in trials_of(storage)]
    assert TrialState.FAIL in states
    assert {*states} <= {TrialState.FAIL, TrialState.WAITING}


def test_workers_that_die_and_die_are_not_replaced_for_ever(tmp_path):
    # Two may die between one look and the next: then the fourth death and the fifth are counted together.
    with pytest.raises(workers.WorkerError, match=r"[45] workers died one after another .* exit code -9"):
        workers.run_workers(functools.partial(studies_at_hand.prepare, end=True), str(tmp_path / "study"), 2, 5,
                            pace=QUICK)


def test_each_worker_computes_with_one_thread():
    before = dict(os.environ)
    with workers._one_thread():
        assert {os.environ[name] for name in workers.THREADS} == {"1"}
    assert dict(os.environ) == before


@pytest.mark.parametrize(("number", "trials"), [(0, 1), (1, 0), (True, 1)])
def test_numbers_that_make_no_sense_are_refused(number, trials, tmp_path):
    with pytest.raises(ValueError, match="accepted"):
        workers.run_workers(studies_at_hand.prepare, str(tmp_path / "study"), number, trials)
    assert list(tmp_path.iterdir()) == []


def test_several_workers_need_more_than_sqlite(tmp_path):
    with pytest.raises(ValueError, match="share a journal file"):
        workers.run_workers(studies_at_hand.prepare, f"sqlite:///{tmp_path}/study.db", 2, 4)
    assert list(tmp_path.iterdir()) == []


def test_the_command_shares_a_study_and_refuses_one_of_another_question(tmp_path):
    def tune(*options: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "ganbook", "tune", "rates", "--study", str(path), "--workers", "2",
                               "--trials", "3", "--fresh", "0", *options], capture_output=True, text=True, check=False)

    path = tmp_path / "study"
    run = tune("--steps", "2")
    assert run.returncode == 0, run.stderr
    assert "best of 3 trials" in run.stdout
    there = optuna.load_study(study_name="rates", storage=open_storage(path)).trials
    assert sum(trial.state is not TrialState.FAIL for trial in there) == 3
    assert claims.this_process()["process"] not in {trial.user_attrs["worker"]["process"] for trial in there}
    before = path.read_bytes()
    other = tune("--steps", "3")
    assert other.returncode == 2
    assert "fingerprint" in other.stderr
    assert path.read_bytes() == before

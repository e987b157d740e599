"""Several processes at one study, for real: in SQLite, and in PostgreSQL where it is installed."""

import contextlib
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

from ganbook.tuning.search import storages, workers
from ganbook.tuning.search.optuna_studies import finished, open_study, read_study, run_trials
from ganbook.tuning.search.storages import StorageError, open_storage
from tuning.search import servers_at_hand, studies_at_hand

pytestmark = pytest.mark.slow
#: Seconds that a busy machine may take for anything.
WAIT = 120
WITHOUT = (
    "PostgreSQL is not installed (Debian's package postgresql)"
    if servers_at_hand.postgresql_folder() is None
    else "PostgreSQL's driver psycopg is not installed"
    if importlib.util.find_spec("psycopg") is None
    else ""
)
PROBLEM = studies_at_hand.problem()


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request, tmp_path):
    """Each kind of storage that several workers may share, with an empty study."""
    if request.param == "postgresql" and WITHOUT:
        pytest.skip(WITHOUT)
    with (
        servers_at_hand.postgresql()
        if request.param == "postgresql"
        else contextlib.nullcontext(f"sqlite:///{tmp_path}/study.db")
    ) as url:
        open_study(PROBLEM, open_storage(url))
        yield url


@pytest.fixture
def sqlite(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    open_study(PROBLEM, open_storage(url))
    return url


def appears(path: Path) -> str:
    end = time.monotonic() + WAIT
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.01)
    return path.read_text()


def ends(process: int) -> bool:
    end = time.monotonic() + WAIT
    while Path(f"/proc/{process}").exists() and "Z" not in Path(f"/proc/{process}/stat").read_text().split(")")[1][:3]:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_killed_worker_loses_nothing_but_its_trial_which_is_tried_again(storage, tmp_path, monkeypatch):
    monkeypatch.setenv("TRIAL_HANGS", str(tmp_path / "hang"))
    killer = threading.Thread(target=lambda: os.kill(int(appears(tmp_path / "hang")), signal.SIGKILL))
    killer.start()
    study = workers.run_workers(PROBLEM, storage, 2, 6)
    killer.join()
    assert 6 <= len(finished(study)) <= 7
    (lost,) = study.get_trials(states=(TrialState.RUNNING,))
    assert lost.user_attrs["by"] == int((tmp_path / "hang").read_text())
    # Whoever goes on finds that it has not signed for a second, and tries its parameters again.
    time.sleep(1.5)
    monkeypatch.setattr(storages, "HEARTBEAT", 1)
    monkeypatch.setattr(storages, "GRACE", 1)
    study = read_study(PROBLEM, open_storage(storage))
    run_trials(study, PROBLEM, len(finished(study)) + 1, device="cpu")
    assert study.trials[lost.number].state is TrialState.FAIL
    again = [trial for trial in study.trials if trial.system_attrs.get("failed_trial") == lost.number]
    assert [trial.state for trial in again] == [TrialState.COMPLETE]
    assert again[0].params == lost.params


def test_each_worker_finishes_at_most_one_trial_too_many(sqlite):
    study = workers.run_workers(PROBLEM, sqlite, 3, 6)
    assert 6 <= len(finished(study)) <= 8
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    # What was done is what one process alone would have done.
    alone = open_study(PROBLEM, optuna.storages.InMemoryStorage())
    run_trials(alone, PROBLEM, 6, device="cpu")
    assert [trial.params for trial in study.trials[:6]] == [trial.params for trial in alone.trials]


HOST = """
import sys
from ganbook.tuning.search import workers
from tuning.search import studies_at_hand
if __name__ == "__main__":
    workers.run_workers(studies_at_hand.problem(), sys.argv[1], 1, int(sys.argv[2]))
"""


@pytest.fixture
def host(tmp_path):
    """Starts a process that shares a study, as another host would."""
    script = tmp_path / "host.py"
    script.write_text(HOST)
    started = []

    def start(storage: str, trials: int, **environment: str) -> subprocess.Popen:
        started.append(
            subprocess.Popen(
                [sys.executable, str(script), storage, str(trials)],
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
                # Whoever starts the tests in the background may have Ctrl-C ignored, and children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        )
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_two_hosts_share_the_trials(storage, host):
    both = [host(storage, 12) for _ in range(2)]
    for process in both:
        assert process.wait(WAIT) == 0, process.stderr.read()
    there = finished(read_study(PROBLEM, open_storage(storage)))
    assert 12 <= len(there) <= 13
    assert len({trial.user_attrs["by"] for trial in there}) == 2


def test_ctrl_c_stops_the_workers(sqlite, host, tmp_path):
    process = host(sqlite, 6, TRIAL_HANGS=str(tmp_path / "hang"))
    worker = int(appears(tmp_path / "hang"))
    os.killpg(process.pid, signal.SIGINT)
    process.wait(WAIT)
    assert "KeyboardInterrupt" in process.stderr.read()
    assert ends(worker)
    assert len(finished(workers.run_workers(PROBLEM, sqlite, 1, 6))) == 6


def test_workers_whose_first_process_is_killed_end_after_their_trial(sqlite, host):
    process = host(sqlite, 10_000)
    end = time.monotonic() + WAIT
    while not (there := finished(read_study(PROBLEM, open_storage(sqlite)))) and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert ends(there[0].user_attrs["by"])
    assert read_study(PROBLEM, open_storage(sqlite)).trials[-1].state is TrialState.COMPLETE


def test_an_error_in_a_worker_is_told_and_ends_the_others(sqlite, monkeypatch):
    monkeypatch.setenv("TRIAL_FAILS", "1")
    with pytest.raises(workers.WorkerError, match="ArithmeticError: the objective cannot be computed"):
        workers.run_workers(PROBLEM, sqlite, 2, 5)


def test_workers_that_all_die_are_not_replaced(sqlite, monkeypatch):
    monkeypatch.setenv("TRIAL_KILLS", "1")
    with pytest.raises(workers.WorkerError, match=r"all 2 workers died, the last with exit code -9, and 0 of 5 trials"):
        workers.run_workers(PROBLEM, sqlite, 2, 5)


def test_each_worker_computes_with_one_thread(monkeypatch):
    monkeypatch.setenv(workers.THREADS[0], "2")
    before = dict(os.environ)
    with workers._one_thread():
        assert {os.environ[name] for name in workers.THREADS} == {"1"}
    assert dict(os.environ) == before


@pytest.mark.parametrize(("number", "trials"), [(0, 1), (1, 0), (True, 1)])
def test_numbers_that_make_no_sense_are_refused(number, trials, sqlite):
    with pytest.raises(ValueError, match="accepted: a whole number of at least 1"):
        workers.run_workers(PROBLEM, sqlite, number, trials)


def test_several_workers_need_more_than_a_journal(tmp_path):
    with pytest.raises(StorageError, match="since a journal is for one process"):
        workers.run_workers(PROBLEM, str(tmp_path / "study"), 2, 4)
    assert list(tmp_path.iterdir()) == []


def test_the_command_shares_a_study_and_refuses_one_of_another_question(tmp_path):
    def tune(*options: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "ganbook",
                "tune",
                "rates",
                "--study",
                url,
                "--workers",
                "2",
                "--trials",
                "3",
                "--fresh",
                "0",
                *options,
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    url = f"sqlite:///{tmp_path}/study.db"
    run = tune("--steps", "2")
    assert run.returncode == 0, run.stderr
    assert "best of " in run.stdout
    other = tune("--steps", "3")
    assert other.returncode == 2
    assert "fingerprint" in other.stderr

"""Opening what holds a study: the right thing is opened, anything else is refused and left as it was."""

import subprocess
import sys

import pytest

from ganbook.tuning.search import storages
from ganbook.tuning.search.optuna_studies import finished, open_study, read_study, run_trials
from tuning.search import servers_at_hand, studies_at_hand

PROBLEM = studies_at_hand.problem()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> bytes:
    """What two trials leave in a journal."""
    path = tmp_path_factory.mktemp("journal") / "new" / "study.journal"
    run_trials(open_study(PROBLEM, storages.open_storage(path)), PROBLEM, 2, device="cpu")
    return path.read_bytes()


def test_two_processes_do_not_work_at_one_journal(tmp_path, written):
    path = tmp_path / "study"
    path.write_bytes(written)
    program = (
        f"import filelock, time\nwith filelock.FileLock({str(path) + '.lock'!r}):\n"
        "    print('.', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        study = read_study(PROBLEM, storages.open_storage(path))
        assert len(finished(study)) == 2
        with pytest.raises(storages.StorageError, match="at which another process works"):
            run_trials(study, PROBLEM, 3)
        other.kill()
    assert path.read_bytes() == written


@pytest.mark.parametrize(
    "text",
    ["redis://localhost", "file:///study", "http://host/x", "://", "grpc://localhost:1", "mysql+mysqldb://me@host/x"],
)
def test_unknown_addresses_are_refused(text):
    with pytest.raises(storages.StorageError, match=r"accepted: .*postgresql\+psycopg://user@host/database"):
        storages.open_storage(text)


@pytest.mark.parametrize(
    "content",
    [
        b"no journal\n",
        b"no end",
        b'{"op_code": 4}\n',
        b'{"a": 1}\n{"op_code": 0}\n',
        b"[1]\n",
        b"\x00\xff\xfe\n\n",
        b"\n",
        b"SQLite format 3\x00",
    ],
)
def test_a_file_that_is_no_journal_is_left_as_it_was(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(storages.StorageError, match=r"line 1 is no entry of a journal.*sqlite:///PATH"):
        storages.open_storage(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_no_journal(tmp_path):
    with pytest.raises(storages.StorageError, match="which is no file"):
        storages.open_storage(tmp_path)


def test_a_journal_with_a_wrong_line_in_the_middle_is_left_as_it_was(tmp_path, written):
    path, lines = tmp_path / "study", written.splitlines(keepends=True)
    lines[3] = lines[3][:9] + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(storages.StorageError, match="line 4 is no entry"):
        storages.open_storage(path)
    assert path.read_bytes() == b"".join(lines)


@pytest.mark.parametrize("torn", [b"", b'{"op_code":4'])
def test_a_journal_without_its_beginning_is_left_as_it_was(tmp_path, written, torn):
    """Optuna would read no study from it, and begin a new one at its end."""
    path = tmp_path / "study"
    path.write_bytes(written.split(b"\n", 1)[1] + torn)
    before = path.read_bytes()
    with pytest.raises(storages.StorageError, match="whose line 1 does not begin a study; accepted: a journal"):
        storages.open_storage(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("torn", [b'{"op_code":4', b'{"op_code":4,"worker_id":"a"}'])
def test_a_last_line_that_a_crash_left_half_written_is_cut_off(tmp_path, written, torn):
    path = tmp_path / "study"
    path.write_bytes(written + torn)
    study = read_study(PROBLEM, storages.open_storage(path))
    assert path.read_bytes() == written
    run_trials(study, PROBLEM, 3, device="cpu")
    assert len(finished(read_study(PROBLEM, storages.open_storage(path)))) == 3


def test_a_line_that_is_just_being_written_is_waited_for(tmp_path, written):
    path, line = tmp_path / "study", written.splitlines(keepends=True)[-1]
    path.write_bytes(written + line[:20])

    class Lock:
        def __enter__(self):
            with path.open("ab") as file:
                file.write(line[20:])

        def __exit__(self, *error):
            pass

    storages._check_journal(path, Lock())
    assert path.read_bytes() == written + line


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("postgresql+psycopg://me:se@cret@host:5432/x", "postgresql+psycopg://me:***@host:5432/x"),
        ("postgresql+psycopg://me@host/x", "postgresql+psycopg://me@host/x"),
        ("runs/study.journal",) * 2,
        ("sqlite:///runs/study.db",) * 2,
    ],
)
def test_a_password_is_not_printed(text, plain):
    assert storages.shown(text) == plain


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("postgresql+wheels://me:secret@127.0.0.1/x", r"driver cannot be loaded.*pip install"),
        ("postgresql+psycopg://me:secret@host:port/x", "no study can be kept there"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(url, cause):
    with pytest.raises(storages.StorageError, match=cause) as caught:
        storages.open_storage(url)
    assert "secret" not in str(caught.value)


def test_a_database_that_does_not_answer(monkeypatch):
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    monkeypatch.setattr(storages, "PATIENCE", 1)
    url = f"postgresql+psycopg://me:secret@127.0.0.1:{servers_at_hand.free_port()}/x"
    with pytest.raises(storages.StorageError, match=r"no study can be kept there.*refused") as caught:
        storages.open_storage(url)
    assert "secret" not in str(caught.value)


def test_a_database_of_something_else_is_left_as_it_was(tmp_path):
    path = tmp_path / "text.db"
    path.write_bytes(b"no database " * 100)
    with pytest.raises(storages.StorageError, match="no study can be kept there: file is not a database"):
        storages.open_storage(f"sqlite:///{path}")
    assert path.read_bytes() == b"no database " * 100

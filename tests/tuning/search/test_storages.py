"""Opening what holds a study: the right thing is opened, anything else is refused and left as it was."""

import sqlite3

import optuna
import pytest
from optuna.storages import GrpcStorageProxy, RDBStorage
from optuna.storages.journal import JournalStorage

from ganbook.tuning.search import claims, storages
from tuning.search import servers_at_hand, studies_at_hand


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(storages, "PATIENCE", 1)


def journal(path) -> bytes:
    study, run = studies_at_hand.prepare(storages.open_storage(path))
    claims.work(study, run, 2)
    return path.read_bytes()


def test_a_path_is_a_journal(tmp_path):
    path = tmp_path / "new" / "study.journal"
    assert isinstance(storages.open_storage(path, 4), JournalStorage)
    journal(path)
    assert claims.finished(studies_at_hand.open_study(storages.open_storage(str(path)))) == 2


def test_sqlite_serves_one_worker(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    assert isinstance(storages.open_storage(url), RDBStorage)
    with pytest.raises(storages.StorageError, match="one worker, since each write locks the whole database"):
        storages.open_storage(url, workers=2)


@pytest.mark.parametrize("text", ["redis://localhost", "file:///study", "http://host/x", "://", "grpc://localhost",
                                  "grpc://:13000", "grpc://localhost:many", "grpc://localhost:1/study"])
def test_unknown_addresses_are_refused(text):
    with pytest.raises(storages.StorageError, match=r"accepted: .*grpc://host:port"):
        storages.open_storage(text)


@pytest.mark.parametrize("content", [b"no journal\n", b"no end", b'{"op_code": 4}\n', b'{"a": 1}\n{"op_code": 0}\n',
                                     b"[1]\n", b"\x00\xff\xfe\n\n", b"\n"])
def test_a_file_that_is_no_journal_is_left_as_it_was(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(storages.StorageError, match="line 1 is no entry of a journal"):
        storages.open_storage(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_an_sqlite_file_is_no_journal(tmp_path):
    path = tmp_path / "study.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    before = path.read_bytes()
    with pytest.raises(storages.StorageError, match="sqlite:///PATH"):
        storages.open_storage(path)
    assert path.read_bytes() == before


def test_a_folder_is_no_journal(tmp_path):
    with pytest.raises(storages.StorageError, match="which is no file"):
        storages.open_storage(tmp_path)


def test_a_journal_with_a_wrong_line_in_the_middle_is_left_as_it_was(tmp_path):
    path = tmp_path / "study"
    lines = journal(path).splitlines(keepends=True)
    lines[3] = lines[3][:9] + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(storages.StorageError, match="line 4 is no entry"):
        storages.open_storage(path)
    assert path.read_bytes() == b"".join(lines)


def test_a_last_line_that_a_crash_left_half_written_is_cut_off(tmp_path):
    path = tmp_path / "study"
    whole = journal(path)
    for torn in (b'{"op_code":4', b'{"op_code":4,"worker_id":"a"}'):
        path.write_bytes(whole + torn)
        storage = storages.open_storage(path)
        assert path.read_bytes() == whole
        study, run = studies_at_hand.prepare(storage)
        assert claims.finished(study) == 2
    claims.work(study, run, 3)
    assert claims.finished(studies_at_hand.open_study(storages.open_storage(path))) == 3


def test_a_line_that_is_just_being_written_is_waited_for(tmp_path):
    path = tmp_path / "study"
    whole = journal(path)
    line = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole + line[:20])

    class Lock:
        def __enter__(self):
            with path.open("ab") as file:
                file.write(line[20:])

        def __exit__(self, *error):
            pass

    storages._check_journal(path, Lock())
    assert path.read_bytes() == whole + line


@pytest.mark.parametrize("url", ["mysql+mysqldb://me:secret@127.0.0.1/x", "postgresql+wheels://me:secret@127.0.0.1/x"])
def test_a_missing_driver_is_named(url):
    if url.startswith("mysql"):
        pytest.importorskip("sqlalchemy")
        try:
            import MySQLdb  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip("the driver is installed")
    with pytest.raises(storages.StorageError, match=r"driver cannot be loaded.*pip install") as caught:
        storages.open_storage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("text", "plain"), [
    ("postgresql+psycopg://me:se@cret@host:5432/x", "postgresql+psycopg://me:***@host:5432/x"),
    ("postgresql+psycopg://me@host/x", "postgresql+psycopg://me@host/x"), ("runs/study.journal",) * 2,
    ("grpc://host:13000",) * 2, ("sqlite:///runs/study.db",) * 2])
def test_a_password_is_not_printed(text, plain):
    assert storages.shown(text) == plain


def test_a_database_without_a_readable_address():
    with pytest.raises(storages.StorageError, match="cannot be read as a URL") as caught:
        storages.open_storage("postgresql+psycopg://me:secret@host:port/x")
    assert "secret" not in str(caught.value)


def test_a_database_that_does_not_answer(quickly):
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    url = f"postgresql+psycopg://me:secret@127.0.0.1:{servers_at_hand.free_port()}/x"
    with pytest.raises(storages.StorageError, match=r"does not answer.*refused") as caught:
        storages.open_storage(url)
    assert "secret" not in str(caught.value)


def test_a_database_of_something_else_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(storages.time, "sleep", lambda seconds: None)
    path = tmp_path / "text.db"
    path.write_bytes(b"no database " * 100)
    with pytest.raises(storages.StorageError, match="no database for studies"):
        storages.open_storage(f"sqlite:///{path}")
    assert path.read_bytes() == b"no database " * 100


def test_a_grpc_server_that_does_not_answer(quickly):
    pytest.importorskip("grpc", reason="gRPC is not installed")
    with pytest.raises(storages.StorageError, match="no server answered there for 1 s"):
        storages.open_storage(f"grpc://127.0.0.1:{servers_at_hand.free_port()}")


def test_only_databases_are_served(tmp_path):
    with pytest.raises(storages.StorageError, match="accepted for serving: the URL of a database"):
        storages.serve_storage(tmp_path / "study")


def test_a_served_database_is_the_database(tmp_path):
    pytest.importorskip("grpc", reason="gRPC is not installed")
    url = f"sqlite:///{tmp_path}/study.db"
    study, run = studies_at_hand.prepare(storages.open_storage(url))
    claims.work(study, run, 1)
    with servers_at_hand.grpc_server(url) as address:
        proxy = storages.open_storage(address)
        assert isinstance(proxy, GrpcStorageProxy)
        study, run = studies_at_hand.prepare(proxy)
        claims.work(study, run, 2)
        through = [trial.value for trial in study.trials]
    there = studies_at_hand.open_study(storages.open_storage(url)).trials
    assert [trial.value for trial in there] == through
    assert [trial.state for trial in there] == [optuna.trial.TrialState.COMPLETE] * 2

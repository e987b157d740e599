"""Where a study lives: a journal file on one host, a database or a gRPC server for several hosts.

* a path: Optuna's journal, a file that grows by a line for every change; for the processes of one host.  The lock on it
  is the kernel's, so a process that is killed while it writes holds nobody up.
* ``postgresql+psycopg://...``, ``mysql+...://...``: a relational database, for any number of hosts.
* ``grpc://host:port``: a server in front of a database (:func:`serve_storage`), for hosts that have no access to it.
* ``sqlite:///file``: for one process only.

Explained in the book's section "Search".
"""

from __future__ import annotations

import json
import time
import urllib.parse
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage

from ganbook.data.recipe import whole

DATABASES = ("postgresql", "mysql", "mariadb", "sqlite")
ACCEPTED = ("the path of a journal file, postgresql+psycopg://user@host/database, mysql+DRIVER://user@host/database, "
            "sqlite:///file, or grpc://host:port")
#: How each line of a journal begins.
BEGINNING = b'{"op_code":'
#: Seconds to wait for a server's first answer.
PATIENCE = 10
#: Times that tables are looked for where another process may be making them.
TRIES = 5


class StorageError(ValueError):
    """A storage that does not exist, cannot be reached, or is something else."""


def open_storage(text: str | Path, workers: int = 1) -> BaseStorage:
    """Open what holds a study, or make it if it is a new file or an empty database.

    Args:
        text: a path, or a URL with one of the schemes above.
        workers: processes that will use it at the same time, at least 1.

    Returns:
        Optuna's storage.

    Raises:
        StorageError: an unknown scheme, a file that is no journal (it is left as it is), a driver that is not
            installed, a server that does not answer, or SQLite for more than one worker.
    """
    whole("workers", workers, 1)
    text = str(text)
    scheme, separator, _ = text.partition("://")
    if not separator:
        return _open_journal(Path(text))
    if scheme == "grpc":
        return _open_proxy(text)
    if scheme.partition("+")[0] not in DATABASES:
        raise StorageError(f"storage is {shown(text)!r}; accepted: {ACCEPTED}")
    if scheme.startswith("sqlite") and workers > 1:
        raise StorageError(f"storage is {text!r}, for {workers} workers; accepted: for SQLite one worker, since each "
                           "write locks the whole database and another worker's write then fails. Several workers of "
                           "one host share a journal file, those of several hosts a server's database")
    return _open_database(text)


def shown(text: str | Path) -> str:
    """A storage as it may be printed: a URL without its password."""
    parts = urllib.parse.urlsplit(str(text))
    if parts.password is None:
        return str(text)
    return parts._replace(netloc=f"{parts.username}:***@{parts.netloc.rpartition('@')[2]}").geturl()


def _open_journal(path: Path) -> JournalStorage:
    if path.exists() and not path.is_file():
        raise StorageError(f"storage is {str(path)!r}, which is no file; accepted: {ACCEPTED}")
    lock = FileLock(path.with_name(path.name + ".lock"))
    if path.exists():
        _check_journal(path, lock)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Optuna calls nothing of a lock but acquire and release.
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _check_journal(path: Path, lock: FileLock) -> None:
    """Refuse what is no journal; of a journal, cut off a last line that a crash left half written."""
    lines = path.read_bytes().splitlines(keepends=True)
    wrong = next((number for number, line in enumerate(lines, 1) if not _is_entry(line)), None)
    if wrong is None:
        return
    if wrong < len(lines) or lines[-1].endswith(b"\n") or not lines[0].startswith(BEGINNING):
        raise StorageError(f"storage is {str(path)!r}, whose line {wrong} is no entry of a journal; accepted: a "
                           "journal that python -m ganbook tune wrote, or a new file. An SQLite file is sqlite:///PATH")
    # Unless another process is writing that line just now: the lock waits for it.
    with lock, path.open("rb+") as file:
        lines = file.read().splitlines(keepends=True)
        if not _is_entry(lines[-1]):
            file.truncate(sum(map(len, lines[:-1])))


def _is_entry(line: bytes) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    return line.endswith(b"\n") and isinstance(entry, dict) and {"op_code", "worker_id"} <= entry.keys()


def _open_proxy(text: str) -> GrpcStorageProxy:
    try:
        address = urllib.parse.urlsplit(text)
        host, port = address.hostname, address.port
    except ValueError:
        host = port = None
    if not host or not port or address.path.strip("/"):
        raise StorageError(f"storage is {text!r}; accepted: grpc://host:port")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = GrpcStorageProxy(host=host, port=port)
    try:
        storage.wait_server_ready(timeout=PATIENCE)
    except ImportError as error:
        raise _driver_missing(text, error) from error
    except ConnectionError:
        storage.close()
        raise StorageError(f"storage is {text!r}, and no server answered there for {PATIENCE} s; accepted: the address "
                           "of a gRPC server that runs") from None
    return storage


def _open_database(text: str) -> RDBStorage:
    import sqlalchemy

    try:
        url = sqlalchemy.make_url(text)
    except (ValueError, sqlalchemy.exc.ArgumentError):
        raise StorageError(f"storage is {shown(text)!r}, which cannot be read as a URL; accepted: {ACCEPTED}") from None
    settings = {} if url.get_backend_name() == "sqlite" else {"pool_pre_ping": True}
    if url.get_backend_name() == "postgresql":
        settings["connect_args"] = {"connect_timeout": PATIENCE}
    for attempt in range(TRIES):
        try:
            return RDBStorage(text, engine_kwargs=settings)
        except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
            raise _driver_missing(text, error) from error
        except sqlalchemy.exc.OperationalError as error:
            cause = str(error.orig).strip().splitlines()[0]
            raise StorageError(f"storage is {shown(text)!r}, and the database does not answer: {cause}") from error
        except (sqlalchemy.exc.DatabaseError, optuna.exceptions.StorageInternalError) as error:
            # Another process, maybe on another host, makes the tables at this very moment.
            if attempt + 1 == TRIES:
                cause = str(error).strip().splitlines()[0]
                raise StorageError(f"storage is {shown(text)!r}, which is no database for studies: {cause}") from error
            time.sleep(0.2 * (attempt + 1))
    raise AssertionError("unreachable")


def _driver_missing(text: str, error: Exception) -> StorageError:
    return StorageError(f"storage is {shown(text)!r}, whose driver cannot be loaded ({error}); accepted: a URL "
                        "whose driver is installed. For PostgreSQL that is: pip install 'ganbook[search-server]'")


def serve_storage(text: str | Path, host: str = "localhost", port: int = 13000) -> None:
    """Serve a database to other hosts by gRPC, until the process ends.

    There is neither a password nor encryption, so serve trusted networks only, or the end of a tunnel.  A journal is
    refused: through the server two workers could be given the same trial of it.

    Args:
        text: URL of a database, as for :func:`open_storage`.
        host: name of the network interface to listen on.
        port: 1 to 65,535.

    Raises:
        StorageError: a journal or another gRPC server, or as :func:`open_storage`.
    """
    storage = open_storage(text)
    if not isinstance(storage, RDBStorage):
        raise StorageError(f"storage is {str(text)!r}; accepted for serving: the URL of a database")
    # SQLite bears one thread; a database server may answer many at once.
    threads = 1 if storage.engine.name == "sqlite" else 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.run_grpc_proxy_server(optuna.storages.get_storage(storage), host=host, port=port,
                                              thread_pool=ThreadPoolExecutor(max_workers=threads))

"""Where a study lives: a file for one host, a database for several.

* a path: Optuna's journal, a file of lines that grows by one for every change; for one process at a time.
* ``sqlite:///file``: for the processes of one host.
* ``postgresql+psycopg://user@host/database``: for the processes of any number of hosts.

In the two databases a running trial signs that it is alive, and a trial that stops signing is tried again by another
process: Optuna's heartbeat.

Explained in the book's section "Search".
"""

from __future__ import annotations

import contextlib
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend, JournalStorage

DATABASES = ("sqlite", "postgresql")
ACCEPTED = "the path of a journal file, sqlite:///FILE, or postgresql+psycopg://user@host/database"
#: How each line of a journal begins, and the code of the first one, which creates the study.
BEGINNING, CREATE_STUDY = b'{"op_code":', 0
#: Seconds that a process waits for another one's write, or for a server's answer.
PATIENCE = 60
#: Seconds between two signs of life of a running trial, and without one until it is given up.
HEARTBEAT, GRACE = 10, 60
#: Times that a trial is tried again: one that kills each of its workers is given up in the end.
RETRIES = 3


class StorageError(ValueError):
    """A storage that does not exist, cannot be reached, is in use, or is something else."""


def open_storage(text: str | Path, workers: int = 1) -> BaseStorage:
    """Open what holds a study, or make it if it is a new file or an empty database.

    Args:
        text: a path, or a URL with one of the schemes above.
        workers: processes that will use it at the same time, at least 1.

    Returns:
        Optuna's storage.

    Raises:
        StorageError: an unknown scheme, a file that is no journal (it is left as it is), a journal for several workers,
            a driver that is not installed, or a server that does not answer.

    Example:
        >>> open_storage("sqlite:///:memory:", workers=2).get_all_studies()
        []
    """
    text = str(text)
    scheme, separator, _ = text.partition("://")
    if separator:
        if scheme.partition("+")[0] not in DATABASES:
            raise StorageError(f"storage is {shown(text)!r}; accepted: {ACCEPTED}")
        return _open_database(text)
    if workers > 1:
        raise StorageError(
            f"storage is {text!r}, for {workers} workers; accepted: sqlite:///FILE or the URL of a "
            "PostgreSQL database, since a journal is for one process"
        )
    return Journal(Path(text))


def shown(text: str | Path) -> str:
    """A storage as it may be printed: a URL without its password."""
    return re.sub(r"://([^:/@]*):[^/]*@", r"://\1:***@", str(text))


class Journal(JournalStorage):
    """A journal file, which many may read and one process at a time works at.

    Args:
        path: of the file, which need not be there.

    Raises:
        StorageError: the path is of something else.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file():
            raise StorageError(f"storage is {str(path)!r}, which is no file; accepted: {ACCEPTED}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._lock = path, FileLock(path.with_name(path.name + ".lock"))
        if path.exists():
            _check_journal(path, self._lock)
        # Optuna calls nothing of a lock but acquire and release, whatever its annotation says.
        super().__init__(JournalFileBackend(str(path), lock_obj=self._lock))  # type: ignore[arg-type]

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from working at this journal.

        Raises:
            StorageError: another one works at it.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StorageError(
                f"storage is {str(self._path)!r}, at which another process works; accepted: a journal "
                "for each process, or sqlite:///FILE for several"
            ) from None
        try:
            yield
        finally:
            self._lock.release()


def _check_journal(path: Path, lock: FileLock) -> None:
    """Refuse what is no journal; of a journal, cut off a last line that a crash left half written."""
    lines = path.read_bytes().splitlines(keepends=True)
    wrong = next((number for number, line in enumerate(lines, 1) if not _is_entry(line)), None)
    torn = wrong == len(lines) and not lines[-1].endswith(b"\n") and lines[0].startswith(BEGINNING)
    if wrong and not torn:
        raise StorageError(
            f"storage is {str(path)!r}, whose line {wrong} is no entry of a journal; accepted: a "
            "journal that python -m ganbook tune wrote, or a new file. An SQLite file is sqlite:///PATH"
        )
    if lines and wrong != 1 and json.loads(lines[0])["op_code"] != CREATE_STUDY:
        # Optuna passes over entries of a study that it does not know, and a new study would begin after them.
        raise StorageError(
            f"storage is {str(path)!r}, whose line 1 does not begin a study; accepted: a journal that "
            "python -m ganbook tune wrote, whole, or a new file"
        )
    if not torn:
        return
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


def _open_database(text: str) -> RDBStorage:
    import sqlalchemy

    sqlite = text.startswith("sqlite")
    # SQLite locks the whole file for each write; whoever comes second waits.
    settings = {"connect_args": {"timeout": PATIENCE} if sqlite else {"connect_timeout": PATIENCE}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return RDBStorage(
                text,
                engine_kwargs=settings if sqlite else settings | {"pool_pre_ping": True},
                heartbeat_interval=HEARTBEAT,
                grace_period=GRACE,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(RETRIES),
            )
    except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise StorageError(
            f"storage is {shown(text)!r}, whose driver cannot be loaded ({error}); accepted: a URL "
            "whose driver is installed. For PostgreSQL: pip install 'ganbook[postgresql]'"
        ) from error
    except (ValueError, sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise StorageError(f"storage is {shown(text)!r}, and no study can be kept there: {cause}") from error

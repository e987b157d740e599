"""Real servers on loopback, in a temporary folder, for tests of studies that several hosts share."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

WAIT = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def postgresql_folder() -> Path | None:
    """Where PostgreSQL's programs are: on the path, or where Debian's package puts them."""
    on_path = shutil.which("initdb")
    found = [on_path] if on_path else sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return Path(found[-1]).parent if found else None


def _account() -> str | None:
    """PostgreSQL refuses to run as root: then another account runs it."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of its own, with a password, on loopback alone.

    Yields:
        URL of its database ``postgres``.
    """
    programs, account, password = postgresql_folder(), _account(), secrets.token_hex(8)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "password").write_text(password)
        if account:
            for path in (Path(folder), Path(folder) / "password"):
                shutil.chown(path, account)
        as_other = {
            "cwd": folder,
            "user": account,
            "extra_groups": [] if account else None,
            "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"},
        }
        subprocess.run(
            [
                programs / "initdb",
                "--pgdata=data",
                "--username=tester",
                "--pwfile=password",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            **as_other,
        )
        port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "port": port,
            "max_connections": 50,
        }
        with open(Path(folder) / "log", "wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", "data", *(f"--{name}={value}" for name, value in settings.items())],
                stdout=log,
                stderr=log,
                **as_other,
            )
        try:
            end = time.monotonic() + WAIT
            while not _accepts(Path(folder) / "data"):
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((Path(folder) / "log").read_text(errors="replace"))
                time.sleep(0.05)
            yield f"postgresql+psycopg://tester:{password}@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(WAIT)


def _accepts(data: Path) -> bool:
    """Whether the server takes connections: it listens a moment earlier, and says so in the last line of this file."""
    try:
        return (data / "postmaster.pid").read_text().split()[-1:] == ["ready"]
    except FileNotFoundError:
        return False

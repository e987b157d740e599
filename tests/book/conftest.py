"""One built book, one local server and one browser for every test that reads the book as its reader does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from built_book import Site
from notebook_pages import ROOT

COMMAND = ["build", str(ROOT), "-W", "-n", "--keep-going", "--all", "--path-output"]


@pytest.fixture(scope="session")
def html(tmp_path_factory):
    """Build the book once with the flags of ``make book``, however many workers ask; return its folder of pages.

    The variable GANBOOK_HTML names a folder of pages that is built already, to try a test out quickly.
    """
    if os.environ.get("GANBOOK_HTML"):
        return Path(os.environ["GANBOOK_HTML"]).resolve()
    base = tmp_path_factory.getbasetemp()
    out = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built_book"
    log = out / "log.txt"
    with FileLock(f"{out}.lock"):
        if not log.exists():
            program = os.path.join(os.path.dirname(sys.executable), "jupyter-book")
            result = subprocess.run(
                [program, *COMMAND, str(out)], capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "Agg"}
            )
            out.mkdir(exist_ok=True)
            log.write_text(f"{result.returncode}\n{result.stdout[-4000:]}{result.stderr[-4000:]}", encoding="utf-8")
    code, _, words = log.read_text(encoding="utf-8").partition("\n")
    assert code == "0", words
    return out / "_build" / "html"


@pytest.fixture(scope="session")
def site(html):
    """Serve the built book at an address of this machine."""
    with Site(html) as site:
        yield site


@pytest.fixture
def page(browser, site):
    """Open a fresh page whose reader has never been here."""
    with site.reader(browser) as reader:
        yield reader
        assert reader.faults() == []

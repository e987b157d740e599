"""What tests of several folders share."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def browser():
    """One browser for every test that needs one: a process can hold one Playwright only.  Skip where there is none."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium or Chrome on the path")
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here to open a page with")
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as engine:
        window = engine.chromium.launch(executable_path=program, args=as_root)
        yield window
        window.close()

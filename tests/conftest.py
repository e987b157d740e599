"""What tests of several folders share."""

import pytest

from built_book import browser_program


@pytest.fixture(scope="module")
def browser():
    """One browser for the tests of a file; skip where there is none.

    No longer than that: a process can hold one Playwright only, and while it is there no other event loop can run.
    """
    program = browser_program()
    if program is None:
        pytest.skip("no Chromium or Chrome on the path")
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here to open a page with")
    with playwright.sync_playwright() as engine:
        window = engine.chromium.launch(executable_path=program)
        yield window
        window.close()

"""What tests of several folders share."""

import pytest

from built_book import BROWSER_ARGUMENTS, browser_program


def pytest_collection_modifyitems(items):
    """Begin with what takes long, so that processes that share the files end together.

    First the installation that waits for the network, then the other files marked slow, then the notebooks.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def rank(item) -> int:
        if item.get_closest_marker("downloads"):
            return 0
        if item.path in slow:
            return 1
        return 2 if item.path.suffix == ".ipynb" else 3

    items.sort(key=rank)


@pytest.fixture(scope="module")
def browser():
    """One browser for the tests of a file, which cannot leave this machine; skip where there is none.

    No longer than that: a process can hold one Playwright only, and while it is there no other event loop can run.
    """
    program = browser_program()
    if program is None:
        pytest.skip("no Chromium or Chrome on the path")
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here to open a page with")
    with playwright.sync_playwright() as engine:
        window = engine.chromium.launch(executable_path=program, args=BROWSER_ARGUMENTS)
        yield window
        window.close()

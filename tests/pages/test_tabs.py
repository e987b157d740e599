"""Two tabs in one notebook: each framework keeps its own names, and both share what a cell of neither assigns."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from ganbook.pages import tabs


@pytest.fixture
def shell(monkeypatch):
    made = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: made)
    tabs.separate()
    return made


def run(shell, *cells):
    for cell in cells:
        shell.run_cell(cell).raise_error()
    return shell.user_ns


def test_a_function_finds_the_names_of_its_own_tab(shell):
    names = run(
        shell,
        "# PyTorch\nloss = 'torch'\ndef step():\n    return loss",
        "# TensorFlow\nloss = 'keras'\ndef step():\n    return loss",
        "# PyTorch\none = step()",
        "# TensorFlow\nother = step()",
        "both = one, other",
    )
    assert names["both"] == ("torch", "keras")


def test_without_the_module_it_would_not(monkeypatch):
    names = run(
        InteractiveShell(), "# PyTorch\nloss = 'torch'", "# TensorFlow\nloss = 'keras'", "# PyTorch\none = loss"
    )
    assert names["one"] == "keras"


def test_a_cell_of_neither_tab_speaks_to_both(shell):
    names = run(
        shell,
        "# PyTorch\ngamma = 1",
        "# TensorFlow\ngamma = 1",
        "gamma = 0",
        "# PyTorch\none = gamma",
        "# TensorFlow\nother = gamma",
        "both = one, other",
    )
    assert names["both"] == (0, 0)


def test_a_change_within_a_tab_stays_there(shell):
    names = run(
        shell,
        "rate = 1",
        "# PyTorch\nrate = 2",
        "# TensorFlow\nother = rate",
        "# PyTorch\none = rate",
        "both = one, other",
    )
    assert names["both"] == (2, 1)


def test_the_names_of_the_other_tab_are_unknown(shell):
    run(shell, "# PyTorch\nnetwork = 1")
    with pytest.raises(NameError, match="network"):
        run(shell, "# TensorFlow\nnetwork")
    assert run(shell, "# PyTorch\nnetwork")["network"] == 1


def test_twice_is_once_and_outside_a_notebook_nothing(shell, monkeypatch):
    before = shell.ganbook_names
    tabs.separate()
    assert shell.ganbook_names is before
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    tabs.separate()

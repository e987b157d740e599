"""Both frameworks in one process, whichever comes first, by every way into the package.

Without Triton none of this could fail; the test requirements bring it on Linux, where PyTorch's wheel for CUDA does.
"""

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from book_tools import colab
from ganbook import frameworks
from notebook_pages import ROOT

pytestmark = pytest.mark.slow

ORDERS = {"tensorflow first": "import tensorflow, torch", "torch first": "import torch, tensorflow"}
# PyTorch loads Triton with its first optimiser.
TRAIN = "torch.optim.Adam([torch.zeros(1, requires_grad=True)]); print('trained')"
SET_UP = (
    "from IPython.core.interactiveshell import InteractiveShell; "
    f"assert InteractiveShell.instance().run_cell({colab.cell_source(colab.repository_url())!r}).success"
)
# What is begun with, before a framework is loaded.  Whoever imports a part of the package, as a worker process and a
# rank do, imports the package first.
ENTRIES = {
    "package": "import ganbook",
    "command line": "import ganbook.__main__",
    "benchmark": "import benchmarks",
    "test": "import conftest",
    "notebook": SET_UP,
}
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="no Triton here to fail on")
# Versions of TensorFlow that keep their symbols to themselves come without this file.
SHOWS_SYMBOLS = Path(importlib.util.find_spec("tensorflow").origin).parent / "python" / "pywrap_dlopen_global_flags.py"


def run(*lines: str) -> subprocess.CompletedProcess:
    """Run lines in a process of their own, which sees the project and no setting that ``prepare`` could find."""
    environment = {name: value for name, value in os.environ.items() if name not in frameworks.DEFAULTS}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "code"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_both_frameworks_train_in_one_process(entry, order):
    outcome = run(ENTRIES[entry], ORDERS[order], TRAIN)
    assert (outcome.returncode, outcome.stdout.splitlines()[-1:]) == (0, ["trained"]), outcome.stderr


def test_the_twins_train_one_after_the_other():
    outcome = run(
        "from ganbook.gradient_descent.training import train",
        "from ganbook.tuning.experiments.recipes import RECIPES",
        *(f"train(RECIPES['quickstart'], {name!r}, until=1)" for name in ("tensorflow", "pytorch")),
        f"import torch; {TRAIN}",
    )
    assert (outcome.returncode, outcome.stdout) == (0, "trained\n"), outcome.stderr


def test_tensorflow_before_the_package_is_safe_too():
    outcome = run(
        "import tensorflow",
        "import ganbook",
        "import torch",
        TRAIN,
        "print(torch.compile(lambda x: 2 * x)(torch.ones(2)).tolist())",
    )
    assert (outcome.returncode, outcome.stdout.splitlines()[-1]) == (0, "[2.0, 2.0]"), outcome.stderr


@needs_triton
def test_triton_is_hidden_from_no_one_else():
    assert run("import ganbook, triton").returncode == 0
    assert run("import triton, ganbook, tensorflow, torch", TRAIN).returncode == 0


@needs_triton
@pytest.mark.skipif(not SHOWS_SYMBOLS.is_file(), reason="this TensorFlow keeps its symbols to itself")
@pytest.mark.parametrize("order", ORDERS)
def test_planted_without_the_package_the_process_dies(order):
    outcome = run(ORDERS[order], TRAIN)
    assert outcome.returncode == -signal.SIGSEGV, outcome.stderr
    assert "trained" not in outcome.stdout


def test_a_setting_of_the_users_own_stands(monkeypatch):
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    for name in frameworks.DEFAULTS.keys() - {"OMP_WAIT_POLICY"}:
        monkeypatch.delenv(name, raising=False)
    frameworks.prepare()
    assert {name: os.environ[name] for name in frameworks.DEFAULTS} == {
        **frameworks.DEFAULTS,
        "OMP_WAIT_POLICY": "ACTIVE",
    }

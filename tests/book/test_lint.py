"""Style and floors, and that the floors' contract can be broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(*command, cwd):
    environment = {**os.environ, "PYTHONPATH": str(Path(cwd) / "code")}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)


@pytest.fixture
def project(tmp_path):
    shutil.copytree(ROOT / "code" / "ganbook", tmp_path / "code" / "ganbook",
                    ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_style():
    result = run(BIN / "ruff", "check", "--no-cache", ".", cwd=ROOT)
    assert result.returncode == 0, result.stdout


def test_floors(project):
    result = run(BIN / "lint-imports", "--no-cache", cwd=project)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("module", "line"), [
    ("data/budget.py", "import ganbook.gradient_descent"),
    ("data/budget.py", "import torch"),
    ("tensors/initial.py", "import ganbook.probability.losses_numpy"),
    ("probability/losses_numpy.py", "import ganbook.tuning.metrics"),
])
def test_an_import_from_above_breaks_the_floors(project, module, line):
    path = project / "code" / "ganbook" / module
    path.write_text(path.read_text() + f"\n\ndef planted():\n    {line}\n")
    result = run(BIN / "lint-imports", "--no-cache", cwd=project)
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout


def test_code_is_no_package():
    assert not (ROOT / "code" / "__init__.py").exists()

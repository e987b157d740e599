"""Style, layout, types and floors, and that types and the floors' contract can be broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import nbformat.v4
import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(*command, cwd):
    environment = {**os.environ, "PYTHONPATH": str(Path(cwd) / "code")}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)


@pytest.fixture
def project(tmp_path):
    shutil.copytree(
        ROOT / "code" / "ganbook", tmp_path / "code" / "ganbook", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_style():
    result = run(BIN / "ruff", "check", "--no-cache", ".", cwd=ROOT)
    assert result.returncode == 0, result.stdout


def test_layout():
    result = run(BIN / "ruff", "format", "--check", "--no-cache", ".", cwd=ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
def test_types(tmp_path):
    result = run(BIN / "mypy", "--cache-dir", tmp_path, cwd=ROOT)
    assert result.returncode == 0, result.stdout
    planted = tmp_path / "planted.py"
    planted.write_text("from ganbook.data.recipe import Optimiser\n\nrule = Optimiser(learning_rate='fast')\n")
    result = run(BIN / "mypy", "--cache-dir", tmp_path, planted, cwd=ROOT)
    assert "[arg-type]" in result.stdout, result.stdout


@pytest.mark.parametrize(("columns", "found"), [(72, False), (73, True)])
def test_a_line_of_a_notebook_has_at_most_72_columns(tmp_path, columns, found):
    for name in ("pyproject.toml", "chapters/ruff.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    cell = nbformat.v4.new_code_cell("first = 1\n" + "words = 1  # one more".ljust(columns, "e"))
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "chapters" / "page.ipynb")
    result = run(BIN / "ruff", "check", "--no-cache", "--output-format=concise", ".", cwd=tmp_path)
    assert ("E501" in result.stdout) == found, result.stdout
    assert (result.returncode != 0) == found, result.stdout


def test_floors(project):
    result = run(BIN / "lint-imports", "--no-cache", cwd=project)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("data/budget.py", "import ganbook.gradient_descent"),
        ("data/budget.py", "import torch"),
        ("tensors/initial.py", "import ganbook.probability.losses_numpy"),
        ("probability/losses_numpy.py", "import ganbook.tuning.metrics.frechet"),
    ],
)
def test_an_import_from_above_breaks_the_floors(project, module, line):
    path = project / "code" / "ganbook" / module
    path.write_text(path.read_text() + f"\n\ndef planted():\n    {line}\n")
    result = run(BIN / "lint-imports", "--no-cache", cwd=project)
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout


def test_code_is_no_package():
    assert not (ROOT / "code" / "__init__.py").exists()

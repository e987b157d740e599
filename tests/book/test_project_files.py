"""The files at the top of the project agree with each other."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from book_tools import newest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name: str = "requirements.txt") -> dict[str, str]:
    lines = newest.pins(ROOT / name)
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"==[\w.]+", str(each.specifier)) for each in requirements)
    return {each.name.lower().replace("_", "-"): str(each.specifier)[2:] for each in requirements}


def test_every_dependency_is_pinned_within_its_range():
    for each in map(Requirement, PROJECT["dependencies"]):
        assert pins()[each.name] in each.specifier, each


def test_the_ranges_hold_what_colab_ships():
    ships = {"torch": "2.11.0", "tensorflow": "2.20.0", "numpy": "2.1.3", "matplotlib": "3.10.0", "mlxtend": "0.23.4"}
    for each in map(Requirement, PROJECT["dependencies"]):
        assert ships.get(each.name, "") in each.specifier or each.name not in ships, each
    assert PROJECT["requires-python"] == ">=3.11,<3.14"


def test_torch_is_pinned_without_a_label():
    assert pins()["torch"] == "2.13.0"
    assert {"sphinx-design", "sphinx-book-theme"} <= set(pins())


def recipes() -> dict[str, str]:
    """Each target of the Makefile with its commands."""
    text = (ROOT / "Makefile").read_text()
    _, commands, _ = re.split(r"define new_venv\n|endef\n", text)
    text = text.replace("\t$(new_venv)\n", re.sub("(?m)^", "\t", commands))
    values = {
        "PIP": "$(BIN)/python -m pip install",
        "BIN": ".venv/bin",
        "PYTHON": "python3",
        "JOBS": "2",
        "VENV": ".venv",
        "REQUIREMENTS": "requirements.txt",
    }
    for name, value in values.items():
        text = text.replace(f"$({name})", value)
    found = re.findall(r"(?m)^([\w$()]+):[^=\n]*\n((?:\t.*\n)+)", text)
    return {name: commands for name, commands in found}


def test_the_readmes_plain_commands_are_those_of_make():
    readme = (ROOT / "README.md").read_text()
    plain = next(block for block in re.findall(r"(?s)```sh\n(.*?)```", readme) if "-m venv" in block)
    makefile = "\n".join(recipes().values()).replace(" --clear", "")
    for command in plain.strip().splitlines():
        assert command in makefile, command


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_named_exists(file):
    named = set(re.findall(r"(?m)(?:`|^)make ([a-z]+)", (ROOT / file).read_text()))
    assert {"book", "test"} <= named
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    assert named <= targets
    assert {"book", "test", "notebooks", "lint", "bench", "serve", "home"} <= targets


def test_building_the_book_installs_no_framework():
    small = pins("requirements-book.txt")
    assert small.items() < pins().items()
    assert not small.keys() & {"torch", "tensorflow", "keras", "triton", "scikit-learn", "scipy", "matplotlib"}
    assert "requirements-book.txt" in recipes()["$(SMALL)"]
    assert "-r requirements.txt" not in recipes()["$(SMALL)"]


def test_a_wheel_of_pytorch_can_be_named():
    command = ["make", "-n", "env", "VENV=elsewhere"]
    plain, named = (
        subprocess.run([*command, *extra], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for extra in ((), ("TORCH=torch --index-url ADDRESS",))
    )
    added = [line for line in named.splitlines() if line not in plain.splitlines()]
    assert added == [
        "elsewhere/bin/python -m pip install --disable-pip-version-check --quiet torch --index-url ADDRESS"
    ]
    assert named.index(added[0]) < named.index("-r requirements.txt")


def test_ci_calls_the_two_commands_in_environments_of_their_own():
    script = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert script.index("make test VENV=") < script.index("make book VENV=")
    assert "mktemp" in script
    assert "pip " not in script
    assert "-W -n --keep-going" in recipes()["book"]


def test_make_home_without_an_address_says_what_to_give():
    # Without -n, make would first build an environment, or build the present one anew under the tests' feet.
    result = subprocess.run(["make", "-n", "home", "URL="], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert "run: make home URL=https://github.com/ACCOUNT/REPOSITORY" in result.stderr


def test_an_old_python_is_refused_by_name(tmp_path):
    fake = tmp_path / "python3"
    fake.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 10, 0); exec(sys.argv[-1])" "$@"\n'
    )
    fake.chmod(0o755)
    result = subprocess.run(
        ["make", "-s", "env", f"PYTHON={fake}", f"VENV={tmp_path}/venv"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode != 0
    assert "Python is 3.10; accepted: 3.11 to 3.13" in result.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("folder", [".", "code", "chapters", "tests", "tests/data"])
def test_bare_pytest_is_right_from_any_folder(folder):
    # The other folders import the frameworks, which takes long and shows nothing more.
    ignored = [f"--ignore={path}" for path in (ROOT / "tests").iterdir() if path.name not in ("book", "data")]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *ignored]
    result = subprocess.run(command, cwd=ROOT / folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "tests/data/test_budget.py" in result.stdout
    assert ("tests/book/" in result.stdout) == (folder != "tests/data")


@pytest.mark.parametrize("folder", [".", "code/ganbook", "chapters"])
def test_notebooks_are_found_from_any_folder(folder):
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "chapters/", "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT / folder,
        capture_output=True,
        text=True,
    )
    assert "not found" not in result.stdout + result.stderr
    notebooks = list((ROOT / "chapters").rglob("*.ipynb"))
    assert all(path.relative_to(ROOT).as_posix() in result.stdout for path in notebooks)
    assert "tests/" not in result.stdout


def test_kernels_inherit_the_environment(monkeypatch):
    from book_tools.environment import set_defaults

    fresh: dict[str, str] = {"PYTHONPATH": "elsewhere"}
    set_defaults(fresh)
    assert fresh["OMP_NUM_THREADS"] == fresh["TF_NUM_INTRAOP_THREADS"] == "1"
    assert fresh["PYTHONPATH"].split(os.pathsep) == [str(ROOT / "code"), "elsewhere"]
    assert "MPLBACKEND" not in fresh
    two = {"OMP_NUM_THREADS": "2"}
    set_defaults(two)
    assert two["TF_NUM_INTRAOP_THREADS"] == two["MKL_NUM_THREADS"] == "2"
    before = dict(two)
    set_defaults(two)
    assert two == before

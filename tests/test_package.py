"""What importing the package, and its ground floor, costs."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ganbook

CODE = Path(__file__).resolve().parents[1] / "code"


def imported(module):
    """The modules that importing one adds to a Python that has just started."""
    program = (
        f"import json, sys; sys.path.insert(0, {str(CODE)!r}); before = set(sys.modules); import {module}; "
        "print(json.dumps(sorted(name for name in set(sys.modules) - before if sys.modules[name])))"
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def test_importing_the_package_imports_nothing_else():
    assert imported("ganbook") == ["ganbook", "ganbook.frameworks"]


@pytest.mark.parametrize("module", ["ganbook.data", "ganbook.data.downloads", "ganbook.tuning.metrics.frechet"])
def test_what_needs_no_framework_imports_none(module):
    tops = {name.partition(".")[0] for name in imported(module)}
    assert not tops & {"torch", "tensorflow", "keras", "sklearn", "scipy", "matplotlib", "PIL", "pooch", "requests"}


def test_loading_digits_needs_no_framework():
    program = (
        f"import sys; sys.path.insert(0, {str(CODE)!r}); from ganbook.data import load; load(size=12); "
        "print(*({'torch', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert output.strip() == ""


def test_one_version():
    project = tomllib.loads((CODE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changes = (CODE.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert ganbook.__version__ == project["version"] == re.search(r"^## (\S+)$", changes, re.M)[1]

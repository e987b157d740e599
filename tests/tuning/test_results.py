"""Files of results: whole or not there, and honest about what they lack."""

import errno
import json
import os
import re
from pathlib import Path

import pytest

from ganbook.data.recipe import FRAMEWORKS
from ganbook.tuning import results

RESULT = {
    "experiment": "x",
    "framework": "pytorch",
    "recipe": {"steps": 3},
    "seed": 0,
    "versions": {},
    "machine": {},
    "date": "2026-01-01",
    "seconds": 1.5,
    "curve": [1, 2],
}


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "result.json"
    results.write_result(path, RESULT)
    assert results.read_result(path) == RESULT
    assert results.read_result(path, ("curve", "seed")) == RESULT
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]


@pytest.mark.parametrize("name", results.FIELDS)
def test_a_missing_field_is_named(name, tmp_path):
    rest = {key: value for key, value in RESULT.items() if key != name}
    path = tmp_path / "result.json"
    with pytest.raises(results.ResultError, match=f"lacks {name}; accepted: an object with experiment, framework"):
        results.write_result(path, rest)
    assert not path.exists()
    path.write_text(json.dumps(rest))
    with pytest.raises(results.ResultError, match=f"result.json lacks {name};"):
        results.read_result(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "holds list; accepted: an object"),
        ("\xff", "is not JSON"),
        (None, "does not exist"),
    ],
)
def test_a_file_that_is_no_result_is_named(text, message, tmp_path):
    path = tmp_path / "result.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(results.ResultError, match=rf"result\.json {message}"):
        results.read_result(path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    results.write_result(path, RESULT)
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write_result(path, RESULT | {"seconds": float("nan")})

    def refuse(*_):
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="full"):
        results.write_result(path, RESULT | {"seconds": 9})
    assert results.read_result(path) == RESULT


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_provenance_says_what_and_never_where(framework, monkeypatch):
    variable = {"pytorch": "OMP_NUM_THREADS", "tensorflow": "TF_NUM_INTRAOP_THREADS"}[framework]
    monkeypatch.setenv(variable, "7")
    found = results.provenance(framework)
    assert set(found) == {"versions", "machine", "date"}
    assert set(found["machine"]) == {"processor", "threads"}
    assert found["machine"]["threads"] == 7
    assert found["machine"]["processor"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    assert {"ganbook", "python", "numpy", {"pytorch": "torch"}.get(framework, framework)} <= set(found["versions"])
    monkeypatch.delenv(variable)
    assert results.provenance(framework)["machine"]["threads"] >= 1


def test_provenance_refuses_an_unknown_framework():
    with pytest.raises(ValueError, match="framework is 'jax'; accepted: pytorch, tensorflow"):
        results.provenance("jax")


def test_a_bare_name_lies_in_the_folder_of_results(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "results_folder", lambda: tmp_path)
    results.write_result(tmp_path / "x.json", RESULT)
    assert results.read_result("x.json") == RESULT
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(results.ResultError, match=r"^x\.json does not exist"):
        results.read_result(Path("x.json"))
    with pytest.raises(results.ResultError, match=r"y\.json does not exist"):
        results.read_result("y.json")


def alone(monkeypatch, tmp_path):
    """As if the package had been installed without the project around it."""
    monkeypatch.setattr(results, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    monkeypatch.setattr(results.sysconfig, "get_path", lambda name: str(tmp_path / name))


def test_a_package_alone_reads_the_results_that_came_with_it(monkeypatch, tmp_path):
    alone(monkeypatch, tmp_path)
    results.write_result(tmp_path / "data" / "share" / "ganbook" / "results" / "x.json", RESULT)
    assert results.read_result("x.json") == RESULT


def test_no_folder_of_results_is_an_error(monkeypatch, tmp_path):
    alone(monkeypatch, tmp_path)
    with pytest.raises(results.ResultError, match=r"there is no folder .*results or .*results; accepted: a copy"):
        results.results_folder()

"""The workflows: valid by the published schema, and in step with the project's own files."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from book_tools import newest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = list(newest.pins(ROOT / "requirements.txt"))


def check(path: Path) -> subprocess.CompletedProcess:
    """Check one file against the schema that the checker brings along; no network is needed."""
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_keeps_the_schema(path):
    outcome = check(path)
    assert outcome.returncode == 0, outcome.stdout


def test_a_workflow_with_a_misspelt_key_is_refused(tmp_path):
    text = WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on", "run-on")
    (tmp_path / "wrong.yml").write_text(text, encoding="utf-8")
    assert check(tmp_path / "wrong.yml").returncode != 0


def test_every_supported_python_is_tested():
    versions = read("book.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    accepted = SpecifierSet(PROJECT["requires-python"])
    assert versions == [f"3.{minor}" for minor in range(30) if f"3.{minor}" in accepted]


def test_the_weekly_run_takes_the_wheel_for_cuda_too():
    test = read("newest.yml")["jobs"]["test"]
    indices = {each["torch"]: each["index"] for each in test["strategy"]["matrix"]["include"]}
    assert indices == {"CPU build": "${{ vars.PIP_EXTRA_INDEX_URL }}", "CUDA build": ""}
    assert test["env"] == {"PIP_EXTRA_INDEX_URL": "${{ matrix.index }}"}
    assert not any("PIP_EXTRA_INDEX_URL" in each.get("env", {}) for each in (read("newest.yml"), *test["steps"]))


def test_nothing_is_published_that_did_not_pass():
    publish = read("book.yml")["jobs"]["publish"]
    assert set(publish["needs"]) == {"test", "build"}
    assert "refs/heads/main" in publish["if"]


def test_what_the_workflows_run_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in WORKFLOWS:
        for command in (step["run"] for step in steps(read(path.name)) if "run" in step):
            for target in re.findall(r"\bmake ([a-z]+)", command):
                assert re.search(rf"(?m)^{target}:", makefile), command
            for file in re.findall(r"(?:^|python )((?:code/|\.ci/)\S+)", command):
                assert (ROOT / file).is_file(), command
    assert "REQUIREMENTS ?= requirements.txt" in makefile


def test_actions_are_pinned_to_a_version():
    used = [step["uses"] for path in WORKFLOWS for step in steps(read(path.name)) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", each) for each in used)


def test_a_failed_weekly_run_opens_an_issue():
    weekly = read("newest.yml")
    # YAML 1.1 reads the key `on` as true.
    assert "schedule" in weekly[True]
    report = weekly["jobs"]["report"]
    assert (report["if"], report["needs"]) == ("failure()", "test")
    assert report["permissions"] == {"issues": "write"}
    assert "gh issue create" in report["steps"][0]["run"]
    subprocess.run(["bash", "-n"], input=report["steps"][0]["run"], text=True, check=True)


def test_the_newest_versions_are_those_that_the_project_accepts():
    pinned = [Requirement(line) for line in PINS if line and not line.startswith("#")]
    freed = [Requirement(line) for line in newest.newest(PINS, PROJECT) if line and not line.startswith("#")]
    assert [each.name for each in freed] == [each.name for each in pinned]
    stated = {each.name: each.specifier for each in map(Requirement, PROJECT["dependencies"])}
    for before, after in zip(pinned, freed, strict=True):
        assert after.marker == before.marker
        if before.name in newest.KEPT:
            assert after == before
        else:
            assert not any(each.operator == "==" for each in after.specifier), after
            assert after.specifier == stated.get(before.name, after.specifier)
    assert {*newest.KEPT} <= {each.name for each in pinned}

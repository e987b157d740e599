"""The programs at full length: what a run leaves, how it goes on, and that the stored runs are those of the plans."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from ganbook import data
from ganbook.data.recipe import FRAMEWORKS
from ganbook.gradient_descent.training import twin
from ganbook.tuning import results
from ganbook.tuning.experiments import program_runs

SMALL = dataclasses.replace(program_runs.plan_of("quickstart_digits"), steps=40, width=8)


def make(out, *, plans=(SMALL,), **options):
    lines = []
    program_runs.run_programs(out=out, plans=plans, report=lines.append, **options)
    return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("programs")
    assert len(make(out, only="quickstart_digits/pytorch/0")) == 1
    return out


def test_what_a_run_leaves(folder):
    content = program_runs.read_runs(SMALL, "pytorch", folder)
    assert content["reference"] == {"data": "digits", "images": 898}
    assert list(content["yardsticks"]) == ["real", "digitless", "noise"]
    (run,) = content["runs"]
    assert run["step"] == SMALL.steps_shown == [1, *range(2, 41, 2)]
    assert all(len(run[name]) == len(run["step"]) for name in program_runs.CURVE)
    assert 0 < run["seconds"][0] <= run["seconds"][-1]
    assert run["seconds"] == sorted(run["seconds"])
    assert {"versions", "machine", "date", "seed"} <= set(run)
    assert run["distance"][-1] < run["distance"][0]
    film = Image.open(folder / "quickstart_digits_pytorch_0_film.png")
    grid = Image.open(folder / "quickstart_digits_pytorch_0.png")
    assert film.width / film.height == pytest.approx(12 / len(SMALL.steps_filmed), rel=0.01)
    assert grid.width == grid.height


def test_measuring_does_not_count(monkeypatch):
    now = iter([10.0, 13.0, 100.0, 104.5])
    monkeypatch.setattr("time.process_time", lambda: next(now))
    clock = program_runs._Clock()
    for _ in range(2):
        clock.start()
        clock.stop()
    assert clock.seconds == 3.0 + 4.5


def test_it_is_the_program_with_its_own_seed(folder):
    """The last samples are those of the program as the command line runs it."""
    kept = []
    images = data.load("digits", split="train").images
    twin("ganbook.quickstart", "pytorch").train(
        images, 8, 40, 32, 0, show=lambda *found: kept.append(found), shown=[40]
    )
    run = program_runs.read_runs(SMALL, "pytorch", folder)["runs"][0]
    assert run["generator_loss"][-1] == pytest.approx(float(kept[0][1][1]), rel=1e-6)
    with Image.open(folder / "quickstart_digits_pytorch_0.png") as grid:
        shown = np.asarray(grid.convert("L"))
    scale = len(shown) // (10 * 8 + 9)  # ten images and the lines between them, enlarged
    first = shown[: 8 * scale, : 8 * scale].reshape(8, scale, 8, scale).mean((1, 3))
    np.testing.assert_allclose(first, (kept[0][2][0, :, :, 0] + 1) * 127.5, atol=0.51)


def test_what_is_there_is_not_run_again(folder):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert make(folder, only="quickstart_digits/pytorch/0") == []
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_another_seed_goes_into_the_same_file(folder):
    make(folder, only="*/pytorch/1")
    assert [run["seed"] for run in program_runs.read_runs(SMALL, "pytorch", folder)["runs"]] == [0, 1]


def test_no_run_is_begun_after_the_time(folder):
    assert make(folder, only="*/tensorflow/*", minutes=1e-9) == []
    assert not (folder / "quickstart_digits_tensorflow.json").exists()


def test_runs_of_another_plan_are_refused(folder):
    with pytest.raises(results.ResultError, match="Move the file away"):
        make(folder, plans=[dataclasses.replace(SMALL, batch=16)], only="*/pytorch/0")


def test_a_pattern_that_nothing_matches(tmp_path):
    with pytest.raises(ValueError, match=r"^only is 'x'; accepted: a pattern that a run matches, such as"):
        make(tmp_path, only="x")


def test_two_processes_do_not_write_one_file(tmp_path):
    with FileLock(tmp_path / "quickstart_digits_pytorch.lock"):
        with pytest.raises(results.ResultError, match="being written by another process"):
            make(tmp_path, only="*/pytorch/0")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_is_left_out_is_left_out_and_put_back(framework, tmp_path, monkeypatch):
    program = twin("ganbook.tensors.first_gan", framework)
    before, seen = dict(vars(program)), {}
    plan = dataclasses.replace(program_runs.plan_of("first_gan_mnist_5k_plain"), steps=1, width=4)

    def train(*arguments, show, **options):
        seen.update({name: getattr(program, name) for name in program_runs.VARIANTS["plain"]})
        for step in options["shown"]:
            show(step, (0, 0, 0, 0), np.zeros((100, 28, 28, 1), np.float32))

    monkeypatch.setattr(program, "train", train)
    make(tmp_path, plans=[plan], only=f"*/{framework}/0")
    assert seen == program_runs.VARIANTS["plain"] == {"GAMMA": 0.0, "RATE": 2e-4, "BETAS": (0.5, 0.999), "DECAY": 0.0}
    assert {name: getattr(program, name) for name in seen} == {name: before[name] for name in seen}


STORED = [
    (plan, framework)
    for plan in program_runs.PLANS
    for framework in FRAMEWORKS
    if (results.results_folder() / "programs" / f"{plan.name}_{framework}.json").exists()
]


@pytest.mark.parametrize(("plan", "framework"), STORED, ids=lambda value: getattr(value, "name", value))
def test_the_stored_runs_are_whole(plan, framework):
    content = program_runs.read_runs(plan, framework)
    for run in content["runs"]:
        assert run["step"] == plan.steps_shown
        assert run["seconds"][-1] < 20 * 60
        if not plan.variant:
            assert program_runs.drawn(plan.name, framework, run["seed"]).shape[-1] == 3
        if not (plan.variant and run["seed"]):
            picture, steps = program_runs.film(plan.name, framework, run["seed"])
            assert len(picture) > len(steps) == len(plan.steps_filmed)
    assert json.dumps(content, allow_nan=False)


def test_an_unknown_plan():
    with pytest.raises(ValueError, match="name is 'x'; accepted: quickstart_digits"):
        program_runs.film("x")

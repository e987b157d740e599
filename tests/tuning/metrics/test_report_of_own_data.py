"""The report of a run on the reader's own data: on what it was trained, and without what digits alone can tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ganbook import data
from ganbook.data import Images
from ganbook.gradient_descent import training
from ganbook.gradient_descent.checkpoint import CheckpointError
from ganbook.gradient_descent.sources import load_source
from ganbook.tuning.metrics.report import evaluate_run
from gradient_descent.runs_at_hand import BASE, DENSE, DISCRIMINATOR, GENERATOR, Uniform, on_folder, some
from picture_files import odd_folder, picture, save


@pytest.fixture
def photos(tmp_path):
    """A folder of 14 images and three files that cannot be read."""
    odd_folder(tmp_path / "photos", 14)
    return tmp_path / "photos"


def test_a_report_is_of_the_data_that_the_run_knows(photos, tmp_path):
    recipe, out = on_folder(photos, split="train"), tmp_path / "run"
    training.train(recipe, out=out, device="cpu", source=load_source(recipe, skip_unreadable=True))
    run = training.load_run(out, device="cpu")
    with pytest.raises(ValueError, match=r"photos has 11 images; accepted: at least 12"):
        evaluate_run(run)
    for number in range(9):
        save(picture(99, 99, seed=number), photos / f"more {number}.png")
    with pytest.raises(CheckpointError, match="and these are"):
        evaluate_run(run)
    training.train(recipe, out=tmp_path / "more", device="cpu", source=load_source(recipe, skip_unreadable=True))
    report = evaluate_run(training.load_run(tmp_path / "more", device="cpu"))
    assert report.record["data"] == f"folder:{photos}"
    assert [row.metric for row in report.rows] == ["pixel-space Frechet distance", "nearest training image"]
    assert "side is 16; accepted: 8, 28, 32" in report.text()
    assert f"18 generated at step 6 of 6 against all 18 real ones of folder:{photos}" in report.text()


def test_colour_images_are_measured_as_wholes(tmp_path):
    for number in range(20):
        save(picture(40, 40, seed=number), tmp_path / "photos" / f"{number}.png")
    recipe = on_folder(tmp_path / "photos", 32, split="train")
    run = training.train(recipe, device="cpu")
    report = evaluate_run(run)
    assert [row.metric for row in report.rows] == ["pixel-space Frechet distance", "nearest training image"]
    assert "was trained on digits and mnist, not on folder:" in report.text()
    known, made = load_source(recipe).images, run.sample(16, 0)
    wanted = np.median([np.sqrt(((known - one) ** 2).sum((1, 2, 3))).min() for one in made])
    assert report.rows[1].value == pytest.approx(wanted, rel=1e-5)
    assert "real: held-out images" in report.rows[1].meaning


@pytest.mark.parametrize("source", [some(), Uniform((8, 8, 1))], ids=["images", "drawn"])
def test_examples_from_python_are_measured_where_they_are_given(source, monkeypatch):
    monkeypatch.setattr("ganbook.tuning.metrics.report.LARGEST", 60)
    run = training.train(DENSE, device="cpu", source=source)
    report = evaluate_run(run, source=source)
    assert report.rows[0].metric == "pixel-space Frechet distance"
    kinds = [name for name, _ in report.left_out]
    assert kinds[0].startswith("feature-space")
    assert ("nearest training image" in kinds) == (source.shape == (8, 8, 1) and not isinstance(source, Images))
    for other in (None, data.load("digits")):
        with pytest.raises(CheckpointError, match="given in Python" if other is None else "and these are"):
            evaluate_run(run, source=other)


@dataclasses.dataclass(frozen=True)
class Line:
    """Points on a line."""

    shape: tuple = (2,)

    def batch(self, rng, n):
        return np.repeat(rng.standard_normal((n, 1)), 2, 1).astype(np.float32)


def test_points_without_known_modes(monkeypatch):
    monkeypatch.setattr("ganbook.tuning.metrics.report.LARGEST", 60)
    points = BASE.replace(
        data="ring",
        generator=GENERATOR.with_(shape=(2,), output_activation=None),
        discriminator=DISCRIMINATOR.with_(shape=(2,)),
    )
    report = evaluate_run(training.train(points, device="cpu", source=Line()), source=Line())
    assert [row.metric for row in report.rows] == ["coordinate-space Frechet distance"]
    assert report.left_out == (("modes, high-quality share, reverse KL", "the modes of these points are not known"),)


def test_large_images_are_compared_in_smaller_numbers(monkeypatch):
    monkeypatch.setattr("ganbook.tuning.metrics.report.MOST_NUMBERS", 64 * 30)
    monkeypatch.setattr("ganbook.tuning.metrics.report_rows.MOST_KNOWN", 64 * 39)
    report = evaluate_run(training.train(DENSE, device="cpu", source=some()), source=some())
    assert report.record["count"] == 30
    assert report.record["real"] == "30 of the 40 real ones of images"
    assert report.left_out[-1] == (
        "nearest training image",
        "the training images are 2,560 numbers; accepted: at most 2,496",
    )

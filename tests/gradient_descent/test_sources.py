"""The real examples of a run: what it keeps of them, and that it takes no others later."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from ganbook import data
from ganbook.data import DataError, Images, StackedImages
from ganbook.data.recipe import FRAMEWORKS
from ganbook.gradient_descent import checkpoint, training
from ganbook.gradient_descent.checkpoint import CheckpointError
from ganbook.gradient_descent.sources import describe, find_source, load_source, told
from gradient_descent.runs_at_hand import BASE, DENSE, Uniform, identical, on_folder, some
from picture_files import odd_folder, picture, save

frameworks = pytest.mark.parametrize("framework", FRAMEWORKS)


@pytest.fixture
def photos(tmp_path):
    """A folder of 14 images and three files that cannot be read."""
    odd_folder(tmp_path / "photos", 14)
    return tmp_path / "photos"


def kept(folder):
    """What the state on disk says of the data."""
    return checkpoint.load(folder)[1]["data"]


def forget(folder):
    """The folder as it was written before runs kept their data."""
    recipe, state, arrays = checkpoint.load(folder)
    for name in ("data", "steps"):
        del state[name]
    checkpoint.save(folder, recipe, state, arrays)


# What a recipe names


def test_a_folder_is_read_as_the_networks_want_it(photos):
    recipe = on_folder(photos)
    assert load_source(recipe, skip_unreadable=True).shape == (16, 16, 3)
    assert load_source(recipe.replace(size=None), skip_unreadable=True).shape == (16, 16, 3)
    grey = recipe.replace(generator=recipe.generator.with_(shape=(16, 16, 1)))
    assert load_source(grey, skip_unreadable=True).shape == (16, 16, 1)
    assert len(load_source(recipe.replace(split="train"), skip_unreadable=True)) == 11
    with pytest.raises(DataError, match=r"empty\.jpg: no image that Pillow knows"):
        load_source(recipe)


def test_fewer_images_than_a_batch(photos):
    assert len(load_source(on_folder(photos, batch=14), skip_unreadable=True)) == 14
    with pytest.raises(
        DataError,
        match=r"folder:.*photos has 14 images in split 'all'; accepted: at least 15, the "
        r"recipe's batch, or a smaller batch \(--batch\)",
    ):
        load_source(on_folder(photos, batch=15), skip_unreadable=True)
    with pytest.raises(DataError, match="has 3 images in split 'test'"):
        load_source(on_folder(photos, split="test"), skip_unreadable=True)


# What a run keeps


def test_a_named_set_is_kept_by_its_name(tmp_path):
    run = training.train(DENSE, until=1, out=tmp_path, device="cpu")
    assert run.trained_on == kept(tmp_path) == training.load_run(tmp_path).trained_on == {"name": "digits"}


@frameworks
def test_a_folder_is_kept_by_place_shape_count_and_fingerprint(photos, tmp_path, framework):
    source = data.load(photos, size=16, skip_unreadable=True, background="black")
    run = training.train(on_folder(photos), framework, until=1, out=tmp_path / "run", device="cpu", source=source)
    assert (
        kept(tmp_path / "run")
        == run.trained_on
        == {
            "name": f"folder:{photos}",
            "shape": [16, 16, 3],
            "count": 14,
            "sha256": data.fingerprint(source),
            "background": "black",
            "skip_unreadable": True,
            "unreadable": 3,
        }
    )


@dataclasses.dataclass(frozen=True)
class Named(Uniform):
    name: str = "uniform"


@pytest.mark.parametrize(
    ("source", "record", "words"),
    [
        (Uniform(), {"name": None, "shape": [4, 4, 1], "count": None}, "no name (drawn of shape 4x4x1, SHA-256 "),
        (Named(), {"name": "uniform", "shape": [4, 4, 1], "count": None}, "uniform (drawn of shape 4x4x1, SHA-256 "),
        (some(), {"name": "images", "shape": [8, 8, 1], "count": 40}, "images (40 of shape 8x8x1, SHA-256 "),
        (
            StackedImages(some(), np.zeros((1200, 3), int)),
            {"name": "stacked", "shape": [8, 8, 3], "count": 1200},
            "stacked (1,200 of shape 8x8x3, SHA-256 ",
        ),
        (data.ring(), {"name": "ring", "shape": [2], "count": None}, "ring (drawn of shape 2, SHA-256 "),
    ],
    ids=["drawn", "drawn by name", "images", "stacks", "points"],
)
def test_what_is_given_in_python_is_kept_by_its_fingerprint(source, record, words):
    found = describe(source)
    assert found == {**record, "sha256": data.fingerprint(source)}
    assert json.loads(json.dumps(found)) == found
    assert told(found) == f"{words}{found['sha256'][:12]})"


def test_files_that_were_left_out_are_told(photos):
    record = describe(data.load(photos, size=16, skip_unreadable=True))
    assert told(record).startswith(f"folder:{photos} (14 of shape 16x16x3, 3 files left out, SHA-256 ")
    assert told({"name": "digits"}) == "digits"


# What a run takes when it goes on


@frameworks
def test_a_run_on_a_folder_goes_on_with_it_alone(photos, tmp_path, framework):
    """It reads the folder again as it was read, and any change of the images is another set."""
    recipe, out = on_folder(photos), tmp_path / "run"
    source = data.load(photos, size=16, skip_unreadable=True, background="#123456")
    whole = training.train(recipe, framework, device="cpu", source=source)
    training.train(recipe, framework, until=3, out=out, device="cpu", source=source)
    before = (out / checkpoint.FILE).read_bytes()
    for change in (
        (photos / "added.png", lambda path: save(picture(99, 99), path)),
        (photos / "IMG_0000.jpg", lambda path: save(picture(99, 99), path)),
    ):
        path, make = change
        content = path.read_bytes() if path.exists() else None
        make(path)
        with pytest.raises(
            CheckpointError,
            match=r"the run was trained on folder:.*photos \(14 of .*, and these are "
            r"folder:.*photos \(1[45] of .*; accepted: the same examples$",
        ):
            training.train(framework=framework, out=out, resume=True, device="cpu")
        path.unlink() if content is None else path.write_bytes(content)
    assert (out / checkpoint.FILE).read_bytes() == before
    run = training.train(framework=framework, out=out, resume=True, device="cpu")
    assert run.step == 6
    assert identical(run.state.export(), whole.state.export())


def test_a_folder_may_move(photos, tmp_path):
    recipe, out = on_folder(photos), tmp_path / "run"
    training.train(recipe, until=2, out=out, device="cpu", source=load_source(recipe, skip_unreadable=True))
    moved = photos.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"there is no folder .*photos"):
        training.train(out=out, resume=True, device="cpu")
    training.train(out=out, resume=True, until=4, device="cpu", source=data.load(moved, size=16, skip_unreadable=True))
    assert kept(out)["name"] == f"folder:{moved}"
    assert training.train(out=out, resume=True, device="cpu").step == 6  # it knows the new place
    assert checkpoint.read_recipe(out) == recipe


def test_a_run_on_examples_from_python_needs_them_again(tmp_path):
    training.train(BASE, until=2, out=tmp_path, device="cpu", source=Uniform())
    with pytest.raises(
        CheckpointError,
        match=r"^the run was trained on examples that were given in Python, no name "
        r"\(drawn of shape 4x4x1, SHA-256 .*\), and not on 'digits' of its "
        r"recipe; accepted: the same ones as source=.*--data\)$",
    ):
        training.train(out=tmp_path, resume=True, device="cpu")
    assert training.train(out=tmp_path, resume=True, until=3, device="cpu", source=Uniform()).step == 3
    with pytest.raises(CheckpointError, match="and these are images"):
        training.train(
            out=tmp_path,
            resume=True,
            device="cpu",
            source=Images(np.zeros((9, 4, 4, 1), np.float32), np.zeros(9, np.int64)),
        )


@pytest.mark.parametrize(
    "given",
    [some(1), data.load("digits", split="test"), data.load("digits").take(np.arange(99))],
    ids=["others", "a half", "a part"],
)
def test_a_run_on_a_named_set_takes_that_alone(tmp_path, given):
    training.train(DENSE, until=2, out=tmp_path, device="cpu")
    with pytest.raises(CheckpointError, match=r"the run was trained on digits \(1,797 of .*, and these are "):
        training.train(out=tmp_path, resume=True, device="cpu", source=given)
    run = training.train(out=tmp_path, resume=True, device="cpu", source=data.load("digits"))
    assert (run.step, run.trained_on) == (6, {"name": "digits"})


def test_a_part_of_a_named_set_is_not_the_set(tmp_path):
    """The source bears the name of the recipe's data and holds less."""
    training.train(DENSE, until=2, out=tmp_path, device="cpu", source=data.load("digits").take(np.arange(99)))
    with pytest.raises(CheckpointError, match=r"given in Python, digits \(99 of shape 8x8x1"):
        training.train(out=tmp_path, resume=True, device="cpu")


def test_a_checkpoint_that_knows_no_data_takes_what_it_is_given(tmp_path):
    for source in (None, some()):
        out = tmp_path / str(source is None)
        training.train(DENSE, until=2, out=out, device="cpu", source=source)
        forget(out)
        run = training.load_run(out, device="cpu")
        assert (run.trained_on, run.steps) == (None, 6)
        run = training.train(out=out, resume=True, device="cpu", source=source)
        assert run.step == 6
        assert kept(out) == ({"name": "digits"} if source is None else describe(some()))


def test_nothing_is_loaded_twice_and_nothing_hashed_without_need(monkeypatch):
    loaded = []
    load = data.load
    monkeypatch.setattr(
        data, "load", lambda *arguments, **options: (loaded.append(arguments), load(*arguments, **options))[1]
    )
    monkeypatch.setattr(data, "fingerprint", None)
    find_source(DENSE)
    find_source(DENSE, {"name": "digits"})
    assert loaded == [("digits",)] * 2

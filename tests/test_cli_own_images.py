"""The command line on a folder of the reader's own images: from odd files to a GAN with one command."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from commands import call, refused
from ganbook import data
from ganbook.data.recipe import FRAMEWORKS
from ganbook.gradient_descent import checkpoint, training
from ganbook.pages.figures import TITLES
from gradient_descent.runs_at_hand import DENSE, some
from picture_files import odd_folder

SHORT = ("--steps", 2, "--device", "cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder as a telephone and its owner fill one: 200 images, a text file, and three that cannot be read."""
    folder = tmp_path_factory.mktemp("pictures") / "My photos, 2026"
    odd_folder(folder, 200)
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, photos):
    """A recipe file of a small network on nothing in particular."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.json"
    path.write_text(DENSE.to_json())
    return path


@pytest.fixture(scope="module")
def run(photos, recipe, tmp_path_factory):
    """The first three steps of a run on the folder."""
    out = tmp_path_factory.mktemp("runs") / "run"
    code, printed, err = call(
        "train",
        "--recipe",
        recipe,
        "--data",
        photos,
        "--size",
        16,
        "--skip-unreadable",
        "--until",
        3,
        "--background",
        "black",
        "--device",
        "cpu",
        "--out",
        out,
    )
    assert (code, err) == (0, "")
    assert "200 images of 16x16 in colour" in printed
    return out


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_folder_of_photographs_becomes_a_gan_of_64x64_with_one_command(photos, framework, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(
        "train", "--data", photos, "--size", 64, "--skip-unreadable", *SHORT, "--framework", framework
    )
    assert (code, err) == (0, "")
    folder = tmp_path / "runs" / f"quickstart-My-photos-2026-{framework}-0"
    lines = out.splitlines()
    assert lines[0] == (f"quickstart-My-photos-2026 on folder:{photos} with {TITLES[framework]}, seed 0, steps 2")
    assert lines[1] == "200 images of 64x64 in colour, MLPGenerator against MLPDiscriminator, batch 128"
    assert lines[2].startswith("left out 3 files that cannot be used; the first is ")
    assert re.search(r"at home/empty\.jpg: no image that Pillow knows$", lines[2])
    made = checkpoint.read_recipe(folder)
    assert (made.data, made.size, made.generator.settings["shape"]) == (f"folder:{photos}", 64, (64, 64, 3))
    grid = np.asarray(Image.open(folder / "samples.png"))
    assert grid.shape[0] >= 8 * 64
    assert np.ptp(grid) > 50
    code, out, _ = call("evaluate", folder, "--count", 20)
    assert code == 0
    assert f"20 generated at step 2 of 2 against all 200 real ones of folder:{photos}" in out
    assert "left out: feature-space Frechet distance" in out
    assert call("sample", folder, "--count", 4, "--out", tmp_path / "four.png")[0] == 0
    assert np.asarray(Image.open(tmp_path / "four.png")).shape[0] >= 2 * 64


def test_convolutions_train_on_a_folder(photos, tmp_path):
    code, out, _ = call(
        "train",
        "--recipe",
        "recommended",
        "--data",
        photos,
        "--size",
        16,
        "--channels",
        1,
        "--batch",
        4,
        "--skip-unreadable",
        *SHORT,
        "--out",
        tmp_path / "run",
    )
    assert code == 0
    assert "200 images of 16x16 in grey, PixelShuffleGenerator against DCGANDiscriminator, batch 4" in out


def test_info_tells_the_folder(run, photos):
    kept = checkpoint.load(run)[1]["data"]
    assert (
        f"trained on folder:{photos} (200 of shape 16x16x3, 3 files left out, SHA-256 {kept['sha256'][:12]})"
        in call("info", run)[1]
    )


def test_evaluate_and_resume_read_it_again_as_it_was_read(run, recipe, photos, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(run, out)
    for command in (("evaluate", out, "--count", 8), ("evaluate", out, "--count", 8, "--data", photos)):
        code, printed, _ = call(*command)
        assert code == 0
        assert f"against all 200 real ones of folder:{photos}" in printed
    code, printed, err = call("train", "--resume", "--out", out)
    assert (code, err) == (0, "")
    assert "from step 3" in printed
    assert "left out 3 files" in printed
    whole = training.train(
        checkpoint.read_recipe(out),
        device="cpu",
        source=data.load(photos, size=16, skip_unreadable=True, background="black"),
    )
    assert np.array_equal(training.load_run(out, device="cpu").sample(3), whole.sample(3))
    # the first command again, word for word
    assert (
        call(
            "train",
            "--recipe",
            recipe,
            "--data",
            photos,
            "--size",
            16,
            "--skip-unreadable",
            "--background",
            "black",
            "--resume",
            "--out",
            out,
        )[0]
        == 0
    )


def test_a_folder_that_moved_is_named_again(run, photos, tmp_path):
    out, moved = tmp_path / "run", tmp_path / "moved"
    shutil.copytree(run, out)
    shutil.copytree(photos, moved)
    assert call("evaluate", out, "--count", 8, "--data", moved)[0] == 0
    assert call("train", "--resume", "--out", out, "--data", moved)[0] == 0
    assert checkpoint.load(out)[1]["data"]["name"] == f"folder:{moved}"


def test_other_images_are_refused(run, photos, tmp_path):
    out, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(run, out)
    before = (out / checkpoint.FILE).read_bytes()
    shutil.copytree(photos, other)
    (other / "holiday" / "IMG_0001.jpg").unlink()
    for command in (("evaluate", out), ("train", "--resume", "--out", out)):
        line = refused(*command, "--data", other)
        assert re.search(
            r"ganbook: the run was trained on folder:.*2026 \(200 of shape .*, and these are "
            r"folder:.*/other \(199 of shape 16x16x3, 3 files left out, SHA-256 .*\); accepted: the same "
            r"examples$",
            line,
        )
        assert "and these are" in refused(*command, "--background", "white")
    assert "and these are mnist_5k (5,000 of shape 16x16x1" in refused("evaluate", out, "--data", "mnist_5k")
    assert "holds another run" in refused("train", "--resume", "--out", out, "--data", "mnist_5k")
    assert (out / checkpoint.FILE).read_bytes() == before


def test_a_run_on_examples_from_python_says_what_it_needs(photos, tmp_path):
    training.train(DENSE, out=tmp_path / "arrays", device="cpu", source=some(), until=2)
    for command in (("evaluate", tmp_path / "arrays"), ("train", "--resume", "--out", tmp_path / "arrays")):
        line = refused(*command)
        assert "the run was trained on examples that were given in Python, images (40 of shape 8x8x1" in line
        assert "accepted: the same ones as source=, or if they are a folder's images its path (--data)" in line
    assert call("sample", tmp_path / "arrays", "--count", 4)[0] == 0
    grey = data.load(photos, size=8, channels=1, skip_unreadable=True)
    training.train(DENSE, out=tmp_path / "folder", device="cpu", source=grey, until=2)
    assert call("evaluate", tmp_path / "folder", "--count", 8)[0] == 0  # it knows its place
    assert call("evaluate", tmp_path / "folder", "--count", 8, "--data", photos)[0] == 0


# What is refused before anything is trained.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "size is None; accepted with data 'folder:.*': the side in pixels that all images shall have"),
        (("--size", 64), r"at home/empty\.jpg: no image that Pillow knows; accepted: .*--skip-unreadable"),
        (
            ("--size", 64, "--skip-unreadable", "--batch", 201),
            r"has 200 images in split 'all'; accepted: at least 201, the "
            r"recipe's batch, or a smaller batch \(--batch\)",
        ),
        (("--size", 65, "--skip-unreadable", "--batch", 200), "has 172 images in split 'all'"),
        (("--size", 2**20, "--skip-unreadable"), "--size 1048576 does not fit recipe 'quickstart': the generator has"),
        (("--size", 1000, "--skip-unreadable"), "none of the 203 images in .* can be used; the first is "),
        (("--size", 30, "--recipe", "recommended", "--skip-unreadable"), r"shape is \(30, 30, 3\); accepted"),
        (("--size", 64, "--background", "whitish"), "background is 'whitish'; accepted"),
        (("--size", 8, "--recipe", "ring"), r"data is 'folder:.*'; accepted with recipe 'ring'.*\(2,\): ring, grid$"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(options, message, photos, tmp_path):
    line = refused("train", "--data", photos, *options, *SHORT, "--out", tmp_path / "run")
    assert re.search(f"^ganbook: .*{message}", line)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "nowhere/at/all", "--size", 8), "there is no folder /.*/nowhere/at/all; accepted: one that holds"),
        (("--data", "letters"), "data is 'letters'; accepted: digits, .*, grid, or the path of a folder of images"),
        (("--channels", 1), "channels is 1; accepted with data 'digits': none, since it has its own"),
        (("--background", "black"), "background is 'black'; accepted with data 'digits': nothing"),
        (("--skip-unreadable",), "skip_unreadable is True; accepted with data 'digits': nothing"),
    ],
)
def test_what_does_not_belong_to_the_data_is_refused(options, message, tmp_path):
    assert re.search(message, refused("train", *options, *SHORT, "--out", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_training_part_of_a_folder(photos, recipe, tmp_path):
    out = tmp_path / "run"
    code, printed, _ = call(
        "train",
        "--recipe",
        recipe,
        "--data",
        photos,
        "--size",
        8,
        "--split",
        "train",
        *SHORT,
        "--skip-unreadable",
        "--out",
        out,
    )
    assert code == 0
    assert "160 images of 8x8" in printed
    code, printed, _ = call("evaluate", out, "--count", 8)
    assert code == 0
    assert "nearer than held-out" in printed

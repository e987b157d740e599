"""The programs' command line: what it reads, what it refuses in one line, and what it leaves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganbook import data
from ganbook.data import programs
from picture_files import odd_folder

DEFAULTS = {"data": "digits", "size": 8, "width": 4, "steps": 10, "batch": 16, "every": 5, "out": "runs/x"}


def read(*words, **defaults):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["program", *words])
        return programs.read_options("A program.\n\nMore.", **DEFAULTS | defaults)


def test_defaults_and_options():
    options = vars(read("--steps=3", "--device=cpu"))
    assert options == {
        **DEFAULTS,
        "steps": 3,
        "seed": 0,
        "device": "cpu",
        "out": Path("runs/x"),
        "skip_unreadable": False,
    }


def test_help_shows_the_first_line(capsys):
    with pytest.raises(SystemExit):
        read("--help")
    shown = capsys.readouterr().out
    assert "A program." in shown
    assert "More." not in shown
    assert "(default: 10)" in shown


def test_grey_images_and_their_copies():
    grey = programs.training_images(read(), 1, range(4, 33))
    real = data.load("digits", split="train").images
    np.testing.assert_array_equal(grey, real)
    np.testing.assert_array_equal(programs.training_images(read(), 3, range(4, 33)), real.repeat(3, axis=-1))


def test_stacks_are_as_many_as_fit_into_memory():
    images = programs.training_images(read("--data=stacked_digits", "--size=4"), 3, (4,))
    assert images.shape == (programs.STACKS, 4, 4, 3)
    assert len(np.unique(images[:100].reshape(100, -1), axis=0)) == 100


@pytest.mark.parametrize("channels", [1, 3])
def test_a_folder_of_ones_own(tmp_path, channels):
    rng = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    images = programs.training_images(read(f"--data={tmp_path}", "--batch=16"), channels, (8,))
    assert images.shape == (16, 8, 8, channels)  # four fifths


def test_files_that_cannot_be_used_are_left_out_and_counted(tmp_path, capsys):
    odd_folder(tmp_path)
    words = f"--data={tmp_path}", "--size=64", "--batch=4"
    with pytest.raises(data.DataError, match=r"or skip_unreadable \(--skip-unreadable\)"):
        programs.training_images(read(*words), 3, (64,))
    assert len(programs.training_images(read(*words, "--skip-unreadable"), 3, (64,))) > 4
    assert re.fullmatch(r"left out \d files that cannot be used; the first is .*\n", capsys.readouterr().out)
    with pytest.raises(ValueError, match="skip_unreadable"):
        programs.training_images(read("--skip-unreadable"), 1, (8,))


@pytest.mark.parametrize(
    ("words", "channels", "message"),
    [
        (["--steps=0"], 1, "steps is 0; accepted: a whole number of at least 1"),
        (["--seed=-1"], 1, "seed is -1; accepted: a whole number of at least 0"),
        (["--size=9"], 1, "size is 9; accepted: 8, 16"),
        (["--batch=2000"], 1, "batch is 2000; accepted with data 'digits': at most 899, the number of its images"),
        (
            ["--data=stacked_digits"],
            1,
            "data is 'stacked_digits', with colours; accepted by a program for grey images: grey ones",
        ),
        (["--data=ring"], 1, "data is 'ring'; accepted: images, and not points of the plane"),
        (["--data=nothing"], 1, "data is 'nothing'; accepted: digits, "),
    ],
)
def test_bad_options_get_one_line(words, channels, message):
    with pytest.raises(ValueError, match="accepted") as caught:
        programs.training_images(read(*words), channels, (8, 16))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_sizes_are_said_shortly():
    for sizes, said in ((range(8, 257, 4), "8 to 256 in steps of 4"), (range(4, 33), "4 to 32")):
        with pytest.raises(ValueError, match=rf"^size is 2; accepted: {said}$"):
            programs.training_images(read("--size=2"), 1, sizes)


def test_a_gpu_is_used_where_one_is_seen():
    assert [programs.use_gpu(None, seen) for seen in (False, True)] == [False, True]
    assert not programs.use_gpu("cpu", seen=True)
    assert programs.use_gpu("gpu", seen=True)
    with pytest.raises(ValueError, match=r"^device is 'gpu'; accepted on this machine"):
        programs.use_gpu("gpu", seen=False)


def test_numbers_are_printed_and_grids_written(tmp_path, capsys):
    show, _ = programs.film(read(f"--out={tmp_path / 'run'}"))
    images = np.linspace(-1, 1, 64 * 16).reshape(64, 4, 4, 1)
    show(1500, np.array([1.3862, 0.6931, 0.5, -0.25]), images)
    assert capsys.readouterr().out == "step  1,500   L_D  1.386   L_G  0.693   D(real)  0.500   D(fake) -0.250\n"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["step_001500.png"]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--steps=10", "--every=5"], {5, 10}),
        (["--steps=11", "--every=5"], {5, 10, 11}),
        (["--steps=3", "--every=5"], {3}),
    ],
)
def test_grids_after_every_so_many_steps_and_the_last(tmp_path, words, shown):
    assert programs.film(read(*words, f"--out={tmp_path}"))[1] == shown


@pytest.mark.parametrize("ending", ["torch", "tensorflow"])
def test_a_program_in_a_process_of_its_own(ending, tmp_path):
    words = [sys.executable, "-m", f"ganbook.quickstart_{ending}", "--steps=1", f"--out={tmp_path / 'run'}"]
    wrong = subprocess.run([*words, "--size=2"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.splitlines()[-1] == f"quickstart_{ending}: size is 2; accepted: 4 to 256"
    assert "Traceback" not in wrong.stderr
    assert not list(tmp_path.iterdir())
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "run").iterdir())) == 3

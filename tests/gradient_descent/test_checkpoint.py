"""Checkpoints: whole after every failure, the same from both frameworks, and exact when a run goes on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from ganbook.data.recipe import FRAMEWORKS, Recipe
from ganbook.gradient_descent import checkpoint, training
from ganbook.gradient_descent.checkpoint import ROLES, CheckpointError
from gradient_descent.runs_at_hand import BASE, DENSE, DIGITS, FRAMEWORK, OTHER, Uniform, identical, spread
from parity import TWINS

ROOT = Path(__file__).resolve().parents[2]
FILES = {checkpoint.FILE}
twins = pytest.mark.parametrize("twin", TWINS)


def state(number):
    """State and arrays that belong to one number, and to no other."""
    rng = np.random.default_rng(number)
    arrays = {
        role: {
            "dense_1.weight": rng.normal(size=(3, 2)),
            "dense_1.bias": rng.normal(size=2).astype(np.float32),
            "m/dense_1.weight": rng.normal(size=(2, 3)).T,
        }
        for role in ROLES
    }
    history = {name: [] for name in ("step", *checkpoint.LOSSES)}
    numbers = {"framework": "pytorch", "step": number, "steps": 1000, "data": None, "seconds": 0.0, "history": history}
    return numbers | {"rng": np.random.default_rng(number).bit_generator.state}, arrays


def save(folder, number):
    checkpoint.save(folder, BASE, *state(number))


def held(folder):
    """The number of the state that a folder holds; it must be that state exactly."""
    recipe, numbers, arrays = checkpoint.load(folder)
    expected, expected_arrays = state(numbers["step"])
    assert recipe == BASE
    assert numbers == expected
    assert identical(arrays, expected_arrays)
    assert all(
        arrays[role][name].dtype == array.dtype for role in ROLES for name, array in expected_arrays[role].items()
    )
    return numbers["step"]


def names(folder):
    return {path.name for path in folder.iterdir()} - {".lock"}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def metadata(folder):
    with safetensors.safe_open(folder / checkpoint.FILE, "np") as file:
        return file.metadata()


def rewrite(folder, **changed):
    """The same tensors with other metadata; None takes an entry away."""
    texts = metadata(folder) | changed
    content = safetensors.numpy.load_file(folder / checkpoint.FILE)
    safetensors.numpy.save_file(content, folder / checkpoint.FILE, {k: v for k, v in texts.items() if v is not None})


class Disk:
    """The disk, which refuses one operation, or every one from then on; a write it refuses is done by half."""

    def __init__(self, monkeypatch, fails_at=None):
        self.done = []
        self.fails_at = fails_at
        self.real_open, self.real_replace, self.real_fsync = Path.open, Path.replace, os.fsync
        monkeypatch.setattr(Path, "open", lambda path, *a, **k: self.open(path, *a, **k))
        monkeypatch.setattr(Path, "replace", lambda path, target: self.replace(path, target))
        monkeypatch.setattr(os, "fsync", self.fsync)

    def count(self, kind, name):
        self.done.append((kind, name))
        if self.fails_at is not None and len(self.done) > self.fails_at:
            raise OSError(28, "No space left on device")

    def open(self, path, mode="r", *arguments, **options):
        if "w" not in mode:
            return self.real_open(path, mode, *arguments, **options)
        self.count("open", path.name)
        file = self.real_open(path, mode, *arguments, **options)
        write = file.write

        def half(content):
            try:
                self.count("write", path.name)
            except OSError:
                write(content[: len(content) // 2])
                raise
            write(content)

        file.write = half
        return file

    def replace(self, path, target):
        self.count("replace", path.name)
        return self.real_replace(path, target)

    def fsync(self, descriptor):
        self.count("fsync", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        self.real_fsync(descriptor)


def operations(folder, number):
    """What one undisturbed save asks of the disk."""
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch)
        save(folder, number)
    return disk.done


def cut_off(folder, number, fails_at):
    """Begin to save a state on a disk that fails."""
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, fails_at)
        with pytest.raises(OSError, match="No space"):
            save(folder, number)


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names open files through /proc")


def test_a_state_comes_back(tmp_path):
    save(tmp_path / "a" / "b", 1)
    assert held(tmp_path / "a" / "b") == 1
    assert names(tmp_path / "a" / "b") == FILES
    save(tmp_path / "a" / "b", 2)
    assert held(tmp_path / "a" / "b") == 2
    assert names(tmp_path / "a" / "b") == FILES


@needs_proc
def test_everything_is_on_disk_before_it_takes_its_name(tmp_path):
    part = f"{checkpoint.FILE}.part"
    assert operations(tmp_path, 1) == [
        ("open", part),
        ("write", part),
        ("fsync", part),
        ("replace", part),
        ("fsync", tmp_path.name),
    ]


@needs_proc
def test_every_failure_leaves_the_old_state_or_the_new(tmp_path):
    save(tmp_path / "old", 1)
    shutil.copytree(tmp_path / "old", tmp_path / "count")
    found = []
    for n in range(len(operations(tmp_path / "count", 2))):
        folder = tmp_path / str(n)
        shutil.copytree(tmp_path / "old", folder)
        cut_off(folder, 2, n)
        found.append(held(folder))
        save(folder, 3)
        assert held(folder) == 3
        assert names(folder) == FILES
    assert found == [1, 1, 1, 1, 2]


@needs_proc
def test_a_first_save_that_fails_leaves_no_run_or_a_whole_one(tmp_path):
    for n in range(len(operations(tmp_path / "count", 1))):
        folder = tmp_path / str(n)
        cut_off(folder, 1, n)
        assert not checkpoint.holds_run(folder) or held(folder) == 1
        save(folder, 2)
        assert held(folder) == 2
        assert names(folder) == FILES


def test_the_file_holds_tensors_and_json_and_nothing_else(tmp_path):
    save(tmp_path, 1)
    content = (tmp_path / checkpoint.FILE).read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    texts = header.pop("__metadata__")
    assert len(content) == 8 + length + max(entry["data_offsets"][1] for entry in header.values())
    assert set(texts) == {"format", "recipe", "state", "sha256"}
    assert Recipe.from_json(texts["recipe"]) == BASE
    assert json.loads(texts["state"]) == state(1)[0]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) - 5] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "one bit": flip,
    "binary": lambda path: path.write_bytes(b"\x80\xff\x00\xc3("),
    "object": lambda path: path.write_text("{}"),
    "another recipe": lambda path: rewrite(path.parent, recipe=BASE.replace(seed=1).to_json()),
    "no recipe": lambda path: rewrite(path.parent, recipe=None),
    "another state": lambda path: rewrite(path.parent, state=json.dumps(state(2)[0])),
    "no state": lambda path: rewrite(path.parent, state=None),
    "no hash": lambda path: rewrite(path.parent, sha256=None),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(tmp_path, damage):
    save(tmp_path, 1)
    DAMAGES[damage](tmp_path / checkpoint.FILE)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / checkpoint.FILE} is damaged: ")


@pytest.mark.parametrize("count", [None, 1])
def test_the_record_of_given_examples_comes_back(tmp_path, count):
    record = {"name": None, "shape": [8, 8, 1], "count": count, "sha256": "0"}
    numbers, arrays = state(1)
    checkpoint.save(tmp_path, BASE, numbers | {"data": record}, arrays)
    assert checkpoint.load(tmp_path)[1]["data"] == record


WRONG = {
    "framework": {"framework": "jax"},
    "step": {"step": -1},
    "fewer steps than made": {"steps": 0},
    "seconds": {"seconds": "1"},
    "no history": {"history": {}},
    "a short column": {"history": {name: [1][: name != "penalty"] for name in ("step", *checkpoint.LOSSES)}},
    "a loss in words": {"history": {name: ["x"] for name in ("step", *checkpoint.LOSSES)}},
    "name": {"data": {"name": 1}},
    "hash": {"data": {"name": "x", "sha256": 1, "shape": [1], "count": 1}},
    "shape": {"data": {"name": None, "sha256": "0", "shape": [0], "count": None}},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_state_that_no_run_writes_is_refused(tmp_path, wrong):
    numbers, arrays = state(1)
    checkpoint.save(tmp_path, BASE, numbers | WRONG[wrong], arrays)
    with pytest.raises(CheckpointError, match="is damaged: "):
        checkpoint.load(tmp_path)


def test_another_format_is_refused(tmp_path):
    save(tmp_path, 1)
    rewrite(tmp_path, format="3")
    with pytest.raises(CheckpointError, match=r"run\.safetensors has format '3'; accepted: '2'"):
        checkpoint.load(tmp_path)


def test_a_run_of_an_earlier_version_is_refused_and_not_written_over(tmp_path):
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match="but one of an earlier version, in several files"):
        checkpoint.load(tmp_path)
    with pytest.raises(CheckpointError, match="holds a run already"):
        training.train(BASE, out=tmp_path, source=Uniform())
    assert names(tmp_path) == {"state.json"}


@pytest.mark.parametrize("field", ["unrolled", "dtype", "r2"])
def test_a_run_from_before_a_field_was_added_goes_on_with_its_default(tmp_path, field):
    recipe = DENSE.replace(steps=4)
    training.train(recipe, out=tmp_path, until=2, device="cpu")
    fields = json.loads(recipe.to_json())
    del fields[field]
    texts = metadata(tmp_path) | {"recipe": json.dumps(fields)}
    tensors = safetensors.numpy.load_file(tmp_path / checkpoint.FILE)
    rewrite(tmp_path, recipe=texts["recipe"], sha256=checkpoint._hash(texts, tensors))
    assert training.train(recipe, out=tmp_path, resume=True, device="cpu").step == 4
    assert checkpoint.read_recipe(tmp_path) == recipe


def test_a_state_of_numbers_of_numpy_is_kept_plain(tmp_path):
    numbers, arrays = state(1)
    checkpoint.save(tmp_path, BASE, numbers | {"step": np.int64(1), "seconds": np.float32(0.5)}, arrays)
    assert checkpoint.load(tmp_path)[1] == numbers | {"step": 1, "seconds": 0.5}


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"run\.safetensors cannot be read: there is no such file; accepted"):
        checkpoint.load(tmp_path)


def test_two_processes_do_not_train_into_one_folder(tmp_path):
    program = (
        f"import pathlib, time\nfrom ganbook.gradient_descent import checkpoint\n"
        f"with checkpoint.alone(pathlib.Path({str(tmp_path)!r})):\n    print('.', flush=True)\n"
        "    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT / "code", stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(CheckpointError, match="another process trains into"):
            training.train(BASE, out=tmp_path, source=Uniform())
        other.kill()
    assert names(tmp_path) == set()
    assert training.train(BASE, out=tmp_path, until=1, source=Uniform(), device="cpu").step == 1


@pytest.mark.parametrize("begun", [0, 1])
def test_a_run_that_another_process_saves_while_this_one_prepares_is_left_alone(begun, tmp_path, monkeypatch):
    settings = {"out": tmp_path, "source": Uniform(), "device": "cpu"}
    if begun:
        training.train(BASE, until=begun, **settings)
    find_source = training.find_source

    def meanwhile(*words):
        monkeypatch.undo()
        training.train(BASE, until=2, resume=True, **settings)
        return find_source(*words)

    monkeypatch.setattr(training, "find_source", meanwhile)
    with pytest.raises(CheckpointError, match="another process has just trained into"):
        training.train(BASE, until=3, resume=bool(begun), **settings)
    assert checkpoint.read_step(tmp_path) == 2


def test_a_run_that_ends_at_once_can_go_on(tmp_path):
    training.train(BASE, out=tmp_path, until=0, source=Uniform(), device="cpu")
    run = training.train(out=tmp_path, resume=True, source=Uniform(), until=1, device="cpu")
    assert (run.recipe, run.step) == (BASE, 1)


def test_another_recipe_is_refused_and_nothing_changes(tmp_path):
    save(tmp_path, 1)
    before = contents(tmp_path)
    other = BASE.replace(seed=4, batch=5, r1=2.0)
    with pytest.raises(CheckpointError, match=r"these fields of the recipe differ: r1, batch, seed\. Choose another"):
        checkpoint.save(tmp_path, other, *state(2))
    for resume in (False, True):
        with pytest.raises(CheckpointError):
            training.train(other, out=tmp_path, resume=resume, source=Uniform())
    assert contents(tmp_path) == before


def test_both_frameworks_write_the_same_names_and_shapes(tmp_path):
    shapes = {}
    for twin in TWINS:
        training.train(DIGITS, FRAMEWORK[twin], out=tmp_path / twin, until=1, device="cpu")
        assert names(tmp_path / twin) == FILES
        shapes[twin] = {
            role: {name: (array.shape, array.dtype) for name, array in arrays.items()}
            for role, arrays in checkpoint.load(tmp_path / twin)[2].items()
        }
    assert shapes["torch"] == shapes["tensorflow"]
    slots = {name.rpartition("/")[0] for name in shapes["torch"]["generator"]}
    assert slots == {"", "m", "v", "average"}


def run_to(twin, until, out, recipe=DIGITS, **options):
    return training.train(recipe, FRAMEWORK[twin], until=until, out=out, device="cpu", **options)


@pytest.fixture(scope="module", params=TWINS)
def uninterrupted(request):
    """Six steps at a stretch."""
    return request.param, run_to(request.param, 6, None)


def outcome(run):
    losses = np.array([run.history[name] for name in training.LOSSES]).T
    return losses, run.state.export()


@pytest.mark.parametrize("second", ["same", "other"])
def test_a_run_goes_on_in_either_framework(tmp_path, uninterrupted, second):
    twin, whole = uninterrupted
    run_to(twin, 3, tmp_path)
    run = run_to(twin if second == "same" else OTHER[twin], 6, tmp_path, resume=True)
    assert run.step == 6
    assert run.rng.bit_generator.state == whole.rng.bit_generator.state
    if second == "same":
        assert run.history == whole.history
        assert identical(run.state.export(), whole.state.export())
    else:
        assert run.history["step"] == whole.history["step"]
        assert 0 < spread(outcome(run), outcome(whole)) <= 1e-9
    numbers, arrays = checkpoint.load(tmp_path)[1:]
    assert identical(arrays, run.state.export())
    assert numbers["framework"] == run.framework


def test_a_compiled_run_goes_on_exactly(tmp_path):
    options = {"compiled": True, "source": Uniform()}
    recipe = BASE.replace(r1=0.3, steps=40)
    whole = run_to("tensorflow", 27, None, recipe, **options)
    run_to("tensorflow", 7, tmp_path, recipe, **options)
    run = run_to("tensorflow", 27, tmp_path, recipe, resume=True, **options)
    assert run.history == whole.history
    assert identical(run.state.export(), whole.state.export())


KILLS = {("torch", False): 3, ("tensorflow", False): 2, ("tensorflow", True): 2}  # by twin and compiled
LONG = BASE.replace(
    name="long",
    steps=100_000,
    r1=0.1,
    generator=BASE.generator.with_(shape=(8, 8, 1)),
    discriminator=BASE.discriminator.with_(shape=(8, 8, 1), dropout=0.2),
)
PROGRAM = """
import sys
from ganbook.gradient_descent.training import train
train(framework=sys.argv[1], out=sys.argv[2], resume=True, device="cpu", save_every=1, compiled=sys.argv[3] == "True")
"""


def saved_step(folder):
    return json.loads(metadata(folder)["state"])["step"] if checkpoint.holds_run(folder) else -1


def kill_while_it_saves(folder, framework, compiled, delay):
    """Let a run in ``folder`` go on in a process of its own; kill it a moment after it has saved three states."""
    before = saved_step(folder)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, framework, str(folder), str(compiled)],
        cwd=ROOT / "code",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while saved_step(folder) < before + 3:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(delay)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    return saved_step(folder)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize(("twin", "compiled"), KILLS)
def test_a_killed_run_goes_on_exactly(tmp_path, twin, compiled):
    moments = random.Random(20)
    run_to(twin, 0, tmp_path, LONG)
    for _ in range(KILLS[twin, compiled]):
        step = kill_while_it_saves(tmp_path, FRAMEWORK[twin], compiled, moments.uniform(0, 0.05))
        assert checkpoint.load(tmp_path)[1]["step"] == step
    run = run_to(twin, step + 3, tmp_path, None, resume=True, compiled=compiled)
    whole = run_to(twin, step + 3, None, LONG, compiled=compiled)
    assert identical(run.state.export(), whole.state.export())
    assert run.rng.bit_generator.state == whole.rng.bit_generator.state
    assert names(tmp_path) == FILES


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_weight_that_is_not_finite_is_never_saved(tmp_path, framework, value):
    run = training.train(BASE, framework, out=tmp_path, until=1, source=Uniform(), device="cpu")
    before, arrays = contents(tmp_path), run.state.export()
    for name in ("dense_2.weight", "m/dense_1.bias"):
        spoilt = {role: {n: a.copy() for n, a in group.items()} for role, group in arrays.items()}
        spoilt["discriminator"][name].flat[-1] = value
        run.state.load(spoilt)
        with pytest.raises(training.NonFiniteLoss, match=f"step 1: {name} of the discriminator is not finite"):
            run.save(tmp_path)
        assert contents(tmp_path) == before

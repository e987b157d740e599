"""Checkpoints: whole after every failure, the same from both frameworks, and exact when a run goes on."""

from __future__ import annotations

import hashlib
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
from gradient_descent.runs_at_hand import BASE, DIGITS, FRAMEWORK, OTHER, Uniform, identical, spread
from parity import TWINS

ROOT = Path(__file__).resolve().parents[2]
FILES = {"recipe.json", "state.json", "generator.safetensors", "discriminator.safetensors"}
twins = pytest.mark.parametrize("twin", TWINS)


def state(number):
    """State and arrays that belong to one number, and to no other."""
    rng = np.random.default_rng(number)
    arrays = {role: {"dense_1.weight": rng.normal(size=(3, 2)), "dense_1.bias": rng.normal(size=2).astype(np.float32),
                     "m/dense_1.weight": rng.normal(size=(2, 3)).T} for role in ROLES}
    return {"step": number, "rng": np.random.default_rng(number).bit_generator.state}, arrays


def save(folder, number):
    checkpoint.save(folder, BASE, *state(number))


def held(folder):
    """The number of the state that a folder holds; it must be that state exactly."""
    recipe, numbers, arrays = checkpoint.load(folder)
    expected, expected_arrays = state(numbers["step"])
    assert recipe == BASE
    assert numbers == {"format": checkpoint.FORMAT, **expected}
    assert identical(arrays, expected_arrays)
    assert all(arrays[role][name].dtype == array.dtype
               for role in ROLES for name, array in expected_arrays[role].items())
    return numbers["step"]


def names(folder):
    return {path.name for path in folder.iterdir()}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


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
                write(content[:len(content) // 2])
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
    done = operations(tmp_path, 1)
    assert [name for kind, name in done if kind == "write"] == [
        "recipe.json.part", "generator.safetensors.new.part", "discriminator.safetensors.new.part", "state.json.part"]
    for k, (kind, name) in enumerate(done):
        if kind == "replace" and name.endswith(".part"):
            assert done[k - 3:k + 2] == [("open", name), ("write", name), ("fsync", name), ("replace", name),
                                         ("fsync", tmp_path.name)]
    assert done[-1] == ("fsync", tmp_path.name)


@needs_proc
def test_every_failure_leaves_the_old_state_or_the_new(tmp_path):
    save(tmp_path / "old", 1)
    shutil.copytree(tmp_path / "old", tmp_path / "count")
    total = len(operations(tmp_path / "count", 2))
    assert total > 15
    found = []
    for n in range(total):
        folder = tmp_path / str(n)
        shutil.copytree(tmp_path / "old", folder)
        cut_off(folder, 2, n)
        found.append(held(folder))
        save(folder, 3)
        assert held(folder) == 3
        assert names(folder) == FILES
    assert found == sorted(found)
    assert set(found) == {1, 2}


@needs_proc
def test_two_failures_in_a_row_lose_nothing(tmp_path):
    save(tmp_path / "old", 1)
    shutil.copytree(tmp_path / "old", tmp_path / "count")
    for first in range(len(operations(tmp_path / "count", 2))):
        broken = tmp_path / f"broken{first}"
        shutil.copytree(tmp_path / "old", broken)
        cut_off(broken, 2, first)
        before = held(broken)
        shutil.copytree(broken, tmp_path / f"count{first}")
        for second in range(len(operations(tmp_path / f"count{first}", 3))):
            folder = tmp_path / "twice"
            shutil.copytree(broken, folder)
            cut_off(folder, 3, second)
            assert held(folder) in (before, 3)
            save(folder, 4)
            assert held(folder) == 4
            assert names(folder) == FILES
            shutil.rmtree(folder)


def write_in_place(path, content):
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    checkpoint.flush_folder(path.parent)


MISTAKES = {
    "weights take their names before the state does": (
        "_new", lambda folder, role: folder / f"{role}.safetensors",
        lambda folder: test_every_failure_leaves_the_old_state_or_the_new(folder)),
    "files are written in place": (
        "replace_file", write_in_place, lambda folder: test_every_failure_leaves_the_old_state_or_the_new(folder)),
    "a save cut off is never finished": (
        "_finish", lambda folder: None, lambda folder: test_two_failures_in_a_row_lose_nothing(folder)),
}


@needs_proc
@pytest.mark.parametrize("mistake", MISTAKES)
def test_planted_mistakes_are_caught(tmp_path, monkeypatch, mistake):
    name, wrong, check = MISTAKES[mistake]
    monkeypatch.setattr(checkpoint, name, wrong)
    with pytest.raises(CheckpointError, match="damaged"):
        check(tmp_path)


@needs_proc
def test_a_first_save_that_fails_leaves_no_run_or_a_whole_one(tmp_path):
    for n in range(len(operations(tmp_path / "count", 1))):
        folder = tmp_path / str(n)
        cut_off(folder, 1, n)
        assert not checkpoint.holds_run(folder) or held(folder) == 1
        save(folder, 2)
        assert held(folder) == 2
        assert names(folder) == FILES


def test_files_hold_tensors_and_json_and_nothing_else(tmp_path):
    save(tmp_path, 1)
    for role in ROLES:
        content = (tmp_path / f"{role}.safetensors").read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8:8 + length])
        assert len(content) == 8 + length + max(entry["data_offsets"][1] for entry in header.values())
    for name in ("recipe.json", "state.json"):
        json.loads((tmp_path / name).read_text())
    numbers = json.loads((tmp_path / "state.json").read_text())
    numbers.pop("format")
    hashed = {**{role: (tmp_path / f"{role}.safetensors").read_bytes() for role in ROLES},
              "recipe": (tmp_path / "recipe.json").read_bytes()}
    hashes = numbers.pop("sha256")
    hashed["state"] = json.dumps(numbers).encode()
    assert hashes == {name: hashlib.sha256(content).hexdigest() for name, content in hashed.items()}


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) - 5] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "binary": lambda path: path.write_bytes(b"\x80\xff\x00\xc3("),
    "number": lambda path: path.write_text("5"),
    "list": lambda path: path.write_text("[]"),
    "object": lambda path: path.write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", sorted(FILES))
def test_a_damaged_file_is_named(tmp_path, name, damage):
    save(tmp_path, 1)
    DAMAGES[damage](tmp_path / name)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize("role", ROLES)
def test_one_wrong_bit_of_the_weights_is_seen(tmp_path, role):
    save(tmp_path, 1)
    flip(tmp_path / f"{role}.safetensors")
    with pytest.raises(CheckpointError, match=f"{role}.safetensors is missing, damaged or not of the state"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("name", ["generator.safetensors", "discriminator.safetensors", "state.json"])
def test_files_of_two_states_are_not_mixed(tmp_path, name):
    save(tmp_path / "a", 1)
    save(tmp_path / "b", 2)
    shutil.copy(tmp_path / "b" / name, tmp_path / "a" / name)
    named = "generator.safetensors" if name == "state.json" else name
    with pytest.raises(CheckpointError, match=f"{named} is missing, damaged or not of the state in .*state.json"):
        checkpoint.load(tmp_path / "a")


@pytest.mark.parametrize("sha256", [None, 5, "generator", {"generator": "0"}, []])
def test_a_state_without_its_hashes_is_damaged(tmp_path, sha256):
    save(tmp_path, 1)
    numbers = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps({**numbers, "sha256": sha256}))
    with pytest.raises(CheckpointError, match=r"state\.json is damaged"):
        checkpoint.load(tmp_path)


def test_another_format_is_refused(tmp_path):
    save(tmp_path, 1)
    numbers = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps({**numbers, "format": 2}))
    with pytest.raises(CheckpointError, match=r"state\.json has format 2; accepted: 1"):
        checkpoint.load(tmp_path)


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


def test_a_folder_with_the_recipe_of_another_run_alone_is_refused_before_training(tmp_path, monkeypatch):
    (tmp_path / "recipe.json").write_text(BASE.to_json())
    with monkeypatch.context() as patch:
        patch.setattr(training, "advance", None)
        for resume in (False, True):
            with pytest.raises(CheckpointError, match="differ: seed"):
                training.train(BASE.replace(seed=1), out=tmp_path, resume=resume, source=Uniform())
        with pytest.raises(CheckpointError, match="recipe differ"):
            training.train(out=tmp_path)
    assert names(tmp_path) == {"recipe.json"}
    run = training.train(out=tmp_path, resume=True, source=Uniform(), until=1, device="cpu")
    assert (run.recipe, run.step) == (BASE, 1)


@pytest.mark.parametrize(("name", "change"), [
    ("recipe.json", lambda folder: (folder / "recipe.json").write_text(BASE.replace(averaging=0.0).to_json())),
    ("recipe.json", lambda folder: (folder / "recipe.json").write_text(BASE.replace(seed=1).to_json())),
    ("state.json", lambda folder: edit_state(folder, rng={"bit_generator": "other"})),
    ("state.json", lambda folder: edit_state(folder, step=2)),
    ("state.json", lambda folder: edit_state(folder, step=None)),
], ids=["other networks", "other seed", "other generator", "other step", "no step"])
def test_a_changed_file_is_named(tmp_path, name, change):
    training.train(BASE, out=tmp_path, until=1, source=Uniform(), device="cpu")
    change(tmp_path)
    with pytest.raises(CheckpointError, match=name):
        training.load_run(tmp_path, "pytorch", device="cpu")


def edit_state(folder, **fields):
    """Change fields of the state; None takes one away."""
    numbers = json.loads((folder / "state.json").read_text()) | fields
    (folder / "state.json").write_text(json.dumps({k: v for k, v in numbers.items() if v is not None}))


def test_both_frameworks_write_the_same_names_and_shapes(tmp_path):
    shapes = {}
    for twin in TWINS:
        training.train(DIGITS, FRAMEWORK[twin], out=tmp_path / twin, until=1, device="cpu")
        assert names(tmp_path / twin) == FILES
        shapes[twin] = {role: {name: (array.shape, array.dtype) for name, array in safetensors.numpy.load_file(
            tmp_path / twin / f"{role}.safetensors").items()} for role in ROLES}
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
    return losses, run.players.export()


@pytest.mark.parametrize("second", ["same", "other"])
def test_a_run_goes_on_in_either_framework(tmp_path, uninterrupted, second):
    twin, whole = uninterrupted
    run_to(twin, 3, tmp_path)
    run = run_to(twin if second == "same" else OTHER[twin], 6, tmp_path, resume=True)
    assert run.step == 6
    assert run.rng.bit_generator.state == whole.rng.bit_generator.state
    if second == "same":
        assert run.history == whole.history
        assert identical(run.players.export(), whole.players.export())
    else:
        assert run.history["step"] == whole.history["step"]
        assert 0 < spread(outcome(run), outcome(whole)) <= 1e-9
    numbers, arrays = checkpoint.load(tmp_path)[1:]
    assert identical(arrays, run.players.export())
    assert numbers["framework"] == run.framework


def test_a_compiled_run_goes_on_exactly(tmp_path):
    options = {"compiled": True, "source": Uniform()}
    recipe = BASE.replace(r1=0.3, steps=40)
    whole = run_to("tensorflow", 27, None, recipe, **options)
    run_to("tensorflow", 7, tmp_path, recipe, **options)
    run = run_to("tensorflow", 27, tmp_path, recipe, resume=True, **options)
    assert run.history == whole.history
    assert identical(run.players.export(), whole.players.export())


KILLS = {("torch", False): 3, ("tensorflow", False): 2, ("tensorflow", True): 2}  # by twin and compiled
LONG = BASE.replace(name="long", steps=100_000, r1=0.1,
                    generator=BASE.generator.with_(shape=(8, 8, 1)),
                    discriminator=BASE.discriminator.with_(shape=(8, 8, 1), dropout=0.2))
PROGRAM = """
import sys
from ganbook.gradient_descent.training import train
train(framework=sys.argv[1], out=sys.argv[2], resume=True, device="cpu", save_every=1, compiled=sys.argv[3] == "True")
"""


def saved_step(folder):
    return json.loads((folder / "state.json").read_text())["step"] if checkpoint.holds_run(folder) else -1


def kill_while_it_saves(folder, framework, compiled, delay):
    """Let a run in ``folder`` go on in a process of its own; kill it a moment after it has saved three states."""
    before = saved_step(folder)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, framework, str(folder), str(compiled)],
                               cwd=ROOT / "code", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
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
    (tmp_path / "recipe.json").write_text(LONG.to_json())
    for _ in range(KILLS[twin, compiled]):
        step = kill_while_it_saves(tmp_path, FRAMEWORK[twin], compiled, moments.uniform(0, 0.05))
        assert checkpoint.load(tmp_path)[1]["step"] == step
    run = run_to(twin, step + 3, tmp_path, None, resume=True, compiled=compiled)
    whole = run_to(twin, step + 3, None, LONG, compiled=compiled)
    assert identical(run.players.export(), whole.players.export())
    assert run.rng.bit_generator.state == whole.rng.bit_generator.state
    assert names(tmp_path) == FILES


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_weight_that_is_not_finite_is_never_saved(tmp_path, framework, value):
    run = training.train(BASE, framework, out=tmp_path, until=1, source=Uniform(), device="cpu")
    before, arrays = contents(tmp_path), run.players.export()
    for name in ("dense_2.weight", "m/dense_1.bias"):
        spoilt = {role: {n: a.copy() for n, a in group.items()} for role, group in arrays.items()}
        spoilt["discriminator"][name].flat[-1] = value
        run.players.load(spoilt)
        with pytest.raises(training.NonFiniteLoss, match=f"step 1: {name} of the discriminator is not finite"):
            run.save(tmp_path)
        assert contents(tmp_path) == before


def test_the_recipe_comes_back_equal(tmp_path):
    checkpoint.save(tmp_path, DIGITS, *state(1))
    assert checkpoint.read_recipe(tmp_path) == DIGITS
    checkpoint.check_recipe(tmp_path, Recipe.from_json(DIGITS.to_json()))

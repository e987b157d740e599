"""One run over several processes, started by the real launchers, is the run of one process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from benchmarks import distributed as launchers

from ganbook.data.recipe import Recipe
from ganbook.gradient_descent import checkpoint, distributed, training
from gradient_descent.runs_at_hand import BASE, DIGITS, start
from parity import TWINS, module

#: The aim is 1e-6; rounding leaves some 1e-14.
SAME = 1e-12


@pytest.fixture(scope="module", params=launchers.ENGINES)
def together(request, tmp_path_factory):
    """Every job of the benchmark, trained by two processes, or by two devices of one."""
    folder = tmp_path_factory.mktemp(request.param)
    launchers.launch(request.param, launchers.jobs(), folder)
    return "tensorflow" if request.param == "mirrored" else request.param, folder


@pytest.mark.parametrize("name", launchers.RECIPES)
def test_halves_of_the_batch_make_the_same_run(together, name):
    framework, folder = together
    found = launchers.difference(launchers.RECIPES[name], framework, folder / f"{name}-shared")
    assert found["losses"] < SAME
    assert found["weights"] < SAME


def test_own_batch_statistics_make_another_run(together):
    framework, folder = together
    found = launchers.difference(launchers.RECIPES["batch_norm"], framework, folder / "batch_norm-own")
    assert found["losses"] > 1e-3
    assert found["weights"] > 1e-2


def test_the_command_under_torchrun(tmp_path):
    recipe = launchers.RECIPES["penalised"].replace(steps=3)
    (tmp_path / "three.json").write_text(recipe.to_json())
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "ganbook",
        "train",
        "--distributed",
        "--recipe",
        "three.json",
        "--out",
        "run",
        "--save-every",
        "2",
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("saved in run") == 1  # one process speaks and writes
    assert checkpoint.load(tmp_path / "run")[1]["step"] == 3
    assert launchers.difference(recipe, "pytorch", tmp_path / "run")["weights"] < SAME


# Parts.


def test_shares_put_together_are_the_whole():
    run, sampler = start(
        "torch", DIGITS.replace(discriminator=DIGITS.discriminator.with_(dropout=0.5), gradient_penalty=1.0, batch=12)
    )
    whole = sampler.iteration(0, run.rng)
    parts = [distributed.share(whole, rank, 3) for rank in range(3)]
    for step, steps in zip(
        whole["discriminator"], zip(*[part["discriminator"] for part in parts], strict=True), strict=True
    ):
        for name in ("real", "noise", "weights"):
            assert np.array_equal(np.concatenate([one[name] for one in steps]), step[name])
        masks = [one["masks"]["fake"]["dropout_1"] for one in steps]
        assert np.array_equal(np.concatenate(masks), step["masks"]["fake"]["dropout_1"])
        assert all(one["rates"] == step["rates"] for one in steps)
    assert list(parts[0]["generator"]) == list(whole["generator"])


@pytest.mark.parametrize(
    ("recipe", "size", "message"),
    [
        (BASE.replace(batch=9), 2, "batch is 9; accepted with 2 processes: a multiple of 2"),
        (
            BASE.replace(batch=6, discriminator=BASE.discriminator.with_(packing=2)),
            2,
            "batch is 6; accepted with 2 processes and packs of 2: a multiple of 4",
        ),
        (BASE.replace(unrolled=2), 2, "unrolled is 2; accepted with several processes: 0"),
    ],
)
def test_what_cannot_be_shared_is_refused(recipe: Recipe, size, message):
    with pytest.raises(ValueError, match=message):
        distributed.check_share(recipe, size)


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize(
    ("device", "message"),
    [("gpu:0", "device is 'gpu:0'; accepted: cpu, gpu"), ("tpu", "device is 'tpu'; accepted: cpu, gpu")],
)
def test_an_unknown_device_is_refused(twin, device, message, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    with pytest.raises(ValueError, match=message), module("gradient_descent.distributed", twin).join(device):
        pass


@pytest.mark.parametrize(
    ("framework", "message"),
    [
        ("pytorch", "the environment lacks RANK, WORLD_SIZE, .* accepted: a start by the launcher, such as torchrun"),
        ("tensorflow", "the environment lacks TF_CONFIG and this process sees 1 CPU"),
    ],
)
def test_a_start_without_the_launcher_is_refused(framework, message, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "TF_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=message):
        training.train(BASE, framework, device="cpu", distributed=True)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}']
)
def test_a_wrong_tf_config_is_refused(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with (
        pytest.raises(ValueError, match=r"TF_CONFIG is .*accepted: the addresses of all workers"),
        module("gradient_descent.distributed", "tensorflow").join("cpu"),
    ):
        pass


def test_compiled_rounds_are_refused():
    with pytest.raises(ValueError, match="compiled is True; accepted with distributed: False"):
        training.train(BASE, compiled=True, distributed=True)

"""Two processes with half the batch each against one process with the whole batch: do they make the same run?

The processes are real ones: two that ``torchrun`` starts, and two that TF_CONFIG introduces to each other.  What is
recorded is the largest difference between the losses, and between the weights, of the two runs in float64: with batch
statistics shared between the processes, and with statistics that every process keeps for itself.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganbook.data.recipe import Architecture, Optimiser, Recipe
from ganbook.gradient_descent import checkpoint, training
from ganbook.tuning import results

ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("pytorch", "tensorflow", "mirrored")
PROCESSES = 2
FIELDS = ("title", "steps", "batch", "processes", "provenance", "records")
_ADAM = Optimiser(learning_rate=2e-3, beta1=0.5)
_LAYERS = {"shape": (8, 8, 1), "hidden": (32, 32), "initialiser": "he", "slope": 0.2}
#: A dense game whose loss holds gradients, and a convolutional one with batch norm in both players.
RECIPES = {
    "penalised": Recipe(
        name="penalised",
        batch=16,
        steps=10,
        dtype="float64",
        loss="relativistic",
        r1=1.0,
        r2=1.0,
        generator=Architecture("MLPGenerator", {**_LAYERS, "latent": 8}),
        discriminator=Architecture("MLPDiscriminator", _LAYERS),
        generator_optimiser=_ADAM,
        discriminator_optimiser=_ADAM,
    ),
    "batch_norm": Recipe(
        name="batch_norm",
        batch=16,
        steps=10,
        dtype="float64",
        loss="non_saturating",
        r1=0.0,
        r2=0.0,
        generator=Architecture("PixelShuffleGenerator", {"latent": 8, "shape": (8, 8, 1), "width": 3}),
        discriminator=Architecture(
            "DCGANDiscriminator", {"shape": (8, 8, 1), "channels": (4, 8), "dropout": 0.0, "batch_norm": True}
        ),
        generator_optimiser=_ADAM,
        discriminator_optimiser=_ADAM,
    ),
}


def launch(engine: str, jobs: Sequence[Mapping[str, Any]], folder: Path, seconds: float = 300.0) -> None:
    """Train jobs by several processes, and wait for them.

    Args:
        engine: one of ``ENGINES``.
        jobs: each with ``name``, ``recipe`` and ``shared_statistics``.
        folder: each job's run is saved in a folder of its name there.
        seconds: until the processes are stopped.

    Raises:
        RuntimeError: a process failed, or took too long; what it said is quoted.
    """
    file = folder / f"{engine}.json"
    file.write_text(json.dumps([{**job, "recipe": json.loads(job["recipe"].to_json())} for job in jobs]))
    module = ["-m", "benchmarks.distributed_worker", engine, str(file), str(folder)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "code"), str(ROOT)]),
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    environment.pop("TF_CONFIG", None)
    if engine == "pytorch":
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(PROCESSES)]
        starts = [([sys.executable, *launcher, *module], environment)]
    elif engine == "mirrored":
        starts = [([sys.executable, *module], environment)]
    else:
        workers = [f"localhost:{port}" for port in free_ports(PROCESSES)]
        starts = [
            (
                [sys.executable, *module],
                {
                    **environment,
                    "TF_CONFIG": json.dumps(
                        {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
                    ),
                },
            )
            for index in range(PROCESSES)
        ]
    _run(starts, folder, seconds)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _run(starts: Sequence[tuple[list[str], dict[str, str]]], folder: Path, seconds: float) -> None:
    logs = [tempfile.TemporaryFile("w+") for _ in starts]  # a pipe that nobody reads would fill up and stop its writer
    running = [
        subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        for (command, environment), log in zip(starts, logs, strict=True)
    ]
    ends = time.monotonic() + seconds
    try:
        for process in running:
            process.wait(max(0.1, ends - time.monotonic()))
    except subprocess.TimeoutExpired:
        pass
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()  # torchrun stops its own processes then
        codes = [process.wait() for process in running]
    if any(codes):
        said = []
        for log in logs:
            log.seek(0)
            said.append(log.read()[-3000:])
        raise RuntimeError(f"processes ended with {codes} within {seconds:.0f} s:\n" + "\n".join(said))


def difference(recipe: Recipe, framework: str, folder: Path) -> dict[str, float]:
    """How far a saved run is from the same run in this process alone.

    Returns:
        the largest absolute difference of ``losses`` and of ``weights``, moving statistics and averages included.
    """
    alone = training.train(recipe, framework, device="cpu", progress=False)
    _, state, arrays = checkpoint.load(folder)
    losses = [
        abs(a - b) for name in training.LOSSES for a, b in zip(alone.history[name], state["history"][name], strict=True)
    ]
    expected = alone.state.export()
    weights = [
        np.abs(array - arrays[role][name]).max()
        for role, group in expected.items()
        for name, array in group.items()
        if "/" not in name or name.startswith("average/")
    ]
    return {"losses": float(max(losses)), "weights": float(max(weights))}


def jobs() -> list[dict[str, Any]]:
    """Every recipe with shared batch statistics, and the one with batch norm also without."""
    return [
        {"name": f"{name}-{'shared' if shared else 'own'}", "recipe": recipe, "shared_statistics": shared}
        for name, recipe in RECIPES.items()
        for shared in (True, False)
        if shared or name == "batch_norm"
    ]


def main(out: Path | None = None) -> None:
    """Run all engines, print what they say and, with ``out``, write ``distributed.json`` there."""
    records = []
    with tempfile.TemporaryDirectory() as name:
        for engine in ENGINES:
            folder = Path(name) / engine
            folder.mkdir()
            launch(engine, jobs(), folder, 900.0)
            framework = "tensorflow" if engine == "mirrored" else engine
            for job in jobs():
                found = difference(job["recipe"], framework, folder / job["name"])
                records.append(
                    {
                        "engine": engine,
                        "recipe": job["recipe"].name,
                        "shared_statistics": job["shared_statistics"],
                        **found,
                    }
                )
                print(f"{engine:11} {job['name']:18} losses {found['losses']:.1e}  weights {found['weights']:.1e}")
    one = next(iter(RECIPES.values()))
    if out is not None:
        results.write_result(
            out / "distributed.json",
            {
                "title": "Two processes with half the batch each against one with the whole batch, float64",
                "steps": one.steps,
                "batch": one.batch,
                "processes": PROCESSES,
                "provenance": {framework: results.provenance(framework) for framework in ("pytorch", "tensorflow")},
                "records": records,
            },
            FIELDS,
        )

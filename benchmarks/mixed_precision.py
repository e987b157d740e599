"""What bfloat16 saves and costs: time and memory of a step, error of the gradient, quality of a short run."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.step_costs import quotients, stepper
from benchmarks.steps import Pictures
from benchmarks.timing import in_turn
from ganbook.data.recipe import FRAMEWORKS, Optimiser, Recipe
from ganbook.gradient_descent import training
from ganbook.tuning import results
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.metrics.frechet import frechet_distance, half_split_floor, pixels

FIELDS = (
    "title",
    "rounds",
    "recipes",
    "instructions",
    "provenance",
    "times",
    "gradients",
    "memory",
    "quality",
    "floor",
    "steps",
)
TYPES = ("float32", "mixed_bfloat16")
#: By network: a dense pair with both penalties, and a plain DCGAN.
NETWORKS = {"dense": RECIPES["quickstart"], "dcgan": RECIPES["dcgan"]}
#: A short run of the dense pair, and its seeds.
QUALITY = RECIPES["quickstart"].replace(steps=500)
SEEDS = (0, 1, 2)


def instructions() -> list[str]:
    """Which of the processor's instructions multiply bfloat16 numbers: AVX-512's, or AMX's tiles."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return []
    return [name for name in ("avx512_bf16", "amx_bf16") if name in words]


def times(framework: str, network: str, rounds: int) -> dict[str, Any]:
    """Milliseconds of a step in each type, and their quotient, timed in turn."""
    seconds = in_turn(
        {dtype: stepper(NETWORKS[network].replace(dtype=dtype), framework, 1) for dtype in TYPES}, rounds, warm_up=2
    )
    return {
        "framework": framework,
        "network": network,
        "milliseconds": {dtype: 1e3 * statistics.median(values) for dtype, values in seconds.items()},
        **quotients(seconds["mixed_bfloat16"], seconds["float32"]),
    }


def gradients(framework: str, network: str) -> list[dict[str, Any]]:
    r"""How far each player's first gradient in mixed precision is from the one in float32.

    .. math:: |g_{16} - g_{32}| / |g_{32}|

    A step of plain gradient descent at rate 1 moves the weights by the gradient itself.
    """
    recipe = NETWORKS[network].replace(
        order="simultaneous",
        generator_optimiser=Optimiser("sgd", 1.0),
        discriminator_optimiser=Optimiser("sgd", 1.0),
        averaging=0.0,
    )
    found = {}
    for dtype in TYPES:
        run = training.start_run(recipe.replace(dtype=dtype), framework, device="cpu")
        before = run.state.export()
        sampler = training.make_sampler(run, Pictures(run.generator.blueprint.output_shape))
        run.state.run([sampler.iteration(0, run.rng)])
        after = run.state.export()
        found[dtype] = {
            role: np.concatenate(
                [(before[role][name] - after[role][name]).ravel() for name in before[role] if "moving" not in name]
            )
            for role in before
        }
    low, high = found["mixed_bfloat16"], found["float32"]
    return [
        {
            "framework": framework,
            "network": network,
            "player": role,
            "error": float(np.linalg.norm(low[role] - high[role]) / np.linalg.norm(high[role])),
        }
        for role in high
    ]


def memory(network: str) -> dict[str, Any]:
    """Bytes that PyTorch keeps from the generator's forward pass for its backward pass, weights left out."""
    import torch

    from ganbook.gradient_descent.step.steps_torch import generator_objective

    kept = {}
    for dtype in TYPES:
        run = training.start_run(NETWORKS[network].replace(dtype=dtype, order="alternating"), "pytorch", device="cpu")
        sampler = training.make_sampler(run, Pictures(run.generator.blueprint.output_shape))
        inputs = run.state.native(sampler.iteration(0, run.rng)["generator"])
        own = {
            tensor.untyped_storage().data_ptr() for net in run.state.networks for tensor in net.state_dict().values()
        }
        storages: dict[int, int] = {}

        def pack(tensor: torch.Tensor, own: set[int] = own, storages: dict[int, int] = storages) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                storages[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            objective, _ = generator_objective(run.recipe, run.generator, run.discriminator, inputs)
        kept[dtype] = sum(storages.values())
        del objective
    return {"network": network, "bytes": kept, "ratio": kept["mixed_bfloat16"] / kept["float32"]}


def quality(framework: str, dtype: str, recipe: Recipe = QUALITY) -> dict[str, Any]:
    """Pixel-space Frechet distance of the short run's samples to the digits, for every seed."""
    real = pixels(training.load_source(recipe).images)
    distances = []
    for seed in SEEDS:
        run = training.train(recipe.replace(dtype=dtype, seed=seed), framework, device="cpu", progress=False)
        distances.append(frechet_distance(real, pixels(run.sample(len(real)))))
    return {"framework": framework, "dtype": dtype, "distances": distances, "median": statistics.median(distances)}


def main(rounds: int, out: Path | None = None) -> None:
    """Measure, print what it says and, with ``out``, write ``mixed_precision.json`` there."""
    pairs = [(framework, network) for framework in FRAMEWORKS for network in NETWORKS]
    timed, errors = [], []
    for framework, network in pairs:
        timed.append(times(framework, network, rounds))
        print(
            "time     {framework:11} {network:6} mixed over float32 {ratio:.2f} ({low:.2f} to {high:.2f})".format(
                **timed[-1]
            ),
            flush=True,
        )
        errors += gradients(framework, network)
        print("gradient", *(f"{found['player']} {found['error']:.1e}" for found in errors[-2:]), flush=True)
    kept = [memory(network) for network in NETWORKS]
    for found in kept:
        print(f"memory   {found['network']:6} mixed over float32 {found['ratio']:.2f}", flush=True)
    scores = [quality(framework, dtype) for framework in FRAMEWORKS for dtype in TYPES]
    for found in scores:
        print("quality  {framework:11} {dtype:15} median {median:.3f}".format(**found), flush=True)
    real = pixels(training.load_source(QUALITY).images)
    if out is not None:
        results.write_result(
            out / "mixed_precision.json",
            {
                "title": "Mixed precision (bfloat16) against float32: both in turn, on a CPU",
                "rounds": rounds,
                "recipes": {name: {"recipe": recipe.name, "batch": recipe.batch} for name, recipe in NETWORKS.items()},
                "instructions": instructions(),
                "provenance": {framework: results.provenance(framework) for framework in FRAMEWORKS},
                "times": timed,
                "gradients": errors,
                "memory": kept,
                "quality": scores,
                "steps": QUALITY.steps,
                "floor": half_split_floor(real, np.random.default_rng(0), 5),
            },
            FIELDS,
        )

"""The compiled step against the plain one, on the 3x64 networks of the grid, the sort that a compiler helps most."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

from benchmarks.timing import in_turn, ratio
from ganbook.data.recipe import FRAMEWORKS
from ganbook.gradient_descent import training
from ganbook.tuning.recipes import RECIPES

STEPS = training.ROOM


def contestant(framework: str, kind: str) -> Callable[[], object]:
    """A call that runs ``STEPS`` steps: compiled, plain or, in TensorFlow, plain and without any graph."""
    run = training.start_run(RECIPES["grid"], framework, device="cpu")
    dealer = training.make_dealer(run, training.load_source(run.recipe))
    rounds = training.make_runner(run, compiled=kind == "compiled")
    if kind == "eager":
        steps = training.twin("ganbook.gradient_descent.steps", framework)
        return lambda: [steps.round_losses(run.players, run.players.native_round(dealer.round(k, run.rng)))
                        for k in range(STEPS)]
    return lambda: rounds([dealer.round(k, run.rng) for k in range(STEPS)])


def main(rounds: int) -> None:
    """Print the table."""
    kinds = {"pytorch": ("plain", "compiled"), "tensorflow": ("eager", "plain", "compiled")}
    calls = {f"{framework} {kind}": contestant(framework, kind)
             for framework in FRAMEWORKS for kind in kinds[framework]}
    seconds = in_turn(calls, rounds, warm_up=2)
    print(f"Grid, 3x64 networks, batch 128, {torch.get_num_threads()} threads: {STEPS} steps a call, draws included; "
          f"medians of {rounds} rounds in turn")
    for name, values in seconds.items():
        print(f"  {name:20} {statistics.median(values) / STEPS * 1e3:7.2f} ms a step")
    for name in seconds:
        framework, kind = name.split()
        if kind != "compiled":
            print(f"  {framework}: compiled over {kind:6} {ratio(seconds[name], seconds[f'{framework} compiled'])}")

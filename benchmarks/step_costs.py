"""What a penalty costs: one training step with it over one without, in both frameworks, in turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.steps import Pictures
from benchmarks.timing import in_turn
from ganbook.data.recipe import FRAMEWORKS, Recipe
from ganbook.gradient_descent import training
from ganbook.tuning import results
from ganbook.tuning.experiments.recipes import RECIPES

FIELDS = ("title", "rounds", "networks", "provenance", "records")
#: By network, a recipe on whose networks the step is timed, and how many steps make one timing.
NETWORKS = {"dense": (RECIPES["quickstart"], 5), "convolutional": (RECIPES["recommended"], 1)}
#: By name, the fields of a recipe that make the difference; the first has nothing.
KINDS: Mapping[str, dict[str, Any]] = {
    "none": {},
    "R1": {"r1": 1.0},
    "R2": {"r2": 1.0},
    "R1 + R2": {"r1": 1.0, "r2": 1.0},
    "WGAN-GP": {"loss": "wasserstein", "gradient_penalty": 10.0},
    "packing 2": {"packing": 2},
    "unrolled 5": {"unrolled": 5},
}


def variant(recipe: Recipe, kind: str) -> Recipe:
    """A recipe with one kind of cost, and no other."""
    fields = dict(KINDS[kind])
    critic = recipe.discriminator.with_(packing=fields.pop("packing", 1))
    plain = {"loss": "non_saturating", "r1": 0.0, "r2": 0.0, "averaging": 0.0}
    return recipe.replace(discriminator=critic, **{**plain, **fields})


def stepper(recipe: Recipe, framework: str, steps: int, source: Any = None) -> Callable[[], object]:
    """A call that runs some steps, one after another; their inputs are drawn beforehand, so only steps are timed."""
    run = training.start_run(recipe, framework, device="cpu")
    sampler = training.make_sampler(run, source or Pictures(run.generator.blueprint.output_shape))
    iterations = [sampler.iteration(k, run.rng) for k in range(steps)]
    return lambda: run.state.run(iterations)


def quotients(above: list[float], below: list[float]) -> dict[str, float]:
    """Median, smallest and largest quotient of timings made in turn."""
    found = [a / b for a, b in zip(above, below, strict=True)]
    return {"ratio": statistics.median(found), "low": min(found), "high": max(found)}


def main(rounds: int, out: Path | None = None) -> None:
    """Time every kind, print what it says and, with ``out``, write ``step_costs.json`` there."""
    records: list[dict[str, Any]] = []
    for framework in FRAMEWORKS:
        for network, (recipe, steps) in NETWORKS.items():
            seconds = in_turn(
                {kind: stepper(variant(recipe, kind), framework, steps) for kind in KINDS}, rounds, warm_up=2
            )
            for kind, values in seconds.items():
                records.append(
                    {
                        "framework": framework,
                        "network": network,
                        "kind": kind,
                        "milliseconds": 1e3 * statistics.median(values) / steps,
                        **quotients(values, seconds["none"]),
                    }
                )
                print(
                    "{framework:11} {network:14} {kind:10} {milliseconds:8.2f} ms  {ratio:5.2f} "
                    "({low:.2f} to {high:.2f})".format(**records[-1]),
                    flush=True,
                )
    if out is not None:
        results.write_result(
            out / "step_costs.json",
            {
                "title": "Seconds of a training step over those of a step without penalty, in turn",
                "rounds": rounds,
                "networks": {
                    name: {"recipe": recipe.name, "batch": recipe.batch} for name, (recipe, _) in NETWORKS.items()
                },
                "provenance": {framework: results.provenance(framework) for framework in FRAMEWORKS},
                "records": records,
            },
            FIELDS,
        )

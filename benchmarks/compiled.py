"""The compiled step against the plain one, for small dense networks, which a compiler helps most, and convolutions."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.step_costs import quotients
from benchmarks.steps import Pictures
from benchmarks.timing import in_turn
from ganbook.data.recipe import FRAMEWORKS
from ganbook.gradient_descent import training
from ganbook.tuning import results
from ganbook.tuning.experiments.recipes import RECIPES

FIELDS = ("title", "rounds", "provenance", "records")
#: By recipe, how many steps one call makes.
STEPS = {"grid": training.STEPS_PER_CALL, "quickstart": training.STEPS_PER_CALL, "recommended": 4, "dcgan": 2}


def contestant(name: str, framework: str, kind: str) -> Callable[[], object]:
    """A call that runs the steps of a recipe: plain, compiled, or in TensorFlow without any graph.

    The inputs are drawn beforehand, so that only steps are timed.
    """
    run = training.start_run(RECIPES[name], framework, device="cpu")
    sampler = training.make_sampler(run, Pictures(run.generator.blueprint.output_shape))
    iterations = [sampler.iteration(k, run.rng) for k in range(STEPS[name])]
    if kind == "compiled":
        compiled = training.twin("ganbook.gradient_descent.step.compiled", framework).CompiledIterations(run.state)
        return lambda: compiled.run(iterations, len(iterations))
    if kind == "eager":
        return lambda: [run.state.one_iteration(run.state.native(each)) for each in iterations]
    return lambda: run.state.run(iterations)


def main(rounds: int, out: Path | None = None) -> None:
    """Time every network, print what it says and, with ``out``, write ``compiled.json`` there."""
    records: list[dict[str, Any]] = []
    for framework in FRAMEWORKS:
        for name, steps in STEPS.items():
            kinds = ("compiled", "plain", *["eager"] * ((framework, name) == ("tensorflow", "grid")))
            seconds = in_turn({kind: contestant(name, framework, kind) for kind in kinds}, rounds, warm_up=2)
            for kind, values in list(seconds.items())[1:]:
                records.append(
                    {
                        "framework": framework,
                        "recipe": name,
                        "kind": kind,
                        "milliseconds": 1e3 * statistics.median(values) / steps,
                        **quotients(values, seconds["compiled"]),
                    }
                )
                print(
                    "{framework:11} {recipe:12} {kind:6} {milliseconds:8.2f} ms a step, over compiled {ratio:5.2f} "
                    "({low:.2f} to {high:.2f})".format(**records[-1]),
                    flush=True,
                )
    if out is not None:
        results.write_result(
            out / "compiled.json",
            {
                "title": "Seconds of a plain training step over those of a compiled one, in turn",
                "rounds": rounds,
                "provenance": {framework: results.provenance(framework) for framework in FRAMEWORKS},
                "records": records,
            },
            FIELDS,
        )

"""Seconds of training until a stated quality on the 10,000 MNIST test digits: recommended recipe against plain DCGAN.

Quality is the pixel-space Frechet distance of 10,000 samples to the 10,000 digits.  The plain DCGAN trains for a given
time; the best distance that it reaches is the stated quality; then the recommended recipe trains until it is as good.
The time for drawing and judging samples is not counted on either side.
"""

from __future__ import annotations

import numpy as np

from ganbook.data.errors import DataError
from ganbook.data.recipe import FRAMEWORKS, Recipe
from ganbook.gradient_descent import training
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.metrics.frechet import frechet_distance, half_split_floor, pixels


def course(
    recipe: Recipe, framework: str, seconds: float, every: float, enough: float
) -> list[tuple[float, int, float]]:
    """Train for a time, or until the distance is small enough.

    Args:
        recipe: what to run; its number of steps is not a limit here unless it is reached.
        framework: one of ``FRAMEWORKS``.
        seconds: of training, at most.
        every: seconds of training between two judgements.
        enough: distance to stop at.

    Returns:
        seconds, steps and distance at each judgement.
    """
    run = training.start_run(recipe, framework, device="cpu")
    source = training.load_source(recipe)
    real, found, due = pixels(source.images), [], min(every, seconds)
    for _ in training.iterate(run, 1, sampler=training.make_sampler(run, source)):
        if run.seconds < due and run.step < recipe.steps:
            continue
        found.append((run.seconds, run.step, frechet_distance(real, pixels(run.sample(len(real))))))
        if run.seconds >= seconds or found[-1][2] <= enough:
            break
        due = min(run.seconds + every, seconds)
    return found


def main(minutes: float) -> None:
    """Print the table."""
    plain, recommended = (RECIPES[name].replace(split="test") for name in ("dcgan", "recommended"))
    try:
        digits = training.load_source(recommended)
    except DataError as error:
        print(f"quality: not measured, since the MNIST test files are missing: {error}")
        return
    floor = half_split_floor(pixels(digits.images), np.random.default_rng(0))
    print(f"Quality on the 10,000 MNIST test digits: pixel-space Frechet distance (two random halves: {floor:.1f})")
    for framework in FRAMEWORKS:
        slow = course(plain.replace(steps=10**9), framework, 60 * minutes, max(5.0, 3 * minutes), enough=0.0)
        best = min(slow, key=lambda found: found[2])
        fast = course(recommended, framework, 60 * minutes, 1.0, enough=best[2])
        print(
            f"  {framework}: plain DCGAN {best[2]:.1f} after {best[0]:.0f} s ({best[1]} steps); recommended "
            f"{fast[-1][2]:.1f} after {fast[-1][0]:.1f} s ({fast[-1][1]} steps): "
            f"{best[0] / fast[-1][0]:.0f} times sooner"
        )

"""One step of each of the book's programs, against the package's twin and the frameworks' own tutorials' method.

The tutorials train without R1, so a program does more in a step; what R1 costs stands beside the ratio, measured on the
package's twin with and without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import torch
from torch import nn

from benchmarks import tutorial_tensorflow, tutorial_torch
from benchmarks.steps import Pictures
from benchmarks.timing import in_turn, ratio
from ganbook.gradient_descent import training
from ganbook.tuning.experiments import program_parity

#: Size, width and batch of each program as its command line has them.
FULL = {
    "quickstart": (8, 256, 32),
    "tensors.first_gan": (28, 128, 32),
    "probability.colour_dcgan": (28, 64, 16),
    "gradient_descent.training_step": (28, 128, 32),
    "tuning.own_images": (32, 64, 16),
}
#: Steps in one timing, so that the small networks' are long enough to be timed.
STEPS = {"quickstart": 20, "tensors.first_gan": 10, "gradient_descent.training_step": 10}


def pytorch_steps(stem: str, images: np.ndarray, width: int) -> dict[str, Callable[[], object]]:
    """The program's step, and the tutorial's on networks like it."""
    source = importlib.import_module(f"ganbook.{stem}_torch")
    real = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    torch.manual_seed(0)
    players = source.make_players(images.shape[1], width)
    generator, discriminator, *_ = source.make_players(images.shape[1], width)
    judge = nn.Sequential(discriminator, nn.Sigmoid())
    return {
        "program": lambda: source.train_step(*players, real.detach(), torch.randn(len(real), source.NOISE)),
        "tutorial": tutorial_torch.step_of(generator, judge, real, source.NOISE),
    }


def tensorflow_steps(stem: str, images: np.ndarray, width: int) -> dict[str, Callable[[], object]]:
    """The program's step, and the tutorial's on networks like it."""
    source = importlib.import_module(f"ganbook.{stem}_tensorflow")
    real = tf.constant(images)
    players = source.make_players(images.shape[1], width)
    generator, discriminator, *_ = source.make_players(images.shape[1], width)
    noise = (len(images), source.NOISE)
    return {
        "program": lambda: source.train_step(*players, real, tf.random.normal(noise)).numpy(),
        "tutorial": tutorial_tensorflow.step_of(generator, discriminator, real, source.NOISE),
    }


def twin_step(stem: str, framework: str, size: int, width: int, batch: int, r1: float) -> Callable[[], object]:
    """The package's step of the same networks, drawing of noise included."""
    recipe = program_parity.recipe(stem, size, width, batch=batch, dtype="float32", r1=r1)
    run = training.start_run(recipe, framework, device="cpu")
    source = Pictures((size, size, program_parity.SMALL[stem][2]))
    sampler = training.make_sampler(run, source)
    return lambda: run.state.run([sampler.iteration(0, run.rng)])


def repeated(call: Callable[[], object], times: int) -> Callable[[], None]:
    """A call that makes several."""

    def calls() -> None:
        for _ in range(times):
            call()

    return calls


def main(rounds: int) -> None:
    """Print the table."""
    print(
        f"Steps of the programs, {torch.get_num_threads()} threads; medians of {rounds} rounds in turn. Above 1 the "
        "program is faster."
    )
    for stem, (size, width, batch) in FULL.items():
        images = Pictures((size, size, program_parity.SMALL[stem][2])).batch(np.random.default_rng(0), batch)
        for framework, steps in (("pytorch", pytorch_steps), ("tensorflow", tensorflow_steps)):
            calls = steps(stem, images, width)
            calls["twin"] = twin_step(stem, framework, size, width, batch, 1.0)
            calls["twin without R1"] = twin_step(stem, framework, size, width, batch, 0.0)
            seconds = in_turn(
                {name: repeated(call, STEPS.get(stem, 1)) for name, call in calls.items()}, rounds, warm_up=2
            )
            print(f"  {stem} in {framework}")
            print(f"    over the package's twin              {ratio(seconds['twin'], seconds['program'])}")
            print(f"    over the tutorial, which has no R1   {ratio(seconds['tutorial'], seconds['program'])}")
            print(f"    R1's own cost, from the twin         {ratio(seconds['twin'], seconds['twin without R1'])}")

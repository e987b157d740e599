"""One training step of the DCGAN of article 001's shape (28x28x1, batch 128), against what else could run it."""

from __future__ import annotations

import dataclasses
import functools
import statistics
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import torch

from benchmarks import tutorial_tensorflow, tutorial_torch
from benchmarks.timing import in_turn, ratio
from ganbook.data.recipe import FRAMEWORKS, Recipe
from ganbook.gradient_descent import training
from ganbook.tensors.layers import Conv2D
from ganbook.tensors.networks_torch import Network
from ganbook.tuning.experiments.recipes import RECIPES

BATCH = 128


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Any images will do for timing: uniform noise."""

    shape: tuple[int, ...] = (28, 28, 1)

    def batch(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.uniform(-1, 1, (n, *self.shape)).astype(np.float32)


def twin_step(recipe: Recipe, framework: str) -> Callable[[], object]:
    """A call that trains one step of a twin, drawing of noise and masks included."""
    run = training.start_run(recipe, framework, device="cpu")
    sampler = training.make_sampler(run, Pictures())
    return lambda: run.state.run([sampler.iteration(0, run.rng)])


def flops_per_image(recipe: Recipe) -> float:
    """Floating-point operations that a simultaneous step needs per image, in matrix products and convolutions.

    Every layer costs the same three times: forward, backward to its weights, backward to its input.  The last is
    needed wherever something below wants it: not at the generator's first layer, not at the discriminator's first
    layer for real images.  The fakes go back through the discriminator twice, once for each player's loss.
    """
    run = training.start_run(recipe.replace(steps=1), "pytorch", device="cpu")

    def costs(network: Network) -> list[int]:
        shape, numbers = network.blueprint.input_shape, []
        for layer in network.blueprint.layers:
            numbers.append(layer.flops(shape))
            shape = layer.output_shape(shape)
        return [n for n in numbers if n]

    generator, discriminator = costs(run.generator), costs(run.discriminator)
    real = 3 * sum(discriminator) - discriminator[0]
    fake = 4 * sum(discriminator) - discriminator[0]
    return 3 * sum(generator) - generator[0] + real + fake


def peak_contestants() -> dict[str, tuple[Callable[[], object], float]]:
    """Convolutions that a processor does as fast as it ever does any, with their cost: the machine's peak."""
    found: dict[str, tuple[Callable[[], object], float]] = {}
    for channels, side in ((128, 28), (256, 14)):
        shape, kernel = (BATCH, side, side, channels), (3, 3, channels, channels)
        layer = Conv2D("conv_1", channels, channels, 3)
        cost = BATCH * layer.flops(shape[1:])
        x, w = np.ones(shape, np.float32), np.ones(kernel, np.float32)
        tx = torch.from_numpy(x).permute(0, 3, 1, 2)
        tw = torch.from_numpy(w).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        fx, fw = tf.constant(x), tf.constant(w)
        found[f"peak pytorch {channels}"] = (functools.partial(torch.nn.functional.conv2d, tx, tw, padding=1), cost)
        found[f"peak tensorflow {channels}"] = (functools.partial(_tensorflow_convolution, fx, fw), cost)
    return found


def _tensorflow_convolution(x: tf.Tensor, w: tf.Tensor) -> np.ndarray:
    return tf.nn.conv2d(x, w, 1, "SAME").numpy()


def main(rounds: int) -> None:
    """Print the table."""
    recipe = RECIPES["dcgan"]
    images = Pictures().batch(np.random.default_rng(0), BATCH)
    peaks = peak_contestants()
    seconds = in_turn(
        {
            "tutorial pytorch": tutorial_torch.make_step(images),
            "tutorial tensorflow": tutorial_tensorflow.make_step(images),
            **{f"twin {framework}": twin_step(recipe, framework) for framework in FRAMEWORKS},
            **{name: call for name, (call, _) in peaks.items()},
        },
        rounds,
        warm_up=2,
    )
    median = {name: statistics.median(values) for name, values in seconds.items()}
    peak = max(cost / median[name] for name, (_, cost) in peaks.items())
    cost = BATCH * flops_per_image(recipe)
    print(
        f"DCGAN 28x28x1, batch {BATCH}, {cost / BATCH / 1e6:.0f} MFLOP an image; peak of convolutions "
        f"{peak / 1e9:.0f} GFLOP/s; {torch.get_num_threads()} threads; medians of {rounds} rounds in turn"
    )
    tutorials = ("tutorial pytorch", "tutorial tensorflow")
    best = min(tutorials, key=median.__getitem__)
    for name in (*tutorials, *(f"twin {framework}" for framework in FRAMEWORKS)):
        print(f"  {name:20} {BATCH / median[name]:6.0f} images/s  share of peak {cost / median[name] / peak:4.0%}")
    for framework in FRAMEWORKS:
        own = seconds[f"twin {framework}"]
        print(f"  {framework:10} twin over its own tutorial    {ratio(seconds[f'tutorial {framework}'], own)}")
        print(f"  {framework:10} twin over the better tutorial {ratio(seconds[best], own)}")
    print(f"  pytorch twin over the tensorflow twin     {ratio(seconds['twin tensorflow'], seconds['twin pytorch'])}")

"""What the tests of steps, compiled iterations, training and checkpoints share: small recipes, and runs of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from ganbook.data import Images
from ganbook.data.recipe import Architecture, Optimiser, Recipe
from ganbook.gradient_descent import training
from parity import module, relative_error

FRAMEWORK = {"torch": "pytorch", "tensorflow": "tensorflow"}
OTHER = {"torch": "tensorflow", "tensorflow": "torch"}
SMALL = {"shape": (4, 4, 1), "hidden": (7, 6), "initialiser": "he", "slope": 0.2}
GENERATOR = Architecture("MLPGenerator", {**SMALL, "latent": 5})
DISCRIMINATOR = Architecture("MLPDiscriminator", SMALL)
BASE = Recipe(
    name="base",
    generator=GENERATOR,
    discriminator=DISCRIMINATOR,
    loss="non_saturating",
    r1=0.0,
    r2=0.0,
    generator_optimiser=Optimiser(learning_rate=0.01),
    discriminator_optimiser=Optimiser(learning_rate=0.02),
    batch=6,
    steps=10,
    averaging=0.9,
    dtype="float64",
)
DIGITS = BASE.replace(
    name="digits",
    loss="relativistic",
    r1=1.0,
    r2=0.5,
    batch=16,
    steps=300,
    generator=Architecture("PixelShuffleGenerator", {"latent": 8, "shape": (8, 8, 1), "width": 3}),
    discriminator=Architecture("DCGANDiscriminator", {"shape": (8, 8, 1), "channels": (4, 8), "dropout": 0.0}),
    generator_optimiser=Optimiser(learning_rate=0.002),
    discriminator_optimiser=Optimiser(learning_rate=0.002),
)
#: Few numbers for any data set of images.
_SMALL = {"hidden": (8,), "initialiser": "he"}
DENSE = Recipe(
    name="tiny",
    batch=8,
    steps=6,
    generator=Architecture("MLPGenerator", {"latent": 4, **_SMALL}),
    discriminator=Architecture("MLPDiscriminator", _SMALL),
)


def on_folder(folder: Path, side: int = 16, **fields: object) -> Recipe:
    """A small run on the images of a folder, in colour."""
    shape = (side, side, 3)
    return DENSE.replace(
        data=f"folder:{folder}",
        size=side,
        generator=DENSE.generator.with_(shape=shape),
        discriminator=DENSE.discriminator.with_(shape=shape),
        **fields,
    )


def some(seed: int = 0, n: int = 40) -> Images:
    """Images whose every number is uniform on [-1, 1]."""
    values = np.random.default_rng(seed).uniform(-1, 1, (n, 8, 8, 1)).astype(np.float32)
    return Images(values, np.zeros(n, np.int64))


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Examples whose every number is uniform on [-1, 1]."""

    shape: tuple[int, ...] = (4, 4, 1)

    def batch(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.uniform(-1, 1, (n, *self.shape)).astype(np.float32)


def start(twin: str, recipe: Recipe, source: object = None) -> tuple[training.Run, object]:
    """A run at step 0, and the sampler of its inputs."""
    run = training.start_run(recipe, FRAMEWORK[twin], device="cpu")
    return run, training.make_sampler(
        run, source if source is not None else Uniform(run.generator.blueprint.output_shape)
    )


def next_inputs(run: training.Run, sampler: object, iterations: int = 1) -> list[dict]:
    """The inputs of the next iterations."""
    return [sampler.iteration(run.step + k, run.rng) for k in range(iterations)]


def plain_iterations(twin: str, recipe: Recipe, iterations: int = 1, source: object = None) -> tuple[np.ndarray, dict]:
    """Losses and state after some iterations, each step run operation by operation."""
    run, sampler = start(twin, recipe, source)
    losses = [run.state.one_iteration(run.state.native(inputs)) for inputs in next_inputs(run, sampler, iterations)]
    return np.array([[float(loss) for loss in row] for row in losses]), run.state.export()


def make_step(twin: str, state: object, role: str, inputs: dict) -> dict:
    """Make one step of one player in place, operation by operation: its report."""
    step = getattr(module("gradient_descent.step.steps", twin), f"{role}_step")
    new, report = step(state.recipe, state.networks, state.tensors(), state.native(inputs))
    state.assign(new)
    return report


def spread(one: tuple, other: tuple) -> float:
    """The largest relative error between losses and states of two runs.

    A bias that batch normalisation takes away again has a gradient of rounding noise, from which Adam makes noise of
    its own.  So what an optimiser remembers is held to the largest of its kind, and a weight to its own tensor or to
    one Adam step of 0.01, whichever is larger.
    """
    (losses, state), (other_losses, other_state) = one, other
    worst = max((relative_error(a, b, floor=1e-2) for a, b in zip(losses, other_losses, strict=True)), default=0.0)
    for role, arrays in state.items():
        others = other_state[role]
        assert list(arrays) == list(others)
        for name, array in arrays.items():
            slot = name.rpartition("/")[0]
            moments = [np.abs(others[n]).max() for n in others if n.startswith(f"{slot}/")]
            floor = 1e-2 if slot in ("", "average") else max(moments)
            worst = max(worst, relative_error(array, others[name], floor))
    return worst


def identical(state: dict, other: dict) -> bool:
    """Whether two states agree bit for bit."""
    return all(
        state[role].keys() == other[role].keys()
        and all(np.array_equal(state[role][name], other[role][name]) for name in state[role])
        for role in (*state, *other)
    )

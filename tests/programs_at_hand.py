"""The five programs, and one run of each in three ways: PyTorch's, Keras's, and the package's own training."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from types import ModuleType

import keras
import numpy as np
import tensorflow as tf
import torch

from ganbook.data.recipe import Architecture, Optimiser, Recipe
from ganbook.gradient_descent.training import twin
from ganbook.tensors.exchange import keras_weights
from parity import module, relative_error

STEPS, BATCH = 50, 16
STEMS = ("quickstart", "tensors.first_gan", "probability.colour_dcgan", "gradient_descent.training_step",
         "tuning.own_images")
#: A small size, width and number of channels for each program.
SMALL = {"quickstart": (8, 16, 1), "tensors.first_gan": (20, 16, 1), "probability.colour_dcgan": (12, 4, 3),
         "gradient_descent.training_step": (12, 8, 1), "tuning.own_images": (32, 2, 3)}
_DENSE = {"hidden": (16, 16), "slope": 0.25}
_NORM = {"slope": 0.25, "epsilon": 1e-3, "momentum": 0.9}
#: The same networks by the package's names, with the settings that are not its defaults.
NETWORKS = {
    "quickstart": (("MLPGenerator", {"latent": 32, **_DENSE}), ("MLPDiscriminator", _DENSE)),
    "tensors.first_gan": (
        ("MLPGenerator", {"latent": 100, "hidden": (16, 32), "slope": 0.25}),
        ("ConvDiscriminator", {"channels": (4, 8), "kernel": 5, "stride": 2, "padding": (1, 0), "slope": 0.25})),
    "probability.colour_dcgan": (
        ("DCGANGenerator", {"channels": (16, 8, 4), **_NORM}),
        ("DCGANDiscriminator", {"channels": (4, 8), "slope": 0.25, "dropout": 0.0})),
    "gradient_descent.training_step": (
        ("MLPGenerator", {"latent": 100, "hidden": (8, 8), "activation": "relu"}),
        ("ConvDiscriminator", {"channels": (4, 4), "kernel": 3, "stride": 2, "padding": "same", "hidden": (8,),
                               "activation": "relu"})),
    "tuning.own_images": (
        ("DCGANGenerator", {"channels": (8, 4, 2), **_NORM}),
        ("DCGANDiscriminator", {"channels": (2, 4), "slope": 0.25, "dropout": 0.0})),
}


@dataclasses.dataclass
class Trained:
    """What a run of 50 steps left: rows of four numbers, and each network's weights in Keras's order and layout."""

    numbers: np.ndarray
    generator: list[np.ndarray]
    discriminator: list[np.ndarray]
    average: list[np.ndarray]


def program(stem: str, ending: str) -> ModuleType:
    return module(stem, ending)


def draws(stem: str, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Fifty batches of images and of noise."""
    rng = np.random.default_rng(0)
    side, _, channels = SMALL[stem]
    shape = (STEPS, BATCH, size or side, size or side, channels)
    return rng.uniform(-1, 1, shape), rng.standard_normal((STEPS, BATCH, program(stem, "torch").NOISE))


def torch_players(stem: str, size: int | None = None) -> list:
    torch.manual_seed(0)
    side, width, _ = SMALL[stem]
    players = program(stem, "torch").make_players(size or side, width)
    for network in players[:3]:
        network.double()
    return players


def train_torch(stem: str, size: int | None = None, *, as_keras: bool = True, **planted: object) -> Trained:
    """Fifty steps of the PyTorch program; ``as_keras`` puts Adam's epsilon where Keras puts it."""
    source = program(stem, "torch")
    players = torch_players(stem, size)
    step = planted.get("train_step", source.train_step)
    numbers = []
    for t, (real, noise) in enumerate(zip(*draws(stem, size), strict=True), 1):
        for optimiser in players[3:]:
            scale = (1 - source.BETAS[1] ** t) ** 0.5 if as_keras else 1.0
            optimiser.param_groups[0]["eps"] = source.EPSILON / scale
        pixels = torch.from_numpy(real).permute(0, 3, 1, 2).contiguous()
        numbers.append(step(*players, pixels, torch.from_numpy(noise)).numpy())
    generator, discriminator, average, *_ = players
    return Trained(np.array(numbers), keras_weights(generator.layers), keras_weights(discriminator.layers),
                   keras_weights(average.module.layers))


@contextlib.contextmanager
def double() -> Iterator[None]:
    """Keras in float64."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def train_keras(stem: str, size: int | None = None, carry=keras_weights) -> Trained:
    """Fifty steps of the Keras program, from the initial weights of the PyTorch program."""
    side, width, _ = SMALL[stem]
    source, start = program(stem, "tensorflow"), torch_players(stem, size)
    with double():
        players = source.make_players(size or side, width)
        for network, weights in zip(players[:3], (start[0], start[1], start[0]), strict=True):
            network.set_weights(carry(weights.layers))
        numbers = [source.train_step(*players, tf.constant(real), tf.constant(noise)).numpy()
                   for real, noise in zip(*draws(stem, size), strict=True)]
    return Trained(np.array(numbers), *(network.get_weights() for network in players[:3]))


def names(layers: list) -> list[str]:
    """The package's name of each array of :func:`keras_weights`."""
    kinds = {"Linear": "dense", "Conv2d": "conv", "ConvTranspose2d": "conv_transpose", "BatchNorm1d": "batch_norm",
             "BatchNorm2d": "batch_norm"}
    norm = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    found, counts = [], dict.fromkeys(kinds.values(), 0)
    for layer in layers:
        kind = kinds.get(type(layer).__name__)
        if kind:
            counts[kind] += 1
            suffixes = [name for name, tensor in layer.state_dict().items() if tensor.ndim]
            found += [f"{kind}_{counts[kind]}.{norm[name] if kind == 'batch_norm' else name}" for name in suffixes]
    return found


def recipe(stem: str, source: ModuleType) -> Recipe:
    """The package's recipe of a program's small networks."""
    size, _, channels = SMALL[stem]
    adam = Optimiser("adam", source.RATE, *source.BETAS, source.EPSILON)
    generator, discriminator = (Architecture(kind, {"shape": (size, size, channels), **settings})
                                for kind, settings in NETWORKS[stem])
    return Recipe(generator=generator, discriminator=discriminator, loss="non_saturating", r1=source.GAMMA, r2=0.0,
                  generator_optimiser=adam, discriminator_optimiser=adam, batch=BATCH, steps=STEPS,
                  averaging=source.DECAY, dtype="float64")


def train_recipe(stem: str, framework: str = "pytorch") -> Trained:
    """Fifty steps of the package's own training, from the initial weights of the PyTorch program."""
    source, start = program(stem, "torch"), torch_players(stem)
    described = recipe(stem, source)
    steps = twin("ganbook.gradient_descent.steps", framework)
    players = steps.Players(described, np.random.default_rng(0), "cpu")
    order = {}
    for role, network in (("generator", start[0]), ("discriminator", start[1])):
        order[role] = names(network.layers)
        weights = dict(zip(order[role], keras_weights(network.layers), strict=True))
        getattr(players, role).load(weights)
        if role == "generator":
            players.average.load(weights)
    rates, masks = {"learning_rate": source.RATE, "r1": source.GAMMA, "r2": 0.0}, {"generator": {}, "fake": {}}
    rounds = []
    for t, (real, noise) in enumerate(zip(*draws(stem), strict=True), 1):
        # The package draws noise for each player; a program gives both the same.
        judged = {"real": real, "noise": noise, "masks": masks | {"real": {}}, "rates": rates | {"t": float(t)}}
        drawn = {"noise": noise, "masks": masks,
                 "rates": {"learning_rate": source.RATE, "t": float(t), "decay": source.DECAY}}
        rounds.append({"discriminator": [judged], "generator": drawn})
    losses = steps.run_rounds(players, rounds)
    networks = (players.generator, players.discriminator, players.average)
    exported = [network.export() for network in networks]
    return Trained(losses, *([arrays[name] for name in order[role]] for arrays, role in zip(
        exported, ("generator", "discriminator", "generator"), strict=True)))


def difference(one: Trained, other: Trained, columns: tuple[tuple[int, ...], tuple[int, ...]] = ((0, 1), (0, 1)),
               spread: list[bool] | None = None) -> float:
    """The largest difference of losses and of arrays, each relative to its largest; moving variances left out."""
    found = [relative_error(one.numbers[:, columns[0]], other.numbers[:, columns[1]])]
    for role in ("generator", "discriminator", "average"):
        mine, its = getattr(one, role), getattr(other, role)
        assert len(mine) == len(its)
        skipped = spread if spread and role != "discriminator" else [False] * len(mine)
        found += [relative_error(a, b, 1e-6) for a, b, skip in zip(mine, its, skipped, strict=True) if not skip]
    return max(found)

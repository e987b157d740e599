"""How far the book's programs are from each other, and from the package's own training, after fifty steps.

PyTorch's program, Keras's, and a recipe of the same small networks start from the same weights and get the same batches
and noise, in double precision.  Two defaults of the frameworks are made equal for it, since they change the numbers:

* Adam's epsilon stands beside the corrected root of the second moment in PyTorch and beside the uncorrected one in
  Keras, and Keras corrects the moments with betas that are rounded to single precision.
* The moving variance of batch normalisation takes the unbiased variance of n values in PyTorch and the biased one in
  Keras.  Training does not see it; it is left out of the comparison, and differs by the factor n / (n - 1).

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from ganbook.data.recipe import Architecture, Optimiser, Recipe
from ganbook.gradient_descent.training import start_run, twin
from ganbook.tensors.exchange import keras_weights

STEPS, BATCH = 50, 16
#: Arrays that are smaller than this are compared by their difference alone.
SMALLEST = 1e-6
#: A small size, width and number of channels for each program.
SMALL = {
    "quickstart": (8, 16, 1),
    "tensors.first_gan": (20, 16, 1),
    "probability.colour_dcgan": (12, 4, 3),
    "gradient_descent.training_step": (12, 8, 1),
    "tuning.own_images": (32, 2, 3),
}
_NORM = {"slope": 0.25, "epsilon": 1e-3, "momentum": 0.9}


def _networks(stem: str, width: int) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    """Generator and discriminator by the package's names, with the settings that are not its defaults."""
    w = width
    dense = {"hidden": (w, w), "slope": 0.25}
    dcgan = (
        ("DCGANGenerator", {"channels": (4 * w, 2 * w, w), **_NORM}),
        ("DCGANDiscriminator", {"channels": (w, 2 * w), "slope": 0.25, "dropout": 0.0}),
    )
    return {
        "quickstart": (("MLPGenerator", {"latent": 32, **dense}), ("MLPDiscriminator", dense)),
        "tensors.first_gan": (
            ("MLPGenerator", {"latent": 100, "hidden": (w, 2 * w), "slope": 0.25}),
            (
                "ConvDiscriminator",
                {"channels": (w // 4, w // 2), "kernel": 5, "stride": 2, "padding": (1, 0), "slope": 0.25},
            ),
        ),
        "probability.colour_dcgan": dcgan,
        "gradient_descent.training_step": (
            ("MLPGenerator", {"latent": 100, "hidden": (w, w), "activation": "relu"}),
            (
                "ConvDiscriminator",
                {
                    "channels": (w // 2, w // 2),
                    "kernel": 3,
                    "stride": 2,
                    "padding": "same",
                    "hidden": (w,),
                    "activation": "relu",
                },
            ),
        ),
        "tuning.own_images": dcgan,
    }[stem]


@dataclasses.dataclass
class Trained:
    """What a run of 50 steps left: rows of four numbers, and each network's weights in Keras's order and layout."""

    numbers: np.ndarray
    generator: list[np.ndarray]
    discriminator: list[np.ndarray]
    average: list[np.ndarray]


def distances(stem: str) -> dict[str, float]:
    """How far a program in PyTorch is from its twins after fifty steps.

    Args:
        stem: one of ``SMALL``.

    Returns:
        By ``Keras``, ``package in PyTorch`` and ``package in TensorFlow`` the largest difference of a loss or a weight,
        each relative to the largest number of its kind.

    Example:
        >>> max(distances("quickstart").values()) < 1e-9
        True
    """
    skipped = moving_variances(stem)
    found = {"Keras": difference(train_keras(stem), train_torch(stem), ((0, 1, 2, 3),) * 2, skipped)}
    plain = train_torch(stem, as_keras=False)
    for framework, name in (("pytorch", "PyTorch"), ("tensorflow", "TensorFlow")):
        found[f"package in {name}"] = difference(train_recipe(stem, framework), plain, ((0, 2), (0, 1)), skipped)
    return found


def program(stem: str, framework: str) -> ModuleType:
    """A program's module."""
    return twin(f"ganbook.{stem}", framework)


def batches(stem: str, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Fifty batches of images and of noise."""
    rng = np.random.default_rng(0)
    side, _, channels = SMALL[stem]
    shape = (STEPS, BATCH, size or side, size or side, channels)
    return rng.uniform(-1, 1, shape), rng.standard_normal((STEPS, BATCH, program(stem, "pytorch").NOISE))


def torch_players(stem: str, size: int | None = None) -> tuple:
    """PyTorch's players in double precision, always with the same weights."""
    import torch

    torch.manual_seed(0)
    side, width, _ = SMALL[stem]
    players = program(stem, "pytorch").make_players(size or side, width)
    for network in players[:3]:
        network.double()
    return players


def train_torch(stem: str, size: int | None = None, *, as_keras: bool = True) -> Trained:
    """Fifty steps of the PyTorch program; ``as_keras`` makes its Adam Keras's."""
    import torch

    source, players = program(stem, "pytorch"), torch_players(stem, size)
    adjust = _adam_of_keras(source) if as_keras else lambda optimiser, t: None
    numbers = []
    for t, (real, noise) in enumerate(zip(*batches(stem, size), strict=True), 1):
        for optimiser in players[3:]:
            adjust(optimiser, t)
        pixels = torch.from_numpy(real).permute(0, 3, 1, 2).contiguous()
        numbers.append(source.train_step(*players, pixels, torch.from_numpy(noise)).numpy())
    generator, discriminator, average, *_ = players
    return Trained(
        np.array(numbers),
        keras_weights(generator.layers),
        keras_weights(discriminator.layers),
        keras_weights(average.module.layers),
    )


def _adam_of_keras(source: ModuleType) -> Callable[[Any, int], None]:
    r"""What makes PyTorch's Adam Keras's, set before step t.

    Keras has :math:`w \leftarrow w - \eta \frac{\sqrt{1 - b_2^t}}{1 - b_1^t} \frac{m}{\sqrt v + \epsilon}`, where
    :math:`b` is the beta of the moments in single precision.
    """
    import keras

    epsilon = getattr(source, "EPSILON", keras.optimizers.Adam().epsilon)

    def adjust(optimiser: Any, t: int) -> None:
        group = optimiser.param_groups[0]
        rate = group.setdefault("rate", group["lr"])
        first, second = group["betas"]
        rounded_first, rounded_second = map(float, np.array(group["betas"], np.float32))
        bias = (1 - first**t) / (1 - second**t) ** 0.5
        group.update(
            lr=rate * bias * (1 - rounded_second**t) ** 0.5 / (1 - rounded_first**t),
            eps=epsilon / (1 - second**t) ** 0.5,
        )

    return adjust


@contextlib.contextmanager
def double() -> Iterator[None]:
    """Keras in double precision."""
    import keras

    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def train_keras(stem: str, size: int | None = None) -> Trained:
    """Fifty steps of the Keras program, from the initial weights of the PyTorch program."""
    import tensorflow as tf

    side, width, _ = SMALL[stem]
    source, start = program(stem, "tensorflow"), torch_players(stem, size)
    with double():
        players = source.make_players(size or side, width)
        for network, weights in zip(players[:3], (start[0], start[1], start[0]), strict=True):
            network.set_weights(keras_weights(weights.layers))
        numbers = [
            source.train_step(*players, tf.constant(real), tf.constant(noise)).numpy()
            for real, noise in zip(*batches(stem, size), strict=True)
        ]
    return Trained(np.array(numbers), *(network.get_weights() for network in players[:3]))


def names(layers: Any) -> list[str]:
    """The package's name of each array that :func:`ganbook.tensors.exchange.keras_weights` gives."""
    kinds = {
        "Linear": "dense",
        "Conv2d": "conv",
        "ConvTranspose2d": "conv_transpose",
        "BatchNorm1d": "batch_norm",
        "BatchNorm2d": "batch_norm",
    }
    norm = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    found, counts = [], dict.fromkeys(kinds.values(), 0)
    for layer in layers:
        kind = kinds.get(type(layer).__name__)
        if kind:
            counts[kind] += 1
            suffixes = [name for name, tensor in layer.state_dict().items() if tensor.ndim]
            found += [f"{kind}_{counts[kind]}.{norm[name] if kind == 'batch_norm' else name}" for name in suffixes]
    return found


def moving_variances(stem: str, size: int | None = None) -> list[bool]:
    """Which of the generator's arrays are moving variances."""
    return [name.endswith("moving_variance") for name in names(torch_players(stem, size)[0].layers)]


def recipe(stem: str, size: int | None = None, width: int | None = None, **changes: Any) -> Recipe:
    """The package's recipe of a program's networks, small ones by default, with the settings of its optimisers.

    Args:
        stem: one of ``SMALL``; ``tuning.own_images`` at 32 pixels alone.
        size: side of the images in pixels.
        width: units or channels of the narrowest layer.
        changes: fields of the recipe that are other than here.
    """
    small_size, small_width, channels = SMALL[stem]
    size, width = size or small_size, width or small_width
    source, group = program(stem, "pytorch"), torch_players(stem)[3].param_groups[0]
    beta1, beta2 = group["betas"]
    adam = Optimiser("adam", group["lr"], beta1, beta2, group["eps"])
    generator, discriminator = (
        Architecture(kind, {"shape": (size, size, channels), **settings}) for kind, settings in _networks(stem, width)
    )
    described = Recipe(
        generator=generator,
        discriminator=discriminator,
        loss="non_saturating",
        r1=source.GAMMA,
        r2=0.0,
        generator_optimiser=adam,
        discriminator_optimiser=adam,
        batch=BATCH,
        steps=STEPS,
        averaging=source.DECAY,
        dtype="float64",
    )
    return described.replace(**changes)


def train_recipe(stem: str, framework: str = "pytorch") -> Trained:
    """Fifty steps of the package's own training, from the initial weights of the PyTorch program."""
    source, start = program(stem, "pytorch"), torch_players(stem)
    described = recipe(stem)
    rate = described.generator_optimiser.learning_rate.start
    run = start_run(described, framework, device="cpu")
    state, order = run.state, {}
    for role, network in (("generator", start[0]), ("discriminator", start[1])):
        order[role] = names(network.layers)
        weights = dict(zip(order[role], keras_weights(network.layers), strict=True))
        getattr(state, role).load(weights)
        if role == "generator":
            state.average.load(weights)
    rates = {"learning_rate": rate, "r1": source.GAMMA, "r2": 0.0}
    masks: dict[str, dict[str, np.ndarray]] = {"generator": {}, "fake": {}}
    iterations = []
    for t, (real, noise) in enumerate(zip(*batches(stem), strict=True), 1):
        # The package draws noise for each player; a program gives both the same.
        judged = {"real": real, "noise": noise, "masks": masks | {"real": {}}, "rates": rates | {"t": float(t)}}
        made = {"noise": noise, "masks": masks, "rates": {"learning_rate": rate, "t": float(t), "decay": source.DECAY}}
        iterations.append({"discriminator": [judged], "generator": made})
    losses = state.run(iterations)
    exported = [network.export() for network in (state.generator, state.discriminator, state.average)]
    return Trained(
        losses,
        *(
            [arrays[name] for name in order[role]]
            for arrays, role in zip(exported, ("generator", "discriminator", "generator"), strict=True)
        ),
    )


def difference(
    one: Trained,
    other: Trained,
    columns: tuple[tuple[int, ...], tuple[int, ...]] = ((0, 1), (0, 1)),
    skipped: list[bool] | None = None,
) -> float:
    """The largest difference of numbers and of arrays, each relative to its largest.

    Args:
        one, other: runs of the same networks.
        columns: which of the numbers of each are compared.
        skipped: which of the generator's arrays are left out.
    """
    found = [_relative(one.numbers[:, columns[0]], other.numbers[:, columns[1]])]
    for role in ("generator", "discriminator", "average"):
        mine, its = getattr(one, role), getattr(other, role)
        left_out = skipped if skipped and role != "discriminator" else [False] * len(mine)
        found += [_relative(a, b) for a, b, skip in zip(mine, its, left_out, strict=True) if not skip]
    return max(found)


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / max(np.abs(b).max(), SMALLEST))

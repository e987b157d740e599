r"""The fixed digit classifier: what its features are, where its weights lie, and how they were made.

A metric that compares pixels calls two sevens a stroke apart as far from each other as a seven and a one.  So images
are compared by what a network sees in them: a small convolutional classifier, one for each size of image, trained once
and never again.  The 64 activations before its last layer are the *features*, in a unit in which their mean square over
the digits that it learnt from is 1.  The weights are a file in the folder ``results``, the same for both frameworks;
their hash and their accuracy on held-out digits are in the JSON beside it.

An image of several channels is a stack of digits: every channel is read by itself, and the features of the channels
stand side by side, first channel first.  A mean over the channels would forget which digit is in which.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors.numpy

from ganbook import data
from ganbook.data import Images
from ganbook.data.files import write_atomically
from ganbook.data.recipe import Optimiser, Schedule, check_choice, check_int
from ganbook.gradient_descent.training import twin
from ganbook.tensors.blueprints import Blueprint
from ganbook.tensors.initial import initial_arrays
from ganbook.tensors.layers import Activation, Conv2D, Dense, Flatten, Layer
from ganbook.tuning import results
from ganbook.tuning.metrics.checks import planes_of

CLASSES = 10
#: Features of one channel.
WIDTH = 64
#: By side of the image: channels, kernel and stride of each convolution.
CONVOLUTIONS = MappingProxyType(
    {
        8: ((16, 3, 1), (24, 3, 2)),
        28: ((8, 5, 2), (16, 3, 2), (24, 3, 2)),
        32: ((8, 5, 2), (16, 3, 2), (24, 3, 2)),
    }
)
SIDES = tuple(CONVOLUTIONS)
#: What the JSON beside the weights has besides the fields of every result.
FIELDS = (*results.FIELDS, "side", "sha256", "accuracy", "train", "held_out", "command")
ADAM = Optimiser("adam", Schedule(2e-3, 2e-5, "cosine"), beta1=0.9, beta2=0.999)
#: Planes that go through the network at a time: more of them no longer fit into the caches.
PART = 500


class ClassifierError(ValueError):
    """There is no classifier for a size, or its files are missing, damaged or do not belong together."""


@dataclasses.dataclass(frozen=True)
class Training:
    """How a classifier is trained: cross-entropy on digits that are moved by a few pixels and made noisy.

    Args:
        data: names of ``SOURCES``, each of which gives an equal part of every batch.
        steps, batch: updates, and digits in each, drawn with replacement.
        shift: largest move along each axis, in pixels; what moves in is background.
        noise: standard deviation of the noise on every pixel.
        optimiser: Adam, fading by a cosine.
    """

    data: tuple[str, ...]
    steps: int
    batch: int = 128
    shift: int = 2
    noise: float = 0.3
    optimiser: Optimiser = ADAM


#: By data set, what is split and which share of it is held out, stratified, by seed 0.  Of ``digits`` and ``mnist_5k``
#: these are its train and test parts; of MNIST the 10,000 test images, which are what is at hand most widely.
SOURCES = MappingProxyType({"digits": ("all", 0.5), "mnist_5k": ("all", 0.2), "mnist": ("test", 0.2)})
#: Data sets that are a part of another one: who knows that one's digits knows theirs.
PART_OF = MappingProxyType({"mnist_5k": "mnist"})
#: By side.  Digits shrunk to 8x8 pixels from 28x28 keep a margin that those of 8x8 lack, and a network this small
#: reads one kind or the other; the larger ones read both.
TRAININGS = MappingProxyType(
    {
        8: Training(("digits",), 4000, shift=1),
        28: Training(("digits", "mnist"), 5000),
        32: Training(("digits", "mnist"), 5000),
    }
)


def digit_network(side: int) -> Blueprint:
    """Layers of the digit classifier for a side of ``SIDES``: convolutions, then two dense layers.

    Raises:
        ClassifierError: another side.
    """
    shape: tuple[int, ...] = (check_side(side), side, 1)
    layers: list[Layer] = []
    for number, (channels, kernel, stride) in enumerate(CONVOLUTIONS[side], 1):
        layers += [
            Conv2D(f"conv_{number}", shape[-1], channels, kernel, stride),
            Activation(f"activation_{number}", "leaky_relu"),
        ]
        shape = layers[-2].output_shape(shape)
    layers += [
        Flatten("flatten_1"),
        Dense("dense_1", math.prod(shape), WIDTH),
        Activation(f"activation_{len(CONVOLUTIONS[side]) + 1}", "leaky_relu"),
        Dense("dense_2", WIDTH, CLASSES),
    ]
    return Blueprint(tuple(layers), (side, side, 1), (CLASSES,))


def check_side(side: int) -> int:
    """Return ``side`` if there is a classifier for images of that side.

    Raises:
        ClassifierError: there is none; names those that there are.
    """
    if side not in SIDES:
        raise ClassifierError(
            f"side is {side!r}; accepted: {', '.join(map(str, SIDES))}, the sides in pixels that a "
            "digit classifier was trained for"
        )
    return side


def load_weights(side: int, folder: str | Path | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the weights of a classifier and make sure that they are the recorded ones.

    Args:
        side: of the image in pixels, one of ``SIDES``.
        folder: where ``classifier_SIDE.safetensors`` and its JSON lie; None means the project's ``results``.

    Returns:
        arrays by canonical name, and the record beside them with ``accuracy``, ``sha256``, ``recipe`` and the rest.

    Raises:
        ClassifierError: another side, or a file that is missing, damaged or not the recorded one.
        ResultError: the record is missing or lacks a field.
    """
    path = (Path(folder) if folder else results.results_folder()) / f"classifier_{check_side(side)}.safetensors"
    record = results.read_result(path.with_suffix(".json"), FIELDS)
    make = f"python -m ganbook classifier --side {side}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ClassifierError(
            f"{path} cannot be read ({error.strerror}); accepted: the file that {make} writes"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != record["sha256"]:
        raise ClassifierError(
            f"{path} is not the file that its JSON records: its SHA-256 is {found} instead of "
            f"{record['sha256']}; fetch both again, or make both by {make}"
        )
    return safetensors.numpy.load(content), record


class Classifier:
    """A digit classifier at work; a framework's subclass does the arithmetic.

    Args:
        side: of the images in pixels, one of ``SIDES``.
        arrays: the weights by canonical name; None takes the fixed ones.

    Attributes:
        network: the subclass's network with the weights.
        record: where the fixed weights come from, with their ``accuracy``; empty for others.

    Raises:
        ClassifierError: another side, or files that are missing or damaged.
    """

    network: Any

    def __init__(self, side: int, arrays: Mapping[str, np.ndarray] | None) -> None:
        self.side = check_side(side)
        self.record: dict[str, Any] = {}
        if arrays is None:
            arrays, self.record = load_weights(side)
        self.arrays = dict(arrays)

    def features(self, images: np.ndarray) -> np.ndarray:
        """The activations before the last layer, channel after channel.

        Args:
            images: shape (N, side, side, C), values in [-1, 1].

        Returns:
            shape (N, 64 C).

        Raises:
            ValueError: images of another shape, or a value outside the range.
        """
        return self._read(images, 0).reshape(len(images), -1)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """The logit of every digit in every channel, shape (N, C, 10), of images as of :meth:`features`."""
        return self._read(images, 1).reshape(len(images), -1, CLASSES)

    def digits(self, images: np.ndarray) -> np.ndarray:
        """The digit with the largest logit in every channel: int64, shape (N, C), of images as of :meth:`features`."""
        return self.logits(images).argmax(-1)

    def accuracy(self, images: Images) -> float:
        """The share of single-channel digits that are named rightly, in [0, 1]."""
        return float((self.digits(images.images)[:, 0] == images.labels).mean())

    def _read(self, images: np.ndarray, which: int) -> np.ndarray:
        """Features or logits of every channel of every image: shape (N C, 64) or (N C, 10)."""
        planes = planes_of(images, (self.side, self.side))
        return np.concatenate(
            [self.activations(part)[which] for part in np.array_split(planes, math.ceil(len(planes) / PART))]
        )

    def activations(self, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, 64) and logits (N, 10) of single-channel images (N, side, side, 1), in NumPy."""
        raise NotImplementedError

    def step(self, planes: np.ndarray, targets: np.ndarray, learning_rate: float, t: int) -> float:
        """Make the t-th update, t from 1, on images and their digits as rows of zeros and a one; the loss before it."""
        raise NotImplementedError


def held_out_split(name: str, side: int) -> tuple[Images, Images]:
    """The digits of one data set to learn from, and those that are held out.

    Args:
        name: one of ``SOURCES``.
        side: to resize them to, in pixels.

    Raises:
        ValueError: another name.
        DataError: the data are not at hand; the message says what to do.
    """
    split, share = SOURCES[check_choice("data", name, tuple(SOURCES))]
    return data.load(name, split=split, size=side).split(share, np.random.default_rng(0))


def _batch(plan: Training, parts: list[Images], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images as the network is to see them, and their digits as rows of zeros and a one."""
    chosen = [part.take(rng.integers(len(part), size=plan.batch // len(parts))) for part in parts]
    planes = _varied(np.concatenate([part.images for part in chosen]), plan.shift, plan.noise, rng)
    return planes, np.eye(CLASSES, dtype=np.float32)[np.concatenate([part.labels for part in chosen])]


def _accuracy(reader: Classifier, parts: Mapping[str, tuple[Images, Images]]) -> dict[str, float]:
    return {name: reader.accuracy(held_out) for name, (_, held_out) in parts.items()}


def _in_unit(reader: Classifier, images: np.ndarray) -> dict[str, np.ndarray]:
    r"""The weights of a classifier whose features have the mean square 1 over some images, and the same logits.

    .. math:: f(x) W_3 = \frac{f(x)}{c}\, (c\,W_3), \qquad \frac{f}{c} = a\Bigl(\frac{h W_2 + b_2}{c}\Bigr)

    since the activation a is leaky ReLU, which any factor above 0 goes through.
    """
    c = math.sqrt(np.mean(reader.features(images).astype(np.float64) ** 2))
    factors = {"dense_1.weight": 1 / c, "dense_1.bias": 1 / c, "dense_2.weight": c}
    weights = reader.network.export()
    return {name: (array * factors.get(name, 1.0)).astype(np.float32) for name, array in weights.items()}


def _varied(images: np.ndarray, shift: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Images that are moved by up to ``shift`` pixels along each axis, onto background, and made noisy: float32."""
    n, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)), constant_values=-1)
    top, left = rng.integers(2 * shift + 1, size=(2, n))
    rows, columns = top[:, None] + np.arange(height), left[:, None] + np.arange(width)
    moved = padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return np.clip(moved + noise * rng.standard_normal(moved.shape), -1, 1).astype(np.float32)


def make_classifier(
    side: int,
    framework: str = "pytorch",
    *,
    seed: int = 0,
    steps: int | None = None,
    out: str | Path = "results",
    device: str | None = None,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train a classifier from new weights and write them and their record.

    Args:
        side: of the image in pixels, one of ``SIDES``.
        framework: ``pytorch`` or ``tensorflow``.
        seed: of weights, batches, moves and noise.
        steps: updates; None means those of ``TRAININGS``.
        out: folder of ``classifier_SIDE.safetensors`` and ``classifier_SIDE.json``.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if there is one.
        report: gets a line at every tenth of the way.

    Returns:
        The record, as :func:`load_weights` reads it.

    Raises:
        ValueError: an argument outside its range.
        DataError: the data are not at hand; nothing is written.
    """
    started = time.perf_counter()
    plan = TRAININGS[check_side(side)]
    plan = dataclasses.replace(plan, steps=plan.steps if steps is None else check_int("steps", steps, 1))
    rng = np.random.default_rng(check_int("seed", seed, 0))
    parts = {name: held_out_split(name, side) for name in plan.data}
    known = [train for train, _ in parts.values()]
    reader = twin("ganbook.tuning.metrics.features", framework).DigitClassifier(
        side, "float32", device, initial_arrays(digit_network(side).layers, rng)
    )
    for t in range(1, plan.steps + 1):
        loss = reader.step(*_batch(plan, known, rng), plan.optimiser.learning_rate.value(t - 1, plan.steps), t)
        if t % max(1, plan.steps // 10) == 0:
            right = ", ".join(f"{name} {share:.2%}" for name, share in _accuracy(reader, parts).items())
            report(f"step {t:,} of {plan.steps:,}: loss {loss:.4f}; held-out digits read rightly: {right}")
    content = safetensors.numpy.save(_in_unit(reader, np.concatenate([train.images for train in known])))
    record = {
        "experiment": "classifier",
        "framework": framework,
        "recipe": dataclasses.asdict(plan),
        "seed": seed,
        **results.provenance(framework),
        "seconds": round(time.perf_counter() - started, 1),
        "side": side,
        "sha256": hashlib.sha256(content).hexdigest(),
        "accuracy": _accuracy(reader, parts),
        "train": {name: len(train) for name, (train, _) in parts.items()},
        "held_out": {name: len(held_out) for name, (_, held_out) in parts.items()},
        "command": f"python -m ganbook classifier --side {side} --framework {framework} --seed {seed} "
        f"--steps {plan.steps}",
    }
    path = Path(out) / f"classifier_{side}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    results.write_result(path.with_suffix(".json"), record, FIELDS)
    return record

"""What every network can be told, and how its layers are stacked.

Explained in the book's section "Layers".
"""

from __future__ import annotations

import dataclasses
from typing import Any

from ganbook.data.recipe import check_choice, check_int, check_range, plain
from ganbook.tensors.blueprints import Blueprint
from ganbook.tensors.layers import (
    ACTIVATIONS,
    INITIALISERS,
    PADDINGS,
    PREFIXES,
    Activation,
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    Pack,
    Reshape,
    Shape,
)

Padding = str | int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What every kind of network can be told.

    Args:
        activation: of the hidden layers, one of ``ACTIVATIONS``.
        slope: of leaky_relu below zero, in [0, 1).
        batch_norm: True for every hidden layer, False for none, or the numbers of those that have it, from 1.
        epsilon: added to batch norm's variance, above 0.
        momentum: the share of the old moving mean and variance that a training pass keeps, in [0, 1).
        dropout: share of hidden activations set to zero while training, in [0, 1).
        bias: whether linear layers have a bias; one that batch norm follows never has.
        initialiser: "normal" (standard deviation 0.02), "he", "glorot" or "lecun".
        last_gain: factor on the last linear layer's initial weight, at least 0.

    Raises:
        ValueError: a setting outside its range; names it, what came and what is accepted.
    """

    activation: str = "leaky_relu"
    slope: float = 0.2
    batch_norm: bool | Shape = False
    epsilon: float = 1e-5
    momentum: float = 0.9
    dropout: float = 0.0
    bias: bool = True
    initialiser: str = "he"
    last_gain: float = 1.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("initialiser", self.initialiser, INITIALISERS)
        for name in ("slope", "dropout", "momentum"):
            if check_range(name, getattr(self, name), 0.0, 1.0) == 1.0:
                raise ValueError(f"{name} is 1.0; accepted: a number at least 0 and below 1")
        check_range("epsilon", self.epsilon, 0.0, open_low=True)
        check_range("last_gain", self.last_gain, 0.0)
        _check_flag("bias", self.bias)

    def blueprint(self) -> Blueprint:
        """The layers in order, and the shapes at both ends."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorSettings(Settings):
    """What every generator can be told besides.

    Args:
        latent: length of the noise vector.
        shape: of one output.
        output_activation: of the last layer, one of ``ACTIVATIONS`` or None; tanh keeps images in [-1, 1].
    """

    latent: int
    shape: Shape
    output_activation: str | None = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("latent", self.latent, 1)
        if self.output_activation is not None:
            check_choice("output_activation", self.output_activation, ACTIVATIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiscriminatorSettings(Settings):
    """What every discriminator can be told besides.

    Args:
        shape: of one input.
        spectral_norm: divide every weight by a running estimate of its largest singular value.
        packing: examples that are judged together, at least 1: N of them get N / packing logits.
    """

    shape: Shape
    spectral_norm: bool = False
    packing: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_flag("spectral_norm", self.spectral_norm)
        check_int("packing", self.packing, 1)


class Stack:
    """Layers being stacked: numbers them per kind and keeps the shape that comes out last."""

    def __init__(self, settings: Settings, input_shape: Shape, hidden: int) -> None:
        which = settings.batch_norm
        if isinstance(which, bool):
            which = tuple(range(1, hidden + 1)) if which else ()
        elif not isinstance(which, tuple) or not set(which) <= set(range(1, hidden + 1)):
            raise ValueError(
                f"batch_norm is {which!r}; accepted: True, False, or numbers of hidden layers, 1 to {hidden}"
            )
        self.settings, self.normalised = settings, which
        self.input_shape = self.shape = input_shape
        self.layers: list[Layer] = []
        if isinstance(settings, DiscriminatorSettings) and settings.packing > 1:
            self.add(Pack, examples=settings.packing)

    def add(self, kind: type[Layer], **fields: Any) -> None:
        number = 1 + sum(type(layer) is kind for layer in self.layers)
        layer = kind(name=f"{PREFIXES[kind]}_{number}", **fields)
        self.shape = layer.output_shape(self.shape)
        self.layers.append(layer)

    def linear(self, kind: type[Layer], outputs: int, bias: bool, **fields: Any) -> None:
        """A layer with a weight, its initialiser and its number of inputs filled in."""
        if isinstance(self.settings, DiscriminatorSettings):
            fields["spectral_norm"] = self.settings.spectral_norm
        self.add(
            kind, inputs=self.shape[-1], outputs=outputs, bias=bias, initialiser=self.settings.initialiser, **fields
        )

    def biased(self, number: int) -> bool:
        """Whether hidden layer ``number`` has a bias: batch norm takes away the mean, and any bias with it."""
        return self.settings.bias and number not in self.normalised

    def hidden(self, number: int, kind: type[Layer], outputs: int, **fields: Any) -> None:
        """Hidden layer ``number``: a linear map and what follows it."""
        self.linear(kind, outputs, self.biased(number), **fields)
        self.after(number)

    def dense(self, hidden: Shape, first: int = 1) -> None:
        """Hidden dense layers, the first of them hidden layer ``first``."""
        for number, units in enumerate(hidden, first):
            self.hidden(number, Dense, units)

    def after(self, number: int) -> None:
        """Batch norm, activation and dropout of hidden layer ``number``."""
        settings = self.settings
        if number in self.normalised:
            self.add(BatchNorm, channels=self.shape[-1], epsilon=settings.epsilon, momentum=settings.momentum)
        self.add(Activation, function=settings.activation, slope=settings.slope)
        if settings.dropout:
            self.add(Dropout, rate=settings.dropout)

    def last(self, kind: type[Layer], outputs: int, **fields: Any) -> None:
        """The last linear layer."""
        self.linear(kind, outputs, self.settings.bias, gain=self.settings.last_gain, **fields)

    def generated(self) -> Blueprint:
        """The whole generator: what is stacked, and its output activation."""
        assert isinstance(self.settings, GeneratorSettings)
        if self.settings.output_activation is not None:
            self.add(Activation, function=self.settings.output_activation, slope=self.settings.slope)
        return self._blueprint()

    def judged(self) -> Blueprint:
        """The whole discriminator: what is stacked, and one logit."""
        self.last(Dense, 1)
        self.add(Reshape, shape=())
        return self._blueprint()

    def _blueprint(self) -> Blueprint:
        return Blueprint(tuple(self.layers), self.input_shape, self.shape)


def _check_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; accepted: True or False")


def numbers(name: str, value: Any) -> Shape:
    """Return ``value`` if it is a sequence of whole numbers of at least 1."""
    if not isinstance(value, tuple):
        raise ValueError(f"{name} is {value!r}; accepted: a sequence of whole numbers of at least 1")
    return tuple(check_int(name, n, 1) for n in value)


def one_each(name: str, value: Any, count: int) -> tuple[Any, ...]:
    """One value per layer from one value for all, or from a sequence of the right length."""
    values = value if isinstance(value, tuple) else (value,) * count
    if len(values) != count:
        raise ValueError(f"{name} is {value!r}; accepted: one value, or {count} of them, one per convolution")
    return values


def paddings(value: Padding | tuple[Padding, ...], count: int) -> tuple[Padding, ...]:
    """The padding of each of so many convolutions."""
    return tuple(
        check_choice("padding", each, PADDINGS) if isinstance(each, str) else check_int("padding", each, 0)
        for each in one_each("padding", value, count)
    )


def image_shape(shape: Any, points: bool = False) -> Shape:
    """Return ``shape`` if it is that of images, or of points where these are accepted too."""
    sides = numbers("shape", shape)
    if len(sides) != 3 and not (points and len(sides) == 1):
        accepted = "(height, width, channels)" + (", or (n,) for points" if points else "")
        raise ValueError(f"shape is {shape!r}; accepted: {accepted}")
    return sides


def square_shape(shape: Any) -> Shape:
    """Return ``shape`` if it is that of square images whose side 4 divides."""
    sides = numbers("shape", shape)
    if len(sides) != 3 or any(n % 4 for n in sides[:2]) or sides[0] != sides[1]:
        raise ValueError(
            f"shape is {shape!r}; accepted: (height, width, channels), height equal to width and divisible by 4"
        )
    return sides

"""Which layers a network has: the one place for its shape, its settings and their defaults.

A *layer* here is a frozen description: a name, numbers and nothing else.  The twins turn each description into a
native layer; the NumPy oracle reads the same description.  Shapes are written without the batch axis and with
channels last, (height, width, channels), in every module of this package.

Explained in the book's section "Layers".
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ganbook.data.recipe import in_range, one_of, plain, whole

Shape = tuple[int, ...]

ACTIVATIONS = ("leaky_relu", "relu", "elu", "tanh", "sigmoid")
INITIALISERS = ("normal", "he", "glorot", "lecun")
PADDINGS = ("same", "valid")


def padding_before_after(size: int, kernel: int, stride: int, padding: str | int) -> tuple[int, int]:
    """Zeros that a convolution puts before and after one axis.

    For ``same`` the output has :math:`\\lceil n / s \\rceil` places, and of the
    :math:`\\max((\\lceil n/s \\rceil - 1) s + k - n, 0)` zeros the odd one comes after, which is TensorFlow's rule.

    Args:
        size: length n of the axis.
        kernel: length k of the kernel.
        stride: stride s.
        padding: "same", "valid" or a whole number for both sides.

    Returns:
        The number of zeros before and after.
    """
    if padding == "valid":
        return 0, 0
    if padding != "same":
        return padding, padding
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def crop_before_after(kernel: int, stride: int, padding: str | int) -> tuple[int, int]:
    """Places that a transposed convolution cuts off before and after one axis of its full output.

    The full output has :math:`(n - 1) s + k` places.  A transposed convolution undoes the padding of the
    convolution that it is the transpose of, so ``same`` leaves :math:`n s` places.

    Args:
        kernel: length k of the kernel; at least the stride for "same".
        stride: stride s.
        padding: "same", "valid" or a whole number for both sides.

    Returns:
        The number of places cut before and after.
    """
    return padding_before_after(stride, kernel, stride, padding)


@dataclasses.dataclass(frozen=True)
class Layer:
    """What every layer has: a name, an output shape, tensors and a cost.

    Args:
        name: unique within a network; the prefix of the names of its tensors.
    """

    name: str

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output for one input, without the batch axis."""
        return input_shape

    def trainable_shapes(self) -> dict[str, Shape]:
        """Shapes of the tensors that training changes, by suffix, in the canonical layout."""
        return {}

    def moving_shapes(self) -> dict[str, Shape]:
        """Shapes of the tensors that a training forward pass renews, by suffix."""
        return {}

    def flops(self, input_shape: Shape) -> int:
        """Floating-point operations of one input's forward pass in matrix products and convolutions."""
        return 0


def _linear_shapes(layer: Any, weight: Shape) -> dict[str, Shape]:
    return {"weight": weight} | ({"bias": (layer.outputs,)} if layer.bias else {})


@dataclasses.dataclass(frozen=True)
class Dense(Layer):
    """A matrix product and a bias.

    .. math:: y = x W + b

    Args:
        inputs, outputs: length of x and of y.  The canonical weight has shape (inputs, outputs).
        bias: whether b is there.
        initialiser: one of ``INITIALISERS``.
        gain: factor on the initial weight.
        spectral_norm: divide the weight by an estimate of its largest singular value.
    """

    inputs: int
    outputs: int
    bias: bool = True
    initialiser: str = "he"
    gain: float = 1.0
    spectral_norm: bool = False

    def output_shape(self, input_shape: Shape) -> Shape:
        """One row of outputs."""
        return (self.outputs,)

    def trainable_shapes(self) -> dict[str, Shape]:
        """Weight, and bias if there is one."""
        return _linear_shapes(self, (self.inputs, self.outputs))

    def moving_shapes(self) -> dict[str, Shape]:
        """Spectral norm's left vector u, if it is asked for."""
        return {"u": (self.outputs,)} if self.spectral_norm else {}

    def fans(self) -> tuple[int, int]:
        """Numbers of terms per output and of outputs per input: inputs and outputs."""
        return self.inputs, self.outputs

    def flops(self, input_shape: Shape) -> int:
        """Two per weight."""
        return 2 * self.inputs * self.outputs


@dataclasses.dataclass(frozen=True)
class Conv2D(Layer):
    """A convolution (a cross-correlation: the kernel is not flipped) and a bias.

    .. math:: y_{ijo} = b_o + \\sum_{abc} x_{si + a - p,\\, sj + b - p,\\, c}\\, W_{abco}

    Args:
        inputs, outputs: channels of x and of y.  The canonical weight has shape (kernel, kernel, inputs, outputs).
        kernel, stride: side k of the kernel and step s, in pixels.
        padding: "same", "valid" or a whole number p of zeros on every side.
        bias, initialiser, gain, spectral_norm: as in :class:`Dense`.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: str | int = "same"
    bias: bool = True
    initialiser: str = "he"
    gain: float = 1.0
    spectral_norm: bool = False

    def output_shape(self, input_shape: Shape) -> Shape:
        """Fewer or as many pixels, ``outputs`` channels."""
        sides = []
        for size in input_shape[:2]:
            padded = size + sum(padding_before_after(size, self.kernel, self.stride, self.padding))
            if padded < self.kernel:
                raise ValueError(f"kernel is {self.kernel}; accepted: at most {padded}, the padded side of the input "
                                 f"of {self.name}")
            sides.append((padded - self.kernel) // self.stride + 1)
        return (*sides, self.outputs)

    def trainable_shapes(self) -> dict[str, Shape]:
        """Weight, and bias if there is one."""
        return _linear_shapes(self, (self.kernel, self.kernel, self.inputs, self.outputs))

    def moving_shapes(self) -> dict[str, Shape]:
        """Spectral norm's left vector u, if it is asked for."""
        return {"u": (self.outputs,)} if self.spectral_norm else {}

    def fans(self) -> tuple[int, int]:
        """Numbers of terms per output and of outputs per input at stride 1: k k inputs and k k outputs."""
        return self.kernel**2 * self.inputs, self.kernel**2 * self.outputs

    def flops(self, input_shape: Shape) -> int:
        """Two per weight and output pixel."""
        height, width, _ = self.output_shape(input_shape)
        return 2 * height * width * self.kernel**2 * self.inputs * self.outputs


@dataclasses.dataclass(frozen=True)
class ConvTranspose2D(Layer):
    """The transpose of a convolution, and a bias: every input pixel paints a kernel onto the output.

    .. math:: y_{si + a - p,\\, sj + b - p,\\, o} \\mathrel{+}= x_{ijc}\\, W_{aboc}

    Args:
        inputs, outputs: channels of x and of y.  The canonical weight has shape (kernel, kernel, outputs, inputs).
        kernel, stride: side k of the kernel and step s, in pixels; k is at least s for "same".
        padding: that of the convolution it transposes: "same", "valid" or a whole number p.
        bias, initialiser, gain: as in :class:`Dense`.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: str | int = "same"
    bias: bool = True
    initialiser: str = "he"
    gain: float = 1.0

    def output_shape(self, input_shape: Shape) -> Shape:
        """More or as many pixels, ``outputs`` channels."""
        if self.kernel < self.stride and self.padding == "same":
            raise ValueError(f"kernel is {self.kernel}; accepted for {self.name} with padding 'same': at least the "
                             f"stride, {self.stride}")
        crop = sum(crop_before_after(self.kernel, self.stride, self.padding))
        sides = [(size - 1) * self.stride + self.kernel - crop for size in input_shape[:2]]
        if min(sides) < 1:
            raise ValueError(f"padding is {self.padding!r}; accepted for {self.name}: less, since it leaves no pixel")
        return (*sides, self.outputs)

    def trainable_shapes(self) -> dict[str, Shape]:
        """Weight, and bias if there is one."""
        return _linear_shapes(self, (self.kernel, self.kernel, self.outputs, self.inputs))

    def fans(self) -> tuple[int, int]:
        """Numbers of terms per output and of outputs per input at stride 1: k k inputs and k k outputs."""
        return self.kernel**2 * self.inputs, self.kernel**2 * self.outputs

    def flops(self, input_shape: Shape) -> int:
        """Two per weight and input pixel."""
        height, width, _ = input_shape
        return 2 * height * width * self.kernel**2 * self.inputs * self.outputs


@dataclasses.dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation over all axes but the last.

    .. math::
        y = \\gamma \\frac{x - \\mu}{\\sqrt{\\sigma^2 + \\epsilon}} + \\beta, \\qquad
        \\mathrm{moving} \\leftarrow m\\, \\mathrm{moving} + (1 - m)\\, \\mathrm{batch}

    with the batch's mean and biased variance (divided by the count n, not n - 1) while training, the moving ones
    otherwise.  The moving variance too is the biased one.

    Args:
        channels: length of the last axis.
        epsilon: added to the variance.
        momentum: the share m of the old moving value that is kept.

    Reference: Ioffe and Szegedy, Batch Normalization, ICML 2015, algorithm 1, arXiv:1502.03167.
    """

    channels: int
    epsilon: float = 1e-5
    momentum: float = 0.9

    def trainable_shapes(self) -> dict[str, Shape]:
        """Scale and shift."""
        return {"gamma": (self.channels,), "beta": (self.channels,)}

    def moving_shapes(self) -> dict[str, Shape]:
        """Mean and biased variance."""
        return {"moving_mean": (self.channels,), "moving_variance": (self.channels,)}


@dataclasses.dataclass(frozen=True)
class Activation(Layer):
    """A function of each element: leaky_relu, relu, elu, tanh or sigmoid.

    .. math::
        \\mathrm{leaky\\_relu}(x) = \\max(x, s x), \\quad
        \\mathrm{elu}(x) = x \\text{ if } x > 0 \\text{ else } e^x - 1

    Args:
        function: one of ``ACTIVATIONS``.
        slope: s of leaky_relu, in [0, 1); the others ignore it.
    """

    function: str
    slope: float = 0.2


@dataclasses.dataclass(frozen=True)
class Dropout(Layer):
    """Multiplication by a mask of zeros and ones, divided by the share that is kept, while training.

    .. math:: y = x\\, m / (1 - r), \\qquad m \\in \\{0, 1\\}, \\quad P(m = 0) = r

    Args:
        rate: the share r of zeros, in (0, 1).

    Reference: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout, JMLR 15, 2014, section 4.
    """

    rate: float


@dataclasses.dataclass(frozen=True)
class Reshape(Layer):
    """A new shape for the same numbers, in the order (height, width, channels).

    Args:
        shape: the new shape without the batch axis; () leaves the batch axis alone.
    """

    shape: Shape

    def output_shape(self, input_shape: Shape) -> Shape:
        """The new shape."""
        return self.shape


@dataclasses.dataclass(frozen=True)
class Flatten(Layer):
    """All numbers of one input in one row, in the order (height, width, channels)."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """One row."""
        return (math.prod(input_shape),)


@dataclasses.dataclass(frozen=True)
class PixelShuffle(Layer):
    """Channels become pixels: r r C channels at one place become C channels on r x r places.

    .. math:: y_{ri + a,\\, rj + b,\\, c} = x_{i,\\, j,\\, (ra + b) C + c}

    This is the order of TensorFlow's depth_to_space; PyTorch's pixel_shuffle puts c first.

    Args:
        factor: r.

    Reference: Shi et al., Real-Time Single Image and Video Super-Resolution, CVPR 2016, equation 4, arXiv:1609.05158.
    """

    factor: int = 2

    def output_shape(self, input_shape: Shape) -> Shape:
        """Sides times r, channels divided by r r."""
        height, width, channels = input_shape
        return height * self.factor, width * self.factor, channels // self.factor**2


@dataclasses.dataclass(frozen=True)
class Pack(Layer):
    """Every m consecutive examples of a batch become one, their channels side by side.

    .. math:: y_{n,\\, i,\\, j,\\, kC + c} = x_{nm + k,\\, i,\\, j,\\, c}, \\qquad k = 0, \\dots, m - 1

    A batch (N, height, width, C) becomes (N/m, height, width, mC), and points (N, n) become (N/m, mn).  It is the only
    layer that changes the number of examples, so it comes first.

    Args:
        examples: m, at least 1; it divides the batch.

    Reference: Lin, Khetan, Fanti and Oh, PacGAN, NeurIPS 2018, section 3, arXiv:1712.04086.
    """

    examples: int

    def output_shape(self, input_shape: Shape) -> Shape:
        """As many pixels, m times the channels."""
        return (*input_shape[:-1], self.examples * input_shape[-1])


PREFIXES = {Dense: "dense", Conv2D: "conv", ConvTranspose2D: "conv_transpose", BatchNorm: "batch_norm",
            Activation: "activation", Dropout: "dropout", Reshape: "reshape", Flatten: "flatten",
            PixelShuffle: "pixel_shuffle", Pack: "pack"}


@dataclasses.dataclass(frozen=True)
class Blueprint:
    """A whole network: its layers in order and the shapes at both ends.

    Args:
        layers: the layers, first to last.
        input_shape, output_shape: without the batch axis; (latent,) or (height, width, channels), and () for logits.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape
    output_shape: Shape


def trainable_shapes(layers: Iterable[Layer]) -> dict[str, Shape]:
    """Canonical names and shapes of every tensor that training changes, in the order of the layers."""
    return {f"{layer.name}.{suffix}": shape for layer in layers for suffix, shape in layer.trainable_shapes().items()}


def moving_shapes(layers: Iterable[Layer]) -> dict[str, Shape]:
    """Canonical names and shapes of every moving tensor, in the order of the layers."""
    return {f"{layer.name}.{suffix}": shape for layer in layers for suffix, shape in layer.moving_shapes().items()}


def packing(layers: Iterable[Layer]) -> int:
    """How many examples the layers judge together: 1, unless they begin with a :class:`Pack`."""
    examples = 1
    for layer in layers:  # a plain loop, which PyTorch's compiler can read
        if isinstance(layer, Pack):
            examples *= layer.examples
    return examples


def check_packs(layers: Iterable[Layer], batch: int) -> None:
    """Check that a batch splits into whole packs.

    Raises:
        ValueError: it does not; names both numbers.
    """
    examples = packing(layers)
    if batch % examples:
        raise ValueError(f"batch is {batch}; accepted with packing {examples}: a multiple of {examples}")


def mask_shapes(layers: Iterable[Layer], input_shape: Shape, batch: int) -> dict[str, Shape]:
    """Name and shape (batch, ...) of the mask that each dropout layer needs while training; (batch/m, ...) after Pack.

    Raises:
        ValueError: a batch that does not split into whole packs.
    """
    check_packs(layers, batch)
    shapes, shape = {}, input_shape
    for layer in layers:
        batch //= packing((layer,))
        if isinstance(layer, Dropout):
            shapes[layer.name] = (batch, *shape)
        shape = layer.output_shape(shape)
    return shapes


def summary(layers: Iterable[Layer], input_shape: Shape) -> str:
    """A table of layers: name, output shape, trainable and moving parameters, floating-point operations.

    A multiplication and an addition count as two operations; only matrix products and convolutions are counted,
    for one input, or for one pack of inputs.

    Args:
        layers: the layers, first to last.
        input_shape: shape of one input.

    Returns:
        The table as text, a line per layer and one for the sum.
    """
    rows, sums, shape = [], [0, 0, 0], input_shape
    for layer in layers:
        numbers = [sum(math.prod(s) for s in layer.trainable_shapes().values()),
                   sum(math.prod(s) for s in layer.moving_shapes().values()), layer.flops(shape)]
        sums = [a + b for a, b in zip(sums, numbers, strict=True)]
        shape = layer.output_shape(shape)
        rows.append([layer.name, _shape_text(shape), *(f"{n:,}" for n in numbers)])
    table = [["layer", "output shape", "trainable", "moving", "FLOPs"],
             ["input", _shape_text(input_shape), "", "", ""], *rows, ["total", "", *(f"{n:,}" for n in sums)]]
    widths = [max(len(row[i]) for row in table) for i in range(5)]
    lines = ["  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in
                       enumerate(zip(row, widths, strict=True))).rstrip() for row in table]
    rule = "-" * (sum(widths) + 8)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _shape_text(shape: Shape) -> str:
    return " x ".join(str(n) for n in shape) if shape else "logit"


class _Stack:
    """Layers being stacked: numbers them per kind and keeps the shape that comes out last."""

    def __init__(self, input_shape: Shape, common: Mapping[str, Any]) -> None:
        self.input_shape = self.shape = input_shape
        self.layers: list[Layer] = []
        self.common = common

    def add(self, kind: type[Layer], **fields: Any) -> None:
        number = 1 + sum(type(layer) is kind for layer in self.layers)
        layer = kind(name=f"{PREFIXES[kind]}_{number}", **fields)
        self.shape = layer.output_shape(self.shape)
        self.layers.append(layer)

    def linear(self, kind: type[Layer], outputs: int, bias: bool, **fields: Any) -> None:
        """A layer with a weight, its initialiser and its number of inputs filled in."""
        if kind is not ConvTranspose2D:
            fields["spectral_norm"] = self.common.get("spectral_norm", False)
        self.add(kind, inputs=self.shape[-1], outputs=outputs, bias=bias,
                 initialiser=self.common["initialiser"], **fields)

    def biased(self, number: int) -> bool:
        """Whether hidden layer ``number`` has a bias: batch norm takes away the mean, and any bias with it."""
        return self.common["bias"] and number not in self.common["batch_norm"]

    def hidden(self, number: int, kind: type[Layer], outputs: int, **fields: Any) -> None:
        """Hidden layer ``number``: a linear map and what follows it."""
        self.linear(kind, outputs, bias=self.biased(number), **fields)
        self.after(number)

    def after(self, number: int) -> None:
        """Batch norm, activation and dropout of hidden layer ``number``, as the settings say."""
        common = self.common
        if number in common["batch_norm"]:
            self.add(BatchNorm, channels=self.shape[-1], epsilon=common["epsilon"], momentum=common["momentum"])
        self.add(Activation, function=common["activation"], slope=common["slope"])
        if common["dropout"]:
            self.add(Dropout, rate=common["dropout"])

    def pack(self) -> None:
        """Join the examples that a discriminator judges together, if it judges more than one."""
        if whole("packing", self.common["packing"], 1) > 1:
            self.add(Pack, examples=self.common["packing"])

    def flatten(self) -> None:
        if len(self.shape) > 1:
            self.add(Flatten)

    def logit(self) -> None:
        """The last layer of a discriminator: one number per input."""
        self.linear(Dense, 1, bias=self.common["bias"], gain=self.common["last_gain"])
        self.add(Reshape, shape=())

    def blueprint(self) -> Blueprint:
        return Blueprint(tuple(self.layers), self.input_shape, self.shape)


def _numbers(name: str, value: Any, low: int = 1) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)):
        raise ValueError(f"{name} is {value!r}; accepted: a sequence of whole numbers of at least {low}")
    return tuple(whole(name, n, low) for n in value)


def _each(name: str, value: Any, count: int) -> tuple[Any, ...]:
    """One value per layer from one value for all, or from a sequence of the right length."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    if len(values) != count:
        raise ValueError(f"{name} is {value!r}; accepted: one value, or {count} of them, one per convolution")
    return values


def _padding(name: str, value: str | int) -> str | int:
    return one_of(name, value, PADDINGS) if isinstance(value, str) else whole(name, value, 0)


def _flat_or_image_shape(shape: Any) -> Shape:
    sides = _numbers("shape", shape)
    if len(sides) not in (1, 3):
        raise ValueError(f"shape is {shape!r}; accepted: (height, width, channels), or (n,) for points")
    return sides


def _image_shape(shape: Any, multiple: int = 1, square: bool = False) -> Shape:
    sides = _numbers("shape", shape)
    if len(sides) != 3 or any(n % multiple for n in sides[:2]) or (square and sides[0] != sides[1]):
        wanted = "(height, width, channels)"
        if square:
            wanted += f", height equal to width and divisible by {multiple}"
        raise ValueError(f"shape is {shape!r}; accepted: {wanted}")
    return sides


def _common(settings: Mapping[str, Any], hidden: int) -> dict[str, Any]:
    """The settings that all networks share, checked; ``batch_norm`` becomes the numbers of the layers that have it."""
    common = {k: settings[k] for k in ("activation", "slope", "batch_norm", "epsilon", "momentum", "dropout", "bias",
                                       "initialiser", "last_gain")} | {"packing": settings.get("packing", 1)}
    one_of("activation", common["activation"], ACTIVATIONS)
    one_of("initialiser", common["initialiser"], INITIALISERS)
    for name, open_low in (("slope", False), ("dropout", False), ("momentum", False)):
        if in_range(name, common[name], 0.0, 1.0, open_low=open_low) == 1.0:
            raise ValueError(f"{name} is 1.0; accepted: a number at least 0 and below 1")
    in_range("epsilon", common["epsilon"], 0.0, open_low=True)
    in_range("last_gain", common["last_gain"], 0.0)
    for name in ("bias", "spectral_norm"):
        if not isinstance(settings.get(name, False), bool):
            raise ValueError(f"{name} is {settings[name]!r}; accepted: True or False")
    which = common["batch_norm"]
    if isinstance(which, bool):
        which = range(1, hidden + 1) if which else ()
    elif not isinstance(which, (tuple, list)) or not set(which) <= set(range(1, hidden + 1)):
        raise ValueError(f"batch_norm is {which!r}; accepted: True, False, or numbers of hidden layers, 1 to {hidden}")
    return common | {"batch_norm": tuple(which), "spectral_norm": settings.get("spectral_norm", False)}


def _output(stack: _Stack, output_activation: str | None) -> Blueprint:
    if output_activation is not None:
        stack.add(Activation, function=one_of("output_activation", output_activation, ACTIVATIONS),
                  slope=stack.common["slope"])
    return stack.blueprint()


_SETTINGS = """
        activation: of the hidden layers, one of ``ACTIVATIONS``.
        slope: of leaky_relu below zero, in [0, 1).{own}
        batch_norm: True for every hidden layer, False for none, or the numbers of those that have it, from 1.
        epsilon: added to batch norm's variance, above 0.
        momentum: the share of the old moving mean and variance that a training pass keeps, in [0, 1).
        dropout: share of hidden activations set to zero while training, in [0, 1).
        bias: whether linear layers have a bias; one that batch norm follows never has.
        initialiser: "normal" (standard deviation 0.02), "he", "glorot" or "lecun".
        last_gain: factor on the last linear layer's initial weight, at least 0.{more}

    Raises:
        ValueError: a setting outside its range; names it, what came and what is accepted.
    """
_OUTPUT = """
        output_activation: of the last layer, one of ``ACTIVATIONS`` or None; tanh keeps images in [-1, 1]."""
_SPECTRAL = """
        spectral_norm: divide every weight by a running estimate of its largest singular value.
        packing: examples that are judged together, at least 1: N of them get N / packing logits."""


def _generator(function: Callable[..., Blueprint]) -> Callable[..., Blueprint]:
    """Add the settings that all generators share to the docstring."""
    function.__doc__ += _SETTINGS.format(own=_OUTPUT, more="")
    return function


def _discriminator(function: Callable[..., Blueprint]) -> Callable[..., Blueprint]:
    """Add the settings that all discriminators share to the docstring."""
    function.__doc__ += _SETTINGS.format(own="", more=_SPECTRAL)
    return function


@_generator
def mlp_generator(
    *, latent: int = 32, shape: Shape = (8, 8, 1), hidden: Shape = (256, 256, 256), activation: str = "leaky_relu",
    slope: float = 0.2, output_activation: str | None = "tanh", batch_norm: bool | Shape = False,
    epsilon: float = 1e-5, momentum: float = 0.9, dropout: float = 0.0, bias: bool = True, initialiser: str = "he",
    last_gain: float = 1.0,
) -> Blueprint:
    """Layers of a generator made of dense layers.

    Args:
        latent: length of the noise vector.
        shape: of one output: (height, width, channels), or (n,) for points.
        hidden: units of each hidden layer."""
    common = _common(locals(), len(_numbers("hidden", hidden)))
    shape = _flat_or_image_shape(shape)
    stack = _Stack((whole("latent", latent, 1),), common)
    for number, units in enumerate(hidden, 1):
        stack.hidden(number, Dense, units)
    stack.linear(Dense, math.prod(shape), bias=bias, gain=last_gain)
    if len(shape) > 1:
        stack.add(Reshape, shape=shape)
    return _output(stack, output_activation)


@_discriminator
def mlp_discriminator(
    *, shape: Shape = (8, 8, 1), hidden: Shape = (256, 256, 256), activation: str = "leaky_relu", slope: float = 0.2,
    batch_norm: bool | Shape = False, epsilon: float = 1e-5, momentum: float = 0.9, dropout: float = 0.0,
    bias: bool = True, initialiser: str = "he", last_gain: float = 1.0, spectral_norm: bool = False, packing: int = 1,
) -> Blueprint:
    """Layers of a discriminator made of dense layers.

    Args:
        shape: of one input: (height, width, channels), or (n,) for points.
        hidden: units of each hidden layer."""
    common = _common(locals(), len(_numbers("hidden", hidden)))
    stack = _Stack(_flat_or_image_shape(shape), common)
    stack.pack()
    stack.flatten()
    for number, units in enumerate(hidden, 1):
        stack.hidden(number, Dense, units)
    stack.logit()
    return stack.blueprint()


@_discriminator
def conv_discriminator(
    *, shape: Shape = (28, 28, 1), channels: Shape = (32, 64), kernel: int | Shape = 5, stride: int | Shape = 2,
    padding: str | int | tuple[str | int, ...] = "same", hidden: Shape = (), activation: str = "leaky_relu",
    slope: float = 0.2, batch_norm: bool | Shape = False, epsilon: float = 1e-5, momentum: float = 0.9,
    dropout: float = 0.0, bias: bool = True, initialiser: str = "he", last_gain: float = 1.0,
    spectral_norm: bool = False, packing: int = 1,
) -> Blueprint:
    """Layers of a discriminator made of convolutions, then dense layers.

    Args:
        shape: of one input, (height, width, channels).
        channels: output channels of each convolution.
        kernel: side of the kernels, in pixels; one number or one per convolution.
        stride: step of the kernels, in pixels; one number or one per convolution.
        padding: "same", "valid" or a whole number of zeros on every side; one value or one per convolution.
        hidden: units of each hidden dense layer after the convolutions."""
    common = _common(locals(), len(_numbers("channels", channels)) + len(_numbers("hidden", hidden)))
    count = len(channels)
    kernels = _numbers("kernel", _each("kernel", kernel, count))
    strides = _numbers("stride", _each("stride", stride, count))
    paddings = tuple(_padding("padding", p) for p in _each("padding", padding, count))
    stack = _Stack(_image_shape(shape), common)
    stack.pack()
    for number, (outputs, k, s, p) in enumerate(zip(channels, kernels, strides, paddings, strict=True), 1):
        stack.hidden(number, Conv2D, outputs, kernel=k, stride=s, padding=p)
    stack.flatten()
    for number, units in enumerate(hidden, count + 1):
        stack.hidden(number, Dense, units)
    stack.logit()
    return stack.blueprint()


@_generator
def dcgan_generator(
    *, latent: int = 100, shape: Shape = (28, 28, 1), channels: Shape = (256, 128, 64), kernel: int | Shape = 5,
    padding: str | int | tuple[str | int, ...] = "same", activation: str = "leaky_relu", slope: float = 0.3,
    output_activation: str | None = "tanh", batch_norm: bool | Shape = True, epsilon: float = 1e-5,
    momentum: float = 0.9, dropout: float = 0.0, bias: bool = False, initialiser: str = "normal",
    last_gain: float = 1.0,
) -> Blueprint:
    """Layers of a generator made of a dense layer and three transposed convolutions with strides 1, 2 and 2.

    Args:
        latent: length of the noise vector.
        shape: of one output, (side, side, channels) with a side divisible by 4.
        channels: after the dense layer, the first and the second transposed convolution.
        kernel: side of the kernels, in pixels; one number or one per convolution.
        padding: of the convolutions that are transposed: "same", "valid" or a whole number; one value or one per
            convolution."""
    common = _common(locals(), 3)
    side, _, colours = _image_shape(shape, multiple=4, square=True)
    if len(_numbers("channels", channels)) != 3:
        raise ValueError(f"channels is {channels!r}; accepted: three whole numbers")
    kernels = _numbers("kernel", _each("kernel", kernel, 3))
    paddings = tuple(_padding("padding", p) for p in _each("padding", padding, 3))
    steps = [{"kernel": k, "stride": s, "padding": p} for k, s, p in zip(kernels, (1, 2, 2), paddings, strict=True)]
    stack = _Stack((whole("latent", latent, 1),), common)
    start = (side // 4, side // 4, channels[0])
    stack.hidden(1, Dense, math.prod(start))
    stack.add(Reshape, shape=start)
    stack.hidden(2, ConvTranspose2D, channels[1], **steps[0])
    stack.hidden(3, ConvTranspose2D, channels[2], **steps[1])
    stack.linear(ConvTranspose2D, colours, bias=bias, gain=last_gain, **steps[2])
    if stack.shape != tuple(shape):
        raise ValueError(f"padding is {padding!r}; accepted: one that gives shape {tuple(shape)} with kernel "
                         f"{kernel!r}, where this gives {stack.shape}")
    return _output(stack, output_activation)


@_discriminator
def dcgan_discriminator(
    *, shape: Shape = (28, 28, 1), channels: Shape = (64, 128), kernel: int | Shape = 5, stride: int | Shape = 2,
    padding: str | int | tuple[str | int, ...] = "same", activation: str = "leaky_relu", slope: float = 0.3,
    batch_norm: bool | Shape = False, epsilon: float = 1e-5, momentum: float = 0.9, dropout: float = 0.3,
    bias: bool = True, initialiser: str = "normal", last_gain: float = 1.0, spectral_norm: bool = False,
    packing: int = 1,
) -> Blueprint:
    """Layers of a discriminator made of convolutions that halve a square image, then one dense layer.

    Args:
        shape: of one input, (side, side, channels) with a side divisible by 4.
        channels: output channels of each convolution.
        kernel: side of the kernels, in pixels; one number or one per convolution.
        stride: step of the kernels, in pixels; one number or one per convolution.
        padding: "same", "valid" or a whole number of zeros on every side; one value or one per convolution."""
    _image_shape(shape, multiple=4, square=True)
    return conv_discriminator(**locals())


@_generator
def pixel_shuffle_generator(
    *, latent: int = 64, shape: Shape = (28, 28, 1), width: int = 12, kernel: int | Shape = 3,
    activation: str = "leaky_relu", slope: float = 0.2, output_activation: str | None = "tanh",
    batch_norm: bool | Shape = True, epsilon: float = 1e-5, momentum: float = 0.9, dropout: float = 0.0,
    bias: bool = True, initialiser: str = "he", last_gain: float = 1.0,
) -> Blueprint:
    """Layers of a generator that works at low resolution and turns channels into pixels twice.

    A dense layer paints side/4 x side/4 pixels of 4W channels; two stages, to 2W and W channels, each convolve to
    four times as many channels and shuffle them into twice the side; a last convolution gives the image.

    Args:
        latent: length of the noise vector.
        shape: of one output, (side, side, channels) with a side divisible by 4.
        width: channels W before the last convolution.
        kernel: side of the kernels, in pixels; one number or one per convolution."""
    common = _common(locals(), 3)
    side, _, colours = _image_shape(shape, multiple=4, square=True)
    kernels = _numbers("kernel", _each("kernel", kernel, 3))
    stack = _Stack((whole("latent", latent, 1),), common)
    start = (side // 4, side // 4, 4 * whole("width", width, 1))
    stack.linear(Dense, math.prod(start), bias=stack.biased(1))
    stack.add(Reshape, shape=start)
    stack.after(1)
    for number, channels, k in ((2, 2 * width, kernels[0]), (3, width, kernels[1])):
        stack.linear(Conv2D, 4 * channels, bias=stack.biased(number), kernel=k)
        stack.add(PixelShuffle)
        stack.after(number)
    stack.linear(Conv2D, colours, bias=bias, gain=last_gain, kernel=kernels[2])
    return _output(stack, output_activation)


def signature(architecture: Callable[..., Blueprint]) -> inspect.Signature:
    """Signature of a network class: rng, dtype and device, then every setting of its architecture by keyword."""
    first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
             for name, default in (("rng", 0), ("dtype", "float32"), ("device", None))]
    return inspect.Signature([*first, *inspect.signature(architecture).parameters.values()])


def document(architecture: Callable[..., Blueprint], doc: str) -> str:
    """Docstring of a network class: its own text, then the settings of its architecture."""
    settings = inspect.cleandoc(architecture.__doc__).split("Args:\n", 1)[1]
    return f"""{inspect.cleandoc(doc)}

Args:
    rng: seed, or NumPy generator, that draws the initial weights.
    dtype: "float32" or "float64".
    device: "cpu", "gpu" or "gpu:N"; None takes a GPU if the framework sees one.
{settings}"""


def blueprint(architecture: Callable[..., Blueprint], settings: Mapping[str, Any]) -> Blueprint:
    """Call an architecture function with settings from a recipe or from a user.

    Raises:
        ValueError: an unknown setting, or one outside its range; names it and what is accepted.
    """
    accepted = list(inspect.signature(architecture).parameters)
    for name, value in settings.items():
        if name not in accepted:
            raise ValueError(f"setting {name!r} (here {value!r}) is unknown; accepted: {', '.join(accepted)}")
    return architecture(**{name: plain(value) for name, value in settings.items()})


ARCHITECTURES = {"MLPGenerator": mlp_generator, "MLPDiscriminator": mlp_discriminator,
                 "ConvDiscriminator": conv_discriminator, "DCGANGenerator": dcgan_generator,
                 "DCGANDiscriminator": dcgan_discriminator, "PixelShuffleGenerator": pixel_shuffle_generator}

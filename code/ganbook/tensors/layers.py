"""Layers as frozen descriptions: a name, numbers and nothing else.

The twins turn each description into a native layer; the NumPy oracle reads the same description.  Shapes are written
without the batch axis and with channels last, (height, width, channels), in every module of this package.

Explained in the book's section "Layers".
"""

from __future__ import annotations

import dataclasses
import math

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

    Example:
        >>> padding_before_after(28, 5, 2, "same")  # 28 + 3 places hold 14 kernels of 5, two apart
        (1, 2)
    """
    if padding == "valid":
        return 0, 0
    if padding != "same":
        return int(padding), int(padding)
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def crop_before_after(kernel: int, stride: int, padding: str | int) -> tuple[int, int]:
    """Places that a transposed convolution cuts off before and after one axis of its full output.

    The full output has :math:`(n - 1) s + k` places.  A transposed convolution undoes the padding of the
    convolution that it is the transpose of, so ``same`` leaves :math:`n s` places.

    Args:
        kernel: length k of the kernel; at least the stride for "same".
        stride, padding: as of :func:`padding_before_after`.

    Returns:
        The number of places cut before and after.

    Example:
        >>> crop_before_after(5, 2, "same")  # 14 places paint 13 * 2 + 5 = 31; 28 are left
        (1, 2)
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


@dataclasses.dataclass(frozen=True)
class Linear(Layer):
    """What dense layers and convolutions share: a weight, a bias and their initial values.

    Args:
        inputs, outputs: numbers, or channels, of x and of y.
        bias: whether there is a bias.
        initialiser: one of ``INITIALISERS``.
        gain: factor on the initial weight.
        spectral_norm: divide the weight by an estimate of its largest singular value, for which a vector u is kept.
    """

    inputs: int
    outputs: int
    bias: bool = dataclasses.field(default=True, kw_only=True)
    initialiser: str = dataclasses.field(default="he", kw_only=True)
    gain: float = dataclasses.field(default=1.0, kw_only=True)
    spectral_norm: bool = dataclasses.field(default=False, kw_only=True)

    def weight_shape(self) -> Shape:
        """Shape of the weight in the canonical layout."""
        return self.inputs, self.outputs

    def trainable_shapes(self) -> dict[str, Shape]:
        return {"weight": self.weight_shape()} | ({"bias": (self.outputs,)} if self.bias else {})

    def moving_shapes(self) -> dict[str, Shape]:
        return {"u": (self.outputs,)} if self.spectral_norm else {}

    def fans(self) -> tuple[int, int]:
        """Numbers of terms per output and of outputs per input, both at stride 1."""
        kernel = math.prod(self.weight_shape()) // (self.inputs * self.outputs)
        return kernel * self.inputs, kernel * self.outputs


@dataclasses.dataclass(frozen=True)
class Dense(Linear):
    """A matrix product and a bias.

    .. math:: y = x W + b

    The canonical weight has shape (inputs, outputs).
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        return (self.outputs,)

    def flops(self, input_shape: Shape) -> int:
        return 2 * self.inputs * self.outputs


@dataclasses.dataclass(frozen=True)
class Conv2D(Linear):
    """A convolution (a cross-correlation: the kernel is not flipped) and a bias.

    .. math:: y_{ijo} = b_o + \\sum_{abc} x_{si + a - p,\\, sj + b - p,\\, c}\\, W_{abco}

    The canonical weight has shape (kernel, kernel, inputs, outputs).

    Args:
        kernel, stride: side k of the kernel and step s, in pixels.
        padding: "same", "valid" or a whole number p of zeros on every side.
    """

    kernel: int
    stride: int = 1
    padding: str | int = "same"

    def weight_shape(self) -> Shape:
        return self.kernel, self.kernel, self.inputs, self.outputs

    def output_shape(self, input_shape: Shape) -> Shape:
        sides = []
        for size in input_shape[:2]:
            padded = size + sum(padding_before_after(size, self.kernel, self.stride, self.padding))
            if padded < self.kernel:
                raise ValueError(
                    f"kernel is {self.kernel}; accepted: at most {padded}, the padded side of the input of {self.name}"
                )
            sides.append((padded - self.kernel) // self.stride + 1)
        return (*sides, self.outputs)

    def flops(self, input_shape: Shape) -> int:
        height, width, _ = self.output_shape(input_shape)
        return 2 * height * width * math.prod(self.weight_shape())


@dataclasses.dataclass(frozen=True)
class ConvTranspose2D(Linear):
    """The transpose of a convolution, and a bias: every input pixel paints a kernel onto the output.

    .. math:: y_{si + a - p,\\, sj + b - p,\\, o} \\mathrel{+}= x_{ijc}\\, W_{aboc}

    The canonical weight has shape (kernel, kernel, outputs, inputs).

    Args:
        kernel, stride: side k of the kernel and step s, in pixels; k is at least s for "same".
        padding: that of the convolution it transposes: "same", "valid" or a whole number p.
    """

    kernel: int
    stride: int = 1
    padding: str | int = "same"

    def weight_shape(self) -> Shape:
        return self.kernel, self.kernel, self.outputs, self.inputs

    def output_shape(self, input_shape: Shape) -> Shape:
        if self.kernel < self.stride and self.padding == "same":
            raise ValueError(
                f"kernel is {self.kernel}; accepted for {self.name} with padding 'same': at least the "
                f"stride, {self.stride}"
            )
        crop = sum(crop_before_after(self.kernel, self.stride, self.padding))
        sides = [(size - 1) * self.stride + self.kernel - crop for size in input_shape[:2]]
        if min(sides) < 1:
            raise ValueError(f"padding is {self.padding!r}; accepted for {self.name}: less, since it leaves no pixel")
        return (*sides, self.outputs)

    def flops(self, input_shape: Shape) -> int:
        height, width, _ = input_shape
        return 2 * height * width * math.prod(self.weight_shape())


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
        return {"gamma": (self.channels,), "beta": (self.channels,)}

    def moving_shapes(self) -> dict[str, Shape]:
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
        return self.shape


@dataclasses.dataclass(frozen=True)
class Flatten(Layer):
    """All numbers of one input in one row, in the order (height, width, channels)."""

    def output_shape(self, input_shape: Shape) -> Shape:
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
        return (*input_shape[:-1], self.examples * input_shape[-1])


PREFIXES = {
    Dense: "dense",
    Conv2D: "conv",
    ConvTranspose2D: "conv_transpose",
    BatchNorm: "batch_norm",
    Activation: "activation",
    Dropout: "dropout",
    Reshape: "reshape",
    Flatten: "flatten",
    PixelShuffle: "pixel_shuffle",
    Pack: "pack",
}

r"""The six kinds of networks: which layers each has, its settings and their defaults.

Explained in the book's section "Layers".
"""

from __future__ import annotations

import dataclasses
import math
from types import MappingProxyType

from ganbook.data.recipe import Architecture, check_int
from ganbook.tensors.blueprints import Blueprint
from ganbook.tensors.layers import Conv2D, ConvTranspose2D, Dense, Flatten, PixelShuffle, Reshape, Shape
from ganbook.tensors.settings import (
    DiscriminatorSettings,
    GeneratorSettings,
    Padding,
    Stack,
    image_shape,
    numbers,
    one_each,
    paddings,
    square_shape,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MLPGenerator(GeneratorSettings):
    r"""A generator of dense layers.

    .. math:: G(z) = o(a(\cdots a(z W_1 + b_1) \cdots) W_L + b_L), \quad z \in \mathbb{R}^{latent}

    Maps noise of shape (N, latent) to images of shape (N, height, width, channels), or to points of shape (N, n); a
    is the activation and o the output activation.

    Args:
        hidden: units of each hidden layer.

    Reference: Goodfellow et al., Generative Adversarial Nets, NIPS 2014, section 5, arXiv:1406.2661.
    """

    latent: int = 32
    shape: Shape = (8, 8, 1)
    hidden: Shape = (256, 256, 256)

    def blueprint(self) -> Blueprint:
        hidden, shape = numbers("hidden", self.hidden), image_shape(self.shape, points=True)
        stack = Stack(self, (self.latent,), len(hidden))
        stack.dense(hidden)
        stack.last(Dense, math.prod(shape))
        if len(shape) > 1:
            stack.add(Reshape, shape=shape)
        return stack.generated()


@dataclasses.dataclass(frozen=True, kw_only=True)
class MLPDiscriminator(DiscriminatorSettings):
    r"""A discriminator of dense layers.

    .. math:: D(x) = a(\cdots a(x W_1 + b_1) \cdots) W_L + b_L \in \mathbb{R}

    Maps images of shape (N, height, width, channels), or points of shape (N, n), to logits of shape (N,); a is the
    activation.

    Args and reference as of :class:`MLPGenerator`.
    """

    shape: Shape = (8, 8, 1)
    hidden: Shape = (256, 256, 256)

    def blueprint(self) -> Blueprint:
        hidden, shape = numbers("hidden", self.hidden), image_shape(self.shape, points=True)
        stack = Stack(self, shape, len(hidden))
        if len(shape) > 1:
            stack.add(Flatten)
        stack.dense(hidden)
        return stack.judged()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvDiscriminator(DiscriminatorSettings):
    r"""A discriminator of convolutions, then dense layers.

    .. math:: D(x) = a(\cdots a(x * W_1 + b_1) \cdots) W_L + b_L \in \mathbb{R}

    Maps images of shape (N, height, width, channels) to logits of shape (N,); a is the activation and * a strided
    convolution.

    Args:
        channels: output channels of each convolution.
        kernel: side of the kernels, in pixels; one number or one per convolution.
        stride: step of the kernels, in pixels; one number or one per convolution.
        padding: "same", "valid" or a whole number of zeros on every side; one value or one per convolution.
        hidden: units of each hidden dense layer after the convolutions.

    Reference: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition,
    Proceedings of the IEEE 86, 1998, section II.
    """

    shape: Shape = (28, 28, 1)
    channels: Shape = (32, 64)
    kernel: int | Shape = 5
    stride: int | Shape = 2
    padding: Padding | tuple[Padding, ...] = "same"
    hidden: Shape = ()

    def blueprint(self) -> Blueprint:
        channels, hidden = numbers("channels", self.channels), numbers("hidden", self.hidden)
        count = len(channels)
        kernels, strides = (numbers(name, one_each(name, getattr(self, name), count)) for name in ("kernel", "stride"))
        stack = Stack(self, image_shape(self.shape), count + len(hidden))
        for number, (outputs, kernel, stride, padding) in enumerate(
            zip(channels, kernels, strides, paddings(self.padding, count), strict=True), 1
        ):
            stack.hidden(number, Conv2D, outputs, kernel=kernel, stride=stride, padding=padding)
        stack.add(Flatten)
        stack.dense(hidden, count + 1)
        return stack.judged()


@dataclasses.dataclass(frozen=True, kw_only=True)
class DCGANGenerator(GeneratorSettings):
    r"""A generator of a dense layer and three transposed convolutions with strides 1, 2 and 2.

    .. math:: G(z) = \tanh(a(a(a(z W_0) *^T W_1) *^T W_2) *^T W_3), \quad z \in \mathbb{R}^{latent}

    Maps noise of shape (N, latent) to square images of shape (N, side, side, channels): the dense layer paints side/4
    x side/4 pixels; a is batch norm and the activation.

    Args:
        shape: of one output, (side, side, channels) with a side divisible by 4.
        channels: after the dense layer, the first and the second transposed convolution.
        kernel, padding: as of :class:`ConvDiscriminator`, of the convolutions that are transposed.

    Reference: Radford, Metz and Chintala, Unsupervised Representation Learning with Deep Convolutional GANs, ICLR 2016,
    section 3, arXiv:1511.06434.
    """

    latent: int = 100
    shape: Shape = (28, 28, 1)
    channels: Shape = (256, 128, 64)
    kernel: int | Shape = 5
    padding: Padding | tuple[Padding, ...] = "same"
    slope: float = 0.3
    batch_norm: bool | Shape = True
    bias: bool = False
    initialiser: str = "normal"

    def blueprint(self) -> Blueprint:
        side, _, colours = square_shape(self.shape)
        channels = numbers("channels", self.channels)
        if len(channels) != 3:
            raise ValueError(f"channels is {self.channels!r}; accepted: three whole numbers")
        kernels = numbers("kernel", one_each("kernel", self.kernel, 3))
        first, second, third = (
            {"kernel": kernel, "stride": stride, "padding": padding}
            for kernel, stride, padding in zip(kernels, (1, 2, 2), paddings(self.padding, 3), strict=True)
        )
        start = (side // 4, side // 4, channels[0])
        stack = Stack(self, (self.latent,), 3)
        stack.hidden(1, Dense, math.prod(start))
        stack.add(Reshape, shape=start)
        stack.hidden(2, ConvTranspose2D, channels[1], **first)
        stack.hidden(3, ConvTranspose2D, channels[2], **second)
        stack.last(ConvTranspose2D, colours, **third)
        if stack.shape != self.shape:
            raise ValueError(
                f"padding is {self.padding!r}; accepted: one that gives shape {self.shape} with kernel "
                f"{self.kernel!r}, where this gives {stack.shape}"
            )
        return stack.generated()


@dataclasses.dataclass(frozen=True, kw_only=True)
class DCGANDiscriminator(ConvDiscriminator):
    r"""A discriminator of convolutions that halve a square image, then one dense layer.

    .. math:: D(x) = a(a(x * W_1 + b_1) * W_2 + b_2) W_3 + b_3 \in \mathbb{R}

    Maps square images of shape (N, side, side, channels) to logits of shape (N,); a is the activation and dropout,
    and * a strided convolution.

    Args:
        shape: of one input, (side, side, channels) with a side divisible by 4.

    Reference: as of :class:`DCGANGenerator`.
    """

    channels: Shape = (64, 128)
    slope: float = 0.3
    dropout: float = 0.3
    initialiser: str = "normal"

    def blueprint(self) -> Blueprint:
        square_shape(self.shape)
        return super().blueprint()


@dataclasses.dataclass(frozen=True, kw_only=True)
class PixelShuffleGenerator(GeneratorSettings):
    r"""A small generator that works at low resolution and shuffles channels into pixels.

    .. math:: G(z) = \tanh(a(S(a(S(a(z W_0) * W_1)) * W_2)) * W_3), \quad z \in \mathbb{R}^{latent}

    Maps noise of shape (N, latent) to square images of shape (N, side, side, channels); S turns four channels into
    two by two pixels and a is batch norm and the activation.  A dense layer paints side/4 x side/4 pixels of 4W
    channels; two stages, to 2W and W channels, each convolve to four times as many channels and shuffle them into
    twice the side; a last convolution gives the image.

    Args:
        shape: of one output, (side, side, channels) with a side divisible by 4.
        width: channels W before the last convolution.
        kernel: as of :class:`ConvDiscriminator`.

    Reference: Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
    Neural Network, CVPR 2016, equation 4, arXiv:1609.05158.
    """

    latent: int = 64
    shape: Shape = (28, 28, 1)
    width: int = 12
    kernel: int | Shape = 3
    batch_norm: bool | Shape = True

    def blueprint(self) -> Blueprint:
        side, _, colours = square_shape(self.shape)
        width, kernels = check_int("width", self.width, 1), numbers("kernel", one_each("kernel", self.kernel, 3))
        start = (side // 4, side // 4, 4 * width)
        stack = Stack(self, (self.latent,), 3)
        stack.linear(Dense, math.prod(start), stack.biased(1))
        stack.add(Reshape, shape=start)
        stack.after(1)
        for number, channels, kernel in ((2, 2 * width, kernels[0]), (3, width, kernels[1])):
            stack.linear(Conv2D, 4 * channels, stack.biased(number), kernel=kernel)
            stack.add(PixelShuffle)
            stack.after(number)
        stack.last(Conv2D, colours, kernel=kernels[2])
        return stack.generated()


#: Every kind of network by its name.
ARCHITECTURES = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            MLPGenerator,
            MLPDiscriminator,
            ConvDiscriminator,
            DCGANGenerator,
            DCGANDiscriminator,
            PixelShuffleGenerator,
        )
    }
)


def blueprint_of(architecture: Architecture) -> Blueprint:
    """The layers of the network that a recipe asks for.

    Raises:
        ValueError: an unknown setting, or one outside its range; names it and what is accepted.

    Example:
        >>> blueprint = blueprint_of(Architecture("MLPDiscriminator", {"shape": (2,), "hidden": (3,)}))
        >>> blueprint.trainable_shapes()
        {'dense_1.weight': (2, 3), 'dense_1.bias': (3,), 'dense_2.weight': (3, 1), 'dense_2.bias': (1,)}
    """
    kind = ARCHITECTURES[architecture.kind]
    accepted = [field.name for field in dataclasses.fields(kind)]
    for name, value in architecture.settings.items():
        if name not in accepted:
            raise ValueError(f"setting {name!r} (here {value!r}) is unknown; accepted: {', '.join(accepted)}")
    return kind(**architecture.settings).blueprint()

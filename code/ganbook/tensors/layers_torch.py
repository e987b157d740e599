"""Layers of the networks in PyTorch, one class per kind of layer.

PyTorch writes images as (batch, channels, height, width).  Every tensor here has that shape and *channels_last*
strides: in memory the channels lie side by side, which is what PyTorch's CPU and GPU kernels are fastest with, and
what makes flattening and reshaping in the order (height, width, channels) free of copies.

A layer is a function of the tensors that it is given, and of its own where it is given none.  It never changes its
own: a training pass writes new moving values into ``statistics``.

Explained in the book's section "Layers".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import nn

from ganbook.tensors import layers
from ganbook.tensors.exchange import torch_axes

TINY = 1e-12

#: Tensors by canonical name.
Tensors = Mapping[str, torch.Tensor]


def spectral_norm(weight_matrix: torch.Tensor, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The twin of :func:`ganbook.tensors.layers_numpy.spectral_norm`."""
    matrix = weight_matrix.detach()
    v = matrix.T @ u
    v = v / (torch.linalg.vector_norm(v) + TINY)
    u = matrix @ v
    u = u / (torch.linalg.vector_norm(u) + TINY)
    return torch.dot(u, weight_matrix @ v), u


class _Layer(nn.Module):
    """A native layer: its description, and its tensors under their canonical suffixes."""

    def __init__(self, spec: layers.Layer, dtype: str, device: torch.device | str) -> None:
        """Make tensors of zeros."""
        super().__init__()
        self.spec = spec
        options = {"dtype": getattr(torch, dtype), "device": device}
        for suffix, shape in spec.trainable_shapes().items():
            native_shape = [shape[axis] for axis in torch_axes(f"{spec.name}.{suffix}")]
            self.register_parameter(suffix, nn.Parameter(_side_by_side(torch.zeros(native_shape, **options))))
        for suffix, shape in spec.moving_shapes().items():
            self.register_buffer(suffix, torch.zeros(shape, **options))

    def extra_repr(self) -> str:
        """What print(network) says of this layer."""
        return str(self.spec)


class WithTensors(_Layer):
    """A layer that has tensors."""

    def own_tensors(self) -> Tensors:
        """The layer's own, by canonical name."""
        own = itertools.chain(self.named_parameters(), self.named_buffers())
        return {f"{self.spec.name}.{suffix}": tensor for suffix, tensor in own}


class _Linear(WithTensors):
    """What layers with a weight share."""

    spec: layers.Linear

    def normalised_weight(
        self, training: bool, statistics: dict[str, torch.Tensor] | None, tensors: Tensors
    ) -> torch.Tensor:
        """The weight, divided by its spectral norm."""
        weight, name = tensors[f"{self.spec.name}.weight"], f"{self.spec.name}.u"
        u = {**tensors, **(statistics or {})}[name]
        with torch.autocast(u.device.type, enabled=False):  # one number for all weights: worth its full precision
            sigma, u = spectral_norm(weight.flatten(1), u)
        if training and statistics is not None:
            statistics[name] = u
        return weight / sigma


class Dense(_Linear):
    """A matrix product and a bias."""

    def forward(
        self,
        x: torch.Tensor,
        training: bool = False,
        statistics: dict[str, torch.Tensor] | None = None,
        tensors: Tensors | None = None,
    ) -> torch.Tensor:
        tensors = tensors or self.own_tensors()
        weight, bias = tensors[f"{self.spec.name}.weight"], tensors.get(f"{self.spec.name}.bias")
        if self.spec.spectral_norm:
            weight = self.normalised_weight(training, statistics, tensors)
        return F.linear(x, weight, bias)


class Conv2D(_Linear):
    """A convolution (a cross-correlation: the kernel is not flipped) and a bias."""

    spec: layers.Conv2D

    def forward(
        self,
        x: torch.Tensor,
        training: bool = False,
        statistics: dict[str, torch.Tensor] | None = None,
        tensors: Tensors | None = None,
    ) -> torch.Tensor:
        spec, tensors = self.spec, tensors or self.own_tensors()
        weight, bias = tensors[f"{spec.name}.weight"], tensors.get(f"{spec.name}.bias")
        if spec.spectral_norm:
            weight = self.normalised_weight(training, statistics, tensors)
        if x.shape[1] == 1:
            # The stride of an axis of length one means nothing, and PyTorch may take the batch for channels first
            # and then run every layer that follows in that slower order.  Here the stride is set.
            x = x.squeeze(1).unsqueeze(-1).permute(0, 3, 1, 2)
        (top, bottom), (left, right) = (
            layers.padding_before_after(size, spec.kernel, spec.stride, spec.padding) for size in x.shape[2:]
        )
        if (top, left) != (bottom, right):  # PyTorch pads both sides alike; TensorFlow's "same" may pad more after
            x = F.pad(x, (0, right - left, 0, bottom - top))
        return F.conv2d(x, weight, bias, spec.stride, (top, left))


class ConvTranspose2D(_Linear):
    """The transpose of a convolution, and a bias: every input pixel paints a kernel onto the output."""

    spec: layers.ConvTranspose2D

    def forward(
        self,
        x: torch.Tensor,
        training: bool = False,
        statistics: dict[str, torch.Tensor] | None = None,
        tensors: Tensors | None = None,
    ) -> torch.Tensor:
        spec, tensors = self.spec, tensors or self.own_tensors()
        weight, bias = tensors[f"{spec.name}.weight"], tensors.get(f"{spec.name}.bias")
        before, after = layers.crop_before_after(spec.kernel, spec.stride, spec.padding)
        y = F.conv_transpose2d(x, weight, bias, spec.stride, before)
        if before == after:
            return y
        extra = after - before  # PyTorch cuts both sides alike; the rest of the far side is cut here
        return _side_by_side(y[:, :, :-extra, :-extra])


class BatchNorm(WithTensors):
    """Batch normalisation over all axes but the channels."""

    spec: layers.BatchNorm
    #: Averages a tensor over the processes that share one batch; None where one process has all of it.
    all_reduce: Callable[[torch.Tensor], torch.Tensor] | None = None

    def forward(
        self,
        x: torch.Tensor,
        training: bool = False,
        statistics: dict[str, torch.Tensor] | None = None,
        tensors: Tensors | None = None,
    ) -> torch.Tensor:
        spec, tensors = self.spec, {**(tensors or self.own_tensors()), **(statistics or {})}
        gamma, beta, old_mean, old_variance = (
            tensors[f"{spec.name}.{suffix}"] for suffix in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        if not training:
            scale = gamma * torch.rsqrt(old_variance + spec.epsilon)
            shape = (-1,) + (1,) * (x.ndim - 2)
            return x * scale.reshape(shape) + (beta - old_mean * scale).reshape(shape)
        if self.all_reduce is None:
            # The kernel behind F.batch_norm, called directly because it also returns the batch's statistics.
            y, mean, inverse = torch.native_batch_norm(x, gamma, beta, None, None, True, 0.0, spec.epsilon)
            variance = inverse.detach() ** -2 - spec.epsilon  # biased: divided by n
        else:
            axes, shape = [0, *range(2, x.ndim)], (-1,) + (1,) * (x.ndim - 2)
            mean = self.all_reduce(x.mean(axes))
            centred = x - mean.reshape(shape)
            variance = self.all_reduce(centred.square().mean(axes))
            scale = gamma * torch.rsqrt(variance + spec.epsilon)
            y = centred * scale.reshape(shape) + beta.reshape(shape)
        if statistics is not None:
            keep = spec.momentum
            statistics[f"{spec.name}.moving_mean"] = keep * old_mean + (1 - keep) * mean.detach()
            statistics[f"{spec.name}.moving_variance"] = keep * old_variance + (1 - keep) * variance.detach()
        return y


class Activation(_Layer):
    """A function of each element: leaky_relu, relu, elu, tanh or sigmoid."""

    spec: layers.Activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.spec.function == "leaky_relu":
            return F.leaky_relu(x, self.spec.slope)
        functions: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
            "relu": F.relu,
            "elu": F.elu,
            "tanh": torch.tanh,
            "sigmoid": torch.sigmoid,
        }
        return functions[self.spec.function](x)


class Dropout(_Layer):
    """Multiplication by a mask of zeros and ones, divided by the share that is kept."""

    spec: layers.Dropout

    def forward(self, x: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """Keep what the mask ``kept`` marks with ones."""
        return x * (kept / (1 - self.spec.rate))


class Reshape(_Layer):
    """A new shape for the same numbers, in the order (height, width, channels)."""

    spec: layers.Reshape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = channels_at_end(x).reshape(-1, *self.spec.shape)
        return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


class Flatten(_Layer):
    """All numbers of one input in one row, in the order (height, width, channels)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return channels_at_end(x).flatten(1)


class PixelShuffle(_Layer):
    """Channels become pixels: r r C channels at one place become C channels on r x r places."""

    spec: layers.PixelShuffle

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        r, (batch, channels, height, width) = self.spec.factor, x.shape
        x = channels_at_end(x).reshape(batch, height, width, r, r, channels // r**2)
        x = x.transpose(2, 3).reshape(batch, height * r, width * r, channels // r**2)
        return x.permute(0, 3, 1, 2)


class Pack(_Layer):
    """Every m consecutive examples of a batch become one, their channels side by side."""

    spec: layers.Pack

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        m, (batch, channels, *sides) = self.spec.examples, x.shape
        return _side_by_side(x.reshape(batch // m, m * channels, *sides))


def channels_at_end(x: torch.Tensor) -> torch.Tensor:
    """View images with the channel axis last; leave rows as they are."""
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def _side_by_side(x: torch.Tensor) -> torch.Tensor:
    """Lay the channels of images or kernels side by side in memory; leave rows as they are."""
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def make_layer(spec: layers.Layer, dtype: str = "float32", device: torch.device | str = "cpu") -> _Layer:
    """Build the native layer that a description asks for; its tensors are zero until set.

    Example:
        >>> make_layer(layers.Activation("activation_1", "relu"))(torch.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    return globals()[type(spec).__name__](spec, dtype, device)

"""A network in PyTorch, built from the layers of a blueprint.

A network never changes itself in a forward pass: it returns logits or images, and writes new moving values into the
``statistics`` that it is given.  So it works as it is under torch.func and torch.compile.

Explained in the book's section "Layers".
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from ganbook.data.recipe import DTYPES, Architecture, check_choice, parameter_dtype
from ganbook.tensors.architectures import blueprint_of
from ganbook.tensors.blueprints import Blueprint
from ganbook.tensors.exchange import (
    check_arrays,
    check_complete,
    check_names,
    from_torch_layout,
    parse_device,
    to_torch_layout,
)
from ganbook.tensors.initial import initial_arrays
from ganbook.tensors.layers_torch import Dropout, Tensors, WithTensors, channels_at_end, make_layer


def find_device(device: str | None = None) -> torch.device:
    """The framework's own name of a device.

    Args:
        device: "cpu", "gpu" or "gpu:N"; None takes a GPU if the framework sees one.

    Returns:
        What the framework's functions accept as a device.

    Raises:
        ValueError: an unknown name, or a GPU that the framework does not see.
    """
    kind, number = parse_device(device) or ("gpu" if torch.cuda.is_available() else "cpu", 0)
    if kind == "gpu" and number >= torch.cuda.device_count():
        raise ValueError(f"device is {device!r}; accepted: 'cpu', or gpu:N; GPUs in sight: {torch.cuda.device_count()}")
    return torch.device("cpu") if kind == "cpu" else torch.device("cuda", number)


def to_native(array: np.ndarray, dtype: str = "float32", device: str | None = None) -> torch.Tensor:
    """Turn a NumPy array into a native tensor.

    Args:
        array: images (N, height, width, channels), or rows (N, n), or any other number of axes but four.
        dtype: "float32", "float64" or "mixed_bfloat16", whose arrays are float32.
        device: as of :func:`find_device`.

    Returns:
        The tensor; images have the framework's own order of axes.

    Example:
        >>> to_native(np.zeros((16, 28, 28, 1)), device="cpu").shape
        torch.Size([16, 1, 28, 28])
    """
    array = np.ascontiguousarray(array)
    native_dtype = getattr(torch, parameter_dtype(check_choice("dtype", dtype, DTYPES)))
    tensor = torch.tensor(array, dtype=native_dtype, device=find_device(device))
    return tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Turn a native tensor into a NumPy array; the inverse of :func:`to_native`.

    Args:
        tensor: images in the framework's own order of axes, or any other number of axes but four.

    Returns:
        The array; images have shape (N, height, width, channels).

    Example:
        >>> to_numpy(torch.zeros(16, 1, 28, 28)).shape
        (16, 28, 28, 1)
    """
    # A copy: on a processor ``numpy()`` gives a view of memory that the next step writes to.
    return np.array(channels_at_end(tensor.detach()).cpu().numpy(), order="C")


class Network(nn.Module):
    """Layers built from a blueprint, and their tensors under canonical names.

    Args:
        blueprint: the layers and the shapes at both ends.
        rng: seed, or NumPy generator, that draws the initial weights.
        dtype: "float32", "float64" or "mixed_bfloat16".
        device: as of :func:`find_device`.

    Raises:
        ValueError: an unknown dtype or device.

    Attributes:
        blueprint: as given.
        dtype_name, device_name: as given, the device resolved to "cpu" or "gpu:N".
    """

    def __init__(
        self,
        blueprint: Blueprint,
        rng: int | np.random.Generator = 0,
        dtype: str = "float32",
        device: str | None = None,
    ) -> None:
        super().__init__()
        self.blueprint, self.dtype_name = blueprint, check_choice("dtype", dtype, DTYPES)
        native_device = find_device(device)
        self.device_name = "cpu" if native_device.type == "cpu" else f"gpu:{native_device.index}"
        self._shapes = blueprint.trainable_shapes() | blueprint.moving_shapes()
        *sides, channels = blueprint.input_shape
        self._native_input = (channels, *sides)
        for spec in blueprint.layers:
            self.add_module(spec.name, make_layer(spec, parameter_dtype(dtype), native_device))
        self.load(initial_arrays(blueprint.layers, np.random.default_rng(rng)))

    def forward(
        self,
        x: torch.Tensor,
        training: bool = False,
        masks: Tensors | None = None,
        statistics: dict[str, torch.Tensor] | None = None,
        tensors: Tensors | None = None,
    ) -> torch.Tensor:
        """Map a batch to images or to logits.

        Args:
            x: a native batch, as :func:`to_native` makes it.
            training: whether batch norm uses the batch and dropout its masks.
            masks: a native mask of zeros and ones per dropout layer, by its name; needed while training with dropout.
            statistics: moving tensors by canonical name.  A layer reads its value here first, and a training pass
                writes the new value here.
            tensors: what stands in place of the network's own tensors, by canonical name, all of them; so the output
                can be differentiated by it.

        Returns:
            Native images, points, or logits of shape (N,), or (N/m,) where m examples are judged together.

        Raises:
            ValueError: a mask or a tensor is missing, x has another shape than the input, or N is no multiple of m.
        """
        if tuple(x.shape[1:]) != self._native_input or len(x) % self.blueprint.packing:
            self.blueprint.check_input(tuple(channels_at_end(x).shape))
        if tensors is not None and len(tensors) < len(self._shapes):
            check_complete(tensors, self._shapes)
        mixed = self.dtype_name == "mixed_bfloat16"
        # Master weights stay float32: each matrix product and convolution takes copies of what it needs.
        with torch.autocast(x.device.type, torch.bfloat16) if mixed else contextlib.nullcontext():
            for layer in self.children():
                if isinstance(layer, WithTensors):
                    x = layer(x, training=training, statistics=statistics, tensors=tensors)
                elif not isinstance(layer, Dropout):
                    x = layer(x)
                elif training:
                    x = layer(x, self.blueprint.mask(layer.spec.name, masks))
        return x.to(torch.float32) if mixed else x

    def trainable(self) -> dict[str, nn.Parameter]:
        """The tensors that training changes, by canonical name, in the order of the layers."""
        return {name: self.get_parameter(name) for name in self.blueprint.trainable_shapes()}

    def moving(self) -> dict[str, torch.Tensor]:
        """The moving tensors, by canonical name, in the order of the layers."""
        return {name: self.get_buffer(name) for name in self.blueprint.moving_shapes()}

    def assign(self, values: Tensors) -> None:
        """Set some of the network's own tensors in place.

        Args:
            values: native tensors by canonical name.

        Raises:
            ValueError: an unknown name.
        """
        own = self.trainable() | self.moving()
        check_names(values, own)
        with torch.no_grad():
            for name, value in values.items():
                own[name].copy_(value)

    def export(self, tensors: Tensors | None = None) -> dict[str, np.ndarray]:
        """Copy tensors to NumPy in the canonical layout.

        Args:
            tensors: native tensors by canonical name, such as gradients or moments; None means the whole state.

        Returns:
            Arrays by canonical name.
        """
        tensors = self.trainable() | self.moving() if tensors is None else tensors
        return {
            name: np.array(from_torch_layout(name, tensor.detach().cpu().numpy()), order="C")
            for name, tensor in tensors.items()
        }

    def convert(self, arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
        """Turn canonical NumPy arrays into native tensors; the inverse of :meth:`export`.

        Args:
            arrays: arrays by canonical name, all or some of them.

        Returns:
            Native tensors by canonical name, with the network's dtype and on its device.

        Raises:
            ValueError: an unknown name or a wrong shape.
        """
        check_arrays(arrays, self._shapes)
        dtype, device = getattr(torch, parameter_dtype(self.dtype_name)), find_device(self.device_name)
        tensors = {
            name: torch.tensor(
                np.ascontiguousarray(to_torch_layout(name, np.asarray(array))), dtype=dtype, device=device
            )
            for name, array in arrays.items()
        }
        return {
            name: t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for name, t in tensors.items()
        }

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set the whole state from canonical NumPy arrays.

        Args:
            arrays: an array for every canonical name.

        Raises:
            ValueError: a missing or unknown name or a wrong shape.
        """
        tensors = self.convert(arrays)
        check_complete(tensors, self._shapes)
        self.assign(tensors)

    def summary(self) -> str:
        """A table of layers, output shapes, parameters and floating-point operations."""
        return self.blueprint.summary()


def build(
    architecture: Architecture, rng: int | np.random.Generator = 0, dtype: str = "float32", device: str | None = None
) -> Network:
    """Build the network that a recipe asks for.

    Args:
        architecture: one of :data:`ganbook.tensors.architectures.ARCHITECTURES`, and its settings.
        rng, dtype, device: as of :class:`Network`.

    Returns:
        The network with its initial weights.

    Raises:
        ValueError: an unknown setting, or one outside its range; an unknown dtype or device.

    Example:
        >>> generator = build(Architecture("MLPGenerator", {"latent": 5, "shape": (8, 8, 1)}), device="cpu")
        >>> to_numpy(generator(to_native(np.zeros((16, 5)), device="cpu"))).shape
        (16, 8, 8, 1)
    """
    return Network(blueprint_of(architecture), rng, dtype, device)

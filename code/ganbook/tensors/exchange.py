"""Carry weights from one framework to the other through one canonical layout.

Files, NumPy and TensorFlow use the canonical layout; PyTorch's differs by a turn of axes that the table below
states for every kind of tensor.  A tensor that is not in the table, or whose shape is not the expected one, is an
error: nothing is ever reshaped to fit.

Explained in the book's section "Tensors".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

#: For each kind and suffix: which canonical axis becomes PyTorch's axis 0, 1, ...
TORCH_AXES = {
    ("dense", "weight"): (1, 0),  # (in, out) -> (out, in)
    ("conv", "weight"): (3, 2, 0, 1),  # (h, w, in, out) -> (out, in, h, w)
    ("conv_transpose", "weight"): (3, 2, 0, 1),  # (h, w, out, in) -> (in, out, h, w)
    ("dense", "bias"): (0,),
    ("conv", "bias"): (0,),
    ("conv_transpose", "bias"): (0,),
    ("dense", "u"): (0,),
    ("conv", "u"): (0,),
    ("batch_norm", "gamma"): (0,),
    ("batch_norm", "beta"): (0,),
    ("batch_norm", "moving_mean"): (0,),
    ("batch_norm", "moving_variance"): (0,),
}


def torch_axes(name: str) -> tuple[int, ...]:
    """The turn of axes from the canonical layout to PyTorch's.

    Args:
        name: canonical name, such as "conv_1.weight".

    Returns:
        One canonical axis per axis of the PyTorch tensor.

    Raises:
        ValueError: a name of no known kind.
    """
    layer, _, suffix = name.partition(".")
    key = (layer.rpartition("_")[0], suffix)
    if key not in TORCH_AXES:
        accepted = ", ".join(f"{kind}_N.{suffix}" for kind, suffix in TORCH_AXES)
        raise ValueError(f"tensor name is {name!r}; accepted: {accepted}")
    return TORCH_AXES[key]


def to_torch_layout(name: str, array: np.ndarray) -> np.ndarray:
    """Turn a canonical array into PyTorch's layout (a view).

    Example:
        >>> to_torch_layout("conv_1.weight", np.zeros((5, 5, 1, 64))).shape
        (64, 1, 5, 5)
    """
    return np.transpose(array, torch_axes(name))


def from_torch_layout(name: str, array: np.ndarray) -> np.ndarray:
    """Turn an array in PyTorch's layout into the canonical one (a view)."""
    return np.transpose(array, np.argsort(torch_axes(name)))


def check_names(names: Iterable[str], accepted: Iterable[str]) -> None:
    """Check that every name is an accepted one.

    Raises:
        ValueError: an unknown name; names it and what is accepted.
    """
    accepted = list(accepted)
    for name in names:
        if name not in accepted:
            raise ValueError(f"tensor {name!r} is unknown; accepted: {', '.join(accepted)}")


def check_arrays(arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check that every array has a known name and the expected shape.

    Args:
        arrays: arrays by canonical name.
        shapes: expected shapes by canonical name; arrays may lack some of them.

    Raises:
        ValueError: an unknown name or a wrong shape; names the tensor, what came and what is accepted.
    """
    check_names(arrays, shapes)
    for name, array in arrays.items():
        if np.shape(array) != tuple(shapes[name]):
            raise ValueError(f"tensor {name!r} has shape {np.shape(array)}; accepted: {tuple(shapes[name])}")


def check_complete(names: Iterable[str], expected: Iterable[str]) -> None:
    """Check that no expected name is missing.

    Raises:
        ValueError: some are; names them and what is accepted.
    """
    names, expected = set(names), list(expected)
    missing = [name for name in expected if name not in names]
    if missing:
        raise ValueError(f"tensors {', '.join(missing)} are missing; accepted: all of {', '.join(expected)}")


def keras_weights(layers: Iterable[Any]) -> list[np.ndarray]:
    """The weights of a PyTorch network of stock layers, as ``set_weights`` of the same network in Keras takes them.

    Convolutions, transposed or not, turn from (a, b, h, w) to (h, w, b, a), dense layers from (out, in) to (in, out).
    Where a dense layer meets an image, its units go from the order (c, h, w) to the order (h, w, c).

    Args:
        layers: of an ``nn.Sequential``, in order; images that reach ``nn.Flatten`` without a convolution are grey.

    Returns:
        Arrays in the order of the layers, batch norm's as gamma, beta, moving mean and moving variance.

    Example:
        >>> from torch import nn
        >>> [array.shape for array in keras_weights([nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(36, 1)])]
        [(3, 3, 1, 4), (4,), (36, 1), (1,)]
    """
    return [tensor.detach().cpu().numpy().ravel()[places] for tensor, places in _keras_places(layers)]


def load_keras_weights(layers: Iterable[Any], arrays: Iterable[np.ndarray]) -> None:
    """Give a PyTorch network of stock layers the weights of the same network in Keras: undoes :func:`keras_weights`.

    Args:
        layers: of an ``nn.Sequential``, in order.
        arrays: as ``get_weights`` of the network in Keras returns them.

    Raises:
        ValueError: another number of arrays, or another shape; no weight is changed then.

    Example:
        >>> from torch import nn
        >>> dense = nn.Linear(2, 1)
        >>> load_keras_weights([dense], [np.array([[3.0], [4.0]]), np.zeros(1)])
        >>> dense.weight.tolist()
        [[3.0, 4.0]]
    """
    arrays, places = list(arrays), _keras_places(layers)
    came, accepted = [np.shape(array) for array in arrays], [where.shape for _, where in places]
    if came != accepted:
        raise ValueError(f"arrays have shapes {came}; accepted: {accepted}")
    for array, (tensor, where) in zip(arrays, places, strict=True):
        flat = np.empty(where.size, array.dtype)
        flat[where.ravel()] = array.ravel()
        tensor.copy_(tensor.new_tensor(flat).reshape(tensor.shape))


def _keras_places(layers: Iterable[Any]) -> list[tuple[Any, np.ndarray]]:
    """Each tensor of a PyTorch network, with the place in it, counted flat, of every element of Keras's array."""
    tensors, channels, flattened = [], 1, False
    arrays: list[np.ndarray] = []
    for layer in layers:
        held = [tensor for tensor in layer.state_dict().values() if tensor.ndim]
        own = [np.arange(tensor.numel()).reshape(tensor.shape).T for tensor in held]
        own = [array.swapaxes(0, 1) if array.ndim == 4 else array for array in own]  # (w, h, b, a) to (h, w, b, a)
        kind = type(layer).__name__
        if kind == "Conv2d":
            channels = layer.out_channels
        elif kind == "Flatten":
            flattened = True
        elif kind == "Linear" and flattened:
            side, flattened = round((len(own[0]) / channels) ** 0.5), False
            own[0] = own[0].reshape(channels, side, side, -1).transpose(1, 2, 0, 3).reshape(own[0].shape)
        elif kind == "Unflatten":
            count = int(np.prod(layer.unflattened_size))
            order = np.arange(count).reshape(layer.unflattened_size).transpose(1, 2, 0).ravel()
            arrays = [array[..., order] if array.shape[-1] == count else array for array in arrays]
        tensors += held
        arrays += own
    return list(zip(tensors, arrays, strict=True))


def parse_device(device: str | None) -> tuple[str, int] | None:
    """Split a device's name, which is the same for both frameworks, into kind and number.

    Args:
        device: "cpu", "gpu" or "gpu:N"; "cuda" is another word for "gpu"; None leaves the choice to the framework.

    Returns:
        ("cpu", 0) or ("gpu", N), or None for None.

    Raises:
        ValueError: any other name.
    """
    if device is None:
        return None
    kind, colon, number = str(device).lower().replace("cuda", "gpu").partition(":")
    if kind not in ("cpu", "gpu") or (colon and not number.isdigit()):
        raise ValueError(f"device is {device!r}; accepted: None, 'cpu', 'gpu' or 'gpu:N'")
    return kind, int(number or 0)

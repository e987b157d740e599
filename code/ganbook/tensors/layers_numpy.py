"""Layers of the networks in NumPy: the oracle of both twins, in float64, each the shortest honest formula.

Explained in the book's section "Layers".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ganbook.tensors import layers

TINY = 1e-12


def spectral_norm(weight_matrix: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the largest singular value of a matrix by one step of power iteration.

    .. math:: v = W^T u / |W^T u|, \\quad u' = W v / |W v|, \\quad \\sigma = u'^T W v

    Args:
        weight_matrix: W, shape (outputs, inputs).
        u: left vector, shape (outputs,).

    Returns:
        The estimate, a scalar, and u', shape (outputs,).

    Example:
        >>> estimate, u = spectral_norm(np.diag([3.0, 1.0]), np.array([1.0, 0.0]))
        >>> round(float(estimate), 4)
        3.0

    Reference: Miyato, Kataoka, Koyama and Yoshida, Spectral Normalization for GANs, ICLR 2018, algorithm 1,
    arXiv:1802.05957.
    """
    v = weight_matrix.T @ u
    v = v / (np.linalg.norm(v) + TINY)
    u = weight_matrix @ v
    u = u / (np.linalg.norm(u) + TINY)
    return u @ weight_matrix @ v, u


def convolve(x: np.ndarray, weight: np.ndarray, stride: int, padding: str | int) -> np.ndarray:
    """A convolution as a product of every patch with the kernel.

    Args:
        x: shape (N, height, width, inputs).
        weight: shape (kernel, kernel, inputs, outputs).
        stride, padding: as in :class:`ganbook.tensors.layers.Conv2D`.

    Returns:
        Shape (N, new height, new width, outputs).

    Example:
        >>> convolve(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), 1, "same")[0, :, :, 0]
        array([[4., 4., 2.],
               [4., 4., 2.],
               [2., 2., 1.]])
    """
    kernel = weight.shape[0]
    sides = [layers.padding_before_after(size, kernel, stride, padding) for size in x.shape[1:3]]
    padded = np.pad(x, [(0, 0), *sides, (0, 0)])
    patches = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (1, 2))[:, ::stride, ::stride]
    return np.einsum("nijcab,abco->nijo", patches, weight, optimize=True)


def convolve_transposed(x: np.ndarray, weight: np.ndarray, stride: int, padding: str | int) -> np.ndarray:
    """The transpose of a convolution: every pixel paints the kernel, and the padding is cut off.

    Args:
        x: shape (N, height, width, inputs).
        weight: shape (kernel, kernel, outputs, inputs).
        stride, padding: as in :class:`ganbook.tensors.layers.ConvTranspose2D`.

    Returns:
        Shape (N, new height, new width, outputs).

    Example:
        >>> convolve_transposed(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), 1, "valid")[0, :, :, 0]
        array([[1., 2., 1.],
               [2., 4., 2.],
               [1., 2., 1.]])
    """
    batch, height, width, _ = x.shape
    kernel = weight.shape[0]
    full = np.zeros((batch, (height - 1) * stride + kernel, (width - 1) * stride + kernel, weight.shape[2]))
    for a in range(kernel):
        for b in range(kernel):
            full[:, a : a + stride * height : stride, b : b + stride * width : stride] += x @ weight[a, b].T
    before, after = layers.crop_before_after(kernel, stride, padding)
    return full[:, before : full.shape[1] - after, before : full.shape[2] - after]


def activate(x: np.ndarray, function: str, slope: float) -> np.ndarray:
    """Apply an activation function to each element; see :class:`ganbook.tensors.layers.Activation`.

    Example:
        >>> activate(np.array([-1.0, 0.0, 2.0]), "leaky_relu", 0.5)
        array([-0.5,  0. ,  2. ])
    """
    return {
        "leaky_relu": lambda: np.where(x > 0, x, slope * x),
        "relu": lambda: np.maximum(x, 0),
        "elu": lambda: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        "tanh": lambda: np.tanh(x),
        "sigmoid": lambda: 0.5 * (1 + np.tanh(x / 2)),
    }[function]()


def shuffle_pixels(x: np.ndarray, factor: int) -> np.ndarray:
    """Turn channels into pixels; see :class:`ganbook.tensors.layers.PixelShuffle`.

    Example:
        >>> shuffle_pixels(np.array([[[[1, 2, 3, 4]]]]), 2)[0, :, :, 0]
        array([[1, 2],
               [3, 4]])
    """
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height, width, factor, factor, channels // factor**2).swapaxes(2, 3)
    return x.reshape(batch, height * factor, width * factor, channels // factor**2)


def pack(x: np.ndarray, examples: int) -> np.ndarray:
    """Join consecutive examples; see :class:`ganbook.tensors.layers.Pack`."""
    return np.concatenate([x[k::examples] for k in range(examples)], axis=-1)


def normalise(
    layer: layers.BatchNorm, x: np.ndarray, tensors: Mapping[str, np.ndarray], training: bool = False
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Batch normalisation; see :class:`ganbook.tensors.layers.BatchNorm`.

    Args:
        layer: the description.
        x: shape (N, ..., channels).
        tensors: gamma, beta, moving_mean and moving_variance, each of shape (channels,).
        training: whether to use the batch's own statistics.

    Returns:
        The output, and the new moving tensors by suffix (none unless training).

    Example:
        >>> tensors = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}
        >>> y, new = normalise(layers.BatchNorm("batch_norm_1", 1), np.array([[3.0], [7.0]]), tensors, training=True)
        >>> y.round(4).tolist(), new["moving_mean"].round(4).tolist()  # mean 5, of which a tenth moves in
        ([[-1.0], [1.0]], [0.5])
    """
    mean, variance, new = tensors["moving_mean"], tensors["moving_variance"], {}
    if training:
        axes = tuple(range(x.ndim - 1))
        mean = x.mean(axes)
        variance = ((x - mean) ** 2).mean(axes)
        keep = layer.momentum
        new = {
            "moving_mean": keep * tensors["moving_mean"] + (1 - keep) * mean,
            "moving_variance": keep * tensors["moving_variance"] + (1 - keep) * variance,
        }
    return tensors["gamma"] * (x - mean) / np.sqrt(variance + layer.epsilon) + tensors["beta"], new


def apply_layer(
    layer: layers.Layer,
    x: np.ndarray,
    tensors: Mapping[str, np.ndarray],
    training: bool = False,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One layer's output for a batch.

    Args:
        layer: the description.
        x: the batch, channels last.
        tensors: the layer's own tensors by suffix, in the canonical layout.
        training: whether batch norm uses the batch and dropout its mask.
        mask: zeros and ones of x's shape, for dropout while training.

    Returns:
        As :func:`normalise`.

    Example:
        >>> dense = layers.Dense("dense_1", 2, 1)
        >>> apply_layer(dense, np.array([[1.0, 2.0]]), {"weight": np.ones((2, 1)), "bias": np.array([10.0])})
        (array([[13.]]), {})
    """
    match layer:
        case layers.Dense() | layers.Conv2D() | layers.ConvTranspose2D():
            return _linear(layer, x, tensors, training)
        case layers.BatchNorm():
            return normalise(layer, x, tensors, training)
        case layers.Activation():
            return activate(x, layer.function, layer.slope), {}
        case layers.Dropout():
            return (x * mask / (1 - layer.rate) if training else x), {}
        case layers.PixelShuffle():
            return shuffle_pixels(x, layer.factor), {}
        case layers.Pack():
            return pack(x, layer.examples), {}
        case _:
            return x.reshape(len(x), *layer.output_shape(x.shape[1:])), {}


def _linear(
    layer: Any, x: np.ndarray, tensors: Mapping[str, np.ndarray], training: bool
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    weight, new = tensors["weight"], {}
    if "u" in tensors:
        sigma, u = spectral_norm(weight.reshape(-1, layer.outputs).T, tensors["u"])
        weight, new = weight / sigma, {"u": u} if training else {}
    if isinstance(layer, layers.Dense):
        y = x @ weight
    else:
        operation = convolve if isinstance(layer, layers.Conv2D) else convolve_transposed
        y = operation(x, weight, layer.stride, layer.padding)
    return y + tensors.get("bias", 0.0), new


def apply_layers(
    layers: Iterable[layers.Layer],
    x: np.ndarray,
    arrays: Mapping[str, np.ndarray],
    training: bool = False,
    masks: Mapping[str, np.ndarray] | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A network's output for a batch, in float64.

    Args:
        layers: the layers, first to last.
        x: the batch, (N, latent) or (N, height, width, channels).
        arrays: the network's state by canonical name.
        training: whether batch norm uses the batch and dropout its masks.
        masks: a mask per dropout layer, by the layer's name.

    Returns:
        The output, and the new moving tensors by canonical name (none unless training).
    """
    x = np.asarray(x, np.float64)
    new: dict[str, np.ndarray] = {}
    for layer in layers:
        suffixes = layer.trainable_shapes() | layer.moving_shapes()
        tensors = {suffix: np.asarray(arrays[f"{layer.name}.{suffix}"], np.float64) for suffix in suffixes}
        x, moved = apply_layer(layer, x, tensors, training, (masks or {}).get(layer.name))
        new |= {f"{layer.name}.{suffix}": value for suffix, value in moved.items()}
    return x, new

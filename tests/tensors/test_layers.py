"""Layers: both twins against the oracle and each other, values, first and second derivatives, and planted mistakes."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbook.tensors import exchange
from ganbook.tensors import layers as a
from ganbook.tensors import layers_numpy as oracle
from parity import TWINS, assert_parity, module, variant
from tensors.networks_at_hand import (
    blueprint_of,
    case,
    check_gradients,
    check_slopes,
    check_values,
    gradients,
    make,
)

DTYPES = ("float64", "float32")
CASES = {  # every kind of layer: description and input shape
    "dense": (a.Dense("dense_1", 7, 5), (7,)),
    "dense without bias": (a.Dense("dense_1", 7, 5, bias=False), (7,)),
    "dense, spectral norm": (a.Dense("dense_1", 7, 5, spectral_norm=True), (7,)),
    "flatten": (a.Flatten("flatten_1"), (4, 6, 3)),
    "reshape to an image": (a.Reshape("reshape_1", (2, 3, 4)), (24,)),
    "reshape to a number": (a.Reshape("reshape_1", ()), (1,)),
    "pixel shuffle": (a.PixelShuffle("pixel_shuffle_1", 2), (3, 4, 12)),
    "pixel shuffle by 3": (a.PixelShuffle("pixel_shuffle_1", 3), (2, 3, 18)),
    "pack of images": (a.Pack("pack_1", 3), (4, 5, 2)),
    "pack of points": (a.Pack("pack_1", 3), (4,)),
    "dropout": (a.Dropout("dropout_1", 0.3), (4, 3, 2)),
    "batch norm of images": (a.BatchNorm("batch_norm_1", 3, 1e-5, 0.9), (4, 5, 3)),
    "batch norm of rows": (a.BatchNorm("batch_norm_1", 6, 1e-3, 0.99), (6,)),
    **{function: (a.Activation("activation_1", function, 0.2), (4, 3, 2)) for function in a.ACTIVATIONS},
    **{
        f"convolution {size} k{k} s{s} {p}": (a.Conv2D("conv_1", 2, 3, k, s, p), (size, size + 1, 2))
        for size, k, s, p in (
            (7, 5, 2, "same"),
            (8, 5, 2, "same"),
            (6, 3, 1, "same"),
            (8, 4, 2, "same"),
            (7, 4, 3, "same"),
            (9, 5, 2, "valid"),
            (7, 3, 2, 1),
            (6, 2, 1, "same"),
        )
    },
    "convolution without bias": (a.Conv2D("conv_1", 2, 3, 3, bias=False), (5, 5, 2)),
    "convolution, spectral norm": (a.Conv2D("conv_1", 2, 3, 3, 2, spectral_norm=True), (6, 6, 2)),
    **{
        f"transposed convolution {size} k{k} s{s} {p}": (
            a.ConvTranspose2D("conv_transpose_1", 2, 3, k, s, p),
            (size, size + 1, 2),
        )
        for size, k, s, p in (
            (4, 5, 2, "same"),
            (5, 5, 1, "same"),
            (3, 4, 2, "same"),
            (3, 5, 3, "same"),
            (4, 3, 2, "valid"),
            (4, 4, 2, 1),
            (5, 2, 1, "same"),
        )
    },
}
everywhere = pytest.mark.parametrize(("layer", "shape"), CASES.values(), ids=CASES)
twins = pytest.mark.parametrize("twin", TWINS)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


@everywhere
@dtypes
@twins
def test_values(twin, dtype, layer, shape):
    check_values(twin, blueprint_of(layer, shape), dtype)


@everywhere
@dtypes
@twins
def test_gradients(twin, dtype, layer, shape):
    check_gradients(twin, blueprint_of(layer, shape), dtype)


@everywhere
def test_second_derivatives(layer, shape):
    check_gradients("tensorflow", blueprint_of(layer, shape), "float64", second=True, floor=1e-6)


@everywhere
@twins
def test_gradients_are_slopes_of_the_oracle(twin, layer, shape):
    if getattr(layer, "spectral_norm", False):
        pytest.skip("spectral norm's gradient treats u and v as constants, which a difference does not")
    check_slopes(twin, blueprint_of(layer, shape))


@everywhere
def test_torch_gradcheck(layer, shape):
    import torch

    blueprint = blueprint_of(layer, shape)
    nets, network, at = module("tensors.networks", "torch"), make("torch", blueprint), case(blueprint)
    network.load(at.arrays)
    masks = {name: nets.to_native(mask, "float64", "cpu") for name, mask in at.masks.items()}
    weights = network.trainable()

    def call(x, *tensors):
        return torch.func.functional_call(
            network, dict(zip(weights, tensors, strict=True)), (x,), {"training": True, "masks": masks}
        )

    tensors = tuple(tensor.detach().clone().requires_grad_() for tensor in weights.values())
    if getattr(layer, "spectral_norm", False):  # the weight's gradient treats u and v as constants
        tensors = tuple(tensor.detach() for tensor in tensors)
    x = nets.to_native(at.x, "float64", "cpu").requires_grad_()
    assert torch.autograd.gradcheck(call, (x, *tensors))
    assert torch.autograd.gradgradcheck(call, (x, *tensors))


@given(
    size=st.integers(1, 9),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    channels=st.sampled_from([1, 3]),
    padding=st.sampled_from(["same", "valid", 0, 1, 2]),
    transposed=st.booleans(),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_every_size_kernel_stride_and_padding(size, kernel, stride, channels, padding, transposed):
    kind, name = (a.ConvTranspose2D, "conv_transpose_1") if transposed else (a.Conv2D, "conv_1")
    layer = kind(name, channels, 2, kernel, stride, padding)
    try:
        blueprint = blueprint_of(layer, (size, size, channels))
    except ValueError:
        return
    for twin in TWINS:
        check_values(twin, blueprint, "float64", batch=2, floor=1e-3)


@pytest.mark.parametrize("shape", [(2, 2, 3), (4,)], ids=["images", "points"])
def test_a_pack_holds_consecutive_examples_side_by_side(shape):
    x = np.arange(6 * np.prod(shape)).reshape(6, *shape)
    for n, packed in enumerate(oracle.pack(x, 2)):
        np.testing.assert_array_equal(packed, np.concatenate([x[2 * n], x[2 * n + 1]], axis=-1))


@twins
def test_an_exact_zero_has_the_slope_of_the_negative_side(twin):
    """At 0 leaky ReLU has no derivative; both twins take the slope, so that runs do not part there."""
    import tensorflow as tf
    import torch

    for dtype in DTYPES:
        layer = make(twin, blueprint_of(a.Activation("activation_1", "leaky_relu", 0.25), (3,)), dtype)
        if twin == "torch":
            x = torch.zeros((1, 3), dtype=getattr(torch, dtype), requires_grad=True)
            gradient = torch.autograd.grad(layer(x).sum(), x)[0].numpy()
        else:
            x = tf.zeros((1, 3), dtype)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
            gradient = tape.gradient(y, x).numpy()
        np.testing.assert_array_equal(gradient, np.full((1, 3), 0.25, dtype))


# Planted mistakes.  Each is seen to fail the very check that the right layer passes.

CONVOLUTION = blueprint_of(a.Conv2D("conv_1", 2, 2, 5, 2, "same"), (8, 8, 2))
TRANSPOSED = blueprint_of(a.ConvTranspose2D("conv_transpose_1", 2, 2, 5, 2, "same"), (4, 4, 2))
NORM = blueprint_of(a.BatchNorm("batch_norm_1", 3, 1e-5, 0.9), (3, 3, 3))
SHUFFLE = blueprint_of(a.PixelShuffle("pixel_shuffle_1", 2), (2, 2, 8))
PACK = blueprint_of(a.Pack("pack_1", 3), (3, 3, 3))  # every axis as long as any other
LEAKY = blueprint_of(a.Activation("activation_1", "leaky_relu", 0.2), (5,))
FLATTEN = blueprint_of(a.Flatten("flatten_1"), (2, 3, 4))
DROPOUT = blueprint_of(a.Dropout("dropout_1", 0.3), (6,))
DENSE = blueprint_of(a.Dense("dense_1", 4, 4), (4,))
METHOD = {"torch": "forward", "tensorflow": "call"}


def change_description(monkeypatch, twin, **changed):
    """Let a twin build a layer with another setting than its description says."""
    layers, nets = module("tensors.layers", twin), module("tensors.networks", twin)
    monkeypatch.setattr(
        nets,
        "make_layer",
        lambda spec, dtype, device: layers.make_layer(dataclasses.replace(spec, **changed), dtype, device),
    )


def change_method(monkeypatch, twin, kind, **methods):
    """Let a twin's layer compute something else."""
    monkeypatch.setattr(getattr(module("tensors.layers", twin), kind), METHOD[twin], methods[twin])


def dropout_not_rescaled(monkeypatch, twin):
    change_method(monkeypatch, twin, "Dropout", **dict.fromkeys(TWINS, lambda self, x, kept: x * kept))


def padding_on_the_wrong_side(monkeypatch, twin):
    layers = module("tensors.layers", twin)
    if twin == "tensorflow":  # one more before instead of after
        monkeypatch.setattr(layers, "native_padding", lambda padding: [[0, 0], [2, 1], [2, 1], [0, 0]])
    else:
        monkeypatch.setattr(
            layers, "layers", variant(a, padding_before_after=lambda *_: (2, 2), crop_before_after=lambda *_: (0, 3))
        )


def other_channel_order(monkeypatch, twin):
    def torch_order(self, x):
        import torch.nn.functional as F

        return F.pixel_shuffle(x, 2)

    def tensorflow_order(self, x):
        import tensorflow as tf

        batch, height, width, channels = x.shape
        x = tf.reshape(x, (batch, height, width, channels // 4, 4))
        x = tf.reshape(tf.transpose(x, (0, 1, 2, 4, 3)), (batch, height, width, channels))
        return tf.nn.depth_to_space(x, 2)

    change_method(monkeypatch, twin, "PixelShuffle", torch=torch_order, tensorflow=tensorflow_order)


def flattened_in_another_order(monkeypatch, twin):
    def tensorflow_order(self, x):
        import tensorflow as tf

        return tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (x.shape[0], -1))

    change_method(monkeypatch, twin, "Flatten", torch=lambda self, x: x.flatten(1), tensorflow=tensorflow_order)


def packed_channel_by_channel(monkeypatch, twin):
    """The first channels of all examples of a pack, then the second ones."""

    def tensorflow_channels(self, x):
        import tensorflow as tf

        return tf.reshape(tf.transpose(tf.reshape(x, (-1, 3, 3, 3, 3)), (0, 2, 3, 4, 1)), (-1, 3, 3, 9))

    change_method(
        monkeypatch,
        twin,
        "Pack",
        tensorflow=tensorflow_channels,
        torch=lambda self, x: x.reshape(-1, 3, 3, 3, 3).transpose(1, 2).flatten(1, 2),
    )


def unbiased_moving_variance(monkeypatch, twin):
    """What nn.BatchNorm2d and the fused kernels keep: divided by n - 1."""
    layers = module("tensors.layers", twin)
    right = getattr(layers.BatchNorm, METHOD[twin])

    def unbiased(self, x, training=False, statistics=None, tensors=None):
        y = right(self, x, training=training, statistics=statistics)
        name, count = "batch_norm_1.moving_variance", 6 * 3 * 3
        if training:
            old = 0.9 * self.own_tensors()[name]
            statistics[name] = old + (statistics[name] - old) * count / (count - 1)
        return y

    change_method(monkeypatch, twin, "BatchNorm", **dict.fromkeys(TWINS, unbiased))


MISTAKES = {
    "another epsilon": (functools.partial(change_description, epsilon=1e-3), NORM),
    "another momentum": (functools.partial(change_description, momentum=0.1), NORM),
    "a float32 slope": (functools.partial(change_description, slope=float(np.float32(0.2))), LEAKY),
    **{
        f"{mistake.__name__}-{plan.layers[0].name}": (mistake, plan)
        for mistake, plan in [
            (unbiased_moving_variance, NORM),
            (dropout_not_rescaled, DROPOUT),
            (padding_on_the_wrong_side, CONVOLUTION),
            (padding_on_the_wrong_side, TRANSPOSED),
            (other_channel_order, SHUFFLE),
            (flattened_in_another_order, FLATTEN),
            (packed_channel_by_channel, PACK),
        ]
    },
}


@pytest.mark.parametrize("name", MISTAKES)
@twins
def test_a_planted_mistake_is_caught(monkeypatch, twin, name):
    mistake, blueprint = MISTAKES[name]
    check_values(twin, blueprint, "float64", batch=6)
    mistake(monkeypatch, twin)
    with pytest.raises(AssertionError, match="relative error"):
        check_values(twin, blueprint, "float64", batch=6)


@pytest.mark.parametrize("blueprint", [CONVOLUTION, TRANSPOSED, DENSE], ids=["conv", "conv_transpose", "dense"])
def test_swapped_axes_are_caught(monkeypatch, blueprint):
    check_values("torch", blueprint, "float64")
    for kind, axes in (("conv", (3, 2, 1, 0)), ("conv_transpose", (2, 3, 0, 1)), ("dense", (0, 1))):
        monkeypatch.setitem(exchange.TORCH_AXES, (kind, "weight"), axes)
    with pytest.raises(AssertionError, match="relative error"):
        check_values("torch", blueprint, "float64")


def test_a_stopped_gradient_in_the_variance_is_caught(monkeypatch):
    """tf.nn.moments holds its mean constant: values and gradients are right, gradients of gradients are not."""
    import tensorflow as tf

    def moments(self, x, training=False, statistics=None, tensors=None):
        mean, variance = tf.nn.moments(x, [0, 1, 2])
        beta, gamma = (tensors[f"{self.spec.name}.{suffix}"] for suffix in ("beta", "gamma"))
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, self.spec.epsilon)

    # Behind a convolution, since the error of a lone batch norm cancels in the sum over the batch.
    blueprint = blueprint_of((a.Conv2D("conv_1", 2, 3, 3, bias=False), *NORM.layers, LEAKY.layers[0]), (3, 3, 2))
    at = case(blueprint)
    first = gradients("torch", blueprint, at, True, "float64")
    second = gradients("torch", blueprint, at, True, "float64", second=True)
    assert_parity(gradients("tensorflow", blueprint, at, True, "float64", second=True), second, "float64", 1e-6)
    change_method(monkeypatch, "tensorflow", "BatchNorm", tensorflow=moments)
    assert_parity(gradients("tensorflow", blueprint, at, True, "float64"), first, "float64", 1e-3)
    with pytest.raises(AssertionError, match="relative error"):
        assert_parity(gradients("tensorflow", blueprint, at, True, "float64", second=True), second, "float64", 1e-6)


def test_spectral_norm_without_constants_is_caught(monkeypatch):
    import torch

    blueprint = blueprint_of(*CASES["dense, spectral norm"])

    def differentiated(weight_matrix, u):
        v = torch.nn.functional.normalize(weight_matrix.T @ u, dim=0)
        u = torch.nn.functional.normalize(weight_matrix @ v, dim=0)
        return u @ weight_matrix @ v, u

    check_gradients("torch", blueprint, "float64")
    monkeypatch.setattr(module("tensors.layers", "torch"), "spectral_norm", differentiated)
    check_values("torch", blueprint, "float64")
    with pytest.raises(AssertionError, match="relative error"):
        check_gradients("torch", blueprint, "float64")


@twins
def test_forward_changes_nothing(twin):
    blueprint = blueprint_of((*NORM.layers, a.Conv2D("conv_1", 3, 2, 3, spectral_norm=True)), (3, 3, 3))
    network, at = make(twin, blueprint), case(blueprint)
    network.load(at.arrays)
    nets = module("tensors.networks", twin)
    moved = {}
    network(nets.to_native(at.x, "float64", "cpu"), training=True, statistics=moved)
    for name, array in network.export().items():
        np.testing.assert_array_equal(array, at.arrays[name])
    assert list(moved) == list(network.moving())


@twins
def test_a_second_pass_goes_on_from_the_statistics_of_the_first(twin):
    at = case(NORM)
    nets, network = module("tensors.networks", twin), make(twin, NORM)
    network.load(at.arrays)
    moved, x = {}, nets.to_native(at.x, "float64", "cpu")
    for _ in range(2):
        network(x, training=True, statistics=moved)
    _, once = oracle.apply_layers(NORM.layers, at.x, at.arrays, True)
    _, twice = oracle.apply_layers(NORM.layers, at.x, at.arrays | once, True)
    assert_parity(network.export(moved), twice, "float64")
    value = nets.to_numpy(network(x, statistics=moved))
    assert_parity(value, oracle.apply_layers(NORM.layers, at.x, at.arrays | twice)[0], "float64")
    network.assign(moved)
    assert_parity(nets.to_numpy(network(x)), value, "float64")

"""What the tests of layers and networks share: any layers as a network, and all that it computes, as NumPy."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ganbook.tensors import layers_numpy as oracle
from ganbook.tensors.blueprints import Blueprint
from ganbook.tensors.initial import initial_arrays
from parity import assert_parity, module, relative_error, value_and_gradients

OTHER = {"torch": "tensorflow", "tensorflow": "torch"}


def blueprint_of(layers, input_shape):
    """A blueprint of one layer, or of several in a row."""
    layers = layers if isinstance(layers, tuple) else (layers,)
    shape = input_shape
    for layer in layers:
        shape = layer.output_shape(shape)
    return Blueprint(layers, input_shape, shape)


def make(twin, blueprint, dtype="float64", rng=0):
    """A network of that twin with these layers."""
    return module("tensors.networks", twin).Network(blueprint, rng, dtype, "cpu")


def case(blueprint, batch=3, seed=0, dtype="float64"):
    """Inputs, a state without zeros or ones, masks and a cotangent, as that precision rounds them."""
    rng = np.random.default_rng(seed)

    def draw(shape):
        return rng.standard_normal(shape).astype(dtype).astype(np.float64)

    arrays = initial_arrays(blueprint.layers, rng)
    for name, array in arrays.items():  # a bias of 0 or a scale of 1 would hide what is done with it
        moved = array if name.endswith((".weight", ".u")) else array + rng.uniform(0.1, 0.3, array.shape)
        arrays[name] = moved.astype(dtype).astype(np.float64)
    masks = {name: (rng.random(shape) < 0.7).astype(np.float64) for name, shape in blueprint.mask_shapes(batch).items()}
    return SimpleNamespace(
        x=draw((batch, *blueprint.input_shape)),
        arrays=arrays,
        masks=masks,
        cotangent=draw((batch // blueprint.packing, *blueprint.output_shape)),
    )


def expected(blueprint, at, training):
    """The oracle's value and new moving tensors."""
    value, moved = oracle.apply_layers(blueprint.layers, at.x, at.arrays, training, at.masks)
    return {"value": value, **moved}


def forward(twin, blueprint, at, training, dtype):
    """A twin's value and new moving tensors."""
    nets, network = module("tensors.networks", twin), make(twin, blueprint, dtype)
    network.load(at.arrays)
    masks, moved = {name: nets.to_native(mask, dtype, "cpu") for name, mask in at.masks.items()}, {}
    value = network(nets.to_native(at.x, dtype, "cpu"), training=training, masks=masks, statistics=moved)
    return {"value": nets.to_numpy(value), **network.export(moved)}


def gradients(twin, blueprint, at, training, dtype, second=False):
    """Gradients of sum(cotangent * value) by x and by every weight; with ``second``, those of |gradient by x|^2."""
    nets, network = module("tensors.networks", twin), make(twin, blueprint, dtype)
    network.load(at.arrays)
    x, cotangent = nets.to_native(at.x, dtype, "cpu"), nets.to_native(at.cotangent, dtype, "cpu")
    masks = {name: nets.to_native(mask, dtype, "cpu") for name, mask in at.masks.items()}
    own = network.trainable()

    def value(x, *weights):
        tensors = network.moving() | dict(zip(own, weights, strict=True))
        return _sum(network(x, training=training, masks=masks, tensors=tensors) * cotangent)

    def steepness(x, *weights):
        return _sum(_gradient(lambda x: value(x, *weights), x) ** 2)

    _, (by_x, *by_weights) = value_and_gradients(twin, steepness if second else value, x, *own.values())
    return {"x": nets.to_numpy(by_x), **network.export(dict(zip(own, by_weights, strict=True)))}


def _sum(tensor):
    import tensorflow as tf

    return tensor.sum() if hasattr(tensor, "sum") else tf.reduce_sum(tensor)


def _gradient(function, x):
    """The gradient of a scalar function, which can be differentiated itself."""
    import tensorflow as tf
    import torch

    if isinstance(x, torch.Tensor):
        return torch.autograd.grad(function(x), x, create_graph=True)[0]
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tape.gradient(value, x)


def check_values(twin, blueprint, dtype, batch=3, seed=0, floor=0.0):
    """Hold a twin's forward passes to the oracle; planted mistakes go through this check too."""
    at = case(blueprint, batch, seed, dtype)
    for training in (False, True):
        assert_parity(
            forward(twin, blueprint, at, training, dtype),
            expected(blueprint, at, training),
            dtype,
            floor,
            f"training={training}",
        )


def check_gradients(twin, blueprint, dtype, batch=3, seed=0, second=False, floor=0.0):
    """Hold a twin's gradients, or second derivatives, to the other twin's in float64."""
    at = case(blueprint, batch, seed, dtype)
    for training in (False, True):
        reference = gradients(OTHER[twin], blueprint, at, training, "float64", second)
        assert_parity(
            gradients(twin, blueprint, at, training, dtype, second), reference, dtype, floor, f"training={training}"
        )


def check_slopes(twin, blueprint, batch=3, seed=0):
    """Hold a twin's gradients to differences of the oracle's values, along one random direction per tensor."""
    at, rng, step = case(blueprint, batch, seed), np.random.default_rng(seed + 1), 1e-6
    found = gradients(twin, blueprint, at, True, "float64")
    for name, gradient in found.items():
        direction = rng.standard_normal(gradient.shape)
        values = []
        for sign in (1, -1):
            moved = SimpleNamespace(**vars(at))
            if name == "x":
                moved.x = at.x + sign * step * direction
            else:
                moved.arrays = at.arrays | {name: at.arrays[name] + sign * step * direction}
            values.append(np.sum(at.cotangent * expected(blueprint, moved, True)["value"]))
        slope = (values[0] - values[1]) / (2 * step)
        assert relative_error(np.sum(gradient * direction), slope, floor=1e-2) < 1e-6, name

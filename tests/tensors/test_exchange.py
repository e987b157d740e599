"""The table of axes, and that nothing outside it is ever made to fit."""

from __future__ import annotations

import numpy as np
import pytest

from ganbook.tensors import exchange
from ganbook.tensors import layers as a
from ganbook.tensors.blueprints import Blueprint

SHAPES = {
    "dense_1.weight": (2, 3),
    "conv_1.weight": (4, 5, 2, 3),
    "conv_transpose_12.weight": (4, 5, 2, 3),
    "dense_1.bias": (3,),
    "batch_norm_2.moving_variance": (3,),
}


@pytest.mark.parametrize("name", SHAPES)
def test_there_and_back(name):
    array = np.random.default_rng(0).standard_normal(SHAPES[name])
    turned = exchange.to_torch_layout(name, array)
    assert turned.shape == {1: (3,), 2: (3, 2), 4: (3, 2, 4, 5)}[array.ndim]
    np.testing.assert_array_equal(exchange.from_torch_layout(name, turned), array)


def test_one_element_of_each_weight():
    array = np.arange(4 * 5 * 2 * 3).reshape(4, 5, 2, 3)
    assert exchange.to_torch_layout("conv_1.weight", array)[2, 1, 3, 4] == array[3, 4, 1, 2]
    assert exchange.to_torch_layout("conv_transpose_1.weight", array)[2, 1, 3, 4] == array[3, 4, 1, 2]
    assert exchange.to_torch_layout("dense_1.weight", array[0, 0])[2, 1] == array[0, 0, 1, 2]


def test_the_table_holds_every_tensor_of_every_kind_of_layer():
    layers = (
        a.Dense("dense_1", 2, 3, spectral_norm=True),
        a.Conv2D("conv_1", 2, 3, 3, spectral_norm=True),
        a.ConvTranspose2D("conv_transpose_1", 2, 3, 3),
        a.BatchNorm("batch_norm_1", 3),
    )
    blueprint = Blueprint(layers, (), ())
    shapes = blueprint.trainable_shapes() | blueprint.moving_shapes()
    assert {(name.rpartition("_1.")[0], name.rpartition(".")[2]) for name in shapes} == set(exchange.TORCH_AXES)
    for name, shape in shapes.items():
        assert sorted(exchange.torch_axes(name)) == list(range(len(shape)))


@pytest.mark.parametrize("name", ["dense_1.gamma", "embedding_1.weight", "weight", "dense_1", ""])
def test_an_unknown_name_is_an_error(name):
    with pytest.raises(ValueError, match=r"tensor name is .*; accepted: dense_N.weight"):
        exchange.torch_axes(name)


def test_names_and_shapes_are_checked():
    arrays = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    exchange.check_complete(arrays, SHAPES)
    exchange.check_arrays({}, SHAPES)
    with pytest.raises(ValueError, match=r"tensor 'conv_1.weight' has shape \(4, 5, 3, 2\); accepted: \(4, 5, 2, 3\)"):
        exchange.check_arrays({"conv_1.weight": np.zeros((4, 5, 3, 2))}, SHAPES)
    with pytest.raises(ValueError, match=r"tensor 'x' is unknown; accepted: dense_1.weight, conv_1.weight"):
        exchange.check_arrays({"x": np.zeros(1)}, SHAPES)
    with pytest.raises(ValueError, match=r"tensors dense_1.weight, .* are missing; accepted: all of"):
        exchange.check_complete({}, SHAPES)


@pytest.mark.parametrize(
    ("device", "parts"),
    [
        (None, None),
        ("cpu", ("cpu", 0)),
        ("gpu", ("gpu", 0)),
        ("gpu:1", ("gpu", 1)),
        ("cuda:1", ("gpu", 1)),
        ("CPU", ("cpu", 0)),
    ],
)
def test_devices(device, parts):
    assert exchange.parse_device(device) == parts


@pytest.mark.parametrize("device", ["tpu", "gpu:", "gpu:x", "", 0])
def test_unknown_devices_are_errors(device):
    with pytest.raises(ValueError, match=r"device is .*; accepted: None, 'cpu', 'gpu' or 'gpu:N'"):
        exchange.parse_device(device)

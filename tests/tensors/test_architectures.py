"""Architectures: layer order, names, padding, summary, and every argument that is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ganbook.data.recipe import NETWORKS, Architecture
from ganbook.tensors import architectures as a
from ganbook.tensors import layers


def names_of(blueprint):
    return [layer.name for layer in blueprint.layers]


def test_every_network_of_a_recipe_has_an_architecture():
    assert tuple(a.ARCHITECTURES) == NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_the_shapes_at_both_ends_are_those_of_the_layers(name):
    blueprint = a.ARCHITECTURES[name]().blueprint()
    shape = blueprint.input_shape
    for layer in blueprint.layers:
        shape = layer.output_shape(shape)
    assert shape == blueprint.output_shape
    assert len(set(names_of(blueprint))) == len(blueprint.layers)


def test_a_hidden_layer_is_linear_norm_activation_dropout_in_this_order():
    blueprint = a.MLPGenerator(hidden=(5, 6), shape=(2, 2, 1), batch_norm=True, dropout=0.1).blueprint()
    assert names_of(blueprint) == [
        "dense_1",
        "batch_norm_1",
        "activation_1",
        "dropout_1",
        "dense_2",
        "batch_norm_2",
        "activation_2",
        "dropout_2",
        "dense_3",
        "reshape_1",
        "activation_3",
    ]


def test_batch_norm_can_be_had_by_some_layers_and_then_replaces_their_bias():
    stacked = a.ConvDiscriminator(hidden=(7,), batch_norm=(2, 3)).blueprint().layers
    assert [layer.bias for layer in stacked if hasattr(layer, "bias")] == [True, False, False, True]
    assert [layer.channels for layer in stacked if isinstance(layer, layers.BatchNorm)] == [64, 7]
    assert not any(layer.bias for layer in a.DCGANGenerator().blueprint().layers if hasattr(layer, "bias"))


def test_points_need_no_reshaping():
    blueprint = a.MLPGenerator(shape=(2,), hidden=(5,), output_activation=None, last_gain=0.5).blueprint()
    assert names_of(blueprint) == ["dense_1", "activation_1", "dense_2"]
    assert blueprint.layers[-1].gain == 0.5
    assert blueprint.layers[0].gain == 1.0
    assert names_of(a.MLPDiscriminator(shape=(2,), hidden=()).blueprint()) == ["dense_1", "reshape_1"]


def test_settings_that_come_from_numpy_are_numbers():
    images = np.zeros((5, 8, 8, 1), np.float32)
    given = {
        "latent": np.int64(3),
        "shape": np.array(images.shape[1:]),
        "hidden": [np.int32(4), 5],
        "slope": np.float32(0.25),
        "bias": np.bool_(True),
        "batch_norm": np.array([1]),
    }
    plain = {"latent": 3, "shape": (8, 8, 1), "hidden": (4, 5), "slope": 0.25, "bias": True, "batch_norm": (1,)}
    made = a.blueprint_of(Architecture("MLPGenerator", given))
    assert made == a.blueprint_of(Architecture("MLPGenerator", plain))
    assert "np." not in repr(made)


def test_one_value_per_convolution():
    judge = a.ConvDiscriminator(channels=(2, 3, 4), kernel=(4, 4, 3), stride=(2, 2, 1), padding=(1, "same", 1))
    convolutions = [layer for layer in judge.blueprint().layers if isinstance(layer, layers.Conv2D)]
    assert [(c.kernel, c.stride, c.padding) for c in convolutions] == [(4, 2, 1), (4, 2, "same"), (3, 1, 1)]


@pytest.mark.parametrize(
    ("discriminator", "shape", "first"),
    [
        (a.MLPDiscriminator, (2,), ["pack_1", "dense_1"]),
        (a.MLPDiscriminator, (8, 8, 1), ["pack_1", "flatten_1"]),
        (a.ConvDiscriminator, (8, 8, 1), ["pack_1", "conv_1"]),
        (a.DCGANDiscriminator, (8, 8, 1), ["pack_1", "conv_1"]),
    ],
)
def test_a_packing_discriminator_takes_single_examples_in(discriminator, shape, first):
    blueprint = discriminator(shape=shape, packing=3, dropout=0.1).blueprint()
    assert names_of(blueprint)[:2] == first
    assert (blueprint.input_shape, blueprint.output_shape) == (shape, ())
    assert next(layer for layer in blueprint.layers if hasattr(layer, "inputs")).inputs == 3 * (
        shape[-1] if first[1] == "conv_1" else math.prod(shape)
    )
    assert (blueprint.packing, discriminator(shape=shape).blueprint().packing) == (3, 1)
    assert discriminator(shape=shape, packing=1) == discriminator(shape=shape)
    assert {size[0] for size in blueprint.mask_shapes(12).values()} == {4}
    with pytest.raises(ValueError, match=r"^batch is 4; accepted with packing 3: a multiple of 3$"):
        blueprint.mask_shapes(4)


def test_spectral_norm_reaches_every_weight():
    blueprint = a.DCGANDiscriminator(spectral_norm=True).blueprint()
    assert list(blueprint.moving_shapes()) == ["conv_1.u", "conv_2.u", "dense_1.u"]


def test_floating_point_operations():
    assert layers.Dense("dense_1", 3, 4).flops((3,)) == 2 * 3 * 4
    assert layers.Conv2D("conv_1", 1, 64, 5, 2).flops((28, 28, 1)) == 2 * 14 * 14 * 5 * 5 * 64
    assert layers.ConvTranspose2D("conv_transpose_1", 64, 1, 5, 2).flops((14, 14, 64)) == 2 * 14 * 14 * 5 * 5 * 64


def test_the_summary():
    blueprint = a.ConvDiscriminator(shape=(8, 8, 1), channels=(2,), kernel=4, batch_norm=True, bias=True).blueprint()
    assert (
        blueprint.summary()
        == """\
layer         output shape  trainable  moving  FLOPs
----------------------------------------------------
input         8 x 8 x 1
conv_1        4 x 4 x 2            32       0  1,024
batch_norm_1  4 x 4 x 2             4       4      0
activation_1  4 x 4 x 2             0       0      0
flatten_1     32                    0       0      0
dense_1       1                    33       0     64
reshape_1     logit                 0       0      0
----------------------------------------------------
total                              69       4  1,088"""
    )


@pytest.mark.parametrize(
    ("name", "chosen", "message"),
    [
        ("MLPGenerator", {"latent": 0}, "latent is 0; accepted: a whole number of at least 1"),
        ("MLPGenerator", {"shape": (8, 0, 1)}, "shape is 0; accepted: a whole number of at least 1"),
        ("MLPGenerator", {"shape": 8}, "shape is 8; accepted: a sequence of whole numbers"),
        ("MLPGenerator", {"hidden": 256}, "hidden is 256; accepted: a sequence of whole numbers"),
        (
            "MLPGenerator",
            {"activation": "gelu"},
            "activation is 'gelu'; accepted: leaky_relu, relu, elu, tanh, sigmoid",
        ),
        ("MLPGenerator", {"output_activation": "softmax"}, "output_activation is 'softmax'; accepted: leaky_relu"),
        ("MLPGenerator", {"initialiser": "zeros"}, "initialiser is 'zeros'; accepted: normal, he, glorot, lecun"),
        ("MLPGenerator", {"slope": -0.1}, "slope is -0.1; accepted: a number at least 0"),
        ("MLPGenerator", {"slope": 1.0}, "slope is 1.0; accepted: a number at least 0 and below 1"),
        ("MLPGenerator", {"dropout": 1.0}, "dropout is 1.0; accepted: a number at least 0 and below 1"),
        ("MLPGenerator", {"momentum": 2.0}, "momentum is 2.0; accepted"),
        ("MLPGenerator", {"epsilon": 0.0}, "epsilon is 0.0; accepted: a number above 0"),
        ("MLPGenerator", {"last_gain": -1.0}, "last_gain is -1.0; accepted: a number at least 0"),
        ("MLPGenerator", {"bias": 1}, "bias is 1; accepted: True or False"),
        (
            "MLPGenerator",
            {"batch_norm": (4,)},
            r"batch_norm is \(4,\); accepted: True, False, or numbers of hidden "
            "layers, 1 to 3",
        ),
        ("MLPDiscriminator", {"spectral_norm": "yes"}, "spectral_norm is 'yes'; accepted: True or False"),
        ("MLPDiscriminator", {"packing": 0}, "packing is 0; accepted: a whole number of at least 1"),
        ("DCGANDiscriminator", {"packing": 1.5}, "packing is 1.5; accepted: a whole number of at least 1"),
        ("MLPGenerator", {"packing": 2}, "setting 'packing' .here 2. is unknown"),
        ("ConvDiscriminator", {"shape": (28, 28)}, r"shape is \(28, 28\); accepted: \(height, width, channels\)"),
        ("ConvDiscriminator", {"kernel": (3, 3, 3)}, r"kernel is \(3, 3, 3\); accepted: one value, or 2 of them"),
        ("ConvDiscriminator", {"padding": "reflect"}, "padding is 'reflect'; accepted: same, valid"),
        ("ConvDiscriminator", {"padding": -1}, "padding is -1; accepted: a whole number of at least 0"),
        (
            "ConvDiscriminator",
            {"shape": (6, 6, 1), "padding": "valid"},
            "kernel is 5; accepted: at most 1, the padded side of the input of conv_2",
        ),
        (
            "DCGANGenerator",
            {"shape": (30, 30, 1)},
            r"shape is \(30, 30, 1\); accepted: \(height, width, channels\), "
            "height equal to width and divisible by 4",
        ),
        ("DCGANGenerator", {"shape": (28, 32, 1)}, "height equal to width and divisible by 4"),
        ("DCGANGenerator", {"channels": (8, 4)}, r"channels is \(8, 4\); accepted: three whole numbers"),
        (
            "DCGANGenerator",
            {"kernel": 1},
            "kernel is 1; accepted for conv_transpose_2 with padding 'same': at least the stride, 2",
        ),
        ("DCGANGenerator", {"padding": "valid"}, r"padding is 'valid'; accepted: one that gives shape \(28, 28, 1\)"),
        ("DCGANDiscriminator", {"shape": (30, 30, 1)}, "height equal to width and divisible by 4"),
        ("PixelShuffleGenerator", {"shape": (10, 10, 1)}, "height equal to width and divisible by 4"),
        ("PixelShuffleGenerator", {"width": 0}, "width is 0; accepted: a whole number of at least 1"),
        ("PixelShuffleGenerator", {"depth": 3}, "setting 'depth' .here 3. is unknown; accepted: activation, slope"),
    ],
)
def test_what_is_refused(name, chosen, message):
    with pytest.raises(ValueError, match=message):
        a.blueprint_of(Architecture(name, chosen))


def test_a_padding_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="padding is 3; accepted for conv_transpose_1: less, since it leaves no pixel"):
        layers.ConvTranspose2D("conv_transpose_1", 1, 1, 2, 1, 3).output_shape((2, 2, 1))

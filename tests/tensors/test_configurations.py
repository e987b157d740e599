"""Named networks: layer shapes and parameter counts, against the articles' listings worked out by hand."""

from __future__ import annotations

import math

import pytest

from ganbook.tensors.architectures import blueprint_of
from ganbook.tensors.configurations import CONFIGURATIONS
from ganbook.tensors.layers import Activation, BatchNorm, Dropout


def shapes_of(name):
    """Output shapes of the layers that have weights or turn axes, first to last."""
    blueprint, shape, shapes = blueprint_of(CONFIGURATIONS[name]), None, []
    shape = blueprint.input_shape
    for layer in blueprint.layers:
        shape = layer.output_shape(shape)
        if not isinstance(layer, (Activation, Dropout, BatchNorm)):
            shapes.append(shape)
    return shapes


def counts_of(name):
    """Trainable parameters, and the moving ones that Keras lists as non-trainable."""
    blueprint = blueprint_of(CONFIGURATIONS[name])
    return tuple(
        sum(map(math.prod, shapes.values())) for shapes in (blueprint.trainable_shapes(), blueprint.moving_shapes())
    )


LISTINGS = {
    # z 100 -> 128: 100*128 + 128 = 12,928; -> 256: 128*256 + 256 = 33,024; -> 784: 256*784 + 784 = 201,488
    "article_000_generator": ([(128,), (256,), (784,), (28, 28, 1)], 12_928 + 33_024 + 201_488, 0),
    # tf.layers.conv2d pads nothing by default: (28 - 5) // 2 + 1 = 12, (12 - 5) // 2 + 1 = 4
    # 5*5*1*32 + 32 = 832; 5*5*32*64 + 64 = 51,264; 4*4*64 = 1,024 -> 1: 1,024 + 1
    "article_000_discriminator": ([(12, 12, 32), (4, 4, 64), (1024,), (1,), ()], 832 + 51_264 + 1_025, 0),
    # dense 100*12,544 = 1,254,400, no bias; batch norm 2*12,544; 5*5*256*128 = 819,200; 2*128; 5*5*128*64 = 204,800;
    # 2*64; 5*5*64*3 = 4,800, no bias; moving: 2*(12,544 + 128 + 64) = 25,472
    "article_001_generator": (
        [(12544,), (7, 7, 256), (7, 7, 128), (14, 14, 64), (28, 28, 3)],
        1_254_400 + 25_088 + 819_200 + 256 + 204_800 + 128 + 4_800,
        25_472,
    ),
    # 5*5*3*64 + 64 = 4,864; 5*5*64*128 + 128 = 204,928; 7*7*128 = 6,272 -> 1: 6,273
    "article_001_discriminator": ([(14, 14, 64), (7, 7, 128), (6272,), (1,), ()], 4_864 + 204_928 + 6_273, 0),
    # 100*128 + 128 = 12,928; 128*128 + 128 = 16,512; 128*784 + 784 = 101,136
    "article_002_generator": ([(128,), (128,), (784,), (28, 28, 1)], 12_928 + 16_512 + 101_136, 0),
    # 3*3*1*64 + 64 = 640; 3*3*64*64 + 64 = 36,928; 7*7*64 = 3,136 -> 128: 401,536; 128 -> 1: 129, which the listing
    # makes and then forgets to call
    "article_002_discriminator": (
        [(14, 14, 64), (7, 7, 64), (3136,), (128,), (1,), ()],
        640 + 36_928 + 401_536 + 129,
        0,
    ),
    # no listing; the widths of article 001 in one colour, and a bias where no batch norm follows: the last layer's
    "article_003_generator": (
        [(12544,), (7, 7, 256), (7, 7, 128), (14, 14, 64), (28, 28, 1)],
        1_254_400 + 25_088 + 819_200 + 256 + 204_800 + 128 + 1_600 + 1,
        25_472,
    ),
    # 5*5*1*64 = 1,600; 2*64; 5*5*64*128 = 204,800; 2*128; 6,273; moving: 2*(64 + 128)
    "article_003_discriminator": (
        [(14, 14, 64), (7, 7, 128), (6272,), (1,), ()],
        1_600 + 128 + 204_800 + 256 + 6_273,
        384,
    ),
    # dense 100*16,384 = 1,638,400; batch norm 2*16,384; then as article 001; moving: 2*(16,384 + 128 + 64)
    "article_004_generator": (
        [(16384,), (8, 8, 256), (8, 8, 128), (16, 16, 64), (32, 32, 3)],
        1_638_400 + 32_768 + 819_200 + 256 + 204_800 + 128 + 4_800,
        33_152,
    ),
    # 4,864; 204,928; 8*8*128 = 8,192 -> 1: 8,193
    "article_004_discriminator": ([(16, 16, 64), (8, 8, 128), (8192,), (1,), ()], 4_864 + 204_928 + 8_193, 0),
    # z 64 -> 7*7*48 = 2,352: 150,528; 2*48; 3*3*48*96 = 41,472; 2*24; 3*3*24*48 = 10,368; 2*12; 3*3*12*1 + 1 = 109
    "recommended_generator": (
        [(2352,), (7, 7, 48), (7, 7, 96), (14, 14, 24), (14, 14, 48), (28, 28, 12), (28, 28, 1)],
        150_528 + 96 + 41_472 + 48 + 10_368 + 24 + 109,
        168,
    ),
    # 4*4*1*12 + 12 = 204; 4*4*12*24 + 24 = 4,632; 3*3*24*48 + 48 = 10,416; 7*7*48 = 2,352 -> 1: 2,353
    "recommended_discriminator": (
        [(14, 14, 12), (7, 7, 24), (7, 7, 48), (2352,), (1,), ()],
        204 + 4_632 + 10_416 + 2_353,
        0,
    ),
}


def test_every_named_network_is_here():
    assert list(LISTINGS) == list(CONFIGURATIONS)


@pytest.mark.parametrize("name", LISTINGS)
def test_layer_shapes(name):
    assert shapes_of(name) == LISTINGS[name][0]


@pytest.mark.parametrize("name", LISTINGS)
def test_parameter_counts(name):
    assert counts_of(name) == LISTINGS[name][1:]


def test_keras_counts_the_same_for_the_listing_of_article_001():
    """The listing's own layers, built by Keras, in one layer's words each."""
    import keras
    from keras import layers as k

    generator = keras.Sequential(
        [
            k.Input((100,)),
            k.Dense(12544, use_bias=False),
            k.BatchNormalization(),
            k.LeakyReLU(),
            k.Reshape((7, 7, 256)),
            *(
                part
                for channels, stride in ((128, 1), (64, 2))
                for part in (
                    k.Conv2DTranspose(channels, 5, stride, padding="same", use_bias=False),
                    k.BatchNormalization(),
                    k.LeakyReLU(),
                )
            ),
            k.Conv2DTranspose(3, 5, 2, padding="same", use_bias=False, activation="tanh"),
        ]
    )
    counted = tuple(
        sum(math.prod(v.shape) for v in variables)
        for variables in (generator.trainable_variables, generator.non_trainable_variables)
    )
    assert counted == counts_of("article_001_generator")
    assert generator.output_shape[1:] == blueprint_of(CONFIGURATIONS["article_001_generator"]).output_shape


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("article_000_generator", {"activation": "leaky_relu", "slope": 0.2}),
        ("article_001_generator", {"activation": "leaky_relu", "slope": 0.3}),
        ("article_001_discriminator", {"activation": "leaky_relu", "slope": 0.3}),
        ("article_002_generator", {"activation": "relu"}),
        ("article_003_generator", {"activation": "leaky_relu"}),
        ("article_003_discriminator", {"activation": "elu"}),
    ],
)
def test_hidden_activations(name, settings):
    hidden = next(layer for layer in blueprint_of(CONFIGURATIONS[name]).layers if isinstance(layer, Activation))
    assert hidden.function == settings["activation"]
    assert hidden.slope == settings.get("slope", hidden.slope)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("article_000_generator", "sigmoid"),
        ("article_001_generator", "tanh"),
        ("article_002_generator", None),
        ("article_003_generator", "tanh"),
        ("article_004_generator", "tanh"),
        ("recommended_generator", "tanh"),
    ],
)
def test_output_activations(name, function):
    last = blueprint_of(CONFIGURATIONS[name]).layers[-1]
    assert last.function == function if function else not isinstance(last, Activation)


def test_article_003_asks_for_small_normal_weights_batch_norm_and_dropout_after_it():
    for name in ("article_003_generator", "article_003_discriminator"):
        layers = blueprint_of(CONFIGURATIONS[name]).layers
        kinds = [type(layer) for layer in layers]
        norms = [i for i, kind in enumerate(kinds) if kind is BatchNorm]
        assert len(norms) >= 2
        assert all(kinds[i + 1 : i + 3] == [Activation, Dropout] for i in norms)
        assert {layer.initialiser for layer in layers if hasattr(layer, "initialiser")} == {"normal"}


@pytest.mark.parametrize("name", [n for n in LISTINGS if n.startswith(("article_001", "article_004"))])
def test_dropout_and_batch_norm_of_the_listings(name):
    layers = blueprint_of(CONFIGURATIONS[name]).layers
    assert {layer.rate for layer in layers if isinstance(layer, Dropout)} == (
        {0.3} if name.endswith("discriminator") else set()
    )
    assert {(n.epsilon, n.momentum) for n in layers if isinstance(n, BatchNorm)} == (
        {(1e-3, 0.99)} if name.endswith("generator") else set()
    )

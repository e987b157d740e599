"""Initial weights: their statistics, their order, and what they are for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ganbook.tensors import architectures as a
from ganbook.tensors import layers
from ganbook.tensors import layers_numpy as oracle
from ganbook.tensors.initial import initial_arrays, initial_weight

FANS = (300, 200)
SHAPE = (300, 400)
DEVIATIONS = {"normal": 0.02, "he": math.sqrt(2 / 300), "lecun": math.sqrt(1 / 300), "glorot": math.sqrt(2 / 500)}


@pytest.mark.parametrize("initialiser", layers.INITIALISERS)
def test_mean_deviation_and_kind_of_distribution(initialiser):
    weight = initial_weight(np.random.default_rng(0), initialiser, SHAPE, FANS)
    count, deviation = weight.size, DEVIATIONS[initialiser]
    assert abs(weight.mean()) < 4 * deviation / math.sqrt(count)
    assert abs(weight.std() / deviation - 1) < 4 / math.sqrt(2 * count)
    kurtosis = 1.8 if initialiser == "glorot" else 3.0  # uniform or normal
    assert abs(np.mean(weight**4) / np.mean(weight**2) ** 2 - kurtosis) < 0.1


def test_an_unknown_initialiser_is_an_error():
    with pytest.raises(ValueError, match="initialiser is 'orthogonal'; accepted: normal, he, glorot, lecun"):
        initial_weight(np.random.default_rng(0), "orthogonal", SHAPE, FANS)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense("dense_1", 400, 300, bias=False),
        layers.Conv2D("conv_1", 40, 30, 3, 1, "valid", bias=False),
        layers.ConvTranspose2D("conv_transpose_1", 40, 30, 3, 1, 2, bias=False),
    ],
)
def test_lecun_keeps_the_variance_of_what_goes_in(layer):
    """So the fan in counts the terms of each sum: inputs, times kernel pixels, for both kinds of convolution."""
    rng = np.random.default_rng(0)
    shape = (400,) if isinstance(layer, layers.Dense) else (9, 9, 40)
    values = [initial_weight(rng, "lecun", layer.trainable_shapes()["weight"], layer.fans()) for _ in range(5)]
    outputs = [oracle.apply_layer(layer, rng.standard_normal((20, *shape)), {"weight": w})[0] for w in values]
    assert abs(np.mean(np.square(outputs)) - 1) < 0.06


def test_what_is_not_a_weight():
    arrays = initial_arrays(
        a.DCGANDiscriminator(batch_norm=(2,), spectral_norm=True).blueprint().layers, np.random.default_rng(0)
    )
    assert list(arrays) == [
        "conv_1.weight",
        "conv_1.bias",
        "conv_1.u",
        "conv_2.weight",
        "conv_2.u",
        "batch_norm_1.gamma",
        "batch_norm_1.beta",
        "batch_norm_1.moving_mean",
        "batch_norm_1.moving_variance",
        "dense_1.weight",
        "dense_1.bias",
        "dense_1.u",
    ]
    for name, array in arrays.items():
        assert array.dtype == np.float64
        if name.endswith((".bias", ".beta", ".moving_mean")):
            assert np.all(array == 0)
        elif name.endswith((".gamma", ".moving_variance")):
            assert np.all(array == 1)
        elif name.endswith(".u"):
            assert abs(np.linalg.norm(array) - 1) < 1e-12


def test_the_gain_scales_the_last_weight_alone():
    one, half = (
        initial_arrays(a.MLPGenerator(last_gain=gain).blueprint().layers, np.random.default_rng(3)) for gain in (1, 0.5)
    )
    for name in one:
        np.testing.assert_array_equal(half[name], one[name] * (0.5 if name == "dense_4.weight" else 1.0))

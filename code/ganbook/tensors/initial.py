"""Initial weights, drawn once in NumPy and set in either framework.

Each initialiser has mean 0 and a variance that the layer's fans decide.  A fan in counts the terms that are summed
for one output, a fan out the outputs that one input reaches, both at stride 1.  Note that both frameworks swap the
two for a transposed convolution; here the fan in is what is summed in it too.

Explained in the book's section "Layers".
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ganbook.data.recipe import check_choice
from ganbook.tensors.layers import INITIALISERS, Layer, Linear, Shape


def initial_weight(rng: np.random.Generator, initialiser: str, shape: Shape, fans: tuple[int, int]) -> np.ndarray:
    """Draw one weight.

    .. math::
        \\mathrm{normal}: N(0, 0.02^2), \\quad \\mathrm{he}: N(0, 2 / f_{in}), \\quad
        \\mathrm{lecun}: N(0, 1 / f_{in}), \\quad
        \\mathrm{glorot}: U(-a, a), \\ a = \\sqrt{6 / (f_{in} + f_{out})}

    Args:
        rng: source of randomness.
        initialiser: one of ``INITIALISERS``.
        shape: of the weight.
        fans: fan in and fan out, both at least 1.

    Returns:
        A float64 array of that shape.

    Raises:
        ValueError: an unknown initialiser.

    Example:
        >>> weight = initial_weight(np.random.default_rng(0), "he", (200, 300), (200, 300))
        >>> round(float(weight.std()), 2)  # the square root of 2 / 200
        0.1

    References:
        Radford, Metz and Chintala, DCGAN, ICLR 2016, section 4 (normal), arXiv:1511.06434.
        He, Zhang, Ren and Sun, Delving Deep into Rectifiers, ICCV 2015, equation 10 (he), arXiv:1502.01852.
        LeCun, Bottou, Orr and Mueller, Efficient BackProp, 1998, equation 16 (lecun).
        Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010,
        equation 16 (glorot).
    """
    check_choice("initialiser", initialiser, INITIALISERS)
    fan_in, fan_out = fans
    if initialiser == "glorot":
        bound = math.sqrt(6 / (fan_in + fan_out))
        return rng.uniform(-bound, bound, shape)
    deviation = {"normal": 0.02, "he": math.sqrt(2 / fan_in), "lecun": math.sqrt(1 / fan_in)}[initialiser]
    return deviation * rng.standard_normal(shape)


def initial_arrays(layers: Iterable[Layer], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the whole initial state of a network, trainable and moving tensors, layer by layer.

    Biases, beta and moving means start at 0, gamma and moving variances at 1, and spectral norm's u is a random
    direction.

    Args:
        layers: the layers, first to last.
        rng: source of randomness.

    Returns:
        float64 arrays by canonical name, in the canonical layout.
    """
    arrays = {}
    for layer in layers:
        for suffix, shape in (layer.trainable_shapes() | layer.moving_shapes()).items():
            if isinstance(layer, Linear) and suffix == "weight":
                value = layer.gain * initial_weight(rng, layer.initialiser, shape, layer.fans())
            elif suffix == "u":
                value = rng.standard_normal(shape)
                value /= np.linalg.norm(value)
            else:
                value = np.full(shape, 1.0 if suffix in ("gamma", "moving_variance") else 0.0)
            arrays[f"{layer.name}.{suffix}"] = value
    return arrays

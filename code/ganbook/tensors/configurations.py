"""Named networks: those that the five articles list or describe, and the book's own recommended pair.

Where an article ends its discriminator in a sigmoid, these end in the logit before it, as every discriminator of
this book does; the parameters are the same.  Article 003 lists no network: it asks for leaky ReLU or ELU, weights
from N(0, 0.02), biases of 0, batch norm, and dropout after it, and the pair here does that.

Explained in the book's sections "Layers", "A first GAN", "A colour DCGAN" and "Losses and penalties".
"""

from __future__ import annotations

from types import MappingProxyType

from ganbook.data.recipe import Architecture

#: What Keras's layers do where an article states nothing.
_KERAS = {"initialiser": "glorot", "epsilon": 1e-3, "momentum": 0.99}
_RECOMMENDED_WIDTH = 12

CONFIGURATIONS = MappingProxyType(
    {
        "article_000_generator": Architecture(
            "MLPGenerator",
            {
                "latent": 100,
                "shape": (28, 28, 1),
                "hidden": (128, 256),
                "slope": 0.2,
                "output_activation": "sigmoid",
                **_KERAS,
            },
        ),
        "article_000_discriminator": Architecture(
            "ConvDiscriminator",
            {
                "shape": (28, 28, 1),
                "channels": (32, 64),
                "kernel": 5,
                "stride": 2,
                "padding": "valid",
                "slope": 0.2,
                **_KERAS,
            },
        ),
        "article_001_generator": Architecture("DCGANGenerator", {"shape": (28, 28, 3), **_KERAS}),
        "article_001_discriminator": Architecture("DCGANDiscriminator", {"shape": (28, 28, 3), **_KERAS}),
        "article_002_generator": Architecture(
            "MLPGenerator",
            {
                "latent": 100,
                "shape": (28, 28, 1),
                "hidden": (128, 128),
                "activation": "relu",
                "output_activation": None,
                **_KERAS,
            },
        ),
        "article_002_discriminator": Architecture(
            "ConvDiscriminator",
            {
                "shape": (28, 28, 1),
                "channels": (64, 64),
                "kernel": 3,
                "stride": 2,
                "padding": "same",
                "hidden": (128,),
                "activation": "relu",
                **_KERAS,
            },
        ),
        "article_003_generator": Architecture(
            "DCGANGenerator",
            {
                "shape": (28, 28, 1),
                "activation": "leaky_relu",
                "slope": 0.2,
                "batch_norm": True,
                "dropout": 0.3,
                "bias": True,
                "initialiser": "normal",
            },
        ),
        "article_003_discriminator": Architecture(
            "DCGANDiscriminator",
            {
                "shape": (28, 28, 1),
                "activation": "elu",
                "batch_norm": True,
                "dropout": 0.3,
                "bias": True,
                "initialiser": "normal",
            },
        ),
        "article_004_generator": Architecture("DCGANGenerator", {"shape": (32, 32, 3), **_KERAS}),
        "article_004_discriminator": Architecture("DCGANDiscriminator", {"shape": (32, 32, 3), **_KERAS}),
        "recommended_generator": Architecture(
            "PixelShuffleGenerator", {"latent": 64, "shape": (28, 28, 1), "width": _RECOMMENDED_WIDTH}
        ),
        "recommended_discriminator": Architecture(
            "DCGANDiscriminator",
            {
                "shape": (28, 28, 1),
                "channels": tuple(_RECOMMENDED_WIDTH * n for n in (1, 2, 4)),
                "kernel": (4, 4, 3),
                "stride": (2, 2, 1),
                "slope": 0.2,
                "dropout": 0.0,
                "initialiser": "he",
            },
        ),
    }
)

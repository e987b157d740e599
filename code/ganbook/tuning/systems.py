"""The five articles' systems as they were meant: five recipes for the bundled digits, and what their runs are held to.

Each recipe names what is its article's own: the two networks, the optimiser of each player, the data and the batch.

The articles' networks are made for 28 or 32 pixels and hours of training.  Here images have 8x8 pixels and most
networks fewer channels, so that a run takes seconds; it is so short that learning rates are ten times the articles'.
One thing is added to all: samples come from a moving average of the generator's weights, since both players circle.

``REPAIRED_SYSTEMS`` runs each recipe with five seeds in both frameworks.  The thresholds were set before it, after a
few trial runs, and are held against it.

Explained in the book's section "The five systems, repaired".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from ganbook.data.recipe import FRAMEWORKS, Optimiser, Recipe
from ganbook.gradient_descent import training
from ganbook.tensors.configurations import CONFIGURATIONS
from ganbook.tuning.metrics import frechet_distance
from ganbook.tuning.tables import Cell, Table

#: What all five have in common: cross-entropy on logits, no penalty, turns one after another.
COMMON = MappingProxyType({"loss": "non_saturating", "r1": 0.0, "r2": 0.0, "order": "alternating", "averaging": 0.99})
#: Batch norm whose moving statistics follow a short run; the momentum of Keras, 0.99, is made for longer ones.
BATCH_NORM = MappingProxyType({"momentum": 0.9, "epsilon": 1e-5})
#: Images on each side of a distance.
IMAGES = 2000
SEEDS = tuple(range(5))
MEASURES = ("samples", "untrained", "noise", "other_real", "digits")


def article_000(steps: int = 1000, dtype: str = "float32") -> Recipe:
    """Article 000: a dense generator against a discriminator of two convolutions, on digits.

    The discriminator ends in the logit, where the article puts a sigmoid before a loss that has one of its own; its
    convolutions pad, so that no row of pixels is dropped; tanh replaces the generator's sigmoid, since images lie in
    [-1, 1].  The article names no optimiser and no length of the noise: Adam, as the others have, and 100.

    Args:
        steps: turns of each player.
        dtype: ``float32`` or ``float64``.

    Returns:
        A recipe whose samples are images of shape (8, 8, 1) in [-1, 1].

    Reference: Goodfellow et al., 2014, arXiv:1406.2661.
    Explained in the book's section "The five systems, repaired".
    """
    generator = CONFIGURATIONS["article_000_generator"].with_(shape=(8, 8, 1), output_activation="tanh")
    discriminator = CONFIGURATIONS["article_000_discriminator"].with_(
        shape=(8, 8, 1), kernel=3, padding="same")
    adam = Optimiser("adam", 2e-3, beta1=0.5, beta2=0.999, epsilon=1e-7)
    return Recipe(name="article-000", data="digits", batch=32, steps=steps, dtype=dtype, generator=generator,
                  discriminator=discriminator, generator_optimiser=adam, discriminator_optimiser=adam, **COMMON)


def article_001(steps: int = 1000, dtype: str = "float32") -> Recipe:
    """Article 001: a colour DCGAN with RMSprop, on stacks of three digits.

    The discriminator sees images where the article shows it labels, another batch in each turn, and the generator
    learns through it.  RMSprop has the article's decay of 0.5, one for each player.

    Args:
        steps: turns of each player.
        dtype: ``float32`` or ``float64``.

    Returns:
        A recipe whose samples are images of shape (8, 8, 3) in [-1, 1].

    Reference: Radford, Metz and Chintala, ICLR 2016, arXiv:1511.06434.
    Explained in the book's section "The five systems, repaired".
    """
    generator = CONFIGURATIONS["article_001_generator"].with_(shape=(8, 8, 3), channels=(64, 32, 16), **BATCH_NORM)
    discriminator = CONFIGURATIONS["article_001_discriminator"].with_(shape=(8, 8, 3), channels=(32, 64))
    rmsprop = Optimiser("rmsprop", 2e-3, beta2=0.5, epsilon=1e-7)
    return Recipe(name="article-001", data="stacked_digits", batch=32, steps=steps, dtype=dtype, generator=generator,
                  discriminator=discriminator, generator_optimiser=rmsprop, discriminator_optimiser=rmsprop, **COMMON)


def article_002(steps: int = 1000, dtype: str = "float32") -> Recipe:
    """Article 002: a dense ReLU generator against a convolutional discriminator, with Adam and tapes.

    The discriminator ends in a layer with one logit, which the article makes and never applies; fakes are made where
    the generator's gradient can find them; each player has an Adam of its own.  The generator ends in tanh, since
    images lie in [-1, 1] and not in 0 to 255.

    Args:
        steps: turns of each player.
        dtype: ``float32`` or ``float64``.

    Returns:
        A recipe whose samples are images of shape (8, 8, 1) in [-1, 1].

    Reference: Goodfellow et al., 2014, arXiv:1406.2661.
    Explained in the book's section "The five systems, repaired".
    """
    generator = CONFIGURATIONS["article_002_generator"].with_(shape=(8, 8, 1), output_activation="tanh")
    discriminator = CONFIGURATIONS["article_002_discriminator"].with_(
        shape=(8, 8, 1), channels=(32, 32), hidden=(64,))
    adam = Optimiser("adam", 2e-3, beta1=0.5, beta2=0.999, epsilon=1e-7)
    return Recipe(name="article-002", data="digits", batch=32, steps=steps, dtype=dtype, generator=generator,
                  discriminator=discriminator, generator_optimiser=adam, discriminator_optimiser=adam, **COMMON)


def article_003(steps: int = 1000, dtype: str = "float32") -> Recipe:
    """Article 003: the DCGAN that it describes and never lists, on digits.

    Leaky ReLU in the generator and ELU in the discriminator, weights from N(0, 0.02), biases of 0, batch norm and
    dropout in both, and no parameter shared.  Real images and fakes go through batch norm as two batches.

    Args:
        steps: turns of each player.
        dtype: ``float32`` or ``float64``.

    Returns:
        A recipe whose samples are images of shape (8, 8, 1) in [-1, 1].

    Reference: Radford, Metz and Chintala, ICLR 2016, arXiv:1511.06434.
    Explained in the book's section "The five systems, repaired".
    """
    generator = CONFIGURATIONS["article_003_generator"].with_(shape=(8, 8, 1), channels=(32, 16, 8))
    discriminator = CONFIGURATIONS["article_003_discriminator"].with_(shape=(8, 8, 1), channels=(16, 32))
    adam = Optimiser("adam", 2e-3, beta1=0.5, beta2=0.999, epsilon=1e-7)
    return Recipe(name="article-003", data="digits", batch=32, steps=steps, dtype=dtype, generator=generator,
                  discriminator=discriminator, generator_optimiser=adam, discriminator_optimiser=adam, **COMMON)


def article_004(steps: int = 1000, dtype: str = "float32") -> Recipe:
    """Article 004: a colour DCGAN with Adam, on stacks of three digits.

    Cross-entropy on logits in place of the logits themselves, an optimiser for each player, and as many real images as
    fakes.  Adam has the article's first decay of 0.5.

    Args:
        steps: turns of each player.
        dtype: ``float32`` or ``float64``.

    Returns:
        A recipe whose samples are images of shape (8, 8, 3) in [-1, 1].

    Reference: Radford, Metz and Chintala, ICLR 2016, arXiv:1511.06434.
    Explained in the book's section "The five systems, repaired".
    """
    generator = CONFIGURATIONS["article_004_generator"].with_(shape=(8, 8, 3), channels=(32, 16, 8), **BATCH_NORM)
    discriminator = CONFIGURATIONS["article_004_discriminator"].with_(shape=(8, 8, 3), channels=(32, 64))
    adam = Optimiser("adam", 2e-3, beta1=0.5, beta2=0.999, epsilon=1e-7)
    return Recipe(name="article-004", data="stacked_digits", batch=64, steps=steps, dtype=dtype, generator=generator,
                  discriminator=discriminator, generator_optimiser=adam, discriminator_optimiser=adam, **COMMON)


#: By article, what makes its recipe.
SYSTEMS: Mapping[str, Callable[..., Recipe]] = MappingProxyType({
    "000": article_000, "001": article_001, "002": article_002, "003": article_003, "004": article_004})
#: By article, the Fréchet distance that a run's samples must stay below.
THRESHOLDS = MappingProxyType({"000": 8.0, "001": 40.0, "002": 15.0, "003": 12.0, "004": 65.0})


def measure(run: training.Run) -> dict[str, float]:
    r"""Fréchet distances to real images in the features of the fixed digit classifier, and how many digits are drawn.

    .. math:: d^2 = \lVert m - m' \rVert^2 + \operatorname{tr}\bigl(C + C' - 2 (C C')^{1/2}\bigr)

    Args:
        run: one that was trained on images of 8x8 pixels.

    Returns:
        By the names of ``MEASURES``: the distance of samples, of samples of the same networks before training, of
        noise, and of other real images, each from ``IMAGES`` images; and the number of digits, of 10, that the
        classifier reads in the samples.

    Reference: Heusel et al., 2017, equation 6, arXiv:1706.08500.
    Explained in the book's section "The five systems, repaired".
    """
    reader = training.twin("ganbook.tuning.features", run.framework).DigitReader(8, device="cpu")
    source = training.load_source(run.recipe)
    real, other = (source.batch(np.random.default_rng(seed), IMAGES) for seed in (0, 1))
    samples = run.sample(IMAGES)
    compared = {"samples": samples,
                "untrained": training.start_run(run.recipe, run.framework, device="cpu").sample(IMAGES),
                "noise": np.clip(np.random.default_rng(2).normal(size=real.shape), -1, 1), "other_real": other}
    features = reader.features(real)
    found = {name: frechet_distance(features, reader.features(images)) for name, images in compared.items()}
    return found | {"digits": len(np.unique(reader.digits(samples)))}


#: Every system with every seed, in both frameworks.
REPAIRED_SYSTEMS = Table(
    "repaired_systems", "The five articles' systems: distance from real images", tuple(
        Cell(f"article_{article}", framework, make().replace(seed=seed))
        for article, make in SYSTEMS.items() for framework in FRAMEWORKS for seed in SEEDS),
    MEASURES, measure, compiled=False)  # compiling takes longer than so short a run

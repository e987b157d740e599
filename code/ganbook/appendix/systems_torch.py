r"""The five articles' systems as they were meant, in PyTorch: five small programs that train on the bundled digits.

Each program names what is its article's own, the two networks, the optimiser of each player, the data and the batch,
and hands them to one loop, :func:`play`.  The loop is the one that all five articles try to write: a turn of the
discriminator, in which the fakes are constants, and a turn of the generator, through the discriminator.

The articles' networks are made for 28 or 32 pixels and hours of training.  Here images have 8x8 pixels and most
networks fewer channels, so that a run takes seconds; it is so short that learning rates are ten times the articles'.
One thing is added to all: samples come from a moving average of the generator's weights, since both players circle.

Explained in the book's section "The five systems, repaired".
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ganbook.data.recipe import Optimiser, Recipe
from ganbook.gradient_descent.draws import Draws
from ganbook.gradient_descent.steps_torch import Players
from ganbook.gradient_descent.training import Run, load_source, make_dealer
from ganbook.probability.losses_torch import non_saturating_discriminator, non_saturating_generator
from ganbook.tensors.configurations import CONFIGURATIONS

#: What all five have in common: cross-entropy on logits, no penalty, turns one after another.
COMMON = MappingProxyType({"loss": "non_saturating", "r1": 0.0, "r2": 0.0, "order": "alternating", "averaging": 0.99})
#: Batch norm whose moving statistics follow a short run; the momentum of Keras, 0.99, is made for longer ones.
BATCH_NORM = MappingProxyType({"momentum": 0.9, "epsilon": 1e-5})


def discriminator_turn(players: Players, draws: Draws) -> Tensor:
    r"""Teach the discriminator to give real images large logits and fakes small ones.

    .. math:: L_D = E\,\zeta(-D(x)) + E\,\zeta(D(G(z)))

    Args:
        players: the discriminator is changed in place.
        draws: native, of one turn: ``real``, ``noise``, ``masks`` and ``rates``.

    Returns:
        the loss before the update, a scalar.

    Reference: Goodfellow et al., 2014, algorithm 1, arXiv:1406.2661.
    Explained in the book's section "The five systems, repaired".
    """
    masks, statistics = draws["masks"], {}
    fake = players.generator(draws["noise"], training=True, masks=masks["generator"]).detach()
    real_logits = players.discriminator(draws["real"], training=True, masks=masks["real"], statistics=statistics)
    fake_logits = players.discriminator(fake, training=True, masks=masks["fake"], statistics=statistics)
    loss = non_saturating_discriminator(real_logits, fake_logits)
    weights = players.discriminator.trainable()
    gradients = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
    players.apply("discriminator", gradients, statistics, draws["rates"])
    return loss.detach()


def generator_turn(players: Players, draws: Draws) -> Tensor:
    r"""Teach the generator to make fakes that the discriminator gives large logits.

    .. math:: L_G = E\,\zeta(-D(G(z)))

    Args:
        players: the generator is changed in place, and so is its moving average.
        draws: native, of one turn: ``noise``, ``masks`` and ``rates``.

    Returns:
        the loss before the update, a scalar.

    Reference: Goodfellow et al., 2014, section 3, arXiv:1406.2661.
    Explained in the book's section "The five systems, repaired".
    """
    masks, statistics = draws["masks"], {}
    fake = players.generator(draws["noise"], training=True, masks=masks["generator"], statistics=statistics)
    fake_logits = players.discriminator(fake, training=True, masks=masks["fake"])
    loss = non_saturating_generator(None, fake_logits)
    weights = players.generator.trainable()
    gradients = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
    players.apply("generator", gradients, statistics, draws["rates"])
    players.update_average(draws["rates"]["decay"])
    return loss.detach()


def play(recipe: Recipe, rng: np.random.Generator) -> Run:
    """Train two networks against each other, from initial weights to the recipe's last step.

    Args:
        recipe: networks, optimisers, data, batch and number of steps; its loss is the non-saturating one, without
            penalties, in turns, with one turn of the discriminator in each step.
        rng: draws everything: initial weights, real batches, noise and dropout masks.

    Returns:
        the run, which holds networks and losses, and samples.

    Raises:
        ValueError: a recipe that asks for anything else.

    Reference: Goodfellow et al., 2014, algorithm 1, arXiv:1406.2661.
    Explained in the book's section "The five systems, repaired".
    """
    if recipe != recipe.replace(discriminator_steps=1, unrolled=0, clip=0.0, gradient_penalty=0.0, **COMMON):
        raise ValueError(f"recipe {recipe.name!r} has another loop; accepted: {dict(COMMON)}, with one plain turn each")
    run = Run(recipe, "pytorch", Players(recipe, rng), rng)
    players, dealer = run.players, make_dealer(run, load_source(recipe))
    for step in range(recipe.steps):
        draws = players.native_round(dealer.round(step, rng))
        losses = {"discriminator_loss": discriminator_turn(players, draws["discriminator"][0]),
                  "generator_loss": generator_turn(players, draws["generator"])}
        run.step = step + 1
        for name, value in losses.items():
            run.history[name].append(value.item())
        run.history["step"].append(run.step)
    return run


def article_000(rng: np.random.Generator, steps: int = 1000, dtype: str = "float32") -> Run:
    """Article 000: a dense generator against a discriminator of two convolutions, on digits.

    The discriminator ends in the logit, where the article puts a sigmoid before a loss that has one of its own; its
    convolutions pad, so that no row of pixels is dropped; tanh replaces the generator's sigmoid, since images lie in
    [-1, 1].  The article names no optimiser and no length of the noise: Adam, as the others have, and 100.

    Args:
        rng: draws everything: initial weights, real batches, noise and dropout masks.
        steps: turns of each player.
        dtype: ``float32`` or ``float64``.

    Returns:
        the run, which samples images of shape (8, 8, 1) in [-1, 1].

    Reference: Goodfellow et al., 2014, arXiv:1406.2661.
    Explained in the book's section "The five systems, repaired".
    """
    generator = CONFIGURATIONS["article_000_generator"].with_(shape=(8, 8, 1), output_activation="tanh")
    discriminator = CONFIGURATIONS["article_000_discriminator"].with_(
        shape=(8, 8, 1), kernel=3, padding="same")
    adam = Optimiser("adam", 2e-3, beta1=0.5, beta2=0.999, epsilon=1e-7)
    recipe = Recipe(name="article-000", data="digits", batch=32, steps=steps, dtype=dtype, generator=generator,
                    discriminator=discriminator, generator_optimiser=adam, discriminator_optimiser=adam, **COMMON)
    return play(recipe, rng)


def article_001(rng: np.random.Generator, steps: int = 1000, dtype: str = "float32") -> Run:
    """Article 001: a colour DCGAN with RMSprop, on stacks of three digits.

    The discriminator sees images where the article shows it labels, another batch in each turn, and the generator
    learns through it.  RMSprop has the article's decay of 0.5, one for each player.

    Args:
        rng: draws everything: initial weights, real batches, noise and dropout masks.
        steps: turns of each player.
        dtype: ``float32`` or ``float64``.

    Returns:
        the run, which samples images of shape (8, 8, 3) in [-1, 1].

    Reference: Radford, Metz and Chintala, ICLR 2016, arXiv:1511.06434.
    Explained in the book's section "The five systems, repaired".
    """
    generator = CONFIGURATIONS["article_001_generator"].with_(shape=(8, 8, 3), channels=(64, 32, 16), **BATCH_NORM)
    discriminator = CONFIGURATIONS["article_001_discriminator"].with_(shape=(8, 8, 3), channels=(32, 64))
    rmsprop = Optimiser("rmsprop", 2e-3, beta2=0.5, epsilon=1e-7)
    recipe = Recipe(name="article-001", data="stacked_digits", batch=32, steps=steps, dtype=dtype, generator=generator,
                    discriminator=discriminator, generator_optimiser=rmsprop, discriminator_optimiser=rmsprop, **COMMON)
    return play(recipe, rng)


def article_002(rng: np.random.Generator, steps: int = 1000, dtype: str = "float32") -> Run:
    """Article 002: a dense ReLU generator against a convolutional discriminator, with Adam and tapes.

    The discriminator ends in a layer with one logit, which the article makes and never applies; fakes are made where
    the generator's gradient can find them; each player has an Adam of its own.  The generator ends in tanh, since
    images lie in [-1, 1] and not in 0 to 255.

    Args:
        rng: draws everything: initial weights, real batches, noise and dropout masks.
        steps: turns of each player.
        dtype: ``float32`` or ``float64``.

    Returns:
        the run, which samples images of shape (8, 8, 1) in [-1, 1].

    Reference: Goodfellow et al., 2014, arXiv:1406.2661.
    Explained in the book's section "The five systems, repaired".
    """
    generator = CONFIGURATIONS["article_002_generator"].with_(shape=(8, 8, 1), output_activation="tanh")
    discriminator = CONFIGURATIONS["article_002_discriminator"].with_(
        shape=(8, 8, 1), channels=(32, 32), hidden=(64,))
    adam = Optimiser("adam", 2e-3, beta1=0.5, beta2=0.999, epsilon=1e-7)
    recipe = Recipe(name="article-002", data="digits", batch=32, steps=steps, dtype=dtype, generator=generator,
                    discriminator=discriminator, generator_optimiser=adam, discriminator_optimiser=adam, **COMMON)
    return play(recipe, rng)


def article_003(rng: np.random.Generator, steps: int = 1000, dtype: str = "float32") -> Run:
    """Article 003: the DCGAN that it describes and never lists, on digits.

    Leaky ReLU in the generator and ELU in the discriminator, weights from N(0, 0.02), biases of 0, batch norm and
    dropout in both, and no parameter shared.  Real images and fakes go through batch norm as two batches.

    Args:
        rng: draws everything: initial weights, real batches, noise and dropout masks.
        steps: turns of each player.
        dtype: ``float32`` or ``float64``.

    Returns:
        the run, which samples images of shape (8, 8, 1) in [-1, 1].

    Reference: Radford, Metz and Chintala, ICLR 2016, arXiv:1511.06434.
    Explained in the book's section "The five systems, repaired".
    """
    generator = CONFIGURATIONS["article_003_generator"].with_(shape=(8, 8, 1), channels=(32, 16, 8))
    discriminator = CONFIGURATIONS["article_003_discriminator"].with_(shape=(8, 8, 1), channels=(16, 32))
    adam = Optimiser("adam", 2e-3, beta1=0.5, beta2=0.999, epsilon=1e-7)
    recipe = Recipe(name="article-003", data="digits", batch=32, steps=steps, dtype=dtype, generator=generator,
                    discriminator=discriminator, generator_optimiser=adam, discriminator_optimiser=adam, **COMMON)
    return play(recipe, rng)


def article_004(rng: np.random.Generator, steps: int = 1000, dtype: str = "float32") -> Run:
    """Article 004: a colour DCGAN with Adam, on stacks of three digits.

    Cross-entropy on logits in place of the logits themselves, an optimiser for each player, and as many real images as
    fakes.  Adam has the article's first decay of 0.5.

    Args:
        rng: draws everything: initial weights, real batches, noise and dropout masks.
        steps: turns of each player.
        dtype: ``float32`` or ``float64``.

    Returns:
        the run, which samples images of shape (8, 8, 3) in [-1, 1].

    Reference: Radford, Metz and Chintala, ICLR 2016, arXiv:1511.06434.
    Explained in the book's section "The five systems, repaired".
    """
    generator = CONFIGURATIONS["article_004_generator"].with_(shape=(8, 8, 3), channels=(32, 16, 8), **BATCH_NORM)
    discriminator = CONFIGURATIONS["article_004_discriminator"].with_(shape=(8, 8, 3), channels=(32, 64))
    adam = Optimiser("adam", 2e-3, beta1=0.5, beta2=0.999, epsilon=1e-7)
    recipe = Recipe(name="article-004", data="stacked_digits", batch=64, steps=steps, dtype=dtype, generator=generator,
                    discriminator=discriminator, generator_optimiser=adam, discriminator_optimiser=adam, **COMMON)
    return play(recipe, rng)


#: By article.
PROGRAMS = MappingProxyType({"000": article_000, "001": article_001, "002": article_002, "003": article_003,
                             "004": article_004})

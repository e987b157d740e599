r"""The loop that the five articles' systems share, in PyTorch: :func:`play` trains two networks against each other.

Each step has two turns, which all five articles try to write: one of the discriminator, in which the fakes are
constants, and one of the generator, through the discriminator.  The systems' recipes are those of
:mod:`ganbook.tuning.systems`.

Explained in the book's section "The five systems, repaired".
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganbook.data.recipe import Recipe
from ganbook.gradient_descent.draws import Draws
from ganbook.gradient_descent.steps_torch import Players
from ganbook.gradient_descent.training import Run, load_source, make_dealer
from ganbook.probability.losses_torch import non_saturating_discriminator, non_saturating_generator
from ganbook.tuning.systems import COMMON


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

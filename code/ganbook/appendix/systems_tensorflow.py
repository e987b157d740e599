r"""The loop that the five articles' systems share, in TensorFlow: :func:`play` trains two networks against each other.

Each step has two turns, which all five articles try to write: one of the discriminator, in which the fakes are
constants, and one of the generator, through the discriminator.  The systems' recipes are those of
:mod:`ganbook.tuning.systems`.

Explained in the book's section "The five systems, repaired".
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ganbook.data.recipe import Recipe
from ganbook.gradient_descent.draws import Draws
from ganbook.gradient_descent.steps_tensorflow import Players
from ganbook.gradient_descent.training import Run, load_source, make_dealer
from ganbook.probability.losses_tensorflow import non_saturating_discriminator, non_saturating_generator
from ganbook.tuning.systems import COMMON


def discriminator_turn(players: Players, draws: Draws) -> tf.Tensor:
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
    fake = players.generator(draws["noise"], training=True, masks=masks["generator"])  # before the tape: a constant
    with tf.GradientTape() as tape:
        real_logits = players.discriminator(draws["real"], training=True, masks=masks["real"], statistics=statistics)
        fake_logits = players.discriminator(fake, training=True, masks=masks["fake"], statistics=statistics)
        loss = non_saturating_discriminator(real_logits, fake_logits)
    gradients = tape.gradient(loss, players.discriminator.trainable())
    players.apply("discriminator", gradients, statistics, draws["rates"])
    return loss


def generator_turn(players: Players, draws: Draws) -> tf.Tensor:
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
    with tf.GradientTape() as tape:
        fake = players.generator(draws["noise"], training=True, masks=masks["generator"], statistics=statistics)
        fake_logits = players.discriminator(fake, training=True, masks=masks["fake"])
        loss = non_saturating_generator(None, fake_logits)
    gradients = tape.gradient(loss, players.generator.trainable())
    players.apply("generator", gradients, statistics, draws["rates"])
    players.update_average(draws["rates"]["decay"])
    return loss


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
    run = Run(recipe, "tensorflow", Players(recipe, rng), rng)
    players, dealer = run.players, make_dealer(run, load_source(recipe))

    @tf.function(autograph=False)  # run eagerly, a small step costs many times as much
    def both_turns(draws: Draws) -> dict[str, tf.Tensor]:
        return {"discriminator_loss": discriminator_turn(players, draws["discriminator"][0]),
                "generator_loss": generator_turn(players, draws["generator"])}

    for step in range(recipe.steps):
        losses = both_turns(players.native_round(dealer.round(step, rng)))
        run.step = step + 1
        for name, value in losses.items():
            run.history[name].append(float(value))
        run.history["step"].append(run.step)
    return run

"""A discriminator trained alone, against two sides that stay as they are, in TensorFlow.

Explained in the book's section "The optimal discriminator".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ganbook.data.recipe import Optimiser, Recipe, check_int
from ganbook.gradient_descent.step.inputs import Inputs
from ganbook.gradient_descent.step.optimisers_tensorflow import initial_state, update_all
from ganbook.gradient_descent.step.penalties_tensorflow import clip_weights
from ganbook.gradient_descent.step.steps_tensorflow import discriminator_objective
from ganbook.gradient_descent.step.train_state_tensorflow import native
from ganbook.gradient_descent.studies.critics import ADAM, CriticSampler, Sampler, as_examples, critic_recipe, record
from ganbook.tensors.networks_tensorflow import Network, to_native, to_numpy

Examples = np.ndarray | Sampler


def fit_critic(
    network: Network,
    real: Examples,
    fake: Examples,
    *,
    loss: str = "non_saturating",
    steps: int,
    batch: int | None = None,
    optimiser: Optimiser = ADAM,
    gradient_penalty: float = 0.0,
    clip: float | None = None,
    r1: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """The twin of :func:`ganbook.gradient_descent.studies.critics_torch.fit_critic`."""
    recipe = critic_recipe(
        network, loss=loss, steps=steps, optimiser=optimiser, gradient_penalty=gradient_penalty, clip=clip, r1=r1
    )
    sampler, rng = CriticSampler(recipe, network, real, fake, batch), np.random.default_rng(check_int("seed", seed, 0))
    state = {name: initial_state(optimiser, weight) for name, weight in network.trainable().items()}
    # One graph for a step: run eagerly, a small one costs twenty times as much.
    graph_step = tf.function(lambda state, inputs: _step(network, recipe, state, inputs), autograph=False)
    losses = []
    for step in range(steps):
        inputs = native(sampler.draw(step, rng), network.dtype_name, network.device_name)
        loss_before, state = graph_step(state, inputs)
        losses.append(loss_before)
    return record(tf.stack(losses).numpy())


def critic_values(network: Network, x: np.ndarray) -> np.ndarray:
    """The twin of :func:`ganbook.gradient_descent.studies.critics_torch.critic_values`."""
    examples = as_examples("x", np.atleast_1d(x), network.blueprint.input_shape)
    logits = to_numpy(network(to_native(examples, network.dtype_name, network.device_name)))
    return logits.reshape(()) if np.ndim(x) == 0 else logits


def _step(network: Network, recipe: Recipe, state: dict[str, Any], inputs: Inputs) -> tuple[tf.Tensor, dict[str, Any]]:
    """One update in place: the loss before it, and the new state."""
    with tf.GradientTape() as tape:
        objective, report = discriminator_objective(recipe, network, inputs["fake"], inputs)
    weights, rates = network.trainable(), inputs["rates"]
    gradients = dict(zip(weights, tape.gradient(objective, list(weights.values())), strict=True))
    new, state = update_all(
        recipe.discriminator_optimiser, weights, gradients, state, rates["t"], rates["learning_rate"]
    )
    if recipe.clip:
        new = clip_weights(new, recipe.clip)
    network.assign(new | report["statistics"])
    return report["loss"], state

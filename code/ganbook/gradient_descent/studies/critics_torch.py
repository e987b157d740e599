"""A discriminator trained alone, against two sides that stay as they are, in PyTorch.

Explained in the book's section "The optimal discriminator".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganbook.data.recipe import Optimiser, Recipe, check_int
from ganbook.gradient_descent.step.inputs import Inputs
from ganbook.gradient_descent.step.optimisers_torch import initial_state, update_all
from ganbook.gradient_descent.step.penalties_torch import clip_weights
from ganbook.gradient_descent.step.steps_torch import discriminator_objective
from ganbook.gradient_descent.step.train_state_torch import native
from ganbook.gradient_descent.studies.critics import ADAM, CriticSampler, Sampler, as_examples, critic_recipe, record
from ganbook.tensors.networks_torch import Network, to_native, to_numpy

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
    r"""Train a discriminator between two fixed sides, by the objective of the GAN's own discriminator step.

    .. math:: \min_D\; L_D(D(x), D(y)) + \frac{\gamma}{2} E|\nabla D(x)|^2 + \lambda E(|\nabla D(\hat x)| - 1)^2,
              \quad x \sim p,\; y \sim q

    Args:
        network: a discriminator, changed in place; training goes on from its present weights.
        real, fake: arrays of shape (N, ...) and (M, ...), or samplers ``callable(rng, n)`` that give them; points of a
            line may have shape (N,).
        loss: one of ``LOSSES``.
        steps: updates, at least 1.
        batch: examples of each side in one step, drawn with replacement from an array; None takes both arrays whole.
        optimiser: the update rule; its schedule runs over ``steps``.
        gradient_penalty: WGAN-GP's lambda, at least 0.
        clip: bound of every weight after each step; None for none.
        r1: gamma, at least 0.
        seed: of all inputs, made in NumPy, so that both frameworks see the same.

    Returns:
        the loss before each update, without penalties: float64, shape (steps,).

    Raises:
        ValueError: an unknown loss, a number outside its range, a shape that does not match, a sampler without
            ``batch``, or unequal numbers where the loss or the penalty joins pairs.
        NonFiniteLoss: a loss became infinite or not a number; the step is named.

    Example:
        >>> from ganbook.data.recipe import Architecture
        >>> from ganbook.tensors.networks_torch import build
        >>> critic = build(Architecture("MLPDiscriminator", {"shape": (1,), "hidden": (4,)}), 0, device="cpu")
        >>> losses = fit_critic(critic, np.ones(8), -np.ones(8), steps=50, batch=8, seed=0)
        >>> bool(losses[-1] < losses[0])
        True

    Reference: Goodfellow et al., 2014, algorithm 1 and proposition 1, arXiv:1406.2661; Gulrajani et al., 2017,
    algorithm 1, arXiv:1704.00028.
    """
    recipe = critic_recipe(
        network, loss=loss, steps=steps, optimiser=optimiser, gradient_penalty=gradient_penalty, clip=clip, r1=r1
    )
    sampler, rng = CriticSampler(recipe, network, real, fake, batch), np.random.default_rng(check_int("seed", seed, 0))
    state = {name: initial_state(optimiser, weight) for name, weight in network.trainable().items()}
    losses = []
    for step in range(steps):
        inputs = native(sampler.draw(step, rng), network.dtype_name, network.device_name)
        loss_before, state = _step(network, recipe, state, inputs)
        losses.append(loss_before)
    return record(torch.stack(losses).cpu().numpy())


def critic_values(network: Network, x: np.ndarray) -> np.ndarray:
    """The logits of examples, in inference mode.

    Args:
        network: a discriminator.
        x: shape (N, ...); for points of a line (N,) or one number too.

    Returns:
        NumPy array of the network's dtype, shape (N,), or () for one number.

    Raises:
        ValueError: another shape, no example, or a value that is not finite.

    Example:
        >>> from ganbook.data.recipe import Architecture
        >>> from ganbook.tensors.networks_torch import build
        >>> critic = build(Architecture("MLPDiscriminator", {"shape": (1,), "hidden": (4,)}), 0, device="cpu")
        >>> critic_values(critic, np.linspace(-1, 1, 5)).shape
        (5,)
    """
    examples = as_examples("x", np.atleast_1d(x), network.blueprint.input_shape)
    with torch.no_grad():
        logits = to_numpy(network(to_native(examples, network.dtype_name, network.device_name)))
    return logits.reshape(()) if np.ndim(x) == 0 else logits


def _step(network: Network, recipe: Recipe, state: dict[str, Any], inputs: Inputs) -> tuple[Tensor, dict[str, Any]]:
    """One update in place: the loss before it, and the new state."""
    objective, report = discriminator_objective(recipe, network, inputs["fake"], inputs)
    weights, rates = network.trainable(), inputs["rates"]
    gradients = dict(zip(weights, torch.autograd.grad(objective, list(weights.values())), strict=True))
    with torch.no_grad():
        new, state = update_all(
            recipe.discriminator_optimiser, weights, gradients, state, rates["t"], rates["learning_rate"]
        )
        if recipe.clip:
            new = clip_weights(new, recipe.clip)
        network.assign(new | report["statistics"])
    return report["loss"].detach(), state

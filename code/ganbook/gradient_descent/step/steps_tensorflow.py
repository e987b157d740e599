"""One training step of each player, in TensorFlow, as pure functions of everything that training changes.

A *state* holds tensors by name: of ``generator`` and ``discriminator`` weights and moving statistics, of ``ema`` the
averaged generator, and under ``optimiser`` what each player's update rule remembers.  A step takes a state and its
inputs and returns a new state.  How gradients are taken is an argument, so that the plain loop, compiled iterations,
several devices and the games of the section "Game dynamics" all make these steps.

Explained in the book's section "Inside a training step"; first used in the section "Quickstart".
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from ganbook.data.recipe import Recipe
from ganbook.gradient_descent.step.inputs import Inputs
from ganbook.gradient_descent.step.optimisers_tensorflow import update_all
from ganbook.gradient_descent.step.penalties_tensorflow import clip_weights, r1, r2, wgan_gp
from ganbook.probability.losses_tensorflow import discriminator_loss, generator_loss
from ganbook.tensors.networks_tensorflow import Network

Call = Callable[..., tf.Tensor]
Tensors = dict[str, tf.Tensor]
State = dict[str, Any]
Report = dict[str, Any]
#: What each role minimises, as a function of its weights, with a report; and what gives each role's gradients.
Objectives = Callable[[dict[str, Tensors]], tuple[dict[str, tf.Tensor], Report]]
Gradients = Callable[[Objectives, dict[str, Tensors]], tuple[dict[str, Tensors], Report]]


class Networks(NamedTuple):
    """The twin of :class:`ganbook.gradient_descent.step.steps_torch.Networks`."""

    generator: Network
    discriminator: Network


def gradients(objectives: Objectives, weights: dict[str, Tensors]) -> tuple[dict[str, Tensors], Report]:
    """The twin of :func:`ganbook.gradient_descent.step.steps_torch.gradients`."""
    with contextlib.ExitStack() as stack:
        tapes = {role: stack.enter_context(tf.GradientTape(watch_accessed_variables=False)) for role in weights}
        for role, tape in tapes.items():
            tape.watch(weights[role])
        values, report = objectives(weights)
    return {
        role: tape.gradient(values[role], weights[role], unconnected_gradients=tf.UnconnectedGradients.ZERO)
        for role, tape in tapes.items()
    }, report


def functional_gradients(objectives: Objectives, weights: dict[str, Tensors]) -> tuple[dict[str, Tensors], Report]:
    """The twin of :func:`ganbook.gradient_descent.step.steps_torch.functional_gradients`."""
    # What a tape records the compiler understands, and it can itself be differentiated.
    return gradients(objectives, weights)


def discriminator_objective(
    recipe: Recipe, discriminator: Call, fake: tf.Tensor, inputs: Inputs
) -> tuple[tf.Tensor, Report]:
    """The twin of :func:`ganbook.gradient_descent.step.steps_torch.discriminator_objective`."""
    real, masks, rates = inputs["real"], inputs["masks"], inputs["rates"]
    statistics: Tensors = {}
    kept = None if recipe.penalised else statistics

    on_real = functools.partial(discriminator, training=True, masks=masks["real"], statistics=kept)
    on_fake = functools.partial(discriminator, training=True, masks=masks["fake"], statistics=kept)
    penalty = tf.zeros((), dtype=real.dtype)
    if recipe.r1.active:
        value, real_logits = r1(on_real, real)
        penalty = penalty + rates["r1"] / 2 * value
    else:
        real_logits = on_real(real)
    if recipe.r2.active:
        value, fake_logits = r2(on_fake, fake)
        penalty = penalty + rates["r2"] / 2 * value
    else:
        fake_logits = on_fake(fake)
    if recipe.gradient_penalty:
        penalty = penalty + recipe.gradient_penalty * wgan_gp(on_fake, real, fake, inputs["weights"])
    if recipe.penalised and recipe.spectral:
        # Inside a penalty a forward pass may leave nothing behind.  Spectral normalisation's vectors do not depend on
        # the images, so one image, or one pack of them, moves them on.
        one = {name: mask[:1] for name, mask in masks["real"].items()}
        discriminator(real[: recipe.packing], training=True, masks=one, statistics=statistics)
    loss = discriminator_loss(recipe.loss, real_logits, fake_logits)
    report = {"loss": loss, "penalty": penalty, "real_logits": real_logits, "fake_logits": fake_logits}
    return loss + penalty, report | {"statistics": statistics}


def generator_objective(
    recipe: Recipe,
    generator: Call,
    discriminator: Call,
    inputs: Inputs,
    look_ahead: Callable[[tf.Tensor], Call] | None = None,
) -> tuple[tf.Tensor, Report]:
    """The twin of :func:`ganbook.gradient_descent.step.steps_torch.generator_objective`."""
    masks = inputs["masks"]
    statistics: Tensors = {}
    fake = generator(inputs["noise"], training=True, masks=masks["generator"], statistics=statistics)
    if look_ahead is not None:
        discriminator = look_ahead(fake)
    fake_logits = discriminator(fake, training=True, masks=masks["fake"])
    real_logits = None
    if recipe.pairs:
        real_logits = discriminator(inputs["real"], training=True, masks=masks["real"])
    loss = generator_loss(recipe.loss, real_logits, fake_logits)
    return loss, {"loss": loss, "statistics": statistics}


def discriminator_step(
    recipe: Recipe, networks: Networks, state: State, inputs: Inputs, differentiate: Gradients = gradients
) -> tuple[State, Report]:
    """The twin of :func:`ganbook.gradient_descent.step.steps_torch.discriminator_step`."""
    fake = networks.generator(
        inputs["noise"], training=True, masks=inputs["masks"]["generator"], tensors=state["generator"]
    )

    def objectives(weights: dict[str, Tensors]) -> tuple[dict[str, tf.Tensor], Report]:
        objective, report = discriminator_objective(
            recipe, _bound(networks, state, "discriminator", weights), fake, inputs
        )
        return {"discriminator": objective}, report

    found, report = differentiate(objectives, _weights(state, "discriminator"))
    return _updated(recipe, "discriminator", state, found, report["statistics"], inputs["rates"]), report


def generator_step(
    recipe: Recipe, networks: Networks, state: State, inputs: Inputs, differentiate: Gradients = gradients
) -> tuple[State, Report]:
    """The twin of :func:`ganbook.gradient_descent.step.steps_torch.generator_step`."""
    look_ahead = functools.partial(unrolled, recipe, networks, state, inputs) if recipe.unrolled else None

    def objectives(weights: dict[str, Tensors]) -> tuple[dict[str, tf.Tensor], Report]:
        objective, report = generator_objective(
            recipe,
            _bound(networks, state, "generator", weights),
            _bound(networks, state, "discriminator"),
            inputs,
            look_ahead,
        )
        return {"generator": objective}, report

    found, report = differentiate(objectives, _weights(state, "generator"))
    state = _updated(recipe, "generator", state, found, report["statistics"], inputs["rates"])
    return ema_update(state, inputs["rates"]["decay"]), report


def simultaneous_step(
    recipe: Recipe,
    networks: Networks,
    state: State,
    inputs: Inputs,
    generator_rates: Inputs,
    differentiate: Gradients = gradients,
) -> tuple[State, Report]:
    """The twin of :func:`ganbook.gradient_descent.step.steps_torch.simultaneous_step`."""

    def objectives(weights: dict[str, Tensors]) -> tuple[dict[str, tf.Tensor], Report]:
        statistics: Tensors = {}
        fake = _bound(networks, state, "generator", weights)(
            inputs["noise"], training=True, masks=inputs["masks"]["generator"], statistics=statistics
        )
        objective, report = discriminator_objective(
            recipe, _bound(networks, state, "discriminator", weights), fake, inputs
        )
        loss = generator_loss(recipe.loss, report["real_logits"], report["fake_logits"])
        report |= {"generator_loss": loss, "generator_statistics": statistics}
        return {"discriminator": objective, "generator": loss}, report

    found, report = differentiate(objectives, _weights(state, "discriminator", "generator"))
    state = _updated(recipe, "discriminator", state, found, report["statistics"], inputs["rates"])
    state = _updated(recipe, "generator", state, found, report["generator_statistics"], generator_rates)
    return ema_update(state, generator_rates["decay"]), report


def one_iteration(
    recipe: Recipe, networks: Networks, state: State, inputs: Inputs, differentiate: Gradients = gradients
) -> tuple[State, tf.Tensor]:
    """The twin of :func:`ganbook.gradient_descent.step.steps_torch.one_iteration`."""
    if recipe.order == "simultaneous":
        state, report = simultaneous_step(
            recipe, networks, state, inputs["discriminator"][0], inputs["generator"]["rates"], differentiate
        )
        loss = report["generator_loss"]
    else:
        for step in inputs["discriminator"]:
            state, report = discriminator_step(recipe, networks, state, step, differentiate)
        state, generator_report = generator_step(recipe, networks, state, inputs["generator"], differentiate)
        loss = generator_report["loss"]
    return state, tf.stack([report["loss"], report["penalty"], loss])


def unrolled(recipe: Recipe, networks: Networks, state: State, inputs: Inputs, fake: tf.Tensor) -> Call:
    """The twin of :func:`ganbook.gradient_descent.step.steps_torch.unrolled`."""
    inputs = {**inputs, **inputs["ahead"]}
    for k in range(recipe.unrolled):

        def objectives(weights: dict[str, Tensors], state: State = state) -> tuple[dict[str, tf.Tensor], Report]:
            objective, report = discriminator_objective(
                recipe, _bound(networks, state, "discriminator", weights), fake, inputs
            )
            return {"discriminator": objective}, report

        found, report = functional_gradients(objectives, _weights(state, "discriminator"))
        rates = inputs["rates"] | {"t": inputs["rates"]["t"] + k}
        state = _updated(recipe, "discriminator", state, found, report["statistics"], rates)
    return _bound(networks, state, "discriminator")


def ema_update(state: State, decay: Any) -> State:
    """The twin of :func:`ganbook.gradient_descent.step.steps_torch.ema_update`."""
    return state | {
        "ema": {name: decay * old + (1.0 - decay) * state["generator"][name] for name, old in state["ema"].items()}
    }


def _bound(networks: Networks, state: State, role: str, weights: Mapping[str, Tensors] | None = None) -> Call:
    """A network with its tensors, some weights of which may be given."""
    tensors = state[role] | weights[role] if weights else state[role]
    return functools.partial(getattr(networks, role), tensors=tensors)


def _weights(state: State, *roles: str) -> dict[str, Tensors]:
    """By role the tensors that have an optimiser's state: those that training changes by their gradient."""
    return {role: {name: state[role][name] for name in state["optimiser"][role]} for role in roles}


def _updated(
    recipe: Recipe, role: str, state: State, found: Mapping[str, Tensors], statistics: Tensors, rates: Mapping[str, Any]
) -> State:
    """The state after one update of one player."""
    settings, memory = getattr(recipe, f"{role}_optimiser"), state["optimiser"][role]
    weights, memory = update_all(settings, state[role], found[role], memory, rates["t"], rates["learning_rate"])
    if role == "discriminator" and recipe.clip:
        weights = clip_weights(weights, recipe.clip)
    return state | {role: state[role] | weights | statistics, "optimiser": state["optimiser"] | {role: memory}}

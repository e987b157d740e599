"""One training step of each player, in TensorFlow.

``discriminator_step`` and ``generator_step`` do one thing each: take draws, compute the loss, differentiate it by one
player's weights, update that player.  ``simultaneous_step`` does both at one point and judges the fakes once.

Explained in the book's section "Inside a training step"; first used in the section "Quickstart".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ganbook.data.recipe import Optimiser, Recipe, parameter_dtype
from ganbook.gradient_descent.checkpoint import split_names
from ganbook.gradient_descent.draws import Draws
from ganbook.gradient_descent.optimisers_tensorflow import initial_slots, update
from ganbook.gradient_descent.penalties_tensorflow import clip_weights, r1, r2, wgan_gp
from ganbook.probability.losses_tensorflow import discriminator_loss, generator_loss
from ganbook.tensors.networks_tensorflow import Network, build, find_device, to_native, to_numpy

Call = Callable[..., tf.Tensor]
Tensors = dict[str, tf.Tensor]


def discriminator_objective(recipe: Recipe, discriminator: Call, fake: tf.Tensor,
                            draws: Draws) -> tuple[tf.Tensor, Draws]:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.discriminator_objective`."""
    real, masks, rates, statistics = draws["real"], draws["masks"], draws["rates"], {}
    kept = None if recipe.penalised else statistics

    def on_real(images: tf.Tensor) -> tf.Tensor:
        return discriminator(images, training=True, masks=masks["real"], statistics=kept)

    def on_fake(images: tf.Tensor) -> tf.Tensor:
        return discriminator(images, training=True, masks=masks["fake"], statistics=kept)

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
        penalty = penalty + recipe.gradient_penalty * wgan_gp(on_fake, real, fake, draws["weights"])
    if recipe.penalised and recipe.spectral:
        # Inside a penalty a forward pass may leave nothing behind.  Spectral normalisation's vectors do not depend on
        # the images, so one image, or one pack of them, moves them on.
        one = {name: mask[:1] for name, mask in masks["real"].items()}
        discriminator(real[:recipe.packing], training=True, masks=one, statistics=statistics)
    loss = discriminator_loss(recipe.loss, real_logits, fake_logits)
    report = {"loss": loss, "penalty": penalty, "real_logits": real_logits, "fake_logits": fake_logits}
    return loss + penalty, report | {"statistics": statistics}


def generator_objective(recipe: Recipe, generator: Call, discriminator: Call, draws: Draws,
                        look_ahead: Callable[[tf.Tensor], Call] | None = None) -> tuple[tf.Tensor, Draws]:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.generator_objective`."""
    masks, statistics = draws["masks"], {}
    fake = generator(draws["noise"], training=True, masks=masks["generator"], statistics=statistics)
    if look_ahead is not None:
        discriminator = look_ahead(fake)
    fake_logits = discriminator(fake, training=True, masks=masks["fake"])
    real_logits = None
    if recipe.pairs:
        real_logits = discriminator(draws["real"], training=True, masks=masks["real"])
    loss = generator_loss(recipe.loss, real_logits, fake_logits)
    return loss, {"loss": loss, "statistics": statistics}


def updated(settings: Optimiser, tensors: Tensors, gradients: Tensors, slots: Mapping[str, Tensors], t: Any,
            learning_rate: Any) -> tuple[Tensors, dict[str, Tensors]]:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.updated`."""
    new = {name: update(settings, tensors[name], gradient, slots[name], t, learning_rate)
           for name, gradient in gradients.items()}
    return {name: pair[0] for name, pair in new.items()}, {name: pair[1] for name, pair in new.items()}


def unrolled(recipe: Recipe, discriminator: Network, tensors: Tensors, slots: Mapping[str, Tensors], fake: tf.Tensor,
             draws: Draws) -> Call:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.unrolled`."""
    weights = {name: tf.convert_to_tensor(weight) for name, weight in tensors.items() if name in slots}
    moving = {name: tensor for name, tensor in tensors.items() if name not in slots}
    draws, rates = {**draws, **draws["ahead"]}, draws["ahead"]["rates"]
    for k in range(recipe.unrolled):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            objective, report = discriminator_objective(recipe, discriminator.bind(moving | weights), fake, draws)
        gradients = tape.gradient(objective, weights)
        weights, slots = updated(recipe.discriminator_optimiser, weights, gradients, slots, rates["t"] + k,
                                 rates["learning_rate"])
        if recipe.clip:
            weights = clip_weights(weights, recipe.clip)
        moving = moving | report["statistics"]
    return discriminator.bind(moving | weights)


def averaged(average: Tensors, current: Tensors, decay: Any) -> Tensors:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.averaged`."""
    return {name: decay * old + (1.0 - decay) * current[name] for name, old in average.items()}


def native_draws(draws: Draws, dtype: str, device: str) -> Draws:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.native_draws`."""
    # Rates become scalar tensors: for each new number tf.function would trace anew.
    return {key: {name: tf.constant(rate, parameter_dtype(dtype)) for name, rate in value.items()} if key == "rates"
            else native_draws(value, dtype, device) if isinstance(value, dict) else to_native(value, dtype, device)
            for key, value in draws.items()}


class Players:
    """The twin of :class:`ganbook.gradient_descent.steps_torch.Players`."""

    def __init__(self, recipe: Recipe, rng: np.random.Generator, device: str | None = None) -> None:
        self.recipe = recipe
        self.generator = build(recipe.generator, rng, recipe.dtype, device)
        self.device = self.generator.device_name
        self.discriminator = build(recipe.discriminator, rng, recipe.dtype, self.device)
        self.average: Network | None = None
        if recipe.averaging:
            self.average = build(recipe.generator, 0, recipe.dtype, self.device)
            self.average.load(self.generator.export())
        self.slots = {
            "generator": _initial_slots(recipe.generator_optimiser, self.generator),
            "discriminator": _initial_slots(recipe.discriminator_optimiser, self.discriminator),
        }
        # One graph for a whole round: run eagerly, a small step costs twenty times as much.
        self._graph_round = tf.function(lambda draws: round_losses(self, draws), autograph=False)

    def apply(self, role: str, gradients: Tensors, statistics: Tensors, rates: Mapping[str, Any]) -> None:
        network: Network = getattr(self, role)
        settings: Optimiser = getattr(self.recipe, f"{role}_optimiser")
        new, slots = updated(settings, network.trainable(), gradients, self.slots[role], rates["t"],
                             rates["learning_rate"])
        if role == "discriminator" and self.recipe.clip:
            new = clip_weights(new, self.recipe.clip)
        network.assign(new | statistics)
        for name, values in slots.items():
            for slot, value in values.items():
                self.slots[role][name][slot].assign(value)

    def update_average(self, decay: Any) -> None:
        if self.average is not None:
            self.average.assign(averaged(everything(self.average), everything(self.generator), decay))

    def native(self, draws: Draws) -> Draws:
        return native_draws(draws, self.recipe.dtype, self.device)

    def native_round(self, draws: Draws) -> Draws:
        return {"discriminator": [self.native(step) for step in draws["discriminator"]],
                "generator": self.native(draws["generator"])}

    def sample(self, noise: np.ndarray, *, use_average: bool = True) -> np.ndarray:
        network = self.average if use_average and self.average is not None else self.generator
        return to_numpy(network(to_native(noise, self.recipe.dtype, self.device)))

    def judge(self, examples: np.ndarray) -> np.ndarray:
        return to_numpy(self.discriminator(to_native(examples, self.recipe.dtype, self.device)))

    def export(self) -> dict[str, dict[str, np.ndarray]]:
        arrays = {}
        for role in ("generator", "discriminator"):
            network: Network = getattr(self, role)
            arrays[role] = network.export()
            for slot in _slot_names(self.slots[role]):
                moments = network.export({name: slots[slot] for name, slots in self.slots[role].items()})
                arrays[role] |= {f"{slot}/{name}": array for name, array in moments.items()}
        if self.average is not None:
            arrays["generator"] |= {f"average/{name}": array for name, array in self.average.export().items()}
        return arrays

    def load(self, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        for role in ("generator", "discriminator"):
            network: Network = getattr(self, role)
            parts = split_names(arrays[role])
            network.load(parts.pop("", {}))
            if role == "generator" and self.average is not None:
                self.average.load(parts.pop("average", {}))
            expected = _slot_names(self.slots[role])
            if set(parts) != set(expected):
                raise ValueError(f"{role} has arrays for {sorted(parts)}; accepted: {sorted(expected)}")
            native = {slot: network.convert(parts[slot]) for slot in expected}
            for slot, tensors in native.items():
                if set(tensors) != set(self.slots[role]):
                    raise ValueError(f"{slot} of the {role} has {', '.join(sorted(tensors))}; accepted: "
                                     f"{', '.join(sorted(self.slots[role]))}")
            for name, slots in self.slots[role].items():
                for slot in slots:
                    slots[slot].assign(native[slot][name])


def _look_ahead(players: Players, draws: Draws) -> Callable[[tf.Tensor], Call] | None:
    if not players.recipe.unrolled:
        return None
    network = players.discriminator
    return lambda fake: unrolled(players.recipe, network, everything(network), players.slots["discriminator"], fake,
                                 draws)


def _gradients_of(objective: tf.Tensor, network: Network, tape: tf.GradientTape) -> Tensors:
    """Gradients of ``objective``, which the tape has seen, by the weights of one network, by name."""
    weights = network.trainable()
    return dict(zip(weights, tape.gradient(objective, list(weights.values())), strict=True))


def discriminator_step(players: Players, draws: Draws) -> Draws:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.discriminator_step`."""
    fake = players.generator(draws["noise"], training=True, masks=draws["masks"]["generator"])
    with tf.GradientTape() as tape:
        objective, report = discriminator_objective(players.recipe, players.discriminator, fake, draws)
    gradients = _gradients_of(objective, players.discriminator, tape)
    players.apply("discriminator", gradients, report["statistics"], draws["rates"])
    return report


def generator_step(players: Players, draws: Draws) -> Draws:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.generator_step`."""
    with tf.GradientTape() as tape:
        objective, report = generator_objective(players.recipe, players.generator, players.discriminator, draws,
                                                _look_ahead(players, draws))
    gradients = _gradients_of(objective, players.generator, tape)
    players.apply("generator", gradients, report["statistics"], draws["rates"])
    players.update_average(draws["rates"]["decay"])
    return report


def simultaneous_step(players: Players, draws: Draws, generator_rates: Draws) -> tuple[Draws, Draws]:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.simultaneous_step`."""
    recipe, statistics = players.recipe, {}
    with tf.GradientTape() as discriminator_tape, tf.GradientTape() as generator_tape:
        fake = players.generator(draws["noise"], training=True, masks=draws["masks"]["generator"],
                                 statistics=statistics)
        objective, report = discriminator_objective(recipe, players.discriminator, fake, draws)
        loss = generator_loss(recipe.loss, report["real_logits"], report["fake_logits"])
    discriminator_gradients = _gradients_of(objective, players.discriminator, discriminator_tape)
    generator_gradients = _gradients_of(loss, players.generator, generator_tape)
    players.apply("discriminator", discriminator_gradients, report["statistics"], draws["rates"])
    players.apply("generator", generator_gradients, statistics, generator_rates)
    players.update_average(generator_rates["decay"])
    return report, {"loss": loss, "statistics": statistics}


def round_losses(players: Players, draws: Draws) -> tf.Tensor:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.round_losses`."""
    if players.recipe.order == "simultaneous":
        report, generator_report = simultaneous_step(players, draws["discriminator"][0], draws["generator"]["rates"])
    else:
        for step in draws["discriminator"]:
            report = discriminator_step(players, step)
        generator_report = generator_step(players, draws["generator"])
    return tf.stack([report["loss"], report["penalty"], generator_report["loss"]])


def run_rounds(players: Players, rounds: Sequence[Draws]) -> np.ndarray:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.run_rounds`."""
    losses = [players._graph_round(players.native_round(arrays)) for arrays in rounds]
    # One transfer for all rounds: asking a GPU for each number would make it wait for the processor.
    return tf.stack(losses).numpy().astype(np.float64)


def everything(network: Network) -> Tensors:
    """The twin of :func:`ganbook.gradient_descent.steps_torch.everything`."""
    return network.trainable() | network.moving()


def _initial_slots(settings: Optimiser, network: Network) -> dict[str, Tensors]:
    with tf.device(find_device(network.device_name)):
        return {name: {slot: tf.Variable(zeros) for slot, zeros in initial_slots(settings, weight).items()}
                for name, weight in network.trainable().items()}


def _slot_names(slots: Mapping[str, Tensors]) -> list[str]:
    return list(next(iter(slots.values())))

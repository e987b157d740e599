"""The oracle of a training round: linear players, every derivative written out by hand, in NumPy and float64.

With D(x) = x . w + c and G(z) = z W + b, the gradient of D by its input is w at every point, so the penalties are
gamma/2 |w|^2 and lambda (|w| - 1)^2; the rest is the chain rule through the logits.
"""

from __future__ import annotations

import numpy as np

from ganbook.data.recipe import Architecture, Recipe
from ganbook.gradient_descent.step import optimisers_numpy as rules
from ganbook.probability import losses_numpy as losses
from loss_gradients import discriminator_gradients

LINEAR = {
    "generator": Architecture("MLPGenerator", {"latent": 3, "shape": (2,), "hidden": (), "output_activation": None}),
    "discriminator": Architecture("MLPDiscriminator", {"shape": (2,), "hidden": ()}),
}


def linear_iteration(recipe: Recipe, state: dict, inputs: dict) -> tuple[list[float], dict]:
    """Losses of one round, and the state after it, in the names of ``Players.export``."""
    state = {
        role: {name: np.asarray(array, np.float64) for name, array in arrays.items()} for role, arrays in state.items()
    }
    if recipe.order == "simultaneous":
        [step] = inputs["discriminator"]
        values, by_discriminator = _discriminator(recipe, state, step)
        loss, by_generator = _generator(recipe, state, step)
        _update(recipe, state, "discriminator", by_discriminator, step["rates"])
    else:
        for step in inputs["discriminator"]:
            values, by_discriminator = _discriminator(recipe, state, step)
            _update(recipe, state, "discriminator", by_discriminator, step["rates"])
        loss, by_generator = _generator(recipe, state, inputs["generator"])
    rates = inputs["generator"]["rates"]
    _update(recipe, state, "generator", by_generator, rates)
    for name in ("dense_1.weight", "dense_1.bias") if recipe.averaging else ():
        old, new = state["generator"][f"average/{name}"], state["generator"][name]
        state["generator"][f"average/{name}"] = rates["decay"] * old + (1 - rates["decay"]) * new
    return [*values, loss], state


def look_ahead_loss(recipe: Recipe, state: dict, inputs: dict) -> float:
    """The generator's loss after the updates of the discriminator that it looks ahead through."""
    state = {role: dict(arrays) for role, arrays in state.items()}
    for k in range(recipe.unrolled):
        rates = inputs["ahead"]["rates"]
        _, gradients = _discriminator(recipe, state, {**inputs, **inputs["ahead"]})
        _update(recipe, state, "discriminator", gradients, {**rates, "t": rates["t"] + k})
    return _generator(recipe, state, inputs)[0]


def _forward(state: dict, inputs: dict) -> tuple:
    w, c = state["discriminator"]["dense_1.weight"][:, 0], state["discriminator"]["dense_1.bias"]
    z = inputs["noise"].astype(np.float64)
    fake = z @ state["generator"]["dense_1.weight"] + state["generator"]["dense_1.bias"]
    real = inputs["real"].astype(np.float64) if "real" in inputs else None
    return w, z, real, fake, None if real is None else real @ w + c, fake @ w + c


def _discriminator(recipe: Recipe, state: dict, inputs: dict) -> tuple[list[float], dict]:
    w, _, real, fake, real_logits, fake_logits = _forward(state, inputs)
    rates, length = inputs["rates"], np.linalg.norm(w)
    penalty = (rates["r1"] + rates["r2"]) / 2 * length**2 + recipe.gradient_penalty * (length - 1) ** 2
    slope = (rates["r1"] + rates["r2"]) + recipe.gradient_penalty * 2 * (length - 1) / length
    by_real, by_fake = discriminator_gradients(recipe.loss, real_logits, fake_logits)
    gradients = {
        "dense_1.weight": (by_real @ real + by_fake @ fake + slope * w)[:, None],
        "dense_1.bias": np.array([by_real.sum() + by_fake.sum()]),
    }
    return [losses.discriminator_loss(recipe.loss, real_logits, fake_logits), penalty], gradients


def _generator(recipe: Recipe, state: dict, inputs: dict) -> tuple[float, dict]:
    w, z, _, _, real_logits, fake_logits = _forward(state, inputs)
    by_image = losses.generator_gradient(recipe.loss, real_logits, fake_logits)[:, None] * w
    return (
        losses.generator_loss(recipe.loss, real_logits, fake_logits),
        {"dense_1.weight": z.T @ by_image, "dense_1.bias": by_image.sum(0)},
    )


def _update(recipe: Recipe, state: dict, role: str, gradients: dict, rates: dict) -> None:
    settings, arrays = getattr(recipe, f"{role}_optimiser"), state[role]
    for name, gradient in gradients.items():
        slots = {slot: arrays[f"{slot}/{name}"] for slot in rules.initial_state(settings, gradient)}
        new, slots = rules.update(settings, arrays[name], gradient, slots, rates["t"], rates["learning_rate"])
        bounded = role == "discriminator" and recipe.clip
        arrays[name] = np.clip(new, -recipe.clip, recipe.clip) if bounded else new
        arrays.update({f"{slot}/{name}": array for slot, array in slots.items()})

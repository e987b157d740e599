"""One training step of each player, in PyTorch.

``discriminator_step`` and ``generator_step`` do one thing each: take draws, compute the loss, differentiate it by one
player's weights, update that player.  ``simultaneous_step`` does both at one point and judges the fakes once.

Explained in the book's section "Inside a training step"; first used in the section "Quickstart".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganbook.data.recipe import Optimiser, Recipe
from ganbook.gradient_descent.checkpoint import split_names
from ganbook.gradient_descent.draws import Draws
from ganbook.gradient_descent.optimisers_torch import initial_slots, update
from ganbook.gradient_descent.penalties_torch import clip_weights, r1, r2, wgan_gp
from ganbook.probability.losses_torch import discriminator_loss, generator_loss
from ganbook.tensors.networks_torch import Network, build, to_native, to_numpy

Call = Callable[..., Tensor]
Tensors = dict[str, Tensor]


def discriminator_objective(recipe: Recipe, discriminator: Call, fake: Tensor, draws: Draws) -> tuple[Tensor, Draws]:
    r"""What the discriminator minimises: its loss plus the penalties on its gradient.

    .. math:: L_D + \frac{\gamma_1}{2} E|\nabla D(x)|^2 + \frac{\gamma_2}{2} E|\nabla D(G(z))|^2
              + \lambda E(|\nabla D(\hat x)| - 1)^2

    Args:
        recipe: names the loss and says which penalties there are.
        discriminator: called as ``discriminator(images, training=, masks=, statistics=)``; gives logits (N,), or
            (N/m,) where it judges m images together.
        fake: generated examples, shape (N, ...).
        draws: ``real``, ``masks``, ``rates`` and, for WGAN-GP, ``weights``.

    Returns:
        the objective, and a mapping with ``loss``, ``penalty``, both ``logits`` and new ``statistics``.

    Reference: Goodfellow et al., 2014, algorithm 1, arXiv:1406.2661; Mescheder et al., 2018, equation 9,
    arXiv:1801.04406; Gulrajani et al., 2017, equation 3, arXiv:1704.00028.
    """
    real, masks, rates, statistics = draws["real"], draws["masks"], draws["rates"], {}
    kept = None if recipe.penalised else statistics

    def on_real(images: Tensor) -> Tensor:
        return discriminator(images, training=True, masks=masks["real"], statistics=kept)

    def on_fake(images: Tensor) -> Tensor:
        return discriminator(images, training=True, masks=masks["fake"], statistics=kept)

    penalty = torch.zeros((), dtype=real.dtype, device=real.device)
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
                        look_ahead: Callable[[Tensor], Call] | None = None) -> tuple[Tensor, Draws]:
    r"""What the generator minimises: its loss on one batch of fakes, judged now or a few updates ahead.

    .. math:: L_G(D(x), D(G(z)))

    Args:
        recipe: names the loss.
        generator: called as ``generator(noise, training=, masks=, statistics=)``; gives examples (N, ...).
        discriminator: called as ``discriminator(images, training=, masks=, statistics=)``; gives logits (N,).
        draws: ``noise``, ``masks`` and, where the loss compares pairs or the generator looks ahead, ``real``.
        look_ahead: makes of the fakes the discriminator that judges them, see :func:`unrolled`; None means
            ``discriminator``.

    Returns:
        the objective, and a mapping with ``loss`` and new ``statistics``.

    Reference: Goodfellow et al., 2014, algorithm 1 and section 3, arXiv:1406.2661.
    """
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
    """New weights and new optimiser slots of one player.

    Args:
        settings: the update rule and its constants.
        tensors: weights by name.
        gradients: of the same names.
        slots: by weight, what the rule remembers.
        t: number of this update, counted from 1.
        learning_rate: of this update.

    Returns:
        weights by name, and slots by weight.
    """
    new = {name: update(settings, tensors[name], gradient, slots[name], t, learning_rate)
           for name, gradient in gradients.items()}
    return {name: pair[0] for name, pair in new.items()}, {name: pair[1] for name, pair in new.items()}


def unrolled(recipe: Recipe, discriminator: Network, tensors: Tensors, slots: Mapping[str, Tensors], fake: Tensor,
             draws: Draws) -> Call:
    r"""The discriminator as its next updates would leave it, as a function of the fakes that it learns from.

    .. math:: w_{i+1} = U(w_i, \nabla_w L_D(w_i, x, G(z))), \qquad i = 0, \dots, k - 1

    The updates are those of the discriminator's own step: its loss, penalties, rule and clipping.  All k see the same
    examples, and nothing is held constant, so a derivative by the fakes goes through every update.  The
    discriminator itself stays where it is.

    Args:
        recipe: says how many updates k, and what they follow.
        discriminator: the network.
        tensors: all its tensors by name, weights w_0 and moving statistics.
        slots: by weight, what the optimiser remembers.
        fake: generated examples G(z), shape (N, ...).
        draws: the generator's: ``real``, ``masks``, and ``ahead``: ``rates`` of the first of these updates and, for
            WGAN-GP, ``weights``.

    Returns:
        the discriminator after k updates, called as the network is.

    Reference: Metz, Poole, Pfau and Sohl-Dickstein, Unrolled Generative Adversarial Networks, ICLR 2017, equations 7
    to 9, arXiv:1611.02163.
    """
    weights = {name: weight.detach() for name, weight in tensors.items() if name in slots}
    moving = {name: tensor for name, tensor in tensors.items() if name not in slots}
    draws, rates = {**draws, **draws["ahead"]}, draws["ahead"]["rates"]
    for k in range(recipe.unrolled):
        def objective(weights: Tensors, moving: Tensors = moving) -> tuple[Tensor, Draws]:
            return discriminator_objective(recipe, discriminator.bind(moving | weights), fake, draws)

        gradients, report = torch.func.grad(objective, has_aux=True)(weights)
        weights, slots = updated(recipe.discriminator_optimiser, weights, gradients, slots, rates["t"] + k,
                                 rates["learning_rate"])
        if recipe.clip:
            weights = clip_weights(weights, recipe.clip)
        moving = moving | report["statistics"]
    return discriminator.bind(moving | weights)


def averaged(average: Tensors, current: Tensors, decay: Any) -> Tensors:
    r"""One step of the exponential moving average of weights.

    .. math:: a \leftarrow \beta a + (1 - \beta) w

    Args:
        average: a, by name; empty where the recipe averages nothing.
        current: w, by name.
        decay: beta, in [0, 1).

    Returns:
        the new averages, by name.

    Reference: Karras et al., 2018, section 6.1, arXiv:1710.10196.
    """
    return {name: decay * old + (1.0 - decay) * current[name] for name, old in average.items()}


def native_draws(draws: Draws, dtype: str, device: str) -> Draws:
    """One step's draws as tensors of a type, on a device.

    Args:
        draws: NumPy arrays and mappings of them; ``rates`` are numbers.
        dtype: one of ``DTYPES``.
        device: ``cpu``, ``gpu`` or ``gpu:N``.

    Returns:
        the same mapping of native tensors.
    """
    return {key: value if key == "rates" else native_draws(value, dtype, device) if isinstance(value, dict)
            else to_native(value, dtype, device) for key, value in draws.items()}


class Players:
    """Both networks, what their optimisers remember, and the moving average of the generator.

    Args:
        recipe: the run.
        rng: draws the initial weights, the generator's first.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Raises:
        ValueError: an unknown device, or a GPU where there is none.
    """

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

    def apply(self, role: str, gradients: Tensors, statistics: Tensors, rates: Mapping[str, Any]) -> None:
        """Update the weights of one player, and its moving statistics."""
        network: Network = getattr(self, role)
        settings: Optimiser = getattr(self.recipe, f"{role}_optimiser")
        with torch.no_grad():
            new, self.slots[role] = updated(settings, network.trainable(), gradients, self.slots[role], rates["t"],
                                            rates["learning_rate"])
            if role == "discriminator" and self.recipe.clip:
                new = clip_weights(new, self.recipe.clip)
            network.assign(new | statistics)

    def update_average(self, decay: Any) -> None:
        """Move the averaged generator towards the present one."""
        if self.average is not None:
            with torch.no_grad():
                self.average.assign(averaged(everything(self.average), everything(self.generator), decay))

    def native(self, draws: Draws) -> Draws:
        """One step's draws as tensors on this device."""
        return native_draws(draws, self.recipe.dtype, self.device)

    def native_round(self, draws: Draws) -> Draws:
        """One round's draws as tensors on this device."""
        return {"discriminator": [self.native(step) for step in draws["discriminator"]],
                "generator": self.native(draws["generator"])}

    def sample(self, noise: np.ndarray, *, use_average: bool = True) -> np.ndarray:
        """Generate examples from noise of shape (n, latent), in inference mode: NumPy, shape (n, ...)."""
        network = self.average if use_average and self.average is not None else self.generator
        with torch.no_grad():
            return to_numpy(network(to_native(noise, self.recipe.dtype, self.device)))

    def judge(self, examples: np.ndarray) -> np.ndarray:
        """The discriminator's logits of examples of shape (n, ...), in inference mode: NumPy, shape (n,)."""
        with torch.no_grad():
            return to_numpy(self.discriminator(to_native(examples, self.recipe.dtype, self.device)))

    def export(self) -> dict[str, dict[str, np.ndarray]]:
        """Everything that training changes, by player and name, in the layout of files."""
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
        """Take over what :meth:`export` gave, in this framework or the other.

        Raises:
            ValueError: a missing, unknown or mis-shaped array, named.
        """
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
                    slots[slot].copy_(native[slot][name])


def _look_ahead(players: Players, draws: Draws) -> Callable[[Tensor], Call] | None:
    if not players.recipe.unrolled:
        return None
    network = players.discriminator
    return lambda fake: unrolled(players.recipe, network, everything(network), players.slots["discriminator"], fake,
                                 draws)


def _gradients_of(objective: Tensor, network: Network, *, keep: bool = False) -> Tensors:
    """Gradients of ``objective`` by the weights of one network, by name; ``keep`` it for another differentiation."""
    weights = network.trainable()
    return dict(zip(weights, torch.autograd.grad(objective, list(weights.values()), retain_graph=keep), strict=True))


def discriminator_step(players: Players, draws: Draws) -> Draws:
    """Update the discriminator once, on real examples and on fakes that the generator makes without learning.

    Args:
        players: changed in place.
        draws: native, one step's: ``real``, ``noise``, ``masks``, ``rates`` and, for WGAN-GP, ``weights``.

    Returns:
        a mapping with ``loss``, ``penalty`` and both ``logits`` before the update.

    Reference: Goodfellow et al., 2014, algorithm 1, arXiv:1406.2661.
    """
    with torch.no_grad():
        fake = players.generator(draws["noise"], training=True, masks=draws["masks"]["generator"])
    objective, report = discriminator_objective(players.recipe, players.discriminator, fake, draws)
    gradients = _gradients_of(objective, players.discriminator)
    players.apply("discriminator", gradients, report["statistics"], draws["rates"])
    return report


def generator_step(players: Players, draws: Draws) -> Draws:
    """Update the generator once, against the discriminator as it is now, or as it would be some updates ahead.

    Args:
        players: changed in place.
        draws: native, one step's: ``noise``, ``masks``, ``rates`` and, where the loss compares pairs or the generator
            looks ahead, ``real`` and ``ahead``.

    Returns:
        a mapping with ``loss`` before the update.

    Reference: Goodfellow et al., 2014, algorithm 1, arXiv:1406.2661.
    """
    objective, report = generator_objective(players.recipe, players.generator, players.discriminator, draws,
                                            _look_ahead(players, draws))
    gradients = _gradients_of(objective, players.generator)
    players.apply("generator", gradients, report["statistics"], draws["rates"])
    players.update_average(draws["rates"]["decay"])
    return report


def simultaneous_step(players: Players, draws: Draws, generator_rates: Draws) -> tuple[Draws, Draws]:
    """Update both players from gradients at the same point; the fakes are made and judged once.

    Args:
        players: changed in place.
        draws: native, as for :func:`discriminator_step`.
        generator_rates: ``learning_rate``, ``t`` and ``decay`` of the generator.

    Returns:
        the reports of both players.

    Reference: Nowozin, Cseke and Tomioka, 2016, algorithm 1, arXiv:1606.00709.
    """
    recipe, statistics = players.recipe, {}
    fake = players.generator(draws["noise"], training=True, masks=draws["masks"]["generator"],
                             statistics=statistics)
    objective, report = discriminator_objective(recipe, players.discriminator, fake, draws)
    loss = generator_loss(recipe.loss, report["real_logits"], report["fake_logits"])
    discriminator_gradients = _gradients_of(objective, players.discriminator, keep=True)
    generator_gradients = _gradients_of(loss, players.generator)
    players.apply("discriminator", discriminator_gradients, report["statistics"], draws["rates"])
    players.apply("generator", generator_gradients, statistics, generator_rates)
    players.update_average(generator_rates["decay"])
    return report, {"loss": loss, "statistics": statistics}


def round_losses(players: Players, draws: Draws) -> Tensor:
    """Run one round of native draws: its three losses, shape (3,)."""
    if players.recipe.order == "simultaneous":
        report, generator_report = simultaneous_step(players, draws["discriminator"][0], draws["generator"]["rates"])
    else:
        for step in draws["discriminator"]:
            report = discriminator_step(players, step)
        generator_report = generator_step(players, draws["generator"])
    return torch.stack([report["loss"], report["penalty"], generator_report["loss"]]).detach()


def run_rounds(players: Players, rounds: Sequence[Draws]) -> np.ndarray:
    """Run rounds one after another.

    Args:
        players: changed in place.
        rounds: NumPy draws of each round.

    Returns:
        float64, shape (rounds, 3): discriminator loss, penalty and generator loss of each round; of several
        discriminator steps the last.
    """
    losses = [round_losses(players, players.native_round(arrays)) for arrays in rounds]
    # One transfer for all rounds: asking a GPU for each number would make it wait for the processor.
    return torch.stack(losses).double().cpu().numpy()


def everything(network: Network) -> Tensors:
    """All tensors of a network by name: weights, then moving statistics."""
    return network.trainable() | network.moving()


def _initial_slots(settings: Optimiser, network: Network) -> dict[str, Tensors]:
    return {name: initial_slots(settings, weight.detach()) for name, weight in network.trainable().items()}


def _slot_names(slots: Mapping[str, Tensors]) -> list[str]:
    return list(next(iter(slots.values())))

"""One training step of each player, in PyTorch, as pure functions of everything that training changes.

A *state* holds tensors by name: of ``generator`` and ``discriminator`` weights and moving statistics, of ``ema`` the
averaged generator, and under ``optimiser`` what each player's update rule remembers.  A step takes a state and its
inputs and returns a new state.  How gradients are taken is an argument, so that the plain loop, compiled iterations,
several devices and the games of the section "Game dynamics" all make these steps.

Explained in the book's section "Inside a training step"; first used in the section "Quickstart".
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganbook.data.recipe import Recipe
from ganbook.gradient_descent.step.inputs import Inputs
from ganbook.gradient_descent.step.optimisers_torch import update_all
from ganbook.gradient_descent.step.penalties_torch import clip_weights, r1, r2, wgan_gp
from ganbook.probability.losses_torch import discriminator_loss, generator_loss
from ganbook.tensors.networks_torch import Network

Call = Callable[..., Tensor]
Tensors = dict[str, Tensor]
State = dict[str, Any]
Report = dict[str, Any]
#: What each role minimises, as a function of its weights, with a report; and what gives each role's gradients.
Objectives = Callable[[dict[str, Tensors]], tuple[dict[str, Tensor], Report]]
Gradients = Callable[[Objectives, dict[str, Tensors]], tuple[dict[str, Tensors], Report]]


class Networks(NamedTuple):
    """Both networks: what is computed, apart from the tensors that it is computed with."""

    generator: Network
    discriminator: Network


def gradients(objectives: Objectives, weights: dict[str, Tensors]) -> tuple[dict[str, Tensors], Report]:
    r"""The gradient of each role's objective by that role's weights, all at one point.

    .. math:: \nabla_{w_r} L_r(w_D, w_G), \quad r \in \{D, G\}

    Args:
        objectives: gives of weights by role the objectives by role, and a report.
        weights: by role and name; roles that are not among them stay where they are.

    Returns:
        gradients by role and name, and the report.

    Example:
        >>> w = {"discriminator": {"a": torch.tensor(3.0)}}
        >>> found, _ = gradients(lambda w: ({"discriminator": w["discriminator"]["a"] ** 2}, {}), w)
        >>> found["discriminator"]["a"]
        tensor(6.)

    Reference: Nowozin, Cseke and Tomioka, 2016, algorithm 1, arXiv:1606.00709.
    """
    leaves = {
        role: {name: weight.detach().requires_grad_() for name, weight in group.items()}
        for role, group in weights.items()
    }
    with torch.enable_grad():
        values, report = objectives(leaves)
    *first, last = leaves
    found = {
        role: torch.autograd.grad(values[role], list(leaves[role].values()), retain_graph=role != last)
        for role in (*first, last)
    }
    return {role: dict(zip(leaves[role], parts, strict=True)) for role, parts in found.items()}, report


def functional_gradients(objectives: Objectives, weights: dict[str, Tensors]) -> tuple[dict[str, Tensors], Report]:
    """As :func:`gradients`, by ``torch.func``: what the compiler understands, and can itself be differentiated."""
    # PyTorch's annotation does not know that the auxiliary output makes them three.
    values, pullback, report = torch.func.vjp(objectives, weights, has_aux=True)  # type: ignore[misc]
    # The compiler drops what a call computes and nobody uses.
    return {
        role: pullback({other: torch.full_like(value, other == role) for other, value in values.items()})[0][role]
        for role in values
    }, report


def discriminator_objective(recipe: Recipe, discriminator: Call, fake: Tensor, inputs: Inputs) -> tuple[Tensor, Report]:
    r"""What the discriminator minimises: its loss plus the penalties on its gradient.

    .. math:: L_D + \frac{\gamma_1}{2} E|\nabla D(x)|^2 + \frac{\gamma_2}{2} E|\nabla D(G(z))|^2
              + \lambda E(|\nabla D(\hat x)| - 1)^2

    Args:
        recipe: names the loss and says which penalties there are.
        discriminator: called as ``discriminator(images, training=, masks=, statistics=)``; gives logits (N,), or
            (N/m,) where it judges m images together.
        fake: generated examples, shape (N, ...).
        inputs: ``real``, ``masks``, ``rates`` and, for WGAN-GP, ``weights``.

    Returns:
        the objective, and a mapping with ``loss``, ``penalty``, both ``logits`` and new ``statistics``.

    Example:
        >>> zeros = lambda x, **_: x.sum((1, 2, 3)) * 0
        >>> inputs = {"real": torch.ones(2, 4, 4, 1), "masks": {"real": {}, "fake": {}}, "rates": {}}
        >>> recipe = Recipe(r1=0.0, r2=0.0, loss="non_saturating")
        >>> loss, _ = discriminator_objective(recipe, zeros, inputs["real"], inputs)
        >>> round(loss.item(), 4)  # with all logits zero 2 ln 2
        1.3863

    Reference: Goodfellow et al., 2014, algorithm 1, arXiv:1406.2661; Mescheder et al., 2018, equation 9,
    arXiv:1801.04406; Gulrajani et al., 2017, equation 3, arXiv:1704.00028.
    """
    real, masks, rates = inputs["real"], inputs["masks"], inputs["rates"]
    statistics: Tensors = {}
    kept = None if recipe.penalised else statistics

    on_real = functools.partial(discriminator, training=True, masks=masks["real"], statistics=kept)
    on_fake = functools.partial(discriminator, training=True, masks=masks["fake"], statistics=kept)
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
    look_ahead: Callable[[Tensor], Call] | None = None,
) -> tuple[Tensor, Report]:
    r"""What the generator minimises: its loss on one batch of fakes, judged now or a few updates ahead.

    .. math:: L_G(D(x), D(G(z)))

    Args:
        recipe: names the loss.
        generator: called as ``generator(noise, training=, masks=, statistics=)``; gives examples (N, ...).
        discriminator: called as ``discriminator(images, training=, masks=, statistics=)``; gives logits (N,).
        inputs: ``noise``, ``masks`` and, where the loss compares pairs or the generator looks ahead, ``real``.
        look_ahead: makes of the fakes the discriminator that judges them, see :func:`unrolled`; None means
            ``discriminator``.

    Returns:
        the objective, and a mapping with ``loss`` and new ``statistics``.

    Reference: Goodfellow et al., 2014, algorithm 1 and section 3, arXiv:1406.2661.
    """
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
    """Update the discriminator once, on real examples and on fakes that the generator makes without learning.

    Args:
        recipe, networks, state: what is trained, and how far it has come.
        inputs: native, one step's: ``real``, ``noise``, ``masks``, ``rates`` and, for WGAN-GP, ``weights``.
        differentiate: what takes the gradient.

    Returns:
        the new state, and a mapping with ``loss``, ``penalty`` and both ``logits`` before the update.

    Example:
        >>> from ganbook.gradient_descent.training import load_source, make_sampler, start_run
        >>> run = start_run(Recipe(batch=4), device="cpu")
        >>> inputs = make_sampler(run, load_source(run.recipe)).iteration(0, run.rng)["discriminator"][0]
        >>> state, inputs = run.state.tensors(), run.state.native(inputs)
        >>> state, report = discriminator_step(run.recipe, run.state.networks, state, inputs)
        >>> sorted(report)
        ['fake_logits', 'loss', 'penalty', 'real_logits', 'statistics']

    Reference: Goodfellow et al., 2014, algorithm 1, arXiv:1406.2661.
    """
    fake = networks.generator(
        inputs["noise"], training=True, masks=inputs["masks"]["generator"], tensors=state["generator"]
    )

    def objectives(weights: dict[str, Tensors]) -> tuple[dict[str, Tensor], Report]:
        objective, report = discriminator_objective(
            recipe, _bound(networks, state, "discriminator", weights), fake, inputs
        )
        return {"discriminator": objective}, report

    found, report = differentiate(objectives, _weights(state, "discriminator"))
    return _updated(recipe, "discriminator", state, found, report["statistics"], inputs["rates"]), report


def generator_step(
    recipe: Recipe, networks: Networks, state: State, inputs: Inputs, differentiate: Gradients = gradients
) -> tuple[State, Report]:
    """Update the generator once, against the discriminator as it is now, or as it would be some updates ahead.

    Args:
        recipe, networks, state, differentiate: as of :func:`discriminator_step`.
        inputs: native, one step's: ``noise``, ``masks``, ``rates`` and, where the loss compares pairs or the generator
            looks ahead, ``real`` and ``ahead``.

    Returns:
        the new state, and a mapping with ``loss`` before the update.

    Example:
        >>> from ganbook.gradient_descent.training import load_source, make_sampler, start_run
        >>> run = start_run(Recipe(batch=4), device="cpu")
        >>> inputs = make_sampler(run, load_source(run.recipe)).iteration(0, run.rng)["generator"]
        >>> state, inputs = run.state.tensors(), run.state.native(inputs)
        >>> state, report = generator_step(run.recipe, run.state.networks, state, inputs)
        >>> sorted(report)
        ['loss', 'statistics']

    Reference: Goodfellow et al., 2014, algorithm 1, arXiv:1406.2661.
    """
    look_ahead = functools.partial(unrolled, recipe, networks, state, inputs) if recipe.unrolled else None

    def objectives(weights: dict[str, Tensors]) -> tuple[dict[str, Tensor], Report]:
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
    """Update both players from gradients at the same point; the fakes are made and judged once.

    Args:
        recipe, networks, state, inputs, differentiate: as of :func:`discriminator_step`.
        generator_rates: ``learning_rate``, ``t`` and ``decay`` of the generator.

    Returns:
        the new state, and a report as of :func:`discriminator_step` with ``generator_loss``.

    Reference: Nowozin, Cseke and Tomioka, 2016, algorithm 1, arXiv:1606.00709.
    """

    def objectives(weights: dict[str, Tensors]) -> tuple[dict[str, Tensor], Report]:
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
) -> tuple[State, Tensor]:
    """One iteration: the discriminator's steps and the generator's, in the recipe's order.

    Args:
        recipe, networks, state, differentiate: as of :func:`discriminator_step`.
        inputs: native, as :class:`ganbook.gradient_descent.step.inputs.InputSampler` draws them.

    Returns:
        the new state, and discriminator loss, penalty and generator loss, shape (3,); of several discriminator steps
        those of the last.
    """
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
    return state, torch.stack([report["loss"], report["penalty"], loss]).detach()


def unrolled(recipe: Recipe, networks: Networks, state: State, inputs: Inputs, fake: Tensor) -> Call:
    r"""The discriminator as its next updates would leave it, as a function of the fakes that it learns from.

    .. math:: w_{i+1} = U(w_i, \nabla_w L_D(w_i, x, G(z))), \qquad i = 0, \dots, k - 1

    The updates are those of the discriminator's own step: its loss, penalties, rule and clipping.  All k see the same
    examples, and nothing is held constant, so a derivative by the fakes goes through every update.  The
    discriminator itself stays where it is.

    Args:
        recipe, networks, state: as of :func:`discriminator_step`; the recipe says how many updates k.
        inputs: the generator's: ``real``, ``masks``, and ``ahead``: ``rates`` of the first of these updates and, for
            WGAN-GP, ``weights``.
        fake: generated examples G(z), shape (N, ...).

    Returns:
        the discriminator after k updates, called as the network is.

    Reference: Metz, Poole, Pfau and Sohl-Dickstein, Unrolled Generative Adversarial Networks, ICLR 2017, equations 7
    to 9, arXiv:1611.02163.
    """
    inputs = {**inputs, **inputs["ahead"]}
    for k in range(recipe.unrolled):

        def objectives(weights: dict[str, Tensors], state: State = state) -> tuple[dict[str, Tensor], Report]:
            objective, report = discriminator_objective(
                recipe, _bound(networks, state, "discriminator", weights), fake, inputs
            )
            return {"discriminator": objective}, report

        found, report = functional_gradients(objectives, _weights(state, "discriminator"))
        rates = inputs["rates"] | {"t": inputs["rates"]["t"] + k}
        state = _updated(recipe, "discriminator", state, found, report["statistics"], rates)
    return _bound(networks, state, "discriminator")


def ema_update(state: State, decay: Any) -> State:
    r"""One step of the exponential moving average of the generator's weights.

    .. math:: a \leftarrow \beta a + (1 - \beta) w

    Args:
        state: with a as ``ema``, empty where the recipe averages nothing, and w as ``generator``.
        decay: beta, in [0, 1).

    Returns:
        the new state.

    Reference: Karras et al., 2018, arXiv:1710.10196.
    """
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

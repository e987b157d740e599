"""Many rounds in one compiled call, in PyTorch: the arithmetic of the plain steps without the cost of each call.

A small network's step is dozens of tiny operations, and eager PyTorch spends more time on starting each than on
computing it.  Here a whole round is one pure function of weights, optimiser slots and draws: ``torch.func``
differentiates it, ``while_loop`` repeats it, and ``torch.compile`` makes one program of the lot.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ganbook.data.recipe import Recipe, parameter_dtype
from ganbook.gradient_descent.draws import Draws
from ganbook.gradient_descent.penalties_torch import clip_weights
from ganbook.gradient_descent.steps_torch import (
    Players,
    averaged,
    discriminator_objective,
    everything,
    generator_objective,
    run_rounds,
    unrolled,
    updated,
)
from ganbook.probability.losses_torch import generator_loss
from ganbook.tensors.networks_torch import find_device

_State = dict[str, Any]


class CompiledRounds:
    """Runs rounds like ``run_rounds``, many to a call.

    Args:
        players: changed in place by :meth:`run`.
    """

    def __init__(self, players: Players) -> None:
        self.players = players
        # Asked once here, these are plain values to the compiler, which cannot read a recipe's settings.
        _ = players.recipe.penalised, players.recipe.spectral, players.recipe.pairs, players.recipe.packing
        self._compiled: Callable[..., Any] | None = None
        self._works: bool | None = None  # unknown until the first call

    def run(self, rounds: Sequence[Draws], room: int) -> np.ndarray:
        """Run rounds one after another.

        Where this machine cannot compile, one warning says so and the plain loop takes over.

        Args:
            rounds: NumPy draws of each round, at most ``room`` of them.
            room: rounds that the compiled program has place for; another number compiles another program.

        Returns:
            float64, shape (rounds, 3): discriminator loss, penalty and generator loss of each round.
        """
        if self._works is False:
            return run_rounds(self.players, rounds)
        try:
            self._compiled = self._compiled or torch.compile(self._loop, fullgraph=True, dynamic=False)
            with torch.no_grad():
                losses, state = self._compiled(*self._inputs(rounds, room))
        except Exception as error:  # whatever a compiler throws; a fault of our own shows again in the plain loop
            if self._works:
                raise
            warnings.warn(f"compiled steps are not to be had here, so the plain loop runs: {_first_line(error)}",
                          RuntimeWarning, stacklevel=2)
            self._works = False
            return run_rounds(self.players, rounds)
        self._works = True
        _restore(self.players, state)
        return losses[:len(rounds)].double().cpu().numpy()

    def _inputs(self, rounds: Sequence[Draws], room: int) -> tuple[Tensor, _State, Draws]:
        filled = [*rounds, *[rounds[-1]] * (room - len(rounds))]  # the loop stops before the filling
        dtype, device = getattr(torch, parameter_dtype(self.players.recipe.dtype)), find_device(self.players.device)

        def stack(*leaves: Any) -> Tensor:
            # A batch of images has four axes, and a stack of batches five: their channels go to their PyTorch place.
            stacked = torch.as_tensor(np.stack(leaves), dtype=dtype, device=device)
            return stacked.movedim(-1, 2) if stacked.ndim == 5 else stacked

        return torch.tensor(len(rounds)), _state(self.players), pytree.tree_map(stack, *filled)

    def _loop(self, count: Tensor, state: _State, draws: Draws) -> tuple[Tensor, _State]:
        recipe = self.players.recipe
        leaves, shape = pytree.tree_flatten(state)
        room = pytree.tree_leaves(draws)[0].shape[0]
        places = torch.arange(room, device=leaves[0].device)

        def unfinished(k: Tensor, losses: Tensor, *leaves: Tensor) -> Tensor:
            return k < count

        def body(k: Tensor, losses: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
            one = pytree.tree_map(lambda leaf: leaf.index_select(0, k.reshape(1).to(leaf.device)).squeeze(0), draws)
            new, loss = _round(recipe, self.players, pytree.tree_unflatten(list(leaves), shape), one)
            losses = torch.where((places == k.to(places.device))[:, None], loss, losses)
            # The loop wants results that are tensors of their own, laid out like what came in.
            return k + 1, losses, *[leaf.clone(memory_format=torch.contiguous_format)
                                    for leaf in pytree.tree_leaves(new)]

        start = (torch.tensor(0), torch.zeros((room, 3), dtype=leaves[0].dtype, device=leaves[0].device), *leaves)
        _, losses, *leaves = torch.while_loop(unfinished, body, start)
        return losses, pytree.tree_unflatten(leaves, shape)


def _state(players: Players) -> _State:
    state = {"generator": everything(players.generator), "discriminator": everything(players.discriminator),
             "average": everything(players.average) if players.average is not None else {}, "slots": players.slots}
    return pytree.tree_map(lambda leaf: leaf.detach().clone(memory_format=torch.contiguous_format), state)


def _restore(players: Players, state: _State) -> None:
    with torch.no_grad():
        players.generator.assign(state["generator"])
        players.discriminator.assign(state["discriminator"])
        if players.average is not None:
            players.average.assign(state["average"])
    players.slots = state["slots"]


def _round(recipe: Recipe, players: Players, state: _State, draws: Draws) -> tuple[_State, Tensor]:
    """One round as a pure function: new state and the three losses."""
    if recipe.order == "simultaneous":
        return _simultaneous(recipe, players, state, draws)
    for step in draws["discriminator"]:
        state, report = _discriminator(recipe, players, state, step)
    state, loss = _generator(recipe, players, state, draws["generator"])
    return state, torch.stack([report["loss"], report["penalty"], loss])


def _discriminator(recipe: Recipe, players: Players, state: _State, draws: Draws) -> tuple[_State, Draws]:
    generator = players.generator.bind(state["generator"])
    fake = generator(draws["noise"], training=True, masks=draws["masks"]["generator"])

    def objective(weights: dict[str, Tensor]) -> tuple[Tensor, Draws]:
        critic = players.discriminator.bind(state["discriminator"] | weights)
        return discriminator_objective(recipe, critic, fake, draws)

    weights = {name: state["discriminator"][name] for name in state["slots"]["discriminator"]}
    gradients, (_, report) = torch.func.grad_and_value(objective, has_aux=True)(weights)
    return _apply(recipe, "discriminator", state, gradients, report["statistics"], draws["rates"]), report


def _generator(recipe: Recipe, players: Players, state: _State, draws: Draws) -> tuple[_State, Tensor]:
    network, now = players.discriminator, state["discriminator"]

    def look_ahead(fake: Tensor) -> Callable[..., Tensor]:
        return unrolled(recipe, network, now, state["slots"]["discriminator"], fake, draws)

    def objective(weights: dict[str, Tensor]) -> tuple[Tensor, Draws]:
        return generator_objective(recipe, players.generator.bind(state["generator"] | weights), network.bind(now),
                                   draws, look_ahead if recipe.unrolled else None)

    weights = {name: state["generator"][name] for name in state["slots"]["generator"]}
    gradients, (loss, report) = torch.func.grad_and_value(objective, has_aux=True)(weights)
    state = _apply(recipe, "generator", state, gradients, report["statistics"], draws["rates"])
    return _average(state, draws["rates"]["decay"]), loss


def _simultaneous(recipe: Recipe, players: Players, state: _State, draws: Draws) -> tuple[_State, Tensor]:
    step, rates = draws["discriminator"][0], draws["generator"]["rates"]

    def objectives(weights: dict[str, dict[str, Tensor]]) -> tuple[tuple[Tensor, Tensor], tuple[Draws, Draws]]:
        statistics: dict[str, Tensor] = {}
        generator = players.generator.bind(state["generator"] | weights["generator"])
        critic = players.discriminator.bind(state["discriminator"] | weights["discriminator"])
        fake = generator(step["noise"], training=True, masks=step["masks"]["generator"], statistics=statistics)
        objective, report = discriminator_objective(recipe, critic, fake, step)
        loss = generator_loss(recipe.loss, report["real_logits"], report["fake_logits"])
        return (objective, loss), (report, statistics)

    weights = {role: {name: state[role][name] for name in state["slots"][role]}
               for role in ("generator", "discriminator")}
    (_, loss), pullback, (report, statistics) = torch.func.vjp(objectives, weights, has_aux=True)
    one, zero = torch.ones_like(loss), torch.zeros_like(loss)
    # The compiler drops what either call computes and does not use.
    discriminator_gradients = pullback((one, zero))[0]["discriminator"]
    generator_gradients = pullback((zero, one))[0]["generator"]
    state = _apply(recipe, "discriminator", state, discriminator_gradients, report["statistics"], step["rates"])
    state = _apply(recipe, "generator", state, generator_gradients, statistics, rates)
    return _average(state, rates["decay"]), torch.stack([report["loss"], report["penalty"], loss])


def _apply(recipe: Recipe, role: str, state: _State, gradients: dict[str, Tensor], statistics: dict[str, Tensor],
           rates: Draws) -> _State:
    settings = getattr(recipe, f"{role}_optimiser")
    new, slots = updated(settings, state[role], gradients, state["slots"][role], rates["t"], rates["learning_rate"])
    if role == "discriminator" and recipe.clip:
        new = clip_weights(new, recipe.clip)
    return state | {role: state[role] | new | statistics, "slots": state["slots"] | {role: slots}}


def _average(state: _State, decay: Tensor) -> _State:
    return state | {"average": averaged(state["average"], state["generator"], decay)}


def _first_line(error: Exception) -> str:
    error = getattr(error, "inner_exception", error)  # what a compiler threw, without the words around it
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)

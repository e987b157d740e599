"""Many iterations in one compiled call, in PyTorch: the arithmetic of the steps without the cost of each call.

A small network's step is dozens of tiny operations, and eager PyTorch spends more time on starting each than on
computing it.  Here ``torch.func`` differentiates the steps, ``while_loop`` repeats them, and ``torch.compile`` makes
one program of the lot.

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

from ganbook.data.recipe import parameter_dtype
from ganbook.gradient_descent.step.inputs import Inputs
from ganbook.gradient_descent.step.steps_torch import State, functional_gradients, one_iteration
from ganbook.gradient_descent.step.train_state_torch import TrainState
from ganbook.tensors.networks_torch import find_device


class CompiledIterations:
    """Runs iterations as the train state does, many to a call.

    Args:
        state: changed in place by :meth:`run`.
    """

    def __init__(self, state: TrainState) -> None:
        self.state, recipe = state, state.recipe
        # Asked once here, these are plain values to the compiler, which cannot read a recipe's settings.
        _ = recipe.penalised, recipe.spectral, recipe.pairs, recipe.packing
        self._compiled: Callable[..., Any] | None = None
        self._works: bool | None = None  # unknown until the first call

    def run(self, iterations: Sequence[Inputs], steps_per_call: int) -> np.ndarray:
        """Run iterations one after another.

        Where this machine cannot compile, one warning says so and the plain loop takes over.

        Args:
            iterations: NumPy inputs of each, at most ``steps_per_call`` of them.
            steps_per_call: iterations that the compiled program has place for; another number compiles another program.

        Returns:
            float64, shape (iterations, 3): discriminator loss, penalty and generator loss of each.
        """
        if self._works is False:
            return self.state.run(iterations)
        try:
            self._compiled = self._compiled or torch.compile(self._loop, fullgraph=True, dynamic=False)
            with torch.no_grad():
                losses, state = self._compiled(*self._inputs(iterations, steps_per_call))
        except Exception as error:  # whatever a compiler throws; a fault of our own shows again in the plain loop
            if self._works:
                raise
            warnings.warn(
                f"compiled steps are not to be had here, so the plain loop runs: {_first_line(error)}",
                RuntimeWarning,
                stacklevel=2,
            )
            self._works = False
            return self.state.run(iterations)
        self._works = True
        self.state.assign(state)
        return losses[: len(iterations)].double().cpu().numpy()

    def _inputs(self, iterations: Sequence[Inputs], steps_per_call: int) -> tuple[Tensor, State, Inputs]:
        # The loop stops before the filling.
        filled = [*iterations, *[iterations[-1]] * (steps_per_call - len(iterations))]
        dtype, device = getattr(torch, parameter_dtype(self.state.recipe.dtype)), find_device(self.state.device)

        def stack(*leaves: Any) -> Tensor:
            # A batch of images has four axes, and a stack of batches five: their channels go to their PyTorch place.
            stacked = torch.as_tensor(np.stack(leaves), dtype=dtype, device=device)
            return stacked.movedim(-1, 2) if stacked.ndim == 5 else stacked

        # Tensors of their own: the program must not write into those of the networks.
        state = pytree.tree_map(lambda leaf: leaf.clone(memory_format=torch.contiguous_format), self.state.tensors())
        return torch.tensor(len(iterations)), state, pytree.tree_map(stack, *filled)

    def _loop(self, count: Tensor, state: State, inputs: Inputs) -> tuple[Tensor, State]:
        recipe, networks = self.state.recipe, self.state.networks
        leaves, shape = pytree.tree_flatten(state)
        steps_per_call = len(pytree.tree_leaves(inputs)[0])
        places = torch.arange(steps_per_call, device=leaves[0].device)

        def unfinished(k: Tensor, losses: Tensor, *leaves: Tensor) -> Tensor:
            return k < count

        def body(k: Tensor, losses: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
            one = pytree.tree_map(lambda leaf: leaf.index_select(0, k.reshape(1).to(leaf.device)).squeeze(0), inputs)
            new, loss = one_iteration(
                recipe, networks, pytree.tree_unflatten(list(leaves), shape), one, functional_gradients
            )
            losses = torch.where((places == k.to(places.device))[:, None], loss, losses)
            # The loop wants results that are tensors of their own, laid out like what came in.
            return (
                k + 1,
                losses,
                *[leaf.clone(memory_format=torch.contiguous_format) for leaf in pytree.tree_leaves(new)],
            )

        nothing = torch.zeros((steps_per_call, 3), dtype=leaves[0].dtype, device=leaves[0].device)
        start = (torch.tensor(0), nothing, *leaves)
        _, losses, *leaves = torch.while_loop(unfinished, body, start)
        return losses, pytree.tree_unflatten(leaves, shape)


def _first_line(error: Exception) -> str:
    error = getattr(error, "inner_exception", error)  # what a compiler threw, without the words around it
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)

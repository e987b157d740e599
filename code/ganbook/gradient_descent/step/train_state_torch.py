"""What a run in PyTorch holds between two iterations: networks, optimiser state, and the generator's moving average.

Explained in the book's section "Inside a training step"; first used in the section "Quickstart".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ganbook.data.recipe import Optimiser, Recipe
from ganbook.gradient_descent.checkpoint import ROLES, split_names
from ganbook.gradient_descent.step.inputs import Inputs
from ganbook.gradient_descent.step.optimisers_torch import initial_state
from ganbook.gradient_descent.step.steps_torch import Gradients, Networks, State, Tensors, gradients, one_iteration
from ganbook.tensors.networks_torch import Network, build, to_native, to_numpy


class TrainState:
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
        self.networks = Networks(self.generator, self.discriminator)
        self.average: Network | None = None
        if recipe.averaging:
            self.average = build(recipe.generator, 0, recipe.dtype, self.device)
            self.average.load(self.generator.export())
        self.optimiser_state = {
            role: _initial(getattr(recipe, f"{role}_optimiser"), getattr(self, role)) for role in ROLES
        }

    def tensors(self) -> State:
        """The state, as the steps take it; its tensors are those of the networks until :meth:`assign`."""
        return {
            "generator": state_tensors(self.generator),
            "discriminator": state_tensors(self.discriminator),
            "ema": {} if self.average is None else state_tensors(self.average),
            "optimiser": self.optimiser_state,
        }

    def assign(self, state: State) -> None:
        """Take over what the steps gave."""
        self.generator.assign(state["generator"])
        self.discriminator.assign(state["discriminator"])
        if self.average is not None:
            self.average.assign(state["ema"])
        self.optimiser_state = state["optimiser"]

    def native(self, inputs: Inputs) -> Inputs:
        """One step's inputs, or one iteration's, as tensors on this device."""
        return native(inputs, self.recipe.dtype, self.device)

    def run(self, iterations: Sequence[Inputs], differentiate: Gradients = gradients) -> np.ndarray:
        """Run iterations one after another.

        Args:
            iterations: NumPy inputs of each.
            differentiate: what takes the gradients.

        Returns:
            float64, shape (iterations, 3): discriminator loss, penalty and generator loss of each.
        """
        losses = [self.one_iteration(self.native(inputs), differentiate) for inputs in iterations]
        # One transfer for all: asking a GPU for each number would make it wait for the processor.
        return torch.stack(losses).double().cpu().numpy()

    def one_iteration(self, inputs: Inputs, differentiate: Gradients = gradients) -> Tensor:
        """Run one iteration of native inputs: its three losses, shape (3,)."""
        state, losses = one_iteration(self.recipe, self.networks, self.tensors(), inputs, differentiate)
        self.assign(state)
        return losses

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
        for role in ROLES:
            network: Network = getattr(self, role)
            arrays[role] = network.export()
            for moment in _moments(self.optimiser_state[role]):
                exported = network.export({name: parts[moment] for name, parts in self.optimiser_state[role].items()})
                arrays[role] |= {f"{moment}/{name}": array for name, array in exported.items()}
        if self.average is not None:
            arrays["generator"] |= {f"average/{name}": array for name, array in self.average.export().items()}
        return arrays

    def load(self, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Take over what :meth:`export` gave, in this framework or the other.

        Raises:
            ValueError: a missing, unknown or mis-shaped array, named.
        """
        for role in ROLES:
            network, memory = getattr(self, role), self.optimiser_state[role]
            parts = split_names(arrays[role])
            network.load(parts.pop("", {}))
            if role == "generator" and self.average is not None:
                self.average.load(parts.pop("average", {}))
            if set(parts) != set(_moments(memory)):
                raise ValueError(f"{role} has arrays for {sorted(parts)}; accepted: {sorted(_moments(memory))}")
            native = {moment: network.convert(group) for moment, group in parts.items()}
            for moment, tensors in native.items():
                if set(tensors) != set(memory):
                    raise ValueError(
                        f"{moment} of the {role} has {', '.join(sorted(tensors))}; accepted: "
                        f"{', '.join(sorted(memory))}"
                    )
            self.optimiser_state[role] = {
                name: {moment: native[moment][name] for moment in parts} for name, parts in memory.items()
            }


def native(inputs: Inputs, dtype: str, device: str) -> Inputs:
    """One step's inputs, or one iteration's, as tensors.

    Args:
        inputs: NumPy arrays, and mappings and lists of them; ``rates`` are numbers, and stay numbers where they can.
        dtype: one of ``DTYPES``.
        device: ``cpu``, ``gpu`` or ``gpu:N``.
    """
    return {
        key: value
        if key == "rates"
        else [native(step, dtype, device) for step in value]
        if isinstance(value, list)
        else native(value, dtype, device)
        if isinstance(value, dict)
        else to_native(value, dtype, device)
        for key, value in inputs.items()
    }


def state_tensors(network: Network) -> Tensors:
    """All tensors of a network by name, weights and moving statistics, apart from any graph."""
    return {name: tensor.detach() for name, tensor in (network.trainable() | network.moving()).items()}


def _initial(settings: Optimiser, network: Network) -> dict[str, Tensors]:
    return {name: initial_state(settings, weight.detach()) for name, weight in network.trainable().items()}


def _moments(memory: Mapping[str, Mapping[str, Tensor]]) -> list[str]:
    return list(next(iter(memory.values())))

"""What a run in TensorFlow holds between two iterations: networks, optimiser state, and the generator's moving average.

Explained in the book's section "Inside a training step"; first used in the section "Quickstart".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from ganbook.data.recipe import Optimiser, Recipe, parameter_dtype
from ganbook.gradient_descent.checkpoint import ROLES, split_names
from ganbook.gradient_descent.step.inputs import Inputs
from ganbook.gradient_descent.step.optimisers_tensorflow import initial_state
from ganbook.gradient_descent.step.steps_tensorflow import Gradients, Networks, State, Tensors, gradients, one_iteration
from ganbook.tensors.networks_tensorflow import Network, build, find_device, to_native, to_numpy


class TrainState:
    """The twin of :class:`ganbook.gradient_descent.step.train_state_torch.TrainState`."""

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

        # One graph for a whole iteration: run eagerly, a small step costs twenty times as much.
        self._graph = tf.function(self.one_iteration, autograph=False)

    def tensors(self) -> State:
        memory = tf.nest.map_structure(tf.convert_to_tensor, self.optimiser_state)
        return {
            "generator": state_tensors(self.generator),
            "discriminator": state_tensors(self.discriminator),
            "ema": {} if self.average is None else state_tensors(self.average),
            "optimiser": memory,
        }

    def assign(self, state: State) -> None:
        self.generator.assign(state["generator"])
        self.discriminator.assign(state["discriminator"])
        if self.average is not None:
            self.average.assign(state["ema"])
        tf.nest.map_structure(lambda own, new: own.assign(new), self.optimiser_state, state["optimiser"])

    def native(self, inputs: Inputs) -> Inputs:
        return native(inputs, self.recipe.dtype, self.device)

    def run(self, iterations: Sequence[Inputs], differentiate: Gradients = gradients) -> np.ndarray:
        losses = [self._graph(self.native(inputs), differentiate) for inputs in iterations]
        # One transfer for all: asking a GPU for each number would make it wait for the processor.
        return tf.stack(losses).numpy().astype(np.float64)

    def one_iteration(self, inputs: Inputs, differentiate: Gradients = gradients) -> tf.Tensor:
        state, losses = one_iteration(self.recipe, self.networks, self.tensors(), inputs, differentiate)
        self.assign(state)
        return losses

    def sample(self, noise: np.ndarray, *, use_average: bool = True) -> np.ndarray:
        network = self.average if use_average and self.average is not None else self.generator
        return to_numpy(network(to_native(noise, self.recipe.dtype, self.device)))

    def judge(self, examples: np.ndarray) -> np.ndarray:
        return to_numpy(self.discriminator(to_native(examples, self.recipe.dtype, self.device)))

    def export(self) -> dict[str, dict[str, np.ndarray]]:
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
            for name, variables in memory.items():
                for moment, variable in variables.items():
                    variable.assign(native[moment][name])


def native(inputs: Inputs, dtype: str, device: str) -> Inputs:
    """The twin of :func:`ganbook.gradient_descent.step.train_state_torch.native`."""
    # Rates become scalar tensors: for each new number tf.function would trace anew.
    return {
        key: {name: tf.constant(rate, parameter_dtype(dtype)) for name, rate in value.items()}
        if key == "rates"
        else [native(step, dtype, device) for step in value]
        if isinstance(value, list)
        else native(value, dtype, device)
        if isinstance(value, dict)
        else to_native(value, dtype, device)
        for key, value in inputs.items()
    }


def state_tensors(network: Network) -> Tensors:
    """The twin of :func:`ganbook.gradient_descent.step.train_state_torch.state_tensors`."""
    return {name: tf.convert_to_tensor(variable) for name, variable in (network.trainable() | network.moving()).items()}


def _initial(settings: Optimiser, network: Network) -> dict[str, dict[str, tf.Variable]]:
    with tf.device(find_device(network.device_name)):
        return {
            name: {moment: tf.Variable(zeros) for moment, zeros in initial_state(settings, weight).items()}
            for name, weight in network.trainable().items()
        }


def _moments(memory: Mapping[str, Mapping[str, tf.Variable]]) -> list[str]:
    return list(next(iter(memory.values())))

"""Many iterations in one compiled call, in TensorFlow: the arithmetic of the steps without the cost of each call.

A small network's step is dozens of tiny operations, and TensorFlow spends more time on starting each than on
computing it.  Here the steps stand in a loop inside one ``tf.function``, and XLA makes one program of the lot.
On a processor convolutions are left to TensorFlow's own kernels, since XLA's are many times slower there.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ganbook.data.recipe import parameter_dtype
from ganbook.gradient_descent.step.inputs import Inputs
from ganbook.gradient_descent.step.steps_tensorflow import gradients
from ganbook.gradient_descent.step.train_state_tensorflow import TrainState
from ganbook.tensors.layers import Conv2D, ConvTranspose2D
from ganbook.tensors.networks_tensorflow import find_device


class CompiledIterations:
    """The twin of :class:`ganbook.gradient_descent.step.compiled_torch.CompiledIterations`."""

    def __init__(self, state: TrainState) -> None:
        self.state = state
        self._compiled: Callable[..., Any] | None = None
        self._works: bool | None = None  # unknown until the first call

    def run(self, iterations: Sequence[Inputs], steps_per_call: int) -> np.ndarray:
        if self._works is False:
            return self.state.run(iterations)
        try:
            self._compiled = self._compiled or tf.function(self._loop, jit_compile=_fuses(self.state))
            losses = self._compiled(*self._inputs(iterations, steps_per_call))
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
        return losses[: len(iterations)].numpy().astype(np.float64)

    def _inputs(self, iterations: Sequence[Inputs], steps_per_call: int) -> tuple[tf.Tensor, Inputs]:
        # The loop stops before the filling.
        filled = [*iterations, *[iterations[-1]] * (steps_per_call - len(iterations))]
        stacked = tf.nest.map_structure(lambda *leaves: np.stack(leaves), *filled)
        dtype = parameter_dtype(self.state.recipe.dtype)
        with tf.device(find_device(self.state.device)):
            return tf.constant(len(iterations)), tf.nest.map_structure(lambda leaf: tf.constant(leaf, dtype), stacked)

    def _loop(self, count: tf.Tensor, inputs: Inputs) -> tf.Tensor:
        steps_per_call = tf.nest.flatten(inputs)[0].shape[0]
        losses = tf.zeros((steps_per_call, 3), parameter_dtype(self.state.recipe.dtype))
        run_one = tf.autograph.experimental.do_not_convert(self.state.one_iteration)
        for k in tf.range(count):
            one = tf.nest.map_structure(lambda leaf: leaf[k], inputs)  # noqa: B023 traced once, with k as a tensor
            losses = tf.tensor_scatter_nd_update(losses, [[k]], [run_one(one, gradients)])
        return losses


def _fuses(state: TrainState) -> bool:
    """Whether XLA compiles the loop; without it the loop is a graph all the same."""
    layers = (*state.generator.blueprint.layers, *state.discriminator.blueprint.layers)
    return "GPU" in find_device(state.device) or not any(
        isinstance(layer, Conv2D | ConvTranspose2D) for layer in layers
    )


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)

"""The fixed digit classifier in TensorFlow: images in, features and digits out.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from ganbook.gradient_descent.step.optimisers_tensorflow import initial_state, update_all
from ganbook.tensors.networks_tensorflow import Network, find_device, to_native, to_numpy
from ganbook.tuning.metrics.classifier import TRAININGS, Classifier, digit_network


class DigitNetwork(Network):
    """The twin of :class:`ganbook.tuning.metrics.features_torch.DigitNetwork`."""

    def call(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:  # type: ignore[override]  # two, where others give one
        *before, last = self.layers
        for layer in before:
            x = layer(x)
        return x, last(x)


class DigitClassifier(Classifier):
    """The twin of :class:`ganbook.tuning.metrics.features_torch.DigitClassifier`."""

    def __init__(
        self,
        side: int,
        dtype: str = "float64",
        device: str | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        super().__init__(side, arrays)
        self.network = DigitNetwork(digit_network(side), 0, dtype, device)
        self.network.load(self.arrays)
        self.optimiser = TRAININGS[side].optimiser
        with tf.device(find_device(self.network.device_name)):
            self.optimiser_state = {
                name: {moment: tf.Variable(zeros) for moment, zeros in initial_state(self.optimiser, weight).items()}
                for name, weight in self.network.trainable().items()
            }
        # One graph for a whole step: run eagerly, so small a step costs many times as much.
        self._graph_step = tf.function(self._step, autograph=False)

    def activations(self, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        features, logits = self.network(self._native(planes))
        return to_numpy(features), to_numpy(logits)

    def step(self, planes: np.ndarray, targets: np.ndarray, learning_rate: float, t: int) -> float:
        # Both numbers become tensors: for each new number tf.function would trace anew.
        numbers = (tf.constant(number, self.network.dtype_name) for number in (learning_rate, t))
        return float(self._graph_step(self._native(planes), self._native(targets), *numbers))

    def _step(self, planes: tf.Tensor, targets: tf.Tensor, learning_rate: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            _, logits = self.network(planes)
            loss = -tf.reduce_mean(tf.reduce_sum(targets * tf.nn.log_softmax(logits, axis=1), axis=1))
        weights = self.network.trainable()
        new, state = update_all(
            self.optimiser, weights, tape.gradient(loss, weights), self.optimiser_state, t, learning_rate
        )
        self.network.assign(new)
        for name, values in state.items():
            for moment, value in values.items():
                self.optimiser_state[name][moment].assign(value)
        return loss

    def _native(self, array: np.ndarray) -> tf.Tensor:
        return to_native(array, self.network.dtype_name, self.network.device_name)

"""The fixed digit classifier in TensorFlow: images in, features and digits out.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from ganbook.gradient_descent.optimisers_tensorflow import initial_slots
from ganbook.gradient_descent.steps_tensorflow import updated
from ganbook.tensors.networks_tensorflow import Network, find_device, to_native, to_numpy
from ganbook.tuning.metrics.classifier import TRAININGS, Reader, digit_network


class DigitNetwork(Network):
    """A small convolutional network that names handwritten digits.

    .. math:: f(x) = a(a(\\cdots a(x * W_1 + b_1) \\cdots) W_2 + b_2), \\quad l(x) = f(x) W_3 + b_3

    Maps images of shape (N, side, side, 1) to features f of shape (N, 64) and logits l of shape (N, 10); a is the
    activation and * a strided convolution.

    Reference: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition,
    Proceedings of the IEEE 86, 1998, section II.
    """

    def call(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Map a batch to features and to logits."""
        self._check_input(x)
        *before, last = self.layers
        for layer in before:
            x = layer(x)
        return x, last(x)


class DigitReader(Reader):
    """The digit classifier of one size of image; without weights of your own, the fixed one.

    Args:
        side: of the images in pixels, 8, 28 or 32.
        dtype: ``float32`` or ``float64``.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.
        arrays: weights by canonical name; None takes the fixed ones and checks their hash.

    Raises:
        ClassifierError: another side, or files that are missing or damaged.
        ValueError: another dtype or device, or weights of other names or shapes.

    Explained in the book's section "Evaluation".
    """

    def __init__(self, side: int = 28, dtype: str = "float64", device: str | None = None,
                 arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Build the network and load its weights."""
        super().__init__(side, arrays)
        self.network = DigitNetwork(digit_network(side), 0, dtype, device)
        self.network.load(self.arrays)
        self.optimiser = TRAININGS[side].optimiser
        with tf.device(find_device(self.network.device_name)):
            self.slots = {name: {slot: tf.Variable(zeros)
                                 for slot, zeros in initial_slots(self.optimiser, weight).items()}
                          for name, weight in self.network.trainable().items()}
        # One graph for a whole step: run eagerly, so small a step costs many times as much.
        self._graph_step = tf.function(self._step, autograph=False)

    def activations(self, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, 64) and logits (N, 10) of single-channel images (N, side, side, 1), in NumPy."""
        features, logits = self.network(self._native(planes))
        return to_numpy(features), to_numpy(logits)

    def step(self, planes: np.ndarray, targets: np.ndarray, learning_rate: float, t: int) -> float:
        """Make the t-th update, t from 1, on images and their digits as rows of zeros and a one; the loss before it."""
        # Both numbers become tensors: for each new number tf.function would trace anew.
        numbers = (tf.constant(number, self.network.dtype_name) for number in (learning_rate, t))
        return float(self._graph_step(self._native(planes), self._native(targets), *numbers))

    def _step(self, planes: tf.Tensor, targets: tf.Tensor, learning_rate: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            _, logits = self.network(planes)
            loss = -tf.reduce_mean(tf.reduce_sum(targets * tf.nn.log_softmax(logits, axis=1), axis=1))
        weights = self.network.trainable()
        new, slots = updated(self.optimiser, weights, tape.gradient(loss, weights), self.slots, t, learning_rate)
        self.network.assign(new)
        for name, values in slots.items():
            for slot, value in values.items():
                self.slots[name][slot].assign(value)
        return loss

    def export(self) -> dict[str, np.ndarray]:
        """The weights as they are now, by canonical name."""
        return self.network.export()

    def _native(self, array: np.ndarray) -> tf.Tensor:
        return to_native(array, self.network.dtype_name, self.network.device_name)

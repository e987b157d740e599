"""The fixed digit classifier in PyTorch: images in, features and digits out.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganbook.gradient_descent.step.optimisers_torch import initial_state, update_all
from ganbook.tensors.networks_torch import Network, to_native, to_numpy
from ganbook.tuning.metrics.classifier import TRAININGS, Classifier, digit_network


class DigitNetwork(Network):
    """A small convolutional network that names handwritten digits.

    .. math:: f(x) = a(a(\\cdots a(x * W_1 + b_1) \\cdots) W_2 + b_2), \\quad l(x) = f(x) W_3 + b_3

    Maps images of shape (N, side, side, 1) to features f of shape (N, 64) and logits l of shape (N, 10); a is the
    activation and * a strided convolution.

    Reference: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition,
    Proceedings of the IEEE 86, 1998, section II.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # two, where others give one
        """Map a batch to features and to logits."""
        *before, last = self.children()
        for layer in before:
            x = layer(x)
        return x, last(x)


class DigitClassifier(Classifier):
    """The digit classifier of one size of image; without weights of your own, the fixed one.

    Args:
        side: of the images in pixels, 8, 28 or 32.
        dtype: ``float32`` or ``float64``.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.
        arrays: weights by canonical name; None takes the fixed ones and checks their hash.

    Raises:
        ClassifierError: another side, or files that are missing or damaged.
        ValueError: another dtype or device, or weights of other names or shapes.
    """

    def __init__(
        self,
        side: int,
        dtype: str = "float64",
        device: str | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Build the network and load its weights."""
        super().__init__(side, arrays)
        self.network = DigitNetwork(digit_network(side), 0, dtype, device)
        self.network.load(self.arrays)
        self.optimiser = TRAININGS[side].optimiser
        self.optimiser_state = {
            name: initial_state(self.optimiser, weight.detach()) for name, weight in self.network.trainable().items()
        }

    def activations(self, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, 64) and logits (N, 10) of single-channel images (N, side, side, 1), in NumPy."""
        with torch.no_grad():
            features, logits = self.network(self._native(planes))
        return to_numpy(features), to_numpy(logits)

    def step(self, planes: np.ndarray, targets: np.ndarray, learning_rate: float, t: int) -> float:
        """Make the t-th update, t from 1, on images and their digits as rows of zeros and a one; the loss before it."""
        _, logits = self.network(self._native(planes))
        loss = -torch.mean(torch.sum(self._native(targets) * F.log_softmax(logits, dim=1), dim=1))
        weights = self.network.trainable()
        gradients = torch.autograd.grad(loss, list(weights.values()))
        with torch.no_grad():
            new, self.optimiser_state = update_all(
                self.optimiser,
                weights,
                dict(zip(weights, gradients, strict=True)),
                self.optimiser_state,
                t,
                learning_rate,
            )
            self.network.assign(new)
        return loss.item()

    def _native(self, array: np.ndarray) -> Tensor:
        return to_native(array, self.network.dtype_name, self.network.device_name)

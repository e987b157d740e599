"""A network in TensorFlow, built from the layers of a blueprint.

A network never changes itself in a forward pass: it returns logits or images, and writes new moving values into the
``statistics`` that it is given.  So it works as it is under tf.function and XLA.

Explained in the book's section "Layers".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter

import keras
import numpy as np
import tensorflow as tf

from ganbook.data.recipe import DTYPES, Architecture, check_choice, parameter_dtype
from ganbook.tensors.architectures import blueprint_of
from ganbook.tensors.blueprints import Blueprint
from ganbook.tensors.exchange import check_arrays, check_complete, check_names, parse_device
from ganbook.tensors.initial import initial_arrays
from ganbook.tensors.layers_tensorflow import Dropout, Tensors, WithTensors, make_layer


def find_device(device: str | None = None) -> str:
    """The twin of :func:`ganbook.tensors.networks_torch.find_device`."""
    count = len(tf.config.list_physical_devices("GPU"))
    kind, number = parse_device(device) or ("gpu" if count else "cpu", 0)
    if kind == "gpu" and number >= count:
        raise ValueError(f"device is {device!r}; accepted: 'cpu', or gpu:N; GPUs in sight: {count}")
    return f"/{kind.upper()}:{number}"


def to_native(array: np.ndarray, dtype: str = "float32", device: str | None = None) -> tf.Tensor:
    """The twin of :func:`ganbook.tensors.networks_torch.to_native`."""
    with tf.device(find_device(device)):
        return tf.constant(np.asarray(array), parameter_dtype(check_choice("dtype", dtype, DTYPES)))


def to_numpy(tensor: tf.Tensor) -> np.ndarray:
    """The twin of :func:`ganbook.tensors.networks_torch.to_numpy`."""
    return np.array(tensor.numpy())


class Network(keras.Model):
    """The twin of :class:`ganbook.tensors.networks_torch.Network`."""

    def __init__(
        self,
        blueprint: Blueprint,
        rng: int | np.random.Generator = 0,
        dtype: str = "float32",
        device: str | None = None,
    ) -> None:
        super().__init__(dtype=parameter_dtype(check_choice("dtype", dtype, DTYPES)))
        self._convert_input_args = False  # Keras would hand call() a copy of ``statistics``
        self.blueprint, self.dtype_name = blueprint, dtype
        native_device = find_device(device)
        self.device_name = native_device[1:].lower().removesuffix("cpu:0") or "cpu"
        self._shapes = blueprint.trainable_shapes() | blueprint.moving_shapes()
        for spec in blueprint.layers:
            setattr(self, spec.name, make_layer(spec, parameter_dtype(dtype), native_device))
        self.built = True
        self.load(initial_arrays(blueprint.layers, np.random.default_rng(rng)))

    def call(
        self,
        x: tf.Tensor,
        training: bool = False,
        masks: Tensors | None = None,
        statistics: dict[str, tf.Tensor] | None = None,
        tensors: Tensors | None = None,
    ) -> tf.Tensor:
        if tuple(x.shape[1:]) != self.blueprint.input_shape or (x.shape[0] or 0) % self.blueprint.packing:
            self.blueprint.check_input(tuple(x.shape))
        if tensors is not None and len(tensors) < len(self._shapes):
            check_complete(tensors, self._shapes)
        mixed = self.dtype_name == "mixed_bfloat16"
        # Master weights stay float32: each layer takes copies in the type of its input.
        x = tf.cast(x, tf.bfloat16) if mixed else x
        for layer in self.layers:  # by call, since Keras's own way in costs a fifth of an eager step
            if isinstance(layer, WithTensors):
                x = layer.call(x, training=training, statistics=statistics, tensors=tensors)
            elif not isinstance(layer, Dropout):
                x = layer.call(x)
            elif training:
                x = layer.call(x, self.blueprint.mask(layer.spec.name, masks))
        return tf.cast(x, tf.float32) if mixed else x

    def _tensors(self, names: Iterable[str]) -> dict[str, tf.Variable]:
        return {name: attrgetter(name)(self).value for name in names}  # the tf.Variable inside Keras's own

    def trainable(self) -> dict[str, tf.Variable]:
        return self._tensors(self.blueprint.trainable_shapes())

    def moving(self) -> dict[str, tf.Variable]:
        return self._tensors(self.blueprint.moving_shapes())

    def assign(self, values: Tensors) -> None:
        own = self.trainable() | self.moving()
        check_names(values, own)
        for name, value in values.items():
            own[name].assign(value)

    def export(self, tensors: Tensors | None = None) -> dict[str, np.ndarray]:
        tensors = self.trainable() | self.moving() if tensors is None else tensors
        return {name: np.array(tensor.numpy()) for name, tensor in tensors.items()}

    def convert(self, arrays: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
        check_arrays(arrays, self._shapes)
        with tf.device(find_device(self.device_name)):
            return {
                name: tf.constant(np.asarray(array), parameter_dtype(self.dtype_name)) for name, array in arrays.items()
            }

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        tensors = self.convert(arrays)
        check_complete(tensors, self._shapes)
        self.assign(tensors)

    def summary(self) -> str:
        return self.blueprint.summary()


def build(
    architecture: Architecture, rng: int | np.random.Generator = 0, dtype: str = "float32", device: str | None = None
) -> Network:
    """The twin of :func:`ganbook.tensors.networks_torch.build`."""
    return Network(blueprint_of(architecture), rng, dtype, device)

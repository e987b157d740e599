"""Layers of the networks in TensorFlow, one class per kind of layer.

TensorFlow writes images as (batch, height, width, channels), which is also the canonical layout of this package.

A layer is a function of the tensors that it is given, and of its own where it is given none.  It never changes its
own: a training pass writes new moving values into ``statistics``.

Explained in the book's section "Layers".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

from ganbook.tensors import layers

TINY = 1e-12

#: Tensors by canonical name.
Tensors = Mapping[str, tf.Tensor]


def spectral_norm(weight_matrix: tf.Tensor, u: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The twin of :func:`ganbook.tensors.layers_numpy.spectral_norm`."""
    matrix = tf.stop_gradient(weight_matrix)
    v = tf.linalg.matvec(matrix, u, transpose_a=True)
    v = v / (tf.norm(v) + TINY)
    u = tf.linalg.matvec(matrix, v)
    u = u / (tf.norm(u) + TINY)
    return tf.tensordot(u, tf.linalg.matvec(weight_matrix, v), 1), u


class _Layer(keras.layers.Layer):
    """A native layer: its description, and its tensors under their canonical suffixes."""

    def __init__(self, spec: layers.Layer, dtype: str, device: str) -> None:
        """Make tensors of zeros."""
        super().__init__(name=spec.name, dtype=dtype)
        self._convert_input_args = False  # Keras would hand call() a copy of ``statistics``
        self.spec = spec
        with tf.device(device):
            for suffix, shape in spec.trainable_shapes().items():
                setattr(self, suffix, self.add_weight(name=suffix, shape=shape, initializer="zeros"))
            for suffix, shape in spec.moving_shapes().items():
                setattr(self, suffix, self.add_weight(name=suffix, shape=shape, initializer="zeros", trainable=False))
        self.built = True


class WithTensors(_Layer):
    """The twin of :class:`ganbook.tensors.layers_torch.WithTensors`."""

    def own_tensors(self) -> Tensors:
        return {f"{self.spec.name}.{variable.name}": tf.convert_to_tensor(variable) for variable in self.variables}


class _Linear(WithTensors):
    """What layers with a weight share."""

    spec: layers.Linear

    def normalised_weight(self, training: bool, statistics: dict[str, tf.Tensor] | None, tensors: Tensors) -> tf.Tensor:
        """The weight, divided by its spectral norm."""
        weight, name = tensors[f"{self.spec.name}.weight"], f"{self.spec.name}.u"
        matrix = tf.transpose(tf.reshape(weight, (-1, self.spec.outputs)))
        sigma, u = spectral_norm(matrix, {**tensors, **(statistics or {})}[name])
        if training and statistics is not None:
            statistics[name] = u
        return weight / sigma


class Dense(_Linear):
    """The twin of :class:`ganbook.tensors.layers_torch.Dense`."""

    def call(
        self,
        x: tf.Tensor,
        training: bool = False,
        statistics: dict[str, tf.Tensor] | None = None,
        tensors: Tensors | None = None,
    ) -> tf.Tensor:
        tensors = tensors or self.own_tensors()
        weight, bias = tensors[f"{self.spec.name}.weight"], tensors.get(f"{self.spec.name}.bias")
        if self.spec.spectral_norm:
            weight = self.normalised_weight(training, statistics, tensors)
        y = tf.matmul(x, tf.cast(weight, x.dtype))
        return y if bias is None else tf.nn.bias_add(y, tf.cast(bias, y.dtype))


class Conv2D(_Linear):
    """The twin of :class:`ganbook.tensors.layers_torch.Conv2D`."""

    spec: layers.Conv2D

    def call(
        self,
        x: tf.Tensor,
        training: bool = False,
        statistics: dict[str, tf.Tensor] | None = None,
        tensors: Tensors | None = None,
    ) -> tf.Tensor:
        spec, tensors = self.spec, tensors or self.own_tensors()
        weight, bias = tensors[f"{spec.name}.weight"], tensors.get(f"{spec.name}.bias")
        if spec.spectral_norm:
            weight = self.normalised_weight(training, statistics, tensors)
        y = tf.nn.conv2d(x, tf.cast(weight, x.dtype), spec.stride, native_padding(spec.padding))
        return y if bias is None else tf.nn.bias_add(y, tf.cast(bias, y.dtype))


class ConvTranspose2D(_Linear):
    """The twin of :class:`ganbook.tensors.layers_torch.ConvTranspose2D`."""

    spec: layers.ConvTranspose2D

    def call(
        self,
        x: tf.Tensor,
        training: bool = False,
        statistics: dict[str, tf.Tensor] | None = None,
        tensors: Tensors | None = None,
    ) -> tf.Tensor:
        spec, tensors = self.spec, tensors or self.own_tensors()
        weight, bias = tf.cast(tensors[f"{spec.name}.weight"], x.dtype), tensors.get(f"{spec.name}.bias")
        output_shape = (tf.shape(x)[0], *spec.output_shape(tuple(x.shape[1:])))
        y = tf.nn.conv2d_transpose(x, weight, output_shape, spec.stride, native_padding(spec.padding))
        return y if bias is None else tf.nn.bias_add(y, tf.cast(bias, y.dtype))


class BatchNorm(WithTensors):
    """The twin of :class:`ganbook.tensors.layers_torch.BatchNorm`."""

    spec: layers.BatchNorm
    #: Averages a tensor over the devices that share one batch; None where one device has all of it.
    all_reduce: Callable[[tf.Tensor], tf.Tensor] | None = None

    def call(
        self,
        x: tf.Tensor,
        training: bool = False,
        statistics: dict[str, tf.Tensor] | None = None,
        tensors: Tensors | None = None,
    ) -> tf.Tensor:
        spec, dtype, tensors = self.spec, x.dtype, {**(tensors or self.own_tensors()), **(statistics or {})}
        gamma, beta, old_mean, old_variance = (
            tensors[f"{spec.name}.{suffix}"] for suffix in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        x = tf.cast(x, gamma.dtype)  # sums of bfloat16 numbers lose digits
        mean, variance = old_mean, old_variance
        if training:
            # Not tf.nn.moments: it stops a gradient, so that gradients of gradients come out wrong.
            axes = list(range(x.shape.rank - 1))
            average = self.all_reduce or tf.identity
            mean = average(tf.reduce_mean(x, axes))
            variance = average(tf.reduce_mean(tf.math.squared_difference(x, mean), axes))  # biased: divided by n
        if training and statistics is not None:
            keep = spec.momentum
            statistics[f"{spec.name}.moving_mean"] = keep * old_mean + (1 - keep) * tf.stop_gradient(mean)
            statistics[f"{spec.name}.moving_variance"] = keep * old_variance + (1 - keep) * tf.stop_gradient(variance)
        return tf.cast(tf.nn.batch_normalization(x, mean, variance, beta, gamma, spec.epsilon), dtype)


class Activation(_Layer):
    """The twin of :class:`ganbook.tensors.layers_torch.Activation`."""

    spec: layers.Activation

    def call(self, x: tf.Tensor) -> tf.Tensor:
        if self.spec.function == "leaky_relu":
            # tf.nn.leaky_relu holds its slope as a float32 number, which in float64 is another slope.
            if x.dtype == tf.float32:
                return tf.nn.leaky_relu(x, self.spec.slope)
            return tf.where(x > 0, x, self.spec.slope * x)
        return {"relu": tf.nn.relu, "elu": tf.nn.elu, "tanh": tf.tanh, "sigmoid": tf.sigmoid}[self.spec.function](x)


class Dropout(_Layer):
    """The twin of :class:`ganbook.tensors.layers_torch.Dropout`."""

    spec: layers.Dropout

    def call(self, x: tf.Tensor, kept: tf.Tensor) -> tf.Tensor:
        return x * tf.cast(kept / (1 - self.spec.rate), x.dtype)


class Reshape(_Layer):
    """The twin of :class:`ganbook.tensors.layers_torch.Reshape`."""

    spec: layers.Reshape

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, (-1, *self.spec.shape))


class Flatten(_Layer):
    """The twin of :class:`ganbook.tensors.layers_torch.Flatten`."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, (-1, *self.spec.output_shape(tuple(x.shape[1:]))))


class PixelShuffle(_Layer):
    """The twin of :class:`ganbook.tensors.layers_torch.PixelShuffle`."""

    spec: layers.PixelShuffle

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.depth_to_space(x, self.spec.factor)


class Pack(_Layer):
    """The twin of :class:`ganbook.tensors.layers_torch.Pack`."""

    spec: layers.Pack

    def call(self, x: tf.Tensor) -> tf.Tensor:
        m, (*sides, channels) = self.spec.examples, x.shape[1:]
        x = tf.reshape(x, (-1, m, *sides, channels))
        if sides:
            x = tf.transpose(x, (0, 2, 3, 1, 4))
        return tf.reshape(x, (-1, *sides, m * channels))


def native_padding(padding: str | int) -> str | list[list[int]]:
    """What TensorFlow's convolutions call a padding of this package."""
    if isinstance(padding, str):
        return padding.upper()
    return [[0, 0], [padding, padding], [padding, padding], [0, 0]]


def make_layer(spec: layers.Layer, dtype: str = "float32", device: str = "/CPU:0") -> _Layer:
    """The twin of :func:`ganbook.tensors.layers_torch.make_layer`."""
    return globals()[type(spec).__name__](spec, dtype, device)

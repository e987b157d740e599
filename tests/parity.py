"""What every test of a twin shares: the tolerances, the one check, and a small common face of both frameworks."""

from __future__ import annotations

import importlib
from types import ModuleType, SimpleNamespace

import numpy as np

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
TWINS = ("torch", "tensorflow")
MODES = {"torch": ("eager", "func", "compile"), "tensorflow": ("eager", "function", "xla")}
TWIN_MODES = [(name, mode) for name in TWINS for mode in MODES[name]]


def module(stem: str, ending: str) -> ModuleType:
    """One of a pair or triple, such as ``module("probability.losses", "torch")``."""
    return importlib.import_module(f"ganbook.{stem}_{ending}")


def variant(original: ModuleType, **replaced: object) -> SimpleNamespace:
    """A copy of a module's names with some replaced: how a planted mistake is handed to a check."""
    return SimpleNamespace(**{**vars(original), **replaced})


def as_numpy(value: object) -> np.ndarray:
    """A torch tensor, a TensorFlow tensor or variable, an array or a number, as an array of its own dtype."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def relative_error(actual: object, expected: object, floor: float = 0.0) -> float:
    """The largest difference over the largest expected size (or ``floor``, if that is larger).

    A difference of shapes or a value that is not finite is an infinite error.
    """
    actual, expected = as_numpy(actual).astype(np.float64), as_numpy(expected).astype(np.float64)
    if actual.shape != expected.shape or not (np.isfinite(actual).all() and np.isfinite(expected).all()):
        return np.inf
    difference = np.max(np.abs(actual - expected), initial=0.0)
    return difference / max(np.max(np.abs(expected), initial=0.0), floor) if difference else 0.0


def assert_parity(actual: object, expected: object, dtype: str, floor: float = 0.0, what: str = "value") -> None:
    """Hold ``actual``, of that dtype, to ``expected``: numbers, tensors, or lists, tuples and dicts of them."""
    if isinstance(expected, dict):
        assert list(actual) == list(expected), f"{what}: names {list(actual)} instead of {list(expected)}"
        for name in expected:
            assert_parity(actual[name], expected[name], dtype, floor, f"{what}[{name!r}]")
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected), f"{what}: {len(actual)} parts instead of {len(expected)}"
        for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_parity(one, other, dtype, floor, f"{what}[{i}]")
    else:
        assert as_numpy(actual).dtype == dtype, f"{what}: dtype {as_numpy(actual).dtype} instead of {dtype}"
        error = relative_error(actual, expected, floor)
        assert error <= TOLERANCE[dtype], f"{what}: relative error {error:.3g} above {TOLERANCE[dtype]:g} in {dtype}"


def native(twin: str, array: np.ndarray, dtype: str) -> object:
    """The array as a tensor of that twin's framework, with the axes as they are."""
    if twin == "torch":
        import torch

        return torch.tensor(np.asarray(array), dtype=getattr(torch, dtype))
    import tensorflow as tf

    return tf.constant(np.asarray(array), dtype)


def value_and_gradients(twin: str, function: object, *tensors: object, mode: str = "eager") -> tuple:
    """A scalar function's value and its gradients by every tensor, taken the way that ``mode`` names."""
    return (_torch if twin == "torch" else _tensorflow)(function, tensors, mode)


def _torch(function: object, tensors: tuple, mode: str) -> tuple:
    import torch

    if mode == "eager":
        leaves = [tensor.clone().requires_grad_() for tensor in tensors]
        value = function(*leaves)
        if not value.requires_grad:  # cut off from every leaf
            return value, [torch.zeros_like(leaf) for leaf in leaves]
        gradients = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
        return value.detach(), list(gradients)
    transformed = torch.func.grad_and_value(function, argnums=tuple(range(len(tensors))))
    if mode == "compile":
        torch._dynamo.reset()
        transformed = torch.compile(transformed, fullgraph=True)
    gradients, value = transformed(*tensors)
    return value, list(gradients)


def _tensorflow(function: object, tensors: tuple, mode: str) -> tuple:
    import tensorflow as tf

    def taped(*tensors: tf.Tensor) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        return value, tape.gradient(value, list(tensors), unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return (taped if mode == "eager" else tf.function(taped, jit_compile=mode == "xla"))(*tensors)


def finite_differences(function: object, array: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """The gradient of a scalar function of a float64 array by central differences, good to about eight digits."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        up, down = array.copy(), array.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (float(function(up)) - float(function(down))) / (2 * step)
    return gradient

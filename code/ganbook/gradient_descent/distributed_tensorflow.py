"""One run on several devices, by TensorFlow's own engine: tf.distribute, a strategy that mirrors every variable.

``MirroredStrategy`` lets one process use several devices; ``MultiWorkerMirroredStrategy`` lets several processes train
together, and the environment variable TF_CONFIG tells each its number.  Each device computes the loss of its part of
the batch, and the engine averages the gradients.  Batch normalisation averages its mean and variance in the same way.
Then every device makes the same update, so all networks stay equal.

Explained in the book's section "Practice".
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ganbook.gradient_descent.distributed import check_share, device_kind, share
from ganbook.gradient_descent.step.inputs import Inputs
from ganbook.gradient_descent.step.steps_tensorflow import Objectives, Report, Tensors, gradients, one_iteration
from ganbook.gradient_descent.step.train_state_tensorflow import TrainState
from ganbook.tensors.layers_tensorflow import BatchNorm
from ganbook.tensors.networks_tensorflow import Network

LAUNCH = (
    'TF_CONFIG=\'{"cluster": {"worker": ["localhost:2001", "localhost:2002"]}, "task": {"type": "worker", '
    '"index": 0}}\' python -m ganbook train --framework tensorflow --distributed, and the same with index 1'
)


class Team:
    """The twin of :class:`ganbook.gradient_descent.distributed_torch.Team`."""

    def __init__(self, rank: int, size: int, device: str) -> None:
        self.rank, self.size, self.device = rank, size, device
        # TensorFlow's engine; until ``join`` sets another, the one that does nothing.
        self.strategy = tf.distribute.get_strategy()

    @property
    def first(self) -> bool:
        return self.rank == 0

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        return self.strategy.scope()


@contextlib.contextmanager
def join(device: str | None = None) -> Iterator[Team]:
    """The twin of :func:`ganbook.gradient_descent.distributed_torch.join`."""
    kind = device_kind(device, len(tf.config.list_physical_devices("GPU")))
    rank = 0
    if "TF_CONFIG" in os.environ:
        rank = _rank(os.environ["TF_CONFIG"])
        if kind == "cpu":
            tf.config.set_visible_devices([], "GPU")
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        devices = [device.name for device in tf.config.list_logical_devices(kind.upper())]
        if len(devices) < 2:
            raise ValueError(
                f"the environment lacks TF_CONFIG and this process sees {len(devices)} {kind.upper()}, so "
                f"nothing says who trains together; accepted: several GPUs, or a start such as {LAUNCH}"
            )
        strategy = tf.distribute.MirroredStrategy(devices)
    team = Team(rank, strategy.num_replicas_in_sync, "cpu" if kind == "cpu" else "gpu:0")
    team.strategy = strategy
    yield team


def all_reduce(value: tf.Tensor) -> tf.Tensor:
    """The twin of :func:`ganbook.gradient_descent.distributed_torch.all_reduce`."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, value)


def synchronise(network: Network) -> None:
    """The twin of :func:`ganbook.gradient_descent.distributed_torch.synchronise`."""
    for layer in network.layers:
        if isinstance(layer, BatchNorm):
            layer.all_reduce = all_reduce


class DistributedIterations:
    """The twin of :class:`ganbook.gradient_descent.distributed_torch.DistributedIterations`."""

    def __init__(self, state: TrainState, team: Team, shared_statistics: bool = True) -> None:
        check_share(state.recipe, team.size)
        self.state, self.team = state, team
        if shared_statistics:
            synchronise(state.generator)
            synchronise(state.discriminator)
        self._graph = tf.function(self._iterate, autograph=False)

    def run(self, iterations: Sequence[Inputs]) -> np.ndarray:
        with self.team.scope():
            losses = [self._graph(self._native_shares(inputs)) for inputs in iterations]
            return tf.stack(losses).numpy().astype(np.float64)

    def _native_shares(self, inputs: Inputs) -> Inputs:
        """Of every device of this process, its part of the inputs."""

        def part(context: tf.distribute.ValueContext) -> Inputs:
            mine = share(inputs, context.replica_id_in_sync_group, context.num_replicas_in_sync)
            return self.state.native(mine)

        return self.team.strategy.experimental_distribute_values_from_function(part)

    def _iterate(self, inputs: Inputs) -> tf.Tensor:
        strategy, state = self.team.strategy, self.state

        def one_device(tensors: Any, inputs: Inputs) -> Any:
            new, losses = one_iteration(state.recipe, state.networks, tensors, inputs, averaged_gradients)
            return new, all_reduce(losses)

        # Every device comes to the same state, which is then written once for all of them.
        results = strategy.run(one_device, args=(state.tensors(), inputs))
        new, losses = tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], results)
        state.assign(new)
        return losses


def averaged_gradients(objectives: Objectives, weights: dict[str, Tensors]) -> tuple[dict[str, Tensors], Report]:
    """The twin of :func:`ganbook.gradient_descent.distributed_torch.averaged_gradients`."""
    found, report = gradients(objectives, weights)
    return all_reduce(found), report


def _rank(text: str) -> int:
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        if task["type"] == "worker" and 0 <= task["index"] < len(workers):
            return task["index"]
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(
        f"TF_CONFIG is {text!r}; accepted: the addresses of all workers and this one's index, as in {LAUNCH}"
    )

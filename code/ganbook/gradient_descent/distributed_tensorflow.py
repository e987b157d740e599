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
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ganbook.gradient_descent.distributed import check_share, device_kind, share
from ganbook.gradient_descent.draws import Draws
from ganbook.gradient_descent.steps_tensorflow import Players, Tensors, discriminator_objective, generator_objective
from ganbook.probability.losses_tensorflow import generator_loss
from ganbook.tensors.layers_tensorflow import BatchNorm
from ganbook.tensors.networks_tensorflow import Network

LAUNCH = ('TF_CONFIG=\'{"cluster": {"worker": ["localhost:2001", "localhost:2002"]}, "task": {"type": "worker", '
          '"index": 0}}\' python -m ganbook train --framework tensorflow --distributed, and the same with index 1')


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
            raise ValueError(f"the environment lacks TF_CONFIG and this process sees {len(devices)} {kind.upper()}, so "
                             f"nothing says who trains together; accepted: several GPUs, or a start such as {LAUNCH}")
        strategy = tf.distribute.MirroredStrategy(devices)
    team = Team(rank, strategy.num_replicas_in_sync, "cpu" if kind == "cpu" else "gpu:0")
    team.strategy = strategy
    yield team


def across(value: tf.Tensor) -> tf.Tensor:
    """The twin of :func:`ganbook.gradient_descent.distributed_torch.across`."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, value)


def synchronise(network: Network) -> None:
    """The twin of :func:`ganbook.gradient_descent.distributed_torch.synchronise`."""
    for layer in network.layers:
        if isinstance(layer, BatchNorm):
            layer.across = across


class DistributedPlayers:
    """The twin of :class:`ganbook.gradient_descent.distributed_torch.DistributedPlayers`."""

    def __init__(self, players: Players, team: Team, shared_statistics: bool = True) -> None:
        check_share(players.recipe, team.size)
        self.players, self.team = players, team
        if shared_statistics:
            synchronise(players.generator)
            synchronise(players.discriminator)
        self._graph_round = tf.function(self._round, autograph=False)

    def run_rounds(self, rounds: Sequence[Draws]) -> np.ndarray:
        with self.team.scope():
            losses = [self._graph_round(self._native_shares(draws)) for draws in rounds]
            return tf.stack(losses).numpy().astype(np.float64)

    def _native_shares(self, draws: Draws) -> Draws:
        """Of every device of this process, its part of the draws."""
        def part(context: tf.distribute.ValueContext) -> Draws:
            mine = share(draws, context.replica_id_in_sync_group, context.num_replicas_in_sync)
            return self.players.native_round(mine)
        return self.team.strategy.experimental_distribute_values_from_function(part)

    def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function on every device; its result, which ``across`` has made the same everywhere."""
        strategy = self.team.strategy
        results = strategy.run(function, args=arguments)
        return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], results)

    def _round(self, draws: Draws) -> tf.Tensor:
        # The numbers of a schedule are everyone's, and the update is made once for all devices.
        everyones = tf.nest.map_structure(lambda value: self.team.strategy.experimental_local_results(value)[0], draws)
        rates = [step["rates"] for step in everyones["discriminator"]], everyones["generator"]["rates"]
        if self.players.recipe.order == "simultaneous":
            return self._simultaneous_step(draws["discriminator"][0], rates[0][0], rates[1])
        for step, numbers in zip(draws["discriminator"], rates[0], strict=True):
            loss, penalty = self._discriminator_step(step, numbers)
        return tf.stack([loss, penalty, self._generator_step(draws["generator"], rates[1])])

    def _discriminator_step(self, draws: Draws, rates: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        gradients, statistics, losses = self._run(self._discriminator_pass, draws)
        self.players.apply("discriminator", gradients, statistics, rates)
        return losses

    def _generator_step(self, draws: Draws, rates: Draws) -> tf.Tensor:
        gradients, statistics, loss = self._run(self._generator_pass, draws)
        self.players.apply("generator", gradients, statistics, rates)
        self.players.update_average(rates["decay"])
        return loss

    def _simultaneous_step(self, draws: Draws, rates: Draws, generator_rates: Draws) -> tf.Tensor:
        one, other = self._run(self._simultaneous_pass, draws)
        self.players.apply("discriminator", *one[:2], rates)
        self.players.apply("generator", *other[:2], generator_rates)
        self.players.update_average(generator_rates["decay"])
        return tf.stack([*one[2], other[2]])

    def _discriminator_pass(self, draws: Draws) -> tuple[Tensors, Tensors, tuple[tf.Tensor, tf.Tensor]]:
        players = self.players
        fake = players.generator(draws["noise"], training=True, masks=draws["masks"]["generator"])
        with tf.GradientTape() as tape:
            objective, report = discriminator_objective(players.recipe, players.discriminator, fake, draws)
        gradients = _averaged_gradients(objective, players.discriminator, tape)
        return gradients, report["statistics"], across((report["loss"], report["penalty"]))

    def _generator_pass(self, draws: Draws) -> tuple[Tensors, Tensors, tf.Tensor]:
        players = self.players
        with tf.GradientTape() as tape:
            objective, report = generator_objective(players.recipe, players.generator, players.discriminator, draws)
        return _averaged_gradients(objective, players.generator, tape), report["statistics"], across(report["loss"])

    def _simultaneous_pass(self, draws: Draws) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        players, recipe, statistics = self.players, self.players.recipe, {}
        with tf.GradientTape() as discriminator_tape, tf.GradientTape() as generator_tape:
            fake = players.generator(draws["noise"], training=True, masks=draws["masks"]["generator"],
                                     statistics=statistics)
            objective, report = discriminator_objective(recipe, players.discriminator, fake, draws)
            loss = generator_loss(recipe.loss, report["real_logits"], report["fake_logits"])
        gradients = _averaged_gradients(objective, players.discriminator, discriminator_tape)
        generator_gradients = _averaged_gradients(loss, players.generator, generator_tape)
        return ((gradients, report["statistics"], across((report["loss"], report["penalty"]))),
                (generator_gradients, statistics, across(loss)))


def _averaged_gradients(objective: tf.Tensor, network: Network, tape: tf.GradientTape) -> Tensors:
    """Gradients by the weights of one network, averaged over the devices."""
    weights = network.trainable()
    return across(dict(zip(weights, tape.gradient(objective, list(weights.values())), strict=True)))


def _rank(text: str) -> int:
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        if task["type"] == "worker" and 0 <= task["index"] < len(workers):
            return task["index"]
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"TF_CONFIG is {text!r}; accepted: the addresses of all workers and this one's index, as in "
                     f"{LAUNCH}")

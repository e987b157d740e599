"""One run on several devices, by PyTorch's own engine: DistributedDataParallel, one process per device.

``torchrun`` starts the processes and tells each its number.  Each computes the loss of its part of the batch, and
while the gradients flow back, the engine averages them over the processes.  Batch normalisation averages its mean and
variance in the same way.  Then every process makes the same update, so all networks stay equal.

Explained in the book's section "Practice".
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ganbook.gradient_descent.distributed import check_share, device_kind, share
from ganbook.gradient_descent.draws import Draws
from ganbook.gradient_descent.steps_torch import Players, Tensors, discriminator_objective, generator_objective
from ganbook.probability.losses_torch import generator_loss
from ganbook.tensors.layers_torch import BatchNorm
from ganbook.tensors.networks_torch import Network

LAUNCH = "torchrun --standalone --nproc-per-node 2 -m ganbook train --distributed"


class Team:
    """All that train one run together, seen from one process.

    Args:
        rank: number of this process.
        size: how many share a batch.
        device: ``cpu`` or ``gpu:N``, where this process computes.
    """

    def __init__(self, rank: int, size: int, device: str) -> None:
        self.rank, self.size, self.device = rank, size, device

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.rank == 0

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Where the players must be made."""
        return contextlib.nullcontext()


@contextlib.contextmanager
def join(device: str | None = None) -> Iterator[Team]:
    """Meet the other processes of the run; leave them at the end of the ``with`` block.

    Args:
        device: ``cpu`` or ``gpu``; None takes GPUs if the framework sees any.

    Raises:
        ValueError: the launcher did not start this process, or there are fewer GPUs than processes.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise ValueError(f"the environment lacks {', '.join(missing)}, so nothing says which processes train together; "
                         f"accepted: a start by the launcher, such as {LAUNCH}")
    local, kind = int(os.environ["LOCAL_RANK"]), device_kind(device, torch.cuda.device_count())
    if kind == "gpu" and local >= torch.cuda.device_count():
        raise ValueError(f"process {local} of this machine finds {torch.cuda.device_count()} GPUs; accepted: one GPU "
                         "for each process, or --device cpu")
    if kind == "gpu":
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if kind == "gpu" else "gloo")
    try:
        yield Team(dist.get_rank(), dist.get_world_size(), "cpu" if kind == "cpu" else f"gpu:{local}")
    finally:
        dist.destroy_process_group()


def across(value: Tensor) -> Tensor:
    r"""The mean of a tensor over all processes, with a gradient.

    .. math:: \bar v = \frac1R \sum_{r=0}^{R-1} v^{(r)}

    Args:
        value: v of this process; of one shape everywhere.

    Returns:
        the mean, equal in all processes.
    """
    return _Mean.apply(value)


def synchronise(network: Network) -> None:
    """Let batch normalisation normalise by the whole batch, not by this process's part of it.

    Args:
        network: changed in place; a network without batch normalisation stays as it is.
    """
    for layer in network.children():
        if isinstance(layer, BatchNorm):
            layer.across = across


class DistributedPlayers:
    """Runs rounds like ``run_rounds``, each process on its part of every batch.

    Args:
        players: made by every process from the same recipe, in ``team.scope()``; changed in place.
        team: all that train together.
        shared_statistics: False leaves every process its own batch statistics, which is another run: only good to see
            what that does.

    Raises:
        ValueError: the recipe cannot be trained by so many.
    """

    def __init__(self, players: Players, team: Team, shared_statistics: bool = True) -> None:
        check_share(players.recipe, team.size)
        self.players, self.team = players, team
        if shared_statistics:
            synchronise(players.generator)
            synchronise(players.discriminator)
        self._discriminator = self._parallel(_Pass(players.discriminator, self._discriminator_pass))
        simultaneous = players.recipe.order == "simultaneous"
        self._generator = self._parallel(_Pass(players.generator, _fakes if simultaneous else self._generator_pass))

    def run_rounds(self, rounds: Sequence[Draws]) -> np.ndarray:
        """Run rounds one after another.

        Args:
            rounds: NumPy draws of each round, of the whole batch, the same in every process.

        Returns:
            float64, shape (rounds, 3): discriminator loss, penalty and generator loss of each round, of the whole
            batch.
        """
        team = self.team
        losses = torch.stack([self._round(self.players.native_round(share(draws, team.rank, team.size)))
                              for draws in rounds])
        return across(losses).double().cpu().numpy()

    def _parallel(self, module: nn.Module) -> DistributedDataParallel:
        ids = None if self.team.device == "cpu" else [int(self.team.device.partition(":")[2])]
        return DistributedDataParallel(module, device_ids=ids)

    def _discriminator_pass(self, network: Network, fake: Tensor, draws: Draws) -> tuple[Tensor, Draws]:
        return discriminator_objective(self.players.recipe, network, fake, draws)

    def _generator_pass(self, network: Network, draws: Draws) -> tuple[Tensor, Draws]:
        return generator_objective(self.players.recipe, network, self.players.discriminator, draws)

    def _round(self, draws: Draws) -> Tensor:
        if self.players.recipe.order == "simultaneous":
            report, loss = self._simultaneous_step(draws["discriminator"][0], draws["generator"]["rates"])
        else:
            for step in draws["discriminator"]:
                report = self._discriminator_step(step)
            loss = self._generator_step(draws["generator"])
        return torch.stack([report["loss"], report["penalty"], loss]).detach()

    def _discriminator_step(self, draws: Draws) -> Draws:
        players = self.players
        with torch.no_grad():
            fake = players.generator(draws["noise"], training=True, masks=draws["masks"]["generator"])
        objective, report = self._discriminator(fake, draws)
        gradients = _averaged_gradients(objective, players.discriminator)
        players.apply("discriminator", gradients, report["statistics"], draws["rates"])
        return report

    def _generator_step(self, draws: Draws) -> Tensor:
        objective, report = self._generator(draws)
        gradients = _averaged_gradients(objective, self.players.generator)
        self.players.apply("generator", gradients, report["statistics"], draws["rates"])
        self.players.update_average(draws["rates"]["decay"])
        return report["loss"]

    def _simultaneous_step(self, draws: Draws, generator_rates: Draws) -> tuple[Draws, Tensor]:
        players = self.players
        fake, statistics = self._generator(draws)
        objective, report = self._discriminator(fake, draws)
        loss = generator_loss(players.recipe.loss, report["real_logits"], report["fake_logits"])
        discriminator_gradients = _averaged_gradients(objective, players.discriminator, keep=True)
        generator_gradients = _averaged_gradients(loss, players.generator)
        players.apply("discriminator", discriminator_gradients, report["statistics"], draws["rates"])
        players.apply("generator", generator_gradients, statistics, generator_rates)
        players.update_average(generator_rates["decay"])
        return report, loss


class _Mean(torch.autograd.Function):
    """The mean over the processes, whose gradient is the mean of the gradients."""

    @staticmethod
    def forward(_context: Any, value: Tensor) -> Tensor:
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / dist.get_world_size()

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return _Mean.apply(gradient)


class _Pass(nn.Module):
    """A network together with what is computed from it: the engine averages gradients of what a forward pass gave."""

    def __init__(self, network: Network, function: Callable[..., Any]) -> None:
        super().__init__()
        self.network, self.function = network, function

    def forward(self, *arguments: Any) -> Any:
        return self.function(self.network, *arguments)


def _fakes(network: Network, draws: Draws) -> tuple[Tensor, Tensors]:
    statistics: Tensors = {}
    fake = network(draws["noise"], training=True, masks=draws["masks"]["generator"], statistics=statistics)
    return fake, statistics


def _averaged_gradients(objective: Tensor, network: Network, *, keep: bool = False) -> Tensors:
    """Gradients by the weights of one network, averaged over the processes as ``backward`` adds them to ``.grad``."""
    weights = network.trainable()
    # The engine hooks into the adding to .grad, so torch.autograd.grad would pass it by.  ``inputs`` keeps the
    # gradient out of the other player.
    torch.autograd.backward(objective, inputs=list(weights.values()), retain_graph=keep)
    gradients = {name: weight.grad for name, weight in weights.items()}
    for weight in weights.values():
        weight.grad = None
    return gradients

"""One run on several devices, by PyTorch's own collectives, one process per device.

``torchrun`` starts the processes and tells each its number.  Each takes the gradient on its part of the batch, and
the gradients are averaged over the processes.  Batch normalisation averages its mean and variance in the same way.
Then every process makes the same update, so all networks stay equal.

Explained in the book's section "Practice".
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ganbook.gradient_descent.distributed import check_share, device_kind, share
from ganbook.gradient_descent.step.inputs import Inputs
from ganbook.gradient_descent.step.steps_torch import Objectives, Report, Tensors, gradients
from ganbook.gradient_descent.step.train_state_torch import TrainState
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
        """Where the train state must be made."""
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
        raise ValueError(
            f"the environment lacks {', '.join(missing)}, so nothing says which processes train together; "
            f"accepted: a start by the launcher, such as {LAUNCH}"
        )
    local, kind = int(os.environ["LOCAL_RANK"]), device_kind(device, torch.cuda.device_count())
    if kind == "gpu" and local >= torch.cuda.device_count():
        raise ValueError(
            f"process {local} of this machine finds {torch.cuda.device_count()} GPUs; accepted: one GPU "
            "for each process, or --device cpu"
        )
    if kind == "gpu":
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if kind == "gpu" else "gloo")
    try:
        yield Team(dist.get_rank(), dist.get_world_size(), "cpu" if kind == "cpu" else f"gpu:{local}")
    finally:
        dist.destroy_process_group()


def all_reduce(value: Tensor) -> Tensor:
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
            layer.all_reduce = all_reduce


class DistributedIterations:
    """Runs iterations as the train state does, each process on its part of every batch.

    Args:
        state: made by every process from the same recipe, in ``team.scope()``; changed in place.
        team: all that train together.
        shared_statistics: False leaves every process its own batch statistics, which is another run: only good to see
            what that does.

    Raises:
        ValueError: the recipe cannot be trained by so many.
    """

    def __init__(self, state: TrainState, team: Team, shared_statistics: bool = True) -> None:
        check_share(state.recipe, team.size)
        self.state, self.team = state, team
        if shared_statistics:
            synchronise(state.generator)
            synchronise(state.discriminator)

    def run(self, iterations: Sequence[Inputs]) -> np.ndarray:
        """Run iterations one after another.

        Args:
            iterations: NumPy inputs of each, of the whole batch, the same in every process.

        Returns:
            float64, shape (iterations, 3): discriminator loss, penalty and generator loss of each, of the whole batch.
        """
        team = self.team
        losses = [
            self.state.one_iteration(self.state.native(share(inputs, team.rank, team.size)), averaged_gradients)
            for inputs in iterations
        ]
        return all_reduce(torch.stack(losses)).double().cpu().numpy()


def averaged_gradients(objectives: Objectives, weights: dict[str, Tensors]) -> tuple[dict[str, Tensors], Report]:
    """As :func:`ganbook.gradient_descent.step.steps_torch.gradients`, averaged over the processes."""
    found, report = gradients(objectives, weights)
    parts = [part for group in found.values() for part in group.values()]
    # One message for all of them.
    together = iter(all_reduce(torch.cat([part.flatten() for part in parts])).split([part.numel() for part in parts]))
    return {
        role: {name: next(together).reshape(part.shape) for name, part in group.items()}
        for role, group in found.items()
    }, report


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

"""One run, trained by several processes or devices: what both frameworks share.

Every process draws the same arrays from the same generator and keeps its part of each batch.  So the batch is the one
that a single process would have had, and the run is the same run.

Explained in the book's section "Practice".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganbook.data.recipe import Recipe, check_choice
from ganbook.gradient_descent.step.inputs import Inputs


def check_share(recipe: Recipe, size: int) -> None:
    """Make sure that a recipe can be trained by so many processes.

    Args:
        recipe: the run.
        size: how many share every batch.

    Raises:
        ValueError: the batch, or its packs, cannot be divided evenly, or the generator looks ahead.

    Example:
        >>> check_share(Recipe(batch=12), 3)  # silent: four images each
    """
    packing = recipe.discriminator.settings.get("packing", 1)
    if recipe.batch % (size * packing):
        packs = f" packs of {packing}" if packing > 1 else ""
        raise ValueError(
            f"batch is {recipe.batch}; accepted with {size} processes{packs and ' and' + packs}: a "
            f"multiple of {size * packing}, since the mean of the processes' means is the mean of the "
            "batch only if all have as many examples"
        )
    if recipe.unrolled:
        raise ValueError(
            f"unrolled is {recipe.unrolled}; accepted with several processes: 0, since the engines "
            "average no gradient of a step within a step"
        )


def share(inputs: Inputs, rank: int, size: int) -> Inputs:
    r"""One process's part of the inputs of a step or an iteration.

    .. math:: x^{(r)} = (x_{rN/R + 1}, \dots, x_{(r + 1)N/R}), \quad r = 0, \dots, R - 1

    Args:
        inputs: NumPy arrays whose first axis is the batch, and lists and mappings of them; ``rates`` are numbers.
        rank: r, which process.
        size: R, how many there are; it divides every batch.

    Returns:
        the same structure; scheduled numbers are everyone's.

    Example:
        >>> share({"noise": np.arange(6.0)}, rank=1, size=3)["noise"]
        array([2., 3.])
    """

    def part(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: inner if key == "rates" else part(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [part(inner) for inner in value]
        return np.split(value, size)[rank]

    return part(inputs)


def device_kind(device: str | None, seen: int) -> str:
    """Whether the processes compute on processors or on GPUs.

    Args:
        device: ``cpu`` or ``gpu``; None takes GPUs if the framework sees any.
        seen: how many GPUs it sees.

    Raises:
        ValueError: another name, such as that of one GPU, or ``gpu`` where there is none.
    """
    if device is None:
        return "gpu" if seen else "cpu"
    if check_choice("device", device, ("cpu", "gpu")) == "gpu" and not seen:
        raise ValueError("device is 'gpu', and the framework sees none; accepted: 'cpu'")
    return device

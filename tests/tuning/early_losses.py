"""The first steps of a stored run, made again."""

from ganbook.gradient_descent import training
from ganbook.tuning.experiments import tables


def early_losses(cell: tables.Cell) -> list[float]:
    """The losses of step ``EARLY`` of a cell, run without compiling on the processor."""
    run = training.start_run(cell.recipe, cell.framework, device="cpu")
    [early] = training.iterate(run, until=tables.EARLY)
    return early.tolist()

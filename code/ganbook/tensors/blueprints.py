"""A whole network as a frozen description: its layers in order, their tensors, and a table of them.

Explained in the book's section "Layers".
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

from ganbook.tensors.layers import Dropout, Layer, Pack, Shape


@dataclasses.dataclass(frozen=True)
class Blueprint:
    """The layers of a network and the shapes at both ends.

    Args:
        layers: the layers, first to last.
        input_shape, output_shape: without the batch axis; (latent,) or (height, width, channels), and () for logits.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape
    output_shape: Shape

    def trainable_shapes(self) -> dict[str, Shape]:
        """Canonical names and shapes of every tensor that training changes, in the order of the layers."""
        return {
            f"{layer.name}.{suffix}": shape
            for layer in self.layers
            for suffix, shape in layer.trainable_shapes().items()
        }

    def moving_shapes(self) -> dict[str, Shape]:
        """Canonical names and shapes of every moving tensor, in the order of the layers."""
        return {
            f"{layer.name}.{suffix}": shape for layer in self.layers for suffix, shape in layer.moving_shapes().items()
        }

    @functools.cached_property
    def packing(self) -> int:
        """How many examples m are judged together: 1, unless there is a :class:`~ganbook.tensors.layers.Pack`."""
        return math.prod(layer.examples for layer in self.layers if isinstance(layer, Pack))

    def check_input(self, shape: tuple[int | None, ...]) -> None:
        """Check the shape of a batch, channels last; a number that is not known yet is None and fits.

        Raises:
            ValueError: an example of another shape, or a batch that does not split into whole packs.
        """
        if len(shape) != 1 + len(self.input_shape) or any(
            n not in (None, side) for n, side in zip(shape[1:], self.input_shape, strict=True)
        ):
            raise ValueError(f"x has shape {shape}, channels last; accepted: {('N', *self.input_shape)}")
        self._check_batch(shape[0] or 0)

    def _check_batch(self, batch: int) -> None:
        if batch % self.packing:
            raise ValueError(f"batch is {batch}; accepted with packing {self.packing}: a multiple of {self.packing}")

    def mask(self, name: str, masks: Mapping[str, Any] | None) -> Any:
        """The mask of a dropout layer.

        Raises:
            ValueError: it is missing; names it and what is accepted.
        """
        if masks is None or name not in masks:
            dropouts = ", ".join(self.mask_shapes(self.packing))
            raise ValueError(
                f"masks lacks {name!r}; accepted while training: a mask of zeros and ones for each of "
                f"{dropouts}, shapes as blueprint.mask_shapes(batch) says"
            )
        return masks[name]

    def mask_shapes(self, batch: int) -> dict[str, Shape]:
        """Shape of the mask, channels last, that each dropout layer needs for a batch while training.

        Args:
            batch: number of examples, at least 1.

        Returns:
            Shapes (batch, ...) by the dropout layer's name; (batch/m, ...) where m examples are judged together.

        Raises:
            ValueError: batch is no multiple of m.
        """
        self._check_batch(batch)
        shapes, shape = {}, self.input_shape
        for layer in self.layers:
            if isinstance(layer, Pack):
                batch //= layer.examples
            if isinstance(layer, Dropout):
                shapes[layer.name] = (batch, *shape)
            shape = layer.output_shape(shape)
        return shapes

    def summary(self) -> str:
        """A table of layers: name, output shape, trainable and moving parameters, floating-point operations.

        A multiplication and an addition count as two operations; only matrix products and convolutions are counted,
        for one input, or for one pack of inputs.
        """
        rows, sums, shape = [], [0, 0, 0], self.input_shape
        for layer in self.layers:
            numbers = [
                sum(math.prod(s) for s in layer.trainable_shapes().values()),
                sum(math.prod(s) for s in layer.moving_shapes().values()),
                layer.flops(shape),
            ]
            sums = [a + b for a, b in zip(sums, numbers, strict=True)]
            shape = layer.output_shape(shape)
            rows.append([layer.name, _shape_text(shape), *(f"{n:,}" for n in numbers)])
        table = [
            ["layer", "output shape", "trainable", "moving", "FLOPs"],
            ["input", _shape_text(self.input_shape), "", "", ""],
            *rows,
            ["total", "", *(f"{n:,}" for n in sums)],
        ]
        widths = [max(len(row[i]) for row in table) for i in range(5)]
        lines = [
            "  ".join(
                cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        rule = "-" * (sum(widths) + 8)
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _shape_text(shape: Shape) -> str:
    return " x ".join(str(n) for n in shape) if shape else "logit"

"""What it takes to train a discriminator alone: its recipe and the inputs of its steps, the same for both frameworks.

Nothing here trains: ``critics_torch`` and ``critics_tensorflow`` do, by the objective of ``steps_torch`` and
``steps_tensorflow``.

Explained in the book's section "The optimal discriminator".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ganbook.data.recipe import Architecture, Optimiser, Recipe, check_int, check_range
from ganbook.gradient_descent.step.inputs import Inputs, dropout_layers, dropout_masks
from ganbook.gradient_descent.training import NonFiniteLoss
from ganbook.tensors.layers import BatchNorm

ADAM = Optimiser()
Sampler = Callable[[np.random.Generator, int], np.ndarray]


def critic_recipe(
    network: Any, *, loss: str, steps: int, optimiser: Optimiser, gradient_penalty: float, clip: float | None, r1: float
) -> Recipe:
    """The recipe whose discriminator objective a critic alone minimises.

    Args:
        network: a discriminator of either framework; it is trained from its present weights.
        loss, steps, optimiser, gradient_penalty, clip, r1: as of ``fit_critic``.

    Returns:
        the recipe; what it says of a generator is not used.

    Raises:
        ValueError: a value outside its range, an unknown loss, or a penalty with batch normalisation.
    """
    shape = getattr(getattr(network, "blueprint", None), "output_shape", None)
    if shape != ():
        raise ValueError(
            f"network has outputs of shape {shape}; accepted: (), as of "
            "a discriminator, which gives one logit per example"
        )
    if not isinstance(optimiser, Optimiser):
        raise ValueError(f"optimiser is {optimiser!r}; accepted: an Optimiser")
    if network.blueprint.packing > 1:
        raise ValueError(
            f"network has packing {network.blueprint.packing}; accepted: 1, since a critic gives each "
            "example a number of its own"
        )
    check_range("r1", r1, 0.0)
    settings = {
        "batch_norm": any(isinstance(layer, BatchNorm) for layer in network.blueprint.layers),
        "spectral_norm": any(name.endswith(".u") for name in network.moving()),
    }
    return Recipe(
        "critic",
        discriminator=Architecture("ConvDiscriminator", settings),
        loss=loss,
        r1=r1,
        r2=0.0,
        gradient_penalty=gradient_penalty,
        clip=0.0 if clip is None else clip,
        discriminator_optimiser=optimiser,
        steps=steps,
        dtype=network.dtype_name,
    )


def as_examples(name: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Examples as a network takes them.

    Args:
        name: of the argument, for the error.
        values: shape (N, ...), or (N,) for points of a line.
        shape: of one example.

    Returns:
        array of shape (N, ...), N at least 1.

    Raises:
        ValueError: another shape, no example, or a value that is not finite.
    """
    array = np.asarray(values)
    array = array[:, None] if array.ndim == 1 and shape == (1,) else array
    if array.shape[1:] != shape or not len(array):
        raise ValueError(f"{name} has shape {np.shape(values)}; accepted: {('N', *shape)}, N at least 1")
    if not (np.issubdtype(array.dtype, np.number) and np.isfinite(array).all()):
        raise ValueError(f"{name} has values that are not finite numbers; accepted: finite numbers")
    return array


@dataclasses.dataclass(frozen=True)
class CriticSampler:
    """Draws the inputs of one step of a critic after another.

    Args:
        recipe: of :func:`critic_recipe`.
        network: the discriminator.
        real, fake: arrays (N, ...), or samplers ``callable(rng, n)`` that give them.
        batch: examples of each side in a step; None takes both arrays whole.

    Raises:
        ValueError: arrays of a wrong shape, a sampler without ``batch``, or sides of unequal number where the loss or
            the penalty joins them in pairs.
    """

    recipe: Recipe
    network: Any
    real: np.ndarray | Sampler
    fake: np.ndarray | Sampler
    batch: int | None

    def __post_init__(self) -> None:
        if self.batch is not None:
            check_int("batch", self.batch, 1)
        for name in ("real", "fake"):
            side = getattr(self, name)
            if not callable(side):
                object.__setattr__(self, name, as_examples(name, side, self.network.blueprint.input_shape))
            elif self.batch is None:
                raise ValueError(
                    f"batch is None and {name} is a sampler; accepted with a sampler: a whole number of at least 1"
                )
        pairs = self.batch is None and (self.recipe.pairs or self.recipe.gradient_penalty)
        if pairs and not (callable(self.real) or callable(self.fake)) and len(self.real) != len(self.fake):
            raise ValueError(
                f"real has {len(self.real)} examples and fake {len(self.fake)}; accepted with the "
                "relativistic loss and with gradient_penalty, which join them in pairs: as many of both"
            )

    def draw(self, step: int, rng: np.random.Generator) -> Inputs:
        """Draw step ``step``, counted from 0.

        Args:
            step: updates made so far.
            rng: source of randomness; it alone decides what is drawn.

        Returns:
            ``real`` and ``fake`` (N, ...), ``masks`` by use and layer, ``weights`` (N,) in [0, 1] for WGAN-GP, and
            ``rates``: this step's numbers, ``t`` counted from 1.
        """
        recipe, layers = self.recipe, dropout_layers(self.network)
        inputs: Inputs = {name: self._examples(name, rng) for name in ("real", "fake")}
        inputs["masks"] = {name: dropout_masks(layers, len(inputs[name]), rng) for name in ("real", "fake")}
        if recipe.gradient_penalty:
            inputs["weights"] = rng.random(len(inputs["real"]))
        inputs["rates"] = {
            "learning_rate": recipe.discriminator_optimiser.learning_rate.value(step, recipe.steps),
            "t": float(step + 1),
            "r1": recipe.r1.value(step, recipe.steps),
        }
        return inputs

    def _examples(self, name: str, rng: np.random.Generator) -> np.ndarray:
        side = getattr(self, name)
        if callable(side):
            examples = as_examples(name, side(rng, self.batch), self.network.blueprint.input_shape)
            if len(examples) != self.batch:
                raise ValueError(f"{name} gave {len(examples)} examples; accepted: as many as asked for, {self.batch}")
            return examples
        return side if self.batch is None else side[rng.integers(len(side), size=self.batch)]


def record(losses: np.ndarray) -> np.ndarray:
    """The losses as they are handed out.

    Args:
        losses: of each step, any float dtype.

    Returns:
        float64, of the same shape.

    Raises:
        NonFiniteLoss: a loss is infinite or not a number; the step, counted from 1, is named.
    """
    finite = np.isfinite(losses)
    if not finite.all():
        step = int(np.argmin(finite))
        raise NonFiniteLoss(f"step {step + 1}: the loss is {losses[step]}. Lower the learning rate, or add a penalty")
    return losses.astype(np.float64)

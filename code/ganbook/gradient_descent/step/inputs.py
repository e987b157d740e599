"""Everything random that a training step takes in, drawn in NumPy by the one generator of the run.

An *iteration* is what stands between two generator updates: the inputs of each discriminator step, and those of the
generator step.  Both frameworks receive the same arrays, so one seed gives one run, whatever computes it.

Explained in the book's section "Inside a training step"; first used in the section "Quickstart".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ganbook.data.recipe import Recipe
from ganbook.tensors import layers

Inputs = dict[str, Any]
Dropout = Mapping[str, tuple[tuple[int, ...], float]]


class Source(Protocol):
    """Where real examples come from: images or a mixture."""

    shape: tuple[int, ...]

    def batch(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` examples, float32."""


def latent_noise(distribution: str, n: int, latent: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the generator's input.

    Args:
        distribution: ``normal``, or ``uniform`` on [-1, 1].
        n: how many.
        latent: coordinates of each.
        rng: source of randomness.

    Returns:
        float32, shape (n, latent).
    """
    draw = rng.standard_normal if distribution == "normal" else lambda shape: rng.uniform(-1.0, 1.0, shape)
    return draw((n, latent)).astype(np.float32)


def dropout_layers(network: Any) -> Dropout:
    """What a network's dropout needs.

    Args:
        network: of either framework.

    Returns:
        by dropout layer, the shape of its input without the batch axis and the share of units it drops.
    """
    rates = {layer.name: layer.rate for layer in network.blueprint.layers if isinstance(layer, layers.Dropout)}
    blueprint = network.blueprint
    return {name: (shape[1:], rates[name]) for name, shape in blueprint.mask_shapes(blueprint.packing).items()}


def dropout_masks(layers: Dropout, n: int, rng: np.random.Generator) -> Inputs:
    """Draw which units stay.

    Args:
        layers: as :func:`dropout_layers` gives them.
        n: examples.
        rng: source of randomness.

    Returns:
        by layer, float32 zeros (dropped) and ones, shape (n, ...).
    """
    return {
        name: (rng.random((n, *shape), dtype=np.float32) >= rate).astype(np.float32)
        for name, (shape, rate) in layers.items()
    }


def check_examples(examples: np.ndarray, n: int, shape: tuple[int, ...]) -> None:
    """Make sure that a batch holds what a network can learn from.

    Args:
        examples: the batch.
        n: how many examples it must hold.
        shape: of each; images have three axes.

    Raises:
        ValueError: another shape, a value that is infinite or not a number, or one of an image outside [-1, 1].
    """
    if np.shape(examples) != (n, *shape):
        raise ValueError(
            f"source has a batch of shape {np.shape(examples)}; accepted: {(n, *shape)}, as it was asked "
            "for and its shape says"
        )
    low, high = np.min(examples), np.max(examples)
    bound = 1.0 if len(shape) == 3 else np.inf
    if not (-bound <= low and high <= bound and np.isfinite([low, high]).all()):  # false for NaN as well
        wanted = "-1 to 1" if len(shape) == 3 else "finite ones"
        raise ValueError(
            f"source has values from {low:g} to {high:g}; accepted: {wanted}, or check_data=False, which lets any in"
        )


@dataclasses.dataclass(frozen=True)
class InputSampler:
    """Draws the inputs of one iteration after another.

    Args:
        recipe: the run.
        source: the real examples.
        latent: coordinates of the generator's input.
        generator_dropout, discriminator_dropout: by dropout layer, the shape of its input without the batch axis and
            the share of units it drops.
        check_data: whether real examples that are not finite, and images outside [-1, 1], are refused.
    """

    recipe: Recipe
    source: Source
    latent: int
    generator_dropout: Dropout
    discriminator_dropout: Dropout
    check_data: bool = True

    def iteration(self, step: int, rng: np.random.Generator) -> Inputs:
        """Draw the inputs of iteration ``step``, counted from 0.

        Args:
            step: generator updates made so far.
            rng: source of randomness; it alone decides what is drawn.

        Returns:
            ``discriminator``: a list with one mapping per discriminator step, and ``generator``: one mapping, empty
            where both players update at once.  Each holds ``real`` (N, ...), ``noise`` (N, latent), ``masks`` of
            zeros and ones by use and layer, ``weights`` (N,) in [0, 1] for WGAN-GP, and ``rates``: this step's
            scheduled numbers and its number ``t``, counted from 1.  Where the discriminator judges m examples together,
            its masks have N/m rows and the m examples one weight.  A generator that looks ahead has in ``ahead`` the
            ``rates``, and ``weights``, of the discriminator's next step.

        Raises:
            ValueError: the source's batch has another shape than it says, or values that are refused.
        """
        recipe, first = self.recipe, step * self.recipe.discriminator_steps + 1
        discriminator = [self._discriminator(step, first + k, rng) for k in range(recipe.discriminator_steps)]
        rates = {
            "learning_rate": recipe.generator_optimiser.learning_rate.value(step, recipe.steps),
            "t": float(step + 1),
            "decay": self._decay(step),
        }
        if recipe.order == "simultaneous":
            return {"discriminator": discriminator, "generator": {"rates": rates}}
        meets_real = recipe.pairs or recipe.unrolled > 0
        generator = {"noise": self._noise(rng), "masks": self._masks(rng, real=meets_real), "rates": rates}
        if meets_real:
            generator["real"] = self._real(rng)
        if recipe.unrolled:
            generator["ahead"] = self._weights(rng) | {"rates": self._rates(step, first + recipe.discriminator_steps)}
        return {"discriminator": discriminator, "generator": generator}

    def _discriminator(self, step: int, t: int, rng: np.random.Generator) -> Inputs:
        inputs = {"real": self._real(rng), "noise": self._noise(rng), "masks": self._masks(rng, real=True)}
        return inputs | self._weights(rng) | {"rates": self._rates(step, t)}

    def _weights(self, rng: np.random.Generator) -> Inputs:
        if not self.recipe.gradient_penalty:
            return {}
        pack = self.recipe.packing  # is one point for the discriminator, so it moves as one
        return {"weights": np.repeat(rng.random(self.recipe.batch // pack, dtype=np.float32), pack)}

    def _rates(self, step: int, t: int) -> dict[str, float]:
        recipe = self.recipe
        return {
            "learning_rate": recipe.discriminator_optimiser.learning_rate.value(step, recipe.steps),
            "t": float(t),
            "r1": recipe.r1.value(step, recipe.steps),
            "r2": recipe.r2.value(step, recipe.steps),
        }

    def _decay(self, step: int) -> float:
        # A moving average that starts from the initial weights remembers them for 1 / (1 - decay) steps.  Averaging
        # over the tenth part of the run so far, until the recipe's decay takes over, lets it forget them at once.
        return min(self.recipe.averaging, (1.0 + step) / (10.0 + step))

    def _real(self, rng: np.random.Generator) -> np.ndarray:
        images = self.source.batch(rng, self.recipe.batch)
        if self.check_data:
            check_examples(images, self.recipe.batch, self.source.shape)
        width = self.recipe.dequantisation
        return images + rng.uniform(-width / 2, width / 2, images.shape).astype(np.float32) if width else images

    def _noise(self, rng: np.random.Generator) -> np.ndarray:
        return latent_noise(self.recipe.latent, self.recipe.batch, self.latent, rng)

    def _masks(self, rng: np.random.Generator, *, real: bool) -> Inputs:
        packs = self.recipe.batch // self.recipe.packing
        masks = {
            "generator": dropout_masks(self.generator_dropout, self.recipe.batch, rng),
            "fake": dropout_masks(self.discriminator_dropout, packs, rng),
        }
        return masks | ({"real": dropout_masks(self.discriminator_dropout, packs, rng)} if real else {})

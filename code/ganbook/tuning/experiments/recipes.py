"""Named recipes: settings that train, each for one data set, and what it takes to move one to other data.

* ``quickstart``: the default; the 8x8 digits in under a minute on two cores.
* ``article-000``: the two networks that article 000 lists, on digits resized to 28x28, with three repairs that the
  section "First GAN" explains: the generator ends in tanh, since images here lie in [-1, 1]; one more row and column
  of zeros before the first convolution, which otherwise stops three pixels short of the right and the lower edge; and
  an R1 penalty, without which the pair shows a few shapes only.
* ``dcgan``: the networks of article 001 on 28x28 grey images, with the plain DCGAN recipe.
* ``recommended``: the book's own small convolutional pair, a relativistic loss and both gradient penalties.
* ``ring`` and ``grid``: the two-dimensional mixtures, with penalties that fade; 80,000 steps, so compile them.
* ``colour-dcgan``: the networks of article 001 as listed, in colour, on stacks of three digits, with the article's
  RMSprop and batch; the section "A colour DCGAN" says what is put right.
* ``article-004``: the networks and the Adam of article 004 on stacks of three digits resized to 32x32.  Put right, as
  the section "Losses and penalties" shows: cross-entropy on logits in place of the logits themselves, which both
  players pushed the same way; an optimiser for each player; real images in [-1, 1], a fresh batch in each step and as
  large as the batch of noise; the size of the batch, which the article leaves open.

Explained in the book's chapter "Tuning"; first used in the section "Quickstart".
"""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ganbook.data import full_name, is_folder
from ganbook.data.folders import CHANNELS
from ganbook.data.recipe import Architecture, Optimiser, Recipe, Schedule, check_int
from ganbook.tensors.architectures import blueprint_of
from ganbook.tensors.configurations import CONFIGURATIONS

#: Shape of one example of each data set, before any resizing.
SHAPES = MappingProxyType(
    {
        "digits": (8, 8, 1),
        "mnist_5k": (28, 28, 1),
        "mnist": (28, 28, 1),
        "fashion_mnist": (28, 28, 1),
        "cifar10": (32, 32, 3),
        "emoji": (64, 64, 3),
        "coloured_mnist_5k": (28, 28, 3),
        "coloured_mnist": (28, 28, 3),
        "stacked_digits": (8, 8, 3),
        "stacked_mnist_5k": (28, 28, 3),
        "stacked_mnist": (28, 28, 3),
        "ring": (2,),
        "grid": (2,),
    }
)
#: What the points of a mixture are divided by, so that they spread about as far as the noise does.
SCALES = MappingProxyType({"ring": 0.707, "grid": 2.828})

#: The optimiser of article 001; epsilon is Keras's default.
_RMSPROP = Optimiser("rmsprop", Schedule(2e-4), beta2=0.5, epsilon=1e-7)
#: The optimiser of article 004; beta2 and epsilon are Keras's defaults.
_ADAM = Optimiser("adam", Schedule(2e-4), beta1=0.5, beta2=0.999, epsilon=1e-7)
#: Adam for a discriminator that R1 holds back: large steps, and small ones at the end.
_FADING = Optimiser("adam", Schedule(4e-3, 1e-4, "cosine"), beta1=0.0, beta2=0.99)


def _plain(optimiser: Optimiser, batch: int, order: str, steps: int) -> dict[str, Any]:
    """The non-saturating loss and nothing else."""
    return {
        "loss": "non_saturating",
        "r1": 0.0,
        "r2": 0.0,
        "averaging": 0.0,
        "order": order,
        "batch": batch,
        "steps": steps,
        "generator_optimiser": optimiser,
        "discriminator_optimiser": optimiser,
    }


def _mixture(name: str, last_gamma: float) -> Recipe:
    """A recipe on points of the plane: fresh noise and data for each player, and everything fades by a cosine."""
    layers = {"shape": (2,), "hidden": (64, 64, 64), "slope": 0.2, "initialiser": "he", "last_gain": 0.5}
    gamma = Schedule(0.1, last_gamma, "cosine")
    adam = Optimiser("adam", Schedule(2e-3, 2e-5, "cosine"), beta1=0.0, beta2=0.99)
    return Recipe(
        name=name,
        data=name,
        scale=SCALES[name],
        generator=Architecture("MLPGenerator", {"latent": 8, "output_activation": None, **layers}),
        discriminator=Architecture("MLPDiscriminator", layers),
        r1=gamma,
        r2=gamma,
        generator_optimiser=adam,
        discriminator_optimiser=adam,
        steps=80_000,
        averaging=0.0,
    )


RECIPES = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe(),
            Recipe(
                name="article-000",
                data="digits",
                size=28,
                batch=32,
                steps=1600,
                averaging=0.99,
                generator=CONFIGURATIONS["article_000_generator"].with_(output_activation="tanh"),
                discriminator=CONFIGURATIONS["article_000_discriminator"].with_(padding=(1, 0)),
                loss="non_saturating",
                r1=1.0,
                r2=0.0,
                generator_optimiser=_FADING,
                discriminator_optimiser=_FADING,
            ),
            Recipe(
                name="dcgan",
                data="mnist",
                generator=CONFIGURATIONS["article_001_generator"].with_(shape=(28, 28, 1)),
                discriminator=CONFIGURATIONS["article_001_discriminator"].with_(shape=(28, 28, 1)),
                **_plain(Optimiser("adam", Schedule(1e-4), beta1=0.5, beta2=0.999), 128, "simultaneous", 5000),
            ),
            Recipe(
                name="recommended",
                data="mnist",
                generator=CONFIGURATIONS["recommended_generator"],
                discriminator=CONFIGURATIONS["recommended_discriminator"],
                loss="relativistic",
                r1=1.0,
                r2=1.0,
                batch=64,
                steps=6000,
                generator_optimiser=Optimiser("adam", 1e-3, 0.0, 0.99),
                discriminator_optimiser=Optimiser("adam", 1e-3, 0.0, 0.99),
            ),
            _mixture("ring", 1e-4),
            _mixture("grid", 5e-4),
            Recipe(
                name="colour-dcgan",
                data="stacked_digits",
                split="test",
                size=28,
                generator=CONFIGURATIONS["article_001_generator"],
                discriminator=CONFIGURATIONS["article_001_discriminator"],
                **_plain(_RMSPROP, 128, "alternating", 3000),
            ),
            Recipe(
                name="article-004",
                data="stacked_digits",
                split="test",
                size=32,
                generator=CONFIGURATIONS["article_004_generator"],
                discriminator=CONFIGURATIONS["article_004_discriminator"],
                **_plain(_ADAM, 64, "alternating", 1200),
            ),
        )
    }
)


def on_data(
    recipe: Recipe, data: str | Path | None = None, size: int | None = None, channels: int | None = None
) -> Recipe:
    """The same recipe on other data, or at another size of the images.

    Images are resized to the side that the networks have, or both to ``size``; the networks get as many channels as
    the data have.  Points of the plane get the scale of their mixture.

    Args:
        recipe: what to start from.
        data: a data set's name, or the path of a folder of images; None keeps the recipe's own.  Another one becomes
            part of the recipe's name, of a folder its last name.
        size: side of the images, in pixels; None keeps that of the networks.  A folder that the recipe is not on yet
            needs one.
        channels: 1 for grey, 3 for colour; only for a folder; None means 3, or what the recipe on that folder has.

    Returns:
        A recipe whose data and networks have one shape.

    Raises:
        ValueError: an unknown name, images for a recipe of points or the other way round, a size for points or none for
            a new folder, or channels that have no effect.
    """
    if data in (None, recipe.data) and size is None and channels is None:
        return recipe
    data = full_name(recipe.data if data is None else data)
    made = blueprint_of(recipe.generator).output_shape
    alike = tuple(name for name, shape in SHAPES.items() if len(shape) == len(made))
    if data not in alike and not (is_folder(data) and len(made) == 3):
        raise ValueError(
            f"data is {data!r}; accepted with recipe {recipe.name!r}, whose examples have shape {made}: "
            f"{', '.join(alike)}" + (", or the path of a folder of images" if len(made) == 3 else "")
        )
    name = recipe.name if data == recipe.data else f"{recipe.name}-{_word(data)}"
    if is_folder(data):
        return _with_shape(recipe.replace(name=name, data=data), *_folder_shape(recipe, data, size, channels))
    if channels is not None:
        raise ValueError(f"channels is {channels!r}; accepted with data {data!r}: none, since it has its own")
    if data in SCALES:
        if size is not None:
            raise ValueError(f"size is {size!r}; accepted with data {data!r}: none, since points have no size")
        return recipe.replace(name=name, data=data, scale=SCALES[data])
    height, _, channels = SHAPES[data]
    side = made[0] if size is None else check_int("size", size, 1)
    return _with_shape(recipe.replace(name=name, data=data), side, channels).replace(
        size=None if side == height else side
    )


def _word(data: str) -> str:
    """What a data set adds to the name of a recipe."""
    return (re.sub("[^A-Za-z0-9_-]+", "-", Path(data).name).strip("-") or "folder") if is_folder(data) else data


def _folder_shape(recipe: Recipe, data: str, size: int | None, channels: int | None) -> tuple[int, int]:
    """Side and channels of a folder's images: as asked for, else as the recipe has them if it is on that folder."""
    side: int | None
    side, _, depth = blueprint_of(recipe.generator).output_shape
    if data != recipe.data:
        side, depth = None, CHANNELS[-1]
    size, channels = side if size is None else size, depth if channels is None else channels
    if size is None:
        raise ValueError(f"size is None; accepted with data {data!r}: the side in pixels that all images shall have")
    if channels not in CHANNELS:
        raise ValueError(f"channels is {channels!r}; accepted: 1 for grey, 3 for colour")
    return check_int("size", size, 1), int(channels)


def _with_shape(recipe: Recipe, side: int, channels: int) -> Recipe:
    """The recipe with square images, and networks for them."""
    shape = (side, side, channels)
    return recipe.replace(
        size=side, generator=recipe.generator.with_(shape=shape), discriminator=recipe.discriminator.with_(shape=shape)
    )

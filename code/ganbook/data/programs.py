"""What the book's programs share besides the GAN: the command line, the pictures to train on, and grids of samples.

Each program is one file of a framework's stock parts, beside the page of its name; this module keeps out of it what is
the same in all and has nothing to do with a GAN.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ganbook import data
from ganbook.data.grids import save_grid_png
from ganbook.data.recipe import check_int

#: How many stacks a program trains on; the 128,000 that a run draws would fill 1.2 GB.
STACKS = 20_000


def read_options(description: str, **defaults: object) -> argparse.Namespace:
    """Read a program's command line.

    Args:
        description: the program's docstring; its first line is shown by ``--help``.
        defaults: of ``data``, ``size``, ``width``, ``steps``, ``batch``, ``every`` and ``out``.

    Returns:
        The options by name, with ``seed``, ``device`` and ``skip_unreadable`` besides.
    """
    parser = argparse.ArgumentParser(
        description=description.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    for name, kind, words in (
        ("data", str, "a data set's name, or a folder of images"),
        ("size", int, "side of the images, in pixels"),
        ("width", int, "units or channels of the narrowest layer"),
        ("steps", int, "steps of each player"),
        ("batch", int, "images in a batch"),
        ("every", int, "steps between two grids of samples"),
        ("out", Path, "folder for the grids and the weights"),
    ):
        parser.add_argument(f"--{name}", type=kind, default=defaults[name], help=words)
    parser.add_argument("--seed", type=int, default=0, help="of initial weights, batches and noise")
    parser.add_argument(
        "--skip-unreadable", action="store_true", help="leave out, and count, the files of a folder that cannot be used"
    )
    parser.add_argument("--device", choices=("cpu", "gpu"), help="what to compute on (default: a GPU, if one is seen)")
    return parser.parse_args()


def use_gpu(device: str | None, seen: bool) -> bool:
    """Whether to compute on a GPU.

    Args:
        device: ``cpu``, ``gpu``, or None for a GPU where one is seen.
        seen: whether the framework sees a GPU.

    Raises:
        ValueError: a GPU is asked for and none is seen.
    """
    if device == "gpu" and not seen:
        raise ValueError("device is 'gpu'; accepted on this machine, where the framework sees no GPU: 'cpu'")
    return seen if device is None else device == "gpu"


def training_images(options: argparse.Namespace, channels: int, sizes: Collection[int]) -> np.ndarray:
    """The images of the training part that the options name.

    Args:
        options: what :func:`read_options` read.
        channels: 1 for grey images, 3 for colour; of a grey set three equal ones.
        sizes: sides of images that the program's networks can have.

    Returns:
        Shape (N, size, size, channels), float32 in [-1, 1].

    Raises:
        ValueError: as :func:`images_for`, or a number outside its range, or fewer images than a batch.
        DataError: as :func:`ganbook.data.load`.
    """
    for name, low in (("size", 1), ("width", 1), ("steps", 1), ("batch", 1), ("every", 1), ("seed", 0)):
        check_int(name, getattr(options, name), low)
    if options.size not in sizes:
        raise ValueError(f"size is {options.size}; accepted: {_spoken(sizes)}")
    images = images_for(options.data, "train", options.size, channels, options.skip_unreadable)
    if len(images) < options.batch:
        raise ValueError(
            f"batch is {options.batch}; accepted with data {options.data!r}: at most {len(images)}, the "
            "number of its images"
        )
    return images


def images_for(name: str, split: str, size: int, channels: int, skip_unreadable: bool = False) -> np.ndarray:
    """Images of a data set or folder as a program's networks take them.

    Args:
        name: as for :func:`ganbook.data.load`; of stacked digits ``STACKS`` are drawn.
        split: ``train``, ``test`` or ``all``.
        size: side in pixels.
        channels: 1 for grey images, 3 for colour; of a grey set three equal ones.
        skip_unreadable: leave out files of a folder that cannot be used, and print how many there are.

    Returns:
        Shape (N, size, size, channels), float32 in [-1, 1].

    Raises:
        ValueError: points, or colours where grey is wanted.
        DataError: as :func:`ganbook.data.load`.

    Example:
        >>> images_for("digits", "train", size=8, channels=3).shape
        (899, 8, 8, 3)
    """
    full = data.full_name(name)
    own: dict[str, Any] = {"skip_unreadable": True} if skip_unreadable else {}
    own |= {"channels": channels} if data.is_folder(full) else {"count": STACKS} if full.startswith("stacked_") else {}
    if full in data.MIXTURES:
        raise ValueError(f"data is {full!r}; accepted: images, and not points of the plane")
    source = data.load(full, split=split, size=size, **own)
    if unreadable := getattr(source, "unreadable", ()):
        print(unreadable_text(unreadable))
    images = source.images
    if images.shape[-1] == 1:
        images = images.repeat(channels, axis=-1)
    if images.shape[-1] != channels:
        raise ValueError(f"data is {name!r}, with colours; accepted by a program for grey images: grey ones")
    return images


def unreadable_text(unreadable: Sequence[str]) -> str:
    """One line on the files of a folder that could not be used."""
    return f"left out {len(unreadable):,} files that cannot be used; the first is {unreadable[0]}"


def _spoken(sizes: Collection[int]) -> str:
    if isinstance(sizes, range):
        return f"{sizes[0]} to {sizes[-1]}" + (f" in steps of {sizes.step}" if sizes.step > 1 else "")
    return ", ".join(map(str, sizes))


def film(options: argparse.Namespace) -> tuple[Callable[[int, Sequence[float], np.ndarray], None], set[int]]:
    """What a program shows while it trains, and after which steps: it prints their numbers and writes grids of samples.

    Args:
        options: what :func:`read_options` read; ``out``, made if missing, gets ``step_000500.png`` and its like.

    Returns:
        A function of a step, of its four numbers (both losses, both mean logits), and of images (N, H, W, C); and the
        steps: each multiple of ``every``, and the last.
    """
    options.out.mkdir(parents=True, exist_ok=True)

    def show(step: int, numbers: Sequence[float], images: np.ndarray) -> None:
        named = zip(("L_D", "L_G", "D(real)", "D(fake)"), numbers, strict=True)
        tqdm.write(f"step {step:6,}" + "".join(f"   {name} {float(number):6.3f}" for name, number in named))
        save_grid_png(images, options.out / f"step_{step:06}.png")

    return show, {*range(options.every, options.steps, options.every), options.steps}


def run(main: Callable[[], None]) -> None:
    """Call a program's main function; bad input ends it with one line, and Ctrl-C without a traceback."""
    try:
        main()
    except (ValueError, data.DataError, OSError) as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

"""The quickstart's generator, trained and kept, for a page that runs it in the browser.

The file holds the moving average of the generator's weights, rounded to half precision, which halves it; a picture
changes by less than the step between two of a digit's 17 greys.  Beside it lies a record of where it comes from.

Explained in the book's section "Playground".
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from ganbook import data
from ganbook.data.files import write_atomically
from ganbook.data.recipe import FRAMEWORKS, Recipe, check_choice, check_int, parameter_dtype
from ganbook.gradient_descent.training import train, twin
from ganbook.tuning import results
from ganbook.tuning.metrics.frechet import frechet_distance, half_split_floor, pixels

#: What the record has besides the fields of every result.
FIELDS = (*results.FIELDS, "sha256", "samples", "distance", "floor", "command")


def digit_generator(
    framework: str = "pytorch",
    *,
    recipe: Recipe | None = None,
    samples: int | None = None,
    out: str | Path = "results",
    device: str | None = None,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train the quickstart's recipe, and write the generator's averaged weights and their record.

    Args:
        framework: ``pytorch`` or ``tensorflow``.
        recipe: what to run; None means the quickstart's.
        samples: pictures whose distance from the digits is measured, at least 2; None means as many as there are
            digits.
        out: folder of ``digit_generator_FRAMEWORK.safetensors`` and ``.json``.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if there is one.
        report: gets a line at the end.

    Returns:
        The record, as :func:`load_generator` reads it.

    Raises:
        ValueError: an argument outside its range.
        NonFiniteLoss: a loss became infinite or not a number; nothing is written.
    """
    check_choice("framework", framework, FRAMEWORKS)
    recipe, digits = Recipe() if recipe is None else recipe, data.load("digits")
    count = len(digits) if samples is None else check_int("samples", samples, 2)
    started = time.perf_counter()
    run = train(recipe, framework, device=device)
    network = run.state.average if run.state.average is not None else run.generator
    content = safetensors.numpy.save({name: array.astype(np.float16) for name, array in network.export().items()})
    record = {
        "experiment": "digit_generator",
        "framework": framework,
        "recipe": json.loads(recipe.to_json()),
        "seed": recipe.seed,
        **results.provenance(framework),
        "seconds": round(time.perf_counter() - started, 1),
        "sha256": hashlib.sha256(content).hexdigest(),
        "samples": count,
        "distance": distance(recipe, _wide(safetensors.numpy.load(content)), count, framework),
        "floor": float(np.mean([half_split_floor(pixels(digits.images), np.random.default_rng(k)) for k in range(20)])),
        "command": f"python -m ganbook experiment digit_generator --framework {framework} --steps {recipe.steps} "
        f"--seed {recipe.seed}",
    }
    path = Path(out) / f"digit_generator_{framework}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    results.write_result(path.with_suffix(".json"), record, FIELDS)
    report(
        f"{recipe.steps:,} steps: distance {record['distance']:.2f} from the digits; half of them lies "
        f"{record['floor']:.2f} from the other half"
    )
    return record


def load_generator(framework: str = "pytorch", folder: str | Path | None = None) -> tuple[dict[str, np.ndarray], dict]:
    """Read the weights that :func:`digit_generator` wrote.

    Args:
        framework: the one that trained them.
        folder: where they are; None means the project's folder ``results``.

    Returns:
        float32 arrays by canonical name, each a number of half precision, and the record.

    Raises:
        ResultError: files that are missing or do not belong together.

    Example:
        >>> arrays, record = load_generator()
        >>> record["framework"], arrays["dense_1.weight"].dtype
        ('pytorch', dtype('float32'))
    """
    check_choice("framework", framework, FRAMEWORKS)
    path = (results.results_folder() if folder is None else Path(folder)) / f"digit_generator_{framework}.safetensors"
    record = results.read_result(path.with_suffix(".json"), FIELDS)
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != record["sha256"]:
        raise results.ResultError(
            f"{path} is not the file that its record names; accepted: what {record['command']} writes"
        )
    return _wide(safetensors.numpy.load(content)), record


def generated(
    recipe: Recipe,
    arrays: Mapping[str, np.ndarray],
    noise: np.ndarray,
    framework: str = "pytorch",
    dtype: str = "float32",
) -> np.ndarray:
    """Pictures of the recipe's generator with the weights given.

    Args:
        recipe: whose generator.
        arrays: its state by canonical name.
        noise: shape (n, latent).
        framework: ``pytorch`` or ``tensorflow``, which computes.
        dtype: of the arithmetic.

    Returns:
        shape (n, H, W, C), in [-1, 1].

    Example:
        >>> arrays, _ = load_generator()
        >>> generated(Recipe(), arrays, np.zeros((2, 32), np.float32)).shape
        (2, 8, 8, 1)
    """
    networks = twin("ganbook.tensors.networks", framework)
    network = networks.build(recipe.generator, 0, dtype, "cpu")
    network.load({name: array.astype(parameter_dtype(dtype)) for name, array in arrays.items()})
    pictures = network(networks.to_native(noise, dtype, "cpu"))
    return networks.to_numpy(pictures.detach() if framework == "pytorch" else pictures)


def distance(recipe: Recipe, arrays: Mapping[str, np.ndarray], count: int, framework: str = "pytorch") -> float:
    """Fréchet distance, on pixels, from the bundled digits to pictures of the generator, whose noise has the seed 0.

    Args:
        recipe, arrays, framework: as for :func:`generated`.
        count: how many pictures, at least 2.

    Returns:
        a number of at least 0, as :func:`ganbook.tuning.metrics.frechet.frechet_distance` computes it.
    """
    noise = np.random.default_rng(0).standard_normal((count, arrays["dense_1.weight"].shape[0])).astype(np.float32)
    made = generated(recipe, arrays, noise, framework)
    return float(frechet_distance(pixels(made), pixels(data.load("digits").images)))


def _wide(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array.astype(np.float32) for name, array in arrays.items()}

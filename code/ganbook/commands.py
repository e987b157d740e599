"""What ``python -m ganbook train|sample|evaluate|info`` do with one run: options in, text and files out.

A framework is imported only by a command that needs one.  The other commands are in :mod:`ganbook.result_commands`.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib.metadata
import io
import json
import math
import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

import ganbook
from ganbook import data
from ganbook.data.files import write_atomically
from ganbook.data.grids import save_grid_png
from ganbook.data.programs import unreadable_text
from ganbook.data.recipe import FRAMEWORKS, Recipe
from ganbook.gradient_descent import checkpoint, sources, training
from ganbook.pages import figures
from ganbook.tensors.architectures import blueprint_of
from ganbook.tuning.experiments.recipes import RECIPES, on_data
from ganbook.tuning.metrics.report import LARGEST, check_target, evaluate_run

RUNS = Path("runs")
#: Checkpoints on the way, where nothing else is asked for.
SAVES = 20
PACKAGES = ("numpy", "torch", "tensorflow", "safetensors")
#: Prints what a reader who waits wants to see at once.
say = functools.partial(print, flush=True)
#: Weights of a network, numbers that a layer makes of a batch, and numbers that are generated, at most.
MOST_WEIGHTS, MOST_ACTIVATIONS, MOST_GENERATED = 10**9, 10**9, 2 * 10**8


def given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def check_writable(name: str, folder: Path) -> None:
    """Find out before the work that its result can be saved."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ValueError(
            f"{name} is {str(folder)!r}, but {there} is no folder that can be written to; accepted: one "
            "that is, or a new one inside it"
        )


def train(options: argparse.Namespace) -> None:
    """Train a GAN, from the start or from a checkpoint; without any option, on real handwriting."""
    plan = _plan(options)
    recipe, out = plan.recipe, plan.out
    on_the_way = max(1, plan.steps // SAVES) if options.save_every is None else options.save_every
    start = plan.state.get("step", 0)
    source = _source(options, recipe, plan.state.get("data"))
    if not options.distributed:  # else each of the processes would say it
        say(
            f"{recipe.name} on {recipe.data} with {figures.TITLES[plan.framework]}, seed {recipe.seed}, steps "
            f"{plan.steps:,}" + (f", from step {start:,} of {out}" if start else "")
        )
        _print_folder(source, recipe)
    try:
        run = training.train(
            recipe,
            plan.framework,
            until=options.until,
            steps=plan.steps,
            out=out,
            resume=options.resume,
            device=options.device,
            compiled=options.compiled,
            distributed=options.distributed,
            save_every=on_the_way,
            sample_every=options.sample_every,
            source=source,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_interrupted(out)) from None
    if not run.writes:
        return
    _draw(run.sample(training.SAMPLES, recipe.seed), run, out / "samples.png")
    for step, examples in run.samples:
        _draw(examples, run, out / f"samples-{step:0{len(str(run.steps))}}.png")
    print(_progress(run.step, run.steps, run.seconds, run.history))
    print(f"saved in {out}; its samples.png shows what the generator makes")


@dataclasses.dataclass(frozen=True)
class _Plan:
    """What is trained, where it is saved, to which step, and the state on disk that it goes on from."""

    framework: str
    recipe: Recipe
    out: Path
    steps: int
    state: dict[str, Any]


def _plan(options: argparse.Namespace) -> _Plan:
    """A training as the options say and, to go on with a run, as its folder does."""
    if options.resume and options.out and checkpoint.holds_run(options.out):
        return _continued(options, options.out)
    framework, recipe = options.framework or FRAMEWORKS[0], _changed(_recipe(options.recipe or "quickstart"), options)
    out = options.out or RUNS / f"{recipe.name}-{framework}-{recipe.seed}"
    if options.resume and checkpoint.holds_run(out):
        return _continued(options, out)
    _check_place(options, out)
    return _Plan(framework, recipe, out, recipe.steps, {})


def _check_place(options: argparse.Namespace, out: Path) -> None:
    check_writable("out", out)
    if not options.distributed:  # those that train together share the folder
        checkpoint.check_free(out)


def _continued(options: argparse.Namespace, out: Path) -> _Plan:
    _check_place(options, out)
    there, state, _ = checkpoint.load(out)
    recipe = _changed(_recipe(options.recipe) if options.recipe else there, options, moved=not options.recipe)
    if options.steps is not None:  # extends the run; its recipe stays
        recipe = recipe.replace(steps=there.steps)
    steps = state["steps"] if options.steps is None else options.steps
    return _Plan(options.framework or state["framework"], recipe, out, steps, state)


def _changed(recipe: Recipe, options: argparse.Namespace, moved: bool = False) -> Recipe:
    """The recipe with what the options say; a folder that has moved since is not another one."""
    name = None if options.data is None else data.full_name(options.data)
    if moved and name is not None and data.is_folder(name):
        name = None
    changed = on_data(recipe, name, options.size, options.channels).replace(
        **given(options, "split", "batch", "steps", "seed", "dtype")
    )
    try:
        _check_memory(changed)
    except ValueError as error:
        typed = f"--size {options.size} does not fit recipe {recipe.name!r}: " if options.size else ""
        raise ValueError(f"{typed}{error}") from error
    return changed


def _check_memory(recipe: Recipe) -> None:
    """Refuse networks that no usual machine has the memory for, before any of it is asked for."""
    for role in checkpoint.ROLES:
        blueprint = blueprint_of(getattr(recipe, role))
        weights = sum(map(math.prod, blueprint.trainable_shapes().values()))
        if weights > MOST_WEIGHTS:
            raise ValueError(f"the {role} has {weights:,} weights; accepted: at most {MOST_WEIGHTS:,}")
        largest, shape = 0, blueprint.input_shape
        for layer in blueprint.layers:
            shape = layer.output_shape(shape)
            largest = max(largest, math.prod(shape))
        if recipe.batch * largest > MOST_ACTIVATIONS:
            raise ValueError(
                f"batch is {recipe.batch:,}; accepted with the {role}, whose largest layer makes "
                f"{largest:,} numbers of an example: at most {MOST_ACTIVATIONS // largest:,}"
            )


def _load(options: argparse.Namespace) -> training.Run:
    _check_memory(checkpoint.read_recipe(options.folder))
    return training.load_run(options.folder, options.framework, device=options.device)


def _source(options: argparse.Namespace, recipe: Recipe, record: dict[str, Any] | None = None) -> Any:
    """The real examples where a name does not say it all: read as the options say, else as a run has kept it."""
    chosen = given(options, "background") | ({"skip_unreadable": True} if options.skip_unreadable else {})
    if options.data is None and record is not None and not sources.loadable(record):
        return None
    name = data.full_name(options.data or (record or {}).get("name") or recipe.data)
    if name == recipe.data and not data.is_folder(name) and not chosen:
        return None
    kept = {
        option: value for option, value in (record or {}).items() if data.is_folder(name) and option in sources.OPTIONS
    }
    return sources.load_source(recipe.replace(data=name), **kept | chosen)


def _print_folder(source: Any, recipe: Recipe) -> None:
    """What a training on the reader's own images has before it."""
    if not isinstance(source, data.FolderImages):
        return
    height, width, channels = source.shape
    print(
        f"{len(source):,} images of {height}x{width} in {'colour' if channels == 3 else 'grey'}, "
        f"{recipe.generator.kind} against {recipe.discriminator.kind}, batch {recipe.batch}"
    )
    if source.unreadable:
        print(unreadable_text(source.unreadable))


def _recipe(text: str) -> Recipe:
    if text in RECIPES:
        return RECIPES[text]
    path = Path(text)
    if checkpoint.holds_run(path):
        return checkpoint.read_recipe(path)
    if not path.is_file():
        raise ValueError(f"recipe is {text!r}; accepted: {', '.join(RECIPES)}, a file of JSON, or a run's folder")
    try:
        return Recipe.from_json(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _interrupted(out: Path) -> str:
    if not checkpoint.holds_run(out):
        return "interrupted before the first checkpoint; nothing is saved"
    return (
        f"interrupted; {out} holds step {checkpoint.read_step(out):,}. "
        f"To go on: python -m ganbook train --out {out} --resume"
    )


def _progress(step: int, steps: int, seconds: float, history: dict[str, list[float]]) -> str:
    text = f"step {step:,} of {steps:,} after {seconds:.1f} s of training"
    if history["step"]:
        losses = ", ".join(f"{name.replace('_', ' ')} {history[name][-1]:.4f}" for name in training.LOSSES)
        text += f"; at step {history['step'][-1]:,}: {losses}"
    return text


def sample(options: argparse.Namespace) -> None:
    """Write a picture of what a run's generator makes: a PNG grid of images, or points of the plane."""
    run = _load(options)
    path = options.out or options.folder / "samples.png"
    _check_count(run, options.count)
    if options.columns and options.columns > options.count:
        raise ValueError(f"columns is {options.columns}; accepted with count {options.count}: at most as many")
    _draw(run.sample(options.count, options.seed), run, path, options.columns)
    print(f"saved {options.count} samples of step {run.step:,} in {path}")


def _draw(examples: np.ndarray, run: training.Run, path: Path, columns: int | None = None) -> None:
    if examples.ndim == 4:
        save_grid_png(examples, path, columns)
        return
    source, _ = sources.find_source(run.recipe, run.trained_on)
    real = source.batch(np.random.default_rng(run.recipe.seed), LARGEST)
    figure, file = figures.scatter_2d(real, examples), io.BytesIO()
    figure.savefig(file, format="png")
    write_atomically(path, file.getvalue())
    # matplotlib would keep every figure; it is loaded by the first, never before.
    sys.modules["matplotlib.pyplot"].close(figure)


def evaluate(options: argparse.Namespace) -> None:
    """Print every metric of a run, each beside what real examples score in place of the generated ones."""
    if options.json and options.json.exists() and not options.json.is_file():
        raise ValueError(f"json is {str(options.json)!r}, which is no plain file; accepted: one, or a new name")
    run = _load(options)
    if options.json:
        check_writable("json", options.json.parent)
        check_target(options.json, json.loads(run.recipe.to_json()))
    if options.count:
        _check_count(run, options.count)
    report = evaluate_run(run, options.count, options.seed, _source(options, run.recipe, run.trained_on))
    if options.json:
        report.write(options.json)  # before it is printed, which may fail
    print(report.text())
    if options.json:
        print(f"saved in {options.json}")


def _check_count(run: training.Run, count: int) -> None:
    each = math.prod(run.generator.blueprint.output_shape)
    if count * each > MOST_GENERATED:
        raise ValueError(
            f"count is {count:,}; accepted with examples of {each:,} numbers: at most {MOST_GENERATED // each:,}"
        )


def info(options: argparse.Namespace) -> None:
    """Print what a run's folder holds: recipe, step, last losses, networks; without a folder, the named recipes."""
    if options.recipe:
        if options.folder is None:
            raise ValueError("recipe is given without a folder; accepted: the folder of a run")
        print(checkpoint.read_recipe(options.folder).to_json())
        return
    if options.folder is None:
        for name, recipe in RECIPES.items():
            print(f"{name:<13}{recipe.data}, {recipe.loss} loss, batch {recipe.batch}, {recipe.steps:,} steps")
    else:
        _print_run(options.folder)
    print("\nversions")
    print(
        f"  ganbook {ganbook.__version__}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    )


def _print_run(folder: Path) -> None:
    recipe, state, _ = checkpoint.load(folder)
    print(f"{folder}, written with {figures.TITLES[state['framework']]}")
    print(_progress(state["step"], state["steps"], state["seconds"], state["history"]))
    if state["data"]:
        print(f"trained on {sources.told(state['data'])}")
    print("\nrecipe")
    for name, value in json.loads(recipe.to_json()).items():
        print(f"  {name:<25}{json.dumps(value)}")
    for role in checkpoint.ROLES:
        print(f"\n{role}\n{blueprint_of(getattr(recipe, role)).summary()}")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"

"""The command line: ``python -m ganbook train|sample|evaluate|experiment|tune|classifier|info``.

Arguments come in, runs and files go out.  A framework is imported only by a command that needs one.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib.metadata
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import ganbook
from ganbook import data
from ganbook.data.folders import CHANNELS
from ganbook.data.grids import save_grid_png
from ganbook.data.programs import unreadable_text
from ganbook.data.recipe import DTYPES, FRAMEWORKS, SPLITS, Recipe, check_range
from ganbook.gradient_descent import checkpoint, sources, training
from ganbook.pages import figures
from ganbook.tensors.architectures import blueprint_of
from ganbook.tensors.exchange import parse_device
from ganbook.tuning.experiments.program_runs import run_programs
from ganbook.tuning.experiments.recipes import RECIPES, on_data
from ganbook.tuning.experiments.registry import EXPERIMENTS, RECIPE_OF, TABLES
from ganbook.tuning.experiments.tables import run_table
from ganbook.tuning.metrics.classifier import SIDES, TRAININGS, make_classifier
from ganbook.tuning.metrics.report import LARGEST, check_target, evaluate_run
from ganbook.tuning.search import optuna_studies, searches
from ganbook.tuning.search.problems import PROBLEMS, SearchProblem
from ganbook.tuning.search.scores import FRESH_SEEDS, noise_floor, rescore
from ganbook.tuning.search.storages import ACCEPTED, open_storage, shown
from ganbook.tuning.search.workers import WorkerError, run_workers

RUNS = Path("runs")
#: Checkpoints on the way, where nothing else is asked for.
SAVES = 20
PACKAGES = ("numpy", "torch", "tensorflow", "safetensors")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after ``python -m ganbook``; None takes them from the command line.

    Returns:
        exit code: 0 if all went well, 1 if a loss was not finite, 2 for a wrong argument, file or environment, 130
        after Ctrl-C.

    Raises:
        SystemExit: the words ask for help, or cannot be understood (code 2).
    """
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
    except training.NonFiniteLoss as error:
        return _fail(error, 1)
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is not installed; install it, or choose the other of --framework "
                     f"{', '.join(FRAMEWORKS)}", 2)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else error, 2)
    except (ValueError, data.DataError) as error:
        return _fail(error, 2)
    except KeyboardInterrupt as error:
        return _fail(str(error) or "interrupted", 130)
    return 0


def _fail(message: object, code: int) -> int:
    print(f"ganbook: {message}", file=sys.stderr)
    return code


def make_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m ganbook", allow_abbrev=False, description=ganbook.__doc__.split(
        "\n\n")[0], epilog="COMMAND --help lists the options of a command, with their defaults")
    parser.add_argument("--version", action="version", version=ganbook.__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for run, add_options in ((train, _train_options), (sample, _sample_options), (evaluate, _evaluate_options),
                             (experiment, _experiment_options), (tune, _tune_options),
                             (classifier, _classifier_options), (info, _info_options)):
        line = run.__doc__.split("\n")[0]
        command = commands.add_parser(run.__name__, help=line, description=line, allow_abbrev=False)
        command.set_defaults(run=run)
        add_options(command)
    return parser


def _train_options(command: argparse.ArgumentParser) -> None:
    _framework(command, "pytorch, or with --resume the one that wrote the run")
    add = command.add_argument
    add("--recipe", metavar="NAME", help=f"{', '.join(RECIPES)}, or a file of JSON, or a run's folder; default: "
        "quickstart, or with --resume the recipe of the run")
    _data(command, "the recipe's own, or with --resume that of the run")
    add("--split", choices=SPLITS, help="part of the data set to learn; default: the recipe's own, all in named ones")
    add("--size", type=_whole(1), metavar="PIXELS", help="side of the images, for data and networks alike; needed for "
        "a folder; default: that of the recipe's networks")
    add("--channels", type=int, choices=CHANNELS, help="of a folder's images: 1 for grey, 3 for colour; default: 3")
    add("--batch", type=_whole(1), metavar="N", help="examples in each step; default: the recipe's own, in quickstart "
        f"{RECIPES['quickstart'].batch}")
    add("--steps", type=_whole(1), metavar="N", help="steps of the whole run; with --resume a larger number extends "
        "the run, whose rates and penalties then stay as they were at its old end; default: the recipe's own, in "
        f"quickstart {RECIPES['quickstart'].steps}")
    add("--until", type=_whole(0), metavar="N", help="stop after this step, to go on later with --resume; default: the "
        "last one")
    add("--seed", type=_whole(0), metavar="N", help="of all that is random; default: the recipe's own, 0 in named ones")
    add("--dtype", choices=DTYPES, help="precision; default: the recipe's own, float32 in named ones")
    _device(command)
    add("--out", type=Path, metavar="FOLDER", help=f"where to save the run; default: {RUNS}/RECIPE-FRAMEWORK-SEED")
    add("--resume", action="store_true", help="go on with the run that the folder holds, if it holds one; default: "
        "refuse a folder that holds one")
    add("--compiled", action="store_true", help="run many steps in one compiled call: several times faster for small "
        "dense networks, after some seconds of compiling; convolutions hardly gain; default: no")
    add("--distributed", action="store_true", help="be one of several processes or devices that train this run "
        "together, as torchrun or TF_CONFIG says; default: no")
    add("--save-every", type=_whole(0), metavar="N", help="steps between two checkpoints, 0 for none on the way; "
        f"default: 1/{SAVES} of the steps")
    add("--sample-every", type=_whole(0), metavar="N", default=0, help="steps between two pictures of samples, 0 for "
        "none on the way; default: %(default)s")


def _sample_options(command: argparse.ArgumentParser) -> None:
    _folder(command)
    add = command.add_argument
    add("--out", type=Path, metavar="FILE", help="the PNG to write; default: samples.png in the run's folder")
    add("--count", type=_whole(1), metavar="N", default=training.SAMPLES, help="how many; default: %(default)s")
    add("--columns", type=_whole(1), metavar="N", help="images per row; default: as many as make the grid square")
    _drawing(command)


def _evaluate_options(command: argparse.ArgumentParser) -> None:
    _folder(command)
    add = command.add_argument
    add("--count", type=_whole(2), metavar="N", help="how many examples to generate; default: as many as there are "
        f"real ones, at most {LARGEST:,}")
    add("--json", type=Path, metavar="FILE", help="also write the report there, in place of none or of one of the same "
        "recipe; default: print it only")
    _data(command, "those that the run knows; needed where they were given in Python, or lie elsewhere now")
    _drawing(command)


def _experiment_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("name", metavar="NAME", choices=(*EXPERIMENTS, *TABLES, "programs", "search"), help="an experiment of one "
        f"run: {', '.join(EXPERIMENTS)}; a table of many: {', '.join(TABLES)}; programs, the book's programs at full "
        "length; or search, the book's searches for settings")
    _framework(command, f"{FRAMEWORKS[0]}; only for experiments of one run")
    add("--steps", type=_whole(1), metavar="N", help="steps of the run; default: the recipe's own, in colour_dcgan "
        f"{RECIPE_OF['colour_dcgan'].steps}; only for experiments of one run")
    add("--seed", type=_whole(0), metavar="N", help="of all that is random; default: the recipe's own, 0; only for "
        "experiments of one run")
    add("--every", type=_whole(1), metavar="N", help="steps between two measurements; default: a tenth of the steps; "
        "only for experiments of one run")
    add("--samples", type=_whole(1), metavar="N", help="samples per measurement; default: 26 for each mode; only for "
        "experiments of one run")
    add("--only", metavar="PATTERN", help="run the cells whose key DATA/METHOD/FRAMEWORK/SEED matches, as in "
        "'grid/*/pytorch/0'; of programs PROGRAM_DATA/FRAMEWORK/SEED; default: all that are missing; only for tables "
        "and programs")
    add("--jobs", type=_whole(1), metavar="N", help="processes that run cells; give each one thread; default: 1; only "
        "for tables")
    add("--minutes", type=_minutes, metavar="M", help="stop at the last measurement before this time, or begin no cell "
        "after it; default: no limit")
    add("--out", type=Path, metavar="FOLDER", default=Path("results"), help="where to write the result; default: "
        "%(default)s")
    _device(command)


def _tune_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("problem", metavar="PROBLEM", nargs="?", choices=tuple(PROBLEMS), default="digits",
        help=f"what varies: {', '.join(PROBLEMS)}; default: %(default)s")
    add("--trials", type=_whole(1), metavar="N", default=searches.TRIALS, help="finished trials that the study shall "
        "have in the end, those that are there included; default: %(default)s")
    add("--study", metavar="STUDY", help=f"{ACCEPTED}; a study that is there is continued; default: "
        f"{RUNS}/search-PROBLEM.journal")
    for name, accepted in (("sampler", optuna_studies.SAMPLERS), ("pruner", optuna_studies.PRUNERS)):
        add(f"--{name}", choices=tuple(accepted),
            help=f"default: that of the study, {optuna_studies.DEFAULTS[name]} for a new one")
    add("--seed", type=_whole(0), metavar="N", help="of the sampler; default: that of the study, 0 for a new one")
    add("--workers", type=_whole(1), metavar="N", default=1, help="processes, each with one thread; default: "
        "%(default)s")
    add("--steps", type=_whole(1), metavar="N", help="of each training; another number is another problem; default: "
        "the problem's own, " + ", ".join(f"{each.steps} in {name}" for name, each in PROBLEMS.items()))
    add("--fresh", type=_whole(0), metavar="N", default=len(FRESH_SEEDS), help="seeds on which the winner is "
        "scored again, 0 for none; default: %(default)s")
    _framework(command, f"{FRAMEWORKS[0]}; the other one is another problem")
    _device(command)


def _classifier_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--side", type=int, choices=SIDES, default=28, help="of the images in pixels; default: %(default)s")
    _framework(command, FRAMEWORKS[0])
    add("--steps", type=_whole(1), metavar="N", help="updates; default: "
        + ", ".join(f"{plan.steps} for side {side}" for side, plan in TRAININGS.items()))
    add("--seed", type=_whole(0), metavar="N", default=0, help="of all that is random; default: %(default)s")
    add("--out", type=Path, metavar="FOLDER", default=Path("results"), help="where to write "
        "classifier_SIDE.safetensors and its record; default: %(default)s")
    _device(command)


def _info_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", help="a run's folder; default: none, which "
                         "lists the named recipes")
    command.add_argument("--recipe", action="store_true", help="print the recipe alone, as JSON that train --recipe "
                         "reads from a file; default: print everything")


def _folder(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", metavar="FOLDER", type=Path, help="a run's folder, as train wrote it")


def _data(command: argparse.ArgumentParser, default: str) -> None:
    add = command.add_argument
    add("--data", metavar="DATA", help=f"{', '.join(data.NAMES)}, or the path of a folder of your own images; default: "
        f"{default}")
    add("--background", metavar="COLOUR", help="colour that transparent images of a folder are laid on, such as black "
        "or '#ff8800'; default: white, or that of the run")
    add("--skip-unreadable", action="store_true", help="leave out the files of a folder that cannot be read or are "
        "smaller than the size, and count them; default: stop and name the first, or what the run did")


def _drawing(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=_whole(0), metavar="N", default=0, help="of the noise, and in an "
                         "evaluation of all else that is drawn; default: %(default)s")
    _framework(command, "the one that wrote the run")
    _device(command)


def _framework(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument("--framework", choices=FRAMEWORKS, help=f"default: {default}")


def _device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", type=_device_name, metavar="DEVICE", default="auto", help="auto, cpu, gpu, or "
                         "gpu:N for one of several; auto takes a GPU if there is one; default: %(default)s")


def _device_name(text: str) -> str | None:
    try:
        return None if text == "auto" else text if parse_device(text) else None
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: auto, cpu, gpu or gpu:N") from None


def _whole(low: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r}; accepted: a whole number of at least {low}")
        return int(text)
    return parse


def _minutes(text: str) -> float:
    try:
        return check_range("minutes", float(text), 0.0, open_low=True)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: a number above 0") from None


def train(options: argparse.Namespace) -> None:
    """Train a GAN, from the start or from a checkpoint; without any option, on real handwriting.

    Args:
        options: what :func:`make_parser` read.
    """
    plan = _plan(options)
    recipe, out = plan.recipe, plan.out
    on_the_way = max(1, plan.steps // SAVES) if options.save_every is None else options.save_every
    start = plan.state.get("step", 0)
    source = _source(options, recipe, plan.state.get("data"))
    if not options.distributed:  # else each of the processes would say it
        print(f"{recipe.name} on {recipe.data} with {figures.TITLES[plan.framework]}, seed {recipe.seed}, steps "
              f"{plan.steps:,}" + (f", from step {start:,} of {out}" if start else ""), flush=True)
        _print_folder(source, recipe)
    try:
        run = training.train(recipe, plan.framework, until=options.until, steps=plan.steps, out=out,
                             resume=options.resume, device=options.device, compiled=options.compiled,
                             distributed=options.distributed, save_every=on_the_way,
                             sample_every=options.sample_every, source=source)
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
    _check_writable(out)
    return _Plan(framework, recipe, out, recipe.steps, {})


def _continued(options: argparse.Namespace, out: Path) -> _Plan:
    there, state, _ = checkpoint.load(out)
    _check_writable(out)
    recipe = _changed(_recipe(options.recipe) if options.recipe else there, options, moved=not options.recipe)
    if options.steps is not None:  # extends the run; its recipe stays
        recipe = recipe.replace(steps=there.steps)
    steps = state.get("steps", there.steps) if options.steps is None else options.steps
    return _Plan(options.framework or state["framework"], recipe, out, steps, state)


def _changed(recipe: Recipe, options: argparse.Namespace, moved: bool = False) -> Recipe:
    """The recipe with what the options say; a folder that has moved since is not another one."""
    fields = {name: getattr(options, name) for name in ("split", "batch", "steps", "seed", "dtype")}
    name = None if options.data is None else data.full_name(options.data)
    if moved and name is not None and data.is_folder(name):
        name = None
    return on_data(recipe, name, options.size, options.channels).replace(
        **{name: value for name, value in fields.items() if value is not None})


def _source(options: argparse.Namespace, recipe: Recipe, record: dict[str, Any] | None = None) -> Any:
    """The real examples where a name does not say it all: read as the options say, else as a run has kept it."""
    chosen = {} if options.background is None else {"background": options.background}
    chosen |= {"skip_unreadable": True} if options.skip_unreadable else {}
    if options.data is None and record is not None and not sources.loadable(record):
        return None
    name = data.full_name(options.data or (record or {}).get("name") or recipe.data)
    if name == recipe.data and not data.is_folder(name) and not chosen:
        return None
    kept = {option: record[option] for option in sources.OPTIONS if data.is_folder(name) and option in (record or {})}
    return sources.load_source(recipe.replace(data=name), **kept | chosen)


def _print_folder(source: Any, recipe: Recipe) -> None:
    """What a training on the reader's own images has before it."""
    if not isinstance(source, data.FolderImages):
        return
    height, width, channels = source.shape
    print(f"{len(source):,} images of {height}x{width} in {'colour' if channels == 3 else 'grey'}, "
          f"{recipe.generator.kind} against {recipe.discriminator.kind}, batch {recipe.batch}")
    if source.unreadable:
        print(unreadable_text(source.unreadable))


def _check_writable(folder: Path) -> None:
    """Find out before the training that its result can be saved."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ValueError(f"out is {str(folder)!r}, but {there} is no folder that can be written to; accepted: one that "
                         "is, or a new one inside it")


def _recipe(text: str) -> Recipe:
    if text in RECIPES:
        return RECIPES[text]
    path = Path(text)
    if checkpoint.holds_run(path):
        return checkpoint.read_recipe(path)
    if not path.is_file():
        raise ValueError(f"recipe is {text!r}; accepted: {', '.join(RECIPES)}, a file of JSON, or a run's folder")
    try:
        return Recipe.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _step(folder: Path) -> int:
    return checkpoint.load(folder)[1]["step"] if checkpoint.holds_run(folder) else 0


def _interrupted(out: Path) -> str:
    if not checkpoint.holds_run(out):
        return "interrupted before the first checkpoint; nothing is saved"
    return f"interrupted; {out} holds step {_step(out):,}. To go on: python -m ganbook train --out {out} --resume"


def _progress(step: int, steps: int, seconds: float, history: dict[str, list[float]]) -> str:
    text = f"step {step:,} of {steps:,} after {seconds:.1f} s of training"
    if history["step"]:
        losses = ", ".join(f"{name.replace('_', ' ')} {history[name][-1]:.4f}" for name in training.LOSSES)
        text += f"; at step {history['step'][-1]:,}: {losses}"
    return text


def sample(options: argparse.Namespace) -> None:
    """Write a picture of what a run's generator makes: a PNG grid of images, or points of the plane.

    Args:
        options: what :func:`make_parser` read.
    """
    run = training.load_run(options.folder, options.framework, device=options.device)
    path = options.out or options.folder / "samples.png"
    _draw(run.sample(options.count, options.seed), run, path, options.columns)
    print(f"saved {options.count} samples of step {run.step:,} in {path}")


def _draw(examples: np.ndarray, run: training.Run, path: Path, columns: int | None = None) -> None:
    if examples.ndim == 4:
        save_grid_png(examples, path, columns)
        return
    source, _ = sources.find_source(run.recipe, run.trained_on)
    real = source.batch(np.random.default_rng(run.recipe.seed), LARGEST)
    figure = figures.scatter_2d(real, examples)
    figure.savefig(path, format="png")
    # matplotlib would keep every figure; it is loaded by the first, never before.
    sys.modules["matplotlib.pyplot"].close(figure)


def evaluate(options: argparse.Namespace) -> None:
    """Print every metric of a run, each beside what real examples score in place of the generated ones.

    Args:
        options: what :func:`make_parser` read.
    """
    run = training.load_run(options.folder, options.framework, device=options.device)
    if options.json:
        check_target(options.json, json.loads(run.recipe.to_json()))
    report = evaluate_run(run, options.count, options.seed, _source(options, run.recipe, run.trained_on))
    print(report.text())
    if options.json:
        report.write(options.json)
        print(f"saved in {options.json}")


def experiment(options: argparse.Namespace) -> None:
    """Run an experiment of the book at full length and write its result, with where it comes from.

    Args:
        options: what :func:`make_parser` read.
    """
    _check_writable(options.out)
    shared = {"minutes": options.minutes, "out": options.out, "device": options.device,
              "report": functools.partial(print, flush=True)}
    if options.name in TABLES:
        _refuse(options, "framework", "steps", "seed", "every", "samples")
        run_table(TABLES[options.name], only=options.only or "*", jobs=options.jobs or 1, **shared)
        print(f"saved in {options.out / f'{options.name}.json'}")
        return
    if options.name == "programs":
        _refuse(options, "framework", "steps", "seed", "every", "samples", "jobs", "device")
        run_programs(only=options.only or "*", minutes=options.minutes, out=options.out / "programs",
                     report=shared["report"])
        print(f"saved in {options.out / 'programs'}")
        return
    if options.name == "search":
        _refuse(options, "framework", "steps", "seed", "every", "samples", "only", "jobs", "minutes")
        searches.run_searches(out=options.out, device=options.device, report=shared["report"])
        print(f"saved in {options.out / 'search.json'}")
        return
    _refuse(options, "only", "jobs")
    framework = options.framework or FRAMEWORKS[0]
    fields = {name: getattr(options, name) for name in ("steps", "seed") if getattr(options, name) is not None}
    print(f"{options.name} with {figures.TITLES[framework]}", flush=True)
    EXPERIMENTS[options.name](framework, recipe=RECIPE_OF[options.name].replace(**fields), every=options.every,
                              samples=options.samples, **shared)
    print(f"saved in {options.out / f'{options.name}_{framework}.json'}")


def tune(options: argparse.Namespace) -> None:
    """Search for good settings of a recipe, or go on with a search, and score the winner again on fresh seeds.

    Args:
        options: what :func:`make_parser` read.
    """
    changes = {name: getattr(options, name) for name in ("framework", "steps") if getattr(options, name) is not None}
    tools = {name: getattr(options, name) for name in ("sampler", "seed", "pruner")}
    problem = dataclasses.replace(PROBLEMS[options.problem], **changes)
    default = f"search-{problem.name}.journal" if options.workers == 1 else f"search-{problem.name}.db"
    storage = options.study or (str(RUNS / default) if options.workers == 1 else f"sqlite:///{RUNS / default}")
    study = optuna_studies.open_study(problem, open_storage(storage, options.workers), **tools)
    print(f"{problem.name} with {figures.TITLES[problem.framework]}, {study.user_attrs['sampler']}, seed "
          f"{study.user_attrs['seed']}, in {shown(storage)}: {len(optuna_studies.finished(study))} of "
          f"{options.trials} trials are there", flush=True)
    try:
        if options.workers == 1:
            optuna_studies.run_trials(study, problem, options.trials, device=options.device)
        else:
            run_workers(problem, storage, options.workers, options.trials, device=options.device)
    except WorkerError as error:
        raise ValueError(str(error)) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; {shown(storage)} keeps {len(optuna_studies.finished(study))} finished "
                                "trials. To go on, give the same command again") from None
    _print_best(study, problem, options.fresh, options.device)


def _print_best(study: Any, problem: SearchProblem, fresh: int, device: str | None) -> None:
    best, trials = optuna_studies.best_trial(study), optuna_studies.finished(study)
    pruned = sum(trial.state.name == "PRUNED" for trial in trials)
    print(f"best of {len(trials)} trials, {pruned} of them given up: number {best.number}")
    for name, value in best.params.items():
        print(f"  {name:<20}{value:.4g}" if isinstance(value, float) else f"  {name:<20}{value}")
    mean, deviation = noise_floor(problem)
    print(f"its distance, median of {len(problem.seeds)} seeds {best.value:9.4f}")
    if fresh:
        again = rescore(problem, best.params, tuple(range(100, 100 + fresh)), device)
        print(f"on {fresh:2} fresh seeds, median     {statistics.median(again):9.4f}   from {min(again):.4f} to "
              f"{max(again):.4f}")
    print(f"noise floor                   {mean:9.4f}   two random halves of the real ones, deviation {deviation:.4f}")


def _refuse(options: argparse.Namespace, *names: str) -> None:
    """An option that would do nothing is an error, not a surprise."""
    for name in names:
        if getattr(options, name) is not None:
            raise ValueError(f"{name} is {getattr(options, name)!r}; accepted with {options.name}: none")


def classifier(options: argparse.Namespace) -> None:
    """Train the digit classifier whose features the metrics compare, and write its weights and record.

    Args:
        options: what :func:`make_parser` read.
    """
    _check_writable(options.out)
    record = make_classifier(options.side, options.framework or FRAMEWORKS[0], seed=options.seed, steps=options.steps,
                             out=options.out, device=options.device, report=functools.partial(print, flush=True))
    print(f"saved in {options.out / f'classifier_{options.side}.safetensors'}, SHA-256 {record['sha256']}")


def info(options: argparse.Namespace) -> None:
    """Print what a run's folder holds: recipe, step, last losses, networks; without a folder, the named recipes.

    Args:
        options: what :func:`make_parser` read.
    """
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
    print(f"  ganbook {ganbook.__version__}, Python {platform.python_version()}, "
          + ", ".join(f"{name} {_version(name)}" for name in PACKAGES))


def _print_run(folder: Path) -> None:
    recipe, state, _ = checkpoint.load(folder)
    print(f"{folder}, written with {figures.TITLES[state['framework']]}")
    print(_progress(state["step"], state.get("steps", recipe.steps), state["seconds"], state["history"]))
    if state.get("data"):
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

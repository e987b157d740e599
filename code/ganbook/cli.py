"""The command line: ``python -m ganbook train|sample|evaluate|experiment|tune|classifier|info``.

Here is what the commands and their options are, what each option accepts, and how an error becomes one line.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import ganbook
from ganbook import commands, data, result_commands
from ganbook.commands import RUNS, SAVES
from ganbook.data.folders import CHANNELS
from ganbook.data.recipe import DTYPES, FRAMEWORKS, SPLITS, Recipe, check_range
from ganbook.gradient_descent.training import SAMPLES, NonFiniteLoss
from ganbook.tensors.exchange import parse_device
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.experiments.registry import TABLES
from ganbook.tuning.metrics.classifier import SIDES, TRAININGS
from ganbook.tuning.metrics.report import LARGEST
from ganbook.tuning.search import optuna_studies, searches
from ganbook.tuning.search.problems import PROBLEMS
from ganbook.tuning.search.scores import FRESH_SEEDS
from ganbook.tuning.search.storages import ACCEPTED

#: Examples that a command generates at most, and processes that it starts at most.
MOST_EXAMPLES, MOST_PROCESSES = 10**6, 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after ``python -m ganbook``; None takes them from the command line.

    Returns:
        exit code: 0 if all went well, 1 if a loss was not finite, 2 for a wrong argument, file or environment, 130
        after Ctrl-C, 141 where nobody reads what is printed.

    Raises:
        SystemExit: the words ask for help, or cannot be understood (code 2).
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal shows what signs it has
    try:
        try:
            options = make_parser().parse_args(arguments)
            options.run(options)
        finally:
            print(end="", flush=True)  # at Python's end nobody could catch what goes wrong
    except BrokenPipeError:
        _stop_printing()
        return 141
    except NonFiniteLoss as error:
        return _fail(error, 1)
    except ModuleNotFoundError as error:
        return _fail(
            f"{error.name} is not installed; install it, or choose the other of --framework {', '.join(FRAMEWORKS)}", 2
        )
    except OSError as error:
        _stop_printing()
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else error, 2)
    except MemoryError as error:
        return _fail(f"there is not enough memory ({error}); accepted: fewer, or smaller, images and layers", 2)
    except (ValueError, data.DataError) as error:
        return _fail(error, 2)
    except KeyboardInterrupt as error:
        return _fail(str(error) or "interrupted", 130)
    return 0


def _stop_printing() -> None:
    """Throw away what cannot be printed: Python would try again at its end, and complain."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: object, code: int) -> int:
    print(f"ganbook: {_one_line(message)}", file=sys.stderr)
    return code


def _one_line(message: object) -> str:
    """A message without its line breaks, which a file's name may bring along."""
    return " ".join(line.strip() for line in str(message).splitlines())


class _Parser(argparse.ArgumentParser):
    """One that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {_one_line(message)}; --help lists what is accepted\n")

    def number(self, name: str, low: int, words: str, high: int = 2**63 - 1, **rest: Any) -> None:
        self.add_argument(name, type=_whole(low, high), help=words, **{"metavar": "N"} | rest)

    def flag(self, name: str, words: str) -> None:
        self.add_argument(name, action="store_true", help=words)


def make_parser() -> argparse.ArgumentParser:
    """A parser of the commands and their options, which gives the chosen command as ``run``."""
    parser = _Parser(
        prog="python -m ganbook",
        allow_abbrev=False,
        description=ganbook.__doc__.split("\n\n")[0],
        epilog="COMMAND --help lists the options of a command, with their defaults",
    )
    parser.add_argument("--version", action="version", version=ganbook.__version__)
    choices = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for run, add_options in (
        (commands.train, _train),
        (commands.sample, _sample),
        (commands.evaluate, _evaluate),
        (result_commands.experiment, _experiment),
        (result_commands.tune, _tune),
        (result_commands.classifier, _classifier),
        (commands.info, _info),
    ):
        command = choices.add_parser(run.__name__, help=run.__doc__, description=run.__doc__, allow_abbrev=False)
        command.set_defaults(run=run)
        add_options(command)
    return parser


def _train(command: _Parser) -> None:
    add, quick = command.add_argument, RECIPES["quickstart"]
    _framework(command, "pytorch, or with --resume the one that wrote the run")
    words = (
        f"{', '.join(RECIPES)}, or a file of JSON, or a run's folder; "
        "default: quickstart, or with --resume the recipe of the run"
    )
    add("--recipe", type=_text, metavar="NAME", help=words)
    _data(command, "the recipe's own, or with --resume that of the run")
    add("--split", choices=SPLITS, help="part of the data set to learn; default: the recipe's own, all in named ones")
    command.number(
        "--size",
        1,
        "side of the images, for data and networks alike; needed for a folder; default: that of the recipe's networks",
        metavar="PIXELS",
    )
    add("--channels", type=int, choices=CHANNELS, help="of a folder's images: 1 for grey, 3 for colour; default: 3")
    command.number("--batch", 1, f"examples in each step; default: the recipe's own, in quickstart {quick.batch}")
    command.number(
        "--steps",
        1,
        "steps of the whole run; with --resume a larger number extends the run, whose rates and penalties then stay as "
        f"they were at its old end; default: the recipe's own, in quickstart {quick.steps}",
    )
    command.number("--until", 0, "stop after this step, to go on later with --resume; default: the last one")
    command.number("--seed", 0, "of all that is random; default: the recipe's own, 0 in named ones")
    add("--dtype", choices=DTYPES, help="precision; default: the recipe's own, float32 in named ones")
    _device(command)
    add("--out", type=_path, metavar="FOLDER", help=f"where to save the run; default: {RUNS}/RECIPE-FRAMEWORK-SEED")
    command.flag(
        "--resume", "go on with the run that the folder holds, if it holds one; default: refuse a folder that holds one"
    )
    command.flag(
        "--compiled",
        "run many steps in one compiled call: several times faster for small dense networks, after some seconds of "
        "compiling; convolutions hardly gain; default: no",
    )
    command.flag(
        "--distributed",
        "be one of several processes or devices that train this run together, as torchrun or TF_CONFIG says; "
        "default: no",
    )
    command.number(
        "--save-every", 0, f"steps between two checkpoints, 0 for none on the way; default: 1/{SAVES} of the steps"
    )
    command.number(
        "--sample-every",
        0,
        "steps between two pictures of samples, 0 for none on the way; default: %(default)s",
        default=0,
    )


def _sample(command: _Parser) -> None:
    _folder(command)
    add = command.add_argument
    add("--out", type=_png, metavar="FILE", help="the PNG to write; default: samples.png in the run's folder")
    command.number("--count", 1, "how many; default: %(default)s", MOST_EXAMPLES, default=SAMPLES)
    command.number(
        "--columns", 1, "images per row, at most as many as there are; default: as many as make the grid square"
    )
    _drawing(command)


def _evaluate(command: _Parser) -> None:
    _folder(command)
    command.number(
        "--count",
        2,
        f"how many examples to generate; default: as many as there are real ones, at most {LARGEST:,}",
        MOST_EXAMPLES,
    )
    words = "also write the report there, in place of none or of one of the same recipe; default: print it only"
    command.add_argument("--json", type=_path, metavar="FILE", help=words)
    _data(command, "those that the run knows; needed where they were given in Python, or lie elsewhere now")
    _drawing(command)


def _experiment(command: _Parser) -> None:
    add = command.add_argument
    words = (
        f"a table of runs: {', '.join(TABLES)}; digit_generator, the generator of the book's playground; programs, the "
        "book's programs at full length; or search, the book's searches for settings"
    )
    add("name", metavar="NAME", choices=(*TABLES, "digit_generator", "programs", "search"), help=words)
    _framework(command, f"{FRAMEWORKS[0]}; only for digit_generator")
    command.number("--steps", 1, f"steps of the run; default: {Recipe().steps}; only for digit_generator")
    command.number("--seed", 0, "of all that is random; default: 0; only for digit_generator")
    command.number(
        "--samples",
        2,
        "pictures whose distance from the digits is measured; default: as many as there are digits; only for "
        "digit_generator",
        MOST_EXAMPLES,
    )
    words = (
        "run the cells whose key DATA/METHOD/FRAMEWORK/SEED matches, as in 'grid/*/pytorch/0'; of programs "
        "PROGRAM_DATA/FRAMEWORK/SEED; default: all that are missing; only for tables and programs"
    )
    add("--only", metavar="PATTERN", help=words)
    command.number(
        "--jobs", 1, "processes that run cells; give each one thread; default: 1; only for tables", MOST_PROCESSES
    )
    words = "begin no run after this time; default: no limit; only for tables and programs"
    add("--minutes", type=_minutes, metavar="M", help=words)
    _results(command, "where to write the result")
    _device(command)


def _tune(command: _Parser) -> None:
    add = command.add_argument
    words = f"what varies: {', '.join(PROBLEMS)}; default: %(default)s"
    add("problem", metavar="PROBLEM", nargs="?", choices=tuple(PROBLEMS), default="digits", help=words)
    command.number(
        "--trials",
        1,
        "finished trials that the study shall have in the end, those that are there included; default: %(default)s",
        default=searches.TRIALS,
    )
    words = f"{ACCEPTED}; a study that is there is continued; default: {RUNS}/search-PROBLEM.journal"
    add("--study", type=_study, metavar="STUDY", help=words)
    for name, accepted in (("sampler", optuna_studies.SAMPLERS), ("pruner", optuna_studies.PRUNERS)):
        words = f"default: that of the study, {optuna_studies.DEFAULTS[name]} for a new one"
        add(f"--{name}", choices=tuple(accepted), help=words)
    command.number("--seed", 0, "of the sampler; default: that of the study, 0 for a new one")
    command.number("--workers", 1, "processes, each with one thread; default: %(default)s", MOST_PROCESSES, default=1)
    steps = ", ".join(f"{each.steps} in {name}" for name, each in PROBLEMS.items())
    command.number(
        "--steps", 1, f"of each training; another number is another problem; default: the problem's own, {steps}"
    )
    command.number(
        "--fresh",
        0,
        "seeds on which the winner is scored again, 0 for none; default: %(default)s",
        10_000,
        default=len(FRESH_SEEDS),
    )
    _framework(command, f"{FRAMEWORKS[0]}; the other one is another problem")
    _device(command)


def _classifier(command: _Parser) -> None:
    words = "of the images in pixels; default: %(default)s"
    command.add_argument("--side", type=int, choices=SIDES, default=28, help=words)
    _framework(command, FRAMEWORKS[0])
    steps = ", ".join(f"{plan.steps} for side {side}" for side, plan in TRAININGS.items())
    command.number("--steps", 1, f"updates; default: {steps}")
    command.number("--seed", 0, "of all that is random; default: %(default)s", default=0)
    _results(command, "where to write classifier_SIDE.safetensors and its record")
    _device(command)


def _info(command: _Parser) -> None:
    words = "a run's folder; default: none, which lists the named recipes"
    command.add_argument("folder", metavar="FOLDER", type=_path, nargs="?", help=words)
    words = "print the recipe alone, as JSON that train --recipe reads from a file; default: print everything"
    command.flag("--recipe", words)


# What several commands have.


def _folder(command: _Parser) -> None:
    command.add_argument("folder", metavar="FOLDER", type=_path, help="a run's folder, as train wrote it")


def _data(command: _Parser, default: str) -> None:
    words = f"{', '.join(data.NAMES)}, or the path of a folder of your own images; default: {default}"
    command.add_argument("--data", metavar="DATA", help=words)
    words = (
        "colour that transparent images of a folder are laid on, such as black or '#ff8800'; default: white, or that "
        "of the run"
    )
    command.add_argument("--background", metavar="COLOUR", help=words)
    words = (
        "leave out the files of a folder that cannot be read or are smaller than the size, and count them; default: "
        "stop and name the first, or what the run did"
    )
    command.flag("--skip-unreadable", words)


def _drawing(command: _Parser) -> None:
    words = "of the noise, and in an evaluation of all else that is drawn; default: %(default)s"
    command.number("--seed", 0, words, default=0)
    _framework(command, "the one that wrote the run")
    _device(command)


def _results(command: _Parser, what: str) -> None:
    words = f"{what}; default: %(default)s"
    command.add_argument("--out", type=_path, metavar="FOLDER", default=Path("results"), help=words)


def _framework(command: _Parser, default: str) -> None:
    command.add_argument("--framework", choices=FRAMEWORKS, help=f"default: {default}")


def _device(command: _Parser) -> None:
    words = "auto, cpu, gpu, or gpu:N for one of several; auto takes a GPU if there is one; default: %(default)s"
    command.add_argument("--device", type=_device_name, metavar="DEVICE", default="auto", help=words)


# What an option accepts.


def _refuse(text: str, accepted: str) -> NoReturn:
    raise argparse.ArgumentTypeError(f"{text!r}; accepted: {accepted}")


def _text(text: str) -> str:
    return text or _refuse(text, "a text that is not empty")


def _path(text: str) -> Path:
    return Path(_text(text))


def _png(text: str) -> Path:
    return Path(text) if text.lower().endswith(".png") else _refuse(text, "a file whose name ends in .png")


def _study(text: str) -> str:
    scheme, _, place = text.partition("://")
    if scheme.startswith("sqlite") and place.partition("?")[0].strip("/") in ("", ":memory:"):
        _refuse(text, "a database in a file, sqlite:///FILE")
    return _text(text)


def _device_name(text: str) -> str | None:
    try:
        return None if text == "auto" else text if parse_device(text) else None
    except ValueError:
        _refuse(text, "auto, cpu, gpu or gpu:N")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit():
            _refuse(text, f"a whole number of at least {low}")
        if len(text) > 19 or int(text) > high:
            _refuse(text, f"a whole number of at least {low} and at most {high:,}")
        return int(text) if int(text) >= low else _refuse(text, f"a whole number of at least {low}")

    return parse


def _minutes(text: str) -> float:
    try:
        return check_range("minutes", float(text), 0.0, open_low=True)
    except ValueError:
        _refuse(text, "a number above 0")

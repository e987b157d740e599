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
from typing import NoReturn

import ganbook
from ganbook import commands, data
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
    for add_options in (_train, _sample, _evaluate, _experiment, _tune, _classifier, _info):
        run = getattr(commands, add_options.__name__.removeprefix("_"))
        command = choices.add_parser(run.__name__, help=run.__doc__, description=run.__doc__, allow_abbrev=False)
        command.set_defaults(run=run)
        add_options(command)
    return parser


def _train(command: argparse.ArgumentParser) -> None:
    _framework(command, "pytorch, or with --resume the one that wrote the run")
    add = command.add_argument
    add(
        "--recipe",
        type=_text,
        metavar="NAME",
        help=f"{', '.join(RECIPES)}, or a file of JSON, or a run's folder; "
        "default: quickstart, or with --resume the recipe of the run",
    )
    _data(command, "the recipe's own, or with --resume that of the run")
    add("--split", choices=SPLITS, help="part of the data set to learn; default: the recipe's own, all in named ones")
    add(
        "--size",
        type=_whole(1),
        metavar="PIXELS",
        help="side of the images, for data and networks alike; needed for "
        "a folder; default: that of the recipe's networks",
    )
    add("--channels", type=int, choices=CHANNELS, help="of a folder's images: 1 for grey, 3 for colour; default: 3")
    add(
        "--batch",
        type=_whole(1),
        metavar="N",
        help=f"examples in each step; default: the recipe's own, in quickstart {RECIPES['quickstart'].batch}",
    )
    add(
        "--steps",
        type=_whole(1),
        metavar="N",
        help="steps of the whole run; with --resume a larger number extends "
        "the run, whose rates and penalties then stay as they were at its old end; default: the recipe's own, in "
        f"quickstart {RECIPES['quickstart'].steps}",
    )
    add(
        "--until",
        type=_whole(0),
        metavar="N",
        help="stop after this step, to go on later with --resume; default: the last one",
    )
    add("--seed", type=_whole(0), metavar="N", help="of all that is random; default: the recipe's own, 0 in named ones")
    add("--dtype", choices=DTYPES, help="precision; default: the recipe's own, float32 in named ones")
    _device(command)
    add("--out", type=_path, metavar="FOLDER", help=f"where to save the run; default: {RUNS}/RECIPE-FRAMEWORK-SEED")
    add(
        "--resume",
        action="store_true",
        help="go on with the run that the folder holds, if it holds one; default: refuse a folder that holds one",
    )
    add(
        "--compiled",
        action="store_true",
        help="run many steps in one compiled call: several times faster for small "
        "dense networks, after some seconds of compiling; convolutions hardly gain; default: no",
    )
    add(
        "--distributed",
        action="store_true",
        help="be one of several processes or devices that train this run "
        "together, as torchrun or TF_CONFIG says; default: no",
    )
    add(
        "--save-every",
        type=_whole(0),
        metavar="N",
        help=f"steps between two checkpoints, 0 for none on the way; default: 1/{SAVES} of the steps",
    )
    add(
        "--sample-every",
        type=_whole(0),
        metavar="N",
        default=0,
        help="steps between two pictures of samples, 0 for none on the way; default: %(default)s",
    )


def _sample(command: argparse.ArgumentParser) -> None:
    _folder(command)
    add = command.add_argument
    add("--out", type=_png, metavar="FILE", help="the PNG to write; default: samples.png in the run's folder")
    add("--count", type=_whole(1, MOST_EXAMPLES), metavar="N", default=SAMPLES, help="how many; default: %(default)s")
    add(
        "--columns",
        type=_whole(1),
        metavar="N",
        help="images per row, at most as many as there are; default: as many as make the grid square",
    )
    _drawing(command)


def _evaluate(command: argparse.ArgumentParser) -> None:
    _folder(command)
    add = command.add_argument
    add(
        "--count",
        type=_whole(2, MOST_EXAMPLES),
        metavar="N",
        help=f"how many examples to generate; default: as many as there are real ones, at most {LARGEST:,}",
    )
    add(
        "--json",
        type=_path,
        metavar="FILE",
        help="also write the report there, in place of none or of one of the same recipe; default: print it only",
    )
    _data(command, "those that the run knows; needed where they were given in Python, or lie elsewhere now")
    _drawing(command)


def _experiment(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "name",
        metavar="NAME",
        choices=(*TABLES, "digit_generator", "programs", "search"),
        help="a table of runs: "
        f"{', '.join(TABLES)}; digit_generator, the generator of the book's playground; programs, the book's programs "
        "at full length; or search, the book's searches for settings",
    )
    _framework(command, f"{FRAMEWORKS[0]}; only for digit_generator")
    add(
        "--steps",
        type=_whole(1),
        metavar="N",
        help=f"steps of the run; default: {Recipe().steps}; only for digit_generator",
    )
    add("--seed", type=_whole(0), metavar="N", help="of all that is random; default: 0; only for digit_generator")
    add(
        "--samples",
        type=_whole(2, MOST_EXAMPLES),
        metavar="N",
        help="pictures whose distance from the digits is "
        "measured; default: as many as there are digits; only for digit_generator",
    )
    add(
        "--only",
        metavar="PATTERN",
        help="run the cells whose key DATA/METHOD/FRAMEWORK/SEED matches, as in "
        "'grid/*/pytorch/0'; of programs PROGRAM_DATA/FRAMEWORK/SEED; default: all that are missing; only for tables "
        "and programs",
    )
    add(
        "--jobs",
        type=_whole(1, MOST_PROCESSES),
        metavar="N",
        help="processes that run cells; give each one thread; default: 1; only for tables",
    )
    add(
        "--minutes",
        type=_minutes,
        metavar="M",
        help="begin no run after this time; default: no limit; only for tables and programs",
    )
    _results(command, "where to write the result")
    _device(command)


def _tune(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "problem",
        metavar="PROBLEM",
        nargs="?",
        choices=tuple(PROBLEMS),
        default="digits",
        help=f"what varies: {', '.join(PROBLEMS)}; default: %(default)s",
    )
    add(
        "--trials",
        type=_whole(1),
        metavar="N",
        default=searches.TRIALS,
        help="finished trials that the study shall "
        "have in the end, those that are there included; default: %(default)s",
    )
    add(
        "--study",
        type=_study,
        metavar="STUDY",
        help=f"{ACCEPTED}; a study that is there is continued; default: {RUNS}/search-PROBLEM.journal",
    )
    for name, accepted in (("sampler", optuna_studies.SAMPLERS), ("pruner", optuna_studies.PRUNERS)):
        add(
            f"--{name}",
            choices=tuple(accepted),
            help=f"default: that of the study, {optuna_studies.DEFAULTS[name]} for a new one",
        )
    add("--seed", type=_whole(0), metavar="N", help="of the sampler; default: that of the study, 0 for a new one")
    add(
        "--workers",
        type=_whole(1, MOST_PROCESSES),
        metavar="N",
        default=1,
        help="processes, each with one thread; default: %(default)s",
    )
    add(
        "--steps",
        type=_whole(1),
        metavar="N",
        help="of each training; another number is another problem; default: "
        "the problem's own, " + ", ".join(f"{each.steps} in {name}" for name, each in PROBLEMS.items()),
    )
    add(
        "--fresh",
        type=_whole(0, 10_000),
        metavar="N",
        default=len(FRESH_SEEDS),
        help="seeds on which the winner is scored again, 0 for none; default: %(default)s",
    )
    _framework(command, f"{FRAMEWORKS[0]}; the other one is another problem")
    _device(command)


def _classifier(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--side", type=int, choices=SIDES, default=28, help="of the images in pixels; default: %(default)s")
    _framework(command, FRAMEWORKS[0])
    add(
        "--steps",
        type=_whole(1),
        metavar="N",
        help="updates; default: " + ", ".join(f"{plan.steps} for side {side}" for side, plan in TRAININGS.items()),
    )
    add("--seed", type=_whole(0), metavar="N", default=0, help="of all that is random; default: %(default)s")
    _results(command, "where to write classifier_SIDE.safetensors and its record")
    _device(command)


def _info(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        metavar="FOLDER",
        type=_path,
        nargs="?",
        help="a run's folder; default: none, which lists the named recipes",
    )
    command.add_argument(
        "--recipe",
        action="store_true",
        help="print the recipe alone, as JSON that train --recipe reads from a file; default: print everything",
    )


# What several commands have.


def _folder(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", metavar="FOLDER", type=_path, help="a run's folder, as train wrote it")


def _data(command: argparse.ArgumentParser, default: str) -> None:
    add = command.add_argument
    add(
        "--data",
        metavar="DATA",
        help=f"{', '.join(data.NAMES)}, or the path of a folder of your own images; default: {default}",
    )
    add(
        "--background",
        metavar="COLOUR",
        help="colour that transparent images of a folder are laid on, such as black "
        "or '#ff8800'; default: white, or that of the run",
    )
    add(
        "--skip-unreadable",
        action="store_true",
        help="leave out the files of a folder that cannot be read or are "
        "smaller than the size, and count them; default: stop and name the first, or what the run did",
    )


def _drawing(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--seed",
        type=_whole(0),
        metavar="N",
        default=0,
        help="of the noise, and in an evaluation of all else that is drawn; default: %(default)s",
    )
    _framework(command, "the one that wrote the run")
    _device(command)


def _results(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument(
        "--out", type=_path, metavar="FOLDER", default=Path("results"), help=f"{what}; default: %(default)s"
    )


def _framework(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument("--framework", choices=FRAMEWORKS, help=f"default: {default}")


def _device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device",
        type=_device_name,
        metavar="DEVICE",
        default="auto",
        help="auto, cpu, gpu, or gpu:N for one of several; auto takes a GPU if there is one; default: %(default)s",
    )


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


def _whole(low: int, high: int = 2**63 - 1) -> Callable[[str], int]:
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

"""The book's programs at full length: several seeds of each in both frameworks, with pictures, measured on the way.

A *run* is one program, one data set, one framework and one seed.  Each leaves its record in a file of results and two
pictures: a film, one row of samples from fixed noise for each of some steps, and a grid of what it draws at the end.
Of the variants the first seed alone leaves a picture, its film.

Explained in the book's section "A first GAN".
"""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ganbook import data
from ganbook.data.grids import save_grid_png
from ganbook.data.images import COLOURED
from ganbook.data.programs import images_for
from ganbook.data.recipe import FRAMEWORKS
from ganbook.gradient_descent.training import twin
from ganbook.pages.figures import TITLES
from ganbook.tuning import results
from ganbook.tuning.experiments import tables
from ganbook.tuning.experiments.program_plans import LEFT_OUT, PLANS, VARIANTS, Plan, plan_of
from ganbook.tuning.experiments.watch import ROW, brightest
from ganbook.tuning.metrics.legibility import DigitJudge

SEEDS = (0, 1, 2)
#: Data sets whose images can be read as digits.
DIGITS = ("digits", "mnist_5k", "coloured_mnist_5k")
#: Images that are measured; as many as the programs' data have.
SAMPLES = 5_000
#: What the yardsticks are called in a table.
YARDSTICKS = {"real": "other real images", "digitless": "one Gaussian (control)", "noise": "uniform noise"}
#: Samples along each side of the grid at the end.
SIDE = 10
FIELDS = ("program", "data", "framework", "settings", "reference", "yardsticks", "runs")
CURVE = ("step", "seconds", "discriminator_loss", "generator_loss", "real_logit", "fake_logit", "distance", "read")


def run_programs(
    *,
    only: str = "*",
    minutes: float | None = None,
    out: str | Path = "results/programs",
    plans: Sequence[Plan] = PLANS,
    report: Callable[[str], None] = print,
) -> None:
    """Make every run that is not there yet, and keep each as it is finished.

    Args:
        only: runs whose ``NAME/FRAMEWORK/SEED`` matches this pattern, as in ``first_gan_mnist_5k/pytorch/*``.
        minutes: begin no run after this time; None makes all.
        out: folder of ``NAME_FRAMEWORK.json`` and of ``NAME_FRAMEWORK_SEED.png`` and ``..._film.png``.
        plans: what is run.
        report: gets a line after each run.

    Raises:
        ValueError: no run matches.
        ResultError: a file is of another plan, or is being written by another process.
    """
    chosen = [
        (plan, framework, seed)
        for plan in plans
        for framework in FRAMEWORKS
        for seed in SEEDS
        if fnmatch.fnmatch(f"{plan.name}/{framework}/{seed}", only)
    ]
    if not chosen:
        raise ValueError(
            f"only is {only!r}; accepted: a pattern that a run matches, such as "
            f"'{plans[0].name}/{FRAMEWORKS[0]}/{SEEDS[0]}'"
        )
    started = time.perf_counter()
    for plan, framework, seed in chosen:
        path = _file(plan, framework, out)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(path.with_suffix(".lock"), blocking=False):
                content = read_runs(plan, framework, out) if path.exists() else None
                if content and seed in [run["seed"] for run in content["runs"]]:
                    continue
                if minutes is not None and time.perf_counter() - started > 60 * minutes:
                    return
                run = _run(plan, framework, seed, content or _begin(plan, framework), path)
                read = "" if run["read"][-1] is None else f", {run['read'][-1]:.2f} read"
                report(
                    f"{plan.name}/{framework}/{seed}: distance {run['distance'][-1]:.2f}{read}, "
                    f"{run['seconds'][-1]:.0f} s"
                )
        except Timeout:
            raise results.ResultError(f"{path} is being written by another process; accepted: one at a time") from None


def read_runs(plan: Plan, framework: str, folder: str | Path | None = None) -> dict[str, Any]:
    """What the runs of a plan in one framework left.

    Args:
        plan: one of :data:`ganbook.tuning.experiments.program_plans.PLANS`.
        framework: ``pytorch`` or ``tensorflow``.
        folder: where the file is; None means ``programs`` in the project's folder of results.

    Returns:
        ``settings``; ``reference``, name and number of the real images that everything is compared with;
        ``yardsticks``, by ``real``, ``digitless`` and ``noise`` what sets score that no generator made; and ``runs``,
        each with ``seed``, where it comes from, and the lists of ``CURVE``.

    Raises:
        ResultError: there is no such file, it lacks a field, or it is of another plan.

    Example:
        >>> len(read_runs(plan_of("first_gan_mnist_5k"), "pytorch")["runs"])
        3
    """
    path = _file(plan, framework, folder)
    content = results.read_result(path, FIELDS)
    if content["settings"] != dataclasses.asdict(plan) or content["framework"] != framework:
        raise results.ResultError(
            f"{path} has runs with {content['settings']} in {content['framework']}; accepted: "
            f"those of {plan}. Move the file away to make the runs anew"
        )
    return content


def _file(plan: Plan, framework: str, folder: str | Path | None = None) -> Path:
    return (results.results_folder() / "programs" if folder is None else Path(folder)) / f"{plan.name}_{framework}.json"


def film(name: str, framework: str = "pytorch", seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """A recorded film: the picture, shape (height, width, 3), uint8, and the step of each of its rows.

    Raises:
        ValueError: an unknown name.
        OSError: the run is not recorded.

    Example:
        >>> picture, steps = film("quickstart_digits")
        >>> picture.dtype, steps[0]
        (dtype('uint8'), 1)
    """
    plan = plan_of(name)
    return _picture(f"{plan.name}_{framework}_{seed}_film.png"), plan.steps_filmed


def drawn(name: str, framework: str = "pytorch", seed: int = 0) -> np.ndarray:
    """What a recorded run draws at its end: the picture of a grid, shape (height, width, 3), uint8.

    Raises:
        ValueError: an unknown name.
        OSError: the run is not recorded.

    Example:
        >>> drawn("quickstart_digits").dtype
        dtype('uint8')
    """
    return _picture(f"{plan_of(name).name}_{framework}_{seed}.png")


def _picture(file: str) -> np.ndarray:
    from PIL import Image

    with Image.open(results.results_folder() / "programs" / file) as picture:
        return np.asarray(picture.convert("RGB"))


def summary(name: str) -> list[tuple[str, str, str, str]]:
    """What the recorded runs of a plan score at their end, as rows of text beside the yardsticks.

    Args:
        name: of a plan.

    Returns:
        Rows of what, its Fréchet distance, the share read with confidence, and minutes of one processor core; of runs
        the median, with the least and the largest.

    Example:
        >>> summary("quickstart_digits")[0][0]
        'other real images'
    """
    plan = plan_of(name)
    rows: list[tuple[str, str, str, str]] = []
    for framework in FRAMEWORKS:
        if not _file(plan, framework).exists():
            continue
        content = read_runs(plan, framework)
        if not rows:
            for label, score in content["yardsticks"].items():
                rows.append((YARDSTICKS[label], *_cells(plan, [score["distance"]], [score["read"]]), ""))
        distances, read, seconds = (
            [run[name][-1] for run in content["runs"]] for name in ("distance", "read", "seconds")
        )
        what = f"{TITLES[framework]}, {len(seconds)} run{'s' * (len(seconds) > 1)}"
        rows.append((what, *_cells(plan, distances, read), f"{np.median(seconds) / 60:.1f}"))
    return rows


def _cells(plan: Plan, distances: Sequence[float], read: Sequence[float]) -> tuple[str, str]:
    return _spread(distances), _spread(read) if plan.data in DIGITS else ""


def left_out(name: str) -> str:
    """What the short runs of a program score that have all additions but one: a table, as text.

    Below each framework's name stands the Fréchet distance, and beside it the share read with confidence.

    Args:
        name: program and data, such as ``first_gan_mnist_5k``.

    Example:
        >>> left_out("first_gan_mnist_5k").split()[:3]
        ['left', 'out', 'PyTorch']
    """
    rows = []
    for variant in LEFT_OUT:
        row = [{"short": "nothing", "plain": "all"}.get(variant, variant.removeprefix("without_").replace("_", " "))]
        for framework in FRAMEWORKS:
            runs = read_runs(plan_of(f"{name}_{variant}"), framework)["runs"]
            row += [f"{np.median([run[measure][-1] for run in runs]):.2f}" for measure in ("distance", "read")]
        rows.append(row)
    return tables.text(("left out", *(word for framework in FRAMEWORKS for word in (TITLES[framework], "read"))), rows)


def _spread(values: Sequence[float]) -> str:
    return f"{np.median(values):.2f}" + f" ({min(values):.2f} to {max(values):.2f})" * (len(values) > 1)


def _begin(plan: Plan, framework: str) -> dict[str, Any]:
    """A result without runs."""
    judge, reference = _judge(plan, framework)
    others = data.load(plan.data.removeprefix(COLOURED), split="train", size=plan.size)
    scores = judge.yardsticks(others, SAMPLES)
    return {
        "program": plan.program,
        "data": plan.data,
        "framework": framework,
        "settings": dataclasses.asdict(plan),
        "reference": {"data": reference, "images": len(judge.real)},
        "yardsticks": {name: dataclasses.asdict(score) for name, score in scores.items()},
        "runs": [],
    }


def _judge(plan: Plan, framework: str) -> tuple[DigitJudge, str]:
    """What scores samples, and the name of the real images that they are compared with."""
    reader = twin("ganbook.tuning.metrics.features", framework).DigitClassifier(plan.size, "float32", "cpu")
    name = plan.data.removeprefix(COLOURED)
    if name == "mnist_5k":
        try:
            return DigitJudge(reader, data.load("mnist", split="test", size=plan.size).images), "mnist"
        except data.DataError:
            pass  # the held-out digits of the 5,000 are there always
    return DigitJudge(reader, data.load(name, split="test", size=plan.size).images), name


def _run(plan: Plan, framework: str, seed: int, content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Train, measure, and write the run into the file and its two pictures beside it."""
    judge, _ = _judge(plan, framework)
    curve: dict[str, list[float | None]] = {name: [] for name in CURVE}
    film: list[np.ndarray] = []
    clock = _Clock()

    def show(step: int, numbers: Any, images: np.ndarray) -> None:
        clock.stop()
        score = judge.score(brightest(images, judge.real.shape[-1]))
        read = score.read if plan.data in DIGITS else None
        row = (step, round(clock.seconds, 2), *map(float, numbers), score.distance, read)
        for name, value in zip(CURVE, row, strict=True):
            curve[name].append(value)
        if step in plan.steps_filmed:
            film.append(images[:ROW])
        if step == plan.steps and not plan.variant:
            save_grid_png(images[: SIDE**2], path.with_name(f"{path.stem}_{seed}.png"), SIDE)
        clock.start()

    images = images_for(plan.data, "train", plan.size, plan.channels)
    clock.start()
    with _changed(twin(f"ganbook.{plan.program}", framework), VARIANTS.get(plan.variant, {})) as program:
        program.train(
            images, plan.width, plan.steps, plan.batch, seed, show=show, shown=plan.steps_shown, samples=SAMPLES
        )
    if not (plan.variant and seed):
        save_grid_png(np.concatenate(film), path.with_name(f"{path.stem}_{seed}_film.png"), ROW)
    content["runs"].append({"seed": seed, **results.provenance(framework), **curve})
    content["runs"].sort(key=lambda run: run["seed"])
    results.write_result(path, content, FIELDS)
    return curve


@contextlib.contextmanager
def _changed(program: ModuleType, constants: Mapping[str, Any]) -> Iterator[ModuleType]:
    """A program with other constants."""
    before = {name: getattr(program, name) for name in constants}
    vars(program).update(constants)
    try:
        yield program
    finally:
        vars(program).update(before)


class _Clock:
    """Processor seconds of training: the measuring in between does not count."""

    def __init__(self) -> None:
        self.seconds = self._since = 0.0

    def start(self) -> None:
        self._since = time.process_time()

    def stop(self) -> None:
        self.seconds += time.process_time() - self._since

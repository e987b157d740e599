"""The loop around the steps: inputs in, history, samples and checkpoints out.  It is written once, for both twins.

Explained in the book's section "Inside a training step"; first used in the section "Quickstart".
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from tqdm import tqdm

from ganbook.data.recipe import FRAMEWORKS, Recipe, check_choice, check_int
from ganbook.gradient_descent import checkpoint
from ganbook.gradient_descent.checkpoint import LOSSES
from ganbook.gradient_descent.sources import find_source
from ganbook.gradient_descent.sources import load_source as load_source  # for the pages
from ganbook.gradient_descent.step.inputs import InputSampler, dropout_layers, latent_noise

RECORDS = 1000
STEPS_PER_CALL = 20
SAMPLES = 64
ADVICE = (
    "The run stopped; what was saved before is unharmed. Lower the learning rate, or choose a loss or penalty "
    "that bounds the discriminator"
)
#: Runs a list of iterations and gives their losses, shape (iterations, 3).
RunIterations = Callable[[list[dict[str, Any]]], np.ndarray]
_ENDINGS = {"pytorch": "torch", "tensorflow": "tensorflow"}


class NonFiniteLoss(ArithmeticError):
    """A loss, or a weight, that became infinite or not a number; the run stopped, and its last checkpoint stands."""


@dataclasses.dataclass
class Run:
    """A run of a recipe in one framework, as far as it has come.

    Args:
        recipe: what is run.
        framework: ``pytorch`` or ``tensorflow``.
        state: the framework's networks, optimiser state and moving average.
        rng: source of all randomness of the training.
        step: generator updates made.
        history: equally long lists ``step``, ``discriminator_loss``, ``penalty`` and ``generator_loss``; of a long
            run every so many steps, so that fewer than twice ``RECORDS`` are kept.
        samples: pairs of a step and images from noise that stays the same, shape (64, ...).
        seconds: time spent in training, all calls together.
        steps: of the whole run; more than the recipe's once a run has been extended, else as many.
        trained_on: what :func:`ganbook.gradient_descent.sources.find_source` keeps of the real examples; None of a run
            that has seen none, or was saved before this was kept.
        writes: whether this process saves the run; of several that train it together, one alone does.
    """

    recipe: Recipe
    framework: str
    state: Any
    rng: np.random.Generator
    step: int = 0
    history: dict[str, list[float]] = dataclasses.field(default_factory=lambda: {n: [] for n in ("step", *LOSSES)})
    samples: list[tuple[int, np.ndarray]] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0
    trained_on: dict[str, Any] | None = None
    writes: bool = True

    def __post_init__(self) -> None:
        """Take the number of steps from the recipe, unless it is given."""
        self.steps = self.steps or self.recipe.steps

    @property
    def generator(self) -> Any:
        """The generator, as the last step left it: an nn.Module or a keras.Model."""
        return self.state.generator

    @property
    def discriminator(self) -> Any:
        """The discriminator: an nn.Module or a keras.Model."""
        return self.state.discriminator

    def sample(self, n: int = SAMPLES, seed: int = 0, *, use_average: bool = True) -> np.ndarray:
        """Generate examples.

        Args:
            n: how many, at least 1.
            seed: of their noise.
            use_average: take the moving average of the generator's weights, where the recipe keeps one.

        Returns:
            float32, shape (n, H, W, C) in [-1, 1], or (n, 2) for a mixture.

        Raises:
            ValueError: n below 1 or a negative seed.
        """
        n, seed = check_int("n", n, 1), check_int("seed", seed, 0)
        latent = self.generator.blueprint.input_shape[0]
        noise = latent_noise(self.recipe.latent, n, latent, np.random.default_rng(seed))
        parts = [self.state.sample(part, use_average=use_average) for part in np.array_split(noise, math.ceil(n / 500))]
        return np.concatenate(parts).astype(np.float32)

    def save(self, folder: str | Path) -> None:
        """Write the run as ``ganbook.gradient_descent.checkpoint`` says; nothing half-written is ever left.

        Raises:
            CheckpointError: the folder holds a run of another recipe.
            NonFiniteLoss: an update has made a weight infinite or not a number, though no loss has shown it yet; the
                run saved before stands.
        """
        arrays = self.state.export()
        for role, group in arrays.items():
            for name, array in group.items():
                if not np.isfinite(array).all():
                    raise NonFiniteLoss(f"step {self.step}: {name} of the {role} is not finite. {ADVICE}")
        state = {
            "framework": self.framework,
            "step": self.step,
            "steps": self.steps,
            "data": self.trained_on,
            "seconds": self.seconds,
            "history": self.history,
            "rng": self.rng.bit_generator.state,
        }
        checkpoint.save(Path(folder), self.recipe, state, arrays)


def twin(module: str, framework: str) -> ModuleType:
    """Import one twin, and it alone.

    Args:
        module: its name without the ending, such as that of :mod:`ganbook.gradient_descent.step.steps_torch`.
        framework: ``pytorch`` or ``tensorflow``.

    Raises:
        ValueError: an unknown framework.
        ModuleNotFoundError: the framework is not installed.
    """
    return importlib.import_module(f"{module}_{_ENDINGS[check_choice('framework', framework, FRAMEWORKS)]}")


def start_run(recipe: Recipe, framework: str = "pytorch", *, device: str | None = None) -> Run:
    """A run that has made no step: initial weights drawn from the recipe's seed.

    Raises:
        ValueError: an unknown framework or device, or a setting of a network outside its range.

    Example:
        >>> run = start_run(Recipe(), "pytorch", device="cpu")
        >>> run.step, run.sample(2).shape
        (0, (2, 8, 8, 1))
    """
    rng = np.random.default_rng(recipe.seed)
    module = twin("ganbook.gradient_descent.step.train_state", framework)
    return Run(recipe, framework, module.TrainState(recipe, rng, device), rng)


def load_run(folder: str | Path, framework: str | None = None, *, device: str | None = None) -> Run:
    """Read a saved run, to sample from it or to go on with it, in the framework that wrote it or in the other.

    Args:
        folder: what :meth:`Run.save` wrote.
        framework: ``pytorch`` or ``tensorflow``; None means the one that wrote it.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.

    Raises:
        CheckpointError: the folder holds no complete run.
        ValueError: an unknown framework or device.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = train(until=1, out=folder, device="cpu")
        ...     load_run(folder, "tensorflow", device="cpu").step
        1
    """
    recipe, state, arrays = checkpoint.load(Path(folder))
    run = start_run(recipe, framework or state["framework"], device=device)
    try:
        run.state.load(arrays)
        run.rng.bit_generator.state = state["rng"]
        run.step, run.seconds, run.history = state["step"], state["seconds"], state["history"]
        run.steps, run.trained_on = state["steps"], state["data"]
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        file = Path(folder) / checkpoint.FILE
        raise checkpoint.CheckpointError(f"{file} does not belong together: {error}") from error
    return run


def train(
    recipe: Recipe | None = None,
    framework: str = "pytorch",
    *,
    until: int | None = None,
    steps: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    device: str | None = None,
    compiled: bool = False,
    distributed: bool = False,
    save_every: int = 0,
    sample_every: int = 0,
    source: Any = None,
    check_data: bool = True,
    progress: bool | None = None,
) -> Run:
    """Train a GAN from its first step, or go on from a saved one.

    Args:
        recipe: what to run; None means the default recipe, or with ``resume`` the one that the folder holds.
        framework: ``pytorch`` or ``tensorflow``.
        until: stop after this many steps of the whole run; None means all.
        steps: extend the run to this many steps, at least the recipe's; None keeps what the run has.  The recipe stays
            as it is, and so do its schedules: they end with the recipe's steps, and what is beyond goes on with the
            values that they end in.  So it makes no difference when a run was extended, and with constant rates it is
            the run of a recipe of more steps.
        out: folder to save the run in, at the end and every ``save_every`` steps; None saves nothing.
        resume: go on with the run that ``out`` holds; if it holds none, start one.
        device: ``cpu``, ``gpu`` or ``gpu:N``; None takes a GPU if the framework sees one.
        compiled: run many steps in one compiled call: the same numbers up to rounding, and several times faster for
            small dense networks, after some seconds of compiling; convolutions hardly gain.
        distributed: be one of several processes or devices that train this run together, each on its part of every
            batch: the same numbers up to rounding. ``device`` is then ``cpu``, ``gpu`` or None, and one process alone
            writes files.
        save_every, sample_every: steps between two checkpoints and two samples; 0 for none on the way.
        source: real examples in place of those that the recipe's ``data`` names: anything with ``shape`` and
            ``batch(rng, n)``, whose result depends on ``rng`` and ``n`` alone.  The run keeps their fingerprint.
        check_data: refuse batches that are not finite and images outside [-1, 1]; False lets them in, as the section
            "Practice" does to show what they do.
        progress: show a bar; None shows one on a terminal, and none under test.

    Returns:
        the run, at its last step.

    Raises:
        ValueError: an argument outside its range, or real examples outside theirs.
        CheckpointError: ``out`` holds a run and ``resume`` is False, or holds the run of another recipe or one that was
            trained on other examples, or another process trains into it.
        DataError: the recipe's data are not at hand.
        NonFiniteLoss: a loss became infinite or not a number; the step is named.

    Example:
        >>> run = train(until=2, device="cpu")
        >>> run.step, sorted(run.history)
        (2, ['discriminator_loss', 'generator_loss', 'penalty', 'step'])
    """
    plan = _Plan(
        until if until is None else check_int("until", until, 0),
        steps,
        out,
        check_int("save_every", save_every, 0),
        check_int("sample_every", sample_every, 0),
        source,
        check_data,
        progress,
    )
    if distributed and compiled:
        raise ValueError("compiled is True; accepted with distributed: False, since the engines cannot be compiled")
    if not distributed:
        run = _prepare(recipe, framework, out, resume, device)
        return _loop(run, make_runner(run, compiled), plan)
    engine = twin("ganbook.gradient_descent.distributed", framework)
    with engine.join(device) as team:
        with team.scope():
            run = _prepare(recipe, framework, out, resume, team.device)
        run.writes = team.first
        return _loop(
            run,
            engine.DistributedIterations(run.state, team).run,
            plan if team.first else dataclasses.replace(plan, progress=False),
        )


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How far a training goes, on what, and what it leaves on the way; the arguments of :func:`train`."""

    until: int | None
    steps: int | None
    out: str | Path | None
    save_every: int
    sample_every: int
    source: Any
    check_data: bool
    progress: bool | None


def _loop(run: Run, run_iterations: RunIterations, plan: _Plan) -> Run:
    out = Path(plan.out) if plan.out and run.writes else None
    if plan.steps is not None:
        run.steps = check_int("steps", plan.steps, run.steps)
    source, run.trained_on = find_source(run.recipe, run.trained_on, plan.source)
    sampler = make_sampler(run, source, plan.check_data)
    # A place that cannot be is better found now than after an hour.
    with checkpoint.alone(out) if out else contextlib.nullcontext():
        if out and checkpoint.read_step(out) != run.step:
            raise checkpoint.CheckpointError(
                f"another process has just trained into {out}; accepted: another folder, or the same call again"
            )
        # Processes that train together stop at the same steps: each call of run_iterations is a meeting of all.
        for _ in iterate(
            run,
            plan.save_every if plan.out else 0,
            plan.sample_every,
            sampler=sampler,
            run_iterations=run_iterations,
            until=plan.until,
            progress=plan.progress,
        ):
            if plan.sample_every and run.step % plan.sample_every == 0:
                run.samples.append((run.step, run.sample(SAMPLES, run.recipe.seed)))
            if out and plan.save_every and run.step % plan.save_every == 0:
                run.save(out)
        if out:
            run.save(out)
    return run


def _prepare(recipe: Recipe | None, framework: str, out: str | Path | None, resume: bool, device: str | None) -> Run:
    if resume and out is None:
        raise ValueError("resume is True and out is None; accepted with resume: the folder of a run")
    if out is not None and checkpoint.holds_run(Path(out)):
        if not resume:
            raise checkpoint.CheckpointError(
                f"{out} holds a run already; choose another folder, or go on with that run by resume=True (--resume)"
            )
        if recipe is not None:
            checkpoint.check_recipe(Path(out), recipe)
        return load_run(out, framework, device=device)
    return start_run(recipe if recipe is not None else Recipe(), framework, device=device)


def make_sampler(run: Run, source: Any, check_data: bool = True) -> InputSampler:
    """What draws the inputs of a run's iterations.

    Args:
        run: whose iterations.
        source: the real examples.
        check_data: as in :func:`train`.

    Raises:
        ValueError: the examples, the generator's and the discriminator's shapes are not one.

    Example:
        >>> run = start_run(Recipe(batch=4), device="cpu")
        >>> inputs = make_sampler(run, load_source(run.recipe)).iteration(0, run.rng)
        >>> inputs["discriminator"][0]["real"].shape
        (4, 8, 8, 1)
    """
    made, judged = run.generator.blueprint.output_shape, run.discriminator.blueprint.input_shape
    if not tuple(source.shape) == made == judged:
        raise ValueError(
            f"data {run.recipe.data!r} has examples of shape {tuple(source.shape)}, the generator makes "
            f"{made} and the discriminator takes {judged}; accepted: three equal shapes"
        )
    return InputSampler(
        run.recipe,
        source,
        run.generator.blueprint.input_shape[0],
        dropout_layers(run.generator),
        dropout_layers(run.discriminator),
        check_data,
    )


def iterate(
    run: Run,
    *every: int,
    sampler: InputSampler | None = None,
    run_iterations: RunIterations | None = None,
    until: int | None = None,
    progress: bool | None = False,
) -> Iterator[np.ndarray]:
    """Train a run, and stop on the way to let the caller look at it.

    Args:
        run: changed in place.
        every: stop after each step that is a multiple of one of these; 0 for no such stop.
        sampler: of :func:`make_sampler`; None means one of the examples that the recipe names.
        run_iterations: of :func:`make_runner`, or of devices that train together; None means one by one.
        until: the last step; None means all steps of the run.
        progress: as of :func:`train`.

    Yields:
        at each stop and after the last step, the three losses of the step just made, in the order of ``LOSSES``.

    Raises:
        NonFiniteLoss: a loss became infinite or not a number; the step is named.
    """
    sampler = sampler or make_sampler(run, load_source(run.recipe))
    run_iterations = run_iterations or run.state.run
    last = run.steps if until is None else min(until, run.steps)
    with tqdm(total=run.steps, initial=run.step, unit="step", disable=not show_bar(progress), leave=False) as bar:
        while run.step < last:
            stop = min([last, *[run.step - run.step % many + many for many in every if many]])
            while run.step < stop:
                count = min(STEPS_PER_CALL, stop - run.step)
                losses = _advance(run, sampler, run_iterations, count)
                bar.update(count)
            yield losses[-1]


def make_runner(run: Run, compiled: bool) -> RunIterations:
    """What runs a list of iterations and gives their losses, shape (iterations, 3): one by one, or compiled."""
    if not compiled:
        return run.state.run
    iterations = twin("ganbook.gradient_descent.step.compiled", run.framework).CompiledIterations(run.state)
    return lambda inputs: iterations.run(inputs, STEPS_PER_CALL)


def _advance(run: Run, sampler: InputSampler, run_iterations: RunIterations, count: int) -> np.ndarray:
    """Run ``count`` iterations and write them into the history; their losses."""
    started = time.perf_counter()
    losses = run_iterations([sampler.iteration(run.step + k, run.rng) for k in range(count)])
    run.seconds += time.perf_counter() - started
    every = max(1, run.steps // RECORDS)
    for step, row in enumerate(losses.tolist(), run.step + 1):
        if not all(map(math.isfinite, row)):
            named = ", ".join(f"{name} {value}" for name, value in zip(LOSSES, row, strict=True))
            raise NonFiniteLoss(f"step {step}: {named}. {ADVICE}")
        if step % every == 0:
            for name, value in zip(("step", *LOSSES), (step, *row), strict=True):
                run.history[name].append(value)
    run.step += count
    return losses


def show_bar(progress: bool | None) -> bool:
    """Whether to show a bar of progress: as asked for, else on a terminal only, and never under test."""
    if progress is not None:
        return progress
    return sys.stderr.isatty() and "PYTEST_CURRENT_TEST" not in os.environ

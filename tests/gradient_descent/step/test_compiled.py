"""Compiled iterations: the plain loop's numbers, the state handed back, and the plain loop where nothing compiles."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from ganbook.data.recipe import Optimiser, Schedule
from ganbook.gradient_descent import training
from gradient_descent.runs_at_hand import BASE, DIGITS, DISCRIMINATOR, GENERATOR, identical, next_inputs, spread, start
from parity import TWINS, module, variant

ROOT = Path(__file__).resolve().parents[3]

SAME = {"float64": 1e-10, "float32": 1e-4}
STEPS_PER_CALL = 10
twins = pytest.mark.parametrize("twin", TWINS)

EVERYTHING = {
    "generator": GENERATOR.with_(dropout=0.3, batch_norm=True, bias=False),
    "discriminator": DISCRIMINATOR.with_(dropout=0.4, spectral_norm=True),
}
CASES = {
    "everything": {
        **EVERYTHING,
        "loss": "relativistic",
        "r1": Schedule(1.0, 0.1, "linear"),
        "r2": 0.3,
        "generator_optimiser": Optimiser("adam", Schedule(0.01, 0.0, "cosine"), 0.5),
    },
    "simultaneous": {**EVERYTHING, "order": "simultaneous", "loss": "relativistic", "r1": 1.0, "r2": 0.3},
    "wgan_gp": {
        "loss": "wasserstein",
        "gradient_penalty": 10.0,
        "discriminator_steps": 2,
        "averaging": 0.0,
        "discriminator_optimiser": Optimiser("rmsprop", 0.001),
        "generator_optimiser": Optimiser("sgd", 0.01),
    },
    "clip": {
        "loss": "wasserstein",
        "clip": 0.1,
        "generator": EVERYTHING["generator"],
        "discriminator": DISCRIMINATOR.with_(batch_norm=True, bias=False),
        "discriminator_optimiser": Optimiser("momentum", 0.01, 0.5),
    },
    "convolutions": {name: getattr(DIGITS, name) for name in ("generator", "discriminator", "r1", "r2", "loss")},
    "unrolled": {
        "unrolled": 2,
        "loss": "relativistic",
        "generator": EVERYTHING["generator"],
        "discriminator": DISCRIMINATOR.with_(dropout=0.4, batch_norm=True, bias=False),
    },
    "packing, unrolled": {
        "discriminator": DISCRIMINATOR.with_(packing=3, dropout=0.4, spectral_norm=True),
        "unrolled": 1,
        "gradient_penalty": 1.0,
    },
    "float32": {
        "dtype": "float32",
        "generator_optimiser": Optimiser("sgd", 0.01),
        "discriminator_optimiser": Optimiser("momentum", 0.01, 0.5),
    },
}
cases = pytest.mark.parametrize("name", CASES)


def case(name):
    return BASE.replace(**CASES[name], steps=40)


@pytest.fixture
def no_compiler(monkeypatch):
    """PyTorch's compiled iterations run operation by operation: the same functions, in a tenth of a second."""
    import torch

    monkeypatch.setattr(torch, "compile", lambda function, **options: function)


def plain(twin, recipe, iterations):
    """Losses and state after some iterations in the plain loop."""
    run, sampler = start(twin, recipe)
    losses = run.state.run(next_inputs(run, sampler, iterations))
    return losses, run.state.export()


def check_compiled(twin, recipe):
    """Hold 25 compiled iterations, then 3 plain ones from where they ended, to as many plain ones."""
    run, sampler = start(twin, recipe)
    compiled, losses = module("gradient_descent.step.compiled", twin).CompiledIterations(run.state), []
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "compiled steps")
        for count in (STEPS_PER_CALL, STEPS_PER_CALL, 5):
            losses.append(compiled.run(next_inputs(run, sampler, count), STEPS_PER_CALL))
            run.step += count
            assert losses[-1].shape == (count, 3)
            assert losses[-1].dtype == np.float64
    error = spread((np.concatenate(losses), run.state.export()), plain(twin, recipe, 25))
    assert error <= SAME[recipe.dtype], f"relative error {error:.3g} after the compiled iterations"
    losses.append(run.state.run(next_inputs(run, sampler, 3)))
    error = spread((np.concatenate(losses), run.state.export()), plain(twin, recipe, 28))
    assert error <= SAME[recipe.dtype], f"relative error {error:.3g} after going on in the plain loop"


@cases
def test_compiled_rounds_of_tensorflow_are_the_plain_ones(name):
    check_compiled("tensorflow", case(name))


@pytest.mark.parametrize(("name", "fused"), [("clip", True), ("packing, unrolled", True), ("convolutions", False)])
def test_xla_compiles_no_convolution_for_a_processor(monkeypatch, name, fused):
    asked = []
    compiled = module("gradient_descent.step.compiled", "tensorflow")
    monkeypatch.setattr(
        compiled, "tf", variant(compiled.tf, function=lambda function, **options: asked.append(options) or function)
    )
    run, sampler = start("tensorflow", case(name))
    compiled.CompiledIterations(run.state).run(next_inputs(run, sampler, 1), STEPS_PER_CALL)
    assert asked == [{"jit_compile": fused}]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["everything", "simultaneous"])
def test_compiled_rounds_of_pytorch_are_the_plain_ones(name):
    check_compiled("torch", case(name))


@cases
def test_the_pure_rounds_of_pytorch_are_the_plain_ones(no_compiler, name):
    check_compiled("torch", case(name))


# Where nothing compiles.


@pytest.fixture
def broken(monkeypatch):
    """Make a twin's compiler fail, when it is asked for or at the first call."""

    def break_(twin, when):
        def fail(*given, **options):
            raise RuntimeError("\nno compiler on this machine\nand more")

        def compile_(function, **options):
            return function if options.get("autograph") is False else fail  # the plain loop of TensorFlow is a graph

        if twin == "torch":
            import torch

            monkeypatch.setattr(torch, "compile", fail if when == "asked" else compile_)
        else:
            compiled = module("gradient_descent.step.compiled", "tensorflow")
            monkeypatch.setattr(compiled, "tf", variant(compiled.tf, function=fail if when == "asked" else compile_))

    return break_


@pytest.mark.parametrize("when", ["asked", "called"])
@twins
def test_the_plain_loop_takes_over_with_one_warning(broken, twin, when):
    broken(twin, when)
    run, sampler = start(twin, case("clip"))
    compiled, losses = module("gradient_descent.step.compiled", twin).CompiledIterations(run.state), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for count in (STEPS_PER_CALL, 5):
            losses.append(compiled.run(next_inputs(run, sampler, count), STEPS_PER_CALL))
            run.step += count
    [warning] = caught
    assert warning.category is RuntimeWarning
    assert str(warning.message) == (
        "compiled steps are not to be had here, so the plain loop runs: no compiler on this machine"
    )
    expected, state = plain(twin, case("clip"), 15)
    assert np.array_equal(np.concatenate(losses), expected)
    assert identical(run.state.export(), state)


@pytest.mark.slow
def test_pytorch_without_a_compiler(tmp_path):
    """In a process of its own whose C++ compiler does not exist, training goes on, says so once and is the same."""
    script = (
        "from ganbook.gradient_descent.training import train\n"
        "from gradient_descent.runs_at_hand import BASE, Uniform\n"
        "run = train(BASE, compiled=True, source=Uniform(), device='cpu', out='run', until=3)\n"
    )
    environment = {
        **os.environ,
        "CXX": str(tmp_path / "none"),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("code", "tests")),
    }
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Warning") == done.stderr.count("compiled steps are not to be had here") == 1
    assert "No working C++ compiler" in done.stderr
    found = training.load_run(tmp_path / "run", device="cpu").state.export()
    assert spread((np.zeros(0), found), (np.zeros(0), plain("torch", BASE, 3)[1])) < 1e-12


def wrong(iterations):
    """The same inputs, but for real examples of another width."""
    return [
        {**inputs, "discriminator": [{**step, "real": step["real"][:, :, :3]} for step in inputs["discriminator"]]}
        for inputs in iterations
    ]


@twins
def test_a_fault_of_our_own_is_not_taken_for_the_compilers(no_compiler, twin):
    run, sampler = start(twin, case("float32"))
    compiled = module("gradient_descent.step.compiled", twin).CompiledIterations(run.state)
    with pytest.warns(RuntimeWarning, match="compiled steps"), pytest.raises(ValueError, match="x has shape"):
        compiled.run(wrong(next_inputs(run, sampler, 2)), 2)
    compiled = module("gradient_descent.step.compiled", twin).CompiledIterations(run.state)
    compiled.run(next_inputs(run, sampler, 2), 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "compiled steps")
        with pytest.raises(ValueError, match="x has shape"):
            compiled.run(wrong(next_inputs(run, sampler, 2)), 2)


# Planted mistakes.


def plant_filling(compiled, twin, monkeypatch):
    """The loop runs the filling of a partly filled call too."""
    right = compiled.CompiledIterations._inputs
    monkeypatch.setattr(
        compiled.CompiledIterations,
        "_inputs",
        lambda self, iterations, count: right(
            self, [*iterations, *[iterations[-1]] * (count - len(iterations))], count
        ),
    )


def plant_first_draws(compiled, twin, monkeypatch):
    """Every iteration of a call has the inputs of the first."""
    right = compiled.CompiledIterations._inputs
    monkeypatch.setattr(
        compiled.CompiledIterations,
        "_inputs",
        lambda self, iterations, count: right(self, [iterations[0]] * len(iterations), count),
    )


def plant_lost_state(compiled, twin, monkeypatch):
    """What the compiled iterations made of the optimisers' state is not handed back."""
    right = compiled.CompiledIterations.__init__

    def begin(self, state):
        right(self, state)
        assign = state.assign
        state.assign = lambda new: assign(new | {"optimiser": state.optimiser_state})

    monkeypatch.setattr(compiled.CompiledIterations, "__init__", begin)


@pytest.mark.parametrize(
    ("twin", "plant", "name"),
    [
        ("torch", plant_filling, "clip"),
        ("tensorflow", plant_filling, "clip"),
        ("torch", plant_first_draws, "clip"),
        ("tensorflow", plant_first_draws, "clip"),
        ("torch", plant_lost_state, "everything"),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_planted_mistakes_are_caught(no_compiler, monkeypatch, twin, plant, name):
    plant(module("gradient_descent.step.compiled", twin), twin, monkeypatch)
    with pytest.raises(AssertionError, match="relative error"):
        check_compiled(twin, case(name))

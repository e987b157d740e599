"""Mixed precision: layers in bfloat16; weights, optimiser state, losses and penalties in float32."""

from __future__ import annotations

import numpy as np
import pytest

from ganbook.data.recipe import DTYPES, Optimiser, parameter_dtype
from ganbook.gradient_descent import training
from gradient_descent.runs_at_hand import BASE, DIGITS, FRAMEWORK, Uniform, next_inputs, start
from parity import TWINS, as_numpy, module, relative_error

PENALISED = DIGITS.replace(batch=8, steps=3, loss="relativistic", r1=1.0, r2=1.0, dtype="float32")
RECIPES = {
    "penalised": PENALISED,
    "spectral": PENALISED.replace(discriminator=PENALISED.discriminator.with_(spectral_norm=True, dropout=0.3)),
    "batch_norm": PENALISED.replace(
        r1=0.0, r2=0.0, loss="non_saturating", discriminator=PENALISED.discriminator.with_(batch_norm=True)
    ),
    # Wide enough that rounding averages out: with seven units and six images it is 40 per cent of the gradient.
    "dense": BASE.replace(
        loss="wasserstein",
        gradient_penalty=1.0,
        dtype="float32",
        steps=3,
        batch=64,
        generator=BASE.generator.with_(hidden=(64, 64)),
        discriminator=BASE.discriminator.with_(hidden=(64, 64)),
    ),
}
twins = pytest.mark.parametrize("twin", TWINS)
recipes = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


def mixed(recipe):
    return recipe.replace(dtype="mixed_bfloat16")


def gradients(twin, recipe):
    """First gradients of both players: a step of plain descent at rate 1 moves the weights by them."""
    rule = Optimiser("sgd", 1.0)
    run, sampler = start(
        twin,
        recipe.replace(order="simultaneous", generator_optimiser=rule, averaging=0.0, discriminator_optimiser=rule),
    )
    before = run.state.export()
    run.state.run(next_inputs(run, sampler))
    after = run.state.export()
    return {
        role: np.concatenate(
            [
                (before[role][name] - after[role][name]).ravel()
                for name in before[role]
                if name.rpartition(".")[2] in ("weight", "gamma", "beta")
            ]
        )
        for role in before
    }


def test_what_is_stored():
    assert [parameter_dtype(dtype) for dtype in DTYPES] == ["float32", "float64", "float32"]


@twins
@recipes
def test_everything_kept_is_float32(twin, recipe):
    run = training.train(
        mixed(recipe), FRAMEWORK[twin], source=Uniform(recipe.generator.settings["shape"]), device="cpu"
    )
    assert {array.dtype.name for group in run.state.export().values() for array in group.values()} == {"float32"}
    assert np.isfinite([run.history[name] for name in training.LOSSES]).all()
    again = training.start_run(mixed(recipe), FRAMEWORK[twin], device="cpu")
    again.state.load(run.state.export())
    assert np.array_equal(again.sample(4), run.sample(4))
    assert run.sample(4).dtype == np.float32


@twins
def test_layers_compute_in_bfloat16(twin):
    networks = module("tensors.networks", twin)
    one, other = (networks.build(DIGITS.discriminator, 0, dtype, "cpu") for dtype in ("float32", "mixed_bfloat16"))
    images = Uniform((8, 8, 1)).batch(np.random.default_rng(0), 16)
    exact, rounded = (
        as_numpy(network(networks.to_native(images, network.dtype_name, "cpu"))) for network in (one, other)
    )
    assert rounded.dtype == np.float32
    assert 1e-4 < relative_error(rounded, exact) < 5e-2


@twins
@recipes
def test_gradients_are_some_per_cent_off(twin, recipe):
    exact, rounded = gradients(twin, recipe), gradients(twin, mixed(recipe))
    for role in exact:
        error = np.linalg.norm(rounded[role] - exact[role]) / np.linalg.norm(exact[role])
        assert 1e-4 < error < 0.1, role


@recipes
def test_twins_differ_by_rounding_alone(recipe):
    one, other = (gradients(twin, mixed(recipe)) for twin in TWINS)
    for role in one:
        assert np.linalg.norm(one[role] - other[role]) < 0.1 * np.linalg.norm(one[role]), role


@twins
def test_compiled_rounds_compute_in_bfloat16_too(twin):
    recipe = mixed(RECIPES["dense"])
    plain, compiled = (
        training.train(recipe, FRAMEWORK[twin], source=Uniform(), device="cpu", compiled=compiled)
        for compiled in (False, True)
    )
    for name in ("discriminator_loss", "penalty"):  # of the first step: Adam's first moves make much of rounding
        assert plain.history[name][0] == pytest.approx(compiled.history[name][0], rel=0.01)
    exact = training.train(RECIPES["dense"], FRAMEWORK[twin], source=Uniform(), device="cpu")
    assert compiled.history["penalty"] != pytest.approx(exact.history["penalty"], rel=1e-5)

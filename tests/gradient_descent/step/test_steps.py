"""One training step: twin against twin and against the oracle, what it may touch, and planted mistakes."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from ganbook import data
from ganbook.data.recipe import LOSSES, OPTIMISERS, Architecture, Optimiser, Schedule
from ganbook.gradient_descent.step import penalties_numpy as penalties
from ganbook.probability import losses_numpy as losses
from ganbook.tensors import exchange
from ganbook.tensors.layers_numpy import apply_layers
from gradient_descent.runs_at_hand import (
    BASE,
    DIGITS,
    DISCRIMINATOR,
    GENERATOR,
    OTHER,
    identical,
    make_step,
    next_inputs,
    plain_iterations,
    spread,
    start,
)
from gradient_descent.step.steps_numpy import LINEAR, linear_iteration, look_ahead_loss
from parity import TWINS, as_numpy, module, relative_error

STEP = {"float64": 1e-9, "float32": 1e-5}
twins = pytest.mark.parametrize("twin", TWINS)

# A bias that batch norm takes away again has a gradient of rounding noise, 1e-17, and Adam divides it by epsilon, 1e-8:
# 1e-9 of a step in a number without effect.  So these cases have no such bias; the run of 300 steps has them.
NORMALISED = {"generator": GENERATOR.with_(batch_norm=True, bias=False)}
DROPPED = {"generator": GENERATOR.with_(dropout=0.3), "discriminator": DISCRIMINATOR.with_(dropout=0.4)}
SPECTRAL = {"discriminator": DISCRIMINATOR.with_(spectral_norm=True)}
CONVOLUTIONS = {
    "generator": Architecture(
        "DCGANGenerator",
        {"latent": 5, "shape": (8, 8, 3), "channels": (5, 4, 3), "kernel": (3, 4, 5), "initialiser": "he"},
    ),
    "discriminator": Architecture("DCGANDiscriminator", {"shape": (8, 8, 3), "channels": (4, 5), "initialiser": "he"}),
}
PIXELS = {
    "generator": DIGITS.generator.with_(bias=False),
    "discriminator": Architecture(
        "ConvDiscriminator", {"shape": (8, 8, 1), "channels": (3, 4), "hidden": (5,), "spectral_norm": True}
    ),
}
# The derivative of a step of Adam or RMSProp by a gradient is as large as 1 over that gradient, so looking ahead
# through one magnifies the rounding of small gradients, the more the larger k; momentum does not.
STEADY = Optimiser("momentum", 0.05, 0.5)
CASES = {
    **{loss: {"loss": loss} for loss in LOSSES},
    **{
        f"{name}, momentum {beta1}": {
            f"{role}_optimiser": Optimiser(name, 0.01, beta1) for role in ("generator", "discriminator")
        }
        for name in OPTIMISERS
        for beta1 in (0.0, 0.5)
    },
    "r1": {"r1": 1.0},
    "r2": {"r2": 1.0, "loss": "hinge"},
    "r1 and r2": {"r1": 1.0, "r2": 0.3, "loss": "relativistic"},
    "wgan_gp": {"loss": "wasserstein", "gradient_penalty": 10.0},
    "clip": {"loss": "wasserstein", "clip": 0.05},
    "spectral": {**SPECTRAL, "loss": "hinge"},
    "spectral, r1 and wgan_gp": {**SPECTRAL, "r1": 0.5, "gradient_penalty": 1.0},
    "dropout": DROPPED,
    "dropout, penalties, pairs": {**DROPPED, "r1": 1.0, "r2": 0.3, "loss": "relativistic", "gradient_penalty": 1.0},
    "dropout, spectral, r2": {"discriminator": DISCRIMINATOR.with_(dropout=0.4, spectral_norm=True), "r2": 1.0},
    "batch norm in G": NORMALISED,
    "batch norm in both": {
        **NORMALISED,
        "discriminator": DISCRIMINATOR.with_(batch_norm=(2,), bias=False),
        "generator_optimiser": Optimiser("momentum", 0.01, 0.5),
        "discriminator_optimiser": Optimiser("momentum", 0.01, 0.5),
    },
    "uniform latent": {"latent": "uniform"},
    "three discriminator steps": {"discriminator_steps": 3, **NORMALISED},
    "no average": {"averaging": 0.0},
    "schedules": {
        "r1": Schedule(2.0, 0.0, "linear"),
        "generator_optimiser": Optimiser(learning_rate=Schedule(0.01, 0.001, "cosine")),
    },
    "a schedule that starts at 0": {"r1": Schedule(0.0, 1.0, "linear")},
    "dequantisation": {"dequantisation": 0.1},
    "simultaneous": {"order": "simultaneous"},
    "simultaneous, pairs, penalties": {"order": "simultaneous", "loss": "relativistic", "r1": 1.0, "r2": 0.3},
    "simultaneous, wgan_gp": {"order": "simultaneous", "loss": "wasserstein", "gradient_penalty": 10.0},
    "simultaneous, dropout, batch norm": {
        "order": "simultaneous",
        "generator": GENERATOR.with_(dropout=0.3, batch_norm=True, bias=False),
        "discriminator": DISCRIMINATOR.with_(dropout=0.4),
    },
    "simultaneous, spectral, clip": {**SPECTRAL, "order": "simultaneous", "clip": 0.1, "r2": 1.0},
    **{f"unrolled {k}": {"unrolled": k} for k in (1, 5)},
    "unrolled, pairs, penalties": {
        "unrolled": 2,
        "loss": "relativistic",
        "r1": 1.0,
        "r2": 0.3,
        "gradient_penalty": 1.0,
    },
    "unrolled, dropout, batch norm": {
        "unrolled": 2,
        "generator": NORMALISED["generator"].with_(dropout=0.3),
        "discriminator": DISCRIMINATOR.with_(batch_norm=(2,), bias=False, dropout=0.4),
        "discriminator_optimiser": STEADY,
    },
    "unrolled, spectral, clip": {
        **SPECTRAL,
        "unrolled": 3,
        "clip": 0.1,
        "loss": "wasserstein",
        "discriminator_optimiser": STEADY,
    },
    "unrolled, rmsprop": {"unrolled": 2, "discriminator_optimiser": Optimiser("rmsprop", 0.01)},
    "unrolled, spectral, r1": {**SPECTRAL, "unrolled": 2, "r1": 1.0, "discriminator_steps": 2},
    "packing": {"discriminator": DISCRIMINATOR.with_(packing=2)},
    "packing, dropout, penalties, pairs": {
        **DROPPED,
        "discriminator": DISCRIMINATOR.with_(packing=3, dropout=0.4, spectral_norm=True),
        "r1": 1.0,
        "r2": 0.3,
        "loss": "relativistic",
        "gradient_penalty": 1.0,
    },
    "packing, unrolled": {"discriminator": DISCRIMINATOR.with_(packing=2), "unrolled": 2, "gradient_penalty": 1.0},
    "packing, batch norm": {"discriminator": DISCRIMINATOR.with_(packing=2, batch_norm=True, bias=False)},
    "points": {"generator": GENERATOR.with_(shape=(2,)), "discriminator": DISCRIMINATOR.with_(shape=(2,))},
    "transposed convolutions": {**CONVOLUTIONS, "r1": 1.0, "r2": 1.0, "loss": "relativistic"},
    "pixel shuffle, spectral convolutions": {**PIXELS, "r1": 1.0},
    "convolutions, packing, unrolled": {
        **CONVOLUTIONS,
        "discriminator": CONVOLUTIONS["discriminator"].with_(packing=2),
        "unrolled": 2,
        "r1": 1.0,
        "discriminator_optimiser": STEADY,
    },
    "simultaneous convolutions": {**CONVOLUTIONS, "order": "simultaneous", "gradient_penalty": 1.0},
}
cases = pytest.mark.parametrize("name", CASES)


def case(name, dtype="float64"):
    return BASE.replace(**CASES[name], dtype=dtype)


def check_parity(recipe, iterations=1):
    """Hold every weight, moving tensor, moment and average, and the losses, of one twin to the other's."""
    error = spread(plain_iterations("torch", recipe, iterations), plain_iterations("tensorflow", recipe, iterations))
    assert error <= STEP[recipe.dtype], f"relative error {error:.3g} above {STEP[recipe.dtype]:g} in {recipe.dtype}"
    return error


# Twin against twin.


@cases
@pytest.mark.parametrize("dtype", STEP)
def test_one_step_is_the_same_in_both(name, dtype):
    check_parity(case(name, dtype))


@cases
def test_four_steps_are_the_same_in_both(name):
    check_parity(case(name), iterations=4)


@pytest.mark.parametrize(
    "name", ["unrolled 5", "unrolled, pairs, penalties", "packing, unrolled", "packing, dropout, penalties, pairs"]
)
def test_fifty_steps_are_the_same_in_both(name):
    check_parity(case(name), iterations=50)


def check_three_hundred_steps():
    """Hold two long runs on real digits to each other: rounding errors grow from 1e-16 and stay far below 1e-6."""
    ends, source = [], data.load("digits")
    for twin in TWINS:
        run, sampler = start(twin, DIGITS, source)
        before = run.state.export()
        found = run.state.run(next_inputs(run, sampler, 300))
        ends.append((found, run.state.export()))
        assert (
            min(
                relative_error(before[role][name], array)
                for role, arrays in ends[-1][1].items()
                for name, array in arrays.items()
                if name.endswith("weight") and "/" not in name
            )
            > 0.05
        )
    error = spread(*ends)
    assert error < 1e-6, f"relative error {error:.3g}"


def test_three_hundred_steps_of_a_convolutional_gan(monkeypatch):
    check_three_hundred_steps()
    plant_epsilon(module("gradient_descent.step.steps", "torch"), "torch", monkeypatch)
    with pytest.raises(AssertionError, match="relative error"):
        check_three_hundred_steps()


@twins
def test_the_loop_computes_what_the_steps_compute(twin):
    """TensorFlow's loop traces a graph once and runs it with the numbers of each round."""
    recipe = case("schedules")
    run, sampler = start(twin, recipe)
    looped = run.state.run(next_inputs(run, sampler, 4))
    assert looped.shape == (4, 3)
    assert looped.dtype == np.float64
    assert spread((looped, run.state.export()), plain_iterations(twin, recipe, 4)) < 1e-12


# Against the oracle.

ORACLE = {
    **{
        f"{loss}, {order}": {"loss": loss, "order": order}
        for loss in LOSSES
        for order in ("alternating", "simultaneous")
    },
    **{
        name: {"generator_optimiser": Optimiser(name, 0.01, 0.5), "discriminator_optimiser": Optimiser(name, 0.02, 0.5)}
        for name in OPTIMISERS
    },
    "penalties": {"r1": Schedule(1.0, 0.0, "linear"), "r2": 0.3, "gradient_penalty": 2.0, "loss": "relativistic"},
    "simultaneous penalties": {"r1": 1.0, "r2": 0.3, "gradient_penalty": 2.0, "order": "simultaneous"},
    "clip": {"loss": "wasserstein", "clip": 0.3},
    "three discriminator steps": {"discriminator_steps": 3, "loss": "relativistic"},
    "no average": {"averaging": 0.0},
}


def check_oracle(twin, fields, iterations=3):
    """Hold several iterations of a twin's linear players to derivatives written out by hand."""
    recipe = BASE.replace(**LINEAR, **fields)
    run, sampler = start(twin, recipe)
    expected, wanted = run.state.export(), []
    inputs = next_inputs(run, sampler, iterations)
    for iteration in inputs:
        row, expected = linear_iteration(recipe, expected, iteration)
        wanted.append(row)
    found = [run.state.one_iteration(run.state.native(iteration)) for iteration in inputs]
    found = np.array([[float(loss) for loss in row] for row in found])
    error = spread((found, run.state.export()), (np.array(wanted), expected))
    assert error <= STEP["float64"], f"relative error {error:.3g} to the oracle"


@pytest.mark.parametrize("name", ORACLE)
@twins
def test_linear_players_follow_the_derivatives_by_hand(twin, name):
    check_oracle(twin, ORACLE[name])


def judge(arrays, masks, x):
    """The oracle's discriminator: two hidden layers of tanh and dropout of 0.4, for real or complex input."""
    x = x.reshape(len(x), -1)
    for k in (1, 2):
        x = np.tanh(x @ arrays[f"dense_{k}.weight"] + arrays[f"dense_{k}.bias"]) * masks[f"dropout_{k}"] / 0.6
    return (x @ arrays["dense_3.weight"] + arrays["dense_3.bias"])[:, 0]


def objective(recipe, spec, state, inputs, role):
    """The oracle's objective of one player: its loss, its penalty, and what its step follows."""
    masks, rates = inputs["masks"], inputs["rates"]
    fake, _ = apply_layers(spec, inputs["noise"], state["generator"], True, masks["generator"])
    on = {use: functools.partial(judge, state["discriminator"], masks[use]) for use in ("real", "fake") if use in masks}
    real = inputs["real"].astype(np.float64) if "real" in inputs else None
    fake_logits, real_logits = on["fake"](fake), None if real is None else on["real"](real)
    if role == "generator":
        return losses.generator_loss(recipe.loss, real_logits, fake_logits), 0.0
    penalty = (
        rates["r1"] / 2 * penalties.r1(on["real"], real)[0]
        + rates["r2"] / 2 * penalties.r2(on["fake"], fake)[0]
        + (
            recipe.gradient_penalty * penalties.wgan_gp(on["fake"], real, fake, inputs["weights"])
            if recipe.gradient_penalty
            else 0.0
        )
    )
    return losses.discriminator_loss(recipe.loss, real_logits, fake_logits), penalty


SLOPES = {
    "non-saturating": {},
    "relativistic, r1, r2": {"loss": "relativistic", "r1": 1.0, "r2": 0.3},
    "wgan_gp": {"loss": "wasserstein", "gradient_penalty": 10.0},
}


def check_slopes(twin, fields):
    """Hold what one step of size 1 moves to differences of the oracle's objective, along random directions.

    The generator has batch norm and dropout and the discriminator dropout, each use with masks of its own, so a mask
    that goes astray shows.
    """
    recipe = BASE.replace(
        **{
            **DROPPED,
            "generator": GENERATOR.with_(dropout=0.3, batch_norm=True, activation="tanh"),
            "discriminator": DISCRIMINATOR.with_(dropout=0.4, activation="tanh"),
        },
        generator_optimiser=Optimiser("sgd", 1.0),
        discriminator_optimiser=Optimiser("sgd", 1.0),
        **fields,
    )
    run, sampler = start(twin, recipe)
    [iteration], players, rng = next_inputs(run, sampler), run.state, np.random.default_rng(5)
    for role, inputs in (("discriminator", iteration["discriminator"][0]), ("generator", iteration["generator"])):
        before = players.export()
        report = make_step(twin, players, role, inputs)
        after = players.export()
        at = functools.partial(objective, recipe, run.generator.blueprint.layers, inputs=inputs, role=role)
        loss, penalty = at(state=before)
        assert relative_error(report["loss"], loss) < 1e-10
        assert role == "generator" or relative_error(report["penalty"], penalty) < 1e-10
        for name in players.generator.trainable() if role == "generator" else players.discriminator.trainable():
            direction, size = rng.standard_normal(before[role][name].shape), 1e-5
            ends = [
                sum(at(state={**before, role: before[role] | {name: before[role][name] + offset}}))
                for offset in (size * direction, -size * direction)
            ]
            moved = np.sum((before[role][name] - after[role][name]) * direction)
            assert relative_error(moved, (ends[0] - ends[1]) / (2 * size), floor=1e-2) < 1e-6, (role, name)


@pytest.mark.parametrize("name", SLOPES)
@twins
def test_steps_follow_the_slope_of_the_stated_objective(twin, name):
    check_slopes(twin, SLOPES[name])


# Looking ahead.


def moved_by(twin, recipe, state, inputs):
    """What one step of the generator takes away from its weights, by name; the step is SGD of size 1."""
    players = start(twin, recipe)[0].state
    players.load(state)
    make_step(twin, players, "generator", inputs)
    after = players.export()["generator"]
    return {name: state["generator"][name] - after[name] for name in players.generator.trainable()}


def hold_to_slopes(moved, state, objective):
    """Hold what a step moved to differences of a function of the whole state, along one direction per tensor."""
    rng, size = np.random.default_rng(5), 1e-5
    for name, step in moved.items():
        direction = rng.standard_normal(step.shape)
        ends = [
            objective({**state, "generator": state["generator"] | {name: state["generator"][name] + offset}})
            for offset in (size * direction, -size * direction)
        ]
        assert relative_error(np.sum(step * direction), (ends[0] - ends[1]) / (2 * size), floor=1e-2) < 1e-6, name


SMOOTH = {
    "generator": GENERATOR.with_(activation="tanh"),
    "discriminator": DISCRIMINATOR.with_(activation="tanh"),
    "generator_optimiser": Optimiser("sgd", 1.0),
    "averaging": 0.0,
}
AHEAD = {
    **{
        f"{name}, momentum {beta1}": {"discriminator_optimiser": Optimiser(name, 0.02, beta1)}
        for name in OPTIMISERS
        for beta1 in (0.0, 0.5)
    },
    "pairs, penalties": {
        "loss": "relativistic",
        "r1": Schedule(1.0, 0.5, "linear"),
        "r2": 0.3,
        "gradient_penalty": 1.0,
    },
    "clip": {"clip": 0.3, "loss": "hinge"},
    "dropout, batch norm": {
        "generator": GENERATOR.with_(activation="tanh", dropout=0.3, batch_norm=True),
        "discriminator": DISCRIMINATOR.with_(activation="tanh", dropout=0.4, batch_norm=(1,)),
        "discriminator_optimiser": STEADY,
    },
    "packing": {"discriminator": DISCRIMINATOR.with_(activation="tanh", packing=3), "gradient_penalty": 1.0},
}


def check_ahead(twin, fields, unrolled=3):
    """Hold the generator's step to the slope of its loss after real steps of the discriminator on the same inputs."""
    recipe = BASE.replace(**{**SMOOTH, **fields}, unrolled=unrolled)
    steps, (run, sampler) = module("gradient_descent.step.steps", twin), start(twin, recipe)
    before, last = next_inputs(run, sampler, 2)  # a first round, so that the optimiser remembers something
    make_step(twin, run.state, "discriminator", before["discriminator"][0])
    state, inputs = run.state.export(), last["generator"]
    plain = recipe.replace(unrolled=0)

    def objective(state):
        players = start(twin, plain)[0].state
        players.load(state)
        for k in range(unrolled):
            rates = inputs["ahead"]["rates"] | {"t": inputs["ahead"]["rates"]["t"] + k}
            make_step(twin, players, "discriminator", {**inputs, **inputs["ahead"], "rates": rates})
        loss, _ = steps.generator_objective(plain, players.generator, players.discriminator, players.native(inputs))
        return float(as_numpy(loss))

    hold_to_slopes(moved_by(twin, recipe, state, inputs), state, objective)


@pytest.mark.parametrize("name", AHEAD)
@twins
def test_looking_ahead_is_the_slope_through_real_steps(twin, name):
    check_ahead(twin, AHEAD[name])


@pytest.mark.parametrize("name", ["penalties", "adam", "rmsprop", "momentum", "clip", "wasserstein, alternating"])
@twins
def test_looking_ahead_of_linear_players_is_the_slope_of_the_oracle(twin, name):
    recipe = BASE.replace(
        **{**LINEAR, **ORACLE[name], "generator_optimiser": Optimiser("sgd", 1.0), "unrolled": 4, "averaging": 0.0}
    )
    run, sampler = start(twin, recipe)
    before, last = next_inputs(run, sampler, 2)
    make_step(twin, run.state, "discriminator", before["discriminator"][0])
    state, inputs = run.state.export(), last["generator"]
    hold_to_slopes(moved_by(twin, recipe, state, inputs), state, lambda state: look_ahead_loss(recipe, state, inputs))


@twins
def test_looking_ahead_survives_gradients_of_zero(twin):
    """A discriminator of zeros gets no gradient but for its last bias: Adam's root is taken at 0."""
    run, sampler = start(twin, BASE.replace(unrolled=2, loss="relativistic"))
    players = run.state
    players.load(
        {
            role: {name: array * (role == "generator") for name, array in arrays.items()}
            for role, arrays in players.export().items()
        }
    )
    [iteration] = next_inputs(run, sampler)
    losses = make_step(twin, players, "generator", iteration["generator"])
    assert np.isfinite(float(losses["loss"]))
    assert all(np.isfinite(array).all() for arrays in players.export().values() for array in arrays.values())


# What a step may touch.

EVERYTHING = {
    "generator": GENERATOR.with_(dropout=0.3, batch_norm=True),
    "discriminator": DISCRIMINATOR.with_(spectral_norm=True, dropout=0.4),
}


def check_untouched(twin, fields):
    """Hold the other player's tensors, and this player's inputs, to what they were, bit for bit."""
    run, sampler = start(twin, BASE.replace(**fields))
    [iteration] = next_inputs(run, sampler)
    for role, other, inputs in (
        ("discriminator", "generator", iteration["discriminator"][0]),
        ("generator", "discriminator", iteration["generator"]),
    ):
        before = run.state.export()
        make_step(twin, run.state, role, inputs)
        after = run.state.export()
        assert identical({other: before[other]}, {other: after[other]}), f"the {role}'s step moved the {other}"
        assert all(not np.array_equal(before[role][name], after[role][name]) for name in getattr(run, role).export()), (
            role
        )


@pytest.mark.parametrize(
    "fields",
    [EVERYTHING, {**EVERYTHING, "r1": 1.0}, {**EVERYTHING, "unrolled": 2}],
    ids=["plain", "penalised", "unrolled"],
)
@twins
def test_a_step_leaves_the_other_player_alone(twin, fields):
    check_untouched(twin, fields)


@pytest.mark.parametrize("order", ["alternating", "simultaneous"])
@twins
def test_batch_norm_of_the_generator_moves_once_a_round(twin, order):
    check_moving(twin, order)


def check_moving(twin, order):
    """Hold the generator's moving statistics to the oracle's after one pass of the inputs of its own step."""
    run, sampler = start(twin, BASE.replace(**NORMALISED, order=order, discriminator_steps=1 + (order[0] == "a")))
    [iteration], before = next_inputs(run, sampler), run.state.export()["generator"]
    run.state.one_iteration(run.state.native(iteration))
    own = iteration["generator"] if order == "alternating" else iteration["discriminator"][0]
    _, moved = apply_layers(
        run.generator.blueprint.layers, own["noise"], {name: before[name] for name in run.generator.export()}, True
    )
    assert len(moved) == 4
    after = run.state.export()["generator"]
    assert max(relative_error(after[name], moved[name]) for name in moved) < 1e-12


@pytest.mark.parametrize("fields", [{}, {"r1": 1.0, "gradient_penalty": 1.0}], ids=["plain", "penalised"])
@twins
def test_spectral_vectors_move_on_in_the_discriminators_step_alone(twin, fields):
    run, sampler = start(twin, BASE.replace(**EVERYTHING, **fields))
    [iteration] = next_inputs(run, sampler)
    before = run.state.export()["discriminator"]
    make_step(twin, run.state, "discriminator", iteration["discriminator"][0])
    middle = run.state.export()["discriminator"]
    make_step(twin, run.state, "generator", iteration["generator"])
    after = run.state.export()["discriminator"]
    vectors = [name for name in before if name.endswith(".u")]
    assert len(vectors) == 3
    assert all(np.array_equal(middle[name], after[name]) for name in vectors)
    assert all(np.linalg.norm(middle[name]) == pytest.approx(1.0) for name in vectors)
    assert not all(np.array_equal(before[name], middle[name]) for name in vectors)


@twins
def test_simultaneous_gradients_are_taken_at_one_point(twin):
    """The simultaneous step is each player's own step from the same point, on the same inputs."""
    sgd = {f"{role}_optimiser": Optimiser("sgd", 0.1) for role in ("generator", "discriminator")}
    recipe = BASE.replace(**{**EVERYTHING, "discriminator": DISCRIMINATOR}, **sgd, r1=1.0, averaging=0.5)
    steps = module("gradient_descent.step.steps", twin)
    run, sampler = start(twin, recipe.replace(order="simultaneous"))
    [iteration], before = next_inputs(run, sampler), run.state.export()
    inputs, rates = iteration["discriminator"][0], iteration["generator"]["rates"]
    ends = {"simultaneous": None, "alternating": None, "discriminator": None, "generator": None}
    for which in ends:
        players = start(twin, recipe)[0].state
        players.load(before)
        if which == "simultaneous":
            new, _ = steps.simultaneous_step(
                recipe,
                players.networks,
                players.tensors(),
                players.native(inputs),
                players.native({"rates": rates})["rates"],
            )
            players.assign(new)
        if which in ("alternating", "discriminator"):
            make_step(twin, players, "discriminator", inputs)
        if which in ("alternating", "generator"):
            make_step(twin, players, "generator", {**inputs, "rates": rates})
        ends[which] = players.export()
    apart = {role: ends[role][role] for role in ("generator", "discriminator")}
    none = np.zeros(0)
    assert spread((none, ends["simultaneous"]), (none, apart)) < 1e-12
    assert spread((none, ends["simultaneous"]), (none, ends["alternating"])) > 1e-6


@twins
def test_the_average_follows_its_formula(twin):
    check_average(twin)


def check_average(twin):
    """Hold the averaged generator, moving statistics and all, to a = b a + (1 - b) w with the new w."""
    run, sampler = start(twin, BASE.replace(**NORMALISED, averaging=0.5, steps=100))
    average = run.generator.export()
    for iteration, decay in zip(next_inputs(run, sampler, 6), (0.1, 2 / 11, 3 / 12, 4 / 13, 5 / 14, 0.4), strict=True):
        run.state.one_iteration(run.state.native(iteration))
        new = run.generator.export()
        average = {name: decay * average[name] + (1 - decay) * new[name] for name in new}
    found = run.state.export()["generator"]
    assert max(relative_error(found[f"average/{name}"], average[name]) for name in average) < 1e-12
    noise = np.random.default_rng(0).standard_normal((4, 5))
    wanted, _ = apply_layers(run.generator.blueprint.layers, noise, average)
    assert relative_error(run.state.sample(noise), wanted) < 1e-12
    wanted, _ = apply_layers(run.generator.blueprint.layers, noise, new)
    assert relative_error(run.state.sample(noise, use_average=False), wanted) < 1e-12


@twins
def test_clipped_weights_stay_in_their_box(twin):
    _, state = plain_iterations(twin, case("clip"), 2)
    weights = [array for name, array in state["discriminator"].items() if "/" not in name]
    assert max(np.abs(array).max() for array in weights) == 0.05
    assert max(np.abs(state["generator"][name]).max() for name in ("dense_1.weight", "dense_2.weight")) > 0.05


@twins
def test_packs_are_judged_together(twin):
    run, sampler = start(twin, BASE.replace(discriminator=DISCRIMINATOR.with_(packing=3)))
    examples = sampler.source.batch(np.random.default_rng(0), 6)
    logits = run.state.judge(examples)
    packed = examples.reshape(2, 3, 4, 4, 1).transpose(0, 2, 3, 1, 4).reshape(2, -1)
    wanted, _ = apply_layers(run.discriminator.blueprint.layers[2:], packed, run.discriminator.export())
    assert relative_error(logits, wanted) < 1e-12
    assert logits.shape == (2,)
    swapped = run.state.judge(examples[[0, 1, 3, 2, 4, 5]])
    assert np.abs(swapped - logits).min() > 1e-6
    with pytest.raises(ValueError, match=r"batch is 4; accepted with packing 3: a multiple of 3"):
        run.state.judge(examples[:4])


@twins
def test_judging_and_sampling_change_nothing(twin):
    run, _ = start(twin, BASE.replace(**EVERYTHING))
    before = run.state.export()
    examples = run.state.sample(np.zeros((3, 5), np.float32))
    assert examples.shape == (3, 4, 4, 1)
    assert run.state.judge(examples).shape == (3,)
    assert identical(before, run.state.export())


# State in and out.


@pytest.mark.parametrize("name", OPTIMISERS)
@twins
def test_the_state_goes_on_in_either_twin(twin, name):
    recipe = BASE.replace(
        **EVERYTHING, **{f"{role}_optimiser": Optimiser(name, 0.01, 0.5) for role in ("generator", "discriminator")}
    )
    _, state = plain_iterations(twin, recipe, 2)
    for target in TWINS:
        players = start(target, recipe)[0].state
        players.load(state)
        assert identical(players.export(), state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state["generator"].pop("m/dense_2.bias"), "m/|dense_2.bias"),
        (lambda state: state["discriminator"].pop("dense_1.weight"), "dense_1.weight"),
        (lambda state: state["generator"].pop("average/dense_1.weight"), "dense_1.weight"),
        (lambda state: state["discriminator"].update({"q/dense_1.weight": np.zeros(1)}), "q"),
        (lambda state: state["discriminator"].update({"v/dense_1.weight": np.zeros((2, 2))}), "dense_1.weight"),
        (lambda state: state["discriminator"].update({"average/dense_1.weight": np.zeros((16, 7))}), "average"),
    ],
    ids=["moment", "weight", "average", "unknown group", "shape", "average of the discriminator"],
)
@twins
def test_a_wrong_state_is_refused(twin, change, message):
    players = start(twin, BASE)[0].state
    state = players.export()
    change(state)
    with pytest.raises(ValueError, match=message):
        players.load(state)


# Planted mistakes.


def plant_epsilon(steps, twin, monkeypatch):
    right = steps.update_all
    monkeypatch.setattr(
        steps,
        "update_all",
        lambda settings, *rest: right(dataclasses.replace(settings, epsilon=2 * settings.epsilon), *rest),
    )


def plant_missing_detach(steps, twin, monkeypatch):
    """The discriminator's step lets gradients through to the generator, and takes a step with them."""

    def step(recipe, networks, state, inputs, differentiate=steps.gradients):
        def objectives(weights):
            fake = steps._bound(networks, state, "generator", weights)(
                inputs["noise"], training=True, masks=inputs["masks"]["generator"]
            )
            value, report = steps.discriminator_objective(
                recipe, steps._bound(networks, state, "discriminator", weights), fake, inputs
            )
            return {"discriminator": value, "generator": value}, report

        found, report = differentiate(objectives, steps._weights(state, "discriminator", "generator"))
        for role in ("generator", "discriminator"):
            state = steps._updated(recipe, role, state, found, {}, inputs["rates"])
        return state, report

    monkeypatch.setattr(steps, "discriminator_step", step)


def plant_sign(name):
    def plant(steps, twin, monkeypatch):
        right = getattr(steps, name)
        monkeypatch.setattr(steps, name, lambda *logits: -right(*logits))

    return plant


def plant_axes(steps, twin, monkeypatch):
    assert twin == "torch"
    monkeypatch.setitem(exchange.TORCH_AXES, ("conv", "weight"), (3, 2, 1, 0))


def plant_others_gradient(steps, twin, monkeypatch):
    """The generator descends the discriminator's loss."""
    monkeypatch.setattr(steps, "generator_loss", steps.discriminator_loss)


def plant_gamma(name):
    def plant(steps, twin, monkeypatch):
        right = getattr(steps, name)
        monkeypatch.setattr(steps, name, lambda *given: (2 * right(*given)[0], right(*given)[1]))

    return plant


def plant_statistics(steps, twin, monkeypatch):
    """The discriminator's step moves the generator's statistics too."""
    right = steps.discriminator_step

    def step(recipe, networks, state, inputs, *rest):
        statistics = {}
        networks.generator(
            inputs["noise"],
            training=True,
            masks=inputs["masks"]["generator"],
            statistics=statistics,
            tensors=state["generator"],
        )
        return right(recipe, networks, state | {"generator": state["generator"] | statistics}, inputs, *rest)

    monkeypatch.setattr(steps, "discriminator_step", step)


def plant_old_average(steps, twin, monkeypatch):
    """The average takes the weights before the generator's update."""
    right, move = steps._updated, steps.ema_update

    def updated(recipe, role, state, found, statistics, rates):
        return right(
            recipe, role, move(state, rates["decay"]) if role == "generator" else state, found, statistics, rates
        )

    monkeypatch.setattr(steps, "_updated", updated)
    monkeypatch.setattr(steps, "ema_update", lambda state, decay: state)


def plant_one_mask(steps, twin, monkeypatch):
    """Real images pass through the fakes' masks."""
    right = steps.discriminator_objective
    monkeypatch.setattr(
        steps,
        "discriminator_objective",
        lambda recipe, discriminator, fake, inputs: right(
            recipe, discriminator, fake, {**inputs, "masks": {**inputs["masks"], "real": inputs["masks"]["fake"]}}
        ),
    )


def plant_alternating(steps, twin, monkeypatch):
    """The simultaneous step lets the generator see the new discriminator."""

    def step(recipe, networks, state, inputs, generator_rates, *rest):
        state, report = steps.discriminator_step(recipe, networks, state, inputs, *rest)
        state, other = steps.generator_step(recipe, networks, state, {**inputs, "rates": generator_rates}, *rest)
        return state, report | {"generator_loss": other["loss"]}

    monkeypatch.setattr(steps, "simultaneous_step", step)


def plant_stopped_gradient(steps, twin, monkeypatch):
    """The look-ahead takes the fakes for constants."""

    def constant(fake):
        if twin == "torch":
            return fake.detach()
        import tensorflow as tf

        return tf.stop_gradient(fake)

    right = steps.unrolled
    monkeypatch.setattr(steps, "unrolled", lambda *given: right(*given[:-1], constant(given[-1])))


def plant_one_update_less(steps, twin, monkeypatch):
    right = steps.unrolled
    monkeypatch.setattr(
        steps, "unrolled", lambda recipe, *rest: right(recipe.replace(unrolled=recipe.unrolled - 1), *rest)
    )


def plant_real_updates(steps, twin, monkeypatch):
    """The look-ahead leaves the discriminator where it looked."""
    right = steps.generator_step

    def step(recipe, networks, state, inputs, *rest):
        state, report = right(recipe, networks, state, inputs, *rest)
        state, _ = steps.discriminator_step(recipe, networks, state, {**inputs, **inputs["ahead"]}, *rest)
        return state, report

    monkeypatch.setattr(steps, "generator_step", step)


def oracle_check(name):
    return lambda twin: check_oracle(twin, ORACLE[name])


def untouched_check(fields=EVERYTHING):
    return lambda twin: check_untouched(twin, fields)


MISTAKES = {  # what is planted, the case of parity that shows it, and another check that shows it in one twin alone
    "Adam's epsilon": (plant_epsilon, "non_saturating", oracle_check("adam")),
    "missing detach": (plant_missing_detach, "non_saturating", untouched_check({})),
    "missing detach, penalised": (plant_missing_detach, "r1", oracle_check("adam")),
    "sign of the discriminator's loss": (plant_sign("discriminator_loss"), "hinge", oracle_check("hinge, alternating")),
    "sign of the generator's loss": (
        plant_sign("generator_loss"),
        "least_squares",
        lambda twin: check_slopes(twin, {}),
    ),
    "sign, simultaneous": (plant_sign("generator_loss"), "simultaneous", oracle_check("minimax, simultaneous")),
    "the discriminator's gradient": (plant_others_gradient, "relativistic", oracle_check("relativistic, alternating")),
    "gamma for R1": (plant_gamma("r1"), "r1", oracle_check("penalties")),
    "gamma for R2": (plant_gamma("r2"), "r2", lambda twin: check_slopes(twin, SLOPES["relativistic, r1, r2"])),
    "statistics moved twice": (plant_statistics, "batch norm in G", lambda twin: check_moving(twin, "alternating")),
    "statistics of the other player": (plant_statistics, "batch norm in G", untouched_check()),
    "average of old weights": (plant_old_average, "non_saturating", check_average),
    "masks mixed up": (plant_one_mask, "dropout", lambda twin: check_slopes(twin, {})),
    "a look-ahead at constant fakes": (
        plant_stopped_gradient,
        "unrolled 1",
        lambda twin: check_ahead(twin, AHEAD["adam, momentum 0.0"]),
    ),
    "one update less": (plant_one_update_less, "unrolled 5", lambda twin: check_ahead(twin, AHEAD["pairs, penalties"])),
    "a look-ahead that moves": (plant_real_updates, "unrolled 1", untouched_check({"unrolled": 1})),
    "simultaneous in turn": (plant_alternating, "simultaneous", oracle_check("hinge, simultaneous")),
}


@pytest.mark.parametrize("name", MISTAKES)
@twins
def test_planted_mistakes_are_caught(monkeypatch, twin, name):
    plant, shown, check = MISTAKES[name]
    check(twin)
    check(OTHER[twin])
    plant(module("gradient_descent.step.steps", twin), twin, monkeypatch)
    with pytest.raises(AssertionError):
        check_parity(case(shown))
    with pytest.raises(AssertionError):
        check(twin)
    check(OTHER[twin])


@pytest.mark.parametrize("shown", ["transposed convolutions", "pixel shuffle, spectral convolutions"])
def test_swapped_axes_are_caught(monkeypatch, shown):
    check_parity(case(shown))
    plant_axes(module("gradient_descent.step.steps", "torch"), "torch", monkeypatch)
    with pytest.raises(AssertionError):
        check_parity(case(shown))

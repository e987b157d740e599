"""The recipe: what it accepts, how it is saved, and the schedules in it."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbook.data import NAMES
from ganbook.data.recipe import (
    DTYPES,
    LATENTS,
    LOSSES,
    NETWORKS,
    OPTIMISERS,
    ORDERS,
    SCHEDULES,
    Architecture,
    Optimiser,
    Recipe,
    Schedule,
    check_choice,
    check_int,
    check_range,
)

# Helpers


def test_one_of():
    assert check_choice("loss", "hinge", LOSSES) == "hinge"
    with pytest.raises(ValueError, match=r"^loss is 'hing'; accepted: minimax, .*, relativistic$"):
        check_choice("loss", "hing", LOSSES)


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 1])
def test_in_range_accepts(value):
    assert check_range("x", value, 0.0, 1.0) == value


@pytest.mark.parametrize("value", [-1e-9, 1.1, math.nan, math.inf, -math.inf, True, "0.5", None])
def test_in_range_refuses(value):
    with pytest.raises(ValueError, match=r"^x is .*; accepted: a number at least 0 and at most 1$"):
        check_range("x", value, 0.0, 1.0)


def test_in_range_open_below():
    assert check_range("x", 1e-12, 0.0, open_low=True) == 1e-12
    with pytest.raises(ValueError, match=r"^x is 0; accepted: a number above 0$"):
        check_range("x", 0, 0.0, open_low=True)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(np.int64(3), int), (np.uint8(3), int), (np.array([3, 4])[0], int), (np.array(3), int), (3, int)],
)
def test_whole_numbers_of_numpy_are_whole_numbers(value, kind):
    assert type(check_int("n", value, 1)) is kind
    assert check_int("n", value, 1) == check_range("n", value, 1) == 3
    assert type(check_range("n", value, 1)) is kind


@pytest.mark.parametrize("value", [np.float64(0.5), np.float32(0.5), np.float16(0.5), np.array(0.5)])
def test_numbers_of_numpy_are_numbers(value):
    assert check_range("x", value, 0.0) == 0.5
    assert type(check_range("x", value, 0.0)) is float


@pytest.mark.parametrize(
    "value", [np.float32(1), np.bool_(True), np.array([1]), np.array([1, 2]), np.str_("1"), np.datetime64("2026-01-01")]
)
def test_what_else_comes_from_numpy_is_refused(value):
    with pytest.raises(ValueError, match=r"^n is .*; accepted: a whole number of at least 1$"):
        check_int("n", value, 1)
    if not isinstance(value, np.float32):
        with pytest.raises(ValueError, match=r"^n is .*; accepted: a number at least 0$"):
            check_range("n", value, 0)


@pytest.mark.parametrize("value", [0, 1.0, True, "1", None])
def test_whole_refuses(value):
    with pytest.raises(ValueError, match=r"^n is .*; accepted: a whole number of at least 1$"):
        check_int("n", value, 1)


# Schedules


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("constant", [2, 2, 2, 2, 2]),
        ("linear", [2, 1.75, 1.5, 1.25, 1]),
        ("cosine", [2, 1.5 + math.sqrt(2) / 4, 1.5, 1.5 - math.sqrt(2) / 4, 1]),
    ],
)
def test_schedule_values(kind, values):
    schedule = Schedule(2.0, 1.0, kind)
    assert [schedule.value(step, 100) for step in (0, 25, 50, 75, 100)] == pytest.approx(values, rel=1e-14)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_schedule_holds_its_ends(kind):
    schedule = Schedule(2.0, 1.0, kind)
    assert schedule.value(-5, 10) == schedule.value(0, 10) == 2
    assert schedule.value(20, 10) == schedule.value(10, 10)


@settings(deadline=None, derandomize=True)
@given(st.floats(0, 10), st.floats(0, 10), st.sampled_from(SCHEDULES), st.integers(0, 99))
def test_schedule_is_monotone_between_its_ends(start, end, kind, step):
    schedule = Schedule(start, end, kind)
    here, there = schedule.value(step, 100), schedule.value(step + 1, 100)
    assert min(start, end) - 1e-12 <= here <= max(start, end) + 1e-12
    assert (there - here) * (end - start) >= -1e-12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0,), "start is -1.0"),
        ((1.0, -2.0), "end is -2.0"),
        ((1.0, 0.0, "steps"), "kind is 'steps'"),
        ((math.nan,), "start is nan"),
    ],
)
def test_schedule_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Schedule(*arguments)


# Optimisers and architectures


def test_a_plain_learning_rate_is_a_constant_schedule():
    assert Optimiser(learning_rate=0.5) == Optimiser(learning_rate=Schedule(0.5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(name="adamw"), "optimiser is 'adamw'; accepted: " + ", ".join(OPTIMISERS)),
        (dict(learning_rate=0.0), "learning_rate is 0.0"),
        (dict(beta1=1.0), "beta1 is 1.0"),
        (dict(beta1=-0.1), "beta1 is -0.1"),
        (dict(beta2=1.0), "beta2 is 1.0"),
        (dict(beta2=1.5), "beta2 is 1.5"),
        (dict(epsilon=0.0), "epsilon is 0.0"),
    ],
)
def test_optimiser_refuses(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Optimiser(**arguments)


def test_architectures_compare_by_value_and_cannot_be_changed():
    one = Architecture("MLPGenerator", {"latent": 32, "shape": [8, 8, 1]})
    same = Architecture("MLPGenerator", {"shape": (8, 8, 1), "latent": 32})
    assert one == same
    assert hash(one) == hash(same)
    assert one.with_(latent=2) != one
    assert one.with_(latent=2).settings == {"latent": 2, "shape": (8, 8, 1)}
    with pytest.raises(TypeError):
        one.settings["latent"] = 3
    with pytest.raises(ValueError, match="kind is 'MLP'; accepted: " + ", ".join(NETWORKS)):
        Architecture("MLP")


def test_an_architecture_of_numbers_of_numpy_is_one_of_numbers():
    images = np.zeros((5, 8, 8, 1))
    one = Architecture(
        "MLPGenerator",
        {
            "latent": np.int64(32),
            "shape": images[0].shape,
            "slope": np.float64(0.2),
            "hidden": np.array([64, 32]),
            "bias": np.bool_(True),
            "kernel": [np.int8(3)],
        },
    )
    same = Architecture(
        "MLPGenerator",
        {"latent": 32, "shape": (8, 8, 1), "slope": 0.2, "hidden": (64, 32), "bias": True, "kernel": (3,)},
    )
    assert one == same
    assert hash(one) == hash(same)
    assert repr(one) == repr(same)


def test_an_architecture_does_not_follow_its_argument():
    settings = {"latent": 32}
    architecture = Architecture("MLPGenerator", settings)
    settings["latent"] = 1
    assert architecture.settings["latent"] == 32


# Recipes

BAD = {
    "name": ["", "a b", "a/b", "../x", "ü", "a\n", 5, ["a"]],
    "data": [5, ["digits"]],
    "latent": ["gauss"],
    "loss": ["gan"],
    "order": ["both"],
    "dtype": ["float16"],
    "r1": [-1.0],
    "r2": [math.nan],
    "gradient_penalty": [-1],
    "clip": [-0.01],
    "dequantisation": [math.inf],
    "averaging": [1.0, -0.1, 2.0],
    "discriminator_steps": [0, 1.5],
    "batch": [0],
    "unrolled": [-1, 0.5, True],
    "steps": [0, "many"],
    "seed": [-1, 0.5],
    "size": [0, 2.5],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
def test_recipe_refuses(field, value):
    # A schedule names its own field: r1=-1.0 becomes Schedule(-1.0), whose start is at fault.
    name = "start" if field in ("r1", "r2") else field
    with pytest.raises(ValueError, match=f"^{name} is .*; accepted"):
        Recipe(**{field: value})


def test_every_accepted_name_is_accepted():
    for field, names in (("latent", LATENTS), ("loss", LOSSES), ("order", ORDERS), ("dtype", DTYPES)):
        for name in names:
            assert getattr(Recipe(**{field: name}), field) == name


def test_the_default_recipe_runs_on_a_set_that_exists():
    assert Recipe().data in NAMES


def test_simultaneous_order_takes_one_discriminator_step():
    assert Recipe(order="simultaneous").discriminator_steps == 1
    with pytest.raises(ValueError, match=r"^discriminator_steps is 2"):
        Recipe(order="simultaneous", discriminator_steps=2)


def test_simultaneous_order_does_not_look_ahead():
    assert Recipe(unrolled=5).unrolled == 5
    with pytest.raises(ValueError, match=r"^unrolled is 2; accepted with order 'simultaneous': 0"):
        Recipe(order="simultaneous", unrolled=2)


def test_a_batch_is_made_of_whole_packs():
    packed = Recipe().discriminator.with_(packing=3)
    assert Recipe(discriminator=packed, batch=129).packing == 3
    assert Recipe().packing == 1
    with pytest.raises(ValueError, match=r"^batch is 128; accepted with packing 3: a multiple of 3$"):
        Recipe(discriminator=packed)
    with pytest.raises(ValueError, match=r"^packing is 0; accepted"):
        Recipe(discriminator=packed.with_(packing=0))


def test_recipe_is_frozen_and_hashable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().steps = 3
    assert len({Recipe(), Recipe(), Recipe(seed=1)}) == 2
    assert Recipe().replace(r1=2.0).r1 == Schedule(2.0)


VARIED = Recipe(
    name="varied",
    data="stacked_mnist",
    split="test",
    size=32,
    scale=2.0,
    generator=Architecture("DCGANGenerator", {"filters": (64, 32)}),
    discriminator=Architecture("ConvDiscriminator", {"dropout": 0.3, "bias": False, "activation": "elu"}),
    latent="uniform",
    loss="hinge",
    r1=Schedule(2.0, 0.2, "linear"),
    r2=0.0,
    gradient_penalty=10.0,
    clip=0.01,
    generator_optimiser=Optimiser("rmsprop", Schedule(1e-3, 1e-5, "linear"), 0.5, 0.9, 1e-7),
    order="simultaneous",
    batch=64,
    steps=7,
    averaging=0.0,
    dequantisation=0.125,
    seed=9,
    dtype="float64",
)


@pytest.mark.parametrize("recipe", [Recipe(), VARIED], ids=["default", "varied"])
def test_json_round_trip(recipe):
    text = recipe.to_json()
    again = Recipe.from_json(text)
    assert again == recipe
    assert hash(again) == hash(recipe)
    assert again.to_json() == text
    assert text.endswith("}\n")


def test_json_holds_every_field():
    plain = json.loads(VARIED.to_json())
    assert list(plain) == [field.name for field in dataclasses.fields(Recipe)]
    assert plain["r1"] == {"start": 2.0, "end": 0.2, "kind": "linear"}
    assert plain["generator"] == {"kind": "DCGANGenerator", "settings": {"filters": [64, 32]}}


def test_varied_differs_from_the_default_in_every_field():
    same = [
        field.name
        for field in dataclasses.fields(Recipe)
        if getattr(VARIED, field.name) == getattr(Recipe(), field.name)
    ]
    assert same == ["discriminator_optimiser", "discriminator_steps", "unrolled"]  # one point leaves no choice


def test_a_recipe_of_numbers_of_numpy_is_one_of_numbers():
    def numbers(kind, real):
        optimiser = Optimiser("adam", Schedule(real(0.25), real(0.125), "linear"), real(0.5), real(0.75), real(0.5))
        return Recipe(
            size=kind(16),
            scale=real(2),
            gradient_penalty=real(0.5),
            clip=real(0.5),
            r1=real(1),
            averaging=real(0.5),
            dequantisation=real(0.5),
            discriminator_steps=kind(2),
            unrolled=kind(1),
            batch=kind(64),
            steps=kind(7),
            seed=kind(9),
            generator_optimiser=optimiser,
            discriminator=Architecture("MLPDiscriminator", {"packing": kind(2)}),
        )

    one, same = numbers(np.int64, np.float32), numbers(int, float)
    assert one == same
    assert one.to_json() == same.to_json()
    assert repr(one) == repr(same)


def changed(path, value):
    """The default recipe as JSON with one entry replaced (or removed, for None)."""
    plain = json.loads(Recipe().to_json())
    *folders, last = path.split(".")
    inner = plain
    for folder in folders:
        inner = inner[folder]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(plain)


@pytest.mark.parametrize("path", ["loss", "r1.kind", "generator.settings", "generator_optimiser.learning_rate"])
def test_json_from_before_a_field_was_added_is_read_with_its_default(path):
    plain = json.loads(changed(path, None))
    default = Recipe.from_json(json.dumps(plain))
    if path == "loss":
        assert default == Recipe()
    assert Recipe.from_json(default.to_json()) == default


def test_a_large_whole_number_where_any_number_is_accepted_becomes_one_that_frameworks_take():
    assert type(Schedule(10**300).start) is float
    assert type(Schedule(10**6).start) is int


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "^recipe is not JSON"),
        ("[]", r"^recipe is \[\]"),
        (changed("los", "hinge"), r"^recipe has unknown fields \['los'\]"),
        (changed("r1.start", None), r"^recipe\.r1 .*lacks \['start'\]"),
        (changed("generator.kind", None), r"^recipe\.generator .*lacks \['kind'\]"),
        (
            '{"r1": {"start": 1, "end": 2, "start": 3}}',
            r"^recipe has the field 'start' twice; accepted: each field once$",
        ),
        ('{"generator": ' + "[" * 5000 + "]" * 5000 + "}", "^recipe is nested too deeply"),
        ('{"seed": 1' + "0" * 5000 + "}", "digits"),
        (
            changed("generator_optimiser.learning_rate.speed", 1),
            r"^recipe\.generator_optimiser\.learning_rate has unknown",
        ),
        (changed("generator", "MLPGenerator"), r"^recipe\.generator is 'MLPGenerator'"),
        (changed("loss", "gan"), "^loss is 'gan'"),
        (changed("steps", 2.5), r"^steps is 2\.5"),
        (changed("generator.settings", [1]), r"^settings is \[1\]; accepted: a mapping"),
        (changed("generator.settings.hidden", [[1]]), r"^setting 'hidden' is \(\(1,\),\); accepted: a number, a name"),
        (changed("generator.settings.slope", {"a": 1}), r"^setting 'slope' is \{'a': 1\}; accepted: a number, a name"),
        (changed("batch", 2**63), r"^batch is 9223372036854775808; accepted: .* and at most 9223372036854775807$"),
        (changed("discriminator_steps", 1001), r"^discriminator_steps is 1001; accepted: .* and at most 1000$"),
        (changed("clip", 10**400), r"^clip is 10+; accepted: a number at least 0 and at most 3e\+38$"),
    ],
)
def test_damaged_json_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        Recipe.from_json(text)

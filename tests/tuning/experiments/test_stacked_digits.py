"""Stacked digits: what the methods share, what is measured, and bounds that a count without digits does not pass."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ganbook import data
from ganbook.data.recipe import FRAMEWORKS, Recipe
from ganbook.gradient_descent import training
from ganbook.tuning import results
from ganbook.tuning.experiments import stacked_digits, table_runs, tables
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.experiments.registry import TABLES
from ganbook.tuning.metrics import modes

NUMBERS = tuple(stacked_digits.STEPS)
METHODS = tuple(stacked_digits.METHODS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", NUMBERS)
def test_a_recipe_fits_its_stacks_and_survives_json(n, method):
    recipe = stacked_digits.stacked_recipe(n, method, seed=3)
    assert Recipe.from_json(recipe.to_json()) == recipe
    run = training.start_run(recipe, "pytorch", device="cpu")
    source = training.load_source(recipe)
    assert source.shape == run.generator.blueprint.output_shape == run.discriminator.blueprint.input_shape == (8, 8, n)
    assert recipe.packing == (stacked_digits.PACKING if method == "packing" else 1)
    assert (recipe.steps, recipe.seed) == (stacked_digits.STEPS[n], 3)


def test_the_methods_differ_in_loss_penalties_and_packing_alone():
    recipes = [cell.recipe for cell in stacked_digits.STACKED_DIGITS_METHODS.cells]
    first, *others = [
        json.loads(recipe.replace(discriminator=recipe.discriminator.with_(packing=1)).to_json()) for recipe in recipes
    ]
    assert first["steps"] == stacked_digits.COMPARED_STEPS
    assert {recipe.packing for recipe in recipes} == {1, stacked_digits.PACKING}
    for other in others:
        assert {field for field in first if first[field] != other[field]} <= {"name", "loss", "r1", "r2"}


def test_no_digit_of_the_stacks_is_known_to_the_classifier():
    source = training.load_source(stacked_digits.stacked_recipe(2))
    known = {image.tobytes() for image in data.load("digits", split="train").images}
    assert not known & {image.tobytes() for image in source.base.images}
    assert len(stacked_digits.classifier().known) == len(data.load("digits", split="train"))
    assert stacked_digits.classifier().accuracy > 0.98


def test_limits_of_two_digits():
    limits = stacked_digits.limits(2)
    assert {bound.samples for bound in (limits.floor, limits.ceiling, limits.control)} == {2600}
    assert limits.floor.modes == limits.ceiling.modes == 100
    assert limits.floor.kl == pytest.approx(99 / 5200, rel=0.02)
    assert limits.floor.kl < limits.ceiling.kl < 0.05 < limits.control.kl
    assert limits.control_readable < 0.5 < modes.READABLE


class Stub:
    """A run whose averaged generator makes real stacks, and whose last weights make one stack again and again."""

    def __init__(self, n):
        self.source = training.load_source(stacked_digits.stacked_recipe(n))
        self.generator = SimpleNamespace(blueprint=SimpleNamespace(output_shape=(8, 8, n)))

    def sample(self, n, seed, *, use_average):
        stacks = self.source.batch(np.random.default_rng(seed), n)
        return stacks if use_average else np.repeat(stacks[:1], n, axis=0)


def check_measures(measure):
    """Hold the measures of real stacks and of a single stack to what they must be."""
    found = measure(Stub(2))
    assert set(found) == set(stacked_digits.MEASURES)
    limits = stacked_digits.limits(2)
    assert (found["modes"], found["last_modes"]) == (100, 1)
    assert limits.floor.kl / 2 < found["kl"] < 2 * limits.ceiling.kl
    assert found["last_kl"] == pytest.approx(np.log(100))
    assert found["readable"] == pytest.approx(modes.READABLE, abs=0.03)


def test_what_is_measured():
    check_measures(stacked_digits.measure_stacks)


def test_measures_of_the_wrong_weights_are_caught():
    def mixed_up(run):
        found = stacked_digits.measure_stacks(run)
        return {f"last_{name}" if not name.startswith("last_") else name[5:]: value for name, value in found.items()}

    with pytest.raises(AssertionError):
        check_measures(mixed_up)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_few_steps_of_packing_run(framework):
    run = training.train(stacked_digits.stacked_recipe(2, "packing"), framework, until=2, device="cpu")
    assert np.isfinite(run.history["discriminator_loss"]).all()
    assert run.sample(3).shape == (3, 8, 8, 2)


@pytest.mark.slow
def test_two_digits_train_while_one_waits():
    """The promise of the page: every pair of digits, far more evenly and readably than stacks without a digit."""
    run = training.train(stacked_digits.stacked_recipe(2), "tensorflow", compiled=True, device="cpu")
    found, limits = stacked_digits.measure_stacks(run), stacked_digits.limits(2)
    assert found["modes"] == 100
    assert found["kl"] < limits.control.kl / 2
    assert found["readable"] > 2 * limits.control_readable


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4,), "n is 4; accepted: 2, 3"),
        ((0,), "n is 0; accepted: a whole number of at least 1"),
        ((2, "unrolled"), "method is 'unrolled'; accepted: relativistic_r1_r2, r1, packing, non_saturating"),
        ((2, "r1", 0), "steps is 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        stacked_digits.stacked_recipe(*arguments)


@pytest.mark.parametrize(
    "table", [stacked_digits.STACKED_DIGITS, stacked_digits.STACKED_DIGITS_METHODS], ids=lambda table: table.name
)
def test_the_stored_runs(table):
    """Whatever is stored belongs to the recipes of today; numbers lie between what can be."""
    assert TABLES[table.name] is table
    records = tables.read_table(table)
    assert records
    for record in records:
        assert record["failed"] is None
        assert 1 <= record["modes"] <= 1000
        assert 0.01 < record["kl"] <= np.log(1000)
        assert 0 <= record["readable"] <= 1


def test_stacks_are_as_deep_as_the_networks():
    recipe = stacked_digits.stacked_recipe(2)
    deeper = recipe.replace(generator=recipe.generator.with_(shape=(8, 8, 4)))
    assert training.load_source(deeper).shape == (8, 8, 4)
    with pytest.raises(ValueError, match="accepted: three equal shapes"):
        training.train(deeper, device="cpu", until=1)
    assert json.loads(recipe.to_json())["generator"]["settings"]["shape"] == [8, 8, 2]


# The articles' own DCGANs.


def narrow(recipe):
    return recipe.replace(
        batch=4,
        steps=14,
        generator=recipe.generator.with_(channels=(8, 4, 2)),
        discriminator=recipe.discriminator.with_(channels=(2, 4)),
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_dcgan_is_measured_on_the_way(framework, tmp_path, monkeypatch):
    monkeypatch.setattr(modes, "SAMPLES_PER_MODE", 1)
    recipe = narrow(RECIPES["colour-dcgan"])
    made = stacked_digits._as_listed("article_001", recipe, (framework,), 6)
    [record] = table_runs.run_table(made, tmp_path, device="cpu", report=lambda line: None)
    assert record["curve"]["step"] == [0, 6, 12, 14]
    again = training.train(recipe, framework, until=6, device="cpu")
    expected = stacked_digits.measure_dcgan(again)
    assert {name: values[1] for name, values in record["curve"].items() if name != "step"} == expected
    assert {name: record["curve"][name][-1] for name in made.measures} == {name: record[name] for name in made.measures}
    limits = record["limits"]
    assert limits["control"]["readable"] < 0.5 < limits["ceiling"]["readable"] == modes.READABLE
    assert 0.98 < limits["accuracy"] < 1
    picture = np.asarray(Image.open(tables.picture_of(made, made.cells[0], tmp_path)))
    assert picture.shape[2] == 3


@pytest.mark.parametrize("made", [stacked_digits.ARTICLE_001, stacked_digits.ARTICLE_004], ids=lambda made: made.name)
def test_what_was_left_of_the_articles(made):
    records = tables.read_table(made)
    assert [record["framework"] for record in records] == [cell.framework for cell in made.cells]
    for record, cell in zip(records, made.cells, strict=True):
        assert record["curve"]["step"] == list(range(0, cell.recipe.steps + 1, made.every))
        assert {len(values) for values in record["curve"].values()} == {len(record["curve"]["step"])}
        assert record["limits"]["ceiling"]["modes"] == 1000
        assert tables.picture_of(made, cell).exists()


def test_the_recipes_are_the_articles():
    first, last = (made.cells[0].recipe for made in (stacked_digits.ARTICLE_001, stacked_digits.ARTICLE_004))
    assert first.generator.settings["shape"] == (28, 28, 3)
    assert last.generator.settings["shape"] == last.discriminator.settings["shape"] == (32, 32, 3)
    assert "channels" not in first.generator.settings
    for rule in (first.generator_optimiser, first.discriminator_optimiser):
        assert (rule.name, rule.learning_rate.start, rule.beta2, rule.epsilon) == ("rmsprop", 2e-4, 0.5, 1e-7)
    for rule in (last.generator_optimiser, last.discriminator_optimiser):
        assert (rule.name, rule.learning_rate.start, rule.beta1, rule.beta2, rule.epsilon) == (
            "adam",
            2e-4,
            0.5,
            0.999,
            1e-7,
        )
    assert (first.batch, first.loss, first.penalised) == (128, "non_saturating", False)


def test_the_published_table_names_its_sources():
    table = results.read_result("stacked_mnist_published.json", ("title", "protocol", "steps", "rows", "sources"))
    assert table["steps"] == 50 * 128_000 // 64
    for row in table["rows"]:
        assert row["source"] in table["sources"]
        assert row["protocol"] in table["protocol"]
        # No divergence is below that of equally frequent modes, up to rounding.
        assert row["kl"] >= np.log(1000 / row["modes"]) - 0.005
    assert {row["source"] for row in table["rows"]} == set(table["sources"])

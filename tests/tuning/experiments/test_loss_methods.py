"""The comparison of losses and penalties: one budget for all, every loss in it, the measures, and the winning rates."""

import numpy as np
import pytest

from ganbook.data.recipe import LOSSES
from ganbook.gradient_descent import training
from ganbook.tuning.experiments import loss_methods, tables
from ganbook.tuning.metrics import frechet
from ganbook.tuning.metrics.neighbours import measure_neighbourhoods

DATA = tuple(loss_methods.SETTINGS)
#: What a method may set for itself; everything else is equal.
OWN = {
    "loss",
    "r1",
    "r2",
    "gradient_penalty",
    "clip",
    "discriminator_steps",
    "discriminator",
    "generator_optimiser",
    "discriminator_optimiser",
    "seed",
}


def fields(recipe):
    """A recipe's fields by name."""
    return {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("method", loss_methods.METHODS)
def test_the_budget_is_equal(method, data):
    common = fields(loss_methods.SETTINGS[data])
    recipe = fields(loss_methods.recipe(method, data, 1e-3, seed=3))
    assert {name for name in common if recipe[name] != common[name]} <= OWN
    assert (recipe["steps"], recipe["batch"], recipe["averaging"]) == (
        common["steps"],
        common["batch"],
        loss_methods.AVERAGING,
    )
    assert recipe["generator_optimiser"] == recipe["discriminator_optimiser"]
    # Nothing but the division by the norm distinguishes two discriminators: weights and widths are the same.
    assert recipe["discriminator"].with_(spectral_norm=False) == common["discriminator"].with_(spectral_norm=False)


def test_every_loss_and_every_restraint_takes_part():
    methods = loss_methods.METHODS.values()
    assert {method.loss for method in methods} == set(LOSSES)
    for restraint in ("r1", "r2", "gradient_penalty", "clip", "spectral_norm"):
        assert any(getattr(method, restraint) for method in methods)


def test_a_method_is_what_its_recipe_runs():
    recipe = loss_methods.recipe("wgan_gp", "digits", 1e-3, seed=2)
    assert (recipe.loss, recipe.gradient_penalty, recipe.discriminator_steps, recipe.seed) == ("wasserstein", 10, 5, 2)
    assert (recipe.generator_optimiser.beta1, recipe.generator_optimiser.beta2) == (0.0, 0.9)
    assert loss_methods.recipe("spectral_norm", "digits", 1e-3).spectral
    assert not loss_methods.recipe("hinge", "digits", 1e-3).spectral
    clipped = loss_methods.recipe("wgan_clip", "mnist", 1e-3)
    assert (clipped.clip, clipped.generator_optimiser.name) == (0.01, "rmsprop")
    penalised = loss_methods.recipe("relativistic", "mnist", 1e-3)
    assert (penalised.r1.start, penalised.r2.start) == (1.0, 1.0)


@pytest.mark.parametrize("data", DATA)
def test_the_tables_are_balanced(data):
    made, searched = loss_methods.TABLES[data], loss_methods.RATE_TABLES[data]
    assert len(made.cells) == len(loss_methods.METHODS) * len(loss_methods.SEEDS)
    assert len(loss_methods.SEEDS) >= 5
    # Seed by seed, so that a table stopped half-way has as many runs of every method, up to one.
    assert [cell.method for cell in made.cells[: len(loss_methods.METHODS)]] == list(loss_methods.METHODS)
    assert {cell.recipe.seed for cell in searched.cells} == set(loss_methods.SEARCH_SEEDS)
    assert not set(loss_methods.SEARCH_SEEDS) & set(loss_methods.SEEDS)
    assert len(searched.cells) == len(loss_methods.METHODS) * len(loss_methods.RATES) * len(loss_methods.SEARCH_SEEDS)
    assert {cell.recipe.steps for cell in searched.cells} == {loss_methods.SEARCH_STEPS[data]}


@pytest.mark.parametrize("data", DATA)
def test_the_rates_are_those_that_won(data):
    found = loss_methods.rate_scores(tables.read_table(loss_methods.RATE_TABLES[data]))
    assert {name: min(rates, key=rates.__getitem__) for name, rates in found.items()} == loss_methods.CHOSEN[data]
    assert all(set(rates) == set(loss_methods.RATES) for rates in found.values())


def test_a_rate_is_judged_by_its_middle_run():
    records = [
        {"method": f"a-{rate:g}", "failed": None if value < 9 else "step 3", "pixel_frechet": value}
        for rate, values in ((2e-4, (3, 1, 2)), (6e-3, (0.5, 9, 9)))
        for value in values
    ]
    assert loss_methods.rate_scores(records) == {"a": {2e-4: 2, 6e-3: np.inf}}


def test_halves_are_disjoint_and_drawn_by_seed():
    first, second = loss_methods.halves("digits", 0)
    assert first.shape == second.shape == (898, 8, 8, 1)
    everything = training.load_source(loss_methods.SETTINGS["digits"]).images
    rows = {image.tobytes() for image in everything}
    assert len({image.tobytes() for image in np.concatenate([first, second])}) >= len(rows) - 1
    assert not np.array_equal(first, loss_methods.halves("digits", 1)[0])
    assert np.array_equal(first, loss_methods.halves("digits", 0)[0])


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_the_measures_are_those_of_the_metrics(framework):
    recipe = loss_methods.recipe("relativistic", "digits", 2e-3, seed=1).replace(steps=4, batch=16)
    run = training.train(recipe, framework, device="cpu")
    found = loss_methods.measure(run)
    assert tuple(sorted(found)) == tuple(sorted(loss_methods.MEASURES))
    real, other = loss_methods.halves("digits", 1)
    last = run.sample(len(real), 1, use_average=False)
    assert found["pixel_frechet_last"] == frechet.frechet_distance(frechet.pixels(real), frechet.pixels(last))
    assert found["pixel_frechet_real"] == frechet.frechet_distance(frechet.pixels(real), frechet.pixels(other))
    reader = training.twin("ganbook.tuning.metrics.features", framework).DigitClassifier(8)
    features = [reader.features(images) for images in (real, run.sample(len(real), 1))]
    assert found["feature_frechet"] == pytest.approx(frechet.frechet_distance(*features), rel=1e-9)
    assert found["coverage"] == measure_neighbourhoods(*features).coverage
    assert found["feature_frechet"] != found["feature_frechet_last"]
    assert found["penalty"] == pytest.approx(np.mean(run.history["penalty"]))


def test_both_frameworks_measure_alike():
    recipe = loss_methods.recipe("wgan_gp_one", "digits", 6e-4, seed=1).replace(steps=4, batch=16, dtype="float64")
    found = [loss_methods.measure(training.train(recipe, name, device="cpu")) for name in ("pytorch", "tensorflow")]
    for name in loss_methods.MEASURES:
        assert found[0][name] == pytest.approx(found[1][name], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wgan", "digits", 1e-3), "method is 'wgan'; accepted: minimax"),
        (("hinge", "ring", 1e-3), "data is 'ring'; accepted: digits, mnist"),
        (("hinge", "digits", 0.0), "learning_rate is 0.0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        loss_methods.recipe(*arguments)


def test_the_published_study_names_its_source():
    from ganbook.tuning.results import read_result

    published = read_result("lucic_published.json", ("title", "protocol", "searched", "seeds", "rows", "sources"))
    assert published["searched"] == 100 + 50
    titles = {method.title for method in loss_methods.METHODS.values()}
    assert {"minimax", "non-saturating", "least squares", "WGAN, clipping", "WGAN-GP"} <= titles & {
        row["method"] for row in published["rows"]
    }

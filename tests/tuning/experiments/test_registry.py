"""The longer experiments, at tiny length, and the results that they left."""

import json

import numpy as np
import pytest
from PIL import Image

from ganbook import data
from ganbook.data.recipe import FRAMEWORKS, Recipe
from ganbook.gradient_descent import training
from ganbook.tuning import results
from ganbook.tuning.experiments import registry
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.metrics import modes

FULL = RECIPES["colour-dcgan"]
NARROW = FULL.replace(batch=4, steps=3, generator=FULL.generator.with_(channels=(8, 4, 2)),
                      discriminator=FULL.discriminator.with_(channels=(2, 4)))
frameworks = pytest.mark.parametrize("framework", FRAMEWORKS)


def run(tmp_path, framework="pytorch", recipe=NARROW, **options):
    return registry.colour_dcgan(framework, **{"recipe": recipe, "every": 2, "samples": 60, "out": tmp_path,
                                                  "device": "cpu", "report": lambda line: None, **options})


@frameworks
def test_a_stage_is_what_training_and_measuring_give(framework, tmp_path):
    result = run(tmp_path, framework)
    assert result["curve"]["step"] == [0, 2, 3]
    assert result["curve"]["images"] == [0, 8, 12]
    classifier = modes.fit_classifier(*(data.load("digits", split=s, size=28) for s in ("train", "test")))
    again = training.train(NARROW, framework, until=2, device="cpu")
    found = modes.measure(classifier, again.sample(60, NARROW.seed))
    assert (result["curve"]["modes"][1], result["curve"]["kl"][1]) == (found.modes, found.kl)
    assert result["curve"]["readable"][1] == classifier.readable(again.sample(60, NARROW.seed)).mean()


@frameworks
def test_the_file_has_everything(framework, tmp_path):
    result = run(tmp_path, framework)
    assert results.read_result(tmp_path / f"colour_dcgan_{framework}.json", registry.FIELDS) == result
    assert Recipe.from_json(json.dumps(result["recipe"])) == NARROW
    assert result["finished"]
    assert result["floor"]["kl"] == modes.expected_kl(1000, 60)
    assert result["ceiling"]["samples"] == result["control"]["samples"] == 60
    assert result["control"]["readable"] < 0.5 < result["ceiling"]["readable"]
    assert 0.98 < result["classifier"]["accuracy"] < 1
    assert result["seconds"] >= result["training_seconds"] > 0
    picture = np.asarray(Image.open(tmp_path / f"colour_dcgan_{framework}.png"))
    assert picture.shape[2] == 3


def test_lines_are_reported(tmp_path):
    lines = []
    run(tmp_path, report=lines.append)
    assert len(lines) == 3
    assert lines[2].startswith("step 3 of 3: ")
    assert " of 1,000 modes, KL " in lines[2]


def test_a_limit_stops_after_a_stage(tmp_path):
    result = run(tmp_path, minutes=1e-9)
    assert (result["curve"]["step"], result["finished"]) == ([0], True)


def test_an_unfinished_run_says_so(tmp_path, monkeypatch):
    def stop(line):
        if line.startswith("step 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, report=stop)
    left = results.read_result(tmp_path / "colour_dcgan_pytorch.json", registry.FIELDS)
    assert (left["curve"]["step"], left["finished"]) == ([0, 2], False)


@pytest.mark.parametrize(("options", "message"), [
    ({"framework": "jax"}, "framework is 'jax'; accepted"),
    ({"recipe": FULL.replace(split="all")}, "recipe learns 'stacked_digits', split 'all'; accepted"),
    ({"recipe": Recipe()}, "recipe learns 'digits'"),
    ({"recipe": None, "name": "article_005"}, "name is 'article_005'; accepted: colour_dcgan, article_004"),
    ({"every": 0}, "every is 0; accepted: a whole number of at least 1"),
    ({"samples": 0}, "samples is 0"),
    ({"minutes": 0}, "minutes is 0; accepted: a number above 0"),
])
def test_wrong_arguments_are_named(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_the_recipe_is_the_article_s():
    assert FULL.generator.settings["shape"] == (28, 28, 3)
    assert "channels" not in FULL.generator.settings
    for rule in (FULL.generator_optimiser, FULL.discriminator_optimiser):
        assert (rule.name, rule.learning_rate.start, rule.beta2, rule.epsilon) == ("rmsprop", 2e-4, 0.5, 1e-7)
    assert (FULL.batch, FULL.loss, FULL.penalised) == (128, "non_saturating", False)


@frameworks
def test_the_result_that_was_left_is_of_this_recipe(framework):
    left = results.read_result(f"colour_dcgan_{framework}.json", registry.FIELDS)
    assert Recipe.from_json(json.dumps(left["recipe"])) == FULL
    assert left["finished"]
    assert left["floor"]["samples"] == 26_000
    lengths = {len(values) for values in left["curve"].values()}
    assert lengths == {len(left["curve"]["step"])}
    assert left["curve"]["step"][-1] >= 1000


def test_the_networks_of_the_last_article_have_a_result_of_their_own(tmp_path):
    result = run(tmp_path, name="article_004")
    assert result["experiment"] == "article_004"
    assert results.read_result(tmp_path / "article_004_pytorch.json", registry.FIELDS) == result
    recipe = registry.RECIPE_OF["article_004"]
    left = results.read_result("article_004_tensorflow.json", registry.FIELDS)
    assert Recipe.from_json(json.dumps(left["recipe"])) == recipe
    assert left["finished"]
    assert recipe.generator.settings["shape"] == recipe.discriminator.settings["shape"] == (32, 32, 3)
    for rule in (recipe.generator_optimiser, recipe.discriminator_optimiser):
        assert (rule.name, rule.learning_rate.start, rule.beta1, rule.beta2, rule.epsilon) == (
            "adam", 2e-4, 0.5, 0.999, 1e-7)


def test_the_published_table_names_its_sources():
    table = results.read_result("stacked_mnist_published.json", ("title", "protocol", "steps", "rows", "sources"))
    assert table["steps"] == 50 * 128_000 // 64
    for row in table["rows"]:
        assert row["source"] in table["sources"]
        assert row["protocol"] in table["protocol"]
        # No divergence is below that of equally frequent modes, up to rounding.
        assert row["kl"] >= np.log(1000 / row["modes"]) - 0.005
    assert {row["source"] for row in table["rows"]} == set(table["sources"])

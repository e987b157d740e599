"""The named recipes, and moving a recipe to other data."""

import math

import numpy as np
import pytest

from ganbook import data
from ganbook.data.recipe import Recipe, Schedule
from ganbook.gradient_descent.training import start_run, train
from ganbook.tensors.architectures import blueprint_of
from ganbook.tensors.configurations import CONFIGURATIONS
from ganbook.tuning.experiments.recipes import RECIPES, SCALES, SHAPES, on_data

IMAGES = tuple(name for name in data.NAMES if name not in SCALES)


def ends(recipe):
    """What the generator makes and what the discriminator takes."""
    generator, discriminator = (blueprint_of(a) for a in (recipe.generator, recipe.discriminator))
    return generator.output_shape, discriminator.input_shape


def shape_of(recipe):
    """Shape of one real example, as loading the data would give it."""
    shape = SHAPES[recipe.data]
    return shape if recipe.size is None else (recipe.size, recipe.size, shape[-1])


def test_the_default_is_the_quickstart():
    assert RECIPES["quickstart"] == Recipe()
    assert all(name == recipe.name for name, recipe in RECIPES.items())


@pytest.mark.parametrize("name", ["digits", "mnist_5k", "stacked_digits", "stacked_mnist_5k", "ring", "grid"])
def test_shapes_are_those_of_the_data(name):
    assert data.load(name).shape == SHAPES[name]


def test_every_data_set_has_a_shape():
    assert tuple(SHAPES) == data.NAMES
    assert set(SCALES) == {"ring", "grid"}


@pytest.mark.parametrize("name", RECIPES)
def test_networks_fit_the_data(name):
    recipe = RECIPES[name]
    assert ends(recipe) == (shape_of(recipe), shape_of(recipe))
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_two_steps(name):
    recipe = RECIPES[name]
    if recipe.data == "mnist":
        recipe = on_data(recipe, "digits")
    run = train(recipe.replace(batch=4, steps=2), device="cpu")
    assert np.isfinite([run.history[key] for key in run.history]).all()


@pytest.mark.parametrize("name", ["quickstart", "article-000", "dcgan", "recommended"])
@pytest.mark.parametrize("other", IMAGES)
@pytest.mark.parametrize("size", [None, 32])
def test_image_recipes_go_to_any_images(name, other, size):
    recipe = RECIPES[name]
    moved = on_data(recipe, other, size)
    side = size or ends(recipe)[0][0]
    assert ends(moved) == (shape_of(moved), shape_of(moved)) == ((side, side, SHAPES[other][-1]),) * 2
    assert moved.data == other
    assert moved.name == (name if other == recipe.data else f"{name}-{other}")
    assert on_data(moved, other, size) == moved


def test_recommended_learns_digits_resized_to_its_networks():
    moved = on_data(RECIPES["recommended"], "digits")
    assert (moved.size, moved.batch, moved.loss) == (28, 64, "relativistic")
    assert on_data(moved, "mnist").size is None


def test_what_does_not_move_stays():
    for recipe in RECIPES.values():
        assert on_data(recipe) is recipe
        assert on_data(recipe, recipe.data) is recipe


def test_mixtures_get_their_own_scale():
    moved = on_data(RECIPES["grid"], "ring")
    assert moved.scale == RECIPES["ring"].scale
    for name in SCALES:
        points = data.load(name, scale=RECIPES[name].scale)
        assert math.isclose(np.sqrt((points.means**2).sum(1).mean()), math.sqrt(2), rel_tol=2e-3)


@pytest.mark.parametrize("side", [16, 32, 64, 128])
@pytest.mark.parametrize("name", ["quickstart", "article-000", "dcgan", "recommended", "colour-dcgan", "article-004"])
def test_image_recipes_go_to_a_folder_at_any_common_size(name, side, tmp_path):
    folder = tmp_path / "My photos, 2026"
    moved = on_data(RECIPES[name], folder, side)
    assert (moved.name, moved.data, moved.size) == (f"{name}-My-photos-2026", f"folder:{folder}", side)
    assert ends(moved) == ((side, side, 3),) * 2
    assert Recipe.from_json(moved.to_json()) == moved
    grey = on_data(RECIPES[name], str(folder), side, 1)
    assert ends(grey) == ((side, side, 1),) * 2


def test_a_recipe_on_a_folder_stays_on_it(tmp_path):
    moved = on_data(RECIPES["quickstart"], tmp_path / "photos", 64, 1)
    assert on_data(moved, tmp_path / "photos") == on_data(moved, size=64) == on_data(moved, channels=1) == moved
    assert ends(on_data(moved, size=32)) == ((32, 32, 1),) * 2
    assert on_data(moved, size=32).name == "quickstart-photos"
    assert on_data(moved, tmp_path / "others", 64).name == "quickstart-photos-others"
    assert ends(on_data(moved, "stacked_digits")) == ((64, 64, 3),) * 2
    assert on_data(RECIPES["quickstart"], "folder:/", 8).name == "quickstart-folder"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("quickstart", {"data": "/photos"}, "size is None; accepted with data 'folder:/photos': the side in pixels"),
        ("quickstart", {"data": "/photos", "size": 0}, "size is 0"),
        (
            "quickstart",
            {"data": "/photos", "size": 8, "channels": 2},
            "channels is 2; accepted: 1 for grey, 3 for colour",
        ),
        ("quickstart", {"channels": 1}, "channels is 1; accepted with data 'digits': none, since it has its own"),
        (
            "ring",
            {"data": "/photos", "size": 8},
            r"data is 'folder:/photos'; accepted with recipe 'ring', .*: ring, grid$",
        ),
        ("quickstart", {"data": "grid"}, "accepted with .*stacked_mnist, or the path of a folder of images$"),
        ("dcgan", {"data": "/photos", "size": 30}, r"shape is \(30, 30, 3\); accepted: .* divisible by 4"),
        ("quickstart", {"data": "ring"}, "data is 'ring'; accepted with recipe 'quickstart'.*digits, mnist"),
        ("grid", {"data": "digits"}, r"data is 'digits'; accepted with recipe 'grid'.*\(2,\): ring, grid"),
        ("grid", {"data": "letters"}, "data is 'letters'; accepted: digits"),
        ("grid", {"size": 8}, "size is 8; accepted with data 'grid': none"),
        ("quickstart", {"size": 0}, "size is 0; accepted: a whole number of at least 1"),
    ],
)
def test_what_cannot_move_says_why(name, change, message):
    with pytest.raises(ValueError, match=message):
        ends(on_data(RECIPES[name], **change))


def test_the_mixtures_follow_the_protocol_that_was_measured():
    for name, last_gamma in (("ring", 1e-4), ("grid", 5e-4)):
        recipe = RECIPES[name]
        assert (recipe.r1, recipe.batch, recipe.steps) == (recipe.r2, 128, 80_000)
        assert [recipe.r1.value(step, 80_000) for step in (0, 80_000)] == pytest.approx([0.1, last_gamma])
        rate = recipe.generator_optimiser.learning_rate
        assert [rate.value(step, 80_000) for step in (0, 80_000)] == pytest.approx([2e-3, 2e-5])
        assert recipe.generator.settings["latent"] == 8


def test_recommended_is_what_was_measured():
    recipe = RECIPES["recommended"]
    assert (recipe.loss, recipe.r1, recipe.r2, recipe.batch) == ("relativistic", Schedule(1.0), Schedule(1.0), 64)
    for optimiser in (recipe.generator_optimiser, recipe.discriminator_optimiser):
        assert (optimiser.name, optimiser.learning_rate, optimiser.beta1, optimiser.beta2) == (
            "adam",
            Schedule(1e-3),
            0.0,
            0.99,
        )


def test_article_000_ends_in_the_range_of_the_data():
    recipe = RECIPES["article-000"]
    assert recipe.generator.settings["output_activation"] == "tanh"
    assert recipe.generator.settings["hidden"] == (128, 256)


def test_the_discriminator_of_article_000_is_blind_to_three_rows_and_columns_until_repaired():
    repaired = RECIPES["article-000"]
    images = np.random.default_rng(0).uniform(-1, 1, (2, 28, 28, 1)).astype(np.float32)
    cut = images.copy()
    cut[:, 25:], cut[:, :, 25:] = 0, 0
    corner = images.copy()
    corner[:, 27, 27] += 1
    as_listed = start_run(repaired.replace(discriminator=CONFIGURATIONS["article_000_discriminator"]), device="cpu")
    assert (as_listed.state.judge(cut) == as_listed.state.judge(images)).all()
    assert (
        start_run(repaired, device="cpu").state.judge(corner) != start_run(repaired, device="cpu").state.judge(images)
    ).all()

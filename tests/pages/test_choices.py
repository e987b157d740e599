"""What the playground offers: every combination is a recipe of the package."""

import itertools

import pytest

from ganbook.data.recipe import LOSSES, Recipe
from ganbook.pages import choices


@pytest.mark.parametrize(
    "change",
    [
        {"data": "digits"},
        {"loss": "x"},
        {"penalty": "x"},
        {"optimiser": "x"},
        {"generator_rate": 0.0},
        {"discriminator_steps": 0},
    ],
)
def test_a_choice_that_is_not_on_offer_is_named(change):
    with pytest.raises(ValueError, match="accepted"):
        choices.chosen(**change)


def test_every_choice_is_a_recipe_of_the_package():
    for loss, penalty, rule in itertools.product(LOSSES, choices.PENALTIES, choices.OPTIMISERS):
        recipe = choices.chosen(loss=loss, penalty=penalty, optimiser=rule)
        assert Recipe.from_json(recipe.to_json()) == recipe
    assert choices.chosen() == choices.FIRST

"""Draws: shapes, distributions, scheduled numbers, and that the seed alone decides them."""

from __future__ import annotations

import numpy as np
import pytest

from ganbook.data import ring
from ganbook.data.recipe import Optimiser, Schedule
from ganbook.gradient_descent.step.inputs import InputSampler, latent_noise
from gradient_descent.runs_at_hand import BASE, Uniform

DROPOUT = {"dropout_1": ((7,), 0.3)}


def sampler(recipe=BASE, source=None, generator=None, discriminator=None):
    return InputSampler(recipe, source or Uniform(), 5, generator or {}, discriminator or {})


def arrays(inputs):
    """All arrays of a round, flat."""
    if isinstance(inputs, dict):
        return [array for value in inputs.values() for array in arrays(value)]
    return [array for value in inputs for array in arrays(value)] if isinstance(inputs, list) else [np.asarray(inputs)]


def test_a_round_has_what_its_steps_read():
    iteration = sampler().iteration(0, np.random.default_rng(0))
    assert list(iteration) == ["discriminator", "generator"]
    [step] = iteration["discriminator"]
    assert set(step) == {"real", "noise", "masks", "rates"}
    assert set(iteration["generator"]) == {"noise", "masks", "rates"}
    assert (step["real"].shape, step["noise"].shape) == ((6, 4, 4, 1), (6, 5))
    assert step["masks"] == {"generator": {}, "fake": {}, "real": {}}
    assert all(array.dtype == np.float32 for array in (step["real"], step["noise"], iteration["generator"]["noise"]))
    assert not np.array_equal(step["noise"], iteration["generator"]["noise"])


def test_real_examples_for_the_generator_only_where_the_loss_compares_pairs():
    iteration = sampler(BASE.replace(loss="relativistic"), discriminator=DROPOUT).iteration(0, np.random.default_rng(0))
    assert iteration["generator"]["real"].shape == (6, 4, 4, 1)
    assert set(iteration["generator"]["masks"]) == {"generator", "fake", "real"}
    assert not np.array_equal(iteration["generator"]["real"], iteration["discriminator"][0]["real"])


def test_simultaneous_players_share_one_set_of_draws():
    iteration = sampler(BASE.replace(order="simultaneous", loss="relativistic")).iteration(0, np.random.default_rng(0))
    assert list(iteration["generator"]) == ["rates"]


def test_several_discriminator_steps_have_draws_and_numbers_of_their_own():
    one = sampler(BASE.replace(discriminator_steps=3))
    iterations = [one.iteration(step, np.random.default_rng(step)) for step in range(2)]
    steps = [inputs for iteration in iterations for inputs in iteration["discriminator"]]
    assert [inputs["rates"]["t"] for inputs in steps] == [1, 2, 3, 4, 5, 6]
    assert [iteration["generator"]["rates"]["t"] for iteration in iterations] == [1, 2]
    assert all(len({inputs[name].tobytes() for inputs in steps}) == 6 for name in ("real", "noise"))


def test_scheduled_numbers():
    recipe = BASE.replace(
        r1=Schedule(4.0, 2.0, "linear"),
        r2=Schedule(3.0),
        averaging=0.5,
        steps=10,
        generator_optimiser=Optimiser(learning_rate=Schedule(1.0, 0.0, "cosine")),
        discriminator_optimiser=Optimiser(learning_rate=Schedule(0.4, 0.2, "linear")),
    )
    iteration = sampler(recipe).iteration(5, np.random.default_rng(0))
    assert iteration["discriminator"][0]["rates"] == pytest.approx({"learning_rate": 0.3, "t": 6, "r1": 3.0, "r2": 3.0})
    assert iteration["generator"]["rates"] == pytest.approx({"learning_rate": 0.5, "t": 6, "decay": 6 / 15})


def test_the_average_begins_by_forgetting():
    """The decay rises as (1 + step) / (10 + step) until it is the recipe's."""
    one, rng = sampler(BASE.replace(averaging=0.9)), np.random.default_rng(0)
    found = [one.iteration(step, rng)["generator"]["rates"]["decay"] for step in (0, 1, 79, 80, 81, 10**6)]
    assert found == pytest.approx([0.1, 2 / 11, 80 / 89, 0.9, 0.9, 0.9])


@pytest.mark.parametrize(("latent", "mean_square", "bound"), [("normal", 1.0, 8.0), ("uniform", 1 / 3, 1.0)])
def test_latent_noise(latent, mean_square, bound):
    noise = latent_noise(latent, 2000, 5, np.random.default_rng(0))
    assert (noise.dtype, noise.shape) == (np.float32, (2000, 5))
    assert abs(noise.mean()) < 0.05
    assert np.mean(noise**2) == pytest.approx(mean_square, rel=0.05)
    assert 0.99 * min(bound, 3) < np.abs(noise).max() <= bound
    step = sampler(BASE.replace(latent=latent)).iteration(0, np.random.default_rng(3))["discriminator"][0]
    rng = np.random.default_rng(3)
    assert np.array_equal(step["real"], Uniform().batch(rng, 6))
    assert np.array_equal(step["noise"], latent_noise(latent, 6, 5, rng))


def test_masks_drop_the_share_that_the_layer_names():
    one = sampler(BASE.replace(batch=500), generator={"dropout_2": ((4, 4, 2), 0.6)}, discriminator=DROPOUT)
    iteration = one.iteration(0, np.random.default_rng(0))
    masks, later = iteration["discriminator"][0]["masks"], iteration["generator"]["masks"]
    assert set(masks) == {"generator", "fake", "real"}
    assert set(later) == {"generator", "fake"}
    assert masks["generator"]["dropout_2"].shape == (500, 4, 4, 2)
    for use, share in (("generator", 0.6), ("fake", 0.3), ("real", 0.3)):
        [mask] = masks[use].values()
        assert mask.dtype == np.float32
        assert set(np.unique(mask)) == {0.0, 1.0}
        assert 1 - mask.mean() == pytest.approx(share, abs=0.03)
    drawn = [masks["fake"]["dropout_1"], masks["real"]["dropout_1"], later["fake"]["dropout_1"]]
    assert len({mask.tobytes() for mask in drawn}) == 3


def test_a_pack_has_one_mask_and_one_weight():
    recipe = BASE.replace(discriminator=BASE.discriminator.with_(packing=3), gradient_penalty=1.0, batch=12)
    iteration = sampler(recipe, generator=DROPOUT, discriminator=DROPOUT).iteration(0, np.random.default_rng(0))
    [step] = iteration["discriminator"]
    assert {use: masks["dropout_1"].shape for use, masks in step["masks"].items()} == {
        "generator": (12, 7),
        "fake": (4, 7),
        "real": (4, 7),
    }
    weights = step["weights"].reshape(4, 3)
    assert (weights == weights[:, :1]).all()
    assert len(np.unique(weights)) == 4


def test_a_generator_that_looks_ahead_has_what_the_next_discriminator_step_reads():
    recipe = BASE.replace(
        unrolled=2,
        discriminator_steps=3,
        gradient_penalty=1.0,
        steps=10,
        r2=Schedule(2.0),
        r1=Schedule(4.0, 2.0, "linear"),
    )
    iteration = sampler(recipe, discriminator=DROPOUT).iteration(5, np.random.default_rng(0))
    inputs = iteration["generator"]
    assert set(inputs) == {"noise", "masks", "rates", "real", "ahead"}
    assert set(inputs["masks"]) == {"generator", "fake", "real"}
    assert set(inputs["ahead"]) == {"weights", "rates"}
    assert inputs["ahead"]["rates"] == {**iteration["discriminator"][-1]["rates"], "t": 19.0}
    assert not np.array_equal(inputs["ahead"]["weights"], iteration["discriminator"][-1]["weights"])
    assert "ahead" not in sampler(recipe.replace(unrolled=0)).iteration(5, np.random.default_rng(0))["generator"]


def test_interpolation_weights_only_for_their_penalty():
    weights = sampler(BASE.replace(gradient_penalty=10.0, batch=1000)).iteration(0, np.random.default_rng(0))[
        "discriminator"
    ][0]["weights"]
    assert (weights.dtype, weights.shape) == (np.float32, (1000,))
    assert weights.min() >= 0
    assert weights.max() < 1
    assert np.histogram(weights, 4, (0, 1))[0].min() > 200  # uniform, not normal


def test_dequantisation_adds_noise_of_its_width():
    images = Uniform().batch(np.random.default_rng(0), 6)

    class Same:
        shape = (4, 4, 1)

        def batch(self, rng, n):
            return images.copy()

    one = sampler(BASE.replace(dequantisation=0.1, loss="relativistic"), Same())
    iteration = one.iteration(0, np.random.default_rng(0))
    for real in (iteration["discriminator"][0]["real"], iteration["generator"]["real"]):
        assert real.dtype == np.float32
        assert 0.04 < np.abs(real - images).max() <= 0.05 + 1e-6
    plain = sampler(BASE, Same()).iteration(0, np.random.default_rng(0))["discriminator"][0]["real"]
    assert np.array_equal(plain, images)


def test_the_seed_alone_decides():
    recipe = BASE.replace(gradient_penalty=1.0, loss="relativistic", dequantisation=0.1, discriminator_steps=2)
    one = sampler(recipe, generator=DROPOUT, discriminator=DROPOUT)
    one, same, other = (arrays(one.iteration(0, np.random.default_rng(seed))) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True) if a.ndim)


def test_the_step_does_not_change_what_is_drawn():
    one = sampler(BASE.replace(loss="relativistic"))
    one, other = (arrays(one.iteration(step, np.random.default_rng(0))) for step in (0, 7))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True) if a.ndim)


def test_mixtures_are_dealt_too():
    real = sampler(BASE, ring()).iteration(0, np.random.default_rng(0))["discriminator"][0]["real"]
    assert (real.dtype, real.shape) == (np.float32, (6, 2))

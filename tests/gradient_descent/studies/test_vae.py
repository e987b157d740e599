"""The variational autoencoder in both frameworks: one run, its gradients, what it learns, and planted mistakes."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from ganbook.data import load
from ganbook.data.recipe import Optimiser
from ganbook.gradient_descent.training import NonFiniteLoss
from parity import TWINS, assert_parity, module, relative_error

SMALL = {"latent": 3, "hidden": (16, 12), "steps": 12, "batch": 8, "dtype": "float64", "sigma": 0.5, "seed": 3}
DIGITS = load("digits")
TRAIN, TEST = DIGITS.split(0.2, np.random.default_rng(0))


@functools.cache
def trained(twin: str, **changes):
    return module("gradient_descent.studies.vae", twin).train_vae(TRAIN, **{**SMALL, **changes})


def everything(vae) -> dict:
    """What a run leaves: history, weights and pictures."""
    mean, log_variance = vae.encode(TEST.images[:5])
    return {
        "history": {name: np.array(values, np.float64) for name, values in vae.history.items()},
        "encoder": vae.encoder.export(),
        "decoder": vae.decoder.export(),
        "mean": mean,
        "log_variance": log_variance,
        "sample": vae.sample(4, seed=1),
        "reconstruct": vae.reconstruct(TEST.images[:5]),
        "evaluate": {k: np.float64(v) for k, v in vae.evaluate(TEST.images).items()},
    }


def check_run(vae, other) -> None:
    assert_parity(everything(vae), everything(other), "float64", floor=1e-6)


def test_one_seed_is_one_run_in_both_frameworks():
    check_run(trained("tensorflow", steps=100), trained("torch", steps=100))


@pytest.mark.parametrize("twin", TWINS)
def test_same_seed_repeats_and_another_does_not(twin):
    again = module("gradient_descent.studies.vae", twin).train_vae(TRAIN, **SMALL)
    assert again.history == trained(twin).history
    assert trained(twin, seed=4).history["negative_elbo"][0] != again.history["negative_elbo"][0]


@pytest.mark.parametrize("twin", TWINS)
def test_shapes_and_ranges(twin):
    vae = trained(twin)
    for array, shape in zip(
        (*vae.encode(TEST.images[:5]), vae.decode(np.zeros((2, 3))), vae.sample(6), vae.reconstruct(TEST.images[:5])),
        ((5, 3), (5, 3), (2, 8, 8, 1), (6, 8, 8, 1), (5, 8, 8, 1)),
        strict=True,
    ):
        assert array.shape == shape
        assert array.dtype == np.float64
    assert np.abs(vae.sample(64)).max() <= 1
    assert np.array_equal(vae.sample(4, seed=2), vae.sample(4, seed=2))
    assert not np.array_equal(vae.sample(4, seed=2), vae.sample(4, seed=3))
    single = module("gradient_descent.studies.vae", twin).train_vae(TRAIN, **SMALL | {"dtype": "float32", "steps": 1})
    assert single.sample(1).dtype == np.float32


@pytest.mark.parametrize("twin", TWINS)
def test_loss_is_the_sum_of_its_terms(twin):
    vae = trained(twin)
    history = {name: np.array(values) for name, values in vae.history.items()}
    assert history["step"].tolist() == list(range(1, 13))
    assert relative_error(history["reconstruction"] + history["kl"], history["negative_elbo"]) < 1e-13
    parts = vae.evaluate(TEST.images)
    assert parts["reconstruction"] + parts["kl"] == pytest.approx(parts["negative_elbo"], rel=1e-13)


@pytest.mark.parametrize("twin", TWINS)
def test_gradients_against_finite_differences(twin):
    """After the first step Adam's first moment is a tenth of the gradient, to be had by moving single weights."""
    vae = module("gradient_descent.studies.vae", twin).train_vae(TRAIN, **SMALL | {"learning_rate": 1e-12, "steps": 1})
    rng = np.random.default_rng(3)
    start = module("gradient_descent.studies.vae", twin).VAE(TRAIN.shape, 3, (16, 12), 1e-3, 0.5, rng, "float64", None)
    rows, noise = start.rows(TRAIN.batch(rng, 8)), rng.standard_normal((8, 3)).astype(np.float32)
    for role, network in start.networks.items():
        moments = network.export({name: state["m"] for name, state in vae.optimiser_state[role].items()})
        for name in ("dense_1.weight", "dense_2.bias", "dense_3.weight"):
            weights = network.export()
            index = np.unravel_index(np.argmax(np.abs(moments[name])), moments[name].shape)
            losses = []
            for shift in (1e-6, -1e-6):
                moved = {key: array.copy() for key, array in weights.items()}
                moved[name][index] += shift
                network.load(moved)
                losses.append(start.terms(rows, noise)[0])
            network.load(weights)
            assert moments[name][index] == pytest.approx(0.1 * (losses[0] - losses[1]) / 2e-6, rel=1e-6), (role, name)


@pytest.mark.parametrize("twin", TWINS)
def test_learns_more_than_a_decoder_without_a_latent_can(twin):
    """Without a latent the best that the decoder can do is the mean picture, whatever the training."""
    vae = trained(twin, latent=8, hidden=(64, 64), steps=300, batch=64, sigma=0.25)
    rows = vae.rows(TEST.images).astype(np.float64)
    mean = vae.rows(TRAIN.images).astype(np.float64).mean(0)
    without = np.mean(((rows - mean) ** 2).sum(1)) / (2 * 0.25**2) + 32 * math.log(2 * math.pi * 0.25**2)
    parts = vae.evaluate(TEST.images)
    assert parts["negative_elbo"] < without / 2
    assert parts["kl"] > 5  # the latent carries something
    assert ((vae.reconstruct(TEST.images) - TEST.images) ** 2).mean() < 0.5 * ((rows - mean) ** 2).mean()


@pytest.mark.parametrize("twin", TWINS)
def test_errors_name_the_argument(twin):
    train_vae = module("gradient_descent.studies.vae", twin).train_vae
    for changes, named in (
        ({"latent": 0}, "latent"),
        ({"hidden": (0,)}, "hidden"),
        ({"hidden": 16}, "hidden"),
        ({"steps": 0}, "steps"),
        ({"batch": 0}, "batch"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": -1e-3}, "learning_rate"),
        ({"sigma": 0.0}, "sigma"),
        ({"sigma": math.inf}, "sigma"),
        ({"seed": -1}, "seed"),
        ({"dtype": "float16"}, "dtype"),
        ({"device": "tpu"}, "device"),
    ):
        with pytest.raises(ValueError, match=rf"{named} is .*accepted"):
            train_vae(TRAIN, **SMALL | changes)
    vae = trained(twin)
    for call, named in (
        (lambda: vae.encode(np.zeros((2, 4, 4, 1))), "images"),
        (lambda: vae.sample(0), "n is"),
        (lambda: vae.encode(TEST.images[:0]), "images"),
        (lambda: vae.decode(np.zeros((2, 4))), "x has"),
        (lambda: vae.sample(1, -1), "seed"),
    ):
        with pytest.raises(ValueError, match=rf"{named}.*accepted"):
            call()


@pytest.mark.parametrize("twin", TWINS)
def test_a_loss_that_explodes_is_an_error_that_names_the_step(twin):
    with pytest.raises(NonFiniteLoss, match=r"step \d+: negative_elbo"):
        module("gradient_descent.studies.vae", twin).train_vae(TRAIN, **SMALL | {"learning_rate": 1e6, "steps": 50})


MUTANTS = {  # what is wrong -> the name in the module, and its wrong form from the right one
    "divergence halved": ("gaussian_kl", lambda right: lambda m, v: right(m, v) / 2),
    "noise without a deviation": ("reparameterise", lambda right: lambda m, v, e: m + e),
    "another update rule": (
        "update_all",
        lambda right: lambda settings, *rest: right(Optimiser("adam", settings.learning_rate, 0.9, 0.99), *rest),
    ),
    "updates counted from 2": (
        "update_all",
        lambda right: lambda s, w, g, state, t, rate: right(s, w, g, state, t + 1, rate),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
@pytest.mark.parametrize("twin", TWINS)
def test_planted_mistakes_are_seen(twin, name, monkeypatch):
    target, wrong = MUTANTS[name]
    vae = module("gradient_descent.studies.vae", twin)
    monkeypatch.setattr(vae, target, wrong(getattr(vae, target)))
    mutant = vae.train_vae(TRAIN, **SMALL)
    with pytest.raises(AssertionError, match="relative error"):
        check_run(mutant, trained(next(other for other in TWINS if other != twin)))

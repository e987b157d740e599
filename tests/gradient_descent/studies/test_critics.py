"""A discriminator alone: twin against twin, against the oracle and closed forms, errors, and planted mistakes."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from ganbook.data.recipe import LOSSES, OPTIMISERS, Architecture, Optimiser, Schedule
from ganbook.gradient_descent.step import optimisers_numpy as rules
from ganbook.gradient_descent.training import NonFiniteLoss
from ganbook.probability import losses_numpy as losses
from ganbook.probability import optimal_discriminator as optimal
from ganbook.probability.distributions import Normal
from loss_gradients import discriminator_gradients
from parity import TWINS, module, relative_error

twins = pytest.mark.parametrize("twin", TWINS)
RNG = np.random.default_rng(8)
REAL, FAKE = RNG.normal(size=(24, 2)), RNG.normal(1.0, 0.7, size=(24, 2))
STEP = {"float64": 1e-9, "float32": 1e-5}
ADAM = Optimiser("adam", 0.01, beta1=0.9, beta2=0.999)
SGD = Optimiser("sgd", 0.1)


def network(twin, dtype="float64", kind="MLPDiscriminator", **settings):
    architecture = Architecture(kind, {"shape": (2,), "hidden": (6, 5), "activation": "tanh"} | settings)
    return module("tensors.networks", twin).build(architecture, 5, dtype, "cpu")


def fit(twin, real=REAL, fake=FAKE, *, dtype="float64", net=None, steps=12, **arguments):
    """Losses, and the network's state afterwards."""
    net = network(twin, dtype) if net is None else net
    losses = module("gradient_descent.studies.critics", twin).fit_critic(net, real, fake, steps=steps, **arguments)
    return losses, net.export()


def spread(one, other):
    """The largest relative error of losses and of arrays."""
    assert list(one[1]) == list(other[1])
    return max(
        relative_error(one[0], other[0], 1e-3), *(relative_error(one[1][name], other[1][name], 1e-3) for name in one[1])
    )


CASES = {
    **{loss: {"loss": loss} for loss in LOSSES},
    **{name: {"optimiser": Optimiser(name, Schedule(0.02, 0.001, "cosine"), 0.5)} for name in OPTIMISERS},
    "wgan_gp": {"loss": "wasserstein", "gradient_penalty": 10.0},
    "clip": {"loss": "wasserstein", "clip": 0.05},
    "r1": {"r1": 1.0},
    "batch": {"batch": 7},
    "samplers": {
        "real": lambda rng, n: rng.normal(size=(n, 2)),
        "fake": lambda rng, n: rng.uniform(size=(n, 2)),
        "batch": 9,
    },
    "sampler and array": {"real": lambda rng, n: rng.normal(size=(n, 2)), "batch": 9, "gradient_penalty": 1.0},
    "unequal numbers": {"fake": FAKE[:10]},
}
NETWORKS = {
    "spectral": ({"spectral_norm": True}, {"optimiser": SGD}),
    "spectral with r1": ({"spectral_norm": True}, {"r1": 1.0}),
    "batch norm": ({"batch_norm": True, "bias": False}, {"optimiser": Optimiser("momentum", 0.01, 0.5)}),
    "dropout": ({"dropout": 0.4}, {"r1": 0.3, "batch": 8}),
    "linear": ({"hidden": ()}, {}),
}


# Twin against twin, and against an oracle.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES)
def test_twins_run_alike(case, dtype):
    one, other = (fit(twin, dtype=dtype, **CASES[case]) for twin in TWINS)
    assert one[0].shape == (12,)
    assert one[0].dtype == np.float64
    assert spread(one, other) < STEP[dtype]


@pytest.mark.parametrize("case", NETWORKS)
def test_twins_run_alike_with_every_kind_of_layer(case):
    settings, arguments = NETWORKS[case]
    one, other = (fit(twin, net=network(twin, **settings), **arguments) for twin in TWINS)
    assert spread(one, other) < STEP["float64"]
    for name, array in network("torch", **settings).export().items():  # weights and moving statistics have all moved
        assert not np.array_equal(array, one[1][name]), name


def test_twins_run_alike_on_images():
    rng = np.random.default_rng(0)
    real, fake = rng.uniform(-1, 1, size=(2, 6, 8, 8, 1))
    settings = {"kind": "ConvDiscriminator", "shape": (8, 8, 1), "channels": (3, 4), "hidden": ()}
    one, other = (fit(twin, real, fake, net=network(twin, **settings), r1=1.0) for twin in TWINS)
    assert spread(one, other) < STEP["float64"]


def linear_oracle(loss, real, fake, weight, bias, optimiser, steps):
    """A linear critic by derivatives written by hand."""
    tensors = {"dense_1.weight": weight, "dense_1.bias": bias}
    state = {name: rules.initial_state(optimiser, tensor) for name, tensor in tensors.items()}
    record = []
    for t in range(steps):
        logits = [x @ tensors["dense_1.weight"][:, 0] + tensors["dense_1.bias"] for x in (real, fake)]
        record.append(losses.discriminator_loss(loss, *logits))
        by_real, by_fake = discriminator_gradients(loss, *logits)
        gradients = {
            "dense_1.weight": (by_real @ real + by_fake @ fake)[:, None],
            "dense_1.bias": np.array([by_real.sum() + by_fake.sum()]),
        }
        for name, gradient in gradients.items():
            tensors[name], state[name] = rules.update(
                optimiser, tensors[name], gradient, state[name], t + 1, optimiser.learning_rate.value(t, steps)
            )
    return np.array(record), tensors


def check_oracle(twin, loss="non_saturating", optimiser=ADAM):
    net = network(twin, hidden=())
    start = net.export()
    expected = linear_oracle(loss, REAL, FAKE, start["dense_1.weight"], start["dense_1.bias"], optimiser, 12)
    error = spread(fit(twin, net=net, loss=loss, optimiser=optimiser), expected)
    assert error < 1e-9, f"relative error {error:.3g}"


@pytest.mark.parametrize("loss", LOSSES)
@twins
def test_a_linear_critic_runs_as_the_oracle(twin, loss):
    check_oracle(twin, loss)
    check_oracle(twin, loss, Optimiser("momentum", Schedule(0.1, 0.0, "linear"), 0.5))


# Closed forms.


@twins
def test_wgan_gp_between_two_points_has_the_slope_of_the_closed_form(twin):
    """min -theta w + lambda (|w| - 1)^2 is at w = 1 + theta / 2 lambda; w < 0 would be held at another minimum."""
    net = network(twin, shape=(1,), hidden=())
    net.load({"dense_1.weight": np.array([[0.5]]), "dense_1.bias": np.zeros(1)})
    fit(
        twin,
        np.array([3.0]),
        np.array([0.0]),
        net=net,
        loss="wasserstein",
        gradient_penalty=2.0,
        steps=300,
        optimiser=SGD,
    )
    assert abs(net.export()["dense_1.weight"].item() - (1 + 3.0 / (2 * 2.0))) < 1e-9


@twins
def test_a_clipped_linear_critic_ends_at_the_bound(twin):
    net = network(twin, shape=(1,), hidden=())
    values, _ = fit(
        twin, np.array([3.0]), np.array([0.0]), net=net, loss="wasserstein", clip=0.25, steps=50, optimiser=SGD
    )
    assert net.export()["dense_1.weight"].item() == 0.25
    assert abs(-values[-1] - 0.25 * 3.0) < 1e-12


@twins
def test_r1_bounds_a_wasserstein_critic(twin):
    """min -theta w + gamma w^2 / 2 is at w = theta / gamma."""
    net = network(twin, shape=(1,), hidden=())
    fit(twin, np.array([3.0]), np.array([0.0]), net=net, loss="wasserstein", r1=4.0, steps=100, optimiser=SGD)
    assert abs(net.export()["dense_1.weight"].item() - 3.0 / 4.0) < 1e-9


TRUTHS = {
    "d = 1": (Normal(), Normal(1.0)),
    "d = 2": (Normal(), Normal(2.0)),
    "d = 4": (Normal(), Normal(4.0)),
    "twice as wide": (Normal(), Normal(1.0, 2.0)),
}


@pytest.mark.parametrize("truth", TRUTHS)
@twins
def test_a_trained_critic_reaches_the_optimum(twin, truth):
    """Value and implied Jensen-Shannon divergence within 2 % of the true ones."""
    p, q = TRUTHS[truth]
    critics, net = module("gradient_descent.studies.critics", twin), network(twin, shape=(1,), hidden=(16, 16))
    critics.fit_critic(
        net,
        p.sample,
        q.sample,
        steps=600,
        batch=512,
        optimiser=Optimiser("adam", Schedule(0.02, 0.0, "cosine"), 0.9, 0.999),
    )
    gap = optimal.value_gap(p, q, functools.partial(critics.critic_values, net))
    best = optimal.optimal_value(p, q)
    assert gap / abs(best) < 0.02
    assert gap / 2 / optimal.implied_js(best) < 0.02


# What it promises.


@twins
def test_the_seed_decides_the_draws_and_nothing_else_does(twin):
    one, same, other = (fit(twin, batch=6, seed=seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@twins
def test_training_goes_on_from_the_present_weights(twin):
    """Without state, two runs of six steps are one run of twelve."""
    net = network(twin)
    first = fit(twin, net=net, steps=6, optimiser=SGD)[0]
    second = fit(twin, net=net, steps=6, optimiser=SGD)
    whole = fit(twin, steps=12, optimiser=SGD)
    assert spread((np.concatenate([first, second[0]]), second[1]), whole) < 1e-12


@twins
def test_critic_values_are_the_networks_logits(twin):
    critics, net = module("gradient_descent.studies.critics", twin), network(twin, shape=(1,), hidden=())
    state, x = net.export(), np.linspace(-2, 2, 7)
    expected = x * state["dense_1.weight"].item() + state["dense_1.bias"].item()
    for points in (x, x[:, None]):
        assert relative_error(critics.critic_values(net, points), expected) < 1e-14
    assert critics.critic_values(net, 0.5).shape == ()
    assert critics.critic_values(network(twin, "float32"), REAL).dtype == np.float32


# Wrong input.

ERRORS = {
    "real": ({"real": REAL[:, :1]}, r"real has shape \(24, 1\); accepted: \('N', 2\), N at least 1"),
    "empty": ({"fake": FAKE[:0]}, r"fake has shape \(0, 2\); accepted"),
    "nan": ({"fake": FAKE * np.nan}, "fake has values that are not finite numbers; accepted: finite numbers"),
    "loss": ({"loss": "mse"}, "loss is 'mse'; accepted: minimax"),
    "steps": ({"steps": 0}, "steps is 0; accepted: a whole number of at least 1"),
    "batch": ({"batch": 0}, "batch is 0; accepted: a whole number of at least 1"),
    "sampler": ({"real": Normal().sample}, "batch is None and real is a sampler; accepted with a sampler"),
    "few": ({"real": lambda rng, n: REAL[:3], "batch": 4}, "real gave 3 examples; accepted: as many as asked for, 4"),
    "pairs": ({"fake": FAKE[:9], "loss": "relativistic"}, "real has 24 examples and fake 9; accepted with the rel"),
    "penalty pairs": ({"fake": FAKE[:9], "gradient_penalty": 1.0}, "real has 24 examples and fake 9; accepted"),
    "gradient_penalty": ({"gradient_penalty": -1.0}, "gradient_penalty is -1.0; accepted: a number at least 0"),
    "clip": ({"clip": -0.1}, "clip is -0.1; accepted: a number at least 0"),
    "r1": ({"r1": -2.0}, "r1 is -2.0; accepted: a number at least 0"),
    "seed": ({"seed": -1}, "seed is -1; accepted: a whole number of at least 0"),
    "optimiser": ({"optimiser": "adam"}, "optimiser is 'adam'; accepted: an Optimiser"),
}


@pytest.mark.parametrize("case", ERRORS)
@twins
def test_wrong_input_is_named(twin, case):
    arguments, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        fit(twin, **arguments)


@twins
def test_a_step_size_of_zero_is_refused(twin):
    with pytest.raises(ValueError, match=r"learning_rate is 0.0; accepted: a number above 0"):
        fit(twin, optimiser=Optimiser("sgd", 0.0))


@twins
def test_wrong_networks_are_named(twin):
    generator = module("tensors.networks", twin).build(
        Architecture("MLPGenerator", {"latent": 3, "shape": (2,)}), device="cpu"
    )
    with pytest.raises(ValueError, match=r"network has outputs of shape \(2,\); accepted: \(\), as of a discriminator"):
        fit(twin, net=generator)
    with pytest.raises(ValueError, match="batch normalisation; accepted with a gradient penalty: none"):
        fit(twin, net=network(twin, batch_norm=True), r1=1.0)
    with pytest.raises(ValueError, match="network has packing 2; accepted: 1, since"):
        fit(twin, net=network(twin, packing=2))
    with pytest.raises(ValueError, match=r"x has shape \(3, 5\); accepted: \('N', 2\)"):
        module("gradient_descent.studies.critics", twin).critic_values(network(twin), np.zeros((3, 5)))


@twins
def test_a_diverging_critic_says_at_which_step(twin):
    with pytest.raises(NonFiniteLoss, match=r"step \d+: the loss is .*Lower the learning rate"):
        fit(twin, loss="least_squares", optimiser=Optimiser("sgd", 1e6), steps=200)


# Planted mistakes: each must fail the check above.


def swapped(objective):
    return lambda recipe, critic, fake, inputs: objective(recipe, critic, inputs["real"], {**inputs, "real": fake})


def doubled(objective):
    def wrong(*arguments):
        total, report = objective(*arguments)
        return 2 * total, report

    return wrong


def late(update):
    return lambda settings, weights, gradients, state, t, rate: update(settings, weights, gradients, state, t + 1, rate)


MISTAKES = {
    "sides swapped": ("discriminator_objective", swapped),
    "loss doubled": ("discriminator_objective", doubled),
    "steps counted from 2": ("update_all", late),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@twins
def test_mutants_fail_the_oracle(twin, mistake, monkeypatch):
    optimiser = Optimiser("adam", 0.01, 0.9, 0.999) if mistake == "steps counted from 2" else SGD
    check_oracle(twin, optimiser=optimiser)
    critics, (name, wrong) = module("gradient_descent.studies.critics", twin), MISTAKES[mistake]
    monkeypatch.setattr(critics, name, wrong(getattr(critics, name)))
    with pytest.raises(AssertionError, match="relative error"):
        check_oracle(twin, optimiser=optimiser)


@twins
def test_a_forgotten_clip_is_seen(twin, monkeypatch):
    critics = module("gradient_descent.studies.critics", twin)
    monkeypatch.setattr(critics, "clip_weights", lambda tensors, bound: tensors)
    with pytest.raises(AssertionError):
        test_a_clipped_linear_critic_ends_at_the_bound(twin)

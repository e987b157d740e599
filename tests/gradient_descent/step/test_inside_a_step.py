"""What the section "Inside a training step" derives: cutting, shared optimisers, batch norm's passes, short batches."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from ganbook.data.recipe import Optimiser
from ganbook.probability import losses_numpy as losses
from ganbook.tensors import layers
from gradient_descent.runs_at_hand import BASE, make_step, next_inputs, start
from parity import TWINS, as_numpy, module, native, relative_error

twins = pytest.mark.parametrize("twin", TWINS)
BETAS = [(0.5, 0.999), (0.0, 0.99), (0.9, 0.999)]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@dataclasses.dataclass
class Point:
    """Both players after a few iterations, one batch, and what one framework says of it: flat gradients in NumPy.

    The two functions at the end take the gradient of a weighted sum of logits: with a formula's weights, the formula.
    """

    real: np.ndarray
    fake: np.ndarray
    by_discriminator: np.ndarray
    by_discriminator_cut: np.ndarray
    from_discriminator_loss: np.ndarray
    from_non_saturating: np.ndarray
    from_minimax: np.ndarray
    logits_by_discriminator: object
    fake_by_generator: object


def point(twin: str) -> Point:
    run, sampler = start(twin, BASE)
    steps = module("gradient_descent.step.steps", twin)
    for inputs in next_inputs(run, sampler, 8):
        run.state.one_iteration(run.state.native(inputs))
    return (_torch if twin == "torch" else _tensorflow)(
        run.state, run.state.native(next_inputs(run, sampler)[0]["discriminator"][0]), steps
    )


def _torch(players, inputs, steps) -> Point:
    import torch

    terms = module("probability.losses", "torch")
    D, G = (list(network.trainable().values()) for network in (players.discriminator, players.generator))

    def flat(value, weights, outputs=None):
        outputs = None if outputs is None else torch.tensor(outputs)
        gradients = torch.autograd.grad(value, weights, outputs, retain_graph=True)
        return np.concatenate([as_numpy(gradient).ravel() for gradient in gradients])

    fake = players.generator(inputs["noise"], training=True)
    loss, report = steps.discriminator_objective(BASE, players.discriminator, fake, inputs)
    cut, _ = steps.discriminator_objective(BASE, players.discriminator, fake.detach(), inputs)
    pictures = torch.cat([inputs["real"], torch.tensor(as_numpy(fake))])  # no record of either
    f = report["fake_logits"]
    return Point(
        as_numpy(report["real_logits"]),
        as_numpy(f),
        flat(loss, D),
        flat(cut, D),
        flat(loss, G),
        flat(terms.non_saturating_generator(None, f), G),
        flat(terms.minimax_generator(None, f), G),
        lambda weights: flat(players.discriminator(pictures, training=True), D, weights),
        lambda weights: flat(f, G, weights),
    )


def _tensorflow(players, inputs, steps) -> Point:
    import tensorflow as tf

    terms = module("probability.losses", "tensorflow")
    D, G = (list(network.trainable().values()) for network in (players.discriminator, players.generator))
    with tf.GradientTape(persistent=True) as tape:
        fake = players.generator(inputs["noise"], training=True)
        loss, report = steps.discriminator_objective(BASE, players.discriminator, fake, inputs)
        cut, _ = steps.discriminator_objective(BASE, players.discriminator, tf.stop_gradient(fake), inputs)
        f = report["fake_logits"]
        judged = players.discriminator(tf.concat([inputs["real"], tf.constant(fake.numpy())], 0), training=True)
        losses_of_g = terms.non_saturating_generator(None, f), terms.minimax_generator(None, f)

    def flat(value, weights, outputs=None):
        gradients = tape.gradient(value, weights, None if outputs is None else tf.constant(outputs))
        return np.concatenate([as_numpy(tf.convert_to_tensor(gradient)).ravel() for gradient in gradients])

    return Point(
        as_numpy(report["real_logits"]),
        as_numpy(f),
        flat(loss, D),
        flat(cut, D),
        flat(loss, G),
        flat(losses_of_g[0], G),
        flat(losses_of_g[1], G),
        lambda weights: flat(judged, D, weights),
        lambda weights: flat(f, G, weights),
    )


# Who is cut off.


@twins
def test_cutting_changes_nothing_for_the_discriminator(twin):
    at = point(twin)
    n = len(at.fake)
    formula = at.logits_by_discriminator(np.concatenate([-sigmoid(-at.real), sigmoid(at.fake)]) / n)
    assert relative_error(at.by_discriminator, at.by_discriminator_cut) < 1e-12
    assert relative_error(at.by_discriminator, formula) < 1e-9


@twins
def test_uncut_fakes_pull_the_generator_back(twin):
    at = point(twin)
    n, f = len(at.fake), at.fake
    assert relative_error(at.from_discriminator_loss, at.fake_by_generator(sigmoid(f) / n)) < 1e-9
    assert relative_error(at.from_non_saturating, at.fake_by_generator(-sigmoid(-f) / n)) < 1e-9
    total = at.from_discriminator_loss + at.from_non_saturating
    assert relative_error(total, at.fake_by_generator(np.tanh(f / 2) / n)) < 1e-9
    assert np.linalg.norm(total) < np.linalg.norm(at.from_non_saturating)


@twins
@pytest.mark.parametrize(
    "wrong",
    [lambda f: -np.tanh(f / 2), lambda f: np.tanh(f), lambda f: sigmoid(f) + sigmoid(-f), lambda f: 2 * np.tanh(f / 2)],
)
def test_a_wrong_weight_of_the_sum_is_seen(twin, wrong):
    at = point(twin)
    total = at.from_discriminator_loss + at.from_non_saturating
    assert relative_error(total, at.fake_by_generator(wrong(at.fake) / len(at.fake))) > 1e-2


@twins
def test_uncut_fakes_cancel_the_minimax_loss(twin):
    at = point(twin)
    assert np.abs(at.from_discriminator_loss + at.from_minimax).max() < 1e-15
    assert np.abs(at.from_minimax).max() > 1e-3


def test_share_of_the_right_weight_that_a_leak_leaves():
    f = np.linspace(-8, 3, 45)
    assert relative_error(-np.tanh(f / 2) / sigmoid(-f), 1 - np.exp(f)) < 1e-12
    assert 1 - math.exp(-math.log(2)) == pytest.approx(0.5)


# Two optimisers or one.


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_second_player_under_a_shared_clock(ending, betas):
    """Our own rule, told the number of the call instead of the number of the weight's update."""
    rules, (beta1, beta2) = module("gradient_descent.step.optimisers", ending), betas
    config = Optimiser("adam", 1.0, beta1, beta2, epsilon=1e-300)
    place, gradient = (_give(ending, value) for value in (0.0, -0.3))
    state = rules.initial_state(config, place)
    for k in range(1, 200):
        new, state = rules.update(config, _give(ending, 0.0), gradient, state, 2 * k, 1.0)
        expected = math.sqrt(1 + beta2**k) / (1 + beta1**k)
        assert float(new) == pytest.approx(expected, rel=1e-9), k


def test_keras_shares_its_clock():
    import keras
    import tensorflow as tf

    beta1, beta2 = BETAS[0]
    weights = [tf.Variable(0.0, dtype=tf.float64) for _ in range(2)]
    optimiser = keras.optimizers.Adam(0.25, beta1, beta2, epsilon=1e-30)  # a rate that float32 holds exactly
    optimiser.build(weights)
    for k in range(1, 30):
        before = [float(w) for w in weights]
        for weight in weights:
            optimiser.apply_gradients([(tf.constant(0.3, tf.float64), weight)])
        steps = [(old - float(w)) / 0.25 for old, w in zip(before, weights, strict=True)]
        # The first player's k-th call is number 2k - 1.
        first = (1 - beta1**k) / (1 - beta1 ** (2 * k - 1)) * math.sqrt((1 - beta2 ** (2 * k - 1)) / (1 - beta2**k))
        assert steps == pytest.approx([first, math.sqrt(1 + beta2**k) / (1 + beta1**k)], rel=1e-5), k


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_a_zero_gradient_moves_a_player_with_memory(ending, betas):
    rules, (beta1, beta2) = module("gradient_descent.step.optimisers", ending), betas
    config = Optimiser("adam", 1.0, beta1, beta2, epsilon=1e-300)
    place = _give(ending, 0.0)
    _, state = rules.update(config, place, _give(ending, 0.3), rules.initial_state(config, place), 1, 1.0)
    new, _ = rules.update(config, place, _give(ending, 0.0), state, 2, 1.0)
    assert float(new) == pytest.approx(-beta1 / (1 + beta1) * math.sqrt((1 + beta2) / beta2), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("to_none", "expected"), [(True, 0.0), (False, -0.5 / 1.5 * math.sqrt(1.999 / 0.999))])
def test_torch_steps_every_weight_that_has_a_gradient(to_none, expected):
    import torch

    weights = [torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2)]
    optimiser = torch.optim.Adam(weights, lr=1.0, betas=BETAS[0], eps=1e-300)
    (0.3 * weights[0]).backward()
    optimiser.step()
    before = weights[0].item()
    optimiser.zero_grad(set_to_none=to_none)
    (0.3 * weights[1]).backward()
    optimiser.step()
    assert weights[0].item() - before == pytest.approx(expected, rel=1e-9)
    assert weights[1].item() == pytest.approx(-1.0, rel=1e-9)  # a clock of its own


# Which mode, and whose batch.


@twins
def test_moving_mean_after_one_discriminator_step(twin):
    recipe = BASE.replace(
        generator=BASE.generator.with_(batch_norm=True),
        discriminator=BASE.discriminator.with_(batch_norm=True, momentum=0.8),
    )
    run, sampler = start(twin, recipe)
    inputs = next_inputs(run, sampler)[0]
    first = run.state.native(inputs["discriminator"][0])
    fake = run.state.generator(first["noise"], training=True)
    weight = run.state.discriminator.export()["dense_1.weight"]
    to_numpy = module("tensors.networks", twin).to_numpy
    real, fake = (to_numpy(x).reshape(len(x), -1) @ weight for x in (first["real"], fake))
    exports = [run.state.export()]
    make_step(twin, run.state, "discriminator", inputs["discriminator"][0])
    exports.append(run.state.export())
    make_step(twin, run.state, "generator", inputs["generator"])
    exports.append(run.state.export())

    start_mean, end = (export["discriminator"]["batch_norm_1.moving_mean"] for export in exports[:2])
    expected = 0.64 * start_mean + 0.16 * real.mean(0) + 0.2 * fake.mean(0)
    assert relative_error(end, expected) < 1e-9
    assert relative_error(end, 0.64 * start_mean + 0.2 * real.mean(0) + 0.16 * fake.mean(0)) > 1e-3  # the other order
    for (before, after), player in zip(itertools.pairwise(exports), ("discriminator", "generator"), strict=True):
        for role in ("discriminator", "generator"):
            moved = [
                not np.array_equal(before[role][name], array)
                for name, array in after[role].items()
                if "moving" in name and "/" not in name
            ]
            assert len(moved) == 4
            assert all(moved) if role == player else not any(moved), (player, role)


@twins
def test_separate_batches_bound_a_linear_discriminator(twin):
    rng = np.random.default_rng(5)
    real, fake = rng.normal(size=(32, 10)), rng.normal(2.0, 3.0, size=(32, 10))
    spec = layers.BatchNorm("batch_norm_1", 10, epsilon=1e-3)
    layer = module("tensors.layers", twin).make_layer(spec, "float64")
    _set_to_one(twin, layer.gamma)

    def normalised(x):
        return as_numpy(layer(native(twin, x, "float64"), training=True))

    separate, mixed = (normalised(real), normalised(fake)), np.split(normalised(np.concatenate([real, fake])), 2)
    lowest = {"separate": np.inf, "mixed": np.inf}
    for _ in range(300):
        w, b = rng.normal(size=10) * rng.choice([0.01, 0.3, 3.0]), rng.normal()
        logits = [x @ w + b for x in separate]
        assert logits[0].mean() == pytest.approx(b, abs=1e-12)
        assert logits[1].mean() == pytest.approx(b, abs=1e-12)
        loss = losses.minimax_discriminator(*logits)
        assert loss >= 2 * math.log(2 * math.cosh(b / 2)) >= 2 * math.log(2)
        lowest["separate"] = min(lowest["separate"], loss)
        lowest["mixed"] = min(lowest["mixed"], losses.minimax_discriminator(*(x @ w + b for x in mixed)))
    assert lowest["mixed"] < 2 * math.log(2) < lowest["separate"]
    zero = [x @ np.zeros(10) for x in separate]
    assert losses.minimax_discriminator(*zero) == pytest.approx(2 * math.log(2), rel=1e-15)


# The last batch of an epoch.


def test_variance_of_a_batch_mean():
    """All batches that can be drawn, with replacement, from five values."""
    values = np.array([-1.0, 0.3, 0.5, 2.0, 7.0])
    for n in (1, 2, 5):
        means = [np.mean(batch) for batch in itertools.product(values, repeat=n)]
        assert np.var(means) == pytest.approx(values.var() / n, rel=1e-9)


@twins
def test_one_mean_over_unequal_numbers_shifts_the_logit(twin):
    """On four points, where p and q are known, the shifted logit has no gradient and every other has one."""
    p, q, n_real, n_fake = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.4, 0.3, 0.2, 0.1]), 5, 128

    def gradient(logits, real_weights, fake_weights):
        if twin == "torch":
            import torch

            leaf = torch.tensor(logits, requires_grad=True)
            loss = (
                torch.tensor(real_weights) * torch.nn.functional.softplus(-leaf)
                + torch.tensor(fake_weights) * torch.nn.functional.softplus(leaf)
            ).sum()
            return torch.autograd.grad(loss, leaf)[0].numpy()
        import tensorflow as tf

        leaf = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(leaf)
            loss = tf.reduce_sum(real_weights * tf.nn.softplus(-leaf) + fake_weights * tf.nn.softplus(leaf))
        return tape.gradient(loss, leaf).numpy()

    one = p * n_real / (n_real + n_fake), q * n_fake / (n_real + n_fake)
    shifted = np.log(p / q) + math.log(n_real / n_fake)
    assert np.abs(gradient(shifted, *one)).max() < 1e-15
    assert np.abs(gradient(np.log(p / q), p, q)).max() < 1e-15  # two means: no shift
    for wrong in (np.log(p / q), np.log(p / q) - math.log(n_real / n_fake), shifted + 0.01):
        assert np.abs(gradient(wrong, *one)).max() > 1e-5


def _give(ending: str, value: float) -> object:
    return np.asarray(value) if ending == "numpy" else native(ending, value, "float64")


def _set_to_one(twin: str, variable) -> None:
    if twin == "torch":
        import torch

        with torch.no_grad():
            variable.fill_(1.0)
    else:
        variable.assign(np.ones(variable.shape))

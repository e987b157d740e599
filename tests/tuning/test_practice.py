"""The equations of the section "Practice", each with both sides."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganbook.data.recipe import FRAMEWORKS, Optimiser
from ganbook.gradient_descent import training
from ganbook.gradient_descent.distributed import share
from ganbook.tensors.layers import Dense
from ganbook.tuning.results import read_result
from gradient_descent.runs_at_hand import BASE, make_step, start
from parity import TWINS, as_numpy, module

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")


def test_a_clipped_probability_has_no_gradient():
    keras = pytest.importorskip("keras")
    logit = tf.constant([[-3.0]])
    with tf.GradientTape() as tape:
        tape.watch(logit)
        loss = keras.losses.BinaryCrossentropy(from_logits=False)(tf.ones((1, 1)), logit)
    assert float(loss) == pytest.approx(16.118, abs=1e-3)
    assert tape.gradient(loss, logit).numpy().item() == 0.0


def test_a_sigmoid_of_a_sigmoid_shuts_the_losses_in():
    def twice(logit):
        return 1 / (1 + np.exp(-(1 / (1 + np.exp(-logit)))))

    real, fake = np.meshgrid(np.linspace(-30, 30, 61), np.linspace(-30, 30, 61))
    losses, generator = -np.log(twice(real)) - np.log(1 - twice(fake)), -np.log(twice(fake))
    assert losses.min() == pytest.approx(math.log1p(math.exp(-1)) + math.log(2), abs=1e-9)
    assert losses.min() == pytest.approx(1.0064, abs=5e-5)
    assert generator.min() == pytest.approx(math.log1p(math.exp(-1)), abs=1e-9)
    assert generator.max() == pytest.approx(math.log(2), abs=1e-9)


class _Counter(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts the multiplications of matrix products."""

    def __init__(self):
        super().__init__()
        self.products = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        if function in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default):
            one, other = arguments[-2:]
            self.products += one.shape[0] * one.shape[1] * other.shape[1]
        return function(*arguments, **(options or {}))


def _products(recipe):
    """Multiplications of one iteration of a dense recipe."""
    run, sampler = start("torch", recipe)
    inputs = run.state.native(sampler.iteration(0, run.rng))
    with _Counter() as counter:
        run.state.one_iteration(inputs)
    return counter.products


#: Wide in the middle, so that what the first and the last layer save hardly counts.
_WIDE = BASE.replace(
    generator=BASE.generator.with_(hidden=(300, 300, 300)),
    averaging=0.0,
    discriminator=BASE.discriminator.with_(hidden=(300, 300, 300)),
)


def _forward(recipe):
    run, _ = start("torch", recipe)
    return [
        recipe.batch * sum(spec.flops(()) // 2 for spec in network.blueprint.layers if isinstance(spec, Dense))
        for network in (run.generator, run.discriminator)
    ]


def test_operations_of_a_step():
    made, judged = _forward(_WIDE)
    assert _products(_WIDE) == pytest.approx(4 * made + 8 * judged, rel=0.02)


@pytest.mark.parametrize(
    ("fields", "factor"),
    [({"r1": 1.0}, 3), ({"r2": 1.0}, 3), ({"r1": 1.0, "r2": 1.0}, 6), ({"gradient_penalty": 1.0}, 6)],
)
def test_operations_of_a_penalty(fields, factor):
    made, judged = _forward(_WIDE)
    assert _products(_WIDE.replace(**fields)) == pytest.approx(4 * made + (8 + factor) * judged, rel=0.02)


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
@pytest.mark.parametrize(("name", "moments"), [("sgd", 0), ("momentum", 1), ("rmsprop", 1), ("adam", 2)])
@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_bytes_of_a_run(framework, name, moments, averaging):
    rule = Optimiser(name, 1e-3)
    state = training.start_run(
        BASE.replace(
            generator_optimiser=rule,
            discriminator_optimiser=rule,
            averaging=averaging,
            generator=BASE.generator.with_(batch_norm=True),
        ),
        framework,
        device="cpu",
    ).state
    sizes = [
        sum(math.prod(w.shape) for w in net.trainable().values()) for net in (state.generator, state.discriminator)
    ]
    moving = sum(math.prod(w.shape) for w in state.generator.moving().values())
    copies = 1 if averaging else 0
    counted = 8 * ((1 + moments) * sum(sizes) + copies * sizes[0] + (1 + copies) * moving)
    assert sum(array.nbytes for group in state.export().values() for array in group.values()) == counted


def test_activations_are_kept_for_the_way_back():
    recipe = _WIDE.replace(dtype="float32", batch=64)
    run, sampler = start("torch", recipe)
    inputs = run.state.native(sampler.iteration(0, run.rng))["generator"]
    own = {
        t.untyped_storage().data_ptr() for net in (run.generator, run.discriminator) for t in net.state_dict().values()
    }
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module("gradient_descent.step.steps", "torch").generator_objective(recipe, *run.state.networks, inputs)
    numbers = 0
    for network in (run.generator, run.discriminator):
        shape = network.blueprint.input_shape
        for layer in network.blueprint.layers:
            numbers += math.prod(shape)
            shape = layer.output_shape(shape)
    counted = 4 * recipe.batch * numbers
    assert counted / 2.1 < sum(kept.values()) <= counted


@pytest.mark.parametrize("twin", TWINS)
@given(x=st.floats(2.0**-100, 2.0**100))
def test_rounding_to_bfloat16(twin, x):
    rounded = (
        float(torch.tensor(x, dtype=torch.float64).to(torch.bfloat16))
        if twin == "torch"
        else float(tf.cast(tf.constant(x, tf.float64), tf.bfloat16))
    )
    # Some conversions pass through float32, which adds a rounding of its own.
    assert abs(rounded - x) <= 2.0**-8 * (1 + 2.0**-15) * x


@pytest.mark.parametrize("twin", TWINS)
def test_gradient_of_the_parts(twin):
    recipe = BASE.replace(loss="relativistic", r1=1.0, r2=1.0, batch=12, discriminator_optimiser=Optimiser("sgd", 1.0))
    moves, losses = [], []
    for size in (1, 3):
        parts = []
        for rank in range(size):
            run, sampler = start(twin, recipe)
            before = run.state.export()["discriminator"]
            inputs = share(sampler.iteration(0, run.rng), rank, size)
            report = make_step(twin, run.state, "discriminator", inputs["discriminator"][0])
            after = run.state.export()["discriminator"]
            parts.append(np.concatenate([(after[name] - before[name]).ravel() for name in before]))
            losses.append(float(as_numpy(report["loss"])) / size)
        moves.append(np.mean(parts, axis=0))
    assert losses[0] == pytest.approx(sum(losses[1:]), abs=1e-13)
    assert np.abs(moves[0] - moves[1]).max() < 1e-12
    assert np.abs(moves[0]).max() > 1e-2


def test_mean_and_variance_of_the_parts():
    batch = np.random.default_rng(0).normal(3.0, 2.0, (12, 5))
    for size in (2, 3, 6):
        parts = batch.reshape(size, -1, 5)
        means, variances = parts.mean(1), parts.var(1)
        assert np.allclose(means.mean(0), batch.mean(0), rtol=1e-14)
        between = ((means - means.mean(0)) ** 2).mean(0)
        assert np.allclose(variances.mean(0) + between, batch.var(0), rtol=1e-13)


def test_expected_variance_of_a_part():
    # All 2^6 batches of six coins, so the expectation is exact; a coin of -1 and 1 has variance 1.
    batches = np.array(list(itertools.product((-1.0, 1.0), repeat=6)))
    for size in (1, 2, 3):
        own = batches.reshape(-1, size, 6 // size).var(2).mean()
        assert own == pytest.approx(1 - size / 6, abs=1e-14)


def test_gradient_of_an_average_over_devices():
    parts = [torch.tensor([1.0, 2.0]).double().requires_grad_() for _ in range(3)]
    mean = sum(parts) / 3
    losses = [(mean**k).sum() for k in (1, 2, 3)]
    by_parts = torch.autograd.grad(sum(losses) / 3, parts, retain_graph=True)
    by_mean = [torch.autograd.grad(loss, mean, retain_graph=True)[0] for loss in losses]
    for gradient in by_parts:
        assert torch.allclose(gradient, sum(by_mean) / 9, rtol=1e-14)


def test_a_busy_neighbour_costs_at_most_what_the_section_says():
    records = read_result("neighbour.json", ("records",))["records"]
    assert {(each["framework"], each["way"]) for each in records} == set(
        itertools.product(FRAMEWORKS, ("command line", "program", "notebook"))
    )
    assert max(each["ratio"] for each in records) <= 2


def test_compiled_steps_gain_for_small_networks_and_cost_large_ones_less_than_a_tenth():
    records = read_result("compiled.json", ("records",))["records"]
    gains = {(each["framework"], each["recipe"]): each["ratio"] for each in records if each["kind"] == "plain"}
    assert gains.keys() == set(itertools.product(FRAMEWORKS, ("grid", "quickstart", "recommended", "dcgan")))
    assert min(gains.values()) >= 1 / 1.1
    for framework in FRAMEWORKS:
        assert gains[framework, "grid"] > gains[framework, "quickstart"] > gains[framework, "recommended"]

"""Networks: twins against the oracle and each other, weights carried across, errors, and planted mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbook.data.recipe import Architecture
from ganbook.tensors.architectures import blueprint_of
from ganbook.tensors.configurations import CONFIGURATIONS
from ganbook.tensors.initial import initial_arrays
from parity import TWINS, assert_parity, module
from tensors.networks_at_hand import case, check_gradients, check_slopes, check_values, make

DTYPES = ("float64", "float32")
SMALL = {  # every network and every setting, small
    "MLPGenerator": {"latent": 5, "shape": (4, 4, 1), "hidden": (6, 7)},
    "MLPGenerator, points": {"latent": 3, "shape": (2,), "hidden": (6,), "output_activation": None, "last_gain": 0.5},
    "MLPGenerator, everything": {
        "latent": 4,
        "shape": (2, 3, 3),
        "hidden": (6, 5),
        "activation": "elu",
        "output_activation": "sigmoid",
        "batch_norm": (2,),
        "dropout": 0.3,
        "initialiser": "lecun",
    },
    "MLPDiscriminator": {"shape": (4, 4, 1), "hidden": (6, 7)},
    "MLPDiscriminator, points": {"shape": (2,), "hidden": (6,), "spectral_norm": True, "dropout": 0.2},
    "ConvDiscriminator": {
        "shape": (9, 7, 3),
        "channels": (3, 4),
        "kernel": (5, 3),
        "padding": ("valid", 1),
        "stride": (1, 2),
        "hidden": (5,),
        "batch_norm": (2, 3),
        "activation": "relu",
    },
    "ConvDiscriminator, spectral norm": {"shape": (8, 8, 1), "channels": (3, 4), "spectral_norm": True},
    "DCGANGenerator": {"latent": 6, "shape": (8, 8, 3), "channels": (5, 4, 3)},
    "DCGANGenerator, everything": {
        "latent": 6,
        "shape": (12, 12, 1),
        "channels": (4, 3, 2),
        "kernel": (3, 4, 4),
        "padding": ("same", 1, "same"),
        "bias": True,
        "batch_norm": (1, 3),
        "dropout": 0.3,
        "activation": "elu",
    },
    "DCGANDiscriminator": {"shape": (12, 12, 3), "channels": (4, 5)},
    "DCGANDiscriminator, batch norm": {"shape": (8, 8, 1), "channels": (4, 5), "batch_norm": True, "dropout": 0.0},
    "PixelShuffleGenerator": {"latent": 6, "shape": (8, 8, 1), "width": 3},
    "PixelShuffleGenerator, everything": {
        "latent": 6,
        "shape": (8, 8, 3),
        "width": 2,
        "kernel": (5, 3, 2),
        "batch_norm": (2,),
        "dropout": 0.2,
        "initialiser": "glorot",
    },
}
small = pytest.mark.parametrize(("name", "chosen"), SMALL.items(), ids=SMALL)
twins = pytest.mark.parametrize("twin", TWINS)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def kind_of(name):
    return name.partition(",")[0]


def plan(name, chosen):
    return blueprint_of(Architecture(kind_of(name), chosen))


def nets_of(twin):
    return module("tensors.networks", twin)


@small
@dtypes
@twins
def test_values(twin, dtype, name, chosen):
    check_values(twin, plan(name, chosen), dtype, batch=5)


@small
@dtypes
@twins
def test_gradients(twin, dtype, name, chosen):
    check_gradients(twin, plan(name, chosen), dtype, batch=5)


@small
def test_second_derivatives(name, chosen):
    check_gradients("tensorflow", plan(name, chosen), "float64", batch=5, second=True)


@small
@twins
def test_gradients_are_slopes_of_the_oracle(twin, name, chosen):
    if chosen.get("spectral_norm"):
        pytest.skip("spectral norm's gradient treats u and v as constants, which a difference does not")
    check_slopes(twin, plan(name, chosen), batch=5)


@pytest.mark.parametrize("name", CONFIGURATIONS)
@dtypes
@twins
def test_values_of_the_named_networks(twin, dtype, name):
    chosen = CONFIGURATIONS[name]
    check_values(twin, plan(chosen.kind, chosen.settings), dtype, batch=4)


@given(side=st.integers(1, 5), channels=st.sampled_from([1, 3]), kernel=st.integers(2, 5))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_every_side_divisible_by_four(side, channels, kernel):
    shape = (4 * side, 4 * side, channels)
    for name, chosen in (
        ("DCGANGenerator", {"latent": 3, "channels": (4, 3, 2), "kernel": kernel}),
        ("DCGANDiscriminator", {"channels": (2, 3), "kernel": kernel}),
        ("PixelShuffleGenerator", {"latent": 3, "width": 2, "kernel": kernel}),
    ):
        blueprint = plan(name, {**chosen, "shape": shape})
        assert shape in (blueprint.input_shape, blueprint.output_shape)
        for twin in TWINS:
            check_values(twin, blueprint, "float64", batch=2, floor=1e-3)


# Weights.


@dtypes
@twins
def test_initial_weights_are_those_of_the_seed(twin, dtype):
    chosen = Architecture("DCGANDiscriminator", {**SMALL["DCGANDiscriminator, batch norm"], "spectral_norm": True})
    for rng in (7, np.random.default_rng(7)):
        arrays = nets_of(twin).build(chosen, rng, dtype, "cpu").export()
        drawn = initial_arrays(blueprint_of(chosen).layers, np.random.default_rng(7))
        assert set(arrays) == set(drawn)
        for name, array in arrays.items():
            assert array.dtype == dtype
            np.testing.assert_array_equal(array, drawn[name].astype(dtype))


@small
@twins
def test_export_convert_and_load_are_inverses(twin, name, chosen):
    network = nets_of(twin).build(Architecture(kind_of(name), chosen), 1, "float32", "cpu")
    arrays = network.export()
    shapes = network.blueprint.trainable_shapes() | network.blueprint.moving_shapes()
    assert {tensor: array.shape for tensor, array in arrays.items()} == shapes
    assert all(array.flags.c_contiguous for array in arrays.values())
    changed = {tensor: array + np.float32(1) for tensor, array in arrays.items()}
    for tensor, array in network.export(network.convert(changed)).items():
        np.testing.assert_array_equal(array, changed[tensor])
    network.load(changed)
    for tensor, array in network.export().items():
        np.testing.assert_array_equal(array, changed[tensor])


@twins
def test_arrays_are_copies(twin):
    network = nets_of(twin).build(
        Architecture("MLPDiscriminator", {"shape": (2,), "hidden": (3,)}), dtype="float64", device="cpu"
    )
    weight = network.trainable()["dense_1.weight"]
    for array in (nets_of(twin).to_numpy(weight), network.export()["dense_1.weight"]):
        kept = array.copy()
        network.assign({"dense_1.weight": weight * 2.0})  # a step of learning
        np.testing.assert_array_equal(array, kept)


def test_the_names_are_those_of_the_module_and_of_keras():
    chosen = SMALL["DCGANDiscriminator, batch norm"]
    network = nets_of("torch").build(Architecture("DCGANDiscriminator", chosen), 0, "float32", "cpu")
    assert list(dict(network.named_parameters())) == list(network.trainable())
    assert list(dict(network.named_buffers())) == list(network.moving())
    network = nets_of("tensorflow").build(Architecture("DCGANDiscriminator", chosen), 0, "float32", "cpu")
    assert len(network.trainable_variables) == len(network.trainable())
    assert len(network.non_trainable_variables) == len(network.moving())
    assert network.summary() == network.blueprint.summary()


def test_no_image_changes_its_strides_in_pytorch():
    """Every four-dimensional tensor of a DCGAN's passes has its channels side by side in memory."""
    import torch

    nets, seen = nets_of("torch"), []
    generator, discriminator = (
        nets.build(Architecture(kind, {"shape": (16, 16, 3), **chosen}), device="cpu")
        for kind, chosen in (
            ("DCGANGenerator", {"latent": 8, "channels": (8, 6, 4)}),
            ("DCGANDiscriminator", {"channels": (4, 6), "dropout": 0.0}),
        )
    )

    def look(module, inputs, output):
        if output.ndim == 4:
            seen.append(output.is_contiguous(memory_format=torch.channels_last))

    for layer in (*generator.children(), *discriminator.children()):
        layer.register_forward_hook(look)
    noise = nets.to_native(np.random.default_rng(0).standard_normal((4, 8)), "float32", "cpu")
    discriminator(generator(noise, training=True), training=True)
    assert len(seen) > 10
    assert all(seen)


# How the frameworks compile them.


@pytest.mark.parametrize("compiled", [False, True], ids=["function", "xla"])
@pytest.mark.parametrize(
    "name",
    [
        "DCGANGenerator, everything",
        "DCGANDiscriminator, batch norm",
        "PixelShuffleGenerator",
        "ConvDiscriminator, spectral norm",
    ],
)
def test_tensorflow_functions_give_the_same_numbers(compiled, name):
    import tensorflow as tf

    nets, blueprint = nets_of("tensorflow"), plan(name, SMALL[name])
    network, at = nets.build(Architecture(kind_of(name), SMALL[name]), 0, "float64", "cpu"), case(blueprint, batch=4)
    masks = {mask: tf.constant(array) for mask, array in at.masks.items()}

    def penalty(x):
        moved = {}
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = network(x, training=True, masks=masks, statistics=moved)
            loss = tf.reduce_sum(tf.square(inner.gradient(y, x))) + tf.reduce_sum(tf.square(y))
        weights = list(network.trainable().values())
        return outer.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO), y, moved

    x = tf.constant(at.x)
    assert_parity(tf.function(penalty, jit_compile=compiled)(x), penalty(x), "float64", floor=1e-6)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["func", "compile"])
@pytest.mark.parametrize(
    "name", ["DCGANGenerator, everything", "DCGANDiscriminator, batch norm", "ConvDiscriminator, spectral norm"]
)
def test_torch_functions_give_the_same_numbers(compiled, name):
    import torch

    nets, blueprint = nets_of("torch"), plan(name, SMALL[name])
    network, at = nets.build(Architecture(kind_of(name), SMALL[name]), 0, "float64", "cpu"), case(blueprint, batch=4)
    masks = {mask: nets.to_native(array, "float64", "cpu") for mask, array in at.masks.items()}
    weights, x = network.trainable(), nets.to_native(at.x, "float64", "cpu")

    def penalty(weights, x):
        def run(x, moved):
            return torch.func.functional_call(
                network, weights, (x,), {"training": True, "masks": masks, "statistics": moved}
            )

        moved = {}
        gradient = torch.func.grad(lambda x: run(x, {}).sum())(x)
        y = run(x, moved)
        return gradient.square().sum() + y.square().sum(), (y, moved)

    leaf = x.clone().requires_grad_()
    inner = torch.autograd.grad(network(leaf, training=True, masks=masks).sum(), leaf, create_graph=True)[0]
    y = network(leaf, training=True, masks=masks)
    loss = inner.square().sum() + y.square().sum()
    expected = torch.autograd.grad(loss, list(weights.values()))
    torch._dynamo.reset()
    function = torch.func.grad(penalty, has_aux=True)
    gradients, (value, moved) = (torch.compile(function) if compiled else function)(weights, x)
    assert_parity(list(gradients.values()), list(expected), "float64", floor=1e-6)
    assert_parity(value, y, "float64")
    assert list(moved) == list(network.moving())


# Shapes, arguments and errors.


@twins
def test_arrays_become_native_and_come_back(twin):
    nets, rng = nets_of(twin), np.random.default_rng(0)
    for shape in ((4, 5, 6, 3), (4, 5, 6, 1), (4, 7), (4, 2), (4,)):
        for dtype in DTYPES:
            array = rng.standard_normal(shape).astype(dtype)
            tensor = nets.to_native(array, dtype, "cpu")
            np.testing.assert_array_equal(nets.to_numpy(tensor), array)
            assert nets.to_numpy(tensor).dtype == dtype
    images = nets.to_native(rng.standard_normal((4, 5, 6, 3)), device="cpu")
    assert tuple(images.shape) == ((4, 3, 5, 6) if twin == "torch" else (4, 5, 6, 3))


@twins
def test_a_missing_mask_is_an_error(twin):
    nets = nets_of(twin)
    network = nets.build(Architecture("DCGANDiscriminator", SMALL["DCGANDiscriminator"]), 0, "float32", "cpu")
    x = nets.to_native(np.zeros((2, 12, 12, 3)), device="cpu")
    assert network.blueprint.mask_shapes(2) == {"dropout_1": (2, 6, 6, 4), "dropout_2": (2, 3, 3, 5)}
    for masks in (None, {"dropout_1": nets.to_native(np.ones((2, 6, 6, 4)), device="cpu")}):
        with pytest.raises(ValueError, match=r"masks lacks 'dropout_[12]'; accepted while training"):
            network(x, training=True, masks=masks)
    network(x)


@twins
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 6), r"x has shape \(2, 6\), channels last; accepted: \('N', 4, 4, 1\)"),
        ((2, 4, 4, 2), r"x has shape \(2, 4, 4, 2\), channels last; accepted: \('N', 4, 4, 1\)"),
        ((4, 4, 4, 1), "batch is 4; accepted with packing 3: a multiple of 3"),
    ],
)
def test_a_wrong_input_is_an_error(twin, shape, message):
    nets = nets_of(twin)
    network = nets.build(Architecture("MLPDiscriminator", SMALL["MLPDiscriminator"] | {"packing": 3}), device="cpu")
    with pytest.raises(ValueError, match=message):
        network(nets.to_native(np.zeros(shape), device="cpu"))


@twins
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("dense_1.bias"), "tensors dense_1.bias are missing; accepted: all of"),
        (lambda arrays: arrays.update({"dense_9.bias": np.zeros(3)}), "tensor 'dense_9.bias' is unknown; accepted"),
        (
            lambda arrays: arrays.update({"dense_1.weight": arrays["dense_1.weight"].T}),
            r"tensor 'dense_1.weight' has shape \(6, 5\); accepted: \(5, 6\)",
        ),
        (
            lambda arrays: arrays.update({"dense_1.weight": arrays["dense_1.weight"].reshape(-1)}),
            r"tensor 'dense_1.weight' has shape \(30,\); accepted: \(5, 6\)",
        ),
    ],
)
def test_wrong_arrays_are_errors_and_change_nothing(twin, change, message):
    network = nets_of(twin).build(Architecture("MLPGenerator", SMALL["MLPGenerator"]), 0, "float32", "cpu")
    before, arrays = network.export(), network.export()
    change(arrays)
    with pytest.raises(ValueError, match=message):
        network.load(arrays)
    for name, array in network.export().items():
        np.testing.assert_array_equal(array, before[name])


@twins
def test_an_unknown_tensor_cannot_be_assigned(twin):
    network = nets_of(twin).build(Architecture("MLPGenerator", SMALL["MLPGenerator"]), 0, "float32", "cpu")
    with pytest.raises(ValueError, match=r"tensor 'dense_9.bias' is unknown; accepted: dense_1.weight"):
        network.assign({"dense_9.bias": network.trainable()["dense_1.bias"]})


@twins
def test_wrong_arguments_are_errors(twin):
    nets = nets_of(twin)
    with pytest.raises(ValueError, match="dtype is 'float16'; accepted: float32, float64"):
        nets.build(Architecture("MLPGenerator"), dtype="float16")
    with pytest.raises(ValueError, match="device is 'tpu'; accepted: None, 'cpu', 'gpu' or 'gpu:N'"):
        nets.build(Architecture("MLPGenerator"), device="tpu")
    with pytest.raises(ValueError, match=r"device is 'gpu:99'; accepted: 'cpu', or gpu:N; GPUs in sight: [0-9]+$"):
        nets.build(Architecture("MLPGenerator"), device="gpu:99")


@twins
def test_tensors_in_place_of_its_own_are_all_of_them(twin):
    nets = module("tensors.networks", twin)
    network = make(twin, blueprint_of(Architecture("MLPGenerator", {"latent": 5, "hidden": (3,)})))
    x = nets.to_native(np.zeros((2, 5)), device="cpu")
    with pytest.raises(ValueError, match=r"dense_1\.bias are missing"):
        network(x, tensors={name: t for name, t in network.trainable().items() if name != "dense_1.bias"})

"""Update rules: hand values, many steps against the oracle and the frameworks' own optimisers, planted mistakes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbook.data.recipe import OPTIMISERS, Optimiser
from ganbook.gradient_descent.step import optimisers_numpy as oracle
from parity import TWINS, as_numpy, assert_parity, module, native, relative_error, variant

STEPS = 200
RATE = 0.01
BUDGET = settings(max_examples=40, deadline=None, derandomize=True)
# An epsilon as large as the gradients, so that its place in the formula shows; and the two betas that GANs use.
SETTINGS = {
    f"{name}-{beta1:g}-{beta2:g}": Optimiser(name, beta1=beta1, beta2=beta2, epsilon=0.01)
    for name in OPTIMISERS
    for beta1, beta2 in ((0.0, 0.99), (0.5, 0.999))
}
GOAL = np.random.default_rng(3).normal(size=(3, 4))
NOISE = np.random.default_rng(4).normal(size=(STEPS, 3, 4)) * 10.0 ** np.random.default_rng(5).uniform(-3, 1, (3, 4))


def run(rules, config: Optimiser, give, number=int, steps: int = STEPS, rate=RATE) -> tuple:
    """A noisy descent on |theta - GOAL|^2 / 2 from 0; ``number`` says how t is handed over.

    It starts at 0 so that position is distance travelled: elsewhere the position would hide an error of a small step.
    """
    parameter = give(np.zeros_like(GOAL))
    state = rules.initial_state(config, parameter)
    for t in range(1, steps + 1):
        gradient = parameter - give(GOAL) + give(NOISE[t - 1])
        parameter, state = rules.update(config, parameter, gradient, state, number(t), rate)
    return parameter, state


def check_rule(rules, twin: str, dtype: str, config: Optimiser, tensors: bool = False, steps: int = STEPS) -> None:
    """Hold many steps of one twin's rule, parameter and state, to the oracle; planted mistakes go through it too."""

    def give(array):
        return native(twin, array, dtype)

    number, rate = (lambda t: native(twin, t, "int64"), give(RATE)) if tensors else (int, RATE)
    parameter, state = run(rules, config, give, number, steps, rate)
    expected, expected_slots = run(oracle, config, np.asarray, steps=steps)
    assert_parity(parameter, expected, dtype, what=config.name)
    assert_parity(state, expected_slots, dtype, what=f"state of {config.name}")


# Values that a person can work out.


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_hand_values(ending):
    """theta = 1, gradients 2 and then -1, rate 0.1, beta1 0.5, beta2 0.75, epsilon 0.5."""
    rules = module("gradient_descent.step.optimisers", ending)
    expected = {
        "sgd": (1 - 0.2, 1 - 0.2 + 0.1),
        "momentum": (1 - 0.2, 1 - 0.2 - 0.1 * (0.5 * 2 - 1)),
        # v = 0.25 * 4 = 1, then 0.75 + 0.25 = 1.
        "rmsprop": (1 - 0.2 / 1.5, 1 - 0.2 / 1.5 + 0.1 / 1.5),
        # m = 1, v = 1, corrected 2 and 4; then m = 0, v = 1: nothing moves.
        "adam": (1 - 0.1 * 2 / 2.5, 1 - 0.1 * 2 / 2.5),
    }
    for name, positions in expected.items():
        config = Optimiser(name, beta1=0.5, beta2=0.75, epsilon=0.5)
        parameter, two, minus_one = (_give(ending, value) for value in (1.0, 2.0, -1.0))
        state = rules.initial_state(config, parameter)
        for t, (gradient, position) in enumerate(zip((two, minus_one), positions, strict=True), start=1):
            parameter, state = rules.update(config, parameter, gradient, state, t, 0.1)
            assert_parity(parameter, position, "float64", what=name)


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_initial_state(ending):
    rules, names = (
        module("gradient_descent.step.optimisers", ending),
        {"sgd": [], "momentum": ["velocity"], "rmsprop": ["v"], "adam": ["m", "v"]},
    )
    for name in OPTIMISERS:
        state = rules.initial_state(Optimiser(name), _give(ending, GOAL))
        assert_parity(state, {slot: np.zeros((3, 4)) for slot in names[name]}, "float64")


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_rules_leave_their_arguments_alone(ending):
    rules = module("gradient_descent.step.optimisers", ending)
    for config in SETTINGS.values():
        parameter, gradient = _give(ending, GOAL), _give(ending, NOISE[0])
        state = {name: slot + 1.0 for name, slot in rules.initial_state(config, parameter).items()}
        rules.update(config, parameter, gradient, state, 1, RATE)
        assert_parity([parameter, gradient], [GOAL, NOISE[0]], "float64")
        assert_parity(state, {name: np.ones((3, 4)) for name in state}, "float64")


# Twin against oracle.


@pytest.mark.parametrize("tensors", [False, True], ids=["numbers", "tensors"])
@pytest.mark.parametrize("key", SETTINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("twin", TWINS)
def test_parity_over_many_steps(twin, dtype, key, tensors):
    check_rule(module("gradient_descent.step.optimisers", twin), twin, dtype, SETTINGS[key], tensors)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("twin", TWINS)
def test_bias_correction_keeps_its_digits(twin, dtype):
    """At t = 1 a float32 computation of 1 - 0.9999^t keeps three digits."""
    config = Optimiser("adam", beta1=0.9, beta2=0.9999, epsilon=1e-8)
    for tensors in (False, True):
        check_rule(module("gradient_descent.step.optimisers", twin), twin, dtype, config, tensors, steps=1)


def _compiled(twin: str, mode: str, rules, config: Optimiser):
    def step(parameter, gradient, state, t, rate):
        return rules.update(config, parameter, gradient, state, t, rate)

    if twin == "torch":
        import torch

        torch._dynamo.reset()
        return torch.compile(step, fullgraph=True)
    import tensorflow as tf

    return tf.function(step, jit_compile=mode == "xla")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("key", SETTINGS)
@pytest.mark.parametrize(("twin", "mode"), [("torch", "compile"), ("tensorflow", "function"), ("tensorflow", "xla")])
def test_parity_when_compiled(twin, mode, key, dtype):
    """t and the rate are tensors, so the step is compiled once and serves every step."""
    rules, config = module("gradient_descent.step.optimisers", twin), SETTINGS[key]
    check_rule(variant(rules, update=_compiled_update(twin, mode, rules, config)), twin, dtype, config, tensors=True)


def _compiled_update(twin, mode, rules, config):
    step = _compiled(twin, mode, rules, config)
    return lambda _, *arguments: step(*arguments)


def test_torch_func():
    """A rule inside ``torch.func.grad``: the derivative of one descent step on theta^2 / 2 by theta is 1 - eta."""
    import torch

    rules, config = module("gradient_descent.step.optimisers", "torch"), Optimiser("sgd")

    def stepped(theta):
        gradient = torch.func.grad(lambda x: (x**2).sum() / 2)(theta)
        return rules.update(config, theta, gradient, {}, 1, 0.1)[0].sum()

    assert_parity(torch.func.grad(stepped)(native("torch", GOAL, "float64")), np.full((3, 4), 0.9), "float64")


@pytest.mark.parametrize("kind", ["tf.Variable", "keras.Variable"])
def test_variables(kind):
    import keras
    import tensorflow as tf

    rules = module("gradient_descent.step.optimisers", "tensorflow")
    for config in SETTINGS.values():
        make = tf.Variable if kind == "tf.Variable" else lambda array: keras.Variable(array, dtype="float64")
        parameter = make(GOAL)
        state = rules.initial_state(config, parameter)
        new, state = rules.update(config, parameter, _give("tensorflow", NOISE[0]), state, 1, RATE)
        expected = oracle.update(config, GOAL, NOISE[0], oracle.initial_state(config, GOAL), 1, RATE)
        assert_parity([new, state], expected, "float64")
        assert_parity(parameter, GOAL, "float64")


# The frameworks' own optimisers, where the definitions agree.


def own_torch(config: Optimiser) -> np.ndarray:
    import torch

    parameter = torch.nn.Parameter(torch.zeros(GOAL.shape, dtype=torch.float64))
    # torch calls beta2 of RMSprop alpha, and takes betas as floats only: (0, 0.99) is refused, (0.0, 0.99) is not.
    make = {
        "sgd": lambda: torch.optim.SGD([parameter], RATE),
        "momentum": lambda: torch.optim.SGD([parameter], RATE, momentum=config.beta1),
        "rmsprop": lambda: torch.optim.RMSprop([parameter], RATE, alpha=config.beta2, eps=config.epsilon),
        "adam": lambda: torch.optim.Adam([parameter], RATE, betas=(config.beta1, config.beta2), eps=config.epsilon),
    }
    optimiser = make[config.name]()
    for noise in NOISE:
        parameter.grad = parameter.detach() + native("torch", noise - GOAL, "float64")
        optimiser.step()
    return parameter.detach().numpy()


@pytest.mark.parametrize("key", SETTINGS)
def test_torch_optim(key):
    """PyTorch's rules are ours, epsilon included: outside the root, after the bias correction."""
    expected, _ = run(oracle, SETTINGS[key], np.asarray)
    assert_parity(own_torch(SETTINGS[key]), expected, "float64")


# Keras holds the learning rate in float32 and Adam's betas pass through float32 too: these are exact there.
KERAS = {name: Optimiser(name, learning_rate=2**-7, beta1=0.5, beta2=1 - 2**-7, epsilon=0.01) for name in OPTIMISERS}


def own_keras(config: Optimiser, epsilon) -> np.ndarray:
    """Many steps of Keras's optimiser; ``epsilon(t, v)`` is what it is given as epsilon at step t."""
    import keras
    import tensorflow as tf

    parameter = keras.Variable(np.zeros_like(GOAL), dtype="float64")
    rate = config.learning_rate.start
    optimiser = {
        "sgd": lambda: keras.optimizers.SGD(rate),
        "momentum": lambda: keras.optimizers.SGD(rate, momentum=config.beta1),
        "rmsprop": lambda: keras.optimizers.RMSprop(rate, rho=config.beta2),
        "adam": lambda: keras.optimizers.Adam(rate, config.beta1, config.beta2),
    }[config.name]()
    optimiser.build([parameter])
    v = np.zeros_like(GOAL)
    for t, noise in enumerate(NOISE, start=1):
        gradient = parameter.numpy() - GOAL + noise
        v = config.beta2 * v + (1 - config.beta2) * gradient**2
        optimiser.epsilon = epsilon(t, v)
        optimiser.apply([tf.constant(gradient)], [parameter])
    return parameter.numpy()


def equal_epsilon(config: Optimiser):
    """The epsilon that makes Keras's step ours exactly.

    Keras's Adam divides by sqrt(v) + epsilon before the correction of v, ours by sqrt(v / c) + epsilon with
    c = 1 - beta2^t: theirs must be ours times sqrt(c).  Keras's RMSprop divides by sqrt(v + epsilon), ours by
    sqrt(v) + epsilon: theirs must be 2 epsilon sqrt(v) + epsilon^2.
    """
    e = config.epsilon
    return {
        "adam": lambda t, v: e * math.sqrt(1 - config.beta2**t),
        "rmsprop": lambda t, v: 2 * e * np.sqrt(v) + e**2,
    }.get(config.name, lambda t, v: e)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_keras(name):
    expected, _ = run(oracle, KERAS[name], np.asarray, rate=2**-7)
    assert_parity(own_keras(KERAS[name], equal_epsilon(KERAS[name])), expected, "float64")


@pytest.mark.parametrize("name", ["rmsprop", "adam"])
def test_keras_with_the_same_epsilon_is_another_rule(name):
    """The accounting above is needed: with one epsilon for both the runs part."""
    expected, _ = run(oracle, KERAS[name], np.asarray, rate=2**-7)
    assert relative_error(own_keras(KERAS[name], lambda t, v: 0.01), expected) > 1e-4


# Properties.


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
@BUDGET
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_adam_and_rmsprop_do_not_see_the_scale_of_the_loss(ending, scale, seed):
    """Gradients and epsilon times c: the same step."""
    rules = module("gradient_descent.step.optimisers", ending)
    gradient = np.random.default_rng(seed).normal(size=(3, 4))
    for name in ("rmsprop", "adam"):
        steps = []
        for c in (1.0, scale):
            config = Optimiser(name, beta1=0.5, epsilon=1e-3 * c)
            parameter = _give(ending, GOAL)
            state = rules.initial_state(config, parameter)
            steps.append(rules.update(config, parameter, _give(ending, c * gradient), state, 1, RATE)[0])
        assert relative_error(steps[1], as_numpy(steps[0])) < 1e-12


@BUDGET
@given(gradient=st.floats(-1e6, 1e6), beta1=st.sampled_from([0.0, 0.5, 0.9]))
def test_the_first_step_of_adam_is_at_most_its_rate(gradient, beta1):
    config = Optimiser("adam", beta1=beta1)
    new, _ = oracle.update(config, np.array([0.0]), np.array([gradient]), oracle.initial_state(config, [0.0]), 1, RATE)
    assert abs(new[0]) <= RATE * (1 + 1e-12)
    assert new[0] * gradient <= 0


def test_float64_holds_no_float32_constant():
    """0.1, 0.9 and 0.999 differ from their float32 neighbours by 1e-8: the rules must not."""
    config = Optimiser("adam", beta1=0.9, beta2=0.999, epsilon=1e-8)
    expected, _ = run(oracle, config, np.asarray, steps=50, rate=0.1)
    for twin in TWINS:
        for number in (int, lambda t, twin=twin: native(twin, t, "int64")):
            parameter, _ = run(
                module("gradient_descent.step.optimisers", twin),
                config,
                lambda array, twin=twin: native(twin, array, "float64"),
                number,
                50,
                0.1,
            )
            assert relative_error(parameter, expected) < 1e-13


@pytest.mark.parametrize("ending", ["numpy", *TWINS])
def test_errors(ending):
    rules, parameter = module("gradient_descent.step.optimisers", ending), _give(ending, GOAL)
    with pytest.raises(ValueError, match=r"gradient has shape \(4,\); accepted: the parameter's, \(3, 4\)"):
        rules.update(Optimiser("sgd"), parameter, parameter[0], {}, 1, RATE)
    if ending != "numpy":
        with pytest.raises(ValueError, match=r"gradient has shape \(4,\); accepted: the parameter's, \(3, 4\)"):
            rules.update_all(Optimiser("sgd"), {"a": parameter}, {"a": parameter[0]}, {"a": {}}, 1, RATE)


def _give(ending: str, value) -> object:
    return np.asarray(value) if ending == "numpy" else native(ending, value, "float64")


# Planted mistakes: each must fail the very check above.  Each is (rule, update), written for every framework's tensors.


def _adam(p, g, s, t, rate, k, *, corrected=True, inside=False, late=False, power=2, sign=-1, shift=0):
    m = k.beta1 * s["m"] + (1 - k.beta1) * g
    v = k.beta2 * s["v"] + (1 - k.beta2) * g**power
    c1, c2 = (1 - k.beta1 ** (t + shift), 1 - k.beta2 ** (t + shift)) if corrected else (1.0, 1.0)
    root = (v / c2 + k.epsilon) ** 0.5 if inside else (v / c2) ** 0.5 + k.epsilon
    root = (v**0.5 + k.epsilon) / c2**0.5 if late else root
    return p + sign * rate * (m / c1) / root, {"m": m, "v": v}


def _rmsprop(p, g, s, t, rate, k, *, inside=False, swapped=False):
    rho = 1 - k.beta2 if swapped else k.beta2
    v = rho * s["v"] + (1 - rho) * g**2
    return p - rate * g / ((v + k.epsilon) ** 0.5 if inside else v**0.5 + k.epsilon), {"v": v}


def _momentum(p, g, s, t, rate, k, *, damped=False, ahead=False):
    u = k.beta1 * s["velocity"] + (1 - k.beta1 if damped else 1) * g
    return p - rate * (g + k.beta1 * u if ahead else u), {"velocity": u}


def _sgd(p, g, s, t, rate, k, *, sign=-1):
    return p + sign * rate * g, {}


RULES = {"sgd": _sgd, "momentum": _momentum, "rmsprop": _rmsprop, "adam": _adam}
MUTANTS = {
    "adam: no bias correction": ("adam", {"corrected": False}),
    "adam: epsilon inside the root": ("adam", {"inside": True}),
    "adam: epsilon before the correction": ("adam", {"late": True}),
    "adam: t counted from 2": ("adam", {"shift": 1}),
    "adam: flipped sign": ("adam", {"sign": 1}),
    "rmsprop: epsilon inside the root": ("rmsprop", {"inside": True}),
    "rmsprop: decay swapped": ("rmsprop", {"swapped": True}),
    "momentum: damped": ("momentum", {"damped": True}),
    "momentum: Nesterov's": ("momentum", {"ahead": True}),
    "sgd: flipped sign": ("sgd", {"sign": 1}),
}


def _planted(twin: str, name: str, mistake: dict):
    def update(config, parameter, gradient, state, t, rate):
        return RULES[name](parameter, gradient, state, t, rate, config, **mistake)

    return variant(module("gradient_descent.step.optimisers", twin), update=update)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("label", MUTANTS)
@pytest.mark.parametrize("twin", TWINS)
def test_mutants_fail_parity(twin, label, dtype):
    name, mistake = MUTANTS[label]
    config = SETTINGS[f"{name}-0.5-0.999"]
    check_rule(_planted(twin, name, {}), twin, dtype, config)  # without the mistake the same code is right
    with pytest.raises(AssertionError, match="relative error"):
        check_rule(_planted(twin, name, mistake), twin, dtype, config)


@pytest.mark.parametrize("twin", TWINS)
def test_a_float32_constant_fails_parity(twin):
    rules = module("gradient_descent.step.optimisers", twin)
    rounded = variant(
        rules, update=lambda config, p, g, s, t, rate: rules.update(config, p, g, s, t, float(np.float32(rate)))
    )
    with pytest.raises(AssertionError, match="relative error"):
        check_rule(rounded, twin, "float64", SETTINGS["adam-0.5-0.999"])


def test_a_bias_correction_by_powers_fails_in_float32():
    import torch

    rules = module("gradient_descent.step.optimisers", "torch")
    config = Optimiser("adam", beta1=0.9, beta2=0.9999, epsilon=1e-8)

    def update(config, p, g, s, t, rate):
        t = t.to(torch.float32)
        return _adam(p, g, s, t, rate, config)

    with pytest.raises(AssertionError, match="relative error"):
        check_rule(variant(rules, update=update), "torch", "float32", config, tensors=True, steps=1)

"""The loop: what it records, shows, samples and saves, where it stops, and what it refuses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from ganbook import data
from ganbook.data import ring
from ganbook.data.recipe import FRAMEWORKS, Optimiser, Recipe, Schedule
from ganbook.gradient_descent import checkpoint, training
from ganbook.gradient_descent.checkpoint import CheckpointError
from gradient_descent.runs_at_hand import BASE, DISCRIMINATOR, GENERATOR, Uniform, identical, spread
from parity import relative_error

RECIPE = BASE.replace(loss="relativistic", r1=1.0, steps=12, generator=GENERATOR.with_(batch_norm=True, bias=False))
POINTS = BASE.replace(
    data="ring",
    generator=GENERATOR.with_(shape=(2,), output_activation=None),
    discriminator=DISCRIMINATOR.with_(shape=(2,)),
)
frameworks = pytest.mark.parametrize("framework", FRAMEWORKS)


def train(framework="pytorch", recipe=RECIPE, **options):
    return training.train(recipe, framework, **{"source": Uniform(), "device": "cpu", **options})


class Spoilt(Uniform):
    """So many good batches, then batches of what is not a number."""

    def __init__(self, good):
        super().__init__()
        self.__dict__["good"] = good

    def batch(self, rng, n):
        self.__dict__["good"] -= 1
        return super().batch(rng, n) * np.float32(np.nan if self.good < 0 else 1)


# What a run is.


def test_both_frameworks_run_the_same_run():
    runs = [train(framework) for framework in FRAMEWORKS]
    assert [run.framework for run in runs] == list(FRAMEWORKS)
    ends = [(np.array([run.history[name] for name in training.LOSSES]).T, run.state.export()) for run in runs]
    assert spread(*ends) < 1e-9
    assert runs[0].rng.bit_generator.state == runs[1].rng.bit_generator.state


@frameworks
def test_a_run_is_decided_by_its_recipe(framework):
    one, same, other = train(framework), train(framework), train(framework, RECIPE.replace(seed=1))
    assert identical(one.state.export(), same.state.export())
    assert one.history == same.history
    assert not identical(one.state.export(), other.state.export())


@frameworks
def test_the_default_trains_on_digits_without_an_argument(framework):
    run = training.train(framework=framework, until=2)
    assert (run.recipe, run.step) == (Recipe(), 2)
    assert run.sample(3).shape == (3, 8, 8, 1)
    assert all(map(math.isfinite, run.history["generator_loss"]))


def test_pytorch_is_the_default():
    assert training.train(RECIPE, source=Uniform(), until=0).framework == "pytorch"


@frameworks
def test_mixtures(framework):
    run = train(framework, POINTS, source=None)
    assert run.step == 10
    assert run.sample(5).shape == (5, 2)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_a_recipe_names_its_source(scale):
    source = training.load_source(POINTS.replace(scale=scale))
    assert np.array_equal(source.means, ring(scale=scale).means)
    small = training.load_source(RECIPE.replace(data="digits", split="test", size=4))
    assert np.array_equal(small.images, data.load("digits", split="test", size=4).images)


@frameworks
def test_until_stops_and_stands_at_the_step(framework):
    assert train(framework, until=0).step == 0
    run = train(framework, until=5)
    assert run.step == 5
    assert train(framework, until=100).step == RECIPE.steps
    assert all(np.isfinite(array).all() for array in run.state.export()["generator"].values())


# More steps than the recipe's.

FADING = RECIPE.replace(
    generator_optimiser=Optimiser(learning_rate=Schedule(0.01, 0.001, "cosine")), r1=Schedule(1.0, 0.1, "linear")
)


@frameworks
def test_an_extended_run_is_one_run_whenever_it_was_extended(framework, tmp_path):
    whole = train(framework, FADING, steps=20)
    assert (whole.step, whole.steps, whole.recipe) == (20, 20, FADING)
    for first in (5, FADING.steps):
        out = tmp_path / str(first)
        train(framework, FADING, until=first, out=out)
        run = train(framework, None, steps=20, resume=True, out=out)
        assert identical(run.state.export(), whole.state.export())
        assert run.history == whole.history
        assert training.load_run(out).recipe == FADING
        assert training.load_run(out).steps == 20


def test_an_extended_run_that_was_cut_off_goes_on_to_its_own_end(tmp_path):
    train(recipe=FADING, out=tmp_path)
    train(recipe=FADING, resume=True, steps=20, until=15, out=tmp_path)
    state = checkpoint.load(tmp_path)[1]
    assert (state["step"], state["steps"]) == (15, 20)
    assert train(recipe=FADING, resume=True, out=tmp_path).step == 20
    assert train(recipe=FADING, resume=True, steps=23, out=tmp_path).step == 23


@pytest.mark.parametrize("recipe", [RECIPE, FADING], ids=["constant", "fading"])
def test_schedules_end_with_the_recipe(recipe):
    """With constant rates more steps are more of the same; a recipe of more steps would fade later."""
    extended, other = train(recipe=recipe, steps=20), train(recipe=recipe.replace(steps=20))
    assert identical(extended.state.export(), other.state.export()) == (recipe is RECIPE)
    run, source = training.start_run(recipe, device="cpu"), Uniform()
    sampler = training.make_sampler(run, source)
    rates = [sampler.iteration(step, np.random.default_rng(0)) for step in (12, 19)]
    assert rates[0]["generator"]["rates"]["learning_rate"] == rates[1]["generator"]["rates"]["learning_rate"]
    assert [inputs["discriminator"][0]["rates"]["r1"] for inputs in rates] == [recipe.r1.value(12, 12)] * 2


def test_a_run_does_not_become_shorter(tmp_path):
    train(until=1, steps=20, out=tmp_path)
    before = (tmp_path / checkpoint.FILE).read_bytes()
    for steps in (19, 0, 12):
        with pytest.raises(ValueError, match=f"^steps is {steps}; accepted: a whole number of at least 20$"):
            train(resume=True, steps=steps, out=tmp_path)
    with pytest.raises(ValueError, match=r"^steps is 11; accepted: a whole number of at least 12$"):
        train(steps=11)
    with pytest.raises(CheckpointError, match=r"differ: steps\. .* own recipe, and steps= \(--steps\) to extend it$"):
        train(recipe=RECIPE.replace(steps=20), resume=True, out=tmp_path)
    assert (tmp_path / checkpoint.FILE).read_bytes() == before


# Examples that no network should learn from.


class Wrong(Uniform):
    """Examples that are wrong in one way."""

    def __init__(self, wrong, shape=(4, 4, 1)):
        super().__init__(shape)
        self.__dict__["wrong"] = wrong

    def batch(self, rng, n):
        return self.wrong(super().batch(rng, n))


def spoil(value):
    def change(batch):
        batch.flat[-1] = value
        return batch

    return change


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda batch: (batch + 1) * 127.5,
            r"source has values from 1\.\d* to 252\.\d*; accepted: -1 to 1, or check_dat",
        ),
        (spoil(1.0001), r"source has values from -\d\.\d* to 1\.0001; accepted: -1 to 1"),
        (spoil(-1.5), "source has values from -1.5 to "),
        (spoil(np.nan), "source has values from nan to nan; accepted: -1 to 1"),
        (spoil(-np.inf), "source has values from -inf to "),
        (lambda batch: batch[1:], r"source has a batch of shape \(5, 4, 4, 1\); accepted: \(6, 4, 4, 1\)"),
        (lambda batch: batch[..., 0], r"source has a batch of shape \(6, 4, 4\)"),
    ],
    ids=["bytes", "a little too much", "too small", "nan", "infinite", "too few", "flat"],
)
def test_examples_out_of_range_are_refused_where_they_come_in(wrong, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(source=Wrong(wrong), out=tmp_path / "run")
    assert not (tmp_path / "run" / checkpoint.FILE).exists()


def test_the_way_out_lets_any_range_in():
    stretched = Wrong(lambda batch: (batch + 1) * np.float32(127.5))
    run = train(source=stretched, check_data=False)
    assert run.step == 12
    assert run.history["discriminator_loss"] != train().history["discriminator_loss"]


def test_points_have_no_range_but_are_finite():
    wide = POINTS.replace(data="grid")
    assert train(recipe=wide, source=Wrong(lambda batch: 1000 * batch, (2,)), until=2).step == 2
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="accepted: finite ones, or check_data=False"):
            train(recipe=wide, source=Wrong(spoil(value), (2,)))


# Numbers that come from NumPy.


def test_numbers_of_numpy_are_numbers(tmp_path):
    recipe = RECIPE.replace(
        steps=np.int64(12),
        batch=np.int32(6),
        seed=np.uint8(RECIPE.seed),
        generator=GENERATOR.with_(batch_norm=True, bias=False, latent=np.int64(5)),
    )
    run = train(recipe=recipe, until=np.int64(4), save_every=np.int64(2), sample_every=np.int16(2), out=tmp_path)
    run = train(recipe=recipe, resume=True, steps=np.int64(14), out=tmp_path)
    assert identical(run.state.export(), train(steps=14).state.export())
    assert np.array_equal(run.sample(np.int64(5), np.uint8(3)), run.sample(5, 3))
    run.save(tmp_path)


# Records.


def test_every_step_of_a_short_run_is_recorded():
    run = train()
    assert list(run.history) == ["step", *training.LOSSES]
    assert run.history["step"] == list(range(1, 13))
    assert {len(values) for values in run.history.values()} == {12}
    assert run.history["penalty"] != run.history["discriminator_loss"]
    assert run.seconds > 0
    json.dumps(run.history)


@pytest.mark.parametrize(("steps", "every"), [(9, 1), (10, 1), (19, 1), (20, 2), (25, 2), (47, 4)])
def test_a_long_run_is_recorded_every_so_many_steps(monkeypatch, steps, every):
    monkeypatch.setattr(training, "RECORDS", 10)
    run, whole = train(recipe=RECIPE.replace(steps=steps)), train(recipe=RECIPE.replace(steps=steps), until=8)
    assert run.history["step"] == list(range(every, steps + 1, every))
    assert len(run.history["step"]) < 20
    again = training.train(RECIPE.replace(steps=steps), source=Uniform(), device="cpu", save_every=3, sample_every=5)
    assert again.history == run.history
    assert whole.history["step"] == [step for step in run.history["step"] if step <= 8]


@frameworks
def test_losses_are_those_before_the_update(framework):
    """With equal logits the relativistic loss is ln 2 for both players."""
    flat = RECIPE.replace(discriminator=DISCRIMINATOR.with_(last_gain=1e-12))
    run = train(framework, flat, until=1)
    assert run.history["discriminator_loss"] == pytest.approx([math.log(2)])
    assert run.history["penalty"] == pytest.approx([0.0], abs=1e-12)


# The bar.


def test_no_bar_under_test(capfd):
    train(until=2)
    assert capfd.readouterr() == ("", "")


def test_a_bar_where_one_asks_for_it(capfd):
    train(until=2, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "0/12" in err


@pytest.mark.parametrize(
    ("progress", "terminal", "tested", "shown"),
    [
        (None, True, False, True),
        (None, False, False, False),
        (None, True, True, False),
        (True, False, True, True),
        (False, True, False, False),
    ],
)
def test_when_a_bar_is_shown(monkeypatch, progress, terminal, tested, shown):
    monkeypatch.setattr(training.sys, "stderr", type("Stream", (), {"isatty": lambda self: terminal})())
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "this")
    if not tested:
        monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert training.show_bar(progress) is shown


# Samples.


@frameworks
def test_samples_on_the_way_do_not_disturb_the_run(framework):
    plain, sampled = train(framework), train(framework, sample_every=5)
    assert identical(plain.state.export(), sampled.state.export())
    assert plain.history == sampled.history
    assert plain.rng.bit_generator.state == sampled.rng.bit_generator.state
    assert plain.samples == []
    assert [step for step, _ in sampled.samples] == [5, 10]
    for step, images in sampled.samples:
        assert (images.shape, images.dtype) == ((64, 4, 4, 1), np.float32)
        assert np.abs(images).max() <= 1
        assert np.array_equal(images, train(framework, until=step).sample(64, RECIPE.seed))


def test_samples_that_draw_from_the_run_are_caught(monkeypatch):
    right = training.Run.sample
    monkeypatch.setattr(training.Run, "sample", lambda run, n, seed: (run.rng.random(), right(run, n, seed))[1])
    with pytest.raises(AssertionError):
        test_samples_on_the_way_do_not_disturb_the_run("pytorch")


@frameworks
def test_sample(framework):
    run = train(framework)
    one = run.sample(600, seed=3)
    assert (one.shape, one.dtype) == ((600, 4, 4, 1), np.float32)
    assert np.array_equal(one, run.sample(600, seed=3))
    assert not np.array_equal(one, run.sample(600, seed=4))
    noise = np.random.default_rng(3).standard_normal((600, 5)).astype(np.float32)
    assert relative_error(one, run.state.sample(noise)) < 1e-6
    latest = run.sample(600, seed=3, use_average=False)
    assert relative_error(latest, run.state.sample(noise, use_average=False)) < 1e-6
    assert relative_error(latest, one) > 1e-3
    for options, message in (
        ({"n": 0}, "n is 0; accepted"),
        ({"seed": -1}, "seed is -1; accepted"),
        ({"n": 1.5}, "n is 1.5"),
    ):
        with pytest.raises(ValueError, match=message):
            run.sample(**options)


def test_without_an_average_the_last_weights_are_sampled():
    run = train(recipe=RECIPE.replace(averaging=0.0))
    assert np.array_equal(run.sample(4), run.sample(4, use_average=False))


# Saving on the way.


def test_save_every(monkeypatch, tmp_path):
    saved, right = [], training.Run.save
    monkeypatch.setattr(training.Run, "save", lambda run, folder: (saved.append(run.step), right(run, folder)))
    run = train(out=tmp_path, save_every=5)
    assert saved == [5, 10, 12]
    assert identical(run.state.export(), train().state.export())
    assert train(save_every=5).step == 12  # nowhere to save
    assert saved == [5, 10, 12]


@pytest.mark.parametrize(("framework", "compiled"), [(name, False) for name in FRAMEWORKS] + [("tensorflow", True)])
def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_what_was_saved(tmp_path, framework, compiled):
    recipe = RECIPE.replace(loss="non_saturating")  # one batch a step, and one before the first for the fingerprint
    with pytest.raises(training.NonFiniteLoss, match=r"step 6: discriminator_loss nan.*what was saved before"):
        train(framework, recipe, source=Spoilt(6), out=tmp_path, save_every=4, compiled=compiled, check_data=False)
    run = training.load_run(tmp_path, device="cpu")
    assert run.step == 4
    assert identical(run.state.export(), train(framework, recipe, until=4, compiled=compiled).state.export())
    assert train(framework, None, out=tmp_path, resume=True).step == 12


@frameworks
def test_weights_that_overflow_are_never_saved(tmp_path, framework):
    """The losses of the only step are finite; what it does to the weights is not."""
    recipe = RECIPE.replace(generator_optimiser=Optimiser("sgd", 1e300), dtype="float32")
    with pytest.raises(training.NonFiniteLoss, match=r"step 1: .* of the generator is not finite"):
        train(framework, recipe, out=tmp_path, until=1)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


# What is refused.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": -1}, "until is -1; accepted: a whole number of at least 0"),
        ({"until": 2.0}, "until is 2.0"),
        ({"save_every": -1}, "save_every is -1"),
        ({"sample_every": 0.5}, "sample_every is 0.5"),
        ({"resume": True}, "resume is True and out is None"),
        ({"framework": "jax"}, "framework is 'jax'; accepted: pytorch, tensorflow"),
        ({"device": "tpu"}, "device is 'tpu'; accepted"),
        ({"recipe": RECIPE.replace(data="letters"), "source": None}, "data is 'letters'; accepted: digits, mnist"),
        ({"recipe": RECIPE.replace(data="ring", size=8), "source": None}, "size"),
        (
            {"source": Uniform((5, 4, 1))},
            r"examples of shape \(5, 4, 1\), the generator makes \(4, 4, 1\) and the "
            r"discriminator takes \(4, 4, 1\)",
        ),
        ({"recipe": RECIPE.replace(discriminator=DISCRIMINATOR.with_(shape=(4, 4, 3)))}, r"takes \(4, 4, 3\)"),
        ({"recipe": RECIPE.replace(generator=GENERATOR.with_(width=3))}, "width"),
    ],
)
def test_bad_arguments_are_named(options, message, tmp_path):
    given = {"recipe": RECIPE, "source": Uniform(), **options}
    with pytest.raises(ValueError, match=message):
        training.train(**given, **({} if "resume" in options else {"out": tmp_path / "out"}))
    assert not (tmp_path / "out").exists()


@frameworks
def test_a_gpu_that_is_not_there_is_named(framework):
    with pytest.raises(ValueError, match=r"device is 'gpu:99'; accepted: 'cpu'"):
        train(framework, device="gpu:99")


def test_a_folder_that_cannot_be_is_refused_before_training(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(training, "iterate", None)
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="file"):
            train(out=out)
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_twin_is_imported_by_name():
    assert training.twin("ganbook.gradient_descent.step.steps", "tensorflow").__name__.endswith("steps_tensorflow")
    with pytest.raises(ValueError, match="framework is 'torch'; accepted: pytorch, tensorflow"):
        training.twin("ganbook.gradient_descent.step.steps", "torch")

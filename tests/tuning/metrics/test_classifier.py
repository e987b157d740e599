"""The fixed digit classifier: one set of weights, two frameworks, and a record that can be checked."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from ganbook import data
from ganbook.data.recipe import FRAMEWORKS
from ganbook.gradient_descent.training import twin
from ganbook.tuning import results
from ganbook.tuning.metrics import classifier
from parity import TOLERANCE, relative_error

frameworks = pytest.mark.parametrize("framework", FRAMEWORKS)
sides = pytest.mark.parametrize("side", classifier.SIDES)


def reader(framework, side=8, dtype="float64", **options):
    return twin("ganbook.tuning.metrics.features", framework).DigitClassifier(side, dtype, "cpu", **options)


def pictures(side, channels=1, n=7):
    """Blurred noise in [-1, 1]."""
    rng = np.random.default_rng(3)
    return np.tanh(rng.standard_normal((n, side, side, channels))).astype(np.float32)


def halves(name, side):
    try:
        return classifier.held_out_split(name, side)
    except data.DataError as error:
        pytest.skip(f"{name} is not at hand: {error}")


@sides
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_both_twins_see_the_same(side, dtype):
    one, other = (reader(framework, side, dtype) for framework in FRAMEWORKS)
    images = pictures(side, 3)
    for read in ("features", "logits"):
        mine, theirs = (getattr(r, read)(images) for r in (one, other))
        assert mine.dtype == theirs.dtype == dtype
        assert relative_error(mine, theirs) <= TOLERANCE[dtype]
    assert (one.digits(images) == other.digits(images)).all()


@sides
@frameworks
def test_the_recorded_accuracy_is_that_of_the_weights(side, framework):
    read = reader(framework, side)
    assert set(read.record["accuracy"]) == set(classifier.TRAININGS[side].data)
    for name, recorded in read.record["accuracy"].items():
        _, digits = halves(name, side)
        assert len(digits) == read.record["held_out"][name]
        # The record was made in float32, which may see one image in a thousand otherwise.
        assert read.accuracy(digits) == pytest.approx(recorded, abs=1e-3)
        assert recorded > 0.975


@sides
def test_the_files_are_small_and_say_where_they_come_from(side):
    path = results.results_folder() / f"classifier_{side}.safetensors"
    arrays, record = classifier.load_weights(side)
    assert path.stat().st_size < 150_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == record["sha256"]
    blueprint = classifier.digit_network(side)
    shapes = blueprint.trainable_shapes() | blueprint.moving_shapes()
    assert {name: array.shape for name, array in arrays.items()} == shapes
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    plan = record["recipe"]
    assert (record["side"], plan["steps"]) == (side, classifier.TRAININGS[side].steps)
    assert tuple(plan["data"]) == classifier.TRAININGS[side].data
    assert record["command"].startswith(f"python -m ganbook classifier --side {side} ")


@frameworks
def test_features_lead_to_the_logits(framework):
    read = reader(framework)
    images = pictures(8)
    features, logits = read.features(images), read.logits(images)
    assert features.shape == (7, 64)
    expected = features @ read.arrays["dense_2.weight"].astype(np.float64) + read.arrays["dense_2.bias"]
    np.testing.assert_allclose(logits[:, 0], expected, rtol=0, atol=1e-10)
    assert (read.digits(images) == logits.argmax(-1)).all()


@frameworks
def test_channels_are_read_one_by_one(framework):
    read = reader(framework)
    stacks = pictures(8, 3)
    alone = [read.features(stacks[..., c : c + 1]) for c in range(3)]
    np.testing.assert_allclose(read.features(stacks), np.concatenate(alone, 1), rtol=0, atol=1e-12)
    assert read.digits(stacks).shape == (7, 3)
    assert read.logits(stacks).shape == (7, 3, 10)
    swapped = read.features(stacks[..., [1, 0, 2]])
    np.testing.assert_allclose(swapped[:, :64], alone[1], rtol=0, atol=1e-12)


@frameworks
def test_the_size_of_the_parts_does_not_matter(framework, monkeypatch):
    read, images = reader(framework), pictures(8)
    whole = read.features(images)
    monkeypatch.setattr(classifier, "PART", 3)
    np.testing.assert_allclose(read.features(images), whole, rtol=0, atol=1e-12)


@frameworks
def test_images_that_are_none_are_refused(framework):
    read = reader(framework)
    spoilt = pictures(8)
    spoilt[2, 3, 4, 0] = np.nan
    for images in (spoilt, 2 * np.ones((1, 8, 8, 1))):
        with pytest.raises(ValueError, match="accepted: -1 to 1"):
            read.features(images)
    for images in (pictures(28), pictures(8)[0], pictures(8)[:0]):
        with pytest.raises(ValueError, match=r"accepted: \(N, 8, 8, C\), at least one image"):
            read.digits(images)


@pytest.mark.parametrize("side", [16, 0, "8"])
def test_another_size_has_no_classifier(side):
    for refuse in (classifier.load_weights, classifier.digit_network, classifier.make_classifier):
        with pytest.raises(classifier.ClassifierError, match=r"side is .*; accepted: 8, 28, 32"):
            refuse(side)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "its SHA-256 is .* instead of"),
        (lambda path: path.unlink(), "cannot be read .*python -m ganbook classifier --side 8"),
        (lambda path: path.with_suffix(".json").unlink(), "classifier_8.json does not exist"),
        (lambda path: path.with_suffix(".json").write_text("{}"), "classifier_8.json lacks"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(damage, message, tmp_path):
    for ending in ("safetensors", "json"):
        shutil.copy(results.results_folder() / f"classifier_8.{ending}", tmp_path)
    classifier.load_weights(8, tmp_path)
    damage(tmp_path / "classifier_8.safetensors")
    with pytest.raises(ValueError, match=message):
        classifier.load_weights(8, tmp_path)


@sides
@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_held_out_digits_are_no_training_digits(name, side):
    train, other = halves(name, side)
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in other.images}
    assert len(set(other.labels.tolist())) == 10


def test_moving_an_image():
    image = np.full((1, 4, 5, 1), -1.0, np.float32)
    image[0, 1, 2, 0] = 1
    seen = set()
    rng = np.random.default_rng(0)
    for _ in range(200):
        moved = classifier._varied(image, 1, 0.0, rng)
        assert moved.dtype == np.float32
        (place,) = np.argwhere(moved[0, :, :, 0] == 1)
        seen.add(tuple(place.tolist()))
        assert moved.sum() == image.sum()
    assert seen == {(row, column) for row in (0, 1, 2) for column in (1, 2, 3)}
    noisy = classifier._varied(np.zeros((1, 50, 50, 1), np.float32), 0, 0.2, rng)
    assert noisy.std() == pytest.approx(0.2, abs=0.01)


def test_both_twins_learn_alike():
    """Three updates in float64 from the same weights."""
    (train, _), rng = classifier.held_out_split("digits", 8), np.random.default_rng(1)
    arrays = classifier.initial_arrays(classifier.digit_network(8).layers, rng)
    readers = [reader(framework, arrays=arrays) for framework in FRAMEWORKS]
    for t in (1, 2, 3):
        planes, targets = classifier._batch(classifier.TRAININGS[8], [train], rng)
        losses = [r.step(planes, targets, 1e-3, t) for r in readers]
        assert losses[0] == pytest.approx(losses[1], abs=1e-10)
    one, other = (r.network.export() for r in readers)
    for name in one:
        assert relative_error(one[name], other[name]) < 1e-10, name
        assert np.abs(one[name] - arrays[name]).max() > 1e-4, name


@frameworks
def test_a_classifier_is_made_by_one_command(framework, tmp_path):
    lines = []
    made = classifier.make_classifier(8, framework, steps=40, seed=3, out=tmp_path, device="cpu", report=lines.append)
    assert json.loads((tmp_path / "classifier_8.json").read_text())["accuracy"] == made["accuracy"]
    arrays, record = classifier.load_weights(8, tmp_path)
    assert (record["framework"], record["seed"], record["recipe"]["steps"]) == (framework, 3, 40)
    assert record["command"] == f"python -m ganbook classifier --side 8 --framework {framework} --seed 3 --steps 40"
    assert len(lines) == 10
    read = reader(framework, arrays=arrays)
    assert read.accuracy(halves("digits", 8)[1]) == pytest.approx(made["accuracy"]["digits"], abs=2e-3)
    assert 0.3 < made["accuracy"]["digits"] < 0.99
    assert {path.name for path in tmp_path.iterdir()} == {"classifier_8.json", "classifier_8.safetensors"}


def test_missing_data_are_named_before_anything_is_written(monkeypatch, tmp_path):
    monkeypatch.setenv("GANBOOK_DATA", str(tmp_path))
    with pytest.raises(data.DataError, match="mnist"):
        classifier.make_classifier(28, out=tmp_path / "results")
    assert not list(tmp_path.iterdir())


@sides
def test_features_have_their_unit(side):
    planes = np.concatenate([halves(name, side)[0].images for name in classifier.TRAININGS[side].data])
    assert (reader("pytorch", side).features(planes) ** 2).mean() == pytest.approx(1, abs=1e-4)


@frameworks
def test_the_unit_changes_no_logit(framework):
    arrays = classifier.initial_arrays(classifier.digit_network(8).layers, np.random.default_rng(2))
    plain = reader(framework, arrays=arrays)
    images = pictures(8)
    scaled = reader(framework, arrays=classifier._in_unit(plain, images))
    np.testing.assert_allclose(scaled.logits(images), plain.logits(images), rtol=1e-5, atol=1e-6)
    assert (scaled.features(images) ** 2).mean() == pytest.approx(1, abs=1e-5)
    assert (plain.features(images) ** 2).mean() != pytest.approx(1, abs=0.1)

"""Labelled images: stacks, splits, resizing, and the arguments of `load`."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbook.data import NAMES, Images, StackedImages, load, resize, split_indices
from ganbook.data.images import coloured


def rng(seed=0):
    return np.random.default_rng(seed)


def some(n=20, side=4, channels=1):
    images = rng().uniform(-1, 1, (n, side, side, channels)).astype(np.float32)
    return Images(images, np.arange(n, dtype=np.int64) % 10, "some")


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 4), min_size=10, max_size=200), st.floats(0.2, 0.8), st.integers(0, 9))
def test_split_indices(labels, share, seed):
    labels = np.array(labels)
    first, second = split_indices(labels, share, rng(seed))
    np.testing.assert_array_equal(np.sort(np.r_[first, second]), np.arange(len(labels)))
    assert len(second) == round(share * len(labels))
    for label in np.unique(labels):
        assert abs((labels[second] == label).sum() - share * (labels == label).sum()) < 1


def test_parts_are_the_two_of_a_split_or_the_set():
    images = some()
    train, test = images.split(0.3, rng(4))
    np.testing.assert_array_equal(images.part("train", 0.3, rng(4)).images, train.images)
    np.testing.assert_array_equal(images.part("test", 0.3, rng(4)).images, test.images)
    assert len(test) == 6
    assert images.part("all", 0.3, rng(4)) is images
    with pytest.raises(ValueError, match="split is 'valid'; accepted: train, test, all"):
        images.part("valid", 0.3, rng())


@pytest.mark.parametrize("share", [0.0, 1.0, 1e-9, -0.1, 1.1, float("nan")])
def test_split_refuses_an_empty_part(share):
    with pytest.raises(ValueError, match="share is"):
        split_indices(np.arange(10) % 2, share, rng())


def test_batch_draws_with_replacement_from_the_set():
    images = some(3)
    batch = images.batch(rng(), 50)
    assert batch.shape == (50, 4, 4, 1)
    assert batch.dtype == np.float32
    drawn = {image.tobytes() for image in batch}
    assert drawn == {image.tobytes() for image in images.images}
    np.testing.assert_array_equal(batch, images.batch(rng(), 50))
    batch[:] = 0
    assert images.images.any()


BAD = {
    "three axes": dict(images=np.zeros((2, 4, 4), np.float32)),
    "float64": dict(images=np.zeros((2, 4, 4, 1))),
    "nothing": dict(images=np.zeros((0, 4, 4, 1), np.float32), labels=np.zeros(0, np.int64)),
    "too large": dict(images=np.full((2, 4, 4, 1), 1.01, np.float32)),
    "too small": dict(images=np.full((2, 4, 4, 1), -1.01, np.float32)),
    "nan": dict(images=np.full((2, 4, 4, 1), np.nan, np.float32)),
    "label count": dict(labels=np.zeros(3, np.int64)),
    "label type": dict(labels=np.zeros(2, np.int32)),
    "label sign": dict(labels=np.array([0, -1])),
}


@pytest.mark.parametrize("case", BAD)
def test_images_are_checked(case):
    good = dict(images=np.zeros((2, 4, 4, 1), np.float32), labels=np.zeros(2, np.int64))
    Images(**good)
    with pytest.raises(ValueError, match=f"{next(iter(BAD[case]))} has .*accepted"):
        Images(**{**good, **BAD[case]})


# Resizing


@pytest.mark.parametrize("size", [1, 4, 8, 13, 28, 32])
def test_resize_keeps_shape_range_labels_and_constants(size):
    digits = load("digits").take(np.arange(30))
    resized = resize(digits, size)
    assert resized.images.shape == (30, size, size, 1)
    assert resized.images.dtype == np.float32
    np.testing.assert_array_equal(resized.labels, digits.labels)
    constant = Images(np.full((1, 8, 8, 2), 0.3, np.float32), np.zeros(1, np.int64))
    np.testing.assert_allclose(resize(constant, size).images, 0.3, atol=1e-6)


def test_a_size_that_would_take_too_much_memory_is_refused_before_it_is_asked_for():
    with pytest.raises(ValueError, match=r"^size is 100000; accepted with 1,797 images of 1 channels: at most 1054$"):
        load("digits", size=np.int64(100_000))


def test_resize_to_its_own_size_is_the_set_itself():
    images = some()
    assert resize(images, 4) is images
    assert resize(images, None) is images


def test_resize_treats_images_and_channels_apart():
    images = some(3, 6, 2)
    together = resize(images, 9).images
    for i, c in np.ndindex(3, 2):
        alone = Images(np.ascontiguousarray(images.images[i : i + 1, :, :, c : c + 1]), images.labels[i : i + 1])
        np.testing.assert_array_equal(resize(alone, 9).images[0, :, :, 0], together[i, :, :, c])


def test_halving_is_the_triangle_filter():
    # A triangle four fine pixels wide weighs 1, 3, 3, 1 eighths; an edge drops what lies outside.
    row = np.linspace(-1, 1, 8, dtype=np.float32) ** 3
    images = Images(np.tile(row[:, None], (1, 1, 8))[..., None].reshape(1, 8, 8, 1), np.zeros(1, np.int64))
    found = resize(images, 4).images[0, :, 0, 0]
    np.testing.assert_allclose(found[1], row[1:5] @ [1, 3, 3, 1] / 8, rtol=1e-5)
    np.testing.assert_allclose(found[0], row[0:3] @ [3, 3, 1] / 7, rtol=1e-5)


def test_mirrored_input_gives_mirrored_output():
    images = some(4, 7)
    mirrored = Images(images.images[:, :, ::-1], images.labels)
    np.testing.assert_allclose(resize(mirrored, 5).images, resize(images, 5).images[:, :, ::-1], atol=1e-6)


# Stacks


@pytest.mark.parametrize("n", [1, 2, 3])
def test_stacks_agree_with_their_parts(n):
    base = load("digits", split="test")
    stacks = StackedImages.draw(base, n, 500, rng())
    assert (len(stacks), stacks.shape, stacks.images.shape) == (500, (8, 8, n), (500, 8, 8, n))
    assert stacks.images.dtype == np.float32
    assert stacks.images.flags.c_contiguous
    parts = {image.tobytes(): label for image, label in zip(base.images, base.labels, strict=True)}
    for stack, label in zip(stacks.images, stacks.labels, strict=True):
        digits = [parts[np.ascontiguousarray(stack[:, :, c]).tobytes()] for c in range(n)]
        assert label == int("".join(map(str, digits)))


def test_stacked_digits_reach_all_thousand_labels():
    stacks = load("stacked_digits", split="test", count=26_000)
    assert stacks.name == "stacked_digits"
    assert stacks.labels.dtype == np.int64
    counts = np.bincount(stacks.labels, minlength=1000)
    assert len(counts) == 1000
    assert (counts > 0).all()
    # Uniform over 1,000 labels: the chi-square statistic has mean 999 and standard deviation 45, and the slightly
    # unequal counts of the ten digits add to it.
    assert ((counts - 26) ** 2 / 26).sum() < 1250


def test_stacks_are_seeded_and_drawn_from_the_split():
    first, again, other = (load("stacked_digits", seed=seed, count=50) for seed in (0, 0, 1))
    assert len(load("stacked_digits")) == 128_000
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    train = {image.tobytes() for image in load("digits", split="train").images}
    stacks = load("stacked_digits", split="train", count=50, stack=2)
    assert stacks.shape == (8, 8, 2)
    assert all(np.ascontiguousarray(image[:, :, c]).tobytes() in train for image in stacks.images for c in (0, 1))


def test_stacks_batch():
    stacks = load("stacked_digits", count=5)
    batch = stacks.batch(rng(), 100)
    assert batch.shape == (100, 8, 8, 3)
    assert {image.tobytes() for image in batch} == {image.tobytes() for image in stacks.images}


def test_stacks_of_coloured_images_are_refused():
    with pytest.raises(ValueError, match="base has 2 channels"):
        StackedImages.draw(some(channels=2), 3, 10, rng())


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(name="cifar"), "data is 'cifar'; accepted: " + ", ".join(NAMES)),
        (dict(split="valid"), "split is 'valid'; accepted: train, test, all"),
        (dict(size=0), "size is 0"),
        (dict(size=2.5), "size is 2.5"),
        (dict(seed=-1), "seed is -1"),
        (dict(stack=3), "stack is 3; accepted with data 'digits'"),
        (dict(count=3), "count is 3; accepted with data 'digits'"),
        (dict(scale=2.0), "scale is 2.0; accepted with data 'digits'"),
        (dict(name="stacked_digits", stack=0), "stack is 0"),
        (dict(name="stacked_digits", stack=7), "stack is 7"),
        (dict(name="stacked_digits", count=0), "count is 0"),
        (dict(name="stacked_digits", scale=2.0), "scale is 2.0"),
        (dict(name="ring", size=8), "size is 8; accepted with data 'ring'"),
        (dict(name="grid", split="test"), "split is 'test'; accepted with data 'grid'"),
        (dict(name="grid", scale=0.0), "scale is 0.0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is checked below
        load(**arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["digits", "mnist_5k", "stacked_digits", "stacked_mnist_5k", "ring", "grid"])
def test_every_set_offers_the_same_three_things(name):
    data = load(name)
    batch = data.batch(rng(), 6)
    assert data.name == name
    assert batch.shape == (6, *data.shape)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, data.batch(rng(), 6))


def test_coloured_digits_keep_their_form_in_the_brightest_channel():
    grey, digits = load("mnist_5k"), load("coloured_mnist_5k")
    assert (digits.name, digits.shape) == ("coloured_mnist_5k", (28, 28, 3))
    np.testing.assert_allclose(digits.images.max(-1), grey.images[..., 0], atol=1e-6)
    np.testing.assert_array_equal(digits.labels, grey.labels)
    # One channel of a full hue is dark, and every hue occurs: red, green and blue are brightest equally often.
    bright = digits.images.max((1, 2))
    np.testing.assert_allclose(bright.min(1), -1, atol=1e-6)
    np.testing.assert_allclose(np.bincount(bright.argmax(1)) / 5000, 1 / 3, atol=0.03)


def test_hues_by_hand():
    white = Images(np.ones((4, 1, 1, 1), np.float32), np.zeros(4, np.int64))
    rng = SimpleNamespace(random=lambda shape: np.array([0, 1 / 6, 1 / 3, 2 / 3]).reshape(shape))
    hues = [[1, -1, -1], [1, 1, -1], [-1, 1, -1], [-1, -1, 1]]
    np.testing.assert_allclose(coloured(white, rng).images[:, 0, 0], hues, atol=1e-6)


def test_colours_are_not_coloured_again():
    with pytest.raises(ValueError, match="images has 3 channels; accepted: 1"):
        coloured(Images(np.zeros((2, 4, 4, 3), np.float32), np.zeros(2, np.int64)), np.random.default_rng(0))

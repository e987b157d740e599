"""The scores of generated digits: by hand, beside their yardsticks, and with mistakes planted."""

from __future__ import annotations

import numpy as np
import pytest

from ganbook import data
from ganbook.tuning.metrics.features_torch import DigitClassifier
from ganbook.tuning.metrics.legibility import SURE, DigitJudge


class Told:
    """A reader of one pixel a channel: two digits with logits 0 and the pixel, and the pixel as the feature."""

    def features(self, images):
        return images.reshape(len(images), -1).astype(np.float64)

    def logits(self, images):
        pixels = np.moveaxis(images, -1, 1).reshape(len(images), -1)
        return np.stack([np.zeros_like(pixels), pixels], axis=-1)


def images(*values):
    return np.array(values, np.float32).reshape(len(values), 1, 1, -1)


@pytest.fixture(scope="module")
def halves():
    return data.load("digits", split="train"), data.load("digits", split="test")


@pytest.fixture(scope="module")
def judge(halves):
    return DigitJudge(DigitClassifier(8, device="cpu"), halves[1].images)


def test_a_digit_is_read_that_is_surer_than_5_of_100_real_ones():
    real = images(*np.linspace(0, 1, 101))
    judge = DigitJudge(Told(), real)
    assert judge.score(real).read == 95 / 101
    assert judge.score(real).distance < 1e-12
    # The likelier of two digits counts, which has the logit 0 where the pixel is below 0.
    assert judge.score(images(0.049, 0.051, -0.049, -0.051)).read == 1 / 2


def test_each_channel_is_read_by_itself():
    judge = DigitJudge(Told(), images((0, 0), (1, 1)))  # as sure as of the pixel 0, or less, is not read
    assert judge.score(images((0, 1), (0.9, 0))).read == 1 / 2


def test_the_distance_is_that_of_the_features():
    judge = DigitJudge(Told(), images(0, 0.5))
    assert judge.score(images(0.25, 0.75)).distance == pytest.approx(0.0625)


def test_real_digits_score_best_and_those_without_digits_far_less(judge, halves):
    found = judge.yardsticks(halves[0], 899)
    assert found["real"].read > SURE
    assert found["real"].distance < 1
    assert found["digitless"].read < 0.5
    assert found["noise"].read < found["digitless"].read
    assert found["real"].distance < 0.2 * found["digitless"].distance < 0.1 * found["noise"].distance
    assert judge.yardsticks(halves[0], 899) == found


def test_stacks_have_the_same_yardsticks_in_every_channel(halves):
    stacked = data.load("stacked_digits", split="test", count=400).images
    found = DigitJudge(DigitClassifier(8, device="cpu"), stacked).yardsticks(halves[0], 400)
    assert found["real"].read > 0.9
    assert found["digitless"].read < 0.5


def test_images_in_colour_have_yardsticks_of_whole_images():
    """Real ones are chosen whole, and the Gaussian knows how the channels of a pixel belong together."""
    rng = np.random.default_rng(0)
    grey = rng.uniform(-0.8, 0.8, (4000, 1, 1, 1)).astype(np.float32)
    same = np.concatenate([grey, -grey], axis=-1)
    judge = DigitJudge(Told(), same)
    found = judge.yardsticks(data.Images(same, np.zeros(4000, np.int64)), 4000)
    assert found["real"].distance < 1e-3
    assert found["digitless"].distance < 1e-2  # mean and covariance, across channels too
    assert found["noise"].distance > 0.1


def test_others_of_another_number_of_channels(judge):
    others = data.load("coloured_mnist_5k", split="test", size=8)
    with pytest.raises(ValueError, match="accepted"):
        DigitJudge(DigitClassifier(8, device="cpu"), np.zeros((5, 8, 8, 2), np.float32)).yardsticks(others, 10)


@pytest.mark.parametrize("wrong", [np.zeros((3, 7, 7, 1), np.float32), np.full((3, 8, 8, 1), 2, np.float32)])
def test_bad_images_are_named(judge, wrong):
    with pytest.raises(ValueError, match=r"^images has .*; accepted"):
        judge.score(wrong)

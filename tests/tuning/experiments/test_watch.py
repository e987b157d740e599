"""What a page prints while a program trains."""

from __future__ import annotations

import numpy as np
import pytest

from ganbook.tuning.experiments.watch import Watch, brightest
from ganbook.tuning.metrics.legibility import Legibility


class Judge:
    """Scores by the mean of the images, and remembers their shape."""

    def __init__(self, channels):
        self.real = np.zeros((1, 4, 4, channels))

    def score(self, images):
        self.seen = images.shape
        return Legibility(10 * float(images.mean()), 0.625)


def test_a_row_for_each_call_below_one_head(capsys):
    watch = Watch(Judge(1))
    images = np.full((20, 4, 4, 1), 0.5)
    watch(1, (1.3862, 0.6931, 0.0, -np.log(3)), images)
    watch(12_000, (0.5, 2.25, 4.0, -4.0), -images)
    assert capsys.readouterr().out.splitlines() == [
        "  step     L_D     L_G   D(real)   D(fake)  distance   read",
        "     1    1.39    0.69      0.50      0.25       5.0   0.62",
        "12,000    0.50    2.25      0.98      0.02      -5.0   0.62",
    ]
    assert list(watch.frames) == [1, 12_000]
    np.testing.assert_array_equal(watch.frames[1], images[:12])
    np.testing.assert_array_equal(watch.samples, -images)


def test_without_a_judge(capsys):
    Watch()(5, (1, 1, 0, 0), np.zeros((2, 4, 4, 3)))
    assert capsys.readouterr().out.splitlines()[0].split() == ["step", "L_D", "L_G", "D(real)", "D(fake)"]


@pytest.mark.parametrize(("channels", "seen"), [(1, (3, 4, 4, 1)), (3, (3, 4, 4, 3))])
def test_a_judge_of_grey_digits_gets_the_brightest_channel(channels, seen):
    judge = Judge(channels)
    Watch(judge)(1, (1, 1, 0, 0), np.zeros((3, 4, 4, 3)))
    assert judge.seen == seen


def test_brightest():
    images = np.array([[[[0.1, 0.7, -1.0]]]])
    assert brightest(images, 1).item() == 0.7
    assert brightest(images, 3) is images

"""What the tests of the metrics share: a source of numbers, and when draws agree with a prediction."""

import math

import numpy as np


def rng(seed=0):
    return np.random.default_rng(seed)


def within_three_errors(found, expected):
    """Whether the mean of draws lies within three standard errors of what is expected, and the rounding of that."""
    return abs(np.mean(found) - expected) <= 3 * np.std(found, ddof=1) / math.sqrt(len(found)) + 1e-9

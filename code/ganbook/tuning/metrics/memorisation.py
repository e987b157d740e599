"""Does a generator repeat its training examples?  Distances to the nearest one, against those of held-out examples.

A generator that draws from the distribution of the data comes as near to the training examples as fresh data do: not
nearer.  So the distances of generated examples and those of held-out ones to their nearest training examples are two
samples of one distribution, and a rank test says how sure one can be that they are not.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ganbook.tuning.metrics.checks import checked_pair

#: Fewest examples for which the normal distribution of the test statistic is good.
ROWS = 8


@dataclasses.dataclass(frozen=True)
class Memorisation:
    """How near generated examples come to training examples, against held-out ones.

    Args:
        closer: probability that a generated example lies nearer to the training set than a held-out one does, in
            [0, 1]; equal distances count half.  1/2 on average for fresh data.
        score: ``closer`` less 1/2, in standard deviations of fresh data.  Above 3: copies.  Below -3: the generated
            examples lie farther off than data do.
        copies: share of generated examples that equal a training example, in [0, 1].
    """

    closer: float
    score: float
    copies: float


def nearest_known(features: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How far every example is from the nearest known one.

    Args:
        features, known: shapes (N, D) and (M, D), finite.

    Returns:
        Distances, shape (N,).

    Raises:
        ValueError: arrays of other shapes, or a value that is not finite.

    Example:
        >>> nearest_known(np.array([[3.0, 4.0], [9.0, 9.0]]), np.array([[9.0, 9.0], [0.0, 0.0]]))
        array([5., 0.])
    """
    from sklearn.metrics import pairwise_distances_argmin

    features, known = checked_pair(features, known, 1, ("features", "known"))
    origin = known.mean(0)
    positions = pairwise_distances_argmin(features - origin, known - origin)
    # The library expands |a - b|² to be fast. Once more for the one that matters: a copy is at distance 0.
    return np.linalg.norm(features - known[positions], axis=1)


def measure_memorisation(generated: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> Memorisation:
    r"""Whether generated examples lie nearer to the training examples than held-out ones do.

    .. math:: U = \sum_{g, h} \Bigl(1[d_g < d_h] + \tfrac12 1[d_g = d_h]\Bigr), \qquad
              \text{score} = \frac{U - nm/2}{\sqrt{nm\,(n + m + 1)/12}}

    with the distances d to the nearest training example, n generated and m held-out examples; the root is made smaller
    for equal distances.  Neither the generator nor the metric may have seen ``held_out``.

    Args:
        generated, held_out: features, shapes (N, D) and (M, D), at least 8 rows each, finite.
        train: features of the examples that the generator learnt from, shape (L, D), finite.

    Raises:
        ValueError: arrays of other shapes, too few rows, or a value that is not finite.

    Example:
        >>> train, held_out = np.zeros((1, 1)), np.ones((8, 1))
        >>> found = measure_memorisation(np.zeros((8, 1)), train, held_out)
        >>> found.closer, found.copies, found.score > 3
        (1.0, 1.0, True)

    Reference: Meehan, Chaudhuri and Dasgupta, A Non-Parametric Test to Detect Data-Copying in Generative Models,
    AISTATS 2020, arXiv:2004.05675; Mann and Whitney, On a test of whether one of two random variables is stochastically
    larger than the other, Annals of Mathematical Statistics 18, 1947.
    """
    from scipy.stats import rankdata

    generated, held_out = checked_pair(generated, held_out, ROWS, ("generated", "held_out"))
    train, _ = checked_pair(train, generated, 1, ("train", "generated"))
    near, fresh = nearest_known(generated, train), nearest_known(held_out, train)
    n, m = len(near), len(fresh)
    ranks = rankdata(np.concatenate([near, fresh]))
    smaller = n * m + n * (n + 1) / 2 - ranks[:n].sum()
    # The variance of the ranks, which is (N^2 - 1)/12 unless some are equal, makes that of U.
    variance = n * m * ranks.var() / (n + m - 1)
    score = (smaller - n * m / 2) / math.sqrt(variance) if variance > 0 else 0.0
    return Memorisation(float(smaller / (n * m)), float(score), float((near == 0).mean()))

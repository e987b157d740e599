"""Copies are found, fresh examples are not, and the score is what it says."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm
from sklearn.neighbors import NearestNeighbors

from ganbook.tuning.metrics.memorisation import measure_memorisation, nearest_known
from tuning.metrics.simulation import rng, within_three_errors


def sets(seed=0, sizes=(60, 200, 80), d=5):
    source = rng(seed)
    return [source.normal(size=(n, d)) for n in sizes]


def test_nearest_known_agrees_with_scikit_learn():
    generated, train, _ = sets()
    distances, _ = NearestNeighbors(n_neighbors=1, algorithm="kd_tree").fit(train).kneighbors(generated)
    np.testing.assert_allclose(nearest_known(generated, train), distances[:, 0], rtol=1e-12)


def test_a_copy_is_at_distance_zero_far_from_the_origin_too():
    _, train, _ = sets()
    assert (nearest_known(train[::-1] + 1e4, train + 1e4) == 0).all()


def column(*values):
    return np.array(values, float)[:, None]


@pytest.mark.parametrize(
    ("generated", "train", "held_out"),
    [
        (0.9 * sets(3)[0], *sets(3)[1:]),
        (3 * sets()[0], *sets()[1:]),
        (column(0, 0, 0, 1, 1, 1, 2, 2, 3), column(0), column(0, 1, 1, 2, 2, 2, 3, 3, 3, 4)),
    ],
    ids=["nearer", "farther", "equal distances"],
)
def test_score_agrees_with_scipy(generated, train, held_out):
    near, fresh = nearest_known(generated, train), nearest_known(held_out, train)
    found = measure_memorisation(generated, train, held_out)
    # SciPy counts the pairs in which its first argument is the larger one.
    u, p = mannwhitneyu(fresh, near, alternative="greater", method="asymptotic", use_continuity=False)
    assert found.closer == pytest.approx(u / (len(near) * len(fresh)), rel=1e-12)
    assert norm.sf(found.score) == pytest.approx(p, rel=1e-9)


def test_fresh_examples_have_the_promised_noise():
    scores = np.array([measure_memorisation(*sets(seed, (40, 100, 50))).score for seed in range(400)])
    assert abs(scores.mean()) < 3 / np.sqrt(400)
    assert scores.std() == pytest.approx(1, abs=3 / np.sqrt(2 * 400))


def test_copies_are_found_and_noise_hides_them_by_degrees():
    _, train, held_out = sets()
    copied = measure_memorisation(train[:60], train, held_out)
    assert (copied.closer, copied.copies) == (1, 1)
    assert copied.score > 9
    blurred = measure_memorisation(train[:60] + 0.05 * rng(1).normal(size=(60, 5)), train, held_out)
    assert blurred.copies == 0
    assert blurred.score > 9
    half = measure_memorisation(np.concatenate([train[:30], sets(7)[0][:30]]), train, held_out)
    assert half.copies == 0.5
    assert half.closer == pytest.approx(0.75, abs=0.08)


def test_a_share_of_copies_moves_the_probability_by_half_of_it():
    copied, n, found = 0.3, 60, []
    for seed in range(200):
        fresh, train, held_out = sets(seed, (n, 100, 60))
        count = rng(seed).binomial(n, copied)
        found.append(measure_memorisation(np.concatenate([train[:count], fresh[count:]]), train, held_out).closer)
    assert within_three_errors(found, 0.5 + copied / 2)


def test_one_distance_for_all_scores_nothing():
    found = measure_memorisation(np.ones((9, 2)), np.zeros((3, 2)), np.ones((8, 2)))
    assert (found.closer, found.score, found.copies) == (0.5, 0, 0)


@pytest.mark.parametrize(
    ("generated", "train", "held_out", "message"),
    [
        ((7, 2), (9, 2), (9, 2), r"generated has shape \(7, 2\).*at least 8"),
        ((9, 2), (9, 2), (7, 2), r"held_out has shape \(7, 2\).*at least 8"),
        ((9, 2), (0, 2), (9, 2), r"train has shape \(0, 2\).*at least 1"),
        ((9, 2), (9, 3), (9, 2), "train has 3 features and generated has 2"),
        ((9, 2), (9, 2), (9, 3), "generated has 2 features and held_out has 3"),
    ],
)
def test_bad_shapes_are_named(generated, train, held_out, message):
    with pytest.raises(ValueError, match=message):
        measure_memorisation(np.zeros(generated), np.zeros(train), np.zeros(held_out))


def test_values_that_are_not_finite_are_named():
    with pytest.raises(ValueError, match="features has values that are not finite"):
        nearest_known(np.full((9, 2), np.nan), np.zeros((9, 2)))

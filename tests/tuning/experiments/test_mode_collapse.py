"""The tables on mixtures: what is equal, what is each method's own, and the published values beside them."""

import dataclasses

import numpy as np
import pytest

from ganbook.data.recipe import FRAMEWORKS, Schedule
from ganbook.gradient_descent import training
from ganbook.tuning import results
from ganbook.tuning.experiments import mode_collapse, tables
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.metrics import mixture_modes

EQUAL = ("data", "scale", "generator", "latent", "order", "batch", "steps", "averaging", "dequantisation", "dtype")


@dataclasses.dataclass
class FakeRun:
    """A run that samples its own data, or one mean alone."""

    recipe: object
    collapsed: bool

    def sample(self, n, seed):
        mixture = training.load_source(self.recipe)
        return (
            np.repeat(mixture.means[:1], n, axis=0) if self.collapsed else mixture.batch(np.random.default_rng(seed), n)
        )


@pytest.mark.parametrize("data", mode_collapse.NAMES)
def test_measures_of_a_perfect_and_of_a_collapsed_generator(data):
    k = len(training.load_source(RECIPES[data]).means)
    perfect = mode_collapse.measure(FakeRun(RECIPES[data], collapsed=False))
    assert tuple(perfect) == mode_collapse.MEASURES
    assert perfect["modes"] == perfect["protocol_modes"] == k
    for prefix, samples in (("", mode_collapse.SAMPLES), ("protocol_", 2500)):
        assert perfect[f"{prefix}high_quality"] == pytest.approx(mixture_modes.IDEAL_QUALITY, abs=0.01)
        assert perfect[f"{prefix}reverse_kl"] == pytest.approx((k - 1) / 2 / samples, abs=2 * k / samples)
    collapsed = mode_collapse.measure(FakeRun(RECIPES[data], collapsed=True))
    assert (collapsed["modes"], collapsed["high_quality"]) == (1, 1.0)
    assert collapsed["reverse_kl"] == collapsed["protocol_reverse_kl"] == pytest.approx(np.log(k), abs=1e-12)


def test_a_run_of_images_is_refused():
    with pytest.raises(ValueError, match="data is 'digits'; accepted: ring, grid"):
        mode_collapse.measure(FakeRun(RECIPES["quickstart"], collapsed=False))


@pytest.mark.parametrize("data", mode_collapse.NAMES)
def test_methods_differ_in_what_they_name_alone(data):
    made = {name: mode_collapse.recipe(name, data, 1e-3) for name in mode_collapse.METHODS}
    plain = made["plain"]
    for name, recipe in made.items():
        own = mode_collapse.METHODS[name]
        for field in EQUAL:
            assert getattr(recipe, field) == getattr(plain, field), (name, field)
        assert recipe.packing == own.packing
        assert recipe.discriminator.with_(packing=1) == plain.discriminator.with_(packing=1)
        assert recipe.generator_optimiser.learning_rate == plain.generator_optimiser.learning_rate
        slow = Schedule(1e-3 * own.share, 1e-3 * own.share / 100, "cosine")
        assert recipe.discriminator_optimiser == dataclasses.replace(recipe.generator_optimiser, learning_rate=slow)
    assert {name: own.share for name, own in mode_collapse.METHODS.items() if own.share != 1} == {"unrolled": 0.1}
    assert [
        (name, r.loss, r.packing, r.unrolled, r.discriminator_steps, r.gradient_penalty, r.r1.active, r.r2.active)
        for name, r in made.items()
    ] == [
        ("plain", "non_saturating", 1, 0, 1, 0.0, False, False),
        ("packing_2", "non_saturating", 2, 0, 1, 0.0, False, False),
        ("packing_4", "non_saturating", 4, 0, 1, 0.0, False, False),
        ("unrolled", "non_saturating", 1, 5, 1, 0.0, False, False),
        ("wgan_gp", "wasserstein", 1, 0, 5, 0.1, False, False),
        ("r1", "non_saturating", 1, 0, 1, 0.0, True, False),
        ("relativistic", "relativistic", 1, 0, 1, 0.0, True, True),
    ]


def best_rates(records):
    """The rate of each method with most effective modes of high quality: K Q exp(-KL), added over both mixtures.

    Modes alone would favour a cloud that touches all of them by chance, quality alone a generator of one mode.  A rate
    with a failed run is out.
    """
    scores = {}
    for record in records:
        name, _, rate = record["method"].partition("-")
        score = -np.inf if record["failed"] else record["high_quality"] * np.exp(-record["reverse_kl"])
        rates = scores.setdefault(name, {})
        rates[float(rate)] = rates.get(float(rate), 0.0) + score
    return {name: max(rates, key=rates.__getitem__) for name, rates in scores.items()}


def test_the_rates_are_those_that_the_search_found():
    records = tables.read_table(mode_collapse.RATES_TABLE)
    assert len(records) == len(mode_collapse.RATES_TABLE.cells)
    assert best_rates(records) == dict(mode_collapse.CHOSEN)


def test_the_best_rate_has_most_effective_modes_of_high_quality():
    def record(rate, data, quality, kl, failed=None):
        return {"method": f"plain-{rate:g}", "data": data, "failed": failed, "high_quality": quality, "reverse_kl": kl}

    cloud = [record(2e-4, "ring", 0.05, 0.0), record(2e-4, "grid", 0.05, 0.0)]
    one_mode = [record(6e-4, "ring", 0.9, np.log(8)), record(6e-4, "grid", 0.9, np.log(25))]
    good = [record(2e-3, "ring", 0.5, 0.1), record(2e-3, "grid", 0.5, 0.1)]
    assert best_rates([*cloud, *one_mode, *good]) == {"plain": 2e-3}
    good[1] = record(2e-3, "grid", None, None, failed="step 3")
    assert best_rates([*cloud, *one_mode, *good]) == {"plain": 6e-4}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_snapshots_are_what_training_that_far_gives(framework):
    short = mode_collapse.lopsided().replace(steps=7, batch=8)
    seen = mode_collapse.snapshots(short, framework, every=3, samples=5, device="cpu")
    assert list(seen) == [3, 6, 7]
    for step, points in seen.items():
        run = training.train(short, framework, until=step, device="cpu")
        assert np.array_equal(points, run.sample(5, mode_collapse.NOISE))
    with pytest.raises(ValueError, match="every is 0"):
        mode_collapse.snapshots(short, every=0)


def test_the_lopsided_game_collapses_and_moves_on():
    """Each look shows most samples at a few modes, and not always the same ones."""
    mixture = training.load_source(RECIPES["ring"])
    favourites = []
    for points in mode_collapse.snapshots(mode_collapse.lopsided(), every=100, device="cpu").values():
        nearest = np.linalg.norm(points[:, None] - mixture.means, axis=2).argmin(axis=1)
        shares = np.bincount(nearest, minlength=8) / len(points)
        assert np.sort(shares)[-3:].sum() > 0.75
        favourites.append(shares.argmax())
    assert len(set(favourites)) >= 3


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="method is 'x'; accepted: plain"):
        mode_collapse.recipe("x", "ring")
    with pytest.raises(ValueError, match="data is 'digits'; accepted: ring, grid"):
        mode_collapse.recipe("plain", "digits")


def test_the_published_table_names_its_sources():
    table = results.read_result("mixtures_published.json", ("title", "protocol", "samples", "rows", "sources"))
    assert table["samples"] == mixture_modes.SAMPLES
    assert table["steps"]["pacgan"] == 400 * 100_000 // 100
    possible = {name: len(training.load_source(RECIPES[name]).means) for name in mode_collapse.NAMES}
    for row in table["rows"]:
        assert row["source"] in table["sources"]
        assert row["protocol"] in table["protocol"]
        assert 1 <= row["modes"] <= possible[row["data"]]
        assert 0 <= row["high_quality"] <= 1
        # No divergence is below that of equally frequent modes, up to rounding; means over runs may be a little less.
        assert row["reverse_kl"] is None or row["reverse_kl"] >= np.log(possible[row["data"]] / row["modes"]) - 0.05
    assert {row["source"] for row in table["rows"]} == set(table["sources"])
    methods = {name: [row["method"] for row in table["rows"] if row["data"] == name] for name in possible}
    assert methods["ring"] == methods["grid"]

"""The report of a run: the same from both frameworks, right where another way gives the number, honest where not."""

import dataclasses
import json
import re

import numpy as np
import pytest

from ganbook import data
from ganbook.data.recipe import FRAMEWORKS, Architecture, Recipe
from ganbook.gradient_descent import training
from ganbook.tuning import results
from ganbook.tuning.experiments.recipes import RECIPES, on_data
from ganbook.tuning.metrics import modes, report
from ganbook.tuning.metrics.frechet import frechet_distance, pixels
from ganbook.tuning.metrics.kernel_distance import kernel_distance
from ganbook.tuning.metrics.mixture_modes import measure_mixture
from ganbook.tuning.metrics.neighbours import measure_neighbourhoods

SMALL = {"hidden": (16, 16), "initialiser": "he"}
DIGITS = Recipe(
    name="small",
    batch=32,
    steps=12,
    generator=Architecture("MLPGenerator", {"latent": 8, **SMALL}),
    discriminator=Architecture("MLPDiscriminator", SMALL),
    averaging=0.5,
)
RUNS = {
    "digits": DIGITS,
    "half": DIGITS.replace(split="train"),
    "ring": RECIPES["ring"].replace(steps=12),
    "stacked": on_data(DIGITS, "stacked_digits").replace(split="test"),
}
COUNTS = {"digits": None, "half": 500, "ring": 2500, "stacked": 1500}
IMAGE_ROWS = [
    "pixel-space Frechet distance",
    "feature-space Frechet distance",
    "kernel distance",
    "precision (k = 5)",
    "recall (k = 5)",
    "density (k = 5)",
    "coverage (k = 5)",
    "nearest training image",
]
frameworks = pytest.mark.parametrize("framework", FRAMEWORKS)


@pytest.fixture(scope="module", autouse=True)
def fewer_stacks(request):
    """Real stacks are drawn by the ten thousand; here a tenth of that will do."""
    patch = pytest.MonkeyPatch()
    patch.setattr(report, "LARGEST", 2000)
    yield
    patch.undo()


@pytest.fixture(
    scope="module",
    params=[(name, framework) for name in RUNS for framework in FRAMEWORKS],
    ids=lambda param: "-".join(param),
)
def evaluated(request, tmp_path_factory):
    """A checkpoint that one framework has written, and its reports from both."""
    name, writer = request.param
    folder = tmp_path_factory.mktemp(name)
    training.train(RUNS[name], writer, out=folder, device="cpu")
    runs = [training.load_run(folder, framework, device="cpu") for framework in FRAMEWORKS]
    return name, runs[0], [report.evaluate_run(run, COUNTS[name], seed=3) for run in runs]


def by_name(made):
    return {row.metric: row for row in made.rows}


def numbers(made):
    return np.array([[row.value, row.reference, row.spread or 0.0] for row in made.rows])


def test_both_frameworks_give_one_report(evaluated):
    _, _, (one, other) = evaluated
    assert [row.metric for row in one.rows] == [row.metric for row in other.rows]
    np.testing.assert_allclose(numbers(one), numbers(other), rtol=1e-4, atol=0)
    assert one.text() == other.text()
    assert one.record["framework"] != other.record["framework"]


def test_examples_are_computed_in_double_precision():
    """In float32 about half of the pixels of the two frameworks differ in the last digit; a flip may follow of each."""
    made = [report._generate(training.start_run(DIGITS, framework, device="cpu"), 200, 0) for framework in FRAMEWORKS]
    assert made[0].dtype == np.float32
    assert np.abs(made[0] - made[1]).max() < 1e-6
    assert (made[0] != made[1]).mean() < 1e-3


def test_every_metric_is_there(evaluated):
    name, _, (made, _) = evaluated
    expected = {
        "digits": IMAGE_ROWS,
        "half": [*IMAGE_ROWS, "nearer than held-out"],
        "ring": ["coordinate-space Frechet distance", "modes of 8", "high-quality share", "reverse KL"],
        "stacked": [*IMAGE_ROWS, "nearer than held-out", "modes of 1,000", "reverse KL", "readable share"],
    }
    assert [row.metric for row in made.rows] == expected[name]
    assert not made.left_out
    assert np.isfinite(numbers(made)).all()


def test_the_numbers_are_those_of_the_metrics(evaluated):
    """Computed again from float32 samples, as a page would."""
    name, run, (made, _) = evaluated
    rows, recipe = by_name(made), run.recipe
    fake = run.sample(made.record["count"], 3)
    source = training.load_source(recipe)
    if name == "ring":
        found = measure_mixture(source, fake)
        assert (rows["modes of 8"].value, rows["high-quality share"].value) == (found.modes, found.high_quality)
        assert rows["reverse KL"].value == pytest.approx(found.reverse_kl)
        return
    real = source.images if name != "stacked" else source.batch(np.random.default_rng(3), 2000)
    assert rows["pixel-space Frechet distance"].value == pytest.approx(
        frechet_distance(pixels(fake), pixels(real)), rel=1e-5
    )
    reader = training.twin("ganbook.tuning.metrics.features", "tensorflow").DigitClassifier(8, device="cpu")
    x, y = reader.features(fake), reader.features(real)
    assert rows["feature-space Frechet distance"].value == pytest.approx(frechet_distance(x, y), rel=1e-5)
    assert rows["kernel distance"].value == pytest.approx(kernel_distance(x, y), rel=1e-4)
    for metric, value in dataclasses.asdict(measure_neighbourhoods(y, x)).items():
        assert rows[f"{metric} (k = 5)"].value == pytest.approx(value, abs=2 / len(x)), metric
    if name == "stacked":
        classifier = modes.fit_classifier(*(data.load("digits", split=split) for split in ("train", "test")))
        found = modes.measure(classifier, fake)
        assert abs(rows["modes of 1,000"].value - found.modes) <= 1
        assert rows["readable share"].value == pytest.approx(classifier.readable(fake).mean(), abs=1e-3)


class Copying:
    """A generator that hands out real examples."""

    def __init__(self, examples):
        self.examples = examples

    def __call__(self, run, count, seed):
        return self.examples[np.random.default_rng(seed + 99).permutation(len(self.examples))[:count]]


def untrained(recipe):
    return training.start_run(recipe, device="cpu")


def test_the_training_images_themselves(monkeypatch):
    monkeypatch.setattr(report, "_generate", Copying(data.load("digits", split="train").images))
    rows = by_name(report.evaluate_run(untrained(DIGITS.replace(split="train"))))
    for metric in IMAGE_ROWS[:2]:
        assert rows[metric].value < 1e-9
        assert rows[metric].reference > 0
    assert rows["kernel distance"].value < 0
    for metric in IMAGE_ROWS[3:5]:
        assert rows[metric].value == 1
    assert rows["nearest training image"].value == 0
    assert rows["nearest training image"].reference > 1
    nearer = rows["nearer than held-out"]
    assert nearer.value > 0.99
    assert nearer.value - nearer.reference > 20 * nearer.spread


def test_fresh_digits_score_as_real_ones_do(monkeypatch):
    """A perfect generator: the half of the digits that the run does not learn from."""
    monkeypatch.setattr(report, "_generate", Copying(data.load("digits", split="test").images))
    made = report.evaluate_run(untrained(DIGITS.replace(split="train")))
    for row in made.rows:
        if row.spread is not None:
            assert abs(row.value - row.reference) < max(5 * row.spread, 0.1 * abs(row.reference)), row.metric
    assert by_name(made)["nearest training image"].value == by_name(made)["nearest training image"].reference
    assert by_name(made)["nearer than held-out"].value == 0.5


def test_real_stacks_reach_the_ceiling(monkeypatch):
    stacks = data.load("stacked_digits", split="test", stack=3).batch(np.random.default_rng(1), 1500)
    monkeypatch.setattr(report, "_generate", Copying(stacks))
    rows = by_name(report.evaluate_run(untrained(RUNS["stacked"]), 1500))
    assert rows["modes of 1,000"].value == pytest.approx(rows["modes of 1,000"].reference, abs=40)
    assert rows["reverse KL"].value == pytest.approx(rows["reverse KL"].reference, abs=0.03)
    assert rows["readable share"].value == pytest.approx(0.95, abs=0.02)


def test_points_of_the_mixture_itself(monkeypatch):
    points = data.load("ring", scale=RUNS["ring"].scale).sample(np.random.default_rng(5), 2500)
    monkeypatch.setattr(report, "_generate", Copying(points))
    rows = by_name(report.evaluate_run(untrained(RUNS["ring"]), 2500))
    assert rows["modes of 8"].value == 8
    assert rows["high-quality share"].value == pytest.approx(rows["high-quality share"].reference, abs=0.007)
    assert rows["reverse KL"].value < 5 * rows["reverse KL"].reference


def test_what_is_left_out_is_said():
    made = report.evaluate_run(untrained(on_data(DIGITS, "digits", 12)), 20)
    assert [row.metric for row in made.rows] == ["pixel-space Frechet distance", "nearest training image"]
    ((metrics, reason),) = made.left_out
    assert metrics == "feature-space Frechet distance, kernel distance, precision, recall, density, coverage"
    assert reason.startswith("side is 12; accepted: 8, 28, 32")
    assert f"left out: {metrics}: {reason}" in made.text()


def test_mnist_5k_is_read_as_the_part_of_mnist_that_it_is():
    recipe = on_data(DIGITS, "stacked_mnist_5k", 28).replace(split="test")
    made = report.evaluate_run(untrained(recipe), 1500)
    assert not made.left_out
    assert [row.metric for row in made.rows][-3:] == ["modes of 1,000", "reverse KL", "readable share"]
    assert by_name(made)["modes of 1,000"].reference > 700  # of 787 that are expected among 1,500 draws


def test_a_classifier_judges_only_what_it_knows(monkeypatch):
    """Other pictures under the name of a data set that the classifier of that size was not trained on."""
    monkeypatch.setattr(report, "find_source", lambda *_: (data.load("digits"), {"name": "mnist"}))
    made = report.evaluate_run(untrained(DIGITS.replace(data="mnist", size=8)), 20)
    assert made.left_out[0][1] == "the classifier of 8x8 images was trained on digits, not on mnist"


def test_pixels_out_of_range_are_cut_off():
    recipe = DIGITS.replace(generator=DIGITS.generator.with_(output_activation=None, last_gain=3.0))
    made = report.evaluate_run(untrained(recipe), 20)
    assert any(re.search(r"^\d+\.\d\d% of the generated pixels lay outside \[-1, 1\]", note) for note in made.notes)


@pytest.mark.parametrize(
    ("recipe", "count", "message"),
    [
        (DIGITS, 2, "count is 2; accepted: at least 8"),
        (DIGITS, 0, "count is 0; accepted: a whole number of at least 1"),
        (RECIPES["grid"], 24, "count is 24; accepted: at least 25, the fewest examples that all metrics of grid"),
    ],
)
def test_too_few_examples_are_refused(recipe, count, message):
    with pytest.raises(ValueError, match=message):
        report.evaluate_run(untrained(recipe), count)


@frameworks
def test_examples_that_are_not_finite_are_refused(framework):
    run = training.start_run(DIGITS.replace(averaging=0.0), framework, device="cpu")
    arrays = run.generator.export()
    arrays["dense_3.bias"][5] = np.nan
    run.generator.load(arrays)
    with pytest.raises(ValueError, match="the generator makes 50 of 50 examples with values that are infinite or not"):
        report.evaluate_run(run, 50)


def test_a_report_is_written_and_replaced(tmp_path):
    path = tmp_path / "report.json"
    run = untrained(DIGITS)
    made = report.evaluate_run(run, 20)
    made.write(path)
    there = results.read_result(path, report.FIELDS)
    assert [row["metric"] for row in there["rows"]] == IMAGE_ROWS
    assert Recipe.from_json(json.dumps(there["recipe"])) == DIGITS
    assert (there["count"], there["step"], there["seed"]) == (20, 0, 0)
    report.evaluate_run(run, 21).write(path)
    assert results.read_result(path)["count"] == 21


@pytest.mark.parametrize("content", ["{}", "no JSON", json.dumps({"experiment": "colour_dcgan"})])
def test_what_is_no_report_of_this_run_is_left_alone(content, tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text(content)
    made = report.evaluate_run(untrained(DIGITS), 20)
    with pytest.raises(results.ResultError, match=r"report\.json"):
        made.write(path)
    assert path.read_text() == content
    path.unlink()
    made.write(path)
    before = path.read_text()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(results.ResultError, match=r"report\.json holds another run's report; accepted: a new file"):
        report.evaluate_run(untrained(DIGITS.replace(seed=1)), 20).write("report.json")
    assert path.read_text() == before

"""Everything that can be measured of one run, each number beside what real examples score in its place.

* images: the Frechet distance of pixels; in the features of the digit classifier the Frechet distance, the kernel
  distance, precision, recall, density and coverage; the distance to the nearest training image;
* stacks of digits: also the modes that occur, their divergence from uniform, and the readable share of the channels;
* points of the plane: the Frechet distance of coordinates, captured modes, high-quality share, divergence.

What digits alone can be measured by is left out for other images, and said to be.

Both frameworks give the same report of a checkpoint: examples and features are computed in float64 whatever the run's
own precision, since a count of neighbours or of modes may jump where an example moves in its seventh digit.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ganbook import data
from ganbook.data import Images, Mixture, StackedImages
from ganbook.data.recipe import check_int, up_to_date
from ganbook.gradient_descent.sources import find_source, load_source, loadable, read_as
from ganbook.gradient_descent.training import Run, start_run, twin
from ganbook.tuning import results
from ganbook.tuning.metrics import classifier, modes
from ganbook.tuning.metrics.checks import planes_of
from ganbook.tuning.metrics.frechet import frechet_distance, pixels
from ganbook.tuning.metrics.kernel_distance import kernel_distance, kernel_distance_noise
from ganbook.tuning.metrics.memorisation import measure_memorisation, nearest_known
from ganbook.tuning.metrics.mixture_modes import ideal_mixture, measure_mixture
from ganbook.tuning.metrics.neighbours import K, measure_neighbourhoods

#: Examples of either kind that are compared at most: more cost minutes and change the third digit.
LARGEST = 10_000
#: Numbers in the examples of either kind at most: so many large images would cost hours.
MOST_NUMBERS = 32 * 10**6
#: Numbers in the training images at most, among which the nearest is looked for: more do not fit into 2.4 GB.
MOST_KNOWN = 300 * 10**6
#: Random splits of the real examples that a reference is the mean of.
SPLITS = 5
#: Fewest generated images: each needs K neighbours besides itself, a rank test 8 examples.
FEWEST = 8
#: What the file of a report has.
FIELDS = (*results.FIELDS, "step", "data", "count", "real", "rows", "left_out", "notes")
NEIGHBOURS = {
    "precision": "share of generated images among real ones; higher is better",
    "recall": "share of real images among generated ones; higher is better",
    "density": "real neighbourhoods around a generated image, in units of k; higher is better",
    "coverage": "share of real images with a generated neighbour; higher is better",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric of a report.

    Args:
        metric: its name.
        value: of the generated examples.
        reference: what real examples score in their place.
        spread: standard deviation of what real examples score, where it is known.
        meaning: what the number says, and which way is better.
    """

    metric: str
    value: float
    reference: float
    spread: float | None
    meaning: str


@dataclasses.dataclass(frozen=True)
class Report:
    """What was measured of a run.

    Args:
        title: the run, and what was compared.
        rows: the metrics.
        left_out: pairs of metrics that were not measured and why.
        notes: what else the reader must know.
        record: what belongs in a file beside the rows; see ``FIELDS``.
    """

    title: str
    rows: tuple[Row, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    record: dict[str, Any]

    def text(self) -> str:
        """The report as lines to read."""
        cells = [
            (
                row.metric,
                _number(row.value),
                _number(row.reference),
                "" if row.spread is None else f"± {_number(row.spread)}",
                row.meaning,
            )
            for row in self.rows
        ]
        head = ("metric", "generated", "real", "", "")
        widths = [max(len(cell[i]) for cell in (head, *cells)) for i in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}} {d:<{widths[3]}}  {e}".rstrip()
            for a, b, c, d, e in (head, *cells)
        ]
        out = [f"left out: {name}: {reason}" for name, reason in self.left_out]
        return "\n".join([self.title, "", *lines, *([""] if out or self.notes else []), *self.notes, *out])

    def write(self, path: str | Path) -> None:
        """Write the report as JSON in one step.

        Raises:
            ResultError: the file is there already and is not a report of the same recipe; it is left alone.
            OSError: the disk refuses; an older report is still whole.
        """
        check_target(path, self.record["recipe"])
        results.write_result(
            path,
            self.record
            | {
                "rows": [dataclasses.asdict(row) for row in self.rows],
                "notes": list(self.notes),
                "left_out": [{"metrics": name, "reason": reason} for name, reason in self.left_out],
            },
            FIELDS,
        )


def check_target(path: str | Path, recipe: dict[str, Any]) -> None:
    """Make sure that a file is not there, or is a report of the same recipe, given as its JSON has it.

    Raises:
        ResultError: there is another file, which would be lost.
    """
    path = Path(path)
    if not path.exists():
        return
    # With a folder before it, a bare name is not looked for among the project's results.
    there = results.read_result(path.absolute(), FIELDS)
    if there["experiment"] != "evaluate" or up_to_date(there["recipe"]) != recipe:
        raise results.ResultError(
            f"{path} holds another run's report; accepted: a new file, or one that holds a report of the same recipe"
        )


def evaluate_run(run: Run, count: int | None = None, seed: int = 0, source: Any = None) -> Report:
    """Measure everything that there is to measure of a run's generator.

    Args:
        run: of either framework; its moving average is evaluated, where it keeps one.
        count: examples to generate; None means as many as there are real ones, at most 10,000, and fewer of images
            of more than 32x32 pixels in colour.
        seed: of the noise, of the choice of real examples and of their splits.
        source: the examples that the run was trained on, where its recipe does not name them; None loads them.

    Returns:
        The report: of a checkpoint the same to four digits, whichever framework has read it.

    Raises:
        ValueError: too few examples for a metric, or examples that are not finite.
        CheckpointError: ``source`` is not what the run was trained on, or None where only Python can give that.
        DataError: the run's data are not at hand.

    Example:
        >>> from ganbook.data.recipe import Recipe
        >>> report = evaluate_run(start_run(Recipe(), device="cpu"), 20)
        >>> report.rows[0].metric, report.rows[0].value > report.rows[0].reference
        ('pixel-space Frechet distance', True)
    """
    source, record = find_source(run.recipe, run.trained_on, source)
    least = len(source.means) if isinstance(source, Mixture) else FEWEST
    most = min(LARGEST, max(MOST_NUMBERS // math.prod(source.shape), FEWEST))
    limit = min(len(source), most) if isinstance(source, Images) else most
    if isinstance(source, Images) and len(source) < 2 * (K + 1):
        raise ValueError(
            f"{record['name']} has {len(source)} images; accepted: at least {2 * (K + 1)}, to be compared "
            "with each other"
        )
    count = limit if count is None else check_int("count", count, 1)
    if count < least:
        raise ValueError(
            f"count is {count}; accepted: at least {least}, the fewest examples that all metrics of "
            f"{run.recipe.data} can do with"
        )
    seed = check_int("seed", seed, 0)
    rng = np.random.default_rng(seed)
    measuring = _Measuring(
        run, source, record, _generate(run, count, seed), *_real(source, record["name"], most, rng), rng
    )
    (measuring.points if len(source.shape) == 1 else measuring.images)()
    return measuring.report(seed)


def _generate(run: Run, count: int, seed: int) -> np.ndarray:
    """Examples of the run's generator, computed in float64."""
    exact = start_run(run.recipe.replace(dtype="float64"), run.framework, device=run.generator.device_name)
    exact.state.load(run.state.export())
    examples = exact.sample(count, seed)
    finite = np.isfinite(examples).reshape(count, -1).all(1)
    if not finite.all():
        raise ValueError(
            f"the generator makes {count - finite.sum()} of {count} examples with values that are "
            "infinite or not a number; accepted: finite examples"
        )
    return examples


def _real(source: Any, name: str | None, most: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Real examples to compare with, at most so many, and which they are."""
    name = name or "the source that was given"
    if not isinstance(source, Images):
        return source.batch(rng, most), f"{most:,} real ones drawn from {name}"
    if len(source) <= most:
        return source.images, f"all {len(source):,} real ones of {name}"
    chosen = rng.choice(len(source), most, replace=False)
    return source.images[chosen], f"{most:,} of the {len(source):,} real ones of {name}"


class _Measuring:
    """A report that is being made."""

    def __init__(
        self,
        run: Run,
        source: Any,
        record: dict[str, Any],
        fake: np.ndarray,
        real: np.ndarray,
        which: str,
        rng: np.random.Generator,
    ) -> None:
        self.run, self.source, self.record, self.rng = run, source, record, rng
        self.fake, self.real, self.which = fake, real, which
        #: Of the data set, of stacks that of the images in their channels.
        self.base = (record["name"] or "other images").removeprefix("stacked_")
        self.rows: list[Row] = []
        self.left_out: list[tuple[str, str]] = []
        self.share = len(fake) / (len(fake) + len(real))
        self.notes = [
            f"real: what real ones score in place of the generated ones, as the line says, else in {SPLITS} "
            "splits of the real ones in two, mean ± standard deviation"
        ]

    def add(self, metric: str, value: float, reference: float, spread: float | None, meaning: str) -> None:
        self.rows.append(
            Row(metric, float(value), float(reference), None if spread is None else float(spread), meaning)
        )

    def among_real(self, metric: Callable[..., Any], features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of a metric between two random parts of the real ones, split as n to N."""
        least = K + 1
        size = min(max(round(len(features) * self.share), least), len(features) - least)
        orders = (self.rng.permutation(len(features)) for _ in range(SPLITS))
        found = np.array([metric(features[order[:size]], features[order[size:]]) for order in orders])
        return found.mean(0), found.std(0, ddof=1)

    def frechet(self, space: str, fake: np.ndarray, real: np.ndarray, meaning: str) -> None:
        """The Frechet distance; the reference is carried from the parts to the whole sets, as its bias goes.

        The bias is proportional to 1/n + 1/N.  Parts of n N / (n + N) and N N / (n + N) examples have one that is
        (n + N) / N times as large.
        """
        mean, spread = self.among_real(frechet_distance, real)
        self.add(
            f"{space}-space Frechet distance",
            frechet_distance(fake, real),
            float(mean * (1 - self.share)),
            float(spread * (1 - self.share)),
            meaning,
        )

    def points(self) -> None:
        self.frechet("coordinate", self.fake, self.real, "lower is better; compares mean and covariance alone")
        if not isinstance(self.source, Mixture):
            self.left_out.append(("modes, high-quality share, reverse KL", "the modes of these points are not known"))
            return
        found, ideal = measure_mixture(self.source, self.fake), ideal_mixture(self.source, len(self.fake))
        self.add(f"modes of {found.possible}", found.modes, ideal.modes, None, "captured; real: expected")
        self.add(
            "high-quality share",
            found.high_quality,
            ideal.high_quality,
            None,
            "within 3 sigma of a mode; higher is better; real: expected",
        )
        self.add(
            "reverse KL",
            found.reverse_kl,
            ideal.reverse_kl,
            None,
            "histogram of modes from uniform, in nats; lower is better; real: expected",
        )

    def images(self) -> None:
        outside = np.abs(self.fake) > 1
        if outside.any():
            self.notes.append(f"{outside.mean():.2%} of the generated pixels lay outside [-1, 1] and were cut off")
            self.fake = self.fake.clip(-1, 1)
        self.frechet("pixel", pixels(self.fake), pixels(self.real), "lower is better")
        self.features()
        if isinstance(self.source, (Images, StackedImages)):
            self.nearest()
        else:
            self.left_out.append(("nearest training image", "the training images are drawn, not kept"))
        if isinstance(self.source, StackedImages):
            self.stacks()

    def features(self) -> None:
        """What the digit classifier's features tell."""
        side, base = self.source.shape[0], self.base
        try:
            known = classifier.TRAININGS[classifier.check_side(side)].data
            if classifier.PART_OF.get(base, base) not in known:
                raise classifier.ClassifierError(
                    f"the classifier of {side}x{side} images was trained on {' and '.join(known)}, not on {base}"
                )
            reader = twin("ganbook.tuning.metrics.features", self.run.framework).DigitClassifier(
                side, device=self.run.generator.device_name
            )
        except classifier.ClassifierError as error:
            self.left_out.append(
                ("feature-space Frechet distance, kernel distance, " + ", ".join(NEIGHBOURS), str(error))
            )
            return
        real, fake = reader.features(self.real), reader.features(self.fake)
        self.frechet("feature", fake, real, "lower is better; not comparable with other features")
        self.add(
            "kernel distance",
            kernel_distance(fake, real),
            0.0,
            kernel_distance_noise(real, len(fake), len(real)),
            "lower is better; no bias, so 0 on average",
        )
        found = measure_neighbourhoods(real, fake)
        mean, spread = self.among_real(lambda x, y: dataclasses.astuple(measure_neighbourhoods(y, x)), real)
        for i, (name, meaning) in enumerate(NEIGHBOURS.items()):
            self.add(f"{name} (k = {K})", getattr(found, name), mean[i], spread[i], meaning)

    def nearest(self) -> None:
        """How near the generated images come to the training images; of stacks, channel by channel."""
        stacked = isinstance(self.source, StackedImages)
        base = self.source.base if stacked else self.source
        if base.images.size > MOST_KNOWN:
            self.left_out.append(
                (
                    "nearest training image",
                    f"the training images are {base.images.size:,} numbers; accepted: at most {MOST_KNOWN:,}",
                )
            )
            return
        known = pixels(base.images)
        planes = pixels(planes_of(self.fake, base.shape[:2]) if stacked else self.fake)
        others = self.other_part()
        distances = nearest_known(planes, known)[0]
        if others is None:
            own, real = _to_next(known, self.rng), "their own"
        else:
            own, real = nearest_known(pixels(others.images), known)[0], "held-out images"
        self.add(
            "nearest training image",
            np.median(distances),
            np.median(own),
            None,
            f"median distance in pixels; far below real: copies; real: {real}",
        )
        if others is not None and len(others) >= FEWEST:
            found = measure_memorisation(planes, known, pixels(others.images))
            self.add(
                "nearer than held-out",
                found.closer,
                0.5,
                abs(found.closer - 0.5) / abs(found.score) if found.score else None,
                "share of pairs where the generated one is nearer to training images; above real: copies",
            )

    def other_part(self) -> Images | None:
        """The images that the run did not learn from, of stacks those of one channel, if there are any at hand."""
        recipe = self.run.recipe
        if recipe.split == "all" or not loadable(self.record):
            return None
        try:  # a part may well be smaller than a batch: nothing learns from it
            return load_source(
                recipe.replace(
                    data=self.base, split="test" if recipe.split == "train" else "train", batch=recipe.packing
                ),
                **read_as(self.source),
            )
        except data.DataError:
            return None

    def stacks(self) -> None:
        """Which modes the stacks cover, as a classifier reads them that was fitted for this purpose."""
        try:
            train, held_out = classifier.held_out_split(self.base, self.source.shape[0])
        except (data.DataError, ValueError) as error:
            self.left_out.append(("modes, divergence, readable share", str(error)))
            return
        reading = modes.fit_classifier(train, held_out)
        count, channels = len(self.fake), self.source.shape[2]
        found = modes.measure(reading, self.fake)
        real = StackedImages.draw(held_out, channels, data.COUNT, self.rng)
        best = modes.ceiling(reading, real, self.rng, count)
        shared = {"possible": found.possible, "samples": count}
        self.add(
            f"modes of {found.possible:,}",
            found.modes,
            best.modes,
            None,
            f"that occur; real: held-out stacks; expected if all are equally likely: "
            f"{modes.expected_modes(**shared):,.1f}",
        )
        self.add(
            "reverse KL",
            found.kl,
            best.kl,
            None,
            "histogram of modes from uniform, in nats; lower is better; "
            f"expected likewise: {modes.expected_kl(**shared):.4f}",
        )
        self.add(
            "readable share",
            reading.readable(self.fake).mean(),
            modes.READABLE,
            None,
            f"of the channels; real: by definition; the reader names {reading.accuracy:.1%} of held-out digits rightly",
        )

    def report(self, seed: int) -> Report:
        run, recipe = self.run, self.run.recipe
        title = (
            f"{recipe.name}: {len(self.fake):,} generated at step {run.step:,} of {run.steps:,} against "
            f"{self.which}, seed {seed}"
        )
        record = {
            "experiment": "evaluate",
            "framework": run.framework,
            "recipe": json.loads(recipe.to_json()),
            "seed": seed,
            **results.provenance(run.framework),
            "seconds": round(run.seconds, 3),
            "step": run.step,
            "data": self.record["name"],
            "count": len(self.fake),
            "real": self.which,
        }
        return Report(title, tuple(self.rows), tuple(self.left_out), tuple(self.notes), record)


def _to_next(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The distance of rows, at most ``LARGEST`` of them, to the nearest other row."""
    from sklearn.neighbors import NearestNeighbors

    chosen = features if len(features) <= LARGEST else features[rng.choice(len(features), LARGEST, replace=False)]
    return NearestNeighbors(n_neighbors=2).fit(features).kneighbors(chosen)[0][:, 1]


def _number(value: float) -> str:
    """Four digits after the point; whole numbers without any; tiny ones with their first digits."""
    if math.isfinite(value) and value == int(value):
        return f"{int(value):,}"
    return f"{value:,.4f}" if abs(value) >= 1e-3 else f"{value:.2e}"

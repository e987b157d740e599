"""What is measured of one run: rows of numbers, each beside what real examples score in its place.

* images: the Frechet distance of pixels; in the features of the digit classifier the Frechet distance, the kernel
  distance, precision, recall, density and coverage; the distance to the nearest training image;
* stacks of digits: also the modes that occur, their divergence from uniform, and the readable share of the channels;
* points of the plane: the Frechet distance of coordinates, captured modes, high-quality share, divergence.

What digits alone can be measured by is left out for other images, and said to be.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ganbook import data
from ganbook.data import Images, Mixture, StackedImages
from ganbook.gradient_descent.sources import load_source, loadable, read_as
from ganbook.gradient_descent.training import Run, twin
from ganbook.tuning.metrics import classifier, modes
from ganbook.tuning.metrics.checks import planes_of
from ganbook.tuning.metrics.frechet import frechet_distance, pixels
from ganbook.tuning.metrics.kernel_distance import kernel_distance, kernel_distance_noise
from ganbook.tuning.metrics.memorisation import measure_memorisation, nearest_known
from ganbook.tuning.metrics.mixture_modes import ideal_mixture, measure_mixture
from ganbook.tuning.metrics.neighbours import K, measure_neighbourhoods

#: Examples of either kind that are compared at most: more cost minutes and change the third digit.
LARGEST = 10_000
#: Numbers in the training images at most, among which the nearest is looked for: more do not fit into 2.4 GB.
MOST_KNOWN = 300 * 10**6
#: Random splits of the real examples that a reference is the mean of.
SPLITS = 5
#: Fewest generated images: each needs K neighbours besides itself, a rank test 8 examples.
FEWEST = 8
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


class Measuring:
    """Rows that are being made, with what is left out and what else there is to say.

    Args:
        run: of either framework.
        source: the examples that it was trained on, and ``record``, which they are.
        fake, real: generated examples and those that they are compared with.
        rng: draws real examples and their splits.
    """

    def __init__(
        self,
        run: Run,
        source: Any,
        record: Mapping[str, Any],
        fake: np.ndarray,
        real: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        """Measure all that there is to measure."""
        self.run, self.source, self.record, self.rng = run, source, record, rng
        self.fake, self.real = fake, real
        #: Of the data set, of stacks that of the images in their channels.
        self._base = (record["name"] or "other images").removeprefix("stacked_")
        self._share = len(fake) / (len(fake) + len(real))
        self.rows: list[Row] = []
        self.left_out: list[tuple[str, str]] = []
        self.notes = [
            f"real: what real ones score in place of the generated ones, as the line says, else in {SPLITS} "
            "splits of the real ones in two, mean ± standard deviation"
        ]
        (self._points if len(source.shape) == 1 else self._images)()

    def _add(self, metric: str, value: float, reference: float, meaning: str, spread: float | None = None) -> None:
        self.rows.append(
            Row(metric, float(value), float(reference), None if spread is None else float(spread), meaning)
        )

    def _among_real(self, metric: Callable[..., Any], features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of a metric between two random parts of the real ones, split as n to N."""
        least = K + 1
        size = min(max(round(len(features) * self._share), least), len(features) - least)
        orders = (self.rng.permutation(len(features)) for _ in range(SPLITS))
        found = np.array([metric(features[order[:size]], features[order[size:]]) for order in orders])
        return found.mean(0), found.std(0, ddof=1)

    def _frechet(self, space: str, fake: np.ndarray, real: np.ndarray, meaning: str) -> None:
        """The Frechet distance; the reference is carried from the parts to the whole sets, as its bias goes.

        The bias is proportional to 1/n + 1/N.  Parts of n N / (n + N) and N N / (n + N) examples have one that is
        (n + N) / N times as large.
        """
        mean, spread = (float(value * (1 - self._share)) for value in self._among_real(frechet_distance, real))
        self._add(f"{space}-space Frechet distance", frechet_distance(fake, real), mean, meaning, spread)

    def _points(self) -> None:
        self._frechet("coordinate", self.fake, self.real, "lower is better; compares mean and covariance alone")
        if not isinstance(self.source, Mixture):
            self.left_out.append(("modes, high-quality share, reverse KL", "the modes of these points are not known"))
            return
        found, ideal = measure_mixture(self.source, self.fake), ideal_mixture(self.source, len(self.fake))
        self._add(f"modes of {found.possible}", found.modes, ideal.modes, "captured; real: expected")
        meaning = "within 3 sigma of a mode; higher is better; real: expected"
        self._add("high-quality share", found.high_quality, ideal.high_quality, meaning)
        meaning = "histogram of modes from uniform, in nats; lower is better; real: expected"
        self._add("reverse KL", found.reverse_kl, ideal.reverse_kl, meaning)

    def _images(self) -> None:
        outside = np.abs(self.fake) > 1
        if outside.any():
            self.notes.append(f"{outside.mean():.2%} of the generated pixels lay outside [-1, 1] and were cut off")
            self.fake = self.fake.clip(-1, 1)
        self._frechet("pixel", pixels(self.fake), pixels(self.real), "lower is better")
        self._features()
        if isinstance(self.source, (Images, StackedImages)):
            self._nearest()
        else:
            self.left_out.append(("nearest training image", "the training images are drawn, not kept"))
        if isinstance(self.source, StackedImages):
            self._stacks()

    def _features(self) -> None:
        """What the digit classifier's features tell."""
        side, base = self.source.shape[0], self._base
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
            metrics = ", ".join(["feature-space Frechet distance", "kernel distance", *NEIGHBOURS])
            self.left_out.append((metrics, str(error)))
            return
        real, fake = reader.features(self.real), reader.features(self.fake)
        self._frechet("feature", fake, real, "lower is better; not comparable with other features")
        noise = kernel_distance_noise(real, len(fake), len(real))
        meaning = "lower is better; no bias, so 0 on average"
        self._add("kernel distance", kernel_distance(fake, real), 0.0, meaning, noise)
        found = measure_neighbourhoods(real, fake)
        mean, spread = self._among_real(lambda x, y: dataclasses.astuple(measure_neighbourhoods(y, x)), real)
        for i, (name, meaning) in enumerate(NEIGHBOURS.items()):
            self._add(f"{name} (k = {K})", getattr(found, name), mean[i], meaning, spread[i])

    def _nearest(self) -> None:
        """How near the generated images come to the training images; of stacks, channel by channel."""
        stacked = isinstance(self.source, StackedImages)
        base = self.source.base if stacked else self.source
        if base.images.size > MOST_KNOWN:
            reason = f"the training images are {base.images.size:,} numbers; accepted: at most {MOST_KNOWN:,}"
            self.left_out.append(("nearest training image", reason))
            return
        known = pixels(base.images)
        planes = pixels(planes_of(self.fake, base.shape[:2]) if stacked else self.fake)
        others = self._other_part()
        if others is None:
            own, real = _to_next(known, self.rng), "their own"
        else:
            own, real = nearest_known(pixels(others.images), known), "held-out images"
        meaning = f"median distance in pixels; far below real: copies; real: {real}"
        self._add("nearest training image", np.median(nearest_known(planes, known)), np.median(own), meaning)
        if others is not None and len(others) >= FEWEST:
            found = measure_memorisation(planes, known, pixels(others.images))
            meaning = "share of pairs where the generated one is nearer to training images; above real: copies"
            spread = abs(found.closer - 0.5) / abs(found.score) if found.score else None
            self._add("nearer than held-out", found.closer, 0.5, meaning, spread)

    def _other_part(self) -> Images | None:
        """The images that the run did not learn from, of stacks those of one channel, if there are any at hand."""
        recipe = self.run.recipe
        if recipe.split == "all" or not loadable(self.record):
            return None
        split = "test" if recipe.split == "train" else "train"
        # The part may well be smaller than a batch: nothing learns from it.
        other = recipe.replace(data=self._base, split=split, batch=recipe.packing)
        try:
            return load_source(other, **read_as(self.source))
        except data.DataError:
            return None

    def _stacks(self) -> None:
        """Which modes the stacks cover, as a classifier reads them that was fitted for this purpose."""
        try:
            train, held_out = classifier.held_out_split(self._base, self.source.shape[0])
        except (data.DataError, ValueError) as error:
            self.left_out.append(("modes, divergence, readable share", str(error)))
            return
        reading = modes.fit_classifier(train, held_out)
        count, channels = len(self.fake), self.source.shape[2]
        found = modes.measure(reading, self.fake)
        real = StackedImages.draw(held_out, channels, data.COUNT, self.rng)
        best = modes.ceiling(reading, real, self.rng, count)
        expected = modes.expected_modes(found.possible, count)
        meaning = f"that occur; real: held-out stacks; expected if all are equally likely: {expected:,.1f}"
        self._add(f"modes of {found.possible:,}", found.modes, best.modes, meaning)
        expected = modes.expected_kl(found.possible, count)
        meaning = f"histogram of modes from uniform, in nats; lower is better; expected likewise: {expected:.4f}"
        self._add("reverse KL", found.kl, best.kl, meaning)
        meaning = "of the channels; real: by definition; "
        meaning += f"the reader names {reading.accuracy:.1%} of held-out digits rightly"
        self._add("readable share", reading.readable(self.fake).mean(), modes.READABLE, meaning)


def _to_next(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The distance of rows, at most ``LARGEST`` of them, to the nearest other row."""
    from sklearn.neighbors import NearestNeighbors

    chosen = features if len(features) <= LARGEST else features[rng.choice(len(features), LARGEST, replace=False)]
    return NearestNeighbors(n_neighbors=2).fit(features).kneighbors(chosen)[0][:, 1]

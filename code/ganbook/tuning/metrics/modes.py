"""How many of the 10^n modes of stacked digits a generator covers, and how evenly.

A stack shows n digits, one in each colour channel, so data that draw every digit alike have K = 10^n equally likely
modes.  A digit classifier reads each channel of a generated stack; the n digits, read as one number, are its mode.
Over N stacks one counts the modes that occur at all, and how far their histogram is from uniform.

Neither number is perfect for a perfect generator: finite samples have a floor (:func:`kl_floor`,
:func:`expected_modes`), and a classifier that errs has a ceiling (:func:`ceiling`).  Nor is either bad for every bad
generator: a classifier must name a digit, whatever it is shown.  So :func:`gaussian_stacks` gives a control without any
digit in it, and :meth:`ModeClassifier.readable` says which channels are as near to a real digit as real digits are.
Floor, ceiling, control and readable share belong beside every result.

Reference: Srivastava, Valkov, Russell, Gutmann and Sutton, VEEGAN, NIPS 2017, section 4.2, arXiv:1705.07761; Lin,
Khetan, Fanti and Oh, PacGAN, NeurIPS 2018, section 4.2, arXiv:1712.04086.

Explained in the book's section "Counting modes".
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ganbook.data import Images, StackedImages, resize
from ganbook.data.recipe import check_int
from ganbook.tuning.metrics.checks import planes_of
from ganbook.tuning.metrics.memorisation import nearest_known

#: Samples for each mode: 26,000 stacks for the 1,000 modes of three digits, as in the published tables.
SAMPLES_PER_MODE = 26
DIGITS = 10
#: Share of real digits that count as readable.
READABLE = 0.95
#: Side at which the classifier looks at its images, in pixels.
SIDE = 8
#: Images that are made at a time: more cost more memory.
PART = 2000


@dataclasses.dataclass(frozen=True, eq=False)
class ModeClassifier:
    """A support-vector machine that names digits, and how often it is right.

    Images are shrunk to 8x8 pixels first, by the filter of :func:`ganbook.data.images.resize`: for fitting, for scoring
    and for use alike, so that ``accuracy`` is that of the whole pipeline.

    Args:
        model: a fitted scikit-learn classifier of 64 numbers.
        shape: (H, W) of the images that it takes.
        accuracy: share of held-out images named rightly, in [0, 1].
        known: shape (M, 64), the digits that it was fitted on, shrunk.
        radius: within this distance of one of them lie 95 % of the held-out images.
    """

    model: Any
    shape: tuple[int, int]
    accuracy: float
    known: np.ndarray
    radius: float

    def digits(self, images: np.ndarray) -> np.ndarray:
        """The digit in every channel of every image: int64, shape (N, C), 0 to 9.

        Args:
            images: shape (N, H, W, C), values in [-1, 1].

        Raises:
            ValueError: an array of another shape, or values outside the range.
        """
        return self.model.predict(self._channels(images)).reshape(len(images), -1)

    def readable(self, images: np.ndarray) -> np.ndarray:
        """Whether each channel is as near to a known digit as 95 % of real ones are: bool, else as :meth:`digits`."""
        return (nearest_known(self._channels(images), self.known) <= self.radius).reshape(len(images), -1)

    def modes(self, images: np.ndarray) -> np.ndarray:
        """The :meth:`digits` of every stack read as one decimal number, first channel first: int64, shape (N,)."""
        digits = self.digits(images)
        return digits @ DIGITS ** np.arange(digits.shape[1], dtype=np.int64)[::-1]

    def _channels(self, images: np.ndarray) -> np.ndarray:
        """Every channel of every image, shrunk: shape (N * C, 64)."""
        return _features(planes_of(images, self.shape).astype(np.float32))


def fit_classifier(train: Images, held_out: Images) -> ModeClassifier:
    """Fit a support-vector machine with a Gaussian kernel on one set of digits and score it on another.

    Args:
        train: images of one channel with the labels 0 to 9, each of which occurs.
        held_out: images of the same shape, none of which is among those of ``train``.

    Returns:
        The classifier, with its accuracy on ``held_out``.

    Raises:
        ValueError: images of several channels or of two shapes, other labels, or one image in both sets.

    Example:
        >>> from ganbook.data import load
        >>> fit_classifier(load("digits", split="train"), load("digits", split="test")).accuracy > 0.98
        True
    """
    from sklearn.svm import SVC

    for name, images in (("train", train), ("held_out", held_out)):
        if images.shape != (*train.shape[:2], 1) or images.labels.max() >= DIGITS:
            raise ValueError(
                f"{name} has images of shape {images.shape} and labels up to {images.labels.max()}; "
                f"accepted: {(*train.shape[:2], 1)} and labels 0 to 9"
            )
    missing = sorted(set(range(DIGITS)) - set(train.labels.tolist()))
    if missing:
        raise ValueError(f"train has no image with the labels {missing}; accepted: every label from 0 to 9")
    if {image.tobytes() for image in train.images} & {image.tobytes() for image in held_out.images}:
        raise ValueError("held_out has images that train has too; accepted: sets without a common image")
    known, others = _features(train.images), _features(held_out.images)
    model = SVC(C=10.0).fit(known, train.labels)
    accuracy = float((model.predict(others) == held_out.labels).mean())
    radius = float(np.quantile(nearest_known(others, known), READABLE))
    return ModeClassifier(model, train.shape[:2], accuracy, known, radius)


@dataclasses.dataclass(frozen=True)
class Coverage:
    """What a set of stacks covers of K modes.

    Args:
        modes: how many occur.
        kl: KL(histogram || uniform), in nats.
        possible: K.
        samples: number N of stacks.
    """

    modes: int
    kl: float
    possible: int
    samples: int


def coverage(modes: np.ndarray, possible: int) -> Coverage:
    r"""Count the modes that occur, and measure how evenly.

    .. math:: KL(\hat p \| u) = \sum_k \hat p_k \ln(K \hat p_k), \qquad \hat p_k = n_k / N

    It is 0 for a uniform histogram and ln K where one mode is all there is.

    Args:
        modes: shape (N,), whole numbers from 0 to K - 1.
        possible: number K of modes.

    Raises:
        ValueError: an empty array, one of another shape or type, or a number outside the range.

    Example:
        >>> found = coverage(np.array([0, 0, 1, 1]), 4)
        >>> found.modes, round(found.kl, 4)  # half of the modes, evenly: ln 2
        (2, 0.6931)

    Reference: Lin, Khetan, Fanti and Oh, PacGAN, NeurIPS 2018, section 4.2, arXiv:1712.04086.
    """
    modes = np.asarray(modes)
    check_int("possible", possible, 1)
    if modes.ndim != 1 or not len(modes) or not np.issubdtype(modes.dtype, np.integer):
        raise ValueError(
            f"modes has shape {modes.shape} and type {modes.dtype}; accepted: (N,), at least one whole number"
        )
    if modes.min() < 0 or modes.max() >= possible:
        raise ValueError(f"modes has numbers from {modes.min()} to {modes.max()}; accepted: 0 to {possible - 1}")
    counts = np.bincount(modes, minlength=possible)
    shares = counts[counts > 0] / len(modes)
    # Rounding may leave a uniform histogram a hair below 0.
    divergence = max(float(shares @ np.log(possible * shares)), 0.0)
    return Coverage(int((counts > 0).sum()), divergence, possible, len(modes))


def measure(classifier: ModeClassifier, stacks: np.ndarray) -> Coverage:
    """What a set of stacks, shape (N, H, W, n) in [-1, 1], covers of 10^n modes by the classifier's reading.

    Raises:
        ValueError: an array of another shape, or values outside the range.

    Example:
        >>> from ganbook.data import load
        >>> train, test = (load("digits", split=split) for split in ("train", "test"))
        >>> measure(fit_classifier(train, test), test.images).modes
        10
    """
    return coverage(classifier.modes(stacks), DIGITS ** np.shape(stacks)[3])


def ceiling(
    classifier: ModeClassifier, real: StackedImages, rng: np.random.Generator, samples: int | None = None
) -> Coverage:
    """What real stacks score: the best that a generator can hope for under this classifier.

    Args:
        classifier: names the digits.
        real: stacks of images that the classifier was not fitted on.
        rng: draws them.
        samples: number N of stacks; None means 26 for each mode.

    Raises:
        ValueError: ``samples`` below 1, or images of another shape than the classifier's.

    Example:
        >>> from ganbook.data import StackedImages, load
        >>> train, test = (load("digits", split=split) for split in ("train", "test"))
        >>> rng = np.random.default_rng(0)
        >>> ceiling(fit_classifier(train, test), StackedImages.draw(test, 2, 5000, rng), rng).modes
        100
    """
    possible = DIGITS ** real.shape[2]
    samples = SAMPLES_PER_MODE * possible if samples is None else check_int("samples", samples, 1)
    sizes = [min(PART, samples - start) for start in range(0, samples, PART)]
    return coverage(np.concatenate([classifier.modes(real.batch(rng, size)) for size in sizes]), possible)


def gaussian_stacks(images: Images, n: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Stacks without a digit: every channel is drawn from one Gaussian with the mean and covariance of the images.

    What they score is what blurred strokes at the right places score, before a generator has learnt any digit.

    Args:
        images: single-channel images.
        n: channels of a stack.
        samples: number N of stacks.
        rng: draws them.

    Returns:
        float32, shape (N, H, W, n); values outside [-1, 1] are cut off.

    Raises:
        ValueError: images of several channels, or a number below 1.

    Example:
        >>> from ganbook.data import load
        >>> gaussian_stacks(load("digits"), 3, 5, np.random.default_rng(0)).shape
        (5, 8, 8, 3)
    """
    if images.shape[2] != 1:
        raise ValueError(f"images has {images.shape[2]} channels; accepted: 1")
    planes = gaussian_images(images.images, check_int("samples", samples, 1) * check_int("n", n, 1), rng)
    return np.moveaxis(planes.reshape(samples, n, *images.shape[:2]), 1, -1)


def gaussian_images(images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``count`` images from one Gaussian with the mean and covariance of the pixels of others: a blur of them all.

    They are float32, as large as the others, of shape (N, H, W, C); values outside [-1, 1] are cut off.
    """
    pixels = images.reshape(len(images), -1).astype(np.float64)
    mean = pixels.mean(0)
    # Random combinations of the images' own deviations have their covariance, without a root of any matrix.
    deviations = (pixels - mean) / math.sqrt(len(pixels))
    drawn = np.empty((count, pixels.shape[1]), np.float32)
    for part in np.array_split(np.arange(count), math.ceil(count / PART)):
        drawn[part] = np.clip(mean + rng.standard_normal((len(part), len(pixels))) @ deviations, -1, 1)
    return drawn.reshape(count, *images.shape[1:])


def expected_modes(possible: int, samples: int) -> float:
    r"""How many of K equally likely modes N samples show on average.

    .. math:: E[M] = K \left(1 - (1 - 1/K)^N\right)

    Args:
        possible: number K of modes.
        samples: number N of samples.

    Raises:
        ValueError: K or N is not a whole number of at least 1.

    Example:
        >>> round(expected_modes(2, 2), 4)
        1.5
    """
    check_int("possible", possible, 1)
    check_int("samples", samples, 1)
    return possible * -math.expm1(samples * math.log1p(-1 / possible)) if possible > 1 else 1.0


def kl_floor(possible: int, samples: int) -> float:
    r"""What KL(histogram || uniform) is on average for N samples of K equally likely modes, to first order in 1/N.

    .. math:: E[KL] \approx \frac{K - 1}{2 N}

    The number is in nats, and good where N is many times K; see :func:`expected_kl`.  Args and Raises as of
    :func:`expected_modes`.

    Example:
        >>> kl_floor(3, 10)
        0.1

    Reference: Miller, Note on the bias of information estimates, 1955.
    """
    return (check_int("possible", possible, 1) - 1) / (2 * check_int("samples", samples, 1))


def expected_kl(possible: int, samples: int) -> float:
    r"""What KL(histogram || uniform) is on average for N samples of K equally likely modes, exactly.

    .. math:: E[KL] = K \sum_{m=1}^{N} \binom{N}{m} K^{-m} (1 - 1/K)^{N-m} \, \frac{m}{N} \ln \frac{K m}{N}

    The number is in nats.  Args and Raises as of :func:`expected_modes`.

    Example:
        >>> round(expected_kl(2, 1), 4)  # one sample shows one of two modes: ln 2
        0.6931
    """
    from scipy.stats import binom

    check_int("possible", possible, 1)
    shares = np.arange(1, check_int("samples", samples, 1) + 1) / samples
    weights = binom.pmf(np.arange(1, samples + 1), samples, 1 / possible)
    return float(possible * (weights * shares) @ np.log(possible * shares))


def _features(planes: np.ndarray) -> np.ndarray:
    """Single-channel images shrunk to 8x8 pixels: shape (N, 64)."""
    small = resize(Images(planes, np.zeros(len(planes), np.int64)), SIDE)
    return small.images.reshape(len(planes), SIDE * SIDE)

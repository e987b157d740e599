r"""How good generated digits are: how far from real ones, and how many are read with confidence.

Distances and shares need their neighbours: what other real digits score, and what images without a digit score.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ganbook.data import Images
from ganbook.tuning.metrics.classifier import Classifier
from ganbook.tuning.metrics.frechet import frechet_distance
from ganbook.tuning.metrics.modes import gaussian_images, gaussian_stacks

#: Share of real digits that are read with confidence.
SURE = 0.95


@dataclasses.dataclass(frozen=True)
class Legibility:
    """What a set of digits scores.

    Args:
        distance: Fréchet distance to the real digits, in the features of the classifier; at least 0.
        read: share of the digits that are read with confidence, 0 to 1.
    """

    distance: float
    read: float


class DigitJudge:
    r"""Scores digits beside real ones, with a fixed digit classifier.

    A digit is *read with confidence* where the classifier's largest probability is above the value :math:`q` that 95 %
    of the real digits exceed:

    .. math:: \frac1N \sum_{i=1}^N \mathbf 1\bigl[\max_k p_k(x_i) > q\bigr], \qquad
              p_k(x) = \frac{e^{l_k(x)}}{\sum_j e^{l_j(x)}}

    In images of several channels each channel is a digit.  :meth:`ganbook.tuning.metrics.modes.ModeClassifier.readable`
    asks something else: whether an image is as near to a known digit as real ones are.

    Args:
        reader: gives features and logits.
        real: images of digits, shape (N, side, side, C), values in [-1, 1].

    Raises:
        ValueError: images of another shape, or a value outside the range.
    """

    def __init__(self, reader: Classifier, real: np.ndarray) -> None:
        """Read the real digits once."""
        self.reader, self.real = reader, real
        self._features = reader.features(real)
        self._threshold = float(np.quantile(self._confidence(real), 1 - SURE))

    def score(self, images: np.ndarray) -> Legibility:
        """The score of generated images, shape (M, side, side, C), in [-1, 1].

        Raises:
            ValueError: images of another shape, or a value outside the range.
        """
        return Legibility(
            frechet_distance(self._features, self.reader.features(images)),
            float((self._confidence(images) > self._threshold).mean()),
        )

    def yardsticks(self, others: Images, count: int) -> dict[str, Legibility]:
        """What sets that no generator made score.

        Args:
            others: images that are not among the real ones, of as many channels; single-channel ones are stacked.
            count: images of each set, drawn by seed 0.

        Returns:
            ``real``: the others, the floor of the distance; ``digitless``: from one Gaussian with the mean and
            covariance of the others, cut off at -1 and 1; ``noise``: uniform on [-1, 1].

        Raises:
            ValueError: others of another size or number of channels, or no image.
        """
        rng, channels = np.random.default_rng(0), self.real.shape[-1]
        if others.shape[2] == 1:
            without = gaussian_stacks(others, channels, count, rng)
            chosen = others.images[rng.integers(len(others), size=(count, channels)), :, :, 0]
            real = np.moveaxis(chosen, 1, -1)
        else:
            without = gaussian_images(others.images, count, rng)
            real = others.batch(rng, count)
        sets = {"real": real, "digitless": without, "noise": rng.uniform(-1, 1, without.shape).astype(np.float32)}
        return {name: self.score(images) for name, images in sets.items()}

    def _confidence(self, images: np.ndarray) -> np.ndarray:
        """The probability of the likeliest digit in every channel: shape (N, C)."""
        import scipy.special

        return scipy.special.softmax(self.reader.logits(images).astype(np.float64), axis=-1).max(axis=-1)

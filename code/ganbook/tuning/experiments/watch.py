"""What a page prints and keeps while a program trains: rows of numbers, and frames of a film.

Explained in the book's section "Quickstart".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ganbook.tuning.metrics.legibility import DigitJudge

#: Samples in a row of a film.
ROW = 12


class Watch:
    r"""Called with a step, its numbers and samples, as the programs' ``train`` does: prints a row and keeps a frame.

    A row has the step, both losses, the discriminator's mean verdicts on real images and on fakes as probabilities
    :math:`\sigma(l) = 1 / (1 + e^{-l})` of the mean logits, and, with a judge, the Fréchet distance of the samples and
    the share of them that is read with confidence.

    Args:
        judge: scores the samples; None leaves their columns out.
    """

    def __init__(self, judge: DigitJudge | None = None) -> None:
        """Nothing is printed before the first call."""
        self.judge = judge
        self.frames: dict[int, np.ndarray] = {}
        self.samples: np.ndarray | None = None

    def __call__(self, step: int, numbers: Sequence[float], images: np.ndarray) -> None:
        """Print the row of a step; keep its first images for the film, and all of the last."""
        d_loss, g_loss, real, fake = map(float, numbers)
        row = f"{step:6,}{d_loss:8.2f}{g_loss:8.2f}{_probability(real):10.2f}{_probability(fake):10.2f}"
        head = f"{'step':>6}{'L_D':>8}{'L_G':>8}{'D(real)':>10}{'D(fake)':>10}"
        if self.judge is not None:
            score = self.judge.score(brightest(images, self.judge.real.shape[-1]))
            row, head = f"{row}{score.distance:10.1f}{score.read:7.2f}", f"{head}{'distance':>10}{'read':>7}"
        if not self.frames:
            print(head)
        print(row)
        self.frames[step], self.samples = images[:ROW], images


def brightest(images: np.ndarray, channels: int) -> np.ndarray:
    """Images (N, H, W, C) as a judge of so many channels takes them: of more channels, the brightest at every pixel."""
    return images if images.shape[-1] == channels else images.max(-1, keepdims=True)


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))

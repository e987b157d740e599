"""How many modes of a Gaussian mixture a generator captures, how cleanly, and how evenly.

A sample is of *high quality* if it lies within three standard deviations of the nearest mean; a mode is *captured* if
it is the nearest one to at least one sample of high quality.  Beside these two counts stands the divergence of the
histogram of high-quality samples over the modes from the uniform one.

None of the three is perfect for a perfect generator: a Gaussian has tails, and samples are finite.  So
:func:`ideal_mixture` gives what the mixture itself scores on average, which belongs beside every result.

Explained in the book's section "Mode collapse".
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ganbook.data import Mixture
from ganbook.data.recipe import check_int
from ganbook.tuning.metrics import modes
from ganbook.tuning.metrics.checks import checked

#: Samples of the published protocol.
SAMPLES = 2500
#: Distance from the nearest mean, in standard deviations, up to which a sample is of high quality.
RADIUS = 3.0
#: Share of a Gaussian of the plane within three standard deviations of its mean: 1 - e^{-3²/2} = 0.98889...
IDEAL_QUALITY = -math.expm1(-(RADIUS**2) / 2)
#: Means at least this many standard deviations apart share no sample: one in e^40 strays from one to another.
APART = 12.0


@dataclasses.dataclass(frozen=True)
class MixtureCoverage:
    """What a set of points covers of a mixture of K modes.

    Args:
        modes: how many are captured; an expected number need not be whole.
        high_quality: share of the points that lie within three standard deviations of the nearest mean, in [0, 1].
        reverse_kl: KL(histogram of high-quality points || uniform), in nats; ln K, the largest value there is, where
            no point is of high quality.
        possible: K.
        samples: number n of points.
    """

    modes: float
    high_quality: float
    reverse_kl: float
    possible: int
    samples: int


def measure_mixture(mixture: Mixture, points: np.ndarray) -> MixtureCoverage:
    r"""Count the modes that are captured and the points of high quality, and measure how evenly these are spread.

    .. math:: c_k &= \#\{i : |x_i - \mu_k| = \min_j |x_i - \mu_j| \le 3 \sigma\} \\
              M &= \#\{k : c_k > 0\}, \qquad Q = \frac1n \sum_k c_k, \qquad
              KL(\hat p \| u) = \sum_k \hat p_k \ln(K \hat p_k), \quad \hat p_k = \frac{c_k}{n Q}

    Args:
        mixture: what the generator was to learn, in the units of the points: of a run it is
            ``training.load_source(run.recipe)``, whose means and sigma are divided by the recipe's scale.
        points: shape (n, 2), finite, at least one for each mode; the published protocol takes 2,500.

    Returns:
        The three numbers; :func:`ideal_mixture` says what they are for samples of the mixture itself.

    Raises:
        ValueError: points of another shape, fewer points than modes, or a coordinate that is not finite.

    Example:
        >>> from ganbook.data import ring
        >>> measure_mixture(ring(), ring().means)
        MixtureCoverage(modes=8, high_quality=1.0, reverse_kl=0.0, possible=8, samples=8)

    Reference: Srivastava, Valkov, Russell, Gutmann and Sutton, VEEGAN, NIPS 2017, section 4.1, arXiv:1705.07761 (modes
    and high-quality samples); Lin, Khetan, Fanti and Oh, PacGAN, NeurIPS 2018, section 4.1, arXiv:1712.04086
    (divergence).
    """
    possible = len(mixture.means)
    points = checked("points", points, possible)
    if points.shape[1] != 2:
        raise ValueError(f"points has shape {points.shape}; accepted: (n, 2)")
    distances = np.linalg.norm(points[:, None, :] - mixture.means, axis=2)  # (n, K)
    nearest = distances.argmin(axis=1)[distances.min(axis=1) <= RADIUS * mixture.sigma]
    if not len(nearest):
        return MixtureCoverage(0, 0.0, math.log(possible), possible, len(points))
    covered = modes.coverage(nearest, possible)
    return MixtureCoverage(covered.modes, covered.samples / len(points), covered.kl, possible, len(points))


def ideal_mixture(mixture: Mixture, samples: int = SAMPLES) -> MixtureCoverage:
    r"""What samples of the mixture itself score on average, exactly.

    With q = 1 - e^{-4.5}, each sample is of high quality and near mode k with probability q / K, so that

    .. math:: E[M] = K \left(1 - (1 - q/K)^n\right), \qquad E[Q] = q, \qquad
              E[KL] = \sum_m \binom{n}{m} q^m (1 - q)^{n - m} f(K, m) \approx \frac{K - 1}{2 n q}

    where f(K, m), given by :func:`ganbook.tuning.metrics.modes.expected_kl`, is what m samples of K equally likely
    modes have.

    Args:
        mixture: its means lie at least 12 standard deviations apart, so that no sample strays to another mode.
        samples: number n of points, at least 1.

    Raises:
        ValueError: means closer together, or fewer than 1 sample.

    Example:
        >>> from ganbook.data import ring
        >>> found = ideal_mixture(ring(), 1)  # one sample: KL is ln 8
        >>> round(found.modes, 4), round(found.high_quality, 4), round(found.reverse_kl, 4)
        (0.9889, 0.9889, 2.0794)
    """
    from scipy.stats import binom

    check_int("samples", samples, 1)
    possible, share = len(mixture.means), IDEAL_QUALITY
    gaps = np.linalg.norm(mixture.means[:, None] - mixture.means, axis=2)[~np.eye(possible, dtype=bool)]
    if len(gaps) and gaps.min() < APART * mixture.sigma:
        raise ValueError(
            f"mixture has means {gaps.min() / mixture.sigma:.3g} standard deviations apart; accepted: at "
            f"least {APART:g}"
        )
    # Numbers of high-quality samples outside this range together weigh less than one in 10^15.
    low, high = (int(binom.ppf(tail, samples, share)) for tail in (1e-16, 1 - 1e-16))
    counts = np.arange(low, high + 1)
    divergences = [modes.expected_kl(possible, int(m)) if m else math.log(possible) for m in counts]
    divergence = float(binom.pmf(counts, samples, share) @ divergences)
    captured = -possible * math.expm1(samples * math.log1p(-share / possible))
    return MixtureCoverage(captured, share, divergence, possible, samples)

r"""The losses of a GAN as functions of logits, in NumPy: the oracle of both twins.

A discriminator returns one logit :math:`D(x)` per example; a large one says "real".  Everything is computed in
float64 from the shortest honest formula, with :math:`\zeta(x) = \ln(1 + e^x)` (softplus) and
:math:`\sigma(x) = 1/(1 + e^{-x})`, and the generators' derivatives are written out by hand.

Explained in the book's sections "Divergences", "The optimal discriminator", "The generator's gradient" and "Losses and
penalties".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ganbook.data.recipe import LOSSES, check_choice


def _logits(name: str, logits: ArrayLike | None) -> np.ndarray:
    shape = None if logits is None else np.shape(logits)
    if shape is None or len(shape) != 1:
        raise ValueError(f"{name} has shape {shape}; accepted: logits of shape (N,)")
    return np.asarray(logits, np.float64)


def _pairs(real: ArrayLike | None, fake: ArrayLike) -> np.ndarray:
    real, fake = _logits("real", real), _logits("fake", fake)
    if real.shape != fake.shape:
        raise ValueError(f"real has shape {real.shape} and fake {fake.shape}; accepted: pairs, two equal shapes (N,)")
    return real - fake


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, x)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values))


def minimax_discriminator(real: ArrayLike, fake: ArrayLike) -> float:
    r"""The discriminator's loss of the original game: logistic classification.

    .. math:: E\,\zeta(-D(x)) + E\,\zeta(D(G(z)))

    Args:
        real, fake: as of :func:`discriminator_loss`, with the same errors.

    Returns:
        a scalar, at least 0.

    Example:
        >>> print(round(minimax_discriminator([0.0], [0.0]), 4))  # 2 ln 2
        1.3863

    Reference: Goodfellow et al., 2014, equation 1, arXiv:1406.2661.
    """
    return _mean(_softplus(-_logits("real", real))) + _mean(_softplus(_logits("fake", fake)))


def minimax_generator(real: ArrayLike | None, fake: ArrayLike) -> float:
    r"""The generator's loss of the original game, which saturates where the discriminator wins.

    .. math:: -E\,\zeta(D(G(z)))

    Args:
        real, fake: as of :func:`generator_loss`, with the same errors.

    Returns:
        a scalar, at most 0.

    Example:
        >>> print(round(minimax_generator(None, [0.0]), 4))  # -ln 2
        -0.6931

    Reference: Goodfellow et al., 2014, equation 1, arXiv:1406.2661.
    """
    return -_mean(_softplus(_logits("fake", fake)))


def non_saturating_discriminator(real: ArrayLike, fake: ArrayLike) -> float:
    r"""The discriminator's loss of the non-saturating game: :func:`minimax_discriminator`.

    Args:
        real, fake: as of :func:`discriminator_loss`, with the same errors.

    Returns:
        a scalar, at least 0.

    Example:
        >>> print(round(non_saturating_discriminator([50.0], [-50.0]), 4))  # where it wins
        0.0

    Reference: Goodfellow et al., 2014, section 3, arXiv:1406.2661.
    """
    return minimax_discriminator(real, fake)


def non_saturating_generator(real: ArrayLike | None, fake: ArrayLike) -> float:
    r"""The generator's loss whose gradient stays near 1 where the discriminator wins.

    .. math:: E\,\zeta(-D(G(z)))

    Args:
        real, fake: as of :func:`generator_loss`, with the same errors.

    Returns:
        a scalar, at least 0.

    Example:
        >>> print(round(non_saturating_generator(None, [-50.0]), 4))  # where the discriminator wins
        50.0

    Reference: Goodfellow et al., 2014, section 3, arXiv:1406.2661.
    """
    return _mean(_softplus(-_logits("fake", fake)))


def least_squares_discriminator(real: ArrayLike, fake: ArrayLike, a: float = 0.0, b: float = 1.0) -> float:
    r"""The discriminator's least squares loss: real logits towards b, fake ones towards a.

    .. math:: \tfrac12 E\,(D(x) - b)^2 + \tfrac12 E\,(D(G(z)) - a)^2

    Args:
        real, fake: as of :func:`discriminator_loss`, with the same errors.
        a: target of generated examples.
        b: target of real examples.

    Returns:
        a scalar, at least 0.

    Example:
        >>> print(least_squares_discriminator([0.0], [1.0]), least_squares_discriminator([1.0], [0.0]))
        1.0 0.0

    Reference: Mao et al., 2017, equation 2, arXiv:1611.04076.
    """
    return 0.5 * _mean(np.square(_logits("real", real) - b)) + 0.5 * _mean(np.square(_logits("fake", fake) - a))


def least_squares_generator(real: ArrayLike | None, fake: ArrayLike, c: float = 1.0) -> float:
    r"""The generator's least squares loss: fake logits towards c.

    .. math:: \tfrac12 E\,(D(G(z)) - c)^2

    Args:
        real, fake: as of :func:`generator_loss`, with the same errors.
        c: the value that the generator wants the discriminator to give.

    Returns:
        a scalar, at least 0.

    Example:
        >>> print(least_squares_generator(None, [0.0]), least_squares_generator(None, [0.0], c=0.0))
        0.5 0.0

    Reference: Mao et al., 2017, equation 2, arXiv:1611.04076.
    """
    return 0.5 * _mean(np.square(_logits("fake", fake) - c))


def hinge_discriminator(real: ArrayLike, fake: ArrayLike) -> float:
    r"""The discriminator's hinge loss: no reward beyond a margin of 1.

    .. math:: E\max(0, 1 - D(x)) + E\max(0, 1 + D(G(z)))

    Args:
        real, fake: as of :func:`discriminator_loss`, with the same errors.

    Returns:
        a scalar, at least 0.

    Example:
        >>> print(hinge_discriminator([0.0], [0.0]), hinge_discriminator([1.0, 9.0], [-1.0, -9.0]))
        2.0 0.0

    Reference: Miyato et al., 2018, equation 16, arXiv:1802.05957.
    """
    return _mean(np.maximum(0.0, 1.0 - _logits("real", real))) + _mean(np.maximum(0.0, 1.0 + _logits("fake", fake)))


def hinge_generator(real: ArrayLike | None, fake: ArrayLike) -> float:
    r"""The generator's loss in the hinge game: :func:`wasserstein_generator`.

    Args:
        real, fake: as of :func:`generator_loss`, with the same errors.

    Returns:
        a scalar.

    Reference: Miyato et al., 2018, equation 17, arXiv:1802.05957.
    """
    return wasserstein_generator(real, fake)


def wasserstein_discriminator(real: ArrayLike, fake: ArrayLike) -> float:
    r"""The critic's loss: minus the gap between the mean logits.

    .. math:: E\,D(G(z)) - E\,D(x)

    Args:
        real, fake: as of :func:`discriminator_loss`, with the same errors.

    Returns:
        a scalar.

    Example:
        >>> print(wasserstein_discriminator([2.0, 4.0], [-1.0]))
        -4.0

    Reference: Arjovsky, Chintala and Bottou, 2017, equation 3, arXiv:1701.07875.
    """
    return _mean(_logits("fake", fake)) - _mean(_logits("real", real))


def wasserstein_generator(real: ArrayLike | None, fake: ArrayLike) -> float:
    r"""The generator's loss in the Wasserstein game: raise the fake logits.

    .. math:: -E\,D(G(z))

    Args:
        real, fake: as of :func:`generator_loss`, with the same errors.

    Returns:
        a scalar.

    Example:
        >>> print(wasserstein_generator(None, [2.0, 4.0]))
        -3.0

    Reference: Arjovsky, Chintala and Bottou, 2017, theorem 3, arXiv:1701.07875.
    """
    return -_mean(_logits("fake", fake))


def relativistic_discriminator(real: ArrayLike, fake: ArrayLike) -> float:
    r"""The discriminator's relativistic pairing loss: is this one more real than that one?

    .. math:: E\,\zeta(-(D(x) - D(G(z))))

    Args:
        real, fake: as of :func:`discriminator_loss`, with the same errors; M = N, example i paired with example i.

    Returns:
        a scalar, at least 0.

    Example:
        >>> print(round(relativistic_discriminator([7.0], [7.0]), 4))  # ln 2
        0.6931

    Reference: Jolicoeur-Martineau, 2019, arXiv:1807.00734; Huang et al., 2024, equation 2, arXiv:2501.05441.
    """
    return _mean(_softplus(-_pairs(real, fake)))


def relativistic_generator(real: ArrayLike | None, fake: ArrayLike) -> float:
    r"""The generator's relativistic pairing loss: :func:`relativistic_discriminator` with its sides swapped.

    Args:
        real, fake: as of :func:`relativistic_discriminator`.

    Returns:
        a scalar, at least 0.

    Reference: Jolicoeur-Martineau, 2019, arXiv:1807.00734; Huang et al., 2024, equation 2, arXiv:2501.05441.
    """
    return _mean(_softplus(_pairs(real, fake)))


_FUNCTIONS = {
    "minimax": (minimax_discriminator, minimax_generator),
    "non_saturating": (non_saturating_discriminator, non_saturating_generator),
    "least_squares": (least_squares_discriminator, least_squares_generator),
    "hinge": (hinge_discriminator, hinge_generator),
    "wasserstein": (wasserstein_discriminator, wasserstein_generator),
    "relativistic": (relativistic_discriminator, relativistic_generator),
}


def discriminator_loss(name: str, real: ArrayLike, fake: ArrayLike) -> float:
    """The discriminator's loss of that name.

    .. math:: L_D(D(x), D(G(z)))

    Args:
        name: one of ``ganbook.data.recipe.LOSSES``.
        real: logits of the real batch, shape (N,).
        fake: logits of the generated batch, shape (M,); ``relativistic`` pairs them, M = N.

    Returns:
        a scalar, the mean over the batch.

    Raises:
        ValueError: an unknown name, or logits of a wrong shape.

    Example:
        >>> [float(round(discriminator_loss(name, [0.0], [0.0]), 2)) for name in LOSSES]
        [1.39, 1.39, 0.5, 2.0, 0.0, 0.69]
    """
    return _FUNCTIONS[check_choice("loss", name, LOSSES)][0](real, fake)


def generator_loss(name: str, real: ArrayLike | None, fake: ArrayLike) -> float:
    """The generator's loss of that name.

    .. math:: L_G(D(x), D(G(z)))

    Args:
        name, fake: as of :func:`discriminator_loss`, with the same errors.
        real: logits of the real batch, shape (N,); only ``relativistic`` reads them, others accept None.

    Returns:
        a scalar, the mean over the batch.

    Example:
        >>> [float(round(generator_loss(name, [0.0], [0.0]), 2)) for name in LOSSES]
        [-0.69, 0.69, 0.5, -0.0, -0.0, 0.69]
    """
    return _FUNCTIONS[check_choice("loss", name, LOSSES)][1](real, fake)


def generator_gradient(name: str, real: ArrayLike | None, fake: ArrayLike) -> np.ndarray:
    r"""The derivative of the generator's loss by every fake logit.

    .. math:: \partial L_G / \partial D(G(z_j))

    Args:
        name, real, fake: as of :func:`generator_loss`, with the same errors; least squares with its default target.

    Returns:
        an array of the shape of ``fake``.

    Example:
        >>> generator_gradient("minimax", None, [0.0, -50.0]).round(4)  # saturated at the second logit
        array([-0.25, -0.  ])
        >>> generator_gradient("non_saturating", None, [0.0, -50.0]).round(4)
        array([-0.25, -0.5 ])
    """
    check_choice("loss", name, LOSSES)
    f = _logits("fake", fake)
    by_fake = {
        "minimax": lambda: -expit(f),
        "non_saturating": lambda: -expit(-f),
        "least_squares": lambda: f - 1.0,
        "hinge": lambda: -np.ones_like(f),
        "wasserstein": lambda: -np.ones_like(f),
        "relativistic": lambda: -expit(_pairs(real, fake)),
    }[name]()
    return by_fake / f.size

r"""The generator's gradient at a frozen optimal discriminator, in NumPy: the oracle of both twins.

Data are :math:`p = N(0, 1)`, the generator adds one number to its noise, :math:`x = \theta + z`, so that
:math:`q = N(\theta, 1)`.  Everything here is known: the discriminator that is optimal for each loss, its slope, and
so the gradient that the generator receives, example by example and in the mean.

Explained in the book's section "The generator's gradient".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ganbook.data.recipe import LOSSES, check_choice, check_range
from ganbook.probability import losses_numpy

Function = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Discriminator:
    """A discriminator of one number with its derivative.

    Args:
        value: maps x, shape (N,), to D(x), shape (N,).
        slope: maps x, shape (N,), to D'(x), shape (N,).
    """

    value: Function
    slope: Function

    def __call__(self, x: ArrayLike) -> np.ndarray:
        """The discriminator's output D(x)."""
        return self.value(np.asarray(x, np.float64))


def _line(weight: float, bias: float) -> Discriminator:
    return Discriminator(lambda x: weight * x + bias, lambda x: np.full_like(x, weight))


def optimal_discriminator(loss: str, theta: float) -> Discriminator:
    r"""The discriminator that minimises its loss between N(0, 1) and N(theta, 1).

    With :math:`\ell(x) = \ln p/q = \theta^2/2 - \theta x`:

    .. math:: D^*(x) = \ell(x) \text{ (minimax, non-saturating, relativistic)}, \quad
        \sigma(\ell(x)) \text{ (least squares)}, \quad \mathrm{sign}\, \ell(x) \text{ (hinge)}, \quad
        -\mathrm{sign}(\theta)\, x \text{ (Wasserstein, of slope at most 1)}

    Args:
        loss: one of ``ganbook.data.recipe.LOSSES``.
        theta: mean of the generated distribution.

    Returns:
        the discriminator.

    Raises:
        ValueError: an unknown loss, or a theta that is not a finite number.

    Example:
        >>> optimal_discriminator("minimax", 2.0)([0.0, 1.0, 2.0])  # 0 halfway, where both densities are equal
        array([ 2.,  0., -2.])

    Reference: Goodfellow et al., 2014, proposition 1, arXiv:1406.2661; Mao et al., 2017, equation 5, arXiv:1611.04076.
    """
    check_choice("loss", loss, LOSSES)
    ratio = _line(-_theta(theta), theta**2 / 2)
    if loss == "least_squares":
        return Discriminator(lambda x: expit(ratio(x)), lambda x: -theta * expit(ratio(x)) * expit(-ratio(x)))
    if loss == "hinge":
        return Discriminator(lambda x: np.sign(ratio(x)), np.zeros_like)
    if loss == "wasserstein":
        return _line(-np.sign(theta), 0.0)
    return ratio


def frozen_gradients(
    loss: str, theta: float, noise: ArrayLike, real: ArrayLike | None = None, discriminator: Discriminator | None = None
) -> np.ndarray:
    r"""The derivative by theta of every example's generator loss, with the discriminator held fixed.

    .. math:: g_i = \frac{\partial}{\partial \theta}\, \varphi\bigl(D(\theta + z_i)\bigr)
        = \varphi'\bigl(D(\theta + z_i)\bigr)\, D'(\theta + z_i)

    Args:
        loss, theta: as of :func:`optimal_discriminator`; the generator's loss is the mean of phi.
        noise: z, shape (N,).
        real: real examples, shape (N,), one for each noise; only ``relativistic`` reads them.
        discriminator: D, None for the one that is optimal for this loss and this theta.

    Returns:
        shape (N,); the mean is the gradient of the batch's loss.

    Raises:
        ValueError: as :func:`optimal_discriminator`, and arrays of a wrong shape.

    Example:
        >>> frozen_gradients("wasserstein", 1.5, [0.0, 3.0])
        array([1., 1.])

    Reference: Arjovsky and Bottou, 2017, theorem 2.5, arXiv:1701.04862.
    """
    judge = optimal_discriminator(loss, theta) if discriminator is None else discriminator
    fake = _theta(theta) + _vector("noise", noise)
    judged = None if real is None else judge(_vector("real", real))
    return logit_gradients(loss, judge(fake), judged) * judge.slope(fake)


def logit_gradients(loss: str, fake: ArrayLike, real: ArrayLike | None = None) -> np.ndarray:
    r"""The derivative of every example's generator loss by its own logit.

    .. math:: \varphi'(D) = -\sigma(D),\; -\sigma(-D),\; D - 1,\; -1,\; -1,\; -\sigma(D(x) - D)

    Args:
        loss: one of ``ganbook.data.recipe.LOSSES``, in whose order the formulas stand.
        fake: logits of generated examples, shape (N,).
        real: logits of real examples, shape (N,); only ``relativistic`` reads them.

    Returns:
        shape (N,).

    Raises:
        ValueError: an unknown loss, or logits of a wrong shape.

    Example:
        >>> logit_gradients("non_saturating", [0.0, -50.0]).round(4)
        array([-0.5, -1. ])
    """
    return losses_numpy.generator_gradient(loss, real, fake) * np.size(fake)


def quadrature_nodes(limit: float = 12.0, spacing: float = 1 / 32) -> tuple[np.ndarray, np.ndarray]:
    r"""Equally spaced nodes and weights that integrate against the standard normal density.

    .. math:: E\, g(z) \approx \sum_k w_k\, g(z_k), \qquad z_k = k h, \qquad w_k \propto e^{-z_k^2 / 2}

    The trapezoidal rule on a smooth function that dies out at both ends converges faster than any power of h.

    Args:
        limit: largest absolute value of z, above 0; the density beyond 12 is below 1e-32.
        spacing: h, above 0.

    Returns:
        nodes and weights, shape (K,) each; the weights add up to 1.

    Raises:
        ValueError: a limit or a spacing of 0 or below.

    Example:
        >>> z, weights = quadrature_nodes()
        >>> print(round(weights @ z**4, 6))  # the fourth moment of a standard normal number
        3.0

    Reference: Trefethen and Weideman, The Exponentially Convergent Trapezoidal Rule, SIAM Review 56, 2014.
    """
    check_range("limit", limit, 0.0, open_low=True)
    check_range("spacing", spacing, 0.0, open_low=True)
    count = round(limit / spacing)
    nodes = spacing * np.arange(-count, count + 1)
    weights = np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()


def paired_nodes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Nodes and weights for two independent standard normal numbers, for losses that judge pairs.

    .. math:: E\, g(x, z) \approx \sum_k w_k\, g(x_k, z_k)

    Returns:
        x, z and weights, shape (K,) each; the weights add up to 1.

    Example:
        >>> x, z, weights = paired_nodes()
        >>> print(round(weights @ (x + z)**2, 6))  # the variance of their sum
        2.0
    """
    nodes, weights = quadrature_nodes(limit=9.0, spacing=1 / 16)
    x, z = (axis.ravel() for axis in np.meshgrid(nodes, nodes))
    return x, z, np.outer(weights, weights).ravel()


def expected_gradient(loss: str, theta: float) -> float:
    r"""The derivative by theta of the generator's expected loss at its frozen optimal discriminator.

    .. math:: \frac{\partial}{\partial \theta} E_{x \sim q_\theta}\, \varphi(D^*(x))

    It is the derivative of :func:`divergence`.  For the hinge loss it is not the mean of :func:`frozen_gradients`:
    there the discriminator is a step, and differentiating along each path misses the step.

    Args:
        loss, theta: as of :func:`optimal_discriminator`, with the same errors.

    Returns:
        the gradient, to about 1e-14; 0 at theta = 0.

    Example:
        >>> [round(expected_gradient(loss, 1.5), 5) for loss in ("minimax", "non_saturating", "wasserstein")]
        [0.46445, 1.03555, 1.0]

    Reference: Arjovsky and Bottou, 2017, theorem 2.5, arXiv:1701.04862.
    """
    if check_choice("loss", loss, LOSSES) == "hinge":
        return float(2.0 * np.sign(_theta(theta)) * math.exp(-(theta**2) / 8) / math.sqrt(2 * math.pi))
    return _moments(loss, theta)[0]


def gradient_variance(loss: str, theta: float) -> float:
    r"""The variance of one example's gradient at the frozen optimal discriminator.

    .. math:: \operatorname{Var} g_i = E\, g_i^2 - (E\, g_i)^2

    Args:
        loss, theta: as of :func:`optimal_discriminator`, with the same errors.

    Returns:
        the variance of :func:`frozen_gradients`, at least 0; a batch of N divides it by N.

    Example:
        >>> round(gradient_variance("wasserstein", 1.5), 9)  # one slope for every example
        0.0
    """
    return _moments(loss, theta)[1]


def divergence(loss: str, theta: float) -> float:
    r"""What the generator descends at a discriminator that is always optimal, 0 at theta = 0.

    .. math:: 2\,\mathrm{JS}, \quad \mathrm{KL}(q \| p) - 2\,\mathrm{JS}, \quad
        \tfrac12 E_p\, F(q/p) \text{ with } F(r) = r + \frac{r}{1 + r} - 2 \ln(1 + r) - \tfrac32 + 2 \ln 2, \quad
        2\,\mathrm{TV}, \quad W_1, \quad \mathrm{KL}(q \| p) - \mathrm{JS}(p \times q,\, q \times p)

    Args:
        loss, theta: as of :func:`optimal_discriminator`, with the same errors; the formulas stand in the order of the
            losses.

    Returns:
        the divergence between N(0, 1) and N(theta, 1), at least 0.

    Example:
        >>> [round(divergence("minimax", theta), 4) for theta in (2.0, 12.0)]  # up to 2 ln 2
        [0.6737, 1.3863]

    Reference: Arjovsky and Bottou, 2017, theorem 2.5, arXiv:1701.04862; Shannon et al., 2020, arXiv:2010.08029.
    """
    check_choice("loss", loss, LOSSES)
    kl = _theta(theta) ** 2 / 2
    if loss == "hinge":
        return 2.0 * math.erf(abs(theta) / math.sqrt(8))
    if loss == "wasserstein":
        return float(abs(theta))
    if loss == "relativistic":
        x, z, weights = paired_nodes()
        return float(kl - math.log(2) + weights @ np.logaddexp(0.0, theta * (x - z - theta)))
    nodes, weights = quadrature_nodes()
    ratio = optimal_discriminator("minimax", theta)
    real, fake = weights @ np.logaddexp(0.0, -ratio(nodes)), weights @ np.logaddexp(0.0, ratio(theta + nodes))
    if loss == "least_squares":
        return float(0.5 * (weights @ expit(ratio(theta + nodes)) - 2.0 * real - 0.5 + 2.0 * math.log(2)))
    twice_js = 2.0 * math.log(2) - real - fake
    return float(twice_js if loss == "minimax" else kl - twice_js)


def saturation_bounds(theta: float) -> tuple[float, float]:
    r"""Bounds on the saturating gradient that show how it vanishes.

    .. math:: \theta\, \Phi(-\theta/2) \le \theta\, E_q\, \sigma(D^*(x)) \le 2\, \theta\, \Phi(-\theta/2)

    Args:
        theta: mean of the generated distribution, at least 0.

    Returns:
        the lower and the upper bound.

    Raises:
        ValueError: a theta below 0.

    Example:
        >>> [f"{bound:.1e}" for bound in saturation_bounds(8.0)]
        ['2.5e-04', '5.1e-04']
    """
    overlap = math.erfc(check_range("theta", theta, 0.0) / math.sqrt(8))  # 2 Phi(-theta / 2)
    return theta * overlap / 2, theta * overlap


def _moments(loss: str, theta: float) -> tuple[float, float]:
    """Mean and variance of the per-example gradients."""
    if loss == "relativistic":
        real, noise, weights = paired_nodes()
    else:
        (noise, weights), real = quadrature_nodes(), None
    gradients = frozen_gradients(loss, theta, noise, real)
    mean = weights @ gradients
    return float(mean), float(weights @ (gradients - mean) ** 2)


def _theta(theta: float) -> float:
    return check_range("theta", theta, -math.inf)


def _vector(name: str, array: ArrayLike) -> np.ndarray:
    array = np.asarray(array, np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; accepted: (N,)")
    return array

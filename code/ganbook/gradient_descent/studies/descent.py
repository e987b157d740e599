r"""Descent on functions whose answer is known, in NumPy: paths, step sizes, momentum and minibatch noise.

:func:`descend` runs any update rule of :mod:`ganbook.gradient_descent.step.optimisers_numpy` on any gradient and
returns the whole path.  The other functions predict what it must show on a quadratic function of curvatures
:math:`\lambda_1, \dots, \lambda_n` (the eigenvalues of its Hessian).

Explained in the book's section "Descent".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.optimize
from numpy.typing import ArrayLike

from ganbook.data.recipe import Optimiser, check_choice, check_int, check_range
from ganbook.gradient_descent.step import optimisers_numpy

PROBLEMS = ("bowl", "valley", "rosenbrock", "double_well")


@dataclasses.dataclass(frozen=True)
class Problem:
    """A function of a vector with its gradient, and where to start.

    Args:
        value: maps points of shape (..., n) to values of shape (...).
        gradient: maps points of shape (..., n) to gradients of the same shape.
        minimum: its lowest point, shape (n,).
        start: a usual starting point, shape (n,).
    """

    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]
    minimum: np.ndarray
    start: np.ndarray


def quadratic(hessian: ArrayLike) -> Problem:
    r"""A quadratic function of a given Hessian.

    .. math:: f(x) = \tfrac12 x^\mathsf{T} A\, x, \qquad \nabla f(x) = A\, x

    Args:
        hessian: A, shape (n, n), symmetric with eigenvalues above 0; a vector of shape (n,) is a diagonal.

    Returns:
        the problem, with its minimum at 0 and its start at 1 in every coordinate.

    Raises:
        ValueError: a Hessian of another shape, not symmetric or not positive definite.

    Example:
        >>> valley = quadratic([[1.0, 0.0], [0.0, 9.0]])
        >>> valley.gradient(np.array([1.0, 1.0]))
        array([1., 9.])
    """
    hessian = np.asarray(hessian, np.float64)
    hessian = np.diag(hessian) if hessian.ndim == 1 else hessian
    if hessian.ndim != 2 or hessian.shape[0] != hessian.shape[1] or not np.array_equal(hessian, hessian.T):
        raise ValueError(f"hessian has shape {hessian.shape}; accepted: a symmetric matrix (n, n), or a diagonal (n,)")
    _curvatures("hessian", np.linalg.eigvalsh(hessian))

    def gradient(x: np.ndarray) -> np.ndarray:
        return x @ hessian

    def value(x: np.ndarray) -> np.ndarray:
        return 0.5 * np.sum(x * gradient(x), axis=-1)

    return Problem(value, gradient, np.zeros(len(hessian)), np.ones(len(hessian)))


def problem(name: str) -> Problem:
    r"""A test function of the plane by its name.

    * ``bowl``: :math:`\tfrac12 (x^2 + y^2)`, the same curvature in every direction
    * ``valley``: :math:`\tfrac12 (x^2 + 25 y^2)`, 25 times as steep across as along
    * ``rosenbrock``: :math:`(1 - x)^2 + 100 (y - x^2)^2`, a bent valley with its lowest point at (1, 1)
    * ``double_well``: :math:`\tfrac14 (x^2 - 1)^2 + \tfrac18 x + \tfrac12 y^2`, two wells, the left one deeper

    Args:
        name: one of ``PROBLEMS``.

    Returns:
        the problem.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> problem("rosenbrock").minimum
        array([1., 1.])

    Reference: Rosenbrock, An Automatic Method for Finding the Greatest or Least Value of a Function, The Computer
    Journal 3, 1960.
    """
    check_choice("problem", name, PROBLEMS)
    if name == "rosenbrock":
        return _rosenbrock()
    if name == "double_well":
        return _double_well()
    curvatures = [1.0, 1.0 if name == "bowl" else 25.0]
    return dataclasses.replace(quadratic(curvatures), start=np.array([-2.0, 1.0]))


def descend(
    gradient: Callable[[np.ndarray], ArrayLike],
    start: ArrayLike,
    settings: Optimiser,
    steps: int,
    learning_rate: float,
) -> np.ndarray:
    r"""Run an update rule on a gradient and return the whole path.

    .. math:: (x_t, s_t) = \mathrm{rule}\bigl(x_{t-1},\; \nabla f(x_{t-1}),\; s_{t-1},\; t,\; \eta\bigr)

    Args:
        gradient: maps a point of the shape of ``start`` to an array of that shape.
        start: x_0, any shape.
        settings: which rule, and its constants but for the rate.
        steps: T, at least 1.
        learning_rate: eta, above 0.

    Returns:
        the path x_0, ..., x_T, shape ``(T + 1, *shape of start)``, float64.

    Raises:
        ValueError: a learning rate of 0 or below, fewer than one step, or a gradient of another shape.
        FloatingPointError: a position that is not finite, with the number of its step.

    Example:
        >>> path = descend(lambda x: 2 * x, [1.0], Optimiser("sgd"), 3, 0.25)
        >>> path[:, 0]
        array([1.   , 0.5  , 0.25 , 0.125])
    """
    check_int("steps", steps, 1)
    check_range("learning_rate", learning_rate, 0.0, open_low=True)
    x = np.asarray(start, np.float64)
    path, state = [x], optimisers_numpy.initial_state(settings, x)
    for t in range(1, steps + 1):
        with np.errstate(over="ignore", invalid="ignore"):  # named below instead
            x, state = optimisers_numpy.update(
                settings, x, np.asarray(gradient(x), np.float64), state, t, learning_rate
            )
        if not np.isfinite(x).all():
            raise FloatingPointError(
                f"position is not finite after step {t}; take a smaller learning rate than {learning_rate}"
            )
        path.append(x)
    return np.stack(path)


def error_factors(curvatures: ArrayLike, learning_rate: float) -> np.ndarray:
    r"""What one step of gradient descent multiplies the error by, along each eigenvector of the Hessian.

    .. math:: e_i \leftarrow (1 - \eta \lambda_i)\, e_i

    Args:
        curvatures: lambda, shape (n,), all above 0.
        learning_rate: eta, above 0.

    Returns:
        the factors, shape (n,); the descent converges if all lie strictly between -1 and 1.

    Raises:
        ValueError: a curvature or a learning rate of 0 or below.

    Example:
        >>> error_factors([1.0, 4.0], 0.25)
        array([0.75, 0.  ])
    """
    check_range("learning_rate", learning_rate, 0.0, open_low=True)
    return 1.0 - learning_rate * _curvatures("curvatures", curvatures)


def best_rate(curvatures: ArrayLike) -> tuple[float, float]:
    r"""The constant step with which gradient descent converges fastest, and its speed.

    .. math:: \eta = \frac{2}{L + \mu}, \qquad \rho = \frac{\kappa - 1}{\kappa + 1}, \qquad \kappa = L / \mu

    Args:
        curvatures: lambda, shape (n,), all above 0; L is the largest, mu the smallest.

    Returns:
        eta, and rho, the largest factor of the error in one step.

    Raises:
        ValueError: a curvature of 0 or below.

    Example:
        >>> best_rate([1.0, 3.0])
        (0.5, 0.5)

    Reference: Polyak, Introduction to Optimization, 1987, section 1.4.
    """
    low, high = _extremes(curvatures)
    return 2.0 / (high + low), (high - low) / (high + low)


def best_momentum(curvatures: ArrayLike) -> tuple[float, float, float]:
    r"""The constant step and momentum with which the heavy ball converges fastest, and its speed.

    .. math:: \eta = \frac{4}{(\sqrt L + \sqrt \mu)^2}, \qquad \beta = \rho^2, \qquad
        \rho = \frac{\sqrt \kappa - 1}{\sqrt \kappa + 1}

    Args:
        curvatures: lambda, shape (n,), all above 0; L is the largest, mu the smallest.

    Returns:
        eta, beta, and rho, the factor of the error in one step in the long run.

    Raises:
        ValueError: a curvature of 0 or below.

    Example:
        >>> rate, beta, factor = best_momentum([1.0, 100.0])
        >>> round(beta, 4), round(factor, 4)
        (0.6694, 0.8182)

    Reference: Polyak, Some Methods of Speeding up the Convergence of Iteration Methods, 1964.
    """
    low, high = np.sqrt(_extremes(curvatures))
    rho = (high - low) / (high + low)
    return float(4.0 / (high + low) ** 2), float(rho**2), float(rho)


def momentum_matrix(curvature: float, learning_rate: float, beta: float) -> np.ndarray:
    r"""The heavy ball's linear map of two successive errors along one eigenvector.

    .. math:: \begin{pmatrix} e_{t+1} \\ e_t \end{pmatrix} =
        \begin{pmatrix} 1 + \beta - \eta \lambda & -\beta \\ 1 & 0 \end{pmatrix}
        \begin{pmatrix} e_t \\ e_{t-1} \end{pmatrix}

    Args:
        curvature: lambda, above 0.
        learning_rate: eta, above 0.
        beta: the momentum, at least 0 and below 1.

    Returns:
        the matrix, shape (2, 2); its spectral radius is the factor of the error in the long run.

    Raises:
        ValueError: a value outside its range.

    Example:
        >>> momentum_matrix(1.0, 0.1, 0.9)
        array([[ 1.8, -0.9],
               [ 1. ,  0. ]])

    Reference: Polyak, Some Methods of Speeding up the Convergence of Iteration Methods, 1964.
    """
    check_range("curvature", curvature, 0.0, open_low=True)
    check_range("learning_rate", learning_rate, 0.0, open_low=True)
    _momentum(beta)
    return np.array([[1.0 + beta - learning_rate * curvature, -beta], [1.0, 0.0]])


def stationary_variance(
    curvature: float, learning_rate: float, noise_variance: float, *, batch: int = 1, beta: float = 0.0
) -> float:
    r"""The variance around the minimum that minibatch descent with a constant step settles at, in one dimension.

    .. math:: V = \frac{\eta\, s^2 / B}{\lambda (2 - \eta \lambda)} \quad (\beta = 0), \qquad
        V = \frac{\eta\, s^2 / B}{\lambda}\,\frac{1 + \beta}{(1 - \beta)\,(2 (1 + \beta) - \eta \lambda)}

    Args:
        curvature: lambda, above 0.
        learning_rate: eta, above 0 and below 2 (1 + beta) / lambda, where the descent is stable.
        noise_variance: s^2, the variance of the gradient of one example, at least 0.
        batch: B, examples whose gradients are averaged, drawn independently.
        beta: the momentum, at least 0 and below 1.

    Returns:
        V.

    Raises:
        ValueError: a value outside its range.

    Example:
        >>> round(stationary_variance(1.0, 0.5, 3.0), 4)
        1.0

    Reference: Mandt, Hoffman and Blei, 2017, arXiv:1704.04289 (for small steps).
    """
    check_range("curvature", curvature, 0.0, open_low=True)
    check_range("learning_rate", learning_rate, 0.0, open_low=True)
    check_range("noise_variance", noise_variance, 0.0)
    check_int("batch", batch, 1)
    _momentum(beta)
    stable = 2.0 * (1.0 + beta) / curvature
    if learning_rate >= stable:
        raise ValueError(f"learning_rate is {learning_rate!r}; accepted: below {stable:g}, where the descent is stable")
    spread = learning_rate * noise_variance / (batch * curvature)
    return spread * (1.0 + beta) / ((1.0 - beta) * (2.0 * (1.0 + beta) - learning_rate * curvature))


def _rosenbrock() -> Problem:
    def value(point: ArrayLike) -> np.ndarray:
        return scipy.optimize.rosen(np.moveaxis(np.asarray(point, np.float64), -1, 0))

    def gradient(point: ArrayLike) -> np.ndarray:
        return np.moveaxis(scipy.optimize.rosen_der(np.moveaxis(np.asarray(point, np.float64), -1, 0)), 0, -1)

    return Problem(value, gradient, np.ones(2), np.array([-1.2, 1.0]))


def _double_well() -> Problem:
    def value(point: ArrayLike) -> np.ndarray:
        x, y = np.moveaxis(np.asarray(point, np.float64), -1, 0)
        return (x**2 - 1.0) ** 2 / 4.0 + x / 8.0 + y**2 / 2.0

    def gradient(point: ArrayLike) -> np.ndarray:
        x, y = np.moveaxis(np.asarray(point, np.float64), -1, 0)
        return np.stack([x * (x**2 - 1.0) + 1.0 / 8.0, y], axis=-1)

    lowest = np.roots([1.0, 0.0, -1.0, 1.0 / 8.0]).real.min()
    return Problem(value, gradient, np.array([lowest, 0.0]), np.array([1.5, 1.0]))


def _curvatures(name: str, curvatures: ArrayLike) -> np.ndarray:
    curvatures = np.asarray(curvatures, np.float64)
    if curvatures.ndim != 1 or not curvatures.size or not (np.isfinite(curvatures) & (curvatures > 0.0)).all():
        raise ValueError(f"{name} has the curvatures {curvatures.tolist()}; accepted: at least one number, all above 0")
    return curvatures


def _extremes(curvatures: ArrayLike) -> tuple[float, float]:
    curvatures = _curvatures("curvatures", curvatures)
    return float(curvatures.min()), float(curvatures.max())


def _momentum(beta: float) -> None:
    if check_range("beta", beta, 0.0, 1.0) == 1.0:
        raise ValueError("beta is 1.0; accepted: a number at least 0 and below 1")

r"""Two players with one number each, in NumPy: the smallest games in which a GAN's training can be followed by hand.

A point :math:`w` holds both numbers.  The *field* :math:`v(w)` is the direction in which each player wants to move:
minus the gradient of its own loss by its own number.  What a rule does near a point of rest is decided by the
eigenvalues of the field's Jacobian :math:`J = \partial v / \partial w`.

* :class:`Bilinear`: one player minimises :math:`xy` by x, the other maximises it by y.
* :class:`DiracGAN`: the data lie at 0, the generator's example at theta, and the discriminator is
  :math:`D(x) = \psi x`.

Explained in the book's section "Game dynamics".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ganbook.data.recipe import LOSSES, check_choice, check_int, check_range

RULES = ("simultaneous", "alternating", "extragradient", "optimistic", "consensus")
CLIPPING_RULES = ("simultaneous", "alternating")

_Curve = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Bilinear:
    r"""The bilinear game: x minimises and y maximises one and the same product.

    .. math:: \min_x \max_y\; xy, \qquad v(x, y) = (-y,\, x)

    A point is (x, y).  It is the Dirac-GAN of the Wasserstein loss with x as discriminator and y as generator.

    Reference: Gidel, Berard, Vignoud, Vincent and Lacoste-Julien, 2019, section 3.1, arXiv:1802.10551.
    """

    loss: ClassVar[str] = "wasserstein"
    r1: ClassVar[float] = 0.0
    r2: ClassVar[float] = 0.0
    gradient_penalty: ClassVar[float] = 0.0
    clip: ClassVar[float] = 0.0
    discriminator: ClassVar[int] = 0

    def field(self, point: ArrayLike) -> np.ndarray:
        """The directions in which the players want to move, at a point (x, y); as of :meth:`DiracGAN.field`."""
        x, y = _coordinates(point)
        return np.stack([-y, x], axis=-1)

    def jacobian(self, point: ArrayLike) -> np.ndarray:
        """The derivative of the field, the same at every point; as of :meth:`DiracGAN.jacobian`."""
        x, _ = _coordinates(point)
        return np.broadcast_to([[0.0, -1.0], [1.0, 0.0]], (*x.shape, 2, 2)).copy()

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """The real examples and the generator's noise, one 0 each."""
        return np.zeros(1), np.zeros(1)


@dataclasses.dataclass(frozen=True)
class DiracGAN:
    r"""The Dirac-GAN: data at 0, the generator's example at theta, the discriminator D(x) = psi x.

    .. math:: v(\theta, \psi) = \Bigl(-\frac{\partial L_G}{\partial \theta},\; -\frac{\partial}{\partial \psi}
              \bigl[L_D + \tfrac{\gamma_1 + \gamma_2}{2} \psi^2 + \lambda (|\psi| - 1)^2\bigr]\Bigr)

    A point is (theta, psi); it rests at (0, 0).  Instance noise moves every example, real or generated, by plus or
    minus sigma with equal probability, so that its variance is exactly sigma^2.

    Args:
        loss: one of ``ganbook.data.recipe.LOSSES``; least squares with its default targets.
        r1: weight gamma_1 of the penalty on the gradient at real examples, at least 0.
        r2: weight gamma_2 of the penalty on the gradient at generated examples, at least 0.
        gradient_penalty: weight lambda of WGAN-GP's penalty, at least 0.
        clip: bound on psi after each of the discriminator's steps, at least 0; 0 for none.
        noise: standard deviation sigma of the instance noise, at least 0.

    Raises:
        ValueError: an unknown loss or a negative number.

    Reference: Mescheder, Geiger and Nowozin, 2018, sections 2 and 3, arXiv:1801.04406.
    """

    loss: str = "minimax"
    r1: float = 0.0
    r2: float = 0.0
    gradient_penalty: float = 0.0
    clip: float = 0.0
    noise: float = 0.0

    discriminator: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, LOSSES)
        for name in ("r1", "r2", "gradient_penalty", "clip", "noise"):
            check_range(name, getattr(self, name), 0.0)

    def field(self, point: ArrayLike) -> np.ndarray:
        """The directions in which the players want to move.

        Args:
            point: (theta, psi), shape (..., 2).

        Returns:
            v, shape (..., 2).  WGAN-GP's penalty counts as flat at psi = 0, where it has no derivative.

        Raises:
            ValueError: a point of another shape.
        """
        theta, psi = _coordinates(point)
        real, fake, by_real, by_fake, by_generator = self._terms(theta)
        logits = psi[..., None] * real, psi[..., None] * fake
        penalty = (self.r1 + self.r2) * psi + 2 * self.gradient_penalty * (psi - np.sign(psi))
        of_theta = -psi * by_generator[0](logits[1]).mean(-1)
        of_psi = -(by_real[0](logits[0]) * real + by_fake[0](logits[1]) * fake).mean(-1) - penalty
        return np.stack([of_theta, of_psi], axis=-1)

    def jacobian(self, point: ArrayLike) -> np.ndarray:
        """The derivative of the field by the point.

        Args:
            point: (theta, psi), shape (..., 2).

        Returns:
            J, shape (..., 2, 2).

        Raises:
            ValueError: a point of another shape, or psi = 0 with WGAN-GP's penalty, which has no derivative there.
        """
        theta, psi = _coordinates(point)
        if self.gradient_penalty and not psi.all():
            raise ValueError(
                "point has psi 0; accepted with gradient_penalty: any other, since the penalty "
                "(|psi| - 1)^2 has no derivative there"
            )
        real, fake, by_real, by_fake, by_generator = self._terms(theta)
        s = psi[..., None]
        r, t = s * real, s * fake
        rows = [
            [-(by_generator[1](t) * s * s).mean(-1), -(by_generator[1](t) * s * fake + by_generator[0](t)).mean(-1)],
            [
                -(by_fake[1](t) * s * fake + by_fake[0](t)).mean(-1),
                -(by_real[1](r) * real**2 + by_fake[1](t) * fake**2).mean(-1)
                - (self.r1 + self.r2 + 2 * self.gradient_penalty),
            ],
        ]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """The real examples and the generator's noise, each of shape (N,): every pair of signs once."""
        if not self.noise:
            return np.zeros(1), np.zeros(1)
        signs = np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0])
        return self.noise * signs[0], self.noise * signs[1]

    def _terms(self, theta: np.ndarray) -> tuple:
        """What the logits are psi times, and the losses' first and second derivatives by a logit."""
        real, noise = self.batch()
        fake = theta[..., None] + noise
        if self.loss == "relativistic":
            fake = fake - real  # this loss reads a logit only as the difference within a pair
        return np.broadcast_to(real, fake.shape), fake, *_CURVES[self.loss]


Game = Bilinear | DiracGAN


def eigenvalues(game: Game, rates: float | Sequence[float] = 1.0) -> np.ndarray:
    r"""The eigenvalues of the field's Jacobian at (0, 0), where each player moves at its own rate.

    .. math:: \operatorname{diag}(r)\, J(0)

    Args:
        game: the game.
        rates: one number, or one per coordinate, above 0.

    Returns:
        two complex numbers, the one with the larger imaginary part first, or else the larger real part.

    Raises:
        ValueError: a rate of 0 or below.

    Example:
        >>> np.abs(eigenvalues(DiracGAN()))
        array([0.5, 0.5])

    Reference: Mescheder, Geiger and Nowozin, 2018, theorem A.3, arXiv:1801.04406.
    """
    values = np.linalg.eigvals(_rates(rates)[:, None] * game.jacobian((0.0, 0.0))).astype(complex)
    return np.array(sorted(values, key=lambda value: (-value.imag, -value.real)))


def rule_matrix(jacobian: ArrayLike, rule: str, rate: float | Sequence[float], *, strength: float = 1.0) -> np.ndarray:
    r"""The matrix by which one update of a rule multiplies the distance to a point of rest.

    With :math:`A = \operatorname{diag}(h)\, J` and :math:`P_1, P_2` that keep the first and the second coordinate:

    .. math::
        \text{simultaneous: } I + A, \quad \text{alternating: } (I + P_2 A)(I + P_1 A), \quad
        \text{extragradient: } I + A + A^2, \\ \text{optimistic: }
        \begin{pmatrix} I + 2A & -A \\ I & 0 \end{pmatrix} \text{ on } (w_t, w_{t-1}), \quad
        \text{consensus: } I + \operatorname{diag}(h)(J - c\, J^{\mathsf T} J)

    Args:
        jacobian: J at the point of rest, shape (2, 2).
        rule: one of ``RULES``.
        rate: step size h, one number, or one per coordinate, above 0.
        strength: c of consensus, at least 0.

    Returns:
        shape (2, 2); of the optimistic rule, which remembers the last point, (4, 4).

    Raises:
        ValueError: an unknown rule, a matrix of another shape, a rate of 0 or below, a negative strength.

    Example:
        >>> rule_matrix([[0.0, 1.0], [-1.0, 0.0]], "simultaneous", 0.1)
        array([[ 1. ,  0.1],
               [-0.1,  1. ]])

    Reference: Gidel et al., 2019, section 3.1, arXiv:1802.10551; Daskalakis et al., 2018, arXiv:1711.00141.
    """
    check_choice("rule", rule, RULES)
    check_range("strength", strength, 0.0)
    jacobian, eye = np.asarray(jacobian, np.float64), np.eye(2)
    if jacobian.shape != (2, 2):
        raise ValueError(f"jacobian has shape {jacobian.shape}; accepted: (2, 2)")
    h = np.diag(_rates(rate))
    a = h @ jacobian
    if rule == "simultaneous":
        return eye + a
    if rule == "alternating":
        return (eye + np.diag([0, 1]) @ a) @ (eye + np.diag([1, 0]) @ a)
    if rule == "extragradient":
        return eye + a + a @ a
    if rule == "optimistic":
        return np.block([[eye + 2 * a, -a], [eye, np.zeros((2, 2))]])
    return eye + h @ (jacobian - strength * jacobian.T @ jacobian)


def spectral_radius(matrix: ArrayLike) -> float:
    r"""The largest size of an eigenvalue; below 1, repeated multiplication leads to 0.

    .. math:: \rho(M) = \max_i |\mu_i|

    Args:
        matrix: shape (n, n).

    Returns:
        a number of at least 0.

    Raises:
        ValueError: not a square matrix.

    Example:
        >>> round(spectral_radius([[0.0, 2.0], [-2.0, 0.0]]), 6)
        2.0
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix has shape {matrix.shape}; accepted: (n, n)")
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def simulate(
    game: Game, rule: str, start: ArrayLike, steps: int, rate: float | Sequence[float], *, strength: float = 1.0
) -> np.ndarray:
    r"""The path of a game under an update rule.

    .. math::
        \text{simultaneous: } & w' = w + h\, v(w) \\
        \text{alternating: } & \text{the discriminator's coordinate first, the generator's from the new point} \\
        \text{extragradient: } & w' = w + h\, v(w + h\, v(w)) \\
        \text{optimistic: } & w' = w + 2 h\, v(w) - h\, v(w_{\text{before}}),
            \quad v(w_{\text{before}}) = v(w) \text{ at the start} \\
        \text{consensus: } & w' = w + h\,(v(w) - c\, J(w)^{\mathsf T} v(w))

    Args:
        game: the game.
        rule: one of ``RULES``; with clipping one of ``CLIPPING_RULES``.
        start: the first point, shape (2,).
        steps: number of updates, at least 1.
        rate: step size h, one number, or one per coordinate, above 0.
        strength: c of consensus, at least 0.

    Returns:
        the points, shape (steps + 1, 2).

    Raises:
        ValueError: an unknown rule, a start of another shape, steps below 1, a rate of 0 or below, a negative
            strength, or a rule that does not go with clipping.

    Example:
        >>> path = simulate(DiracGAN(), "simultaneous", (0.0, 1.0), 2, 0.1)
        >>> path.shape
        (3, 2)

    Reference: Mescheder, Geiger and Nowozin, 2018, section 2, arXiv:1801.04406; Mescheder, Nowozin and Geiger, 2017,
    equation 11, arXiv:1705.10461 (consensus); Gidel et al., 2019, section 3, arXiv:1802.10551.
    """
    start, h = check_run(game, rule, start, steps, rate, strength)
    path, before = [start], game.field(start)
    for _ in range(steps):
        w = path[-1]
        velocity = game.field(w)
        if rule == "alternating":
            new = _one_moves(game, w, h, game.discriminator)
            new = _one_moves(game, new, h, 1 - game.discriminator)
        elif rule == "simultaneous":
            new = _clipped(game, w + h * velocity)
        elif rule == "extragradient":
            new = w + h * game.field(w + h * velocity)
        elif rule == "optimistic":
            new, before = w + h * (2 * velocity - before), velocity
        else:
            new = w + h * (velocity - strength * game.jacobian(w).T @ velocity)
        path.append(new)
    return np.array(path)


def check_run(
    game: Game, rule: str, start: ArrayLike, steps: int, rate: float | Sequence[float], strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Check what :func:`simulate` is given, here and in the twins; returns start and rates, both of shape (2,)."""
    check_choice("rule", rule, CLIPPING_RULES if game.clip else RULES)
    check_int("steps", steps, 1)
    check_range("strength", strength, 0.0)
    start = np.asarray(start, np.float64)
    if start.shape != (2,) or not np.isfinite(start).all():
        raise ValueError(f"start is {start.tolist()}, of shape {start.shape}; accepted: two finite numbers, shape (2,)")
    return start, _rates(rate)


def _one_moves(game: Game, w: np.ndarray, h: np.ndarray, coordinate: int) -> np.ndarray:
    step = np.where(np.arange(2) == coordinate, h * game.field(w), 0.0)
    return _clipped(game, w + step)


def _clipped(game: Game, w: np.ndarray) -> np.ndarray:
    if not game.clip:
        return w
    return np.where(np.arange(2) == game.discriminator, np.clip(w, -game.clip, game.clip), w)


def _coordinates(point: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    point = np.asarray(point, np.float64)
    if point.ndim < 1 or point.shape[-1] != 2:
        raise ValueError(f"point has shape {point.shape}; accepted: (..., 2), one number of each player")
    return point[..., 0], point[..., 1]


def _rates(rate: ArrayLike) -> np.ndarray:
    rates = np.asarray(rate, np.float64)
    if rates.shape not in ((), (2,)) or not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError(f"rate is {rate!r}; accepted: a number above 0, or one for each coordinate")
    return np.broadcast_to(rates, (2,))


def _constant(value: float) -> _Curve:
    return lambda x: np.full_like(x, value), np.zeros_like


def _line(target: float) -> _Curve:
    return lambda x: x - target, np.ones_like


def _bump(x: np.ndarray) -> np.ndarray:
    return expit(x) * expit(-x)


#: First and second derivatives of each loss by a logit: the discriminator's by a real one, its by a generated one,
#: the generator's.  Those of the relativistic loss are by the difference of generated and real logit.
_UP: _Curve = (expit, _bump)  # of ln(1 + e^x)
_DOWN: _Curve = (lambda x: -expit(-x), _bump)  # of ln(1 + e^-x)
_CURVES: dict[str, tuple[_Curve, _Curve, _Curve]] = {
    "minimax": (_DOWN, _UP, (lambda x: -expit(x), lambda x: -_bump(x))),
    "non_saturating": (_DOWN, _UP, _DOWN),
    "least_squares": (_line(1.0), _line(0.0), _line(1.0)),
    "hinge": (
        (lambda x: -1.0 * (x < 1.0), np.zeros_like),
        (lambda x: 1.0 * (x > -1.0), np.zeros_like),
        _constant(-1.0),
    ),
    "wasserstein": (_constant(-1.0), _constant(1.0), _constant(-1.0)),
    "relativistic": (_constant(0.0), _UP, _DOWN),
}

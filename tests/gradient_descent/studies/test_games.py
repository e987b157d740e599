"""Two-player games: the field against the losses, every closed form, twin against NumPy, errors, planted mistakes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbook.data.recipe import LOSSES
from ganbook.gradient_descent.studies import game_steps, games
from ganbook.gradient_descent.studies.games import (
    Bilinear,
    DiracGAN,
    eigenvalues,
    rule_matrix,
    simulate,
    spectral_radius,
)
from ganbook.probability import losses_numpy as losses
from parity import TWINS, finite_differences, module

ORIGIN = (0.0, 0.0)
ROTATION = Bilinear().jacobian(ORIGIN)
#: Every loss plain and with everything that goes with every rule, and every penalty alone.
VARIANTS = (
    {},
    {"r1": 0.3, "r2": 0.2, "noise": 0.7},
    {"r1": 0.4},
    {"r2": 0.4},
    {"noise": 0.6},
    {"gradient_penalty": 0.1},
    {"clip": 0.5},
)
GAMES = [Bilinear(), *(DiracGAN(loss, **variant) for loss in LOSSES for variant in VARIANTS)]
SMOOTH = [game for game in GAMES if game.loss != "hinge"]
BUDGET = settings(max_examples=40, deadline=None, derandomize=True)


def radii(path: np.ndarray) -> np.ndarray:
    return np.hypot(*path.T)


def players_losses(game: DiracGAN, point: np.ndarray) -> tuple[float, float]:
    """Both players' losses, of the generator and the discriminator, from the loss functions of the book."""
    (theta, psi), (real, noise) = point, game.batch()
    logits = psi * real, psi * (theta + noise)
    penalty = (game.r1 + game.r2) / 2 * psi**2 + game.gradient_penalty * (abs(psi) - 1) ** 2
    return losses.generator_loss(game.loss, *logits), losses.discriminator_loss(game.loss, *logits) + penalty


def check_field(game: DiracGAN, point: np.ndarray) -> None:
    """Each player's direction is minus the slope of its own loss along its own axis."""
    for player in (0, 1):
        slope = finite_differences(lambda w, player=player: players_losses(game, w)[player], point)[player]
        assert abs(game.field(point)[player] + slope) < 1e-8


def check_jacobian(game: games.Game, point: np.ndarray) -> None:
    rows = [finite_differences(lambda w, row=row: game.field(w)[row], point) for row in (0, 1)]
    assert np.abs(game.jacobian(point) - rows).max() < 1e-7


# The field and its derivative.


@pytest.mark.parametrize("game", GAMES[1:], ids=repr)
def test_the_field_is_minus_each_players_own_slope(game):
    for point in ((0.7, -0.4), (-1.1, 0.8), (0.3, 0.5)):
        check_field(game, np.array(point))


@pytest.mark.parametrize("game", SMOOTH, ids=repr)
def test_the_jacobian_is_finite_differences(game):
    for point in ((0.7, -0.4), (-1.1, 0.8), (0.3, 0.5)):
        check_jacobian(game, np.array(point))


@pytest.mark.parametrize("game", GAMES, ids=repr)
def test_many_points_at_once(game):
    points = np.random.default_rng(0).normal(size=(3, 4, 2))
    for many in (game.field, game.jacobian):
        alone = [[many(point) for point in row] for row in points]
        assert np.allclose(many(points), alone, rtol=1e-14, atol=0)


def test_the_field_is_no_gradient():
    """A gradient's Jacobian is a Hessian, hence symmetric; the bilinear game's is the opposite of its transpose."""
    assert np.array_equal(ROTATION, [[0, -1], [1, 0]])
    assert np.array_equal(ROTATION.T, -ROTATION)
    # Once around the unit circle the field does the work 2 pi; around a closed loop a gradient would do none.
    angles = np.linspace(0, 2 * np.pi, 2001)[:-1]
    circle, tangent = np.stack([np.cos(angles), np.sin(angles)], 1), np.stack([-np.sin(angles), np.cos(angles)], 1)
    work = (Bilinear().field(circle) * tangent).sum(1).mean() * 2 * np.pi
    assert abs(work - 2 * np.pi) < 1e-12


@pytest.mark.parametrize("rule", games.RULES)
@pytest.mark.parametrize("rate", [0.3, (0.4, 0.1)])
def test_the_matrix_makes_the_path_of_a_linear_game(rule, rate):
    """Bilinear is linear everywhere: the matrix must give its path step by step, not only near rest."""
    game, start = Bilinear(), np.array([1.0, -0.5])
    path = simulate(game, rule, start, 6, rate, strength=0.7)
    matrix = rule_matrix(ROTATION, rule, rate, strength=0.7)
    if rule == "optimistic":
        for before, w, after in zip(path[:-2], path[1:-1], path[2:], strict=True):
            assert np.abs(matrix @ [*w, *before] - [*after, *w]).max() < 1e-14
    else:
        assert np.abs(path[:-1] @ matrix.T - path[1:]).max() < 1e-14


@pytest.mark.parametrize("rule", games.RULES)
def test_the_matrix_is_the_path_near_rest(rule):
    game = DiracGAN(r1=0.4, noise=0.3)
    # The discriminator's coordinate, which moves first where they alternate, stands first.
    path = simulate(game, rule, (1e-5, -2e-5), 4, (0.3, 0.2), strength=0.7)[:, ::-1]
    matrix = rule_matrix(game.jacobian(ORIGIN)[::-1, ::-1], rule, (0.2, 0.3), strength=0.7)
    w, after = (np.r_[path[2], path[1]], np.r_[path[3], path[2]]) if rule == "optimistic" else (path[2], path[3])
    assert np.abs(matrix @ w - after).max() < 1e-12


# The bilinear game.


def measured_factor(rule: str, eta: float, steps: int = 400) -> float:
    """Growth of the distance per step, over the second half of a path."""
    lengths = radii(simulate(Bilinear(), rule, (1.0, 1.0), steps, eta))
    return (lengths[-1] / lengths[steps // 2]) ** (2 / steps)


def radius_of(rule: str, eta: float, **options: float) -> float:
    return spectral_radius(rule_matrix(ROTATION, rule, eta, **options))


def check_simultaneous() -> None:
    for eta in (0.01, 0.1, 0.5, 1.3):
        assert abs(radius_of("simultaneous", eta) - np.sqrt(1 + eta**2)) < 1e-12
        lengths = radii(simulate(Bilinear(), "simultaneous", (1.0, 1.0), 50, eta))
        assert np.abs(lengths[1:] / lengths[:-1] - np.sqrt(1 + eta**2)).max() < 1e-12


def test_bilinear_simultaneous():
    check_simultaneous()


def check_alternating() -> None:
    for eta in (0.1, 0.5, 1.0, 1.9):
        assert abs(radius_of("alternating", eta) - 1) < 1e-12
    assert radius_of("alternating", 2.01) > 1.1
    x, y = simulate(Bilinear(), "alternating", (1.0, 1.0), 2000, 0.1).T
    kept = x**2 + y**2 - 0.1 * x * y
    assert np.ptp(kept) < 1e-13


def test_bilinear_alternating():
    check_alternating()


def test_bilinear_extragradient():
    for eta in (0.1, 0.5, np.sqrt(0.5), 0.99):
        assert abs(radius_of("extragradient", eta) - np.sqrt(1 - eta**2 + eta**4)) < 1e-12
        assert abs(measured_factor("extragradient", eta) - np.sqrt(1 - eta**2 + eta**4)) < 1e-9
    etas = np.linspace(0.01, 1.5, 2000)
    factors = [radius_of("extragradient", eta) for eta in etas]
    assert abs(etas[np.argmin(factors)] ** 2 - 0.5) < 1e-3
    assert abs(min(factors) - np.sqrt(3) / 2) < 1e-6
    assert radius_of("extragradient", 0.999) < 1 < radius_of("extragradient", 1.001)


def test_bilinear_optimistic():
    for eta in (0.05, 0.2, 0.4, 0.49):
        assert abs(radius_of("optimistic", eta) ** 2 - (1 + np.sqrt(1 - 4 * eta**2)) / 2) < 1e-12
    for eta in (0.1, 0.3):  # the smaller root has died out by the second half
        assert abs(measured_factor("optimistic", eta, 2000) - radius_of("optimistic", eta)) < 1e-3


def test_bilinear_optimistic_bound():
    for eta in (0.51, 0.55, 0.7):
        by_formula = np.sqrt(0.25 + (eta + np.sqrt(4 * eta**2 - 1) / 2) ** 2)
        assert abs(radius_of("optimistic", eta) - by_formula) < 1e-12
    bound = 1 / np.sqrt(3)
    assert abs(radius_of("optimistic", bound) - 1) < 1e-12
    assert round(radius_of("optimistic", 0.577), 4) == 0.9991
    assert round(radius_of("optimistic", 0.578), 4) == 1.0017


def test_bilinear_consensus():
    for eta, c in itertools.product((0.1, 0.5, 1.0), (0.3, 1.0, 2.0)):
        by_formula = np.sqrt((1 - eta * c) ** 2 + eta**2)
        assert abs(radius_of("consensus", eta, strength=c) - by_formula) < 1e-12
        assert (by_formula < 1) == (eta < 2 * c / (1 + c**2)) or abs(by_formula - 1) < 1e-12
        lengths = radii(simulate(Bilinear(), "consensus", (1.0, 1.0), 20, eta, strength=c))
        assert np.abs(lengths[1:] - by_formula * lengths[:-1]).max() < 1e-12 * lengths.max()


# The Dirac-GAN.


def test_dirac_field_turns():
    """The minimax field is perpendicular to the point, and its length is sigma(psi theta) times the radius."""
    for theta, psi in np.random.default_rng(1).normal(size=(20, 2)):
        speed = 1 / (1 + np.exp(-theta * psi))
        assert np.abs(DiracGAN().field((theta, psi)) - speed * np.array([psi, -theta])).max() < 1e-14


def check_dirac_eigenvalues() -> None:
    assert np.abs(eigenvalues(DiracGAN()) - [0.5j, -0.5j]).max() < 1e-12
    path = simulate(DiracGAN(), "simultaneous", (1.0, 1.0), 300, 0.2)
    lengths = radii(path)
    assert round(lengths[-1] / lengths[0], 4) == 2.0268
    speeds = 1 / (1 + np.exp(-path[:-1].prod(1)))
    assert np.abs(lengths[1:] / lengths[:-1] - np.sqrt(1 + 0.04 * speeds**2)).max() < 1e-12
    assert (np.diff(lengths) > 0).all()


def test_dirac_eigenvalues():
    check_dirac_eigenvalues()


def test_dirac_non_saturating_and_relativistic():
    points = np.random.default_rng(2).normal(size=(50, 2))
    one, other = (DiracGAN(loss) for loss in ("non_saturating", "relativistic"))
    assert np.array_equal(one.field(points), other.field(points))
    for game in (one, other):
        assert np.abs(game.jacobian(ORIGIN) - DiracGAN().jacobian(ORIGIN)).max() < 1e-15


def test_dirac_non_saturating_pulls_inwards():
    points = np.random.default_rng(3).normal(size=(50, 2))
    t = points.prod(1)
    inwards = 2 * (points * DiracGAN("non_saturating").field(points)).sum(1)
    assert np.abs(inwards + 2 * t * np.tanh(t / 2)).max() < 1e-12


def test_dirac_non_saturating_cycle():
    """Averaging leaves terms of relative order h."""
    for h in (0.2, 0.1, 0.05):
        lengths = radii(simulate(DiracGAN("non_saturating"), "simultaneous", (1.0, 1.0), int(400 / h), h))
        assert abs(lengths[-200:].mean() / np.sqrt(2 * h) - 1) < h / 2


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("minimax", [[0, 0.5], [-0.5, 0]]),
        ("non_saturating", [[0, 0.5], [-0.5, 0]]),
        ("relativistic", [[0, 0.5], [-0.5, 0]]),
        ("hinge", [[0, 1], [-1, 0]]),
        ("wasserstein", [[0, 1], [-1, 0]]),
        ("least_squares", [[0, 1], [0, 0]]),
    ],
)
def test_dirac_jacobian_of_every_loss(loss, expected):
    assert np.abs(DiracGAN(loss).jacobian(ORIGIN) - expected).max() < 1e-15


def test_dirac_least_squares_rests_away_from_the_data():
    game = DiracGAN("least_squares")
    assert np.array_equal(game.field([[theta, 0.0] for theta in (-2.0, 0.5, 3.0)]), np.zeros((3, 2)))
    path = simulate(game, "simultaneous", (1.0, 1.0), 500, 0.1)
    assert path[-1, 0] > 1.2
    assert abs(path[-1, 1]) < 1e-9


def check_r1() -> None:
    for gamma, field in itertools.product((0.1, 0.3, 0.9, 1.0, 1.5), ("r1", "r2")):
        root = np.sqrt(complex(gamma**2 / 4 - 0.25))
        # At gamma = 1 the two are one, and a double eigenvalue is known to the root of the rounding only.
        tolerance = 1e-7 if gamma == 1.0 else 1e-12
        expected = [-gamma / 2 + root, -gamma / 2 - root]
        assert np.abs(eigenvalues(DiracGAN(**{field: gamma})) - expected).max() < tolerance


def test_dirac_r1():
    check_r1()
    finals = [radii(simulate(DiracGAN(r1=gamma), "simultaneous", (1.0, 1.0), 300, 0.2))[-1] for gamma in (0.3, 1.0)]
    assert round(finals[0], 5) == 0.00065
    assert round(finals[1], 12) == 7e-12


def test_dirac_r1_critical():
    """The slowest rate, the larger real part, is least at gamma = 2 f' = 1."""
    gammas = np.arange(1, 300) / 100
    slowest = [eigenvalues(DiracGAN(r1=gamma)).real.max() for gamma in gammas]
    assert gammas[np.argmin(slowest)] == 1.0


def stable(game: DiracGAN, h: float, steps: int = 4000) -> bool:
    lengths = radii(simulate(game, "simultaneous", (1e-3, 1e-3), steps, h))
    return lengths[-100:].max() < lengths[:100].max()


@pytest.mark.parametrize("gamma", [0.1, 0.3, 0.6])
def test_dirac_r1_step_bound(gamma):
    bound = gamma / 0.25
    assert stable(DiracGAN(r1=gamma), 0.99 * bound)
    assert not stable(DiracGAN(r1=gamma), 1.01 * bound)
    assert abs(spectral_radius(rule_matrix(DiracGAN(r1=gamma).jacobian(ORIGIN), "simultaneous", bound)) - 1) < 1e-12


def check_noise() -> None:
    for sigma, loss in itertools.product((0.5, 1.0, 2.0), ("minimax", "non_saturating", "relativistic")):
        variance = sigma**2
        root = np.sqrt(complex(variance**2 / 16 - 0.25))
        expected = [-variance / 4 + root, -variance / 4 - root]
        assert np.abs(eigenvalues(DiracGAN(loss, noise=sigma)) - expected).max() < 1e-12


def test_dirac_instance_noise():
    check_noise()
    assert radii(simulate(DiracGAN(noise=1.0), "simultaneous", (1.0, 1.0), 300, 0.2))[-1] < 1e-4


def test_dirac_two_time_scales():
    for a, b in ((1.0, 4.0), (0.1, 10.0), (3.0, 3.0)):
        expected = np.array([0.5j, -0.5j]) * np.sqrt(a * b)
        assert np.abs(eigenvalues(DiracGAN(), rates=(a, b)) - expected).max() < 1e-12
        # In discrete time the same holds with the step: outwards, whatever the ratio of the rates
        radius = spectral_radius(rule_matrix(DiracGAN().jacobian(ORIGIN), "simultaneous", (0.1 * a, 0.1 * b)))
        assert abs(radius - np.sqrt(1 + 0.01 * a * b / 4)) < 1e-12


def test_dirac_wasserstein_turns():
    """The field is perpendicular to the point: flows keep the radius, simultaneous steps multiply it."""
    points = np.random.default_rng(4).normal(size=(50, 2))
    assert (points * DiracGAN("wasserstein").field(points)).sum(1) == pytest.approx(0.0, abs=1e-15)
    lengths = radii(simulate(DiracGAN("wasserstein"), "simultaneous", (1.0, 1.0), 50, 0.1))
    assert np.abs(lengths[1:] / lengths[:-1] - np.sqrt(1.01)).max() < 1e-12


@pytest.mark.parametrize(("rule", "h"), [*itertools.product(games.CLIPPING_RULES, (0.1, 0.01))])
def test_dirac_wasserstein_clipped_does_not_converge(rule, h):
    path = simulate(DiracGAN("wasserstein", clip=1.0), rule, (1.0, 1.0), int(200 / h), h)
    assert np.abs(path[:, 1]).max() <= 1.0
    assert radii(path)[-int(20 / h) :].min() > 0.8


def test_dirac_wgan_gp_pushes_outwards():
    """Within |psi| < 1 the squared radius grows at the rate 4 lambda |psi| (1 - |psi|)."""
    rng = np.random.default_rng(5)
    points = np.stack([rng.normal(size=50), rng.uniform(-1, 1, 50)], 1)
    game, psi = DiracGAN("wasserstein", gradient_penalty=0.3), np.abs(points[:, 1])
    growth = 2 * (points * game.field(points)).sum(1)
    assert np.abs(growth - 4 * 0.3 * psi * (1 - psi)).max() < 1e-12
    assert (growth > 0).all()


@pytest.mark.parametrize(("start", "h"), [*itertools.product(((1.0, 1.0), (0.01, 0.01)), (0.1, 0.01))])
def test_dirac_wgan_gp_does_not_converge(start, h):
    path = simulate(DiracGAN("wasserstein", gradient_penalty=0.25), "alternating", start, int(200 / h), h)
    assert radii(path)[-int(20 / h) :].max() > 0.3


def test_dirac_consensus():
    for c in (0.5, 1.0, 2.0):
        jacobian = DiracGAN().jacobian(ORIGIN)
        values = sorted(np.linalg.eigvals(jacobian - c * jacobian.T @ jacobian), key=lambda value: -value.imag)
        assert np.abs(np.array(values) - [-c / 4 + 0.5j, -c / 4 - 0.5j]).max() < 1e-12
    assert radii(simulate(DiracGAN(), "consensus", (1.0, 1.0), 300, 0.2))[-1] < 1e-3


CONVERGE = [
    (DiracGAN(r1=0.5), "simultaneous"),
    (DiracGAN(r2=0.5), "simultaneous"),
    (DiracGAN(noise=1.0), "simultaneous"),
    (DiracGAN(), "consensus"),
    (DiracGAN("wasserstein", r1=0.5), "simultaneous"),
]
DO_NOT = [
    (DiracGAN(), "simultaneous"),
    (DiracGAN(), "alternating"),
    (DiracGAN("hinge"), "simultaneous"),
    (DiracGAN("least_squares"), "simultaneous"),
    (DiracGAN("wasserstein"), "simultaneous"),
    (DiracGAN("wasserstein"), "alternating"),
    (DiracGAN("wasserstein", clip=1.0), "simultaneous"),
    (DiracGAN("wasserstein", gradient_penalty=0.25), "simultaneous"),
    (DiracGAN("non_saturating"), "simultaneous"),
    (DiracGAN("relativistic"), "simultaneous"),
]


@pytest.mark.parametrize(("game", "rule"), [*CONVERGE, *DO_NOT], ids=repr)
def test_which_converge(game, rule):
    lengths = radii(simulate(game, rule, (1.0, 1.0), 3000, 0.05))
    assert (lengths[-1] < 1e-6) == ((game, rule) in CONVERGE)
    assert lengths[-1] < 1e-6 or lengths[-500:].max() > 0.2


# Both frameworks.


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("game", GAMES, ids=repr)
def test_twins_walk_the_same_path(twin, game):
    for rule in games.CLIPPING_RULES if game.clip else games.RULES:
        check_twin(module("gradient_descent.studies.games", twin), game, rule)


def check_twin(games_of_twin, game: games.Game, rule: str, steps: int = 8) -> None:
    for rate in (0.2, (0.1, 0.3)):
        given = (game, rule, (1.0, 0.7), steps, rate)
        path = games_of_twin.simulate(*given, strength=0.6)
        assert path.dtype == np.float64
        assert np.abs(path - simulate(*given, strength=0.6)).max() < 1e-9


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("rule", games.RULES)
def test_twins_stay_together_for_long(twin, rule):
    path = module("gradient_descent.studies.games", twin).simulate(DiracGAN(r1=0.1), rule, (1.0, 1.0), 150, 0.2)
    assert np.abs(path - simulate(DiracGAN(r1=0.1), rule, (1.0, 1.0), 150, 0.2)).max() < 1e-9


@pytest.mark.parametrize("twin", TWINS)
def test_twins_players_are_the_point(twin):
    train_state = module("gradient_descent.studies.games", twin).TrainState
    point, rates = np.array([0.3, -0.8]), np.array([0.1, 0.1])
    state = game_steps.game_state(train_state, DiracGAN(), point, rates, "simultaneous")
    assert state.sample(np.array([[-1.0], [2.0]])).ravel() == pytest.approx([-0.7, 2.3])
    assert state.judge(np.array([[0.0], [2.0]])) == pytest.approx([0.0, -1.6])
    assert list(state.optimiser_state["generator"]) == ["dense_1.bias"]


# Errors and properties.


@pytest.mark.parametrize("play", ["numpy", *TWINS])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "sgd"}, r"rule is 'sgd'; accepted: simultaneous, alternating, .*, consensus"),
        ({"start": (1.0,)}, r"start is \[1.0\], of shape \(1,\); accepted: two finite numbers"),
        ({"start": (1.0, float("nan"))}, r"start is \[1.0, nan\].*; accepted: two finite numbers"),
        ({"steps": 0}, r"steps is 0; accepted: a whole number of at least 1"),
        ({"rate": 0.0}, r"rate is 0.0; accepted: a number above 0"),
        ({"rate": (0.1, -0.1)}, r"rate is \(0.1, -0.1\); accepted: a number above 0"),
        ({"rate": (0.1, 0.1, 0.1)}, r"rate is .*; accepted: a number above 0, or one for each"),
        ({"strength": -1.0}, r"strength is -1.0; accepted: a number at least 0"),
        (
            {"game": DiracGAN(clip=1.0), "rule": "optimistic"},
            r"rule is 'optimistic'; accepted: simultaneous, alternating$",
        ),
    ],
)
def test_errors_of_simulate(play, change, message):
    player = games if play == "numpy" else module("gradient_descent.studies.games", play)
    given = {"game": DiracGAN(), "rule": "simultaneous", "start": (1.0, 1.0), "steps": 3, "rate": 0.1} | change
    with pytest.raises(ValueError, match=message):
        player.simulate(**given)


@pytest.mark.parametrize("name", ["r1", "r2", "gradient_penalty", "clip", "noise"])
def test_a_negative_number_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name} is -0.1; accepted: a number at least 0"):
        DiracGAN(**{name: -0.1})


def test_errors():
    with pytest.raises(ValueError, match=r"loss is 'logistic'; accepted: minimax, non_saturating"):
        DiracGAN("logistic")
    for game in (Bilinear(), DiracGAN()):
        for function in (game.field, game.jacobian):
            with pytest.raises(ValueError, match=r"point has shape \(3,\); accepted: \(\.\.\., 2\)"):
                function((1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match=r"point has psi 0; accepted with gradient_penalty"):
        DiracGAN(gradient_penalty=1.0).jacobian(ORIGIN)
    with pytest.raises(ValueError, match=r"jacobian has shape \(3, 3\); accepted: \(2, 2\)"):
        rule_matrix(np.eye(3), "simultaneous", 0.1)
    with pytest.raises(ValueError, match=r"rule is 'adam'; accepted"):
        rule_matrix(np.eye(2), "adam", 0.1)
    with pytest.raises(ValueError, match=r"rate is 0; accepted"):
        eigenvalues(DiracGAN(), rates=0)
    with pytest.raises(ValueError, match=r"matrix has shape \(2, 3\); accepted: \(n, n\)"):
        spectral_radius(np.ones((2, 3)))


@BUDGET
@given(theta=st.floats(-3, 3), psi=st.floats(-3, 3), loss=st.sampled_from(("wasserstein", "hinge", "non_saturating")))
def test_the_game_looks_the_same_from_the_other_side(theta, psi, loss):
    """Mirroring both players mirrors the field."""
    game = DiracGAN(loss, r1=0.2, noise=0.4)
    assert np.abs(game.field((-theta, -psi)) + game.field((theta, psi))).max() < 1e-12


# Planted mistakes: each must fail the very check above.


def wrong_curves(loss: str, place: int, factor: float) -> tuple:
    curves = list(games._CURVES[loss])
    curves[place] = tuple(lambda x, curve=curve: factor * curve(x) for curve in curves[place])
    return tuple(curves)


@pytest.mark.parametrize(
    ("loss", "place", "factor"),
    [
        ("minimax", 2, -1.0),
        ("minimax", 1, 2.0),
        ("non_saturating", 2, -1.0),
        ("least_squares", 2, 0.5),
        ("hinge", 1, -1.0),
        ("relativistic", 1, 2.0),
    ],
)
def test_a_wrong_loss_fails(monkeypatch, loss, place, factor):
    monkeypatch.setitem(games._CURVES, loss, wrong_curves(loss, place, factor))
    with pytest.raises(AssertionError):
        check_field(DiracGAN(loss), np.array([0.7, 0.4]))
    with pytest.raises(AssertionError):
        check_twin(module("gradient_descent.studies.games", "torch"), DiracGAN(loss), "simultaneous")


def test_a_wrong_curvature_fails(monkeypatch):
    down, others = games._DOWN[0], games._CURVES["minimax"][1:]
    monkeypatch.setitem(games._CURVES, "minimax", ((down, lambda x: -games._bump(x)), *others))
    with pytest.raises(AssertionError):
        check_jacobian(DiracGAN(noise=0.5), np.array([0.7, 0.4]))
    with pytest.raises(AssertionError):
        check_noise()


def test_half_a_penalty_fails(monkeypatch):
    right = DiracGAN.jacobian
    monkeypatch.setattr(DiracGAN, "jacobian", lambda self, point: right(self, point) + np.diag([0.0, self.r1 / 2]))
    with pytest.raises(AssertionError):
        check_r1()


def test_a_generator_that_does_not_see_the_new_discriminator_fails(monkeypatch):
    """Alternating steps from one old point are simultaneous ones, and those leave the invariant."""
    right = games.simulate
    monkeypatch.setitem(
        globals(),
        "simulate",
        lambda game, rule, *given, **options: right(
            game, "simultaneous" if rule == "alternating" else rule, *given, **options
        ),
    )
    with pytest.raises(AssertionError):
        check_alternating()


def test_two_cooperating_players_fail(monkeypatch):
    """With one sign flipped both players minimise xy: the field is a gradient, and the radius another."""
    monkeypatch.setattr(Bilinear, "field", lambda self, point: -np.asarray(point)[..., ::-1])
    with pytest.raises(AssertionError):
        check_simultaneous()


@pytest.mark.parametrize("twin", TWINS)
def test_a_generator_that_also_learns_its_scale_fails(monkeypatch, twin):
    right = game_steps.game_state

    def with_scale(*given):
        state = right(*given)
        state.optimiser_state["generator"]["dense_1.weight"] = {}
        return state

    monkeypatch.setattr(game_steps, "game_state", with_scale)
    with pytest.raises(AssertionError):
        check_twin(module("gradient_descent.studies.games", twin), DiracGAN(noise=0.7), "simultaneous")


@pytest.mark.parametrize("twin", TWINS)
def test_another_order_fails(monkeypatch, twin):
    right = game_steps.game_state
    monkeypatch.setattr(game_steps, "game_state", lambda *given: right(*given[:-1], "simultaneous"))
    with pytest.raises(AssertionError):
        check_twin(module("gradient_descent.studies.games", twin), DiracGAN(), "alternating")

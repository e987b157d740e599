"""A recipe: one frozen description of one training run, in numbers and names alone.

A recipe says everything that decides what a run computes: data, networks, loss, penalties, optimisers, order of
the steps, seed and precision.  It names no framework, since the same recipe gives the same run in both.  It is
saved as JSON beside the weights, and reading that file gives back an equal recipe.

Explained in the book's section "Quickstart"; every later section changes one field of a recipe at a time.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ganbook.data.json_fields import read_fields, write_fields

LOSSES = ("minimax", "non_saturating", "least_squares", "hinge", "wasserstein", "relativistic")
OPTIMISERS = ("sgd", "momentum", "rmsprop", "adam")
ORDERS = ("alternating", "simultaneous")
SCHEDULES = ("constant", "linear", "cosine")
SPLITS = ("train", "test", "all")
LATENTS = ("normal", "uniform")
DTYPES = ("float32", "float64", "mixed_bfloat16")
FRAMEWORKS = ("pytorch", "tensorflow")
LARGEST = sys.float_info.max
#: About the largest number of float32: PyTorch takes no larger one as a bound.
LARGEST_FLOAT32 = 3e38
NETWORKS = (
    "MLPGenerator",
    "MLPDiscriminator",
    "ConvDiscriminator",
    "DCGANGenerator",
    "DCGANDiscriminator",
    "PixelShuffleGenerator",
)


def check_choice(name: str, value: str, accepted: tuple[str, ...]) -> str:
    """Return ``value`` if it is accepted.

    Raises:
        ValueError: names the argument, what came and what is accepted.
    """
    if value not in accepted:
        raise ValueError(f"{name} is {value!r}; accepted: {', '.join(accepted)}")
    return value


def parameter_dtype(dtype: str) -> str:
    """The type of weights, optimiser state and losses in a run of this ``dtype``: in mixed precision float32."""
    return "float32" if dtype == "mixed_bfloat16" else dtype


def plain(value: Any) -> Any:
    """Numbers that come from NumPy as Python's own, sequences and arrays as tuples; anything else as it is."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value


def check_range(name: str, value: float, low: float, high: float = LARGEST, *, open_low: bool = False) -> float:
    """Return ``value``, as a number of Python's own, if ``low <= value <= high`` (``low < value`` with ``open_low``).

    Raises:
        ValueError: names the argument, what came and what is accepted; NaN and non-numbers never pass.
    """
    value = plain(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not max(low, -LARGEST) <= value <= high or (open_low and value == low):
        bounds = f"above {low:g}" if open_low else f"at least {low:g}"
        raise ValueError(
            f"{name} is {value!r}; accepted: a number {bounds}"
            + (f" and at most {high:g}" if high < LARGEST or (number and value > high) else "")
        )
    return float(value) if abs(value) > 2**53 else value


def check_int(name: str, value: int, low: int, high: int = 2**63 - 1) -> int:
    """Return ``value``, as a number of Python's own, if it is an integer and ``low <= value <= high``.

    Raises:
        ValueError: names the argument, what came and what is accepted.
    """
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        above = isinstance(value, int) and value > high
        raise ValueError(
            f"{name} is {value!r}; accepted: a whole number of at least {low}"
            + (f" and at most {high}" if above else "")
        )
    return value


def _check(owner: Any, check: Callable[..., Any], field: str, *bounds: float, **options: Any) -> None:
    """Check a field of a frozen dataclass, and keep what the check returns."""
    object.__setattr__(owner, field, check(field, getattr(owner, field), *bounds, **options))


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A number that changes over a run: ``start`` at step 0, ``end`` at the last step.

    * constant: :math:`s`
    * linear: :math:`s + (e - s)\\,t`
    * cosine: :math:`e + (s - e)\\,(1 + \\cos \\pi t)/2`

    with :math:`t = \\mathrm{step} / \\mathrm{steps}` clipped to [0, 1].

    Args:
        start: value at step 0, at least 0.
        end: value at the last step, at least 0; ignored by ``constant``.
        kind: one of ``SCHEDULES``.

    Raises:
        ValueError: a negative value or an unknown kind.

    Reference: Loshchilov and Hutter, SGDR, ICLR 2017, equation 5 (cosine), arXiv:1608.03983.
    """

    start: float
    end: float = 0.0
    kind: str = "constant"

    if TYPE_CHECKING:  # a field that holds a schedule accepts a number too, see Optimiser and Recipe

        def __get__(self, owner: object, kind: type) -> Schedule: ...
        def __set__(self, owner: object, value: Schedule | float) -> None: ...

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, SCHEDULES)
        for field in ("start", "end"):
            _check(self, check_range, field, 0.0)

    def value(self, step: int, steps: int) -> float:
        """The value at ``step`` of a run of ``steps``."""
        t = min(max(step / steps, 0.0), 1.0)
        if self.kind == "constant":
            return self.start
        if self.kind == "linear":
            return self.start + (self.end - self.start) * t
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * t)) / 2

    @property
    def active(self) -> bool:
        """Whether the value is ever above zero."""
        return self.start > 0 or (self.kind != "constant" and self.end > 0)


def _schedule(field: str, value: Schedule | float) -> Schedule:
    return value if isinstance(value, Schedule) else Schedule(value)


@dataclasses.dataclass(frozen=True)
class Optimiser:
    """Which update rule a player uses, and its constants.

    Args:
        name: one of ``OPTIMISERS``.
        learning_rate: a schedule; a plain number means a constant one.
        beta1: decay of Adam's first moment, and the momentum of ``momentum``; in [0, 1).
        beta2: decay of the second moment of Adam and RMSprop (there called rho); in [0, 1).
        epsilon: added to the root of the second moment, outside the root, in both rules.

    Raises:
        ValueError: a value outside its range.
    """

    name: str = "adam"
    learning_rate: Schedule = Schedule(1e-3)
    beta1: float = 0.0
    beta2: float = 0.99
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        check_choice("optimiser", self.name, OPTIMISERS)
        _check(self, _schedule, "learning_rate")
        check_range("learning_rate", self.learning_rate.start, 0.0, open_low=True)
        for field in ("beta1", "beta2"):
            _check(self, check_range, field, 0.0, 1.0)
            if getattr(self, field) == 1.0:
                raise ValueError(f"{field} is 1.0; accepted: a number at least 0 and below 1")
        _check(self, check_range, "epsilon", 0.0, open_low=True)


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A network by its kind and the settings that differ from that kind's defaults.

    Args:
        kind: one of ``NETWORKS``.
        settings: fields of that class in ``ganbook.tensors.architectures``: numbers, names, booleans and sequences
            of them.
    """

    kind: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, NETWORKS)
        if not isinstance(self.settings, Mapping):
            raise ValueError(f"settings is {self.settings!r}; accepted: a mapping from names to values")
        settings = {name: plain(value) for name, value in self.settings.items()}
        for name, value in settings.items():
            if not all(
                each is None or isinstance(each, (int, float, str))
                for each in (value if isinstance(value, tuple) else (value,))
            ):
                raise ValueError(
                    f"setting {name!r} is {value!r}; accepted: a number, a name, True, False, None, or a "
                    "sequence of them"
                )
        object.__setattr__(self, "settings", MappingProxyType(settings))

    def __hash__(self) -> int:
        return hash((self.kind, tuple(sorted(self.settings.items()))))

    def __reduce__(self) -> tuple[type[Architecture], tuple[str, dict[str, Any]]]:  # a mapping proxy cannot be pickled
        return Architecture, (self.kind, dict(self.settings))

    def with_(self, **settings: Any) -> Architecture:
        """A copy with some settings replaced."""
        return Architecture(self.kind, {**self.settings, **settings})


MLP = {"hidden": (256, 256, 256), "slope": 0.2, "initialiser": "he"}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One training run.  The defaults are the book's quickstart: real digits in under a minute on two cores.

    Args:
        name: what to call it; letters, digits, ``-`` and ``_``.
        data: a data set's name, see ``ganbook.data.NAMES``, or ``folder:PATH`` for the reader's own images.
        split: ``train``, ``test`` or ``all`` of it.
        size: side to resize images to, in pixels; None keeps the set's own.
        scale: number that the points of a mixture are divided by; images stay in [-1, 1].
        generator, discriminator: the two networks.
        latent: distribution of the noise, standard normal or uniform on [-1, 1].
        loss: one of ``LOSSES``.
        r1, r2: weight gamma of the zero-centred gradient penalties gamma/2 E|grad D|^2 on real and on fake
            batches; a schedule or a number, 0 for none.
        gradient_penalty: weight lambda of WGAN-GP's penalty; 0 for none.
        clip: bound that every weight of the discriminator is clipped to after its step; 0 for none.
        generator_optimiser, discriminator_optimiser: the two update rules.
        order: ``alternating`` updates the discriminator first and lets the generator see the new one;
            ``simultaneous`` takes both gradients at the same point.
        discriminator_steps: discriminator steps per generator step.
        unrolled: discriminator updates that the generator's gradient looks ahead through; 0 for none.
        batch: examples per step and player.
        steps: generator steps of the whole run; all schedules end with them, also where the run is extended.
        averaging: decay of the moving average of the generator's weights; 0 for none.
        dequantisation: width of the uniform noise added to real images, in units of the range [-1, 1]; 0 for none.
        seed: of the one random generator that draws everything.
        dtype: one of ``DTYPES``; ``mixed_bfloat16`` computes the layers in bfloat16, and keeps weights,
            optimiser state, losses and penalties in float32.

    Raises:
        ValueError: a field outside its range or an unknown name.
    """

    name: str = "quickstart"
    data: str = "digits"
    split: str = "all"
    size: int | None = None
    scale: float = 1.0
    generator: Architecture = Architecture("MLPGenerator", {"latent": 32, "shape": (8, 8, 1), **MLP})
    discriminator: Architecture = Architecture("MLPDiscriminator", {"shape": (8, 8, 1), **MLP})
    latent: str = "normal"
    loss: str = "relativistic"
    r1: Schedule = Schedule(1.0, 0.1, "cosine")
    r2: Schedule = Schedule(1.0, 0.1, "cosine")
    gradient_penalty: float = 0.0
    clip: float = 0.0
    generator_optimiser: Optimiser = Optimiser(learning_rate=Schedule(2e-3, 4e-5, "cosine"))
    discriminator_optimiser: Optimiser = Optimiser(learning_rate=Schedule(2e-3, 4e-5, "cosine"))
    order: str = "alternating"
    discriminator_steps: int = 1
    unrolled: int = 0
    batch: int = 128
    steps: int = 2500
    averaging: float = 0.999
    dequantisation: float = 0.0
    seed: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch("[A-Za-z0-9_-]+", self.name):
            raise ValueError(f"name is {self.name!r}; accepted: letters, digits, '-' and '_'")
        if not isinstance(self.data, str):
            raise ValueError(f"data is {self.data!r}; accepted: the name of a data set")
        choices = {"split": SPLITS, "latent": LATENTS, "loss": LOSSES, "order": ORDERS, "dtype": DTYPES}
        for field, accepted in choices.items():
            check_choice(field, getattr(self, field), accepted)
        for field in ("r1", "r2"):
            _check(self, _schedule, field)
        _check(self, check_range, "scale", 0.0, open_low=True)
        for field in ("gradient_penalty", "clip", "dequantisation", "averaging"):
            _check(self, check_range, field, 0.0, LARGEST_FLOAT32)
        if self.averaging >= 1.0:
            raise ValueError(f"averaging is {self.averaging!r}; accepted: a number at least 0 and below 1")
        _check(self, check_int, "discriminator_steps", 1, 1000)
        _check(self, check_int, "unrolled", 0, 1000)
        for field, low in (("batch", 1), ("steps", 1), ("seed", 0)):
            _check(self, check_int, field, low)
        if self.size is not None:
            _check(self, check_int, "size", 1)
        if self.order == "simultaneous":
            for field, only, reason in (
                ("discriminator_steps", 1, "both gradients are taken at one point"),
                ("unrolled", 0, "the generator looks ahead from the discriminator that it meets"),
            ):
                if (value := getattr(self, field)) != only:
                    raise ValueError(f"{field} is {value}; accepted with order 'simultaneous': {only}, since {reason}")
        if self.batch % self.packing:
            raise ValueError(
                f"batch is {self.batch}; accepted with packing {self.packing}: a multiple of {self.packing}"
            )
        if self.penalised and self.discriminator.settings.get("batch_norm"):
            raise ValueError(
                "discriminator has batch normalisation; accepted with a gradient penalty: none, since "
                "the penalty is on each image's own gradient (Gulrajani et al., 2017, section 4)"
            )

    @functools.cached_property
    def penalised(self) -> bool:
        """Whether the discriminator pays a penalty on its gradient with respect to images."""
        return self.r1.active or self.r2.active or self.gradient_penalty > 0

    @functools.cached_property
    def spectral(self) -> bool:
        """Whether the discriminator's weights are divided by their spectral norm."""
        return bool(self.discriminator.settings.get("spectral_norm", False))

    @functools.cached_property
    def packing(self) -> int:
        """How many examples the discriminator judges together."""
        return check_int("packing", self.discriminator.settings.get("packing", 1), 1)

    @functools.cached_property
    def pairs(self) -> bool:
        """Whether the generator's loss reads real images too."""
        return self.loss == "relativistic"

    def replace(self, **fields: Any) -> Recipe:
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **fields)

    def to_json(self) -> str:
        """The recipe as indented JSON, one field a line."""
        return write_fields(self)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what :meth:`to_json` wrote, now or before a field was added; see :mod:`ganbook.data.json_fields`."""
        return read_fields(cls, text, "recipe")


def up_to_date(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A stored recipe's fields as :meth:`Recipe.to_json` writes them now: with the defaults of what joined since.

    Raises:
        ValueError: as :meth:`Recipe.from_json`.
    """
    return json.loads(Recipe.from_json(json.dumps(fields)).to_json())

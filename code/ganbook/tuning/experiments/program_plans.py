"""How the book's programs are run at full length, and the short runs that show what each of their additions is worth.

Explained in the book's section "A first GAN".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ganbook.data.recipe import check_choice


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a program is run on one data set.

    Args:
        program: its name below ``ganbook``, without its framework.
        data: name of a data set.
        size: side of the images in pixels, one that a digit classifier was trained for.
        channels: of the images, 1 or 3.
        width: units or channels of the narrowest layer.
        steps: of each player.
        batch: images in a batch.
        variant: what is changed, one of ``VARIANTS``; empty for a run at full length.
    """

    program: str
    data: str
    size: int
    channels: int
    width: int
    steps: int
    batch: int
    variant: str = ""

    @property
    def name(self) -> str:
        """The program's name without its chapter, the data, and the variant: the stem of the files."""
        return "_".join([self.program.rpartition(".")[2], self.data, *([self.variant] * bool(self.variant))])

    @property
    def steps_shown(self) -> list[int]:
        """Steps that are measured: two early ones besides the first, and each twentieth of the run."""
        return sorted({1, self.steps // 100, self.steps // 40, *(self.steps * k // 20 for k in range(1, 21))} - {0})

    @property
    def steps_filmed(self) -> list[int]:
        """Steps that are a row of the film."""
        return sorted({1, *(self.steps // part for part in (100, 40, 20, 10, 4, 2, 1))} - {0})


#: What the programs add to the plain loss, and the constants of a program that lacks it.
ADDITIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "r1": {"GAMMA": 0.0},
        "large_steps": {"RATE": 2e-4},
        "forgetting": {"BETAS": (0.5, 0.999)},
        "average": {"DECAY": 0.0},
    }
)
#: Constants of short runs: as they are, without one addition, without all of them, and with R1 at other strengths.
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "short": {},
        **{f"without_{name}": constants for name, constants in ADDITIONS.items()},
        "plain": {name: value for each in ADDITIONS.values() for name, value in each.items()},
        "r1_tenth": {"GAMMA": 0.1},
        "r1_tenfold": {"GAMMA": 10.0},
    }
)
#: Those that show what each addition is worth.
LEFT_OUT = tuple(name for name in VARIANTS if not name.startswith("r1_"))
#: Every program at the width of its article.
FULL = (
    Plan("quickstart", "digits", 8, 1, 256, 10_000, 32),
    Plan("tensors.first_gan", "mnist_5k", 28, 1, 128, 20_000, 32),
    Plan("gradient_descent.training_step", "mnist_5k", 28, 1, 128, 20_000, 32),
    Plan("probability.colour_dcgan", "coloured_mnist_5k", 28, 3, 64, 8_000, 16),
    Plan("tuning.own_images", "mnist_5k", 32, 3, 64, 5_000, 16),
    Plan("tuning.own_images", "fashion_mnist", 32, 3, 64, 5_000, 16),
    Plan("tuning.own_images", "emoji", 32, 3, 64, 5_000, 16),
)
#: What a page can afford, in several variants.
SHORT = tuple(
    dataclasses.replace(plan, variant=variant)
    for plan in (
        Plan("tensors.first_gan", "mnist_5k", 28, 1, 128, 1_600, 32),
        Plan("gradient_descent.training_step", "mnist_5k", 28, 1, 128, 1_600, 32),
        Plan("probability.colour_dcgan", "coloured_mnist_5k", 28, 3, 16, 1_600, 16),
    )
    for variant in LEFT_OUT
) + tuple(
    Plan("tuning.own_images", "emoji", 32, 3, 16, 1_600, 16, variant)
    for variant in ("without_r1", "r1_tenth", "short", "r1_tenfold")
)
#: Of every recorded run.
PLANS = FULL + SHORT


def plan_of(name: str) -> Plan:
    """The plan with this name.

    Raises:
        ValueError: there is none.

    Example:
        >>> plan_of("first_gan_mnist_5k").steps
        20000
    """
    found = {plan.name: plan for plan in PLANS}
    return found[check_choice("name", name, tuple(found))]

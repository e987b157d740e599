"""Give the book its public home: ``repository.url`` in ``_config.yml`` and in every notebook's Colab cell."""

import argparse
import re
import sys
from pathlib import Path

import nbformat

from book_tools import colab, notebooks
from book_tools.environment import ROOT

_URL = re.compile(r"https://github\.com/[A-Za-z0-9_-]+/[A-Za-z0-9._-]*[A-Za-z0-9_-]")
_LINE = re.compile(r"(?m)^(repository:\n(?:[ ]+.*\n|#.*\n|\n)*?[ ]+url:[ ]*)(\S+)")


def checked_url(url: str) -> str:
    """Return ``url`` without a closing slash or ``.git``.

    Raises:
        ValueError: it is no address of a GitHub repository; names what came and what is accepted.
    """
    short = url.strip().rstrip("/").removesuffix(".git")
    if not _URL.fullmatch(short):
        raise ValueError(
            f"URL is {url!r}; accepted: https://github.com/ACCOUNT/REPOSITORY (Colab opens notebooks from GitHub alone)"
        )
    return short


def set_home(url: str, root: Path = ROOT) -> list[Path]:
    """Write the repository's address wherever the book needs it.

    Args:
        url: address of a GitHub repository.
        root: the project's folder.

    Returns:
        The files that changed.

    Raises:
        ValueError: ``url`` is no such address, or ``_config.yml`` has no ``repository.url`` line.
    """
    url = checked_url(url)
    config = root / "_config.yml"
    before = config.read_text(encoding="utf-8")
    after, found = _LINE.subn(lambda match: match[1] + url, before, count=1)
    if not found:
        raise ValueError(f"{config} has no line 'url:' under 'repository:'; add one")
    changed = [config] if notebooks.write(config, after) else []
    for path in notebooks.find([root / "chapters"]):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if colab.is_colab_cell(cell):
                cell.source = colab.cell_source(url)
        if notebooks.write(path, notebooks.text(notebook)):
            changed.append(path)
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: ``python -m book_tools.home URL``."""
    parser = argparse.ArgumentParser(
        prog="make home", usage="make home URL=https://github.com/ACCOUNT/REPOSITORY", description=__doc__
    )
    parser.add_argument("url", help="address of the GitHub repository that holds the book")
    options = parser.parse_args(arguments)
    try:
        changed = set_home(options.url)
    except ValueError as error:
        print(f"make home: {error}", file=sys.stderr)
        return 2
    print("\n".join(f"{path}: changed" for path in changed) or "nothing to change")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Where each page stands beside the limits that a page should keep: ``make pages`` prints one table.

It counts what a reader sees at once; of what is folded away (solutions, dropdowns, hidden cells) it counts only the
words, in a column of their own.  Nothing fails: where a limit hurts a page, the reader wins.
"""

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from book_tools.environment import ROOT

TABS = ("tab-pytorch", "tab-tensorflow")
HIDDEN_INPUT = {"remove-cell", "remove-input", "hide-cell", "hide-input"}
HIDDEN_OUTPUT = {"remove-cell", "remove-output", "hide-cell", "hide-output"}
# Directives whose inside is no prose.
CODE = {"code", "code-block", "code-cell", "math", "eval-rst", "toctree", "tableofcontents", "bibliography"}
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,}|:{3,})\s*(.*)")
_ROLE = re.compile(r"\{[\w:+.-]+\}`([^`<]*)(?:<[^`]*>)?`")
_NO_PROSE = re.compile(r"(?sm)\$\$.*?\$\$(?:\s*\([\w-]+\))?|\$[^$]+\$|^\([\w-]+\)=$|<[/!a-z][^>]*>|(?<=\])\([^)\s]+\)")


@dataclass
class Page:
    """What one page shows, read from its beginning to its end."""

    words: int = 0
    folded: int = 0
    imports: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABS, 0))
    cells: list[int] = field(default_factory=list)
    pictures: int = 0
    before: int | None = None
    verdicts: int = 0
    folds: list[str] = field(default_factory=list)  # the folds that are open, each by what closes it

    def prose(self, lines: list[str]) -> None:
        """Count the words of these lines, and take the lines away."""
        text = _NO_PROSE.sub(" ", _ROLE.sub(r"\1", "\n".join(lines)))
        number = sum(any(map(str.isalnum, word)) for word in text.split())
        lines.clear()
        if self.folds:
            self.folded += number
        else:
            self.words += number

    def picture(self, number: int) -> None:
        """Count pictures, and the words before the first."""
        if number and not self.folds:
            self.before = self.words if self.before is None else self.before
            self.pictures += number

    def markdown(self, text: str) -> None:
        """Read markdown: prose, code, pictures, and the directives that fold."""
        fences: list[str] = []
        lines: list[str] = []
        for line in text.splitlines():
            fence, inside = _FENCE.fullmatch(line), fences[-1] if fences else ""
            if fence and not fence[1]:
                self.prose(lines)
                self.close(f"fence {len(fences)}")
                fences = fences[:-1]
            elif inside in CODE:
                continue
            elif fence:
                self.prose(lines)
                directive = re.match(r"\{([\w:-]+)\}", fence[1])
                fences.append(directive[1] if directive else "code")
                self.close(fences[-1])
                self.picture(fences[-1] in ("figure", "image"))
                if fences[-1] == "dropdown":
                    self.folds.append(f"fence {len(fences)}")
            elif inside and re.match(r"\s*:[\w-]+:", line):
                if re.search(r":class:.*\bdropdown\b", line):
                    start = inside.endswith("-start")
                    self.folds.append(inside.removesuffix("-start") + "-end" if start else f"fence {len(fences)}")
            else:
                lines.append(line)
                if "![" in line:
                    self.prose(lines)
                    self.picture(line.count("!["))
        self.prose(lines)

    def close(self, name: str) -> None:
        """Close the innermost fold if this is what closes it."""
        if self.folds[-1:] == [name]:
            self.folds.pop()

    def code(self, cell: NotebookNode) -> None:
        """Read a code cell: its lines, its imports, and what it shows."""
        tags = set(cell.metadata.get("tags", []))
        if self.folds:
            return
        if not tags & HIDDEN_INPUT:
            self.cells.append(len(cell.source.splitlines()))
            for tab in TABS:
                if tab in tags or not tags & set(TABS):
                    self.imports[tab] += import_lines(cell.source)
        for output in [] if tags & HIDDEN_OUTPUT else cell.outputs:
            data = output.get("data", {})
            html = data.get("text/html", "")
            self.picture(any(kind.startswith("image/") for kind in data) or html.count("<figure") or html.count("<img"))
            self.verdicts += len(re.findall(r"\b(?:True|False)\b", output.get("text", data.get("text/plain", ""))))


def import_lines(source: str) -> int:
    """Return how many lines of a cell belong to imports."""
    tree = ast.parse(re.sub(r"(?m)^\s*[%!].*$", "", source))
    return sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    )


def read(path: Path) -> Page:
    """Read a page, markdown or a notebook, from its file."""
    page = Page()
    if path.suffix == ".md":
        page.markdown(re.sub(r"(?s)\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8")))
        return page
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            page.code(cell)
        else:
            page.markdown(cell.source)
    return page


NOTE = """\
words: of prose, for theory up to 2,200; folded: words in solutions and dropdowns; imports: lines that a reader of
PyTorch or of TensorFlow sees; median, longest: lines of a code cell; before: words before the first picture, of which a
screen holds about 250; verdicts: how often True or False is printed.  * beyond the limit
"""
# Of each column the heading, the limits beyond each of which stands a mark, and the number.
COLUMNS = [
    ("words", (1800, 2200), lambda page: page.words),
    ("folded", (), lambda page: page.folded),
    ("imports P", (6,), lambda page: page.imports[TABS[0]]),
    ("imports T", (6,), lambda page: page.imports[TABS[1]]),
    ("median", (10,), lambda page: round(statistics.median(page.cells)) if page.cells else None),
    ("longest", (25,), lambda page: max(page.cells, default=None)),
    ("pictures", (), lambda page: page.pictures),
    ("before", (250,), lambda page: page.before),
    ("verdicts", (0,), lambda page: page.verdicts),
]


def shown(number: int | None, limits: tuple[int, ...]) -> str:
    """Return a number with a mark for each limit that it is beyond, or ``-`` for none."""
    return "-" if number is None else f"{number:,}{'*' * sum(number > limit for limit in limits)}"


def table(pages: dict[str, Page]) -> Iterator[str]:
    """Yield the lines of the table: headings, limits, pages."""
    rows = [
        ["page", *(heading for heading, *_ in COLUMNS)],
        ["at most", *(f"{limits[0]:,}" if limits else "" for _, limits, _ in COLUMNS)],
    ]
    rows += [[name, *(shown(number(page), limits) for _, limits, number in COLUMNS)] for name, page in pages.items()]
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    for name, *numbers in rows:
        cells = (cell.rjust(width) for cell, width in zip(numbers, others, strict=True))
        yield "  ".join([name.ljust(first), *cells]).rstrip()


def main(root: Path = ROOT) -> int:
    """Print the table of every page of the table of contents, in its order."""
    names = re.findall(r"(?:root|file):\s*(\S+)", (root / "_toc.yml").read_text(encoding="utf-8"))
    pages = {
        name.removeprefix("chapters/"): read(path)
        for name in names
        for ending in (".md", ".ipynb")
        if (path := root / f"{name}{ending}").is_file()
    }
    print(NOTE, *table(pages), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

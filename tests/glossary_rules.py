"""What the glossary and the pages must keep with each other; each rule lists where they break it.

A term's name is what its entry says.  A bracket at its end, as in ``precision (metric)``, sets it apart from a common
word; such a word may stand anywhere, so the rules on first uses leave it to the author.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import nbformat

LINK = re.compile(r"\{term\}`(?:[^`<]*<([^`>]+)>|([^`]+))`")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
CODE = ("{math", "{code", "{bibliography", "{tableofcontents", "{list-table", "{eval-rst", "{rubric")
# Every page that speaks of one of these links its first use there, not only the first page of the book.
CENTRAL = (
    "batch normalisation",
    "critic",
    "discriminator",
    "Fréchet distance",
    "generator",
    "gradient penalty",
    "Jensen-Shannon divergence",
    "logit",
    "mode collapse",
    "non-saturating loss",
    "optimiser",
    "spectral normalisation",
    "transposed convolution",
    "Wasserstein distance",
)
#: Blanks of the same length take the place of what is no prose, so that places stay comparable.
BLANK = "\0"


@dataclass
class Entry:
    """One term: its name and its definition."""

    name: str
    text: str


@dataclass
class Pages:
    """The glossary and the pages of the chapters, in the order in which the book is read."""

    glossary: str
    pages: dict[str, str]
    others: dict[str, str]

    @classmethod
    def read(cls, root: Path) -> "Pages":
        """Read every page that the table of contents names; the appendix and the home page explain their own words."""
        names = re.findall(r"(?:root|file):\s*(\S+)", (root / "_toc.yml").read_text(encoding="utf-8"))
        texts = {
            name: prose(path)
            for name in names
            for ending in (".md", ".ipynb")
            if (path := (root / name).with_suffix(ending)).is_file()
        }
        glossary = texts.pop("chapters/appendix/glossary")
        read = {
            name: text
            for name, text in texts.items()
            if "/appendix/" not in name and name not in ("chapters/index", "chapters/playground")
        }
        return cls(glossary, read, {name: text for name, text in texts.items() if name not in read})

    @cached_property
    def entries(self) -> list[Entry]:
        """Every entry of the glossary."""
        body = re.search(r"(?s)```\{glossary\}\n(.*?)\n```", self.glossary)[1]
        return [
            Entry(lines[0], " ".join(line.strip() for line in lines[1:]))
            for lines in (block.splitlines() for block in body.split("\n\n"))
            if lines
        ]

    @cached_property
    def names(self) -> dict[str, str]:
        """Every name by how a link may write it."""
        return {entry.name.lower(): entry.name for entry in self.entries}


def prose(path: Path) -> str:
    """A page's markdown."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")


def plain(text: str) -> str:
    """Prose alone: code, formulas, headings, roles, links and the lines of directives are blanked."""
    lines, fence = [], ""
    for line in text.splitlines(keepends=True):
        opened = re.match(r"\s*(`{3,}|~{3,}|:{3,})(.*)", line)
        if fence:
            fence = "" if opened and opened[1].startswith(fence) and not opened[2].strip() else fence
            line = BLANK * len(line)
        elif opened:
            info = opened[2].strip()
            fence = opened[1] if info and (not info.startswith("{") or info.startswith(CODE)) else ""
            line = BLANK * len(line)
        elif re.match(r"\s*(#+ |\([\w-]+\)=|:[\w-]+:)", line):
            line = BLANK * len(line)
        lines.append(line)
    text = "".join(lines)
    for pattern in (
        r"(?s)\$\$.*?\$\$(?:[ \t]*\([^()\s]+\))?",
        r"\{[\w:]+\}`[^`]*`",
        r"(`+)(?!`).+?(?<!`)\1(?!`)",
        r"(?<!\\)\$[^$]+\$",
        r"\[[^\]]*\]\([^)]*\)",
    ):
        text = re.sub(pattern, lambda match: BLANK * len(match[0]), text)
    return text


def links(book: Pages, text: str) -> list[tuple[int, str]]:
    """Where a page links a term, and which; an unknown one by what the link says."""
    return [
        (match.start(), book.names.get(written.lower(), written))
        for match in LINK.finditer(text)
        if (written := match[1] or match[2])
    ]


def uses(book: Pages, text: str) -> list[tuple[int, str]]:
    """Where prose names a term without a link; a name within a longer one is no use of its own."""
    found, left = [], plain(text)
    for name in sorted((entry.name for entry in book.entries if "(" not in entry.name), key=len, reverse=True):
        words = r"\s+".join(map(re.escape, name.split()))
        # Names of several capitals are names; others may begin a sentence.
        first = words if name[0].isupper() else f"[{name[0]}{name[0].upper()}]{words[1:]}"
        for match in list(re.finditer(rf"(?<![\w-]){first}s?(?![\w-])", left)):
            found.append((match.start(), name))
            left = left[: match.start()] + BLANK * len(match[0]) + left[match.end() :]
    return sorted(found)


def order(name: str) -> str:
    """By what a dictionary sorts: small letters without accents."""
    return "".join(
        letter for letter in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(letter)
    )


def in_chinese_too(book: Pages) -> Iterator[str]:
    for entry in book.entries:
        bracket = re.match(r"（([^（）]+)） \S", entry.text)
        if not bracket or not CHINESE.search(bracket[1]):
            yield f"{entry.name}: does not begin with its Chinese name in brackets"


def defined_and_placed(book: Pages) -> Iterator[str]:
    for entry in book.entries:
        if not re.search(r"\w{2,}.*\.\)? See \{ref\}`[\w-]+`\.$", entry.text):
            yield f"{entry.name}: no definition that ends in the section to see"


def sorted_once(book: Pages) -> Iterator[str]:
    keys = [order(entry.name) for entry in book.entries]
    yield from (f"{after!r} stands after {before!r}" for before, after in pairwise(keys) if after <= before)


def links_resolve(book: Pages) -> Iterator[str]:
    for page, text in (book.pages | book.others).items():
        yield from (f"{page}: {name!r} is no term" for _, name in links(book, text) if name not in book.names.values())


def every_term_is_linked(book: Pages) -> Iterator[str]:
    linked = {name for text in book.pages.values() for _, name in links(book, text)}
    yield from (f"{entry.name}: no page of the chapters links it" for entry in book.entries if entry.name not in linked)


def linked_at_first(book: Pages) -> Iterator[str]:
    """The first time that the book names a term in its prose, it links it."""
    linked: set[str] = set()
    for page, text in book.pages.items():
        marks = [(place, False, name) for place, name in links(book, text)]
        marks += [(place, True, name) for place, name in uses(book, text)]
        for _, bare, name in sorted(marks):
            if bare and name not in linked:
                yield f"{page}: names {name!r} before the book has linked it"
            linked.add(name)


def central_terms_on_each_page(book: Pages) -> Iterator[str]:
    for page, text in book.pages.items():
        linked = {name: place for place, name in reversed(links(book, text))}
        for place, name in reversed(uses(book, text)):
            if name in CENTRAL and linked.get(name, len(text)) > place:
                yield f"{page}: names {name!r} before it links it"
                linked[name] = place  # once is enough to say


RULES = [
    in_chinese_too,
    defined_and_placed,
    sorted_once,
    links_resolve,
    every_term_is_linked,
    linked_at_first,
    central_terms_on_each_page,
]

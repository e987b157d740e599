"""What the index of equations must keep: every labelled equation has one executed check, and every check exists.

The index is tests/equations.toml: for each equation its label, its chapter (the page, as in ``tensors/layers``), its
test (``tests/file.py::function`` or ``chapters/page.ipynb::cell``) and, for the closed forms that the book promises,
the row that it fills.  Each rule lists where an index and its pages break it.
"""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nbformat

FOLDERS = ("tensors", "probability", "gradient_descent", "tuning", "appendix")
ROWS = (
    "optimal D",
    "generator gradient at frozen D*",
    "parallel lines",
    "bilinear xy, simultaneous",
    "alternating",
    "extragradient",
    "optimistic",
    "Dirac-GAN",
    "Dirac, NS and relativistic",
    "Dirac, R1 (or R2)",
    "R1 step bound",
    "instance noise",
    "two time scales on Dirac",
    "WGAN, WGAN-GP on Dirac",
    "1-D WGAN-GP critic between two points",
    "relativistic game",
    "least squares (-1, 1, 0)",
    "hinge",
    "Frechet distance",
    "spectral norm",
)
REQUIRED, OPTIONAL = {"label", "chapter", "test"}, {"row"}
LABELS = (
    re.compile(r"\$\$(?:(?!\$\$).)*\$\$(?:[ \t]*\(([^()\s]+)\))?", re.DOTALL),  # $$ ... $$ (label)
    re.compile(
        r"^[ \t>]*(?:`{3,}|:{3,})\{math\}[^\n]*\n(?:[ \t>]*:[\w-]+:[^\n]*\n)*?[ \t>]*:label:[ \t]*(\S+)", re.MULTILINE
    ),  # {math} with :label:
    re.compile(r"\\label\{([^{}]*)\}"),  # amsmath
)


@dataclass
class Book:
    """An index, the pages that it speaks of and the folder where both lie."""

    root: Path
    entries: list[dict[str, str]]
    pages: dict[str, str] = field(default_factory=dict)  # the prose of each page, by name

    @classmethod
    def read(cls, root: Path) -> "Book":
        """Read tests/equations.toml and the pages of the chapters and the appendix, with those that open the book."""
        chapters = root / "chapters"
        paths = [*chapters.glob("*.*"), *(path for folder in FOLDERS for path in (chapters / folder).rglob("*.*"))]
        pages = {
            path.relative_to(chapters).with_suffix("").as_posix(): prose(path)
            for path in sorted(paths)
            if path.suffix in (".md", ".ipynb") and ".ipynb_checkpoints" not in path.parts
        }
        index = tomllib.loads((root / "tests" / "equations.toml").read_text(encoding="utf-8"))
        if set(index) - {"equation"}:
            raise ValueError(f"tests/equations.toml has the tables {sorted(index)}; accepted: [[equation]] alone")
        return cls(root, index.get("equation", []), pages)

    def labels(self) -> dict[str, list[str]]:
        """The labels of each page's equations, in their order."""
        return {page: labels(text) for page, text in self.pages.items()}


def prose(path: Path) -> str:
    """A page's words and formulas; a block of code that is never closed ends with its cell."""
    if path.suffix == ".md":
        return without_code(path.read_text(encoding="utf-8"))
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(without_code(cell.source) for cell in cells if cell.cell_type == "markdown")


def labels(text: str) -> list[str]:
    """Every label of a display equation, however it is written; what stands in inline code or a comment is none."""
    text = re.sub(r"(?s)<!--.*?-->|(?<!`)`[^`\n]+`(?!`)", "", text)
    found = [match for pattern in LABELS for match in pattern.finditer(text) if match[1]]
    return [match[1] for match in sorted(found, key=lambda match: match.start(1))]


def without_code(text: str) -> str:
    """Markdown without its blocks of code; a directive's content stays."""
    kept, opened = [], []  # opened: the fences around this line, each with whether it is code
    for line in text.splitlines():
        fence = re.match(r"[ \t>]*(`{3,}|~{3,})(.*)", line)
        code = bool(opened) and opened[-1][1]
        if fence and opened and not fence[2].strip() and fence[1].startswith(opened[-1][0]):
            opened.pop()
        elif fence and not code:
            code = not fence[2].strip().startswith("{") or fence[2].strip().startswith("{code")
            opened.append((fence[1], code))
        if not code:
            kept.append(line)
    return "\n".join(kept)


def fields(book: Book) -> Iterator[str]:
    for number, entry in enumerate(book.entries, start=1):
        lacking, unknown = REQUIRED - set(entry), set(entry) - REQUIRED - OPTIONAL
        if lacking or unknown:
            yield f"entry {number}: lacks {sorted(lacking)}, has unknown {sorted(unknown)}"
        if not all(isinstance(value, str) and value.strip() for value in entry.values()):
            yield f"entry {number}: a value that is no text"


def kinds_of_labels(book: Book) -> Iterator[str]:
    for page, found in book.labels().items():
        start = f"eq-{page.rpartition('/')[2].replace('_', '-')}-"
        for label in found:
            if not re.fullmatch(r"eq-[a-z0-9]+(-[a-z0-9]+)*", label) or not label.startswith(start):
                yield f"{page}: label {label!r}; accepted: {start} and a name of small letters, digits and dashes"


def every_equation_has_an_entry(book: Book) -> Iterator[str]:
    entered = {entry.get("label") for entry in book.entries}
    for page, found in book.labels().items():
        yield from (f"{page}: equation {label!r} has no entry" for label in found if label not in entered)


def every_entry_has_its_equation(book: Book) -> Iterator[str]:
    places = book.labels()
    for entry in book.entries:
        label, chapter = entry.get("label"), entry.get("chapter")
        where = [page for page, found in places.items() if label in found]
        if not where:
            yield f"entry {label!r}: no page has this equation"
        elif chapter not in where:
            yield f"entry {label!r}: its chapter is {chapter!r}; the equation stands in {', '.join(where)}"


def nothing_twice(book: Book) -> Iterator[str]:
    entered = Counter(entry.get("label") for entry in book.entries)
    written = Counter(label for found in book.labels().values() for label in found)
    yield from (f"entry {label!r} stands there {count} times" for label, count in entered.items() if count > 1)
    yield from (f"equation {label!r} stands there {count} times" for label, count in written.items() if count > 1)


def checks_exist_and_assert(book: Book) -> Iterator[str]:
    for entry in book.entries:
        file, _, name = entry.get("test", "").partition("::")
        path = book.root / file
        if not re.fullmatch(r"(tests/[\w/]+\.py|chapters/[\w/]+\.ipynb)::[\w-]+", entry.get("test", "")):
            wrong = "accepted: tests/file.py::function or chapters/page.ipynb::cell"
        elif not path.is_file():
            wrong = "the file does not exist"
        else:
            wrong = wrong_cell(path, name) if path.suffix == ".ipynb" else wrong_function(path, name)
        if wrong:
            yield f"entry {entry.get('label')!r}: test {entry.get('test')!r}: {wrong}"


def rows(book: Book) -> Iterator[str]:
    filled = {plain(entry["row"]): entry.get("label") for entry in book.entries if "row" in entry}
    known = {plain(row) for row in ROWS}
    yield from (f"no entry fills the row {row!r}" for row in ROWS if plain(row) not in filled)
    yield from (f"entry {label!r}: unknown row {row!r}" for row, label in filled.items() if row not in known)


def plain(row: str) -> str:
    return re.sub(r"[^a-z0-9*-]+", " ", row.lower().replace("é", "e")).strip()


def wrong_cell(path: Path, identity: str) -> str:
    """What is wrong with a notebook's cell as a check; empty if nothing is."""
    cell = next((cell for cell in nbformat.read(path, as_version=4).cells if cell.id == identity), None)
    if cell is None or cell.cell_type != "code":
        return "no code cell has this id"
    if cell.execution_count is None:
        return "the cell was not executed"
    if {"nbval-skip", "raises-exception"} & set(cell.metadata.get("tags", [])):
        return "the cell is skipped or may fail"
    return "" if asserts(ast.parse(cell.source), set()) else "the cell asserts nothing"


def wrong_function(path: Path, name: str) -> str:
    """What is wrong with a test function as a check; empty if nothing is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    function = functions(tree).get(name)
    if function is None or not name.startswith("test_"):
        return "no test function has this name"
    marks = [ast.unparse(each) for each in function.decorator_list] + [
        ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and "pytestmark" in map(ast.unparse, node.targets)
    ]
    if any(re.search(r"mark\.(skip|xfail|network)\b|mark\.skipif\((True|1)\b", mark) for mark in marks):
        return "the function is skipped"
    for statement in function.body:
        ended = re.match(r"pytest\.(skip|xfail)\(", ast.unparse(statement))
        if ended or isinstance(statement, (ast.Return, ast.Raise)):
            return "the function ends before it asserts"
        if asserts(statement, helpers(path)):
            return ""
    return "the function asserts nothing"


def functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def asserts(tree: ast.AST, helpers: set[str]) -> bool:
    """Whether code holds an assertion that can fail, or calls a helper that does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in helpers | {"pytest.raises"} or called.rpartition(".")[2].startswith("assert_"):
                return True
    return False


@cache
def helpers(path: Path) -> set[str]:
    """Names of the functions in a file of tests, its own or imported from other such files, that assert."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            places = (folder / f"{node.module.replace('.', '/')}.py" for folder in path.parents)
            source = next((place for place in places if place.is_file() and "tests" in place.parts), None)
            names = {name.name: name.asname or name.name for name in node.names}
            found |= {names[name] for name in (helpers(source) if source else ()) if name in names}
        if isinstance(node, ast.Import):
            for name in node.names:
                source = next(
                    (
                        folder / f"{name.name}.py"
                        for folder in path.parents
                        if (folder / f"{name.name}.py").is_file() and "tests" in folder.parts
                    ),
                    None,
                )
                found |= {f"{name.asname or name.name}.{each}" for each in (helpers(source) if source else ())}
    own = functions(tree)
    while True:
        more = {name for name, function in own.items() if asserts(function, found)} - found
        if not more:
            return found
        found |= more


RULES = [
    fields,
    kinds_of_labels,
    every_equation_has_an_entry,
    every_entry_has_its_equation,
    nothing_twice,
    checks_exist_and_assert,
    rows,
]

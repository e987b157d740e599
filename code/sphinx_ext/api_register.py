"""What the package offers and which page of the book explains it, read from the package's own text.

Docstrings say it in one sentence, such as ``Explained in the book's sections "Layers" and "Tensors".``  The package is
parsed and never imported, so that this costs a fraction of a second.
"""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

#: The endings of twins, and what a reader calls them.
ENDINGS = {"torch": "PyTorch", "tensorflow": "TensorFlow", "numpy": "NumPy"}
SENTENCE = re.compile(r"Explained in the book\b[^\n]*(?:\n[ \t]*\S[^\n]*)*")
PLACE = re.compile(r'\b(?P<kind>section|chapter)s?\b|"(?P<title>[^"]+)"')

Place = tuple[str, str]
Node = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def places(docstring: str) -> list[Place]:
    """Return every ("section" or "chapter", title) that a docstring's sentence names; an untold kind is ""."""
    found, kind = [], ""
    sentence = SENTENCE.search(docstring)
    for match in PLACE.finditer(sentence[0] if sentence else ""):
        if match["title"]:
            found.append((kind, " ".join(match["title"].split())))
        kind = match["kind"] or kind
    return found


def signature_of(node: ast.AST, method: bool) -> tuple[str, str] | None:
    """Arguments, without a method's first, and result of a function; None for all else."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    arguments = copy.deepcopy(node.args)
    if method and "staticmethod" not in map(ast.unparse, node.decorator_list):
        del (arguments.posonlyargs or arguments.args)[0]
    return f"({ast.unparse(arguments)})", ast.unparse(node.returns) if node.returns else ""


@dataclass(frozen=True)
class Entry:
    """One public module, class, function or method."""

    name: str
    module: str
    places: tuple[Place, ...]
    #: Arguments and result as the source writes them; None where there is no ``def``.
    signature: tuple[str, str] | None
    #: Whether it has a docstring of its own; a method may go by that of its twin, or of the class that it extends.
    documented: bool = True

    @property
    def family(self) -> str:
        """The module's name without the ending that names a framework."""
        stem, _, ending = self.module.rpartition("_")
        return stem if ending in ENDINGS else self.module

    @property
    def ending(self) -> str:
        """The framework that the module's name names, or nothing."""
        return self.module.removeprefix(self.family).removeprefix("_")

    @property
    def within(self) -> str:
        """The name inside its module; nothing for the module itself."""
        return self.name[len(self.module) + 1 :]


class Register:
    """The public names of a package."""

    def __init__(self, package: Path):
        self.package = package
        self.entries: dict[str, Entry] = {}
        #: Every name that a module holds, its own or taken from elsewhere, and the full name of what it stands for.
        self.names: dict[str, str] = {}
        for path in sorted(package.rglob("*.py")):
            if path.name != "__main__.py":
                self._read(path)

    def _read(self, path: Path) -> None:
        parts = path.relative_to(self.package.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self._add(module, module, tree)
        for name, public in _public(tree, module):
            self._add(name, module, public)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                source = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                for alias in node.names:
                    self.names[f"{module}.{alias.asname or alias.name}"] = source + alias.name
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.names.setdefault(f"{module}.{node.id}", f"{module}.{node.id}")
            elif isinstance(node, ast.ClassDef):
                self.names.setdefault(f"{module}.{node.name}", f"{module}.{node.name}")

    def origin(self, module: str, name: str) -> str:
        """The full name of what a module calls by this name."""
        if name in self.entries:
            return name
        first, dot, rest = name.partition(".")
        return self.names.get(f"{module}.{first}", f"{module}.{first}") + dot + rest

    def _add(self, name: str, module: str, node: Node) -> None:
        self.entries[name] = Entry(
            name,
            module,
            tuple(places(ast.get_docstring(node) or "")),
            signature_of(node, "." in name[len(module) + 1 :]),
            bool(ast.get_docstring(node)),
        )

    def is_known(self, name: str) -> bool:
        """Whether any module of the package uses this name, full or short."""
        return name in self.names or name in self._short_names

    @cached_property
    def _short_names(self) -> set[str]:
        return {name.rpartition(".")[2] for name in self.names}

    @cached_property
    def by_place(self) -> dict[Place, list[Entry]]:
        """The entries that name a place, for each place."""
        found: dict[Place, list[Entry]] = {}
        for entry in self.entries.values():
            for place in dict.fromkeys(entry.places):
                found.setdefault(place, []).append(entry)
        return found

    def twins(self, entry: Entry) -> list[Entry]:
        """The same name in the modules of the same family, in the order of the endings."""
        modules = [f"{entry.family}_{ending}" for ending in ENDINGS if ending != entry.ending] if entry.ending else []
        names = [f"{module}.{entry.within}".removesuffix(".") for module in modules]
        return [self.entries[name] for name in names if name in self.entries]


def _public(tree: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, Node]]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield f"{prefix}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from _public(node, f"{prefix}.{node.name}")

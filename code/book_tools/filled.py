"""Cells that show a module's own text: ``make notebooks`` fills them, and a test holds the two equal.

Such a cell has in its metadata ``"ganbook": {"from": "ganbook.tensors.first_gan_torch:imports, Generator"}``: a module
below ``code/`` and, in the order to show, names that it defines at its top level, or ``imports`` for its first imports,
without those of the project itself.
"""

import ast
import re
from itertools import takewhile

from nbformat import NotebookNode

from book_tools.environment import ROOT

CODE = ROOT / "code"
KEY = "ganbook"
IMPORTS = "imports"
FIRST_LINES = {"tab-pytorch": "# PyTorch", "tab-tensorflow": "# TensorFlow"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FORM = re.compile(r"(\w+(?:\.\w+)*):\s*(\w+(?:\s*,\s*\w+)*)")


def fill(notebook: NotebookNode) -> None:
    """Write into each cell that names a module what the module says now.

    Args:
        notebook: changed in place; outputs stay as they are.

    Raises:
        ValueError: a cell names what is not there; one line with the cell, what came and what is accepted.
    """
    for cell in notebook.cells:
        if KEY in cell.metadata:
            cell.source = source(cell)


def differing(notebook: NotebookNode) -> list[str]:
    """Return a line for each cell that differs from its module, or that names what is not there."""
    lines = []
    for cell in notebook.cells:
        try:
            if KEY in cell.metadata and cell.source != source(cell):
                lines.append(f"cell {cell.id} differs from {cell.metadata[KEY]['from']}; run: make notebooks")
        except ValueError as error:
            lines.append(str(error))
    return lines


def source(cell: NotebookNode) -> str:
    """Return the text of a cell that names a module; see :func:`fill`."""
    match cell.metadata[KEY]:
        case {"from": str(reference), **others} if not others and cell.cell_type == "code":
            form = _FORM.fullmatch(reference)
        case _:
            form = None
    if form is None:
        raise ValueError(
            f"cell {cell.id}: {KEY} is {cell.metadata[KEY]}; accepted, on a code cell: {{'from': 'MODULE:NAME, NAME'}}"
        )
    path = CODE / (form[1].replace(".", "/") + ".py")
    if not path.is_file():
        raise ValueError(f"cell {cell.id}: the module is {form[1]!r}; accepted: one that lies in {CODE.name}/")
    found = pieces(path.read_text(encoding="utf-8"))
    text, below = "", 0
    for name in re.split(r"\s*,\s*", form[2]):
        if name not in found:
            raise ValueError(f"cell {cell.id}: the name is {name!r}; accepted from {form[1]}: {', '.join(found)}")
        above, piece, wanted = found[name]
        text += "\n" * (max(above, below) + 1) + piece if text else piece
        below = wanted
    first = [line for tag, line in FIRST_LINES.items() if tag in cell.metadata.get("tags", [])]
    return "\n".join([*first, text])


def pieces(text: str) -> dict[str, tuple[int, str, int]]:
    """Return what a module's text imports first and defines at its top level, by name.

    Returns:
        Of each the number of blank lines above it, its text with the comments directly above, and how many blank lines
        it wants below: two, of a definition.
    """
    lines = text.splitlines()
    body = [
        node
        for node in ast.parse(text).body
        if not isinstance(node, ast.Expr) and getattr(node, "module", None) != "__future__"
    ]

    def piece(first: ast.stmt, last: ast.stmt) -> tuple[int, str, int]:
        start = min(each.lineno for each in [first, *getattr(first, "decorator_list", [])]) - 1
        while start and lines[start - 1].startswith("#"):
            start -= 1
        blank = 0
        while blank < start and not lines[start - 1 - blank].strip():
            blank += 1
        return blank, "\n".join(lines[start : last.end_lineno]), 2 * isinstance(first, _DEFINITIONS)

    imports = list(takewhile(_imports_another_package, body))
    found = {IMPORTS: piece(imports[0], imports[-1])} if imports else {}
    for node in body:
        for name in _names(node):
            found.setdefault(name, piece(node, node))
    return found


def _imports_another_package(node: ast.stmt) -> bool:
    """Whether a statement imports, and not from the project itself: a page shows what its reader would write."""
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] != "ganbook"
    return isinstance(node, ast.Import)


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, _DEFINITIONS):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [each for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
    return [name.id for name in names if isinstance(name.ctx, ast.Store)]

"""The notebooks of the book, read once, for the tests that need no kernel."""

from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ROOT / "chapters"
NOTEBOOKS = sorted(path for path in CHAPTERS.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
NAMES = [path.relative_to(CHAPTERS).as_posix() for path in NOTEBOOKS]


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def printed(output: nbformat.NotebookNode) -> str:
    """What an output says in words: a stream's text or the plain and HTML forms of a result."""
    return output.get("text", "") + "".join(
        text for kind, text in output.get("data", {}).items() if kind.startswith("text/")
    )

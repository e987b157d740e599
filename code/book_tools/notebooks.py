"""Execute the book's notebooks and bring them into their one normal form.

A kernel runs here as it does under nbval, so that what is stored is what the tests will see.  Two runs give
byte-identical files: no timings, no random cell ids, fixed metadata, streams of one name merged.
"""

import argparse
import asyncio
import os
import re
import sys
import tempfile
import unicodedata
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from book_tools import colab, filled
from book_tools.environment import NOTEBOOK, ROOT, set_defaults
from book_tools.kernels import KernelDied

CHAPTERS = ROOT / "chapters"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}
CELL_METADATA = (filled.KEY, "mystnb", "tags")  # what a cell keeps; editors add the rest
_READABLE_ID = re.compile(r"(?=[a-z0-9-]*[a-z]{3})(?![0-9a-f]{8}$)(?![0-9a-f]{8}-[0-9a-f]{4}-)[a-z0-9-]{1,60}")


def find(paths: list[Path]) -> list[Path]:
    """Return every notebook among files and folders, in the order of their names.

    Raises:
        FileNotFoundError: a path does not exist or is no notebook.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += [each for each in sorted(path.rglob("*.ipynb")) if ".ipynb_checkpoints" not in each.parts]
        elif path.suffix == ".ipynb" and path.is_file():
            found.append(path)
        else:
            raise FileNotFoundError(f"path is {str(path)!r}; accepted: a folder or a notebook (.ipynb) that exists")
    return found


def execute(notebook: NotebookNode, folder: Path, timeout: float = 600) -> None:
    """Run every cell in a fresh kernel of this environment and store the outputs in place.

    Args:
        notebook: what to run.
        folder: the kernel's working directory: the notebook's own, as under nbval.
        timeout: seconds that one cell may take.

    Raises:
        CellExecutionError: a cell raised an error that it is not tagged to raise.
        KernelDied: the kernel's process ended; names the cell.
    """
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager

    begun: list[NotebookNode] = []

    manager = AsyncKernelManager(kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager())
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=timeout,
        resources={"metadata": {"path": str(folder)}},
        # As under nbval: what TensorFlow's C++ writes goes to the terminal, not into the page.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
        coalesce_streams=True,
        record_timing=False,
        on_cell_start=lambda cell, cell_index: begun.append(cell),
    )

    async def run() -> None:
        try:
            await client.async_execute(env=dict(os.environ))
        except DeadKernelError as error:
            raise KernelDied(f"the kernel died in the cell {begun[-1].id}; its other cells cannot run") from error
        finally:
            if manager.has_kernel:
                await manager.shutdown_kernel(now=True)

    asyncio.run(run())


def slug(source: str) -> str:
    """Return a readable cell id from a cell's first line that holds words.

    A heading gives its words and a code line its names; a cell of one framework bears the framework's name as well.
    """
    if source.startswith(colab.MARK):
        return "colab"
    for framework in ("PyTorch", "TensorFlow"):
        if source.startswith(f"# {framework}\n"):
            rest = source.partition("\n")[2]
            return f"{framework.lower()}-{slug(rest)}"
    plain = unicodedata.normalize("NFKD", source).encode("ascii", "ignore").decode()
    for line in plain.splitlines():
        if line.startswith(("(", ":::", "```", "---")):
            continue
        words = re.findall(r"[a-z0-9]+", line.lower())
        if words:
            return "-".join(words)[:48].strip("-")
    return "cell"


def normalise(notebook: NotebookNode) -> None:
    """Bring a notebook into normal form in place: metadata, cell ids, counts and outputs.

    Args:
        notebook: any notebook of format 4.
    """
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    taken: set[str] = set()
    count = 0
    for cell in notebook.cells:
        cell.source = cell.source.strip("\n")
        cell.metadata = NotebookNode({key: cell.metadata[key] for key in CELL_METADATA if cell.metadata.get(key)})
        old = cell.get("id", "")
        base = old if _READABLE_ID.fullmatch(old) else slug(cell.source)
        number = 1
        cell.id = base
        while cell.id in taken:
            number += 1
            cell.id = f"{base}-{number}"
        taken.add(cell.id)
        if cell.cell_type == "code":
            count += 1
            executed = cell.execution_count is not None
            cell.execution_count = count if executed else None
            cell.outputs = [_normal_output(output, cell.execution_count) for output in cell.outputs]
    nbformat.validate(notebook)


def _normal_output(output: NotebookNode, count: int | None) -> NotebookNode:
    if "execution_count" in output:
        output.execution_count = count
    if "metadata" in output:
        output.metadata = NotebookNode()
    return output


def text(notebook: NotebookNode) -> str:
    """Return a notebook as the text of its file."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def faults(path: Path) -> list[str]:
    """Return what of the file at ``path`` is not as :func:`refresh` would leave it, one line each."""
    notebook = nbformat.read(path, as_version=4)
    lines = filled.differing(notebook)
    normalise(notebook)
    if text(notebook) != path.read_text(encoding="utf-8"):
        lines.append("not in normal form; run: make notebooks")
    return lines


def write(path: Path, content: str) -> bool:
    """Replace the file at ``path`` in one move and return whether it changed."""
    if path.is_file() and path.read_text(encoding="utf-8") == content:
        return False
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as part:
        part.write(content)
    Path(part.name).chmod(0o644)
    os.replace(part.name, path)
    return True


def refresh(path: Path, *, run: bool = True) -> bool:
    """Execute (with ``run``) and normalise one notebook file; return whether its bytes changed.

    The Colab cell gets the current repository first, and each cell that names a module what that says, so that the
    file is right in one go.

    Raises:
        ValueError: a cell names a module, or in it a name, that is not there.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if colab.is_colab_cell(cell):
            cell.source = colab.cell_source(colab.repository_url())
    filled.fill(notebook)
    if run:
        execute(notebook, path.resolve().parent)
    normalise(notebook)
    return write(path, text(notebook))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: ``python -m book_tools.notebooks [--check | --no-execute] [paths]``."""
    parser = argparse.ArgumentParser(prog="python -m book_tools.notebooks", description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks or folders (default: chapters/)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if a file is not in normal form, or one of its cells not as its module",
    )
    mode.add_argument("--no-execute", action="store_true", help="normalise only; keep the stored outputs")
    options = parser.parse_args(arguments)
    try:
        notebooks = find(options.paths or [CHAPTERS])
    except FileNotFoundError as error:
        parser.error(str(error))
    if options.check:
        wrong = [f"{path}: {line}" for path in notebooks for line in faults(path)]
        print("".join(f"{line}\n" for line in wrong), end="", file=sys.stderr)
        return 1 if wrong else 0
    set_defaults()
    os.environ.update(NOTEBOOK)
    failed = False
    for path in notebooks:
        try:
            print(f"{path}: {'changed' if refresh(path, run=not options.no_execute) else 'unchanged'}", flush=True)
        except (CellExecutionError, KernelDied, ValueError) as error:
            print(f"{path}: {error}", file=sys.stderr, flush=True)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

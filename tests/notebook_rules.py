"""What every notebook of the book must keep; each rule lists where a notebook breaks it."""

import ast
import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from book_tools import about, colab, filled, notebooks
from notebook_pages import code_cells, printed, tags

TABS = ("tab-pytorch", "tab-tensorflow")
TAGS = {
    *TABS,
    colab.TAG,
    "hide-input",
    "hide-output",
    "remove-input",
    "remove-output",
    "raises-exception",
    "nbval-ignore-output",
    "nbval-skip",
}
UNSTEADY = {
    "a progress bar": re.compile(r"\d+%\|.*\||\d+(\.\d+)?\s?(it|s)/(s|it)\b"),
    "a memory address": re.compile(r"\bat 0x[0-9a-f]{6,}|\b0x[0-9a-f]{8,}\b"),
    "a path of this machine": re.compile(r"(?<![\w.:/])/(home|Users|root|tmp|work|usr|opt|var|mnt)/\w|[A-Z]:\\\\"),
    "a temporary kernel file": re.compile(r"ipykernel_\d+"),
    "an animation's random id": re.compile(r"_anim_(img|slider|radio)\w*[0-9a-f]{16,}"),
}


def executed_in_order(notebook) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), start=1):
        if cell.execution_count != number:
            yield f"{cell.id}: execution count is {cell.execution_count}, not {number}"


def no_stderr(notebook) -> Iterator[str]:
    for cell in code_cells(notebook):
        if any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"{cell.id}: stores stderr"


def no_unexpected_error(notebook) -> Iterator[str]:
    for cell in code_cells(notebook):
        if any(output.output_type == "error" for output in cell.outputs) and "raises-exception" not in tags(cell):
            yield f"{cell.id}: stores an error without the tag raises-exception"


def no_closing_semicolon(notebook) -> Iterator[str]:
    for cell in code_cells(notebook):
        if cell.source.rstrip().endswith(";"):
            yield f"{cell.id}: ends with a semicolon, which nbval does not heed"


def nothing_unsteady(notebook) -> Iterator[str]:
    for cell in code_cells(notebook):
        for output in cell.outputs:
            for what, pattern in UNSTEADY.items():
                found = pattern.search(printed(output))
                if found:
                    yield f"{cell.id}: prints {what}: {found[0]!r}"


def alt_text(notebook) -> Iterator[str]:
    for cell in code_cells(notebook):
        if any(kind.startswith("image/") for output in cell.outputs for kind in output.get("data", {})):
            shown = cell.metadata.get("mystnb", {})
            if len(shown.get("image", {}).get("alt", "").split()) < 5:
                yield f"{cell.id}: a figure whose mystnb.image.alt does not say what it shows"
            if not shown.get("figure", {}).get("caption", "").strip():
                yield f"{cell.id}: a figure without mystnb.figure.caption"
            if not cell.source.rstrip().endswith("plt.show()"):
                yield f"{cell.id}: a figure cell that does not end with plt.show()"


def animations_described(notebook) -> Iterator[str]:
    seen: set[str] = set()
    for cell in code_cells(notebook):
        for output in cell.outputs:
            text = output.get("data", {}).get("text/html", "")
            for name in re.findall(r'<figure class="ganbook-(?:animation|playground)[\w -]*" id="([\w-]+)"', text):
                if name in seen:
                    yield f"{cell.id}: a second figure with the id {name}"
                seen.add(name)
                words = re.findall(r'<desc[^>]*>(.*?)</desc>|<img [^>]*alt="([^"]*)"', text, re.DOTALL)
                if len(" ".join(map(" ".join, words)).split()) < 5:
                    yield f"{cell.id}: a figure whose description does not say what it shows"
                if not cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "").strip():
                    yield f"{cell.id}: a figure without mystnb.figure.caption"


def known_tags(notebook) -> Iterator[str]:
    for cell in notebook.cells:
        for tag in tags(cell):
            if (tag not in TAGS and about.percent([tag]) is None) or cell.cell_type != "code":
                yield (
                    f"{cell.id}: tag {tag!r}; accepted, on code cells: {', '.join(sorted(TAGS))}, about-1 to about-50"
                )


def one_tolerance(notebook) -> Iterator[str]:
    for cell in code_cells(notebook):
        declared = [tag for tag in tags(cell) if tag.startswith("about")]
        if len(declared) > 1 or (declared and not cell.outputs):
            yield f"{cell.id}: {', '.join(declared)}; accepted: one tolerance, of a cell with outputs"


def paired_tabs(notebook) -> Iterator[str]:
    cells = notebook.cells
    for index, cell in enumerate(cells):
        tab = [tag for tag in tags(cell) if tag in TABS]
        if not tab:
            continue
        name = "PyTorch" if tab == [TABS[0]] else "TensorFlow"
        if cell.source.splitlines()[0] != f"# {name}":
            yield f"{cell.id}: does not begin with '# {name}'"
        neighbour = index + 1 if name == "PyTorch" else index - 1
        other = tags(cells[neighbour]) if 0 <= neighbour < len(cells) else []
        if len(tab) != 1 or TABS[name == "PyTorch"] not in other:
            yield f"{cell.id}: has no neighbouring twin"


def normal_form(notebook) -> Iterator[str]:
    before = notebooks.text(notebook)
    copy = notebooks.nbformat.reads(before, as_version=4)
    notebooks.normalise(copy)
    if notebooks.text(copy) != before:
        yield "not in normal form; run: make notebooks"


def as_in_its_module(notebook) -> Iterator[str]:
    yield from filled.differing(notebook)


def kernelspec(notebook) -> Iterator[str]:
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "kernelspec is not python3"


def colab_cell(notebook) -> Iterator[str]:
    cells = code_cells(notebook)
    if not cells or cells[0].source != colab.cell_source(colab.repository_url()):
        yield "the first code cell is not the Colab cell with the repository.url of _config.yml"
    elif tags(cells[0]) != [colab.TAG] or cells[0].outputs:
        yield f"the Colab cell has other tags than {colab.TAG}, or outputs"


def reasons_for_ignored_outputs(notebook) -> Iterator[str]:
    for cell in code_cells(notebook):
        ignored = {"nbval-ignore-output", "nbval-skip"} & set(tags(cell)) or re.search(
            r"#\s*(NBVAL_|PYTEST_VALIDATE)", cell.source
        )
        if ignored and len(cell.metadata.get("mystnb", {}).get("ignored_because", "").split()) < 4:
            yield f"{cell.id}: an ignored output without its reason in mystnb.ignored_because"


def titled_and_labelled(notebook) -> Iterator[str]:
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not re.match(r"\([\w-]+\)=\n+# \S", first.source):
        yield "the first cell is not '(label)=' and a title"


def whole_formulas(notebook) -> Iterator[str]:
    """A line of text that begins with a minus sign becomes an item of a list, and tears the formula around it."""
    parser = MarkdownIt("commonmark").use(dollarmath_plugin)
    for cell in notebook.cells:
        for block in parser.parse(cell.source) if cell.cell_type == "markdown" else []:
            for token in block.children or []:
                if token.type == "text" and "$" in token.content:
                    yield f"{cell.id}: a dollar sign without its other one: {token.content!r}"


def thin(notebook) -> Iterator[str]:
    """Statements, not lines: a cell may be laid out for a narrow page."""
    for cell in code_cells(notebook):
        if colab.is_colab_cell(cell):
            continue
        statements = sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(cell.source)))
        if statements > 40:
            yield f"{cell.id}: {statements} statements; at most 40 belong in one cell"


RULES = [
    executed_in_order,
    no_stderr,
    no_unexpected_error,
    no_closing_semicolon,
    nothing_unsteady,
    alt_text,
    animations_described,
    known_tags,
    one_tolerance,
    paired_tabs,
    normal_form,
    as_in_its_module,
    kernelspec,
    colab_cell,
    reasons_for_ignored_outputs,
    titled_and_labelled,
    whole_formulas,
    thin,
]

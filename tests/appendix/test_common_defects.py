"""The page of common defects: every row of its table leads to cells of both frameworks, and shows its number."""

from __future__ import annotations

import copy
import re

import pytest

from notebook_pages import CHAPTERS, code_cells, printed, read, tags

PAGE = CHAPTERS / "appendix" / "debug_clinic" / "common_defects.ipynb"
ROWS = 16
NUMBERS = ("1.386", "0.693", "1.0064", "0.3133", "0.6931", "16.118", "-160.00", "-4.5e-05", "-0.981")


def problems(notebook):
    """What the table promises and the page does not hold."""
    cells = notebook.cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    rows = re.findall(r"^\| .*\{ref\}`cell <([\w-]+)>` \| \{ref\}`\w+` \|$", prose, re.MULTILINE)
    found = [] if len(set(rows)) == len(rows) == ROWS else [f"{len(set(rows))} rows; {ROWS} belong here"]
    labels = re.findall(r"^\((common-[\w-]+)\)=$", prose, re.MULTILINE)
    found += [] if labels == rows else [f"the sections are {labels}, the rows {rows}"]
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown" and "\n**Met** in" in f"\n{cell.source}":
            following = [tag for other in cells[place + 1:place + 3] for tag in tags(other)]
            found += [] if following == ["tab-pytorch", "tab-tensorflow"] else [f"{cell.id}: no pair of cells"]
    for framework in ("tab-pytorch", "tab-tensorflow"):
        pair = [cell for cell in code_cells(notebook) if framework in tags(cell)]
        shown = "\n".join(printed(output) for cell in pair for output in cell.outputs)
        # PyTorch refuses logits as probabilities, so it has no plateau to show.
        found += [f"{framework} never shows {number}" for number in NUMBERS
                  if number not in shown and (framework, number) != ("tab-pytorch", "16.118")]
        found += [f"{cell.id} asserts nothing" for cell in pair if cell.outputs and "assert" not in cell.source]
    return found


def test_every_row_leads_to_its_cells_and_number():
    assert problems(read(PAGE)) == []


def _replace(old, new):
    def change(notebook):
        cell = next(cell for cell in notebook.cells if old in cell.source)
        cell.source = cell.source.replace(old, new)
    return change


def _silence(text):
    def change(notebook):
        for cell in code_cells(notebook):
            if any(text in printed(output) for output in cell.outputs):
                cell.outputs = []
    return change


@pytest.mark.parametrize("change", [
    _replace("(common-twice)=", "(common-once)="), _replace("{ref}`cell <common-raw>`", "`common-raw`"),
    lambda notebook: notebook.cells.pop(1 + next(place for place, cell in enumerate(notebook.cells)
                                                 if "(common-frozen)=" in cell.source)),
    _silence("1.0064"), _silence("16.118"), _silence("-0.981"), _replace("assert", "print")])
def test_a_page_with_a_mistake_is_seen(change):
    notebook = copy.deepcopy(read(PAGE))
    change(notebook)
    assert problems(notebook)

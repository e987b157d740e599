"""The page of common defects: every row of its table leads to cells of both frameworks, and shows its number."""

from __future__ import annotations

import re

import pytest

from notebook_pages import CHAPTERS, code_cells, printed, read, tags

PAGE = CHAPTERS / "appendix" / "debug_clinic" / "common_defects.ipynb"
ROWS = 16
NUMBERS = ("1.386", "0.693", "1.0064", "0.3133", "0.6931", "16.118", "-160.00", "-4.5e-05", "-0.981")


def test_every_row_leads_to_its_cells_and_number():
    notebook = read(PAGE)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    rows = re.findall(r"^\| .*\{ref\}`cell <([\w-]+)>` \| \{ref\}`\w+` \|$", prose, re.MULTILINE)
    assert len(set(rows)) == len(rows) == ROWS
    assert re.findall(r"^\((common-[\w-]+)\)=$", prose, re.MULTILINE) == rows
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and "\n**Met** in" in f"\n{cell.source}":
            following = [tag for other in notebook.cells[place + 1 : place + 3] for tag in tags(other)]
            assert following == ["tab-pytorch", "tab-tensorflow"], cell.id


@pytest.mark.parametrize("framework", ["tab-pytorch", "tab-tensorflow"])
def test_the_cells_of_a_framework_show_every_number_and_assert(framework):
    cells = [cell for cell in code_cells(read(PAGE)) if framework in tags(cell)]
    shown = "\n".join(printed(output) for cell in cells for output in cell.outputs)
    # PyTorch refuses logits as probabilities, so it has no plateau to show.
    assert [number for number in NUMBERS if number not in shown] == ["16.118"] * (framework == "tab-pytorch")
    assert [cell.id for cell in cells if cell.outputs and "assert" not in cell.source] == []

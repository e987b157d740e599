"""Cells that are filled from modules, with small modules of their own."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book_tools import filled, notebooks

MODULE = '''\
"""A module.

Explained in the book's section "Nowhere".
"""

from __future__ import annotations

# A comment that belongs to the imports.
import math
from functools import (
    cache,
    partial,
)

import numpy as np

from ganbook.data import programs

LATENT = 16  # numbers of noise
WIDTH: int = 4

# Two at once.
LOW, HIGH = -1.0, 1.0
TABLE = {
    "one": 1,
}

# A comment of its own, which belongs to nothing.

# The generator's comment,
# of two lines.
class Generator:
    """A generator."""

    def __call__(self, z):
        return z  # as it is


@cache
@partial
def discriminator(x):
    """A discriminator."""
    text = """
# no comment
"""
    return np.tanh(x) + math.pi + len(text)


SEED = 0
if SEED:
    HIDDEN = 1
import sys
print(sys.argv)
'''
IMPORTS = """\
# A comment that belongs to the imports.
import math
from functools import (
    cache,
    partial,
)

import numpy as np"""
GENERATOR = '''\
# The generator's comment,
# of two lines.
class Generator:
    """A generator."""

    def __call__(self, z):
        return z  # as it is'''
DISCRIMINATOR = '''\
@cache
@partial
def discriminator(x):
    """A discriminator."""
    text = """
# no comment
"""
    return np.tanh(x) + math.pi + len(text)'''


@pytest.fixture(autouse=True)
def _modules(tmp_path, monkeypatch):
    package = tmp_path / "code" / "small" / "parts"
    package.mkdir(parents=True)
    (package / "gan_torch.py").write_text(MODULE)
    monkeypatch.setattr(filled, "CODE", tmp_path / "code")


def cell(names, *tags, module="small.parts.gan_torch", text="stale"):
    return new_code_cell(text, id="the-cell", metadata={"ganbook": {"from": f"{module}:{names}"}, "tags": list(tags)})


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("imports", IMPORTS),
        ("Generator", GENERATOR),
        ("discriminator", DISCRIMINATOR),
        ("Generator, discriminator", f"{GENERATOR}\n\n\n{DISCRIMINATOR}"),
        ("discriminator,Generator", f"{DISCRIMINATOR}\n\n\n{GENERATOR}"),
        ("imports, LATENT, WIDTH", f"{IMPORTS}\n\nLATENT = 16  # numbers of noise\nWIDTH: int = 4"),
        ("WIDTH, HIGH, TABLE", 'WIDTH: int = 4\n\n# Two at once.\nLOW, HIGH = -1.0, 1.0\nTABLE = {\n    "one": 1,\n}'),
        ("LOW", "# Two at once.\nLOW, HIGH = -1.0, 1.0"),
        ("imports, discriminator", f"{IMPORTS}\n\n\n{DISCRIMINATOR}"),
        ("Generator, LATENT, SEED", f"{GENERATOR}\n\n\nLATENT = 16  # numbers of noise\n\n\nSEED = 0"),
    ],
)
def test_a_cell_says_what_its_module_says(names, text):
    assert filled.source(cell(names)) == text


@pytest.mark.parametrize(
    ("tags", "first"),
    [(["tab-pytorch"], "# PyTorch\n"), (["about-5", "tab-tensorflow"], "# TensorFlow\n"), (["hide-input"], "")],
)
def test_a_tab_begins_with_its_framework(tags, first):
    assert filled.source(cell("Generator", *tags)) == first + GENERATOR


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (cell("Generator", module="small.absent"), "the module is 'small.absent'; accepted: one that lies in code/"),
        (cell("Generator", module="small.parts"), "the module is 'small.parts'"),
        (
            cell("Generator, Critic"),
            "the name is 'Critic'; accepted from small.parts.gan_torch: imports, LATENT, WIDTH",
        ),
        (cell("HIDDEN"), "the name is 'HIDDEN'"),
        (cell("sys"), "the name is 'sys'"),
        (cell(""), "accepted, on a code cell: {'from': 'MODULE:NAME, NAME'}"),
        (
            new_code_cell("x", id="the-cell", metadata={"ganbook": "small.parts.gan_torch:Generator"}),
            "accepted, on a code",
        ),
        (
            new_code_cell("x", id="the-cell", metadata={"ganbook": {"from": "small.parts.gan_torch:SEED", "as": "x"}}),
            "accepted, on a code cell",
        ),
        (
            new_markdown_cell("x", id="the-cell", metadata={"ganbook": {"from": "small.parts.gan_torch:SEED"}}),
            "accepted, on a code cell",
        ),
    ],
)
def test_what_is_not_there_is_one_clear_line(wrong, words):
    with pytest.raises(ValueError, match="cell the-cell: ") as told:
        filled.fill(new_notebook(cells=[wrong]))
    assert words in str(told.value)
    assert "\n" not in str(told.value)
    assert filled.differing(new_notebook(cells=[wrong])) == [str(told.value)]


def page(folder, *cells):
    path = folder / "page.ipynb"
    notebook = new_notebook(cells=[new_markdown_cell("# Title"), *cells])
    notebooks.normalise(notebook)
    nbformat.write(notebook, path)
    return path


def test_make_notebooks_fills_and_check_tells(tmp_path, capsys):
    path = page(tmp_path, cell("LATENT, WIDTH"), new_code_cell("print(LATENT * WIDTH)"))
    assert notebooks.main(["--check", str(path)]) == 1
    assert capsys.readouterr().err == (
        f"{path}: cell the-cell differs from small.parts.gan_torch:LATENT, WIDTH; run: make notebooks\n"
    )
    assert notebooks.main([str(path)]) == 0
    shown, used = nbformat.read(path, as_version=4).cells[1:]
    assert shown.source == "LATENT = 16  # numbers of noise\nWIDTH: int = 4"
    assert shown.metadata.ganbook == {"from": "small.parts.gan_torch:LATENT, WIDTH"}
    assert used.outputs[0].text == "64\n"
    assert notebooks.main(["--check", str(path)]) == 0
    assert notebooks.refresh(path) is False
    module = filled.CODE / "small" / "parts" / "gan_torch.py"
    module.write_text(module.read_text().replace("numbers of noise", "another comment"))
    assert notebooks.main(["--check", str(path)]) == 1


def test_a_missing_name_leaves_the_file_alone(tmp_path, capsys):
    path = page(tmp_path, cell("Critic"))
    before = path.read_bytes()
    for mode in ([], ["--no-execute"], ["--check"]):
        assert notebooks.main([*mode, str(path)]) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"{path}: cell the-cell: the name is 'Critic'; accepted from small.parts.gan_torch: ")
        assert told.count("\n") == 1
    assert path.read_bytes() == before


def test_a_filled_cell_runs_as_the_module_does(tmp_path):
    text = filled.source(cell("imports, LATENT, LOW, Generator"))
    names = {}
    exec(text, names)
    assert names["Generator"]()(names["LATENT"]) == 16

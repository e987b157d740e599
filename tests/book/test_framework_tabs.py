"""The local Sphinx extensions that heed the tags of cells, on tiny books of their own."""

import io
import re
import sys
from pathlib import Path

import nbformat.v4
import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from book_tools.notebooks import METADATA

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Build cells given as (tags, source) or (tags, source, output), or prose as a string; return (page, warnings)."""
    monkeypatch.syspath_prepend(str(ROOT / "code" / "sphinx_ext"))

    def _build(*cells, builder="html", extensions=()):
        notebook = nbformat.v4.new_notebook(metadata=METADATA, cells=[nbformat.v4.new_markdown_cell("# Title")])
        for cell in cells:
            if isinstance(cell, str):
                notebook.cells.append(nbformat.v4.new_markdown_cell(cell))
            else:
                tags, source, *printed = cell
                outputs = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in printed]
                notebook.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}, outputs=outputs))
        source = tmp_path / "source"
        source.mkdir()
        nbformat.write(notebook, source / "index.ipynb")
        warnings = io.StringIO()
        settings = {
            "extensions": ["myst_nb", "framework_tabs", "about_notes", *extensions],
            "nb_execution_mode": "off",
            "project": "tiny",
            "myst_enable_extensions": ["colon_fence"],
        }
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                str(source),
                None,
                str(tmp_path / "out"),
                str(tmp_path / "doctrees"),
                builder,
                settings,
                status=None,
                warning=warnings,
                freshenv=True,
            )
            app.build()
        suffix = {"html": "html", "text": "txt"}[builder]
        return (tmp_path / "out" / f"index.{suffix}").read_text(), re.sub(r"\x1b\[[0-9;]*m", "", warnings.getvalue())

    yield _build
    for name in ("framework_tabs", "about_notes"):
        sys.modules.pop(name, None)


def torch_cell(name="one"):
    return ["tab-pytorch"], f"# PyTorch\ntorch_{name} = 1"


def tensorflow_cell(name="one"):
    return ["tab-tensorflow"], f"# TensorFlow\ntensorflow_{name} = 1"


def test_a_pair_becomes_one_synced_tab_set(build):
    page, warnings = build("Before.", torch_cell(), tensorflow_cell(), ((), "plain = 1"))
    assert warnings == ""
    assert page.count('class="sd-tab-set framework-tabs docutils"') == 1
    labels = re.findall(r'<label[^>]*data-sync-id="(\w+)"[^>]*>\s*(\w+)', page)
    assert labels == [("pytorch", "PyTorch"), ("tensorflow", "TensorFlow")]
    assert page.count('data-sync-group="framework"') == 2
    inside = page[page.index("framework-tabs") : page.index("plain")]
    assert inside.index("torch_one") < inside.index("tensorflow_one")
    assert "framework_tabs.css" in page


def test_neighbouring_pairs_stay_apart(build):
    page, warnings = build(torch_cell("a"), tensorflow_cell("a"), torch_cell("b"), tensorflow_cell("b"))
    assert warnings == ""
    assert page.count("sd-tab-set framework-tabs") == 2


@pytest.mark.parametrize(
    "cells",
    [
        (torch_cell(),),
        (tensorflow_cell(),),
        (torch_cell(), "Prose between.", tensorflow_cell()),
        (tensorflow_cell(), torch_cell()),
        (torch_cell(), tensorflow_cell(), tensorflow_cell("two")),
    ],
    ids=["torch", "tensorflow", "prose", "reversed", "triple"],
)
def test_a_lone_tab_warns(build, cells):
    _, warnings = build(*cells)
    assert "stands alone" in warnings


@pytest.mark.parametrize("tags", [["tab-jax"], ["tab_pytorch"], ["tab-pytorch", "tab-tensorflow"]])
def test_a_bad_tag_warns(build, tags):
    _, warnings = build((tags, "x = 1"))
    assert "accepted: one of tab-pytorch, tab-tensorflow" in warnings


def test_a_pair_inside_a_solution(build):
    page, warnings = build(
        ":::{exercise-start}\n:label: one\n:::\nQuestion.\n:::{exercise-end}\n:::",
        ":::{solution-start} one\n:::",
        torch_cell(),
        tensorflow_cell(),
        ":::{solution-end}\n:::",
        extensions=["sphinx_exercise"],
    )
    assert warnings == ""
    solution = page[page.index('class="solution') :]
    assert "framework-tabs" in solution


def test_other_builders_show_both(build):
    page, warnings = build(torch_cell(), tensorflow_cell(), builder="text")
    assert warnings == ""
    assert "torch_one" in page
    assert "tensorflow_one" in page
    assert page.index("PyTorch") < page.index("TensorFlow")


@pytest.mark.parametrize("builder", ["html", "text"])
def test_a_tolerance_stands_below_its_output(build, builder):
    page, warnings = build(
        (["about-5"], "first", "0.22"),
        ((), "second", "0.33"),
        (["about-12"], "third", "0.44"),
        (["about-7"], "fourth"),
        builder=builder,
    )
    assert warnings == ""
    notes = re.findall(r"Numbers agree within (\d+) % on other processors\.", page)
    assert notes == ["5", "12"]
    assert page.index("0.22") < page.index("within 5 %") < page.index("second")
    assert page.index("0.44") < page.index("within 12 %") < page.index("fourth")
    assert builder == "text" or page.count('<p class="about-note">') == 2


def test_a_tolerance_stands_in_its_tab_and_folds_with_its_output(build):
    (torch, source), twin = torch_cell(), tensorflow_cell()
    page, warnings = build(([*torch, "about-5"], source, "0.22"), twin, (["hide-output", "about-9"], "x", "0.44"))
    assert warnings == ""
    assert page.index("0.22") < page.index("within 5 %") < page.index("tensorflow_one")
    assert page.index("<details") < page.index("within 9 %") < page.index("</details>")


@pytest.mark.parametrize("tag", ["about", "about5", "about-2.5", "about-N"])
def test_a_tolerance_without_its_number_warns(build, tag):
    page, warnings = build(([tag], "x", "0.22"))
    assert "accepted: about-N" in warnings
    assert "about-note" not in page

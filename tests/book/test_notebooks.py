"""Every notebook keeps every rule; and every rule can catch the notebook that breaks it."""

import copy
import re

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import notebook_rules as rules
from book_tools import colab, filled, notebooks
from ganbook.pages.animations import Panel, animate_panels
from ganbook.pages.latents import explore_latents
from notebook_pages import CHAPTERS, NAMES, NOTEBOOKS, code_cells, read


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_rule(path, rule):
    assert list(rule(read(path))) == []


def _good() -> nbformat.NotebookNode:
    """A small notebook that keeps every rule."""
    picture = new_output("display_data", data={"image/png": "AAAA", "text/plain": "<Figure size 640x480 with 1 Axes>"})
    stream = new_output("stream", name="stdout", text="loss 0.6931\n")
    alt = "A straight line that rises from zero to one"
    cells = [
        new_markdown_cell("(label)=\n# Title"),
        new_code_cell(colab.cell_source(colab.repository_url()), metadata={"tags": [colab.TAG]}),
        new_code_cell(
            "# PyTorch\nprint('loss 0.6931')", metadata={"tags": ["tab-pytorch", "about-5"]}, outputs=[stream]
        ),
        new_code_cell("# TensorFlow\nprint('loss 0.6931')", metadata={"tags": ["tab-tensorflow"]}, outputs=[stream]),
        new_code_cell(
            "# The loss falls: compare the two curves.\nplt.show()",
            outputs=[picture],
            metadata={"mystnb": {"image": {"alt": alt}, "figure": {"caption": "A line.", "name": "line"}}},
        ),
    ]
    cells += [
        new_code_cell(
            f"animate_panels(panels, name='{name}')",
            metadata={"mystnb": {"figure": {"caption": "A point moves.", "name": name}}},
            outputs=[_played(name)],
        )
        for name in ("first", "second")
    ]
    cells.append(
        new_code_cell(
            "explore_latents()", metadata={"mystnb": {"figure": {"caption": "A plane."}}}, outputs=[_explored("third")]
        )
    )
    cells.append(new_code_cell(metadata={"ganbook": {"from": "ganbook.data.budget:on_colab"}}))
    notebook = new_notebook(cells=cells)
    filled.fill(notebook)
    for number, cell in enumerate(code_cells(notebook), start=1):
        cell.execution_count = number
    notebooks.normalise(notebook)
    return notebook


def _played(name, words="A point moves straight to the right"):
    shown = animate_panels([Panel({"a": [(0, 0), (1, 0)]})], name=name, description=words)
    return new_output("execute_result", data={"text/html": shown.html, "text/plain": repr(shown)})


def _explored(name, words='alt="Nine grey pictures that turn into each other"'):
    weights = {"dense_1.weight": np.ones((2, 4)), "dense_1.bias": np.zeros(4)}
    shown = explore_latents(weights, np.zeros((9, 2, 2, 1)), name=name, description="Some words that stand for others")
    text = re.sub('alt="[^"]*"', words, shown.html)
    return new_output("execute_result", data={"text/html": text, "text/plain": repr(shown)})


MISTAKES = {
    "executed_in_order": lambda n: n.cells[3].update(execution_count=None),
    "no_stderr": lambda n: n.cells[2].outputs[0].update(name="stderr"),
    "no_unexpected_error": lambda n: n.cells[2].outputs.append(new_output("error", ename="E", evalue="", traceback=[])),
    "no_closing_semicolon": lambda n: n.cells[4].update(source=n.cells[4].source + ";"),
    "nothing_unsteady": [
        lambda n: n.cells[2].outputs[0].update(text=" 40%|####      | 4/10 [00:01<00:02,  3.00it/s]"),
        lambda n: n.cells[2].outputs[0].update(text="<object at 0x7f0011223344>"),
        lambda n: n.cells[2].outputs[0].update(text="saved to /tmp/run"),
        lambda n: n.cells[2].outputs[0].update(text="ipykernel_123/456.py:1: UserWarning"),
        lambda n: n.cells[4].outputs[0].data.update({"text/html": "_anim_img0123456789abcdef0123"}),
    ],
    "alt_text": [
        lambda n: n.cells[4].metadata.mystnb.pop("image"),
        lambda n: n.cells[4].metadata.mystnb.image.update(alt="figure"),
        lambda n: n.cells[4].metadata.mystnb.pop("figure"),
        lambda n: n.cells[4].update(source="plt.plot([0, 1])"),
    ],
    "animations_described": [
        lambda n: n.cells[6].update(outputs=[_played("first")]),
        lambda n: n.cells[6].update(outputs=[_played("second", "An animation")]),
        lambda n: n.cells[6].metadata.mystnb.pop("figure"),
        lambda n: n.cells[6].update(outputs=[_explored("first")]),
        lambda n: n.cells[6].update(outputs=[_explored("other", 'alt="Pictures"')]),
    ],
    "known_tags": [
        lambda n: n.cells[2].metadata.update(tags=["tab-jax"]),
        lambda n: n.cells[2].metadata.update(tags=["tab-pytorch", "about-0"]),
        lambda n: n.cells[2].metadata.update(tags=["tab-pytorch", "about-51"]),
        lambda n: n.cells[2].metadata.update(tags=["tab-pytorch", "about-2.5"]),
        lambda n: n.cells[0].metadata.update(tags=["about-5"]),
    ],
    "one_tolerance": [
        lambda n: n.cells[2].metadata.update(tags=["tab-pytorch", "about-5", "about-9"]),
        lambda n: n.cells[2].update(outputs=[], metadata={"tags": ["tab-pytorch", "about-5"]}),
    ],
    "paired_tabs": [
        lambda n: n.cells.pop(3),
        lambda n: n.cells.pop(2),
        lambda n: n.cells.insert(3, new_markdown_cell("between")),
        lambda n: n.cells[2].update(source="print(1)"),
        lambda n: n.cells.reverse(),
    ],
    "normal_form": [
        lambda n: n.cells[2].update(id="0a1b2c3d"),
        lambda n: n.cells[2].metadata.update(execution={"started": "now"}),
        lambda n: n.metadata.language_info.update(version="3.11.7"),
    ],
    "as_in_its_module": [
        lambda n: n.cells[-1].update(source=n.cells[-1].source + "  # no"),
        lambda n: n.cells[-1].metadata.ganbook.update({"from": "ganbook.data.budget:has_gpu"}),
        lambda n: n.cells[-1].metadata.ganbook.update({"from": "ganbook.data.absent:on_colab"}),
    ],
    "kernelspec": lambda n: n.metadata.kernelspec.update(name="conda"),
    "colab_cell": [
        lambda n: n.cells.pop(1),
        lambda n: n.cells[1].update(source=colab.cell_source("https://github.com/someone/else")),
        lambda n: n.cells[1].metadata.pop("tags"),
    ],
    "reasons_for_ignored_outputs": [
        lambda n: n.cells[2].metadata.update(tags=["tab-pytorch", "nbval-ignore-output"]),
        lambda n: n.cells[2].update(source="# PyTorch\n# NBVAL_IGNORE_OUTPUT"),
    ],
    "titled_and_labelled": lambda n: n.cells[0].update(source="# Title"),
    "whole_formulas": lambda n: n.cells[0].update(source="(label)=\n# Title\n\nwhere $p\n- q$ is positive"),
    "thin": lambda n: n.cells[2].update(source="x = 1\n" * 41),
}


def test_the_good_notebook_keeps_every_rule():
    assert [list(rule(_good())) for rule in rules.RULES] == [[]] * len(rules.RULES)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_rule_catches_its_mistakes(rule):
    planted = MISTAKES[rule.__name__]
    for plant in planted if isinstance(planted, list) else [planted]:
        notebook = copy.deepcopy(_good())
        plant(notebook)
        assert list(rule(notebook)) != []


def test_every_section_closes_with_exercises_and_a_summary():
    for path in NOTEBOOKS:
        if path.parent in (CHAPTERS, CHAPTERS / "appendix"):
            continue
        prose = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
        exercises = re.findall(r"\{exercise(?:-start)?\}", prose)
        solutions = re.findall(r"\{solution(?:-start)?\}", prose)
        assert 3 <= len(exercises) <= 5, f"{path.name}: {len(exercises)} exercises"
        assert len(solutions) == len(exercises), f"{path.name}: {len(solutions)} solutions"
        assert re.search(r"(?m)^##+ Exercises", prose), path.name
        assert re.search(r"(?m)^##+ What to remember", prose), path.name


def test_labels_are_used_once():
    seen: dict[str, str] = {}
    for path in sorted([*NOTEBOOKS, *CHAPTERS.rglob("*.md")]):
        text = (
            path.read_text(encoding="utf-8")
            if path.suffix == ".md"
            else "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
        )
        for label in re.findall(r"(?m)^\(([\w-]+)\)=\s*$|^\s*\$\$\s*\(([\w-]+)\)\s*$|^:label:\s*([\w-]+)\s*$", text):
            name = next(filter(None, label))
            assert name not in seen, f"label {name!r} in {path.name} and {seen[name]}"
            seen[name] = path.name


def test_every_page_is_in_the_table_of_contents():
    contents = (CHAPTERS.parent / "_toc.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"(?:root|file):\s*(\S+)", contents))
    pages = {
        path.relative_to(CHAPTERS.parent).with_suffix("").as_posix() for path in [*NOTEBOOKS, *CHAPTERS.rglob("*.md")]
    }
    assert listed == pages


def test_the_bibliography_lists_what_is_cited():
    entries = set(re.findall(r"@\w+\{(\w+),", (CHAPTERS / "appendix" / "references.bib").read_text(encoding="utf-8")))
    prose = "\n".join(path.read_text(encoding="utf-8") for path in [*NOTEBOOKS, *CHAPTERS.rglob("*.md")])
    cited = {key.strip() for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", prose) for key in keys.split(",")}
    assert entries == cited

"""Cells tagged about-N: numbers within N per cent, words exactly; by the root conftest, from bare pytest."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat import write
from nbformat.v4 import new_code_cell, new_notebook, new_output

from book_tools.about import difference, percent

ROOT = Path(__file__).resolve().parents[2]
TABLE = "<table><tr><th>loss</th><td>{}</td></tr></table>"

# What is stored, what is computed, and whether they agree within 5 %.
TEXTS = [
    ("loss 0.2201", "loss 0.2139", True),
    ("loss 0.2201", "loss 0.3201", False),
    ("loss 0.2201", "lost 0.2201", False),
    ("loss 0.2201 of 3", "loss 0.2201 of", False),
    ("loss 0.2201 of", "loss 0.2201 of 3", False),
    ("loss 0.2201", "loss 0.2201\nloss 0.2201", False),
    ("loss 0.2201\n", "loss 0.2201", False),
    ("loss 0.2201", "loss nan", False),
    ("loss nan", "loss 0.2201", False),
    ("loss nan", "loss nan", True),
    ("loss inf", "loss -inf", False),
    ("loss 0.2201", "loss -0.2201", False),
    ("loss -0.2201", "loss -0.2139", True),
    ("loss \N{MINUS SIGN}0.2201", "loss 0.2201", False),
    ("loss 100", "loss 105", True),
    ("loss 100", "loss 106", False),
    ("loss 100", "loss 95", True),
    ("loss 100", "loss 94", False),
    ("8 modes", "7 modes", False),
    ("1,000 modes", "970 modes", True),
    ("1,000 modes", "900 modes", False),
    ("0.0", "0.0001", False),
    ("0.0001", "0.0", False),
    ("0.0", "-0.000", True),
    ("1.00e-05", "1.04e-05", True),
    ("1.00e-05", "1.00e-04", False),
    ("[ 9.98  0.20]", "[10.01 0.20]", True),
    ("a  9.98 b", "a 10.02 b", True),
    ("a b", "ab", False),
    ("12 3", "1 23", False),
    ("0.22 0.33", "0.33 0.22", False),
    ("True 0.22", "False 0.22", False),
    ("float32", "float33", False),
    ("layer1", "layer2", False),
    ("28x28", "28x29", False),
    ("version 2.13.0", "version 2.13.1", False),
    ("2-3", "2-4", False),
    (TABLE.format("0.2201"), TABLE.format("0.2139"), True),
    (TABLE.format("0.2201"), TABLE.format("0.3201"), False),
    (TABLE.format("0.2201"), TABLE.replace("th", "td").format("0.2201"), False),
    ("<img src='data:image/png;base64,+5/aa='> 1.00", "<img src='data:image/png;base64,+9/8/bb='> 1.01", True),
]


@pytest.mark.parametrize(("stored", "computed", "agree"), TEXTS)
def test_two_texts(stored, computed, agree):
    told = difference(stored, computed, 5)
    assert (told is None) == agree, told
    assert "\n" not in (told or "")


def test_what_differs_is_named():
    number = "a number differs by more than 5 %: stored 0.22, computed 0.32"
    assert difference("a 1\nb 0.22", "a 1\nb 0.32", 5) == number
    assert difference("a 1\nb 2", "a 1\nc 2", 5) == "the words differ: stored 'b 2', computed 'c 2'"
    assert difference("a", "a\nb", 5) == "the words differ: stored None, computed 'b'"


def test_the_tag_decides_how_much():
    assert difference("0.22", "0.32", 50) is None
    assert difference("100", "101", 1) is None
    assert difference("100", "102", 1) is not None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["about-1"], 1),
        (["tab-pytorch", "about-50"], 50),
        ([], None),
        (["about-0"], None),
        (["about-51"], None),
        (["about-05"], None),
        (["about-2.5"], None),
        (["about"], None),
        (["xabout-5"], None),
    ],
)
def test_the_tags_that_count(tags, expected):
    assert percent(tags) == expected


def stream(text):
    return [new_output("stream", name="stdout", text=text)]


def result(**data):
    return [new_output("execute_result", execution_count=1, data={"text/" + kind: text for kind, text in data.items()})]


SHOWN = "type('Shown', (), {{'__repr__': lambda self: {plain!r}, '_repr_html_': lambda self: {html!r}}})()"
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
DRAWN = "from IPython.display import display\ndisplay({{'image/{kind}': {data!r}, 'text/plain': '<Figure>'}}, raw=True)"


def drawn(kind, data):
    return [new_output("display_data", data={f"image/{kind}": data, "text/plain": "<Figure>"})]


# A tag, a program, what is stored, and whether nbval passes it.
CELLS = [
    ("about-5", "print('loss', 0.2139)", stream("loss 0.2201\n"), True),
    ("about-5", "print('loss', 0.3201)", stream("loss 0.2201\n"), False),
    ("about-5", "print('lost', 0.2201)", stream("loss 0.2201\n"), False),
    ("about-5", "print('loss')", stream("loss 0.2201\n"), False),
    ("about-5", "print('loss', float('nan'))", stream("loss 0.2201\n"), False),
    ("about-5", "print('loss', -0.2201)", stream("loss 0.2201\n"), False),
    ("about-3", "print('loss', 0.2139)", stream("loss 0.2201\n"), True),
    ("about-2", "print('loss', 0.2139)", stream("loss 0.2201\n"), False),
    ("about-51", "print('loss', 0.2139)", stream("loss 0.2201\n"), False),
    (None, "print('loss', 0.2139)", stream("loss 0.2201\n"), False),
    (None, "print('loss', 0.2201)", stream("loss 0.2201\n"), True),
    ("about-5", "0.2139", result(plain="0.2201"), True),
    ("about-5", "0.3201", result(plain="0.2201"), False),
    ("about-5", "0.2139", [], False),
    ("about-5", "x = 0.2139", result(plain="0.2201"), False),
    ("about-5", "print(1)\n0.2139", stream("1\n") + result(plain="0.2201"), True),
    ("about-5", "print(1)\n0.2139", stream("2\n") + result(plain="0.2201"), False),
    ("about-5", SHOWN.format(plain="one", html="<td>0.2139</td>"), result(plain="one", html="<td>0.2201</td>"), True),
    ("about-5", SHOWN.format(plain="one", html="<td>0.3201</td>"), result(plain="one", html="<td>0.2201</td>"), False),
    ("about-5", SHOWN.format(plain="one", html="<th>0.2201</th>"), result(plain="one", html="<td>0.2201</td>"), False),
    # Pictures are compared as nbval does it: the bytes of PNG never, SVG exactly.
    ("about-5", DRAWN.format(kind="png", data=PICTURE), drawn("png", "AAAA"), True),
    ("about-5", DRAWN.format(kind="svg+xml", data="<svg width='100'/>"), drawn("svg+xml", "<svg width='101'/>"), False),
]


def nbval(folder: Path, *options: str) -> list[bool]:
    """Run ``CELLS`` as one notebook with the project's conftest, and return for each whether it passed."""
    cells = [
        new_code_cell(source, outputs=outputs, execution_count=1, metadata={"tags": [tag] if tag else []})
        for tag, source, outputs, _ in CELLS
    ]
    write(new_notebook(cells=cells), folder / "cells.ipynb")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "code")])
    told = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "-rA",
            "-p",
            "conftest",
            "-p",
            "no:cacheprovider",
            *options,
            f"--rootdir={folder}",
            ".",
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    ).stdout
    found = re.findall(r"(PASSED|FAILED) cells.ipynb::Cell (\d+)", told)
    outcomes = {int(cell): word == "PASSED" for word, cell in found}
    assert sorted(outcomes) == list(range(len(CELLS))), told
    assert "a number differs by more than 5 %: stored 0.2201, computed 0.3201" in told
    return [outcomes[cell] for cell in sorted(outcomes)]


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_nbval_heeds_the_tag(tmp_path, options):
    assert nbval(tmp_path, *options) == [passes for *_, passes in CELLS]


def test_the_root_conftest_alone_puts_it_in_place():
    script = "import nbval.plugin, conftest; print(nbval.plugin.IPyNbCell.compare_outputs.__module__)"
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told == "book_tools.about\n"

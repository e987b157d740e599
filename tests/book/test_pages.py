"""What ``make pages`` counts, on small pages whose numbers are known."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book_tools import pages

PROSE = """\
(label)=
# A title here

Five words and `inline code`: here, $x + y = z$, are {term}`logits <logit (of a network)>`.

$$
a = b
$$ (eq-label)

| a table | has |
|---|---|
| four | words |

```python
no_words = "in code"
```

[A link](https://example.org/not/counted) <a href="x.html">and</a> {cite:t}`goodfellow2014`.
"""
FOLDED = """\
Two words.

```{solution-start} exercise
:class: dropdown
```
These four are folded.
```{solution-end}
```

:::{admonition} How we know
:class: note dropdown
Three folded words.
```python
none
```
:::

::::{dropdown} Title
Two folded.
::::

:::{note}
Seen words.
:::
"""


def markdown(text):
    page = pages.Page()
    page.markdown(text)
    return page


def test_words_of_prose():
    # the title, the sentence without its formula, the table, the line of links
    assert markdown(PROSE).words == 3 + 8 + 5 + 4
    assert markdown("").words == 0


def test_folded_words_stand_apart():
    page = markdown(FOLDED)
    assert (page.words, page.folded) == (4, 4 + 3 + 2)
    assert page.folds == []


def test_pictures_and_the_words_before_the_first():
    page = markdown("One two.\n\n```{figure} a.png\n:alt: words\nA caption.\n```\nThree ![alt](b.png) four.\n")
    assert (page.before, page.pictures, page.words) == (2, 2, 2 + 2 + 3)
    assert markdown("One two.").before is None


def test_front_matter_is_no_prose(tmp_path):
    (tmp_path / "page.md").write_text("---\ntitle: not counted\n---\n\nCounted words.\n")
    assert pages.read(tmp_path / "page.md").words == 2


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("import math\nx = 1", 1),
        ("from a import (\n    b,\n    c,\n)\nimport d", 5),
        ("x = 'import'", 0),
        ("%pip install x\nimport a", 1),
        ("def f():\n    import a\n    !ls\n    return 1", 1),
    ],
)
def test_lines_of_imports(source, number):
    assert pages.import_lines(source) == number


def stream(text):
    return [new_output("stream", name="stdout", text=text)]


def shown(**data):
    return [new_output("display_data", data={kind.replace("_", "/"): text for kind, text in data.items()})]


def notebook(folder):
    def code(source, *tags, outputs=()):
        return new_code_cell(source, metadata={"tags": list(tags)}, outputs=list(outputs))

    solution = "```{{solution-{}}} one\n{}```"
    cells = [
        new_markdown_cell("# Three words here"),
        code("import hidden\n" * 30, "remove-cell", outputs=stream("True")),
        code("import one\nimport two\n\nx = 1", outputs=stream("True at 0.5, False, Truest")),
        code("# PyTorch\nimport torch", "tab-pytorch", outputs=stream("equal: True")),
        code("# TensorFlow\nimport tensorflow\nimport keras", "tab-tensorflow"),
        new_markdown_cell("Two words."),
        code("plot\n" * 40, "hide-input", outputs=shown(image_png="AAAA", text_plain="<Figure>")),
        code(
            "y\n" * 12,
            "about-5",
            outputs=shown(text_html='<figure class="ganbook-animation"><img></figure>', text_plain="Animation"),
        ),
        code("z = 1", "hide-output", outputs=[*stream("False"), *shown(image_png="AAAA")]),
        new_markdown_cell(solution.format("start", ":class: dropdown\n") + "\nAll of this is folded."),
        code("import folded\n" * 50, outputs=[*stream("True"), *shown(image_png="AAAA")]),
        new_markdown_cell("And this.\n" + solution.format("end", "")),
        new_markdown_cell("The end."),
    ]
    nbformat.write(new_notebook(cells=cells), folder / "page.ipynb")
    return folder / "page.ipynb"


def test_a_notebook(tmp_path):
    page = pages.read(notebook(tmp_path))
    assert (page.words, page.folded) == (7, 7)
    assert page.imports == {"tab-pytorch": 3, "tab-tensorflow": 4}
    assert page.cells == [4, 2, 3, 12, 1]
    assert (page.pictures, page.before) == (2, 5)
    assert page.verdicts == 3


def test_a_number_beyond_its_limit_is_marked():
    lines = list(
        pages.table(
            {
                "good": pages.Page(
                    words=1800,
                    folded=300,
                    imports=dict.fromkeys(pages.TABS, 6),
                    cells=[10, 10, 25],
                    pictures=1,
                    before=250,
                    verdicts=0,
                ),
                "long": pages.Page(
                    words=1801,
                    folded=300,
                    imports=dict(zip(pages.TABS, (6, 7), strict=True)),
                    cells=[11, 11, 26],
                    pictures=1,
                    before=251,
                    verdicts=1,
                ),
                "longest": pages.Page(words=2201, cells=[1, 2, 4]),
                "empty": pages.Page(),
            }
        )
    )
    assert lines[0].split() == ("page words folded imports P imports T median longest pictures before verdicts").split()
    assert lines[1].split() == "at most 1,800 6 6 10 25 250 0".split()
    assert lines[2].split() == "good 1,800 300 6 6 10 25 1 250 0".split()
    assert lines[3].split() == "long 1,801* 300 6 7* 11* 26* 1 251* 1*".split()
    assert lines[4].split() == "longest 2,201** 0 0 0 2 4 0 - 0".split()
    assert lines[5].split() == "empty 0 0 0 0 - - 0 - 0".split()


def test_the_table_names_every_page_in_the_order_of_the_book(tmp_path, capsys):
    (tmp_path / "chapters" / "part").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text(
        "root: chapters/index\nparts:\n- chapters:\n  - file: chapters/part/page\n  - file: chapters/b\n"
    )
    (tmp_path / "chapters" / "index.md").write_text("One word more.")
    (tmp_path / "chapters" / "b.md").write_text("One.")
    notebook(tmp_path / "chapters" / "part")
    assert pages.main(tmp_path) == 0
    told = capsys.readouterr().out
    assert told.startswith(pages.NOTE)
    assert [line.split()[:2] for line in told.removeprefix(pages.NOTE).split("\n")[3:] if line] == [
        ["index", "3"],
        ["part/page", "7"],
        ["b", "1"],
    ]


def test_the_books_own_pages_are_read(capsys):
    assert pages.main() == 0
    told = capsys.readouterr().out
    assert "tensors/first_gan" in told
    assert "appendix/testing" in told

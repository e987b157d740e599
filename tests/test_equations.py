"""Every labelled equation of the book has an executed check; and every rule can catch the index that breaks it."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import equation_rules as rules
from equation_rules import Book
from notebook_pages import ROOT

CHECKED = """
import numpy as np
import pytest
from shared import agree

pytest_plugins = []


def close(a, b):
    np.testing.assert_allclose(a, b)


def twice(a):
    close(a, a)


def measure(a):
    return a


def test_asserts():
    assert 1 + 1 == 2


@pytest.mark.parametrize("a", [1])
def test_numpy_asserts(a):
    np.testing.assert_allclose(a, 1)


def test_helper_asserts():
    twice(1)


def test_shared_helper_asserts():
    agree(1, 1)


def test_raises():
    with pytest.raises(ValueError, match="x"):
        raise ValueError("x")


def test_computes_only():
    measure(1) == 1


def test_asserts_a_constant():
    assert True


@pytest.mark.skip(reason="later")
def test_skipped():
    assert 1 + 1 == 2


@pytest.mark.skipif(True, reason="later")
def test_skipped_if_true():
    assert 1 + 1 == 2


@pytest.mark.skipif("sys.platform == 'win32'", reason="elsewhere")
def test_skipped_elsewhere():
    assert 1 + 1 == 2


@pytest.mark.xfail
def test_expected_to_fail():
    assert 1 + 1 == 3


def test_skips_itself():
    pytest.skip("later")
    assert 1 + 1 == 2


def test_returns_first():
    return
    assert 1 + 1 == 2


def helper_asserts():
    assert 1 + 1 == 2
"""
PROSE = r"""
A result,

$$ \begin{aligned}
a &= b , \\ b &= c
\end{aligned} $$ (eq-good-page-dollars)

```{math}
:label: eq-good-page-directive
a = b
```

\begin{equation}
a = b \label{eq-good-page-environment}
\end{equation}

Without a label: $$ a = b . $$

> In a quotation: $$ a = b $$ (eq-good-page-quoted)

```python
"$$ a = b $$ (eq-of-code)"
```

Written out, `$$ a $$ (eq-of-text)` labels an equation.
"""
LABELS = ["eq-good-page-dollars", "eq-good-page-directive", "eq-good-page-environment", "eq-good-page-quoted"]


@pytest.fixture(scope="module")
def book():
    return Book.read(ROOT)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_book_keeps(book, rule):
    assert list(rule(book)) == []


def test_the_book_has_equations_in_every_chapter(book):
    with_equations = {page.partition("/")[0] for page, found in book.labels().items() if found}
    assert with_equations == {"quickstart", "playground", *rules.FOLDERS}


@pytest.fixture
def made(tmp_path):
    """A small book that keeps every rule."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(CHECKED)
    (tmp_path / "tests" / "shared.py").write_text("def agree(a, b):\n    assert a == b\n")
    (tmp_path / "chapters" / "tensors").mkdir(parents=True)
    (tmp_path / "chapters" / "index.md").write_text("# Home")
    cells = [
        new_markdown_cell(PROSE),
        new_code_cell("assert 1 + 1 == 2", id="asserts", execution_count=1),
        new_code_cell("assert_close(1, 1)", id="calls", execution_count=2),
        new_code_cell("print(1 + 1 == 2)", id="prints", execution_count=3),
        new_code_cell("assert 1 + 1 == 2", id="never-run"),
        new_code_cell("assert 1 + 1 == 2", id="skipped", execution_count=4, metadata={"tags": ["nbval-skip"]}),
        new_markdown_cell("assert", id="words"),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "chapters" / "tensors" / "good_page.ipynb")
    tests = [
        "tests/test_it.py::test_asserts",
        "tests/test_it.py::test_helper_asserts",
        "chapters/tensors/good_page.ipynb::asserts",
        "chapters/tensors/good_page.ipynb::calls",
    ]
    lines = [
        f'[[equation]]\nlabel = "{label}"\nchapter = "tensors/good_page"\ntest = "{test}"\n'
        for label, test in zip(LABELS, tests, strict=True)
    ]
    (tmp_path / "tests" / "equations.toml").write_text("\n".join(lines))
    return Book.read(tmp_path)


def test_the_small_book_keeps_every_rule_but_the_rows(made):
    assert [list(rule(made)) for rule in rules.RULES[:-1]] == [[]] * (len(rules.RULES) - 1)
    assert made.labels()["tensors/good_page"] == LABELS


def test_pages_are_read_from_notebooks_and_markdown(made):
    (made.root / "chapters" / "tensors" / "words.md").write_text("$$ a = b $$ (eq-words-sum)")
    assert Book.read(made.root).labels()["tensors/words"] == ["eq-words-sum"]
    assert list(rules.every_equation_has_an_entry(Book.read(made.root))) != []


def add(text):
    return lambda book: book.pages.update({"tensors/good_page": book.pages["tensors/good_page"] + text})


def change(**entry):
    return lambda book: book.entries[0].update(entry)


MISTAKES = {
    "fields": [
        lambda book: book.entries[0].pop("test"),
        change(page="tensors/good_page"),
        change(row=""),
        change(label=3),
    ],
    "kinds_of_labels": [
        add("\n$$ a $$ (good-page-sum)"),
        add("\n$$ a $$ (eq-other-sum)"),
        add("\n$$ a $$ (eq:sum)"),
        add("\n```{math}\n:label: sum\na\n```\n"),
        add("\n\\begin{align}a\\label{sum}\\end{align}"),
    ],
    "every_equation_has_an_entry": [
        lambda book: book.entries.pop(),
        add("\n$$ a $$ (eq-good-page-new)"),
        add("\n:::{math}\n:nowrap:\n:label: eq-good-page-new\na\n:::\n"),
        add("\n\\begin{align}a\\label{eq-good-page-new}\\end{align}"),
    ],
    "every_entry_has_its_equation": [
        lambda book: book.pages.clear(),
        change(label="eq-good-page-gone"),
        change(chapter="tensors/other"),
        change(chapter="index"),
        change(label="eq-of-code"),
    ],
    "nothing_twice": [lambda book: book.entries.append(dict(book.entries[0])), add("\n$$ a $$ (eq-good-page-dollars)")],
    "checks_exist_and_assert": [
        change(test=test)
        for test in (
            "tests/test_it.py",
            "tests/test_it.py::test_gone",
            "tests/test_gone.py::test_asserts",
            "test_asserts",
            "tests/test_it.py::helper_asserts",
            "tests/test_it.py::test_asserts[1]",
            "tests/test_it.py::test_computes_only",
            "tests/test_it.py::test_asserts_a_constant",
            "tests/test_it.py::test_skipped",
            "tests/test_it.py::test_skipped_if_true",
            "tests/test_it.py::test_expected_to_fail",
            "tests/test_it.py::test_skips_itself",
            "tests/test_it.py::test_returns_first",
            "chapters/tensors/good_page.ipynb::gone",
            "chapters/tensors/good_page.ipynb::prints",
            "chapters/tensors/good_page.ipynb::never-run",
            "chapters/tensors/good_page.ipynb::skipped",
            "chapters/tensors/good_page.ipynb::words",
            "chapters/tensors/gone.ipynb::asserts",
        )
    ],
    "rows": [lambda book: book.entries.pop(0), change(row="optimal E")],
}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_rule_catches_its_mistakes(made, rule):
    if rule is rules.rows:
        made.entries = [{**made.entries[0], "row": row} for row in rules.ROWS]
    assert list(rule(made)) == []
    for plant in MISTAKES[rule.__name__]:
        wrong = copy.deepcopy(made)
        plant(wrong)
        assert list(rule(wrong)) != []


@pytest.mark.parametrize(
    "name", ["asserts", "numpy_asserts", "helper_asserts", "shared_helper_asserts", "raises", "skipped_elsewhere"]
)
def test_checks_that_count(made, name):
    made.entries[0]["test"] = f"tests/test_it.py::test_{name}"
    assert list(rules.checks_exist_and_assert(made)) == []


def test_a_module_may_not_skip_its_checks(made):
    path = made.root / "tests" / "test_skipped.py"
    path.write_text("pytestmark = pytest.mark.skip(reason='later')\n\n\ndef test_it():\n    assert 2 > 1\n")
    made.entries[0]["test"] = "tests/test_skipped.py::test_it"
    assert list(rules.checks_exist_and_assert(made)) != []


def test_rows_may_be_spelt_a_little_differently(made):
    made.entries = [
        {**made.entries[0], "row": row.upper().replace(",", "").replace("FRECHET", "Fréchet")} for row in rules.ROWS
    ]
    assert list(rules.rows(made)) == []

"""The clinic: what ``examine`` accepts and refuses, and the register against the pages."""

from __future__ import annotations

import copy
import re
import types

import nbformat
import pytest

from ganbook.appendix import clinic
from ganbook.appendix.clinic import REGISTER, examine
from ganbook.appendix.defects import KINDS, Defect
from notebook_pages import CHAPTERS, code_cells, read

ARTICLES = ("000", "001", "002", "003", "004")
LEAST = 60
NUMBER = "002-01"


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(clinic, "REGISTER", types.MappingProxyType({
        NUMBER: Defect(NUMBER, section="3.3", kind="formula", title="A sign is wrong")}))


def is_positive(value):
    if value <= 0:
        raise AssertionError(f"value is {value}")


def run(program):
    return program()


@pytest.mark.usefixtures("registered")
class TestExamine:
    def test_a_defect_and_its_repair(self, capsys):
        examine(NUMBER, is_positive, defect=-1, repair=1, says="value is -1")
        assert capsys.readouterr().out == (f"{NUMBER} with the defect: AssertionError: value is -1\n"
                                           f"{NUMBER} repaired: passes\n")

    def test_an_error_of_a_program(self, capsys):
        examine(NUMBER, run, defect=lambda: int("one"), repair=lambda: int("1"), error=ValueError)
        assert f"{NUMBER} with the defect: ValueError: invalid literal" in capsys.readouterr().out

    def test_a_check_without_a_message(self, capsys):
        def bare(value):
            if not value:
                raise AssertionError

        examine(NUMBER, bare, defect=0, repair=1)
        assert capsys.readouterr().out.startswith(f"{NUMBER} with the defect: AssertionError\n")

    def test_a_check_that_passes_on_the_defect(self):
        with pytest.raises(AssertionError, match="passes on the defect, so it reveals nothing"):
            examine(NUMBER, is_positive, defect=2, repair=1)

    def test_a_check_that_fails_on_both(self):
        with pytest.raises(AssertionError, match="value is 0"):
            examine(NUMBER, is_positive, defect=-1, repair=0)

    def test_any_error_of_the_repair_comes_out(self):
        with pytest.raises(ZeroDivisionError):
            examine(NUMBER, run, defect=lambda: int("one"), repair=lambda: 1 / 0, error=ValueError)

    @pytest.mark.parametrize("error", [TypeError, Exception, ArithmeticError], ids=lambda error: error.__name__)
    def test_another_error_is_refused(self, error):
        with pytest.raises(AssertionError, match="fails otherwise than expected: ValueError"):
            examine(NUMBER, run, defect=lambda: int("one"), repair=lambda: 1, error=error)

    def test_a_subclass_is_another_error(self):
        def divide():
            return 1 / 0

        with pytest.raises(AssertionError, match="ZeroDivisionError: division by zero; expected: ArithmeticError"):
            examine(NUMBER, run, defect=divide, repair=lambda: 1, error=ArithmeticError)

    def test_another_message_is_refused(self):
        with pytest.raises(AssertionError, match="value is -1; expected: AssertionError that says 'value is -2'"):
            examine(NUMBER, is_positive, defect=-1, repair=1, says="value is -2")

    @pytest.mark.parametrize("number", ["002-02", "2-1", "", "006-01"])
    def test_an_unknown_number(self, number):
        with pytest.raises(ValueError, match=f"number is {number!r}; accepted: a number of the register, as {NUMBER}"):
            examine(number, is_positive, defect=-1, repair=1)


@pytest.mark.parametrize(("field", "value", "message"), [
    ("number", "005-01", "number is '005-01'; accepted"), ("number", "002-1", "number is '002-1'; accepted"),
    ("kind", "typo", "kind is 'typo'; accepted: formula, claim, listing, omission"),
    ("section", " ", "section of defect 002-01 is empty"), ("title", "", "title of defect 002-01 is empty")])
def test_a_wrong_entry_is_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        Defect(**{"number": NUMBER, "section": "3", "kind": "claim", "title": "A title", field: value})


def register_problems(numbers):
    """What is wrong with the numbers of a register, in its order."""
    found = [f"{number} stands twice" for number in sorted(set(numbers)) if numbers.count(number) > 1]
    for article in ARTICLES:
        own = [number for number in numbers if number.startswith(article)]
        if own != [f"{article}-{place:02d}" for place in range(1, len(own) + 1)]:
            found.append(f"{article}: {', '.join(own)} are not consecutive from 01")
        if not own:
            found.append(f"{article}: no defect")
    return found + [f"{len(numbers)} defects; at least {LEAST}"] * (len(set(numbers)) < LEAST)


def entries():
    """Every entry of every article's register, before a mapping could hide one that stands twice."""
    return [defect for article in ARTICLES for defect in getattr(clinic, f"article_{article}").DEFECTS]


def test_the_register_is_complete():
    assert register_problems([defect.number for defect in entries()]) == []
    assert list(REGISTER) == [defect.number for defect in entries()]
    assert {defect.kind for defect in entries()} == set(KINDS)
    assert len({defect.title for defect in entries()}) == len(entries())


@pytest.mark.parametrize("change", [
    lambda numbers: numbers.remove("002-02"), lambda numbers: numbers.append("002-01"),
    lambda numbers: numbers.reverse(), lambda numbers: numbers.__setitem__(slice(50, None), []),
    lambda numbers: numbers.__setitem__(0, "000-90")])
def test_a_register_with_a_mistake_is_seen(change):
    numbers = [f"{article}-{place:02d}" for article in ARTICLES for place in range(1, 15)]
    assert register_problems(numbers) == []
    change(numbers)
    assert register_problems(numbers)


def page_problems(notebook, defects):
    """What is missing or too much on an article's page: labels, headings, and cells that examine."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    labels = re.findall(r"^\(defect-(\d{3}-\d\d)\)=$", prose, re.MULTILINE)
    headings = re.findall(r"^\(defect-(\d{3}-\d\d)\)=\n+#{3} (.*)$", prose, re.MULTILINE)
    # A defect with two symptoms may be examined twice, but in one cell.
    calls = [sorted(set(re.findall(r"\bexamine\(\s*\"([^\"]*)\"", cell.source))) for cell in code_cells(notebook)]
    examined = [number for cell in calls for number in cell]
    numbers = [defect.number for defect in defects]
    found = [] if labels == numbers else [f"labels {labels} instead of {numbers}"]
    expected = [(defect.number, f"{defect.number}: {defect.title}") for defect in defects]
    found += [f"no heading {heading[1]!r}" for heading in expected if headings.count(heading) != 1]
    found += [f"{number} is examined in {examined.count(number)} cells" for number in numbers
              if examined.count(number) != 1]
    found += [f"{number} is examined and not in the register" for number in examined if number not in numbers]
    return found + [f"one cell examines {', '.join(cell)}" for cell in calls if len(cell) > 1]


def pages():
    return {article: CHAPTERS / "appendix" / "debug_clinic" / f"article_{article}.ipynb" for article in ARTICLES}


@pytest.mark.parametrize("article", ARTICLES)
def test_every_defect_is_on_its_page_and_examined_once(article):
    defects = [defect for defect in entries() if defect.article == article]
    assert page_problems(read(pages()[article]), defects) == []


@pytest.mark.parametrize("article", ARTICLES)
def test_every_examination_is_stored_with_its_result(article):
    for cell in code_cells(read(pages()[article])):
        for number in re.findall(r"\bexamine\(\s*\"([^\"]*)\"", cell.source):
            shown = "".join(output.get("text", "") for output in cell.outputs)
            assert re.search(rf"^{number} with the defect: \w+", shown, re.MULTILINE), number
            assert f"{number} repaired: passes" in shown, number


def _page():
    cells = []
    for number in ("002-01", "002-02"):
        cells += [nbformat.v4.new_markdown_cell(f"(defect-{number})=\n### {number}: Title of {number}\n\n**Where.** 3"),
                  nbformat.v4.new_code_cell(f'examine("{number}", check, defect=-1, repair=1)')]
    return nbformat.v4.new_notebook(cells=cells)


def _reword(place, old, new):
    def change(notebook):
        cell = notebook.cells[place]
        assert old in cell.source
        cell.source = cell.source.replace(old, new)
    return change


@pytest.mark.parametrize("change", [
    _reword(0, "(defect-002-01)=\n", ""), _reword(0, "(defect-002-01)=", "(defect-002-02)="),
    _reword(0, "Title of", "A title of"), _reword(0, "### 002-01: ", "### "), _reword(0, "###", "##"),
    _reword(1, "002-01", "002-02"), _reword(1, "examine", "print"), _reword(1, "002-01", "002-03"),
    lambda notebook: notebook.cells.append(copy.deepcopy(notebook.cells[1])),
    lambda notebook: notebook.cells.append(copy.deepcopy(notebook.cells[0])),
    lambda notebook: notebook.cells.reverse(),
    lambda notebook: notebook.cells[1].update(source=notebook.cells[1].source + "\n" + notebook.cells.pop().source)])
def test_a_page_with_a_mistake_is_seen(change):
    defects = [Defect(number, "3", "claim", f"Title of {number}") for number in ("002-01", "002-02")]
    notebook = _page()
    assert page_problems(notebook, defects) == []
    change(notebook)
    assert page_problems(notebook, defects)

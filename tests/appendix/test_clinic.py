"""The clinic: what ``examine`` accepts and refuses, and the register against the pages."""

from __future__ import annotations

import re
import types

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
    monkeypatch.setattr(
        clinic,
        "REGISTER",
        types.MappingProxyType({NUMBER: Defect(NUMBER, section="3.3", kind="formula", title="A sign is wrong")}),
    )


def is_positive(value):
    if value <= 0:
        raise AssertionError(f"value is {value}")


def run(program):
    return program()


def fail():
    raise AssertionError


@pytest.mark.usefixtures("registered")
class TestExamine:
    def test_a_defect_and_its_repair(self, capsys):
        examine(NUMBER, is_positive, defect=-1, repair=1, says="value is -1")
        assert capsys.readouterr().out == (
            f"{NUMBER} with the defect: AssertionError: value is -1\n{NUMBER} repaired: passes\n"
        )

    @pytest.mark.parametrize(
        ("fault", "error", "shown"),
        [(lambda: int("one"), ValueError, "ValueError: invalid literal"), (fail, AssertionError, "AssertionError\n")],
    )
    def test_an_error_of_a_program(self, capsys, fault, error, shown):
        examine(NUMBER, run, defect=fault, repair=lambda: 1, error=error)
        assert capsys.readouterr().out.startswith(f"{NUMBER} with the defect: {shown}")

    def test_a_check_that_passes_on_the_defect(self):
        with pytest.raises(AssertionError, match="passes on the defect, so it reveals nothing"):
            examine(NUMBER, is_positive, defect=2, repair=1)

    def test_a_check_that_fails_on_both(self):
        with pytest.raises(AssertionError, match="value is 0"):
            examine(NUMBER, is_positive, defect=-1, repair=0)

    def test_any_error_of_the_repair_comes_out(self):
        with pytest.raises(ZeroDivisionError):
            examine(NUMBER, run, defect=lambda: int("one"), repair=lambda: 1 / 0, error=ValueError)

    @pytest.mark.parametrize("error", [TypeError, Exception, ArithmeticError])
    def test_another_error_is_refused_and_so_is_a_subclass(self, error):
        with pytest.raises(AssertionError, match="ZeroDivisionError: division by zero; expected: " + error.__name__):
            examine(NUMBER, run, defect=lambda: 1 / 0, repair=lambda: 1, error=error)

    def test_another_message_is_refused(self):
        with pytest.raises(AssertionError, match="value is -1; expected: AssertionError that says 'value is -2'"):
            examine(NUMBER, is_positive, defect=-1, repair=1, says="value is -2")

    @pytest.mark.parametrize("number", ["002-02", "2-1", "", "006-01"])
    def test_an_unknown_number(self, number):
        with pytest.raises(ValueError, match=f"number is {number!r}; accepted: a number of the register, as {NUMBER}"):
            examine(number, is_positive, defect=-1, repair=1)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("number", "005-01", "number is '005-01'; accepted"),
        ("number", "002-1", "number is '002-1'; accepted"),
        ("kind", "typo", "kind is 'typo'; accepted: formula, claim, listing, omission"),
        ("section", " ", "section of defect 002-01 is empty"),
        ("title", "", "title of defect 002-01 is empty"),
    ],
)
def test_a_wrong_entry_is_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        Defect(**{"number": NUMBER, "section": "3", "kind": "claim", "title": "A title", field: value})


def entries():
    """Every entry of every article's register, before a mapping could hide one that stands twice."""
    return [defect for article in ARTICLES for defect in getattr(clinic, f"article_{article}").DEFECTS]


def numbers_of(article):
    return [defect.number for defect in entries() if defect.article == article]


def test_the_register_is_complete():
    for article in ARTICLES:
        count = len(numbers_of(article))
        assert numbers_of(article) == [f"{article}-{place:02d}" for place in range(1, count + 1)] != []
    assert list(REGISTER) == [defect.number for defect in entries()]
    assert len(REGISTER) >= LEAST
    assert {defect.kind for defect in entries()} == set(KINDS)
    assert len({defect.title for defect in entries()}) == len(entries())


def page(article):
    return read(CHAPTERS / "appendix" / "debug_clinic" / f"article_{article}.ipynb")


def examined(cell):
    # A defect with two symptoms may be examined twice, but in one cell.
    return sorted(set(re.findall(r"\bexamine\(\s*\"([^\"]*)\"", cell.source)))


@pytest.mark.parametrize("article", ARTICLES)
def test_every_defect_is_on_its_page_under_its_title_and_examined_in_a_cell_of_its_own(article):
    prose = "\n".join(cell.source for cell in page(article).cells if cell.cell_type == "markdown")
    found = re.findall(r"^\(defect-(\d{3}-\d\d)\)=\n+#{3} (.*)$", prose, re.MULTILINE)
    assert found == [(number, f"{number}: {REGISTER[number].title}") for number in numbers_of(article)]
    cells = [examined(cell) for cell in code_cells(page(article)) if examined(cell)]
    assert cells == [[number] for number in numbers_of(article)]


@pytest.mark.parametrize("article", ARTICLES)
def test_every_examination_is_stored_with_its_result(article):
    for cell in code_cells(page(article)):
        shown = "".join(output.get("text", "") for output in cell.outputs)
        for number in examined(cell):
            assert re.search(rf"^{number} with the defect: \w+", shown, re.MULTILINE), number
            assert f"{number} repaired: passes" in shown, number

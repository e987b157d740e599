"""The questions and answers: each answer says where it is shown, and each question of the articles has its row."""

import re

import pytest

from notebook_pages import CHAPTERS

PAGE = (CHAPTERS / "appendix" / "faq.md").read_text(encoding="utf-8")
# Points of the outlooks and questions of the appendices, as the articles number them.
ASKED = {
    "000": {"5, point": 5, "6, question": 3},
    "001": {"5, point": 3, "6, question": 5},
    "002": {"5, point": 4, "6, question": 4},
    "004": {"5, point": 3, "6, question": 3},
}


def answers(text):
    """Every answer by its label, without its heading."""
    found = re.split(r"(?m)^\((faq-[\w-]+)\)=\n### .*\n", text.partition("## Where it was asked")[0])
    return dict(zip(found[1::2], found[2::2], strict=True))


def rows(text):
    """The table's rows: article, section, what is asked, and the labels of the answers."""
    table = re.findall(r"(?m)^\| (\d{3}) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text)
    return [
        (article, section, asked, re.findall(r"\{ref\}`(faq-[\w-]+)`", cell)) for article, section, asked, cell in table
    ]


def mistakes(text):
    there, table = answers(text), rows(text)
    named = [label for *_, labels in table for label in labels]
    for label, answer in there.items():
        if label not in named and "No article asks" not in answer:
            yield f"{label}: no row of the table leads here"
        if not re.search(r"\{(ref|eq|cite:[pt])\}`(?!faq)", answer):
            yield f"{label}: neither a section nor a work is named"
        articles = sorted({article for article, *_, labels in table if label in labels})
        if re.findall(r"\d{3}", re.match(r"\s*(?:\*(Articles? [\d, and]+)\.\*)?", answer)[1] or "") != articles:
            yield f"{label}: its first line does not name articles {articles}"
    yield from (f"{label}: the table names no answer" for label in set(named) - set(there))
    for article, parts in ASKED.items():
        for part, count in parts.items():
            found = [section for number, section, *_ in table if number == article and section.startswith(part)]
            if found != [f"{part} {i}" for i in range(1, count + 1)]:
                yield f"article {article}: {found} instead of {part} 1 to {count}"
    yield from (f"{row[0]}, {row[1]}: no answer" for row in table if not row[3])


def test_every_question_is_answered_and_every_answer_shown():
    assert list(mistakes(PAGE)) == []
    assert {row[0] for row in rows(PAGE)} == {"000", "001", "002", "003", "004"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (r"\(faq-vae\)=", "(faq-encoder)="),
        (r"\| 000 \| 5, point 2 \|", "| 000 | 5, point 7 |"),
        (r"\{ref\}`faq-theory`", "later"),
        (r"No article asks, since none", "Nobody asks, since none"),
        (r"\*Articles 000 and 002\.\*", "*Article 000.*"),
        (r"(?s)(\(faq-optimisers\)=\n### .*?\n\n\*.*?\n\n).*?(?=\n\(faq-)", r"\1It is known.\n"),
    ],
)
def test_a_planted_mistake_is_found(before, after):
    wrong, times = re.subn(before, after, PAGE)
    assert times == 1
    assert list(mistakes(wrong)) != []

"""The bibliography: complete entries, and the articles' references compared with it field by field."""

import re

import pytest
from pybtex.database import parse_file
from pybtex.richtext import Text

from notebook_pages import CHAPTERS

ENTRIES = parse_file(str(CHAPTERS / "appendix" / "references.bib")).entries
PAGE = (CHAPTERS / "appendix" / "bibliography.md").read_text(encoding="utf-8")
VENUES = {
    "NIPS": "Advances in Neural Information Processing Systems",
    "ICML": "International Conference on Machine Learning",
    "ICLR": "International Conference on Learning Representations",
    "ECCV": "European Conference on Computer Vision",
}
PRINTED = re.compile(r"(?P<authors>[^()]+) \((?P<year>\d{4})\), \*(?P<title>[^*]+)\*(?P<rest>.*)")
FIELDS = ("authors", "title", "year", "venue", "pages", "arXiv")


def plain(text: str) -> str:
    """LaTeX without its marks."""
    return str(Text.from_latex(text))


def fields(key: str) -> dict:
    """An entry as the tables print references."""
    entry = ENTRIES[key]
    value = entry.fields.get
    return {
        "authors": [plain(" ".join(person.last_names)) for person in entry.persons["author"]],
        "title": plain(value("title")),
        "year": value("year"),
        "venue": plain(value("booktitle") or value("journal") or value("howpublished") or value("publisher") or ""),
        "pages": (value("pages") or "").replace("--", "-"),
        "arXiv": (re.search(r"arXiv:([\d.]+)", value("note") or "") or [None, ""])[1],
    }


def read_printed(text: str) -> dict:
    found = PRINTED.fullmatch(text)
    assert found, text
    rest = found["rest"].lstrip(", ")
    pages, identifier = re.search(r"pages ([\d-]+)", rest), re.search(r"arXiv:([\d.]+)", rest)
    venue = re.sub(r",?\s*(pages [\d-]+|arXiv:[\d.]+)", "", rest)
    return {
        "authors": found["authors"].split(", "),
        "year": found["year"],
        "title": found["title"],
        "venue": VENUES.get(venue, venue),
        "pages": pages[1] if pages else "",
        "arXiv": identifier[1] if identifier else "",
    }


def words(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().lower()


def agree(name: str, printed: dict, true: dict) -> bool:
    """Whether one printed field says what is true; what is not printed is not wrong."""
    here, there = printed[name], true[name]
    if name == "authors":
        return here == there
    if name == "venue":
        return not here or there.startswith(here)
    return not here or words(here) == words(there)


def differing(printed: dict, true: dict) -> set[str]:
    return {name for name in FIELDS if not agree(name, printed, true)}


def rows(article: str) -> list[list[str]]:
    table = re.search(rf"(?s)```\{{list-table\}} References of article {article}\n(.*?)\n```", PAGE)[1]
    cells = [re.split(r"\n  - ", row) for row in re.split(r"(?m)^\* - ", table)[2:]]
    return [[cell.strip() for cell in row] for row in cells]


ROWS = [(article, *row) for article in ("001", "002") for row in rows(article)]
NAMES = [f"{article}-{numbers.split(',')[0]}" for article, numbers, *_ in ROWS]


@pytest.mark.parametrize(("article", "numbers", "printed", "wrong", "right"), ROWS, ids=NAMES)
def test_what_is_called_wrong_is_what_differs(article, numbers, printed, wrong, right):
    cited = re.findall(r"\{cite:t\}`(\w+)`", right)
    printed = read_printed(printed)
    if wrong == "no such work":
        assert all(differing(printed, fields(key)) >= {"title"} for key in ENTRIES)
        return
    assert differing(printed, fields(cited[0])) == (set() if wrong == "nothing" else set(wrong.split(", ")))


@pytest.mark.parametrize(("article", "last"), [("001", 48), ("002", 35)])
def test_every_printed_number_has_its_row(article, last):
    numbers = sorted(int(number) for name, numbers, *_ in ROWS if name == article for number in numbers.split(","))
    assert numbers == list(range(1, last + 1))


@pytest.mark.parametrize("key", list(ENTRIES))
def test_an_entry_says_who_what_where_and_when(key):
    found = fields(key)
    assert found["authors"]
    assert all(found[name] for name in ("title", "year", "venue"))
    note = ENTRIES[key].fields.get("note", "")
    if note.startswith("arXiv:"):
        assert ENTRIES[key].fields["url"] == f"https://arxiv.org/abs/{found['arXiv']}"


def test_no_work_stands_there_twice():
    titles = [words(fields(key)["title"]) for key in ENTRIES]
    identifiers = [fields(key)["arXiv"] for key in ENTRIES if fields(key)["arXiv"]]
    assert len(titles) == len(set(titles))
    assert len(identifiers) == len(set(identifiers))

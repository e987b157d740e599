"""The glossary and the pages that link to it; and every rule can catch the mistake that breaks it."""

import copy

import pytest

import glossary_rules as rules
from glossary_rules import Pages
from notebook_pages import ROOT

ENTRIES = """(glossary)=
# Glossary

```{glossary}
critic
  （评判器） A discriminator of another kind. See {ref}`one`.

Fréchet distance
  （弗雷歇距离） How far apart two Gaussians are. See {ref}`two`.

generator
  （生成器） What makes examples, and
  what is trained. See {ref}`one`.

generator loss
  （生成器损失） What the generator pays. See {ref}`two`.

precision (metric)
  （精确率） A share of examples. See {ref}`two`.
```
"""
ONE = """(one)=
# The generator

The **{term}`generator`** meets a {term}`critic`; a critic is no generator.
In $generator$ and `critic` nothing is meant.

```python
fréchet = "Fréchet distance"
```
"""
TWO = """(two)=
# Distances

In single precision the {term}`generator` pays its {term}`generator loss`. The {term}`Fréchet
distance <Fréchet distance>`
sees {term}`precision <precision (metric)>` and two {term}`critics <critic>`.
"""


@pytest.fixture(scope="module")
def book():
    return Pages.read(ROOT)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_book_keeps(book, rule):
    assert list(rule(book)) == []


def test_the_glossary_is_large_and_covers_what_is_central(book):
    assert len(book.entries) >= 90
    assert set(rules.CENTRAL) <= set(book.names.values())


def test_every_chapter_is_read(book):
    assert {page.split("/")[1] for page in book.pages} == {
        "quickstart",
        "tensors",
        "probability",
        "gradient_descent",
        "tuning",
    }


@pytest.fixture
def small():
    return Pages(ENTRIES, {"one": ONE, "two": TWO}, {"chapters/appendix/faq": "See {term}`Critic`."})


def test_the_small_book_keeps_every_rule(small):
    assert [list(rule(small)) for rule in rules.RULES] == [[]] * len(rules.RULES)


def test_prose_is_what_readers_read(small):
    assert [name for _, name in rules.uses(small, ONE)] == ["critic", "generator"]
    assert [name for _, name in rules.links(small, TWO)] == [
        "generator",
        "generator loss",
        "Fréchet distance",
        "precision (metric)",
        "critic",
    ]
    text = "A generator  loss, Generators, cogenerators; a \ngenerator\nloss"
    assert [name for _, name in rules.uses(small, text)] == ["generator loss", "generator", "generator loss"]


def entries(before, after):
    def plant(book):
        assert before in book.glossary
        book.glossary = book.glossary.replace(before, after)

    return plant


def page(name, before, after):
    def plant(book):
        assert before in book.pages[name]
        book.pages[name] = book.pages[name].replace(before, after)

    return plant


MISTAKES = {
    "in_chinese_too": [
        entries("（生成器） ", ""),
        entries("（生成器） ", "（maker） "),
        entries("（生成器） ", "生成器 "),
    ],
    "defined_and_placed": [
        entries("what is trained. See {ref}`one`.", "what is trained."),
        entries("A share of examples. ", ""),
    ],
    "sorted_once": [entries("critic\n  （", "zebra\n  （"), entries("Fréchet distance\n", "Critic\n")],
    "links_resolve": [
        page("two", "<precision (metric)>", "<precision>"),
        lambda book: book.others.update({"chapters/appendix/faq": "{term}`judge`"}),
    ],
    "every_term_is_linked": [
        page("two", "{term}`generator loss`", "loss"),
        entries("critic\n", "bare\n  （裸） Unused. See {ref}`one`.\n\ncritic\n"),
    ],
    "linked_at_first": [
        page("one", "**{term}`generator`**", "**generator**"),
        page("one", "The **{term}", "Each Generator loss is one. The **{term}"),
        page("one", "a {term}`critic`", "a critic of {term}`critics <critic>`"),
    ],
    "central_terms_on_each_page": [
        page("two", "the {term}`generator` pays", "the generator pays"),
        page("two", "In single", "A critic in single"),
    ],
}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_rule_catches_its_mistakes(small, rule):
    for plant in MISTAKES[rule.__name__]:
        wrong = copy.deepcopy(small)
        plant(wrong)
        assert list(rule(wrong)) != []

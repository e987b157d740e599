"""The book as a reader gets it: built strictly, then read back page by page."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from book_tools import colab
from built_book import Page, is_external, page_files
from notebook_pages import CHAPTERS, NAMES, NOTEBOOKS, ROOT, code_cells, read, tags

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(html):
    return [Page(path) for path in page_files(html)]


@pytest.fixture(scope="module")
def chapters(pages, html):
    """The pages that we write; Sphinx makes the indexes and the search page."""
    return [page for page in pages if page.path.is_relative_to(html / "chapters")]


def test_every_page_of_the_contents_is_built(html):
    listed = re.findall(r"(?:root|file):\s*(\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert [name for name in listed if not (html / f"{name}.html").is_file()] == []


def test_no_request_leaves_the_readers_machine(pages):
    assert [(page.path.name, url) for page in pages for url in page.fetched if is_external(url)] == []


def test_no_style_sheet_fetches_from_elsewhere(html):
    for path in html.rglob("*.css"):
        found = re.findall(r"@import\s+[^;]+|url\(\s*['\"]?(?:https?:)?//[^)]+\)", path.read_text(encoding="utf-8"))
        assert [each for each in found if "//" in each] == [], path.name


def test_what_a_page_fetches_is_there(html, pages):
    missing = []
    for page in pages:
        for url in page.fetched:
            if not is_external(url) and not url.startswith("data:"):
                target = (page.path.parent / unquote(urlsplit(url).path)).resolve()
                if not target.is_file():
                    missing.append((page.path.name, url))
    assert missing == []
    assert (html / "mathjax" / "tex-mml-chtml.js").is_file()
    assert (html / "mathjax" / "LICENSE").is_file()


def test_inline_scripts_name_no_other_machine(pages):
    """Thebe and Binder are off: nothing but the repository, Colab and documentation links is named."""
    for page in pages:
        for script in re.findall(r"(?s)<script[^>]*>(.*?)</script>", page.path.read_text(encoding="utf-8")):
            assert not re.search(r"(import|fetch|src\s*=)\s*\(?['\"]https?://", script), page.path.name
    assert all("mybinder.org" not in page.path.read_text(encoding="utf-8") for page in pages)


def poor_alt_texts(page: Page) -> list[str]:
    """Alt texts that describe nothing: fewer than five words, or the name of a file."""
    texts = [image.get("alt") or "" for image in page.images]
    return [text for text in texts if len(text.split()) < 5 or re.search(r"[0-9a-f]{16,}|\.(png|svg|jpe?g)\b", text)]


def broken_links(page: Page, ids: dict[Path, list[str]]) -> list[str]:
    """Links within the book whose page or whose place on that page does not exist."""
    broken = []
    for url in page.links:
        parts = urlsplit(url)
        if parts.scheme or parts.netloc:
            continue
        target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
        if not target.exists() or (parts.fragment and unquote(parts.fragment) not in ids.get(target, [])):
            broken.append(url)
    return broken


def test_every_image_has_an_alt_text_that_says_something(chapters):
    assert sum(len(page.images) for page in chapters) > 40
    assert [(page.path.name, text) for page in chapters for text in poor_alt_texts(page)] == []


@pytest.mark.parametrize(
    "alt",
    [
        "",
        'alt=""',
        'alt="a figure of losses"',
        'alt="../_images/0123456789abcdef01.png"',
        'alt="one two three four losses.svg"',
    ],
)
def test_a_poor_alt_text_is_found(alt):
    assert len(poor_alt_texts(Page(Path("a.html"), f"<article><img src='a.png' {alt}></article>"))) == 1


def test_every_link_within_the_book_leads_to_a_page_and_a_place(pages):
    ids = {page.path: page.ids for page in pages}
    assert [(page.path.name, url) for page in pages for url in broken_links(page, ids)] == []


@pytest.mark.parametrize("url", ["b.html", "#nowhere", "a.html#nowhere", "../a.html", "b.html#here"])
def test_a_broken_link_is_found(tmp_path, url):
    path = tmp_path / "a.html"
    path.write_text(
        f"<p id='here'><a href='{url}'>a</a><a href='#here'>b</a><a href='a.html#here'>c</a>"
        "<a href='https://example.org#there'>d</a></p>"
    )
    page = Page(path)
    assert broken_links(page, {path: page.ids}) == [url]


def test_an_identifier_names_one_place_of_a_page(pages):
    assert [(page.path.name, name) for page in pages for name, n in Counter(page.ids).items() if n > 1] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_opens_on_colab(html, path):
    name = path.relative_to(ROOT).as_posix()
    account = colab.repository_url().removeprefix("https://github.com/")
    page = (html / name).with_suffix(".html").read_text(encoding="utf-8")
    assert f"https://colab.research.google.com/github/{account}/blob/main/{name}" in page


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_every_pair_of_cells_is_a_tab_set(html, path):
    page = (html / path.relative_to(ROOT)).with_suffix(".html").read_text(encoding="utf-8")
    pairs = sum("tab-pytorch" in tags(cell) for cell in code_cells(read(path)))
    assert page.count("sd-tab-set framework-tabs") == pairs
    assert colab.MARK not in page


def test_colour_follows_the_readers_system(html):
    page = (html / CHAPTERS.relative_to(ROOT) / "index.html").read_text(encoding="utf-8")
    assert 'data-default-mode="auto"' in page

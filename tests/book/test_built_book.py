"""The book as a reader gets it: built strictly, then read back page by page."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from book_tools import colab
from notebook_pages import CHAPTERS, NAMES, NOTEBOOKS, ROOT, code_cells, read, tags

pytestmark = pytest.mark.slow

# Attributes that make a browser fetch something by itself; <a href> waits for the reader.
FETCHED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("audio", "src"),
           ("embed", "src"), ("object", "data"), ("img", "srcset"), ("input", "src"), ("use", "href")}
FETCHING_LINKS = {"stylesheet", "preload", "prefetch", "preconnect", "dns-prefetch", "icon", "shortcut icon",
                  "manifest", "modulepreload"}


class Page(HTMLParser):
    """What one page fetches, which images it shows and where its links go."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.fetched, self.images, self.links = path, [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.fetched += [value for name, value in attrs if (tag, name) in FETCHED and value]
        if tag == "link" and attributes.get("rel", "").lower() in FETCHING_LINKS:
            self.fetched.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """Build the book with the flags of ``make book`` and return its folder of pages."""
    out = tmp_path_factory.mktemp("book")
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    result = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", str(ROOT), "--path-output", str(out),
         "-W", "-n", "--keep-going", "--all"],
        capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return out / "_build" / "html"


@pytest.fixture(scope="module")
def pages(html):
    """Every page; the theme leaves templates in _static that are none."""
    return [Page(path) for path in sorted(html.rglob("*.html")) if path.relative_to(html).parts[0] != "_static"]


def is_external(url: str) -> bool:
    return url.startswith("//") or urlsplit(url).scheme in ("http", "https")


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


def test_every_image_has_alt_text(pages):
    for page in pages:
        for image in page.images:
            alt = image.get("alt") or ""
            assert alt.strip(), (page.path.name, image)
            assert not re.search(r"[0-9a-f]{16,}|\.(png|svg|jpe?g)$", alt), (page.path.name, alt)


def test_links_within_the_book_lead_somewhere(pages):
    broken = []
    for page in pages:
        for url in page.links:
            parts = urlsplit(url)
            if parts.scheme or not parts.path:
                continue
            if not (page.path.parent / unquote(parts.path)).resolve().exists():
                broken.append((page.path.name, url))
    assert broken == []


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

"""What a reader can take away: every notebook, and the book as one page."""

import html as entities
import re
from urllib.parse import unquote

import nbformat
import pytest
from sphinx.errors import ExtensionError

from notebook_pages import NAMES, NOTEBOOKS, ROOT

pytestmark = pytest.mark.slow
#: Where a reader may leave to, by a click: never by loading.
LOADS = re.compile(r'<(?:img|script|link|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|href|data)="([^"]*)"')


def address_of_button(page):
    """The file that the page's own download button gives."""
    found = re.search(r'<a href="([^"]+)"[^>]*class="[^"]*btn-download-source-button', page, re.S)
    return found and unquote(found[1])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_page_offers_its_notebook(html, path):
    page = (html / path.relative_to(ROOT)).with_suffix(".html")
    address = address_of_button(page.read_text(encoding="utf-8"))
    assert address, "no download button"
    given = (page.parent / address).resolve()
    assert given.is_relative_to(html.resolve())
    assert given.suffix == ".ipynb"
    assert given.read_bytes() == path.read_bytes()
    nbformat.validate(nbformat.read(given, as_version=4))


def test_a_page_without_a_button_is_seen():
    assert address_of_button('<a href="x.ipynb" class="btn">') is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<p id="a b">', '<p id="x.y.a x.y.b">'),
        ('<a href="#a">', '<a href="#x.y.a">'),
        ('<a href="../x/z.html#a">', '<a href="#x.z.a">'),
        ('<a href="z.html">', '<a href="#x.z">'),
        ('<a href="https://elsewhere.org/z.html#a">', '<a href="https://elsewhere.org/z.html#a">'),
        ('<img src="../_images/a.png" alt="src=&quot;a&quot;">', '<img src="_images/a.png" alt="src=&quot;a&quot;">'),
        ('<a class="headerlink" href="#a">#</a><script>x</script>', ""),
        (
            '<input checked="checked" id="t" name="s" type="radio">\n<label class="sd-tab-label">\nPyTorch</label>',
            '\n<p class="sd-tab-label">\nPyTorch</p>',
        ),
        ('<details class="hide">', '<details open class="hide">'),
        ('no <b>tag</b> of ours: id="a"', 'no <b>tag</b> of ours: id="a"'),
    ],
)
def test_a_piece_of_a_page_finds_its_place_on_the_one_page(monkeypatch, text, expected):
    monkeypatch.syspath_prepend(str(ROOT / "code" / "sphinx_ext"))
    from one_page import localised

    assert localised(text, "x/y", {"x/y.html": "x/y", "x/z.html": "x/z"}) == expected


def test_a_page_that_the_theme_wrote_otherwise_is_named(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "code" / "sphinx_ext"))
    from one_page import part

    assert part(re.compile("<h1>(.*)</h1>"), "<h1>Title</h1>", "x/y") == "Title"
    with pytest.raises(ExtensionError, match=r"x/y: no '<h1>.* in its page, so ganbook.html cannot be written"):
        part(re.compile("<h1>(.*)</h1>"), "<h2>Title</h2>", "x/y")


@pytest.fixture(scope="module")
def one_page(html):
    return (html / "ganbook.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(html):
    """The book's pages by the names that the one page gives them."""
    listed = re.findall(r"(?:root|file):\s*(\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return {name.replace("/", "."): (html / f"{name}.html").read_text(encoding="utf-8") for name in listed}


def article(page):
    return re.search(r'(?s)<article class="bd-article">(.*)</article>', page)[1]


def words(text):
    """What is read of a piece of HTML."""
    text = re.sub(r'(?s)<script\b.*?</script>|<a class="headerlink".*?</a>', "", text)
    return entities.unescape(re.sub(r"<[^>]+>", " ", text)).split()


def parts(one_page):
    """The sections of the one page, by name."""
    pieces = re.split(r'<section class="one-page-document" id="([^"]+)">', one_page)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def test_the_one_page_says_every_word_of_every_page(one_page, pages):
    found = parts(one_page)
    assert list(found) == list(pages)
    for name, page in pages.items():
        said = words(article(page))
        assert words(found[name])[: len(said)] == said, name


def test_the_one_page_lists_every_title(one_page, pages):
    contents = re.search(r'(?s)<nav class="one-page-contents".*?</nav>', one_page)[0]
    for name, page in pages.items():
        title = words(re.search(r"(?s)<h1>(.*?)</h1>", article(page))[1])
        entry = re.search(rf'<a href="#{re.escape(name)}">(.*?)</a>', contents)
        assert entry, name
        assert words(entry[1]) == title


def test_the_one_page_holds_every_picture(html, one_page, pages):
    found = parts(one_page)
    total = 0
    for name, page in pages.items():
        texts = re.findall(r'<img [^>]*alt="([^"]*)"', article(page))
        assert re.findall(r'<img [^>]*alt="([^"]*)"', found[name])[: len(texts)] == texts, name
        total += len(texts)
    sources = [unquote(source) for source in re.findall(r'<img [^>]*src="([^"]+)"', one_page)]
    assert total == len(sources) > 50
    assert [source for source in sources if not source.startswith("data:") and not (html / source).is_file()] == []


def test_what_the_one_page_loads_is_there(html, one_page):
    loaded = [url.partition("?")[0] for url in LOADS.findall(one_page) if not url.startswith("data:")]
    assert any("mathjax" in url for url in loaded)
    assert [url for url in loaded if not (html / unquote(url)).is_file()] == []


def test_links_of_the_one_page_lead_somewhere(html, one_page):
    names = re.findall(r'(?<=\s)id="([^"]+)"', one_page)
    assert len(names) == len(set(names))
    links = re.findall(r'<a [^>]*href="([^"]+)"', one_page)
    inside = [entities.unescape(link[1:]) for link in links if link.startswith("#")]
    assert len(inside) > 1000
    assert sorted({link for link in inside if link not in set(map(entities.unescape, names))}) == []
    files = [link for link in links if not re.match(r"#|[a-z]+:", link)]
    assert [link for link in files if not (html / unquote(link.partition("#")[0])).exists()] == []


def test_the_one_page_is_set_for_screen_and_paper_without_a_request_off_the_machine(html, one_page, browser):
    away, errors = [], []
    with browser.new_page() as page:
        page.on(
            "request",
            lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else away.append(request.url),
        )
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.set_default_timeout(300_000)
        page.goto((html / "ganbook.html").as_uri())
        page.evaluate("MathJax.startup.promise.then(() => true)")
        assert page.locator("mjx-merror").count() == 0
        assert page.locator("mjx-container").count() == one_page.count('class="math ')
        page.emulate_media(media="print")
        hidden = page.evaluate("[...document.querySelectorAll('.sd-tab-content')].filter(e => !e.offsetHeight).length")
        assert hidden == 0
        titles = page.evaluate("[...document.querySelectorAll('h1')].map(e => e.offsetHeight > 0)")
        assert titles == [True] * one_page.count('class="one-page-document"')
        assert page.locator(".sd-tab-content").count() > 100
    assert away == []
    assert errors == []

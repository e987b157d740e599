"""The reference of the package: complete, each name once, and linked with the pages both ways."""

import io
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from notebook_pages import CHAPTERS, ROOT

EXTENSIONS = ROOT / "code" / "sphinx_ext"
PACKAGE = ROOT / "code" / "ganbook"
PAGES = sorted((CHAPTERS / "appendix" / "api").glob("*.md"))
LINK = re.compile(r'<a class="reference internal" href="([^"#]*)#([^"]+)"')


@pytest.fixture(scope="module", autouse=True)
def extensions():
    sys.path.insert(0, str(EXTENSIONS))
    yield
    sys.path.remove(str(EXTENSIONS))


@pytest.fixture(scope="module")
def register():
    from api_register import Register

    return Register(PACKAGE)


def modules_on_disk():
    for path in PACKAGE.rglob("*.py"):
        if path.name != "__main__.py":
            yield ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_stands_on_one_page():
    listed = Counter(
        name for page in PAGES for name in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))
    )
    assert listed == Counter(modules_on_disk())


def test_every_module_names_the_page_that_explains_it(register):
    silent = [
        name
        for name in modules_on_disk()
        if not register.entries[name].places and not (PACKAGE.parent / name.replace(".", "/")).is_dir()
    ]
    assert silent == []


def test_every_title_is_called_a_section_or_a_chapter(register):
    assert [(entry.name, place) for entry in register.entries.values() for place in entry.places if not place[0]] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('One line.\n\nExplained in the book\'s section "Layers".', [("section", "Layers")]),
        ('Explained in the book\'s sections "A" and "B C".', [("section", "A"), ("section", "B C")]),
        ('Explained in the book\'s section "A" and in the\n    chapter "B".', [("section", "A"), ("chapter", "B")]),
        (
            'Explained in the book\'s section "A\n    B"; first used in the section "C".',
            [("section", "A B"), ("section", "C")],
        ),
        ('Explained in the book: "A".', [("", "A")]),
        ('Explained in the book\'s section "A".\n\nThen "B".', [("section", "A")]),
        ('It says "A".', []),
    ],
)
def test_places(text, expected):
    from api_register import places

    assert places(text) == expected


def test_twins_and_families(register):
    entry = register.entries["ganbook.probability.losses_torch.hinge_generator"]
    assert (entry.family, entry.ending, entry.within) == ("ganbook.probability.losses", "torch", "hinge_generator")
    assert [twin.name for twin in register.twins(entry)] == [
        "ganbook.probability.losses_tensorflow.hinge_generator",
        "ganbook.probability.losses_numpy.hinge_generator",
    ]
    assert register.twins(register.entries["ganbook.tuning.metrics.frechet"]) == []
    assert register.origin("ganbook.gradient_descent.training", "Recipe") == "ganbook.data.recipe.Recipe"


@pytest.fixture
def build(tmp_path):
    """Build a tiny book from {document: text} and return (folder of pages, warnings)."""

    def _build(**documents):
        source = tmp_path / "source"
        for name, text in {"index": "# Index\n", **documents}.items():
            path = source / f"{name.replace('__', '/')}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"---\norphan: true\n---\n{text}", encoding="utf-8")
        warnings = io.StringIO()
        settings = {
            "extensions": ["myst_parser", "api_links"],
            "project": "tiny",
            "nitpicky": True,
            "autodoc_mock_imports": ["torch", "tensorflow", "keras"],
            "autodoc_default_options": {"members": True, "ignore-module-all": True},
        }
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                str(source),
                None,
                str(tmp_path / "out"),
                str(tmp_path / "doctrees"),
                "html",
                settings,
                status=None,
                warning=warnings,
                freshenv=True,
            )
            app.build()
        return tmp_path / "out", re.sub(r"\x1b\[[0-9;]*m", "", warnings.getvalue())

    return _build


FILES = "# Files\n\n```{eval-rst}\n.. automodule:: ganbook.data.files\n```\n"


def test_a_docstring_and_its_page_link_to_each_other(build):
    out, warnings = build(files=FILES, step="# Inside a training step\n\nSee `ganbook.data.files`.\n")
    # The list on the page also names what this tiny book has no reference of.
    assert set(re.findall(r"not found: (\w+\.\w+)", warnings)) == {"ganbook.gradient_descent"}
    assert warnings.count("WARNING") == warnings.count("not found: ganbook.gradient_descent.")
    assert 'href="step.html"' in (out / "files.html").read_text(encoding="utf-8")
    prose, listed = (out / "step.html").read_text(encoding="utf-8").split("In the package", 1)
    for text in (prose, listed):
        assert 'href="files.html#module-ganbook.data.files"' in text


def test_a_title_that_no_page_has_is_a_warning(build):
    _, warnings = build(files=FILES)
    assert "reference target not found: Inside a training step" in warnings


def test_a_section_is_no_chapter(build):
    _, warnings = build(files=FILES, chapters__step__index="# Inside a training step\n")
    assert "reference target not found: Inside a training step" in warnings


def test_a_name_that_the_package_does_not_have_is_a_warning(build):
    _, warnings = build(page="# Page\n\nSee `ganbook.data.loaf`.\n")
    assert "ganbook.data.loaf is not a name of the package" in warnings


def entries_of(page):
    return re.findall(r'<dt class="sig[^"]*" id="([^"]+)"|<(?!dt|a )[^>]*\sid="module-([^"]+)"', page)


@pytest.mark.slow
def test_every_public_name_has_one_entry(html, register):
    found = Counter(
        name or module
        for path in sorted((html / "chapters" / "appendix" / "api").glob("*.html"))
        for name, module in entries_of(path.read_text(encoding="utf-8"))
    )
    assert [name for name, entry in register.entries.items() if entry.documented and found[name] != 1] == []
    assert [name for name, entry in register.entries.items() if not entry.documented and "." not in entry.within] == []
    assert [name for name, count in found.items() if count > 1] == []


def page_of(html, title, kind):
    for path in (html / "chapters").rglob("*.html"):
        if (kind == "chapter") != (path.name == "index.html" and path.parent.parent.name == "chapters"):
            continue
        heading = re.search(r'(?s)<article.*?<h1>(.*?)<a class="headerlink', path.read_text(encoding="utf-8"))
        words = re.sub(r'<span class="section-number">.*?</span>|<[^>]+>', "", heading[1]) if heading else ""
        if words.replace("’", "'").strip() == title:
            return path
    return None


@pytest.mark.slow
def test_every_page_lists_exactly_what_names_it(html, register):
    for (kind, title), entries in register.by_place.items():
        path = page_of(html, title, kind)
        assert path, title
        listed = path.read_text(encoding="utf-8").split('class="in-the-package"')[1].split("</section>")[0]
        named = {name.removeprefix("module-") for _, name in LINK.findall(listed)}
        families = {entry.family for entry in entries}
        assert {register.entries[name].family for name in named} == families, title
        assert {(entry.family, entry.within) for entry in entries if entry.within} == {
            (register.entries[name].family, register.entries[name].within)
            for name in named
            if register.entries[name].within
        }, title
        for address, name in LINK.findall(listed):
            target = (path.parent / Path(address)).resolve().read_text(encoding="utf-8")
            assert f'id="{name}"' in target, name


@pytest.mark.slow
def test_every_docstring_is_understood(html):
    """What docutils cannot make sense of it marks; inside a page of Markdown it does so without a warning."""
    for path in (html / "chapters" / "appendix" / "api").glob("*.html"):
        page = path.read_text(encoding="utf-8")
        assert re.findall(r'class="(?:problematic|system-message)"[^>]*>([^<]*)', page) == [], path.name


@pytest.mark.slow
def test_every_sentence_of_a_docstring_is_a_link(html):
    for path in (html / "chapters" / "appendix" / "api").glob("*.html"):
        for sentence in re.findall(r"(?s)<p>(Explained in the book.*?)</p>", path.read_text(encoding="utf-8")):
            assert '<a class="reference internal"' in sentence, sentence
            assert "“" not in sentence, sentence

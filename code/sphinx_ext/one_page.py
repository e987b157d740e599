"""Write the whole book as one page, ``ganbook.html``, to print or to keep as one file of text.

It is made from the finished pages, so that it says what they say: the same numbers, pictures and alternative texts.
Every identifier gets the name of its page in front, and every link within the book leads to the place on this page.
Both tabs are shown, solutions and folded cells are open, and of an interactive figure there is the still picture.
"""

import html
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

NAME = "ganbook.html"
_ARTICLE = re.compile(r'(?s)<article class="bd-article">(.*)</article>')
_DROPPED = re.compile(r'(?s)<script\b.*?</script>|<a class="headerlink".*?</a>|<input\b[^>]*type="radio"[^>]*>')
_TAB = re.compile(r'(?s)<label [^>]*class="sd-tab-label"[^>]*>(.*?)</label>')
_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_ATTRIBUTE = re.compile(r'(?<=\s)(id|name|for|aria-\w+|href|src|data|poster|xlink:href)="([^"]*)"')
_NAMES = {"id", "name", "for", "aria-controls", "aria-labelledby", "aria-describedby", "aria-details", "aria-owns"}
_ADDRESSES = {"href", "src", "data", "poster", "xlink:href"}
_SCROLLS = 'class="pst-scrollable-table-container"'
_TITLE = re.compile(r"(?s)<h1>(.*?)</h1>")


def contents(app: Sphinx) -> Iterator[tuple[str, str, int]]:
    """Yield ("part", heading, 0) and ("page", document, depth) in the order of the book."""
    root = app.config.root_doc

    def below(docname: str, depth: int) -> Iterator[tuple[str, str, int]]:
        for toctree in app.env.get_doctree(docname).findall(addnodes.toctree):
            if docname == root and toctree.get("caption"):
                yield "part", toctree["caption"], 0
            for _, child in toctree["entries"]:
                if child in app.env.found_docs:
                    yield "page", child, depth
                    yield from below(child, depth + 1)

    yield "page", root, 0
    seen = {root}
    for kind, name, depth in below(root, 0):
        if kind == "part" or name not in seen:
            yield kind, name, depth
        if kind == "page":
            seen.add(name)


def slug(docname: str) -> str:
    """The identifier of a document on the one page."""
    return docname.replace("/", ".")


def localised(article: str, docname: str, pages: dict[str, str]) -> str:
    """Return the inside of an article with its identifiers and addresses as the one page needs them.

    Args:
        article: HTML.
        docname: where it comes from.
        pages: the documents by their addresses seen from the book's folder.
    """
    prefix, folder = slug(docname) + ".", posixpath.dirname(docname)

    def address(url: str) -> str:
        path, hash_, fragment = url.partition("#")
        if re.match(r"[a-zA-Z][\w+.-]*:|//", url):
            return url
        target = posixpath.normpath(posixpath.join(folder, unquote(path))) if path else ""
        if path and target not in pages:
            return posixpath.normpath(posixpath.join(folder, path)) + hash_ + fragment
        page = slug(pages[target] if path else docname)
        return f"#{page}.{fragment}" if fragment else f"#{page}"

    def attribute(match: re.Match[str]) -> str:
        key, value = match[1], html.unescape(match[2])
        if key in _NAMES:
            value = " ".join(prefix + name for name in value.split())
        elif key in _ADDRESSES:
            value = address(value)
        return f'{key}="{html.escape(value)}"'

    def tag(match: re.Match[str]) -> str:
        text = _ATTRIBUTE.sub(attribute, match[0]).replace("url(#", f"url(#{prefix}")
        text = text.replace("<details", "<details open", 1) if " open" not in text else text
        # What scrolls by itself can be reached by keyboard.
        return text.replace(_SCROLLS, f'{_SCROLLS} tabindex="0"')

    return _TAG.sub(tag, _TAB.sub(r'<p class="sd-tab-label">\1</p>', _DROPPED.sub("", article)))


def part(pattern: re.Pattern[str], text: str, docname: str) -> str:
    """The group that a pattern catches in the HTML of a document.

    Raises:
        ExtensionError: there is none: the theme writes its pages otherwise than this extension expects.
    """
    found = pattern.search(text)
    if found is None:
        raise ExtensionError(f"{docname}: no {pattern.pattern!r} in its page, so {NAME} cannot be written")
    return found[1]


def head(page: str, relative: Callable[[str], str]) -> str:
    """The style sheets and the formulas' script of a page, for a page in the book's folder."""
    sheets = re.findall(r'<link [^>]*href="([^"]+\.css[^"]*)"', page)
    lines = [f'<link rel="stylesheet" href="{relative(sheet)}">' for sheet in sheets]
    lines += re.findall(r"<script>window\.MathJax = .*?</script>", page)
    lines += [
        f'<script defer src="{relative(source)}"></script>'
        for source in re.findall(r'<script [^>]*src="([^"]*mathjax/[^"]+)"', page)
    ]
    return "\n".join(lines)


def write_one_page(app: Sphinx, exception: Exception | None) -> None:
    """Write the one page beside the built ones."""
    if exception or app.builder.name != "html":
        return
    out = Path(app.outdir)
    lines = list(contents(app))
    documents = [name for kind, name, _ in lines if kind == "page"]
    pages = {f"{docname}.html": docname for docname in documents}
    texts = {docname: (out / f"{docname}.html").read_text(encoding="utf-8") for docname in documents}
    root = app.config.root_doc
    folder = posixpath.dirname(root)
    bodies = {docname: localised(part(_ARTICLE, text, docname), docname, pages) for docname, text in texts.items()}
    listed = []
    for kind, name, depth in lines:
        if kind == "part":
            listed.append(f'<p class="one-page-part">{html.escape(name)}</p>')
        else:
            title = re.sub(r"<[^>]+>", "", part(_TITLE, bodies[name], name))
            listed.append(f'<p class="one-page-line one-page-depth-{depth}"><a href="#{slug(name)}">{title}</a></p>')
    sections = [
        f'<section class="one-page-document" id="{slug(docname)}">{body}</section>' for docname, body in bodies.items()
    ]
    sections.insert(1, f'<nav class="one-page-contents" aria-label="Contents"><h2>Contents</h2>{"".join(listed)}</nav>')
    title = html.escape(app.config.html_title or app.config.project)
    (out / NAME).write_text(
        f"""<!DOCTYPE html>
<html lang="{app.config.language or "en"}" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{head(texts[root], lambda url: posixpath.normpath(posixpath.join(folder, url)))}
<link rel="icon" href="_static/favicon.svg">
</head>
<body class="one-page">
<main class="bd-main"><div class="bd-content"><div class="bd-article-container"><article class="bd-article">
{chr(10).join(sections)}
</article></div></div></main>
</body>
</html>
""",
        encoding="utf-8",
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the page when all others are there."""
    app.add_css_file("one_page.css")
    app.connect("build-finished", write_one_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

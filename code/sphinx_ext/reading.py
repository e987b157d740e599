"""What the theme leaves undone for the reader: nothing fetched in vain, everything named, everything on paper.

Four things: a style sheet and a script of the book's own (``static/reading.css`` and ``static/reading.js``), no trace
of Thebe, a list of references that a screen reader understands, and no identifier twice on a page.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

STATIC = Path(__file__).parent / "static"


def drop_thebe(app: Sphinx, config: Any) -> None:
    """Take Thebe off every page: Jupyter Book loads its extension even where the launch button is off.

    Its scripts would address a server that the book does not use, and they declare one constant twice, which a browser
    reports as an error on every page.
    """
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if getattr(listener.handler, "__name__", "") in ("init_thebe_core", "update_thebe_context"):
                app.disconnect(listener.id)


def drop_repeated_ids(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Take the same two identifiers off the bodies of all exercises and solutions; nothing links to them."""
    for section in doctree.findall(nodes.section):
        section["ids"] = [name for name in section["ids"] if name not in ("exercise-content", "solution-content")]


def visit_citation(translator: HTML5Translator, node: nodes.citation) -> None:
    """Write a reference as an item of its list; docutils gives it a role that lists may not hold any more."""
    HTML5Translator.visit_citation(translator, node)
    start = max(i for i, piece in enumerate(translator.body) if 'role="doc-biblioentry"' in piece)
    translator.body[start] = translator.body[start].replace('role="doc-biblioentry"', 'role="listitem"')


def depart_citation(translator: HTML5Translator, node: nodes.citation) -> None:
    """Close the item as docutils does."""
    HTML5Translator.depart_citation(translator, node)


def _add_static_path(app: Sphinx) -> None:
    if str(STATIC) not in app.config.html_static_path:
        app.config.html_static_path.append(str(STATIC))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the style sheet, the script and the repairs."""
    app.connect("config-inited", drop_thebe)
    app.connect("doctree-resolved", drop_repeated_ids)
    app.connect("builder-inited", _add_static_path)
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    app.add_css_file("reading.css")
    app.add_js_file("reading.js", defer="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Links between the book's pages and the reference of the package, both ways and from one source.

A docstring that ends in ``Explained in the book's section "Layers".`` links to that page, and that page ends in a list
"In the package" of what names it.  A title that no page has, a name that the package does not have, and a sentence that
does not say whether it means a section or a chapter, are warnings.
"""

import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from api_register import ENDINGS, SENTENCE, Entry, Place, Register, places
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import PycodeError
from sphinx.ext import napoleon
from sphinx.ext.autodoc.mock import _MockObject
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer
from sphinx.roles import XRefRole
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.inspect import stringify_signature
from sphinx.util.nodes import make_refnode

CODE = Path(__file__).resolve().parents[1]
PACKAGE = CODE / "ganbook"
ROLES = {"section": "book-section", "chapter": "book-chapter"}
HEADING = "In the package"
_NAME = re.compile(r"ganbook(\.\w+)+(\(\))?")
_RETURNS = re.compile(r"(?m)^Returns:\n((?:[ \t]+\S.*\n?|\n(?=[ \t]))+)")
_FIELD = re.compile(r"(?m)^ *:(?:param|ivar) [^:]+:")
_STYLE: Any = napoleon.Config(napoleon_use_ivar=True)  # as Sphinx documents; it annotates another Config
_LOGGER = logging.getLogger(__name__)
_REGISTERS: WeakKeyDictionary[Sphinx, Register] = WeakKeyDictionary()


def place_of(docname: str, title: str) -> Place:
    """How docstrings name a page: a chapter's first page by the chapter, every other as a section."""
    kind = "chapter" if docname.startswith("chapters/") and docname.endswith("/index") else "section"
    return kind, title.replace("’", "'")


def write_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Turn a docstring into reStructuredText, the titles in its last sentence into links, and name the twins."""
    # What comes back has no type before its colon, and neither has the comment of a constant.
    text = _RETURNS.sub(lambda block: f":returns:\n{block[1].rstrip()}\n", "\n".join(lines))
    what = "object" if what in ("data", "attribute", "property") else what
    text = str(GoogleDocstring(text, _STYLE, app, what, name, obj, options))
    # In a field's name a blank would part a type from the name: "x, y" is written without, and read with one.
    text = _FIELD.sub(lambda field: field[0].replace(", ", ",").replace("_,", r"\_,"), text)
    named = places(text)
    for kind, title in named:
        if not kind:
            _LOGGER.warning('%s: "%s" is neither called a section nor a chapter', name, title, type="api_links")

    def linked(sentence: re.Match[str]) -> str:
        rest = iter(named)
        return "\n\n" + re.sub(r'"[^"]+"', lambda _: _role(*next(rest)), sentence[0])

    text = SENTENCE.sub(linked, text, count=1)
    entry = _REGISTERS[app].entries.get(name)
    twins = _REGISTERS[app].twins(entry) if entry and what in ("module", "class", "function") else []
    if twins:
        text += "\n\nTwins: " + ", ".join(f":py:obj:`{ENDINGS[twin.ending]} <{twin.name}>`" for twin in twins) + ".\n"
    lines[:] = text.split("\n")


def write_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: object, signature: str | None, result: str | None
) -> tuple[str | None, str | None] | None:
    """Show a signature as the source writes it; evaluated annotations are long and name what is private elsewhere."""
    entry = _REGISTERS[app].entries.get(name)
    if entry and entry.signature and what != "property":  # whose type autodoc writes by itself
        return entry.signature
    if what == "class" and signature:
        return stringify_signature(inspect.signature(obj), show_return_annotation=False), None
    return None


def _role(kind: str, title: str) -> str:
    return f":{ROLES[kind]}:`{title}`" if kind else f'"{title}"'


def resolve_place(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, contnode: nodes.Element
) -> nodes.Element | None:
    """Resolve a link to a page by the page's title."""
    if node["reftype"] not in ROLES.values():
        return None
    for docname, title in env.titles.items():
        kind, text = place_of(docname, title.astext())
        if (ROLES[kind], text) == (node["reftype"], node["reftarget"]):
            return make_refnode(app.builder, node["refdoc"], docname, None, contnode)
    return None


class ApiLinks(SphinxTransform):
    """Link full names in running text, and end a page with what the package has for it."""

    default_priority = 700

    def apply(self, **kwargs: Any) -> None:
        """Run over one page."""
        for literal in list(self.document.findall(nodes.literal)):
            if _NAME.fullmatch(literal.astext()) and not _is_linked(literal):
                self._link(literal)
        for node in list(self.document.findall(addnodes.pending_xref)):
            if (node.get("refdomain"), node["reftype"]) == ("py", "class"):
                self._resolve_annotation(node)
        for name in self.document.findall(addnodes.literal_strong):
            name[:] = [nodes.Text(name.astext().replace(",", ", "))]
        page = next(iter(self.document.findall(nodes.section)), None)
        if page is not None:
            title = page.next_node(nodes.title).astext()
            entries = _REGISTERS[self.app].by_place.get(place_of(self.env.docname, title), [])
            if entries:
                page += self._list(entries)

    def _link(self, literal: nodes.literal) -> None:
        name = literal.astext().removesuffix("()")
        register = _REGISTERS[self.app]
        full = register.names.get(name, name)
        if full in register.entries:
            literal.replace_self(reference(full, literal.deepcopy()))
        elif name not in register.names:
            _LOGGER.warning("%s is not a name of the package", name, location=literal, type="api_links")

    def _resolve_annotation(self, node: addnodes.pending_xref) -> None:
        """Say in full which class of the package is meant; leave names of foreign packages and aliases as text.

        Sphinx would take the first class of that name, which may be the other twin's.
        """
        register = _REGISTERS[self.app]
        target, full = node["reftarget"], register.origin(node.get("py:module") or "", node["reftarget"])
        if full in register.entries:
            node["reftarget"] = full
            node.attributes.pop("refspecific", None)
        elif register.is_known(target) or ("." in target and not target.startswith(PACKAGE.name)):
            node.replace_self(node.children)

    def _list(self, entries: list[Entry]) -> nodes.section:
        section = nodes.section(classes=["in-the-package"])
        section += nodes.title(HEADING, HEADING)
        section.source, section.line = self.document.current_source, 1
        self.document.note_implicit_target(_named(section), section)
        families: dict[str, list[Entry]] = {}
        for entry in entries:
            families.setdefault(entry.family, []).append(entry)
        items = (nodes.list_item("", self._line(family, found)) for family, found in families.items())
        section += nodes.bullet_list("", *items, bullet="-")
        return section

    def _line(self, family: str, entries: list[Entry]) -> nodes.paragraph:
        """The modules of one family and the names in them; a name that twins share is listed once."""
        register = _REGISTERS[self.app]
        twins = [f"{family}_{ending}" for ending in ENDINGS]
        modules = [name for name in twins if name in register.entries] or [family]
        names = {
            entry.within: entry
            for ending in ("", *reversed(ENDINGS))
            for entry in reversed(entries)
            if entry.ending == ending and entry.within
        }
        ordered = dict.fromkeys(entry.within for entry in entries if entry.within)
        line = nodes.paragraph()
        line += _joined(
            reference(name, _literal(name if i == 0 else name.rpartition(".")[2])) for i, name in enumerate(modules)
        )
        if names:
            line += nodes.Text(": ")
            line += _joined(reference(names[name].name, _literal(name)) for name in ordered)
        return line


def reference(name: str, content: nodes.Node) -> addnodes.pending_xref:
    """A link to a name's entry in the reference; a name that has none is a warning."""
    return addnodes.pending_xref(
        "",
        content,
        refdomain="py",
        reftype="obj",
        reftarget=name,
        refexplicit=True,
        refwarn=True,
        **{"py:module": None, "py:class": None},
    )


def _literal(text: str) -> nodes.literal:
    return nodes.literal(text, text, classes=["xref", "py"])


def _joined(parts: Iterable[nodes.Node]) -> list[nodes.Node]:
    found: list[nodes.Node] = []
    for part in parts:
        found += [nodes.Text(", "), part] if found else [part]
    return found


def _named(section: nodes.section) -> nodes.section:
    section["names"].append(nodes.fully_normalize_name(HEADING))
    return section


def _is_linked(node: nodes.Node) -> bool:
    """Whether a node stands in a link, a heading or a signature."""
    while node is not None:
        if isinstance(node, (nodes.reference, addnodes.pending_xref, nodes.title, addnodes.desc_signature)):
            return True
        node = node.parent
    return False


def _read_package(app: Sphinx) -> None:
    _REGISTERS[app] = Register(PACKAGE)
    ModuleAnalyzer.cache = _SourceOfStandIns(app.config.autodoc_mock_imports)


class _SourceOfStandIns(dict):
    """Sphinx's cache of modules' sources, in which the frameworks have none, so that it does not import them."""

    def __init__(self, mocked: list[str]):
        super().__init__()
        self.mocked = mocked

    def __contains__(self, key: Any) -> bool:
        return super().__contains__(key) or (key[0] == "module" and key[1].partition(".")[0] in self.mocked)

    def __missing__(self, key: tuple[str, str]) -> PycodeError:
        return PycodeError(f"{key[1]} is mocked")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the roles, the handlers and the transform; document the package that lies beside this file."""
    sys.path.insert(0, str(CODE))
    app.setup_extension("sphinx.ext.autodoc")
    # A module may write ``float | Tensor``, which a stand-in for a framework's class cannot answer by itself.
    for operator in ("__or__", "__ror__"):
        setattr(_MockObject, operator, lambda mock, other: mock)
    for role in ROLES.values():
        app.add_role(role, XRefRole(innernodeclass=nodes.inline, warn_dangling=True))
    app.connect("builder-inited", _read_package)
    app.connect("autodoc-process-docstring", write_docstring)
    app.connect("autodoc-process-signature", write_signature)
    app.connect("missing-reference", resolve_place)
    app.add_transform(ApiLinks)
    app.add_css_file("api_links.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

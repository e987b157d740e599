"""Show neighbouring notebook cells tagged ``tab-pytorch`` and ``tab-tensorflow`` as one set of synced tabs.

MyST-NB has no way to put code cells into tabs, so this transform builds the nodes that sphinx-design's own ``tab-set``
directive would build.  The choice is kept by the reader's browser and holds for every tab set of the book; paper and
LaTeX show both.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx_design.shared import create_component

LABELS = {"tab-pytorch": "PyTorch", "tab-tensorflow": "TensorFlow"}
ORDER = tuple(LABELS)
_LOGGER = logging.getLogger(__name__)


def tab_of(node: nodes.Node) -> str | None:
    """Return the tab tag of a code cell, and None for every other node; warn of a tag that names no framework."""
    if not isinstance(node, nodes.container) or node.get("nb_element") != "cell_code":
        return None
    tabs = [tag for tag in node.get("cell_metadata", {}).get("tags", []) if tag.startswith("tab")]
    wrong = [tag for tag in tabs if tag not in LABELS]
    if wrong or len(tabs) > 1:
        _warn(f"cell tags are {', '.join(tabs)}; accepted: one of {', '.join(ORDER)}", node)
        return None
    return tabs[0] if tabs else None


def pairs(children: list[nodes.Node]) -> Iterator[tuple[int, nodes.container, nodes.container]]:
    """Yield the index and both cells of every pair, PyTorch first; warn of a cell without its twin."""
    tags = [tab_of(child) for child in children]
    index = 0
    while index < len(tags):
        if tuple(tags[index : index + 2]) == ORDER:
            yield index, children[index], children[index + 1]
            index += 2
            continue
        if tags[index]:
            _warn(
                f"a cell tagged {tags[index]} stands alone; a {ORDER[0]} cell and a {ORDER[1]} cell must follow "
                "each other in this order",
                children[index],
            )
        index += 1


def _warn(message: str, node: nodes.Node) -> None:
    _LOGGER.warning(message, location=node, type="framework_tabs")


def _tab_item(tag: str, cell: nodes.container) -> nodes.container:
    """Return one tab: exactly a rubric and a content, which is what sphinx-design's HTML transform expects."""
    label = nodes.rubric(
        LABELS[tag], LABELS[tag], classes=["sd-tab-label"], sync_group="framework", sync_id=tag.removeprefix("tab-")
    )
    content = create_component("tab-content", classes=["sd-tab-content"], children=[cell])
    return create_component("tab-item", classes=["sd-tab-item"], selected=False, children=[label, content])


class FrameworkTabs(SphinxTransform):
    """Replace each pair of cells by a tab set."""

    default_priority = 700

    def apply(self, **kwargs: Any) -> None:
        """Run over every node that holds code cells."""
        cells = [node for node in self.document.findall(nodes.container) if node.get("nb_element") == "cell_code"]
        for parent in dict.fromkeys(cell.parent for cell in cells):
            for index, *pair in reversed(list(pairs(parent.children))):
                items = [_tab_item(tag, cell) for tag, cell in zip(ORDER, pair, strict=True)]
                tab_set = create_component("tab-set", classes=["sd-tab-set", "framework-tabs"], children=items)
                tab_set.source, tab_set.line = pair[0].source, pair[0].line
                parent[index : index + 2] = [tab_set]


def _add_static_path(app: Sphinx) -> None:
    app.config.html_static_path.append(str(Path(__file__).parent / "static"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform and its style sheet."""
    app.setup_extension("sphinx_design")
    app.add_transform(FrameworkTabs)
    app.connect("builder-inited", _add_static_path)
    app.add_css_file("framework_tabs.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

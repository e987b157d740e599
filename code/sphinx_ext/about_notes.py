"""Say below the output of a cell tagged ``about-N`` within how many per cent its numbers are held."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

_LOGGER = logging.getLogger(__name__)


class AboutNotes(SphinxTransform):
    """Close every such output with one line."""

    default_priority = 690  # before the tabs take the cells

    def apply(self, **kwargs: Any) -> None:
        """Run over every output of a code cell; warn of a tag without its number."""
        containers = list(self.document.findall(nodes.container))
        for output in (each for each in containers if each.get("nb_element") == "cell_code_output"):
            tags = output.parent["cell_metadata"].get("tags", [])
            for tag in (tag for tag in tags if tag.startswith("about")):
                number = re.fullmatch(r"about-(\d+)", tag)
                if number is None:
                    _LOGGER.warning(
                        f"cell tag is {tag}; accepted: about-N, as in about-5", location=output, type="about_notes"
                    )
                else:
                    text = f"Numbers agree within {number[1]} % on other processors."
                    output += nodes.paragraph(text, text, classes=["about-note"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform; the line's look is in ``reading.css``."""
    app.add_transform(AboutNotes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

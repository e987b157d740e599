"""The Colab set-up cell: its one text, and where it installs the package from.

That is a copy of the project in the folder where Colab starts, if there is one, and the book's public home otherwise.
"""

from pathlib import Path

import yaml

from book_tools.environment import ROOT

PLACEHOLDER = "YOUR_ACCOUNT"  # in the address, as long as the book has no public home
TAG = "remove-cell"  # the page need not show it; Colab and Jupyter do
MARK = """\
# Set-up: installs the package on Google Colab, and prepares
# PyTorch and TensorFlow for one process."""
_TEXT = f"""\
{MARK}
import sys
from importlib.util import find_spec

if "google.colab" in sys.modules and not find_spec("ganbook"):
    from glob import glob

    copies = [f"./{{{{path[:-13]}}}}" for path in glob("*/code/ganbook")]
    source = [*copies, "git+{{url}}"][0]
    if "{PLACEHOLDER}" in source:
        raise SystemExit(
            "The book has no public address yet: upload or clone its "
            "folder into /content, and run this cell again.")
    %pip install --quiet "{{{{source}}}}"

import ganbook  # noqa: F401  before either framework
"""


def repository_url(config: Path = ROOT / "_config.yml") -> str:
    """Return ``repository.url`` of ``_config.yml``, the one place that says where the book lives."""
    return yaml.safe_load(config.read_text(encoding="utf-8"))["repository"]["url"]


def cell_source(url: str) -> str:
    """Return the source of the set-up cell that installs the package alone from ``url``."""
    return _TEXT.format(url=url).rstrip("\n")


def is_colab_cell(cell: dict) -> bool:
    """Return whether a notebook cell is the set-up cell, whatever repository it names."""
    return cell["cell_type"] == "code" and cell["source"].startswith(MARK)

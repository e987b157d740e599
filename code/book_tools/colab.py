"""The Colab set-up cell: its one text, and the repository it installs the package from."""

from pathlib import Path

import yaml

from book_tools.environment import ROOT

TAG = "remove-cell"  # the page need not show it; Colab and Jupyter do
MARK = """\
# Set-up: installs the package on Google Colab, and prepares
# PyTorch and TensorFlow for one process."""
_TEXT = f"""\
{MARK}
import sys

if "google.colab" in sys.modules:
    %pip install --quiet "ganbook @ git+{{url}}"

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

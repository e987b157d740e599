"""The Colab cell and the book's public address."""

import ast
import importlib.util
import shutil
import sys
import types
from pathlib import Path

import IPython.core.interactiveshell
import nbformat
import nbformat.v4
import pytest

from book_tools import colab, home

ROOT = Path(__file__).resolve().parents[2]
NEW = "https://github.com/some-one/a.book"


@pytest.fixture
def project(tmp_path):
    shutil.copy(ROOT / "_config.yml", tmp_path)
    folder = tmp_path / "chapters" / "one"
    folder.mkdir(parents=True)
    cells = [
        nbformat.v4.new_markdown_cell("# One"),
        nbformat.v4.new_code_cell(colab.cell_source(colab.repository_url()), metadata={"tags": [colab.TAG]}),
        nbformat.v4.new_code_cell("url = 'https://github.com/YOUR_ACCOUNT/ganbook'"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "one.ipynb")
    return tmp_path


def test_home_writes_the_address_everywhere(project):
    changed = home.set_home(NEW + ".git/", project)
    assert {path.name for path in changed} == {"_config.yml", "one.ipynb"}
    assert colab.repository_url(project / "_config.yml") == NEW
    cells = nbformat.read(project / "chapters/one/one.ipynb", as_version=4).cells
    assert cells[1].source == colab.cell_source(NEW)
    assert "YOUR_ACCOUNT" in cells[2].source
    before, after = (ROOT / "_config.yml").read_text().splitlines(), (project / "_config.yml").read_text().splitlines()
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 1
    assert home.set_home(NEW, project) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "github.com/a/b",
        "https://github.com/a",
        "https://github.com/a/b/c",
        "http://github.com/a/b",
        "https://example.org/a/b",
        "https://github.com/a/b c",
        'https://github.com/a/b"; rm',
        "https://github.com/a/..",
    ],
)
def test_a_wrong_address_is_an_error_and_changes_nothing(project, url, capsys):
    before = (project / "_config.yml").read_bytes()
    with pytest.raises(ValueError, match="accepted: https://github"):
        home.set_home(url, project)
    assert (project / "_config.yml").read_bytes() == before
    assert home.main([url]) == 2
    assert "make home: URL is" in capsys.readouterr().err


def test_a_configuration_without_the_line_is_an_error(project):
    (project / "_config.yml").write_text("title: x\n")
    with pytest.raises(ValueError, match=r"no line 'url:'"):
        home.set_home(NEW, project)


def test_the_set_up_cell_installs_on_colab_alone():
    source = colab.cell_source("https://github.com/a/b")
    assert '"git+https://github.com/a/b"' in source
    assert "requirements" not in source
    tree = ast.parse(source.replace("%pip install", "pip_install = ").replace("--quiet ", ""))
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    assert len(guarded) == 1
    assert ast.unparse(guarded[0].test) == "'google.colab' in sys.modules and (not find_spec('ganbook'))"
    assert all(isinstance(node, ast.Import | ast.ImportFrom | ast.If) for node in tree.body)
    # The package is imported last, wherever the notebook runs, and before any framework.
    assert ast.unparse(tree.body[-1]) == "import ganbook"


class Shell(IPython.core.interactiveshell.InteractiveShell):
    """A shell that keeps what %pip is asked, and does nothing."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.register_magic_function(self.asked.append, "line", "pip")


@pytest.fixture
def colab_shell(monkeypatch, tmp_path):
    """A shell on a stand-in for Colab, without the package, in an empty folder."""
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ganbook" else found(name))
    monkeypatch.chdir(tmp_path)
    return Shell()


def test_without_a_home_and_a_copy_one_sentence_says_what_to_do(colab_shell):
    outcome = colab_shell.run_cell(colab.cell_source("https://github.com/YOUR_ACCOUNT/ganbook"))
    assert isinstance(outcome.error_in_exec, SystemExit)
    assert str(outcome.error_in_exec) == (
        "The book has no public address yet: upload or clone its folder into /content, and run this cell again."
    )
    assert colab_shell.asked == []


@pytest.mark.parametrize("url", ["https://github.com/YOUR_ACCOUNT/ganbook", NEW])
def test_a_copy_in_the_folder_is_what_is_installed(colab_shell, tmp_path, url):
    (tmp_path / "ganbook-main" / "code" / "ganbook").mkdir(parents=True)
    colab_shell.run_cell(colab.cell_source(url)).raise_error()
    assert colab_shell.asked == ['install --quiet "./ganbook-main"']


def test_the_public_home_is_what_is_installed(colab_shell):
    colab_shell.run_cell(colab.cell_source(NEW)).raise_error()
    assert colab_shell.asked == [f'install --quiet "git+{NEW}"']

"""The set-up cell in an environment like Colab's: it adds the package, leaves the rest, and the notebooks run there."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from book_tools import colab
from ganbook import data
from notebook_pages import NOTEBOOKS, ROOT, code_cells, read

# Installing, running and removing gigabytes takes as long as network and disk take.
pytestmark = [pytest.mark.slow, pytest.mark.downloads, pytest.mark.timeout(1800)]

# What Colab ships, 19 August 2026, on Python 3.13; on 3.11, which it left, the torch that is pinned for this book.
SHIPPED = (
    "torch==2.13.0" if sys.version_info < (3, 12) else "torch==2.11.0",
    "tensorflow==2.20.0",
    "keras==3.13.2",
    "numpy==2.1.3",
    "matplotlib==3.10.0",
    "mlxtend==0.23.4",
    "pillow==11.3.0",
    "scikit-learn==1.6.1",
    "scipy==1.16.3",
    "ipython==7.34.0",
    "ipykernel==6.17.1",
)
HOME = "https://github.com/some-one/ganbook"
# Notebooks that are executed there whole, another three for another seed.
SAMPLE = random.Random(13).sample(NOTEBOOKS, 3)
# Colab is recognised by this module; its notebooks run in IPython, whose %pip installs into the running environment.
RUN_CELLS = """
import json, sys
import google.colab
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for name, source in json.load(sys.stdin):
    outcome = shell.run_cell(source)
    if not outcome.success:
        sys.exit(f"{name}: {outcome.error_before_exec or outcome.error_in_exec!r}")
"""


class Environment:
    """A virtual environment that holds what Colab ships, and a stand-in for its own module."""

    def __init__(self, folder: Path, repository: Path):
        self.python = folder / "bin" / "python"
        self.variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        # git then clones from here whatever the cell asks of the book's public home.
        self.variables |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": HOME,
            "IPYTHONDIR": str(folder / "ipython"),
        }
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)

    def run(self, *arguments: str, cells: list[tuple[str, str]] | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.python, *arguments],
            input=None if cells is None else json.dumps(cells),
            capture_output=True,
            text=True,
            env=self.variables,
            check=False,
        )

    def run_cells(self, cells: list[tuple[str, str]]) -> subprocess.CompletedProcess:
        return self.run("-c", RUN_CELLS, cells=cells)

    def kernel(self, folder: Path) -> str:
        """Describe a kernel of this environment in a folder of Jupyter's; return the kernel's name."""
        described = folder / "kernels" / "shipped" / "kernel.json"
        described.parent.mkdir(parents=True)
        # The notebooks find the package that the set-up cell installed, not the one beside these tests.
        described.write_text(
            json.dumps(
                {
                    "argv": [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                    "language": "python",
                    "display_name": "What Colab ships",
                    "env": {"PYTHONPATH": ""},
                }
            )
        )
        return "shipped"

    def packages(self) -> dict[str, str]:
        listed = self.run("-m", "pip", "list", "--format", "json", "--disable-pip-version-check").stdout
        return {each["name"].lower(): each["version"] for each in json.loads(listed)}


def first_cells(count: int) -> list[tuple[str, str]]:
    """The first code cells of every notebook, each text once, in the order of the book's files."""
    found = {}
    for path in NOTEBOOKS:
        for cell in code_cells(read(path))[:count]:
            found.setdefault(cell.source, f"{path.stem}: {cell.id}")
    return [(name, source) for source, name in found.items()]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git here, or no repository of it to install the package from")
    # pip clones without the files' contents; from a clone whose history is cut off, git then fetches for ever.
    shallow = subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True)
    if shallow.stdout.strip() != "false":
        pytest.skip("the repository's history is cut off; git fetch --unshallow brings it")
    folder = tmp_path_factory.mktemp("colab")
    repository = folder / "ganbook.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(repository)], check=True)
    made = Environment(folder / "venv", repository)
    # Not compiled: Python compiles what is imported, when it is.
    shipped = made.run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", *SHIPPED)
    if shipped.returncode:
        pytest.skip(f"Colab's versions cannot be installed here: {shipped.stderr.strip().splitlines()[-1]}")
    paths = made.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
    stand_in = Path(paths) / "google" / "colab" / "__init__.py"
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text('"""A stand-in."""\n')
    yield made
    shutil.rmtree(folder)  # some gigabytes, which pytest would keep


@pytest.fixture(scope="module")
def set_up(environment):
    """The environment's packages before and after the set-up cell."""
    before = environment.packages()
    assert [source for _, source in first_cells(1)] == [colab.cell_source(colab.repository_url())]
    outcome = environment.run_cells([("the set-up cell", colab.cell_source(HOME))])
    return before, environment.packages(), outcome


def test_the_cell_installs_the_package_from_the_repository(environment, set_up):
    before, after, outcome = set_up
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "ganbook" not in before
    assert "ganbook" in after, outcome.stdout + outcome.stderr
    code = "import importlib.metadata as m; print(m.distribution('ganbook').read_text('direct_url.json'))"
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert json.loads(environment.run("-c", code).stdout)["vcs_info"]["commit_id"] == head.strip()


def test_what_colab_ships_is_left_untouched(set_up):
    before, after, _ = set_up
    assert {"torch", "tensorflow", "numpy", "keras", "mlxtend"} <= before.keys()
    assert {name: after.get(name) for name in before} == before


@pytest.mark.usefixtures("set_up")
def test_every_notebook_finds_its_imports_there(environment):
    outcome = environment.run_cells(first_cells(2))
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-2000:]


@pytest.mark.usefixtures("set_up")
def test_the_data_that_packages_carry_are_there(environment):
    code = "from ganbook import data\nfor name in data.BUNDLED:\n    print(len(data.load(name)))"
    outcome = environment.run("-c", code)
    assert outcome.stdout.split() == [str(len(data.load(name))) for name in data.BUNDLED], outcome.stderr


@pytest.mark.usefixtures("set_up")
@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_a_run_trains_there(environment, framework, tmp_path):
    outcome = environment.run(
        "-m", "ganbook", "train", "--framework", framework, "--steps", "3", "--out", str(tmp_path / "run")
    )
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "run" / "run.safetensors").is_file()


@pytest.mark.usefixtures("set_up")
def test_notebooks_print_there_what_is_stored(environment, tmp_path):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    outcome = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "--nbval-kernel-name",
            environment.kernel(tmp_path),
            "-q",
            "-p",
            "no:cacheprovider",
            *map(str, SAMPLE),
        ],
        cwd=ROOT,
        env={**variables, "JUPYTER_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    cells = sum(len(code_cells(read(path))) for path in SAMPLE)
    assert f"{cells} passed" in outcome.stdout, outcome.stdout[-8000:]

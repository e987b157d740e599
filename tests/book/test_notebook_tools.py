"""The tool that executes and normalises notebooks."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import nbformat.v4
import pytest

from book_tools import colab, kernels, notebooks

ROOT = Path(__file__).resolve().parents[2]
PLOT = """\
import matplotlib.pyplot as plt
figure, axes = plt.subplots(figsize=(2, 2))
axes.plot([0, 1], [0, 1])
plt.show()"""


def sample(path: Path) -> Path:
    """Write a notebook with what editors and kernels leave behind."""
    code = nbformat.v4.new_code_cell
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "elsewhere", "display_name": "x"}, "widgets": {}},
        cells=[
            nbformat.v4.new_markdown_cell("(sample)=\n# A sample, with words\n"),
            code(colab.cell_source("https://github.com/someone/else"), metadata={"tags": [colab.TAG]}),
            code(
                "# PyTorch\nimport sys\nprint('one')\nprint('two', flush=True)\nprint('three')",
                metadata={"tags": ["tab-pytorch"], "collapsed": True, "execution": {"started": "now"}},
            ),
            code("# TensorFlow\n1 + 1\n\n", metadata={"tags": []}),
            code(PLOT),
            code(PLOT),
            code("   "),
            code("raise ValueError('expected')", metadata={"tags": ["raises-exception"]}),
            code("import os\nos.path.basename(os.getcwd())"),
        ],
    )
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chapter") / "place"
    folder.mkdir()
    path = sample(folder / "sample.ipynb")
    notebooks.main([str(path)])
    return path


def test_two_runs_give_the_same_bytes(executed):
    first = executed.read_bytes()
    assert b"image/png" in first
    assert notebooks.refresh(executed) is False
    assert executed.read_bytes() == first


def test_normal_form(executed):
    notebook = nbformat.read(executed, as_version=4)
    assert dict(notebook.metadata) == notebooks.METADATA
    assert [cell.id for cell in notebook.cells] == [
        "a-sample-with-words",
        "colab",
        "pytorch-import-sys",
        "tensorflow-1-1",
        "import-matplotlib-pyplot-as-plt",
        "import-matplotlib-pyplot-as-plt-2",
        "raise-valueerror-expected",
        "import-os",
    ]
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in codes] == [1, 2, 3, 4, 5, 6, 7]
    assert dict(codes[1].metadata) == {"tags": ["tab-pytorch"]}
    assert [output.text for output in codes[1].outputs] == ["one\ntwo\nthree\n"]
    assert codes[0].source == colab.cell_source(colab.repository_url())
    assert codes[6].outputs[0].data["text/plain"] == "'place'"


def test_check_tells_normal_form_from_another(executed, tmp_path, capsys):
    assert notebooks.main(["--check", str(executed)]) == 0
    other = tmp_path / "other.ipynb"
    other.write_text(executed.read_text().replace('"id": "pytorch-import-sys"', '"id": "0a1b2c3d"'))
    assert notebooks.main(["--check", str(tmp_path)]) == 1
    assert "other.ipynb: not in normal form" in capsys.readouterr().err
    assert notebooks.main(["--no-execute", str(other)]) == 0
    assert notebooks.main(["--check", str(tmp_path)]) == 0


def test_nbval_sees_what_is_stored(executed):
    def run():
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "--nbval",
                "--nbval-current-env",
                "-p",
                "no:cacheprovider",
                "-q",
                f"--rootdir={executed.parent}",
                str(executed),
            ],
            capture_output=True,
            text=True,
            env=environment,
        )

    result = run()
    assert result.returncode == 0, result.stdout
    assert "7 passed" in result.stdout
    stored = executed.read_text()
    try:
        executed.write_text(stored.replace('"three\\n"', '"four\\n"'))
        assert "1 failed, 6 passed" in run().stdout
    finally:
        executed.write_text(stored)


def test_a_failing_cell_leaves_the_file_alone(tmp_path):
    path = tmp_path / "fails.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), path)
    before = path.read_bytes()
    with pytest.raises(Exception, match="ZeroDivisionError"):
        notebooks.refresh(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["fails.ipynb"]


DIES = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"


def dying_and_living(folder: Path) -> list[Path]:
    """Two notebooks: the kernel of the first dies in its second cell of three."""
    paths = [folder / "dies.ipynb", folder / "lives.ipynb"]
    for path, sources in zip(paths, (["x = 1", DIES, "x"], ["print('alive')"]), strict=True):
        cells = [nbformat.v4.new_code_cell(source, id=f"cell-{k}") for k, source in enumerate(sources)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return paths


def test_a_kernel_that_dies_fails_its_notebook_and_the_run_goes_on(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "code")])
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "-rA",
            "-p",
            "conftest",
            "-p",
            "no:cacheprovider",
            f"--rootdir={tmp_path}",
            *map(str, dying_and_living(tmp_path)),
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "2 failed, 2 passed" in result.stdout, result.stdout
    assert "PASSED lives.ipynb::Cell 0" in result.stdout
    assert "FAILED dies.ipynb::Cell 1" in result.stdout
    assert "the kernel died in this cell, by signal 11 (SIGSEGV)" in result.stdout


def test_notebooks_go_on_after_a_kernel_that_dies(tmp_path, capsys):
    dies, lives = dying_and_living(tmp_path)
    before = dies.read_bytes()
    assert notebooks.main([str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert f"{dies}: the kernel died in the cell cell-1" in told.err
    assert f"{lives}: changed" in told.out
    assert dies.read_bytes() == before


@pytest.mark.parametrize(
    ("code", "words"), [(-11, "signal 11 (SIGSEGV)"), (-9, "signal 9 (SIGKILL)"), (3, "exit code 3")]
)
def test_how_a_process_ended_in_words(code, words):
    assert kernels.ending(code) == words


def test_a_path_that_is_no_notebook_is_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit):
        notebooks.main([str(tmp_path / "absent.ipynb")])
    assert "absent.ipynb" in capsys.readouterr().err


def test_kernels_under_pytest_see_no_gpu_and_draw_inline(tmp_path):
    path = tmp_path / "kernel.ipynb"
    source = (
        "import os\nfrom importlib.util import find_spec\n"
        "names = 'CUDA_VISIBLE_DEVICES', 'OMP_NUM_THREADS', 'MPLBACKEND'\n"
        "print(*(os.environ[name] for name in names), find_spec('ganbook') is not None)"
    )
    shown = "-1 1 module://matplotlib_inline.backend_inline True\n"
    cell = nbformat.v4.new_code_cell(
        source, execution_count=1, outputs=[nbformat.v4.new_output("stream", name="stdout", text=shown)]
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "-q",
            "-p",
            "conftest",
            "-p",
            "no:cacheprovider",
            f"--rootdir={tmp_path}",
            str(path),
        ],
        cwd=tmp_path,
        env={**bare, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout

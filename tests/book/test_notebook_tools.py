"""The tool that executes and normalises notebooks."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import nbformat.v4
import pytest

from book_tools import colab, notebooks

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
            code("# PyTorch\nimport sys\nprint('one')\nprint('two', flush=True)\nprint('three')",
                 metadata={"tags": ["tab-pytorch"], "collapsed": True, "execution": {"started": "now"}}),
            code("# TensorFlow\n1 + 1\n\n", metadata={"tags": []}),
            code(PLOT), code(PLOT), code("   "),
            code("raise ValueError('expected')", metadata={"tags": ["raises-exception"]}),
            code("import os\nos.path.basename(os.getcwd())"),
        ])
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
        "a-sample-with-words", "colab", "pytorch-import-sys", "tensorflow-1-1", "import-matplotlib-pyplot-as-plt",
        "import-matplotlib-pyplot-as-plt-2", "raise-valueerror-expected", "import-os"]
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
            [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-q",
             f"--rootdir={executed.parent}", str(executed)], capture_output=True, text=True, env=environment)

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


def test_a_path_that_is_no_notebook_is_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit):
        notebooks.main([str(tmp_path / "absent.ipynb")])
    assert "absent.ipynb" in capsys.readouterr().err


def test_kernels_under_pytest_see_no_gpu_and_draw_inline(tmp_path):
    path = tmp_path / "kernel.ipynb"
    source = ("import os\nfrom importlib.util import find_spec\n"
              "names = 'CUDA_VISIBLE_DEVICES', 'OMP_NUM_THREADS', 'MPLBACKEND'\n"
              "print(*(os.environ[name] for name in names), find_spec('ganbook') is not None)")
    shown = "-1 1 module://matplotlib_inline.backend_inline True\n"
    cell = nbformat.v4.new_code_cell(source, execution_count=1,
                                     outputs=[nbformat.v4.new_output("stream", name="stdout", text=shown)])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "conftest", "-p", "no:cacheprovider",
         f"--rootdir={tmp_path}", str(path)],
        cwd=tmp_path, env={**bare, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout

"""Training beside a busy neighbour over training alone: the quickstart by command, program and notebook, in turn.

One core is left free: on two cores one neighbour computes, on sixteen fifteen do.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from benchmarks.step_costs import quotients
from book_tools import colab
from ganbook import frameworks
from ganbook.data.recipe import FRAMEWORKS
from ganbook.gradient_descent import checkpoint
from ganbook.tuning import results

FIELDS = ("title", "rounds", "steps", "neighbours", "threads", "provenance", "records")
STEPS = 300
TRAIN = f"""\
import tensorflow
import torch
from ganbook.gradient_descent.training import train
from ganbook.tuning.experiments.recipes import RECIPES

print(train(RECIPES["quickstart"], "{{framework}}", until={STEPS}).seconds)"""


def reader() -> dict[str, str]:
    """The environment of somebody who has set nothing of what decides on threads and how they wait."""
    own = ("OMP_", "MKL_", "OPENBLAS_NUM", "TF_NUM", "PYTEST_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(own) and name not in frameworks.DEFAULTS
    }


def by_command(framework: str, folder: Path) -> float:
    """Seconds of training that the command line says it took."""
    out = folder / "run"
    subprocess.run(
        [sys.executable, "-m", "ganbook", "train", "--framework", framework, "--until", str(STEPS), "--out", str(out)],
        env=reader(),
        check=True,
        capture_output=True,
    )
    return checkpoint.load(out)[1]["seconds"]


def by_program(framework: str, folder: Path) -> float:
    """Seconds of training in a program of the reader's own."""
    done = subprocess.run(
        [sys.executable, "-c", f"import ganbook\n{TRAIN.format(framework=framework)}"],
        env=reader(),
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def by_notebook(framework: str, folder: Path) -> float:
    """Seconds of training in a notebook that begins as the book's do."""
    path = folder / "notebook.ipynb"
    sources = colab.cell_source(colab.repository_url()), TRAIN.format(framework=framework)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in sources]), path)
    program = f"from pathlib import Path; from book_tools import notebooks; notebooks.refresh(Path({str(path)!r}))"
    subprocess.run([sys.executable, "-c", program], env=reader(), check=True, capture_output=True)
    [printed] = nbformat.read(path, as_version=4).cells[1].outputs
    return float(printed["text"])


WAYS: dict[str, Callable[[str, Path], float]] = {
    "command line": by_command,
    "program": by_program,
    "notebook": by_notebook,
}


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Neighbours that compute for as long as this lasts."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def main(rounds: int, out: Path | None = None) -> None:
    """Time every way to train, print what it says and, with ``out``, write ``neighbour.json`` there.

    A fresh process trains each time, since a process makes its threads once.
    """
    neighbours = max(1, (os.cpu_count() or 2) - 1)
    records: list[dict[str, Any]] = []
    for framework in FRAMEWORKS:
        for name, way in WAYS.items():
            seconds: dict[int, list[float]] = {0: [], neighbours: []}
            for _ in range(rounds):
                for count, values in seconds.items():
                    with tempfile.TemporaryDirectory() as folder, busy(count):
                        values.append(way(framework, Path(folder)))
            alone, beside = seconds.values()
            records.append(
                {
                    "framework": framework,
                    "way": name,
                    "alone": statistics.median(alone),
                    "beside": statistics.median(beside),
                    **quotients(beside, alone),
                }
            )
            print(
                "{framework:11} {way:12} alone {alone:6.2f} s, beside neighbours {beside:6.2f} s, {ratio:5.2f} times "
                "({low:.2f} to {high:.2f})".format(**records[-1]),
                flush=True,
            )
    if out is not None:
        results.write_result(
            out / "neighbour.json",
            {
                "title": "Seconds of training beside busy neighbours over those alone, in turn",
                "rounds": rounds,
                "steps": STEPS,
                "neighbours": neighbours,
                "threads": int(frameworks.DEFAULTS["OMP_NUM_THREADS"]),
                "records": records,
                "provenance": {framework: results.provenance(framework) for framework in FRAMEWORKS},
            },
            FIELDS,
        )

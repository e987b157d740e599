"""Everything that can be measured of one run, each number beside what real examples score in its place.

Its rows are those of :mod:`ganbook.tuning.metrics.report_rows`.

Both frameworks give the same report of a checkpoint: examples and features are computed in float64 whatever the run's
own precision, since a count of neighbours or of modes may jump where an example moves in its seventh digit.

Explained in the book's section "Evaluation".
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ganbook.data import Images, Mixture
from ganbook.data.recipe import check_int, up_to_date
from ganbook.gradient_descent.sources import find_source
from ganbook.gradient_descent.training import Run, start_run
from ganbook.tuning import results
from ganbook.tuning.metrics.neighbours import K
from ganbook.tuning.metrics.report_rows import FEWEST, LARGEST, Measuring, Row

#: Numbers in the examples of either kind at most: so many large images would cost hours.
MOST_NUMBERS = 32 * 10**6
#: What the file of a report has.
FIELDS = (*results.FIELDS, "step", "data", "count", "real", "rows", "left_out", "notes")


@dataclasses.dataclass(frozen=True)
class Report:
    """What was measured of a run.

    Args:
        title: the run, and what was compared.
        rows: the metrics.
        left_out: pairs of metrics that were not measured and why.
        notes: what else the reader must know.
        record: what belongs in a file beside the rows; see ``FIELDS``.
    """

    title: str
    rows: tuple[Row, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    record: dict[str, Any]

    def text(self) -> str:
        """The report as lines to read."""
        cells = [("metric", "generated", "real", "", "")]
        for row in self.rows:
            spread = "" if row.spread is None else f"± {_number(row.spread)}"
            cells.append((row.metric, _number(row.value), _number(row.reference), spread, row.meaning))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}} {d:<{widths[3]}}  {e}".rstrip()
            for a, b, c, d, e in cells
        ]
        out = [f"left out: {name}: {reason}" for name, reason in self.left_out]
        return "\n".join([self.title, "", *lines, *([""] if out or self.notes else []), *self.notes, *out])

    def write(self, path: str | Path) -> None:
        """Write the report as JSON in one step.

        Raises:
            ResultError: the file is there already and is not a report of the same recipe; it is left alone.
            OSError: the disk refuses; an older report is still whole.
        """
        check_target(path, self.record["recipe"])
        results.write_result(
            path,
            self.record
            | {
                "rows": [dataclasses.asdict(row) for row in self.rows],
                "notes": list(self.notes),
                "left_out": [{"metrics": name, "reason": reason} for name, reason in self.left_out],
            },
            FIELDS,
        )


def check_target(path: str | Path, recipe: dict[str, Any]) -> None:
    """Make sure that a file is not there, or is a report of the same recipe, given as its JSON has it.

    Raises:
        ResultError: there is another file, which would be lost.
    """
    path = Path(path)
    if not path.exists():
        return
    there = results.read_result(path, FIELDS)
    if there["experiment"] != "evaluate" or up_to_date(there["recipe"]) != recipe:
        raise results.ResultError(
            f"{path} holds another run's report; accepted: a new file, or one that holds a report of the same recipe"
        )


def evaluate_run(run: Run, count: int | None = None, seed: int = 0, source: Any = None) -> Report:
    """Measure everything that there is to measure of a run's generator.

    Args:
        run: of either framework; its moving average is evaluated, where it keeps one.
        count: examples to generate; None means as many as there are real ones, at most 10,000, and fewer of images
            of more than 32x32 pixels in colour.
        seed: of the noise, of the choice of real examples and of their splits.
        source: the examples that the run was trained on, where its recipe does not name them; None loads them.

    Returns:
        The report: of a checkpoint the same to four digits, whichever framework has read it.

    Raises:
        ValueError: too few examples for a metric, or examples that are not finite.
        CheckpointError: ``source`` is not what the run was trained on, or None where only Python can give that.
        DataError: the run's data are not at hand.

    Example:
        >>> from ganbook.data.recipe import Recipe
        >>> report = evaluate_run(start_run(Recipe(), device="cpu"), 20)
        >>> report.rows[0].metric, report.rows[0].value > report.rows[0].reference
        ('pixel-space Frechet distance', True)
    """
    source, record = find_source(run.recipe, run.trained_on, source)
    least = len(source.means) if isinstance(source, Mixture) else FEWEST
    most = min(LARGEST, max(MOST_NUMBERS // math.prod(source.shape), FEWEST))
    limit = min(len(source), most) if isinstance(source, Images) else most
    if isinstance(source, Images) and len(source) < 2 * (K + 1):
        raise ValueError(
            f"{record['name']} has {len(source)} images; accepted: at least {2 * (K + 1)}, to be compared "
            "with each other"
        )
    count = limit if count is None else check_int("count", count, 1)
    if count < least:
        raise ValueError(
            f"count is {count}; accepted: at least {least}, the fewest examples that all metrics of "
            f"{run.recipe.data} can do with"
        )
    seed = check_int("seed", seed, 0)
    rng = np.random.default_rng(seed)
    fake = _generate(run, count, seed)
    real, which = _real(source, record["name"], most, rng)
    made = Measuring(run, source, record, fake, real, rng)
    recipe = run.recipe
    title = f"{recipe.name}: {count:,} generated at step {run.step:,} of {run.steps:,} against {which}, seed {seed}"
    described = {
        "experiment": "evaluate",
        "framework": run.framework,
        "recipe": json.loads(recipe.to_json()),
        "seed": seed,
        **results.provenance(run.framework),
        "seconds": round(run.seconds, 3),
        "step": run.step,
        "data": record["name"],
        "count": count,
        "real": which,
    }
    return Report(title, tuple(made.rows), tuple(made.left_out), tuple(made.notes), described)


def _generate(run: Run, count: int, seed: int) -> np.ndarray:
    """Examples of the run's generator, computed in float64."""
    exact = start_run(run.recipe.replace(dtype="float64"), run.framework, device=run.generator.device_name)
    exact.state.load(run.state.export())
    examples = exact.sample(count, seed)
    finite = np.isfinite(examples).reshape(count, -1).all(1)
    if not finite.all():
        raise ValueError(
            f"the generator makes {count - finite.sum()} of {count} examples with values that are "
            "infinite or not a number; accepted: finite examples"
        )
    return examples


def _real(source: Any, name: str | None, most: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Real examples to compare with, at most so many, and which they are."""
    name = name or "the source that was given"
    if not isinstance(source, Images):
        return source.batch(rng, most), f"{most:,} real ones drawn from {name}"
    if len(source) <= most:
        return source.images, f"all {len(source):,} real ones of {name}"
    chosen = rng.choice(len(source), most, replace=False)
    return source.images[chosen], f"{most:,} of the {len(source):,} real ones of {name}"


def _number(value: float) -> str:
    """Four digits after the point; whole numbers without any; tiny ones with their first digits."""
    if math.isfinite(value) and value == int(value):
        return f"{int(value):,}"
    return f"{value:,.4f}" if abs(value) >= 1e-3 else f"{value:.2e}"

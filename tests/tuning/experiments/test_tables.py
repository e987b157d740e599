"""Tables of many runs: filled cell by cell, never half-written, and true to their recipes."""

import dataclasses
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from ganbook import data
from ganbook.data.recipe import FRAMEWORKS, Optimiser
from ganbook.gradient_descent import training
from ganbook.tuning import results
from ganbook.tuning.experiments import table_runs, tables
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.experiments.registry import TABLES
from tuning.early_losses import early_losses

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
RING = RECIPES["ring"].replace(steps=24, batch=8)


def spread(run):
    return {"spread": run.sample(10).std(), "centre": run.sample(10).mean()}


def table(recipe=RING, **fields):
    cells = tuple(
        tables.Cell(method, framework, change.replace(seed=seed))
        for method, change in (("plain", recipe.replace(r1=0.0, r2=0.0)), ("full", recipe))
        for framework in FRAMEWORKS
        for seed in (0, 1)
    )
    return tables.Table(
        **{
            "name": "trial",
            "title": "A trial",
            "cells": cells,
            "measures": ("spread", "centre"),
            "measure": spread,
            "compiled": False,
            **fields,
        }
    )


def fill(made, out, **options):
    return table_runs.run_table(made, out, **{"device": "cpu", "report": lambda line: None, **options})


def keys(records):
    return ["/".join(str(record[name]) for name in ("data", "method", "framework", "seed")) for record in records]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_record_is_what_training_and_measuring_give(framework, tmp_path):
    made = table()
    record = fill(made, tmp_path, only=f"ring/full/{framework}/1")[0]
    run = training.train(RING.replace(seed=1), framework, device="cpu")
    assert {name: record[name] for name in made.measures} == {name: float(v) for name, v in spread(run).items()}
    place = run.history["step"].index(tables.EARLY)
    assert record["early_losses"] == [run.history[name][place] for name in training.LOSSES]
    assert record["failed"] is None
    assert set(record) == {*tables.RECORD, *made.measures}
    assert record["seconds"] > 0
    assert record["processor_seconds"] > 0


def test_a_table_goes_on_where_it_stood_in_its_own_order(tmp_path):
    made = table()
    fill(made, tmp_path, only="ring/full/tensorflow/0")
    first = (tmp_path / "trial.json").read_text()
    lines = []
    records = fill(made, tmp_path, report=lines.append)
    assert lines[0] == "trial: 1 of 8 cells are there"
    assert len(lines) == 8
    assert keys(records) == [cell.key for cell in made.cells]
    assert json.loads(first)["records"][0] in records
    again = fill(made, tmp_path, report=lines.append)
    assert (lines[-1], again) == ("trial: 8 of 8 cells are there", records)
    assert tables.read_table(made, tmp_path) == records
    assert [where["versions"]["ganbook"] for where in tables.provenance_of(made, tmp_path)]
    assert {record["provenance"] for record in records} == {0, 1}  # the frameworks' versions


def test_a_time_limit_begins_no_further_cell(tmp_path):
    assert fill(table(), tmp_path, minutes=1e-9) == []


def test_a_run_that_fails_is_a_record(tmp_path):
    wild = Optimiser("sgd", 1e30)
    made = table(RING.replace(generator_optimiser=wild, discriminator_optimiser=wild))
    record = fill(made, tmp_path, only="ring/plain/pytorch/0")[0]
    assert record["failed"].startswith("step ")
    assert record["spread"] is record["centre"] is record["early_losses"] is None
    assert tables.summarise([record], "spread")["ring", "plain", "pytorch"].failed == 1


def test_the_early_losses_tell_one_recipe_from_another():
    made = table()
    early = [early_losses(cell) for cell in made.cells]
    assert early[0] == pytest.approx(early[2], rel=1e-5)  # both frameworks
    for other in (early[1], early[4]):  # another seed, another penalty
        assert other != pytest.approx(early[0], rel=1e-3)


def test_processes_run_every_cell_once(monkeypatch):
    # Only what needs no import in the processes: which cell went to one of them, and how.
    monkeypatch.setattr(table_runs, "run_cell", "{0.name} {1.key} {2}".format)
    made = table()
    found = dict(table_runs._records(made, made.cells[:5], 2, np.inf, "cpu"))
    assert found == {cell: f"trial {cell.key} cpu" for cell in made.cells[:5]}
    assert list(table_runs._records(made, made.cells, 2, -1.0, "cpu")) == []


@pytest.mark.parametrize("name", TABLES)
def test_every_table_of_the_book_can_be_sent_to_a_process(name):
    sent = pickle.loads(pickle.dumps(TABLES[name]))
    assert sent.cells == TABLES[name].cells


def test_a_table_is_read_on_after_a_field_has_joined_the_recipe(tmp_path):
    made = table()
    fill(made, tmp_path, only="ring/plain/pytorch/0")
    content = json.loads((tmp_path / "trial.json").read_text())
    for recipe in content["recipes"].values():
        assert recipe.pop("dequantisation") == 0.0
    (tmp_path / "trial.json").write_text(json.dumps(content))
    assert len(tables.read_table(made, tmp_path)) == 1


def test_a_second_writer_is_refused(tmp_path):
    with FileLock(tmp_path / "trial.json.lock"), pytest.raises(results.ResultError, match="by another process"):
        fill(table(), tmp_path)
    assert not (tmp_path / "trial.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: {"name": "trial", "measures": ("spread", "other")}, "accepted: 'trial' with spread, other"),
        (lambda made: {"cells": made.cells[4:]}, r"has a record ring/plain/pytorch/0; accepted: the cells of"),
        (
            lambda made: {"cells": tuple(dataclasses.replace(c, recipe=c.recipe.replace(batch=9)) for c in made.cells)},
            "runs of another recipe ring/plain/pytorch; .* Move the file away",
        ),
    ],
)
def test_a_file_of_another_table_is_refused_and_kept(change, message, tmp_path):
    made = table()
    fill(made, tmp_path, only="ring/plain/pytorch/0")
    before = (tmp_path / "trial.json").read_bytes()
    other = dataclasses.replace(made, **change(made))
    for attempt in (lambda: fill(other, tmp_path), lambda: tables.read_table(other, tmp_path)):
        with pytest.raises(results.ResultError, match=message):
            attempt()
    assert (tmp_path / "trial.json").read_bytes() == before


@pytest.mark.parametrize("name", [*tables.RECORD, "spread"])
def test_a_record_without_a_field_is_refused(name, tmp_path):
    made = table()
    fill(made, tmp_path, only="ring/plain/pytorch/0")
    content = json.loads((tmp_path / "trial.json").read_text())
    del content["records"][0][name]
    (tmp_path / "trial.json").write_text(json.dumps(content))
    with pytest.raises(results.ResultError, match=f"a record without {name}"):
        tables.read_table(made, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": "x"}, "only is 'x'; accepted: a pattern that matches a key, such as 'ring/plain/pytorch/0'"),
        ({"jobs": 0}, "jobs is 0; accepted"),
        ({"minutes": 0}, "minutes is 0; accepted: a number above 0"),
    ],
)
def test_wrong_arguments_are_named(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        fill(table(), tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_wrong_tables_are_named(tmp_path):
    cell = tables.Cell("plain", "pytorch", RING)
    with pytest.raises(ValueError, match="ring/plain/pytorch/0 more than once"):
        table(cells=(cell, cell))
    with pytest.raises(ValueError, match="key is 'x'; accepted: that of a cell"):
        table().cell("x")
    for wrong, message in (({"other": 1.0}, "measure gives other"), ({"spread": np.nan, "centre": 0.0}, "spread of")):
        with pytest.raises(ValueError, match=message):
            fill(table(measure=lambda run, wrong=wrong: wrong), tmp_path)
    assert not (tmp_path / "trial.json").exists()


def test_a_summary_is_made_of_quartiles():
    records = [{"method": "a", "d": value} for value in (1.0, 2.0, 3.0, 4.0, 50.0, None)] + [{"method": "b", "d": None}]
    summary = tables.summarise(records, "d", by=("method",))
    assert summary["a",] == tables.Summary(5, 1, 3.0, 2.0, 4.0, 1.0, 50.0)
    assert (summary["b",].n, summary["b",].failed) == (0, 1)
    assert np.isnan(summary["b",].median)
    with pytest.raises(ValueError, match="one without e; accepted: method, d"):
        tables.summarise(records, "e", by=("method",))


def test_text_is_aligned():
    assert tables.text(("name", "n"), [("a", 1), ("longer", 23)]) == ("name     n\n----------\na        1\nlonger  23")
    with pytest.raises(ValueError, match="one of 1 values; accepted: 2"):
        tables.text(("a", "b"), [("x",)])


@pytest.mark.parametrize("name", TABLES)
def test_a_random_cell_of_each_table_can_be_made_again(name, monkeypatch):
    """The first steps of one stored run, chosen at random, are made again by the other way, without compiling."""
    if "mnist" in name:
        if not SHARED.is_dir() and "GANBOOK_DATA" not in os.environ:
            pytest.skip("the MNIST files are not at hand; name their folder in GANBOOK_DATA")
        monkeypatch.setenv("GANBOOK_DATA", os.environ.get("GANBOOK_DATA", str(SHARED)))
    made = TABLES[name]
    records = [record for record in tables.read_table(made) if record["early_losses"]]
    record = records[np.random.default_rng(len(records)).integers(len(records))]
    again = early_losses(made.cell(keys([record])[0]))
    assert again == pytest.approx(record["early_losses"], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_that_were_left_are_complete(name):
    made = TABLES[name]
    assert keys(tables.read_table(made)) == [cell.key for cell in made.cells]


def test_the_tables_are_registered_by_their_names():
    assert all(made.name == name for name, made in TABLES.items())
    assert {cell.recipe.data for made in TABLES.values() for cell in made.cells} <= set(data.NAMES)

"""The command line: what it writes, what it prints, and how it says what is wrong."""

import argparse
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import call, refused
from ganbook import cli
from ganbook.data.recipe import FRAMEWORKS, Architecture, Optimiser, Recipe
from ganbook.gradient_descent import checkpoint, training
from ganbook.gradient_descent.checkpoint import ROLES
from ganbook.pages.figures import TITLES
from ganbook.tuning.experiments import tables
from ganbook.tuning.experiments.recipes import RECIPES
from ganbook.tuning.metrics.classifier import load_weights
from ganbook.tuning.metrics.report import evaluate_run
from ganbook.tuning.results import read_result
from ganbook.tuning.search import scores

CODE = Path(__file__).resolve().parents[1] / "code"
FILES = {checkpoint.FILE, "samples.png"}
SMALL = {"hidden": (8,), "initialiser": "he"}
TINY = Recipe(
    name="tiny",
    batch=8,
    steps=6,
    generator=Architecture("MLPGenerator", {"latent": 4, **SMALL}),
    discriminator=Architecture("MLPDiscriminator", SMALL),
    averaging=0.5,
    dtype="float64",
)


def weights(folder):
    return checkpoint.load(folder)[2]


def distance(folder, other):
    mine, theirs = weights(folder), weights(other)
    assert all(mine[role].keys() == theirs[role].keys() for role in ROLES)
    return max(np.abs(mine[role][name] - theirs[role][name]).max() for role in ROLES for name in mine[role])


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe file of six steps in a few milliseconds."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.json"
    path.write_text(TINY.to_json())
    return path


@pytest.fixture(scope="module", params=FRAMEWORKS)
def folder(request, recipe, tmp_path_factory):
    """A finished run of either framework."""
    path = tmp_path_factory.mktemp("run") / request.param
    code, out, err = call("train", "--recipe", recipe, "--framework", request.param, "--device", "cpu", "--out", path)
    assert (code, err) == (0, "")
    assert f"saved in {path}" in out
    return path


def commands():
    actions = cli.make_parser()._actions
    return next(a for a in actions if isinstance(a, argparse._SubParsersAction)).choices


def test_the_commands():
    assert list(commands()) == ["train", "sample", "evaluate", "experiment", "tune", "classifier", "info"]


@pytest.mark.parametrize("name", ["train", "sample", "evaluate", "experiment", "tune", "classifier", "info"])
def test_help_shows_every_default(name):
    code, out, _ = call(name, "--help")
    assert code == 0
    for action in commands()[name]._actions:
        if action.option_strings and action.dest != "help":
            assert "default: " in action.help, action.option_strings
            assert action.option_strings[0] in out
    assert "None" not in out


def test_a_run_has_its_files_and_the_recipe(folder):
    assert {path.name for path in folder.iterdir()} - {".lock"} == FILES
    assert checkpoint.read_recipe(folder) == TINY
    assert checkpoint.load(folder)[1]["step"] == 6


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_training_needs_no_argument(framework, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    short = {**RECIPES, "quickstart": Recipe(steps=2)}
    monkeypatch.setattr("ganbook.commands.RECIPES", short)
    monkeypatch.setattr("ganbook.commands.FRAMEWORKS", (framework,))  # the first is the default
    code, out, err = call("train")
    run = Path("runs") / f"quickstart-{framework}-0"
    assert (code, err) == (0, "")
    assert f"saved in {run};" in out
    assert {path.name for path in run.iterdir()} - {".lock"} == FILES
    assert "--resume" in refused("train")
    assert call("train", "--resume")[0] == 0


def test_options_change_the_recipe(recipe, tmp_path):
    code, out, _ = call(
        "train",
        "--recipe",
        recipe,
        "--data",
        "stacked_digits",
        "--split",
        "test",
        "--size",
        12,
        "--steps",
        3,
        "--seed",
        7,
        "--dtype",
        "float32",
        "--out",
        tmp_path / "run",
    )
    assert code == 0
    assert "tiny-stacked_digits on stacked_digits with PyTorch, seed 7, steps 3" in out
    made = checkpoint.read_recipe(tmp_path / "run")
    assert (made.data, made.split, made.size, made.steps, made.seed, made.dtype) == (
        "stacked_digits",
        "test",
        12,
        3,
        7,
        "float32",
    )
    assert made.generator.settings["shape"] == (12, 12, 3)


def test_another_seed_is_another_run(recipe, folder, tmp_path):
    assert call("train", "--recipe", recipe, "--seed", 1, "--out", tmp_path / "run")[0] == 0
    assert distance(folder, tmp_path / "run") > 1e-3


def test_a_run_in_the_way_is_left_alone(recipe, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert re.search("holds a run already.*--resume", refused("train", "--recipe", recipe, "--out", folder))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_resumed_run_is_the_uninterrupted_one(folder, recipe, tmp_path):
    """In either framework, whichever of them began it."""
    for framework in FRAMEWORKS:
        out = tmp_path / framework
        assert call("train", "--recipe", recipe, "--framework", folder.name, "--until", 3, "--out", out)[0] == 0
        assert checkpoint.load(out)[1]["step"] == 3
        assert "from step 3" in call("train", "--resume", "--framework", framework, "--out", out)[1]
        assert distance(folder, out) == 0 if framework == folder.name else 0 < distance(folder, out) < 1e-10


def test_resuming_keeps_recipe_and_framework_of_the_run(folder):
    code, out, _ = call("train", "--resume", "--out", folder)
    assert code == 0
    assert out.startswith(f"tiny on digits with {TITLES[folder.name]}, seed 0, steps 6, from step 6")
    assert checkpoint.load(folder)[1]["framework"] == folder.name


def test_resuming_refuses_another_recipe(folder):
    assert "differ: seed" in refused("train", "--resume", "--steps", 9, "--seed", 3, "--out", folder)
    assert "differ: name, data, size" in refused("train", "--resume", "--data", "mnist_5k", "--out", folder)
    assert "recipe differ" in refused("train", "--resume", "--recipe", "quickstart", "--out", folder)


def test_more_steps_extend_a_run(recipe, tmp_path):
    """The command is given again with another number; its recipe and its schedules stay."""
    command = ("train", "--out", tmp_path / "run", "--recipe", recipe)
    assert call(*command)[0] == 0
    code, out, _ = call(*command, "--resume", "--steps", 9, "--until", 8)
    assert code == 0
    assert "steps 9, from step 6" in out
    assert "step 8 of 9 after" in out
    assert checkpoint.read_recipe(tmp_path / "run").steps == 6
    code, out, _ = call("train", "--resume", "--out", tmp_path / "run")
    assert "steps 9, from step 8" in out
    assert "step 9 of 9 after" in call("info", tmp_path / "run")[1]
    assert "at step 9 of 9 against" in call("evaluate", tmp_path / "run", "--count", 8)[1]
    assert "steps is 5; accepted: a whole number of at least 9" in refused(*command, "--resume", "--steps", 5)
    run = training.train(TINY, steps=9, device="cpu")
    made = training.load_run(tmp_path / "run", device="cpu")
    assert np.array_equal(run.sample(5), made.sample(5))


def test_a_run_started_with_its_own_steps_goes_on_by_the_same_command(recipe, tmp_path):
    command = ("train", "--recipe", recipe, "--steps", 8, "--out", tmp_path / "run")
    assert call(*command, "--until", 3)[0] == 0
    assert "step 8 of 8 after" in call(*command, "--resume")[1]
    assert checkpoint.read_recipe(tmp_path / "run").steps == 8


def test_resuming_where_nothing_is_starts_a_run(recipe, tmp_path):
    assert call("train", "--resume", "--recipe", recipe, "--out", tmp_path / "new")[0] == 0
    assert (tmp_path / "new" / checkpoint.FILE).exists()


def test_samples_on_the_way(recipe, tmp_path):
    assert call("train", "--recipe", recipe, "--sample-every", 2, "--out", tmp_path / "run")[0] == 0
    assert {path.name for path in (tmp_path / "run").glob("*.png")} == {
        "samples.png",
        "samples-2.png",
        "samples-4.png",
        "samples-6.png",
    }
    last, final = (np.asarray(Image.open(tmp_path / "run" / name)) for name in ("samples-6.png", "samples.png"))
    assert (last == final).all()


def test_sample_writes_a_grid(folder, tmp_path):
    path = tmp_path / "grid.png"
    code, out, _ = call("sample", folder, "--count", 6, "--columns", 2, "--seed", 5, "--out", path)
    assert code == 0
    assert str(path) in out
    picture = np.asarray(Image.open(path))
    assert picture.shape == ((3 * 8 + 2) * 4, (2 * 8 + 1) * 4, 3)
    images = training.load_run(folder).sample(6, 5)
    tile = picture[18 * 4 :, 9 * 4 :][::4, ::4, 0]
    assert np.abs(tile / 127.5 - 1 - images[5, :, :, 0]).max() <= 1 / 255 + 1e-6


def test_sample_writes_into_the_run_by_default(folder):
    before = (folder / "samples.png").read_bytes()
    assert call("sample", folder)[0] == 0
    assert (folder / "samples.png").read_bytes() == before
    assert call("sample", folder, "--seed", 1)[0] == 0
    assert (folder / "samples.png").read_bytes() != before
    assert call("sample", folder)[0] == 0


@pytest.mark.parametrize("command", ["sample", "evaluate"])
@pytest.mark.parametrize("framework", [None, *FRAMEWORKS])
def test_a_run_is_read_in_the_framework_asked_for(framework, command, folder, monkeypatch, tmp_path):
    used, load_run = [], training.load_run

    def spy(*arguments, **options):
        run = load_run(*arguments, **options)
        used.append((run.framework, run.generator.device_name))
        return run

    monkeypatch.setattr(training, "load_run", spy)
    chosen = [] if framework is None else ["--framework", framework]
    assert call(command, folder, "--count", 8, "--device", "cpu", *chosen)[0] == 0
    assert used == [(framework or folder.name, "cpu")]


def test_evaluate_prints_every_metric(folder):
    code, out, _ = call("evaluate", folder)
    assert code == 0
    assert out == evaluate_run(training.load_run(folder)).text() + "\n"
    assert out.startswith("tiny: 1,797 generated at step 6 of 6 against all 1,797 real ones of digits, seed 0\n")
    for metric in "kernel distance", "precision", "recall", "density", "coverage", "nearest training image":
        assert f"\n{metric}" in out


def test_evaluate_writes_its_report(folder, recipe, tmp_path):
    path = tmp_path / "report.json"
    code, out, _ = call("evaluate", folder, "--count", 20, "--json", path)
    assert code == 0
    assert out.endswith(f"saved in {path}\n")
    assert read_result(path)["count"] == 20
    assert call("evaluate", folder, "--count", 30, "--json", path)[0] == 0
    assert read_result(path)["count"] == 30
    before = path.read_bytes()
    assert call("train", "--recipe", recipe, "--seed", 5, "--out", tmp_path / "other")[0] == 0
    assert "holds another run's report" in refused("evaluate", tmp_path / "other", "--json", path)
    (tmp_path / "other.json").write_text("{}")
    assert "lacks" in refused("evaluate", folder, "--json", tmp_path / "other.json")
    assert path.read_bytes() == before


def test_evaluate_refuses_too_few(folder):
    assert "count is 2; accepted: at least 8" in refused("evaluate", folder, "--count", 2)


def test_evaluate_takes_a_count_and_a_seed(folder):
    outputs = [
        call("evaluate", folder, *options)[1].splitlines()
        for options in (("--count", 400), ("--count", 500), ("--count", 500, "--seed", 1))
    ]
    assert len({lines[3].split()[3] for lines in outputs}) == 3
    assert sum(" 500 generated" in lines[0] for lines in outputs) == 2


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_experiment_writes_its_result(framework, tmp_path):
    code, out, err = call(
        "experiment",
        "digit_generator",
        "--framework",
        framework,
        "--steps",
        2,
        "--seed",
        3,
        "--samples",
        50,
        "--device",
        "cpu",
        "--out",
        tmp_path / "results",
    )
    path = tmp_path / "results" / f"digit_generator_{framework}.json"
    assert (code, err) == (0, "")
    assert f"saved in {path}" in out
    result = read_result(path)
    assert (result["framework"], result["seed"], result["recipe"]["steps"], result["samples"]) == (framework, 3, 2, 50)


def test_a_classifier_is_made(tmp_path):
    code, out, err = call("classifier", "--side", 8, "--steps", 20, "--device", "cpu", "--out", tmp_path / "results")
    assert (code, err) == (0, "")
    assert "step 20 of 20" in out
    _, record = load_weights(8, tmp_path / "results")
    assert f"saved in {tmp_path / 'results' / 'classifier_8.safetensors'}, SHA-256 {record['sha256']}" in out


def test_an_experiment_fills_its_table(monkeypatch, tmp_path):
    cells = tuple(
        tables.Cell("tiny", framework, TINY.replace(seed=seed)) for framework in FRAMEWORKS for seed in (0, 1)
    )
    made = tables.Table(
        "trial", "A trial", cells, ("mean",), lambda run: {"mean": run.sample(4).mean()}, compiled=False
    )
    for module in "cli", "result_commands":
        monkeypatch.setattr(f"ganbook.{module}.TABLES", {"trial": made})
    out = tmp_path / "results"
    assert "trial" in call("experiment", "--help")[1]
    code, printed, err = call("experiment", "trial", "--only", "*/tensorflow/1", "--device", "cpu", "--out", out)
    assert (code, err) == (0, "")
    assert "digits/tiny/tensorflow/1: mean " in printed
    assert f"saved in {out / 'trial.json'}" in printed
    assert "1 of 4 cells are there" in call("experiment", "trial", "--out", out, "--device", "cpu")[1]
    assert len(tables.read_table(made, out)) == 4
    for option in ("--framework", "pytorch"), ("--steps", 2), ("--seed", 1), ("--samples", 9):
        assert "accepted with trial: none" in refused("experiment", "trial", *option, "--out", out)
    for option in ("--only", "x"), ("--jobs", 2), ("--minutes", 1):
        assert "accepted with digit_generator: none" in refused("experiment", "digit_generator", *option, "--out", out)


def test_points_of_the_plane(tmp_path):
    run = tmp_path / "run"
    assert call("train", "--recipe", "grid", "--steps", 2, "--out", run)[0] == 0
    assert call("sample", run, "--count", 50)[0] == 0
    assert Image.open(run / "samples.png").size[0] > 200
    code, out, _ = call("evaluate", run, "--count", 400)
    assert code == 0
    assert "coordinate-space Frechet distance" in out
    assert "400 generated at step 2 of 2 against 10,000 real ones drawn from grid" in out
    for metric in "modes of 25", "high-quality share", "reverse KL":
        assert f"\n{metric}" in out


def test_info_prints_everything(folder):
    code, out, _ = call("info", folder)
    assert code == 0
    assert "step 6 of 6" in out
    history = checkpoint.load(folder)[1]["history"]
    assert f"discriminator loss {history['discriminator_loss'][-1]:.4f}" in out
    for name, value in json.loads(TINY.to_json()).items():
        assert re.search(rf"^  {name} +{re.escape(json.dumps(value))}$", out, re.MULTILINE)
    run = training.load_run(folder)
    assert run.generator.summary() in out
    assert run.discriminator.summary() in out
    assert re.search(r"ganbook \d.*Python 3\..*numpy \d.*torch \d.*tensorflow \d", out)


def test_info_of_a_run_before_its_first_step(recipe, tmp_path):
    assert call("train", "--recipe", recipe, "--until", 0, "--out", tmp_path / "run")[0] == 0
    assert "step 0 of 6 after 0.0 s of training\n" in call("info", tmp_path / "run")[1]


def test_info_lists_the_named_recipes():
    code, out, _ = call("info")
    assert code == 0
    assert all(
        re.search(rf"^{name} +{recipe.data}, {recipe.loss}", out, re.MULTILINE) for name, recipe in RECIPES.items()
    )


def fake_trials(monkeypatch, stop_at=None):
    """Replace each training of a search by a number; the training ``stop_at`` is stopped by Ctrl-C."""
    seen = []

    def run_seed(problem, recipe, seed, device=None):
        seen.append(seed)
        if len(seen) == stop_at:
            raise KeyboardInterrupt
        return {
            "distance": 1 + recipe.generator_optimiser.learning_rate.start + seed / 1000,
            "failed": None,
            "early_losses": [0.0] * 3,
            "seconds": 0.0,
        }

    monkeypatch.setattr(scores, "run_seed", run_seed)
    return seen


def test_tune_searches_and_scores_the_winner_again(monkeypatch, tmp_path):
    seen, study = fake_trials(monkeypatch), tmp_path / "study.journal"
    code, out, err = call(
        "tune", "rates", "--trials", 3, "--study", study, "--sampler", "random", "--seed", 1, "--fresh", 2
    )
    assert (code, err) == (0, "")
    assert f"rates with PyTorch, random, seed 1, in {study}: 0 of 3 trials are there" in out
    assert "best of 3 trials, 0 of them given up: number " in out
    assert re.search(r"generator_rate +\d", out)
    assert re.search(r"median of 3 seeds +1\.0\d+\non  2 fresh seeds, median +1\.1\d+ +from 1\.1.* to 1\.1.*\n", out)
    assert "noise floor" in out
    assert seen == [0, 1, 2] * 3 + [100, 101]
    assert "3 of 4 trials are there" in call("tune", "rates", "--trials", 4, "--study", study, "--fresh", 0)[1]
    assert seen[11:] == [0, 1, 2]


def test_tune_keeps_what_is_finished(monkeypatch, tmp_path):
    study = tmp_path / "study.journal"
    words = ("tune", "rates", "--trials", 4, "--study", study)
    fake_trials(monkeypatch, stop_at=8)
    message = refused(*words, code=130)
    assert message.endswith(f"{study} keeps 2 finished trials. To go on, give the same command again")
    fake_trials(monkeypatch)
    assert "2 of 4 trials are there" in call(*words)[1]
    before = study.read_bytes()
    assert "holds a study of the problem 'rates'; accepted" in refused("tune", "digits", "--study", study)
    assert "its base, space, seeds, steps or framework differ" in refused(*words, "--steps", 7)
    assert "sampler is 'random', and the study was begun with 'tpe'" in refused(*words, "--sampler", "random")
    assert study.read_bytes() == before


def test_the_book_s_searches_take_no_settings(monkeypatch, tmp_path):
    for option in (("--steps", 3), ("--seed", 1), ("--jobs", 2), ("--minutes", 1), ("--framework", "tensorflow")):
        assert "accepted with search: none" in refused("experiment", "search", *option, "--out", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        (("dream",), "train.*sample.*evaluate.*info"),
        (("train", "--framework", "jax"), "pytorch.*tensorflow"),
        (("train", "--data", "letters"), "digits.*mnist.*ring.*grid"),
        (("train", "--split", "half"), "train.*test.*all"),
        (("train", "--dtype", "int8"), "float32.*float64"),
        (("train", "--device", "tpu"), "auto, cpu, gpu or gpu:N"),
        (("train", "--device", "gpu:99"), "'gpu:99'; accepted: 'cpu'"),
        (("train", "--steps", "0"), "'0'; accepted: a whole number of at least 1"),
        (("train", "--seed", "-1"), "'-1'; accepted: a whole number of at least 0"),
        (("train", "--recipe", "best"), "recipe is 'best'; accepted: quickstart, article-000, dcgan, recommended"),
        (("train", "--data", "ring"), "data is 'ring'; accepted with recipe 'quickstart'.*: digits, mnist"),
        (("train", "--recipe", "recommended", "--data", "digits", "--size", "30"), "shape is.*divisible by 4"),
        (("sample",), "FOLDER"),
        (("evaluate", "x", "--count", "1"), "'1'; accepted: a whole number of at least 2"),
        (("classifier", "--side", "16"), "invalid choice: 16.*8, 28, 32"),
        (("tune", "alchemy"), "invalid choice: 'alchemy'.*digits.*rates"),
        (("tune", "--sampler", "grid"), "invalid choice: 'grid'.*tpe.*random"),
        (("tune", "--study", "redis://here"), "storage is 'redis://here'; accepted: the path of a journal file"),
        (("experiment", "alchemy"), "invalid choice: 'alchemy'.*article_001"),
        (("experiment", "article_001", "--minutes", "soon"), "'soon'; accepted: a number above 0"),
        (
            ("train", "--size", 100_000),
            r"--size 100000 does not fit recipe 'quickstart': the generator "
            r"has [\d,]+ weights; accepted: at most 1,000,000,000",
        ),
        (("train", "--recipe", "article-000", "--size", 3), r"--size 3 does not fit recipe 'article-000': "),
        (("train", "--batch", 10**12), r"batch is 1,000,000,000,000; accepted with the generator, .*: at most \d"),
        (("train", "--steps", 10**30), "and at most 9,223,372,036,854,775,807"),
        (("train", "--out", ""), "argument --out: ''; accepted: a text that is not empty"),
        (("train", "--recipe", ""), "argument --recipe: ''; accepted"),
        (("info", ""), "argument FOLDER: ''; accepted"),
        (("evaluate", "x", "--json", ""), "argument --json: ''; accepted"),
        (
            ("sample", "x", "--count", 10**9),
            "'1000000000'; accepted: a whole number of at least 1 and at most 1,000,000",
        ),
        (("sample", "x", "--out", "s.jpg"), r"'s\.jpg'; accepted: a file whose name ends in \.png"),
        (("tune", "--workers", 10**6), "and at most 1,024"),
        (("tune", "--study", ""), "argument --study: ''; accepted"),
        (("tune", "--study", "sqlite:///"), "'sqlite:///'; accepted: a database in a file, sqlite:///FILE"),
        (("tune", "--study", "sqlite:///:memory:"), "a database in a file"),
        (("tune", "--study", "sqlite://?a=b"), "a database in a file"),
    ],
)
def test_a_wrong_value_lists_the_right_ones(arguments, listed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert re.search(listed, refused(*arguments))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["sample", "evaluate", "info"])
def test_a_folder_without_a_run_is_named(command, tmp_path):
    assert str(tmp_path / "nowhere") in refused(command, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ('{"r1": {}}', "recipe.r1 has unknown fields [] and lacks ['start']"),
        (TINY.to_json().replace('"steps": 6', '"steps": 6, "stepps": 6'), "unknown fields ['stepps']"),
        (
            TINY.to_json().replace('"steps": 6', '"steps": 6, "batch": 3'),
            "field 'batch' twice; accepted: each field once",
        ),
        ("[" * 10_000 + "]" * 10_000, "nested too deeply"),
        (TINY.to_json().replace('"steps": 6', f'"steps": {10**400}'), "and at most 9223372036854775807"),
        (TINY.to_json().replace('"averaging": 0.5', f'"averaging": {10**400}'), "averaging is 1000"),
        (TINY.to_json().replace('"latent": 4', '"latent": {}'), "setting 'latent' is {}; accepted: a number"),
        (TINY.to_json().replace('"steps": 6', '"steps": -6'), "steps is -6; accepted"),
        (TINY.to_json().replace('"latent": 4', '"latent": 4, "colour": 3'), "setting 'colour'"),
        (TINY.to_json().replace('"latent": 4', '"latent": 4, "shape": []'), "shape is (); accepted"),
        (b"\xff\xfe\x00", "codec can't decode"),
    ],
)
def test_a_wrong_recipe_file_is_refused(content, message, tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in refused("train", "--recipe", path, "--out", tmp_path / "run")


def test_missing_data_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("GANBOOK_DATA", str(tmp_path))
    line = refused("train", "--data", "mnist", "--out", tmp_path / "run")
    assert re.search("mnist.*'digits' and 'mnist_5k' need no network", line)
    assert not (tmp_path / "run").exists()


def test_an_impossible_folder_is_refused_before_training(recipe, monkeypatch):
    monkeypatch.setattr(training, "train", None)
    assert "no folder that can be written to" in refused("train", "--recipe", recipe, "--out", recipe / "run")


def test_a_picture_that_cannot_be_written_is_named(folder, tmp_path):
    path = tmp_path / "nowhere" / "grid.png"
    assert f"{path}: No such file" in refused("sample", folder, "--out", path)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("rate", "order"), [(3.0, "alternating"), (1e36, "simultaneous"), (1e38, "simultaneous")])
def test_a_run_that_is_not_finite_ends_with_code_1(rate, order, framework, tmp_path):
    wild = Optimiser("sgd", rate)
    path, run = tmp_path / "wild.json", tmp_path / "run"
    path.write_text(
        TINY.replace(
            generator_optimiser=wild,
            discriminator_optimiser=wild,
            loss="least_squares",
            steps=50,
            order=order,
            dtype="float32",
        ).to_json()
    )
    assert call("train", "--recipe", path, "--framework", framework, "--until", 0, "--out", run)[0] == 0
    line = refused("train", "--resume", "--save-every", 1, "--out", run, code=1)
    step = int(re.search(r"step (\d+):", line)[1])
    assert checkpoint.load(run)[1]["step"] == step - 1
    assert all(np.isfinite(array).all() for arrays in weights(run).values() for array in arrays.values())


def test_neither_help_nor_info_needs_a_framework(folder):
    program = f"""
import sys
sys.path.insert(0, {str(CODE)!r})
sys.modules.update(torch=None, tensorflow=None, keras=None)
from ganbook import cli
try:
    cli.main(["train", "--help"])
except SystemExit as end:
    assert end.code == 0
assert cli.main(["info", {str(folder)!r}]) == 0
assert not {{"matplotlib", "sklearn", "scipy"}} & set(sys.modules)
assert cli.main(["evaluate", {str(folder)!r}]) == 2
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    ending = {"pytorch": "torch"}.get(folder.name, folder.name)
    assert result.stderr.strip() == (
        f"ganbook: {ending} is not installed; install it, or choose the other of --framework pytorch, tensorflow"
    )


def test_ctrl_c_leaves_the_last_checkpoint(recipe, tmp_path):
    run = tmp_path / "run"
    # Started in the background, a shell makes its programs deaf to Ctrl-C, and theirs after them; undo that.
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ganbook",
            "train",
            "--recipe",
            str(recipe),
            "--steps",
            "1000000",
            "--save-every",
            "20",
            "--out",
            str(run),
        ],
        cwd=CODE,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        while not (run / checkpoint.FILE).exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    step = checkpoint.load(run)[1]["step"]
    assert step % 20 == 0
    assert err.strip().splitlines()[-1] == (
        f"ganbook: interrupted; {run} holds step {step:,}. To go on: python -m ganbook train --out {run} --resume"
    )
    assert training.load_run(run, "pytorch").step == step


def test_ctrl_c_before_the_first_checkpoint(recipe, monkeypatch, tmp_path):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", interrupt)
    assert "nothing is saved" in refused("train", "--recipe", recipe, "--out", tmp_path / "run", code=130)


# What is refused before memory is asked for or anything is computed.


def test_more_columns_than_images_and_more_images_than_fit_are_refused(folder, monkeypatch):
    monkeypatch.setattr(training.Run, "sample", None)
    assert "columns is 1000000000; accepted with count 3" in refused("sample", folder, "--count", 3, "--columns", 10**9)
    monkeypatch.setattr("ganbook.commands.MOST_GENERATED", 6400)
    for command in "sample", "evaluate":
        assert "count is 1,000; accepted with examples of 64 numbers: at most 100" in refused(
            command, folder, "--count", 1000
        )


def test_too_little_memory_is_one_line(recipe, monkeypatch, tmp_path):
    def fail(*arguments, **options):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr(training, "train", fail)
    line = refused("train", "--recipe", recipe, "--out", tmp_path / "run")
    assert line.startswith("ganbook: there is not enough memory (Unable to allocate 9 TiB); accepted: fewer")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a_report_goes_into_a_plain_file_alone(kind, folder, monkeypatch, tmp_path):
    monkeypatch.setattr(training, "load_run", None)
    path = {"pipe": tmp_path / "pipe", "device": Path("/dev/null"), "folder": tmp_path}[kind]
    if kind == "pipe":
        os.mkfifo(path)
    assert f"json is '{path}', which is no plain file" in refused("evaluate", folder, "--json", path)


def test_a_recipe_with_a_byte_order_mark_is_read(recipe, tmp_path):
    path = tmp_path / "windows.json"
    path.write_text(recipe.read_text(), encoding="utf-8-sig")
    assert call("train", "--recipe", path, "--until", 0, "--out", tmp_path / "run")[0] == 0
    assert checkpoint.read_recipe(tmp_path / "run") == TINY


def test_a_folder_that_another_process_trains_into_is_refused_at_once(recipe, monkeypatch, tmp_path):
    monkeypatch.setattr(training, "train", None)
    program = (
        f"import time\nfrom filelock import FileLock\nwith FileLock({str(tmp_path / '.lock')!r}):\n"
        "    print('.', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        for resume in (), ("--resume",):
            line = refused("train", "--recipe", recipe, "--out", tmp_path, *resume)
            assert line.startswith(f"ganbook: another process trains into {tmp_path}; accepted: another folder")
        other.kill()


# What is printed, and where it cannot be.


@pytest.mark.parametrize("encoding", ["ascii", "cp866"])
def test_a_terminal_without_a_sign_loses_nothing_else(encoding, folder, monkeypatch, tmp_path):
    terminal, path = io.TextIOWrapper(io.BytesIO(), encoding=encoding), tmp_path / "report.json"
    monkeypatch.setattr(sys, "stdout", terminal)
    assert cli.main(["evaluate", str(folder), "--count", "20", "--json", str(path)]) == 0
    printed = terminal.buffer.getvalue().decode(encoding)
    assert printed.endswith(f"saved in {path}\n")
    assert re.search(r"Frechet distance +[\d.]+ +[\d.]+ \? [\d.]+", printed)
    assert read_result(path)["count"] == 20


def test_a_report_is_written_before_it_is_printed(folder, monkeypatch, tmp_path):
    def fail(report):
        raise BrokenPipeError

    monkeypatch.setattr("ganbook.tuning.metrics.report.Report.text", fail)
    assert call("evaluate", folder, "--count", 20, "--json", tmp_path / "report.json")[0] == 141
    assert read_result(tmp_path / "report.json")["count"] == 20


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("info | head -1", (0, "")),
        ("--help | true", (0, "")),
        ("info >&-", (0, "")),
        ("info > /dev/full", (2, "ganbook: [Errno 28] No space left on device\n")),
    ],
)
def test_output_that_nobody_takes_ends_quietly(command, expected):
    result = subprocess.run(
        f"{sys.executable} -m ganbook {command}", shell=True, cwd=CODE, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == expected


@pytest.mark.parametrize("delay", [0.2, 0.6, 1.2])
def test_ctrl_c_in_the_first_second(delay, recipe, tmp_path):
    # Counted from where Python runs: before, the signal ends a process that has no say in it.
    begin = "import runpy; print(flush=True); runpy.run_module('ganbook', run_name='__main__', alter_sys=True)"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            begin,
            "train",
            "--recipe",
            str(recipe),
            "--steps",
            "1000000",
            "--out",
            str(tmp_path / "run"),
        ],
        cwd=CODE,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.count("\n") <= 1


# Studies that are damaged.

DAMAGES = {
    "a lost line": lambda lines: [*lines[:2], *lines[3:]],
    "half a line": lambda lines: [*lines[:3], lines[3][:9] + "\n", *lines[4:]],
    "an unknown entry": lambda lines: [*lines[:3], '{"op_code": 99, "worker_id": "x"}\n', *lines[3:]],
    "an entry of another kind": lambda lines: [*lines[:3], '{"op_code": 8, "worker_id": "x"}\n', *lines[3:]],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_study_is_refused_in_one_line(damage, monkeypatch, tmp_path):
    study, words = tmp_path / "study.journal", ("tune", "rates", "--trials", 1, "--fresh", 0, "--study")
    fake_trials(monkeypatch)
    assert call(*words, study)[0] == 0
    study.write_text("".join(DAMAGES[damage](study.read_text().splitlines(keepends=True))))
    before = study.read_bytes()
    line = refused(*words, study)
    assert re.match(rf"ganbook: (study|storage) is '{study}', wh(ose line \d|ich cannot be read)", line)
    assert study.read_bytes() == before

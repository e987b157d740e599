"""Whatever words and files come in, a command ends well or in one line, and leaves nothing half-written.

``FUZZ_TRIES`` in the environment is how many tries are made in all.
"""

import contextlib
import copy
import io
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from commands import call
from ganbook import commands, result_commands
from ganbook.data import downloads
from ganbook.data.recipe import LOSSES, NETWORKS, OPTIMISERS, ORDERS, Recipe
from ganbook.gradient_descent import checkpoint, training
from ganbook.tuning.metrics.report import Report, Row
from ganbook.tuning.search import optuna_studies, scores
from gradient_descent.runs_at_hand import DENSE
from idx_files import idx_bytes, squeeze
from picture_files import picture

TRIES = int(os.environ.get("FUZZ_TRIES", "2000"))
TEXT = DENSE.replace(steps=1).to_json()
ENDINGS = ("png", "jpg", "gif", "bmp", "tiff", "webp", "ppm", "tga", "pcx", "ico")


def tries(share):
    return settings(
        max_examples=int(share * TRIES),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def report_of(run, count, seed, source):
    record = {
        name: None
        for name in (
            "experiment",
            "framework",
            "seed",
            "versions",
            "machine",
            "date",
            "seconds",
            "step",
            "data",
            "count",
            "real",
        )
    }
    return Report(
        "a report",
        (Row("distance", 1.0, 0.5, None, "lower is better"),),
        (),
        (),
        record | {"experiment": "evaluate", "recipe": json.loads(run.recipe.to_json())},
    )


def score(problem, recipe, seed, device=None):
    return {
        "distance": 1 + recipe.generator_optimiser.learning_rate.start + seed / 1000,
        "failed": None,
        "early_losses": [0.0] * 3,
        "seconds": 0.0,
    }


@pytest.fixture(scope="module", autouse=True)
def little_work(tmp_path_factory):
    """At most one step of training, numbers in place of scores, and no experiment."""
    train, run_trials = training.train, optuna_studies.run_trials
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANBOOK_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setattr(
            training,
            "train",
            lambda *words, until, **options: train(*words, until=1 if until is None else min(until, 1), **options),
        )
        patch.setattr(training, "make_runner", lambda run, compiled: run.state.run)
        patch.setattr(
            optuna_studies,
            "run_trials",
            lambda study, problem, trials, **options: run_trials(study, problem, min(trials, 3), **options),
        )
        patch.setattr(scores, "run_seed", score)
        for name, stub in {
            "run_workers": None,
            "run_table": None,
            "run_programs": None,
            "rescore": [1.0],
            "make_classifier": {"sha256": ""},
        }.items():
            patch.setattr(result_commands, name, lambda *words, stub=stub, **options: stub)
        patch.setattr(result_commands, "digit_generator", lambda *words, **options: None)
        patch.setattr(result_commands.searches, "run_searches", lambda **options: None)
        patch.setattr(commands, "evaluate_run", report_of)
        patch.setattr(downloads, "_is_published", lambda published, path: True)
        yield


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a run, and of a study."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "tiny.json").write_text(TEXT)
    assert call("train", "--recipe", folder / "tiny.json", "--out", folder / "run")[0] == 0
    assert call("tune", "rates", "--trials", 2, "--fresh", 0, "--study", folder / "study")[0] == 0
    return (folder / "run" / checkpoint.FILE).read_bytes(), (folder / "study").read_bytes()


@contextlib.contextmanager
def place():
    """A new working folder, whose every file must be whole in the end."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("in").mkdir()
        os.chdir("in")
        yield
        os.chdir(folder)
        for path in Path().rglob("*"):
            assert path.suffix != ".part"
            if path.suffix.lower() == ".png" and path.name.startswith("new"):
                Image.open(path).load()
            if path.name == checkpoint.FILE and path.parts[1] == "new":
                checkpoint.load(path.parent)


def ends(*arguments):
    """The property: the exit code is one of those that are documented, and what is wrong is said in one line."""
    code, _, err = call(*arguments)
    assert code in (0, 1, 2)
    assert code == 0 or (err.endswith("\n") and err.count("\n") == 1), err
    assert code == 0 or err.startswith(("ganbook: ", "python -m ganbook")), err


# Words

WORDS = st.one_of(
    st.sampled_from(
        [
            "",
            "0",
            "1",
            "2",
            "8",
            "-1",
            "1.5",
            "nan",
            "inf",
            "9" * 30,
            "9" * 5000,
            "1000000000",
            "x",
            "a\nb",
            "\x00",
            "²",
            "--",
            "-",
            ".",
            "..",
            "run",
            "new",
            "nowhere/new",
            "tiny.json",
            "study",
            "pipe",
            "/dev/null",
            "/dev/full",
            "digits",
            "ring",
            "stacked_digits",
            "mnist",
            "folder:",
            "folder:in",
            "pictures",
            "all",
            "test",
            "cpu",
            "gpu",
            "gpu:9",
            "auto",
            "pytorch",
            "float64",
            "mixed_bfloat16",
            "quickstart",
            "new.png",
            "new.jpg",
            "white",
            "#12345",
            "rates",
            "programs",
            "search",
            "article_001",
            "digit_generator",
            "sqlite:///",
            "sqlite:///new.db",
            "sqlite:///tiny.json",
            "redis://x",
            "postgresql://x:y",
            "random",
            "tpe",
            "none",
            "28",
        ]
    ),
    st.text(st.characters(exclude_characters="/~"), max_size=5),
)
OPTIONS = {
    "train": (
        "recipe",
        "data",
        "background",
        "split",
        "size",
        "channels",
        "batch",
        "steps",
        "until",
        "seed",
        "dtype",
        "device",
        "out",
        "save-every",
        "sample-every",
    ),
    "sample": ("out", "count", "columns", "seed", "device"),
    "evaluate": ("count", "json", "data", "background", "seed", "device"),
    "experiment": ("steps", "seed", "samples", "only", "jobs", "minutes", "out", "device"),
    "tune": ("trials", "study", "sampler", "pruner", "seed", "workers", "steps", "fresh", "device"),
    "classifier": ("side", "steps", "seed", "out", "device"),
    "info": (),
    "dream": ("x",),
}
FLAGS = {
    "train": ("--resume", "--compiled", "--distributed", "--skip-unreadable", "--help"),
    "evaluate": ("--skip-unreadable",),
    "info": ("--recipe",),
}
USUAL = {"train": ["--recipe", "tiny.json"], "sample": ["run"], "evaluate": ["run"], "info": ["run"]}


@st.composite
def lines(draw):
    command = draw(st.sampled_from(tuple(OPTIONS)))
    words = list(USUAL.get(command, ())) if draw(st.booleans()) else []
    words += draw(st.lists(WORDS, max_size=1))
    for name in draw(st.lists(st.sampled_from(OPTIONS[command] or ("recipe",)), max_size=4)):
        words += [f"--{name}", draw(WORDS)]
    words += draw(st.lists(st.sampled_from(FLAGS.get(command, ("--help",))), max_size=2))
    return [command, *words]


@tries(0.3)
@given(words=lines())
def test_words(saved, words):
    run, study = saved
    with place():
        Path("run").mkdir()
        Path("run", checkpoint.FILE).write_bytes(run)
        Path("study").write_bytes(study)
        Path("tiny.json").write_text(TEXT)
        Path("pictures").mkdir()
        for number in range(12):
            picture(16, 16, seed=number).save(f"pictures/{number}.png")
        os.mkfifo("pipe")
        ends(*words)


# Recipes

VALUES = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        8,
        0.5,
        1e-300,
        1e308,
        10**9,
        10**19,
        10**400,
        float("nan"),
        float("inf"),
        "",
        "x",
        "\ud800",
        "\x00",
        [],
        {},
        [1],
        [8],
        [2],
        [8, 8, 1],
        [8, 8, 3],
        [10**9],
        [[8]],
        [{}],
        ["same"],
        {"a": 1},
        {"start": 1},
        {"start": 0.1, "kind": "linear"},
        {"kind": "MLPGenerator"},
        "digits",
        "stacked_digits",
        "ring",
        "mnist",
        "folder:nowhere",
        "folder:",
        "train",
        "uniform",
        "cosine",
        "linear",
        "float64",
        "mixed_bfloat16",
        "relu",
        "tanh",
        *LOSSES,
        *OPTIMISERS,
        *ORDERS,
        *NETWORKS,
    ]
)
NAMES = st.sampled_from(
    [
        "spectral_norm",
        "batch_norm",
        "packing",
        "dropout",
        "latent",
        "shape",
        "hidden",
        "kernel",
        "channels",
        "stride",
        "padding",
        "width",
        "bias",
        "initialiser",
        "activation",
        "slope",
        "output_activation",
        "last_gain",
        "epsilon",
        "momentum",
        "x",
        "",
    ]
)


def objects(value):
    """Every object in a parsed text."""
    found = [value] if isinstance(value, dict) else []
    return found + [inner for each in (value.values() if isinstance(value, dict) else ()) for inner in objects(each)]


@st.composite
def recipes(draw):
    fields = json.loads(TEXT)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(objects(fields)))
        name = draw(st.one_of(st.sampled_from(sorted(place) or ["x"]), NAMES if len(place) < 20 else st.nothing()))
        if draw(st.booleans()):
            place[name] = copy.deepcopy(draw(VALUES))
        else:
            place.pop(name, None)
    text = json.dumps(fields)
    kind = draw(st.sampled_from(["as it is"] * 6 + ["doubled", "nested", "bytes", "mark", "cut"]))
    if kind == "doubled":
        text = text.replace('"', draw(st.sampled_from(['"seed": 1, "', '"kind": "x", "'])), 1)
    if kind == "nested":
        depth = draw(st.sampled_from([10, 900, 100_000]))
        text = text.replace("8", "[" * depth + "]" * depth, draw(st.integers(1, 2)))
    content = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])) if kind == "mark" else "utf-8")
    return draw(damaged(content)) if kind in ("bytes", "cut") else content


@st.composite
def damaged(draw, content):
    """Bytes of which some are others, or missing, or there twice."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, max(0, min(len(content) - 1, draw(st.sampled_from([60, 3000, 10**7]))))))
        kind = draw(st.sampled_from(["flip", "flip", "set", "cut", "drop", "double"]))
        if kind == "flip" and content:
            content[position] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set" and content:
            content[position] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[position:]
        elif kind == "drop":
            del content[position : position + draw(st.integers(1, 40))]
        elif kind == "double":
            content[position:position] = content[position : position + draw(st.integers(1, 40))]
    return bytes(content)


@tries(0.25)
@given(content=recipes())
def test_recipes(content):
    with place():
        Path("recipe.json").write_bytes(content)
        ends("train", "--recipe", "recipe.json", "--device", "cpu", "--out", "new")


# Runs


@st.composite
def runs(draw, content):
    if draw(st.booleans()):
        return draw(damaged(content))
    tensors = safetensors.numpy.load(content)
    length = int.from_bytes(content[:8], "little")
    texts = json.loads(content[8 : 8 + length])["__metadata__"]
    name = draw(st.sampled_from(sorted(texts)))
    if name == "state" and draw(st.booleans()):
        state = json.loads(texts[name])
        inner = draw(st.sampled_from(objects(state)))
        inner[draw(st.sampled_from(sorted(inner)))] = copy.deepcopy(draw(VALUES))
        texts[name] = json.dumps(state)
    else:
        texts[name] = draw(
            st.one_of(
                recipes().map(lambda text: text.decode(errors="replace")), st.text(max_size=9), VALUES.map(json.dumps)
            )
        )
    if draw(st.booleans()):
        tensors.pop(draw(st.sampled_from(sorted(tensors))))
    if name in ("recipe", "state") and draw(st.booleans()):  # as an earlier version may have written it
        with contextlib.suppress(UnicodeEncodeError):
            texts["sha256"] = checkpoint._hash(texts, tensors)
    try:
        return safetensors.numpy.save(tensors, texts)
    except UnicodeEncodeError:
        return content


@tries(0.2)
@given(
    choice=st.data(),
    words=st.sampled_from(
        [
            ("info", "run"),
            ("info", "run", "--recipe"),
            ("sample", "run", "--count", 2),
            ("evaluate", "run"),
            ("train", "--resume", "--out", "run"),
            ("train", "--recipe", "run", "--out", "new"),
        ]
    ),
)
def test_runs(saved, choice, words):
    with place():
        Path("run").mkdir()
        Path("run", checkpoint.FILE).write_bytes(choice.draw(runs(saved[0])))
        ends(*words, *(() if words[0] == "info" else ("--device", "cpu")))


# Studies


@st.composite
def journals(draw, content):
    rows = content.splitlines(keepends=True)
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.integers(0, len(rows) - 1))
        kind = draw(st.sampled_from(["drop", "double", "swap", "bytes", "value"]))
        if kind == "drop" and len(rows) > 1:
            del rows[row]
        elif kind == "double":
            rows.insert(row, rows[draw(st.integers(0, len(rows) - 1))])
        elif kind == "swap":
            rows[row], rows[0] = rows[0], rows[row]
        elif kind == "bytes":
            rows[row] = draw(damaged(rows[row]))
        elif kind == "value":
            with contextlib.suppress(ValueError):
                entry = json.loads(rows[row])
                inner = draw(st.sampled_from(objects(entry)))
                inner[draw(st.sampled_from(sorted(inner) or ["x"]))] = copy.deepcopy(draw(VALUES))
                rows[row] = json.dumps(entry).encode() + b"\n"
    return b"".join(rows)


@tries(0.125)
@given(choice=st.data(), trials=st.integers(1, 3))
def test_studies(saved, choice, trials):
    with place():
        Path("study").write_bytes(choice.draw(journals(saved[1])))
        ends("tune", "rates", "--trials", trials, "--fresh", 1, "--study", "study")


# Data


@st.composite
def idx_files(draw):
    """The training part of MNIST's twelve images, damaged before or after compression."""
    rng = np.random.default_rng(0)
    content = {
        "images-idx3": idx_bytes(rng.integers(0, 256, (12, 28, 28))),
        "labels-idx1": idx_bytes(np.arange(12) % 10),
    }
    if draw(st.booleans()):
        kind = draw(st.sampled_from(sorted(content)))
        content[kind] = draw(damaged(content[kind]))
    content = {kind: squeeze(each) for kind, each in content.items()}
    if draw(st.booleans()):
        kind = draw(st.sampled_from(sorted(content)))
        content[kind] = draw(damaged(content[kind]))
    return content


@tries(0.05)
@given(content=idx_files())
def test_idx_files(content):
    folder = Path(os.environ["GANBOOK_DATA"])
    with place():
        Path("tiny.json").write_text(TEXT)
        for kind, each in content.items():
            (folder / f"train-{kind}-ubyte.gz").write_bytes(each)
        ends("train", "--recipe", "tiny.json", "--data", "mnist", "--split", "train", "--size", 8, "--out", "new")


def encoded(ending):
    file = io.BytesIO()
    picture(24, 16).save(file, format=Image.registered_extensions()[f".{ending}"])
    return file.getvalue()


PICTURES = {ending: encoded(ending) for ending in ENDINGS}


@tries(0.075)
@given(
    choice=st.data(),
    ending=st.sampled_from(ENDINGS),
    other=st.sampled_from(ENDINGS),
    words=st.sampled_from([(), ("--skip-unreadable",), ("--background", "black"), ("--channels", "1")]),
)
def test_pictures(choice, ending, other, words):
    with place():
        Path("tiny.json").write_text(TEXT)
        Path("pictures").mkdir()
        for number in range(8):
            Path("pictures", f"{number}.png").write_bytes(PICTURES["png"])
        Path("pictures", f"9.{other}").write_bytes(choice.draw(damaged(PICTURES[ending])))
        ends("train", "--recipe", "tiny.json", "--data", "pictures", "--size", 8, "--out", "new", *words)


def test_the_recipe_that_is_damaged_is_sound():
    assert Recipe.from_json(TEXT).steps == 1

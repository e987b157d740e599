"""The five articles' systems: as they are listed, they make one run in both frameworks; and the page's table."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest

from ganbook.data.recipe import Architecture, Optimiser, Recipe
from ganbook.gradient_descent.training import train
from ganbook.tensors.configurations import CONFIGURATIONS
from notebook_pages import CHAPTERS, read
from parity import relative_error

ARTICLES = ("000", "001", "002", "003", "004")
TOLERANCE = 1e-9
LOSSES = ("discriminator_loss", "generator_loss")
#: What is repaired of a network for images in [-1, 1].
REPAIRED = {"000": {"output_activation": "tanh"}, "002": {"output_activation": "tanh"}}
ADAM = Optimiser("adam", 2e-4, beta1=0.5, beta2=0.999, epsilon=1e-7)
PAGE = CHAPTERS / "appendix" / "debug_clinic" / "systems.ipynb"
every_article = pytest.mark.parametrize("article", ARTICLES)


def system(article):
    """An article's pair of networks, each with an optimiser of the article's rule."""
    generator = CONFIGURATIONS[f"article_{article}_generator"].with_(**REPAIRED.get(article, {}))
    size, _, channels = generator.settings["shape"]
    rule = Optimiser("rmsprop", 2e-4, beta2=0.5, epsilon=1e-7) if article == "001" else ADAM
    return Recipe(
        name=f"article-{article}",
        data="coloured_mnist_5k" if channels == 3 else "mnist_5k",
        size=size,
        batch=4,
        steps=4,
        dtype="float64",
        generator=generator,
        discriminator=CONFIGURATIONS[f"article_{article}_discriminator"],
        loss="non_saturating",
        r1=0.0,
        r2=0.0,
        generator_optimiser=rule,
        discriminator_optimiser=rule,
        averaging=0.99,
    )


def run(recipe, framework):
    return train(recipe, framework, device="cpu", progress=False)


def difference(one, other):
    """The largest difference of losses and of every weight, moment and moving average, each relative to its largest."""
    found = [relative_error(np.array(one.history[name]), np.array(other.history[name])) for name in LOSSES]
    mine, its = one.state.export(), other.state.export()
    assert {role: list(group) for role, group in mine.items()} == {role: list(group) for role, group in its.items()}
    found += [relative_error(array, its[role][name], 1e-6) for role in mine for name, array in mine[role].items()]
    return max(found)


@every_article
def test_twins_make_one_run(article):
    runs = [run(system(article), framework) for framework in ("pytorch", "tensorflow")]
    assert difference(*runs) < TOLERANCE
    samples = runs[0].sample(5)
    assert samples.shape == (5, *system(article).generator.settings["shape"])
    assert np.abs(samples).max() <= 1
    for role in ("generator", "discriminator"):  # an optimiser of its own
        assert set(runs[0].state.optimiser_state[role]) == set(getattr(runs[0].state, role).trainable())


@pytest.mark.parametrize(
    "mistake",
    [
        {"loss": "minimax"},
        {"seed": 1},
        {"batch": 3},
        {"generator_optimiser": Optimiser("adam", 2e-4, beta1=0.9)},
        {"discriminator": CONFIGURATIONS["article_002_discriminator"].with_(activation="elu")},
    ],
    ids=str,
)
def test_another_run_is_seen(mistake):
    one, other = (run(recipe, "pytorch") for recipe in (system("002"), system("002").replace(**mistake)))
    assert difference(one, other) > 1e-3


#: Article 000 describes, in section 3.1, other networks than those that it lists.
DESCRIBED = {
    "generator": Architecture(
        "DCGANGenerator", {"latent": 20, "shape": (8, 8, 1), "channels": (12, 8, 6), "output_activation": "sigmoid"}
    ),
    "discriminator": Architecture(
        "ConvDiscriminator", {"shape": (8, 8, 1), "channels": (6, 8), "kernel": 3, "hidden": (10,), "batch_norm": (3,)}
    ),
}


def test_the_networks_that_article_000_describes():
    steady = Optimiser("momentum", 0.01, 0.5)
    recipe = system("000").replace(
        **DESCRIBED, data="digits", size=None, generator_optimiser=steady, discriminator_optimiser=steady
    )
    runs = [run(recipe, framework) for framework in ("pytorch", "tensorflow")]
    kinds = {role: [type(layer).__name__ for layer in getattr(runs[0], role).blueprint.layers] for role in DESCRIBED}
    assert kinds["generator"].count("ConvTranspose2D") == 3
    assert kinds["generator"].count("BatchNorm") == 3
    assert kinds["discriminator"] == [
        "Conv2D",
        "Activation",
        "Conv2D",
        "Activation",
        "Flatten",
        "Dense",
        "BatchNorm",
        "Activation",
        "Dense",
        "Reshape",
    ]
    assert difference(*runs) < TOLERANCE
    assert runs[0].sample(3).min() >= 0


def table():
    """The rows of the page's table of systems: article, system, where it is built, what holds it."""
    cell = next(cell.source for cell in read(PAGE).cells if "| article | system |" in cell.source)
    lines = cell.partition("| article | system |")[2].splitlines()[2:]
    return [[part.strip() for part in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def problems(rows):
    """What is wrong with rows of the table."""
    found = [f"no row for article {article}" for article in ARTICLES if article not in {row[0] for row in rows}]
    for article, system, where, held in rows:
        labels = re.findall(r"\{ref\}`(?:[^`<]*<)?([\w-]+)>?`", where)
        found += [f"{article} {system}: no label in {where!r}"] * (not labels)
        found += [f"{article} {system}: no page {label}" for label in labels if not has_label(label)]
        tests = re.findall(r"`([\w/.]+)::([\w-]+)`", held)
        found += [f"{article} {system}: no test in {held!r}"] * (not tests)
        found += [f"{article} {system}: no {path}::{name}" for path, name in tests if not exists(path, name)]
    return found


def has_label(label):
    return any(
        f"({label})=" in path.read_text(encoding="utf-8")
        for path in CHAPTERS.rglob("*")
        if path.is_file() and path.suffix in (".ipynb", ".md")
    )


def exists(path, name):
    """Whether a file of tests has that function, or a page a cell of that name."""
    file = CHAPTERS.parent / path
    if not file.is_file():
        return False
    if file.suffix == ".ipynb":
        return name in {cell.id for cell in read(file).cells if cell.cell_type == "code"}
    return name in {
        node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
    }


def test_every_system_is_built_and_held():
    assert problems(table()) == []


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        (0, "009"),
        (2, "nowhere"),
        (2, "{ref}`no_such_page`"),
        (3, "a test"),
        (3, "`tests/appendix/test_systems.py::no`"),
        (3, "`tests/none.py::test_it`"),
    ],
)
def test_a_wrong_row_is_seen(column, wrong):
    rows = table()
    row = next(row for row in rows if row[0] == "003")
    rows[rows.index(row)] = [*row[:column], wrong, *row[column + 1 :]]
    rows = [row for row in rows if row[0] != "003" or wrong in row]
    assert len(problems(rows)) == 1

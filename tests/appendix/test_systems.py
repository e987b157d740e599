"""The five systems: twin against twin, against the book's own training, planted mistakes, and the page's table."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest

from ganbook.appendix import systems_tensorflow, systems_torch
from ganbook.data.recipe import Architecture, Optimiser
from ganbook.gradient_descent.training import train
from ganbook.probability import losses_tensorflow
from ganbook.tensors.configurations import CONFIGURATIONS
from ganbook.tuning.systems import SYSTEMS
from notebook_pages import CHAPTERS, read
from parity import relative_error

ARTICLES = tuple(SYSTEMS)
TOLERANCE = 1e-9
STEPS = 5
LOSSES = ("discriminator_loss", "generator_loss")
#: What may differ from the article's network: its size, and what the recipe's docstring names.
SCALED = {"shape", "channels", "hidden", "momentum", "epsilon"}
REPAIRED = {"000": {"output_activation", "kernel", "padding"}, "002": {"output_activation"}}
PAGE = CHAPTERS / "appendix" / "debug_clinic" / "systems.ipynb"
every_article = pytest.mark.parametrize("article", ARTICLES)


def run(module, article, steps=STEPS):
    return module.play(SYSTEMS[article](steps, "float64"), np.random.default_rng(3))


def difference(one, other):
    """The largest difference of losses and of every weight, moment and moving average, each relative to its largest."""
    found = [relative_error(np.array(one.history[name]), np.array(other.history[name])) for name in LOSSES]
    mine, its = one.players.export(), other.players.export()
    assert {role: list(group) for role, group in mine.items()} == {role: list(group) for role, group in its.items()}
    found += [relative_error(array, its[role][name], 1e-6) for role in mine for name, array in mine[role].items()]
    return max(found)


@pytest.fixture(scope="module")
def torch_runs():
    return {article: run(systems_torch, article) for article in ARTICLES}


@every_article
def test_twins_make_one_run(article, torch_runs):
    assert difference(run(systems_tensorflow, article), torch_runs[article]) < TOLERANCE


@every_article
def test_the_loop_is_the_book_s_own_training(article, torch_runs):
    recipe = torch_runs[article].recipe.replace(seed=3)
    assert difference(train(recipe, "pytorch", device="cpu", progress=False), torch_runs[article]) < TOLERANCE


MISTAKES = {
    "the saturating loss": {"non_saturating_generator": losses_tensorflow.minimax_generator},
    "real and fake exchanged": {"non_saturating_discriminator":
                                lambda real, fake: losses_tensorflow.non_saturating_discriminator(fake, real)},
    "fakes as both classes": {"non_saturating_discriminator":
                              lambda real, fake: losses_tensorflow.non_saturating_discriminator(fake, fake)},
    "the turn of the generator is left out": {"generator_turn": lambda players, draws: draws["rates"]["t"]},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_seen(mistake, monkeypatch, torch_runs):
    for name, wrong in MISTAKES[mistake].items():
        monkeypatch.setattr(systems_tensorflow, name, wrong)
    assert difference(run(systems_tensorflow, "002"), torch_runs["002"]) > 1e-3


@every_article
def test_networks_are_the_article_s_but_for_size_and_named_repairs(article, torch_runs):
    for role in ("generator", "discriminator"):
        listed, used = CONFIGURATIONS[f"article_{article}_{role}"], getattr(torch_runs[article].recipe, role)
        changed = {name for name in used.settings if used.settings[name] != listed.settings.get(name)}
        assert used.kind == listed.kind
        assert changed <= SCALED | REPAIRED.get(article, set())
        assert used.settings["shape"] == (8, 8, listed.settings["shape"][2])


@every_article
def test_each_player_has_an_optimiser_of_the_article_s_rule(article, torch_runs):
    recipe, players = torch_runs[article].recipe, torch_runs[article].players
    rule = "rmsprop" if article == "001" else "adam"
    for role in ("generator", "discriminator"):
        assert getattr(recipe, f"{role}_optimiser").name == rule
        assert set(players.slots[role]) == set(getattr(players, role).trainable())
    assert players.slots["generator"] is not players.slots["discriminator"]


@every_article
@pytest.mark.parametrize("module", [systems_torch, systems_tensorflow], ids=["pytorch", "tensorflow"])
def test_samples_are_images(article, module):
    made = module.play(SYSTEMS[article](2), np.random.default_rng(0))
    samples = made.sample(5)
    assert samples.shape == (5, 8, 8, 3 if article in ("001", "004") else 1)
    assert np.abs(samples).max() <= 1
    assert made.history["step"] == [1, 2]
    assert made.step == 2


#: Article 000 describes, in section 3.1, other networks than those that it lists.
DESCRIBED = {
    "generator": Architecture("DCGANGenerator", {
        "latent": 20, "shape": (8, 8, 1), "channels": (12, 8, 6), "output_activation": "sigmoid"}),
    "discriminator": Architecture("ConvDiscriminator", {
        "shape": (8, 8, 1), "channels": (6, 8), "kernel": 3, "hidden": (10,), "batch_norm": (3,)}),
}


def test_the_networks_that_article_000_describes(torch_runs):
    steady = Optimiser("momentum", 0.01, 0.5)
    recipe = torch_runs["000"].recipe.replace(**DESCRIBED, generator_optimiser=steady, discriminator_optimiser=steady)
    runs = [module.play(recipe, np.random.default_rng(1)) for module in (systems_torch, systems_tensorflow)]
    kinds = {role: [type(layer).__name__ for layer in getattr(runs[0], role).layers_spec] for role in DESCRIBED}
    assert kinds["generator"].count("ConvTranspose2D") == 3
    assert kinds["generator"].count("BatchNorm") == 3
    assert kinds["discriminator"] == ["Conv2D", "Activation", "Conv2D", "Activation", "Flatten", "Dense", "BatchNorm",
                                      "Activation", "Dense", "Reshape"]
    assert difference(*runs) < TOLERANCE
    assert runs[0].sample(3).min() >= 0


@pytest.mark.parametrize("module", [systems_torch, systems_tensorflow], ids=["pytorch", "tensorflow"])
@pytest.mark.parametrize("change", [{"loss": "hinge"}, {"r1": 1.0}, {"discriminator_steps": 2}, {"clip": 0.1}])
def test_another_loop_is_refused(module, change, torch_runs):
    with pytest.raises(ValueError, match="has another loop; accepted"):
        module.play(torch_runs["002"].recipe.replace(**change), np.random.default_rng(0))


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
    return any(f"({label})=" in path.read_text(encoding="utf-8") for path in CHAPTERS.rglob("*") if path.is_file()
               and path.suffix in (".ipynb", ".md"))


def exists(path, name):
    """Whether a file of tests has that function, or a page a cell of that name."""
    file = CHAPTERS.parent / path
    if not file.is_file():
        return False
    if file.suffix == ".ipynb":
        return name in {cell.id for cell in read(file).cells if cell.cell_type == "code"}
    return name in {node.name for node in ast.parse(file.read_text(encoding="utf-8")).body
                    if isinstance(node, ast.FunctionDef)}


def test_every_system_is_built_and_held():
    assert problems(table()) == []


@pytest.mark.parametrize(("column", "wrong"), [
    (0, "009"), (2, "nowhere"), (2, "{ref}`no_such_page`"), (3, "a test"), (3, "`tests/appendix/test_systems.py::no`"),
    (3, "`tests/none.py::test_it`")])
def test_a_wrong_row_is_seen(column, wrong):
    rows = table()
    row = next(row for row in rows if row[0] == "003")
    rows[rows.index(row)] = [*row[:column], wrong, *row[column + 1:]]
    rows = [row for row in rows if row[0] != "003" or wrong in row]
    assert len(problems(rows)) == 1

"""Each program is one program: PyTorch, Keras and the package give the same numbers, and a planted mistake is seen."""

from __future__ import annotations

import ast
import importlib.util
import inspect

import numpy as np
import pytest

from ganbook.data.recipe import Architecture, Optimiser, Recipe
from ganbook.gradient_descent.training import start_run
from ganbook.tensors.exchange import keras_weights, load_keras_weights
from ganbook.tuning.experiments import program_parity as parity
from notebook_pages import CHAPTERS, read

TOLERANCE = 1e-9
FRAMEWORKS = {"torch": "pytorch", "tensorflow": "tensorflow"}
every_program = pytest.mark.parametrize("stem", parity.SMALL)


def program(stem, ending):
    return parity.program(stem, FRAMEWORKS[ending])


@pytest.fixture(scope="module")
def as_keras():
    return {stem: parity.train_torch(stem) for stem in parity.SMALL}


@every_program
def test_the_keras_program_is_the_pytorch_program(stem, as_keras):
    keras = parity.train_keras(stem)
    assert parity.difference(keras, as_keras[stem], ((0, 1, 2, 3),) * 2, parity.moving_variances(stem)) < TOLERANCE


@pytest.mark.parametrize("size", [16, 64])
def test_own_images_at_other_sizes(size):
    stem = "tuning.own_images"
    one, other = parity.train_keras(stem, size), parity.train_torch(stem, size)
    assert parity.difference(one, other, ((0, 1, 2, 3),) * 2, parity.moving_variances(stem, size)) < TOLERANCE


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
@every_program
def test_the_package_is_the_program(stem, framework):
    package, program = parity.train_recipe(stem, framework), parity.train_torch(stem, as_keras=False)
    assert parity.difference(package, program, ((0, 2), (0, 1)), parity.moving_variances(stem)) < TOLERANCE


def test_where_epsilon_stands_matters(as_keras):
    stem = "tensors.first_gan"
    assert parity.difference(parity.train_torch(stem, as_keras=False), as_keras[stem]) > 1e-6


@pytest.mark.parametrize("stem", ["probability.colour_dcgan", "tuning.own_images"])
def test_moving_variances_differ_by_one_known_factor(stem, as_keras):
    """PyTorch's moving variance takes the unbiased variance of n values, Keras's the biased one: n / (n - 1)."""
    keras = parity.train_keras(stem)
    kept = 0.9**parity.STEPS  # of the first value, 1
    size = parity.SMALL[stem][0]
    sides = [1, *([size // 4] if stem == "probability.colour_dcgan" else [8]), size // 2]
    counts = iter([parity.BATCH * side**2 for side in sides])
    for skip, mine, its in zip(parity.moving_variances(stem), as_keras[stem].generator, keras.generator, strict=True):
        if skip:
            n = next(counts)
            np.testing.assert_allclose(mine - kept, (its - kept) * n / (n - 1), rtol=1e-9)
            assert abs(mine / its - 1).max() > 1e-5


@every_program
def test_keras_gives_the_weights_back(stem):
    """A network whose weights came from Keras draws and judges as the network that had given them."""
    size, width, _ = parity.SMALL[stem]
    source = program(stem, "torch")
    first, second = ((source.Generator(size, width), source.Discriminator(size, width)) for _ in range(2))
    for giver, taker in zip(first, second, strict=True):
        given = keras_weights(giver.layers)
        assert any(abs(one - other).max() > 1e-3 for one, other in zip(given, keras_weights(taker.layers), strict=True))
        load_keras_weights(taker.layers, given)
        for (name, one), other in zip(giver.state_dict().items(), taker.state_dict().values(), strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=name)


def test_weights_of_another_shape_change_nothing():
    source = program("tensors.first_gan", "torch")
    layers = source.Generator(20, 16).layers
    before = keras_weights(layers)
    wrong = [array + 1 for array in before]
    wrong[-1] = wrong[-1][:-1]
    with pytest.raises(ValueError, match=r"arrays have shapes .*\(399,\)\]; accepted: .*\(400,\)\]"):
        load_keras_weights(layers, wrong)
    with pytest.raises(ValueError, match="arrays have shapes"):
        load_keras_weights(layers, before[:-1])
    for one, other in zip(before, keras_weights(layers), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ending", ["torch", "tensorflow"])
def test_a_first_step_of_adam_is_as_long_as_the_rate(ending):
    """However large the gradient; and the average moves by its share of it."""
    source, rng = program("gradient_descent.training_step", ending), np.random.default_rng(0)
    real, noise = rng.uniform(-1, 1, (8, 12, 12, 1)), rng.normal(size=(8, source.NOISE))
    real, noise = real.astype(np.float32), noise.astype(np.float32)
    players = source.make_players(12, 8)
    if ending == "torch":
        import torch

        given = torch.from_numpy(real).permute(0, 3, 1, 2), torch.from_numpy(noise)
        weights = [
            lambda player=player: keras_weights(getattr(player, "module", player).layers) for player in players[:3]
        ]
    else:
        import tensorflow as tf

        given = tf.constant(real), tf.constant(noise)
        weights = [player.get_weights for player in players[:3]]
    before = [now() for now in weights]
    source.train_step(*players, *given)
    expected = source.RATE, source.RATE, (1 - source.DECAY) * source.RATE
    for now, old, length in zip(weights, before, expected, strict=True):
        moved = max(abs(new - was).max() for new, was in zip(now(), old, strict=True))
        assert moved == pytest.approx(length, rel=5e-3)


def mutant(module, before, after, folder):
    """A copy of a program in whose text one thing is another: a file, since AutoGraph reads the text again."""
    source = inspect.getsource(module)
    assert before in source
    path = folder / f"mutant_{module.__name__.rpartition('.')[2]}.py"
    path.write_text(source.replace(before, after), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


MUTANTS = {
    "no detach": ("torch", "discriminator(fake.detach())", "discriminator(fake)"),
    "another slope": ("torch", "SLOPE = 0.25", "SLOPE = 0.2"),
    "half of R1": ("torch", "GAMMA / 2", "GAMMA / 4"),
    "the average is the generator": ("torch", "DECAY = 0.997", "DECAY = 0.0"),
    "real and fake exchanged": (
        "tensorflow",
        "discriminator_loss(real_logit, fake_logit)",
        "discriminator_loss(fake_logit, real_logit)",
    ),
    "the discriminator's loss for the generator": (
        "tensorflow",
        "return loss(tf.ones_like(fake), fake)",
        "return loss(tf.zeros_like(fake), fake)",
    ),
    "Keras's own slope": ("tensorflow", "layers.LeakyReLU(SLOPE)", "layers.LeakyReLU()"),
    "Keras's own epsilon": ("tensorflow", "EPSILON = 1e-8", "EPSILON = 1e-7"),
}


@pytest.mark.parametrize("mistake", MUTANTS)
def test_a_planted_mistake_is_seen(mistake, monkeypatch, tmp_path, as_keras):
    stem = "tensors.first_gan"
    ending, before, after = MUTANTS[mistake]
    wrong = mutant(program(stem, ending), before, after, tmp_path)
    right, changed = parity.program, FRAMEWORKS[ending]
    monkeypatch.setattr(
        parity, "program", lambda stem, framework: wrong if framework == changed else right(stem, framework)
    )
    if mistake == "no detach":
        with pytest.raises(RuntimeError, match="second time"):
            parity.train_torch(stem)
        return
    run = parity.train_torch(stem) if ending == "torch" else parity.train_keras(stem)
    assert parity.difference(run, as_keras[stem]) > 1e3 * TOLERANCE


def test_a_swapped_axis_is_seen(as_keras, monkeypatch):
    def swapped(layers):
        return [array.swapaxes(0, 1) if array.ndim == 4 else array for array in keras_weights(layers)]

    stem = "probability.colour_dcgan"
    with monkeypatch.context() as patch:
        patch.setattr(parity, "keras_weights", swapped)
        run = parity.train_keras(stem)
    assert parity.difference(run, as_keras[stem], skipped=parity.moving_variances(stem)) > 1e3 * TOLERANCE


#: What every program says in the same words.
SHARED = ("batches", "discriminator_loss", "generator_loss", "train_step", "adam", "make_players", "sample")
#: The quickstart's is shorter: the losses stand in the step, and Adam has its defaults.
LONGER = [stem for stem in parity.SMALL if stem != "quickstart"]


@pytest.mark.parametrize("ending", ["torch", "tensorflow"])
@pytest.mark.parametrize("stem", LONGER)
def test_what_is_the_same_in_all_programs_stays_so(stem, ending):
    mine, others = program(stem, ending), program("tensors.first_gan", ending)
    for name in SHARED:
        assert inspect.getsource(text(mine, name)) == inspect.getsource(text(others, name)), name


def text(module, name):
    """A function of a program, without the wrapping of tf.function."""
    found = getattr(module, name)
    return getattr(found, "python_function", found)


@pytest.mark.parametrize("ending", ["torch", "tensorflow"])
@every_program
def test_a_program_runs_from_the_command_line(stem, ending, monkeypatch, tmp_path, capsys):
    size, width, _ = parity.SMALL[stem]
    monkeypatch.setattr(
        "sys.argv", [stem, f"--size={size}", f"--width={width}", "--steps=3", "--every=2", f"--out={tmp_path / 'run'}"]
    )
    program(stem, ending).main()
    weights = {"torch": "safetensors", "tensorflow": "weights.h5"}[ending]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        f"discriminator.{weights}",
        f"generator.{weights}",
        "step_000002.png",
        "step_000003.png",
    ]
    assert capsys.readouterr().out.count("L_D") == 2


@pytest.mark.parametrize("ending", ["torch", "tensorflow"])
@every_program
def test_a_program_imports_stock_parts_alone(stem, ending):
    tree = ast.parse(inspect.getsource(program(stem, ending)))
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else name.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in node.names
    }
    stock = {
        "torch": {"torch", "safetensors.torch", "torch.optim.swa_utils", "torch.utils.data", "tqdm"},
        "tensorflow": {"keras", "tensorflow", "tqdm"},
    }[ending]
    assert imported - {"torch.nn.functional"} == stock | {"ganbook.data"}


@pytest.mark.parametrize("ending", ["torch", "tensorflow"])
def test_the_quickstarts_parts_are_at_most_sixty_lines(ending):
    """Networks, batches, step and players: no import, loop, docstring, comment or blank line."""
    tree = ast.parse(inspect.getsource(program("quickstart", ending)))
    lines = 0
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name not in ("sample", "train", "main"):
            for inner in ast.walk(node):
                if isinstance(inner, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(inner):
                    inner.body.pop(0)
            lines += len(code_lines(node))
    assert lines <= 60


def code_lines(tree):
    """The lines on which something of a syntax tree stands."""
    return {
        number
        for node in ast.walk(tree)
        if hasattr(node, "lineno")
        for number in (node.lineno, node.end_lineno)
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or number == node.lineno
    }


#: Size and width of each program's article.
FULL = {
    "quickstart": (8, 256),
    "tensors.first_gan": (28, 128),
    "probability.colour_dcgan": (28, 64),
    "gradient_descent.training_step": (28, 128),
    "tuning.own_images": (32, 64),
}


@every_program
def test_a_page_shows_a_whole_gan_in_both_frameworks(stem):
    cells = [cell for cell in read(CHAPTERS / f"{stem.replace('.', '/')}.ipynb").cells if cell.cell_type == "code"]
    shown = {
        tab: "\n".join(cell.source for cell in cells if tab in cell.metadata.get("tags", []))
        for tab in ("tab-pytorch", "tab-tensorflow")
    }
    for part in (
        "class Generator(nn.Module)",
        "class Discriminator(nn.Module)",
        ".zero_grad()",
        ".backward()",
        ".step()",
        "torch.optim.Adam",
        "DataLoader(",
    ):
        assert part in shown["tab-pytorch"], part
    for part in (
        "class Generator(keras.Sequential)",
        "class Discriminator(keras.Sequential)",
        "tf.GradientTape()",
        ".apply_gradients(",
        "keras.optimizers.Adam",
        "tf.data.",
    ):
        assert part in shown["tab-tensorflow"], part


@pytest.mark.parametrize("stem", [stem for stem in parity.SMALL if stem != "quickstart"])
def test_a_page_describes_its_program_to_the_package(stem):
    """What stands on the page under "The same in ganbook" is the program of the page, at full width."""
    page = CHAPTERS / f"{stem.replace('.', '/')}.ipynb"
    cell = next(cell.source for cell in read(page).cells if "recipe = Recipe(" in cell.source)
    names = {"Architecture": Architecture, "Optimiser": Optimiser, "Recipe": Recipe, "folder": "pictures"}
    exec(cell.partition("run = ")[0], names)
    described = names["recipe"]
    size, width = FULL[stem]
    batch = inspect.signature(program(stem, "torch").train).parameters["batch"].default
    wanted = parity.recipe(
        stem, size, width, data=described.data, split="train", dtype="float32", batch=batch, steps=described.steps
    ).replace(size=size)
    assert described == wanted


@pytest.mark.parametrize(("stem", "size", "width"), [(stem, *at) for stem, at in FULL.items()])
def test_at_full_width_the_package_has_networks_of_the_same_size(stem, size, width):
    described = parity.recipe(stem, size, width, batch=32, dtype="float32")
    assert (described.batch, described.dtype) == (32, "float32")
    run = start_run(described, "pytorch", device="cpu")
    players = program(stem, "torch").make_players(size, width)
    for package, own in ((run.generator, players[0]), (run.discriminator, players[1])):
        counted = [sum(p.numel() for p in network.parameters()) for network in (package, own)]
        assert counted[0] == counted[1] > 0

"""Figures: what they show, that they come out the same, and that drawing needs no framework."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from ganbook.data.grids import save_grid_png, tile
from ganbook.pages import figures
from ganbook.pages.figures import COLOURS, CYCLE

CODE = Path(__file__).resolve().parents[2] / "code"


@pytest.fixture(autouse=True)
def _tidy():
    with mpl.rc_context():
        yield
    plt.close("all")


def some(n=6, side=4, channels=1):
    return np.random.default_rng(0).uniform(-1, 1, (n, side, side, channels)).astype(np.float32)


def png(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def luminance(colour):
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
    return np.dot(parts, [0.2126, 0.7152, 0.0722])


def test_colours_are_distinct_members_of_the_palette_that_stand_out_from_white():
    okabe_ito = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    assert list(COLOURS) == ["data", "generator", "discriminator", "pytorch", "tensorflow"]
    assert len(set(COLOURS.values())) == 5
    assert {*COLOURS.values(), *CYCLE} <= okabe_ito
    for colour in COLOURS.values():  # WCAG 2.1, 1.4.11: at least 3 to 1 for graphics
        assert 1.05 / (luminance(colour) + 0.05) >= 3


FIGURES = {
    "image_grid": lambda: figures.image_grid(some(), 3),
    "real_and_generated": lambda: figures.real_and_generated(some(), some(5), columns=3),
    "scatter_2d": lambda: figures.scatter_2d(np.eye(2), np.ones((3, 2))),
    "game": figures.game,
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_figures_are_white_and_come_out_the_same(draw):
    figures.use_style()
    first = png(draw())
    assert first == png(draw())
    picture = np.asarray(Image.open(io.BytesIO(first)).convert("RGBA"))
    assert (picture[..., 3] == 255).all()
    assert (picture[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    assert picture.std() > 10


# Grids of images


def shown(figure, i=0):
    return np.asarray(figure.axes[i].get_images()[0].get_array())


def test_image_grid_puts_every_image_in_its_place():
    images = some(5, 3)
    picture = shown(figures.image_grid(images, columns=2))
    assert picture.shape == (3 * 4 - 1, 2 * 4 - 1, 3)
    for i, image in enumerate(images):
        top, left = 4 * (i // 2), 4 * (i % 2)
        expected = np.round((image + 1) * 127.5)
        np.testing.assert_array_equal(picture[top : top + 3, left : left + 3], np.broadcast_to(expected, (3, 3, 3)))
    assert (picture[8:, 4:] == 255).all()
    assert (picture[3] == 255).all()


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_channels(channels):
    images = some(1, 4, channels)
    levels = np.round((images[0] + 1) * 127.5)
    blue = np.zeros((4, 4, int(channels == 2)))
    full = np.broadcast_to(np.concatenate([levels, blue], -1), (4, 4, 3))
    np.testing.assert_array_equal(tile(images), full)


def test_values_outside_the_range_are_shown_as_its_ends():
    np.testing.assert_array_equal(
        tile(np.array([-7.0, -1, 0, 1, 7]).reshape(1, 1, 5, 1))[0, :, 0], [0, 0, 128, 255, 255]
    )


@pytest.mark.parametrize(("n", "shape"), [(1, (1, 1)), (2, (1, 2)), (4, (2, 2)), (5, (2, 3)), (16, (4, 4))])
def test_grid_is_nearly_square_by_default(n, shape):
    assert tile(some(n)).shape[:2] == tuple(5 * k - 1 for k in shape)


def test_real_and_generated_stand_left_and_right_in_their_colours():
    real, fake = some(4), some(6)[::-1]
    figure = figures.real_and_generated(real, fake, columns=2)
    for place, images in enumerate((real, fake)):
        np.testing.assert_array_equal(shown(figure, place), tile(images, 2))
    assert [(ax.get_title(), to_hex(ax.title.get_color()).upper()) for ax in figure.axes] == [
        ("Real", COLOURS["data"]),
        ("Generated", COLOURS["generator"]),
    ]


@pytest.mark.parametrize(
    "images", [np.zeros((4, 4)), np.zeros((0, 4, 4, 1)), np.zeros((1, 4, 4, 4)), np.full((1, 2, 2, 1), np.nan)]
)
def test_bad_images_are_named(images, tmp_path):
    for draw in (lambda x: figures.image_grid(x, 2), lambda x: save_grid_png(x, tmp_path / "x.png")):
        with pytest.raises(ValueError, match=r"^images has .*; accepted"):
            draw(images)
    with pytest.raises(ValueError, match=r"^fake has .*; accepted"):
        figures.real_and_generated(some(), images)
    assert list(tmp_path.iterdir()) == []


def test_bad_columns_are_named():
    with pytest.raises(ValueError, match="columns is 0"):
        tile(some(), 0)


@pytest.mark.parametrize(("side", "factor"), [(8, 4), (28, 2), (32, 1), (5, 7)])
def test_saved_grid(tmp_path, side, factor):
    images = some(3, side, 3)
    for name in ("a.png", "b.png"):
        save_grid_png(images, tmp_path / name, columns=2)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    picture = Image.open(tmp_path / "a.png")
    assert picture.format == "PNG"
    assert picture.info == {}
    assert picture.size == ((2 * side + 1) * factor, (2 * side + 1) * factor)
    np.testing.assert_array_equal(np.asarray(picture)[::factor, ::factor], tile(images, 2))


def test_scatter():
    real, fake = np.array([[0.0, 2.0], [-4.0, 1.0]]), np.array([[100.0, 0.0]])
    figure = figures.scatter_2d(real, fake)
    (ax,) = figure.axes
    assert ax.get_xlim() == ax.get_ylim() == (-5, 5)
    assert ax.get_aspect() == 1
    points = {c.get_label(): c for c in ax.collections}
    for name, array, colour in (("real", real, "data"), ("generated", fake, "generator")):
        np.testing.assert_array_equal(points[name].get_offsets(), array)
        assert to_hex(points[name].get_facecolor()[0]).upper() == COLOURS[colour]


@pytest.mark.parametrize("points", [np.zeros(2), np.zeros((0, 2)), np.zeros((3, 3)), np.full((1, 2), np.inf)])
def test_bad_points_are_named(points):
    with pytest.raises(ValueError, match="real has shape"):
        figures.scatter_2d(points, np.eye(2))
    with pytest.raises(ValueError, match="fake has shape"):
        figures.scatter_2d(np.eye(2), points)


# Imports


@pytest.mark.parametrize(
    ("then", "wanted", "unwanted"),
    [
        ("", "numpy", {"matplotlib", "PIL", "torch", "tensorflow", "keras"}),
        ("figures.use_style(); figures.image_grid([[[[0.0]]]], 1)", "matplotlib", {"torch", "tensorflow", "keras"}),
    ],
)
def test_figures_import_no_framework_and_matplotlib_when_drawing(then, wanted, unwanted):
    program = (
        f"import sys, json; sys.path.insert(0, {str(CODE)!r}); before = set(sys.modules); "
        f"from ganbook.pages import figures; {then}\n"
        "print(json.dumps([name for name in set(sys.modules) - before if sys.modules[name]]))"
    )
    output = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"MPLBACKEND": "Agg"},
    ).stdout
    names = {name.partition(".")[0] for name in json.loads(output)}
    assert wanted in names
    assert not names & unwanted


def test_parallel_coordinates_put_every_trial_at_its_height():
    settings = {"rate": [1e-4, 1e-2, 1e-3], "width": [32, 64, 128], "loss": ["hinge", "wasserstein", "relativistic"]}
    figure = figures.parallel_coordinates(settings, [4.0, 1.0, 2.0], logarithmic=("rate",), label="distance")
    ax = figure.axes[0]
    lines = [line.get_ydata() for line in ax.get_lines() if len(line.get_xdata()) == 4]
    # The best trial is drawn last, on top.
    np.testing.assert_allclose(lines[0], [0, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(lines[1], [0.5, 1, 0.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(lines[2], [1, 1 / 3, 1, 0], atol=1e-12)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["rate", "width", "loss", "distance"]
    shown = {text.get_text() for text in ax.texts}
    assert {"0.0001", "0.01", "32", "128", "hinge", "wasserstein"} <= shown


@pytest.mark.parametrize(
    ("settings", "scores"), [({"rate": [1.0]}, [1.0, 2.0]), ({"rate": []}, []), ({"rate": [1.0]}, [0.0])]
)
def test_parallel_coordinates_refuse_what_cannot_be_drawn(settings, scores):
    with pytest.raises(ValueError, match="accepted: as many of each"):
        figures.parallel_coordinates(settings, scores)


def test_a_film_has_a_row_for_each_step():
    frames = {1: some(5), 1_000: some(5)[::-1]}
    figure = figures.film(frames)
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["step 1", "step 1,000"]
    shown = ax.get_images()[0].get_array()
    assert shown.shape == (2 * 5 - 1, 5 * 5 - 1, 3)  # four pixels and a line between neighbours
    levels = np.round((some(5)[0, :, :, 0] + 1) * 127.5)
    np.testing.assert_array_equal(shown[:4, :4, 0], levels)
    np.testing.assert_array_equal(shown[5:, 20:24, 0], levels)  # the second row begins with the last


@pytest.mark.parametrize("frames", [{}, {1: some(5), 2: some(4)}])
def test_frames_of_different_shapes_are_no_film(frames):
    with pytest.raises(ValueError, match=r"^frames has \d shapes; accepted: at least one frame, all of one shape"):
        figures.film(frames)


def test_a_picture_is_shown_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    (ax,) = figures.picture(pixels).axes
    np.testing.assert_array_equal(ax.get_images()[0].get_array(), pixels)


def test_the_game_names_every_part_in_its_colour():
    (ax,) = figures.game().axes
    colours = {text.get_text(): to_hex(text.get_color()).upper() for text in ax.texts if text.get_text()}
    for player, words in (("generator", "generator G"), ("discriminator", "discriminator D"), ("data", "real x")):
        assert colours[words] == COLOURS[player]
    assert colours["gradient of $L_G$: make fakes pass for real"] == COLOURS["generator"]
    assert colours["gradient of $L_D$: tell them apart"] == COLOURS["discriminator"]
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert sorted(arrow.arrow_patch.get_linestyle() for arrow in arrows) == ["--"] * 2 + ["solid"] * 5

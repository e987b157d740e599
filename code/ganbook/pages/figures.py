"""The book's figures: arrays in, matplotlib figures out.

Every figure stands on its own white ground, so that it reads the same on a light and on a dark page.  Colours are
Okabe and Ito's, told apart with any kind of colour vision, and one thing has one colour throughout the book.
matplotlib is imported when the first figure is drawn.

Reference: Okabe and Ito, Color Universal Design, 2008.

Explained in the book's sections "Quickstart" and "Search".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ganbook.data.grids import tile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = MappingProxyType(
    {
        "data": "#0072B2",  # blue
        "generator": "#D55E00",  # vermilion
        "discriminator": "#009E73",  # bluish green
        "pytorch": "#CC79A7",  # reddish purple
        "tensorflow": "#000000",  # black
    }
)
TITLES = MappingProxyType({"pytorch": "PyTorch", "tensorflow": "TensorFlow", "numpy": "NumPy"})
# For what has no colour of its own. The palette's yellow is too faint for a line on white.
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
# A later line is drawn thinner and broken, so that an equal one below it still shows.
STROKES = (("-", 3.0), ("--", 1.4), (":", 1.8), ("-.", 1.2))


def use_style() -> None:
    """Set matplotlib's defaults to the book's: white ground, no box, faint grid, the palette in order.

    Example:
        >>> import matplotlib
        >>> with matplotlib.rc_context():
        ...     use_style()
        ...     matplotlib.rcParams["axes.prop_cycle"].by_key()["color"] == list(CYCLE)
        True
    """
    import matplotlib as mpl
    from matplotlib.rcsetup import cycler

    mpl.rcParams.update(
        {
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "savefig.transparent": False,
            "axes.facecolor": "white",
            "axes.prop_cycle": cycler(color=CYCLE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#DDDDDD",
            "grid.linewidth": 0.6,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "font.family": "DejaVu Sans",
            "font.size": 10,
            "legend.frameon": False,
            "figure.figsize": (7.0, 3.2),
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.constrained_layout.use": True,
            "svg.hashsalt": "ganbook",
        }
    )


def image_grid(images: np.ndarray, columns: int) -> Figure:
    """Show images row by row, as :func:`ganbook.data.grids.tile` puts them together.

    Args:
        images: shape (N, H, W, C), values in [-1, 1].
        columns: images per row.

    Returns:
        The figure.

    Raises:
        ValueError: as :func:`ganbook.data.grids.tile`.

    Example:
        >>> figure = image_grid(np.zeros((6, 8, 8, 1)), columns=3)
        >>> figure.axes[0].get_images()[0].get_array().shape  # two rows of three, and lines between them
        (17, 26, 3)
    """
    return picture(tile(images, columns))


def real_and_generated(real: np.ndarray, fake: np.ndarray, columns: int = 8) -> Figure:
    """Show real images on the left and generated ones on the right, in the colours of data and generator.

    Args:
        real, fake: shapes (N, H, W, C) and (M, H, W, C), as for :func:`image_grid`.
        columns: images per row on either side.

    Returns:
        The figure.

    Raises:
        ValueError: as :func:`image_grid`.

    Example:
        >>> [ax.get_title() for ax in real_and_generated(np.ones((16, 8, 8, 1)), -np.ones((16, 8, 8, 1))).axes]
        ['Real', 'Generated']
    """
    tiles = [tile(real, columns, "real"), tile(fake, columns, "fake")]
    figure, axes = _figure(2, max(_height(t, 3.5) for t in tiles) + 0.35)
    for ax, pixels, name, colour in zip(axes, tiles, ("Real", "Generated"), ("data", "generator"), strict=True):
        _show(ax, pixels)
        ax.set_title(name, color=COLOURS[colour])
    figure.set_layout_engine("constrained", wspace=0.08)
    return figure


def picture(pixels: np.ndarray) -> Figure:
    """Show a picture that is already one, such as a recorded grid.

    Args:
        pixels: shape (height, width, 3), uint8.

    Returns:
        The figure.

    Example:
        >>> picture(np.zeros((20, 60, 3), np.uint8)).get_size_inches().tolist()
        [6.0, 2.0]
    """
    figure, (ax,) = _figure(1, _height(pixels, 6.0), width=6.0)
    _show(ax, pixels)
    return figure


def film(frames: Mapping[int, np.ndarray]) -> Figure:
    """Show what a generator drew after some steps, one row for each, from the same noise.

    Args:
        frames: by step, images of shape (N, H, W, C) as for :func:`image_grid`; N is the same for all.

    Returns:
        The figure, with the steps at its left.

    Raises:
        ValueError: as :func:`image_grid`, or no frame, or frames of different shapes.

    Example:
        >>> figure = film({1: np.zeros((5, 8, 8, 1)), 1_000: np.ones((5, 8, 8, 1))})
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['step 1', 'step 1,000']
    """
    shapes = {np.shape(images) for images in frames.values()}
    if len(shapes) != 1:
        raise ValueError(f"frames has {len(shapes)} shapes; accepted: at least one frame, all of one shape")
    return film_strip(tile(np.concatenate(list(frames.values())), next(iter(shapes))[0]), list(frames))


def film_strip(picture: np.ndarray, steps: Sequence[int]) -> Figure:
    """Show a picture of equally high rows, each with its step at the left; see :func:`film`.

    Args:
        picture: shape (height, width, 3), uint8.
        steps: of the rows, from above.

    Returns:
        The figure.

    Example:
        >>> film_strip(np.zeros((80, 10, 3), np.uint8), [1, 10, 100, 1_000]).axes[0].get_yticks().tolist()
        [10.0, 30.0, 50.0, 70.0]
    """
    figure, (ax,) = _figure(1, _height(picture, 6.2))
    ax.imshow(picture, interpolation="nearest")
    height = len(picture) / len(steps)
    ax.set_yticks([height * (row + 0.5) for row in range(len(steps))], [f"step {step:,}" for step in steps])
    ax.set_xticks([])
    ax.tick_params(left=False, colors=COLOURS["generator"])
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return figure


def game() -> Figure:
    """The game as a diagram: what flows forward in black, and in each player's colour what it learns from.

    Returns:
        The figure.

    Example:
        >>> "generator G" in [text.get_text() for text in game().axes[0].texts]
        True

    Reference: Goodfellow et al., Generative adversarial nets, NIPS 2014, arXiv:1406.2661.
    """
    figure, (ax,) = _figure(1, 3.0)
    ax.set(xlim=(0, 100), ylim=(0, 43))
    ax.set_axis_off()
    boxes = (
        (8, 29, "noise z", "black"),
        (31, 29, "generator G", COLOURS["generator"]),
        (54, 29, "fake G(z)", COLOURS["generator"]),
        (54, 9, "real x", COLOURS["data"]),
        (76, 19, "discriminator D", COLOURS["discriminator"]),
        (95, 19, "logit", "black"),
    )
    for x, y, name, colour in boxes:
        ax.text(
            x,
            y,
            name,
            ha="center",
            va="center",
            color=colour,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour, "linewidth": 1.5},
        )
    forward = {"arrowstyle": "-|>", "color": "black", "linewidth": 1.3}
    for start, end in (
        ((14, 29), (22, 29)),
        ((40, 29), (47, 29)),
        ((61, 28), (68, 22)),
        ((60, 10), (68, 16)),
        ((86, 19), (91, 19)),
    ):
        ax.annotate("", end, start, arrowprops=forward)
    for start, end, curve, player, at, words in (
        ((95, 23), (32, 33), 0.28, "generator", (66, 41.5), "gradient of $L_G$: make fakes pass for real"),
        ((95, 15), (77, 15), -0.6, "discriminator", (81, 4.5), "gradient of $L_D$: tell them apart"),
    ):
        ax.annotate(
            "",
            end,
            start,
            arrowprops={
                "arrowstyle": "-|>",
                "color": COLOURS[player],
                "linewidth": 1.6,
                "linestyle": "--",
                "connectionstyle": f"arc3,rad={curve}",
            },
        )
        ax.text(*at, words, ha="center", va="center", color=COLOURS[player], fontsize=9)
    return figure


def scatter_2d(real: np.ndarray, fake: np.ndarray) -> Figure:
    """Show points of the plane, real ones below generated ones, at equal scale on both axes.

    Args:
        real, fake: shapes (N, 2) and (M, 2).  The axes fit the real points with some room, so that a stray generated
            one cannot squeeze the picture.

    Returns:
        The figure.

    Raises:
        ValueError: an array of another shape or a value that is not finite.
    """
    real, fake = _points("real", real), _points("fake", fake)
    limit = 1.25 * np.abs(real).max()
    figure, (ax,) = _figure(1, 4.0, width=4.2)
    # Real points are larger and pale, so that generated ones on top of them do not hide them.
    ax.scatter(*real.T, s=40, color=COLOURS["data"], alpha=0.25, linewidths=0, label="real")
    ax.scatter(*fake.T, s=5, color=COLOURS["generator"], alpha=0.8, linewidths=0, label="generated")
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    for handle in figure.legend(loc="outside lower center", ncols=2).legend_handles:
        assert handle is not None  # both clouds have a legend
        handle.set(alpha=1, sizes=[40])
    return figure


def parallel_coordinates(
    settings: Mapping[str, Sequence[Any]], scores: ArrayLike, logarithmic: Sequence[str] = (), label: str = "score"
) -> Figure:
    """Draw each trial of a search as a line over one axis for each setting; low scores are dark and on top.

    Args:
        settings: by name, the value of each trial: numbers, or names, which are spread evenly in their order.
        scores: of each trial, above 0; the last axis, logarithmic.
        logarithmic: names of settings with a logarithmic axis.
        label: of the scores.

    Returns:
        A figure.

    Raises:
        ValueError: no trial, settings and scores of different numbers, or a score that is not above 0.

    Example:
        >>> figure = parallel_coordinates({"rate": [1e-4, 1e-2], "loss": ["hinge", "minimax"]}, [4.0, 1.0], ["rate"])
        >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
        ['rate', 'loss', 'score']
    """
    import matplotlib

    scores = np.asarray(scores, np.float64)
    lengths = {name: len(values) for name, values in settings.items()}
    if not len(scores) or set(lengths.values()) != {len(scores)} or not (scores > 0).all():
        raise ValueError(
            f"settings has {lengths} values and there are {len(scores)} scores, the lowest "
            f"{scores.min(initial=np.inf):g}; accepted: as many of each, at least one, above 0"
        )
    columns = [_axis(values, name in logarithmic) for name, values in settings.items()]
    columns.append(_axis(list(scores), logarithmic=True))
    figure, (ax,) = _figure(1, 3.4)
    # From faint to dark, which also differ in a print without colour.
    colours = matplotlib.colormaps["viridis_r"](np.linspace(0.0, 1.0, len(scores)))
    for colour, trial in zip(colours, np.argsort(-scores, kind="stable"), strict=True):
        ax.plot([heights[trial] for heights, _ in columns], color=colour, linewidth=1.2, alpha=0.85)
    for x, (_, ticks) in enumerate(columns):
        ax.axvline(x, color="#444444", linewidth=0.8)
        for height, text in ticks:
            ax.annotate(
                text,
                (x, height),
                (3, 0),
                textcoords="offset points",
                fontsize=7,
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            )
    names = [name.replace("_", "\n") for name in settings]
    ax.set(xticks=range(len(columns)), xticklabels=[*names, label], yticks=[], xlim=(-0.1, len(columns) - 0.6))
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    return figure


def _axis(values: Sequence[Any], logarithmic: bool) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Heights in [0, 1] of the values, and some heights with what stands there."""
    if isinstance(values[0], str):
        names = sorted(set(values))
        span = max(len(names) - 1, 1)
        return (
            np.array([names.index(value) for value in values]) / span,
            [(place / span, name.replace("_", " ")) for place, name in enumerate(names)],
        )
    numbers = np.log(values) if logarithmic else np.asarray(values, np.float64)
    low, high = numbers.min(), numbers.max()
    heights = (numbers - low) / (high - low) if high > low else np.full(len(numbers), 0.5)
    few = np.unique(numbers)
    marks = few if len(few) <= 4 else np.linspace(low, high, 4)
    texts = np.exp(marks) if logarithmic else marks
    return heights, [
        ((mark - low) / (high - low) if high > low else 0.5, f"{text:.{2 if text < 100 else 3}g}")
        for mark, text in zip(marks, texts, strict=True)
    ]


def _height(tiles: np.ndarray, width: float) -> float:
    return width * tiles.shape[0] / tiles.shape[1]


def _figure(columns: int, height: float, width: float = 7.0) -> tuple[Figure, np.ndarray]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, columns, figsize=(width, height), layout="constrained", squeeze=False)
    return figure, axes.ravel()


def _show(ax: Axes, pixels: np.ndarray) -> None:
    ax.imshow(pixels, interpolation="nearest")
    ax.set_axis_off()


def _points(name: str, points: np.ndarray) -> np.ndarray:
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
        raise ValueError(f"{name} has shape {points.shape}; accepted: (N, 2), at least one point, finite")
    return points

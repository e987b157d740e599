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

from ganbook.data.grids import tile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = MappingProxyType({
    "data": "#0072B2",           # blue
    "generator": "#D55E00",      # vermilion
    "discriminator": "#009E73",  # bluish green
    "pytorch": "#CC79A7",        # reddish purple
    "tensorflow": "#000000",     # black
})
TITLES = MappingProxyType({"pytorch": "PyTorch", "tensorflow": "TensorFlow", "numpy": "NumPy"})
# For what has no colour of its own. The palette's yellow is too faint for a line on white.
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
# A later line is drawn thinner and broken, so that an equal one below it still shows.
STROKES = (("-", 3.0), ("--", 1.4), (":", 1.8), ("-.", 1.2))


def use_style() -> None:
    """Set matplotlib's defaults to the book's: white ground, no box, faint grid, the palette in order."""
    import matplotlib as mpl

    mpl.rcParams.update({
        "figure.facecolor": "white", "savefig.facecolor": "white", "savefig.transparent": False,
        "axes.facecolor": "white", "axes.prop_cycle": mpl.cycler(color=CYCLE),
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
        "grid.color": "#DDDDDD", "grid.linewidth": 0.6, "axes.titlesize": 11, "axes.titleweight": "bold",
        "font.family": "DejaVu Sans", "font.size": 10, "legend.frameon": False,
        "figure.figsize": (7.0, 3.2), "figure.dpi": 110, "savefig.dpi": 110, "figure.constrained_layout.use": True,
        "svg.hashsalt": "ganbook",
    })


def image_grid(images: np.ndarray, columns: int | None = None, title: str | None = None) -> Figure:
    """Show images row by row.

    Args:
        images: shape (N, H, W, C), values in [-1, 1]; values outside are shown as the nearest end.  One channel is
            shown in grey, two as red and green, three as colours.
        columns: images per row; None makes the grid nearly square.
        title: shown above the grid.

    Returns:
        The figure.

    Raises:
        ValueError: an array of another shape, a value that is not finite, or columns below 1.
    """
    tiles = tile(images, columns)
    figure, axes = _figure(1, 1, _height(tiles, 6.0) + 0.35 * bool(title), width=6.0)
    _show(axes[0], tiles, title, "black")
    return figure


def real_and_generated(real: np.ndarray, fake: np.ndarray, columns: int = 8, title: str | None = None) -> Figure:
    """Show real images on the left and generated ones on the right, in the colours of data and generator.

    Args:
        real, fake: shapes (N, H, W, C) and (M, H, W, C), as for :func:`image_grid`.
        columns: images per row on either side.
        title: shown above both.

    Returns:
        The figure.

    Raises:
        ValueError: as :func:`image_grid`.
    """
    tiles = [tile(real, columns, "real"), tile(fake, columns, "fake")]
    height = max(_height(t, 3.5) for t in tiles) + 0.35 + 0.3 * bool(title)
    figure, axes = _figure(1, 2, height)
    for ax, picture, name, colour in zip(axes, tiles, ("Real", "Generated"), ("data", "generator"), strict=True):
        _show(ax, picture, name, COLOURS[colour])
    figure.get_layout_engine().set(wspace=0.08)
    figure.suptitle(title)
    return figure


def picture(pixels: np.ndarray, width: float = 6.0) -> Figure:
    """Show a picture that is already one, such as a recorded grid.

    Args:
        pixels: shape (height, width, 3), uint8.
        width: of the figure, in inches.

    Returns:
        The figure.
    """
    figure, axes = _figure(1, 1, _height(pixels, width), width=width)
    _show(axes[0], pixels, None, "black")
    return figure


def film(frames: Mapping[int, np.ndarray]) -> Figure:
    """Show what a generator drew after some steps, one row for each, from the same noise.

    Args:
        frames: by step, images of shape (N, H, W, C) as for :func:`image_grid`; N is the same for all.

    Returns:
        The figure, with the steps at its left.

    Raises:
        ValueError: as :func:`image_grid`, or no frame, or frames of different shapes.
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
    """
    figure, axes = _figure(1, 1, _height(picture, 6.2))
    axes[0].imshow(picture, interpolation="nearest")
    height = len(picture) / len(steps)
    axes[0].set_yticks([height * (row + 0.5) for row in range(len(steps))], [f"step {step:,}" for step in steps])
    axes[0].set_xticks([])
    axes[0].tick_params(left=False, colors=COLOURS["generator"])
    axes[0].spines[:].set_visible(False)
    axes[0].grid(False)
    return figure


def game() -> Figure:
    """The game as a diagram: what flows forward in black, and in each player's colour what it learns from.

    Returns:
        The figure.

    Reference: Goodfellow et al., Generative adversarial nets, NIPS 2014, arXiv:1406.2661.
    """
    figure, axes = _figure(1, 1, 3.0)
    ax = axes[0]
    ax.set(xlim=(0, 100), ylim=(0, 43))
    ax.set_axis_off()
    boxes = ((8, 29, "noise z", "black"), (31, 29, "generator G", COLOURS["generator"]),
             (54, 29, "fake G(z)", COLOURS["generator"]), (54, 9, "real x", COLOURS["data"]),
             (76, 19, "discriminator D", COLOURS["discriminator"]), (95, 19, "logit", "black"))
    for x, y, name, colour in boxes:
        ax.text(x, y, name, ha="center", va="center", color=colour, fontweight="bold",
                bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour, "linewidth": 1.5})
    forward = {"arrowstyle": "-|>", "color": "black", "linewidth": 1.3}
    for start, end in (((14, 29), (22, 29)), ((40, 29), (47, 29)), ((61, 28), (68, 22)), ((60, 10), (68, 16)),
                       ((86, 19), (91, 19))):
        ax.annotate("", end, start, arrowprops=forward)
    for start, end, curve, player, at, words in (
            ((95, 23), (32, 33), 0.28, "generator", (66, 41.5), "gradient of $L_G$: make fakes pass for real"),
            ((95, 15), (77, 15), -0.6, "discriminator", (81, 4.5), "gradient of $L_D$: tell them apart")):
        ax.annotate("", end, start, arrowprops={
            "arrowstyle": "-|>", "color": COLOURS[player], "linewidth": 1.6, "linestyle": "--",
            "connectionstyle": f"arc3,rad={curve}"})
        ax.text(*at, words, ha="center", va="center", color=COLOURS[player], fontsize=9)
    return figure


def loss_curves(histories: Mapping[str, Mapping[str, Sequence[float]]], title: str | None = None) -> Figure:
    """Plot the losses of both players against the step, one line per run.

    Args:
        histories: by name of the run, ``pytorch`` and ``tensorflow`` for their colours: a mapping with ``step``,
            ``discriminator_loss`` and ``generator_loss``, equally long.
        title: shown above both panels.

    Returns:
        The figure: the discriminator on the left, the generator on the right.

    Raises:
        ValueError: no run, or one that lacks a sequence or has sequences of different lengths.
    """
    if not histories:
        raise ValueError("histories is empty; accepted: at least one run")
    figure, axes = _figure(1, 2, 3.0)
    for player, ax in zip(("discriminator", "generator"), axes, strict=True):
        for i, (name, history) in enumerate(histories.items()):
            steps, losses = (_sequence(name, history, key) for key in ("step", f"{player}_loss"))
            if len(steps) != len(losses):
                raise ValueError(f"histories[{name!r}] has {len(steps)} steps but {len(losses)} values of "
                                 f"{player}_loss; accepted: as many of both")
            ax.plot(steps, losses, **_stroke(name, i))
        ax.set_title(player.capitalize(), color=COLOURS[player])
        ax.set_xlabel("step")
    axes[0].set_ylabel("loss")
    axes[0].legend()
    figure.suptitle(title)
    return figure


def layer_statistics(statistics: Mapping[str, Mapping[str, float]], ylabel: str = "standard deviation",
                     log: bool = True, title: str | None = None) -> Figure:
    """Plot one number per layer, from input to output, one line per case.

    Args:
        statistics: by name of the case: a mapping from a layer's name to its number; the same layers in each.
        ylabel: what the number is, with its unit.
        log: whether the vertical axis is logarithmic; the numbers must be above 0 then.
        title: shown above.

    Returns:
        The figure.

    Raises:
        ValueError: no case, cases with different layers, or a number that the axis cannot show.
    """
    if not statistics:
        raise ValueError("statistics is empty; accepted: at least one case")
    layers = list(next(iter(statistics.values())))
    figure, (ax,) = _figure(1, 1, 3.2)
    for i, (name, values) in enumerate(statistics.items()):
        numbers = np.array(list(values.values()), dtype=float)
        if list(values) != layers:
            raise ValueError(f"statistics[{name!r}] has the layers {list(values)}; accepted: {layers}, as the first")
        if not np.isfinite(numbers).all() or (log and (numbers <= 0).any()):
            raise ValueError(f"statistics[{name!r}] has the values {numbers.tolist()}; accepted: finite numbers"
                             + " above 0 on a logarithmic axis" * log)
        ax.plot(layers, numbers, marker="o", markersize=4, **_stroke(name, i))
    ax.set_yscale("log" if log else "linear")
    ax.set_ylabel(ylabel)
    ax.tick_params(axis="x", rotation=30)
    ax.legend()
    figure.suptitle(title)
    return figure


def scatter_2d(real: np.ndarray, fake: np.ndarray | None = None, limit: float | None = None,
               title: str | None = None) -> Figure:
    """Show points of the plane, real ones below generated ones, at equal scale on both axes.

    Args:
        real: shape (N, 2).
        fake: shape (M, 2), or None for the data alone.
        limit: both axes go from minus this to this; None fits the real points with some room, so that a stray
            generated point cannot squeeze the picture.
        title: shown above.

    Returns:
        The figure.

    Raises:
        ValueError: an array of another shape or a value that is not finite.
    """
    real = _points("real", real)
    limit = 1.25 * np.abs(real).max() if limit is None else limit
    figure, (ax,) = _figure(1, 1, 4.0, width=4.2)
    # Real points are larger and pale, so that generated ones on top of them do not hide them.
    ax.scatter(*real.T, s=40, color=COLOURS["data"], alpha=0.25, linewidths=0, label="real")
    if fake is not None:
        ax.scatter(*_points("fake", fake).T, s=5, color=COLOURS["generator"], alpha=0.8, linewidths=0,
                   label="generated")
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    for handle in figure.legend(loc="outside lower center", ncols=2).legend_handles:
        handle.set(alpha=1, sizes=[40])
    figure.suptitle(title)
    return figure


def parallel_coordinates(settings: Mapping[str, Sequence[Any]], scores: Sequence[float],
                         logarithmic: Sequence[str] = (), label: str = "score") -> Figure:
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
    """
    scores = np.asarray(scores, np.float64)
    lengths = {name: len(values) for name, values in settings.items()}
    if not len(scores) or set(lengths.values()) != {len(scores)} or not (scores > 0).all():
        raise ValueError(f"settings has {lengths} values and there are {len(scores)} scores, the lowest "
                         f"{scores.min(initial=np.inf):g}; accepted: as many of each, at least one, above 0")
    columns = [_axis(values, name in logarithmic) for name, values in settings.items()]
    columns.append(_axis(list(scores), logarithmic=True))
    figure, axes = _figure(1, 1, 3.4)
    ax = axes[0]
    order = np.argsort(-scores, kind="stable")
    colours = _shades(len(scores))
    for place, trial in enumerate(order):
        ax.plot([heights[trial] for heights, _ in columns], color=colours[place], linewidth=1.2, alpha=0.85)
    for x, (_, ticks) in enumerate(columns):
        ax.axvline(x, color="#444444", linewidth=0.8)
        for height, text in ticks:
            ax.annotate(text, (x, height), (3, 0), textcoords="offset points", fontsize=7, va="center",
                        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6})
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
        return (np.array([names.index(value) for value in values]) / span,
                [(place / span, name.replace("_", " ")) for place, name in enumerate(names)])
    numbers = np.log(values) if logarithmic else np.asarray(values, np.float64)
    low, high = numbers.min(), numbers.max()
    heights = (numbers - low) / (high - low) if high > low else np.full(len(numbers), 0.5)
    few = np.unique(numbers)
    marks = few if len(few) <= 4 else np.linspace(low, high, 4)
    texts = np.exp(marks) if logarithmic else marks
    return heights, [((mark - low) / (high - low) if high > low else 0.5, f"{text:.{2 if text < 100 else 3}g}")
                     for mark, text in zip(marks, texts, strict=True)]


def _shades(n: int) -> np.ndarray:
    """n colours from faint to dark, which also differ in a print without colour."""
    import matplotlib as mpl

    return mpl.colormaps["viridis_r"](np.linspace(0.0, 1.0, n))


def _height(tiles: np.ndarray, width: float) -> float:
    return width * tiles.shape[0] / tiles.shape[1]


def _figure(rows: int, columns: int, height: float, width: float = 7.0) -> tuple[Figure, np.ndarray]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=(width, height), layout="constrained", squeeze=False)
    return figure, axes.ravel()


def _show(ax: Axes, tiles: np.ndarray, title: str | None, colour: str) -> None:
    ax.imshow(tiles, interpolation="nearest")
    ax.set_axis_off()
    if title:
        ax.set_title(title, color=colour)


def _stroke(name: str, i: int) -> dict[str, object]:
    style, width = STROKES[i % len(STROKES)]
    return {"label": TITLES.get(name, name), "color": COLOURS.get(name, CYCLE[i % len(CYCLE)]), "linestyle": style,
            "linewidth": width}


def _sequence(name: str, history: Mapping[str, Sequence[float]], key: str) -> np.ndarray:
    if key not in history:
        raise ValueError(f"histories[{name!r}] lacks {key!r}; it has {', '.join(history) or 'nothing'}")
    return np.asarray(history[key], dtype=float)


def _points(name: str, points: np.ndarray) -> np.ndarray:
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
        raise ValueError(f"{name} has shape {points.shape}; accepted: (N, 2), at least one point, finite")
    return points

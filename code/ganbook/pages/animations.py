"""Animations that play inside a page: paths in, one self-contained piece of HTML out.

The still image comes first: every path is drawn whole, from its ring (start) to its dot (end).  That is what paper
shows, and a page without scripts.  With scripts a button and a slider appear below it.  Nothing moves before the
reader presses Play, so that no page moves against a reader's wish for reduced motion; one press plays once and stops
at the end, and Pause stops at once.  Several panels share one clock.

End a notebook cell with the call: its value is shown.  In the cell's metadata give ``mystnb.figure.caption`` as for any
figure; the description is the text alternative.  Labels are plain text (write θ, not TeX).

Rules that keep a stored output the same on every processor: a path longer than 400 points is thinned to the 400 whose
steps are ``round(k (T - 1) / 399)``; positions are rounded to a tenth of a pixel, off the exact halves that round
numbers fall on; what lies far outside the axes is brought to their neighbourhood.  Every output holds the same style
and short script, the files ``animations.*`` beside this module; it needs nothing from elsewhere.

Explained in the book's section "Game dynamics".
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike

from ganbook.pages.figures import CYCLE

Limits = tuple[tuple[float, float], tuple[float, float]]
Function = Callable[[np.ndarray], np.ndarray]

POINTS = 400
FIELD_GRID = 13
CONTOUR_GRID = 81
#: Of a panel and, within it, of its axes, in pixels: left, top, width and height.
WIDTH, HEIGHT = 340, 320
LEFT, TOP, INNER, TALL = 54, 12, 274, 266
FAR = 2000  # pixels outside the axes beyond which a position no longer matters
OFF_HALVES = 0.0137  # pixels: round numbers would otherwise fall on halves and round by their last bit
# A later line is thinner and broken, so that an equal one below it still shows.
STROKES = (("", 3.0), ("7 4", 1.8), ("2 3", 1.8), ("8 3 2 3", 1.6))


@dataclass(frozen=True)
class Panel:
    """One pair of axes: the paths that move in it and what stands behind them.

    Args:
        paths: by name: an array of shape (T, 2), finite, T at least 2 and the same for all paths of an animation.
            One name has one colour in all panels.
        title: shown above the axes.
        xlabel, ylabel: the axes' names with their units.
        limits: ((left, right), (bottom, top)), widened so that one unit is equally long on both axes; None fits the
            paths and marks with some room.
        field: arrows behind the paths: a function from points (N, 2) to vectors (N, 2), drawn on a 13 x 13 grid.  The
            longest arrow just fits the grid; the others are in proportion.
        contours: level lines behind the paths: a function from points (N, 2) to values (N,), and its levels.
        marks: fixed points by name: (x, y), shown as crosses.

    Raises:
        ValueError: a name that is empty, a shape or value that does not fit; the message says which.
    """

    paths: Mapping[str, np.ndarray]
    title: str = ""
    xlabel: str = "x"
    ylabel: str = "y"
    limits: Limits | None = None
    field: Function | None = None
    contours: tuple[Function, Sequence[float]] | None = None
    marks: Mapping[str, tuple[float, float]] | None = None

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("paths is empty; accepted: at least one path by name")
        object.__setattr__(
            self,
            "paths",
            {_word("a path's name", name): _points(f"paths[{name!r}]", path, 2) for name, path in self.paths.items()},
        )
        object.__setattr__(
            self,
            "marks",
            {
                _word("a mark's name", name): _points(f"marks[{name!r}]", [point], 1)[0]
                for name, point in (self.marks or {}).items()
            },
        )
        object.__setattr__(self, "limits", _limits(self))


@dataclass(frozen=True, repr=False)
class Animation:
    """An animation as a notebook shows it: HTML in a page, one fixed line where there is none.

    Args:
        name: what its ids derive from: letters, digits and single dashes, beginning with a letter.
        html: the whole figure with its style and script.

    Raises:
        ValueError: another name.
    """

    name: str
    html: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*", self.name):
            raise ValueError(
                f"name is {self.name!r}; accepted: letters, digits and single dashes, beginning with a letter"
            )

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def animate_panels(panels: Sequence[Panel], *, name: str, description: str, seconds: float = 8.0) -> Animation:
    """Animate several panels side by side, in step with each other; a narrow page stacks them.

    Args:
        panels: at least one; all paths of all panels have the same number of points.
        name: as of :class:`Animation`; no other animation of a page has it.
        description: what is to be seen, in words: the text alternative.
        seconds: how long one play takes, above 0.

    Returns:
        What a notebook shows as its cell's value.

    Raises:
        ValueError: no panel, paths of different lengths, or an argument outside what is accepted.

    Example:
        >>> square = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
        >>> animate_panels([Panel({"square": square})], name="square", description="A point runs round a square")
        <Animation square>
    """
    panels = list(panels)
    if not panels:
        raise ValueError("panels is empty; accepted: at least one Panel")
    _word("description", description)
    if not 0 < seconds < math.inf:
        raise ValueError(f"seconds is {seconds!r}; accepted: a number above 0")
    length, styles = _one_length(panels), _styles(panels)
    drawn = [
        _panel(panel, f"ganbook-{name}-{i}", description if i == 0 else "", styles) for i, panel in enumerate(panels)
    ]
    return Animation(name, _figure(name, "".join(drawn), _legend(styles), length, seconds))


def _thinned(length: int) -> np.ndarray:
    """Which steps of a path are drawn: all, or 400 from the first to the last, ``round(k (T - 1) / 399)``."""
    kept = min(length, POINTS)
    k = np.arange(kept)
    return (2 * k * (length - 1) + kept - 1) // (2 * max(kept - 1, 1))  # in whole numbers; halves upwards


def _pixels(limits: Limits, points: np.ndarray) -> np.ndarray:
    """Map points (N, 2) of the data to pixels of a panel."""
    (x0, x1), (y0, y1) = limits
    x = LEFT + np.clip((points[:, 0] - x0) / (x1 - x0) * INNER, -FAR, INNER + FAR)
    y = TOP + np.clip((y1 - points[:, 1]) / (y1 - y0) * TALL, -FAR, TALL + FAR)
    return np.stack([x, y], axis=1)


def _panel(panel: Panel, identity: str, description: str, styles: Mapping[str, tuple[str, str, float]]) -> str:
    alternative = (
        f'<title id="{identity}-title">{html.escape(panel.title or ", ".join(panel.paths))}</title>'
        f'<desc id="{identity}-desc">{html.escape(description)}</desc>'
    )
    limits = panel.limits
    assert limits is not None  # Panel fits what is not given
    behind = _contours(panel, limits) + _arrows(panel, limits)
    paths = "".join(
        _path(_pixels(limits, path[_thinned(len(path))]), *styles[name]) for name, path in panel.paths.items()
    )
    heading = f'<p class="ganbook-title">{html.escape(panel.title)}</p>' if panel.title else ""
    return (
        f'<div style="max-width:{WIDTH}px">{heading}<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'aria-labelledby="{identity}-title {identity}-desc">{alternative}'
        f'<clipPath id="{identity}-clip"><rect x="{LEFT}" y="{TOP}" width="{INNER}" height="{TALL}"/></clipPath>'
        f'{_frame(panel, limits)}<g clip-path="url(#{identity}-clip)" fill="none">{behind}{paths}</g>'
        f"{_marks(panel, limits)}</svg></div>\n"
    )


def _path(pixels: np.ndarray, colour: str, dashes: str, width: float) -> str:
    """The whole path, a ring where it starts and a dot where it ends."""
    points = [f"{_number(x)},{_number(y)}" for x, y in pixels]
    (x, y), (end_x, end_y) = (point.split(",") for point in (points[0], points[-1]))
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<g><polyline class="ganbook-path" points="{" ".join(points)}" stroke="{colour}" stroke-width="{width}" '
        f'stroke-linejoin="round"{dashed}/>'
        f'<circle cx="{x}" cy="{y}" r="5" fill="#fff" stroke="{colour}" stroke-width="2"/>'
        f'<circle class="ganbook-end" cx="{end_x}" cy="{end_y}" r="5" fill="{colour}" stroke="#fff"/></g>'
    )


def _frame(panel: Panel, limits: Limits) -> str:
    """Ticks with their numbers, faint grid lines, the two axes and their names."""
    right, bottom = LEFT + INNER, TOP + TALL
    grid, numbers = [], []
    for tick in _ticks(*limits[0]):
        x = _number(_pixels(limits, np.array([[tick, 0.0]]))[0, 0])
        grid.append(f"M{x} {TOP}V{bottom}")
        numbers.append(f'<text x="{x}" y="{bottom + 17}" text-anchor="middle">{_label(tick)}</text>')
    for tick in _ticks(*limits[1]):
        y = _pixels(limits, np.array([[0.0, tick]]))[0, 1]
        grid.append(f"M{LEFT} {_number(y)}H{right}")
        numbers.append(f'<text x="{LEFT - 6}" y="{_number(y + 4)}" text-anchor="end">{_label(tick)}</text>')
    middle = TOP + TALL / 2
    return (
        f'<path d="{"".join(grid)}" stroke="#ddd" fill="none"/>'
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" stroke="#111" fill="none"/>{"".join(numbers)}'
        f'<text x="{LEFT + INNER / 2:g}" y="{bottom + 36}" text-anchor="middle">{html.escape(panel.xlabel)}</text>'
        f'<text x="14" y="{middle:g}" text-anchor="middle" transform="rotate(-90 14 {middle:g})">'
        f"{html.escape(panel.ylabel)}</text>"
    )


def _arrows(panel: Panel, limits: Limits) -> str:
    if panel.field is None:
        return ""
    points = _grid(limits, FIELD_GRID)
    vectors = _points("field", panel.field(points), 1)
    if vectors.shape != points.shape:
        raise ValueError(f"field gives shape {vectors.shape} for points of shape {points.shape}; accepted: the same")
    (x0, x1), (y0, y1) = limits
    lengths = vectors * [INNER / (x1 - x0), -TALL / (y1 - y0)]
    longest = np.hypot(*lengths.T).max()
    if longest == 0:
        return ""
    lengths *= 0.9 * min(INNER, TALL) / FIELD_GRID / longest
    starts = _pixels(limits, points) - lengths / 2
    tips = starts + lengths
    sides = np.stack([-lengths[:, 1], lengths[:, 0]], axis=1)
    wings = tips - 0.3 * lengths + 0.16 * sides, tips - 0.3 * lengths - 0.16 * sides
    corners = np.stack([starts, tips, wings[0], tips, wings[1]], axis=1)
    drawn = _lines(corners[np.hypot(*lengths.T) > 1])
    return f'<path class="ganbook-field" d="{drawn}" stroke="#8a8a8a"/>'


def _contours(panel: Panel, limits: Limits) -> str:
    if panel.contours is None:
        return ""
    from matplotlib.figure import Figure

    function, levels = panel.contours
    points = _grid(limits, CONTOUR_GRID, inset=0.0)
    values = np.asarray(function(points), dtype=float)
    if values.shape != points.shape[:1] or not np.isfinite(values).all():
        raise ValueError(
            f"contours gives shape {values.shape} for points of shape {points.shape}; accepted: one "
            "finite value per point"
        )
    square = (CONTOUR_GRID, CONTOUR_GRID)
    found = (
        Figure()
        .add_subplot()
        .contour(*(each.reshape(square) for each in points.T), values.reshape(square), np.unique(levels))
    )
    drawn = _lines(_pixels(limits, line) for level in found.allsegs for line in level if len(line) > 1)
    return f'<path class="ganbook-contours" d="{drawn}" stroke="#bbb"/>'


def _lines(lines: Iterable[np.ndarray]) -> str:
    return "".join("M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in line) for line in lines)


def _grid(limits: Limits, count: int, inset: float = 0.5) -> np.ndarray:
    """Points of a square grid, row by row; ``inset`` in units of its spacing keeps them off the edges."""
    spots = (np.arange(count) + inset) / (count - 1 + 2 * inset)
    x, y = (low + (high - low) * spots for low, high in limits)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _marks(panel: Panel, limits: Limits) -> str:
    drawn = []
    for name, point in (panel.marks or {}).items():
        x, y = _pixels(limits, np.array([point]))[0]
        drawn.append(
            f'<path d="M{_number(x - 5)} {_number(y - 5)}l10 10m-10 0l10 -10" stroke="#111" stroke-width="2" '
            f'fill="none"/><text x="{_number(x + 9)}" y="{_number(y - 7)}" class="ganbook-mark">'
            f"{html.escape(name)}</text>"
        )
    return "".join(drawn)


def _legend(styles: Mapping[str, tuple[str, str, float]]) -> str:
    rows = []
    for name, (colour, dashes, width) in styles.items():
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        rows.append(
            f'<span><svg width="30" height="8" aria-hidden="true"><path d="M0 4H30" stroke="{colour}" '
            f'stroke-width="{width}"{dashed}/></svg>{html.escape(name)}</span>'
        )
    rows.append("<span>ring: start, dot: end</span>")
    return f'<div class="ganbook-legend">{"".join(rows)}</div>'


def _figure(name: str, panels: str, legend: str, length: int, seconds: float) -> str:
    """The figure around the panels: style, controls (hidden until the script is there) and script."""
    last = len(_thinned(length)) - 1
    return (
        f'<figure class="ganbook-animation" id="ganbook-{name}" data-steps="{length - 1}" data-seconds="{seconds:g}" '
        f'data-clock="step">\n<style>\n{_file("animations.css")}</style>\n<div class="ganbook-stage">'
        f'<div class="ganbook-panels">\n{panels}</div>{legend}</div>\n'
        f'<div class="ganbook-controls" role="group" aria-label="Animation controls" hidden>'
        f'<button type="button">Play</button><label for="ganbook-{name}-time">Time'
        f'<input type="range" id="ganbook-{name}-time" min="0" max="{last}" step="1" value="{last}"></label>'
        f'<output for="ganbook-{name}-time">step {length - 1} of {length - 1}</output></div>\n'
        f"<script>\n{_file('animations.js')}</script>\n</figure>"
    )


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _styles(panels: Sequence[Panel]) -> dict[str, tuple[str, str, float]]:
    """Colour, dashes and width of every path's name, in order of appearance."""
    names = dict.fromkeys(name for panel in panels for name in panel.paths)
    return {name: (CYCLE[i % len(CYCLE)], *STROKES[i % len(STROKES)]) for i, name in enumerate(names)}


def _limits(panel: Panel) -> Limits:
    """The panel's limits, fitted to its paths where it names none, widened until both scales are equal."""
    if panel.limits is None:
        every = np.concatenate([*panel.paths.values(), *(np.array([mark]) for mark in (panel.marks or {}).values())])
        low, high = every.min(axis=0), every.max(axis=0)
        room = np.where(high > low, 0.08 * (high - low), 1.0)
        limits = np.stack([low - room, high + room], axis=1)
    else:
        limits = np.asarray(panel.limits, dtype=float)
    if limits.shape != (2, 2) or not np.isfinite(limits).all() or (limits[:, 0] >= limits[:, 1]).any():
        raise ValueError(f"limits is {panel.limits!r}; accepted: ((left, right), (bottom, top)), finite and rising")
    unit = max((limits[0][1] - limits[0][0]) / INNER, (limits[1][1] - limits[1][0]) / TALL)
    middles = limits.mean(axis=1).tolist()
    x, y = (
        (middle - unit * pixels / 2, middle + unit * pixels / 2)
        for middle, pixels in zip(middles, (INNER, TALL), strict=True)
    )
    return x, y


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers between two limits."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _label(tick: float) -> str:
    return f"{tick:.6g}".replace("-", "−")


def _number(value: float) -> str:
    """A position in tenths of a pixel, as short as it goes."""
    return f"{round(float(value) + OFF_HALVES, 1) + 0.0:g}"


def _one_length(panels: Sequence[Panel]) -> int:
    lengths = {name: len(path) for panel in panels for name, path in panel.paths.items()}
    every = {len(path) for panel in panels for path in panel.paths.values()}
    if len(every) != 1:
        raise ValueError(f"paths have different lengths, {lengths}; accepted: as many points in every path")
    return every.pop()


def _points(name: str, points: ArrayLike, least: int) -> np.ndarray:
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < least:
        raise ValueError(f"{name} has shape {points.shape}; accepted: (N, 2) with N at least {least}")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} has values that are not finite; accepted: finite numbers")
    return points


def _word(name: str, text: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{name} is {text!r}; accepted: some text")
    return text

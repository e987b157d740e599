"""Animations that play inside a page: paths in, one self-contained piece of HTML out.

The still image comes first: every path is drawn whole, from its ring (start) to its dot (end).  That is what paper
shows, and a page without scripts.  With scripts a button and a slider appear below it.  Nothing moves before the
reader presses Play, so that no page moves against a reader's wish for reduced motion; one press plays once and stops
at the end, and Pause stops at once.  Several panels share one clock::

    from ganbook.pages.animations import Panel, animate_panels, animate_paths

    animate_paths(  # arrays of shape (T, 2), T alike
        {"simultaneous": outward, "alternating": closed},
        name="bilinear-game",  # ids derive from it: once per page
        description="Two paths start at (1, 1): the simultaneous one "
                    "spirals outwards, the alternating one closes.",
        xlabel="x", ylabel="y", marks={"equilibrium": (0, 0)},
        field=lambda p: np.stack([-p[:, 1], p[:, 0]], axis=1))

    animate_panels([Panel({"h = 0.1": a}, title="small step"),
                    Panel({"h = 0.5": b}, title="large step")],
                   name="two-steps", description="...")

End a notebook cell with the call: its value is shown.  In the cell's metadata give ``mystnb.figure.caption`` as for any
figure; the description is the text alternative.  Labels are plain text (write θ, not TeX).

Rules that keep a stored output the same on every processor: a path longer than 400 points is thinned to the 400 whose
steps are ``round(k (T - 1) / 399)``; positions are rounded to a tenth of a pixel, off the exact halves that round
numbers fall on; what lies far outside the axes is brought to their neighbourhood.  Every output holds the same short
script, the file ``animations.js`` beside this module; it needs nothing from elsewhere.

Explained in the book's section "Game dynamics".
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

Limits = tuple[tuple[float, float], tuple[float, float]]
Function = Callable[[np.ndarray], np.ndarray]

POINTS = 400
FIELD_GRID = 13
CONTOUR_GRID = 81
CONTOURS = 8
MARGINS = {"left": 54, "right": 12, "top": 12, "bottom": 42}
FAR = 2000  # pixels outside the axes beyond which a position no longer matters
OFF_HALVES = 0.0137  # pixels: round numbers would otherwise fall on halves and round by their last bit
# Okabe and Ito's colours in the order of the book's other figures; a later line is thinner and broken, so that an
# equal one below it still shows.
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
STROKES = (("", 3.0), ("7 4", 1.8), ("2 3", 1.8), ("8 3 2 3", 1.6))

STYLE = """
.ganbook-animation{margin:1em 0;max-width:100%}
.ganbook-stage{background:#fff;color:#111;border-radius:.25rem;padding:.4em;font:14px/1.4 sans-serif;text-align:center}
.ganbook-panels{display:flex;flex-wrap:wrap;justify-content:center;gap:.4em}
.ganbook-panels>div{flex:1 1 260px;min-width:0}
.ganbook-panels svg{display:block;width:100%;height:auto;margin:0 auto;background:#fff}
.ganbook-panels text{fill:#111;font:13px sans-serif;stroke:none}
.ganbook-title{font-weight:bold;margin:.1em 0}
.ganbook-legend{display:flex;flex-wrap:wrap;justify-content:center;gap:.1em 1.2em;margin:.3em 0 0}
.ganbook-legend svg{vertical-align:middle;margin-right:.4em}
.ganbook-controls{display:flex;flex-wrap:wrap;align-items:center;gap:.4em .8em;margin:.5em 0;font:14px/1.4 sans-serif}
.ganbook-controls[hidden]{display:none}
.ganbook-controls button{font:inherit;min-width:5em;min-height:2.2em;color:#111;background:#eee;border:
1px solid #767676;border-radius:.25rem;cursor:pointer}
.ganbook-controls button:focus-visible,.ganbook-controls input:focus-visible{
outline:3px solid #56b4e9;outline-offset:2px}
.ganbook-controls label{display:flex;flex:1 1 9em;align-items:center;gap:.5em}
.ganbook-controls input{flex:1;min-width:5em;min-height:2em}
.ganbook-controls output{min-width:9em;font-variant-numeric:tabular-nums}
.ganbook-trace,.ganbook-dot{visibility:hidden}
@media screen{
.ganbook-moving .ganbook-path{opacity:.2}
.ganbook-moving .ganbook-end{visibility:hidden}
.ganbook-moving .ganbook-trace,.ganbook-moving .ganbook-dot{visibility:visible}
}
@media print{.ganbook-controls{display:none!important}.ganbook-animation{break-inside:avoid}}
"""


@dataclass(frozen=True)
class Panel:
    """One pair of axes: the paths that move in it and what stands behind them.

    Args:
        paths: by name: an array of shape (T, 2), finite, T at least 2 and the same for all paths of an animation.
            One name has one colour in all panels.
        title: shown above the axes.
        xlabel, ylabel: the axes' names with their units.
        limits: ((left, right), (bottom, top)); None fits the paths and marks with some room.
        equal: whether one unit is equally long on both axes; the limits are widened to make it so.
        field: arrows behind the paths: a function from points (N, 2) to vectors (N, 2), drawn on a 13 x 13 grid, or a
            pair of arrays (points, vectors).  The longest arrow just fits the grid; the others are in proportion.
        contours: level lines behind the paths: a function from points (N, 2) to values (N,), which gets eight levels
            evenly between its least and greatest value, or a pair (function, levels).
        marks: fixed points by name: (x, y), shown as crosses.

    Raises:
        ValueError: a name that is empty, a shape or value that does not fit; the message says which.
    """

    paths: Mapping[str, np.ndarray]
    title: str = ""
    xlabel: str = "x"
    ylabel: str = "y"
    limits: Limits | None = None
    equal: bool = True
    field: Function | tuple[np.ndarray, np.ndarray] | None = None
    contours: Function | tuple[Function, Sequence[float]] | None = None
    marks: Mapping[str, tuple[float, float]] | None = None

    def __post_init__(self):
        if not self.paths:
            raise ValueError("paths is empty; accepted: at least one path by name")
        object.__setattr__(self, "paths", {_word("a path's name", name): _points(f"paths[{name!r}]", path, 2)
                                           for name, path in self.paths.items()})
        object.__setattr__(self, "marks", {_word("a mark's name", name): _points(f"marks[{name!r}]", [point], 1)[0]
                                           for name, point in (self.marks or {}).items()})
        if self.limits is not None:
            _check_limits(self.limits)


@dataclass(frozen=True)
class Animation:
    """An animation as a notebook shows it: HTML in a page, one fixed line where there is none.

    Args:
        name: what its ids derive from.
        html: the whole figure with its style and script.
    """

    name: str
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<Animation {self.name}>"


def animate_paths(paths: Mapping[str, np.ndarray], *, name: str, description: str, title: str = "", xlabel: str = "x",
                  ylabel: str = "y", limits: Limits | None = None, equal: bool = True,
                  field: Function | tuple[np.ndarray, np.ndarray] | None = None,
                  contours: Function | tuple[Function, Sequence[float]] | None = None,
                  colours: Mapping[str, str] | None = None, marks: Mapping[str, tuple[float, float]] | None = None,
                  clock: str = "step", seconds: float = 8.0, width: int = 420, height: int = 380) -> Animation:
    """Animate points along their paths in one pair of axes.

    Args:
        paths, title, xlabel, ylabel, limits, equal, field, contours, marks: as for :class:`Panel`.
        name, description, colours, clock, seconds, width, height: as for :func:`animate_panels`.

    Returns:
        What a notebook shows as its cell's value.

    Raises:
        ValueError: as :class:`Panel` and :func:`animate_panels`.
    """
    panel = Panel(paths, title, xlabel, ylabel, limits, equal, field, contours, marks)
    return animate_panels([panel], name=name, description=description, colours=colours, clock=clock, seconds=seconds,
                          width=width, height=height)


def animate_panels(panels: Sequence[Panel], *, name: str, description: str, title: str = "",
                   colours: Mapping[str, str] | None = None, clock: str = "step", seconds: float = 8.0,
                   width: int | None = None, height: int | None = None) -> Animation:
    """Animate several panels side by side, in step with each other; a narrow page stacks them.

    Args:
        panels: at least one; all paths of all panels have the same number of points.
        name: letters, digits and single dashes, beginning with a letter; no other animation of a page has it.
        description: what is to be seen, in words: the text alternative.
        title: shown above the panels.
        colours: by a path's name, as ``#rrggbb``; the others get the book's colours in order.
        clock: the word before the counter, as in "step 12 of 300".
        seconds: how long one play takes, above 0.
        width, height: of one panel, in pixels at its natural size, from 150 to 1200; None is 340 and 320.

    Returns:
        What a notebook shows as its cell's value.

    Raises:
        ValueError: no panel, paths of different lengths, or an argument outside what is accepted.
    """
    panels = list(panels)
    if not panels:
        raise ValueError("panels is empty; accepted: at least one Panel")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*", name):
        raise ValueError(f"name is {name!r}; accepted: letters, digits and single dashes, beginning with a letter")
    _word("description", description)
    _word("clock", clock)
    if not 0 < seconds < math.inf:
        raise ValueError(f"seconds is {seconds!r}; accepted: a number above 0")
    size = [_pixels("width", width, 340), _pixels("height", height, 320)]
    length = _one_length(panels)
    styles = _styles(panels, colours or {})
    drawn = [_panel(panel, f"ganbook-{name}-{i}", description if i == 0 else "", styles, *size)
             for i, panel in enumerate(panels)]
    return Animation(name, _figure(name, "".join(drawn), title, _legend(styles), length, clock, seconds))


def thinned(length: int) -> np.ndarray:
    """Return which steps of a path are drawn: all, or 400 spread evenly from the first to the last.

    Args:
        length: the number T of points, at least 1.

    Returns:
        Whole numbers from 0 to T - 1, shape (min(T, 400),): ``round(k (T - 1) / 399)``, halves upwards.
    """
    kept = min(length, POINTS)
    k = np.arange(kept)
    return (2 * k * (length - 1) + kept - 1) // (2 * max(kept - 1, 1))


@dataclass(frozen=True)
class _Axes:
    """Where data lies on a panel, in pixels."""

    limits: Limits
    width: int
    height: int

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the axes."""
        left, top = MARGINS["left"], MARGINS["top"]
        return left, top, self.width - left - MARGINS["right"], self.height - top - MARGINS["bottom"]

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Map points (N, 2) of the data to pixels."""
        (x0, x1), (y0, y1) = self.limits
        left, top, width, height = self.box
        x = left + np.clip((points[:, 0] - x0) / (x1 - x0) * width, -FAR, width + FAR)
        y = top + np.clip((y1 - points[:, 1]) / (y1 - y0) * height, -FAR, height + FAR)
        return np.stack([x, y], axis=1)


def _panel(panel: Panel, identity: str, description: str, styles: Mapping[str, tuple[str, str, float]], width: int,
           height: int) -> str:
    axes = _Axes(_limits(panel, width, height), width, height)
    left, top, inner, tall = axes.box
    alternative = (f'<title id="{identity}-title">{html.escape(panel.title or ", ".join(panel.paths))}</title>'
                   f'<desc id="{identity}-desc">{html.escape(description)}</desc>')
    behind = _contours(panel, axes) + _arrows(panel, axes)
    paths = "".join(_path(axes.pixels(path[thinned(len(path))]), *styles[name]) for name, path in panel.paths.items())
    heading = f'<p class="ganbook-title">{html.escape(panel.title)}</p>' if panel.title else ""
    return (f'<div style="max-width:{width}px">{heading}<svg role="img" viewBox="0 0 {width} {height}" '
            f'aria-labelledby="{identity}-title {identity}-desc">{alternative}'
            f'<clipPath id="{identity}-clip"><rect x="{left}" y="{top}" width="{inner}" height="{tall}"/></clipPath>'
            f'{_frame(panel, axes)}<g clip-path="url(#{identity}-clip)" fill="none">{behind}{paths}</g>'
            f'{_marks(panel, axes)}</svg></div>\n')


def _path(pixels: np.ndarray, colour: str, dashes: str, width: float) -> str:
    """The whole path, a ring where it starts and a dot where it ends."""
    points = [f"{_number(x)},{_number(y)}" for x, y in pixels]
    (x, y), (end_x, end_y) = (point.split(",") for point in (points[0], points[-1]))
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (f'<g><polyline class="ganbook-path" points="{" ".join(points)}" stroke="{colour}" stroke-width="{width}" '
            f'stroke-linejoin="round"{dashed}/>'
            f'<circle cx="{x}" cy="{y}" r="5" fill="#fff" stroke="{colour}" stroke-width="2"/>'
            f'<circle class="ganbook-end" cx="{end_x}" cy="{end_y}" r="5" fill="{colour}" stroke="#fff"/></g>')


def _frame(panel: Panel, axes: _Axes) -> str:
    """Ticks with their numbers, faint grid lines, the two axes and their names."""
    left, top, width, height = axes.box
    bottom = top + height
    grid, numbers = [], []
    for tick in _ticks(*axes.limits[0]):
        x = _number(axes.pixels(np.array([[tick, 0.0]]))[0, 0])
        grid.append(f"M{x} {top}V{bottom}")
        numbers.append(f'<text x="{x}" y="{bottom + 17}" text-anchor="middle">{_label(tick)}</text>')
    for tick in _ticks(*axes.limits[1]):
        y = axes.pixels(np.array([[0.0, tick]]))[0, 1]
        grid.append(f"M{left} {_number(y)}H{left + width}")
        numbers.append(f'<text x="{left - 6}" y="{_number(y + 4)}" text-anchor="end">{_label(tick)}</text>')
    middle = top + height / 2
    return (f'<path d="{"".join(grid)}" stroke="#ddd" fill="none"/>'
            f'<path d="M{left} {top}V{bottom}H{left + width}" stroke="#111" fill="none"/>{"".join(numbers)}'
            f'<text x="{left + width / 2:g}" y="{bottom + 36}" text-anchor="middle">{html.escape(panel.xlabel)}</text>'
            f'<text x="14" y="{middle:g}" text-anchor="middle" transform="rotate(-90 14 {middle:g})">'
            f'{html.escape(panel.ylabel)}</text>')


def _arrows(panel: Panel, axes: _Axes) -> str:
    if panel.field is None:
        return ""
    points, vectors = _field(panel, axes)
    (x0, x1), (y0, y1) = axes.limits
    _, _, width, height = axes.box
    lengths = vectors * [width / (x1 - x0), -height / (y1 - y0)]
    longest = np.hypot(*lengths.T).max()
    if longest == 0:
        return ""
    lengths *= 0.9 * min(width, height) / FIELD_GRID / longest
    starts = axes.pixels(points) - lengths / 2
    tips = starts + lengths
    sides = np.stack([-lengths[:, 1], lengths[:, 0]], axis=1)
    wings = tips - 0.3 * lengths + 0.16 * sides, tips - 0.3 * lengths - 0.16 * sides
    corners = np.stack([starts, tips, wings[0], tips, wings[1]], axis=1)
    drawn = "".join("M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in corner)
                    for corner, length in zip(corners, np.hypot(*lengths.T), strict=True) if length > 1)
    return f'<path class="ganbook-field" d="{drawn}" stroke="#8a8a8a"/>'


def _field(panel: Panel, axes: _Axes) -> tuple[np.ndarray, np.ndarray]:
    if not callable(panel.field):
        points, vectors = (_points("field", each, 1) for each in panel.field)
        if points.shape != vectors.shape:
            raise ValueError(f"field has shapes {points.shape} and {vectors.shape}; accepted: twice the same")
        return points, vectors
    points = _grid(axes.limits, FIELD_GRID)
    vectors = _points("field", panel.field(points), 1)
    if vectors.shape != points.shape:
        raise ValueError(f"field gives shape {vectors.shape} for points of shape {points.shape}; accepted: the same")
    return points, vectors


def _contours(panel: Panel, axes: _Axes) -> str:
    if panel.contours is None:
        return ""
    from matplotlib.figure import Figure

    function, levels = (panel.contours, None) if callable(panel.contours) else panel.contours
    points = _grid(axes.limits, CONTOUR_GRID, inset=0.0)
    values = np.asarray(function(points), dtype=float)
    if values.shape != points.shape[:1] or not np.isfinite(values).all():
        raise ValueError(f"contours gives shape {values.shape} for points of shape {points.shape}; accepted: one "
                         "finite value per point")
    if levels is None:
        levels = np.linspace(values.min(), values.max(), CONTOURS + 2)[1:-1]
    levels = np.unique(np.asarray(levels, dtype=float))
    square = (CONTOUR_GRID, CONTOUR_GRID)
    found = Figure().add_subplot().contour(*(each.reshape(square) for each in points.T), values.reshape(square), levels)
    lines = [axes.pixels(line) for level in found.allsegs for line in level if len(line) > 1]
    drawn = "".join("M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in line) for line in lines)
    return f'<path class="ganbook-contours" d="{drawn}" stroke="#bbb"/>'


def _grid(limits: Limits, count: int, inset: float = 0.5) -> np.ndarray:
    """Points of a square grid, row by row; ``inset`` in units of its spacing keeps them off the edges."""
    spots = (np.arange(count) + inset) / (count - 1 + 2 * inset)
    x, y = (low + (high - low) * spots for low, high in limits)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _marks(panel: Panel, axes: _Axes) -> str:
    drawn = []
    for name, point in panel.marks.items():
        x, y = axes.pixels(point[None])[0]
        drawn.append(f'<path d="M{_number(x - 5)} {_number(y - 5)}l10 10m-10 0l10 -10" stroke="#111" stroke-width="2" '
                     f'fill="none"/><text x="{_number(x + 9)}" y="{_number(y - 7)}" class="ganbook-mark">'
                     f"{html.escape(name)}</text>")
    return "".join(drawn)


def _legend(styles: Mapping[str, tuple[str, str, float]]) -> str:
    rows = []
    for name, (colour, dashes, width) in styles.items():
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        rows.append(f'<span><svg width="30" height="8" aria-hidden="true"><path d="M0 4H30" stroke="{colour}" '
                    f'stroke-width="{width}"{dashed}/></svg>{html.escape(name)}</span>')
    rows.append("<span>ring: start, dot: end</span>")
    return f'<div class="ganbook-legend">{"".join(rows)}</div>'


def _figure(name: str, panels: str, title: str, legend: str, length: int, clock: str, seconds: float) -> str:
    """The figure around the panels: style, controls (hidden until the script is there) and script."""
    heading = f'<p class="ganbook-title">{html.escape(title)}</p>' if title else ""
    last, shown = len(thinned(length)) - 1, html.escape(clock)
    return (
        f'<figure class="ganbook-animation" id="ganbook-{name}" data-steps="{length - 1}" data-seconds="{seconds:g}" '
        f'data-clock="{shown}">\n<style>{STYLE}</style>\n<div class="ganbook-stage">{heading}'
        f'<div class="ganbook-panels">\n{panels}</div>{legend}</div>\n'
        f'<div class="ganbook-controls" role="group" aria-label="Animation controls" hidden>'
        f'<button type="button">Play</button><label for="ganbook-{name}-time">Time'
        f'<input type="range" id="ganbook-{name}-time" min="0" max="{last}" step="1" value="{last}"></label>'
        f'<output for="ganbook-{name}-time">{shown} {length - 1} of {length - 1}</output></div>\n'
        f"<script>\n{_script()}</script>\n</figure>")


@cache
def _script() -> str:
    return resources.files(__package__).joinpath("animations.js").read_text(encoding="utf-8")


def _styles(panels: Sequence[Panel], colours: Mapping[str, str]) -> dict[str, tuple[str, str, float]]:
    """Colour, dashes and width of every path's name, in order of appearance."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.paths))
    for name, colour in colours.items():
        if name not in names:
            raise ValueError(f"colours names {name!r}; accepted: {', '.join(map(repr, names))}")
        if not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour):
            raise ValueError(f"colours[{name!r}] is {colour!r}; accepted: '#rrggbb'")
    return {name: (colours.get(name, CYCLE[i % len(CYCLE)]), *STROKES[i % len(STROKES)])
            for i, name in enumerate(names)}


def _limits(panel: Panel, width: int, height: int) -> Limits:
    """The panel's limits, fitted to its paths where it names none, widened where both scales are to be equal."""
    limits = panel.limits
    if limits is None:
        every = np.concatenate([*panel.paths.values(), *(mark[None] for mark in panel.marks.values())])
        low, high = every.min(axis=0), every.max(axis=0)
        room = np.where(high > low, 0.08 * (high - low), 1.0)
        limits = tuple((float(a), float(b)) for a, b in zip(low - room, high + room, strict=True))
    if not panel.equal:
        return limits
    _, _, inner, tall = _Axes(limits, width, height).box
    unit = max((limits[0][1] - limits[0][0]) / inner, (limits[1][1] - limits[1][0]) / tall)
    middles = [(low + high) / 2 for low, high in limits]
    return tuple((middle - unit * pixels / 2, middle + unit * pixels / 2)
                 for middle, pixels in zip(middles, (inner, tall), strict=True))


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


def _points(name: str, points: np.ndarray, least: int) -> np.ndarray:
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < least:
        raise ValueError(f"{name} has shape {points.shape}; accepted: (N, 2) with N at least {least}")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} has values that are not finite; accepted: finite numbers")
    return points


def _check_limits(limits: Limits) -> None:
    checked = np.asarray(limits, dtype=float)
    if checked.shape != (2, 2) or not np.isfinite(checked).all() or (checked[:, 0] >= checked[:, 1]).any():
        raise ValueError(f"limits is {limits!r}; accepted: ((left, right), (bottom, top)), finite and rising")


def _word(name: str, text: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{name} is {text!r}; accepted: some text")
    return text


def _pixels(name: str, value: int | None, default: int) -> int:
    value = default if value is None else value
    if not isinstance(value, int) or not 150 <= value <= 1200:
        raise ValueError(f"{name} is {value!r}; accepted: a whole number from 150 to 1200")
    return value

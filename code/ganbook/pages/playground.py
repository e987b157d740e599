"""Figures that compute inside a page, with no server: arrays in, one self-contained piece of HTML out.

* :func:`train_points`: a GAN on points of the plane that trains in the page, with the reader's choice of data, loss,
  penalty, update rule, learning rates and seed.
* :func:`explore_latents`: a walk through the latent space of a trained generator, whose weights lie in the page.

The still picture comes first: what the Python package computed for the first choice.  Paper shows it, and a page
without scripts.  With scripts controls appear below it.  Nothing moves before the reader presses Start; training stops
when the figure is out of view or the page in the background.

The scripts are the files ``playground_*.js`` beside this module; they need nothing from elsewhere.  They reproduce
NumPy's random numbers and the package's arithmetic in double precision: from the same seed come the same losses and
the same points, up to rounding.  Positions in the still picture are rounded to a tenth of a pixel, so that a stored
output is the same on every processor.

Explained in the book's section "Playground".
"""

from __future__ import annotations

import base64
import html
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from ganbook.pages.animations import Animation
from ganbook.pages.figures import COLOURS

#: The plane's drawing: side in pixels, squares along it, half its length in units of the data, shades, points, height
#: of the curves in pixels, and the most steps of a curve.
FRAME: Mapping[str, Any] = {
    "side": 360,
    "cells": 30,
    "reach": 2.4,
    "levels": 8,
    "points": 256,
    "tall": 120,
    "kept": 400,
}
#: From what the discriminator takes for generated to what it takes for real; pale, so that points stand out.
SHADES = ("#f7c9a8", "#f9d7be", "#fbe5d5", "#fdf2ea", "#eaf3f9", "#d3e7f3", "#bcdbed", "#a5cfe7")
#: Learning rates on offer.
RATES = (2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1)

STYLE = """
.ganbook-playground{margin:1em 0;max-width:100%}
.ganbook-ground{background:#fff;color:#111;border-radius:.25rem;padding:.6em;font:14px/1.4 sans-serif}
.ganbook-fields label{text-align:left}
.ganbook-ground svg{display:block;width:100%;max-width:420px;height:auto;margin:0 auto;background:#fff}
.ganbook-ground text{fill:#111;font:13px sans-serif;stroke:none}
.ganbook-ground p{margin:.4em 0}
.ganbook-legend svg{display:inline;width:.7em;height:.7em;margin-right:.4em}
.ganbook-legend{display:flex;flex-wrap:wrap;justify-content:center;gap:.1em 1.2em;text-align:center}
.ganbook-state{text-align:center;font-variant-numeric:tabular-nums;min-height:2.8em}
.ganbook-pair{display:flex;flex-wrap:wrap;justify-content:center;align-items:flex-start;gap:1em}
.ganbook-plane{position:relative;flex:0 1 336px;line-height:0}
.ganbook-plane img,.ganbook-plane canvas{width:100%;image-rendering:pixelated}
.ganbook-plane img{height:auto}
.ganbook-plane [hidden],.ganbook-scripted[hidden]{display:none}
.ganbook-one{flex:0 0 auto;width:144px;height:144px;image-rendering:pixelated}
.ganbook-marker{position:absolute;width:14.3%;height:14.3%;transform:translate(-50%,-50%);box-sizing:border-box;
border:3px solid #E69F00;outline:1px solid #000}
.ganbook-ground form[hidden]{display:none}
.ganbook-fields{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.5em .9em;margin:.6em 0}
.ganbook-fields label{display:block}
.ganbook-fields select,.ganbook-fields input:not([type=checkbox]){display:block;box-sizing:border-box;width:100%;
min-height:2.2em;font:inherit;color:#111;background:#fff;border:1px solid #767676;border-radius:.25rem}
.ganbook-ground button{font:inherit;min-width:6em;min-height:2.4em;margin:0 .5em .3em 0;color:#111;background:#eee;
border:1px solid #767676;border-radius:.25rem;cursor:pointer}
.ganbook-ground :is(button,select,input):focus-visible{outline:3px solid #56b4e9;outline-offset:2px}
.ganbook-heard{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media print{.ganbook-ground form{display:none!important}.ganbook-playground{break-inside:avoid}}
"""


class Playground(Animation):
    """A figure that computes in the page: HTML in a page, one fixed line where there is none.

    Args:
        name, html: as of :class:`ganbook.pages.animations.Animation`.
    """


@dataclass(frozen=True)
class Snapshot:
    """What the package computed for the first choice, which the still picture shows.

    Args:
        real, generated: points, shape (N, 2).
        logits: of the discriminator on :func:`cells`, shape (900,).
        history: equally long sequences ``step``, ``discriminator_loss`` and ``generator_loss``.

    Raises:
        ValueError: an array of another shape, a value that is not finite, or a history that lacks a sequence.
    """

    real: np.ndarray
    generated: np.ndarray
    logits: np.ndarray
    history: Mapping[str, Sequence[float]]

    def __post_init__(self) -> None:
        for name in ("real", "generated"):
            _array(name, getattr(self, name), (None, 2))
        _array("logits", self.logits, (FRAME["cells"] ** 2,))
        columns = ("step", "discriminator_loss", "generator_loss")
        lacking = [name for name in columns if name not in self.history]
        if lacking:
            raise ValueError(f"history lacks {', '.join(lacking)}; accepted: {', '.join(columns)}")
        for name in columns[1:]:
            _array(f"history[{name!r}]", self.history[name], (len(self.history["step"]),))


def cells() -> np.ndarray:
    """Middles of the squares that the discriminator's logits shade, row after row from the top, shape (900, 2).

    Example:
        >>> cells()[[0, -1]].round(2).tolist()
        [[-2.32, 2.32], [2.32, -2.32]]
    """
    count = FRAME["cells"]
    middles = ((np.arange(count) + 0.5) / count * 2 - 1) * FRAME["reach"]
    x, y = np.meshgrid(middles, -middles)
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def train_points(
    recipe: str,
    mixtures: Mapping[str, Any],
    losses: Sequence[str],
    penalties: Mapping[str, Mapping[str, Any]],
    optimisers: Mapping[str, Mapping[str, Any]],
    still: Snapshot,
    *,
    name: str,
    description: str,
) -> Playground:
    """A GAN on points of the plane that trains in the page.

    Args:
        recipe: the first choice, as ``Recipe.to_json`` writes it: two MLPs, constant schedules, float64.
        mixtures: by name, what has ``means`` of shape (K, 2) and ``sigma``; the recipe's ``data`` is one of them.
        losses: names of losses on offer.
        penalties: by what the reader chooses, the numbers ``r1``, ``r2``, ``gradient_penalty`` and ``clip`` of the
            recipe; the first are the recipe's own.
        optimisers: by name, the constants of a rule: ``name``, ``beta1``, ``beta2`` and ``epsilon``.
        still: what the recipe leads to, for the still picture.
        name: letters, digits and single dashes, beginning with a letter; once per page.
        description: what is to be seen, in words: the text alternative.

    Returns:
        What a notebook shows as its cell's value.

    Raises:
        ValueError: an argument outside what is accepted.

    Example:
        >>> from ganbook.pages.choices import FIRST, MIXTURES, PENALTIES
        >>> losses = {"step": [1], "discriminator_loss": [1.4], "generator_loss": [0.7]}
        >>> still = Snapshot(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(900), losses)
        >>> train_points(FIRST.to_json(), MIXTURES, [FIRST.loss], PENALTIES, {"adam": {}}, still, name="plane",
        ...              description="One point in the middle of the plane")
        <Playground plane>
    """
    _described(description)
    fields = json.loads(recipe)
    for what, value, accepted in (
        ("data", fields["data"], mixtures),
        ("loss", fields["loss"], losses),
        ("optimiser", fields["generator_optimiser"]["name"], optimisers),
    ):
        if value not in accepted:
            raise ValueError(f"recipe has the {what} {value!r}; accepted: {', '.join(accepted)}")
    content = {
        "recipe": fields,
        "penalties": {key: _written(value) for key, value in penalties.items()},
        "optimisers": {key: dict(value) for key, value in optimisers.items()},
        "frame": FRAME,
        "mixtures": {
            key: {"means": np.asarray(value.means).tolist(), "sigma": float(value.sigma)}
            for key, value in mixtures.items()
        },
    }
    rates = [fields[f"{player}_optimiser"]["learning_rate"]["start"] for player in ("generator", "discriminator")]
    controls = "".join(
        [
            _select(name, "Data", "data", {key: key for key in mixtures}, fields["data"]),
            _select(name, "Loss", "loss", {key: key.replace("_", " ") for key in losses}, fields["loss"]),
            _select(name, "Penalty", "penalty", {key: key for key in penalties}, next(iter(penalties))),
            _select(
                name,
                "Update rule",
                "optimiser",
                {key: key for key in optimisers},
                fields["generator_optimiser"]["name"],
            ),
            _select(name, "Generator's rate", "generator_rate", {rate: f"{rate:g}" for rate in RATES}, rates[0]),
            _select(
                name, "Discriminator's rate", "discriminator_rate", {rate: f"{rate:g}" for rate in RATES}, rates[1]
            ),
            _select(
                name, "Discriminator's steps", "discriminator_steps", {1: "1", 5: "5"}, fields["discriminator_steps"]
            ),
            _field(name, "Seed", "seed", f'type="number" min="0" max="4294967295" step="1" value="{fields["seed"]}"'),
        ]
    )
    buttons = "".join(
        f'<button type="button" class="ganbook-{each.lower()}">{each}</button>' for each in ("Start", "Step", "Reset")
    )
    legend = "".join(
        f'<span><svg viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="4" fill="{colour}"/>'
        f"</svg>{text}</span>"
        for colour, text in (
            (COLOURS["data"], "data"),
            (COLOURS["generator"], "generated points, generator’s loss"),
            (COLOURS["discriminator"], "discriminator’s loss"),
        )
    )
    body = (
        f'{_picture(name, description, still)}<p class="ganbook-legend">{legend}</p>'
        f'<p class="ganbook-state">step {still.history["step"][-1]}, as computed beforehand</p>'
        '<p class="ganbook-heard" role="status"></p>'
        f'<form hidden aria-label="Choices"><div class="ganbook-fields">{controls}</div>{buttons}</form>'
    )
    return Playground(name, _figure(name, "points", body, content, ("random", "tape", "game", "points")))


def latent_corners(seed: int, latent: int) -> np.ndarray:
    """The four corners of the plane: standard normal vectors, float32, shape (4, latent).

    Example:
        >>> latent_corners(0, 32).shape
        (4, 32)
    """
    return np.random.default_rng(seed).standard_normal((4, latent)).astype(np.float32)


def latent_plane(corners: np.ndarray, side: int = 7, *, normalise: bool = True) -> np.ndarray:
    r"""Points between four corners.

    .. math:: z(u, v) = \frac{\sum_k w_k z_k}{\sqrt{\sum_k w_k^2}}, \qquad
              w = \bigl((1 - u)(1 - v),\ u (1 - v),\ (1 - u) v,\ u v\bigr)

    If the corners are independent standard normal vectors, each point is one too; without the root its variance falls
    to a quarter in the middle.

    Args:
        corners: shape (4, latent): top left, top right, bottom left, bottom right.
        side: points along u and along v, at least 2.
        normalise: divide by the root.

    Returns:
        float64, shape (side * side, latent), row after row of equal v.

    Example:
        >>> latent_plane(np.eye(4), side=3)[4].tolist()  # in the middle a quarter of each, over the root of a quarter
        [0.5, 0.5, 0.5, 0.5]
    """
    corners = _array("corners", corners, (4, None))
    v, u = (each.reshape(-1, 1) for each in np.meshgrid(*(np.linspace(0, 1, side),) * 2, indexing="ij"))
    weights = np.concatenate([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=1)
    if normalise:
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return weights @ corners


def explore_latents(
    weights: Mapping[str, np.ndarray], pictures: np.ndarray, *, name: str, description: str
) -> Playground:
    """A walk through the latent space of a generator made of dense layers, which runs in the page.

    Args:
        weights: ``dense_1.weight`` (inputs, outputs), ``dense_1.bias`` and so on; every number one of half precision,
            as which they lie in the page; leaky ReLUs of slope 0.2 stand between the layers and tanh at the end.
        pictures: what the generator makes of :func:`latent_plane`, shape (n * n, H, W, 1) in [-1, 1], for the still
            picture.
        name, description: as for :func:`train_points`.

    Returns:
        What a notebook shows as its cell's value.

    Raises:
        ValueError: an argument outside what is accepted.

    Example:
        >>> weights = {"dense_1.weight": np.ones((2, 4)), "dense_1.bias": np.zeros(4)}
        >>> explore_latents(weights, np.zeros((4, 2, 2, 1)), name="walk", description="Four grey pictures in a square")
        <Playground walk>
    """
    _described(description)
    pictures = _array("pictures", pictures, (None, None, None, 1))
    count, height, width, _ = pictures.shape
    side = round(count**0.5)
    if side * side != count or side < 2:
        raise ValueError(f"pictures has {count} pictures; accepted: a square number of at least 4")
    layers = len(weights) // 2
    names = [f"dense_{k}.{part}" for k in range(1, layers + 1) for part in ("weight", "bias")]
    if set(names) != set(weights):
        raise ValueError(f"weights has {', '.join(weights)}; accepted: {', '.join(names)}")
    arrays = [np.atleast_2d(np.asarray(weights[each])) for each in names]
    packed = b"".join(array.astype("<f2").tobytes() for array in arrays)
    if any((array.astype(np.float16) != array).any() for array in arrays):
        raise ValueError("weights has numbers that half precision does not hold; accepted: rounded to float16")
    content = {
        "shapes": [array.shape for array in arrays],
        "weights": base64.b64encode(packed).decode(),
        "latent": arrays[0].shape[0],
        "slope": 0.2,
        "shape": [height, width],
        "side": side,
    }
    framed = np.pad(pictures[..., 0], ((0, 0), (0, 1), (0, 1))).reshape(side, side, height + 1, width + 1)
    grid = framed.swapaxes(1, 2).reshape(side * (height + 1), side * (width + 1))
    alternative = html.escape(description)
    slider = 'type="range" min="0" max="100" step="1" value="50"'
    controls = "".join(
        [
            _field(name, "Across", "across", slider),
            _field(name, "Down", "down", slider),
            _field(name, "Seed of the corners", "seed", 'type="number" min="0" max="4294967295" step="1" value="0"'),
            f'<label for="ganbook-{name}-normalise"><input type="checkbox" name="normalise" '
            f'id="ganbook-{name}-normalise" checked> Keep the length of z</label>',
        ]
    )
    body = (
        f'<div class="ganbook-pair"><div class="ganbook-plane"><img src="{_png(grid)}" alt="{alternative}" '
        f'width="{grid.shape[1]}" height="{grid.shape[0]}">'
        f'<canvas class="ganbook-scripted" role="img" aria-label="{alternative}" hidden></canvas>'
        '<div class="ganbook-marker ganbook-scripted" hidden></div></div>'
        '<canvas class="ganbook-one ganbook-scripted" role="img" aria-label="The picture at the frame" '
        "hidden></canvas></div>"
        '<p class="ganbook-state" role="status"></p>'
        f'<form class="ganbook-scripted" hidden aria-label="Choices"><div class="ganbook-fields">{controls}</div>'
        '<button type="button" class="ganbook-new">New corners</button></form>'
    )
    return Playground(name, _figure(name, "latents", body, content, ("random", "tape", "latents")))


def _figure(name: str, kind: str, body: str, content: Mapping[str, Any], scripts: Sequence[str]) -> str:
    # In a script of data only "<" could end it, and JSON may write that letter as a number.
    data = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<figure class="ganbook-playground ganbook-{kind}" id="ganbook-{name}">\n<style>{STYLE}</style>\n'
        f'<div class="ganbook-ground">{body}</div>\n<script type="application/json">{data}</script>\n'
        f"<script>\n{script(*scripts)}</script>\n</figure>"
    )


@cache
def script(*parts: str) -> str:
    """The files ``playground_PART.js`` as one script that leaves no name behind."""
    folder = resources.files(__package__)
    files = [folder.joinpath(f"playground_{part}.js").read_text(encoding="utf-8") for part in parts]
    return '(function () {\n"use strict";\n\n' + "\n".join(files) + "})();\n"


def _picture(name: str, description: str, still: Snapshot) -> str:
    side, tall, history = FRAME["side"], FRAME["tall"], _kept(still.history)
    steps = history["step"]
    shades = "".join(
        f'<path class="ganbook-level-{level}" fill="{colour}" d="{path}"/>'
        for level, (colour, path) in enumerate(zip(SHADES, _surface(still.logits), strict=True))
    )
    both = [value for player in ("discriminator", "generator") for value in history[f"{player}_loss"]]
    low, high = min(both), max(both)
    curves = "".join(
        f'<path class="ganbook-{player}-loss" fill="none" stroke="{COLOURS[player]}" stroke-width="1.5" '
        f'd="{_curve(steps, history[f"{player}_loss"], low, high)}"/>'
        for player in ("discriminator", "generator")
    )
    ticks = "".join(
        f'<text x="{_tenth((value / FRAME["reach"] + 1) / 2 * side)}" y="{side + 16}" '
        f'text-anchor="middle">{_label(value)}</text>'
        f'<text x="-6" y="{_tenth((-value / FRAME["reach"] + 1) / 2 * side + 4)}" text-anchor="end">'
        f"{_label(value)}</text>"
        for value in (-2, -1, 0, 1, 2)
    )
    return (
        f'<svg role="img" viewBox="-48 -8 {side + 56} {side + tall + 72}" aria-labelledby="ganbook-{name}-title '
        f'ganbook-{name}-desc"><title id="ganbook-{name}-title">A GAN on points of the plane</title>'
        f'<desc id="ganbook-{name}-desc">{html.escape(description)}</desc><g shape-rendering="crispEdges">{shades}'
        f'</g><g fill="none" stroke-linecap="round" stroke-width="4">'
        f'<path class="ganbook-real" stroke="{COLOURS["data"]}" stroke-opacity=".55" d="{_points(still.real)}"/>'
        f'<path class="ganbook-generated" stroke="{COLOURS["generator"]}" d="{_points(still.generated)}"/></g>'
        f'<path d="M0 0V{side}H{side}" fill="none" stroke="#111"/>{ticks}'
        f'<g transform="translate(0 {side + 36})"><path d="M0 0V{tall}H{side}" fill="none" stroke="#111"/>{curves}'
        f'<text class="ganbook-high" x="-6" y="10" text-anchor="end">{_two(high)}</text>'
        f'<text class="ganbook-low" x="-6" y="{tall}" text-anchor="end">{_two(low)}</text>'
        f'<text x="-6" y="{tall / 2 + 4:g}" text-anchor="end">loss</text>'
        f'<text class="ganbook-last" x="{side}" y="{tall + 16}" text-anchor="end">step {steps[-1]}</text></g>'
        "</svg>"
    )


def _kept(history: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Every step of a short history, every second, fourth and so on of a longer one, as the script keeps them."""
    every = 1
    while len(history["step"]) // every > FRAME["kept"]:
        every *= 2
    return {name: list(values)[every - 1 :: every] for name, values in history.items()}


def _points(points: np.ndarray) -> str:
    side = FRAME["side"]
    pixels = (np.asarray(points, float) * [1, -1] / FRAME["reach"] + 1) / 2 * side
    inside = ((pixels >= 0) & (pixels <= side)).all(axis=1)
    return "".join(f"M{_tenth(x)} {_tenth(y)}h0" for x, y in pixels[inside])


def _surface(logits: np.ndarray) -> list[str]:
    """For each shade the squares that have it, as one path."""
    count, levels = FRAME["cells"], FRAME["levels"]
    size = FRAME["side"] // count
    low, high = logits.min(), logits.max()
    shade = np.minimum(levels - 1, np.floor((logits - low) / (high - low or 1) * levels)).astype(int)
    return [
        "".join(
            f"M{k % count * size} {k // count * size}h{size}v{size}h-{size}z" for k in np.flatnonzero(shade == level)
        )
        for level in range(levels)
    ]


def _curve(steps: Sequence[float], values: Sequence[float], low: float, high: float) -> str:
    x = [step / max(1, steps[-1]) * FRAME["side"] for step in steps]
    y = [(high - value) / (high - low or 1) * FRAME["tall"] for value in values]
    return "".join(f"{'L' if i else 'M'}{_tenth(a)} {_tenth(b)}" for i, (a, b) in enumerate(zip(x, y, strict=True)))


def _png(grey: np.ndarray) -> str:
    """A grey picture, shape (H, W) in [-1, 1], as a PNG in a data address.

    Its pixels are stored, not compressed: compressors differ in the bytes that they write.
    """
    pixels = np.floor((grey + 1) * 127.5 + 0.5).astype(np.uint8)
    height, width = pixels.shape
    rows = np.pad(pixels, ((0, 0), (1, 0))).tobytes()  # before each row: no filter
    if len(rows) > 0xFFFF:
        raise ValueError(f"pictures make {len(rows)} bytes; accepted: at most {0xFFFF}")
    stored = struct.pack("<BHH", 1, len(rows), 0xFFFF - len(rows)) + rows
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(rows))),
        (b"IEND", b""),
    )
    content = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + content).decode()


def _written(penalty: Mapping[str, float]) -> dict[str, Any]:
    """A penalty's fields as a recipe's JSON has them: its weights R1 and R2 are schedules."""
    return {
        name: {"start": value, "end": 0.0, "kind": "constant"} if name in ("r1", "r2") else value
        for name, value in penalty.items()
    }


def _select(figure: str, label: str, name: str, options: Mapping[Any, str], chosen: Any) -> str:
    if chosen not in options:
        raise ValueError(f"{name} is {chosen!r}; accepted: {', '.join(map(str, options))}")
    listed = "".join(
        f'<option value="{html.escape(str(key))}"{" selected" if key == chosen else ""}>{html.escape(text)}</option>'
        for key, text in options.items()
    )
    return (
        f'<label for="ganbook-{figure}-{name}">{label}<select name="{name}" id="ganbook-{figure}-{name}">{listed}'
        "</select></label>"
    )


def _field(figure: str, label: str, name: str, attributes: str) -> str:
    return (
        f'<label for="ganbook-{figure}-{name}">{label}<input name="{name}" id="ganbook-{figure}-{name}" '
        f"{attributes}></label>"
    )


def _tenth(value: float) -> str:
    return f"{value:.1f}"


def _label(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _described(description: str) -> None:
    if not isinstance(description, str) or len(description.split()) < 5:
        raise ValueError(f"description is {description!r}; accepted: a sentence that says what is to be seen")


def _array(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """The array, if each axis has the length asked for and each value is finite."""
    array = np.asarray(value, dtype=float)
    if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("N" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} has shape {array.shape}; accepted: ({wanted}{',' * (len(shape) == 1)})")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite; accepted: finite numbers")
    return array

"""Figures that compute inside a page, with no server: arrays in, one self-contained piece of HTML out.

:func:`train_points` is a GAN on points of the plane that trains in the page, with the reader's choice of data, loss,
penalty, update rule, learning rates and seed.  The other such figure is in :mod:`ganbook.pages.latents`.

The still picture comes first: what the Python package computed for the first choice.  Paper shows it, and a page
without scripts.  With scripts controls appear below it.  Nothing moves before the reader presses Start; training stops
when the figure is out of view or the page in the background.

Style and scripts are the files ``playground*`` beside this module; they need nothing from elsewhere.  They reproduce
NumPy's random numbers and the package's arithmetic in double precision: from the same seed come the same losses and
the same points, up to rounding.  Positions in the still picture are rounded to a tenth of a pixel, so that a stored
output is the same on every processor.

Explained in the book's section "Playground".
"""

from __future__ import annotations

import html
import json
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
            check_array(name, getattr(self, name), (None, 2))
        check_array("logits", self.logits, (FRAME["cells"] ** 2,))
        columns = ("step", "discriminator_loss", "generator_loss")
        lacking = [name for name in columns if name not in self.history]
        if lacking:
            raise ValueError(f"history lacks {', '.join(lacking)}; accepted: {', '.join(columns)}")
        for name in columns[1:]:
            check_array(f"history[{name!r}]", self.history[name], (len(self.history["step"]),))


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
    check_description(description)
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
    rates = {rate: f"{rate:g}" for rate in RATES}
    controls = "".join(
        _select(name, label, choice, options, chosen)
        for label, choice, options, chosen in (
            ("Data", "data", {key: key for key in mixtures}, fields["data"]),
            ("Loss", "loss", {key: key.replace("_", " ") for key in losses}, fields["loss"]),
            ("Penalty", "penalty", {key: key for key in penalties}, next(iter(penalties))),
            ("Update rule", "optimiser", {key: key for key in optimisers}, fields["generator_optimiser"]["name"]),
            ("Generator's rate", "generator_rate", rates, fields["generator_optimiser"]["learning_rate"]["start"]),
            (
                "Discriminator's rate",
                "discriminator_rate",
                rates,
                fields["discriminator_optimiser"]["learning_rate"]["start"],
            ),
            ("Discriminator's steps", "discriminator_steps", {1: "1", 5: "5"}, fields["discriminator_steps"]),
        )
    )
    controls += field(name, "Seed", "seed", f'type="number" min="0" max="4294967295" step="1" value="{fields["seed"]}"')
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
    return figure(name, "points", body, content, ("random", "tape", "game", "points"))


def figure(name: str, kind: str, body: str, content: Mapping[str, Any], scripts: Sequence[str]) -> Playground:
    """The figure around a body: its style, its data as JSON, and its scripts.

    Args:
        name: as for :func:`train_points`.
        kind: a word for its class.
        body: HTML; what needs a script is hidden in it.
        content: what the scripts read.
        scripts: as for :func:`script`.
    """
    # In a script of data only "<" could end it, and JSON may write that letter as a number.
    data = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    style = resources.files(__package__).joinpath("playground.css").read_text(encoding="utf-8")
    return Playground(
        name,
        f'<figure class="ganbook-playground ganbook-{kind}" id="ganbook-{name}">\n<style>\n{style}</style>\n'
        f'<div class="ganbook-ground">{body}</div>\n<script type="application/json">{data}</script>\n'
        f"<script>\n{script(*scripts)}</script>\n</figure>",
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
        f'text-anchor="middle">{_label(value, "g")}</text>'
        f'<text x="-6" y="{_tenth((-value / FRAME["reach"] + 1) / 2 * side + 4)}" text-anchor="end">'
        f"{_label(value, 'g')}</text>"
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
        f'<text class="ganbook-high" x="-6" y="10" text-anchor="end">{_label(high, ".2f")}</text>'
        f'<text class="ganbook-low" x="-6" y="{tall}" text-anchor="end">{_label(low, ".2f")}</text>'
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


def field(figure: str, label: str, name: str, attributes: str) -> str:
    """A labelled input of the figure of that name."""
    return (
        f'<label for="ganbook-{figure}-{name}">{label}<input name="{name}" id="ganbook-{figure}-{name}" '
        f"{attributes}></label>"
    )


def _tenth(value: float) -> str:
    return f"{value:.1f}"


def _label(value: float, form: str) -> str:
    return f"{value:{form}}".replace("-", "−")


def check_description(description: str) -> None:
    """Accept a text alternative of at least five words.

    Raises:
        ValueError: another one.
    """
    if not isinstance(description, str) or len(description.split()) < 5:
        raise ValueError(f"description is {description!r}; accepted: a sentence that says what is to be seen")


def check_array(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """The array, if each axis has the length asked for, None for any, and each value is finite.

    Raises:
        ValueError: it has not.
    """
    array = np.asarray(value, dtype=float)
    if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("N" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} has shape {array.shape}; accepted: ({wanted}{',' * (len(shape) == 1)})")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite; accepted: finite numbers")
    return array

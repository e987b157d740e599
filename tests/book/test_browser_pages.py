"""Every page in a real browser: opened once, looked at on a telephone, on a desk and on paper."""

from dataclasses import dataclass

import pytest

pytestmark = pytest.mark.slow

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1200, "height": 900}

# What is wider than the box it scrolls in must be within reach of the keyboard.
OUT_OF_REACH = """() => [...document.querySelectorAll("article *")].filter(each =>
    each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0
    && ["auto", "scroll"].includes(getComputedStyle(each).overflowX)
    && each.tabIndex < 0 && !each.querySelector("a, button, input, summary, [tabindex='0']")
).map(each => each.outerHTML.slice(0, 120))"""

SIDEWAYS = "() => document.scrollingElement.scrollWidth - innerWidth"

# The lines of code that are too long, those in folds and in tabs that are not chosen among them.
SCROLLING_CODE = """() => {
    const folds = [...document.querySelectorAll("article details:not([open])")];
    const tabs = [...document.querySelectorAll("article .sd-tab-content")];
    folds.forEach(each => { each.open = true; });
    tabs.forEach(each => { each.style.display = "block"; });
    const long = [...document.querySelectorAll("article .highlight pre")]
        .filter(each => !each.closest(".cell_output") && !(each.scrollWidth <= each.clientWidth && each.clientWidth))
        .map(each => each.textContent.split("\\n").sort((one, two) => two.length - one.length)[0]);
    tabs.forEach(each => { each.style.display = ""; });
    folds.forEach(each => { each.open = false; });
    return long;
}"""

BAD_FORMULAS = """() => [...document.querySelectorAll("mjx-merror"),
    ...[...document.querySelectorAll("article .math")].filter(each => !each.querySelector("mjx-container"))
].map(each => each.outerHTML.slice(0, 200))"""

BAD_IMAGES = "() => [...document.images].filter(each => !each.complete || !each.naturalWidth).map(each => each.src)"

# Of each pair of tabs a screen shows one, paper both.
SHOWN_TABS = """() => [...document.querySelectorAll("article .framework-tabs")].map(set =>
    [...set.querySelectorAll(":scope > .sd-tab-content")].filter(tab => tab.checkVisibility()).length)"""

FOLDED = """() => [...document.querySelectorAll("article details:not([open]), article .toggle-hidden")]
    .map(each => each.outerHTML.slice(0, 120))"""

CONTROLS = """() => [...document.querySelectorAll("button, input, select, .bd-sidebar-primary, .bd-header-article")]
    .filter(each => each.checkVisibility({visibilityProperty: true, opacityProperty: true})
                    && each.getBoundingClientRect().width > 1)
    .map(each => each.outerHTML.slice(0, 120))"""


NOT_LOOKED_UP = "console: Failed to load resource: net::ERR_NAME_NOT_RESOLVED"


@dataclass
class Visit:
    """What one page showed."""

    name: str
    faults: list[str]
    sideways: int
    out_of_reach: list[str]
    scrolling_code: list[str]
    formulas: list[str]
    images: list[str]
    on_screen: list[int]
    folded: list[str]
    on_paper: list[int]
    folded_on_paper: list[str]
    controls_on_paper: list[str]
    folded_after: list[str]


def visit(reader, name: str) -> Visit:
    """Open a page on a telephone, then look at it on a desk, on paper, and on the desk again."""
    page, already = reader.page, len(reader.faults())
    page.set_viewport_size(PHONE)
    reader.open(name)
    narrow = page.evaluate(SIDEWAYS), page.evaluate(OUT_OF_REACH)
    page.set_viewport_size(DESK)
    desk = [page.evaluate(each) for each in (SCROLLING_CODE, BAD_FORMULAS, BAD_IMAGES, SHOWN_TABS, FOLDED)]
    page.emulate_media(media="print")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    paper = [page.evaluate(each) for each in (SHOWN_TABS, FOLDED, CONTROLS)]
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    return Visit(name, reader.faults()[already:], *narrow, *desk, *paper, page.evaluate(FOLDED))


@pytest.fixture(scope="module")
def visits(browser, site):
    with site.reader(browser) as reader:
        return [visit(reader, name) for name in site.names()]


def found(visits: list[Visit], what: str) -> dict[str, object]:
    """The pages on which something was found."""
    return {each.name: getattr(each, what) for each in visits if getattr(each, what)}


def test_a_page_opens_without_error_missing_file_or_request_elsewhere(visits):
    assert len(visits) > 25
    assert found(visits, "faults") == {}


def test_a_page_of_390_pixels_does_not_scroll_sideways(visits):
    assert found(visits, "sideways") == {}


def test_what_scrolls_within_a_narrow_page_is_within_reach_of_the_keyboard(visits):
    assert found(visits, "out_of_reach") == {}


def test_no_line_of_code_scrolls_on_a_desk(visits):
    assert found(visits, "scrolling_code") == {}


def test_every_formula_is_set(visits):
    assert found(visits, "formulas") == {}


def test_every_image_is_shown(visits):
    assert found(visits, "images") == {}


def test_a_screen_shows_one_tab_of_a_pair_and_paper_both(visits):
    assert sum(len(each.on_screen) for each in visits) > 50
    assert {each.name: each.on_screen for each in visits if set(each.on_screen) - {1}} == {}
    assert {each.name: each.on_paper for each in visits if set(each.on_paper) - {2}} == {}
    assert [len(each.on_screen) for each in visits] == [len(each.on_paper) for each in visits]


def test_paper_unfolds_what_the_screen_folds_away(visits):
    assert sum(len(each.folded) for each in visits) > 50
    assert found(visits, "folded_on_paper") == {}
    assert [each.folded for each in visits] == [each.folded_after for each in visits]


def test_paper_shows_no_controls(visits):
    assert found(visits, "controls_on_paper") == {}


def test_the_front_door_leads_to_the_first_page(page, site):
    page.page.goto(site.address)
    page.page.wait_for_url("**/chapters/index.html")
    site.missing[:] = [path for path in site.missing if path != "/favicon.ico"]  # a browser's own guess


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        ("<script>console.error('planted')</script>", "console: planted"),
        ("<script>throw Error('planted')</script>", "error: planted"),
        ("<img src='https://example.org/a.png'>", "left the machine: https://example.org/a.png"),
        ("<script>new WebSocket('ws://example.org:8/')</script>", "left the machine: ws://example.org:8/"),
        ("<script>fetch('http://example.org/').catch(() => 0)</script>", "left the machine: http://example.org/"),
        # Neither a name nor a number is looked up: had the browser got out, it would name another error or none.
        ("<script>fetch('http://example.org/').catch(() => 0)</script>", NOT_LOOKED_UP),
        ("<script>fetch('http://192.0.2.1/').catch(() => 0)</script>", NOT_LOOKED_UP),
        ("<link rel='stylesheet' href='planted.css'>", "missing: /chapters/planted.css"),
        ("<div style='width: 800px'>wide</div>", 410),
        ("<pre style='overflow: auto'>" + "wide " * 200 + "</pre>", "out_of_reach"),
        (f"<div class='highlight'><pre>{'wide ' * 50}</pre></div>", "scrolling_code"),
        (f"<details><div class='highlight'><pre>short\n{'wide ' * 50}</pre></div></details>", "scrolling_code"),
        (
            "<style>.sd-tab-content {display: none}</style><div class='sd-tab-content'><div class='highlight'>"
            f"<pre>{'wide ' * 50}</pre></div></div>",
            "scrolling_code",
        ),
        ("<div class='highlight' style='display: none'><pre>never seen</pre></div>", "scrolling_code"),
        ("<span class='math'>\\(x\\)</span>", "formulas"),
        ("<img src='data:image/png,planted'>", "images"),
        ("<button>Press</button>", "controls_on_paper"),
    ],
)
def test_a_planted_fault_is_found(browser, site, planted, fault):
    with site.reader(browser) as reader:
        body = f"<!doctype html><link rel='icon' href='data:,'><body style='margin: 0'><article>{planted}</article>"
        reader.context.route("**/planted.html", lambda route: route.fulfill(body=body, content_type="text/html"))
        seen = visit(reader, "chapters/planted.html")
    if isinstance(fault, int):
        assert seen.sideways == fault
    elif fault.isidentifier():
        assert len(getattr(seen, fault)) == 1
    else:
        assert any(each.startswith(fault) for each in seen.faults), seen.faults

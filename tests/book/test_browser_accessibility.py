"""What axe-core finds on every page, light and dark.

Two things are done to a page before it is examined, because they cost minutes and hide nothing: formulas stay as
written (one page is examined with its formulas set), and listings lose their colours (the colours are examined once,
one sample of each).
"""

from dataclasses import dataclass

import pytest

pytestmark = pytest.mark.slow

GRAVE = ("serious", "critical")

PLAIN = """() => document.querySelectorAll(".highlight pre, article code, article dt em").forEach(each => {
    each.textContent = each.textContent;
})"""

COLOURS = """() => [...document.querySelectorAll(".highlight pre span[class]")].map(each => each.className)"""

SAMPLES = """colours => {
    const listing = document.querySelector(".cell_input .highlight pre");
    listing.innerHTML = colours.map(name => `<span class="${name}">sample</span>`).join("\\n");
    listing.id = "samples";
}"""

# Mark the first visible text of each colour on each ground, size and weight.
MARK = """() => {
    const seen = new Set();
    const ground = each => {
        for (; each; each = each.parentElement) {
            const colour = getComputedStyle(each).backgroundColor;
            if (!/, 0\\)$/.test(colour)) return colour + (/rgba/.test(colour) ? ground(each.parentElement) : "");
        }
    };
    document.querySelectorAll("[data-sample]").forEach(each => delete each.dataset.sample);
    for (const each of document.querySelectorAll("body *")) {
        if (![...each.childNodes].some(node => node.nodeType == 3 && node.data.trim())) continue;
        if (!each.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
        const {color, fontSize, fontWeight} = getComputedStyle(each);
        const key = [color, ground(each), fontSize, fontWeight].join();
        if (!seen.has(key)) { seen.add(key); each.dataset.sample = ""; }
    }
}"""

EXAMINE = """async ({context, options}) => {
    const {violations} = await axe.run(context, {resultTypes: ["violations"], ...options});
    return violations.flatMap(rule => rule.nodes.map(node =>
        [rule.id, node.impact, node.target.join(" "), node.html.slice(0, 160)]));
}"""

CONTRAST = {"runOnly": ["color-contrast"]}
# The rule "region" is a moderate one, and slow.
ALL_ELSE = {"rules": {"color-contrast": {"enabled": False}, "region": {"enabled": False}}}


@dataclass(frozen=True)
class Fault:
    """One fault that axe-core found."""

    page: str
    rule: str
    selector: str
    html: str


def examine(page, name: str, context: object = "body", options: dict | None = None) -> list[Fault]:
    found = page.evaluate(EXAMINE, {"context": context, "options": options or {}})
    return [Fault(name, rule, selector, html) for rule, impact, selector, html in found if impact in GRAVE]


def contrast(page, name: str, scheme: str) -> list[Fault]:
    """Examine the contrast of every kind of text; dark differs from light in its colours alone."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(f"document.documentElement.dataset.theme == '{scheme}'")
    page.evaluate(MARK)
    return examine(page, f"{name} ({scheme})", {"include": [["[data-sample]"]]}, CONTRAST)


@pytest.fixture(scope="module")
def axe():
    return pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT


@pytest.fixture(scope="module")
def examined(browser, site, axe):
    """Return the faults of every page and the kinds of coloured words in all listings."""
    faults, colours = [], set()
    with site.reader(browser, color_scheme="light") as reader:
        page = reader.page
        reader.context.add_init_script(axe)
        reader.context.route("**/mathjax/**", lambda route: route.fulfill(body="", content_type="text/javascript"))

        def open_plainly(name: str) -> None:
            reader.open(name)
            page.add_style_tag(content="* {transition: none !important}")
            colours.update(page.evaluate(COLOURS))
            page.evaluate(PLAIN)

        for name in site.names():
            open_plainly(name)
            faults += examine(page, name, options=ALL_ELSE) + contrast(page, name, "dark")
            faults += contrast(page, name, "light")
        open_plainly("chapters/quickstart.html")
        page.evaluate(SAMPLES, sorted(colours))
        faults += contrast(page, "listings", "light") + contrast(page, "listings", "dark")
    return faults, colours


def test_axe_finds_no_grave_fault(examined):
    faults, colours = examined
    assert len(colours) > 15
    assert faults == []


def test_axe_finds_no_grave_fault_among_set_formulas(browser, site, axe):
    with site.reader(browser) as reader:
        reader.context.add_init_script(axe)
        reader.open("chapters/quickstart.html")
        assert reader.page.locator("mjx-container").count() > 10
        assert examine(reader.page, "chapters/quickstart.html", "article") == []


@pytest.mark.parametrize(("planted", "rule"), [
    ("<button></button>", "button-name"),
    ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='>", "image-alt"),
    ("<input type='range'>", "label"),
    ("<p style='color: #aaa; background: #fff'>faint</p>", "color-contrast"),
    ("<a href='#main-content'></a>", "link-name"),
])
def test_a_planted_fault_is_found(browser, site, axe, planted, rule):
    with site.reader(browser) as reader:
        reader.context.add_init_script(axe)
        reader.open("chapters/tensors/index.html")
        reader.page.evaluate("html => document.querySelector('article').insertAdjacentHTML('beforeend', html)", planted)
        faults = examine(reader.page, "page", "article", ALL_ELSE) + contrast(reader.page, "page", "light")
        assert [each.rule for each in faults] == [rule]

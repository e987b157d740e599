"""What axe-core finds on every page, light and dark.

Three things save minutes and hide nothing: formulas stay as written (one page is examined with its formulas set),
listings lose their colours (one sample of each is examined at the end), and contrast is examined once for each kind of
text: its colour, ground, size and weight.
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

# Mark the first visible text of each kind that is not known yet: contrast depends on nothing else.
MARK = """known => {
    const seen = new Set(known);
    const ground = each => {
        for (; each; each = each.parentElement) {
            const colour = getComputedStyle(each).backgroundColor;
            if (!/, 0\\)$/.test(colour)) return colour + (/rgba/.test(colour) ? ground(each.parentElement) : "");
        }
    };
    const opacity = each => each ? getComputedStyle(each).opacity * opacity(each.parentElement) : 1;
    document.querySelectorAll("[data-sample]").forEach(each => delete each.dataset.sample);
    for (const each of document.querySelectorAll("body *")) {
        if (![...each.childNodes].some(node => node.nodeType == 3 && node.data.trim())) continue;
        if (!each.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
        const {color, fontSize, fontWeight} = getComputedStyle(each);
        const kind = [each.tagName == "A", color, ground(each), opacity(each), fontSize, fontWeight].join();
        if (!seen.has(kind)) { seen.add(kind); each.dataset.sample = ""; }
    }
    return [...seen];
}"""

EXAMINE = """async ({context, options}) => {
    const {violations} = await axe.run(context, {resultTypes: ["violations"], ...options});
    return violations.flatMap(rule => rule.nodes.map(node =>
        [rule.id, node.impact, node.target.join(" "), node.html.slice(0, 160)]));
}"""

CONTRAST = ["color-contrast", "link-in-text-block"]
# The rule "region" is a moderate one, and slow.
ALL_ELSE = {"rules": {rule: {"enabled": False} for rule in (*CONTRAST, "region")}}


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


def contrast(page, name: str, scheme: str, known: set[str]) -> list[Fault]:
    """Examine the contrast of every kind of text that is not yet known, and add it to those."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(f"document.documentElement.dataset.theme == '{scheme}'")
    before = len(known)
    known.update(page.evaluate(MARK, sorted(known)))
    if len(known) == before:
        return []
    return examine(page, f"{name} ({scheme})", {"include": [["[data-sample]"]]}, {"runOnly": CONTRAST})


@pytest.fixture(scope="module")
def axe():
    return pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT


@pytest.fixture(scope="module")
def examined(browser, site, axe):
    """Return the faults of every page, the kinds of coloured words in all listings and the kinds of text."""
    faults, colours, known = [], set(), set()
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
            faults += examine(page, name, options=ALL_ELSE)
            faults += contrast(page, name, "dark", known) + contrast(page, name, "light", known)
        open_plainly("chapters/quickstart.html")
        page.evaluate(SAMPLES, sorted(colours))
        faults += contrast(page, "listings", "dark", known) + contrast(page, "listings", "light", known)
    return faults, colours, known


def test_axe_finds_no_grave_fault(examined):
    faults, colours, known = examined
    assert len(colours) > 15
    assert len(known) > 50
    assert faults == []


def test_axe_finds_no_grave_fault_among_set_formulas(browser, site, axe):
    with site.reader(browser) as reader:
        reader.context.add_init_script(axe)
        reader.open("chapters/quickstart.html")
        assert reader.page.locator("mjx-container").count() > 10
        assert examine(reader.page, "chapters/quickstart.html", "article", ALL_ELSE) == []


@pytest.mark.parametrize(
    ("planted", "rule"),
    [
        ("<button></button>", "button-name"),
        ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='>", "image-alt"),
        ("<input type='range'>", "label"),
        ("<p style='color: #aaa; background: #fff'>faint</p>", "color-contrast"),
        ("<a href='#main-content'></a>", "link-name"),
    ],
)
def test_a_planted_fault_is_found(browser, site, axe, planted, rule):
    with site.reader(browser) as reader:
        reader.context.add_init_script(axe)
        reader.open("chapters/tensors/index.html")
        reader.page.evaluate("html => document.querySelector('article').insertAdjacentHTML('beforeend', html)", planted)
        faults = examine(reader.page, "page", "article", ALL_ELSE) + contrast(reader.page, "page", "light", set())
        assert [each.rule for each in faults] == [rule]

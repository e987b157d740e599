"""What a reader does with the book, in a real browser: choose, search, switch, open, and read without scripts."""

import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="no Playwright here to open a page with").expect
pytestmark = pytest.mark.slow

TABS = "chapters/tensors/layers.html"
OTHER = "chapters/quickstart.html"
MOVING = "chapters/gradient_descent/game_dynamics.html"
PHONE = {"width": 390, "height": 844}

CHOSEN = """() => [...new Set([...document.querySelectorAll(".framework-tabs > input:checked")]
    .map(each => each.nextElementSibling.dataset.syncId))]"""


def tab(reader, label: str, number: int = 0):
    return reader.page.locator(".framework-tabs > label", has_text=label).nth(number)


def test_the_tabs_of_a_page_switch_together(page):
    page.open(TABS)
    assert page.page.locator(".framework-tabs").count() > 3
    assert page.page.evaluate(CHOSEN) == ["pytorch"]
    tab(page, "TensorFlow", 2).click()
    assert page.page.evaluate(CHOSEN) == ["tensorflow"]
    expect(tab(page, "TensorFlow", 0).locator("xpath=following-sibling::*[1]")).to_be_visible()
    expect(tab(page, "PyTorch", 0).locator("xpath=following-sibling::*[1]")).to_be_hidden()


def test_the_choice_of_a_tab_stays(page):
    page.open(TABS)
    tab(page, "TensorFlow").click()
    page.page.reload()
    assert page.page.evaluate(CHOSEN) == ["tensorflow"]
    page.open(OTHER)
    assert page.page.evaluate(CHOSEN) == ["tensorflow"]
    tab(page, "PyTorch").click()
    page.open(TABS)
    assert page.page.evaluate(CHOSEN) == ["pytorch"]


def test_arrow_keys_switch_the_tabs(page):
    page.open(TABS)
    page.page.locator(".framework-tabs > input").first.focus()
    page.page.keyboard.press("ArrowRight")
    assert page.page.evaluate(CHOSEN) == ["tensorflow"]
    page.page.keyboard.press("ArrowLeft")
    assert page.page.evaluate(CHOSEN) == ["pytorch"]


def test_the_tab_key_reaches_the_tabs_and_shows_where_it_is(page):
    page.open(TABS)
    # The last thing before the first pair that the key can reach.
    page.page.locator(".framework-tabs").first.locator("xpath=preceding::a[1]").focus()
    for _ in range(10):
        page.page.keyboard.press("Tab")
        if page.page.evaluate("() => document.activeElement.matches('.framework-tabs > input')"):
            break
    seen = "() => getComputedStyle(document.activeElement.nextElementSibling).outlineStyle"
    assert page.page.evaluate("() => document.activeElement.matches('.framework-tabs > input')")
    assert page.page.evaluate(seen) == "solid"


@pytest.mark.parametrize("framework", ["tensorflow", "pytorch"])
def test_an_address_chooses_the_framework(page, framework):
    page.open(f"{TABS}?framework={framework}")
    assert page.page.evaluate(CHOSEN) == [framework]


def test_the_search_finds_a_term_and_leads_to_it(page):
    page.open(OTHER)
    page.page.keyboard.press("Control+k")
    field = page.page.locator("#pst-search-dialog input[name=q]")
    expect(field).to_be_focused()
    field.fill("spectral")
    field.press("Enter")
    page.page.wait_for_url("**/search.html?q=spectral")
    results = page.page.locator("ul.search > li a")
    expect(results.first).to_be_visible()
    with page.page.expect_navigation():
        results.first.click()
    expect(page.page.locator("article")).to_contain_text(re.compile("spectral", re.IGNORECASE))


def test_a_search_without_a_find_says_so(page):
    page.open("search.html?q=xylophone")
    expect(page.page.locator("#search-results")).to_contain_text("did not match any documents")


def theme(reader) -> str:
    return reader.page.evaluate("() => document.documentElement.dataset.theme")


def ground(reader) -> int:
    colour = reader.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


def test_the_switch_of_colours_works_and_stays(page):
    page.page.emulate_media(color_scheme="light")
    page.open(OTHER)
    assert theme(page) == "light"
    switch = page.page.locator("button.theme-switch-button:visible")
    modes = []
    for _ in range(3):
        switch.press("Enter")
        modes.append(page.page.evaluate("() => document.documentElement.dataset.mode"))
    assert sorted(modes) == ["auto", "dark", "light"]
    while page.page.evaluate("() => document.documentElement.dataset.mode") != "dark":
        switch.press("Enter")
    page.page.reload()
    assert theme(page) == "dark"
    page.open(TABS)
    assert theme(page) == "dark"


def test_the_colours_follow_the_readers_system(page):
    page.page.emulate_media(color_scheme="dark")
    page.open(OTHER)
    assert theme(page) == "dark"
    assert ground(page) < 150
    page.page.emulate_media(color_scheme="light")
    page.page.wait_for_function("() => document.documentElement.dataset.theme == 'light'")
    assert ground(page) > 600


def test_the_menus_of_a_narrow_page_open_and_close_by_keyboard(page):
    page.page.set_viewport_size(PHONE)
    page.open(OTHER)
    for button, menu in (
        (".primary-toggle", "#pst-primary-sidebar-modal"),
        (".secondary-toggle", "#pst-secondary-sidebar-modal"),
    ):
        dialog = page.page.locator(menu)
        expect(dialog).to_be_hidden()
        page.page.locator(f"{button}:visible").first.press("Enter")
        expect(dialog).to_be_visible()
        expect(dialog.locator("a:visible").first).to_be_visible()
        page.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()


def test_the_chapters_of_the_menu_open_by_keyboard_and_are_named(page):
    page.open("chapters/index.html")
    arrows = page.page.locator(".bd-sidebar-primary li > details > summary")
    names = arrows.evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    assert len(names) >= 4
    assert "Sections of 1. Tensors" in names
    sections = page.page.locator(".bd-sidebar-primary details", has=page.page.get_by_label("Sections of 1. Tensors"))
    before = sections.evaluate("each => each.open")
    page.page.get_by_label("Sections of 1. Tensors").press("Enter")
    assert sections.evaluate("each => each.open") != before


def test_a_solution_opens_and_closes_by_keyboard(page):
    page.open(OTHER)
    solution = page.page.locator(".solution").first
    inside = solution.locator("p:not(.admonition-title)").first
    button = solution.locator("button.toggle-button")
    expect(inside).to_be_hidden()
    button.press("Enter")
    expect(inside).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    button.press("Enter")
    expect(inside).to_be_hidden()


def test_a_page_is_readable_without_scripts(browser, site):
    with site.reader(browser, java_script_enabled=False) as reader:
        reader.page.goto(site.address + TABS)
        expect(reader.page.locator("article h1")).to_be_visible()
        contents = reader.page.locator(".framework-tabs").first.locator(":scope > .sd-tab-content")
        expect(contents.nth(0)).to_be_visible()
        expect(contents.nth(1)).to_be_hidden()
        tab(reader, "TensorFlow").click()
        expect(contents.nth(1)).to_be_visible()
        expect(contents.nth(0)).to_be_hidden()
        solutions = reader.page.locator(".solution").first.locator("p:not(.admonition-title)").first
        expect(solutions).to_be_visible()
        reader.page.goto(site.address + MOVING)
        expect(reader.page.locator(".ganbook-panels svg").first).to_be_visible()
        expect(reader.page.locator(".ganbook-controls").first).to_be_hidden()
        reader.page.goto(site.address + "chapters/index.html")
        with reader.page.expect_navigation():
            reader.page.locator(".bd-sidebar-primary a", has_text="Quickstart").first.click()
        assert reader.page.url.endswith(OTHER)
        assert reader.faults() == []

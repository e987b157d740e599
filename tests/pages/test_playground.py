"""Figures that compute in a page: the script's arithmetic is the package's, and a reader can use it by keyboard."""

import base64
import dataclasses
import functools
import html
import io
import itertools
import json
import re

import numpy as np
import pytest
from PIL import Image

from ganbook.data.recipe import LOSSES, Recipe
from ganbook.gradient_descent.training import train
from ganbook.pages import choices, playground
from ganbook.pages.latents import explore_latents, latent_corners, latent_plane
from ganbook.pages.playground import Snapshot, cells, train_points
from ganbook.tuning.experiments.digit_generator import generated, load_generator
from ganbook.tuning.metrics.mixture_modes import measure_mixture

pytestmark = pytest.mark.slow

WORDS = "Orange points gather on the eight blue ones"
STEPS = 100
TOLERANCE = 1e-9  # a thousandth of what is promised, so that draws which were not rounded to float32 show as well
PARTS = ("random", "tape", "game")


# --- a browser -------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path):
    """Opens figures in a fresh page; whatever it complains of or asks for elsewhere fails the test."""
    contexts, faults = [], []

    def open_figures(*figures_, **options):
        contexts.append(browser.new_context(**options))
        contexts[-1].set_default_timeout(10_000)
        page = contexts[-1].new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        path = tmp_path / "page.html"
        page.on(
            "request",
            lambda request: None if request.url.startswith(("data:", path.as_uri())) else faults.append(request.url),
        )
        body = "".join(each.html for each in figures_)
        path.write_text(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title>{body}'
            '<p style="height:300vh"></p></html>',
            encoding="utf-8",
        )
        page.goto(path.as_uri())
        return page

    yield open_figures
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture(scope="module")
def sheet(browser):
    """An empty page to compute in."""
    page = browser.new_page()
    yield page
    page.close()


def computed(sheet, code):
    """What JavaScript returns that stands behind the scripts of the game."""
    body = playground.script(*PARTS).removesuffix("})();\n")
    return json.loads(sheet.evaluate(f"JSON.stringify({body}\n{code}\n}})())"))


# --- random numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 7, 20_000, 2**32 - 1])
def test_every_kind_of_draw_is_numpy_s(sheet, seed):
    found = computed(
        sheet,
        f"""const r = new Random({seed}); const many = (f) => Array.from({{length: 301}}, f);
        return [many(() => r.integer(8)), many(() => r.normal()), many(() => r.uniformFloat32()),
                many(() => r.integer(25)), many(() => r.uniform()), many(() => r.integer(3000000000)),
                r.integer(1), r.uniform()];""",
    )
    rng = np.random.default_rng(seed)
    assert found[0] == rng.integers(8, size=301).tolist()
    np.testing.assert_allclose(found[1], rng.standard_normal(301), rtol=0, atol=1e-14)
    assert found[2] == rng.random(301, dtype=np.float32).tolist()
    assert found[3] == rng.integers(25, size=301).tolist()
    assert found[4] == rng.random(301).tolist()
    assert found[5] == rng.integers(3_000_000_000, size=301).tolist()  # about every third draw is refused
    assert found[6] == rng.integers(1)
    assert found[7] == rng.random()


def test_a_million_normal_draws_are_numpy_s(sheet):
    sheet.evaluate(
        f"window.draws = {playground.script(*PARTS).removesuffix('})();' + chr(10))}"
        "return new Uint8Array(new Random(3).normals(1000000).buffer); })();"
    )
    part = "(k) => btoa(Array.from(draws.subarray(k, k + 300000), (b) => String.fromCharCode(b)).join(''))"
    content = b"".join(base64.b64decode(sheet.evaluate(part, k)) for k in range(0, 8_000_000, 300_000))
    drawn = np.frombuffer(content, np.float64)
    expected = np.random.default_rng(3).standard_normal(1_000_000)
    assert (np.abs(expected) > 3.6542).sum() > 100  # the tail is met as well
    np.testing.assert_allclose(drawn, expected, rtol=0, atol=2e-14)


# --- derivatives -----------------------------------------------------------------------------------------------------

# A penalty with every operation of the tape in it, and its slope by each weight.
PENALTY = """
const random = new Random(5), size = [[3, 4], [1, 4], [4, 1], [1, 1]];
const x = new Matrix(5, 3, random.normals(15));
const start = size.map(([n, m]) => random.normals(n * m));
const value = (data) => {
  const w = data.map((numbers, k) => new Matrix(...size[k], numbers));
  const hidden = softplus(add(product(x, w[0]), repeatedRow(w[1], 5)));
  const logits = add(add(product(sigmoid(hidden), w[2]), repeatedRow(w[3], 5)), root(sumOfColumns(square(hidden))));
  const [slope, steepness] = gradients(logits, [x, w[2]]);
  const out = add(mean(square(shift(root(sumOfColumns(square(slope))), -1))), mean(leaky(logits, 0.2)));
  return [add(out, mean(square(sumOfColumns(steepness)))), w];
};
const [out, w] = value(start);
const exact = gradients(out, w).map((g) => Array.from(g.data));
const rough = start.map((numbers, k) => Array.from(numbers, (_, i) => {
  const at = (h) => value(start.map((each, j) => j === k ? each.map((v, l) => l === i ? v + h : v) : each))[0].data[0];
  return (at(1e-5) - at(-1e-5)) / 2e-5;
}));
return [exact, rough];
"""


def test_a_derivative_of_a_derivative_is_what_differences_give(sheet):
    exact, rough = computed(sheet, PENALTY)
    assert max(map(abs, exact[0])) > 0.01
    for one, other in zip(exact, rough, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


# --- the same path as the package ------------------------------------------------------------------------------------


def noise(count=64):
    return np.random.default_rng(0).standard_normal((count, 2)).astype(np.float32)


@functools.cache
def package_path(recipe):
    run = train(recipe, until=STEPS, source=choices.MIXTURES[recipe.data], device="cpu")
    losses = np.array([run.history[name] for name in ("discriminator_loss", "penalty", "generator_loss")]).T
    return losses, run.state.sample(noise()), run.state.judge(noise())


def check_path(sheet, recipe):
    mixture = choices.MIXTURES[recipe.data]
    given = json.dumps({"means": mixture.means.tolist(), "sigma": mixture.sigma})
    losses, points, logits = computed(
        sheet,
        f"""
        const game = new Game({recipe.to_json()}, {given}), losses = [];
        for (let k = 0; k < {STEPS}; k += 1) losses.push(game.round());
        const noise = game.noise(new Random(0), 64);
        return [losses, Array.from(game.sample(64).data), Array.from(game.judge(noise).data)];""",
    )
    expected = package_path(recipe)
    assert np.isfinite(expected[0]).all()
    for found, wanted in zip((losses, np.reshape(points, (-1, 2)), logits), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("penalty", choices.PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_and_penalty_takes_the_package_s_path(sheet, loss, penalty):
    check_path(sheet, choices.chosen(loss=loss, penalty=penalty))


@pytest.mark.parametrize(
    "change",
    [
        {"optimiser": "rmsprop"},
        {"optimiser": "sgd", "generator_rate": 0.1, "discriminator_rate": 0.05},
        {"optimiser": "momentum", "generator_rate": 0.02, "discriminator_rate": 0.05},
        {"discriminator_steps": 5},
        {"data": "grid", "seed": 12_345},
        {"generator_rate": 5e-4, "discriminator_rate": 5e-3, "penalty": "none"},
    ],
    ids=lambda change: "-".join(map(str, change.values())),
)
def test_every_other_choice_takes_the_package_s_path(sheet, change):
    check_path(sheet, choices.chosen(**change))


def test_coverage_is_the_package_s(sheet):
    mixture = choices.MIXTURES["ring"]
    rng = np.random.default_rng(4)
    points = mixture.means[rng.integers(6, size=200)] + 2.2 * mixture.sigma * rng.standard_normal((200, 2))
    given = json.dumps({"means": mixture.means.tolist(), "sigma": mixture.sigma})
    found = computed(
        sheet,
        f"""const game = new Game({choices.FIRST.to_json()}, {given});
        return game.coverage(new Matrix(200, 2, Float64Array.from({points.ravel().tolist()})));""",
    )
    expected = measure_mixture(mixture, points)
    assert (found["modes"], found["share"]) == (expected.modes, expected.high_quality) == (6, found["share"])
    assert 0.5 < found["share"] < 1


# --- the trainer's figure --------------------------------------------------------------------------------------------


@functools.cache
def snapshot(steps=40):
    mixture = choices.MIXTURES["ring"]
    run = train(choices.FIRST, until=steps, source=mixture, device="cpu")
    return Snapshot(
        mixture.batch(np.random.default_rng(1), 256), run.sample(256), run.state.judge(cells()), run.history
    )


def trainer(steps=40, **changes):
    settings = {
        "recipe": choices.FIRST.to_json(),
        "mixtures": choices.MIXTURES,
        "losses": LOSSES,
        "penalties": choices.PENALTIES,
        "still": snapshot(steps),
        "name": "ring",
        "description": WORDS,
        "optimisers": {name: dataclasses.asdict(rule) for name, rule in choices.OPTIMISERS.items()},
    } | changes
    return train_points(**settings)


def drawn(page):
    """Everything that the figure draws, by class."""
    return page.evaluate("""() => Object.fromEntries(Array.from(document.querySelectorAll("figure path[class]"),
        (path) => [path.getAttribute("class"), path.getAttribute("d")]))""")


def numbers(path):
    return np.array([float(x) for x in re.findall(r"-?\d+\.?\d*", path)])


def state(page):
    return page.inner_text(".ganbook-state")


def step_of(page):
    return int(re.match(r"step (\d+)", state(page))[1])


@pytest.mark.parametrize("steps", [40, 420])
def test_the_script_draws_the_still_picture(opened, steps):
    page = opened(trainer(steps))
    still = drawn(page)
    page.evaluate(f"() => {{ const t = document.querySelector('figure').trainer; t.advance({steps}); t.draw(); }}")
    moved = drawn(page)
    assert (
        set(moved)
        == set(still)
        == {
            "ganbook-real",
            "ganbook-generated",
            "ganbook-discriminator-loss",
            "ganbook-generator-loss",
            *(f"ganbook-level-{k}" for k in range(8)),
        }
    )
    for part, path in still.items():
        assert re.sub(r"[\d.]+", "", moved[part]) == re.sub(r"[\d.]+", "", path), part
        np.testing.assert_allclose(numbers(moved[part]), numbers(path), atol=0.11, err_msg=part)
    assert state(page).startswith(f"step {steps}; modes covered: ")


def test_the_form_names_the_package_s_recipes(opened):
    page = opened(trainer())
    read = functools.partial(page.evaluate, "() => document.querySelector('figure').trainer.recipe()")
    assert Recipe.from_json(json.dumps(read())) == choices.FIRST
    offered = {
        "data": choices.MIXTURES,
        "loss": LOSSES,
        "penalty": choices.PENALTIES,
        "optimiser": choices.OPTIMISERS,
        "generator_rate": playground.RATES,
        "discriminator_rate": playground.RATES,
        "discriminator_steps": (1, 5),
    }
    for field, values in offered.items():
        shown = page.eval_on_selector_all(f"select[name={field}] option", "all => all.map(each => each.value)")
        assert shown == [str(value) for value in values]
        for value in values:
            page.select_option(f"select[name={field}]", str(value))
            assert Recipe.from_json(json.dumps(read())) == choices.chosen(**{field: value})
        page.reload()
    page.fill("input[name=seed]", "77")
    assert Recipe.from_json(json.dumps(read())) == choices.chosen(seed=77)
    page.fill("input[name=seed]", "-3.5")
    assert read()["seed"] == 0


def test_nothing_moves_before_start_and_keys_do_everything(opened):
    page = opened(trainer())
    before = drawn(page)
    page.wait_for_timeout(400)
    assert drawn(page) == before
    reached = []
    for _ in range(11):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.textContent"))
    assert reached == [
        "data",
        "loss",
        "penalty",
        "optimiser",
        "generator_rate",
        "discriminator_rate",
        "discriminator_steps",
        "seed",
        "Start",
        "Step",
        "Reset",
    ]
    page.focus(".ganbook-step")
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert step_of(page) == 2
    page.focus(".ganbook-start")
    page.keyboard.press("Space")
    # The drawing has few levels: on a busy machine twenty steps may not reach another one.
    page.wait_for_function("() => document.querySelector('figure').trainer.game.step > 200")
    assert page.inner_text(".ganbook-start") == "Pause"
    page.keyboard.press("Space")
    assert page.inner_text(".ganbook-start") == "Start"
    there = step_of(page)
    page.wait_for_timeout(300)
    assert step_of(page) == there > 200
    assert drawn(page) != before
    page.focus(".ganbook-reset")
    page.keyboard.press("Enter")
    assert step_of(page) == 0
    page.focus("select[name=loss]")
    page.keyboard.press("h")
    assert page.evaluate("() => document.querySelector('figure').trainer.game.recipe.loss") == "hinge"


def test_a_start_takes_the_same_path_as_steps(opened):
    one, other = opened(trainer()), opened(trainer())
    one.click(".ganbook-start")
    one.wait_for_function("() => document.querySelector('figure').trainer.game?.step > 10")
    one.click(".ganbook-start")
    other.evaluate(
        f"() => {{ const t = document.querySelector('figure').trainer; t.advance({step_of(one)}); t.draw(); }}"
    )
    assert drawn(one) == drawn(other)


def test_a_quick_pause_and_start_train_once(opened):
    assert (
        opened(trainer()).evaluate("""() => {
        const waiting = new Set(), [set, clear] = [window.setTimeout, window.clearTimeout];
        window.setTimeout = (work, wait) => { const id = set(work, wait); waiting.add(id); return id; };
        window.clearTimeout = (id) => { waiting.delete(id); clear(id); };
        const { trainer } = document.querySelector("figure");
        trainer.start();
        trainer.pause();
        trainer.start();
        return waiting.size; }""")
        == 1
    )


def test_it_stops_when_out_of_view(opened):
    page = opened(trainer())
    page.click(".ganbook-start")
    page.wait_for_timeout(200)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("() => !document.querySelector('figure').trainer.running", timeout=5000)
    assert page.inner_text(".ganbook-start") == "Start"


def test_a_choice_stops_and_begins_again(opened):
    page = opened(trainer())
    page.click(".ganbook-start")
    page.wait_for_function("() => document.querySelector('figure').trainer.game?.step > 3")
    page.select_option("select[name=penalty]", "none")
    assert step_of(page) == 0
    assert page.inner_text(".ganbook-start") == "Start"
    assert "New choice" in page.inner_text("[role=status]")


def test_a_screen_reader_hears_little(opened):
    page = opened(trainer())
    page.evaluate("""() => { window.heard = 0; new MutationObserver(() => { window.heard += 1; }).observe(
        document.querySelector("[role=status]"), { childList: true, characterData: true, subtree: true }); }""")
    page.click(".ganbook-start")
    page.wait_for_timeout(1500)
    page.click(".ganbook-start")
    page.wait_for_timeout(50)
    assert page.evaluate("window.heard") == 2  # started, paused
    assert re.match(r"Paused: step \d+; modes covered: \d of 8; ", page.inner_text("[role=status]"))


def test_a_run_that_breaks_stops_and_says_so(opened):
    page = opened(trainer())
    for field, value in {
        "loss": "wasserstein",
        "penalty": "none",
        "optimiser": "sgd",
        "generator_rate": "0.1",
        "discriminator_rate": "0.1",
    }.items():
        page.select_option(f"select[name={field}]", value)
    page.evaluate(
        "() => { document.querySelector('figure').trainer.game.discriminator.network.weights[0].data[0] = 1e308; }"
    )
    page.click(".ganbook-start")
    page.wait_for_function("() => !document.querySelector('figure').trainer.running", timeout=5000)
    assert "no longer finite" in page.inner_text("[role=status]")
    assert "NaN" not in "".join(drawn(page).values())


def test_reduced_motion_draws_once_a_second(opened):
    least = {}
    for motion in ("reduce", "no-preference"):
        page = opened(trainer(), reduced_motion=motion)
        page.evaluate("""() => { window.at = []; const t = document.querySelector("figure").trainer, draw = t.draw;
            t.draw = function () { window.at.push(performance.now()); draw.call(t); }; }""")
        page.click(".ganbook-start")
        page.wait_for_function("() => window.at.length >= 4")
        least[motion] = np.diff(page.evaluate("window.at")[:4]).min()
    assert least["no-preference"] < 700 < least["reduce"]


def test_without_scripts_the_picture_stands_and_no_control_is_dead(opened):
    weights, pictures = small()
    page = opened(trainer(), explorer(weights, pictures), java_script_enabled=False)
    assert page.locator("figure svg[role=img]").is_visible()
    assert page.locator("figure img").is_visible()
    box = page.locator("figure img").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(3 * 5 / (3 * 4), rel=0.01)  # pictures of 3 x 4 pixels, a gap
    assert not any(
        page.locator("button, select, input, canvas").nth(k).is_visible()
        for k in range(page.locator("button, select, input, canvas").count())
    )


def test_paper_shows_no_controls(opened):
    weights, pictures = small()
    page = opened(trainer(), explorer(weights, pictures))
    page.emulate_media(media="print")
    assert page.locator("figure svg[role=img]").is_visible()
    assert not any(page.locator("form").nth(k).is_visible() for k in range(2))


@pytest.mark.parametrize("width", [390, 1200])
def test_no_width_scrolls_sideways(opened, width):
    weights, pictures = small()
    page = opened(trainer(), explorer(weights, pictures), viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# --- the explorer's figure -------------------------------------------------------------------------------------------


@functools.cache
def small():
    rng = np.random.default_rng(8)
    sizes = [4, 6, 12]
    weights = {
        f"dense_{k}.{part}": rng.standard_normal((sizes[k - 1], sizes[k]) if part == "weight" else sizes[k])
        .astype(np.float16)
        .astype(np.float32)
        for k in (1, 2)
        for part in ("weight", "bias")
    }
    return weights, rng.uniform(-1, 1, (9, 3, 4, 1))


def explorer(weights, pictures, **changes):
    return explore_latents(
        weights, pictures, **{"name": "walk", "description": "Nine pictures that turn into each other"} | changes
    )


def picture_of(page):
    return np.array(page.evaluate("() => document.querySelector('figure').explorer.picture"))


@functools.cache
def trained():
    arrays, record = load_generator()
    recipe = Recipe.from_json(json.dumps(record["recipe"]))
    plane = latent_plane(latent_corners(0, 32))
    pictures = generated(recipe, arrays, plane, dtype="float64")
    return recipe, arrays, pictures, explore_latents(arrays, pictures, name="digits", description=WORDS)


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_the_page_s_generator_is_the_package_s(opened, framework):
    recipe, arrays, _, figure = trained()
    page = opened(figure)
    for seed, across, down, normalise in ((0, 50, 50, True), (0, 0, 0, True), (3, 100, 17, True), (3, 33, 80, False)):
        page.fill("input[name=seed]", str(seed))
        page.set_checked("input[name=normalise]", normalise)
        for name, value in (("across", across), ("down", down)):
            page.fill(f"input[name={name}]", str(value))
        corners = latent_corners(seed, 32).astype(float)
        u, v = across / 100, down / 100
        shares = np.array([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v])
        z = shares @ corners / (np.linalg.norm(shares) if normalise else 1)
        expected = generated(recipe, arrays, z[None], framework, "float64").ravel()
        np.testing.assert_allclose(picture_of(page), expected, rtol=0, atol=1e-10)
        assert state(page).endswith(f"length of z: {np.linalg.norm(z):.1f}")


def test_the_canvas_shows_the_still_picture(opened):
    _, _, pictures, figure = trained()
    page = opened(figure)
    still = np.asarray(
        Image.open(io.BytesIO(base64.b64decode(page.get_attribute("img", "src").partition(",")[2]))), int
    )
    shown = np.array(
        page.evaluate("""() => { const c = document.querySelector(".ganbook-plane canvas");
        return Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data); }""")
    ).reshape(63, 63, 4)
    assert np.abs(shown[..., 0] - still).max() <= 1
    tiles = np.pad(pictures[..., 0], ((0, 0), (0, 1), (0, 1))).reshape(7, 7, 9, 9).swapaxes(1, 2).reshape(63, 63)
    np.testing.assert_allclose(still, (tiles + 1) * 127.5, atol=0.51)
    middle = picture_of(page).reshape(8, 8)  # at the start: the middle of the plane
    np.testing.assert_allclose(middle, pictures[24, ..., 0], atol=1e-10)


def test_keys_move_the_frame_and_new_corners_come(opened):
    page = opened(trained()[3])
    one = picture_of(page)
    page.focus("input[name=across]")
    page.keyboard.press("ArrowRight")
    assert "0.51 across, 0.50 down" in state(page)
    assert np.abs(picture_of(page) - one).max() > 1e-4
    plane = "() => document.querySelector('.ganbook-plane canvas').toDataURL()"
    before = page.evaluate(plane)
    page.focus(".ganbook-new")
    page.keyboard.press("Enter")
    assert page.input_value("input[name=seed]") == "1"
    assert state(page).startswith("Corners of seed 1; ")
    assert page.evaluate(plane) != before


def test_the_plane_has_its_corners_and_its_variance():
    corners = latent_corners(3, 32)
    assert (corners == np.random.default_rng(3).standard_normal((4, 32)).astype(np.float32)).all()
    plane = latent_plane(corners, 5)
    np.testing.assert_allclose(plane[[0, 4, 20, 24]], corners, rtol=0, atol=1e-15)
    shares = latent_plane(np.eye(4), 5)
    np.testing.assert_allclose((shares**2).sum(1), 1, rtol=1e-12)  # the variance of each coordinate
    assert (latent_plane(np.eye(4), 5, normalise=False) ** 2).sum(1).min() == pytest.approx(0.25)


def test_the_shares_of_the_corners():
    # Mixing in two ways: along the top and the bottom edge by u, then between the edges by v.
    corners, plane = latent_corners(5, 32).astype(float), latent_plane(latent_corners(5, 32), 4, normalise=False)
    for row, column in itertools.product(range(4), range(4)):
        u, v = column / 3, row / 3
        top, bottom = corners[0] + u * (corners[1] - corners[0]), corners[2] + u * (corners[3] - corners[2])
        np.testing.assert_allclose(plane[4 * row + column], top + v * (bottom - top), rtol=0, atol=1e-14)


def test_a_mixture_of_corners_is_normal_again():
    draws = np.stack([latent_plane(latent_corners(seed, 32), 3) for seed in range(1000)])  # (1000, 9, 32)
    np.testing.assert_allclose(draws.var(axis=(0, 2)), 1, atol=0.03)
    np.testing.assert_allclose(draws.mean(axis=(0, 2)), 0, atol=0.03)
    np.testing.assert_allclose((draws**4).mean(axis=(0, 2)), 3, atol=0.3)


# --- the HTML --------------------------------------------------------------------------------------------------------


def both():
    return trainer(), explorer(*small())


def test_the_same_arguments_give_the_same_html():
    for one, other in zip(both(), both(), strict=True):
        assert one.html == other.html == one._repr_html_()
        assert repr(one) == f"<Playground {one.name}>"


def test_nothing_comes_from_elsewhere():
    for figure in both():
        text = re.sub(r'src="data:image/png;base64,[\w+/=]*"', "", figure.html)
        assert not re.search(
            r"https?:|//[a-z]|@import|url\((?!#)|\bsrc\b|\bfetch\b|import\(|XMLHttp|sendBeacon|eval\(", text
        )


def test_ids_derive_from_the_name_and_each_control_has_a_label():
    page = "".join(each.html for each in both())
    identities = re.findall(r'\bid="([^"]*)"', page)
    assert len(set(identities)) == len(identities)
    assert all(re.match(r"ganbook-(ring|walk)\b", each) for each in identities)
    assert sorted(re.findall(r'<label for="([^"]*)"', page)) == sorted(
        re.findall(r'<(?:select|input)[^>]*\bid="([^"]*)"', page)
    )


def test_text_is_escaped():
    nasty = 'A picture of <b>"one"</b> & two'
    penalties = {'<none> & "0"': choices.PENALTIES["none"]}
    text = trainer(description=nasty, penalties=penalties).html + explorer(*small(), description=nasty).html
    assert "<b>" not in text
    assert text.count(html.escape(nasty)) == 3
    assert html.escape('<none> & "0"') in text
    assert text.count("</script>") == 4


def test_a_last_bit_changes_nothing():
    still = snapshot()
    rng = np.random.default_rng(0)
    for _ in range(5):
        bit = {
            name: getattr(still, name) * (1 + 1e-13 * rng.standard_normal(getattr(still, name).shape))
            for name in ("real", "generated", "logits")
        }
        history = {
            name: np.multiply(values, 1 if name == "step" else 1 + 1e-13).tolist()
            for name, values in still.history.items()
        }
        assert trainer(still=Snapshot(**bit, history=history)).html == trainer().html


WRONG = {
    "a name": ({"name": "two words"}, "name is 'two words'"),
    "a description": ({"description": "short"}, "description is 'short'"),
    "other data": ({"mixtures": {"grid": choices.MIXTURES["grid"]}}, "recipe has the data 'ring'; accepted: grid"),
    "no such loss": ({"losses": ("hinge",)}, "recipe has the loss 'non_saturating'; accepted: hinge"),
    "a rate that is not on offer": (
        {"recipe": choices.chosen(generator_rate=0.003).to_json()},
        "generator_rate is 0.003; accepted: 0.0002",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_named(case):
    changes, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        trainer(**changes)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("real", np.zeros((4, 3)), r"real has shape \(4, 3\)"),
        ("generated", np.full((4, 2), np.nan), "not finite"),
        ("logits", np.zeros(30), r"logits has shape \(30,\); accepted: \(900,\)"),
        ("history", {"step": [1], "discriminator_loss": [], "generator_loss": [1]}, "history"),
        ("history", {"step": [1], "generator_loss": [1]}, "history lacks discriminator_loss; accepted: step, discrim"),
    ],
)
def test_a_wrong_snapshot_is_named(part, value, message):
    fields = {name: getattr(snapshot(), name) for name in ("real", "generated", "logits", "history")}
    with pytest.raises(ValueError, match=message):
        Snapshot(**fields | {part: value})


def test_wrong_weights_are_named():
    weights, pictures = small()
    with pytest.raises(ValueError, match="half precision"):
        explorer(weights | {"dense_1.bias": weights["dense_1.bias"] + 1e-6}, pictures)
    with pytest.raises(ValueError, match=r"accepted: dense_1.weight, dense_1.bias"):
        explorer({name: array for name, array in weights.items() if name != "dense_2.bias"}, pictures)
    with pytest.raises(ValueError, match="pictures has 8 pictures"):
        explorer(weights, pictures[:8])
    with pytest.raises(ValueError, match="pictures has shape"):
        explorer(weights, pictures[..., 0])

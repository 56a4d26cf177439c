"""The point map in a real browser: what is drawn, what a mouse tells Python, and that nobody else is asked."""

import io
from collections.abc import Iterator
from urllib.parse import urlsplit

import numpy as np
import PIL.Image
import pytest
from served_explorer import served_page

pytestmark = pytest.mark.slow
HALF = 4.0
"""Half the width of the page's points, which lie from (-4, -3) to (4, 3)."""
NO_WEBGL2 = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind === 'webgl2' ? null : get.call(this, kind, ...rest);
};
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The page of the point map alone."""
    with served_page("tests/apps/point_map/page.py", "--browser.gatherUsageStats", "false") as served:
        yield served


@pytest.fixture
def open_page(chromium, address):
    """Opens the page in a context with some options; keeps the host of every request and every fault."""
    contexts = []

    def opened(query: str = "", script: str = "", **options):
        context = chromium.new_context(**{"viewport": {"width": 1200, "height": 1000}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.hosts, page.faults = set(), []
        page.on("request", lambda request: page.hosts.add(urlsplit(request.url).hostname))
        page.on("websocket", lambda websocket: page.hosts.add(urlsplit(websocket.url).hostname))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        if script:
            page.add_init_script(script)
        page.goto(address + query)
        said(page, "run 1;")
        page.locator("canvas[role=img][aria-label*=points]").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()


def said(page, words: str) -> None:
    """Wait until the page says some words."""
    page.get_by_text(words).first.wait_for()


def place(page, x: float, y: float) -> tuple[float, float]:
    """Where on the page a point of the data is while the whole map is shown; the script's rule, written once more."""
    box = page.locator(".stage").bounding_box()
    scale = 0.92 * min(box["width"] / 2, box["height"] / (2 * 3 / HALF))
    return box["x"] + box["width"] / 2 + x / HALF * scale, box["y"] + box["height"] / 2 - y / HALF * scale


def lasso(page, corners: list[tuple[float, float]]) -> None:
    """Draw around corners of the data, in small steps."""
    page.mouse.move(*place(page, *corners[0]))
    page.mouse.down()
    for corner in [*corners[1:], corners[0]]:
        page.mouse.move(*place(page, *corner), steps=12)
    page.mouse.up()


def picture(page) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(page.locator(".stage").screenshot())).convert("RGB")).astype(int)


def redrawn(page, alike) -> np.ndarray:
    """The picture once it is as it should be."""
    for _ in range(60):
        if alike(shown := picture(page)):
            return shown
    return pytest.fail("the picture stayed as it was")


def check(page) -> None:
    """Nothing failed, and nobody else was asked."""
    assert page.locator('[data-testid="stException"]').count() == 0
    assert page.faults == []
    assert {host for host in page.hosts if host} == {"127.0.0.1"}


SOUTH_EAST = [(1.9, -3.0), (4.2, -3.0), (4.2, -0.9), (1.9, -0.9)]


def test_a_lasso_selects_exactly_a_cluster_and_escape_gives_it_up(open_page):
    page = open_page()
    page.get_by_role("button", name="Lasso").click()
    lasso(page, SOUTH_EAST)
    said(page, "run 2; 500 selected, 500 to 999")
    said(page, "500 selected.")
    assert "500 selected" in page.locator("canvas[role=img]").get_attribute("aria-label")
    page.get_by_role("button", name="Again").click()
    said(page, "run 3; 500 selected")
    said(page, "click None; polygon None")
    page.locator(".stage").focus()
    page.keyboard.press("Escape")
    said(page, "run 4; 0 selected")
    check(page)


def test_shift_and_drag_is_a_lasso_and_leaves_hidden_groups_out(open_page):
    page = open_page()
    page.get_by_role("button", name="south east, 500 points: shown").click()
    page.keyboard.down("Shift")
    lasso(page, [(-3.9, -3.1), (4.2, -3.1), (4.2, -0.9), (-4.2, -0.9), (-4.2, -3.1)])
    page.keyboard.up("Shift")
    said(page, "run 2; 500 selected, 0 to 499")
    check(page)


def test_a_click_selects_a_point_also_after_zoom_and_pan(open_page):
    page = open_page()
    page.mouse.click(*place(page, -3, 2))
    said(page, "run 2; 1 selected, 1000 to 1000")
    x, y = place(page, 3, 2)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)  # what is under the pointer stays there
    page.mouse.down()
    page.mouse.move(x - 90, y + 60, steps=6)
    page.mouse.up()
    page.mouse.click(x - 90, y + 60)
    said(page, "run 3; 1 selected, 1500 to 1500")
    # The page has run anew with other flags: the view is still where it was put.
    page.get_by_role("button", name="Again").click()
    said(page, "run 4;")
    page.mouse.click(x - 90, y + 60)
    said(page, "run 5; 1 selected, 1500 to 1500")
    page.mouse.dblclick(x, y)  # shows all again, and is no click on a point
    page.mouse.click(*place(page, -3, 2))
    said(page, "run 6; 1 selected, 1000 to 1000")
    check(page)


def test_a_point_that_is_not_finite_moves_no_row(open_page):
    page = open_page("?odd=1")
    said(page, "1 more are not finite and have no place.")
    page.mouse.click(*place(page, 3, 2))
    said(page, "run 2; 1 selected, 1500 to 1500")
    check(page)


def test_hovering_brings_the_card_as_text_and_runs_nothing_else(open_page):
    page = open_page()
    page.mouse.move(*place(page, -3, 2))
    said(page, "<i>title of 1000</i>")
    said(page, "a line")
    picture = page.locator(".card img")
    assert picture.get_attribute("src").startswith("data:image/webp;base64,")
    assert picture.evaluate("each => each.decode().then(() => each.naturalWidth)") == 60
    page.mouse.move(*place(page, 3, 2))
    said(page, "<i>title of 1500</i>")
    assert page.locator(".card").get_by_text("<b>north east</b>").count() == 1
    said(page, "run 1;")
    page.mouse.move(*place(page, 0, 0))
    page.locator(".card").wait_for(state="hidden")
    check(page)


def test_the_keyboard_zooms_and_pans(open_page):
    page = open_page()
    page.locator(".stage").focus()
    first = before = picture(page)
    for key in ("+", "ArrowLeft", "ArrowDown", "-"):
        page.keyboard.press(key)
        before = redrawn(page, lambda now, before=before: np.abs(now - before).mean() > 1)
    page.keyboard.press("0")
    redrawn(page, lambda now: np.abs(now - first).mean() < 0.5)
    check(page)


@pytest.mark.parametrize(("scheme", "least", "most"), [("light", 240, 255), ("dark", 0, 40)])
def test_the_map_has_the_colours_of_its_page(open_page, scheme, least, most):
    page = open_page(color_scheme=scheme)
    x, y = place(page, 1.0, 0.5)
    box = page.locator(".stage").bounding_box()
    shown = picture(page)
    background = shown[round(y - box["y"]), round(x - box["x"])]
    whole = page.locator(".stApp").evaluate("each => getComputedStyle(each).backgroundColor")
    assert whole == f"rgb({', '.join(map(str, background))})"
    assert all(least <= each <= most for each in background)
    centre = place(page, -3, -1.5)
    around = shown[round(centre[1] - box["y"]) - 20 :, round(centre[0] - box["x"]) - 20 :][:40, :40].reshape(-1, 3)
    assert (np.abs(around - (0x2A, 0x87, 0xC8)).max(axis=1) < 60).sum() > 100  # south west is blue
    check(page)


def test_density_and_legend_and_picture(open_page, tmp_path):
    page = open_page()
    plain = picture(page)
    page.get_by_role("button", name="Density").click()
    said(page, "Density: at most")
    redrawn(page, lambda now: np.abs(now - plain).mean() > 2)
    page.get_by_role("button", name="Density").click()
    page.get_by_role("button", name="north west, 500 points: shown").click()
    page.get_by_role("button", name="north west, 500 points: hidden").wait_for()
    page.mouse.move(5, 5)
    box = page.locator(".stage").bounding_box()
    x, y = (round(each) for each in np.subtract(place(page, -3.4, 2.4), (box["x"], box["y"])))
    redrawn(page, lambda now: (now[y - 15 : y + 15, x - 15 : x + 15] == 255).all())
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the picture").click()
    image = PIL.Image.open(saved.value.path()).convert("RGB")
    assert image.width == int(box["width"])
    assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 50
    check(page)


def test_the_view_outlives_a_look_at_another(open_page):
    page = open_page()
    page.mouse.move(*place(page, 3, 2))
    page.mouse.wheel(0, -400)
    page.mouse.move(5, 5)
    whole = picture(page)
    page.get_by_text("Another view").click()
    page.locator(".stage").wait_for(state="detached")
    page.get_by_text("Another view").click()
    page.locator("canvas[role=img][aria-label*=points]").wait_for()
    redrawn(page, lambda now: now.shape == whole.shape and np.abs(now - whole).mean() < 0.5)
    check(page)


def test_a_lost_graphics_memory_is_told_and_filled_again(open_page):
    page = open_page()
    before = picture(page)
    canvas = page.locator("canvas[role=img]")
    lose = "each => (each.lost = each.getContext('webgl2').getExtension('WEBGL_lose_context')).loseContext()"
    canvas.evaluate(lose)
    said(page, "The graphics memory was lost.")
    canvas.evaluate("each => each.lost.restoreContext()")
    page.locator(".message").wait_for(state="hidden")
    redrawn(page, lambda now: now.shape == before.shape and np.abs(now - before).mean() < 0.5)
    check(page)


def test_a_phone_shows_the_whole_map(open_page):
    page = open_page(viewport={"width": 390, "height": 800}, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator(".stage").bounding_box()
    assert 300 <= box["height"] <= 500
    assert box["x"] + box["width"] <= 390
    assert page.locator("canvas[role=img]").evaluate("each => each.width") == 2 * int(box["width"])
    page.mouse.click(*place(page, 3, 2))
    said(page, "run 2; 1 selected, 1500 to 1500")
    check(page)


def test_without_webgl2_it_says_so_and_draws_the_density(open_page):
    page = open_page(script=NO_WEBGL2)
    said(page, "This browser has no WebGL2")
    assert len(np.unique(picture(page).reshape(-1, 3), axis=0)) > 20
    page.mouse.click(*place(page, 3, 2))
    said(page, "run 2; 1 selected, 1500 to 1500")
    check(page)

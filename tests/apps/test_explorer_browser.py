"""The explorer in a real browser: it draws every view, answers to a slider, and asks no other machine for anything."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from served_explorer import served_explorer

VIEWS = {
    "overview": "Overview",
    "similarity": "Similarity",
    "hard_negatives": "Hard negatives",
    "map": "Map",
    "training": "Training",
    "pair_weights": "Pair weights",
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(written_run: Path) -> Iterator[str]:
    """The explorer, served over the small run."""
    with served_explorer(written_run.parent) as found:
        yield found


@pytest.fixture
def page(chromium):
    """A page that keeps the host of every request and every error of its scripts."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(180_000)
    page.hosts, page.faults = set(), []
    page.on("request", lambda request: page.hosts.add(urlsplit(request.url).hostname))
    page.on("websocket", lambda websocket: page.hosts.add(urlsplit(websocket.url).hostname))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    context.close()


def settle(page) -> None:
    """Wait until the script has run and everything is drawn."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length == 0")
    page.wait_for_timeout(300)


def check(page) -> None:
    """Nothing failed, and nobody else was asked."""
    assert page.locator('[data-testid="stException"]').count() == 0
    for kind in ("Error", "Warning"):
        assert page.locator(f'[data-testid="stAlertContent{kind}"]').count() == 0
    assert page.faults == []
    assert {host for host in page.hosts if host} == {"127.0.0.1"}


def test_a_walk_through_the_views(page, address):
    page.goto(address)
    settle(page)
    page.get_by_role("heading", name="What is wrong").wait_for()
    for view, label in VIEWS.items():
        page.locator('[data-testid="stSidebar"]').get_by_text(label, exact=True).click()
        page.wait_for_url(re.compile(f"view={view}"))
        settle(page)
        check(page)
    page.locator(".js-plotly-plot").first.wait_for()
    assert page.locator(".js-plotly-plot").count() == 3


def test_the_alpha_slider_changes_the_numbers(page, address):
    page.goto(f"{address}/?view=pair_weights&dataset=look-alike&tau=0.1")
    settle(page)
    number = page.locator('[data-testid="stMetric"]', has_text="Effective negatives").first
    before = number.inner_text()
    slider = page.get_by_role("slider").first
    for alpha in ("8.5", "8", "7.5", "7"):  # one at a time: a press while the page is drawn anew may be lost
        slider.press("ArrowLeft")
        page.wait_for_url(re.compile(rf"alpha={alpha}(&|$)"))
        settle(page)
    assert number.inner_text() != before
    check(page)


def test_another_objective_brings_its_own_numbers(page, address):
    page.goto(f"{address}/?view=pair_weights&dataset=look-alike")
    settle(page)
    page.get_by_role("combobox", name="This objective").click()
    page.get_by_role("option", name="SigLIP").click()
    page.wait_for_url(re.compile("objective=siglip"))
    assert "tau=0.02" in page.url  # which does not move
    settle(page)
    assert page.get_by_label("bias b").input_value() == "-10"
    page.get_by_text("SigLIP has none").wait_for()
    assert "all weigh the same" in page.locator('[data-testid="stMetric"]').last.inner_text()
    check(page)


def test_pictures_are_drawn(page, address):
    page.goto(f"{address}/?view=hard_negatives&dataset=look-alike&failures=False&by=none")
    settle(page)
    pictures = page.locator('[data-testid="stImage"] img')
    assert pictures.count() >= 10
    assert page.evaluate(
        "[...document.querySelectorAll('[data-testid=stImage] img')].every(each => each.naturalWidth > 0)"
    )
    check(page)


def test_back_undoes_one_action_and_forward_does_it_again(page, address):
    page.goto(f"{address}/?view=items&find_words=cross")
    settle(page)
    entries = page.evaluate("history.length")
    sidebar = page.locator('[data-testid="stSidebar"]')
    for view, label in (("overview", "Overview"), ("items", "Items")):
        sidebar.get_by_text(label, exact=True).click()
        page.wait_for_url(re.compile(f"view={view}"))
        settle(page)
    assert page.get_by_label("Words that an item's text holds, or its id").input_value() == "cross"
    assert page.evaluate("history.length") == entries + 2
    for go, view, label in (
        ("back", "overview", "Overview"),
        ("back", "items", "Items"),
        ("forward", "overview", "Overview"),
    ):
        page.evaluate(f"history.{go}()")
        page.wait_for_url(re.compile(f"view={view}"))
        page.locator(f'[data-testid="stSidebar"] label:has(input:checked):has-text("{label}")').wait_for()
        settle(page)
        assert re.search(f"view={view}", page.url)
    check(page)

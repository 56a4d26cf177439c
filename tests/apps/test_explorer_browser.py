"""The explorer in a real browser: it draws every view, answers to a slider, and asks no other machine for anything."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
VIEWS = {
    "overview": "Overview",
    "similarity": "Similarity",
    "hard_negatives": "Hard negatives",
    "map": "Map",
    "training": "Training",
    "pair_weights": "Pair weights",
}
pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, server: subprocess.Popen) -> None:
    end = time.time() + 180
    while time.time() < end:
        assert server.poll() is None, "the server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    pytest.fail("the server did not start")


@pytest.fixture(scope="module")
def address(written_run: Path) -> Iterator[str]:
    """The explorer, served over the small run."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "apps/explorer.py", "--server.headless", "true"]
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--", "--root", str(written_run.parent)]
    with subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    ) as server:
        try:
            wait_for(port, server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


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

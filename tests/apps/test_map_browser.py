"""The map in a real browser: a lasso on it selects, the chips say so, and another view shows what was selected."""

import re

import pytest
from served_explorer import served_explorer

from workbench.bundles.bundle import open_bundle

pytestmark = pytest.mark.slow


def settle(page) -> None:
    """Wait until the script has run and everything is drawn."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length == 0")
    page.wait_for_timeout(300)


def test_a_lasso_is_a_selection_of_every_view(chromium, written_run):
    count = len(open_bundle(written_run / "bundles" / "000010-miniature").items)
    with served_explorer(written_run.parent) as address:
        page = chromium.new_page(viewport={"width": 1440, "height": 1100})
        page.set_default_timeout(120_000)
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{address}/?view=map")
        page.locator("canvas[role=img][aria-label*=points]").wait_for()
        settle(page)
        page.get_by_role("button", name="Lasso").click()
        box = page.locator(".stage").bounding_box()
        middle, bottom = box["x"] + box["width"] / 2, box["y"] + box["height"] - 3
        corners = [(middle, box["y"] + 3), (box["x"] + box["width"] - 3, box["y"] + 3)]
        corners += [(box["x"] + box["width"] - 3, bottom), (middle, bottom)]
        page.mouse.move(*corners[0])
        page.mouse.down()
        for corner in [*corners[1:], corners[0]]:
            page.mouse.move(*corner, steps=12)
        page.mouse.up()
        chip = page.get_by_role("button", name=re.compile(r"selected: \d+ queries, \d+ items"))
        chip.wait_for()
        taken = int(re.search(r"(\d+) items", chip.inner_text())[1])
        assert 0.2 * count < taken < 0.8 * count
        page.wait_for_url(re.compile("select=lasso"))
        page.get_by_text(f"{taken} selected").last.wait_for()
        page.goto(re.sub("view=map", "view=items&find=selected", page.url))
        page.get_by_text(f"{taken} items are selected").wait_for()
        settle(page)
        assert chip.inner_text().count(f"{taken} items") == 1
        assert page.locator('[data-testid="stException"]').count() == 0
        assert faults == []
        page.close()

"""Pages of executed lessons, looked at in a browser without network."""

import mini_lesson
import pytest

from workbench.lessons.notebooks import solution_notebook
from workbench.lessons.pages import pages, unsolved
from workbench.lessons.source import read_source

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The mini lesson's pages: for learners, and with solutions."""
    folder = tmp_path_factory.mktemp("course")
    mini_lesson.write(folder)
    for name, solutions in (("read", False), ("solved", True)):
        ((path, seconds),) = pages(folder, folder / name, [], solutions)
        assert path == folder / name / "03_mini.html"
        assert seconds > 0
    return folder


@pytest.fixture(params=["light", "dark"])
def shown(request, chromium, out):
    """The page in a browser that notes every request and every error."""
    context = chromium.new_context(color_scheme=request.param, viewport={"width": 900, "height": 900})
    page = context.new_page()
    page.requested, page.errors = [], []
    page.on("request", lambda made: page.requested.append(made.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda line: page.errors.append(line.text) if line.type == "error" else None)
    page.scheme = request.param
    page.goto((out / "read" / "03_mini.html").as_uri())
    page.wait_for_selector(".slider-group")
    yield page
    context.close()


def test_a_page_is_alive_without_network(shown):
    title = "() => document.querySelector('.gtitle').textContent"
    assert shown.evaluate(title) == "The slope is 1"
    before = shown.evaluate("() => document.querySelector('.scatterlayer path.js-line').getAttribute('d')")
    shown.locator(".slider-label", has_text="3").click(force=True)
    shown.wait_for_function("() => document.querySelector('.gtitle').textContent == 'The slope is 3'")
    assert shown.evaluate("() => document.getElementById('figure-1').data[0].y[1]") == 3
    shown.locator(".updatemenu-button", has_text="play").click()
    shown.wait_for_function("() => document.querySelector('.gtitle').textContent == 'The slope is 2'")
    assert before
    assert [url for url in shown.requested if not url.startswith(("file:", "data:", "blob:"))] == []
    assert shown.errors == []


def test_formulas_are_drawn_and_colours_follow_the_system(shown):
    boxes = shown.evaluate("() => [...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().height)")
    assert len(boxes) == 3
    assert all(height > 8 for height in boxes[:2])
    page, text = shown.evaluate(
        "() => { const style = getComputedStyle(document.body); return [style.backgroundColor, style.color] }"
    )
    assert page == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 17, 17)"}[shown.scheme]
    assert text == {"light": "rgb(26, 26, 26)", "dark": "rgb(221, 221, 221)"}[shown.scheme]


def test_nothing_is_wider_than_a_phone_but_what_scrolls(chromium, out):
    page = chromium.new_page(viewport={"width": 400, "height": 800})
    page.goto((out / "read" / "03_mini.html").as_uri())
    page.wait_for_selector(".slider-group")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400
    page.close()


def test_learners_see_figures_and_no_solutions(out):
    read, solved = ((out / name / "03_mini.html").read_text() for name in ("read", "solved"))
    for secret in ("doubled_by_adding", "secretly", "addition says so", "only instructors"):
        assert secret not in read
        assert secret in solved
    assert "NotImplementedError" in read
    assert 'id="figure-1"' in read
    assert "Exercise 3.1: right." in read, "outputs are those of the solved lesson"
    assert '<a href="03_mini.html">A mini lesson</a>' in (out / "read" / "index.html").read_text()


def test_an_unknown_lesson_is_told_before_anything_runs(out, tmp_path):
    with pytest.raises(ValueError, match="there is no lesson 4; the course has 3"):
        list(pages(out, tmp_path, [4], False))
    assert list(tmp_path.iterdir()) == []


def test_cells_and_outputs_stay_together(out):
    source = read_source(out / "source" / "03_mini.py")
    solved = solution_notebook(source)
    for number, cell in enumerate(solved.cells):
        cell.metadata["mark"] = number
    kept = unsolved(solved, source)
    assert [cell.metadata["mark"] for cell in kept] == [
        number for number, cell in enumerate(solved.cells) if "instructor" not in cell.metadata.get("tags", [])
    ]

"""Vectors of another tool in the apps: every view works without a checkpoint, and says whose vectors they are."""

import outside_files
import pytest
from explorer_pages import figures, metrics, said
from served_explorer import served_explorer

from apps.live_search.answers import ANY, AUTOMATIC, POOL, Answers, Catalogue
from core.vector_import.import_bundle import ImportSettings, import_embeddings
from workbench.live_search.sources import EVERY_TARGET

NAME = "clip-vit / colours"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imported")
    files = outside_files.write_outside(folder / "outside")
    import_embeddings(ImportSettings(**files, out=folder / "runs" / "clip-vit", name="colours"), progress=False)
    return folder / "runs"


def test_the_overview_says_whose_vectors_they_are(show, root):
    page = show(root)
    words = said(page)
    assert "Imported vectors of **clip\\-vit**" in words
    assert "How it was trained is not known here" in words
    assert "run is" not in words
    assert metrics(page) == {"All data sets: P@1": "41.7 %", "All, first five: R@5": "100.0 %"}
    (scores,) = figures(page)  # and no course of a training
    assert [trace["name"] for trace in scores["data"]] == ["data sets", "chance"]


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ("similarity", "Each kind is scaled"),
        ("hard_negatives", "queries** in **"),
        ("pair_weights", "so nothing below is as trained"),
    ],
)
def test_every_view_works(show, root, view, words):
    page = show(root, view=view, failures="False")
    assert words in said(page)
    assert not page.error


def test_the_similarity_view_does_not_claim_an_objective(show, root):
    page = show(root, view="similarity")
    drawn = str(figures(page))
    assert "clip-vit, imported" in drawn
    assert "LLaVE" not in drawn + said(page)


def test_search_has_examples_and_says_why_there_are_no_queries(root):
    answers = Answers(Catalogue(root))
    head, *_ = answers.choose(NAME)
    assert "imported vectors of clip-vit" in head
    assert "another tool made them" in head
    assert len(answers.search_example(NAME, "captions", 1, POOL, ANY, 10)[1]["data"]) == len(outside_files.COLOURS)
    with pytest.raises(Exception, match="new queries cannot be embedded"):
        answers.search_query(NAME, "words", None, AUTOMATIC, EVERY_TARGET, ANY, 5)


@pytest.mark.slow
def test_in_a_browser_every_view_is_drawn_with_pictures(chromium, root):
    with served_explorer(root) as address:
        page = chromium.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(180_000)
        faults, urls = [], []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: urls.append(request.url))
        for view, words in [
            ("overview", "Imported vectors of"),
            ("similarity", "Each kind is scaled"),
            ("hard_negatives", "queries in"),
            ("pair_weights", "so nothing below is as trained"),
        ]:
            page.goto(f"{address}/?view={view}&failures=False")
            page.get_by_text(words).first.wait_for()
            page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
            assert page.locator('[data-testid="stException"]').count() == 0
            if view == "hard_negatives":
                page.locator('[data-testid="stImage"] img').first.wait_for()
        assert faults == []
        assert all(url.startswith((address, "data:", "blob:")) for url in urls)

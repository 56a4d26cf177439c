"""Two models side by side in the search app, and clips as queries; through the answers and in a real browser."""

import re
import socket

import pytest
from embedded_runs import make_run
from video_files import write_video

from apps.live_search import cards as search_cards
from apps.live_search.answers import ANY, AUTOMATIC, NOTHING, POOL, Answers, Catalogue
from apps.live_search.page import build_page, serve
from core.encoder.tiny.llava_onevision import tiny_embedder
from workbench.live_search.sources import EVERY_TARGET
from workbench.search.search import Hit, ShownPart

pytestmark = [  # Gradio's queue uses what pandas 3 deprecates
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]

ONE, TWO = "one / 000007-miniature", "two / 000007-miniature"


@pytest.fixture(scope="module")
def answers(tiny, tmp_path_factory):
    """Two runs of different weights and lengths of vectors on the same suite."""
    root = tmp_path_factory.mktemp("beside")
    make_run(root / "one", tiny, ("edit", "cards"))
    make_run(root / "two", tiny_embedder(seed=1, width=64, layers=1, vision_layers=1), ("edit", "cards"))
    return Answers(Catalogue(root))


def alone(answers, name, text="a red circle", count=6):
    return answers.search_query(name, text, None, AUTOMATIC, EVERY_TARGET, ANY, count)[1]["data"]


def test_each_model_finds_beside_the_other_what_it_finds_alone(answers):
    html, table = answers.search_query(ONE, "a red circle", None, AUTOMATIC, EVERY_TARGET, ANY, 6, TWO)
    assert table["headers"][-2:] == ["there", "searched in"]
    rows = table["data"]
    assert [row[:6] for row in rows if row[-1] == ONE] == alone(answers, ONE)
    assert [row[:6] for row in rows if row[-1] == TWO] == alone(answers, TWO)
    assert html.count("<h2>") == 2
    shared = [row for row in rows if row[-2] != "-"]
    assert html.count("only here") == len(rows) - len(shared)
    for row in shared:
        (twin,) = (each for each in rows if each[-1] != row[-1] and each[0] == row[-2])
        assert twin[-2] == row[0]


def test_an_example_beside_is_ranked_by_the_other_bundles_vectors(answers):
    _, table = answers.search_example(ONE, "edit", 2, POOL, ANY, 10, TWO)
    for name in (ONE, TWO):
        rows = [row[:6] for row in table["data"] if row[-1] == name]
        assert rows == answers.search_example(name, "edit", 2, POOL, ANY, 10)[1]["data"]
        assert [row[3] for row in rows].count("right") == 1
    assert all(row[-2] != "-" for row in table["data"])  # the same six candidates


def test_another_suite_beside_is_refused(answers, tiny, tmp_path):
    make_run(tmp_path / "one", tiny, ("edit",), queries=2)
    make_run(tmp_path / "two", tiny, ("cards",), queries=2)
    found = Answers(Catalogue(tmp_path))
    with pytest.raises(Exception, match="no data set"):
        found.search_example(ONE, "edit", 1, POOL, ANY, 10, TWO)
    with pytest.raises(Exception, match="There is no bundle"):
        found.search_query(ONE, "words", None, AUTOMATIC, EVERY_TARGET, ANY, 5, "three")


def test_what_both_find_says_its_place_in_the_other():
    def hit(text: str) -> Hit:
        return Hit(1, 1, 0.5, 0, "text", text, None, (ShownPart("text", text),))

    first, second = [hit("a"), hit("b"), hit("c")], [hit("c"), hit("d"), hit("a")]
    assert search_cards.places(first, second) == [3, None, 1]
    html = search_cards.side_by_side(("<one>", first), ("two", second))
    assert "<one>" not in html
    assert html.count("2 of 3 found by both") == 2
    assert [html.count(f"place {place} there") for place in (1, 2, 3)] == [2, 0, 2]
    assert html.count("only here") == 2


def test_the_page_offers_every_source_beside(answers):
    *_, beside = answers.load()[:4]
    assert (beside["choices"], beside["value"]) == ([NOTHING, *answers.catalogue.names()], NOTHING)


def test_a_clip_is_shown_and_searched(answers, tmp_path):
    data = write_video(tmp_path / "clip.mp4", list(range(10, 250, 4))).read_bytes()
    assert "data:image/webp" in answers.show_upload(data)["value"]
    html, table = answers.search_query(ONE, "", data, AUTOMATIC, EVERY_TARGET, ANY, 5)
    assert "Find another image of the same scene" in html
    assert len(table["data"]) == 5
    with pytest.raises(Exception, match="uploaded video: "):
        answers.show_upload(data[:300])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_in_a_browser_two_models_answer_a_clip(chromium, answers, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    page_of_app = build_page(answers.catalogue)
    address = serve(page_of_app, "127.0.0.1", free_port())
    try:
        page = chromium.new_page(viewport={"width": 1400, "height": 900})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.get_by_label("Beside it").click()
        page.get_by_role("option", name=re.compile("one")).click()
        write_video(tmp_path / "clip.mp4", list(range(10, 250, 4)))
        page.locator("input[type=file]").set_input_files(tmp_path / "clip.mp4")
        page.wait_for_selector(".search-asked img")
        page.get_by_role("button", name="Search", exact=True).first.click()
        page.wait_for_selector("#found .search-pair h2")
        assert page.locator("#found .search-pair .search-card").count() == 30
        assert page.locator("#found .search-pair h2").all_inner_texts() == [TWO, ONE]  # the newer one comes first
        assert errors == []
    finally:
        page_of_app.close()

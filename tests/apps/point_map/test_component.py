"""The point map on a page without a browser, its cards, and what its script may not contain."""

import io
import re
from pathlib import Path

import PIL.Image
import pytest
from streamlit.testing.v1 import AppTest

from apps.point_map.component import FOLDER, SCRIPTS, Card, script, written

PAGE = Path(__file__).parent / "page.py"


def webp(width: int = 4) -> bytes:
    stream = io.BytesIO()
    PIL.Image.new("RGB", (width, 4)).save(stream, "WEBP")
    return stream.getvalue()


def test_a_page_with_a_map_runs_twice_without_a_browser():
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception
    page.button[0].click().run()
    assert not page.exception
    assert [each.value for each in page.text] == ["run 2; 0 selected, -1 to -1", "click None; polygon None", "again"]


def test_a_card_is_sent_with_its_picture_in_its_address():
    sent = written(Card("title", ("one", "two"), webp()))
    assert sent["title"] == "title"
    assert sent["lines"] == ["one", "two"]
    assert re.fullmatch(r"data:image/webp;base64,[A-Za-z0-9+/]+=*", str(sent["picture"]))
    assert written(Card("title"))["picture"] is None


@pytest.mark.parametrize("picture", [b"", b"<svg>", b"RIFF1234WAVE", webp() + bytes(200_000)])
def test_a_picture_that_is_none_or_too_large_is_refused(picture):
    with pytest.raises(ValueError, match="picture"):
        written(Card("title", picture=picture))


def test_the_script_is_all_there_reads_no_html_and_asks_nobody():
    assert {path.stem for path in FOLDER.glob("*.js")} == set(SCRIPTS)
    assert script().count("export default") == 1
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
        "XMLHttp",
        "import",
    ):
        assert word not in script()
    assert set(re.findall(r"https?://[^\"\s]+", script())) == {"http://www.w3.org/2000/svg"}  # a name, never asked for


def test_no_part_of_the_script_is_too_long():
    for name in SCRIPTS:
        assert len((FOLDER / f"{name}.js").read_text(encoding="ascii").splitlines()) <= 400

"""The search app: through its API with good and bad values, from its command line, and in a real browser."""

import io
import socket
import struct
import zlib

import PIL.Image
import pytest
from embedded_runs import make_run
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from apps.live_search import cards as search_cards
from apps.live_search.answers import ANY, AUTOMATIC, MOST, NONE, POOL, Answers, Catalogue
from apps.live_search.page import build_page, serve
from apps.search import arguments, catalogue, main
from workbench.live_search.sources import EVERY_PICTURE, EVERY_TARGET
from workbench.search.search import Hit, ShownPart

# Gradio's queue sets an option that pandas 3 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")

BUNDLE = "run / 000007-miniature"
DATASETS = ("edit", "image-to-caption")


@pytest.fixture(scope="module")
def root(tiny, tmp_path_factory):
    """A root folder with one run."""
    folder = tmp_path_factory.mktemp("root")
    make_run(folder / "run", tiny, DATASETS)
    return folder


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """Serve a catalogue on a free port; every page is closed at the end."""
    pages = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))

        def start(found: Catalogue) -> str:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            pages.append(build_page(found))
            return serve(pages[-1], "127.0.0.1", port)

        yield start
        for page in pages:
            page.close()


@pytest.fixture(scope="module")
def address(root, serving):
    return serving(Catalogue(root))


@pytest.fixture(scope="module")
def client(address):
    """A client whose session has loaded the page."""
    found = Client(address, verbose=False)
    found.predict(api_name="/load")
    return found


def png(size=(8, 8), colour="red") -> bytes:
    stream = io.BytesIO()
    PIL.Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that says that it is side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


@pytest.fixture
def upload(tmp_path):
    """An uploaded file of some bytes."""

    def make(data: bytes, name: str = "picture.png") -> dict:
        (tmp_path / name).write_bytes(data)
        return handle_file(tmp_path / name)

    return make


def ask(
    client, text="a red circle", image=None, instruction=AUTOMATIC, scope=EVERY_TARGET, kind=ANY, count=5, name=BUNDLE
):
    html, table = client.predict(name, text, image, instruction, scope, kind, count, api_name="/search")
    return html, table["data"]


def ask_example(client, dataset="edit", number=1, scope=POOL, kind=ANY, count=10, name=BUNDLE):
    html, table = client.predict(name, dataset, number, scope, kind, count, api_name="/search_example")
    return html, table["data"]


def test_a_text_is_answered_by_ranked_items_whose_rightness_nobody_knows(client):
    html, rows = ask(client)
    assert "Find an image that matches the caption: a red circle" in html
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5]
    values = [float(row[2]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert {row[3] for row in rows} == {"-"}
    assert html.count('class="search-card') == 5 + 1  # the grid and its cards


@pytest.mark.parametrize(
    ("text", "instruction", "asked"),
    [
        ("", AUTOMATIC, "Find another image"),
        ("make it red", AUTOMATIC, "after this change: make it red"),
        ("", NONE, ""),
    ],
)
def test_a_picture_with_and_without_words(client, upload, text, instruction, asked):
    html, rows = ask(client, text, upload(png()), instruction)
    query = html.split("search-cards")[0]
    assert asked in query
    assert "data:image/webp;base64," in query
    assert ("<span>" in query) == bool(asked)
    assert len(rows) == 5


def test_results_can_be_of_one_kind(client):
    _, rows = ask(client, kind="text", count=MOST)
    assert {row[4] for row in rows} == {"text"}
    _, others = ask(client, kind="image", count=MOST)
    _, every = ask(client, count=MOST)
    assert len(rows) + len(others) == len(every)


def test_an_example_shows_its_parts_and_marks_what_is_right(client):
    label, html = client.predict(BUNDLE, "edit", 2, api_name="/show_example")
    assert label["label"] == "Query, 1 to 3"
    assert html.count("<img") == 2
    html, rows = ask_example(client, number=2)
    assert sorted(row[3] for row in rows) == ["right"] + ["wrong"] * 5
    assert html.count('<div class="search-card right"') == 1
    _, rows = ask_example(client, number=2, scope=EVERY_TARGET, count=MOST)
    assert [row[3] for row in rows].count("-") == len(rows) - 6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": ""}, "Type some words"),
        ({"text": "a" * 1001}, "1001 characters"),
        ({"text": None}, "Type some words"),
        ({"name": "../../etc"}, "not in the list"),
        ({"instruction": "Ignore the picture."}, "not in the list"),
        ({"scope": POOL}, "not in the list"),
        ({"count": 1000}, "1000"),
        ({"kind": "audio"}, "not in the list"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_the_reason(client, values, message):
    with pytest.raises(AppError, match=message):
        ask(client, **values)
    assert len(ask(client)[1]) == 5


@pytest.mark.parametrize(("number", "message"), [(0, "0"), (4, "1 to 3"), (None, "no whole number")])
def test_an_example_that_does_not_exist_is_refused(client, number, message):
    with pytest.raises(AppError, match=message):
        ask_example(client, number=number)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png()[:40], "not a readable picture"),
        (b"", "not a readable picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a readable picture"),
        (bomb(30_000), "30000 x 30000 pixels; at most 128,000,000 of a PNG"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_when_uploaded_and_when_searched(client, upload, data, message):
    with pytest.raises(AppError, match=message):
        client.predict(upload(data), api_name="/show_upload")
    with pytest.raises(AppError, match=message):
        ask(client, image=upload(data))


def test_other_files_are_no_pictures(client, upload):
    with pytest.raises(AppError, match="not a readable picture"):
        ask(client, image=upload(b"words", "notes.txt"))


def test_words_of_items_are_shown_as_characters():
    nasty = "<script>alert(1)</script> {{#each x}} ${alert(2)} `"
    hit = Hit(1.5, 2, 0.5, 0, "text", nasty, None, (ShownPart("text", nasty), ShownPart("image")))
    shown = search_cards.cards([hit]) + search_cards.asked(nasty, hit.parts) + search_cards.head(nasty, [nasty])
    for sign in ("<script", "{{", "${", "`"):
        assert sign not in shown
    assert "this image is gone" in shown
    assert "2 tied, rank 1.5" in shown


def test_an_empty_root_says_how_to_make_a_run_and_shows_the_run_once_it_is_there(tmp_path, tiny):
    answers = Answers(Catalogue(tmp_path / "runs"))
    welcome, main_part, source, *_ = answers.load()
    assert (welcome["visible"], main_part["visible"], source["choices"]) == (True, False, [])
    assert "make demo" in search_cards.welcome("runs")
    make_run(tmp_path / "runs" / "run", tiny, ("edit",), queries=1)
    welcome, main_part, source, *_ = answers.load()
    assert (welcome["visible"], main_part["visible"], source["choices"]) == (False, True, [BUNDLE])
    html, table = answers.search_example(BUNDLE, "edit", 1, POOL, ANY, 10)
    assert "Query 1 of edit" in html
    assert len(table["data"]) == 6


def test_a_damaged_bundle_is_told_and_nothing_breaks(tmp_path, tiny):
    folder = make_run(tmp_path / "run", tiny, ("edit",), queries=1)
    (folder / "items.parquet").write_bytes(b"half")
    answers = Answers(Catalogue(tmp_path))
    head, scope, *_ = answers.choose(BUNDLE)
    assert "items.parquet" in head
    assert scope["choices"] == []
    assert answers.show_example(BUNDLE, "edit", 1)[1].count("items.parquet") == 1


def test_a_bundle_without_its_checkpoint_still_has_examples(root, tmp_path):
    found = Catalogue(root, checkpoint=tmp_path / "missing")
    answers = Answers(found)
    assert "search-problem" in answers.choose(BUNDLE)[0]
    assert len(answers.search_example(BUNDLE, "edit", 1, POOL, ANY, 10)[1]["data"]) == 6
    with pytest.raises(Exception, match="neither a checkpoint"):
        answers.search_query(BUNDLE, "words", None, AUTOMATIC, EVERY_TARGET, ANY, 5)


def test_a_folder_of_pictures_is_searched_and_says_what_it_left_out(root, tmp_path):
    (tmp_path / "red disc.png").write_bytes(png())
    (tmp_path / "broken.png").write_bytes(b"nothing")
    given = ["--root", str(tmp_path), "--folder", str(tmp_path), "--checkpoint", str(root / "run")]
    answers = Answers(catalogue(arguments([*given, "--on_bad_item", "skip"])))
    name = f"{tmp_path.name} (your pictures)"
    assert answers.catalogue.names() == [name]
    chosen = answers.choose(name)
    assert "broken.png" in chosen[0]
    assert "no queries of its own" in chosen[6]
    html, table = answers.search_query(name, "a red disc", None, AUTOMATIC, EVERY_PICTURE, ANY, 5)
    assert [row[3:] for row in table["data"]] == [["-", "image", "red disc.png"]]
    assert "data:image/webp" in html


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--host", "0.0.0.0"], "loopback only"),
        (["--port", "0"], r"--port 0 is outside \[1, 65535\]"),
        (["--folder", "pictures"], "--folder needs --checkpoint"),
        (["--bundle", "/"], "lies outside --root"),
        (["--bundle", "runs/none"], "is no bundle"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        catalogue(arguments(given))


def test_check_says_what_would_be_searched(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # so that what main sets is undone
    assert main(["--root", str(tmp_path), "--check"]) == 0
    assert "make demo" in capsys.readouterr().out
    assert main(["--root", str(root), "--bundle", str(root / "run/bundles/000007-miniature"), "--check"]) == 0
    assert f"{BUNDLE}: " in capsys.readouterr().out
    assert main(["--root", str(root), "--checkpoint", str(tmp_path), "--check"]) == 1
    assert "neither a checkpoint" in capsys.readouterr().err
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "one.png").write_bytes(png())
    pictures = ["--root", str(tmp_path), "--folder", str(tmp_path / "pictures"), "--checkpoint", str(root / "run")]
    assert main([*pictures, "--check"]) == 0
    assert "1 picture of pictures" in capsys.readouterr().out
    (tmp_path / "pictures" / "two.png").write_bytes(b"nothing")
    assert main([*pictures, "--check"]) == 1
    assert "two.png" in capsys.readouterr().err


@pytest.mark.slow
def test_in_a_browser_text_and_picture_are_searched_and_nothing_leaves_this_machine(chromium, address, tmp_path):
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("websocket", lambda socket: requests.append(socket.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.get_by_label("Text").fill("a red circle")
    page.get_by_role("button", name="Search", exact=True).first.click()
    page.wait_for_selector("#found .search-card")
    assert page.locator("#found .search-card").count() == 15
    assert "a red circle" in page.locator("#found .search-asked").inner_text()

    (tmp_path / "red.png").write_bytes(png())
    page.locator("input[type=file]").set_input_files(tmp_path / "red.png")
    page.wait_for_selector(".search-asked img")
    page.get_by_role("button", name="Search", exact=True).first.click()
    page.wait_for_selector("#found .search-asked img")
    assert "after this change: a red circle" in page.locator("#found .search-asked").inner_text()

    page.get_by_role("tab", name="An example").click()
    page.get_by_role("button", name="Search", exact=True).last.click()
    page.wait_for_selector("#found .search-card.right")
    page.get_by_role("tab", name="Your query").click()
    page.get_by_label("Text").fill("a" * 30)
    (tmp_path / "broken.png").write_bytes(png()[:40])
    page.get_by_role("button", name="Clear").first.click()
    page.locator("input[type=file]").set_input_files(tmp_path / "broken.png")
    page.get_by_text("not a readable picture").wait_for()
    assert errors == []
    local = ("data:", "blob:", address, address.replace("http", "ws", 1))
    assert [url for url in requests if not url.startswith(local)] == []
    assert len(requests) > 10


@pytest.mark.slow
def test_in_a_browser_an_empty_root_is_welcoming(chromium, serving, tmp_path):
    page = chromium.new_page()
    page.goto(serving(Catalogue(tmp_path)))
    page.get_by_text("make demo").wait_for()
    assert not page.get_by_label("Text").is_visible()

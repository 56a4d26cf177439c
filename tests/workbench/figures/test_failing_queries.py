"""Cards show pictures, words and places; the pictures travel inside the figure."""

import base64
import io

import PIL.Image

from core.evaluation.bundle_items import webp
from workbench.figures.failing_queries import Candidate, Card, failing_query_figure
from workbench.figures.slider import with_slider

PICTURES = [webp(PIL.Image.new("RGB", (96, 96), colour)) for colour in ("red", "blue")]
QUERY = Card((PICTURES[0],), "Find <b>it</b>")


def candidates(right_at=2, places=(1, 2, 3)):
    cards = [
        Card((PICTURES[1],), ""),
        Card((), "a caption of many words that must be broken"),
        Card(tuple(PICTURES), "x"),
    ]
    return [
        Candidate(card, place, 0.9 - place / 10, number == right_at)
        for number, (card, place) in enumerate(zip(cards, places, strict=True))
    ]


def words(figure):
    return [each.text for each in figure.layout.annotations]


def test_pictures_are_inside_the_figure_and_words_are_no_tags():
    figure = failing_query_figure("edit", QUERY, candidates(), 100)
    assert len(figure.layout.images) == 4
    for image, expected in zip(figure.layout.images, (0, 1, 0, 1), strict=True):
        head, _, code = image.source.partition(",")
        assert head == "data:image/webp;base64"
        assert base64.b64decode(code) == PICTURES[expected]
        assert PIL.Image.open(io.BytesIO(base64.b64decode(code))).size == (96, 96)
    assert "Find &lt;b&gt;it&lt;/b&gt;" in words(figure)
    assert "3. <b>right</b><br>cosine 0.600" in words(figure)
    assert "1. wrong<br>cosine 0.800" in words(figure)
    assert any("<br>" in each and each.startswith("a caption") for each in words(figure))


def test_pictures_stay_inside_their_cards():
    figure = failing_query_figure("edit", QUERY, candidates(), 100)
    frames = [(each.x0, each.x1) for each in figure.layout.shapes]
    assert len(frames) == 4
    for image in figure.layout.images:
        left, right = image.x - image.sizex / 2, image.x + image.sizex / 2
        assert any(low <= left and right <= high for low, high in frames)


def test_the_right_card_differs_without_colour():
    figure = failing_query_figure("edit", QUERY, candidates(), 100)
    dashes = [each.line.dash for each in figure.layout.shapes]
    assert dashes == ["solid", "dot", "dot", "solid"]


def test_titles():
    assert failing_query_figure("edit", QUERY, candidates(), 100).layout.title.text == (
        "edit: the right answer is number 3 of 100"
    )
    tied = failing_query_figure("edit", QUERY, candidates(1, (1, 1, 3)), 8).layout.title.text
    assert tied == "edit: the right answer is number 1 of 8, with ties"
    none = failing_query_figure("edit", QUERY, candidates(9), 8).layout.title.text
    assert none == "edit: the right answer is not shown"


def test_a_slider_moves_through_queries_with_other_numbers_of_pictures():
    plain = failing_query_figure("shape", Card((), "q"), candidates(0), 8)
    moved = with_slider({"a": failing_query_figure("edit", QUERY, candidates(), 100), "b": plain}, "query")
    assert len(moved.frames) == 2
    assert len(moved.frames[1].layout.images) == 4
    assert [each.visible for each in moved.frames[1].layout.images] == [True, True, True, False]

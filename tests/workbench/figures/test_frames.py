"""The strip of frames and the curves: what is marked, what is drawn, and what the title says."""

import base64
import io

import PIL.Image
import pytest

from core.evaluation.metrics import Score
from workbench.figures.frames import SIDE, frames_figure

COUNTS = (1, 2, 4)


def score(value):
    return Score("dataset", "s", "R@1", value, value - 0.1, value + 0.05, 60, 120.0, 1 / 120)


CURVES = {"together": [score(0.5), score(0.4), score(0.3)], "mean": [score(0.5), score(0.6), score(0.7)]}


def strip(count=6):
    return [PIL.Image.new("RGB", (96, 96), (40 * place, 0, 0)) for place in range(count)]


def test_the_taken_frames_are_marked():
    figure = frames_figure(strip(), [0, 5], CURVES, COUNTS)
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(-0.5, 0.5), (4.5, 5.5)]
    assert [text for text in figure.data[0].hovertext if "taken" in text] == ["frame 0, taken", "frame 5, taken"]
    assert figure.layout.title.text == "2 frames, together: R@1 40 %; 1 frame: 50 %"


def test_pictures_are_small_and_in_order():
    figure = frames_figure(strip(), [0], CURVES, COUNTS)
    pictures = [
        PIL.Image.open(io.BytesIO(base64.b64decode(each.source.partition(",")[2]))) for each in figure.layout.images
    ]
    assert [each.size for each in pictures] == [(SIDE, SIDE)] * 6
    reds = [each.convert("RGB").getpixel((9, 9))[0] for each in pictures]
    assert reds == sorted(reds)
    assert [round(each.x + 0.48) for each in figure.layout.images] == list(range(6))


def test_curves_rings_and_chance():
    figure = frames_figure(strip(), [0, 2, 3, 5], CURVES, COUNTS)
    _, together, mean, chance, rings = figure.data
    assert list(together.y) == [50, 40, 30]
    assert together.error_y.array == pytest.approx([5, 5, 5])
    assert together.error_y.arrayminus == pytest.approx([10, 10, 10])
    assert [round(place) for place in mean.x] == [1, 2, 4]
    assert together.x != mean.x
    assert chance.y == pytest.approx([100 / 120] * 2)
    assert list(rings.y) == [30, 70]
    assert (together.line.dash, together.marker.symbol) != (mean.line.dash, mean.marker.symbol)


def test_frames_of_the_slider_agree_in_their_axes():
    first, last = (frames_figure(strip(), list(range(count)), CURVES, COUNTS) for count in (1, 4))
    for axis in ("xaxis", "yaxis", "xaxis2", "yaxis2"):
        assert first.layout[axis].range == last.layout[axis].range


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="3 frames are taken"):
        frames_figure(strip(), [0, 1, 2], CURVES, COUNTS)
    with pytest.raises(ValueError, match="needs 2 scores"):
        frames_figure(strip(), [0], CURVES, (1, 2))

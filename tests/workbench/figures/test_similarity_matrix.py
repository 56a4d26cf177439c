"""The heat map shows the cosines, the bars the given row, and captions cannot act as tags."""

import base64

import numpy as np
import pytest

from workbench.figures.similarity_matrix import finding, similarity_matrix_figure
from workbench.figures.slider import with_slider
from workbench.figures.theme import BLUE

SIMILARITY = np.array([[0.9, 0.2, -0.4], [0.8, 0.7, 0.1], [0.0, 0.3, 0.6]])
NAMES = ["<b>one</b>", "two", "three"]


def softmax(tau):
    powers = np.exp(SIMILARITY / tau)
    return powers / powers.sum(axis=1, keepdims=True)


def drawn(row=1, tau=0.1, **more):
    return similarity_matrix_figure(SIMILARITY, softmax(tau), row, NAMES, NAMES, **more)


def test_it_shows_cosines_and_the_row():
    heat, bars = drawn().data
    np.testing.assert_allclose(heat.z, SIMILARITY)
    assert (heat.zmin, heat.zmax) == (-1, 1)
    np.testing.assert_allclose(bars.y, softmax(0.1)[1])
    assert [colour == BLUE for colour in bars.marker.color] == [False, True, False]
    assert len({*bars.marker.pattern.shape}) == 2
    assert heat.hovertext[0][1] == "query: &lt;b&gt;one&lt;/b&gt;<br>target: two"


def test_the_outline_lies_around_the_row():
    (shape,) = drawn(row=2).layout.shapes
    assert (shape.y0, shape.y1, shape.x0, shape.x1) == (1.5, 2.5, -0.5, 2.5)


def test_pictures_stand_beside_their_rows():
    figure = drawn(pictures=[b"a", b"b", b"c"])
    assert [image.y for image in figure.layout.images] == [0, 1, 2]
    assert figure.layout.images[1].source == "data:image/webp;base64," + base64.b64encode(b"b").decode()
    assert not drawn().layout.images


def test_large_matrices_show_no_numbers():
    large = np.eye(13)
    figure = similarity_matrix_figure(large, large, 0, ["q"] * 13, ["t"] * 13)
    assert figure.data[0].texttemplate is None
    assert drawn().data[0].texttemplate is not None


def test_frames_compare():
    stills = {str(tau): drawn(tau=tau) for tau in (0.01, 0.1, 0.5)}
    assert len({still.layout.yaxis2.range for still in stills.values()}) == 1
    moving = with_slider(stills, "tau")
    last = moving.frames[2].to_plotly_json()["data"][1]["y"]
    np.testing.assert_allclose(np.frombuffer(base64.b64decode(last["bdata"]), last["dtype"]), softmax(0.5)[1])


def test_the_title_names_the_rival():
    assert finding(np.array([0.7, 0.2, 0.1]), 1) == "Query 2 gives its right target 20%, target 1 70%"
    assert finding(np.array([0.1, 0.2, 0.7]), 2) == "Query 3 gives its right target 70%, target 2 20%"
    assert "100 %" in finding(np.array([1.0]), 0)


@pytest.mark.parametrize("row", [-1, 3])
def test_rows_exist(row):
    with pytest.raises(ValueError, match=rf"row = {row} is outside 0\.\.2"):
        drawn(row=row)

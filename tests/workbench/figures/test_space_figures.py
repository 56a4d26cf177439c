"""Figures of a space hold the numbers they are given, and their titles say what was found."""

import numpy as np
import pytest

from workbench.figures.hub_counts import hub_counts_figure
from workbench.figures.modality_gap import modality_gap_figure
from workbench.figures.projection_map import COLOURS, MOST_GROUPS, SYMBOLS, projection_map_figure
from workbench.figures.spectrum import spectrum_figure
from workbench.measures import hubness, modality_gap
from workbench.measures.geometry import isotropic
from workbench.projection.projection import Quality


def judged(trust=0.9, n=4):
    return Quality(trust, 0.8, np.full(n, 0.5), np.arange(n), 1)


def test_a_map_holds_every_point_in_its_group_with_its_id():
    points = np.array([[0.0, 0], [4, 2], [2, 1], [1, 1]])
    figure = projection_map_figure(points, ["b", "a", "b", "<a>"], "PCA", judged(), ids=np.array([7, 8, 9, 10]))
    assert [trace.name for trace in figure.data] == ["&lt;a&gt;", "a", "b"]
    assert list(figure.data[2].customdata) == [7, 9]
    np.testing.assert_allclose(figure.data[1].x, [1.0])
    np.testing.assert_allclose(figure.data[2].x, [-1.0, 0.0])
    np.testing.assert_allclose(figure.data[2].y, [-0.5, 0.0])
    assert len({trace.marker.symbol for trace in figure.data}) == 3
    assert len({trace.marker.color for trace in figure.data}) == 3
    assert figure.layout.title.text.startswith("Neighbourhoods are mostly real: trustworthiness 0.90")
    assert figure.layout.annotations[0].text == "PCA; 4 items; continuity 0.80"
    assert figure.layout.xaxis.range == (-1.08, 1.08)


@pytest.mark.parametrize(
    ("trust", "words"),
    [(1.0, "mostly real"), (0.8, "half real"), (0.6, "made up"), (0.3, "made up"), (np.nan, "Too few")],
)
def test_the_title_judges_the_map_against_chance(trust, words):
    assert words in projection_map_figure(np.zeros((4, 2)), ["a"] * 4, "x", judged(trust)).layout.title.text


def test_groups_differ_in_colour_and_symbol_together_and_many_are_folded():
    assert len({(COLOURS[i % len(COLOURS)], SYMBOLS[i % len(SYMBOLS)]) for i in range(MOST_GROUPS)}) == MOST_GROUPS
    names = [f"g{i:02}" for i in range(30)] + ["g05"] * 3
    figure = projection_map_figure(isotropic(33, 2), names, "x", judged(n=33))
    assert len(figure.data) == MOST_GROUPS
    assert figure.data[-1].name == "other"
    assert sum(len(trace.x) for trace in figure.data) == 33
    assert "g05" in {trace.name for trace in figure.data}


def test_a_large_map_is_drawn_by_webgl_and_an_empty_one_at_all():
    large = projection_map_figure(isotropic(3000, 2), ["a"] * 3000, "x", judged())
    assert large.data[0].type == "scattergl"
    assert not projection_map_figure(np.zeros((0, 2)), [], "x", judged(np.nan, 0)).data


def test_modality_gap():
    first, second = isotropic(40, 6, 1), isotropic(40, 6, 2)
    figure = modality_gap_figure(first, second, ("<q>", "t"), highest=30)
    assert len(figure.data) == 6
    for trace in figure.data:
        assert np.sum(trace.y) == pytest.approx(100)
    assert len({(trace.line.color, trace.line.dash) for trace in figure.data[2:]}) == 4
    gap, hits = modality_gap.gap(first, second), modality_gap.precision_at_1(first, second)
    found = f"The means are {gap:.2f} apart; {hits:.1%} of the &lt;q&gt; find their own first"
    assert figure.layout.title.text == found
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range == (0, 30)
    assert not any("<q>" in (trace.name or "") for trace in figure.data)


def test_hub_counts():
    found, random = hubness.hubness(isotropic(50, 4, 1), isotropic(30, 4, 2), 5), hubness.of_random(50, 30, 4, 5)
    figure = hub_counts_figure(found, random, [f"<{i}>" for i in range(30)], reach=60)
    bars, line, hubs = figure.data
    assert sum(bars.y) == 30
    assert list(hubs.x) == sorted(found.counts, reverse=True)[:5]
    assert hubs.hovertext[0] == f"&lt;{found.counts.argmax()}&gt;"
    assert f"near {found.largest:.0f} of 50 queries (random: {random.largest:.0f})" in figure.layout.title.text
    assert figure.layout.xaxis.range[1] >= 60
    assert line.line.dash == "dot"


def test_spectrum():
    figure = spectrum_figure({"even": np.ones(4), "one": np.array([1.0, 0, 0, 0])})
    np.testing.assert_allclose(figure.data[0].y, 25)
    assert figure.layout.title.text == "Effective rank, of 4: even 4, one 1"
    assert figure.data[0].line.dash != figure.data[1].line.dash
    assert spectrum_figure({}).layout.title.text == "No vectors"

"""The drawing marks exactly the pairs whose target loses its gradient, and the read-out counts arithmetic and bytes."""

import pytest

from workbench.figures.gather_layout import gather_cost, gather_layout_figure
from workbench.figures.slider import with_slider


@pytest.mark.parametrize("world", [1, 2, 4, 8, 16])
def test_every_pair_is_drawn_once_a_panel(world):
    figure = gather_layout_figure(world, pairs=16)
    n = 16 // world
    for panel in ("x", "x2"):
        groups = {each.name: set(zip(each.y, each.x, strict=True)) for each in figure.data if each.xaxis == panel}
        assert sum(map(len, groups.values())) == 256
        assert groups["right pair (both learn)"] == {(i, i) for i in range(16)}
        lost = {(i, j) for i in range(16) for j in range(16) if i // n != j // n} if panel == "x" else set()
        assert groups["only the query learns"] == lost
    strips = [shape for shape in figure.layout.shapes if shape.xref == "x2"]
    assert [(shape.y0, shape.y1) for shape in strips] == [(r * n - 0.5, (r + 1) * n - 0.5) for r in range(world)]
    assert f"{1 - 1 / world:.0%} of the pairs" in figure.layout.title.text


def test_marks_are_told_apart_without_colour():
    figure = gather_layout_figure(2)
    assert len({each.marker.symbol for each in figure.data}) == 3
    assert len({each.marker.color for each in figure.data}) == 3


def test_cost():
    cost = gather_cost(4, 1024, 896)
    assert cost.flops == 2 * 256 * 1024 * 896
    assert cost.flops_of_all == 4 * cost.flops
    assert cost.bytes == 768 * 896 * 4
    assert gather_cost(1, 1024, 896).bytes == 0
    text = next(each.text for each in gather_layout_figure(4).layout.annotations if "GFLOP" in each.text)
    assert "256 x 1024" in text
    assert "0.47 GFLOP" in text
    assert "2.75 MB" in text


def test_worlds_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="world = 3 must divide the 16 pairs"):
        gather_layout_figure(3)


def test_it_moves():
    figure = with_slider({str(world): gather_layout_figure(world) for world in (1, 2, 4, 8)}, "ranks", start="2")
    assert len(figure.frames) == 4
    assert len(figure.to_json()) < 2e5

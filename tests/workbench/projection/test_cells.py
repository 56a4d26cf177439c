"""Cells of a map: clear groups are found, the outline of a cell holds its points alone, odd places are passed over."""

import numpy as np

from workbench.projection.cells import cells_of, outline
from workbench.projection.polygon import inside


def test_clear_groups_are_cells_the_largest_first():
    groups = np.repeat([0, 1, 2], [30, 50, 20])
    points = np.array([[0.0, 0], [9, 0], [0, 9]])[groups] + np.random.default_rng(0).normal(size=(100, 2)) / 4
    points[3] = np.nan
    found = cells_of(points, 3)
    assert found.codes[3] == -1
    assert [np.bincount(groups[found.codes == code], minlength=3).tolist() for code in range(3)] == [
        [0, 50, 0], [29, 0, 0], [0, 0, 20],
    ]  # fmt: skip
    np.testing.assert_allclose(found.centres[0], points[groups == 1].mean(axis=0))


def test_the_outline_of_a_cell_holds_exactly_its_points():
    points = np.random.default_rng(1).normal(size=(2000, 2))
    found = cells_of(points, 7)
    for code in range(7):
        own = np.flatnonzero(found.codes == code)
        corners = outline(points[own])
        assert corners is not None
        assert inside(points, corners).tolist() == own.tolist()


def test_few_and_equal_places():
    assert cells_of(np.full((4, 2), np.nan), 3).codes.tolist() == [-1] * 4
    assert set(cells_of(np.ones((5, 2)), 3).codes) == {0}
    assert outline(np.array([[0.0, 0], [1, 1], [2, 2]])) is None
    assert outline(np.array([[0.0, 0]])) is None

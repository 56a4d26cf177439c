"""LLaVA's ways of writing resolutions."""

from pathlib import Path

import pytest

from core.checkpoint_import.llave_config import pinpoints

FOLDER = Path("x")


def test_a_range_is_every_pair_between_its_ends():
    assert pinpoints(FOLDER, "(1x1),...,(2x3)", 10) == [[10, 10], [20, 10], [30, 10], [10, 20], [20, 20], [30, 20]]
    assert len(pinpoints(FOLDER, "(1x1),...,(6x6)", 384)) == 36


@pytest.mark.parametrize("given", [[[20, 10], [10, 30]], "[[20, 10], [10, 30]]", "[(20, 10), (10, 30)]"])
def test_a_list_has_width_first_and_transformers_height(given):
    assert pinpoints(FOLDER, given, 10) == [[10, 20], [30, 10]]


@pytest.mark.parametrize("given", [[], "x", "(1,", [[10]], [[10, 15]], [[10, 0]], [["10", "20"]], 3, {"a": 1}])
def test_anything_else_is_refused(given):
    with pytest.raises(ValueError, match="image_grid_pinpoints = "):
        pinpoints(FOLDER, given, 10)

"""What is drawn is what the attributes say."""

import random

import numpy as np
import pytest

from core.data.miniature.scenes import (
    BACKGROUNDS,
    CANVAS,
    CELL,
    COLOURS,
    KINDS,
    PLACES,
    SIZES,
    DrawnScene,
    Scene,
    Shape,
    again,
    outline,
    random_single,
)

TINT = 10
ROUNDING = 2


def pixels(scene: Scene) -> np.ndarray:
    """The drawn scene, (96, 96, 3), as whole numbers that can be negative."""
    return np.asarray(DrawnScene(scene).open()).astype(int)


def ink(scene: Scene) -> np.ndarray:
    """Where a scene differs from its background."""
    drawn = pixels(scene)
    return np.abs(drawn - drawn[0, 0]).max(axis=-1) > 30


def single(kind: str = "circle", colour: str = "red", size: str = "large", place: str = "middle") -> Scene:
    """One shape on black."""
    return Scene((Shape(kind, colour, size, place),), "black", jitter=5)


@pytest.mark.parametrize("seed", range(40))
def test_colour_background_and_place_are_as_named(seed: int) -> None:
    scene = random_single(random.Random(seed))
    (shape,) = scene.shapes
    drawn = pixels(scene)
    row, column = divmod(PLACES.index(shape.place), 3)
    cell = drawn[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
    near = np.abs(cell - COLOURS[shape.colour]).max(axis=-1) <= TINT + ROUNDING
    assert near.sum() > 30
    if shape.kind != "ring":
        assert near[CELL // 2, CELL // 2]
    for corner in (drawn[0, 0], drawn[0, -1], drawn[-1, 0], drawn[-1, -1]):
        assert np.abs(corner - BACKGROUNDS[scene.background]).max() <= TINT + ROUNDING
    ys, xs = np.nonzero(ink(scene))
    assert (ys.mean() // CELL, xs.mean() // CELL) == (row, column)


def test_kinds_are_drawn_differently() -> None:
    masks = {kind: ink(single(kind)) for kind in KINDS}
    for one in KINDS:
        for other in KINDS:
            overlap = (masks[one] & masks[other]).sum() / (masks[one] | masks[other]).sum()
            assert (overlap == 1) if one == other else (overlap < 0.9), (one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_large_is_larger_than_small_whatever_the_jitter(kind: str) -> None:
    chance = random.Random(0)
    areas = {size: [ink(again(single(kind, size=size), chance)).sum() for _ in range(10)] for size in SIZES}
    assert min(areas["large"]) > 1.3 * max(areas["small"])


def test_named_colours_cannot_be_taken_for_one_another() -> None:
    for palette in (COLOURS, BACKGROUNDS):
        values = list(palette.values())
        for index, one in enumerate(values):
            for other in values[index + 1 :]:
                assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 2 * TINT + ROUNDING


def test_jitter_changes_the_picture_and_nothing_that_is_named() -> None:
    scene = single()
    other = again(scene, random.Random(1))
    assert scene.attributes() == other.attributes()
    assert DrawnScene(scene).content_id != DrawnScene(other).content_id
    assert (pixels(scene) != pixels(other)).any()
    assert (pixels(scene) == pixels(single())).all()
    assert DrawnScene(scene).content_id == DrawnScene(single()).content_id


def test_a_window_shows_its_cell_enlarged_and_a_shift_moves_the_shape() -> None:
    scene = Scene((Shape("circle", "red", "large", "top"), Shape("square", "blue", "large", "bottom")), "black", 3)
    crop = np.asarray(DrawnScene(scene, (CELL, 0, 2 * CELL, CELL)).open()).astype(int)
    assert crop.shape == (CANVAS, CANVAS, 3)
    assert np.abs(crop[CANVAS // 2, CANVAS // 2] - COLOURS["red"]).max() <= TINT + ROUNDING
    assert (np.abs(crop - COLOURS["blue"]).max(axis=-1) > 2 * TINT).all()
    moved = np.asarray(DrawnScene(single(), shift=(CELL, -CELL)).open()).astype(int)
    assert np.abs(moved[CELL // 2, CANVAS - CELL // 2] - COLOURS["red"]).max() <= TINT + ROUNDING
    ids = {
        DrawnScene(scene).content_id,
        DrawnScene(scene, (0, 0, 1, 1)).content_id,
        DrawnScene(scene, shift=(1, 0)).content_id,
    }
    assert len(ids) == 3


def test_shapes_are_numbered_in_reading_order_of_place() -> None:
    shapes = (Shape("circle", "red", "large", "bottom"), Shape("star", "blue", "small", "top left"))
    for order in (shapes, shapes[::-1]):
        attributes = Scene(order, "teal", 0).attributes()
        assert attributes["background"] == "teal"
        assert [attributes[f"shape {number}"] for number in (1, 2)] == ["star", "circle"]
        assert [attributes[f"place {number}"] for number in (1, 2)] == ["top left", "bottom"]


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="kind = 'blob' is not one of circle"):
        outline("blob", 0.0)

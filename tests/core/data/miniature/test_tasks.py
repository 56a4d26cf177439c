"""What each task asks and what it says is right, checked against the scene that was drawn."""

import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from core.data.miniature import image_tasks, transfer_tasks
from core.data.miniature.benchmark import SOURCES, Source
from core.data.miniature.image_tasks import CHANGES, Draw, change, near_misses
from core.data.miniature.scenes import PLACES, DrawnScene, Scene, caption, phrase, random_single
from core.data.miniature.transfer_tasks import HandwrittenDigit, handwriting
from core.data.miniature.words import NUMBERS
from core.data.records import Image, Item, Text, Video, true_hardness

Task = Callable[[random.Random], Draw]
NAMED = [pytest.param(source.draw, id=source.name) for source in SOURCES]


def draws(task: Task, number: int = 60) -> list[Draw]:
    """Pairs of a task."""
    return [task(random.Random(index)) for index in range(number)]


def scene(item: Item, picture: int = 0) -> Scene:
    """The scene behind one of an item's pictures."""
    source = list(item.images())[picture]
    assert isinstance(source, DrawnScene)
    return source.scene


def words(item: Item) -> str:
    """The text of an item, without marks for its pictures."""
    return " ".join(part.text for part in item.parts if isinstance(part, Text))


@pytest.mark.parametrize("task", NAMED)
def test_the_query_hides_the_answer_and_the_target_carries_what_is_asked(task: Task) -> None:
    for drawn in draws(task):
        assert drawn.query.attributes == {}
        assert set(drawn.asks) <= set(drawn.target.attributes)
        assert true_hardness(drawn.asks, drawn.target, drawn.target) == 0


@pytest.mark.parametrize("source", [pytest.param(each, id=each.name) for each in SOURCES if each.in_distribution])
def test_trained_rivals_are_wrong_and_hard(source: Source) -> None:
    found = [(drawn, rival) for drawn in draws(source.draw, 150) for rival in drawn.rivals]
    hardness = [true_hardness(drawn.asks, drawn.target, rival) for drawn, rival in found]
    assert all(each is not None and each >= 1 for each in hardness)
    if source.meta_task == "retrieval" and source.name != "look-alike":
        assert set(hardness) == {1}
    for drawn, rival in found:
        assert rival.content_id != drawn.target.content_id
        assert rival.modality == drawn.target.modality


@pytest.mark.parametrize("attribute", ["shape", "colour", "background"])
def test_labels_are_the_attributes_of_the_picture(attribute: str) -> None:
    for drawn in draws(
        {"shape": image_tasks.shape_label, "colour": image_tasks.colour_label}.get(
            attribute, image_tasks.background_label
        )
    ):
        assert words(drawn.target) == scene(drawn.query).attributes()[attribute]
        assert drawn.target.attributes == {"answer": words(drawn.target)}
        assert attribute in words(drawn.query)


def test_colour_of_names_the_colour_of_the_one_shape_of_that_kind() -> None:
    for drawn in draws(image_tasks.colour_of):
        kind = words(drawn.query).removeprefix("what colour is the ").removesuffix("?")
        (colour,) = [shape.colour for shape in scene(drawn.query).shapes if shape.kind == kind]
        assert words(drawn.target) == colour


def test_how_many_counts_the_shapes_of_the_colour() -> None:
    for drawn in draws(image_tasks.how_many, 200):
        colour = words(drawn.query).split()[2]
        shapes = scene(drawn.query).shapes
        assert words(drawn.target) == NUMBERS[sum(shape.colour == colour for shape in shapes)]
        assert len({shape.place for shape in shapes}) == len(shapes) <= 9


def test_more_of_names_the_colour_with_more_shapes() -> None:
    positions = Counter()
    for drawn in draws(image_tasks.more_of, 200):
        counts = Counter(shape.colour for shape in scene(drawn.query).shapes)
        (first, most), (_, fewer) = counts.most_common(2)
        assert most > fewer
        assert words(drawn.target) == first
        options = words(drawn.query).removeprefix("which colour has more circles, ").removesuffix("?").split(" or ")
        assert set(options) == set(counts)
        positions[options.index(first)] += 1
    assert min(positions.values()) > 60


def test_captions_describe_their_pictures() -> None:
    for drawn in draws(image_tasks.caption_to_image):
        assert words(drawn.query).endswith(caption(scene(drawn.target)))
        assert drawn.target.attributes == scene(drawn.target).attributes()
    for drawn in draws(image_tasks.image_to_caption):
        assert words(drawn.target) == caption(scene(drawn.query))
        assert drawn.target.attributes == scene(drawn.query).attributes()


def test_a_caption_says_every_attribute() -> None:
    captions = {}
    for drawn in draws(image_tasks.caption_to_image, 400):
        shown = scene(drawn.target)
        for attribute in shown.attributes().values():
            assert f" {attribute}" in f" {caption(shown)}"
        assert captions.setdefault(caption(shown), shown.attributes()) == shown.attributes()


def test_look_alikes_are_other_pictures_of_the_same_scene() -> None:
    for drawn in draws(image_tasks.look_alike):
        before, after = scene(drawn.query), scene(drawn.target)
        assert (before.shapes, before.background) == (after.shapes, after.background)
        assert before.jitter != after.jitter


def test_an_edit_changes_the_one_thing_that_it_names() -> None:
    kinds = Counter()
    for drawn in draws(image_tasks.edit, 200):
        before, after = scene(drawn.query).attributes(), scene(drawn.target).attributes()
        (changed,) = [name for name in before if before[name] != after[name]]
        assert words(drawn.query).endswith(f" {after[changed]}")
        kinds[changed] += 1
    assert set(kinds) == {"shape", "colour", "size", "place", "background"}


def test_grounding_crops_the_named_shape_and_only_it_fits() -> None:
    for drawn in draws(image_tasks.grounding):
        (asked,) = [shape for shape in scene(drawn.query).shapes if phrase(shape) in words(drawn.query)]
        assert drawn.target == image_tasks.crop(scene(drawn.query), asked)
        assert drawn.target.attributes["colour"] == asked.colour
        assert len(drawn.rivals) == 2


def test_grounding_by_relation_crops_the_shape_that_stands_there() -> None:
    relations = Counter()
    for drawn in draws(image_tasks.grounding_by_relation, 100):
        shown = scene(drawn.query)
        relation, kind = words(drawn.query).split("the shape ")[1].split(" the ")
        (named,) = [shape for shape in shown.shapes if shape.kind == kind]
        (other,) = [shape for shape in shown.shapes if shape != named]
        (row, column), (named_row, named_column) = (divmod(PLACES.index(each.place), 3) for each in (other, named))
        stands = {
            "left of": row == named_row and column < named_column,
            "right of": row == named_row and column > named_column,
            "above": column == named_column and row < named_row,
            "below": column == named_column and row > named_row,
        }
        assert stands[relation]
        assert drawn.target == image_tasks.crop(shown, other)
        relations[relation] += 1
    assert len(relations) == 4


def test_digits_are_labelled_as_scikit_learn_labels_them() -> None:
    for drawn in draws(transfer_tasks.digit_label):
        (source,) = drawn.query.images()
        assert isinstance(source, HandwrittenDigit)
        assert words(drawn.target) == NUMBERS[handwriting()[1][source.index]]
        picture = np.asarray(source.open())
        assert picture.shape == (96, 96, 3)
        # black ink on white: where scikit-learn has most ink the picture is darkest
        row, column = np.unravel_index(handwriting()[0][source.index].argmax(), (8, 8))
        assert picture[row * 12 + 6, column * 12 + 6].max() < 90
        assert picture.max() > 240


def test_a_story_ends_with_the_friends_colour_and_one_more_change() -> None:
    for drawn in draws(transfer_tasks.story):
        hero, friend, end = scene(drawn.query, 0), scene(drawn.query, 1), scene(drawn.target)
        assert [type(part) for part in drawn.query.parts] == [Text, Image, Text, Image, Text]
        expected = {**hero.attributes(), "colour": friend.attributes()["colour"]}
        (changed,) = [name for name in expected if expected[name] != end.attributes()[name]]
        assert changed in ("size", "place")
        assert words(drawn.query).endswith(f" {end.attributes()[changed]}")


def test_a_card_is_asked_for_by_what_its_picture_shows() -> None:
    for drawn in draws(transfer_tasks.card):
        shown = scene(drawn.target)
        assert f"{phrase(shown.shapes[0])} on {shown.background} kept?" in words(drawn.query)
        assert drawn.target.modality == "image+text"


def test_a_clip_moves_the_way_that_it_says() -> None:
    for drawn in draws(transfer_tasks.clip, 24):
        (video,) = drawn.target.parts
        assert isinstance(video, Video)
        centres = []
        for frame in (video.frames[1], video.frames[-2]):
            drawn_frame = np.asarray(frame.open()).astype(int)
            background = np.median(drawn_frame.reshape(-1, 3), axis=0)
            ys, xs = np.nonzero(np.abs(drawn_frame - background).max(axis=-1) > 30)
            centres.append((xs.mean(), ys.mean()))
        (x0, y0), (x1, y1) = centres
        direction = {"right": x1 - x0, "left": x0 - x1, "down": y1 - y0, "up": y0 - y1}
        assert max(direction, key=direction.__getitem__) == drawn.target.attributes["direction"]
        assert f"moves {drawn.target.attributes['direction']} on" in words(drawn.query)


def test_near_misses_are_three_scenes_one_field_away() -> None:
    for index in range(50):
        chance = random.Random(index)
        shown = random_single(chance)
        misses = [miss.attributes() for miss in near_misses(shown, chance)]
        changed = [[name for name in miss if miss[name] != shown.attributes()[name]] for miss in misses]
        assert all(len(names) == 1 for names in changed)
        assert len({names[0] for names in changed}) == 3
        assert change(shown, chance, ("place",))[0].shapes[0].place != shown.shapes[0].place
    assert len(CHANGES) == 5

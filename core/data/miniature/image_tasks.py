"""The image tasks of the miniature: classification, visual questions, retrieval and grounding.

Each function draws one pair from a source of randomness. What it returns is a `Draw`: query, target, the
attributes of the target that the query pins down, and rivals: wrong targets made to be hard, most of them one
attribute away from the target.
"""

import random
from dataclasses import replace
from typing import NamedTuple

from core.data.miniature.scenes import (
    BACKGROUNDS,
    CELL,
    COLOURS,
    KINDS,
    PLACES,
    SIZES,
    DrawnScene,
    Scene,
    Shape,
    again,
    caption,
    phrase,
    random_scene,
    random_shape,
    random_single,
)
from core.data.miniature.words import INSTRUCTIONS, NUMBERS
from core.data.records import Image, Item, Text, image_item

SCENE = ("shape", "colour", "size", "place", "background")
CROP = ("shape", "colour", "size", "background")


class Draw(NamedTuple):
    """One generated pair."""

    query: Item
    target: Item
    asks: tuple[str, ...]
    rivals: tuple[Item, ...] = ()


def text_item(words: str, **attributes: str) -> Item:
    """Return an item of text alone."""
    return Item((Text(words),), attributes)


def picture(scene: Scene) -> Item:
    """Return the item of a scene's picture alone, with the scene's true attributes."""
    return Item((Image(DrawnScene(scene)),), scene.attributes())


def label(chance: random.Random, attribute: str) -> Draw:
    """Classification: a scene of one large shape and the word for one of its attributes."""
    scene = random_single(chance).change(size="large")
    word = scene.attributes()[attribute]
    query = image_item(Image(DrawnScene(scene)), INSTRUCTIONS[attribute])
    return Draw(query, text_item(word, answer=word), ("answer",))


def shape_label(chance: random.Random) -> Draw:
    """Tell which shape is it?"""
    return label(chance, "shape")


def colour_label(chance: random.Random) -> Draw:
    """Tell which colour is it?"""
    return label(chance, "colour")


def background_label(chance: random.Random) -> Draw:
    """Tell which background is it on?"""
    return label(chance, "background")


def random_shapes(chance: random.Random, number: int, **fixed: str) -> tuple[Shape, ...]:
    """Return shapes of different kinds and colours in different places."""
    kinds, colours = chance.sample(KINDS, number), chance.sample(list(COLOURS), number)
    places = sorted(chance.sample(PLACES, number), key=PLACES.index)
    return tuple(
        replace(random_shape(chance, kind=kind, colour=colour, place=place), **fixed)
        for kind, colour, place in zip(kinds, colours, places, strict=True)
    )


def colour_of(chance: random.Random) -> Draw:
    """Visual question: the colour of one of two or three large shapes."""
    scene = random_scene(chance, random_shapes(chance, chance.choice((2, 3)), size="large"))
    asked = chance.choice(scene.shapes)
    query = image_item(Image(DrawnScene(scene)), f"what colour is the {asked.kind}?")
    return Draw(query, text_item(asked.colour, answer=asked.colour), ("answer",))


def crowd(chance: random.Random, counts: dict[str, int]) -> Scene:
    """Return a scene with the given number of large circles of each colour."""
    colours = [colour for colour, count in counts.items() for _ in range(count)]
    places = sorted(chance.sample(PLACES, len(colours)), key=PLACES.index)
    chance.shuffle(colours)
    shapes = (Shape("circle", colour, "large", place) for colour, place in zip(colours, places, strict=True))
    return random_scene(chance, tuple(shapes))


def how_many(chance: random.Random) -> Draw:
    """Visual question: how many circles have a colour, from one to eight, among at most two others."""
    asked, other = chance.sample(list(COLOURS), 2)
    count = chance.randint(1, 8)
    scene = crowd(chance, {asked: count, other: chance.randint(0, min(2, 9 - count))})
    query = image_item(Image(DrawnScene(scene)), f"how many {asked} circles are there?")
    return Draw(query, text_item(NUMBERS[count], answer=NUMBERS[count]), ("answer",))


def more_of(chance: random.Random) -> Draw:
    """Visual question, never trained: which of two colours has more circles?"""
    more, fewer = chance.sample(list(COLOURS), 2)
    low = chance.randint(1, 3)
    scene = crowd(chance, {more: chance.randint(low + 1, 9 - low), fewer: low})
    first, second = chance.sample((more, fewer), 2)
    query = image_item(Image(DrawnScene(scene)), f"which colour has more circles, {first} or {second}?")
    return Draw(query, text_item(more, answer=more), ("answer",))


CHANGES = {
    "colour": (tuple(COLOURS), "make it {}"),
    "size": (tuple(SIZES), "make it {}"),
    "kind": (KINDS, "turn it into a {}"),
    "place": (PLACES, "move it to the {}"),
    "background": (tuple(BACKGROUNDS), "put it on {}"),
}


def change(scene: Scene, chance: random.Random, fields: tuple[str, ...] = tuple(CHANGES)) -> tuple[Scene, str]:
    """Change one field of a one-shape scene to another value; the changed scene and the words for the change."""
    name = chance.choice(fields)
    values, words = CHANGES[name]
    old = scene.background if name == "background" else getattr(scene.shapes[0], name)
    new = chance.choice([value for value in values if value != old])
    changed = replace(scene, background=new) if name == "background" else scene.change(**{name: new})
    return changed, words.format(new)


def near_misses(scene: Scene, chance: random.Random, fields: tuple[str, ...] = tuple(CHANGES)) -> list[Scene]:
    """Return three other pictures, each one field away from a one-shape scene, in three different fields."""
    return [again(change(scene, chance, (name,))[0], chance) for name in chance.sample(fields, 3)]


def caption_to_image(chance: random.Random) -> Draw:
    """Retrieval: the picture that a caption describes."""
    scene = random_single(chance)
    words = f"{INSTRUCTIONS['caption_to_image']} {caption(scene)}"
    rivals = tuple(picture(miss) for miss in near_misses(scene, chance))
    return Draw(Item((Text(words),)), picture(scene), SCENE, rivals)


def image_to_caption(chance: random.Random) -> Draw:
    """Retrieval: the caption that describes a picture."""
    scene = random_single(chance)
    query = image_item(Image(DrawnScene(scene)), INSTRUCTIONS["image_to_caption"])
    target, *rivals = (Item((Text(caption(each)),), each.attributes()) for each in (scene, *near_misses(scene, chance)))
    return Draw(query, target, SCENE, tuple(rivals))


def look_alike(chance: random.Random) -> Draw:
    """Retrieval: another picture of the same scene of two shapes."""
    scene = random_scene(chance, random_shapes(chance, 2))
    query = image_item(Image(DrawnScene(scene)), INSTRUCTIONS["look_alike"])
    rivals = []
    for _ in range(3):
        first, second = scene.shapes
        other = random_shape(chance, place=second.place)
        if other != second:
            rivals.append(picture(again(replace(scene, shapes=(first, other)), chance)))
    return Draw(query, picture(again(scene, chance)), tuple(scene.attributes()), tuple(rivals))


def edit(chance: random.Random) -> Draw:
    """Retrieval: the picture after one change, given the picture before and the change in words."""
    before = random_single(chance)
    after, words = change(before, chance)
    query = image_item(Image(DrawnScene(before)), f"{INSTRUCTIONS['edit']} {words}")
    rivals = tuple(picture(miss) for miss in (again(before, chance), *near_misses(after, chance)))
    return Draw(query, picture(again(after, chance)), SCENE, rivals)


def crop(scene: Scene, shape: Shape) -> Item:
    """Return the part of the picture around one shape, enlarged."""
    row, column = divmod(PLACES.index(shape.place), 3)
    window = (column * CELL, row * CELL, (column + 1) * CELL, (row + 1) * CELL)
    attributes = {**shape.attributes(), "background": scene.background}
    return Item((Image(DrawnScene(scene, window)),), {name: attributes[name] for name in CROP})


def grounding(chance: random.Random) -> Draw:
    """Grounding: the part of a picture that shows the named one of three shapes."""
    scene = random_scene(chance, random_shapes(chance, 3))
    asked = chance.choice(scene.shapes)
    query = image_item(Image(DrawnScene(scene)), f"{INSTRUCTIONS['grounding']} {phrase(asked)}")
    rivals = tuple(crop(scene, shape) for shape in scene.shapes if shape != asked)
    return Draw(query, crop(scene, asked), CROP, rivals)


def grounding_by_relation(chance: random.Random) -> Draw:
    """Grounding, never trained: the shape next to a named one, in a row of two or a column of two."""
    horizontal = chance.random() < 0.5
    row, column = chance.randrange(3), chance.randrange(3)
    first, second = sorted(chance.sample(range(3), 2))
    cells = [(row, first), (row, second)] if horizontal else [(first, column), (second, column)]
    shapes = tuple(
        replace(shape, place=PLACES[3 * cell[0] + cell[1]])
        for shape, cell in zip(random_shapes(chance, 2), cells, strict=True)
    )
    scene = random_scene(chance, shapes)
    asked = chance.randrange(2)
    relation = (("left of", "right of") if horizontal else ("above", "below"))[asked]
    words = f"{INSTRUCTIONS['grounding']} the shape {relation} the {shapes[1 - asked].kind}"
    rivals = (crop(scene, shapes[1 - asked]),)
    return Draw(image_item(Image(DrawnScene(scene)), words), crop(scene, shapes[asked]), CROP, rivals)

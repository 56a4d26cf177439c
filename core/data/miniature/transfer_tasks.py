"""Tasks of the miniature that are never trained: real handwriting, interleaved stories, cards and clips."""

import random
from dataclasses import dataclass
from functools import cache

import numpy as np
import PIL.Image

from core.data.miniature.image_tasks import CROP, SCENE, Draw, change, near_misses, picture, text_item
from core.data.miniature.scenes import CANVAS, DrawnScene, Scene, again, phrase, random_single
from core.data.miniature.words import DIRECTIONS, INSTRUCTIONS, NUMBERS, ROOMS
from core.data.records import Image, Item, Text, Video, digest, image_item

CLIP_FRAMES = 6
CLIP_SPAN = 34


@cache
def handwriting() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's handwritten digits: images (1797, 8, 8) with values 0 to 16, and their labels (1797,)."""
    from sklearn.datasets import load_digits  # takes seconds, and a training process never asks for digits

    pixels, labels = load_digits(return_X_y=True)
    return np.asarray(pixels).reshape(-1, 8, 8), np.asarray(labels)


@dataclass(frozen=True)
class HandwrittenDigit:
    """An image source: one of scikit-learn's 1797 real handwritten digits."""

    index: int

    @property
    def content_id(self) -> str:
        """The id of the index."""
        return digest("digit", str(self.index))

    def open(self) -> PIL.Image.Image:
        """Black ink on white, enlarged to the miniature's canvas."""
        ink = handwriting()[0][self.index] / 16
        grey = PIL.Image.fromarray((255 * (1 - ink)).astype(np.uint8))
        return grey.resize((CANVAS, CANVAS), PIL.Image.Resampling.BICUBIC).convert("RGB")


def digit_label(chance: random.Random) -> Draw:
    """Classification: a real handwritten digit and the word for it."""
    labels = handwriting()[1]
    index = chance.randrange(len(labels))
    word = NUMBERS[labels[index]]
    return Draw(
        image_item(Image(HandwrittenDigit(index)), INSTRUCTIONS["digit"]), text_item(word, answer=word), ("answer",)
    )


def story(chance: random.Random) -> Draw:
    """Interleaved retrieval: a picture takes the colour of a second picture, then changes once more."""
    hero, friend = random_single(chance), random_single(chance)
    coloured = hero.change(colour=friend.shapes[0].colour)
    end, words = change(coloured, chance, ("size", "place"))
    query = Item(
        (
            Text(f"{INSTRUCTIONS['story']} once there was"),
            Image(DrawnScene(hero)),
            Text("it met"),
            Image(DrawnScene(friend)),
            Text(f"and took its colour. then {words}"),
        )
    )
    rivals = tuple(picture(again(wrong, chance)) for wrong in (hero, coloured, friend))
    return Draw(query, picture(again(end, chance)), SCENE, rivals)


def card(chance: random.Random) -> Draw:
    """Return the retrieval half of multimodal RAG: a question, and the card of image and text that answers it."""
    scene = random_single(chance)
    words = f"{INSTRUCTIONS['card']} where is {phrase(scene.shapes[0])} on {scene.background} kept?"
    target, *rivals = (
        Item((Image(DrawnScene(each)), Text(f"it is kept in the {chance.choice(ROOMS)}")), each.attributes())
        for each in (scene, *near_misses(scene, chance, ("kind", "colour", "size", "background")))
    )
    return Draw(Item((Text(words),)), target, CROP, tuple(rivals))


def clip(chance: random.Random) -> Draw:
    """Return text to video: a shape moves across the middle of the picture."""
    scene, direction = random_single(chance).change(place="middle"), chance.choice(list(DIRECTIONS))
    words = f"{INSTRUCTIONS['clip']} {phrase(scene.shapes[0])} moves {direction} on {scene.background}"
    misses = near_misses(scene, chance, ("kind", "colour", "size", "background"))
    other_way = chance.choice([each for each in DIRECTIONS if each != direction])
    rivals = (moving(scene, other_way), *(moving(miss, direction) for miss in misses))
    return Draw(Item((Text(words),)), moving(scene, direction), (*CROP, "direction"), rivals)


def moving(scene: Scene, direction: str) -> Item:
    """Return a clip of six frames in which the shapes of a scene move in one direction."""
    x, y = DIRECTIONS[direction]
    steps = [round(CLIP_SPAN * (2 * frame / (CLIP_FRAMES - 1) - 1)) for frame in range(CLIP_FRAMES)]
    frames = tuple(DrawnScene(scene, shift=(x * step, y * step)) for step in steps)
    attributes = {name: value for name, value in scene.attributes().items() if name in CROP}
    return Item((Video(frames),), attributes | {"direction": direction})

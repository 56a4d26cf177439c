"""How the miniature puts scenes into words."""

from core.data.miniature.scenes import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES, Scene, Shape
from core.data.records import Item, Part, Text

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ROOMS = ("kitchen", "cellar", "attic", "garden", "library", "workshop", "hallway", "bedroom")
DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}

INSTRUCTIONS = {
    "shape": "Name the shape in the image.",
    "colour": "Name the colour of the shape in the image.",
    "background": "Name the background of the image.",
    "digit": "Name the digit in the image.",
    "caption_to_image": "Find an image that matches the caption:",
    "image_to_caption": "Find a caption of the image.",
    "look_alike": "Find another image of the same scene.",
    "edit": "Find the image after this change:",
    "grounding": "Find the part of the image that shows",
    "story": "Find the image at the end of the story:",
    "card": "Find the card that answers the question:",
    "clip": "Find a video that matches the caption:",
}


def phrase(shape: Shape) -> str:
    """Such as "a large red circle"."""
    return f"a {shape.size} {shape.colour} {shape.kind}"


def caption(scene: Scene) -> str:
    """Such as "a large red circle at the top left on navy"; several shapes are joined by "and"."""
    named = " and ".join(f"{phrase(shape)} at the {shape.place}" for shape in scene.shapes)
    return f"{named} on {scene.background}"


def text_item(words: str, **attributes: str) -> Item:
    """An item of text alone."""
    return Item((Text(words),), attributes)


def image_item(source_parts: Part, instruction: str) -> Item:
    """A picture with an instruction under it, the form of MMEB's image queries."""
    return Item((source_parts, Text(instruction)))


def corpus() -> list[str]:
    """Sentences with the words of the trained tasks: what the tiny model's tokenizer is trained on.

    Words of tasks that are never trained are left out on purpose: like anybody's words, they fall apart into pieces.
    """
    sentences = [f"{size} {colour} {kind}" for size in SIZES for colour in COLOURS for kind in KINDS]
    sentences += [f"a shape at the {place} on {background}" for place in PLACES for background in BACKGROUNDS]
    sentences += [*INSTRUCTIONS.values(), *NUMBERS, *ROOMS, *DIRECTIONS]
    sentences += [f"how many {colour} circles are there?" for colour in COLOURS]
    sentences += [f"what colour is the {kind}?" for kind in KINDS]
    sentences += [f"make it {word}" for word in (*COLOURS, *SIZES)] + [f"move it to the {place}" for place in PLACES]
    sentences += [f"turn it into a {kind}" for kind in KINDS] + [f"put it on {name}" for name in BACKGROUNDS]
    return sentences

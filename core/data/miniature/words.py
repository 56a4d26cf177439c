"""The miniature's words: its instructions, numbers, rooms and directions."""

from core.data.retrieval_instructions import CAPTION_TO_IMAGE, IMAGE_TO_CAPTION

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ROOMS = ("kitchen", "cellar", "attic", "garden", "library", "workshop", "hallway", "bedroom")
DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}

INSTRUCTIONS = {
    "shape": "Name the shape in the image.",
    "colour": "Name the colour of the shape in the image.",
    "background": "Name the background of the image.",
    "digit": "Name the digit in the image.",
    "caption_to_image": CAPTION_TO_IMAGE,
    "image_to_caption": IMAGE_TO_CAPTION,
    "look_alike": "Find another image of the same scene.",
    "edit": "Find the image after this change:",
    "grounding": "Find the part of the image that shows",
    "story": "Find the image at the end of the story:",
    "card": "Find the card that answers the question:",
    "clip": "Find a video that matches the caption:",
}

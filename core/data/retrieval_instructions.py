"""The instructions of caption and picture retrieval, which the miniature and a user's own folder of pictures share."""

from core.data.records import Item, Part, Text

CAPTION_TO_IMAGE = "Find an image that matches the caption:"
IMAGE_TO_CAPTION = "Find a caption of the image."


def image_item(picture: Part, instruction: str) -> Item:
    """Put an instruction under a picture, the form of MMEB's image queries."""
    return Item((picture, Text(instruction)))

"""The instructions of caption and picture retrieval, which the miniature and a user's own folder of pictures share."""

CAPTION_TO_IMAGE = "Find an image that matches the caption:"
IMAGE_TO_CAPTION = "Find a caption of the image."

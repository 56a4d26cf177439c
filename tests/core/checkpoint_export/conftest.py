"""Items of every kind, and what each is to sentence-transformers."""

import io
import random
from typing import Any

import numpy as np
import PIL.Image
import pytest

from core.data.images.image_files import BytesImage
from core.data.miniature.scenes import DrawnScene, random_single
from core.data.records import Image, Item, Text


def scene(seed: int) -> DrawnScene:
    return DrawnScene(random_single(random.Random(seed)))


def photo(seed: int, width: int, height: int) -> BytesImage:
    """A smooth picture that has to be resized."""
    grid = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    stream = io.BytesIO()
    PIL.Image.fromarray(grid).resize((width, height), PIL.Image.Resampling.BICUBIC).save(stream, "PNG")
    return BytesImage(stream.getvalue())


def all_items() -> dict[str, Item]:
    """Texts that look like templates, pictures of many shapes, both, interleaved."""
    return {
        "word": Item((Text("red"),)),
        "sentence": Item((Text("a much longer sentence about a large red circle at the top left on navy"),)),
        "empty": Item((Text(""),)),
        "lines": Item((Text("\nfirst line\nsecond \n"),)),
        "special tokens": Item((Text("say <image> or <|im_end|>, <|image_pad|> {{ x }} {% raw %}"),)),
        "two texts": Item((Text("find"), Text("it met"))),
        "drawing": Item((Image(scene(0)),)),
        "photo": Item((Image(photo(1, 300, 200)),)),
        "question": Item((Image(photo(2, 90, 310)), Text("name the shape in the image."))),
        "photos": Item((Image(photo(3, 300, 200)), Text("and"), Image(photo(4, 90, 140)))),
        "interleaved": Item((Text("find"), Image(scene(2)), Text("it met"), Image(scene(3)), Text("and left"))),
    }


def as_message(item: Item) -> list[dict[str, Any]]:
    content = [
        {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image", "image": opened(part)}
        for part in item.parts
    ]
    return [{"role": "user", "content": content}]


def opened(part: Any) -> PIL.Image.Image:
    assert isinstance(part, Image)
    return part.source.open()


@pytest.fixture(scope="session")
def items() -> dict[str, Item]:
    return all_items()


@pytest.fixture(scope="session")
def messages(items: dict[str, Item]) -> dict[str, list[dict[str, Any]]]:
    return {name: as_message(item) for name, item in items.items()}

"""Pictures and items that converted embedders are compared on, and a tiny LLaVE in its published layout."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from core.data.images.image_files import BytesImage
from core.data.records import Image, Item, Text


def photograph(width: int, height: int) -> BytesImage:
    """A picture with something in it."""
    noise = np.random.default_rng([width, height]).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    PIL.Image.fromarray(noise).save(stream, "PNG")
    return BytesImage(stream.getvalue())


@pytest.fixture(scope="session")
def items() -> list[Item]:
    """A text, a small picture, a wide and a tall one with words."""
    return [
        Item((Text("a red square"),)),
        Item((Image(photograph(40, 40)),)),
        Item((Image(photograph(96, 30)), Text("what is it?"))),
        Item((Image(photograph(30, 97)), Text("which one?"))),
    ]


@pytest.fixture(scope="session")
def llave_parts(tmp_path_factory):
    """The folder of a tiny LLaVE, its language model, whole vision tower and tensors. Do not change them."""
    from published_folders import write_llave

    folder = tmp_path_factory.mktemp("published") / "llave"
    return (folder, *write_llave(folder, shards=3))


@pytest.fixture
def llave_folder(tmp_path) -> Path:
    """A folder of one's own to damage."""
    from published_folders import write_llave

    write_llave(tmp_path / "source", shards=2)
    return tmp_path / "source"

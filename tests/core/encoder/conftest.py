"""Items of every kind, and an embedder that cuts pictures into crops."""

import random

import pytest
from transformers import LlavaOnevisionImageProcessorPil

from core.data.images import BytesImage
from core.data.miniature.scenes import DrawnScene, random_single
from core.data.records import Image, Item, Text, Video
from core.encoder.embedder import Embedder
from core.encoder.tiny import IMAGE_SIDE, tiny_embedder

PINPOINTS = [[IMAGE_SIDE * rows, IMAGE_SIDE * columns] for rows, columns in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1))]


def scene(seed: int) -> DrawnScene:
    return DrawnScene(random_single(random.Random(seed)))


def all_kinds() -> list[Item]:
    """Text, pictures, both, interleaved, a card, clips of several lengths."""
    return [
        Item((Text("red"),)),
        Item((Text("a much longer sentence about a large red circle at the top left on navy"),)),
        Item((Text(""),)),
        Item((Image(scene(0)),)),
        Item((Image(scene(1)), Text("name the shape in the image."))),
        Item((Text("find"), Image(scene(2)), Text("it met"), Image(scene(3)), Text("and took its colour"))),
        Item((Image(scene(4)), Text("it is kept in the cellar"))),
        Item((Video(tuple(scene(seed) for seed in range(6))),)),
        Item((Text("which way?"), Video((scene(7), scene(8))))),
    ]


@pytest.fixture(scope="session")
def kinds() -> list[Item]:
    return all_kinds()


def make_anyres() -> Embedder:
    """The tiny embedder with AnyRes: a picture is itself and up to four crops of 48 x 48."""
    embedder = tiny_embedder(width=32, layers=2, vision_layers=1)
    embedder.backbone.config.image_grid_pinpoints = PINPOINTS
    processor = LlavaOnevisionImageProcessorPil(
        size={"height": IMAGE_SIDE, "width": IMAGE_SIDE}, image_grid_pinpoints=PINPOINTS
    )
    return Embedder(embedder.backbone, embedder.tokenizer, processor)


@pytest.fixture(scope="session")
def anyres() -> Embedder:
    """The tiny embedder with AnyRes. Shared: do not train it."""
    return make_anyres()


@pytest.fixture(scope="session")
def photograph():
    """A function from a size to a picture with something in it."""
    import io

    import numpy as np
    import PIL.Image

    def make(width: int, height: int) -> BytesImage:
        noise = np.random.default_rng([width, height]).integers(0, 256, (height, width, 3), dtype=np.uint8)
        stream = io.BytesIO()
        PIL.Image.fromarray(noise).save(stream, "PNG")
        return BytesImage(stream.getvalue())

    return make


@pytest.fixture(scope="session")
def qwen() -> Embedder:
    """The tiny Qwen2-VL. Shared: do not train it."""
    from core.encoder.tiny_qwen2_vl import tiny_qwen2_vl

    return tiny_qwen2_vl()


@pytest.fixture(params=["llava_onevision", "anyres", "qwen2_vl"])
def fresh(request) -> Embedder:
    """An embedder of each family, for one test alone."""
    from core.encoder.tiny_qwen2_vl import tiny_qwen2_vl

    if request.param == "qwen2_vl":
        return tiny_qwen2_vl()
    return tiny_embedder(width=32, layers=2, vision_layers=1) if request.param == "llava_onevision" else make_anyres()


@pytest.fixture(scope="session")
def mixed(photograph) -> list[Item]:
    """Items of every kind with pictures of several sizes, one of which occurs three times."""
    twice = photograph(90, 40)
    return [
        Item((Text("a short text"),)),
        Item((Image(twice), Text("what is it?"))),
        Item((Image(photograph(40, 100)), Text("which one?"))),
        Item((Text("a"), Image(twice), Text("b"), Image(photograph(60, 60)))),
        Item((Video((photograph(64, 48), photograph(48, 64), twice)), Text("and then?"))),
        Item((Text("what is it, and where in the world would one find another?"), Image(twice))),
    ]

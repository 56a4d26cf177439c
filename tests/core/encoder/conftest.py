"""Items of every kind, embedders for one test or for all, and a table of what was shown for which backbone."""

import random

import pytest
from tiny_backbones import BACKBONES

from core.data.images.image_files import BytesImage
from core.data.miniature.scenes import DrawnScene, random_single
from core.data.records import Image, Item, Text, Video
from core.encoder.embedder import Embedder

SHOWN = (
    "train step",
    "LoRA",
    "DoRA",
    "freeze",
    "save / load",
    "batch = alone",
    "packed = padded",
    "features",
    "evaluate",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backbone-table", action="store_true", help="print what was shown for which backbone")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "shows(column): the column of --backbone-table that a test stands for")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write into each test's report what it shows, and of which backbone."""
    for item in items:
        column, call = item.get_closest_marker("shows"), getattr(item, "callspec", None)
        if column and call:
            item.user_properties.append(("shown", (call.params["name"], *column.args)))


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Backbones down, what was shown across; "-" where nothing ran."""
    if not config.getoption("--backbone-table", default=False):
        return
    failed: dict[tuple[str, str], bool] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            cell = dict(report.user_properties).get("shown")
            if cell:
                failed[cell] = failed.get(cell, False) or outcome != "passed"
    terminalreporter.section("backbones")
    terminalreporter.line("| backbone | " + " | ".join(SHOWN) + " |")
    terminalreporter.line("|---" * (len(SHOWN) + 1) + "|")
    for name in BACKBONES:
        cells = [{None: "-", False: "passed", True: "FAILED"}[failed.get((name, column))] for column in SHOWN]
        terminalreporter.line(f"| {name} | " + " | ".join(cells) + " |")


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


@pytest.fixture(scope="session")
def anyres() -> Embedder:
    """The tiny embedder with AnyRes. Shared: do not train it."""
    return BACKBONES["llava_onevision_anyres"]()


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
    from core.encoder.tiny.qwen2_vl import tiny_qwen2_vl

    return tiny_qwen2_vl()


@pytest.fixture(params=["llava_onevision_anyres", "qwen2_vl", "smolvlm"])
def fresh(request) -> Embedder:
    """An embedder of each kind of language model with pictures, for one test alone."""
    return BACKBONES[request.param]()


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

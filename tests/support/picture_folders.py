"""A user's folder of pictures with captions, and what can be wrong with one of its rows."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import PIL.Image

ROW = 3
"""The row of metadata.jsonl, counted from 1, that is spoilt."""


def write_folder(root: Path, rows: int = 24, captions: Sequence[str] = ()) -> Path:
    """Pictures 00.png, 01.png, ... of unlike colours, each with a caption of its own."""
    root.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    lines = []
    for row in range(rows):
        name = f"{row:02d}.png"
        PIL.Image.fromarray(chance.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(root / name)
        lines.append({"file_name": name, "text": captions[row] if row < len(captions) else f"picture number {row}"})
    (root / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


def change_row(root: Path, **fields: object) -> None:
    """Give the spoilt row other fields."""
    lines = [json.loads(line) for line in (root / "metadata.jsonl").read_text().splitlines()]
    lines[ROW - 1] |= fields
    (root / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def replace_picture(root: Path, picture: PIL.Image.Image | bytes) -> None:
    """Put another picture, or bytes that are none, in place of the spoilt row's."""
    path = root / f"{ROW - 1:02d}.png"
    if isinstance(picture, bytes):
        path.write_bytes(picture)
    else:
        picture.save(path)


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing picture": (lambda root: (root / f"{ROW - 1:02d}.png").unlink(), r"02\.png: cannot be read"),
    "empty file": (lambda root: replace_picture(root, b""), r"02\.png: "),
    "a page that pretends to be a picture": (lambda root: replace_picture(root, b"<html>404</html>"), r"02\.png: "),
    "cut off": (
        lambda root: replace_picture(root, (root / f"{ROW - 1:02d}.png").read_bytes()[:300]),
        r"02\.png: ",
    ),
    "too narrow for the model": (
        lambda root: replace_picture(root, PIL.Image.new("RGB", (2010, 10))),
        r"02\.png: 2010 x 10 pixels",
    ),
    "half an emoji": (lambda root: change_row(root, text="a smile \ud83d"), r"half of a character \(U\+D83D"),
    "half an emoji in a name": (
        lambda root: change_row(root, file_name="\ud83d.png"),
        r"half of a character \(U\+D83D",
    ),
    "a path that leads out": (lambda root: change_row(root, file_name="../02.png"), r"is not a plain relative path"),
    "no name": (lambda root: change_row(root, file_name=None), r"file_name is empty"),
}
"""What is wrong with a row, and what a message says of it. The model is a Qwen2-VL, which refuses narrow pictures."""

"""Originals are opened again only if they are what was evaluated; whatever else a bundle names is told, not shown."""

import io
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from video_files import level, write_frames, write_video

from core.data.images.image_files import FileImage
from core.data.records import Image
from core.data.video.video_files import frames_of_folder, read_clip
from core.evaluation.part_records import part_record
from workbench.bundles.originals import NoOriginal, animated, frames_of_strip, original


@pytest.fixture
def red(tmp_path: Path) -> dict[str, object]:
    PIL.Image.new("RGB", (2000, 500), "red").save(tmp_path / "red.png")
    return part_record(Image(FileImage(tmp_path / "red.png")))


def test_a_picture_is_opened_again_at_most_1600_wide(red):
    (found,) = original(red)
    assert found.size == (1600, 400)
    assert found.getpixel((0, 0)) == (255, 0, 0)


def test_a_relative_path_counts_from_the_present_folder(red, tmp_path, monkeypatch):
    part = red | {"source": "red.png"}
    monkeypatch.chdir(tmp_path)
    assert original(part)[0].size == (1600, 400)
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(NoOriginal, match=r"no longer at red\.png"):
        original(part)


@pytest.mark.parametrize("source", ["gone.png", "//evil/share/a.png", "\\\\evil\\share", "a\0b", "x" * 5000])
def test_a_file_that_is_not_there_or_on_another_machine(red, source):
    with pytest.raises(NoOriginal, match="no longer at"):
        original(red | {"source": source})


def test_what_cannot_be_read_or_is_something_else(red, tmp_path):
    (tmp_path / "words").write_text("root:x:0:0")
    os.mkfifo(tmp_path / "pipe")
    PIL.Image.new("RGB", (2000, 500), "blue").save(tmp_path / "blue.png")
    for name, words in (("words", "cannot be read"), ("pipe", "cannot be read"), (".", "cannot be read"),
                        ("blue.png", "is not what was evaluated")):  # fmt: skip
        with pytest.raises(NoOriginal, match=words):
            original(red | {"source": str(tmp_path / name)})
    with pytest.raises(NoOriginal, match="names no file"):
        original({name: value for name, value in red.items() if name != "source"})


def test_the_frames_of_a_clip_are_those_that_were_evaluated(tmp_path):
    write_video(tmp_path / "clip.mp4", range(0, 240, 20))
    write_frames(tmp_path / "frames", range(0, 250, 50))
    clip, frames = read_clip(tmp_path / "clip.mp4", 4), frames_of_folder(tmp_path / "frames", 3)
    assert [level(each) for each in original(part_record(clip))] == pytest.approx([0, 60, 140, 220], abs=4)
    assert [level(each) for each in original(part_record(frames))] == pytest.approx([0, 100, 200], abs=4)
    write_frames(tmp_path / "frames", range(10, 250, 50))
    with pytest.raises(NoOriginal, match="is not what was evaluated"):
        original(part_record(frames))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"positions": [3, 0, 7, 11]}, "in order"),
        ({"positions": [0, 3]}, "in order"),
        ({"positions": [0, 3, 7, 12]}, "is not what was evaluated"),
        ({"frames": 10**6}, "can be shown"),
        ({"source": "/dev/zero"}, "is no file"),
    ],
)
def test_a_bundle_that_names_frames_it_cannot_have(tmp_path, changed, words):
    write_video(tmp_path / "clip.mp4", range(0, 240, 20))
    with pytest.raises(NoOriginal, match=words):
        original(part_record(read_clip(tmp_path / "clip.mp4", 4)) | changed)


def test_a_strip_is_cut_into_its_frames_and_plays():
    strip = PIL.Image.new("RGB", (30, 8))
    for number, colour in enumerate(("red", "lime", "blue")):
        strip.paste(PIL.Image.new("RGB", (10, 8), colour), (10 * number, 0))
    frames = frames_of_strip(strip, 3)
    assert [each.getpixel((0, 0)) for each in frames] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert frames_of_strip(strip, 4) == frames_of_strip(strip, 0) == [strip]
    with PIL.Image.open(io.BytesIO(animated(frames, 0.5, enlarged=2))) as playing:
        assert (playing.n_frames, playing.size, playing.info["duration"]) == (3, (20, 16), 500)
        playing.seek(2)
        assert np.asarray(playing.convert("RGB"))[0, 0].tolist() == [0, 0, 255]

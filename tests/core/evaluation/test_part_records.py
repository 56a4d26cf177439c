"""What a bundle says of a part: which file it came from, how many frames its thumbnail shows, what stays private."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from video_files import write_frames, write_video

from core.data.images.image_files import BytesImage, FileImage
from core.data.records import Image, Item, Text, Video
from core.data.video.video_files import FrameFile, VideoFrame, frames_of_folder, read_clip
from core.evaluation.bundle_items import thumbnail, write_items
from core.evaluation.part_records import PART, part_record


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A picture, a video file of 12 frames and a folder of 5 frames."""
    PIL.Image.new("RGB", (40, 20), "red").save(tmp_path / "red.png")
    write_video(tmp_path / "clip.mp4", range(0, 240, 20))
    write_frames(tmp_path / "frames", range(0, 250, 50))
    return tmp_path


def test_pictures_and_clips_name_their_file(files):
    red, clip, folder = Image(FileImage(files / "red.png")), read_clip(files / "clip.mp4", 4), files / "frames"
    frames = frames_of_folder(folder, 3)
    assert part_record(Text("red")) == {"type": "text", "text": "red"}
    assert part_record(red) == {"type": "image", "thumbnail": red.content_id, "source": str(files / "red.png")}
    assert part_record(clip) == {
        "type": "video", "thumbnail": clip.content_id, "frames": 4, "positions": [0, 3, 7, 11],
        "source": str(files / "clip.mp4"),
    }  # fmt: skip
    assert part_record(frames) == {
        "type": "video", "thumbnail": frames.content_id, "frames": 3, "source": str(folder),
    }  # fmt: skip


def test_what_has_no_file_of_its_own_names_none(files):
    stream = io.BytesIO()
    PIL.Image.new("RGB", (4, 4)).save(stream, "PNG")
    held = BytesImage(stream.getvalue())
    clip = read_clip(files / "clip.mp4", 4)
    first = clip.frames[0]
    assert isinstance(first, VideoFrame)
    frame = FrameFile(files / "frames" / "frame_1.jpg")
    parts = [Image(held), Image(first), Image(frame), Video((held,)), Video(clip.frames[:2]), Video((frame, held))]
    assert all("source" not in part_record(part) for part in parts)
    assert [part_record(part).get("frames") for part in parts] == [None, None, None, 1, 2, 2]


def test_a_private_bundle_names_no_folder_of_this_machine(files, monkeypatch, tmp_path_factory):
    red = Image(FileImage(files / "red.png"))
    monkeypatch.chdir(files.parent)
    assert part_record(red, private=True)["source"] == f"{files.name}/red.png"
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert "source" not in part_record(red, private=True)


def test_the_table_holds_what_is_known_and_nulls(files, tmp_path):
    clip = read_clip(files / "clip.mp4", 4)
    write_items([Item((Text("a"),)), Item((clip, Text("b")))], tmp_path / "items.parquet")
    parts = pq.read_table(tmp_path / "items.parquet").column("parts")
    assert parts.type == pa.list_(PART)
    nothing = dict.fromkeys(PART.names)
    assert parts.to_pylist() == [
        [nothing | {"type": "text", "text": "a"}],
        [nothing | part_record(clip), nothing | {"type": "text", "text": "b"}],
    ]


def test_a_strip_has_equal_shares_for_frames_of_different_sizes(tmp_path):
    for number, size in enumerate([(40, 20), (20, 20)]):
        PIL.Image.new("RGB", size, (200, 0, 0)).save(tmp_path / f"{number}.png")
    strip = np.asarray(thumbnail(frames_of_folder(tmp_path, None)))
    assert strip.shape == (20, 80, 3)
    assert (strip[:, :60, 0] == 200).all()
    assert not strip[:, 60:].any()


def test_a_table_of_words_has_no_columns_for_files(tmp_path):
    write_items([Item((Text("a"),))], tmp_path / "items.parquet")
    parts = pq.read_table(tmp_path / "items.parquet").column("parts")
    assert parts.to_pylist() == [[{"type": "text", "text": "a", "thumbnail": None}]]

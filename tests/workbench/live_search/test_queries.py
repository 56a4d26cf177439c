"""Uploads are told apart by their bytes."""

import io

import PIL.Image
import pytest
from video_files import write_video

from core.data.records import Image, Video
from workbench.live_search.queries import is_video, uploaded_part


@pytest.mark.parametrize("form", ["AVIF", "TIFF", "JPEG"])
def test_an_uploaded_picture_is_no_clip_though_its_container_is_that_of_clips(form):
    stream = io.BytesIO()
    PIL.Image.new("RGB", (16, 8), "red").save(stream, form)
    part = uploaded_part(stream.getvalue())
    assert isinstance(part, Image)
    assert part.source.open().size == (16, 8)


def test_heic_is_no_clip():
    assert not is_video(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")


def test_an_uploaded_clip_is_one(tmp_path):
    part = uploaded_part(write_video(tmp_path / "a.mp4", [10, 200]).read_bytes())
    assert isinstance(part, Video)
    assert len(part.frames) == 2

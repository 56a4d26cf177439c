"""Clips from real video files and from folders of frames."""

import pickle
from pathlib import Path

import av
import numpy as np
import pytest
from video_files import level, write_frames, write_video

from core.data.images.image_files import BadImage
from core.data.records import ImageSource, Video
from core.data.video import video_files as video
from core.data.video.video_files import BadVideo, decoded, frames_of_folder, positions, probe, read_clip

RAMP = list(range(10, 250, 4))


def levels(clip: Video) -> list[float]:
    """The grey of each frame."""
    return [level(frame.open()) for frame in clip.frames]


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Every test decodes for itself."""
    decoded.cache_clear()


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mpeg4"), ("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.mkv", "libx264"), ("a.webm", "libvpx")],
)
def test_frames_are_spread_evenly_over_the_file_and_have_its_colours(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, RAMP, codec)
    clip = read_clip(path, 7)
    assert isinstance(clip.frames[0], ImageSource)
    wanted = [int(each) for each in np.linspace(0, len(RAMP) - 1, 7)]
    assert positions(len(RAMP), None, 7, None) == tuple(wanted)
    assert levels(clip) == pytest.approx([RAMP[place] for place in wanted], abs=4)
    picture = clip.frames[3].open()
    assert (picture.mode, picture.size) == ("RGB", (64, 48))


def test_a_short_clip_gives_all_its_frames(tmp_path: Path) -> None:
    clip = read_clip(write_video(tmp_path / "a.mp4", RAMP[:3]), 32)
    assert levels(clip) == pytest.approx(RAMP[:3], abs=4)
    assert len(read_clip(write_video(tmp_path / "b.mp4", [100]), 8).frames) == 1


def test_a_rate_takes_every_kth_frame_unless_that_is_too_many(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", RAMP, rate=10)
    assert levels(read_clip(path, 32, rate=2)) == pytest.approx(RAMP[::5], abs=4)
    assert levels(read_clip(path, 7, rate=2)) == pytest.approx(levels(read_clip(path, 7)))


@pytest.mark.parametrize(
    ("total", "per_second", "frames", "rate", "expected"),
    [
        (90, 30.0, 32, 3.0, tuple(range(0, 90, 10))),
        (900, 30.0, 32, 3.0, tuple(int(899 * k / 31) for k in range(32))),
        (90, 25.0, 32, 3.0, tuple(range(0, 90, 8))),
        (5, None, 3, 3.0, (0, 2, 4)),
        (4, 1.0, 4, 30.0, (0, 1, 2, 3)),
        (9, 30.0, 1, None, (0,)),
    ],
)
def test_positions_are_those_of_the_published_code(total, per_second, frames, rate, expected) -> None:
    assert positions(total, per_second, frames, rate) == expected


def test_no_frames_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="frames = 0 must be at least 1"):
        positions(10, None, 0, None)


def test_a_file_is_decoded_once_for_all_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    really = av.open
    monkeypatch.setattr(
        video.av, "open", lambda path, *mode, **options: opened.append(path) or really(path, *mode, **options)
    )
    clips = [read_clip(write_video(tmp_path / f"{number}.mp4", RAMP), 8) for number in range(4)]
    opened.clear()
    for clip in clips:
        levels(clip)
        levels(clip)
    assert opened == [str(tmp_path / f"{number}.mp4") for number in range(4)]
    assert decoded.cache_info().currsize == video.KEPT_CLIPS


def test_frames_far_apart_are_reached_by_key_frames_and_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", [*RAMP, *RAMP[::-1]], "libx264", gop=10)
    plain = levels(read_clip(path, 5))
    decoded.cache_clear()
    monkeypatch.setattr(video, "SEEK_GAP", 3)
    numbers: list[int] = []
    really = video.numbered_frames

    def counted(*arguments):
        for number, frame in really(*arguments):
            numbers.append(number)
            yield number, frame

    monkeypatch.setattr(video, "numbered_frames", counted)
    assert levels(read_clip(path, 5)) == plain
    assert numbers == list(positions(120, None, 5, None))


def test_the_same_bytes_are_the_same_frames_wherever_they_lie(tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.mp4", RAMP)
    two = tmp_path / "two.mp4"
    two.write_bytes(one.read_bytes())
    ids = [frame.content_id for frame in read_clip(one, 4).frames]
    assert ids == [frame.content_id for frame in read_clip(two, 4).frames]
    assert len(set(ids)) == 4
    every = [frame.content_id for frame in read_clip(one, 60).frames]
    assert ids == [every[place] for place in positions(60, None, 4, None)]
    other = write_video(tmp_path / "three.mp4", RAMP[::-1])
    assert not set(ids) & {frame.content_id for frame in read_clip(other, 4).frames}


def test_frames_can_be_sent_to_loader_processes(tmp_path: Path) -> None:
    clip = read_clip(write_video(tmp_path / "a.mp4", RAMP), 3)
    sent = pickle.loads(pickle.dumps(clip))
    assert sent == clip
    assert levels(sent) == levels(clip)


def test_a_frame_cannot_be_changed_for_the_next_who_opens_it(tmp_path: Path) -> None:
    clip = read_clip(write_video(tmp_path / "a.mp4", RAMP), 3)
    clip.frames[0].open().paste((255, 0, 0), (0, 0, 64, 48))
    assert level(clip.frames[0].open()) == pytest.approx(RAMP[0], abs=4)


def test_large_frames_are_reduced_in_proportion(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [50], size=(2560, 320))
    assert read_clip(path, 1).frames[0].open().size == (1280, 160)


def test_missing_empty_and_broken_files_name_themselves(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", RAMP).read_bytes()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    for name, reason in [
        ("none.mp4", "No such file"),
        ("empty.mp4", "the file is empty"),
        ("text.mp4", "not a readable video"),
        ("half.mp4", "not a readable video"),
        (".", "cannot be read|not a readable video"),
    ]:
        with pytest.raises(BadVideo, match=f"{tmp_path / name}.*({reason})") as caught:
            read_clip(tmp_path / name, 4)
        assert isinstance(caught.value, BadImage)


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_file_that_is_cut_off_says_so_when_it_is_opened(tmp_path: Path, share: float) -> None:
    path = write_video(tmp_path / "a.avi", [*RAMP, *RAMP])
    clip = read_clip(path, 8)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BadVideo, match=rf"{path}: (cut off: \d+ of at least 120 frames|not a readable video)"):
        clip.frames[0].open()


def test_a_sound_file_holds_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(BadVideo, match="holds no video"):
        probe(path)


def test_a_playlist_is_not_followed_to_other_files(tmp_path: Path) -> None:
    secret = write_video(tmp_path / "secret.mp4", RAMP)
    for name, text in [
        ("list.mp4", f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n"),
        ("concat.mp4", f"ffconcat version 1.0\nfile '{secret.name}'\n"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(BadVideo, match="not a readable video"):
            probe(tmp_path / name)


def test_too_many_pixels_and_hours_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", RAMP)
    monkeypatch.setattr(video, "MAX_SECONDS", 5)
    with pytest.raises(BadVideo, match=r"a\.mp4: 0\.0 hours long"):
        probe(path)
    monkeypatch.setattr(video, "MAX_PIXELS", 1000)
    with pytest.raises(BadVideo, match="64 x 48 pixels a frame"):
        probe(path)


def test_a_folder_of_frames_is_read_in_order_of_numbers(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "clip", range(10, 130, 10))
    (folder / "notes.txt").write_text("no frame")
    (folder / ".hidden.jpg").write_text("no frame")
    assert levels(frames_of_folder(folder, None)) == pytest.approx(list(range(10, 130, 10)), abs=2)
    assert levels(frames_of_folder(folder, 4)) == pytest.approx([10, 40, 80, 120], abs=2)
    assert len(frames_of_folder(folder, 50).frames) == 12
    with pytest.raises(BadVideo, match="nowhere: no such folder of frames"):
        frames_of_folder(tmp_path / "nowhere", 4)
    (tmp_path / "bare").mkdir()
    with pytest.raises(BadVideo, match="bare: holds no frames"):
        frames_of_folder(tmp_path / "bare", 4)

"""MSR-VTT and MSVD in the annotation formats of CLIP4Clip and of the hub, over real small videos."""

import csv
import json
import pickle
from pathlib import Path

import pytest
from video_files import level, write_frames, write_video

from core.data.checks.problems import BadItems
from core.data.records import Item, RankingTask, Text, Video
from core.data.video.text_to_video import read_msrvtt, read_msvd

CLIPS = {"video9770": 40, "video9771": 120, "video7020": 200}
SENTENCES = {"video9770": "a person, smiling", "video9771": "two dogs run", "video7020": "a car is shown"}
MSVD = {"-4wsuPCjDBc_5_15": ["a squirrel eats", "an animal eats a nut"], "0hyZ__3YhZc_6_9": ["a man plays"]}


def write_msrvtt(root: Path, form: str = "csv") -> Path:
    """Three clips of different greys, 5 frames at 10 a second, with their annotation file."""
    for name, grey in CLIPS.items():
        write_video(root / "videos" / f"{name}.mp4", [grey] * 20)
    if form == "csv":
        with (root / "MSRVTT_JSFUSION_test.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["key", "vid_key", "video_id", "sentence"])
            for number, (name, words) in enumerate(SENTENCES.items()):
                writer.writerow([f"ret{number}", f"msr{name.removeprefix('video')}", name, words])
    else:
        rows = [
            {"video_id": name, "video": f"{name}.mp4", "caption": words, "source": "MSR-VTT", "category": 9}
            for name, words in SENTENCES.items()
        ]
        (root / "msrvtt_test_1k.json").write_text(json.dumps(rows))
    return root


def write_msvd(root: Path, form: str) -> Path:
    """Two clips as folders of frames, with their captions."""
    for number, name in enumerate(MSVD):
        write_frames(root / "frames" / name, [60 + 60 * number] * 4)
    (root / "test_list.txt").write_text("".join(f"{name}\n" for name in MSVD))
    if form == "text":
        lines = [f"{name} {words}" for name, captions in MSVD.items() for words in captions]
        notes = ["# MSVD descriptions", "", "not-in-test_0_1 a train caption"]
        (root / "AllVideoDescriptions.txt").write_text("\n".join(notes + lines))
    elif form == "json":
        (root / "raw-captions.json").write_text(json.dumps({k: [each.split() for each in v] for k, v in MSVD.items()}))
    else:
        rows = [{"video_id": name, "video": f"{name}.avi", "caption": captions} for name, captions in MSVD.items()]
        (root / "msvd_test.json").write_text(json.dumps(rows))
    return root


def grey(item: Item) -> float:
    """The level of a clip's first frame."""
    return level(next(item.images()).open())


@pytest.mark.parametrize("form", ["csv", "json"])
def test_every_msr_vtt_caption_asks_for_its_clip_among_all(tmp_path: Path, form: str) -> None:
    task = read_msrvtt(write_msrvtt(tmp_path, form), progress=False)
    assert (task.name, task.meta_task, task.in_distribution) == ("MSR-VTT", "video", False)
    assert len({id(ranking.candidates) for ranking in task.rankings}) == 1
    assert len(task.rankings[0].candidates) == 3
    for ranking, (name, words) in zip(task.rankings, SENTENCES.items(), strict=True):
        # the published prompts, letter by letter
        assert ranking.query == Item((Text(f"Find me an video that matches the given caption: {words}"),))
        (place,) = ranking.right
        clip, prompt = ranking.candidates[place].parts
        assert isinstance(clip, Video)
        assert prompt == Text("Represent the given video.")
        assert grey(ranking.candidates[place]) == pytest.approx(CLIPS[name], abs=4)


def test_three_frames_a_second_are_taken_and_at_most_so_many(tmp_path: Path) -> None:
    write_msrvtt(tmp_path)
    clips = {len(list(item.images())) for item in read_msrvtt(tmp_path, progress=False).rankings[0].candidates}
    assert clips == {7}  # every third of 20 frames at 10 a second
    clips = {
        len(list(item.images())) for item in read_msrvtt(tmp_path, frames=4, progress=False).rankings[0].candidates
    }
    assert clips == {4}


@pytest.mark.parametrize("form", ["text", "json", "hub"])
def test_every_msvd_caption_is_a_query(tmp_path: Path, form: str) -> None:
    task = read_msvd(write_msvd(tmp_path, form), progress=False)
    asked = [(each.query.text.split(": ")[1], each.right[0]) for each in task.rankings]
    (first, second), (third,) = MSVD.values()
    assert [words for words, _ in asked] == [first, second, third]
    assert asked[0][1] == asked[1][1] != asked[2][1]
    assert len(task.rankings[0].candidates) == 2
    assert grey(task.rankings[2].candidates[asked[2][1]]) == pytest.approx(120, abs=3)


def test_captions_are_drawn_at_random_and_all_clips_stay_candidates(tmp_path: Path) -> None:
    write_msvd(tmp_path, "json")
    captions = {name: [f"{name} {number}" for number in range(50)] for name in MSVD}
    (tmp_path / "raw-captions.json").write_text(json.dumps(captions))

    def queries(seed: int) -> list[str]:
        task = read_msvd(tmp_path, queries=10, seed=seed, progress=False)
        assert len(task.rankings[0].candidates) == 2
        return [each.query.text for each in task.rankings]

    assert len(set(queries(0))) == 10
    assert queries(0) == queries(0) != queries(1)


def test_clips_that_cannot_be_used_stop_or_leave_with_their_captions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_msrvtt(tmp_path)
    (tmp_path / "videos" / "video9771.mp4").write_bytes(b"broken")
    (tmp_path / "videos" / "video7020.mp4").unlink()
    with pytest.raises(BadItems) as caught:
        read_msrvtt(tmp_path, progress=False)
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 of 3 clips cannot be used:"
    table = tmp_path / "MSRVTT_JSFUSION_test.csv"
    assert lines[1].startswith(f"  {table} row 3: {tmp_path}/videos/video9771.mp4: not a readable video")
    assert lines[2].startswith(f"  {table} row 4: {tmp_path}/videos/video7020: neither a folder of frames nor a video")
    task: RankingTask = read_msrvtt(tmp_path, on_bad_item="skip", progress=False)
    assert [len(each.candidates) for each in task.rankings] == [1]
    assert "Left out of MSR-VTT, with its captions" in caplog.text
    (tmp_path / "videos" / "video9770.mp4").unlink()
    with pytest.raises(BadItems, match="3 of 3 clips"):
        read_msrvtt(tmp_path, on_bad_item="skip", progress=False)


def test_a_pickle_of_captions_is_never_opened(tmp_path: Path) -> None:
    write_msvd(tmp_path, "text")
    (tmp_path / "AllVideoDescriptions.txt").unlink()
    (tmp_path / "raw-captions.pkl").write_bytes(pickle.dumps(MSVD))
    with pytest.raises(ValueError, match=r"raw-captions\.pkl: a pickle can run code .* AllVideoDescriptions\.txt"):
        read_msvd(tmp_path, progress=False)


def test_missing_files_columns_and_captions_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"neither MSRVTT_JSFUSION_test\.csv nor msrvtt_test_1k\.json"):
        read_msrvtt(tmp_path)
    with pytest.raises(ValueError, match=r"neither msvd_test\.json nor test_list\.txt"):
        read_msvd(tmp_path)
    (tmp_path / "test_list.txt").write_text("a_0_1\nb_0_1\n")
    with pytest.raises(ValueError, match=r"neither AllVideoDescriptions\.txt nor raw-captions\.json"):
        read_msvd(tmp_path)
    (tmp_path / "AllVideoDescriptions.txt").write_text("a_0_1 words\n")
    with pytest.raises(ValueError, match=r"test_list\.txt: 1 of 2 clips have no caption; the first is b_0_1"):
        read_msvd(tmp_path)
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text("key,vid_key,video_id,caption\nret0,msr1,video1,x\n")
    with pytest.raises(ValueError, match="column 'sentence' is missing"):
        read_msrvtt(tmp_path)
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text("key,vid_key,video_id,sentence\nret0,msr1,video1, \n")
    with pytest.raises(ValueError, match=r"test\.csv row 2: sentence = ' ' is no caption"):
        read_msrvtt(tmp_path)

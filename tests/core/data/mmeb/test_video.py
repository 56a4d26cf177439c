"""MMEB-V2's 18 video data sets: who is asked what, over which candidates, in the published formats."""

import json
import logging
import shutil
from collections import Counter
from pathlib import Path

import pytest
from mmeb_video_files import ROWS, write_mmeb_video, write_table
from video_files import level, write_frames, write_video

from core.data.checks.problems import BadItems
from core.data.mmeb.video import BY_NAME, VIDEO_DATASETS, read_mmeb_video
from core.data.records import Item, Ranking, RankingTask, Text, Video

ASKED = (
    "Given a video and a question, select the most accurate answer from the provided candidates. "
    "Return only the exact text of your chosen answer. Question:  "
)
CLIP = "Understand the content of the provided video."


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 18 data sets."""
    return write_mmeb_video(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="module")
def tasks(root: Path) -> dict[str, RankingTask]:
    """All of them, read, by name."""
    return {task.name: task for task in read_mmeb_video(root, frames=3, progress=False)}


def shown(item: Item) -> str:
    """An item as words, a clip as the grey of its frames."""
    return " ".join(
        part.text if isinstance(part, Text) else f"<{round(level(next(Item((part,)).images()).open()) / 10) * 10}>"
        for part in item.parts
    )


def right(ranking: Ranking) -> list[str]:
    """The right candidates as words."""
    return [shown(ranking.candidates[place]) for place in ranking.right]


def test_there_are_18_in_four_families() -> None:
    assert len(BY_NAME) == 18
    assert Counter(each.family for each in VIDEO_DATASETS) == {
        "classification": 5,
        "qa": 5,
        "retrieval": 5,
        "moment": 3,
    }


def test_all_18_are_read_with_the_frames_asked_for(tasks: dict[str, RankingTask]) -> None:
    assert list(tasks) == list(BY_NAME)
    for name, task in tasks.items():
        assert (task.meta_task, task.in_distribution, task.metric) == ("video", False, "P@1")
        assert len(task.rankings) == (20 if name == "MVBench" else len(ROWS[name]))
        for ranking in task.rankings:
            videos = [part for item in (ranking.query, *ranking.candidates) for part in item.parts]
            clips = [part for part in videos if isinstance(part, Video)]
            assert clips
            assert {len(clip.frames) for clip in clips} == {3}
            assert isinstance(ranking.query.parts[0], Video) or BY_NAME[name].family in ("retrieval", "moment")


@pytest.mark.parametrize(
    ("name", "instruction", "caption"),
    [
        ("MSR-VTT", "Find a video that contains the following visual content:", "a cat sits"),
        ("MSVD", "Find the video snippet that corresponds to the given summary:", "a boy sings"),
        ("DiDeMo", "Find a video that includes the following described scenes:", "a plane lands."),
        ("YouCook2", "Find a video that demonstrates the following action while making a recipe:", "fry it"),
        ("VATEX", "Select a video that fits the description provided:", "three"),
    ],
)
def test_captions_ask_for_clips_among_all_of_the_data_set(
    tasks: dict[str, RankingTask], name: str, instruction: str, caption: str
) -> None:
    first, second = tasks[name].rankings
    assert shown(second.query) == f"{instruction} {caption}"
    assert first.candidates is second.candidates
    assert {shown(item) for item in first.candidates} == {f"<20> {CLIP}", f"<50> {CLIP}"}
    assert (right(first), right(second)) == ([f"<20> {CLIP}"], [f"<50> {CLIP}"])


def test_clips_are_classified_among_all_classes(tasks: dict[str, RankingTask]) -> None:
    first, second = tasks["HMDB51"].rankings
    assert shown(second.query) == "<50> What actions or objects interactions are the person in the video doing?"
    assert first.candidates is second.candidates
    assert {shown(item) for item in first.candidates} == {"wave", "dive"}
    assert (right(first), right(second)) == (["wave"], ["dive"])


def test_something_something_has_its_own_candidates(tasks: dict[str, RankingTask]) -> None:
    first, second = tasks["SmthSmthV2"].rankings
    assert {item.text for item in first.candidates} == {"Tearing something", "Folding something", "Up"}
    assert {item.text for item in second.candidates} == {"Tearing something", "Down", "Up"}
    assert (right(first), right(second)) == (["Folding something"], ["Up"])


@pytest.mark.parametrize(
    ("name", "question", "candidates", "answer"),
    [
        (
            "Video-MME",
            "What is it?\nA. A cat.\nB. A dog.\nC. No. 3.\nD. Rain.",
            {"A cat", "A dog", "No. 3", "Rain"},
            "A dog",
        ),
        (
            "NExTQA",
            "why did he run\nOptions:\n(A) play\n(B) fun\n(C) late\n(D) cold\n(E) wet",
            {"play", "fun", "late", "cold", "wet"},
            "late",
        ),
        (
            "EgoSchema",
            "What does c do?A. C does 0. B. C does 1. C. C does 2. D. C does 3. E. C does 4.",
            {f"C does {number}" for number in range(5)},
            "C does 4",
        ),
        ("MVBench", "What moved?\nOptions:\n(A) The box\n(B) The cup", {"(A) The box", "(B) The cup"}, "(B) The cup"),
        ("ActivityNetQA", "is it wet? (A) yes; (B) no.", {"yes", "no"}, "no"),
    ],
)
def test_questions_are_put_as_published(
    tasks: dict[str, RankingTask], name: str, question: str, candidates: set[str], answer: str
) -> None:
    ranking = tasks[name].rankings[0]
    assert shown(ranking.query) == f"<20> {ASKED}{question}"
    assert {item.text for item in ranking.candidates} == candidates
    assert right(ranking) == [answer]


def test_mvbench_finds_the_clip_of_each_subset(tasks: dict[str, RankingTask]) -> None:
    assert [shown(each.query)[:4] for each in tasks["MVBench"].rankings[:3]] == ["<20>", "<50>", "<80>"]


def test_moments_are_the_clips_beside_the_video(tasks: dict[str, RankingTask]) -> None:
    seek = "Find the clip that corresponds to the described scene in the given video:"
    (ranking,) = tasks["QVHighlight"].rankings
    assert shown(ranking.query) == f"<20> {seek} a woman talks"
    assert {shown(item) for item in ranking.candidates} == {f"<{grey}> {CLIP}" for grey in (50, 80, 110)}
    assert right(ranking) == [f"<50> {CLIP}"]
    (ranking,) = tasks["Charades-STA"].rankings
    assert right(ranking) == [f"<50> {CLIP}"]
    assert len(ranking.candidates) == 2


def test_moment_seeker_asks_by_words_a_video_or_a_picture(tasks: dict[str, RankingTask]) -> None:
    words, video, picture = tasks["MomentSeeker"].rankings
    clip = "Understand the content of the provided video clip."
    assert shown(words.query) == "Find the clip that corresponds to the given text: who?"
    assert sorted(right(words)) == [f"<20> {clip}", f"<50> {clip}"]
    assert shown(video.query) == "<110> Find the clip that corresponds to the given sentence and video segment: then?"
    assert shown(picture.query) == "<250> Select the video clip that aligns with the given text and image: this?"
    assert right(picture) == [f"<50> {clip}"]
    assert {shown(item) for item in words.candidates} == {f"<{grey}> {clip}" for grey in (20, 50, 80)}


def test_clips_are_one_object_however_often_they_are_named(tasks: dict[str, RankingTask]) -> None:
    first, second = tasks["ActivityNetQA"].rankings
    assert first.query.parts[0] is second.query.parts[0]
    assert first.candidates is second.candidates


def test_video_files_serve_where_there_are_no_frames(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "MSVD", tmp_path / "MSVD")
    for number, name in enumerate(("m1.mp4", "m2.avi")):
        write_video(tmp_path / "raw" / "video_ret" / "MSVD" / name, [90 + 60 * number] * 30)
    (task,) = read_mmeb_video(tmp_path, ["MSVD"], tmp_path / "raw", progress=False)
    assert {shown(item) for item in task.rankings[0].candidates} == {f"<90> {CLIP}", f"<150> {CLIP}"}
    assert {len(list(item.images())) for item in task.rankings[0].candidates} == {8}


def test_labels_of_a_file_join_the_pool_and_too_few_are_told(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(root / "Breakfast", tmp_path / "Breakfast")
    frames = root / "frames"
    (tmp_path / "Breakfast" / "labels.txt").write_text("tea\ncoffee\n\njuice\n")
    (task,) = read_mmeb_video(tmp_path, ["Breakfast"], frames, progress=False)
    assert {item.text for item in task.rankings[0].candidates} == {"tea", "milk", "coffee", "juice"}
    assert "Breakfast: 4 classes; MMEB-V2 ranks 10" in caplog.text
    caplog.clear()
    (tmp_path / "Breakfast" / "labels.txt").write_text("\n".join(map(str, range(8))))
    with caplog.at_level(logging.WARNING):
        read_mmeb_video(tmp_path, ["Breakfast"], frames, progress=False)
    assert caplog.text == ""


def test_drawn_queries_keep_the_whole_pool(root: Path) -> None:
    (task,) = read_mmeb_video(root, ["UCF101"], queries=1, progress=False)
    assert (len(task.rankings), len(task.rankings[0].candidates)) == (1, 2)


@pytest.mark.parametrize("place", ["data/test-00000-of-00001.parquet", "test.json", "anything.jsonl", "MC/test.json"])
def test_tables_are_found_where_repositories_put_them(root: Path, tmp_path: Path, place: str) -> None:
    rows = [json.loads(json.dumps(row)) for row in ROWS["NExTQA"]]
    write_table(tmp_path / "NExTQA" / place, rows)
    (task,) = read_mmeb_video(tmp_path, ["NExTQA"], root / "frames", progress=False)
    assert len(task.rankings) == 1


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("MSR-VTT", {"caption": ""}, "caption holds ''; it should be text"),
        ("MSVD", {"caption": []}, r"caption holds '\[\]'; it should be a list of texts"),
        ("Video-MME", {"answer": "E"}, "answer = 'E' is none of A, B, C, D"),
        ("NExTQA", {"answer": 5}, "answer = 5 is no place among 5 answers"),
        ("EgoSchema", {"answer": "B"}, "answer = 'B' is no place among 5 answers"),
        ("ActivityNetQA", {"answer": "maybe"}, "answer = 'maybe' is neither yes nor no"),
        ("SmthSmthV2", {"neg_text": "x"}, "neg_text holds 'x'; it should be a list of texts"),
        ("MomentSeeker", {"positive_frames": []}, "positive_frames is empty"),
        ("MomentSeeker", {"negative_frames": ["x"]}, r"negative_frames holds .*output_path"),
        ("QVHighlight", {"video_path": "other.mp4"}, "other: holds no folder of frames whose name begins"),
        ("HMDB51", {"video_id": "none"}, "none: neither a folder of frames nor a video file"),
        ("HMDB51", {"video_id": "../HMDB51/h1"}, r"'\.\./HMDB51/h1' is not a plain relative path"),
    ],
)
def test_a_bad_row_names_file_row_and_field(
    root: Path, tmp_path: Path, name: str, fields: dict[str, object], reason: str
) -> None:
    path = tmp_path / name / BY_NAME[name].config / "test.json"
    write_table(path, [ROWS[name][0], {**ROWS[name][0], **fields}])
    with pytest.raises(BadItems, match=rf"1 of 2 rows cannot be used:\n  {path} row 2: .*{reason}"):
        read_mmeb_video(tmp_path, [name], root / "frames", progress=False)
    (task,) = read_mmeb_video(tmp_path, [name], root / "frames", on_bad_item="skip", progress=False)
    assert len(task.rankings) == 1


def test_unknown_names_missing_folders_and_tables_are_told(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'K700' is not a video data set of MMEB-V2; there are SmthSmthV2, HMDB51"):
        read_mmeb_video(root, ["K700"])
    with pytest.raises(ValueError, match=r"MSVD: no such folder; MSVD's annotation files belong there"):
        read_mmeb_video(tmp_path, ["MSVD"])
    write_frames(tmp_path / "MSVD", [1])
    with pytest.raises(ValueError, match=r"MSVD: no file test-\*.*and 0 other tables instead of one"):
        read_mmeb_video(tmp_path, ["MSVD"])
    write_table(tmp_path / "MSVD" / "test.json", [{"video_id": "m1", "captions": ["x"]}])
    with pytest.raises(
        ValueError, match=r"test\.json: column 'caption' is missing; its columns are video_id, captions"
    ):
        read_mmeb_video(tmp_path, ["MSVD"])

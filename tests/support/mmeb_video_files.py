"""Tiny files of MMEB-V2's 18 video data sets, with the columns that VLM2Vec's evaluation code reads."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from video_files import write_frames

from core.data.mmeb.video import BY_NAME, MVBENCH_SUBSETS

ROWS: Mapping[str, Sequence[Mapping[str, object]]] = {
    "SmthSmthV2": [
        {"video_id": 7, "pos_text": "Folding something", "neg_text": ["Tearing something", "Folding something", "Up"]},
        {"video_id": 8, "pos_text": "Up", "neg_text": ["Tearing something", "Down"]},
    ],
    "HMDB51": [{"video_id": "h1", "pos_text": "wave"}, {"video_id": "h2", "pos_text": "dive"}],
    "UCF101": [{"video_id": "u1", "pos_text": "Surfing"}, {"video_id": "u2", "pos_text": "Rowing"}],
    "Kinetics-700": [{"video_id": "k1", "pos_text": "archery"}, {"video_id": "k2", "pos_text": "yoga"}],
    "Breakfast": [{"video_id": "b1", "pos_text": "tea"}, {"video_id": "b2", "pos_text": "milk"}],
    "MSR-VTT": [
        {"video_id": "v1", "video": "v1.mp4", "caption": "a dog runs", "source": "MSR-VTT"},
        {"video_id": "v2", "video": "v2.mp4", "caption": "a cat sits", "source": "MSR-VTT"},
    ],
    "MSVD": [
        {"video_id": "m1", "video": "m1.avi", "caption": ["a man cooks", "someone cooks"]},
        {"video_id": "m2", "video": "m2.avi", "caption": ["a boy sings"]},
    ],
    "DiDeMo": [
        {"video": "clips/d1.first.mp4", "caption": "the door opens. it closes."},
        {"video": "clips/d2.mp4", "caption": "a plane lands."},
    ],
    "YouCook2": [
        {"id": "y1_0", "video_path": "val/y1_0.mp4", "sentence": "cut the onion"},
        {"id": "y1_1", "video_path": "val/y1_1.mp4", "sentence": "fry it"},
    ],
    "VATEX": [{"videoID": "x1_0", "enCap": ["one", "two"]}, {"videoID": "x2_0", "enCap": ["three", "four"]}],
    "QVHighlight": [{"query": "a woman talks", "video_path": "videos/q1.mp4"}],
    "Charades-STA": [{"query": "a person closes a door", "video_path": "videos/c1.mp4"}],
    "MomentSeeker": [
        {"query": "who?", "input_frames": "", **{
            "positive_frames": [{"output_path": "a/p1.mp4", "start": 0}, {"output_path": "a/p2.mp4", "start": 1}],
            "negative_frames": [{"output_path": "a/n1.mp4", "start": 2}],
        }},
        {"query": "then?", "input_frames": "a/in.mp4", **{
            "positive_frames": [{"output_path": "a/p1.mp4", "start": 0}],
            "negative_frames": [{"output_path": "a/n1.mp4", "start": 2}],
        }},
        {"query": "this?", "input_frames": "9.jpg", **{
            "positive_frames": [{"output_path": "a/p2.mp4", "start": 0}],
            "negative_frames": [{"output_path": "a/n1.mp4", "start": 2}],
        }},
    ],
    "Video-MME": [{
        "videoID": "e1", "question": "What is it?", "options": ["A. A cat.", "B. A dog.", "C. No. 3.", "D. Rain."],
        "answer": "B", "question_id": "1-1", "domain": "Knowledge", "sub_category": "x",
    }],
    "NExTQA": [{
        "video": 4740931975, "question": "why did he run", "answer": 2, "qid": 6, "type": "CW",
        "a0": "play", "a1": "fun", "a2": "late", "a3": "cold", "a4": "wet",
    }],
    "EgoSchema": [{
        "video_idx": "g1", "question": "What does c do?", "answer": "4", "question_idx": "0",
        "option": [f"{letter}. C does {number}." for number, letter in enumerate("ABCDE")],
    }],
    "ActivityNetQA": [
        {"video_name": "n1", "question": "is it wet", "answer": "no", "question_id": "v_n1_1"},
        {"video_name": "n1", "question": "is it day", "answer": "yes", "question_id": "v_n1_2"},
    ],
}  # fmt: skip
MVBENCH = {"video": "s1.mp4", "question": "What moved?", "candidates": ["The box", "The cup"], "answer": "The cup"}

CLIPS: Mapping[str, Sequence[str]] = {
    "SmthSmthV2": ["7", "8"],
    "DiDeMo": ["d1.first", "d2"],
    "YouCook2": ["y1_0", "y1_1"],
    "QVHighlight": [f"q1/{name}" for name in ("query", "positive", "negative_0", "negative_1")],
    "Charades-STA": [f"c1/{name}" for name in ("query", "positive_3", "negative_0")],
    "MomentSeeker": [f"video_frames/a_{name}" for name in ("p1", "p2", "n1", "in")],
    "NExTQA": ["4740931975"],
    "ActivityNetQA": ["v_n1"],
    "MVBench": [f"{subset}/s1.mp4" for subset in MVBENCH_SUBSETS],
}
"""The folders of frames, where they are not the ids in the rows."""
IDS = ("video_id", "videoID", "video_idx")


def clips(name: str) -> Sequence[str]:
    """The names of a data set's clips."""
    return CLIPS.get(name) or [str(row[field]) for row in ROWS[name] for field in IDS if field in row]


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """A table in the form that its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text(json.dumps(list(rows)))


def write_mmeb_video(root: Path, frames: int = 5) -> Path:
    """All 18 data sets; clip k of a data set has frames of grey 20 + 30 k."""
    for name, rows in ROWS.items():
        each = BY_NAME[name]
        write_table(root / name / each.config / f"{each.split}-00000-of-00001.parquet", rows)
    for subset in MVBENCH_SUBSETS:
        write_table(root / "MVBench" / "json" / f"{subset}.json", [MVBENCH])
    for name, each in BY_NAME.items():
        for number, clip in enumerate(clips(name)):
            write_frames(root / "frames" / each.frames / clip, [20 + 30 * (number % 8)] * frames)
    seeker = root / "frames" / BY_NAME["MomentSeeker"].frames
    write_frames(seeker, [250], name="query_{}.jpg", first=9)
    return root

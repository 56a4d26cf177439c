"""One's own rankings from JSON lines: any mix of parts, shared pools, and errors that name row and field."""

import json
import unicodedata

import av
import numpy as np
import PIL.Image
import pytest

from core.data.checks.problems import BadItems, BadRow
from core.data.records import Image, Text, Video
from core.data.records_file import read_records
from core.evaluation.embedded import distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import clustering_scores, rank_all, scores
from core.evaluation.suites import SuiteSettings, suite_tasks

TEXT = [{"text": "red"}]


@pytest.fixture
def folder(tmp_path):
    for colour in ("red", "green", "blue"):
        PIL.Image.new("RGB", (48, 48), colour).save(tmp_path / f"{colour}.png")
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 48, 48, "yuv420p"
        for value in range(0, 240, 30):
            frame = av.VideoFrame.from_ndarray(np.full((48, 48, 3), value, dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return tmp_path


def write(folder, *rows, name="mine.jsonl"):
    path = folder / name
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_parts_keep_their_order_and_pools_are_shared(folder):
    story = [{"text": "first"}, {"image": "red.png"}, {"text": "then"}, {"image": "green.png"}, {"video": "clip.mp4"}]
    pool = [[{"image": "blue.png"}, {"text": "a card"}], TEXT, [{"video": "clip.mp4"}]]
    path = write(
        folder,
        {"pool": "cards", "candidates": pool},
        {"query": story, "pool": "cards", "right": [0, 2, 0]},
        {"query": TEXT, "pool": "cards", "right": 1},
        {"query": [{"image": "red.png"}], "candidates": [TEXT, [{"text": "blue"}]], "right": [0], "dataset": "names",
         "meta_task": "classification"},
    )  # fmt: skip
    stories, names = read_records(path, frames=4)
    assert [(task.name, task.meta_task, len(task.rankings)) for task in (stories, names)] == [
        ("mine", "retrieval", 2),
        ("names", "classification", 1),
    ]
    first, second = stories.rankings
    assert [type(part) for part in first.query.parts] == [Text, Image, Text, Image, Video]
    assert len(first.query.parts[4].frames) == 4
    assert first.right == (0, 2)
    assert first.candidates is second.candidates
    assert second.query is first.candidates[1] is names.rankings[0].candidates[0]
    assert [part.text for part in first.candidates[0].parts if isinstance(part, Text)] == ["a card"]
    assert first.origin.endswith("mine.jsonl row 2")


def test_pictures_and_clips_are_found_in_another_unicode_form(folder):
    mac = {name: unicodedata.normalize("NFD", name) for name in ("\u00e9t\u00e9.png", "caf\u00e9.mp4")}
    (folder / "red.png").rename(folder / mac["\u00e9t\u00e9.png"])
    (folder / "clip.mp4").rename(folder / mac["caf\u00e9.mp4"])
    query = [{"image": "\u00e9t\u00e9.png"}, {"video": "caf\u00e9"}]
    (task,) = read_records(write(folder, {"query": query, "candidates": [TEXT], "right": 0}), frames=2)
    image, clip = task.rankings[0].query.parts
    assert image.source.open().getpixel((0, 0)) == (255, 0, 0)
    assert len(clip.frames) == 2


def test_a_name_too_long_for_the_disk_is_missing(folder):
    path = write(folder, {"query": [{"image": "a" * 300}], "candidates": [TEXT], "right": 0})
    with pytest.raises(BadItems, match=r"row 1: the picture .* is missing"):
        read_records(path)


def test_the_suite_is_embedded_scored_and_clustered(folder, tiny):
    classes = [[{"text": colour}] for colour in ("red", "green", "blue")]
    rows = [
        {"query": [{"text": f"look {number}"}, {"image": f"{colour}.png"}], "candidates": classes, "right": [place],
         "meta_task": "classification"}
        for number in range(3) for place, colour in enumerate(("red", "green", "blue"))
    ]  # fmt: skip
    tasks = suite_tasks(SuiteSettings("records", write(folder, *rows)))
    embedded = embed_distinct(tiny, distinct_items(tasks), progress=False)
    assert len(embedded.items) == 12
    ranked = rank_all(tasks, embedded)
    assert {each.metric for each in scores(ranked)} >= {"P@1", "NDCG@5", "MAP"}
    (cluster,) = clustering_scores(ranked, embedded)
    assert (cluster.metric, cluster.n, cluster.pool) == ("V-measure", 9, 3)


@pytest.mark.parametrize(("row", "message"), [
    ({"query": [], "candidates": [TEXT], "right": [0]}, "query is not a list of parts"),
    ({"query": "red", "candidates": [TEXT], "right": [0]}, "query is not a list of parts"),
    ({"query": [{"words": "red"}], "candidates": [TEXT], "right": [0]}, r"query\[0\] = .*words.* is no part"),
    ({"query": [{"text": " "}], "candidates": [TEXT], "right": [0]}, r"query\[0\] = .* is no part"),
    ({"query": [{"text": "a", "image": "b"}], "candidates": [TEXT], "right": [0]}, "is no part"),
    ({"query": [{"image": "gone.png"}], "candidates": [TEXT], "right": [0]}, r"gone\.png is missing"),
    ({"query": [{"image": "../up.png"}], "candidates": [TEXT], "right": [0]}, "is not a plain relative path"),
    ({"query": [{"video": "gone.mp4"}], "candidates": [TEXT], "right": [0]}, r"gone\.mp4: neither a folder"),
    ({"query": TEXT, "candidates": [], "right": [0]}, "candidates is not a list"),
    ({"query": TEXT, "candidates": [TEXT, [3]], "right": [0]}, r"candidates\[1\]\[0\] = 3 is no part"),
    ({"query": TEXT, "right": [0]}, 'either "candidates" or "pool"'),
    ({"query": TEXT, "candidates": [TEXT], "pool": "p", "right": [0]}, 'either "candidates" or "pool"'),
    ({"query": TEXT, "pool": "unknown", "right": [0]}, "pool = 'unknown' is not named in a row before; known: none"),
    ({"query": TEXT, "candidates": [TEXT], "right": []}, "right is not a list of places"),
    ({"query": TEXT, "candidates": [TEXT], "right": [1]}, "right holds 1; there are candidates 0 to 0"),
    ({"query": TEXT, "candidates": [TEXT], "right": ["0"]}, "right holds '0'"),
    ({"query": TEXT, "candidates": [TEXT], "right": [0], "dataset": 7}, "dataset = 7 is no word"),
])  # fmt: skip
def test_a_bad_row_is_named_or_left_out(folder, row, message, caplog):
    good = {"query": TEXT, "candidates": [TEXT, [{"text": "blue"}]], "right": [0]}
    path = write(folder, good, row)
    with pytest.raises(BadItems, match=message) as caught:
        read_records(path)
    assert "mine.jsonl row 2" in str(caught.value)
    (task,) = read_records(path, on_bad_item="skip")
    assert len(task.rankings) == 1
    assert "mine.jsonl row 2" in caplog.text


@pytest.mark.parametrize(("rows", "message"), [
    ([{"candidates": [TEXT]}], 'row 1: neither "query" nor "pool"'),
    ([{"pool": "p", "candidates": [TEXT]}] * 2, "row 2: pool = 'p' is named in a row before"),
    ([{"pool": "p", "candidates": []}], "row 1: candidates is not a list of items"),
])  # fmt: skip
def test_a_bad_pool_stops_always(folder, rows, message):
    with pytest.raises(BadRow, match=message):
        read_records(write(folder, *rows), on_bad_item="skip")


def test_skip_leaves_bad_candidates_out_of_a_pool_and_keeps_the_places_of_the_others(folder, caplog):
    half = [{"text": "a smile \ud83d"}]
    pool = {"pool": "p", "candidates": [half, TEXT, [{"image": "none.png"}], [{"text": "blue"}]]}
    rows = [{"query": [{"text": str(place)}], "pool": "p", "right": [place, 2]} for place in (0, 1, 3)]
    path = write(folder, pool, *rows)
    with pytest.raises(BadItems, match=r"3 of 4 rows cannot be used") as caught:
        read_records(path)
    assert "row 1: the text 'a smile \\ud83d' holds half of a character (U+D83D at character 9)" in str(caught.value)
    (task,) = read_records(path, on_bad_item="skip")
    assert [item.text for item in task.rankings[0].candidates] == ["red", "blue"]
    assert [(each.query.text, each.right) for each in task.rankings] == [("1", (0,)), ("3", (1,))]
    assert "row 2: what is right for it cannot be used in pool 'p'." in caplog.text


def test_files_that_hold_no_rankings(folder):
    with pytest.raises(ValueError, match="holds no usable query"):
        read_records(write(folder, {"pool": "p", "candidates": [TEXT]}))
    with pytest.raises(ValueError, match=r"one of \.jsonl, \.json"):
        read_records(folder / "mine.csv")
    row = {"query": TEXT, "candidates": [TEXT], "right": [0]}
    with pytest.raises(ValueError, match="meta_task = 'vqa', but data set 'mine' has 'retrieval'"):
        read_records(write(folder, row, row | {"meta_task": "vqa"}))


def test_queries_are_drawn_by_seed_in_their_order(folder):
    rows = [{"query": [{"text": f"query {n}"}], "candidates": [TEXT], "right": [0]} for n in range(30)]
    path = write(folder, *rows)
    found = [
        [ranking.query.text for ranking in read_records(path, queries=6, seed=seed)[0].rankings] for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]
    assert len(found[0]) == 6
    assert [int(text.split()[1]) for text in found[0]] == sorted(int(text.split()[1]) for text in found[0])
    assert len(read_records(path, queries=50)[0].rankings) == 30

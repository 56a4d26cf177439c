"""One query's steps: rank among the recorded, where negatives were before, and words that only true items get."""

import numpy as np
import pandas as pd
import pytest
from small_records import record_rows, write_records

from core.data.miniature.benchmark import training_sets
from workbench.figures.query_replay import course_figure, moment_figure, span_of
from workbench.measures.query_replay import course, item_words, moments
from workbench.runs.pair_records import datasets_at, read_queries, read_query


def rows(step, positive, negatives):
    """Records of one query: negatives by name with their similarity, the heaviest first."""
    return pd.DataFrame(
        [
            {"step": step, "positive_similarity": positive, "negative_id": name, "place": place,
             "similarity": value, "weight": 2.0, "probability": 0.1, "share": 0.5 / place}
            for place, (name, value) in enumerate(negatives.items(), start=1)
        ]
    )  # fmt: skip


def test_rank_and_movement():
    recorded = [rows(20, 0.7, {"b": 0.5, "c": 0.3}), rows(10, 0.4, {"a": 0.6, "b": 0.55, "c": 0.4})]
    first, second = moments(pd.concat(recorded))
    assert (first.step, first.rank, first.again) == (10, 3, 0)
    assert (second.step, second.rank, second.again) == (20, 1, 2)
    assert second.negatives["before"].tolist() == [0.55, 0.4]
    assert first.share == pytest.approx(0.5 + 0.25 + 0.5 / 3)
    assert course([first, second]).to_dict("list") == {
        "step": [10, 20], "positive": [0.4, 0.7], "hardest": [0.6, 0.5], "rank": [3, 1],
        "recorded": [3, 2], "share": [first.share, second.share],
    }  # fmt: skip


def test_figures_mark_the_right_answer_and_what_is_above_it():
    found = moments(pd.concat([rows(10, 0.4, {"a<b>": 0.6, "b": 0.3}), rows(20, 0.7, {"b": 0.5})]))
    low, high = span_of(found)
    assert low < 0.3
    assert high > 0.7
    still, right, above, below = moment_figure(found[0], (low, high), {"b": "a blue disk"}).data
    assert list(still.x) == []
    assert set(right.x) == {0.4}
    assert (list(above.x), list(above.y), list(above.text)) == ([0.6], [1], ["a&lt;b&gt;"])
    assert (list(below.x), list(below.y), list(below.text)) == ([0.3], [2], ["a blue disk"])
    moved = moment_figure(found[1], (low, high), {})
    assert list(moved.data[0].x) == [0.3, 0.5, None]
    assert moved.layout.title.text == "Step 20: the right answer is 1. of 2 recorded"
    negatives, positive = course_figure(found, 20).data
    np.testing.assert_allclose(negatives.y, [0.6, 0.3, 0.5])
    np.testing.assert_allclose(positive.y, [0.4, 0.7])


def test_the_miniature_names_its_items_and_no_others():
    recorded = record_rows(10, "edit")
    pair = training_sets(0)[[each.name for each in training_sets(0)].index("edit")][0]
    query, right = pair.query.content_id[:15], pair.positive.content_id[:15]
    origins = dict(zip(recorded["positive_id"], recorded["origin"], strict=True))
    words = item_words(origins, pair.origin, 0)
    assert set(recorded["negative_id"]) <= set(words)
    assert pair.query.text in words[query]
    assert all(value in words[right] for value in pair.positive.attributes.values())
    assert item_words(origins, pair.origin, 1) == {}  # another seed draws other items
    assert item_words({"0": "rows.jsonl line 3"}, "rows.jsonl line 3", 0) == {}


def test_queries_are_found_in_their_files(tmp_path):
    write_records(tmp_path, (10, 20), ("edit", "colour"))
    write_records(tmp_path, (30,), ("colour",))
    (tmp_path / "pairs" / "000020-rank1.parquet").write_bytes(b"no")
    found = read_queries(tmp_path)
    assert found.steps == 3
    assert found.problems == ("000020-rank1.parquet cannot be read (ArrowInvalid).",)
    assert found.most_recorded(None)["steps"].tolist() == [2] * 8
    assert len(found.most_recorded("edit")) == 4
    first = found.most_recorded("edit").iloc[0]
    mine = found.rows.loc[found.rows["query_id"] == first["query_id"]]
    got = read_query(tmp_path, mine["file"].tolist(), first["query_id"], first["positive_id"])
    whole = pd.concat([record_rows(10, "edit"), record_rows(20, "edit")], ignore_index=True)
    expected = whole.loc[whole["query_id"] == first["query_id"]]
    pd.testing.assert_frame_equal(got[expected.columns].reset_index(drop=True), expected.reset_index(drop=True))
    assert datasets_at(tmp_path, 10) == ["colour", "edit"]
    assert datasets_at(tmp_path, 20) == ["edit"]
    assert datasets_at(tmp_path, 99) == []

import json

import pytest

from benchmarks import evaluator
from benchmarks.mmeb_files import write_mmeb_eval
from benchmarks.published_evaluation import encode, published_scores
from core.data.mmeb_datasets import DATASETS
from core.data.records import Item, Text
from core.encoder.tiny import tiny_embedder


@pytest.mark.slow
def test_a_small_run_from_end_to_end(tmp_path):
    output = tmp_path / "evaluator.json"
    settings = evaluator.EvaluatorSettings(output, 2, 4, rounds=2, batches=[8], width=32, layers=1, threads=1)
    rows = evaluator.measure(settings)
    assert [row["side"] for row in rows] == ["published", "ours", "ours, warm"]
    assert json.loads(output.read_text())["rows"] == rows
    assert rows[0]["items"] > rows[1]["items"] > rows[2]["items"] == 0
    assert rows[1]["passes"] == (rows[1]["ratio"]["median"] >= 3)
    assert rows[1]["differs"] == 0
    assert all(len(row["all_seconds"]) == 2 for row in rows)


@pytest.mark.slow
def test_both_sides_find_the_same(tmp_path):
    write_mmeb_eval(tmp_path, 4, 6)
    rival = tiny_embedder(width=32, layers=1, vision_layers=1).eval()
    own = evaluator.packed(tiny_embedder(width=32, layers=1, vision_layers=1))
    theirs = published_scores(tmp_path, rival, 3)
    assert {*theirs} == {each.name for each in DATASETS}
    assert evaluator.ours(tmp_path, own) == pytest.approx(theirs)
    assert len({*theirs.values()}) > 2


def test_the_published_side_encodes_in_the_order_given():
    rival = tiny_embedder(width=32, layers=1, vision_layers=1).eval()
    items = [Item((Text("word " * length),)) for length in (5, 1, 9, 2, 3)]
    seen = []
    rival.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].token_ids.shape))
    vectors = encode(rival, items, 2)
    assert [shape[0] for shape in seen] == [2, 2, 1]
    assert seen[1][1] > seen[2][1]
    for item in items:
        assert vectors[id(item)] == pytest.approx(rival.embed([item])[0].numpy(), abs=1e-5)

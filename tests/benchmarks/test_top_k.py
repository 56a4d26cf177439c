import json

from benchmarks import top_k


def test_a_small_run_from_end_to_end(tmp_path):
    output = tmp_path / "top_k.json"
    rows = top_k.measure(top_k.TopKSettings(output, 3000, 32, [1, 40], rounds=2, threads=1))
    assert [(row["queries"], row["side"]) for row in rows] == [(1, "ours"), (1, "faiss"), (40, "ours"), (40, "faiss")]
    assert {row["same rows"] for row in rows} == {1.0}
    assert json.loads(output.read_text())["rows"] == rows
    assert rows[0]["ratio"]["median"] > 0

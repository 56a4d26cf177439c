import json
import math

import pytest
import torch
from warm_processes import FORKS

from benchmarks import contrast, machine
from benchmarks.published_loss import published_loss

FIELDS = {"pairs", "side", "chunk", "seconds", "ratio", "theirs / ours", "extra_mb", "total_mb", "memory / ours"}


def test_the_published_form_by_hand():
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    targets = torch.tensor([[0.8, 0.6], [0.0, 1.0]], dtype=torch.float64)
    alpha, scale = 2.0, 3.0
    forth = [
        math.log(math.exp(0.8 * 3) + 1) - 0.8 * 3,  # the other similarity is 0: e^0, and its weight 1
        math.log(math.exp(3) + math.exp(0.6 * 5)) - 3,
    ]
    back = [math.log(math.exp(0.8 * 3) + math.exp(0.6 * 5)) - 0.8 * 3, math.log(math.exp(3) + 1) - 3]
    expected = (sum(forth) + sum(back)) / 4
    assert float(published_loss(queries, targets, alpha, scale)) == pytest.approx(expected, rel=1e-12)


def test_all_sides_agree_where_they_should():
    found = contrast.differences(96, 32)
    assert found["published, float64"] < 1e-12
    assert found["published, float32"] < 1e-5
    assert found["chunked, query -> target"] < 1e-5


def test_the_chunked_side_leaves_one_direction_unweighted():
    queries, targets = contrast.embeddings(64, 16)
    assert abs(float(contrast.chunked(queries, targets, 16)[0] - contrast.ours(queries, targets)[0])) > 1e-3


def test_growth_is_the_exponent():
    rows = [{"pairs": n, "side": "ours", "alone_s": 2.0 * n**2, "extra_mb": 3.0 * n} for n in (10, 20, 80)]
    found = contrast.growth([*rows, {"pairs": 80, "side": "published"}])
    assert [row["alone_s"] for row in found] == pytest.approx([2.0, 2.0])
    assert [row["extra_mb"] for row in found] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("pairs", "faster", "less", "right"), [(2048, 2.1, 4, True), (8192, 2.1, 4, False), (8192, 2.1, 11, True)]
)
def test_the_bar_of_memory_is_for_8192_pairs(pairs, faster, less, right):
    assert contrast.passes(pairs, faster, less) is right


@pytest.mark.slow
def test_a_small_run_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "get_context", lambda _: FORKS)  # still a process a case, without its imports
    output = tmp_path / "contrast.json"
    settings = contrast.ContrastSettings(output, [128], [256], dimensions=32, rounds=2, chunks=[32], threads=1)
    rows = contrast.measure(settings)
    written = json.loads(output.read_text())
    assert [row["side"] for row in rows] == ["ours", "published", "chunked", "ours", "growth of ours"]
    assert all(set(row) >= FIELDS for row in written["rows"][:3])
    assert rows[0]["ratio"]["median"] == 1.0
    assert set(written["settings"]["differences"]) == {
        "published, float64",
        "published, float32",
        "chunked, query -> target",
    }

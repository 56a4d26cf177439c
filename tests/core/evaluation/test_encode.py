"""Every distinct item is encoded exactly once; vectors that are not finite are named."""

import numpy as np
import pytest
import torch

from core.data.records import Item, Ranking, RankingTask, Text
from core.encoder.tiny import tiny_embedder
from core.evaluation.encode import Embedded, NotFinite, distinct_items, embed_distinct


@pytest.fixture
def some(tasks):
    """A part of the miniature with items that occur many times: class names and shared distractors."""
    return [task for task in tasks if task.name in ("shape", "story", "clips")]


def test_distinct_items_are_all_items_once_in_order(some):
    everything = [i for task in some for r in task.rankings for i in (r.query, *r.candidates)]
    found = [item.content_id for item in distinct_items(some)]
    assert found == list(dict.fromkeys(item.content_id for item in everything))
    assert len(found) < len(everything)


def test_every_distinct_item_goes_through_the_model_exactly_once(some, monkeypatch):
    embedder = tiny_embedder(width=32, layers=1, vision_layers=1)
    rows = []
    embedder.backbone.language_model.register_forward_hook(lambda _, __, output: rows.append(len(output[0])))
    prepared = []
    prepare = embedder.prepare
    monkeypatch.setattr(embedder, "prepare", lambda item: prepared.append(item.content_id) or prepare(item))
    items = distinct_items(some)
    embedded = embed_distinct(embedder, iter(items), batch=50, progress=False)
    assert prepared == [item.content_id for item in items]
    assert sum(rows) == len(items)
    assert embedded.items == tuple(items)
    assert embedded.vectors.shape == (len(items), 32)
    assert embedded.vectors.dtype == np.float32
    assert [embedded.row[item.content_id] for item in items] == list(range(len(items)))
    for number in (0, 49, 50, len(items) - 1):
        np.testing.assert_allclose(embedded.vectors[number], embedder.embed([items[number]])[0], atol=1e-5)


def test_two_pictures_alike_are_one_item():
    query, copy = Item((Text("same"),), {"known": "yes"}), Item((Text("same"),))
    task = RankingTask("one", "vqa", True, (Ranking(query, (copy,), (0,)),))
    assert distinct_items([task]) == [query]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_vectors_that_are_not_finite_name_their_items(bad):
    embedder = tiny_embedder(width=32, layers=1, vision_layers=1)
    fine, broken = (Item((Text(text),)) for text in ("red", "zq"))
    token = (set(embedder.prepare(broken).token_ids.tolist()) - set(embedder.prepare(fine).token_ids.tolist())).pop()
    with torch.no_grad():
        embedder.backbone.get_input_embeddings().weight[token] = bad
    with pytest.raises(NotFinite, match=rf"1 of 2 vectors are not finite: {broken.content_id} \('zq'\)"):
        embed_distinct(embedder, [fine, broken], progress=False)
    assert issubclass(NotFinite, ValueError)
    assert isinstance(embed_distinct(embedder, [fine], progress=False), Embedded)


def test_at_most_five_items_are_named():
    embedder = tiny_embedder(width=32, layers=1, vision_layers=1)
    with torch.no_grad():
        embedder.backbone.language_model.norm.weight.fill_(float("nan"))
    items = [Item((Text(f"number {number}"),)) for number in range(9)]
    with pytest.raises(NotFinite, match="9 of 9 vectors") as caught:
        embed_distinct(embedder, items, progress=False)
    assert "number 4" in str(caught.value)
    assert "number 5" not in str(caught.value)

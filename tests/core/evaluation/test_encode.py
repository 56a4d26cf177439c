"""Every distinct item is encoded exactly once; vectors that are not finite are named."""

import numpy as np
import pytest
import torch

from core.data.checks.problems import BadRow
from core.data.images.image_files import FileImage
from core.data.records import Image, Item, Ranking, RankingTask, Text
from core.encoder.feature_cache import FeatureCache
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.evaluation.embedded import Embedded, distinct_items
from core.evaluation.encode import Encoding, NonFiniteVectors, chunks, embed_distinct, encode, portions


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
    assert sorted(prepared) == sorted(item.content_id for item in items)
    assert sum(rows) == len(items)
    assert embedded.items == tuple(items)
    assert embedded.vectors.shape == (len(items), 32)
    assert embedded.vectors.dtype == np.float32
    assert [embedded.row[item.content_id] for item in items] == list(range(len(items)))
    for number in (0, 49, 50, len(items) - 1):
        np.testing.assert_allclose(embedded.vectors[number], embedder.embed([items[number]])[0], atol=1e-5)


def test_shared_objects_are_asked_for_their_content_once(monkeypatch):
    """A thousand rankings over one pool, and lists spelled out anew from the same objects: one content id an object."""
    pool = tuple(Item((Text(f"class {number}"),)) for number in range(40))
    queries = [Item((Text(f"query {number}"),)) for number in range(30)]
    rankings = [Ranking(query, pool if number % 2 else (*pool,), (0,)) for number, query in enumerate(queries)]
    rankings += [Ranking(queries[0], tuple(reversed(pool)), (0,))]
    asked = []
    made = Item.content_id.func
    monkeypatch.setattr(Item.content_id, "func", lambda item: asked.append(item) or made(item))
    found = distinct_items([RankingTask("one", "vqa", True, tuple(rankings))])
    assert len(found) == len(asked) == 70


def test_portions_depend_on_the_items_alone(some):
    items = distinct_items(some)
    cut = portions(items, 7)
    assert sorted(row for rows in cut for row in rows) == [*range(len(items))]
    assert {len(rows) for rows in cut[:-1]} == {7}
    lengths = [(sum(1 for _ in items[row].images()), len(items[row].text)) for rows in cut for row in rows]
    assert lengths == sorted(lengths, reverse=True)


def test_loader_processes_prepare_the_same(tiny, some):
    items = distinct_items(some)[:40]
    cut = [[items[row] for row in rows] for rows in portions(items, 16)]
    alone, helped = (list(encode(tiny, cut, Encoding(16, 8, workers))) for workers in (0, 2))
    for one, other in zip(alone, helped, strict=True):
        np.testing.assert_array_equal(one.vectors, other.vectors)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_picture_is_one_plain_message(tiny, tmp_path, workers):
    missing = Item((Image(FileImage(tmp_path / "gone.png")),))
    fine = Item((Text("fine"),))
    (portion,) = encode(tiny, [[missing, fine]], Encoding(workers=workers))
    assert portion.reasons == {0: f"{tmp_path / 'gone.png'}: cannot be read (No such file or directory)."}
    assert np.isnan(portion.vectors[0]).all()
    np.testing.assert_allclose(portion.vectors[1], tiny.embed([fine])[0].numpy(), atol=1e-6)
    with pytest.raises(BadRow, match=r"item '\[image\]': .*gone\.png: cannot be read") as caught:
        embed_distinct(tiny, [missing], progress=False)
    assert "Traceback" not in str(caught.value)


def test_encoding_leaves_the_generator_of_the_training_alone(tiny):
    before = torch.get_rng_state()
    embed_distinct(tiny, [Item((Text("red"),))], progress=False)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_vision_tower_sees_no_picture_twice_with_a_feature_cache(tmp_path, some):
    embedder = tiny_embedder(width=32, layers=1, vision_layers=1).requires_grad_(False)
    items = [item for item in distinct_items(some) if "image" in item.modality][:6]
    cut = [items]
    first, second = FeatureCache(tmp_path), FeatureCache(tmp_path)
    (one,) = encode(embedder, cut, Encoding(features=first))
    (plain,) = encode(embedder, cut, Encoding())
    other = tiny_embedder(seed=1, width=32, layers=1, vision_layers=1).requires_grad_(False)
    names = [name for name, _ in other.backbone_adapter.weights(other.backbone, "vision")]
    state, theirs = other.backbone.state_dict(), embedder.backbone.state_dict()
    other.backbone.load_state_dict({name: theirs[name] if name in names else state[name] for name in state})
    (changed,) = encode(other, cut, Encoding(features=second))
    assert first.misses == second.hits > 0
    assert second.misses == 0
    np.testing.assert_allclose(one.vectors, plain.vectors, atol=1e-6)
    assert np.abs(changed.vectors - one.vectors).max() > 0.01


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
    with pytest.raises(NonFiniteVectors, match=rf"1 of 2 vectors are not finite: {broken.content_id} \('zq'\)"):
        embed_distinct(embedder, [fine, broken], progress=False)
    assert issubclass(NonFiniteVectors, ValueError)
    assert isinstance(embed_distinct(embedder, [fine], progress=False), Embedded)


def test_at_most_five_items_are_named():
    embedder = tiny_embedder(width=32, layers=1, vision_layers=1)
    with torch.no_grad():
        embedder.backbone.language_model.norm.weight.fill_(float("nan"))
    items = [Item((Text(f"number {number}"),)) for number in range(9)]
    with pytest.raises(NonFiniteVectors, match="9 of 9 vectors") as caught:
        embed_distinct(embedder, items, progress=False)
    assert "number 4" in str(caught.value)
    assert "number 5" not in str(caught.value)


def test_chunks_hold_at_most_so_many_items_and_tokens_or_one_item():
    lengths = [3, 9, 1, 4, 4, 2]
    assert chunks(lengths, 4) == [[1, 3, 4, 0], [5, 2]]
    assert chunks(lengths, 4, 8) == [[1], [3, 4], [0, 5], [2]]
    assert chunks(lengths, 4, 9) == [[1], [3, 4], [0, 5, 2]]
    assert chunks(lengths, 2, 100) == [[1, 3], [4, 0], [5, 2]]
    assert chunks([], 4, 8) == []


def test_on_a_cpu_few_tokens_go_through_the_model_at_once(some, monkeypatch):
    embedder = tiny_embedder(width=32, layers=1, vision_layers=1)
    items = distinct_items(some)[:40]
    whole = embed_distinct(embedder, items, progress=False).vectors
    seen = []
    embedder.register_forward_hook(lambda _, given, __: seen.append(given[0].token_ids.shape))
    monkeypatch.setattr("core.evaluation.encode.TOKENS_ON_CPU", 200)
    assert np.allclose(embed_distinct(embedder, items, progress=False).vectors, whole, atol=1e-5)
    assert all(rows * length <= 200 or rows == 1 for rows, length in seen)
    assert sum(rows for rows, _ in seen) == 40

"""The frozen tower once per step: the same vectors and gradients, and no picture shown twice."""

import pytest
import torch

from core.data.records import Image, Item, Text
from core.encoder.backbones import adapter as adapter_module
from core.encoder.backbones.adapter import runs
from core.encoder.embedder import Embedder
from core.encoder.feature_cache import FeatureCache, tower_digest
from core.encoder.inputs import ModelInputs, VisionInput, VisionInputs, distinct


def freeze(embedder: Embedder, *parts: str) -> None:
    for part in parts:
        for _, weight in embedder.backbone_adapter.weights(embedder.backbone, part):
            weight.requires_grad_(False)


def chunks_of(embedder: Embedder, items: list[Item], size: int = 2) -> list[ModelInputs]:
    prepared = [embedder.prepare(item) for item in items]
    return [embedder.collate(prepared[start : start + size]) for start in range(0, len(items), size)]


def shown(embedder: Embedder, monkeypatch) -> list[int]:
    """Appends how many pictures each run of the tower is given."""
    seen: list[int] = []
    original = embedder.backbone_adapter.vision

    def watched(model, pixels, sizes):
        seen.append(len(sizes))
        return original(model, pixels, sizes)

    monkeypatch.setattr(embedder.backbone_adapter, "vision", watched)
    return seen


def test_each_picture_is_shown_once_and_no_pixels_are_kept(fresh, mixed, monkeypatch):
    freeze(fresh, "vision")
    counts = shown(fresh, monkeypatch)
    chunks = chunks_of(fresh, mixed)
    seen = fresh.with_vision(chunks)
    ids = {name for chunk in chunks for name in chunk.image_ids}
    assert sum(counts) == len(ids) < sum(len(chunk.image_ids) for chunk in chunks)
    for chunk in seen:
        assert chunk.images.pixels.numel() == chunk.frames.pixels.numel() == 0
    for _ in range(2):  # both passes of a gradient cache
        for chunk in seen:
            fresh(chunk)
    assert sum(counts) == len(ids)
    assert all(not each.requires_grad for chunk in seen for each in chunk.images.features)


def test_a_picture_that_occurs_twice_in_a_chunk_is_shown_once_from_pixels_too(fresh, mixed, monkeypatch):
    counts = shown(fresh, monkeypatch)
    (chunk,) = chunks_of(fresh, mixed, size=len(mixed))
    fresh(chunk)
    assert sum(counts) == len({*chunk.image_ids}) < len(chunk.image_ids)


def test_a_tower_that_trains_gets_its_pixels_and_its_gradient(fresh, mixed):
    chunks = chunks_of(fresh, mixed)
    freeze(fresh, "projector", "language")
    first = fresh.backbone_adapter.weights(fresh.backbone, "vision")[0][1]
    for _, weight in fresh.backbone_adapter.weights(fresh.backbone, "vision"):
        weight.requires_grad_(weight is first)
    assert all(one is other for one, other in zip(fresh.with_vision(chunks), chunks, strict=True))
    fresh(chunks[0])[1].sum().backward()
    assert first.grad.abs().sum() > 0


def test_text_never_touches_the_tower(fresh, monkeypatch):
    freeze(fresh, "vision")
    counts = shown(fresh, monkeypatch)
    (chunk,) = fresh.with_vision(chunks_of(fresh, [Item((Text("a"),)), Item((Text("b c"),))]))
    fresh(chunk)
    assert not counts


def test_features_are_kept_in_bfloat16_under_autocast_and_are_no_views_of_a_run(fresh, mixed):
    freeze(fresh, "vision")
    chunks = chunks_of(fresh, mixed)
    exact = torch.cat([fresh(chunk) for chunk in fresh.with_vision(chunks)])
    with torch.autocast("cpu", torch.bfloat16):
        seen = fresh.with_vision(chunks)
        vectors = torch.cat([fresh(chunk) for chunk in seen])
        from_pixels = torch.cat([fresh(chunk) for chunk in chunks])
    features = [each for chunk in seen for each in chunk.images.features]
    assert {each.dtype for each in features} == {torch.bfloat16}
    assert all(each.untyped_storage().nbytes() == each.nbytes for each in features)
    assert (vectors - from_pixels).norm(dim=1).max() <= 0.05 + (from_pixels - exact).norm(dim=1).max()


def picture(name: str, rows: int, *shape: int) -> VisionInput:
    return VisionInput(name, torch.zeros(rows, 3, *shape, dtype=torch.uint8), (1, 1))


def test_runs_hold_every_picture_once_within_the_limit_and_of_one_shape(monkeypatch):
    monkeypatch.setattr(adapter_module, "VALUES_AT_ONCE", 3 * 4 * 5)  # five rows of 2 x 2
    pictures = [picture(str(number), rows, *shape) for number, (rows, shape) in enumerate([
        (2, (2, 2)), (1, (2, 2, 2)), (3, (2, 2)), (9, (2, 2)), (1, (2, 2)),
    ])]  # fmt: skip
    found = [[each.id for each in run] for run in runs(pictures)]
    assert found == [["0", "2"], ["3"], ["4"], ["1"]]
    assert list(runs([])) == []


def test_runs_of_the_tower_do_not_change_vectors(fresh, mixed, monkeypatch):
    expected = fresh.embed(mixed)
    monkeypatch.setattr(adapter_module, "VALUES_AT_ONCE", 1)
    torch.testing.assert_close(fresh.embed(mixed), expected, rtol=0, atol=1e-5)


def test_distinct_pictures_are_those_with_pixels_in_order_of_first_use():
    a, b, c = picture("a", 1), picture("b", 1), picture("c", 1)
    done = VisionInputs.of([c]).with_features([torch.zeros(1)])
    assert [each.id for each in distinct([VisionInputs.of([b, a]), done, VisionInputs.of([a, b])])] == ["b", "a"]


def test_the_digest_follows_weights_shapes_and_processor_and_nothing_else(fresh):
    def digest() -> str:
        return tower_digest(fresh.backbone_adapter, fresh.backbone)

    first = digest()
    with torch.no_grad():
        fresh.backbone_adapter.language_model(fresh.backbone).norm.weight.add_(1)
        for _, weight in fresh.backbone_adapter.weights(fresh.backbone, "projector"):
            weight.add_(1)
    fresh.backbone.config._name_or_path = "elsewhere"
    assert digest() == first
    with torch.no_grad():
        fresh.backbone_adapter.weights(fresh.backbone, "vision")[-1][1].view(-1)[0].add_(1)
    second = digest()
    fresh.image_processor.image_mean = [0.1, 0.2, 0.3]
    third = digest()
    fresh.backbone.config.vision_config.num_attention_heads = 77
    assert len({first, second, third, digest()}) == 4


def test_a_cache_on_disk_gives_the_same_vectors_and_spares_the_tower(fresh, mixed, tmp_path, monkeypatch):
    expected = fresh.embed(mixed)
    counts = shown(fresh, monkeypatch)
    first = FeatureCache(tmp_path)
    torch.testing.assert_close(fresh.embed(mixed, 2, first), expected, rtol=0, atol=1e-5)
    assert sum(counts) == first.misses == len([*tmp_path.rglob("*.safetensors")]) > 0
    spent = sum(counts)
    second = FeatureCache(tmp_path)
    torch.testing.assert_close(fresh.embed(mixed, 3, second), expected, rtol=0, atol=1e-5)
    assert (sum(counts), second.misses) == (spent, 0)
    freeze(fresh, "vision")
    chunks = chunks_of(fresh, mixed)
    plain, cached = fresh.with_vision(chunks), fresh.with_vision(chunks, second)
    for one, other in zip(plain, cached, strict=True):
        for a, b in zip(one.images.features, other.images.features, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_another_tower_or_precision_does_not_read_the_cache(fresh, mixed, tmp_path):
    cache = FeatureCache(tmp_path)
    freeze(fresh, "vision")
    chunks = chunks_of(fresh, mixed[1:2])
    fresh.with_vision(chunks, cache)
    fresh.with_vision(chunks, cache)
    assert (cache.hits, cache.misses) == (1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        fresh.with_vision(chunks, cache)
    assert (cache.hits, cache.misses) == (1, 2)
    with torch.no_grad():
        fresh.backbone_adapter.weights(fresh.backbone, "vision")[0][1].mul_(1.5)
    fresh.with_vision(chunks, cache)
    assert (cache.hits, cache.misses) == (1, 3)


def test_a_damaged_file_is_computed_again(fresh, photograph, tmp_path):
    items = [Item((Image(photograph(70, 50)),))]
    expected = fresh.embed(items, 1, FeatureCache(tmp_path))
    (file,) = tmp_path.rglob("*.safetensors")
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    cache = FeatureCache(tmp_path)
    with pytest.warns(UserWarning, match="is damaged"):
        assert torch.equal(fresh.embed(items, 1, cache), expected)
    assert cache.damaged == 1
    assert file.read_bytes() == whole

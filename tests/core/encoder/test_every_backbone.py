"""What every backbone must do, from tiny configs: one suite over all of them.

python -m pytest tests/core/encoder/test_every_backbone.py --backbone-table
"""

import copy
import unicodedata

import pytest
import torch
from tiny_backbones import BACKBONES

from core.config.model_settings import TrainableSettings
from core.data.records import Item, Ranking, RankingTask, Text
from core.encoder.backbones.adapter import to_float64
from core.encoder.embedder import Embedder
from core.encoder.feature_cache import FeatureCache
from core.encoder.freezing import lora_targets, make_trainable, merge_lora, set_attention
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import rank_all

LORA = {"lora_rank": 4, "lora_alpha": 8.0}
PARTS = {"vision", "projector", "language"}


@pytest.fixture(params=BACKBONES)
def name(request) -> str:
    return request.param


@pytest.fixture
def backbone(name) -> Embedder:
    """An embedder for one test alone."""
    return BACKBONES[name]()


def named(embedder: Embedder) -> dict[str, torch.nn.Parameter]:
    return dict(embedder.backbone.named_parameters())


def touched(embedder: Embedder, items) -> set[str]:
    """Names of the weights that a gradient reaches."""
    embedder.zero_grad()
    vectors = embedder(embedder.collate([embedder.prepare(item) for item in items]))
    (vectors * torch.randn(vectors.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    return {name for name, weight in named(embedder).items() if weight.grad is not None and weight.grad.any()}


def steps(embedder: Embedder, items, rate: float, count: int = 1) -> list[float]:
    """The contrastive loss of the items in pairs, before each step of gradient descent and after the last."""
    trained = [weight for weight in embedder.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=rate)
    half = len(items) // 2
    inputs = embedder.collate([embedder.prepare(item) for item in items[: 2 * half]])
    losses = []
    for number in range(count + 1):
        embedder.zero_grad()
        vectors = embedder(inputs)
        loss = torch.nn.functional.cross_entropy(vectors[:half] @ vectors[half:].T / 0.1, torch.arange(half))
        losses.append(loss.item())
        if number < count:
            loss.backward()
            optimizer.step()
    return losses


@pytest.mark.shows("batch = alone")
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_vector_is_the_same_alone_and_in_any_batch(backbone, mixed, kinds, side):
    items = [*mixed, *kinds]
    backbone.tokenizer.padding_side = side
    alone = torch.cat([backbone.embed([item]) for item in items])
    assert (torch.cdist(alone, alone) + torch.eye(len(items))).min() > 0.01  # so that the comparison means something
    torch.testing.assert_close(alone.norm(dim=1), torch.ones(len(items)), rtol=0, atol=1e-6)
    assert alone.shape[1] == backbone.dimensions
    for chunk in (2, len(items)):
        torch.testing.assert_close(backbone.embed(items[::-1], chunk), alone.flip(0), rtol=0, atol=1e-5)


@pytest.mark.shows("packed = padded")
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_packed_vectors_and_gradients_equal_padded_ones(backbone, mixed, side, own):
    """By transformers' attention and by ours."""
    backbone.tokenizer.padding_side = side
    inputs = backbone.collate([backbone.prepare(item) for item in mixed])
    direction = torch.randn(len(mixed), backbone.dimensions, generator=torch.Generator().manual_seed(0))

    def run() -> tuple[torch.Tensor, list[torch.Tensor | None]]:
        backbone.zero_grad()
        vectors = backbone(inputs)
        (vectors * direction).sum().backward()
        return vectors.detach(), [weight.grad for weight in backbone.parameters()]

    expected, gradients = run()
    if own:
        set_attention(backbone, "always")
    backbone.packing = True
    vectors, packed_gradients = run()
    torch.testing.assert_close(vectors, expected, rtol=0, atol=1e-5)
    for one, other in zip(packed_gradients, gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.shows("freeze")
@pytest.mark.parametrize("freeze", [[], ["vision"], ["projector"], ["language"], ["vision", "projector"]])
def test_gradient_reaches_exactly_what_is_not_frozen(backbone, mixed, freeze):
    everything = touched(backbone, mixed)
    make_trainable(backbone, TrainableSettings(freeze=freeze))
    part, unused = backbone.backbone_adapter.part_of, {*backbone.backbone_adapter.unused}
    assert {part(name) for name in everything} == PARTS
    assert touched(backbone, mixed) == {name for name in everything if part(name) not in freeze}
    still = {name for name, weight in named(backbone).items() if not weight.requires_grad}
    assert {part(name) for name in still - unused} == {*freeze}
    assert unused <= still


@pytest.mark.shows("train step")
@pytest.mark.parametrize("freeze", [[], ["vision"]])
def test_a_step_lowers_the_loss_and_changes_just_what_trains(backbone, mixed, freeze):
    make_trainable(backbone, TrainableSettings(freeze=freeze))
    before = copy.deepcopy(backbone.backbone.state_dict())
    reached = touched(backbone, mixed)
    losses = steps(backbone, mixed, rate=0.01)
    assert losses[1] < losses[0]
    changed = {name for name, weight in named(backbone).items() if not torch.equal(weight, before[name])}
    assert changed <= reached
    assert {backbone.backbone_adapter.part_of(name) for name in changed} == PARTS - {*freeze}


@pytest.mark.shows("train step")
@pytest.mark.parametrize("packing", ["never", "always"])
def test_activation_checkpointing_gives_the_same_gradients(backbone, mixed, packing):
    backbone.train()
    inputs = backbone.collate([backbone.prepare(item) for item in mixed])
    runs, found = [], []
    backbone.backbone_adapter.blocks(backbone.backbone)[0].register_forward_hook(lambda *_: runs.append(len(found)))
    for checkpointing in (False, True):
        settings = TrainableSettings(packing=packing, activation_checkpointing=checkpointing)
        make_trainable(backbone, settings)
        set_attention(backbone, packing)
        backbone.zero_grad()
        backbone(inputs)[:, 0].sum().backward()
        found.append({name: weight.grad for name, weight in named(backbone).items() if weight.grad is not None})
    assert runs == [0, 1]  # the second run of a block in the backward pass goes past hooks of the module
    assert {*found[0]} == {*found[1]}
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=1e-6)


def adapted(backbone: Embedder, mixed, freeze: list[str], dora: bool) -> set[str]:
    """Train an adapter a little; check what it reaches. Returns the adapters' weights."""
    before, vectors = touched(backbone, mixed), backbone.embed(mixed)
    make_trainable(backbone, TrainableSettings(freeze=freeze, dora=dora, **LORA))
    torch.testing.assert_close(backbone.embed(mixed), vectors, rtol=0, atol=1e-5 if dora else 1e-6)  # nothing yet
    losses = steps(backbone, mixed, rate=0.1, count=2)  # at first the gradient of A is 0, since B is
    assert losses[-1] < losses[0]
    found = touched(backbone, mixed)
    adapters = {name for name in found if "lora_" in name}
    assert all(f"{backbone.backbone_adapter.language_name}." in name for name in adapters)
    part = backbone.backbone_adapter.part_of
    assert found - adapters == {name for name in before if part(name) not in (*freeze, "language")}
    assert not torch.allclose(backbone.embed(mixed), vectors, atol=1e-3)
    return adapters


@pytest.mark.shows("LoRA")
@pytest.mark.parametrize("freeze", [["vision", "projector"], ["vision"]])
def test_with_lora_gradient_reaches_adapters_and_the_parts_that_are_not_frozen(backbone, mixed, freeze):
    blocks = backbone.backbone_adapter.blocks(backbone.backbone)
    targets = lora_targets(blocks, [])
    assert len(adapted(backbone, mixed, freeze, dora=False)) == 2 * len(targets) * len(blocks)
    assert lora_targets(blocks, []) == targets


@pytest.mark.shows("DoRA")
def test_with_dora_the_lengths_of_rows_train_too_and_it_can_be_merged(name, backbone, mixed):
    blocks = backbone.backbone_adapter.blocks(backbone.backbone)
    adapters = adapted(backbone, mixed, ["vision", "projector"], dora=True)
    assert len(adapters) == 3 * len(lora_targets(blocks, [])) * len(blocks)
    vectors, names = backbone.embed(mixed), {*BACKBONES[name]().state_dict()}
    merge_lora(backbone)
    torch.testing.assert_close(backbone.embed(mixed), vectors, rtol=0, atol=1e-5)
    assert {*backbone.state_dict()} == names


@pytest.mark.shows("save / load")
@pytest.mark.parametrize("extra", [None, {}, {"dora": True, "lora_init": "gaussian"}])
def test_a_saved_embedder_comes_back_bit_for_bit(backbone, mixed, kinds, tmp_path, extra):
    """Whole, and as an adapter with the projector that trained beside it."""
    backbone.save(tmp_path / "base")
    loaded = Embedder.load(tmp_path / "base")
    assert {*loaded.state_dict()} == {*backbone.state_dict()}
    if extra is not None:
        make_trainable(loaded, TrainableSettings(freeze=["vision"], **LORA, **extra))
        steps(loaded, mixed, rate=0.1)
        loaded.save(tmp_path / "adapter")
        backbone, loaded = loaded, Embedder.load(tmp_path / "adapter")
    items = [*mixed, *kinds]
    assert torch.equal(loaded.embed(items), backbone.embed(items))
    assert loaded.dimensions == backbone.dimensions
    assert loaded.tokenizer.padding_side == backbone.tokenizer.padding_side


@pytest.mark.shows("save / load")
@torch.no_grad()
def test_vectors_in_half_precision_are_nearly_the_same(backbone, mixed, tmp_path):
    """Loaded in bfloat16, and under autocast; padded and packed."""
    expected = backbone.embed(mixed)
    backbone.save(tmp_path)
    half = Embedder.load(tmp_path, torch.bfloat16)
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    for packing in ("never", "always"):
        for embedder in (half, backbone):
            set_attention(embedder, packing)
        with torch.autocast("cpu", torch.bfloat16):
            under_autocast = backbone.embed(mixed)
        for vectors in (half.embed(mixed), under_autocast):
            assert vectors.dtype == torch.float32
            assert (vectors * expected).sum(dim=1).min() > 0.98


@pytest.mark.shows("features")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-13)])
def test_a_frozen_tower_seen_once_gives_the_same_vectors_and_gradients(backbone, mixed, tmp_path, dtype, tolerance):
    """From memory, and from a cache on disk."""
    if dtype == torch.float64:
        to_float64(backbone.backbone)
    make_trainable(backbone, TrainableSettings(freeze=["vision"], packing="never"))
    prepared = [backbone.prepare(item) for item in mixed]
    chunks = [backbone.collate(prepared[start : start + 2]) for start in range(0, len(mixed), 2)]

    def run(given) -> dict[str, torch.Tensor]:
        backbone.zero_grad()
        vectors = torch.cat([backbone(chunk) for chunk in given])
        direction = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(0), dtype=vectors.dtype)
        (vectors * direction).sum().backward()
        found = {name: weight.grad for name, weight in named(backbone).items() if weight.grad is not None}
        return found | {"vectors": vectors.detach()}

    expected = run(chunks)
    cache = FeatureCache(tmp_path)
    for seen in (backbone.with_vision(chunks, cache), backbone.with_vision(chunks, cache)):
        assert all(chunk.images.pixels.numel() == chunk.frames.pixels.numel() == 0 for chunk in seen)
        found = run(seen)
        assert {*found} == {*expected}
        for name in expected:
            scale = expected[name].abs().max().clamp(min=1)
            torch.testing.assert_close(found[name] / scale, expected[name] / scale, rtol=0, atol=tolerance)
    assert cache.hits == cache.misses > 0


@pytest.mark.shows("evaluate")
def test_it_is_evaluated_on_a_small_task(backbone, mixed):
    """Each item among all of them: it is its own nearest, whatever the weights."""
    rankings = tuple(Ranking(item, tuple(mixed), (place,)) for place, item in enumerate(mixed))
    task = RankingTask("itself", "retrieval", True, rankings)
    ranked = rank_all([task], embed_distinct(backbone, mixed, progress=False))
    assert [each.placement.hit(1) for each in ranked] == [1.0] * len(mixed)


def test_a_caption_is_the_same_tokens_in_either_unicode_form(backbone):
    composed, apart = (Item((Text(unicodedata.normalize(form, "un cafe\u0301")),)) for form in ("NFC", "NFD"))
    assert composed.parts != apart.parts
    assert torch.equal(backbone.prepare(composed).token_ids, backbone.prepare(apart).token_ids)

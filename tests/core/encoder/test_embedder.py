"""An item's vector depends on the item alone: not on its batch, its chunk or the padding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.records import Image, Item, Text, Video
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import END, IMAGE, IMAGE_SIDE, PAD, PATCH, START, VIDEO, tiny_embedder


@pytest.fixture(scope="module", params=["right", "left"])
def padded(request) -> Embedder:
    """An embedder that pads on one side."""
    embedder = tiny_embedder(width=32, layers=2, vision_layers=1)
    embedder.tokenizer.padding_side = request.param
    return embedder


@pytest.fixture(scope="module")
def alone(padded, kinds):
    """Every item's vector, embedded by itself and so without padding."""
    return torch.cat([padded.embed([item]) for item in kinds])


@given(order=st.permutations(range(9)), count=st.integers(1, 9), chunk=st.integers(1, 10))
@settings(max_examples=15, deadline=None)
def test_a_vector_is_the_same_alone_and_in_any_batch(padded, kinds, alone, order, count, chunk):
    chosen = order[:count]
    together = padded.embed([kinds[index] for index in chosen], chunk)
    torch.testing.assert_close(together, alone[chosen], rtol=0, atol=1e-5)


def test_the_padding_side_does_not_matter(kinds):
    right, left = (tiny_embedder(width=32, layers=2, vision_layers=1) for _ in range(2))
    left.tokenizer.padding_side = "left"
    prepared = [right.prepare(item) for item in kinds]
    assert left.collate(prepared).attention_mask[2, 0] == 0
    assert right.collate(prepared).attention_mask[2, 0] == 1
    torch.testing.assert_close(left.embed(kinds), right.embed(kinds), rtol=0, atol=1e-5)


def test_crops_of_several_pictures_in_one_batch_do_not_mix(anyres, photograph):
    sizes = [(40, 40), (100, 40), (40, 100), (90, 95)]
    pictures = [Item((Image(photograph(*size)), Text("which?"))) for size in sizes]
    items = [*pictures, Item((Image(photograph(50, 50)), Image(photograph(120, 50))))]
    expected = torch.cat([anyres.embed([item]) for item in items])
    torch.testing.assert_close(anyres.embed(items), expected, rtol=0, atol=1e-5)
    assert {len(anyres.prepare(item).images[0].pixels) for item in pictures} == {2, 3, 4, 5}


def test_a_picture_among_several_is_one_crop(anyres, photograph):
    both = anyres.prepare(Item((Image(photograph(100, 40)), Text("and"), Image(photograph(90, 95)))))
    assert [len(each.pixels) for each in both.images] == [1, 1]
    assert [each.size for each in both.images] == [(40, 100), (95, 90)]


def tower_calls(embedder: Embedder, items: list[Item]) -> int:
    calls = []
    hook = embedder.backbone.vision_tower.register_forward_pre_hook(lambda *_: calls.append(1))
    embedder.embed(items)
    hook.remove()
    return len(calls)


def test_text_never_calls_the_vision_tower(tiny, kinds):
    texts = [item for item in kinds if item.modality == "text"]
    assert len(texts) == 3
    assert tower_calls(tiny, texts) == 0
    assert tower_calls(tiny, [kinds[3], *texts]) == 1
    assert tower_calls(tiny, kinds) == 1  # stills and frames together


@pytest.mark.parametrize("token", [PAD, START, END, IMAGE, VIDEO])
def test_words_that_spell_a_special_token_are_words(tiny, kinds, token):
    item = Item((Text(f"a {token} b"),))
    ids = tiny.prepare(item).token_ids
    special = tiny.tokenizer.convert_tokens_to_ids(token)
    assert (ids == special).sum() == (token in (START, END))  # only the template's own
    assert token in tiny.tokenizer.decode(ids[1:-1])
    for other in (Item((Text("a  b"),)), kinds[3], Item((Text("a"), Image(kinds[3].parts[0].source), Text("b")))):
        assert torch.dist(*tiny.embed([item, other])) > 0.01


def test_a_spelled_placeholder_beside_a_real_picture_is_left_alone(tiny, kinds):
    """The template's placeholder and the caption's must not be confused when the template is cut."""
    picture, clip = kinds[3].parts[0], kinds[7].parts[0]
    item = Item((Text("<image> <video>"), picture, Text("<video>\ue0000\ue001<image>"), clip))
    prepared = tiny.prepare(item)
    assert (prepared.token_ids == tiny.backbone.config.image_token_id).sum() == (IMAGE_SIDE // PATCH) ** 2 + 1
    assert (prepared.token_ids == tiny.backbone.config.video_token_id).sum() == 6 * (IMAGE_SIDE // PATCH // 2) ** 2 + 1
    assert tiny.embed([item]).isfinite().all()


def test_what_an_item_says_changes_its_vector(tiny, kinds):
    """Order of frames, of parts, and of words is part of the item."""
    clip = kinds[7].parts[0]
    picture, words = kinds[4].parts
    pairs = [
        (kinds[7], Item((Video(clip.frames[::-1]),))),
        (kinds[4], Item((words, picture))),
        (Item((Text("red on blue"),)), Item((Text("blue on red"),))),
    ]
    for one, other in pairs:
        assert torch.dist(*tiny.embed([one, other])) > 1e-3


def test_embedding_keeps_the_training_mode_and_no_graph(tiny, kinds):
    for mode in (True, False):
        tiny.train(mode)
        assert not tiny.embed(kinds[:1]).requires_grad
        assert tiny.training is mode
    with pytest.raises(ValueError, match="at least one item"):
        tiny.embed([])


def test_a_dropout_of_the_backbone_is_off_while_embedding(kinds):
    embedder = tiny_embedder(width=32, layers=1, vision_layers=1)
    embedder.backbone.language_model.config.attention_dropout = 0.5
    for layer in embedder.backbone.language_model.layers:
        layer.self_attn.attention_dropout = 0.5
    embedder.train()
    assert torch.equal(embedder.embed(kinds[:2]), embedder.embed(kinds[:2]))
    inputs = embedder.collate([embedder.prepare(item) for item in kinds[:2]])
    assert not torch.equal(embedder(inputs), embedder(inputs))

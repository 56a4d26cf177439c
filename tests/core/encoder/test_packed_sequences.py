"""Packed sequences give what padded ones give, by transformers' attention and by our own."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from core.encoder.attention import attend_packed, attend_widened, packed_attention, widened_attention
from core.encoder.inputs import TokenizedItem, collate
from core.encoder.pooling import packed, padded
from core.encoder.tiny.llava_onevision import tiny_embedder


def text(*ids: int) -> TokenizedItem:
    return TokenizedItem(torch.tensor(ids))


@pytest.mark.parametrize("side", ["left", "right"])
def test_items_lie_behind_one_another_and_count_from_their_own_beginning(side):
    batch = collate([text(5, 6, 7), text(8), text(9, 4)], 0, side)
    sequences = packed(batch)
    assert sequences.token_ids.tolist() == [[5, 6, 7, 8, 9, 4]]
    assert sequences.attention_mask is None
    assert sequences.positions.tolist() == [[[0, 1, 2, 0, 0, 1]]]
    assert sequences.places.tolist() == [[0, 1, 2, 0, 0, 1]]
    assert sequences.kernel["cu_seq_lens_q"].tolist() == [0, 3, 4, 6]
    assert sequences.kernel["max_length_q"] == 3
    states = torch.arange(6.0).view(1, 6, 1)
    assert sequences.last(states).flatten().tolist() == [2, 3, 5]
    assert padded(batch).last(batch.token_ids[..., None].float()).flatten().tolist() == [7, 8, 4]


@pytest.mark.parametrize("lay", [padded, packed])
def test_each_item_is_given_its_own_tokens(lay):
    sequences = lay(collate([text(5, 6, 7), text(8), text(9, 4)], 0, "left"))
    own = sequences.by_item(sequences.token_ids)
    assert [own[row][sequences.attended[row]].tolist() for row in range(3)] == [[5, 6, 7], [8], [9, 4]]


def test_an_item_without_a_token_is_named():
    batch = collate([text(5, 6), text(7)], 0)
    batch.attention_mask[1] = 0
    for lay in (packed, padded):
        with pytest.raises(ValueError, match="row 1 attends to no token"):
            lay(batch)


@torch.no_grad()
def test_packed_and_padded_agree_under_autocast_as_well_as_bfloat16_can(fresh, mixed):
    inputs = fresh.collate([fresh.prepare(item) for item in mixed])
    exact = fresh(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        expected = fresh(inputs)
        attend_packed(fresh.backbone_adapter.language_model(fresh.backbone))
        fresh.packing = True
        vectors = fresh(inputs)
    assert (vectors - expected).norm(dim=1).max() < 0.05 + (expected - exact).norm(dim=1).max()


def test_an_item_sees_nothing_of_its_neighbours_in_the_row(fresh, mixed):
    """Through the gradient: an item's vector depends on its own words alone."""
    fresh.packing = True
    attend_packed(fresh.backbone_adapter.language_model(fresh.backbone))
    inputs = fresh.collate([fresh.prepare(item) for item in mixed])
    seen = []
    fresh.backbone_adapter.language_model(fresh.backbone).register_forward_pre_hook(
        lambda _, __, given: seen.append(given["inputs_embeds"].requires_grad_()), with_kwargs=True
    )
    seen.clear()
    vectors = fresh(inputs)
    embeds = seen[0]
    embeds.retain_grad()
    vectors[2].sum().backward()
    lengths = inputs.attention_mask.sum(dim=1)
    start = int(lengths[:2].sum())
    touched = embeds.grad[0].abs().sum(dim=1) > 0
    assert touched[start : start + lengths[2]].all()
    assert touched.sum() == lengths[2]


@pytest.mark.parametrize("starts", [[0, 3, 7], [0, 2, 4, 6, 7], [0, 1, 4, 7]])
def test_our_attention_is_causal_attention_item_by_item_with_shared_heads(starts):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(1, 4, 7, 8, generator=generator)
    key, value = (torch.randn(1, 2, 7, 8, generator=generator) for _ in range(2))
    starts = torch.tensor(starts, dtype=torch.int32)
    out, _ = packed_attention(torch.nn.Identity(), query, key, value, None, scaling=0.3,
                              cu_seq_lens_q=starts, max_length_q=4)  # fmt: skip
    item = torch.searchsorted(starts, torch.arange(7), right=True)
    mask = (item[:, None] == item) & torch.ones(7, 7).tril().bool()
    expected = scaled_dot_product_attention(query, key, value, mask, scale=0.3, enable_gqa=True).transpose(1, 2)
    torch.testing.assert_close(out, expected)


def test_our_attention_drops_what_torchs_own_would():
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, 7, 8, generator=generator) for _ in range(3))
    starts = torch.tensor([0, 7], dtype=torch.int32)
    torch.manual_seed(5)
    out, _ = packed_attention(torch.nn.Identity(), query, key, value, None, dropout=0.5,
                              cu_seq_lens_q=starts, max_length_q=7)  # fmt: skip
    torch.manual_seed(5)
    expected = scaled_dot_product_attention(query, key, value, is_causal=True, dropout_p=0.5).transpose(1, 2)
    torch.testing.assert_close(out, expected)
    whole = scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2)
    assert not torch.allclose(expected, whole, atol=0.1)


@torch.no_grad()
def test_on_a_cpu_attention_in_half_precision_is_computed_in_float32(fresh, mixed):
    """Not farther from the exact vectors than transformers' own, up to the noise of few items; of the same type."""
    inputs = fresh.collate([fresh.prepare(item) for item in mixed])
    exact = fresh(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        before = (fresh(inputs) - exact).norm()
        attend_widened(fresh.backbone)
        after = (fresh(inputs) - exact).norm()
    assert after < 1.5 * before
    torch.testing.assert_close(fresh(inputs), exact, rtol=0, atol=1e-6)
    half = torch.randn(2, 2, 5, 8, dtype=torch.bfloat16, generator=torch.Generator().manual_seed(0))
    out, _ = widened_attention(torch.nn.Identity(), half, half, half, None, scaling=0.3)
    expected = scaled_dot_product_attention(*[half.float()] * 3, is_causal=True, scale=0.3).transpose(1, 2)
    torch.testing.assert_close(out, expected.bfloat16(), rtol=0, atol=0)


def test_our_attention_refuses_padded_sequences(kinds):
    embedder = tiny_embedder(width=32, layers=2, vision_layers=1)
    attend_packed(embedder.backbone.language_model)
    with pytest.raises(ValueError, match=r"set Embedder\.packing"):
        embedder.embed(kinds[:2])

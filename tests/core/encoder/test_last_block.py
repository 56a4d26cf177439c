"""The last block computes what is read, and that is what transformers' own block computes."""

import copy

import pytest
import torch

from core.encoder.embedder import Embedder
from core.encoder.last_block import ReadTokensOnly, read_tokens_only
from core.encoder.packing import packed, padded


def with_the_whole_block(embedder: Embedder) -> Embedder:
    """A copy whose last block is transformers' own, and is read afterwards."""
    whole = copy.deepcopy(embedder)
    block = whole.backbone_adapter.blocks(whole.backbone)[-1]
    del block.forward
    block.register_forward_hook(lambda _, given, kwargs, out: kwargs["read"].last(out)[:, None], with_kwargs=True)
    return whole


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("packing", [False, True])
def test_vectors_and_gradients_are_those_of_the_whole_block(fresh, mixed, side, packing):
    fresh.tokenizer.padding_side = side
    fresh.packing = packing
    whole = with_the_whole_block(fresh)
    inputs = fresh.collate([fresh.prepare(item) for item in mixed])
    direction = torch.randn(len(mixed), fresh.dimensions, generator=torch.Generator().manual_seed(0))
    found, expected = fresh(inputs), whole(inputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
    (found * direction).sum().backward()
    (expected * direction).sum().backward()
    for (name, one), other in zip(fresh.named_parameters(), whole.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)


def test_dropout_of_attention_acts_in_it_while_training_only(fresh, mixed):
    fresh.family.blocks(fresh.backbone)[-1].self_attn.attention_dropout = 0.5
    inputs = fresh.collate([fresh.prepare(item) for item in mixed[:2]])
    fresh.train()
    assert not torch.equal(fresh(inputs), fresh(inputs))
    fresh.eval()
    assert torch.equal(fresh(inputs), fresh(inputs))


def test_only_the_read_tokens_go_through_the_feed_forward(fresh, mixed):
    rows = []
    for block in fresh.backbone_adapter.blocks(fresh.backbone):
        block.mlp.register_forward_pre_hook(lambda _, given: rows.append(given[0].shape[:-1].numel()))
    inputs = fresh.collate([fresh.prepare(item) for item in mixed])
    fresh(inputs)
    assert rows == [inputs.token_ids.numel()] * (len(rows) - 1) + [len(mixed)]


def test_a_copy_of_the_model_has_a_last_block_of_its_own(fresh, mixed):
    """An averaged or frozen copy must not compute with the original's weights."""
    expected = fresh.embed(mixed)
    other = copy.deepcopy(fresh)
    with torch.no_grad():
        for weight in other.backbone_adapter.blocks(other.backbone)[-1].parameters():
            weight.mul_(1.5)
    assert not torch.allclose(other.embed(mixed), expected, atol=1e-3)
    assert torch.equal(fresh.embed(mixed), expected)


def test_it_is_put_in_place_once_and_only_in_the_last_block(tiny):
    blocks = tiny.backbone_adapter.blocks(tiny.backbone)
    before = blocks[-1].forward
    read_tokens_only(blocks)
    assert blocks[-1].forward is before
    assert [isinstance(block.forward, ReadTokensOnly) for block in blocks] == [False] * (len(blocks) - 1) + [True]


@torch.no_grad()
def test_the_model_alone_runs_its_whole_block(fresh):
    ids = torch.tensor([[5, 6, 7], [8, 9, 4]])
    whole = copy.deepcopy(fresh.backbone)
    del fresh.backbone_adapter.blocks(whole)[-1].forward
    found, expected = (each(input_ids=ids).last_hidden_state for each in (fresh.backbone, whole))
    assert torch.equal(found, expected)
    assert found.shape[:2] == (2, 3)


@pytest.mark.parametrize("lay", [padded, packed])
def test_each_item_is_given_its_own_tokens(lay):
    from core.encoder.inputs import TokenizedItem, collate

    batch = collate([TokenizedItem(torch.tensor(ids)) for ids in ([5, 6, 7], [8], [9, 4])], 0, "left")
    sequences = lay(batch)
    own = sequences.by_item(sequences.token_ids)
    assert [own[row][sequences.attended[row]].tolist() for row in range(3)] == [[5, 6, 7], [8], [9, 4]]

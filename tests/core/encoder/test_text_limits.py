"""Texts that are too long: cut before the end token, counted; or refused where the model has no more positions."""

import pytest
import torch
from tiny_backbones import BACKBONES

from core.data.records import Item, Text
from core.encoder.embedder import Embedder
from core.encoder.item_rules import ItemRules, TooLong
from core.encoder.prompts import with_spaces

ONE = "the red circle lies on a green ground and beside it there is a cup " * 12
OTHER = "seven small dogs run over the wide street while it rains very hard " * 12
MOST = 12


@pytest.fixture(scope="module", params=BACKBONES)
def backbone(request: pytest.FixtureRequest) -> Embedder:
    """Each family."""
    return BACKBONES[request.param]()


@pytest.fixture(scope="module", params=["clip", "siglip"])
def towers(request: pytest.FixtureRequest) -> Embedder:
    """The families of two towers."""
    return BACKBONES[request.param]()


def item(text: str) -> Item:
    return Item((Text(text),))


def hand_cut(embedder: Embedder, text: str, most: int) -> str:
    """The beginning of a text that makes so many tokens, whatever ends are put around it."""
    ids, before = own_ids(embedder, text)
    cut = embedder.tokenizer.decode(ids[:most]).removeprefix(before)
    assert own_ids(embedder, cut)[0] == ids[:most]
    return cut


def own_ids(embedder: Embedder, text: str) -> tuple[list[int], str]:
    """The tokens of a text alone in an item, and the space before it that some templates end with."""
    pieces = with_spaces(embedder.backbone_adapter.segments(item(text), embedder.tokenizer))
    (words,) = (each.text for each in pieces if isinstance(each, Text))
    ids = embedder.tokenizer.encode(words, add_special_tokens=False, split_special_tokens=True)
    return ids, words.removesuffix(text)


@torch.no_grad()
def test_a_text_cut_by_the_settings_is_the_text_cut_by_hand(backbone) -> None:
    expected = backbone.embed([item(hand_cut(backbone, text, MOST)) for text in (ONE, OTHER)])
    try:
        backbone.prepare.max_text_tokens = MOST
        found = backbone.embed([item(ONE), item(OTHER)])
        prepared = backbone.prepare(item(ONE))
    finally:
        backbone.prepare.max_text_tokens = None
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert float(found[0] @ found[1]) < 0.999
    assert prepared.cut == len(own_ids(backbone, ONE)[0]) - MOST


@torch.no_grad()
def test_the_limit_is_shared_by_the_texts_of_an_item(backbone) -> None:
    first, second = "a red cup", ONE
    own = len(own_ids(backbone, first)[0])
    ids = backbone.tokenizer.encode(second, add_special_tokens=False, split_special_tokens=True)
    expected = backbone.prepare(Item((Text(first), Text(backbone.tokenizer.decode(ids[:5])))))
    alone = backbone.prepare(item(first))
    try:
        backbone.prepare.max_text_tokens = own + 5
        assert backbone.prepare(Item((Text(first), Text(second)))).token_ids.tolist() == expected.token_ids.tolist()
        backbone.prepare.max_text_tokens = own
        cut = backbone.prepare(Item((Text(first), Text(second))))
    finally:
        backbone.prepare.max_text_tokens = None
    assert cut.token_ids.tolist() == alone.token_ids.tolist()
    assert cut.cut == len(ids)


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:Texts longer than")
def test_texts_beyond_a_towers_positions_keep_their_end_and_stay_unlike(towers) -> None:
    limit = towers.backbone.config.text_config.max_position_embeddings
    room = limit - towers.tokenizer.num_special_tokens_to_add()
    found = towers.embed([item(ONE), item(OTHER)])
    expected = towers.embed([item(hand_cut(towers, text, room)) for text in (ONE, OTHER)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert float(found[0] @ found[1]) < 0.999
    ids = towers.prepare(item(ONE)).token_ids.tolist()
    assert (len(ids), ids[-1]) == (limit + 1, towers.tokenizer.eos_token_id)


def test_tokens_beyond_a_language_models_positions_are_refused_by_the_check_and_the_work(backbone) -> None:
    if backbone.backbone_adapter.most_tokens is None:
        pytest.skip("two towers cut each text instead")
    config = backbone.backbone.config.get_text_config()
    before, config.max_position_embeddings = config.max_position_embeddings, 100
    rules = ItemRules(backbone.prepare)
    try:
        with pytest.raises(TooLong, match=r"takes \d+ tokens, and the model has positions for 100\. Shorten the text"):
            backbone.prepare(item(ONE))
        assert rules.suspects(item(ONE))
        with pytest.raises(TooLong):
            rules.refuse_item(item(ONE))
        backbone.prepare.max_text_tokens = MOST
        assert backbone.prepare(item(ONE)).length <= 100
    finally:
        config.max_position_embeddings, backbone.prepare.max_text_tokens = before, None
    assert before is None or not rules.suspects(item("a red cup"))

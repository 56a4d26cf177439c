"""CLIP and SigLIP: towers, tokens and pixels against transformers' own; items as sums of their parts."""

import copy

import pytest
import torch
from tokenizers import pre_tokenizers
from transformers import CLIPProcessor, CLIPTokenizer, SiglipProcessor

from core.data.records import Image, Item, Text, Video
from core.encoder.backbones.two_towers import IMAGE, TEXT, VIDEO, texts_of
from core.encoder.embedder import Embedder
from core.encoder.tiny.clip import LONGEST, tiny_clip
from core.encoder.tiny.siglip import tiny_siglip

WORDS = ["red", "A large RED circle,  at the top: left!", "", "it's 12 o'clock\n&amp; caf\u00e9"]


def with_published_tokenizer() -> Embedder:
    """CLIP's own tokenizer class over the bytes and a few merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("r", "e"), ("re", "d</w>"), ("t", "h"), ("th", "e</w>")]
    words = [*letters, *(f"{each}</w>" for each in letters), *("".join(each) for each in merges)]
    vocabulary = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    embedder = tiny_clip()
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LONGEST)
    config = copy.deepcopy(embedder.backbone.config)
    config.text_config.vocab_size = len(tokenizer)
    config.text_config.bos_token_id, config.text_config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    return Embedder(type(embedder.backbone)(config), tokenizer, embedder.image_processor)


MAKERS = {"clip": tiny_clip, "clip's tokenizer": with_published_tokenizer, "siglip": tiny_siglip}


@pytest.fixture(scope="module", params=MAKERS)
def embedder(request) -> Embedder:
    """Shared: do not train it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MAKERS[request.param]().eval()


def theirs(embedder: Embedder, texts: list[str], images: list[object]) -> torch.Tensor:
    """Unit vectors by transformers' processor and model, as published: texts before pictures."""
    clip = embedder.backbone.config.model_type == "clip"
    processor = (CLIPProcessor if clip else SiglipProcessor)(embedder.image_processor, embedder.tokenizer)
    given = processor(text=texts, images=images, return_tensors="pt", truncation=True,
                      padding=True if clip else "max_length")  # fmt: skip
    if not clip:  # the published tokenizer gives no mask, so that the tower attends to padding
        given.pop("attention_mask", None)
    output = embedder.backbone(**given)
    return torch.cat((output.text_embeds, output.image_embeds))


@torch.no_grad()
def test_parts_alone_equal_transformers(embedder, photograph):
    pictures = [photograph(*size) for size in ((32, 32), (90, 40), (33, 120), (500, 20))]
    expected = theirs(embedder, WORDS, [each.open() for each in pictures])
    found = embedder.embed([*(Item((Text(each),)) for each in WORDS), *(Item((Image(each),)) for each in pictures)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert (torch.cdist(expected, expected) + torch.eye(len(expected))).min() > 0.01


@torch.no_grad()
def test_an_item_is_the_sum_of_its_parts_whatever_their_order(embedder, photograph):
    one, other = photograph(60, 60), photograph(50, 90)
    words, first, last, more = theirs(embedder, ["red", "on a cup"], [one.open(), other.open()])[[0, 2, 3, 1]]
    normalize = torch.nn.functional.normalize
    cases = {
        (Text("red"), Image(one)): words + first,
        (Image(one), Text("red"), Image(other), Text("on a cup")): words + first + last + more,
        (Image(one), Image(one)): first,
        (Video((one, other)), Text("red")): normalize(first + last, dim=0) + words,
        (Text("red"), Text("red"), Image(other)): 2 * words + last,
    }
    found = embedder.embed([Item(parts) for parts in cases])
    torch.testing.assert_close(found, normalize(torch.stack([*cases.values()]), dim=1), rtol=0, atol=1e-5)
    torch.testing.assert_close(*embedder.embed([Item((Text("red"), Image(one))), Item((Image(one), Text("red")))]))


@torch.no_grad()
def test_a_long_text_is_cut_as_published_which_is_counted_and_told(embedder, photograph):
    long = "find the red circle " * 40
    expected = theirs(embedder, [long, "red"], [photograph(32, 32).open()])
    with pytest.warns(UserWarning, match=r"longer than \d+ tokens are cut"):
        found, prepared = embedder.embed([Item((Text(long),))]), embedder.prepare(Item((Text(long),)))
    torch.testing.assert_close(found, expected[:1], rtol=0, atol=1e-5)
    limit = embedder.backbone.config.text_config.max_position_embeddings
    assert prepared.cut == len(embedder.tokenizer.encode(long)) - limit > 100


def test_a_text_that_just_fits_is_not_cut(embedder):
    limit = embedder.backbone.config.text_config.max_position_embeddings
    words = "a"
    while len(embedder.tokenizer.encode(words + " a")) <= limit:
        words += " a"
    ids = embedder.prepare(Item((Text(words),))).token_ids.tolist()
    assert ids == [TEXT, *embedder.tokenizer.encode(words)]
    assert len(ids) == limit + 1


def test_spelled_ends_are_words(embedder):
    for end in {embedder.tokenizer.bos_token, embedder.tokenizer.eos_token} - {None}:
        ids = embedder.prepare(Item((Text(f"a {end} b"),))).token_ids.tolist()
        plain = embedder.prepare(Item((Text("a b"),))).token_ids.tolist()
        special = embedder.tokenizer.convert_tokens_to_ids(end)
        assert ids[: ids.index(embedder.tokenizer.eos_token_id)].count(special) == (plain[1] == special)
        assert len([each for each in ids if each != special]) > len([each for each in plain if each != special])


def test_texts_are_found_among_marks_and_filled_up_with_their_last_token():
    ids = torch.tensor([TEXT, 5, 6, 9, IMAGE, TEXT, 7, 9, VIDEO, VIDEO, TEXT, 9, TEXT, 4, 4, 4, 9])
    assert texts_of(ids).tolist() == [[5, 6, 9, 9], [7, 9, 9, 9], [9, 9, 9, 9], [4, 4, 4, 9]]


def test_texts_of_siglip_are_filled_up_on_the_right_on_whichever_side_batches_are():
    embedder = tiny_siglip()
    expected = embedder.prepare(Item((Text("red"),))).token_ids
    embedder.tokenizer.padding_side = "left"
    assert torch.equal(embedder.prepare(Item((Text("red"),))).token_ids, expected)
    assert expected[-1] == embedder.tokenizer.pad_token_id
    assert len(expected) == 1 + 64


def test_the_scale_of_the_published_loss_is_kept_but_says_nothing(embedder, tmp_path):
    item = Item((Text("red"),))
    other = copy.deepcopy(embedder)
    for name in other.backbone_adapter.unused:
        weight = other.backbone.get_parameter(name)
        assert not weight.requires_grad
        weight.data.add_(3)
    assert torch.equal(other.embed([item]), embedder.embed([item]))
    other.save(tmp_path)
    loaded = Embedder.load(tmp_path)
    for name in other.backbone_adapter.unused:
        assert torch.equal(loaded.backbone.get_parameter(name), other.backbone.get_parameter(name))


def test_siglip_without_its_head_is_refused():
    embedder = tiny_siglip()
    embedder.backbone.config.vision_config.vision_use_head = False
    with pytest.raises(ValueError, match=r"vision_use_head = false"):
        Embedder(embedder.backbone, embedder.tokenizer, embedder.image_processor)

"""The tiny model: real classes, small, reproducible, able to read any text."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlavaOnevisionModel

from core.data.miniature.scenes import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES
from core.data.miniature.words import DIRECTIONS, INSTRUCTIONS, NUMBERS, ROOMS
from core.data.records import Item, Text
from core.encoder.tiny.llava_onevision import SENTENCES, VOCABULARY, tiny_embedder, tiny_tokenizer

TOKENIZER = tiny_tokenizer()


def weights(seed: int, **shape: int) -> dict[str, torch.Tensor]:
    return dict(tiny_embedder(seed, **shape).backbone.named_parameters())


def test_a_seed_fixes_the_weights_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = weights(0, width=32, layers=1, vision_layers=1)
    assert torch.equal(torch.rand(3), expected)
    again = weights(0, width=32, layers=1, vision_layers=1)
    other = weights(1, width=32, layers=1, vision_layers=1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    drawn = [name for name in first if first[name].dim() >= 2]
    assert all(not torch.equal(first[name], other[name]) for name in drawn)


def test_its_size_is_as_promised():
    embedder = tiny_embedder()
    assert isinstance(embedder.backbone, LlavaOnevisionModel)
    assert 1e6 < sum(weight.numel() for weight in embedder.parameters()) < 3e6
    assert embedder.dimensions == 128
    assert embedder.backbone.config.text_config.vocab_size == len(TOKENIZER) <= VOCABULARY


def test_matrices_keep_the_scale_of_what_passes_through():
    for name, weight in weights(0).items():
        if name.endswith("down_proj.weight"):
            assert 0.9 < weight.std() * weight.shape[1] ** 0.5 < 1.1


@given(st.text())
@settings(deadline=None)
def test_any_text_is_read_without_unknowns_and_can_be_read_back(text):
    ids = TOKENIZER.encode(text, add_special_tokens=False, split_special_tokens=True)
    assert all(0 <= token < len(TOKENIZER) for token in ids)
    assert not set(ids) & set(TOKENIZER.all_special_ids)
    assert TOKENIZER.decode(ids).removeprefix(" ") == text.removeprefix(" ")


def test_different_texts_have_different_tokens(tiny):
    texts = ["red", "Red", " red", "re d", "red\n", "\u0065\u0301", "\u00e9", ""]
    ids = {tuple(tiny.prepare(Item((Text(text),))).token_ids.tolist()) for text in texts}
    assert len(ids) == len(texts) - 2  # the first word's space is the tokenizer's own; two forms are one letter


def test_words_of_the_trained_tasks_are_few_tokens():
    for sentence in SENTENCES.read_text().splitlines()[:50]:
        count = len(TOKENIZER.encode(sentence, add_special_tokens=False))
        assert count <= len(sentence.split()) + 2


def test_the_vocabulary_is_trained_on_the_words_of_the_trained_tasks_and_no_others():
    sentences = [f"{size} {colour} {kind}" for size in SIZES for colour in COLOURS for kind in KINDS]
    sentences += [f"a shape at the {place} on {background}" for place in PLACES for background in BACKGROUNDS]
    sentences += [*INSTRUCTIONS.values(), *NUMBERS, *ROOMS, *DIRECTIONS]
    sentences += [f"how many {colour} circles are there?" for colour in COLOURS]
    sentences += [f"what colour is the {kind}?" for kind in KINDS]
    sentences += [f"make it {word}" for word in (*COLOURS, *SIZES)] + [f"move it to the {place}" for place in PLACES]
    sentences += [f"turn it into a {kind}" for kind in KINDS] + [f"put it on {name}" for name in BACKGROUNDS]
    assert SENTENCES.read_text().splitlines() == sentences

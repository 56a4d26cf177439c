"""The chat template is cut exactly at the item's parts."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from core.data.miniature.scenes import DrawnScene, random_single
from core.data.records import Image, Item, Text, Video
from core.encoder.instructions import MARK, Scaffold, cut, segments
from core.encoder.tiny import tiny_tokenizer, trained_vocabulary

HEAD = "{% for message in messages %}<|im_start|>"
TAIL = "<|im_end|>{% endfor %}"
IMAGES_FIRST = (
    HEAD
    + "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>\n{% endfor %}"
    + "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }}{% endfor %}"
    + TAIL
)
WITHOUT_TEXT = HEAD + "{% for part in message['content'] %}<image>{% endfor %}" + TAIL
TWICE = HEAD + "{% for part in message['content'] * 2 %}{{ part['text'] }}{% endfor %}" + TAIL
PICTURE_TWICE = HEAD + "{% for part in message['content'] %}<image><image>{% endfor %}" + TAIL
PICTURES = [Image(DrawnScene(random_single(random.Random(seed)))) for seed in range(4)]
CLIPS = [Video((first.source, last.source)) for first, last in itertools.pairwise(PICTURES)]


def with_template(template: str | None) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=trained_vocabulary(), chat_template=template)


texts = st.text().map(Text) | st.sampled_from(
    [Text(each) for each in ("<image>", "<|im_end|>", MARK.format(0), "{{ 1 }}", "<video>\ue000", "\n")]
)
parts = texts | st.sampled_from(PICTURES) | st.sampled_from(CLIPS)


@given(st.lists(parts, min_size=1, max_size=6))
@settings(deadline=None)
def test_the_parts_come_back_in_order_between_the_templates_own_tokens(chosen):
    found = segments(Item(tuple(chosen)), tiny_tokenizer())
    assert [each for each in found if not isinstance(each, Scaffold)] == chosen
    assert found[0] == Scaffold("<|im_start|>")
    assert found[-1] == Scaffold("<|im_end|>")
    assert len(found) == len(chosen) + 2


def test_more_than_ten_text_parts_keep_their_numbers_apart():
    item = Item(tuple(Text(str(number)) for number in range(12)))
    assert segments(item, tiny_tokenizer())[1:-1] == list(item.parts)


def test_the_template_of_llava_onevision_puts_pictures_first():
    item = Item((PICTURES[0], Text("what?")))
    assert segments(item, with_template(IMAGES_FIRST)) == [
        Scaffold("<|im_start|>"), item.parts[0], Scaffold("\n"), item.parts[1], Scaffold("<|im_end|>")
    ]  # fmt: skip


@pytest.mark.parametrize("item", [
    Item((Text("what?"), PICTURES[0])),
    Item((PICTURES[0], Text("met"), PICTURES[1])),
])  # fmt: skip
def test_a_template_that_reorders_the_parts_is_refused(item):
    with pytest.raises(ValueError, match=r"does not place part|repeats or moves"):
        segments(item, with_template(IMAGES_FIRST))


def test_a_template_that_drops_or_repeats_a_part_is_refused():
    with pytest.raises(ValueError, match=r"does not place part 0 .*'hello'"):
        segments(Item((Text("hello"),)), with_template(WITHOUT_TEXT))
    with pytest.raises(ValueError, match="repeats"):
        segments(Item((Text("hello"),)), with_template(TWICE))
    with pytest.raises(ValueError, match="repeats"):
        segments(Item((PICTURES[0],)), with_template(PICTURE_TWICE))


def test_a_tokenizer_without_a_template_is_refused():
    with pytest.raises(ValueError, match="chat_template"):
        segments(Item((Text("hello"),)), with_template(None))


def test_cut_gives_no_empty_scaffolds():
    item = Item((Text("a"), PICTURES[0], Text("b")))
    assert cut(f"{MARK.format(0)}<image>{MARK.format(2)}", item) == list(item.parts)
    assert cut(f"x{MARK.format(0)}<image> {MARK.format(2)}y", item) == [
        Scaffold("x"), item.parts[0], item.parts[1], Scaffold(" "), item.parts[2], Scaffold("y")
    ]  # fmt: skip


QWEN2_VL = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' or 'video' in content %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
)


def test_qwen2_vls_own_template_with_its_own_placeholders():
    item = Item((Text("is <|image_pad|> this?"), PICTURES[0]))
    pieces = segments(item, with_template(QWEN2_VL), "<|image_pad|>", "<|video_pad|>")
    assert pieces == [
        Scaffold("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"),
        item.parts[0], Scaffold("<|vision_start|>"), item.parts[1], Scaffold("<|vision_end|><|im_end|>\n"),
    ]  # fmt: skip


def test_a_template_that_asks_for_keys_rather_than_types_is_served():
    asks = with_template("{% for c in messages[0]['content'] %}{% if 'image' in c %}<image>{% elif 'text' in c %}"
                         "{{ c['text'] }}{% endif %}{% endfor %}")  # fmt: skip
    item = Item((PICTURES[0], Text("what?")))
    assert segments(item, asks) == list(item.parts)

"""The chat template is cut exactly at the item's parts."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from core.data.miniature.scenes import DrawnScene, random_single
from core.data.records import Image, Item, Text, Video
from core.encoder.prompts import MARK, TemplateText, cut, segments
from core.encoder.tiny.llava_onevision import tiny_tokenizer, trained_vocabulary

HEAD = "{% for message in messages %}<|im_start|>"
TAIL = "<|im_end|>{% endfor %}"
IMAGES_FIRST = (
    HEAD
    + "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>\n{% endfor %}"
    + "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }}{% endfor %}"
    + TAIL
)
ONE_PICTURE = HEAD + "<image>" + TAIL
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
    assert [each for each in found if not isinstance(each, TemplateText)] == chosen
    assert found[0] == TemplateText("<|im_start|>")
    assert found[-1] == TemplateText("<|im_end|>")
    assert len(found) == len(chosen) + 2


def test_a_placeholder_that_begins_with_another_is_taken_whole():
    item = Item((CLIPS[0], PICTURES[0]))
    assert cut("<s><p><v>\n<p></s>", item, image="<p>", video="<p><v>") == [
        TemplateText("<s>"), CLIPS[0], TemplateText("\n"), PICTURES[0], TemplateText("</s>")
    ]  # fmt: skip


def test_more_than_ten_text_parts_keep_their_numbers_apart():
    item = Item(tuple(Text(str(number)) for number in range(12)))
    assert segments(item, tiny_tokenizer())[1:-1] == list(item.parts)


def test_the_template_of_llava_onevision_puts_pictures_first():
    item = Item((PICTURES[0], Text("what?")))
    assert segments(item, with_template(IMAGES_FIRST)) == [
        TemplateText("<|im_start|>"), item.parts[0], TemplateText("\n"), item.parts[1], TemplateText("<|im_end|>")
    ]  # fmt: skip


MEDIA_FIRST = (
    HEAD
    + "{% for part in message['content'] if part['type'] != 'text' %}<{{ part['type'] }}>{% endfor %}\n"
    + "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }} {% endfor %}"
    + TAIL
)
TEXTS_BACKWARDS = HEAD + "{% for part in message['content'] | reverse %}{{ part['text'] }}{% endfor %}" + TAIL


@given(st.lists(parts, min_size=1, max_size=6))
@settings(deadline=None)
def test_a_template_may_put_pictures_and_clips_first_and_each_kind_keeps_its_order(chosen):
    """Placeholders that an item's own text spells are text, wherever it goes."""
    found = segments(Item(tuple(chosen)), with_template(MEDIA_FIRST))
    texts = [each for each in chosen if isinstance(each, Text)]
    assert [each for each in found if not isinstance(each, TemplateText)] == [
        *(each for each in chosen if not isinstance(each, Text)), *texts
    ]  # fmt: skip
    assert found[0] == TemplateText("<|im_start|>") or found[0] == TemplateText("<|im_start|>\n")


def test_pictures_go_in_front_in_their_order():
    item = Item((PICTURES[2], Text("met"), PICTURES[1], Text("there")))
    assert segments(item, with_template(IMAGES_FIRST)) == [
        TemplateText("<|im_start|>"), PICTURES[2], TemplateText("\n"), PICTURES[1], TemplateText("\n"),
        item.parts[1], item.parts[3], TemplateText("<|im_end|>"),
    ]  # fmt: skip


def test_a_clip_is_a_picture_to_a_template_that_knows_no_clips():
    item = Item((CLIPS[0], Text("met"), PICTURES[1], CLIPS[1]))
    found = segments(item, with_template(IMAGES_FIRST), videos_as="image")
    assert [each for each in found if not isinstance(each, TemplateText)] == [
        CLIPS[0],
        PICTURES[1],
        CLIPS[1],
        Text("met"),
    ]
    with pytest.raises(ValueError, match="does not place part 0"):
        segments(item, with_template(IMAGES_FIRST))


def test_a_template_that_changes_the_order_among_texts_is_refused():
    assert len(segments(Item((Text("a"),)), with_template(TEXTS_BACKWARDS))) == 3
    with pytest.raises(ValueError, match=r"repeats or moves.*out of order"):
        segments(Item((Text("a"), Text("b"))), with_template(TEXTS_BACKWARDS))


def test_a_template_that_drops_or_repeats_a_part_is_refused():
    with pytest.raises(ValueError, match=r"does not place part 1 \(text\) of item .*hello'"):
        segments(Item((PICTURES[0], Text("hello"))), with_template(ONE_PICTURE))
    with pytest.raises(ValueError, match=r"does not place part 2 \(image\), as '<image>'"):
        segments(Item((PICTURES[0], CLIPS[0], PICTURES[1])), with_template(ONE_PICTURE + "<video>"))
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
        TemplateText("x"), item.parts[0], item.parts[1], TemplateText(" "), item.parts[2], TemplateText("y")
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
        TemplateText("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"),
        item.parts[0], TemplateText("<|vision_start|>"), item.parts[1], TemplateText("<|vision_end|><|im_end|>\n"),
    ]  # fmt: skip


def test_a_template_that_asks_for_keys_rather_than_types_is_served():
    asks = with_template("{% for c in messages[0]['content'] %}{% if 'image' in c %}<image>{% elif 'text' in c %}"
                         "{{ c['text'] }}{% endif %}{% endfor %}")  # fmt: skip
    item = Item((PICTURES[0], Text("what?")))
    assert segments(item, asks) == list(item.parts)

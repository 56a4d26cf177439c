"""Idefics3 and SmolVLM: our tokens, pixels and path against transformers' own processors and forward."""

from types import SimpleNamespace

import pytest
import torch
from last_states import last_states
from transformers import Idefics3Processor
from transformers.models.smolvlm import processing_smolvlm
from transformers.video_utils import VideoMetadata

from core.data.records import Image, Item, Text, Video
from core.encoder.backbones.idefics3 import FRAME
from core.encoder.backbones.number_words import number_words
from core.encoder.embedder import Embedder
from core.encoder.tiny.smolvlm import SIDE, tiny_idefics3, tiny_smolvlm

TILE = 4  # tokens: 4 x 4 patches, 2 x 2 of them shuffled into one
SIZES = [(96, 96), (32, 32), (20, 20), (200, 40), (33, 120), (500, 7), (97, 193)]


@pytest.fixture(scope="module", params=[tiny_idefics3, tiny_smolvlm])
def embedder(request) -> Embedder:
    """Shared: do not train it."""
    return request.param()


def theirs(embedder: Embedder, item: Item) -> dict[str, torch.Tensor]:
    """transformers' own processor over an item without clips; SmolVLM's writes the same for pictures."""
    processor = Idefics3Processor(embedder.image_processor, embedder.tokenizer, image_seq_len=TILE)
    content = [{"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"}
               for part in item.parts]  # fmt: skip
    text = embedder.tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
    images = [part.source.open() for part in item.parts if isinstance(part, Image)]
    return processor(images=[images] if images else None, text=[text], return_tensors="pt")


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_tokens_and_hidden_states_of_a_picture_equal_transformers(embedder, photograph, size):
    item = Item((Text("find this, "), Image(photograph(*size)), Text("on the left")))
    expected = theirs(embedder, item)
    inputs = embedder.collate([embedder.prepare(item)])
    assert inputs.token_ids.tolist() == expected["input_ids"].tolist()
    states = embedder.backbone(**expected).last_hidden_state
    torch.testing.assert_close(last_states(embedder, inputs), states, rtol=0, atol=2e-5)


@pytest.mark.parametrize("item", [
    lambda make: Item((Text("only words"),)),
    lambda make: Item((Image(make(40, 40)),)),
    lambda make: Item((Image(make(40, 90)), Text("and"), Image(make(90, 40)), Text("what is it?"))),
])  # fmt: skip
@torch.no_grad()
def test_items_without_clips_equal_transformers(embedder, photograph, item):
    made = item(photograph)
    expected = theirs(embedder, made)
    inputs = embedder.collate([embedder.prepare(made)])
    assert inputs.token_ids.tolist() == expected["input_ids"].tolist()
    states = embedder.backbone(**expected).last_hidden_state
    torch.testing.assert_close(last_states(embedder, inputs), states, rtol=0, atol=2e-5)


@pytest.mark.parametrize("size", SIZES)
def test_scaled_pixels_are_the_processors_own(embedder, photograph, size):
    (still,) = embedder.prepare(Item((Image(photograph(*size)),))).images
    assert still.pixels.dtype == torch.uint8
    own = embedder.image_processor([[photograph(*size).open()]], return_tensors="pt", return_row_col_info=True)
    torch.testing.assert_close(
        embedder.backbone_adapter.scaled(still.pixels), own["pixel_values"][0], rtol=0, atol=1e-6
    )
    assert own["pixel_attention_mask"].all()
    assert [[each] for each in still.size] == [own["rows"][0], own["cols"][0]]


def test_tiles_are_counted_and_the_processor_decides(embedder, photograph, monkeypatch):
    longest = embedder.image_processor.size["longest_edge"] // SIDE
    (square,) = embedder.prepare(Item((Image(photograph(50, 50)),))).images
    assert square.size == (longest, longest)
    assert len(square.pixels) == longest**2 + 1
    monkeypatch.setattr(embedder.image_processor, "do_image_splitting", False)
    prepared = embedder.prepare(Item((Image(photograph(50, 50)),)))
    assert prepared.images[0].size == (0, 0)
    assert (prepared.token_ids == embedder.backbone.config.image_token_id).sum() == TILE


def clip_of(photograph, frames: int) -> Video:
    return Video(tuple(photograph(60 + number, 90) for number in range(frames)))


@pytest.mark.parametrize("frames", [1, 3, 61])
@torch.no_grad()
def test_clips_of_smolvlm_equal_the_published_prompt_and_transformers_forward(photograph, frames, monkeypatch):
    """Frames as published: whole, after their times; how many of them, in words, and how long, in front."""
    embedder = tiny_smolvlm()
    item = Item((Text("which way?"), clip_of(photograph, frames), Text("there")))
    names = {1: "one", 3: "three", 61: "sixty-one"}
    monkeypatch.setattr(processing_smolvlm, "num2words", names.__getitem__)
    pixels = embedder.image_processor(
        [[frame.open() for frame in item.parts[1].frames]], do_image_splitting=False, return_tensors="pt"
    )
    metadata = VideoMetadata(total_num_frames=frames, fps=1, duration=frames, frames_indices=[*range(frames)])
    words = SimpleNamespace(image_seq_len=TILE, image_token="<image>", fake_image_token="<fake_token_around_image>",
                            global_image_token="<global-img>")  # fmt: skip
    prompt = processing_smolvlm.SmolVLMProcessor.replace_video_token(
        words, {"pixel_values": pixels["pixel_values"], "video_metadata": [metadata]}, 0
    )
    text = processing_smolvlm.DEFAULT_CHAT_TEMPLATE.replace("{% if add_generation_prompt", "{% if false and add")
    content = [{"type": "text", "text": "which way?"}, {"type": "video"}, {"type": "text", "text": "there"}]
    rendered = embedder.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], chat_template=text, tokenize=False
    )
    assert rendered.count("<video>") == 1
    before, after = rendered.split("<video>")
    prompt, end, _ = prompt.rpartition("\n\n")
    # Apart, as ours are: an item's text is never joined with another into one token.
    expected = [each for piece in (before, prompt, end, after) for each in embedder.tokenizer.encode(piece)]
    inputs = embedder.collate([embedder.prepare(item)])
    image = embedder.backbone.config.image_token_id
    ids = inputs.token_ids.masked_fill(inputs.token_ids == FRAME, image)
    assert ids[0].tolist() == expected
    output = embedder.backbone(input_ids=ids, **pixels).last_hidden_state
    torch.testing.assert_close(last_states(embedder, inputs), output, rtol=0, atol=2e-5)


@torch.no_grad()
def test_clips_of_idefics3_are_pictures_behind_one_another(photograph):
    """It was published without clips: frames are pictures that are not cut."""
    embedder = tiny_idefics3()
    clip = clip_of(photograph, 2)
    embedder.image_processor.do_image_splitting = False
    pictures = Item((Text("a"), *(Image(frame) for frame in clip.frames), Text("b")))
    frames = embedder.prepare(Item((Text("a"), clip, Text("b"))))
    images = embedder.prepare(pictures)
    image = embedder.backbone.config.image_token_id
    assert frames.token_ids.masked_fill(frames.token_ids == FRAME, image).tolist() == images.token_ids.tolist()
    torch.testing.assert_close(*embedder.embed([pictures, Item((Text("a"), clip, Text("b")))]), rtol=0, atol=1e-5)


def test_a_picture_and_a_clip_in_one_item_do_not_mix(embedder, photograph):
    picture, clip = Image(photograph(50, 50)), clip_of(photograph, 2)
    first, last = embedder.prepare(Item((picture, clip))), embedder.prepare(Item((clip, picture)))
    image = embedder.backbone.config.image_token_id
    for prepared, order in ((first, (image, FRAME)), (last, (FRAME, image))):
        kinds = [each for each in prepared.token_ids.tolist() if each in (image, FRAME)]
        assert kinds == sorted(kinds, key=order.index)
    frame = Item((Video((picture.source,)),))
    assert embedder.prepare(frame).videos[0][0].id != first.images[0].id
    assert torch.dist(*embedder.embed([Item((picture, clip)), Item((clip, picture))])) > 1e-3


@pytest.mark.parametrize(("number", "words"), [
    (0, "zero"), (7, "seven"), (13, "thirteen"), (20, "twenty"), (32, "thirty-two"), (64, "sixty-four"),
    (100, "one hundred"), (101, "one hundred and one"), (999, "nine hundred and ninety-nine"),
])  # fmt: skip
def test_numbers_in_words(number, words):
    assert number_words(number) == words


def test_numbers_outside_are_refused():
    for number in (-1, 1000):
        with pytest.raises(ValueError, match="outside 0 to 999"):
            number_words(number)

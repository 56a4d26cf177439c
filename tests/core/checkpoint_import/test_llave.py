"""A tiny LLaVE in its published layout gives the vectors that LLaVE's own computation gives."""

import json
import math

import PIL.Image
import pytest
import torch
from published_folders import PATCH, SIDE, write_llave
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.functional import gelu, linear, normalize
from transformers import Qwen2Tokenizer

from core.checkpoint_import import llave
from core.data.records import Image, Item, Text
from core.encoder.embedder import Embedder

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
ANSWER = "<|im_start|>assistant\n\n<|im_end|>\n"
GRID = [(1, 1), (1, 2), (2, 1), (2, 2)]  # (1x1),...,(2x2), width and height in crops


@pytest.fixture(scope="module")
def converted(llave_parts, tmp_path_factory):
    output = tmp_path_factory.mktemp("converted")
    llave.convert(llave_parts[0], output, None)
    return output


def best_resolution(picture):
    """LLaVA's choice: most of the picture kept, then least of the canvas wasted, the first of equals."""

    def quality(size):
        scale = min(SIDE * size[0] / picture.width, SIDE * size[1] / picture.height)
        kept = min(int(picture.width * scale) * int(picture.height * scale), picture.width * picture.height)
        return -kept, SIDE * SIDE * size[0] * size[1] - kept

    return min(GRID, key=quality)


def crops_of(picture):
    """The picture squeezed into a square, then its mosaic on black, normalised to [-1, 1]."""
    across, down = best_resolution(picture)
    width, height = across * SIDE, down * SIDE
    if width / picture.width < height / picture.height:
        size = (width, min(math.ceil(picture.height * width / picture.width), height))
    else:
        size = (min(math.ceil(picture.width * height / picture.height), width), height)
    canvas = PIL.Image.new("RGB", (width, height))
    canvas.paste(picture.resize(size), ((width - size[0]) // 2, (height - size[1]) // 2))
    pieces = [picture.resize((SIDE, SIDE))]
    pieces += [canvas.crop((x, y, x + SIDE, y + SIDE)) for y in range(0, height, SIDE) for x in range(0, width, SIDE)]
    pixels = torch.stack(
        [torch.frombuffer(bytearray(p.tobytes()), dtype=torch.uint8).view(SIDE, SIDE, 3) for p in pieces]
    )
    return (pixels.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5, (across, down)


def picture_tokens(picture, tower, weights):
    """What takes the place of <image>: the square's patches, then the mosaic's lines, a newline after each."""
    pixels, (across, down) = crops_of(picture)
    # LLaVA deletes the tower's last layer and takes what leaves the one before it, without the closing norm.
    states = tower(pixels, output_hidden_states=True).hidden_states[-2]
    first, second = (
        (weights[f"model.mm_projector.{i}.weight"], weights[f"model.mm_projector.{i}.bias"]) for i in (0, 2)
    )
    patches = linear(gelu(linear(states, *first)), *second)
    side, newline = SIDE // PATCH, weights["model.image_newline"]
    lines = (
        patches[1:].view(down, across, side, side, -1).permute(0, 2, 1, 3, 4).reshape(down * side, across * side, -1)
    )
    drop = 0
    if picture.width / picture.height > across / down:  # padded above and below
        drop = (down * side - int(picture.height * across * side / picture.width)) // 2
        lines = lines[drop : down * side - drop]
    else:
        drop = (across * side - int(picture.width * down * side / picture.height)) // 2
        lines = lines[:, drop : across * side - drop]
    assert drop or picture.width == picture.height  # the other pictures test that padding is taken away
    assert lines.shape[0] * lines.shape[1] <= 9 * side * side  # or LLaVA would shrink it
    return torch.cat([patches[0], torch.cat([torch.cat([line, newline[None]]) for line in lines])])


def reference(item, folder, language, tower, weights):
    """LLaVE's vector of an item: one picture in front, words, Qwen2, the last token's state, length 1."""
    tokenizer = Qwen2Tokenizer.from_pretrained(folder)
    pictures = [part.source.open() for part in item.parts if isinstance(part, Image)]
    words = "".join(part.text for part in item.parts if isinstance(part, Text))

    def embedded(text):
        return language.embed_tokens(torch.tensor(tokenizer.encode(text, add_special_tokens=False)))

    if pictures:
        text = f"\n{words}" if words else ""
        user = [
            embedded("<|im_start|>user\n"),
            picture_tokens(pictures[0], tower, weights),
            embedded(f"{text}<|im_end|>\n"),
        ]
    else:
        user = [embedded(f"<|im_start|>user\n{words}<|im_end|>\n")]
    inputs = torch.cat([embedded(SYSTEM), *user, embedded(ANSWER)])
    states = language(inputs_embeds=inputs[None]).last_hidden_state
    return normalize(states[0, -1], dim=0)


def test_vectors_are_those_of_the_original_computation(llave_parts, converted, items):
    folder, language, tower, weights = llave_parts
    embedder = Embedder.load(converted)
    with torch.no_grad():
        expected = torch.stack([reference(item, folder, language, tower, weights) for item in items])
    torch.testing.assert_close(embedder.embed(items), expected, rtol=0, atol=2e-6)
    assert (expected @ expected.T - torch.eye(len(items))).abs().max() < 0.99  # they are not all the same


def test_the_prompt_is_as_published(converted, items):
    embedder = Embedder.load(converted)
    prepared = embedder.prepare(Item((Text("what is it?"), items[2].parts[0])))
    image = embedder.backbone.config.image_token_id
    ids = prepared.token_ids.tolist()
    start = ids.index(image)
    length = len(ids) - ids[::-1].index(image) - start
    assert set(ids[start : start + length]) == {image}
    tokenizer = embedder.tokenizer
    assert tokenizer.decode(ids[:start]) == SYSTEM + "<|im_start|>user\n"
    assert tokenizer.decode(ids[start + length :]) == "\nwhat is it?<|im_end|>\n" + ANSWER
    assert tokenizer.decode(ids[-1:]) == "\n"
    assert tokenizer.decode(ids[-2:-1]) == "<|im_end|>"


@pytest.mark.parametrize("number", range(4))
def test_tokens_are_those_of_llaves_own_code(llave_parts, converted, items, number):
    """Which tokenises turn by turn, the picture's mark as one token, by Qwen's template without its system turn."""
    tokenizer = Qwen2Tokenizer.from_pretrained(llave_parts[0])
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    item = items[number]
    pictures = sum(isinstance(part, Image) for part in item.parts)
    words = "".join(part.text for part in item.parts if isinstance(part, Text))
    user = "<image>" * pictures + "\n" * (pictures and bool(words)) + words
    published = []
    for role, content in (("system", "You are a helpful assistant."), ("user", user), ("assistant", "\n")):
        published += tokenizer.encode(f"<|im_start|>{role}\n{content}<|im_end|>\n", add_special_tokens=False)
    embedder = Embedder.load(converted)
    image = embedder.backbone.config.image_token_id
    ours = embedder.prepare(item).token_ids.tolist()
    once = [token for place, token in enumerate(ours) if token != image or ours[place - 1] != image]
    assert once == [image if token == tokenizer.convert_tokens_to_ids("<image>") else token for token in published]


def test_several_pictures_stay_where_they_are(converted, items):
    embedder = Embedder.load(converted)
    first, second = items[2].parts[0], items[3].parts[0]
    segments = embedder.backbone_adapter.segments(Item((Text("a"), first, Text("b"), second)), embedder.tokenizer)
    assert [each for each in segments if isinstance(each, Text | Image)] == [Text("a"), first, Text("b"), second]


def test_settings_are_those_that_llava_has_in_code(converted):
    embedder = Embedder.load(converted)
    config, processor = embedder.backbone.config, embedder.image_processor
    assert (config.vision_feature_layer, config.vision_feature_select_strategy) == (-1, "full")
    assert config.vision_aspect_ratio == "anyres_max_9"
    assert config.image_grid_pinpoints == processor.image_grid_pinpoints == [[48, 48], [96, 48], [48, 96], [96, 96]]
    assert [*processor.image_mean, *processor.image_std] == [0.5] * 6
    assert config.text_config.rope_parameters["rope_theta"] == 1e6
    assert embedder.tokenizer.pad_token == "<|endoftext|>"
    assert embedder.tokenizer.padding_side == "right"
    assert embedder.tokenizer.convert_tokens_to_ids(["<image>", "<video>"]) == [
        config.image_token_id,
        config.video_token_id,
    ]
    record = json.loads((converted / "conversion.json").read_text())
    assert record["left_out"] == {}


def test_names_and_types_are_those_that_save_writes(llave_folder, tmp_path):
    output, again = tmp_path / "output", tmp_path / "again"
    output.mkdir()
    llave.convert(llave_folder, output, None)
    Embedder.load(output).save(again)
    with safe_open(output / "model.safetensors", "pt") as ours, safe_open(again / "model.safetensors", "pt") as theirs:
        for name in (names := set(ours.keys())):
            assert torch.equal(ours.get_tensor(name), theirs.get_tensor(name))
        assert len(names) == len(set(theirs.keys()))


def test_half_precision_stays(tmp_path, items):
    (tmp_path / "output").mkdir()
    write_llave(tmp_path / "source", dtype=torch.bfloat16)
    llave.convert(tmp_path / "source", tmp_path / "output", None)
    assert json.loads((tmp_path / "output/config.json").read_text())["dtype"] == "bfloat16"
    with safe_open(tmp_path / "output/model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_rows_are_added_where_the_new_tokens_lie_beyond_the_words(tmp_path, items):
    """Qwen2's own file has rows to spare; a file cut to the tokenizer's length has none."""
    (tmp_path / "output").mkdir()
    _, _, weights = write_llave(tmp_path / "source")
    path = tmp_path / "source/config.json"
    config = json.loads(path.read_text())
    rows = config["vocab_size"] - 10
    path.write_text(json.dumps(config | {"vocab_size": rows}))
    words = "model.embed_tokens.weight"
    save_file(weights | {words: weights[words][:rows].clone()}, tmp_path / "source/model.safetensors")
    llave.convert(tmp_path / "source", tmp_path / "output", None)
    embedder = Embedder.load(tmp_path / "output")
    table = embedder.backbone.language_model.embed_tokens.weight
    assert table.shape[0] == rows + 2
    assert torch.equal(table[:rows], weights[words][:rows])
    assert not table[rows:].any()
    assert embedder.embed(items).isfinite().all()


def test_a_base_is_of_no_use(llave_folder, tmp_path):
    with pytest.raises(ValueError, match="stands on no base"):
        llave.convert(llave_folder, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("mm_projector_type", "linear", "mm_projector_type = 'linear'; only 'mlp2x_gelu'"),
        ("mm_vision_tower", "openai/clip-vit-large-patch14-336", "only google/siglip-so400m"),
        ("image_aspect_ratio", "pad", "image_aspect_ratio = 'pad'; only anyres_max_N"),
        ("mm_vision_select_layer", -1, "mm_vision_select_layer = -1; only -2"),
        ("mm_patch_merge_type", "flat", "mm_patch_merge_type = 'flat'"),
        ("num_key_value_heads", None, "num_key_value_heads is missing"),
        ("image_grid_pinpoints", "[(10, 20)]", "image_grid_pinpoints = "),
    ],
)
def test_a_config_that_the_model_cannot_compute_is_refused(llave_folder, tmp_path, entry, value, message):
    path = llave_folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {entry: value}))
    with pytest.raises(ValueError, match=message) as caught:
        llave.convert(llave_folder, tmp_path, None)
    assert str(path) in str(caught.value)


def test_another_tokenizer_is_refused(llave_folder, tmp_path):
    path = llave_folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["added_tokens_decoder"] = {}
    for name in ("additional_special_tokens", "eos_token", "pad_token"):
        config.pop(name)
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"does not know '<\|"):
        llave.convert(llave_folder, tmp_path, None)

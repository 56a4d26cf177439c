"""Adapters that peft saved, under the names of transformers 4 and 5, give the vectors that peft gives."""

import json
import shutil
import warnings

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tiny_backbones import BACKBONES
from torch.nn.functional import normalize
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2VLForConditionalGeneration

from core.checkpoint_import import hugging_face, vlm2vec
from core.checkpoint_import.conversion import ConvertSettings, convert
from core.config.model_settings import TrainableSettings
from core.data.records import Image, Item, Text
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def write_base(folder, adapter="qwen2_vl", model_class=Qwen2VLForConditionalGeneration):
    """Qwen2-VL as on the hub, and the model itself."""
    embedder = BACKBONES[adapter]()
    model = model_class(embedder.backbone.config).eval()
    model.model.load_state_dict(embedder.backbone.state_dict())
    model.save_pretrained(folder)
    embedder.tokenizer.save_pretrained(folder)
    embedder.image_processor.save_pretrained(folder)
    return model


def write_adapter(model, folder, names="first", dora=True, targets=TARGETS, began="gaussian", rslora=False):
    """An adapter with something in it, as VLM2Vec's training saves it. Returns peft's model."""
    settings = LoraConfig(
        r=4,
        lora_alpha=16,
        lora_dropout=0.1,
        target_modules=targets,
        use_dora=dora,
        use_rslora=rslora,
        init_lora_weights=began,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers' notices of its own future
        adapted = get_peft_model(model, settings).eval()
    generator = torch.Generator().manual_seed(3)
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    adapted.save_pretrained(folder)
    config = json.loads((folder / CONFIG).read_text())
    config["base_model_name_or_path"] = "Qwen/Qwen2-VL-2B-Instruct"
    (folder / CONFIG).write_text(json.dumps(config))
    if names == "first":  # of transformers before 4.52
        weights = load_file(folder / WEIGHTS)
        old = {name.replace(".model.language_model.", ".model."): value for name, value in weights.items()}
        assert set(old) != set(weights)
        save_file(old, folder / WEIGHTS)
    return adapted


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "Qwen2-VL-2B-Instruct"
    return folder, write_base(folder)


@pytest.fixture(params=[("first", True), ("later", True), ("first", False)], ids=["first", "later", "lora"])
def adapter(request, base, tmp_path):
    names, dora = request.param
    folder = tmp_path / "VLM2Vec-Qwen2VL-2B"
    peft_model = write_adapter(write_base(tmp_path / "own"), folder, names, dora)
    return base[0], folder, peft_model


@pytest.fixture
def plain(base, tmp_path):
    """An adapter to damage."""
    write_adapter(write_base(tmp_path / "own"), tmp_path / "adapter")
    (tmp_path / "output").mkdir()
    return base[0], tmp_path / "adapter", tmp_path / "output"


def peft_vector(peft_model, embedder, item, in_line=True):
    """The last state of peft's model over the prompt that VLM2Vec gives it, where VLM2Vec reads it."""
    pictures = [part.source.open() for part in item.parts if isinstance(part, Image)]
    pieces = [part.text if isinstance(part, Text) else "<|image_pad|>\n" for part in item.parts]
    inputs = {}
    if pictures:
        inputs = {**embedder.image_processor(pictures, return_tensors="pt")}
        count = int(inputs["image_grid_thw"].prod()) // 4
        pieces[:1] = ["<|image_pad|>" * count, "\n"]
    # In pieces, since the tiny tokenizer, unlike Qwen's, puts a space in front of each text.
    ids = [token for piece in pieces for token in embedder.tokenizer.encode(piece)]
    inputs["input_ids"] = torch.tensor([ids])
    # transformers 4 finds pictures by <|vision_start|>, which VLM2Vec leaves out: they are placed like words.
    places = torch.arange(len(ids)).expand(3, 1, -1)
    own = embedder.prepare(item).positions
    if not in_line and own is not None:
        places = own[:, None]
    with torch.no_grad():
        states = peft_model(**inputs, position_ids=places, output_hidden_states=True).hidden_states[-1]
    return normalize(states[0, -1], dim=0)


def test_vectors_are_pefts(adapter, items, tmp_path):
    base, folder, peft_model = adapter
    convert(ConvertSettings(folder, tmp_path / "output", base))
    embedder = Embedder.load(tmp_path / "output")
    expected = peft_vector(peft_model, embedder, items[0])
    torch.testing.assert_close(embedder.embed(items[:1])[0], expected, rtol=0, atol=1e-6)
    with peft_model.disable_adapter():
        without = peft_vector(peft_model, embedder, items[0])
    assert (without - expected).abs().max() > 1e-3  # the adapter does something


@pytest.mark.parametrize(
    "in_line",
    [
        False,
        True,
    ],
)
def test_vectors_of_pictures_are_pefts(base, items, tmp_path, in_line):
    peft_model = write_adapter(write_base(tmp_path / "own"), tmp_path / "VLM2Vec")
    convert(ConvertSettings(tmp_path / "VLM2Vec", tmp_path / "output", base[0]))
    embedder = Embedder.load(tmp_path / "output")
    expected = torch.stack([peft_vector(peft_model, embedder, item, in_line) for item in items[2:]])
    torch.testing.assert_close(embedder.embed(items[2:]), expected, rtol=0, atol=2e-6)


def test_an_adapter_of_the_tower_too_is_read(items, tmp_path):
    """Qwen2.5-VL's tower has layers of the same names as its language model."""
    base = tmp_path / "Qwen2.5-VL"
    peft_model = write_adapter(write_base(base, "qwen2_5_vl", Qwen2_5_VLForConditionalGeneration), tmp_path / "adapter")
    write_base(base, "qwen2_5_vl", Qwen2_5_VLForConditionalGeneration)
    convert(ConvertSettings(tmp_path / "adapter", tmp_path / "output", base))
    embedder = Embedder.load(tmp_path / "output")
    adapted = {name for name, _ in embedder.backbone.named_parameters() if "lora_A" in name}
    assert sum(name.startswith("visual.") for name in adapted) == 3 * len(embedder.backbone.visual.blocks)
    expected = torch.stack([peft_vector(peft_model, embedder, item, in_line=False) for item in items[2:]])
    torch.testing.assert_close(embedder.embed(items[2:]), expected, rtol=0, atol=2e-6)


def test_merged_or_not_the_vectors_are_the_same(adapter, items, tmp_path):
    base, folder, _ = adapter
    convert(ConvertSettings(folder, tmp_path / "output", base))
    convert(ConvertSettings(folder, tmp_path / "merged", base, merge=True))
    assert not (tmp_path / "merged" / CONFIG).exists()
    merged, apart = (Embedder.load(tmp_path / name).embed(items) for name in ("merged", "output"))
    torch.testing.assert_close(merged, apart, rtol=0, atol=2e-6)


def test_it_can_be_moved_and_trained_on(adapter, items, tmp_path):
    base, folder, _ = adapter
    convert(ConvertSettings(folder, tmp_path / "output", base))
    (tmp_path / "output").rename(tmp_path / "moved")
    embedder = Embedder.load(tmp_path / "moved")
    dora = json.loads((folder / CONFIG).read_text())["use_dora"]
    make_trainable(embedder, TrainableSettings(["vision", "projector"], 4, 16.0, dora=dora))
    assert sum(weight.requires_grad for weight in embedder.parameters()) == 2 * 7 * (3 if dora else 2)


def test_the_prompt_is_as_published(plain, items):
    base, folder, output = plain
    vlm2vec.convert(folder, output, base)
    embedder = Embedder.load(output)
    tokenizer, image = embedder.tokenizer, embedder.backbone.config.image_token_id
    ids = embedder.prepare(items[2]).token_ids.tolist()
    count = ids.count(image)
    assert ids[:count] == [image] * count
    assert tokenizer.decode(ids[count:]).replace(" ", "") == "\nwhatisit?"
    assert tokenizer.decode(embedder.prepare(items[0]).token_ids).strip() == "a red square"
    assert embedder.image_processor.size == {"shortest_edge": 3136, "longest_edge": 1003520}
    two = Item((Text("a"), items[2].parts[0], items[3].parts[0]))
    assert [each for each in embedder.backbone_adapter.segments(two, tokenizer) if isinstance(each, Text | Image)] == [
        *two.parts
    ]


def test_a_base_is_asked_for(plain):
    _, folder, output = plain
    with pytest.raises(ValueError, match=r"is an adapter: name the folder of its base \(Qwen/Qwen2-VL-2B-Instruct\)"):
        vlm2vec.convert(folder, output, None)


def test_another_model_as_base_is_refused(plain, tmp_path):
    _, folder, output = plain
    BACKBONES["llava_onevision"]().save(tmp_path / "llava")
    with pytest.raises(ValueError, match="model_type 'llava_onevision'; VLM2Vec stands on"):
        vlm2vec.convert(folder, output, tmp_path / "llava")


def test_a_base_of_another_size_is_refused(plain):
    base, folder, output = plain
    weights = load_file(folder / WEIGHTS)
    name = next(name for name in weights if name.endswith("layers.0.mlp.down_proj.lora_A.weight"))
    save_file(weights | {name: torch.ones(4, 7)}, folder / WEIGHTS)
    with pytest.raises(ValueError, match=r"of another shape: .*down_proj.lora_A.weight is \[4, 7\] where"):
        vlm2vec.convert(folder, output, base)


def test_a_missing_and_an_extra_tensor_are_listed(plain):
    base, folder, output = plain
    weights = load_file(folder / WEIGHTS)
    name = next(name for name in weights if name.endswith("layers.0.mlp.down_proj.lora_B.weight"))
    save_file(weights | {"base_model.model.x.lora_A.weight": weights.pop(name)}, folder / WEIGHTS)
    with pytest.raises(ValueError, match=r"1 unknown to the model: base_model.model.x.lora_A.weight") as caught:
        vlm2vec.convert(folder, output, base)
    assert "1 missing (by the model's names): base_model.model.language_model.layers.0.mlp.down_proj.lora_B" in str(
        caught.value
    )


@pytest.mark.parametrize(("began", "rslora"), [(True, True), ("orthogonal", False), ("mica", True)])
def test_ways_to_begin_that_keep_the_base_give_pefts_vectors(base, items, tmp_path, began, rslora):
    peft_model = write_adapter(
        write_base(tmp_path / "own"), tmp_path / "adapter", "later", False, TARGETS, began, rslora
    )
    convert(ConvertSettings(tmp_path / "adapter", tmp_path / "output", base[0]))
    embedder = Embedder.load(tmp_path / "output")
    expected = peft_vector(peft_model, embedder, items[0])
    torch.testing.assert_close(embedder.embed(items[:1])[0], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("began", ["pissa", "olora"])
def test_an_adapter_that_changed_its_base_is_refused_by_the_settings_name(base, tmp_path, began):
    model = write_base(tmp_path / "own")
    before = {name: weight.clone() for name, weight in model.named_parameters() if "q_proj.weight" in name}
    write_adapter(model, tmp_path / "adapter", "later", False, TARGETS, began)
    changed = dict(model.named_parameters())
    assert all((changed[n.replace("q_proj", "q_proj.base_layer")] - w).abs().max() > 1e-3 for n, w in before.items())
    with pytest.raises(ValueError, match=f"adapter_config.json: init_lora_weights = '{began}' began by changing"):
        convert(ConvertSettings(tmp_path / "adapter", tmp_path / "output", base[0]))
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("began", ["PiSSA", "pissa_niter_16", "corda", "loftq", "lora_ga", "something_new", 3])
def test_other_ways_that_change_the_base_or_are_not_known_are_refused(plain, began):
    base, folder, output = plain
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"init_lora_weights": began}))
    with pytest.raises(ValueError, match=f"adapter_config.json: init_lora_weights = {began!r} began"):
        vlm2vec.convert(folder, output, base)


def test_an_embedders_own_adapter_is_not_loaded_if_it_changed_its_base(plain):
    base, folder, output = plain
    vlm2vec.convert(folder, output, base)
    config = json.loads((output / CONFIG).read_text())
    (output / CONFIG).write_text(json.dumps(config | {"init_lora_weights": "pissa"}))
    with pytest.raises(ValueError, match="init_lora_weights = 'pissa' began"):
        Embedder.load(output)


def test_an_adapter_among_a_whole_models_weights_is_refused(plain, tmp_path):
    base, folder, output = plain
    shutil.copytree(base, tmp_path / "both")
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(folder / name, tmp_path / "both" / name)
    with pytest.raises(ValueError, match=r"adapter_config\.json: an adapter lies beside the weights"):
        hugging_face.convert(tmp_path / "both", output, None)
    tiny = BACKBONES["qwen2_vl"]()
    tiny.save(tmp_path / "own embedder")
    shutil.copyfile(folder / CONFIG, tmp_path / "own embedder" / CONFIG)
    with pytest.raises(ValueError, match=r"adapter_config\.json: an adapter among the weights"):
        Embedder.load(tmp_path / "own embedder")


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("alpha_pattern", {"q_proj": 8}),
        ("trainable_token_indices", [3]),
        ("fan_in_fan_out", True),
        ("lora_bias", True),
        ("bias", "lora_only"),
        ("layers_to_transform", [0]),
        ("target_parameters", ["mlp.experts"]),
        ("use_qalora", True),
        ("exclude_modules", ["q_proj"]),
        ("r", "4"),
        ("lora_alpha", [16]),
        ("use_dora", "yes"),
        ("modules_to_save", ["lm_head"]),
        ("rank_pattern", {"q_proj": 8}),
        ("bias", "all"),
        ("peft_type", "IA3"),
        ("layer_replication", [[0, 1]]),
        ("something_new", True),
    ],
)
def test_what_an_adapter_would_compute_otherwise_is_refused(plain, entry, value):
    base, folder, output = plain
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {entry: value}))
    with pytest.raises(ValueError, match=f"adapter_config.json: {entry} = "):
        vlm2vec.convert(folder, output, base)


def test_a_pickled_adapter_is_refused(plain):
    base, folder, output = plain
    torch.save(load_file(folder / WEIGHTS), folder / "adapter_model.bin")
    (folder / WEIGHTS).unlink()
    with pytest.raises(ValueError, match=r"adapter_model.bin: weights in a pickle are not opened"):
        vlm2vec.convert(folder, output, base)

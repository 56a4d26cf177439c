"""What a training starts from: resolution, types of weights, cut texts, and the base of an adapter."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from planned import saved_model

from core.config.model_settings import ModelSettings, TrainableSettings
from core.config.settings import TrainSettings
from core.data.records import Image, Item, Text
from core.encoder.embedder import Embedder
from core.estimate.model_shape import Blank
from core.training.starting_model import starting_embedder

PHOTOGRAPH = Image(Blank(200, 150))


def settings(folder: Path, run: Path, adapter: str = "llava_onevision", **changes: object) -> TrainSettings:
    model = ModelSettings(start=str(saved_model(adapter, folder)), **changes)  # type: ignore[arg-type]
    return TrainSettings(output=run, model=model, precision="bfloat16")


def test_crops_are_limited_and_checkpoints_keep_that(tmp_path):
    start = settings(tmp_path / "model", tmp_path / "run")
    free, limited = (starting_embedder(replace(start, model=replace(start.model, max_crops=each)), True)
                     for each in (None, 1))  # fmt: skip
    item = Item((PHOTOGRAPH,))
    assert len(free.prepare(item).images[0].pixels) > 2
    assert len(limited.prepare(item).images[0].pixels) == 2  # the whole picture, and the one crop of its 1 x 1 grid
    limited.save(tmp_path / "saved")
    again = Embedder.load(tmp_path / "saved")
    assert again.prepare(item).token_ids.tolist() == limited.prepare(item).token_ids.tolist()
    torch.testing.assert_close(again.embed([item]), limited.embed([item]))


def test_pixels_are_limited(tmp_path):
    start = settings(tmp_path / "model", tmp_path / "run", "qwen2_vl", max_pixels=28 * 28 * 4, min_pixels=28 * 28)
    embedder = starting_embedder(start, True)
    assert 1 < embedder.backbone_adapter.image_tokens(embedder.prepare(Item((PHOTOGRAPH,))).images[0]) <= 4
    with pytest.raises(ValueError, match=r"model\.min_pixels = 99999 is above model\.max_pixels = 12544"):
        starting_embedder(replace(start, model=replace(start.model, max_pixels=None, min_pixels=99_999)), True)


@pytest.mark.parametrize(
    ("adapter", "changes", "message"),
    [
        ("qwen2_vl", {"max_crops": 2}, "max_crops = 2 does not fit qwen2_vl"),
        ("llava_onevision", {"max_pixels": 1000}, "do not fit llava_onevision"),
    ],
)
def test_limits_of_another_family_are_refused(adapter, changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        starting_embedder(settings(tmp_path / "model", tmp_path / "run", adapter, **changes), True)


def test_frozen_weights_are_narrow_and_what_trains_is_not(tmp_path):
    trainable = TrainableSettings(freeze=["vision", "projector"], lora_rank=4)
    start = settings(tmp_path / "model", tmp_path / "run", frozen_dtype="bfloat16", trainable=trainable)
    embedder = starting_embedder(start, True)
    for name, weight in embedder.named_parameters():
        assert weight.dtype == (torch.float32 if weight.requires_grad else torch.bfloat16), name
    with pytest.raises(ValueError, match="needs bfloat16 arithmetic, and precision = 'float32'"):
        starting_embedder(replace(start, precision="float32"), True)


def test_an_adapter_at_another_resolution_stands_on_a_base_that_has_it(tmp_path):
    trainable = TrainableSettings(freeze=["vision"], lora_rank=4)
    start = settings(tmp_path / "model", tmp_path / "run", max_crops=1, trainable=trainable)
    embedder = starting_embedder(start, True)
    base = tmp_path / "run" / "base"
    assert embedder.base == base
    assert os.path.samefile(base / "model.safetensors", tmp_path / "model" / "model.safetensors")
    embedder.save(tmp_path / "run" / "checkpoints" / "000001")
    item = Item((PHOTOGRAPH, Text("red")))
    again = Embedder.load(tmp_path / "run" / "checkpoints" / "000001")
    torch.testing.assert_close(again.embed([item]), embedder.embed([item]))
    same = starting_embedder(replace(start, model=replace(start.model, max_crops=3)), True)
    assert same.base == tmp_path / "model"
    onto = replace(start.model, start=str(tmp_path / "run" / "checkpoints" / "000001"), max_crops=2)
    with pytest.raises(ValueError, match="starts from a LoRA adapter"):
        starting_embedder(replace(start, model=onto), True)


def test_texts_are_cut_and_pictures_and_the_template_are_not(tmp_path):
    start = settings(tmp_path / "model", tmp_path / "run")
    cut = starting_embedder(replace(start, model=replace(start.model, max_text_tokens=7)), True)
    free = starting_embedder(start, True)
    long = Item((Text("red " * 5), PHOTOGRAPH, Text("blue " * 20)))
    short = Item((Text("red"), PHOTOGRAPH))
    assert cut.prepare(short).token_ids.tolist() == free.prepare(short).token_ids.tolist()
    kept, whole = cut.prepare(long).token_ids.tolist(), free.prepare(long).token_ids.tolist()
    words = len(whole) - len(free.prepare(Item((PHOTOGRAPH,))).token_ids)
    assert len(kept) == len(whole) - words + 7
    assert kept[-1] == whole[-1], "the token that is read closes the turn"
    image = free.backbone.config.image_token_id
    assert kept.count(image) == whole.count(image)

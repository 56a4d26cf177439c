"""A run's last weights become a small model of the course."""

import json

import pytest
import torch
from safetensors.torch import load_file

from core.data.records import Item, Text
from core.encoder.embedder import Embedder
from workbench.lessons.models import shrink


@pytest.fixture
def trained_run(tiny, tmp_path):
    run = tmp_path / "run"
    for step in (1, 2):
        folder = run / "checkpoints" / f"{step:06d}"
        tiny.save(folder)
        (folder / "training.json").write_text(json.dumps({"step": step}))
    return run


def test_the_model_is_the_last_checkpoint_in_half_the_bits(tiny, trained_run, tmp_path):
    shrink(trained_run, tmp_path / "small")
    written = load_file(tmp_path / "small" / "model.safetensors")
    assert {weight.dtype for weight in written.values()} == {torch.bfloat16}
    last = load_file(trained_run / "checkpoints" / "000002" / "model.safetensors")
    assert all(torch.equal(weight, last[name].bfloat16()) for name, weight in written.items())


def test_the_model_embeds_nearly_as_the_run_does(tiny, trained_run, tmp_path):
    shrink(trained_run, tmp_path / "small")
    items = [Item((Text("a red circle"),)), Item((Text("two blue squares on white"),))]
    small = Embedder.load(tmp_path / "small").embed(items)
    assert small.dtype == torch.float32
    assert float((small * tiny.embed(items)).sum(dim=1).min()) > 0.999


def test_a_run_without_checkpoints_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no checkpoint to make a model of; train first"):
        shrink(tmp_path, tmp_path / "small")

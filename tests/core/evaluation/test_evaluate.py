"""One evaluation from settings, in this process: precision, device, caches, and what is written."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from core.encoder.embedder import Embedder
from core.encoder.feature_cache import FeatureCache
from core.evaluation import evaluate as run
from core.evaluation.evaluate import evaluate
from core.evaluation.settings import EvalSettings
from core.evaluation.suites import SuiteSettings


@pytest.fixture(scope="module")
def checkpoint(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny.save(folder)
    return folder


def settings(checkpoint: Path, out: Path, **fields) -> EvalSettings:
    suite = SuiteSettings(queries=2, datasets=["shape", "edit"])
    return EvalSettings(checkpoint, suite, out, device="cpu", **fields)


def vectors(bundle: Path) -> np.ndarray:
    return load_file(bundle / "embeddings.safetensors")["items"]


def test_the_reports_are_part_of_the_bundle(checkpoint, tmp_path):
    folder, scores = evaluate(settings(checkpoint, tmp_path / "b", report=["json"]), progress=False)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {name for name in manifest["files"] if name.startswith("report")} == {"report.json"}
    report = json.loads((folder / "report.json").read_text())
    assert len(report["scores"]) == len(scores)
    assert report["suite"]["name"] == "miniature"


def test_caches_and_portions_change_no_score(checkpoint, tmp_path, monkeypatch):
    plain, found = evaluate(settings(checkpoint, tmp_path / "plain"), progress=False)
    folders = {"cache": tmp_path / "vectors", "feature_cache": tmp_path / "features"}
    cached, again = evaluate(settings(checkpoint, tmp_path / "one", portion=7, batch=3, **folders), progress=False)
    np.testing.assert_allclose(vectors(plain), vectors(cached), atol=2e-6)
    assert [each.value for each in found] == pytest.approx([each.value for each in again])
    assert FeatureCache(tmp_path / "features").size_gb() > 0
    monkeypatch.setattr(Embedder, "forward", lambda *_: pytest.fail("something was encoded"))
    third, _ = evaluate(settings(checkpoint, tmp_path / "two", **folders), progress=False)
    np.testing.assert_array_equal(vectors(third), vectors(cached))


def test_bfloat16_is_another_encoder_with_nearly_the_same_vectors(checkpoint, tmp_path):
    cache = tmp_path / "vectors"
    full, _ = evaluate(settings(checkpoint, tmp_path / "full", cache=cache), progress=False)
    half, _ = evaluate(settings(checkpoint, tmp_path / "half", cache=cache, precision="bfloat16"), progress=False)
    cosines = (vectors(full) * vectors(half)).sum(axis=1)
    assert 0.99 < cosines.min() < 1 - 1e-6
    assert sorted(path.name.split("-", 1)[1] for path in cache.iterdir()) == ["bfloat16-cpu", "float32-cpu"]


def test_on_a_cpu_auto_is_float32_and_nothing_trains(checkpoint, tmp_path):
    embedder = run.load_embedder(settings(checkpoint, tmp_path), checkpoint)
    assert {weight.dtype for weight in embedder.parameters()} == {torch.float32}
    assert not any(weight.requires_grad for weight in embedder.parameters())
    assert not embedder.training


def test_a_missing_gpu_is_told(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wanted = EvalSettings(checkpoint, device="cuda")
    with pytest.raises(ValueError, match="device = 'cuda', but torch finds no GPU"):
        run.device_of(wanted)
    assert run.device_of(EvalSettings(checkpoint)) == torch.device("cpu")


def test_each_process_has_the_gpu_of_its_number(checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert run.device_of(EvalSettings(checkpoint)) == torch.device("cuda", 3)
    assert run.device_of(EvalSettings(checkpoint, device="cpu")) == torch.device("cpu")


def test_a_long_evaluation_without_a_cache_is_warned_of(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "LONG", 3)
    evaluate(settings(checkpoint, tmp_path / "b"), progress=False)
    assert "items and no --cache" in capsys.readouterr().err


@pytest.mark.parametrize("field", ["batch", "portion"])
def test_settings_out_of_range_are_refused(field):
    with pytest.raises(ValueError, match=f"{field} = 0 is outside"):
        EvalSettings(Path("x"), **{field: 0})

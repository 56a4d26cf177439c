"""The file of a training's similarities: what is in it, how it is made, and how it is read."""

import json

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from core.data.miniature.benchmark import SOURCES, ranking_task
from core.encoder.tiny.llava_onevision import tiny_embedder
from workbench.lessons import history

TASK = ranking_task(next(each for each in SOURCES if each.name == "caption-to-image"), 0, 4)


@pytest.fixture
def run(tiny, tmp_path):
    folder = tmp_path / "run"
    tiny.save(folder / "checkpoints" / "000100")
    (folder / "checkpoints" / "000100" / "training.json").write_text(json.dumps({"step": 100}))
    model = {"start": "tiny", "width": 32, "layers": 1, "vision_layers": 1}
    settings = {"steps": 100, "seed": 3, "model": model, "objective": {"name": "infonce"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder


def test_similarities_are_the_models_own_and_the_hardest_is_the_most_similar_negative(run, tiny):
    found = history.of_run(run, [TASK], [0, 100])["infonce", "caption-to-image"]
    assert found.positive.shape == (2, 4)
    for place, embedder in enumerate((tiny_embedder(3, 32, 1, 1), tiny)):
        for row, ranking in enumerate(TASK.rankings):
            vectors = embedder.embed([ranking.query, *ranking.candidates])
            cosines = (vectors[1:] @ vectors[0]).numpy()
            ordered = np.sort(cosines[1:])
            assert found.positive[place, row] == pytest.approx(cosines[0], abs=1e-5)
            np.testing.assert_allclose(found.hard[place, row], ordered[-5:], atol=1e-5)
            np.testing.assert_allclose(found.easy[place, row], ordered[:5], atol=1e-5)
            assert cosines[found.hardest[place, row]] == pytest.approx(ordered[-1], abs=1e-5)
            assert found.hardest[place, row] not in ranking.right


def test_what_is_written_is_read(tmp_path):
    drawn = np.random.default_rng(0)
    kept = history.Extremes(drawn.random((2, 3)), drawn.random((2, 3, 5)), drawn.random((2, 3, 5)), np.full((2, 3), 7))
    file = tmp_path / "made" / "history.safetensors"
    history.write(history.History([0, 100], {("llave", "edit"): kept}), file)
    found = history.read(file)
    assert list(found.steps) == [0, 100]
    for name, values in vars(found.at("llave", "edit")).items():
        np.testing.assert_allclose(values, getattr(kept, name), rtol=1e-6)
    with pytest.raises(ValueError, match=r"not \('infonce', 'edit'\)"):
        found.at("infonce", "edit")


def test_a_run_without_the_step_is_refused(run):
    with pytest.raises(ValueError, match=r"has checkpoints of the steps \[100\], not of 200"):
        history.of_run(run, [TASK], [200])


def test_a_run_that_started_elsewhere_has_no_step_0(run):
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["model"]["start"] = "runs/other"
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(ValueError, match="not of 0"):
        history.of_run(run, [TASK], [0])


def test_files_that_are_missing_or_other_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is missing; lessons/models/README"):
        history.read(tmp_path / "nothing.safetensors")
    save_file({"a/b/c": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds no steps"):
        history.read(tmp_path / "other.safetensors")


def test_the_shipped_file_is_small_and_whole():
    found = history.read()
    assert history.FILE.stat().st_size < 1_000_000
    assert list(found.steps) == list(history.STEPS)
    for objective in ("infonce", "llave"):
        for dataset in history.DATASETS:
            each = found.at(objective, dataset)
            assert each.hard.shape == (len(history.STEPS), history.QUERIES, 5)
            assert bool((np.diff(each.hard, axis=2) >= 0).all())
            assert float(np.abs(each.positive).max()) <= 1.0001


def test_both_runs_start_from_the_same_model():
    found = history.read()
    np.testing.assert_array_equal(found.at("infonce", "look-alike").hard[0], found.at("llave", "look-alike").hard[0])

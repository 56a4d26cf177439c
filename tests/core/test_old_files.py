"""Runs, checkpoints and bundles of version 0.1, from before core's files moved, open and go on as they did then."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from core.config.command_line import parse
from core.config.settings import TrainSettings
from core.data.images.image_files import FileImage
from core.data.records import Image, Item, Text, Video
from core.encoder.embedder import Embedder
from core.evaluation.ranking import placement
from core.training.logs import read_metrics
from core.training.trainer import Trainer
from workbench.bundles.bundle import list_bundles, open_bundle
from workbench.runs.runs import list_runs

OLD = Path(__file__).parents[1] / "data/written_before_the_move"
RUNS = ("whole", "adapter")
DONE = 4
"""Steps behind the checkpoints; the logs and records go on to step 6."""
# What each score is the mean of, over the queries of a data set.
NUMBERS = {"P@1": lambda found: found.hit(1), "R@5": lambda found: found.hit(5), "MRR": lambda found: found.reciprocal}


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the old runs; the working directory is where they lie in `runs`, as config.yaml says."""
    shutil.copytree(OLD / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def items() -> list[Item]:
    """Words, a picture and a clip, which no generator makes."""
    picture = FileImage(OLD / "picture.png")
    return [
        Item((Text("a red circle on navy"),)),
        Item((Image(picture), Text("what is it?"))),
        Item((Video((picture, picture)), Text("which way?"))),
    ]


def naming_a_module(run: Path) -> set[str]:
    """Files that would have to be mended if a module moved; the command line in environment.json is a record only."""
    files = [path for path in run.rglob("*") if path.is_file() and path.name != "environment.json"]
    return {path.name for path in files if b"core." in path.read_bytes() or b"core/" in path.read_bytes()}


@pytest.mark.parametrize("run", RUNS)
def test_a_checkpoint_gives_the_vectors_that_it_gave(run: str, old: Path) -> None:
    embedder = Embedder.load(old / run / "checkpoints/000004")
    expected = load_file(OLD / "vectors.safetensors")[run]
    torch.testing.assert_close(embedder.embed(items()), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("run", RUNS)
def test_a_run_goes_on_from_its_config_as_it_would_have(run: str, old: Path) -> None:
    settings = parse(TrainSettings, "", ["--config", f"runs/{run}/config.yaml", "--resume"])
    trainer = Trainer(settings)
    assert trainer.done == DONE
    assert [row["step"] for row in read_metrics(OLD / "runs" / run)] == [1, 2, 3, 4, 5, 6]
    trainer.run()
    expected, found = read_metrics(OLD / "runs" / run), read_metrics(old / run)
    assert found[:DONE] == expected[:DONE]
    names = ("step", "loss", "infonce_loss", "gradient_norm", "learning_rate", "alpha", "temperature")
    for row, same in zip(found[DONE:], expected[DONE:], strict=True):
        assert {name: row[name] for name in names} == pytest.approx({name: same[name] for name in names}, rel=1e-5)
        assert row.keys() == {*same.keys(), "datasets"}  # which the old code did not log
    record = "pairs/000006-rank0.parquet"
    table, same = (pq.read_table(root / run / record).to_pydict() for root in (old, OLD / "runs"))
    assert table.keys() == same.keys()
    assert table["query_id"] == same["query_id"]
    assert table["origin"] == same["origin"]
    assert table["weight"] == pytest.approx(same["weight"], rel=1e-4)
    assert naming_a_module(old / run) == set()


def test_the_list_of_runs_shows_them(old: Path) -> None:
    found = {run.name: run for run in list_runs(old)}
    assert {name: run.state for name, run in found.items()} == {
        "adapter": "finished",
        "imported": "imported",
        "whole": "finished",
    }
    for name in RUNS:
        run = found[name]
        assert (run.done, run.planned, run.processes, run.problem) == (6, 6, 1, "")
        assert [each.step for each in run.checkpoints] == [DONE]
        assert run.objective is not None
        assert run.objective.learn_temperature == (name == "whole")
    assert [each.name for run in found.values() for each in run.bundles] == ["captions", "000004-miniature"]


@pytest.mark.parametrize("run", ["whole", "imported"])
def test_a_bundle_opens_with_the_scores_that_its_vectors_have(run: str, old: Path) -> None:
    bundle = open_bundle(*list_bundles(old / run))
    stored = json.loads((bundle.folder / "scores.json").read_text())
    assert bundle.scores.to_dict("records") == stored
    assert (bundle.step, bundle.imported) == ((DONE, None) if run == "whole" else (0, "imported"))
    learned = json.loads((old / "whole/checkpoints/000004/training.json").read_text())["objective"]["temperature"]
    assert bundle.manifest["schema"] == 1
    assert bundle.objective.temperature == (learned if run == "whole" else 0.02)
    datasets: dict[str, list[int]] = {}
    for number, name in enumerate(bundle.rankings["dataset"]):
        datasets.setdefault(name, []).append(number)
    assert len(datasets) == 2
    for name, numbers in datasets.items():
        found = []
        for query in map(bundle.query, numbers):
            candidates = bundle.candidates.of(query.number).tolist()
            right = np.isin(candidates, query.right)
            found.append(placement(bundle.vectors[candidates] @ bundle.vectors[query.query], right))
        for metric, of in NUMBERS.items():
            (score,) = (each["value"] for each in stored if (each["name"], each["metric"]) == (name, metric))
            assert np.mean([of(each) for each in found]) == pytest.approx(score, abs=1e-9), (name, metric)
    for number in range(len(bundle.rankings)):
        assert bundle.hardest(number)
    assert all(bundle.picture(name) is not None for name in bundle.thumbnails)

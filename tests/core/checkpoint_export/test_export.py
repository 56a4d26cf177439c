"""Whole exports from settings: of a run, of a LoRA checkpoint, with cards, to a hub that is not there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import warm_processes
import yaml
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from sentence_transformers import SentenceTransformer
from tiny_backbones import BACKBONES
from without_torchvision import leave_out_video_processors

from core.checkpoint_export.export import export
from core.checkpoint_export.settings import ExportSettings
from core.config.command_line import to_yaml
from core.config.model_settings import TrainableSettings
from core.config.settings import DataSettings, TrainSettings
from core.data.records import Item
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable
from core.objectives.settings import ObjectiveSettings

EXPORT = Path(__file__).parents[3] / "core" / "export.py"
SECRET = "hf_not_a_real_token_but_looks_like_one"


class FakeHub:
    """Keeps what it is given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.repos: dict[str, bool] = {}
        self.files: dict[str, bytes] = {}

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.repos[repo_id] = private

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> None:
        assert commit_message
        if self.error:
            raise self.error
        assert repo_id in self.repos
        paths = [path for path in Path(folder_path).rglob("*") if path.is_file()]
        self.files = {path.relative_to(folder_path).as_posix(): path.read_bytes() for path in paths}


def score(scope: str, name: str, metric: str = "P@1", **more: float) -> dict[str, Any]:
    return {
        "scope": scope,
        "name": name,
        "metric": metric,
        "value": 0.515,
        "low": 0.4321,
        "high": 0.5678,
        "n": 321,
        "pool": 59.875,
        "chance": 0.0625,
        "something new": 1,
    } | more


def write_bundle(folder: Path, checkpoint: Path, scores: list[dict[str, Any]], suite: str = "miniature") -> Path:
    folder.mkdir(parents=True)
    manifest = {"checkpoint": str(checkpoint), "step": 10, "suite": {"name": suite, "path": "/secret/data", "seed": 0}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "scores.json").write_text(json.dumps(scores))
    pq.write_table(pa.table({"thumbnail": ["a", "b"], "webp": [b"1", b"2"]}), folder / "thumbnails.parquet")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with two checkpoints; the later one was evaluated."""
    run = tmp_path / "runs" / "mine"
    embedder = BACKBONES["qwen2_vl"]()
    for step in (5, 10):
        embedder.save(run / "checkpoints" / f"{step:06d}")
        (run / "checkpoints" / f"{step:06d}" / "optimizer.safetensors").write_bytes(b"large")
    reached = {"step": 10, "objective": {"name": "infonce", "temperature": 0.0345}}
    (run / "checkpoints" / "000010" / "training.json").write_text(json.dumps(reached))
    settings = TrainSettings(
        output=run,
        steps=20,
        batch=64,
        data=DataSettings("mmeb", tmp_path / "private place" / "data", ["VOC2007", "N24News"]),
        objective=ObjectiveSettings("infonce", learn_temperature=True),
    )
    (run / "config.yaml").write_text(to_yaml(settings))
    packages = {"torch": "2.13.0", "transformers": "5.23.0"}
    environment = {"command": ["train.py", str(run)], "packages": packages, "processes": 8, "precision": "bf16"}
    (run / "environment.json").write_text(json.dumps(environment))
    (run / "skipped.jsonl").write_text("{}\n{}\n{}\n")
    scores = [
        score("dataset", "shape", value=0.99),
        score("overall", "all"),
        score("distribution", "out of distribution", value=0.1725, low=0.15, high=0.19),
        score("meta-task", "classification"),
        score("meta-task", "retrieval", "R@5", value=0.834),
    ]
    write_bundle(run / "bundles" / "000010-miniature", run / "checkpoints" / "000010", scores)
    write_bundle(run / "bundles" / "000005-x", run / "checkpoints" / "000005", [score("overall", "all")], "outdated")
    return run


def metadata(card: str) -> dict[str, Any]:
    _, head, _ = card.split("---\n", 2)
    return yaml.safe_load(head)


def test_the_card_says_how_it_was_trained_and_scored(run: Path, tmp_path: Path) -> None:
    settings = ExportSettings(
        run, "folder", tmp_path / "given-away", license="apache-2.0", base_model="Qwen/Qwen2-VL-2B-Instruct"
    )
    assert export(settings) == f"Written: {tmp_path / 'given-away'}"
    card = (tmp_path / "given-away" / "README.md").read_text()
    found = metadata(card)
    assert found["license"] == "apache-2.0"
    assert found["base_model"] == "Qwen/Qwen2-VL-2B-Instruct"
    assert found["pipeline_tag"] == "feature-extraction"
    assert found["library_name"] == "transformers"
    assert {"qwen2_vl", "infonce", "multimodal-embedding"} <= {*found["tags"]}
    assert "# given-away" in card
    assert "| data | mmeb: VOC2007, N24News |" in card
    assert "| pairs of a step, over all processes | 64 |" in card
    assert "| steps (of this checkpoint / of the run) | 10 / 20 |" in card
    assert "| processes | 8 |" in card
    assert "torch 2.13.0, transformers 5.23.0" in card
    assert "| bad items left out of the data | 3 |" in card
    assert "| temperature | 0.02 (at this step 0.0345) | tau, in (0, 10]: similarities are divided by it." in card
    assert "| overall | all | 51.5 | 43.2 - 56.8 | 321 | 60 | 6.2 |" in card
    assert "| dataset | shape | 99.0 |" in card
    assert "| meta-task | retrieval | 83.4 |" in card
    assert "Out of distribution P@1 is 17.2 % (15.0 - 19.0; chance 6.2 %)" in card
    assert "Not evaluated: vqa, grounding, video." in card
    assert "Ties count by their expectation" in card
    assert "Embedder.load" in card
    assert "SentenceTransformer" not in card
    assert "outdated" not in card  # the scores of another checkpoint


def test_of_several_evaluations_each_suite_shows_its_newest(run: Path, tmp_path: Path) -> None:
    checkpoint = run / "checkpoints" / "000010"
    for number, (name, suite, value) in enumerate(
        [("a", "mmeb", 0.1111), ("b", "mmeb", 0.2222), ("c", "folder", 0.3333)]
    ):
        bundle = write_bundle(run / "bundles" / name, checkpoint, [score("overall", "all", value=value)], suite)
        os.utime(bundle / "scores.json", (10_000_000_000 + number,) * 2)
    export(ExportSettings(run, "folder", tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert [line for line in card.splitlines() if line.startswith("### ")] == [
        "### folder",
        "### mmeb",
        "### miniature",
    ]
    assert "| overall | all | 22.2 |" in card
    assert "| overall | all | 33.3 |" in card
    assert "| 11.1 |" not in card


def test_every_setting_of_the_objective_is_explained(run: Path, tmp_path: Path) -> None:
    export(ExportSettings(run, "folder", tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    for name in vars(ObjectiveSettings()):
        (row,) = [line for line in card.splitlines() if line.startswith(f"| {name} |")]
        assert len(row.split(" | ")[-1]) > 20, row


def test_no_folder_of_this_machine_is_published(run: Path, tmp_path: Path) -> None:
    export(ExportSettings(run, "folder", tmp_path / "out", layout="sentence-transformers"))
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            for private in (str(tmp_path), "private place", "/secret"):
                assert private.encode() not in path.read_bytes(), path


def test_only_the_model_is_given_away(run: Path, tmp_path: Path) -> None:
    export(ExportSettings(run, "folder", tmp_path / "out"))
    names = {path.name for path in (tmp_path / "out").rglob("*")}
    assert {"README.md", "embedder.json", "config.json", "model.safetensors", "preprocessor_config.json"} <= names
    assert not {"optimizer.safetensors", "training.json", "bundle", "thumbnails.parquet"} & names


def test_a_checkpoint_outside_a_run_has_a_card_too(tmp_path: Path) -> None:
    BACKBONES["clip"]().save(tmp_path / "model")
    export(ExportSettings(tmp_path / "model", "folder", tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "how it was trained is not known here" in card
    assert "This checkpoint was not evaluated." in card
    assert "Not evaluated: classification, vqa, retrieval, grounding, video." in card
    assert "No data set out of the training's distribution was evaluated" in card
    assert "license" not in metadata(card)


def test_the_card_of_a_tiny_training_says_how_to_come_back(tmp_path: Path) -> None:
    BACKBONES["llava_onevision"]().save(tmp_path / "model")
    export(ExportSettings(tmp_path / "model", output=tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "core/convert.py --source FOLDER --output CHECKPOINT" in card
    assert 'Embedder.load(Path("CHECKPOINT"))' in card
    assert "takes no clips" in card


@pytest.mark.parametrize("dora", [False, True])
def test_an_adapter_is_merged_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, items: dict[str, Item], messages: dict[str, Any], dora: bool
) -> None:
    leave_out_video_processors(monkeypatch)
    embedder = BACKBONES["qwen2_vl"]()
    embedder.save(tmp_path / "base")
    embedder.base = tmp_path / "base"
    make_trainable(embedder, TrainableSettings(lora_rank=4, dora=dora))
    generator = torch.Generator().manual_seed(0)
    for name, weight in embedder.backbone.named_parameters():
        if "lora_B" in name:
            weight.data.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    embedder.save(tmp_path / "adapted")
    export(ExportSettings(tmp_path / "adapted", output=tmp_path / "out"))
    kinds = ["sentence", "photo", "interleaved"]
    ours = embedder.eval().embed([items[each] for each in kinds])
    model = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    theirs = torch.cat([torch.as_tensor(model.encode([messages[k]], show_progress_bar=False)) for k in kinds])
    assert float((ours * theirs).sum(dim=1).min()) > 1 - 1e-5
    plain = Embedder.load(tmp_path / "base").embed([items[each] for each in kinds])
    assert float((ours * plain).sum(dim=1).max()) < 0.999
    assert not (tmp_path / "out" / "adapter_config.json").exists()


def test_weights_keep_their_type(tmp_path: Path) -> None:
    embedder = BACKBONES["qwen2_vl"]()
    embedder.backbone.to(torch.bfloat16)
    embedder.save(tmp_path / "half")
    export(ExportSettings(tmp_path / "half", output=tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"
    size = (tmp_path / "out" / "model.safetensors").stat().st_size
    assert size == pytest.approx((tmp_path / "half" / "model.safetensors").stat().st_size, rel=0.01)
    assert "(bfloat16)" in (tmp_path / "out" / "README.md").read_text()


def test_pushing_makes_the_repository_and_sends_what_a_dry_run_writes(run: Path, tmp_path: Path) -> None:
    hub = FakeHub()
    more: dict[str, Any] = {"repo": "user/mine", "private": True, "license": "mit", "layout": "sentence-transformers"}
    assert export(ExportSettings(run, "hub", **more), hub) == "Pushed: https://huggingface.co/user/mine"
    assert hub.repos == {"user/mine": True}
    export(ExportSettings(run, "hub", tmp_path / "dry", dry_run=True, **more), FakeHub(AssertionError("it was called")))
    written = {
        path.relative_to(tmp_path / "dry").as_posix(): path.read_bytes()
        for path in (tmp_path / "dry").rglob("*")
        if path.is_file()
    }
    assert written == hub.files
    assert b"# mine\n" in hub.files["README.md"]
    assert metadata(hub.files["README.md"].decode())["library_name"] == "sentence-transformers"
    assert b'SentenceTransformer("user/mine")' in hub.files["README.md"]
    # Pillow's own way to RGB, which that library takes, makes them black and white.
    assert "16 bits or of floating-point values lose their shades" in " ".join(hub.files["README.md"].decode().split())


def test_no_token_is_written(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    export(ExportSettings(run, "folder", tmp_path / "out"))
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert not [name for name in vars(ExportSettings(run, "folder", tmp_path / "other")) if "token" in name]


def test_a_bundle_with_pictures_is_published_only_when_asked(run: Path) -> None:
    hub = FakeHub()
    with pytest.raises(ValueError, match=r"000010-miniature/thumbnails.parquet holds 2 small pictures.*--pictures"):
        export(ExportSettings(run, "hub", repo="user/mine", bundle=True), hub)
    assert not hub.repos
    export(ExportSettings(run, "hub", repo="user/mine", bundle=True, pictures=True), hub)
    assert "bundle/thumbnails.parquet" in hub.files
    pq.write_table(
        pa.table({"thumbnail": pa.array([], pa.string())}), run / "bundles" / "000010-miniature" / "thumbnails.parquet"
    )
    export(ExportSettings(run, "hub", repo="user/mine", bundle=True), hub)
    assert "bundle/scores.json" in hub.files


def test_a_bundle_that_is_missing_is_named(run: Path) -> None:
    shutil.rmtree(run / "bundles" / "000010-miniature")
    with pytest.raises(ValueError, match=r"checkpoints/000010 was not evaluated"):
        export(ExportSettings(run, "hub", repo="user/mine", bundle=True), FakeHub())


def test_what_the_hub_refuses_is_said(run: Path) -> None:
    for error in (OSError("offline"), HFValidationError("bad name"), refusal()):
        with pytest.raises(ValueError, match=r"repo = 'user/mine': the hub did not take it .*HF_TOKEN"):
            export(ExportSettings(run, "hub", repo="user/mine"), FakeHub(error))


def refusal() -> HfHubHTTPError:
    import httpx

    return HfHubHTTPError("403", response=httpx.Response(403, request=httpx.Request("POST", "https://hub.invalid")))


def test_damaged_scores_are_named(run: Path, tmp_path: Path) -> None:
    (run / "bundles" / "000010-miniature" / "scores.json").write_text('[{"scope": 1}]')
    with pytest.raises(ValueError, match=r"000010-miniature/scores.json: the scores cannot be read"):
        export(ExportSettings(run, "folder", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_existing_output_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match=r"output = .*out exists; name another folder"):
        export(ExportSettings(run, output=tmp_path / "out"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"to": "hub"}, "repo is missing"),
        ({"to": "hub", "repo": "mine"}, "repo = 'mine' must be user/name"),
        ({}, "output is missing"),
        ({"to": "hub", "repo": "user/mine", "dry_run": True}, "output is missing"),
        ({"to": "hub", "repo": "user/mine", "output": Path("x")}, "add dry_run"),
        ({"to": "folder", "repo": "user/mine", "output": Path("x")}, "repo and dry_run are for to = 'hub'"),
        ({"output": Path("x"), "bundle": True}, "bundle is for"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExportSettings(Path("run"), **settings)


@pytest.mark.slow
def test_the_command(run: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(EXPORT), "--checkpoint", str(run), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"Written: {tmp_path / 'out'}\n"), done.stderr
    assert (tmp_path / "out" / "modules.json").is_file()
    again = warm_processes.run(command[1:])
    assert again.returncode == 1
    assert again.stderr.startswith(f"error: output = {tmp_path / 'out'} exists")

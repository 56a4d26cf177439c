"""Every recipe is complete and dry-runs; one that finds its files trains."""

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from planned import RECIPES, mmeb_folder, saved_model

from core.checkpoint_import.conversion import ConvertSettings
from core.config.command_line import parse, plain
from core.config.settings import TrainSettings
from core.data.download import DownloadSettings
from core.encoder.embedder import Embedder
from core.estimate.data_mixture import mixture
from core.estimate.estimate import Estimate, make_estimate
from core.estimate.published_configs import CONFIGS, published
from core.estimate.report import report
from core.training.logs import read_metrics
from core.training.run_folder import flat
from core.training.trainer import Trainer

PUBLISHED = [path for path in sorted(RECIPES.glob("*.yaml")) if path.stem != "miniature"]
NAMES = {
    "llave-0.5b", "llave-2b", "llave-7b", "vlm2vec-qwen2vl-2b", "vlm2vec-qwen2vl-7b", "ega-llava-ov-7b", "ours-8gpu",
    "ours-1gpu",
}  # fmt: skip
SPELLED = ("output", "steps", "batch", "chunk", "data.path", "data.datasets", "data.limit", "data.block", "model.start",
           "model.published", "model.trainable.freeze", "objective.name", "objective.temperature",
           "objective.both_directions", "optimizer.learning_rate", "optimizer.schedule", "plan.gpus", "plan.memory_gb",
           "plan.peak_tflops", "plan.utilisation")  # fmt: skip


def read(name: str, *arguments: str) -> TrainSettings:
    return parse(TrainSettings, "", ["--config", str(RECIPES / f"{name}.yaml"), *arguments])


def planned(name: str, *arguments: str) -> Estimate:
    settings = read(name, *arguments)
    plan, _ = make_estimate(settings, settings.plan.gpus)
    assert plan is not None
    return plan


def test_all_recipes_are_here():
    assert {path.stem for path in PUBLISHED} == NAMES


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_a_recipe_dry_runs_spells_out_what_counts_and_fits_its_machine(path):
    written = flat(yaml.safe_load(path.read_text()))
    assert [name for name in SPELLED if name not in written] == []
    assert f"--config core/recipes/{path.name}" in path.read_text()
    plan = planned(path.stem)
    assert plan.fits
    assert plan.mixture.pairs == 662_000
    assert str(plan.settings.output) == f"runs/{path.stem}"
    assert plan.shape.parameters["vision"][1] == 0
    text = report(plan)
    assert f"{plan.hours:.1f} hours" in text
    assert "DOES NOT FIT" not in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_what_is_missing_is_said_with_the_commands_that_get_it(path, monkeypatch):
    monkeypatch.setattr("core.estimate.paths.shutil.disk_usage", lambda place: SimpleNamespace(free=10**15))
    settings = read(path.stem)
    _, problems = make_estimate(settings, settings.plan.gpus)
    assert len(problems) == 2
    model = published(settings.model.published or "")
    assert "data/MMEB-train" in problems[0]
    assert "python core/download.py --what mmeb-train --to data/MMEB-train" in problems[0]
    assert f"python core/download.py --what model --name {model.repository} --to models/" in problems[1]
    assert f"python core/convert.py --source models/{model.repository.split('/')[1]}-published" in problems[1]
    assert problems[1].endswith(f"--output {settings.model.start}")


def test_parameters_are_the_published_ones():
    """Totals of the model cards (0.894B, 1.95B, 8.03B, 2.21B, 8.29B) less the head where it is a matrix of its own."""
    totals = {}
    for name in ("llave-0.5b", "llave-2b", "llave-7b"):
        totals[name] = planned(name, "--model.frozen_dtype", "float32").shape
    for name in ("vlm2vec-qwen2vl-2b", "vlm2vec-qwen2vl-7b"):
        lora = ["--model.trainable.lora_rank", "0", "--model.trainable.dora", "false"]
        totals[name] = planned(name, *lora).shape
    sizes = {name: shape.total[0] / 1e9 for name, shape in totals.items()}
    assert sizes["llave-0.5b"] == pytest.approx(0.894, abs=5e-4)
    assert sizes["llave-2b"] == pytest.approx(1.95, abs=5e-3)
    assert sizes["llave-7b"] + 152_128 * 3584 / 1e9 == pytest.approx(8.03, abs=5e-3)
    assert sizes["vlm2vec-qwen2vl-2b"] == pytest.approx(2.21, abs=5e-3)
    assert sizes["vlm2vec-qwen2vl-7b"] + 152_064 * 3584 / 1e9 == pytest.approx(8.29, abs=5e-3)
    frozen = totals["llave-2b"]
    assert frozen.total[1] == frozen.total[0] - frozen.parameters["vision"][0]


def test_adapters_are_counted_by_hand():
    """Rank 16 on seven matrices of each of Qwen2-VL-2B's 28 blocks, and the lengths that DoRA learns."""
    d, keys, inner = 1536, 256, 8960
    pairs = [(d, d), (d, keys), (d, keys), (d, d), (d, inner), (d, inner), (inner, d)]
    expected = 28 * sum(16 * (rows + columns) + columns for rows, columns in pairs)
    assert planned("vlm2vec-qwen2vl-2b").shape.parameters["language"][1] == expected


def test_llave_2b_lands_near_its_published_hours():
    """17 h on 8 A100 were estimated to be 45 TFLOP/s a GPU, 14 %, at 33 TFLOP a pair (pictures of queries alone).

    Here a pair has the pictures of its target too, so the same hours mean up to 18 %: a tolerance of a third.
    """
    plan = planned("llave-2b", "--graph_memory_gb", "100")
    assert plan.memory.twice == 0
    assert plan.settings.plan.utilisation == 0.14
    assert plan.hours == pytest.approx(17, rel=1 / 3)
    assert 0.9 <= plan.epochs <= 1.1


def test_hours_follow_from_flops_and_machine():
    plan = planned("ours-8gpu")
    seen = plan.settings.steps * plan.settings.batch
    assert plan.hours == pytest.approx(seen * plan.flops.done / (8 * 989e12 * 0.3 * 3600))
    assert plan.mfu == pytest.approx(0.3 * plan.flops.useful / plan.flops.done)
    half = planned("ours-8gpu", "--plan.utilisation", "0.15")
    assert half.hours == pytest.approx(2 * plan.hours)


def test_the_mixture_of_mmeb_is_the_papers():
    found, _ = mixture(read("llave-2b").data, 0)
    assert found is not None
    assert found.pairs == 662_000
    assert found.query_pictures == pytest.approx(495 / 662)
    assert found.target_pictures == pytest.approx(259 / 662)
    assert mixture(read("llave-2b", "--data.limit", "20000").data, 0)[0].pairs == 355_000  # type: ignore[union-attr]


def test_shipped_configs_say_where_they_are_from():
    for folder in CONFIGS.iterdir():
        source = json.loads((folder / "source.json").read_text())
        assert source["repository"].count("/") == 1
        assert len(source["checked"]) > 40


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mmeb_folder(tmp_path_factory.mktemp("data") / "mmeb")


SMALL = ("--batch", "8", "--data.block", "4", "--data.workers", "0", "--sharding", "none", "--save_every", "2",
         "--data.datasets", "[colour, caption-to-image]", "--data.limit", "8", "--chunk", "4")  # fmt: skip


@pytest.fixture
def fresh_accelerator():
    """accelerate keeps the first precision of a process for all of it; the recipes' is not that of other tests."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_accelerator")
@pytest.mark.parametrize(
    ("name", "adapter", "changes"),
    [
        ("llave-0.5b", "llava_onevision", ["--data.block", "1"]),
        ("ega-llava-ov-7b", "llava_onevision", []),
        ("vlm2vec-qwen2vl-2b", "qwen2_vl", ["--model.max_pixels", "6272"]),
        ("ours-1gpu", "qwen2_vl", ["--model.max_pixels", "6272", "--graph_memory_gb", "0"]),
    ],
)
def test_a_recipe_trains_and_goes_on_where_its_files_are(name, adapter, changes, data, tmp_path):
    model = saved_model(adapter, tmp_path / "model")
    here = [*SMALL, "--model.start", str(model), "--data.path", str(data), "--output", str(tmp_path / "run"), *changes]
    settings = read(name, "--steps", "4", *here)
    plan, problems = make_estimate(settings, 1)
    assert problems == []
    assert plan is not None
    assert plan.origin == str(model)
    assert plan.mixture.pairs == 16
    trainer = Trainer(read(name, "--steps", "4", *here))
    trainer.run()
    assert [row["step"] for row in read_metrics(tmp_path / "run")] == [1, 2, 3, 4]
    last = Embedder.load(tmp_path / "run/checkpoints/000004")
    first = Embedder.load(model)
    assert last.image_processor.to_dict() != first.image_processor.to_dict()
    assert sum(weight.numel() for weight in last.parameters()) == plan.shape.total[0]
    resumed = read(name, "--steps", "4", *here, "--resume")
    again = Trainer(resumed)
    assert again.done == 4
    for name, weight in trainer.embedder.state_dict().items():
        assert torch.equal(weight, again.embedder.state_dict()[name]), name
    assert plain(resumed)["plan"] == plain(settings)["plan"]


def row(plan: Estimate) -> str:
    """The recipe's line in docs/recipes.md."""
    flops, memory, machine = plan.flops, plan.memory, plan.settings.plan
    name, again = plan.settings.output.name, flops.checkpointing + flops.twice
    total, trained = plan.shape.total
    cells = (
        f"[{name}](../core/recipes/{name}.yaml)",
        f"{total / 1e6:,.0f} / {trained / 1e6:,.0f}",
        f"{plan.gpus} x {machine.gpu}",
        f"{plan.settings.steps:,} x {plan.settings.batch:,} ({plan.epochs:.1f})",
        f"{memory.held.total / 1e9:.1f}",
        f"{memory.peak / 1e9:.1f} of {machine.memory_gb:g}",
        f"{flops.vision / 1e12:.1f}",
        f"{(flops.language + flops.projector) / 1e12:.1f}",
        f"{flops.backward / 1e12:.1f}",
        f"{again / 1e12:.1f}",
        f"{plan.hours:.1f} at {machine.utilisation:.0%}",
    )
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_the_documented_numbers_are_those_of_the_dry_run(path):
    assert row(planned(path.stem)) in (RECIPES.parents[1] / "docs/recipes.md").read_text()


@pytest.mark.parametrize("name", sorted(path.parent.name for path in CONFIGS.glob("*/source.json")))
def test_the_commands_of_the_messages_are_those_of_the_programs(name):
    first, second = published(name).commands("models/here").split(" && ")
    fetched = parse(DownloadSettings, "", shlex.split(first)[2:])
    converted = parse(ConvertSettings, "", shlex.split(second)[2:])
    assert (fetched.what, fetched.name) == ("model", published(name).repository)
    assert fetched.to == converted.source
    assert converted.output == Path("models/here")

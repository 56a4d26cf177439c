"""The training loop in this process: it learns, resumes bit for bit, caches gradients, records, refuses nonsense."""

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from small_training import small_settings

from core.checkpoints.listing import checkpoints
from core.config.model_settings import ModelSettings
from core.config.settings import DataSettings, OptimizerSettings, RecordSettings, TrainSettings
from core.contrast.contrast import value_and_gradient
from core.contrast.similarity_tiles import EmbeddingBatch
from core.encoder.embedder import Embedder
from core.objectives.infonce import InfoNCE
from core.objectives.settings import ObjectiveSettings
from core.training.logs import read_metrics
from core.training.step import StepOutcome
from core.training.trainer import Trainer, numbers_of


def small(run: Path, **changes: object) -> TrainSettings:
    """Three data sets, two records."""
    data = DataSettings(datasets=["colour", "caption-to-image", "image-to-caption"], block=4)
    own = {"save_every": 3, "data": data, "record": RecordSettings(every=3, negatives=4)}
    return small_settings(run, **own | changes)


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(run)]


def test_a_run_leaves_what_the_design_says(tmp_path: Path) -> None:
    settings = small(tmp_path / "run")
    folder = Trainer(settings).run()
    assert folder == tmp_path / "run/checkpoints/000006"
    assert [each.step for each in checkpoints(settings.output)] == [3, 6]
    assert yaml.safe_load((settings.output / "config.yaml").read_text())["objective"]["alpha"] == 9.0
    environment = json.loads((settings.output / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["processes"] == 1
    rows = read_metrics(settings.output)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["alpha"] == 0
    assert rows[-1]["alpha"] == 9
    assert all(row["gradient_norm"] > 0 and row["pairs_per_second"] > 0 for row in rows)
    assert not [path for path in settings.output.rglob(".*")]


def test_weights_of_data_sets_change_the_epoch(tmp_path: Path) -> None:
    names = ["colour", "background"]
    plain, twice = (
        Trainer(small(tmp_path / str(number), data=DataSettings(datasets=names, block=4, weights=weights)))
        for number, weights in enumerate(({}, {"colour": 2.0}))
    )
    lengths = [len(each) for each in plain.batches.datasets]
    grown = (2 * lengths[0] + lengths[1]) / sum(lengths)
    assert twice.batches.steps_per_epoch == pytest.approx(grown * plain.batches.steps_per_epoch)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    settings = small(
        tmp_path / "run",
        steps=40,
        batch=32,
        save_every=1000,
        objective=ObjectiveSettings(name="infonce"),
        data=DataSettings(datasets=["background"], block=32),
        optimizer=OptimizerSettings(learning_rate=3e-3),
    )
    Trainer(settings).run()
    found = losses(settings.output)
    assert sum(found[-5:]) < 0.6 * sum(found[:5])


def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(tmp_path: Path) -> None:
    whole, broken = small(tmp_path / "whole"), small(tmp_path / "broken")
    Trainer(whole).run()
    first = Trainer(broken)
    for data in list(map(first.steps().__getitem__, range(5))):
        first.step(data)
        first.done = data.step + 1
        if first.done == 3:
            first.save([])
    again = Trainer(dataclasses.replace(broken, resume=True))
    assert again.done == 3
    again.run()
    assert losses(broken.output) == losses(whole.output)[3:]
    one, other = (Embedder.load(run.output / "checkpoints/000006") for run in (whole, broken))
    for (name, weight), (_, same) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(weight, same), name


def test_resuming_redoes_nothing_and_keeps_one_line_a_step(tmp_path: Path) -> None:
    settings = small(tmp_path / "run")
    Trainer(settings).run()
    before = losses(settings.output)
    with (settings.output / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "loss"')
    Trainer(dataclasses.replace(settings, resume=True)).run()
    assert losses(settings.output) == before


def test_an_existing_run_is_not_overwritten(tmp_path: Path) -> None:
    settings = small(tmp_path / "run", steps=1)
    Trainer(settings).run()
    with pytest.raises(ValueError, match=r"already holds a run.*--resume"):
        Trainer(settings)


def test_other_settings_are_not_mixed_into_a_run(tmp_path: Path) -> None:
    settings = small(tmp_path / "run", steps=1)
    Trainer(settings).run()
    other = dataclasses.replace(settings, resume=True, objective=ObjectiveSettings(alpha=5.0))
    with pytest.raises(ValueError, match=r"objective\.alpha = 5\.0, but .*config\.yaml says 9\.0"):
        Trainer(other)


@pytest.mark.parametrize("memory", [0.0, 0.004])
def test_the_gradient_cache_changes_nothing(memory: float, tmp_path: Path) -> None:
    kept = small(tmp_path / "kept", precision="float64", chunk=4, steps=3)
    cached = dataclasses.replace(kept, output=tmp_path / "cached", graph_memory_gb=memory)
    Trainer(kept).run()
    Trainer(cached).run()
    assert losses(cached.output) == pytest.approx(losses(kept.output), rel=1e-9)


def test_the_record_is_what_the_objective_did(tmp_path: Path) -> None:
    settings = small(tmp_path / "run")
    trainer = Trainer(settings)
    trainer.run()
    table = pq.read_table(settings.output / "pairs/000006-rank0.parquet").to_pydict()
    assert set(table["step"]) == {6}
    assert len(set(table["query_id"])) == 8
    data = trainer.steps()[5]
    assert set(table["negative_id"]) <= {f"{each:015x}" for each in (*data.target_ids, *data.negative_ids)}
    for weight, similarity in zip(table["weight"], table["similarity"], strict=True):
        assert weight == pytest.approx(torch.exp(torch.tensor(9 * similarity)).item(), rel=1e-5)
    for query in set(table["query_id"]):
        shares = [share for share, owner in zip(table["share"], table["query_id"], strict=True) if owner == query]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-6
    assert all(origin.startswith("miniature ") for origin in table["origin"])


def test_a_frozen_reward_sets_the_weights(tmp_path: Path) -> None:
    policy = small(tmp_path / "policy", steps=1, objective=ObjectiveSettings(alpha_warmup=0.0))
    Trainer(policy).run()
    start = str(policy.output / "checkpoints/000001")
    model = ModelSettings(start=start)
    frozen = ObjectiveSettings(alpha_warmup=0.0, reward=start)
    runs = [
        small(tmp_path / "a", steps=2, model=model, objective=frozen),
        small(tmp_path / "b", steps=2, model=model, objective=ObjectiveSettings(alpha_warmup=0.0)),
    ]
    for run in runs:
        Trainer(run).run()
    with_frozen, with_policy = losses(runs[0].output), losses(runs[1].output)
    assert with_frozen[0] == pytest.approx(with_policy[0], rel=1e-4)
    assert with_frozen[1] != pytest.approx(with_policy[1], rel=1e-4)


def test_diverged_weights_stop_the_run_and_name_the_step_and_data(tmp_path: Path) -> None:
    trainer = Trainer(small(tmp_path / "run"))
    next(trainer.embedder.parameters()).data[0] = float("nan")
    with pytest.raises(ValueError, match=r"Step 1 \(data sets .*\): some embeddings are not finite"):
        trainer.run()
    assert checkpoints(tmp_path / "run") == []


def test_a_checkpoint_that_is_trained_on_trains_with_dropout_and_its_negatives(tiny: Embedder, tmp_path: Path) -> None:
    """A model that was loaded is in evaluation mode."""
    tiny.save(tmp_path / "start")
    data = DataSettings(datasets=["look-alike"], block=4, negatives=2)
    trainer = Trainer(small(tmp_path / "run", model=ModelSettings(start=str(tmp_path / "start")), data=data))
    assert trainer.embedder.training
    assert all(module.training for module in trainer.embedder.modules())
    assert len(trainer.steps()[0].negative_rows) == 2 * 8


def test_rows_without_a_negative_count_in_no_mean_over_negatives() -> None:
    ids = torch.arange(3)
    contrast = dataclasses.replace(
        value_and_gradient(InfoNCE(0.1), EmbeddingBatch(torch.eye(3), torch.eye(3), ids, ids)),
        positive=torch.tensor([0.9, 0.5, 0.1]),
        hardest=torch.tensor([-torch.inf, 0.3, 0.2]),
    )
    found = numbers_of(StepOutcome(InfoNCE(0.1), contrast, 1.0))
    assert [found[name] for name in ("positive", "hardest", "margin")] == pytest.approx([0.5, 0.25, 0.05])
    alone = dataclasses.replace(contrast, hardest=torch.full((3,), -torch.inf))
    found = numbers_of(StepOutcome(InfoNCE(0.1), alone, 1.0))
    assert [found[name] for name in ("positive", "hardest", "margin")] == pytest.approx([0.5, 0.0, 0.0])


def test_unknown_data_sets_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'shapes' is unknown; there are shape, colour"):
        Trainer(small(tmp_path / "run", data=DataSettings(datasets=["shapes"], block=4)))

"""One step without a run folder: loss and gradient are autograd's of the equation; caches change nothing."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from core.config.model_settings import ModelSettings, TrainableSettings
from core.config.settings import DataSettings, TrainSettings
from core.contrast.contrast import Contrast, value_and_gradient
from core.data.batches import BatchSampler
from core.data.miniature.benchmark import training_sets
from core.encoder.backbones.adapter import to_float64
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable
from core.encoder.inputs import ModelInputs
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.objectives.settings import ObjectiveSettings
from core.training import step
from core.training.optimizer import learning_rate
from core.training.step import Stepper
from core.training.step_data import StepData, Steps
from core.training.trainer import Trainer

DATASETS = ("colour", "look-alike")
TAU = 0.1


def settings_of(**changes: object) -> TrainSettings:
    settings = TrainSettings(
        steps=4,
        batch=8,
        data=DataSettings(block=4),
        precision="float64",
        objective=ObjectiveSettings(name="infonce", temperature=TAU),
        graph_memory_gb=0.0,
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def exact_embedder() -> Embedder:
    embedder = tiny_embedder(0, 32, 1, 1)
    to_float64(embedder.backbone)
    return embedder.train()


def data_of(embedder: Embedder, negatives: int) -> StepData:
    sets = [each for each in training_sets() if each.name in DATASETS]
    return Steps(BatchSampler(sets, 8, 4, 0), embedder.prepare, embedder.collate, 5, 0, 1, negatives)[0]


def dense_infonce(embedder: Embedder, data: StepData) -> torch.Tensor:
    """Symmetric InfoNCE with explicit negatives as further columns, pair by pair as the equation says."""
    vectors = torch.cat([embedder(chunk) for chunk in data.chunks])
    of_id = {item.content_id: vectors[row] for row, item in enumerate(data.items)}
    queries = [pair.query.content_id for pair in data.pairs]
    targets = [pair.positive.content_id for pair in data.pairs]
    negatives = [data.items[row].content_id for row in data.negative_rows.tolist()]
    losses = []
    for i, (query, target) in enumerate(zip(queries, targets, strict=True)):
        positive = of_id[query] @ of_id[target] / TAU
        columns = [j for j in range(len(targets)) if j == i or (targets[j] != target and queries[j] != query)]
        row = [of_id[query] @ of_id[targets[j]] / TAU for j in columns]
        row += [of_id[query] @ of_id[each] / TAU for each in negatives if each != target]
        column = [of_id[queries[j]] @ of_id[target] / TAU for j in columns]
        losses += [torch.logsumexp(torch.stack(each), 0) - positive for each in (row, column)]
    return torch.stack(losses).mean()


def gradients_of_step(stepper: Stepper, data: StepData) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss, and the gradient just before the optimizer uses it."""
    found: dict[str, torch.Tensor] = {}

    def look(*_: object) -> None:
        named = stepper.embedder.named_parameters()
        found.update({name: weight.grad.clone() for name, weight in named if weight.grad is not None})

    stepper.optimizer.register_step_pre_hook(look)
    outcome = stepper(data)
    assert outcome.fault is None
    assert outcome.contrast is not None
    return float(outcome.contrast.loss), found


@pytest.mark.parametrize("negatives", [0, 2])
def test_loss_and_gradient_are_autograds_of_the_equation(negatives: int) -> None:
    embedder = exact_embedder()
    data = data_of(embedder, negatives)
    assert (len(data.negative_rows) > 0) == (negatives > 0)
    assert len(data.items) < 2 * len(data.pairs) + len(data.negative_rows)  # some item stands in several places
    expected = dense_infonce(embedder, data)
    expected.backward()
    dense = {name: weight.grad.clone() for name, weight in embedder.named_parameters() if weight.grad is not None}
    embedder.zero_grad()
    settings = settings_of()
    settings.optimizer.clip = 1e6
    loss, found = gradients_of_step(Stepper(settings, embedder, Accelerator(cpu=True)), data)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-9)
    for name, gradient in dense.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=1e-10, msg=name)


def steps_taken(changes: dict[str, object], trainable: TrainableSettings, steps: Sequence[int]) -> list[float]:
    embedder = exact_embedder()
    make_trainable(embedder, trainable)
    stepper = Stepper(settings_of(**changes), embedder, Accelerator(cpu=True))
    sets = [each for each in training_sets() if each.name in DATASETS]
    data = Steps(BatchSampler(sets, 8, 4, 0), embedder.prepare, embedder.collate, 5, 0, 1)
    outcomes = [stepper(data[step]) for step in steps]
    return [float(each.contrast.loss) for each in outcomes if each.contrast is not None]


def test_memory_checkpointing_and_feature_cache_change_nothing(tmp_path: Path) -> None:
    frozen = TrainableSettings(freeze=["vision"])
    plain = steps_taken({}, frozen, range(3))
    assert len(set(plain)) == 3
    cached = {"model": ModelSettings(trainable=frozen, feature_cache=tmp_path / "features")}
    assert steps_taken({"graph_memory_gb": 1.0}, frozen, range(3)) == pytest.approx(plain, rel=1e-12)
    assert steps_taken({}, replace(frozen, activation_checkpointing=True), range(3)) == pytest.approx(plain, rel=1e-9)
    assert steps_taken(cached, frozen, range(3)) == pytest.approx(plain, rel=1e-12)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "features").rglob("*.safetensors")}
    assert files
    assert steps_taken(cached, frozen, range(3)) == pytest.approx(plain, rel=1e-12)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "features").rglob("*.safetensors")} == files


def loss_with_dropout(data: StepData, step: int, seed: int = 0, accelerator: Accelerator | None = None) -> float:
    """Of the same weights and the same pairs, given as those of some step."""
    embedder = exact_embedder()
    for block in embedder.backbone_adapter.blocks(embedder.backbone):
        block.self_attn.attention_dropout = 0.5
    outcome = Stepper(settings_of(seed=seed), embedder, accelerator or Accelerator(cpu=True))(replace(data, step=step))
    assert outcome.contrast is not None
    return float(outcome.contrast.loss)


class SecondOfTwo(Accelerator):
    """What the second process of a job has, without a job."""

    num_processes, process_index = 2, 1  # type: ignore[assignment]


def test_dropout_is_drawn_anew_for_each_step_rank_and_seed_and_alike_when_a_step_is_done_again() -> None:
    loss, second = partial(loss_with_dropout, data_of(exact_embedder(), 0)), SecondOfTwo(cpu=True)
    assert loss(0) == loss(0)
    assert len({loss(0), loss(1), loss(0, seed=1)}) == 3
    assert len({loss(0), loss(0, accelerator=second), loss(1, accelerator=second)}) == 3


def test_gradients_are_clipped_and_weights_move_at_the_rate_of_the_step() -> None:
    """The first step of AdamW moves a weight by rate * g / (|g| + 1e-8)."""
    settings = settings_of()
    settings.optimizer.clip = 0.01
    embedder = exact_embedder()
    before = {name: weight.detach().clone() for name, weight in embedder.named_parameters()}
    _, found = gradients_of_step(Stepper(settings, embedder, Accelerator(cpu=True)), data_of(embedder, 0))
    assert float(torch.cat([each.flatten() for each in found.values()]).norm()) == pytest.approx(0.01, rel=1e-3)
    rate = learning_rate(settings.optimizer, 0, settings.steps)
    assert rate < settings.optimizer.learning_rate
    for name, weight in embedder.named_parameters():
        moved = rate * found[name] / (found[name].abs() + 1e-8)
        torch.testing.assert_close(before[name] - weight.detach(), moved, rtol=1e-6, atol=1e-12, msg=name)


def test_negatives_that_the_settings_leave_out_have_no_part_in_the_loss() -> None:
    """With every negative left out there is nothing to tell apart."""

    data = data_of(exact_embedder(), 0)

    def loss(**filters: float) -> float:
        settings = settings_of(objective=ObjectiveSettings(name="infonce", temperature=TAU, **filters))
        outcome = Stepper(settings, exact_embedder(), Accelerator(cpu=True))(data)
        assert outcome.contrast is not None
        return float(outcome.contrast.loss)

    assert loss(exclude_similar=-2.0) == loss(exclude_above=-2.0) == 0
    assert loss() > 1


def test_a_temperature_whose_gradient_is_not_finite_stays_and_so_do_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*given: object, **options: object) -> Contrast:
        return replace(value_and_gradient(*given, **options), temperature_gradient=torch.tensor(math.nan))  # type: ignore[arg-type]

    monkeypatch.setattr(step, "value_and_gradient", broken)
    embedder = exact_embedder()
    objective = ObjectiveSettings(name="infonce", temperature=TAU, learn_temperature=True)
    stepper = Stepper(settings_of(objective=objective), embedder, Accelerator(cpu=True))
    before = {name: weight.detach().clone() for name, weight in embedder.named_parameters()}
    outcome = stepper(data_of(embedder, 0))
    assert outcome.fault is not None
    assert stepper.objective(0).temperature == pytest.approx(TAU)
    assert all(torch.equal(weight, before[name]) for name, weight in embedder.named_parameters())


def test_an_average_is_kept_only_for_an_objective_whose_weights_ask_for_it() -> None:
    kept = {
        name: Stepper(
            settings_of(objective=ObjectiveSettings(name=name, reward="average")),
            exact_embedder(),
            Accelerator(cpu=True),
        ).tensors()
        for name in ("llave", "infonce")
    }
    assert kept["llave"]
    assert kept["infonce"] == {}


def test_a_frozen_tower_sees_each_picture_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = exact_embedder()
    make_trainable(embedder, TrainableSettings(freeze=["vision"]))
    data, seen = data_of(embedder, 1), []
    features = Embedder.vision_features
    monkeypatch.setattr(
        Embedder, "vision_features", lambda self, pictures: seen.extend(pictures) or features(self, pictures)
    )
    Stepper(settings_of(), embedder, Accelerator(cpu=True))(data)
    names = [picture.id for picture in seen]
    assert len(names) == len(set(names)) > 0
    assert len(names) == len({each for chunk in data.chunks for each in image_ids(chunk)})


def image_ids(chunk: ModelInputs) -> list[str]:
    return [*chunk.images.ids, *chunk.frames.ids]


def test_a_cache_of_a_tower_that_trains_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.feature_cache = .* add vision to model\.trainable\.freeze"):
        ModelSettings(feature_cache=tmp_path)


def test_learned_temperature_moves_within_its_bounds(tmp_path: Path) -> None:
    objective = ObjectiveSettings(learn_temperature=True, temperature=0.1, temperature_min=0.09, alpha_warmup=0.0)
    settings = replace(
        settings_of(objective=objective),
        output=tmp_path / "run",
        steps=8,
        model=ModelSettings(width=32, layers=1, vision_layers=1),
    )
    settings.optimizer.learning_rate = 0.1
    trainer = Trainer(settings)
    found = [outcome.objective.temperature for outcome in map(trainer.step, map(trainer.steps().__getitem__, range(8)))]
    assert found[0] == pytest.approx(0.1)
    assert len(set(found)) > 2
    assert all(0.09 - 1e-9 <= each <= 1 + 1e-9 for each in found)

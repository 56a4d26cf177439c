"""A plan follows its settings: what is kept, what does not fit, who prints."""

from dataclasses import replace

import pytest

from core.config.command_line import to_yaml
from core.config.estimate_settings import EstimateSettings
from core.config.model_settings import ModelSettings, TrainableSettings
from core.config.settings import DataSettings, TrainSettings
from core.estimate.dry_run import dry_run
from core.estimate.estimate import Estimate, make_estimate
from core.estimate.report import report
from core.training.run_folder import refuse_other_settings

SMALL = TrainSettings(
    batch=64,
    chunk=4,
    data=DataSettings(datasets=["colour", "caption-to-image"], block=8),
    model=ModelSettings(width=64, layers=4, vision_layers=1, trainable=TrainableSettings(freeze=["vision"])),
    plan=EstimateSettings(gpus=2, memory_gb=1.0),
)


def planned(settings: TrainSettings, gpus: int = 2) -> Estimate:
    plan, problems = make_estimate(settings, gpus)
    assert problems == []
    assert plan is not None
    return plan


def test_graphs_are_kept_up_to_the_limit(tmp_path):
    settings = replace(SMALL, output=tmp_path / "run")
    none = planned(replace(settings, graph_memory_gb=0.0))
    assert (none.memory.kept, none.memory.twice, none.memory.chunks) == (0, 1, 16)
    every = planned(replace(settings, graph_memory_gb=100.0))
    assert (every.memory.kept, every.memory.twice, every.flops.twice) == (16, 0, 0)
    some = planned(replace(settings, graph_memory_gb=3.5 * every.memory.chunk / 1e9))
    assert (some.memory.kept, some.memory.twice) == (3, 13 / 16)
    assert some.flops.twice == pytest.approx(none.flops.twice * 13 / 16)
    assert none.memory.peak < some.memory.peak < every.memory.peak
    assert none.flops.useful == every.flops.useful == every.flops.done


def test_by_default_half_of_what_is_free_is_filled(tmp_path):
    settings = replace(SMALL, output=tmp_path / "run", batch=1024)
    plan = planned(settings)
    held = plan.memory.held.total + plan.memory.features
    budget = (0.94e9 - held) / 2
    assert plan.memory.kept == int(budget // plan.memory.chunk)
    assert 0 < plan.memory.kept < plan.memory.chunks


def test_what_does_not_fit_is_said(tmp_path):
    settings = replace(SMALL, output=tmp_path / "run")
    assert "DOES NOT FIT" not in report(planned(settings))
    assert "IT DOES NOT FIT" in report(planned(replace(settings, plan=replace(settings.plan, memory_gb=0.008))))


def test_checkpointing_trades_memory_for_time(tmp_path):
    settings = replace(SMALL, output=tmp_path / "run", graph_memory_gb=100.0)
    trainable = TrainableSettings(freeze=["vision"], activation_checkpointing=True)
    plain, checkpointed = planned(settings), planned(replace(settings, model=replace(SMALL.model, trainable=trainable)))
    assert checkpointed.memory.peak < plain.memory.peak
    assert checkpointed.flops.checkpointing > 0
    assert checkpointed.hours > plain.hours
    assert checkpointed.mfu < plain.mfu == settings.plan.utilisation


def test_assumed_shares_and_cut_texts_count_instead(tmp_path):
    assumed = EstimateSettings(query_pictures=0.1, target_pictures=0.2, query_tokens=50.0)
    settings = replace(SMALL, output=tmp_path / "run", plan=assumed, model=replace(SMALL.model, max_text_tokens=20))
    plan = planned(settings)
    assert (plan.queries.pictured, plan.targets.pictured) == (0.1, 0.2)
    assert (plan.queries.tokens, plan.targets.tokens) == (20, 20)


def test_epochs_and_a_cache_of_all_features(tmp_path):
    plan = planned(replace(SMALL, output=tmp_path / "run", batch=1000, steps=150))
    assert plan.epochs == 150 * 1000 / plan.mixture.pairs == 2
    # Each pair has one picture, as its query or its target: 36 patches of 64 numbers in bfloat16.
    assert plan.cache == pytest.approx(plan.mixture.pairs * 36 * 64 * 2)
    assert f"{plan.epochs:.2f} epochs" in report(plan)


def test_torchruns_processes_count_and_the_first_prints(tmp_path, monkeypatch, capsys):
    settings = replace(SMALL, output=tmp_path / "run")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "0")
    assert dry_run(settings) == 0
    assert "Time on 4 x A100-80GB" in capsys.readouterr().out
    monkeypatch.setenv("RANK", "3")
    assert dry_run(settings) == 0
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert dry_run(settings) == 1
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    assert dry_run(settings) == 0
    assert "Time on 2 x A100-80GB" in capsys.readouterr().out


def test_a_run_goes_on_whatever_its_plan_assumed(tmp_path):
    settings = replace(SMALL, output=tmp_path / "run", resume=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(to_yaml(settings))
    refuse_other_settings(replace(settings, plan=EstimateSettings(gpus=5), model=replace(SMALL.model, published="x")))
    with pytest.raises(ValueError, match=r"model\.max_text_tokens = 3, but"):
        refuse_other_settings(replace(settings, model=replace(SMALL.model, max_text_tokens=3)))

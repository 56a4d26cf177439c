"""Settings from the command line: unknown and out-of-range ones are refused by name, files round-trip."""

import re
from pathlib import Path

import pytest

from core.config.command_line import parse, to_yaml
from core.config.settings import DataSettings, TrainSettings
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.settings import ObjectiveSettings


def test_no_argument_gives_the_defaults() -> None:
    assert parse(TrainSettings, "", []) == TrainSettings()


def test_nested_settings_are_read() -> None:
    settings = parse(
        TrainSettings, "", ["--objective.alpha", "5", "--data.datasets", "[shape, colour]", "--output", "x"]
    )
    assert settings.objective.alpha == 5
    assert settings.data.datasets == ["shape", "colour"]
    assert settings.output == Path("x")


def test_a_written_config_reads_back_the_same(tmp_path: Path) -> None:
    settings = TrainSettings(
        steps=7, data=DataSettings(source="folder", path=tmp_path), objective=ObjectiveSettings(name="infonce")
    )
    (tmp_path / "config.yaml").write_text(to_yaml(settings))
    assert parse(TrainSettings, "", ["--config", str(tmp_path / "config.yaml")]) == settings


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objektive.alpha", "9"], "--objektive.alpha"),
        (["--objective.alpha", "900"], r"objective.alpha = 900.0 is outside \[0, 100\]"),
        (["--objective.temperature", "0"], r"objective.temperature = 0.0 is outside \(0, 10\]"),
        (["--optimizer.learning_rate", "2"], r"optimizer.learning_rate = 2.0 is outside"),
        (["--steps", "0"], r"steps = 0 is outside"),
        (["--batch", "many"], r'"batch"'),
        (["--batch", "100"], r"data.block = 32 must divide batch = 100"),
        (["--data.source", "mmeb"], "data.path is missing"),
        (["--data.path", "pictures"], "data.path = pictures is not used"),
        (["--keep_latest", "-1"], r"keep_latest = -1 is outside \[0, "),
        (["--graph_memory_gb", "-1"], r"graph_memory_gb = -1.0 is outside \[0, "),
        (["--collective_timeout_s", "0"], r"collective_timeout_s = 0.0 is outside \[0.1, "),
        (["--nonfinite_limit", "0"], r"nonfinite_limit = 0 is outside \[1, "),
        (["--on_nonfinite", "ignore"], r"on_nonfinite"),
        (["--validate.queries", "1"], r"validate.queries = 1 is outside \[2, "),
        (["--data.negatives", "-1"], r"data.negatives = -1 is outside \[0, "),
        (["--model.trainable.lora_rank", "5000"], r"model.trainable.lora_rank = 5000 is outside \[0, 1024\]"),
        (["--model.width", "100"], "model.width = 100 must be a multiple of 32"),
        (["--model.max_crops", "0"], r"model.max_crops = 0 is outside \[1, 16\]"),
        (["--model.min_pixels", "9", "--model.max_pixels", "8"], "model.min_pixels = 9 is above model.max_pixels = 8"),
        (["--model.max_text_tokens", "0"], r"model.max_text_tokens = 0 is outside \[1, "),
        (["--optimizer.warmup_steps", "-1"], r"optimizer.warmup_steps = -1 is outside \[0, "),
        (["--optimizer.schedule", "square"], r"optimizer.schedule"),
        (["--plan.utilisation", "1.5"], r"plan.utilisation = 1.5 is outside \(0, 1\]"),
        (["--plan.gpus", "0"], r"plan.gpus = 0 is outside \(0, "),
        (["--plan.query_pictures", "2"], r"plan.query_pictures = 2.0 is outside \[0, 1\]"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(TrainSettings, "", arguments)
    assert stopped.value.code == 2
    captured = capsys.readouterr().err
    assert re.search(message, captured), captured


def test_a_switch_may_stand_alone() -> None:
    assert parse(TrainSettings, "", ["--resume"]).resume
    assert parse(TrainSettings, "", ["--resume", "--steps", "3"]) == TrainSettings(resume=True, steps=3)
    assert not parse(TrainSettings, "", ["--resume", "false"]).resume
    assert parse(TrainSettings, "", ["--log.tensorboard", "--model.trainable.dora", "--model.trainable.lora_rank", "4"])
    assert parse(TrainSettings, "", ["--log.tensorboard"]).log.tensorboard


def test_names_may_be_written_with_hyphens_and_values_keep_theirs() -> None:
    assert parse(TrainSettings, "", ["--dry-run"]).dry_run
    settings = parse(TrainSettings, "", ["--save-every=7", "--data.datasets", "[look-alike]", "--output", "a-b"])
    assert (settings.save_every, settings.data.datasets, settings.output) == (7, ["look-alike"], Path("a-b"))


def test_help_explains_every_setting_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(TrainSettings, "Train.", ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "strength of the weighting, 0 to 100" in text
    assert "default: 9.0" in text
    assert "Peak learning rate" in text
    assert "There is no accumulation of gradients that would make this pool smaller" in text
    assert "Neither batch nor the number of processes changes the learning rate" in text
    assert "Rank of LoRA adapters" in text


def test_alpha_rises_over_its_warmup_and_then_stays() -> None:
    settings = ObjectiveSettings(alpha=9.0, alpha_warmup=0.5)
    found = [settings.at(step, 100) for step in (0, 25, 50, 99)]
    assert [each.alpha for each in found if isinstance(each, HardnessWeighted)] == [0, 4.5, 9, 9]
    assert ObjectiveSettings(name="infonce").at(0, 10) == InfoNCE(0.02)
    assert ObjectiveSettings(alpha_warmup=0.0).at(0, 10) == HardnessWeighted(9.0, 0.02)


def test_the_miniature_recipe_is_the_defaults() -> None:
    recipe = Path(__file__).parents[3] / "core/recipes/miniature.yaml"
    assert parse(TrainSettings, "", ["--config", str(recipe)]) == TrainSettings()

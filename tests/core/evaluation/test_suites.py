"""Which tasks a suite has, and where their scores go."""

import json

import PIL.Image
import pytest
import yaml

from core.checkpoint import Checkpoint
from core.command_line import plain
from core.config import TrainSettings
from core.evaluation.run import default_folder, trained_objective
from core.evaluation.suites import SuiteSettings, suite_tasks
from core.objectives.settings import ObjectiveSettings


def test_named_data_sets_in_the_order_named_each_once():
    tasks = suite_tasks(SuiteSettings(datasets=["story", "shape", "story"], queries=2))
    assert [task.name for task in tasks] == ["story", "shape"]
    assert {len(task.rankings) for task in tasks} == {2}


def test_an_unknown_data_set_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'shapes' is unknown; there are shape, colour, .*clips"):
        suite_tasks(SuiteSettings(datasets=["shape", "shapes"], queries=1))


@pytest.mark.parametrize(("settings", "message"), [
    ({"queries": 0}, "suite.queries = 0"), ({"name": "folder"}, "suite.path is missing"),
])  # fmt: skip
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SuiteSettings(**settings)


def test_ones_own_pictures_are_ranked_both_ways(tmp_path):
    colours = ("red", "green", "blue")
    for colour in colours:
        PIL.Image.new("RGB", (8, 8), colour).save(tmp_path / f"{colour}.png")
    lines = [json.dumps({"file_name": f"{colour}.png", "text": f"a {colour} square"}) for colour in colours]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    tasks = suite_tasks(SuiteSettings("folder", tmp_path, queries=2))
    assert len({task.name for task in tasks}) == 2
    assert {(len(task.rankings), len(task.rankings[0].candidates)) for task in tasks} == {(2, 3)}
    assert {task.rankings[0].query.modality.split("+")[0] for task in tasks} == {"image", "text"}


def test_the_objective_is_the_runs_own(tmp_path):
    folder = tmp_path / "checkpoints" / "000010"
    assert trained_objective(folder) == ObjectiveSettings()
    settings = TrainSettings(objective=ObjectiveSettings("infonce", temperature=0.05))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(plain(settings)))
    assert trained_objective(folder) == settings.objective


def test_bundles_lie_in_the_run_or_else_in_the_checkpoint(tmp_path):
    inside = Checkpoint(tmp_path / "run" / "checkpoints" / "000010", 10)
    assert default_folder(inside, "miniature") == tmp_path / "run" / "bundles" / "000010-miniature"
    outside = Checkpoint(tmp_path / "mine", 0)
    assert default_folder(outside, "folder") == tmp_path / "mine" / "bundle-folder"

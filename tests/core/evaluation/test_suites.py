"""Which tasks a suite has, and where their scores go."""

import json
import shutil
from dataclasses import replace

import PIL.Image
import pytest
import yaml
from mmeb_video_files import write_mmeb_video

from benchmarks.mmeb_files import write_mmeb_eval, write_mmeb_instruct
from core.config.command_line import plain
from core.config.settings import TrainSettings
from core.data.checks.problems import BadItems
from core.data.mmeb.datasets import BY_NAME
from core.evaluation.evaluate import trained_objective
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
    ({"name": "mmeb"}, "suite.path is missing"), ({"frames": 0}, "suite.frames = 0"),
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


@pytest.fixture(scope="module")
def mmeb(tmp_path_factory):
    root = tmp_path_factory.mktemp("mmeb")
    write_mmeb_eval(root, queries=4)
    return root


def test_mmeb_has_all_36_or_those_named_and_draws_queries(mmeb):
    tasks = suite_tasks(SuiteSettings("mmeb", mmeb), progress=False)
    assert [task.name for task in tasks] == list(BY_NAME)
    assert {len(task.rankings) for task in tasks} == {4}
    tasks = suite_tasks(SuiteSettings("mmeb", mmeb, datasets=["OVEN", "CIRR"], queries=2), progress=False)
    assert [(task.name, len(task.rankings)) for task in tasks] == [("OVEN", 2), ("CIRR", 2)]


def test_mmeb_v2_reads_the_instruct_layout_over_the_same_pictures(mmeb, tmp_path):
    write_mmeb_instruct(tmp_path, datasets=["WebQA"])
    settings = SuiteSettings("mmeb_v2", tmp_path, mmeb / "images", datasets=["WebQA"])
    (task,) = suite_tasks(settings, progress=False)
    assert {item.modality for item in task.rankings[0].candidates} == {"image+text"}


def test_a_missing_picture_stops_the_suite_before_anything_is_embedded(mmeb, tmp_path):
    root = shutil.copytree(mmeb, tmp_path / "copy")
    (root / "images" / "CIRR" / "000001.png").unlink()
    (root / "images" / "CIRR" / "100000.png").write_bytes(b"broken")
    settings = SuiteSettings("mmeb", root, datasets=["CIRR"])
    with pytest.raises(BadItems) as caught:
        suite_tasks(settings, progress=False)
    message = str(caught.value)
    assert "2 of " in message
    assert (
        f"{root / 'CIRR'}/test-00000-of-00001.parquet row 1: {root}/images/CIRR/100000.png: not a readable" in message
    )
    assert f"{root}/images/CIRR/000001.png: cannot be read" in message
    (task,) = suite_tasks(replace(settings, on_bad_item="skip"), progress=False)
    shown = {str(source) for each in task.rankings for item in each.candidates for source in item.images()}
    assert len(task.rankings) == 2
    assert not any("000001.png" in each for each in shown)


def test_the_videos_of_mmeb_v2_and_text_to_video_are_suites(tmp_path):
    write_mmeb_video(tmp_path, frames=10)
    settings = SuiteSettings("mmeb_v2_video", tmp_path, datasets=["MSVD", "MVBench"])
    tasks = suite_tasks(settings, progress=False)
    assert [task.name for task in tasks] == ["MSVD", "MVBench"]
    assert len(list(tasks[0].rankings[0].candidates[0].images())) == 8
    (tmp_path / "msvd_test.json").write_text(json.dumps([{"video_id": "m1", "caption": ["x", "y"]}]))
    frames = tmp_path / "frames" / "video_ret" / "MSVD"
    (task,) = suite_tasks(SuiteSettings("msvd", tmp_path, video_root=frames, frames=5), progress=False)
    assert (len(task.rankings), len(list(task.rankings[0].candidates[0].images()))) == (2, 5)
    (tmp_path / "msrvtt_test_1k.json").write_text(json.dumps([{"video_id": "m1", "caption": "x"}]))
    (task,) = suite_tasks(SuiteSettings("msrvtt", tmp_path, video_root=frames), progress=False)
    assert task.name == "MSR-VTT"


@pytest.mark.parametrize("name", ["mmeb", "mmeb_v2", "mmeb_v2_video"])
def test_unknown_data_sets_of_published_suites_list_the_known_ones(name, tmp_path):
    with pytest.raises(ValueError, match=r"'NoSuch' is not a .*there are "):
        suite_tasks(SuiteSettings(name, tmp_path, datasets=["NoSuch"]), progress=False)


def test_the_objective_is_the_runs_own(tmp_path):
    folder = tmp_path / "checkpoints" / "000010"
    assert trained_objective(folder) is None
    settings = TrainSettings(objective=ObjectiveSettings("infonce", temperature=0.05))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(plain(settings)))
    assert trained_objective(folder) == settings.objective

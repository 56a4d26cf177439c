"""Proposals: every command is one that the trainer takes, and changes what the run was trained with."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from core.config.command_line import parse, plain, to_yaml
from core.config.settings import TrainSettings
from core.objectives.settings import ObjectiveSettings
from workbench.runs.proposals import BY_CAUSE, commands, propose, runs_with
from workbench.runs.runs import list_runs
from workbench.runs.settings import defaults, differing, flat
from workbench.runs.table import run_table

OBJECTIVES = (
    ObjectiveSettings(),
    ObjectiveSettings(name="infonce", temperature=0.08),
    ObjectiveSettings(alpha=2.0, exclude_similar=0.95),
    ObjectiveSettings(name="siglip", both_directions=False, exclude_similar=0.95, exclude_above=0.1),
)


def trained(root, name="run", **settings):
    """A run that holds its settings alone."""
    folder = root / name
    folder.mkdir(parents=True)
    made = TrainSettings(output=folder, **settings)
    (folder / "config.yaml").write_text(to_yaml(made))
    return made


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda each: f"{each.name}-{each.alpha}")
@pytest.mark.parametrize("cause", [*BY_CAUSE, "meta-task left behind", "not told from chance"])
def test_every_proposal_is_a_command_that_changes_the_run(tmp_path, monkeypatch, objective, cause):
    made = trained(tmp_path, "a run", objective=objective)
    (run,) = list_runs(tmp_path)
    proposal = propose(cause, run.settings, ("look-alike",))
    if proposal is None:
        assert cause in ("modality gap", "true hardness not followed")
        return
    train, evaluate = commands(run, proposal)
    words = shlex.split(train)
    assert words[:4] == ["torchrun", "--standalone", "--nproc_per_node=1", "core/train.py"]
    parsed = parse(TrainSettings, "", words[4:])
    assert shlex.split(evaluate) == ["python", "core/eval.py", "--checkpoint", str(parsed.output)]
    assert parsed.output != made.output
    changed = differing([flat(plain(made)), flat(plain(parsed))])
    assert changed == list(proposal.settings)
    assert {name: flat(plain(parsed))[name] for name in changed} == dict(proposal.settings)
    assert proposal.why


def test_nothing_is_proposed_without_a_known_cure():
    assert propose("zero vectors", {}, ()) is None
    assert propose("data set left behind", {}, ()) is None
    assert propose("suspected false negatives", {}, ()).settings == {"objective.exclude_similar": 0.95}


def test_proposals_go_on_from_each_other(tmp_path):
    """Near misses: hardness weights, then stronger ones, then larger blocks, then explicit negatives."""
    settings = plain(TrainSettings(objective=ObjectiveSettings(name="infonce", alpha=1.0)))
    tried = []
    for _ in range(4):
        proposal = propose("near misses", settings, ())
        tried += proposal.settings
        for name, value in proposal.settings.items():
            group, _, own = name.rpartition(".")
            (settings[group] if group else settings)[own] = value
    assert tried == ["objective.name", "objective.alpha", "data.block", "data.negatives"]


def test_runs_that_differ_in_the_cure_alone(tmp_path):
    trained(tmp_path, "run", objective=ObjectiveSettings())
    trained(tmp_path, "cured", objective=ObjectiveSettings(exclude_similar=0.9), save_every=7)
    trained(tmp_path, "other-seed", objective=ObjectiveSettings(exclude_similar=0.9), seed=1)
    (tmp_path / "lost" / "bundles").mkdir(parents=True)
    runs = {each.name: each for each in list_runs(tmp_path)}
    proposal = propose("suspected false negatives", runs["run"].settings, ())
    assert [each.name for each in runs_with(runs["run"], list(runs.values()), proposal)] == ["cured"]
    assert runs_with(replace(runs["run"], settings={}), list(runs.values()), proposal) == []


def test_settings_by_dotted_name():
    assert defaults()["objective.temperature"] == 0.02
    assert flat({"data": {"weights": {"x": 2.0}}})["data.weights"] == {"x": 2.0}
    assert differing([]) == []
    assert differing([flat({"output": "a", "chunk": 1}), flat({"output": "b"}), flat({"batch": 3})]) == ["batch"]


def test_the_table_holds_what_differs_and_every_score(small_runs, tmp_path):
    small_runs.write_run(tmp_path, "a")
    small_runs.write_run(tmp_path, "b", name="infonce")
    small_runs.write_settings(tmp_path / "c", steps=10, name="infonce")
    (tmp_path / "b" / "bundles" / "000010-miniature" / "scores.json").write_text("{")
    table = run_table(list_runs(tmp_path))
    assert table["run"].tolist() == ["a", "b", "c"]
    assert table["objective.name"].tolist() == ["llave", "infonce", "infonce"]
    assert "objective.alpha" not in table
    first = table.iloc[0]
    assert first["P@1 trained low"] <= first["P@1 trained"] <= first["P@1 trained high"]
    assert first["P@1 all"] == pytest.approx((first["P@1 trained"] + first["P@1 new"]) / 2)
    assert first["queries"] == 24
    assert first["data sets"] == "shape, look-alike, story, clips"
    assert "not a list of scores" in table["problem"].iloc[1]
    assert table["evaluation"].iloc[2] == ""


def test_no_settings_no_columns(tmp_path):
    assert run_table([]).empty
    (tmp_path / "odd").mkdir()
    (Path(tmp_path) / "odd" / "config.yaml").write_text("steps: [")
    assert len(run_table(list_runs(tmp_path))) == 1

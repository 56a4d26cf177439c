"""The background training: started once, followed by its log, its end told from its failure."""

import sys
import time

import pytest

from workbench.runs import jobs


def wait(root):
    end = time.time() + 60
    while jobs.state(root).running:
        assert time.time() < end
        time.sleep(0.1)
    return jobs.state(root)


def says(text, code=0, seconds=0.0):
    return [sys.executable, "-c", f"import time; time.sleep({seconds}); print({text!r}); raise SystemExit({code})"]


def test_nothing_was_started(tmp_path):
    assert jobs.state(tmp_path) is None


@pytest.mark.slow
def test_commands_run_one_after_the_other_and_once(tmp_path):
    jobs.start(tmp_path / "root", [says("first", seconds=2), says("10%\r50%\rsecond")])
    assert jobs.state(tmp_path / "root").running
    with pytest.raises(jobs.AlreadyRunning):
        jobs.start(tmp_path / "root", [says("third")])
    done = wait(tmp_path / "root")
    assert not done.failed
    lines = done.tail.splitlines()
    assert lines[1] == "first"
    assert lines[-2:] == ["second", jobs.DONE]


@pytest.mark.slow
def test_a_failure_ends_it_and_another_start_is_free(tmp_path):
    jobs.start(tmp_path, [says("first", code=3), says("second")])
    done = wait(tmp_path)
    assert done.failed
    assert "second" not in done.tail.replace(says("second")[-1], "")
    assert "status 3" in done.tail
    jobs.start(tmp_path, [says("again")])
    assert not wait(tmp_path).failed


def test_the_commands_train_and_evaluate(tmp_path):
    train, evaluate = jobs.commands(tmp_path)
    run = str(tmp_path / "miniature")
    assert train[1:3] == ["-m", "torch.distributed.run"]
    assert train[-4:] == ["--output", run, "--resume", "true"]
    assert "--config" not in train
    assert evaluate[-2:] == ["--checkpoint", run]
    (tmp_path / "miniature").mkdir()
    (tmp_path / "miniature" / "config.yaml").touch()
    train, _ = jobs.commands(tmp_path)
    assert train[train.index("--config") + 1] == f"{run}/config.yaml"

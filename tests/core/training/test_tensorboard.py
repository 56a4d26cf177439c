"""TensorBoard's curves are those of metrics.jsonl, also after a run was broken off and resumed."""

import sys
from pathlib import Path

import pytest

from core.training.logs import TensorboardLog, numbers, open_logs, read_metrics

pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")

# protobuf's compiled messages lack a field that Python 3.14 wants, and say so at import.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def curves(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve as TensorBoard shows it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def row(step: int, loss: float) -> dict[str, object]:
    drawn = {"colour": 4, "edit": 4}
    numbered = {"step": step, "loss": loss, "hardest": float("nan"), "validation": {"all": loss / 8}}
    return numbered | {"skipped": "words", "datasets": drawn}


def test_a_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    first = open_logs(tmp_path, 0, tensorboard=True)
    for step in range(1, 6):
        for log in first:
            log.write(row(step, step / 2))
    for log in first:
        log.keep()
        log.close()
    second = open_logs(tmp_path, 3, tensorboard=True)
    for step in range(4, 8):
        for log in second:
            log.write(row(step, step / 4))
    for log in second:
        log.close()
    expected = [(step, step / 2) for step in (1, 2, 3)] + [(step, step / 4) for step in (4, 5, 6, 7)]
    assert [(each["step"], each["loss"]) for each in read_metrics(tmp_path)] == expected
    found = curves(tmp_path)
    assert found == {"loss": expected, "validation/all": [(step, value / 8) for step, value in expected]}


def test_only_finite_numbers_are_curves() -> None:
    drawn = {"datasets/colour": 4, "datasets/edit": 4}
    assert dict(numbers(row(1, 0.5))) == {"step": 1, "loss": 0.5, "validation/all": 0.0625} | drawn


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r"log\.tensorboard = true needs the package tensorboard.*\[tensorboard\]"):
        TensorboardLog(tmp_path, 0)

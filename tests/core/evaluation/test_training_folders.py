"""Which rows of a folder are scored: those held out of the folder that was trained on, all of another one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from core.data.records import Item, Ranking, RankingTask, Text
from core.evaluation.suites import SuiteSettings
from core.evaluation.training_folders import (
    EVERY_ROW,
    HELD_OUT_ROWS,
    UNKNOWN,
    UNSEEN,
    labelled,
    trained_on_a_folder,
    with_rows,
)


def run(root: Path, data: dict[str, Any], start: str = "tiny") -> Path:
    """A run with settings, and a checkpoint's folder in it."""
    checkpoint = root / "checkpoints" / "000010"
    checkpoint.mkdir(parents=True)
    (root / "config.yaml").write_text(yaml.safe_dump({"data": data, "model": {"start": start}}))
    return checkpoint


def rows(folder: Path, checkpoint: Path, held_out: float | None = None) -> tuple[float | None, str]:
    suite, words = with_rows(SuiteSettings("folder", folder, held_out=held_out), checkpoint)
    return suite.held_out, words


def test_only_the_folder_that_was_trained_on_is_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own, other = tmp_path / "own", tmp_path / "other"
    checkpoint = run(tmp_path / "run", {"source": "folder", "path": str(own)})
    assert rows(own, checkpoint) == (0.1, HELD_OUT_ROWS)
    assert rows(other, checkpoint) == (1.0, UNSEEN)
    assert rows(own, checkpoint, 1.0) == (1.0, EVERY_ROW)
    assert rows(own, checkpoint, 0.3) == (0.3, HELD_OUT_ROWS)
    assert rows(other, checkpoint, 0.3) == (0.3, UNSEEN)
    assert rows(own, tmp_path / "run") == (0.1, HELD_OUT_ROWS)
    assert rows(own, tmp_path / "elsewhere") == (1.0, UNKNOWN)
    assert rows(own, run(tmp_path / "mmeb", {"source": "mmeb", "path": str(own)})) == (1.0, UNSEEN)
    relative = run(tmp_path / "relative", {"source": "folder", "path": "own"})
    beside = run(tmp_path / "beside", {"source": "folder", "path": "../own"})
    assert rows(own, relative) == rows(own, beside) == rows(Path("own"), checkpoint) == (0.1, HELD_OUT_ROWS)


def test_what_a_run_started_from_was_trained_on_counts_too(tmp_path: Path) -> None:
    first = run(tmp_path / "first", {"source": "folder", "path": str(tmp_path / "own")})
    second = run(tmp_path / "second", {"source": "miniature", "path": None}, str(first))
    third = run(tmp_path / "third", {"source": "miniature", "path": None}, str(tmp_path / "second"))
    assert rows(tmp_path / "own", second) == rows(tmp_path / "own", third) == (0.1, HELD_OUT_ROWS)
    assert [trained_on_a_folder(each) for each in (first, second, tmp_path)] == [True, False, False]


def test_other_suites_stay_as_they_are(tmp_path: Path) -> None:
    checkpoint = run(tmp_path / "run", {"source": "miniature", "path": None})
    assert with_rows(SuiteSettings(), checkpoint) == (SuiteSettings(), "")


def test_unseen_folders_are_out_of_distribution() -> None:
    item = Item((Text("a"),))
    task = RankingTask("caption-to-image", "retrieval", True, (Ranking(item, (item,), (0,)),))
    found = {words: labelled([task], words)[0].in_distribution for words in (UNSEEN, UNKNOWN, HELD_OUT_ROWS, EVERY_ROW)}
    assert found == {UNSEEN: False, UNKNOWN: False, HELD_OUT_ROWS: True, EVERY_ROW: True}
    assert labelled([task], "") == [task]


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    checkpoint = run(tmp_path / "run", {})
    (tmp_path / "run" / "config.yaml").write_text("a: [")
    with pytest.raises(ValueError, match=r"config\.yaml: cannot be read"):
        rows(tmp_path / "own", checkpoint)

"""Which folders of pictures a checkpoint was trained on, by the settings of its run and of those it started from.

A folder that it was not trained on is a test set: every row is scored, and all are unseen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.data.folder import HELD_OUT
from core.data.records import RankingTask
from core.evaluation.suites import SuiteSettings
from core.files.reading import read_settings
from core.files.run_layout import CONFIG

MOST_RUNS = 20
"""Of the runs that started from one another so many are looked at."""
UNSEEN = "unseen: this checkpoint's run was not trained on the folder"
UNKNOWN = "unseen as far as known: the checkpoint lies in no run that says what it was trained on"
HELD_OUT_ROWS = "held out: rows of the folder that training left out"
EVERY_ROW = "every row, those that were trained on among them"


def run_settings(checkpoint: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Return the folder and the settings of a checkpoint's run, then of the run that this one started from, and so on.

    Raises:
        ValueError: settings cannot be read.
    """
    for _ in range(MOST_RUNS):
        checkpoint = checkpoint.resolve()
        run = checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint
        if not (run / CONFIG).is_file():
            return
        settings = read_settings(run / CONFIG)
        yield run, settings
        start = (settings.get("model") or {}).get("start")
        if not isinstance(start, str) or not any(each.is_dir() for each in places(run, start)):
            return
        checkpoint = next(each for each in places(run, start) if each.is_dir())


def places(run: Path, name: str) -> tuple[Path, Path]:
    """Return where a path in a run's settings may lie: as the command was given it, or seen from the run's folder."""
    return Path(name), run / name


def trained_on(checkpoint: Path, folder: Path) -> bool:
    """Tell whether a checkpoint, or one that it started from, was trained on a folder of pictures."""
    for run, settings in run_settings(checkpoint):
        data = settings.get("data") or {}
        named = data.get("path") if data.get("source") == "folder" else None
        if named is not None and any(each.resolve() == folder.resolve() for each in places(run, str(named))):
            return True
    return False


def trained_on_a_folder(checkpoint: Path) -> bool:
    """Tell whether the last training of a checkpoint was on a folder of pictures with captions."""
    _, settings = next(run_settings(checkpoint), (None, {}))
    return (settings.get("data") or {}).get("source") == "folder"


def with_rows(suite: SuiteSettings, checkpoint: Path) -> tuple[SuiteSettings, str]:
    """Return a folder's suite with the share of its pictures to score, and what to call them; others as they are.

    Without `suite.held_out`, the folder that the checkpoint was trained on is split as training did, and another one
    is scored as a whole.
    """
    if suite.name != "folder" or suite.path is None:
        return suite, ""
    trained = trained_on(checkpoint, suite.path)
    share = suite.held_out or (HELD_OUT if trained else 1.0)
    if not trained:
        words = UNSEEN if next(run_settings(checkpoint), None) else UNKNOWN
    else:
        words = EVERY_ROW if share == 1 else HELD_OUT_ROWS
    return replace(suite, held_out=share), words


def labelled(tasks: Sequence[RankingTask], rows: str) -> list[RankingTask]:
    """Return a folder's rankings as in distribution exactly where the checkpoint was trained on the folder."""
    if not rows:
        return list(tasks)
    return [replace(task, in_distribution=rows not in (UNSEEN, UNKNOWN)) for task in tasks]

"""What a checkpoint is scored on: suites of ranking tasks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.config import check_range
from core.data.folder import folder_rankings
from core.data.miniature.benchmark import ranking_tasks
from core.data.records import RankingTask


@dataclass
class SuiteSettings:
    """Which suite, and how large."""

    name: Literal["miniature", "folder"] = "miniature"
    """miniature: the generated benchmark, 16 data sets; folder: one's own pictures and captions, both ways."""
    path: Path | None = None
    """folder: the folder of pictures."""
    caption_column: str = "text"
    """folder: the column that holds the captions."""
    datasets: list[str] = field(default_factory=list)
    """Names of the data sets to score; empty means all."""
    queries: int = 200
    """Queries of each data set, at most."""
    seed: int = 0
    """Draws the miniature's test split, and the pools."""

    def __post_init__(self) -> None:
        check_range("suite.queries", self.queries, 1, 100_000)
        if self.name == "folder" and self.path is None:
            raise ValueError("suite.path is missing; suite.name = 'folder' needs the folder of pictures.")


def suite_tasks(settings: SuiteSettings) -> list[RankingTask]:
    """The ranking tasks of a suite.

    Raises:
        ValueError: a data set's name is unknown, or the folder cannot be used.
    """
    if settings.name == "miniature":
        tasks = ranking_tasks(settings.seed, settings.queries)
    else:
        assert settings.path is not None
        tasks = folder_rankings(settings.path, settings.caption_column, queries=settings.queries, seed=settings.seed)
    known = {task.name: task for task in tasks}
    for name in settings.datasets:
        if name not in known:
            raise ValueError(f"suite.datasets: {name!r} is unknown; there are {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(settings.datasets)] or tasks

"""The suites that a checkpoint is scored on, as ranking tasks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from core.config.ranges import SEEDS, check_range
from core.data.checks.model_rules import ModelRules
from core.data.checks.problems import OnBadItem
from core.data.checks.rankings import usable_tasks
from core.data.folder import folder_rankings
from core.data.miniature.benchmark import SOURCES, ranking_task
from core.data.mmeb.evaluation import Layout, read_mmeb_eval
from core.data.mmeb.video import read_mmeb_video
from core.data.records import RankingTask
from core.data.records_file import read_records
from core.data.video.text_to_video import read_msrvtt, read_msvd

Suite: TypeAlias = Literal["miniature", "folder", "mmeb", "mmeb_v2", "mmeb_v2_video", "msrvtt", "msvd", "records"]

GENERATED = ("miniature",)
FEW = 200
"""Queries of each data set of the miniature, which could draw any number."""
EVERY = 10**9


@dataclass
class SuiteSettings:
    """Which suite, and how large."""

    name: Suite = "miniature"
    """miniature: the generated benchmark, 16 data sets; folder: one's own pictures and captions, both ways; mmeb: the
    36 data sets of MMEB-eval; mmeb_v2: the same in MMEB_Test_Instruct's layout; mmeb_v2_video: the 18 video data sets
    of MMEB-V2; msrvtt, msvd: text to video, every caption a query against all clips of the test split;
    records: a JSON lines file of one's own queries and candidates, any mix of parts (core/data/records_file.py)."""
    path: Path | None = None
    """All but miniature: the folder of pictures, or of the published annotation files."""
    image_root: Path | None = None
    """mmeb, mmeb_v2: the folder or ZIP archive that the rows' picture paths start from; null: images, eval_images,
    image-tasks or images.zip in the path, else the path itself."""
    video_root: Path | None = None
    """mmeb_v2_video, msrvtt, msvd: the folder of clips, or of frames that were taken from them; null: in the path."""
    frames: int | None = None
    """Frames of each clip, 1 to 1024; null: 32 for msrvtt and msvd as in LLaVE, 8 for mmeb_v2_video as in VLM2Vec."""
    caption_column: str = "text"
    """folder: the column that holds the captions."""
    held_out: float | None = None
    """folder: the share of its pictures to score, above 0 to 1, those that a training leaves out first; null: the tenth
    that was held out of a folder that the checkpoint was trained on, and all of another one, which is unseen."""
    datasets: list[str] = field(default_factory=list)
    """Names of the data sets to score; empty means all."""
    queries: int | None = None
    """Queries of each data set, at most, drawn at random; null: all, of the miniature 200."""
    seed: int = 0
    """Draws the miniature's test split, the pools of a folder, and the queries."""
    on_bad_item: Literal["stop", "skip"] = "stop"
    """What to do with rows, pictures and clips that cannot be read, or that the model refuses: stop and list them, or
    leave out and log what needs them; such a wrong candidate leaves the pools, which makes them smaller."""

    def __post_init__(self) -> None:
        if self.queries is not None:
            check_range("suite.queries", self.queries, 1, 10**9)
        if self.held_out is not None:
            check_range("suite.held_out", self.held_out, 1e-6, 1)
        check_range("suite.seed", self.seed, *SEEDS)
        if self.frames is not None:
            check_range("suite.frames", self.frames, 1, 1024)
        if self.name not in GENERATED and self.path is None:
            raise ValueError(f"suite.path is missing; suite.name = {self.name!r} needs the folder to read.")


def suite_tasks(settings: SuiteSettings, progress: bool = True, rules: ModelRules | None = None) -> list[RankingTask]:
    """Return the ranking tasks of a suite, all their pictures and clips readable; with rules, all fit for the model.

    Raises:
        ValueError: a data set's name is unknown, or the folder cannot be used.
        core.data.checks.problems.BadItems: rows or pictures are bad and suite.on_bad_item is "stop".
    """
    return LOADERS[settings.name](settings, progress, rules)


def miniature(settings: SuiteSettings, progress: bool, rules: ModelRules | None) -> list[RankingTask]:
    """Return the generated benchmark."""
    del rules  # it is drawn, and every model takes it
    sources = {source.name: source for source in SOURCES}
    names = chosen(settings, list(sources))
    return [ranking_task(sources[name], settings.seed, settings.queries or FEW) for name in names]


def folder(settings: SuiteSettings, progress: bool, rules: ModelRules | None) -> list[RankingTask]:
    """One's own pictures."""
    tasks = folder_rankings(
        path(settings),
        settings.caption_column,
        held_out=1.0 if settings.held_out is None else settings.held_out,
        queries=settings.queries or EVERY,
        seed=settings.seed,
        on_bad_item=settings.on_bad_item,
        progress=progress,
        rules=rules,
    )
    return named(tasks, settings)


def mmeb(
    settings: SuiteSettings, progress: bool, rules: ModelRules | None, layout: Layout = "eval"
) -> list[RankingTask]:
    """MMEB's image data sets in the layout of MMEB-eval."""
    tasks = read_mmeb_eval(
        path(settings),
        settings.datasets,
        layout,
        settings.image_root,
        settings.queries,
        settings.seed,
        settings.on_bad_item,
        progress,
    )
    return usable_tasks(tasks, settings.on_bad_item, progress, rules)[0]


def mmeb_v2(settings: SuiteSettings, progress: bool, rules: ModelRules | None) -> list[RankingTask]:
    """MMEB's image data sets in the layout of MMEB_Test_Instruct."""
    return mmeb(settings, progress, rules, "instruct")


def mmeb_v2_video(settings: SuiteSettings, progress: bool, rules: ModelRules | None) -> list[RankingTask]:
    """MMEB-V2's video data sets."""
    tasks = read_mmeb_video(path(settings), settings.datasets, *clip_settings(settings, 8), progress)
    return usable_tasks(tasks, settings.on_bad_item, progress, rules)[0]


def msrvtt(settings: SuiteSettings, progress: bool, rules: ModelRules | None) -> list[RankingTask]:
    """MSR-VTT's 1k-A test split."""
    chosen(settings, ["MSR-VTT"])
    task = read_msrvtt(path(settings), *clip_settings(settings, 32), progress)
    return usable_tasks([task], settings.on_bad_item, progress, rules)[0]


def msvd(settings: SuiteSettings, progress: bool, rules: ModelRules | None) -> list[RankingTask]:
    """MSVD's test split."""
    chosen(settings, ["MSVD"])
    task = read_msvd(path(settings), *clip_settings(settings, 32), progress)
    return usable_tasks([task], settings.on_bad_item, progress, rules)[0]


def records(settings: SuiteSettings, progress: bool, rules: ModelRules | None) -> list[RankingTask]:
    """One's own rankings from a file."""
    frames = settings.frames or 32
    tasks = read_records(path(settings), frames, settings.on_bad_item, settings.queries, settings.seed)
    return usable_tasks(named(tasks, settings), settings.on_bad_item, progress, rules)[0]


LOADERS: Mapping[Suite, Callable[[SuiteSettings, bool, ModelRules | None], list[RankingTask]]] = {
    "miniature": miniature,
    "folder": folder,
    "mmeb": mmeb,
    "mmeb_v2": mmeb_v2,
    "mmeb_v2_video": mmeb_v2_video,
    "msrvtt": msrvtt,
    "msvd": msvd,
    "records": records,
}


def clip_settings(settings: SuiteSettings, frames: int) -> tuple[Path | None, int, int | None, int, OnBadItem]:
    """Say what the readers of clips take in one order; `frames` where the settings name no number."""
    return (
        settings.video_root,
        settings.frames or frames,
        settings.queries,
        settings.seed,
        settings.on_bad_item,
    )


def path(settings: SuiteSettings) -> Path:
    """Return the folder of a suite that has one, as the settings' own check makes sure."""
    assert settings.path is not None
    return settings.path


def chosen(settings: SuiteSettings, there: Sequence[str]) -> list[str]:
    """Return the data sets that the settings name, in their order; all that are there when they name none.

    Raises:
        ValueError: a name is unknown.
    """
    for name in settings.datasets:
        if name not in there:
            raise ValueError(f"suite.datasets: {name!r} is unknown; there are {', '.join(there)}.")
    return list(dict.fromkeys(settings.datasets)) or list(there)


def named(tasks: Sequence[RankingTask], settings: SuiteSettings) -> list[RankingTask]:
    """Return of some tasks those that the settings name. Raises ValueError as `chosen`."""
    known = {task.name: task for task in tasks}
    return [known[name] for name in chosen(settings, list(known))]

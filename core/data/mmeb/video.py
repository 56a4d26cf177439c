"""MMEB-V2's 18 video data sets (arXiv 2507.04590) as rankings, from the files that VLM2Vec's evaluation code reads.

    <root>/<data set>/...    the annotations: the hub's repository VLM2Vec/<data set> (YouCook2: lmms-lab/YouCook2)
    <video root>/video_ret/MSVD/<clip>/frame_0001.jpg, ...    frames as TIGER-Lab/MMEB-V2 ships them, unpacked from
                             video-tasks/frames; or <clip>.mp4 in the same places

What VLM2Vec reads from the hub's repositories are tables with the columns named below; how the repositories cut and
name their files is not fixed by it, so a table is looked for in a few places (see `find_tables`).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from tqdm import tqdm

from core.data.checks.problems import BadRow, OnBadItem, Problem, naming
from core.data.file_names import inside
from core.data.images.image_folders import ImageFolder
from core.data.mmeb import video_rows
from core.data.mmeb.evaluation import drawn, made_rankings
from core.data.mmeb.training import split_files
from core.data.mmeb.video_rows import Row, Shown, VideoRow
from core.data.records import Item, Ranking, RankingTask
from core.data.shared_items import SharedItems, SharedPictures
from core.data.tables import Table, read_table
from core.data.video.named_clips import Clips, clip_item

Family: TypeAlias = Literal["classification", "qa", "retrieval", "moment"]

TABLES = (".parquet", ".jsonl", ".json")
FRAME_PLACES = ("frames", "video-tasks/frames", "MMEB-V2/video-tasks/frames", "videos")
LABELS = "labels.txt"
MVBENCH_SUBSETS = (
    "episodic_reasoning", "action_sequence", "action_prediction", "action_antonym", "fine_grained_action",
    "unexpected_action", "object_existence", "object_interaction", "object_shuffle", "moving_direction",
    "action_localization", "scene_transition", "action_count", "moving_count", "moving_attribute", "state_change",
    "fine_grained_pose", "character_order", "egocentric_navigation", "counterfactual_inference",
)  # fmt: skip

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MmebVideoDataset:
    """One video data set of MMEB-V2.

    name: in VLM2Vec's configuration and on the hub. family: of the four that MMEB-V2 averages. read: makes a row.
    columns: that a row needs. instruction: of queries. frames: the folder of its clips below the video root.
    config, split: of the hub's repository. pool: "global" ranks all candidates of the data set for every query,
    "local" each row's own. classes: published number of them, where the pool is the classes. first: only so many of
    the first rows count.
    """

    name: str
    family: Family
    read: Callable[[Row, str, str], VideoRow]
    columns: tuple[str, ...]
    instruction: str
    frames: str
    config: str = ""
    split: str = "test"
    pool: Literal["global", "local"] = "local"
    classes: int | None = None
    first: int | None = None


def classified(name: str, frames: str, classes: int, instruction: str) -> MmebVideoDataset:
    """Return a data set of clips and their classes."""
    columns = ("video_id", "pos_text")
    return MmebVideoDataset(
        name, "classification", video_rows.labelled, columns, instruction, f"video_cls/{frames}",
        pool="global", classes=classes,
    )  # fmt: skip


def retrieved(
    name: str, read: Callable[[Row, str, str], VideoRow], columns: tuple[str, ...], instruction: str
) -> MmebVideoDataset:
    """Return a data set of clips to be found by their captions."""
    return MmebVideoDataset(name, "retrieval", read, columns, instruction, f"video_ret/{name}", pool="global")


def questioned(name: str, read: Callable[[Row, str, str], VideoRow], columns: tuple[str, ...]) -> MmebVideoDataset:
    """Return a data set of questions about clips."""
    return MmebVideoDataset(name, "qa", read, columns, "", f"video_qa/{name}")


VIDEO_DATASETS: tuple[MmebVideoDataset, ...] = (
    MmebVideoDataset(
        "SmthSmthV2", "classification", video_rows.something, ("video_id", "pos_text", "neg_text"),
        "What actions or object interactions are being performed by the person in the video?", "video_cls/SSv2",
        first=1000,
    ),
    classified("HMDB51", "HMDB51", 51, "What actions or objects interactions are the person in the video doing?"),
    classified("UCF101", "UCF101", 101, "What activities or sports are being performed by the person in the video?"),
    classified("Kinetics-700", "K700", 700, "Recognize the category of the video content."),
    classified("Breakfast", "Breakfast", 10, "Recognize the breakfast type that the person is cooking in the video."),
    retrieved("MSR-VTT", video_rows.msr_vtt, ("video_id", "caption"),
              "Find a video that contains the following visual content:"),
    retrieved("MSVD", video_rows.msvd, ("video_id", "caption"),
              "Find the video snippet that corresponds to the given summary:"),
    retrieved("DiDeMo", video_rows.didemo, ("video", "caption"),
              "Find a video that includes the following described scenes:"),
    replace(
        retrieved("YouCook2", video_rows.youcook2, ("id", "sentence"),
                  "Find a video that demonstrates the following action while making a recipe:"),
        split="val",
    ),
    retrieved("VATEX", video_rows.vatex, ("videoID", "enCap"), "Select a video that fits the description provided:"),
    MmebVideoDataset("QVHighlight", "moment", video_rows.moment, ("query", "video_path"), "",
                     "video_mret/QVHighlight"),
    MmebVideoDataset("Charades-STA", "moment", video_rows.moment, ("query", "video_path"), "",
                     "video_mret/Charades_STA"),
    MmebVideoDataset(
        "MomentSeeker", "moment", video_rows.moment_seeker,
        ("query", "positive_frames", "negative_frames", "input_frames"), "", "video_mret/MomentSeeker",
    ),
    questioned("Video-MME", video_rows.video_mme, ("videoID", "question", "options", "answer")),
    replace(
        questioned("NExTQA", video_rows.next_qa, ("video", "question", "answer", "a0", "a1", "a2", "a3", "a4")),
        config="MC",
    ),
    replace(
        questioned("EgoSchema", video_rows.egoschema, ("video_idx", "question", "option", "answer")), config="Subset"
    ),
    replace(
        questioned("MVBench", video_rows.mvbench, ("video", "question", "candidates", "answer")), split="train"
    ),
    questioned("ActivityNetQA", video_rows.activitynet_qa, ("video_name", "question", "answer")),
)  # fmt: skip
BY_NAME: Mapping[str, MmebVideoDataset] = {each.name: each for each in VIDEO_DATASETS}


def read_mmeb_video(
    root: Path,
    names: Sequence[str] = (),
    video_root: Path | None = None,
    frames: int = 8,
    queries: int | None = None,
    seed: int = 0,
    on_bad_item: OnBadItem = "stop",
    progress: bool = True,
) -> list[RankingTask]:
    """Video data sets of MMEB-V2.

    Args:
        root: the folder with one folder a data set.
        names: which data sets, in this order; empty for all 18.
        video_root: the folder that holds video_cls, video_ret, video_qa and video_mret; None for the first of
            `FRAME_PLACES` that lies in `root`, or `root` itself.
        frames: of each clip, at most; those are spread evenly over what is there.
        queries: at most so many rows of each data set, drawn at random; None for all. Pools stay whole.
        seed: of that draw.
        on_bad_item: what to do with rows that make no ranking, such as for want of their clip. With "skip" a global
            pool lacks their candidates.
        progress: show a bar.

    Raises:
        ValueError: a name is unknown, or a folder, file or column is missing.
        core.data.checks.problems.BadItems: rows are bad and `on_bad_item` is "stop".
    """
    for name in names:
        if name not in BY_NAME:
            raise ValueError(f"{name!r} is not a video data set of MMEB-V2; there are {', '.join(BY_NAME)}.")
    chosen = [BY_NAME[name] for name in dict.fromkeys(names)] or list(VIDEO_DATASETS)
    tables = {dataset: read_tables(root, dataset) for dataset in chosen}
    place = video_root or next((root / name for name in FRAME_PLACES if (root / name).is_dir()), root)
    bar = tqdm(tables.items(), "reading MMEB-V2's videos", unit="data set", disable=not progress)
    return [read_task(dataset, found, root, place, frames, queries, seed, on_bad_item) for dataset, found in bar]


def read_tables(root: Path, dataset: MmebVideoDataset) -> list[Table]:
    """Get the tables of a data set; rows of MVBench get the column "subset". Raises ValueError when there are none."""
    if dataset.name != "MVBench":
        return [read_table(path, dataset.columns) for path in find_tables(root / dataset.name, dataset)]
    tables = []
    for subset in MVBENCH_SUBSETS:
        for path in find_tables(root / dataset.name, replace(dataset, config=subset)):
            table = read_table(path, dataset.columns)
            tables.append(replace(table, rows=[{**row, "subset": subset} for row in table.rows]))
    return tables


def find_tables(folder: Path, dataset: MmebVideoDataset) -> list[Path]:
    """Return the files of a data set's split.

    They are <config>/<split>-*, data/<split>-* or <split>-*, .parquet, .jsonl or .json, json/<config>.json as MVBench
    has them, or else the only table of the folder.

    Raises:
        ValueError: there are none, or several of which none is named as above.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; {dataset.name}'s annotation files belong there.")
    for place in (folder / dataset.config, folder / "data", folder):
        found = split_files(place, dataset.split)
        if found:
            return found
    named = [folder / "json" / f"{dataset.config}.json", *(folder / f"{dataset.config}{each}" for each in TABLES)]
    if dataset.config and any(path.is_file() for path in named):
        return [next(path for path in named if path.is_file())]
    only = sorted(path for path in folder.iterdir() if path.suffix in TABLES)
    if len(only) != 1 or (dataset.config and dataset.name == "MVBench"):
        raise ValueError(
            f"{folder}: no file {Path(dataset.config) / dataset.split}-*.parquet, .jsonl or .json of {dataset.name}, "
            f"and {len(only)} other tables instead of one."
        )
    return only


def read_task(
    dataset: MmebVideoDataset,
    tables: Sequence[Table],
    root: Path,
    video_root: Path,
    frames: int,
    queries: int | None,
    seed: int,
    on_bad_item: OnBadItem,
) -> RankingTask:
    """Return one data set. See `read_mmeb_video`."""
    place = video_root / dataset.frames
    maker = Maker(SharedItems(SharedPictures(ImageFolder(place))), Clips(place, frames), dataset)
    rows = [(table, index) for table in tables for index in range(len(table.rows))][: dataset.first]
    make = maker.local
    if dataset.pool == "global":
        pool = maker.pool(rows, extra_labels(root, dataset, rows))
        make = maker.over(pool)
    rankings = made_rankings(drawn(rows, queries, f"{seed}/{dataset.name}"), make, on_bad_item)
    return RankingTask(dataset.name, "video", False, rankings)


def extra_labels(root: Path, dataset: MmebVideoDataset, rows: Sequence[tuple[Table, int]]) -> list[str]:
    """Return the classes that <root>/<data set>/labels.txt names, one a line; rows may lack some of them.

    Says so where the classes are fewer than published: scores are then not comparable.
    """
    if dataset.classes is None:
        return []
    path = root / dataset.name / LABELS
    labels = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    labels = [label for label in labels if label]
    count = len({*labels, *(str(table.rows[index].get("pos_text")) for table, index in rows)})
    if count < dataset.classes:
        logger.warning(
            "%s: %d classes; MMEB-V2 ranks %d, so scores here come out higher. Write all of them into %s.",
            dataset.name, count, dataset.classes, path,
        )  # fmt: skip
    return labels


@dataclass(frozen=True)
class Maker:
    """Makes rankings of a data set's rows, with one object for each item."""

    items: SharedItems
    clips: Clips
    dataset: MmebVideoDataset

    def row(self, table: Table, index: int) -> VideoRow:
        """Return a row as names and words. Raises `BadRow`."""
        return self.dataset.read(table.rows[index], table.where(index), self.dataset.instruction)

    def item(self, shown: Shown, where: str) -> Item:
        """Return the item of names and words. Raises `BadRow`."""
        if shown.clip:
            return clip_item(self.items, self.clips, shown.clip, shown.words.strip(), where)
        return self.items.item(shown.words, shown.picture, where, ("query", "picture"))

    def local(self, table: Table, index: int) -> Ranking:
        """Return a ranking of the row's own candidates. Raises `BadRow`."""
        row, where = self.row(table, index), table.where(index)
        shown, right = (row.targets, row.right) if not row.clips_of else self.clips_beside(row, where)
        targets = [self.item(each, where) for each in shown]
        return self.items.ranking(self.item(row.query, where), [targets[place] for place in right], targets, where)

    def clips_beside(self, row: VideoRow, where: str) -> tuple[tuple[Shown, ...], tuple[int, ...]]:
        """Return the clips of a folder but "query", and which of them are right. Raises `BadRow`."""
        folder = inside(self.clips.root, row.clips_of, where)
        names = sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
        names = [name for name in names if name != "query"]
        right = tuple(place for place, name in enumerate(names) if name.startswith("positive"))
        if not right:
            raise BadRow(Problem(where, f"{folder}: holds no folder of frames whose name begins with 'positive'."))
        return tuple(Shown(video_rows.CLIP, f"{row.clips_of}/{name}") for name in names), right

    def pool(self, rows: Sequence[tuple[Table, int]], labels: Sequence[str]) -> tuple[Item, ...]:
        """Return all candidates of the data set; rows that make none are told of when their ranking is made."""
        found = [self.items.item(label, "", LABELS, ("label", "")) for label in labels]
        for table, index in rows:
            try:
                with naming(table.where(index)):
                    found += [self.item(each, table.where(index)) for each in self.row(table, index).targets]
            except BadRow:
                continue
        return self.items.pool(found)

    def over(self, pool: tuple[Item, ...]) -> Callable[[Table, int], Ranking]:
        """Makes rankings of one pool."""
        places = {id(item): place for place, item in enumerate(pool)}

        def make(table: Table, index: int) -> Ranking:
            row, where = self.row(table, index), table.where(index)
            right = tuple(places[id(self.item(row.targets[place], where))] for place in row.right)
            return Ranking(self.item(row.query, where), pool, right, origin=where)

        return make

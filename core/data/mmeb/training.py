"""Read training pairs from a local folder in MMEB-train's layout.

    <root>/<dataset>/original-00000-of-00001.parquet    also .jsonl, .json; other splits: diverse_instruction, train
    <root>/images/<dataset>/...                         the unpacked pictures; rows name them "images/<dataset>/..."
    <root>/images_zip/<dataset>.zip                     ... or as the hub ships them, read without unpacking
    <root>/meta_tasks.json                              {"<dataset>": "retrieval", ...} for data sets MMEB does not have

What a row holds is read by `core.data.mmeb.rows`.
"""

import logging
import random
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from core.data.checks.problems import naming
from core.data.images.image_folders import ImageFolder, open_image_folder
from core.data.mmeb.datasets import ALL_META_TASKS, BY_TRAIN_NAME
from core.data.mmeb.rows import COLUMNS, read_item, read_negatives
from core.data.records import Pair
from core.data.tables import Table, read_table
from core.files.reading import parse_json

SUFFIXES = (".parquet", ".jsonl", ".json")
META_TASKS_FILE = "meta_tasks.json"
SHARD = re.compile(r"-(\d+)-of-(\d+)$")

META_TASKS = {name: each.meta_task for name, each in BY_TRAIN_NAME.items()}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MmebPairs:
    """One data set of the layout; satisfies `core.data.records.PairDataset`.

    `rows` are the indices that are used, into the rows of all `tables` behind one another. A row becomes a pair when
    it is asked for; a row that makes no pair raises `BadRow` then.
    """

    name: str
    meta_task: str
    tables: tuple[Table, ...]
    rows: Sequence[int]
    pictures: ImageFolder

    @property
    def files(self) -> tuple[Path, ...]:
        """What the rows are read from."""
        return tuple(table.path for table in self.tables)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Pair:
        if not 0 <= index < len(self):
            raise IndexError(f"index = {index} is outside 0..{len(self) - 1} of {self.name}.")
        ends = list(accumulate(len(table.rows) for table in self.tables))
        shard = bisect_right(ends, self.rows[index])
        table = self.tables[shard]
        local = self.rows[index] - ends[shard] + len(table.rows)
        where = table.where(local)
        with naming(where):
            row = table.rows[local]
            query = read_item(row, ("qry", "qry_image_path"), self.pictures, where)
            positive = read_item(row, ("pos_text", "pos_image_path"), self.pictures, where)
            negatives = read_negatives(row, self.pictures, where)
        return Pair(query, positive, self.name, self.meta_task, negatives, origin=where)


def read_mmeb(
    root: Path,
    names: Sequence[str] | None = None,
    split: str = "original",
    limit: int | None = None,
    seed: int = 0,
    image_root: Path | None = None,
    limits: Mapping[str, int] | None = None,
) -> list[MmebPairs]:
    """Return the training data sets under a folder.

    Args:
        root: the folder that holds one folder a data set.
        names: which data sets, in this order; None for all that have the split, by name.
        split: how the names of the files begin: "original", "diverse_instruction" or "train".
        limit: at most so many rows of each data set, drawn at random; None for all.
        seed: of that draw.
        image_root: where the rows' picture paths start, a folder or a ZIP archive; None for `root`.
        limits: other limits for the data sets that it names.

    Raises:
        ValueError: a folder, file, column, shard or meta-task is missing, or a limit is below 1 or for a data set
            that is not read; the message says which and what to do.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; it should hold MMEB's layout (one folder a data set).")
    names = find_names(root, split) if names is None else names
    repeated = [name for name in names if list(names).count(name) > 1]
    if repeated or not names:
        raise ValueError(f"names = {list(names)}: {f'{repeated[0]!r} is repeated' if repeated else 'name a data set'}.")
    caps = checked_limits(names, limit, limits or {})
    families = META_TASKS | read_meta_tasks(root)
    pictures = open_image_folder(root if image_root is None else image_root)
    return [read_dataset(root, name, split, families, caps[name], seed, pictures) for name in names]


def checked_limits(names: Sequence[str], limit: int | None, limits: Mapping[str, int]) -> dict[str, int | None]:
    """Return the limit of each data set.

    Raises:
        ValueError: a limit is below 1, or is for a data set that is not read.
    """
    unknown = [name for name in limits if name not in names]
    if unknown:
        raise ValueError(f"limits: {unknown[0]!r} is not among the data sets that are read: {', '.join(names)}.")
    caps: dict[str, int | None] = {name: limits.get(name, limit) for name in names}
    for name, cap in caps.items():
        if cap is not None and cap < 1:
            raise ValueError(f"limit = {cap} of {name} is below 1; give none for all rows.")
    return caps


def read_dataset(
    root: Path, name: str, split: str, families: Mapping[str, str], limit: int | None, seed: int, pictures: ImageFolder
) -> MmebPairs:
    """Return one data set. See `read_mmeb`."""
    files = split_files(root / name, split)
    if not files:
        others = sorted({SHARD.sub("", path.stem) for path in (root / name).glob("*") if path.suffix in SUFFIXES})
        found = f"its splits are {', '.join(others)}" if others else "there is no such folder, or no table in it"
        raise ValueError(f"{root / name}: no file of the split {split!r}; {found}.")
    if name not in families:
        raise ValueError(
            f"{root / name}: {name!r} is not a data set of MMEB-train, so its meta-task is not known. Write "
            f'{{"{name}": "retrieval"}} (or another of {", ".join(ALL_META_TASKS)}) into {root / META_TASKS_FILE}.'
        )
    tables = tuple(read_table(path, COLUMNS) for path in files)
    total = sum(len(table.rows) for table in tables)
    rows: Sequence[int] = range(total)
    if limit is not None and limit < total:
        rows = sorted(random.Random(f"{seed}/{name}").sample(rows, limit))
    return MmebPairs(name, families[name], tables, rows, pictures)


def find_names(root: Path, split: str) -> list[str]:
    """Return the data sets under a folder that have a split, by name; others are named in a warning."""
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    names = [folder.name for folder in folders if split_files(folder, split)]
    others = [
        folder.name
        for folder in folders
        if folder.name not in names and any(path.suffix in SUFFIXES for path in folder.glob("*"))
    ]
    if others:
        logger.warning("%s: left out for want of the split %r: %s.", root, split, ", ".join(others))
    if not names:
        raise ValueError(f"{root}: no folder in it holds a file {split}-*.parquet, .jsonl or .json.")
    return names


def split_files(folder: Path, split: str) -> list[Path]:
    """List the files of one split, in the order of shards; the hub's converted branches have <split>/0000.parquet.

    Raises:
        ValueError: the split lies there in two formats, or some of its shards are missing.
    """
    named = [path for path in folder.glob("*") if path.suffix in SUFFIXES and SHARD.sub("", path.stem) == split]
    if not named:
        return sorted((folder / split).glob("*.parquet"))
    if len({path.suffix for path in named}) > 1 or len({SHARD.search(path.stem) is None for path in named}) > 1:
        listed = ", ".join(sorted(path.name for path in named))
        raise ValueError(f"{folder}: the split {split!r} lies there twice ({listed}). Keep one form of it.")
    shards = {path: match for path in named if (match := SHARD.search(path.stem))}
    present = {int(match[1]) for match in shards.values()}
    for path, match in shards.items():
        missing = set(range(int(match[2]))) - present
        if missing:
            raise ValueError(f"{folder}: shard {min(missing)} of {match[2]} is missing beside {path.name} (from 0).")
    return sorted(named)


def read_meta_tasks(root: Path) -> dict[str, str]:
    """Return the meta-task of each data set that `meta_tasks.json` names; empty if there is no such file.

    Raises:
        ValueError: it is not a JSON object of known meta-tasks.
    """
    path = root / META_TASKS_FILE
    if not path.exists():
        return {}
    try:
        named = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error}).") from error
    if not isinstance(named, dict):
        raise ValueError(f'{path}: write one object, such as {{"my-data": "retrieval"}}.')
    for name, family in named.items():
        if family not in ALL_META_TASKS:
            raise ValueError(
                f"{path}: {name!r} has the meta-task {family!r}, which is none of {', '.join(ALL_META_TASKS)}."
            )
    return named

"""A user's own folder of pictures with captions, laid out as Hugging Face's imagefolder.

    <root>/metadata.jsonl    one {"file_name": "cat.jpg", "text": "a cat"} a line; or metadata.csv with these columns
    <root>/cat.jpg           pictures anywhere below the folder

It makes two data sets, caption to image and image to caption, and rankings of rows held out from training. A caption
is data: the characters `<|image_1|>` in it mean nothing.
"""

import logging
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from core.data.checks.model_rules import ModelRules
from core.data.checks.pairs import usable_indices
from core.data.checks.problems import BadRow, OnBadItem, Problem, naming
from core.data.checks.visuals import unreadable
from core.data.file_names import inside
from core.data.images.folder_listing import beside_table, told
from core.data.images.image_files import FileImage
from core.data.records import Image, Item, Pair, Ranking, RankingTask, Text, image_item, refuse_half_characters
from core.data.retrieval_instructions import CAPTION_TO_IMAGE, IMAGE_TO_CAPTION
from core.data.tables import Table, read_table

Direction: TypeAlias = Literal["caption-to-image", "image-to-caption"]

METADATA = ("metadata.jsonl", "metadata.csv")
META_TASK = "retrieval"
HELD_OUT = 0.1
"""The share of a folder's pictures that training leaves for evaluation."""
MIN_HELD_OUT = 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FolderPairs:
    """The rows of a folder in one direction; satisfies `core.data.records.PairDataset`.

    `rows` are the indices of the table's rows that are used. A row that makes no pair raises `BadRow` when asked for.
    Each picture file is one object, also of copies made by `dataclasses.replace`, so that it is decoded once for
    its id.
    """

    root: Path
    table: Table
    caption_column: str
    name: Direction
    rows: Sequence[int]
    meta_task: str = META_TASK
    _pictures: dict[Path, FileImage] = field(default_factory=dict, repr=False, compare=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """What the rows are read from."""
        return (self.table.path,)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Pair:
        if not 0 <= index < len(self):
            raise IndexError(f"index = {index} is outside 0..{len(self) - 1} of {self.name} of {self.root}.")
        where = self.table.where(self.rows[index])
        words, picture = self.caption(index), Image(self.picture(index))
        if self.name == "caption-to-image":
            query, positive = Item((Text(f"{CAPTION_TO_IMAGE} {words}"),)), Item((picture,))
        else:
            query, positive = image_item(picture, IMAGE_TO_CAPTION), Item((Text(words),))
        return Pair(query, positive, self.name, self.meta_task, origin=where)

    def caption(self, index: int) -> str:
        """Return the caption of a row, without white space at its ends. Raises `BadRow` if it is empty or no text."""
        return self._field(index, self.caption_column).strip()

    def picture(self, index: int) -> FileImage:
        """Get the picture of a row, not yet opened. Raises `BadRow` if the row names none or one outside the folder."""
        name = self._field(index, "file_name")
        where = self.table.where(self.rows[index])
        with naming(where):
            path = inside(self.root, name, where)
        return self._pictures.setdefault(path, FileImage(path))

    def _field(self, index: int, column: str) -> str:
        value = self.table.rows[self.rows[index]].get(column)
        if not isinstance(value, str) or not value.strip():
            empty = value is None or isinstance(value, str)
            reason = f"{column} is empty." if empty else f"{column} = {value!r} is no text."
            raise BadRow(Problem(self.table.where(self.rows[index]), reason))
        with naming(self.table.where(self.rows[index])):
            refuse_half_characters(value)
        return value


def folder_pairs(
    root: Path, caption_column: str = "text", held_out: float = HELD_OUT, progress: bool = False
) -> list[FolderPairs]:
    """Return the two training data sets of a folder: caption to image, and image to caption.

    Args:
        root: the folder.
        caption_column: the column with the captions.
        held_out: the share of pictures, 0 to below 1, kept for `folder_rankings`. Which ones depends on their
            contents alone. If they make fewer than 20 rows, training and rankings both use every row.
        progress: show a bar while pictures are opened.

    Raises:
        ValueError: the folder, its metadata or a column is missing, or a number is out of range.
    """
    whole = open_folder(root, caption_column)
    training, _ = split_rows(whole, held_out, progress)
    tell_rest(whole)
    return [replace(whole, name=name, rows=training) for name in get_args(Direction)]


def folder_rankings(
    root: Path,
    caption_column: str = "text",
    held_out: float = HELD_OUT,
    queries: int = 200,
    pool: int = 100,
    seed: int = 0,
    on_bad_item: OnBadItem = "stop",
    progress: bool = True,
    rules: ModelRules | None = None,
) -> list[RankingTask]:
    """Held-out rows as rankings in both directions; the right candidate has index 0.

    A pool holds no second picture with the query's caption and no second caption of the query's picture. It is
    smaller than `pool` where the held-out rows give no more. A folder that was not trained on is held out as a whole.

    Args:
        root: the folder.
        caption_column: the column with the captions.
        held_out: as in `folder_pairs`; 1 for every row of a folder that was not trained on.
        queries: at most so many rankings a direction, drawn at random.
        pool: at most so many candidates a ranking, the right one included; at least 2.
        seed: of the draws.
        on_bad_item: what to do with bad rows among those that are used. Rows that are held out are never bad: a bad
            row stays with the training rows, where the check before training finds it.
        progress: show a bar while pictures are checked.
        rules: what the model refuses, for the same check.

    Raises:
        ValueError: as `folder_pairs`; or no two rows with different pictures and captions are left.
        core.data.checks.problems.BadItems: a row is bad and `on_bad_item` is "stop".
    """
    if queries < 1 or pool < 2:
        raise ValueError(f"queries = {queries} must be at least 1 and pool = {pool} at least 2.")
    whole = open_folder(root, caption_column)
    held = whole.rows if held_out == 1 else split_rows(whole, held_out, progress)[1]
    kept, problems = usable_indices(replace(whole, rows=held), on_bad_item, progress, rules)
    for problem in problems:
        logger.warning("Left out of the rankings: %s", problem)
    rows = [held[index] for index in kept]
    return [rank(replace(whole, name=name, rows=rows), queries, pool, seed) for name in get_args(Direction)]


def rank(pairs: FolderPairs, queries: int, pool: int, seed: int) -> RankingTask:
    """Return the rankings of one direction; a target of any row with the same query is right, so it is no distractor.

    Raises:
        ValueError: all rows have the same caption or the same picture.
    """
    rows = [pairs[index] for index in range(len(pairs))]
    targets = {pair.positive.content_id: pair.positive for pair in rows}
    right: dict[str, set[str]] = defaultdict(set)
    for pair in rows:
        right[pair.query.content_id].add(pair.positive.content_id)
    chance = random.Random(f"{seed}/queries/{pairs.name}")
    rankings = []
    for pair in chance.sample(rows, len(rows)):
        wrong = [item for key, item in targets.items() if key not in right[pair.query.content_id]]
        if wrong and len(rankings) < queries:
            others = chance.sample(wrong, min(pool - 1, len(wrong)))
            rankings.append(Ranking(pair.query, (pair.positive, *others), right=(0,)))
    if not rankings:
        raise ValueError(f"{pairs.root}: rankings need at least two rows with different pictures and captions.")
    return RankingTask(pairs.name, pairs.meta_task, in_distribution=True, rankings=tuple(rankings))


def open_folder(root: Path, caption_column: str) -> FolderPairs:
    """Return every row of a folder, caption to image.

    Raises:
        ValueError: the folder, its metadata or a column is missing.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; it should hold pictures and metadata.jsonl or metadata.csv.")
    found = [root / name for name in METADATA if (root / name).exists()]
    if len(found) != 1:
        have = "both lie there; keep one" if found else "neither is there; write one"
        raise ValueError(f"{root}: of {' and '.join(METADATA)} {have} (columns file_name and {caption_column}).")
    table = read_table(found[0], ["file_name"])
    if len(table.rows) < 2:
        raise ValueError(f"{found[0]}: holds one row; contrast needs at least two pictures with captions.")
    if caption_column not in table.columns:
        raise ValueError(
            f"{found[0]}: no column {caption_column!r} for the captions; its columns are {', '.join(table.columns)}. "
            "Name the one with the captions by --data.caption_column."
        )
    return FolderPairs(root, table, caption_column, "caption-to-image", range(len(table.rows)))


def tell_rest(whole: FolderPairs) -> None:
    """Say how many files below a folder its metadata does not name."""
    named = []
    for row in whole.rows:
        try:
            named.append(whole.picture(row).path)
        except BadRow:
            continue
    if rest := beside_table(whole.root, whole.table.path, named).ignored:
        logger.warning("%s: passed over: %s.", whole.root, told(rest))


def split_rows(whole: FolderPairs, held_out: float, progress: bool = False) -> tuple[Sequence[int], Sequence[int]]:
    """Return the rows to train on and the rows to score on, by the content of their pictures.

    Every row with the same picture falls on the same side. Rows that cannot be used are never held out. Each picture is
    opened for it, and not again by the check that follows.

    Raises:
        ValueError: `held_out` is outside 0 to below 1.
    """
    if not 0 <= held_out < 1:
        raise ValueError(f"held_out = {held_out} is outside 0 to below 1; it is the share kept for evaluation.")
    pictures = named_pictures(whole)
    bad = {each for each, _ in unreadable(list(dict.fromkeys(pictures.values())), str(whole.root), progress)}
    held = [row for row, picture in pictures.items() if picture not in bad and falls_below(picture, held_out)]
    if len(held) < MIN_HELD_OUT:
        logger.warning(
            "%s: %d held-out rows are fewer than %d, so all %d rows are both trained and scored; "
            "the scores say how well these pictures were learnt, not how well others are understood.",
            whole.root, len(held), MIN_HELD_OUT, len(whole),
        )  # fmt: skip
        return whole.rows, whole.rows
    chosen = set(held)
    return [row for row in whole.rows if row not in chosen], held


def named_pictures(whole: FolderPairs) -> dict[int, FileImage]:
    """Return the picture of each row that has a caption and a picture inside the folder."""
    found: dict[int, FileImage] = {}
    for row in whole.rows:
        with suppress(BadRow):
            whole.caption(row)
            found[row] = whole.picture(row)
    return found


def falls_below(picture: FileImage, share: float) -> bool:
    """Tell whether a picture's id, as a number from 0 to 1, is below a share."""
    return int(picture.content_id, 16) < share * 16 ** len(picture.content_id)

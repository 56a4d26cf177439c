"""Read MMEB's evaluation files as rankings: 36 data sets in the two published layouts.

    <root>/<dataset>/test-00000-of-00001.parquet    also .jsonl, .json, and test/0000.parquet
    <root>/images/, <root>/images.zip, ...          the pictures, packed or not; or any other folder or archive

V1 (TIGER-Lab/MMEB-eval): qry_text, qry_img_path, and the candidates as the lists tgt_text, tgt_img_path. V2's
instruct layout (ziyjiang/MMEB_Test_Instruct) has qry_inst and tgt_inst besides: an instruction stands in front of its
texts, tgt_inst only where the candidate shows a picture. The right candidate is the first of a row, and every
candidate with its text and picture is right too. That place is not passed on: candidates come as a pool whose order
says nothing.
"""

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from tqdm import tqdm

from core.data.checks.problems import BadItems, BadRow, OnBadItem, Problem, naming
from core.data.images.image_folders import open_image_folder
from core.data.mmeb.datasets import DATASETS, MmebDataset, known
from core.data.mmeb.rows import PLACEHOLDER
from core.data.mmeb.training import split_files
from core.data.records import Ranking, RankingTask
from core.data.shared_items import SharedItems, SharedPictures
from core.data.tables import Table, read_table

Layout: TypeAlias = Literal["eval", "instruct"]

SPLIT = "test"
IMAGE_PLACES = (
    "images", "eval_images", "image-tasks", "MMEB-V2/image-tasks/MMEB", "MMEB-V2/image-tasks", "images.zip",
)  # fmt: skip
OPTION = "--suite.on_bad_item"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvalRow:
    """A row in either layout, its instructions put in front of its texts. Candidate 0 is right."""

    query: tuple[str, str]
    targets: list[tuple[str, str]]


def read_mmeb_eval(
    root: Path,
    names: Sequence[str] = (),
    layout: Layout = "eval",
    image_root: Path | None = None,
    queries: int | None = None,
    seed: int = 0,
    on_bad_item: OnBadItem = "stop",
    progress: bool = True,
) -> list[RankingTask]:
    """Return the evaluation data sets of a folder. Pictures are not opened yet.

    Args:
        root: the folder with one folder a data set.
        names: which data sets, in this order; empty for all 36.
        layout: "eval" (V1) or "instruct" (V2).
        image_root: where the rows' paths start: a folder or a ZIP archive. None for the first of `IMAGE_PLACES` that
            lies in `root`, or `root` itself.
        queries: at most so many rows of each data set, drawn at random; None for all.
        seed: of that draw.
        on_bad_item: what to do with rows that make no ranking.
        progress: show a bar.

    Raises:
        ValueError: a name is unknown, or a folder, file or column is missing or of another type.
        core.data.checks.problems.BadItems: rows are bad and `on_bad_item` is "stop".
    """
    chosen = [known(name) for name in dict.fromkeys(names)] or list(DATASETS)
    files = {dataset: find_files(root, dataset, whole=not names) for dataset in chosen}
    items = SharedItems(SharedPictures(open_image_folder(image_root or find_image_root(root))))
    bar = tqdm(files.items(), "reading MMEB", unit="data set", disable=not progress)
    return [read_task(dataset, paths, layout, items, queries, seed, on_bad_item) for dataset, paths in bar]


def find_files(root: Path, dataset: MmebDataset, whole: bool) -> list[Path]:
    """Return the tables of one data set. `whole`: all 36 are asked for.

    Raises:
        ValueError: there are none.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; it should hold MMEB's evaluation files (one folder a data set).")
    files = split_files(root / dataset.name, SPLIT)
    if not files:
        advice = " Score those that are there by naming them in suite.datasets." if whole else ""
        raise ValueError(
            f"{root / dataset.name}: no file {SPLIT}-*.parquet, .jsonl or .json of {dataset.name}.{advice}"
        )
    return files


def find_image_root(root: Path) -> Path:
    """Say where the pictures lie that come with a folder of tables."""
    return next((root / name for name in IMAGE_PLACES if (root / name).exists()), root)


def read_task(
    dataset: MmebDataset,
    files: Sequence[Path],
    layout: Layout,
    items: SharedItems,
    queries: int | None,
    seed: int,
    on_bad_item: OnBadItem,
) -> RankingTask:
    """Return one data set. See `read_mmeb_eval`."""
    columns, read_row = LAYOUTS[layout]
    tables = [read_table(path, columns) for path in files]
    places = [(table, index) for table in tables for index in range(len(table.rows))]
    rankings = made_rankings(
        drawn(places, queries, f"{seed}/{dataset.name}"),
        lambda table, index: ranking(read_row(table.rows[index], table.where(index)), items, table.where(index)),
        on_bad_item,
    )
    return RankingTask(dataset.name, dataset.meta_task, dataset.in_distribution, rankings)


def drawn(places: Sequence[tuple[Table, int]], count: int | None, seed: str) -> Sequence[tuple[Table, int]]:
    """At most `count` of some rows, drawn at random and kept in their order; None for all."""
    if count is None or count >= len(places):
        return places
    return [places[index] for index in sorted(random.Random(seed).sample(range(len(places)), count))]


def made_rankings(
    places: Sequence[tuple[Table, int]], make: Callable[[Table, int], Ranking], on_bad_item: OnBadItem
) -> tuple[Ranking, ...]:
    """Return the rankings of some rows, those left out that make none.

    Raises:
        BadItems: rows make none and `on_bad_item` is "stop", or all rows are left out.
    """
    rankings: list[Ranking] = []
    problems: list[Problem] = []
    for table, index in places:
        try:
            with naming(table.where(index)):
                rankings.append(make(table, index))
        except BadRow as error:
            problems.append(error.problem)
    if problems and (on_bad_item == "stop" or not rankings):
        raise BadItems(problems, len(places), OPTION)
    for problem in problems:
        logger.warning("Left out of the rankings: %s", problem)
    return tuple(rankings)


def ranking(row: EvalRow, items: SharedItems, where: str) -> Ranking:
    """Return the ranking of one row, over a shared pool.

    Raises:
        BadRow: the query or a candidate makes no item.
    """
    query = items.item(*row.query, where, ("qry_text", "qry_img_path"))
    targets = [
        items.item(text, path, where, (f"tgt_text[{place}]", f"tgt_img_path[{place}]"))
        for place, (text, path) in enumerate(row.targets)
    ]
    return items.ranking(query, targets[:1], targets, where)


def eval_row(row: Mapping[str, object], where: str) -> EvalRow:
    """Return a row of MMEB-eval. Raises `BadRow` for a field of another type and for lists of different lengths."""
    return EvalRow((text(row, "qry_text", where), text(row, "qry_img_path", where)), targets(row, where))


def instruct_row(row: Mapping[str, object], where: str) -> EvalRow:
    """Return a row of MMEB_Test_Instruct; marks in instructions do not count, pictures come first. Raises `BadRow`.

    A line break ends queries and captions, as in V1's files and V2's harness.
    """
    plain = eval_row(row, where)
    words, path = plain.query
    query = joined(PLACEHOLDER.sub("", text(row, "qry_inst", where)), words)
    instruction = PLACEHOLDER.sub("", text(row, "tgt_inst", where))
    return EvalRow(
        (query, path),
        [(shown_with(instruction, words) if path else words, path) for words, path in plain.targets],
    )


def joined(instruction: str, words: str) -> str:
    """Return an instruction and the words that it is about, as one line."""
    return f"{instruction.strip()} {words.strip()}".strip() + "\n"


def shown_with(instruction: str, caption: str) -> str:
    """Say what a candidate's picture is shown with: its caption behind the instruction, or the instruction as it is."""
    return joined(instruction, caption) if caption.strip() else instruction.lstrip()


def text(row: Mapping[str, object], field: str, where: str) -> str:
    """Return a field that holds a string or nothing. Raises `BadRow`."""
    value = row.get(field)
    if value is not None and not isinstance(value, str):
        raise BadRow(Problem(where, f"{field} holds {type(value).__name__} {str(value)[:60]!r}; it should be text."))
    return value or ""


def targets(row: Mapping[str, object], where: str) -> list[tuple[str, str]]:
    """Return text and path of each candidate.

    Raises:
        BadRow: a list is none, its entries are no strings, or the lists differ in length or are empty.
    """
    texts, paths = strings(row, "tgt_text", where), strings(row, "tgt_img_path", where)
    if texts == "":  # so some files say that no candidate has a text
        texts = [""] * len(paths)
    if isinstance(texts, str) or isinstance(paths, str):
        field = "tgt_text" if isinstance(texts, str) else "tgt_img_path"
        raise BadRow(Problem(where, f"{field} is one string; it should be a list with one entry a candidate."))
    if len(texts) != len(paths):
        raise BadRow(Problem(where, f"tgt_text has {len(texts)} entries and tgt_img_path {len(paths)}."))
    if not texts:
        raise BadRow(Problem(where, "tgt_text is empty; a query needs at least its right candidate."))
    return list(zip(texts, paths, strict=True))


def strings(row: Mapping[str, object], field: str, where: str) -> list[str] | str:
    """Return a field that holds a list of strings (null for an empty one) or one string. Raises `BadRow`."""
    value = row[field]
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list) or not all(each is None or isinstance(each, str) for each in value):
        raise BadRow(Problem(where, f"{field} holds {str(value)[:60]!r}; it should be a list of texts."))
    return [each or "" for each in value]


EVAL_COLUMNS = ("qry_text", "qry_img_path", "tgt_text", "tgt_img_path")
LAYOUTS: Mapping[Layout, tuple[tuple[str, ...], Callable[[Mapping[str, object], str], EvalRow]]] = {
    "eval": (EVAL_COLUMNS, eval_row),
    "instruct": (("qry_inst", "tgt_inst", *EVAL_COLUMNS), instruct_row),
}

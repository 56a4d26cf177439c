"""What may make an evaluation's scores too good, or arbitrary: items seen in training, and items that are nearly twins.

trained pair     the query and its right answer were recorded as a pair that training used
trained query    the query was recorded as a training query, or as an answer to one; trained answer likewise
twin             one of the 20 hardest negatives is nearly the same text and pictures as the right answer
copy             the query is nearly the same as its own right answer
model's twin     a stored hard negative is as close to the right answer as a threshold by the model's own vectors

Exact matches are of content: the first 15 characters of content ids, which is what a run records of its pairs. A run
records every so many steps, and of each query that had a negative with a gradient; what it did not record, and what the
backbone was trained on before, cannot be checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, Int

from core.evaluation.training_folders import run_settings
from workbench.bundles.bundle import Bundle
from workbench.measures.concepts import MARK
from workbench.measures.near_duplicates import picture_groups, text_groups
from workbench.runs.pair_records import recorded_files

SHORT = 15
Rows = Int[np.ndarray, " queries"]
PAIR_COLUMNS = ["query_id", "positive_id"]
MOST_PICTURES = 3000
ROWS_AT_ONCE = 2**13


@dataclass(frozen=True)
class Recorded:
    """What a run, and those that it started from, recorded of their training pairs.

    pairs: query_id, positive_id, each pair once. runs: names of the runs looked at. files: record files read.
    problems: what could not be read, in words.
    """

    pairs: pd.DataFrame
    runs: tuple[str, ...]
    files: int
    problems: tuple[str, ...]


def recorded_pairs(run: Path) -> Recorded:
    """Return the training pairs that a run and the runs that it started from recorded, of every step and rank."""
    tables: list[pa.Table] = []
    names: list[str] = []
    problems: list[str] = []
    files = 0
    try:
        folders = [folder for folder, _ in run_settings(run)]
    except ValueError as error:
        folders, problems = [run], [str(error)]
    for folder in folders:
        names.append(folder.name)
        for path in recorded_files(folder):
            files += 1
            try:
                table = pq.read_table(path, columns=PAIR_COLUMNS)
            except (OSError, pa.ArrowException) as error:
                problems.append(f"{path.name} cannot be read ({type(error).__name__}).")
                continue
            if table.column_names == PAIR_COLUMNS:
                tables.append(table.cast(pa.schema({name: pa.string() for name in PAIR_COLUMNS})))
            else:
                problems.append(f"{path.name} has no columns {' and '.join(PAIR_COLUMNS)}.")
    found = pa.concat_tables(tables).group_by(PAIR_COLUMNS).aggregate([]) if tables else None
    pairs = pd.DataFrame({name: [] for name in PAIR_COLUMNS}) if found is None else found.to_pandas()
    return Recorded(pairs, tuple(names), files, tuple(problems))


def trained(bundle: Bundle, numbers: Rows, pairs: pd.DataFrame) -> dict[str, Bool[np.ndarray, " queries"]]:
    """Tell of some queries which were a recorded training pair, and whose query or right answer was in one.

    A query counts as a trained pair if any of its right answers was recorded with it.
    """
    short = bundle.items["item"].str.slice(0, SHORT)
    seen = short.isin(set(pairs["query_id"]) | set(pairs["positive_id"])).to_numpy()
    query = bundle.rankings["query"].to_numpy()
    right = bundle.candidates.right
    own = short.to_numpy(dtype=object)
    asked = own[query[right.owners]] + own[right.values]
    known = np.isin(asked.astype(str), (pairs["query_id"] + pairs["positive_id"]).to_numpy(dtype=str))
    count = len(query)
    return {
        "trained pair": (np.bincount(right.owners, known, count) > 0)[numbers],
        "trained query": seen[query][numbers],
        "trained answer": (np.bincount(right.owners, seen[right.values], count) > 0)[numbers],
    }


@dataclass(frozen=True)
class Twins:
    """Groups of nearly equal items. rows: rows of the items, ascending. group: of each; equal numbers are alike.

    pictures, unseen: how many pictures were compared, and how many were beyond the limit (equal files still match).
    """

    rows: Int[np.ndarray, " n"]
    group: Int[np.ndarray, " n"]
    pictures: int
    unseen: int

    def of(self, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """Return the groups of some of the rows."""
        return self.group[np.searchsorted(self.rows, rows)]


def item_twins(bundle: Bundle, rows: Int[np.ndarray, " n"], threshold: float) -> Twins:
    """Group items whose words are alike (Jaccard of 5 letters at least the threshold) and whose pictures are, in order.

    Pictures are compared as the bundle holds them, at most 96 pixels high.
    """
    rows = np.unique(rows)
    texts = bundle.items["text"].iloc[rows].fillna("").str.replace(MARK, " ", regex=True).tolist()
    words = text_groups(texts, threshold)
    owner, thumbnail = pictures_of(bundle, rows)
    names, place = np.unique(thumbnail, return_inverse=True)
    groups, compared = grouped_pictures(bundle, names.tolist())
    worth = np.random.default_rng(0).integers(1, 2**40, size=(2, max(len(texts), len(names)) + 1), dtype=np.int64)
    order = np.arange(len(owner)) - np.searchsorted(owner, owner) + 1
    shown = np.zeros(len(rows), dtype=np.int64)
    np.add.at(shown, owner, worth[0][groups[place]] * order)
    return Twins(rows, pd.factorize(worth[1][words] * 3 + shown)[0], compared, len(names) - compared)


def pictures_of(bundle: Bundle, rows: Int[np.ndarray, " n"]) -> tuple[Int[np.ndarray, " pictures"], np.ndarray]:
    """Return every picture and clip of some items in reading order: the place of its item, and its thumbnail's id."""
    taken = bundle.part_lists.take(pa.array(rows))
    parts = taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken
    lengths = np.diff(np.asarray(parts.offsets).astype(np.int64))
    owner = np.repeat(np.arange(len(rows)), lengths)
    found = parts.flatten().field("thumbnail").to_numpy(zero_copy_only=False)
    is_picture = np.array([each is not None for each in found], dtype=bool)
    return owner[is_picture], found[is_picture].astype(str)


def grouped_pictures(bundle: Bundle, names: Sequence[str]) -> tuple[Int[np.ndarray, " n"], int]:
    """Number thumbnails so that alike ones have the same number, and say how many were compared; at most 3000 are.

    One beyond the limit, or that cannot be read, has a number of its own.
    """
    chosen = list(range(len(names)))[:: max(1, -(-len(names) // MOST_PICTURES))]
    read = [(place, bundle.picture(names[place])) for place in chosen]
    readable = [(place, picture) for place, picture in read if picture is not None]
    groups = np.arange(len(names)) + len(names)
    places = np.array([place for place, _ in readable], dtype=np.int64)
    groups[places] = picture_groups([picture for _, picture in readable])
    return pd.factorize(groups)[0], len(readable)


def hard_candidates(bundle: Bundle, numbers: Rows) -> pd.DataFrame:
    """Return a row for each stored hard negative of some queries: query, one (the right answer), two (the negative)."""
    asked = np.zeros(len(bundle.rankings), dtype=bool)
    asked[numbers] = True
    ranking = bundle.negatives["ranking"].to_numpy()
    kept = asked[ranking]
    query = ranking[kept].astype(np.int64)
    one = bundle.rankings["positive"].to_numpy()[query].astype(np.int64)
    return pd.DataFrame({"query": query, "one": one, "two": bundle.negatives["negative"].to_numpy()[kept]})


def items_of(bundle: Bundle, numbers: Rows) -> Int[np.ndarray, " n"]:
    """Return the items to group: some queries, their right answers and their stored hard negatives."""
    rows = bundle.rankings.iloc[numbers]
    found = [rows["query"].to_numpy(), rows["positive"].to_numpy(), hard_candidates(bundle, numbers)["two"].to_numpy()]
    return np.unique(np.concatenate(found))


def twin_pairs(bundle: Bundle, numbers: Rows, twins: Twins) -> pd.DataFrame:
    """Return those of the stored hard negatives that are twins of their query's right answer: query, one, two."""
    pairs = hard_candidates(bundle, numbers)
    same = twins.of(pairs["one"].to_numpy()) == twins.of(pairs["two"].to_numpy())
    return pairs.loc[same].reset_index(drop=True)


def copies(bundle: Bundle, numbers: Rows, twins: Twins) -> pd.DataFrame:
    """Return a row for each query that is nearly the same as its right answer: query, one, two."""
    rows = bundle.rankings.iloc[numbers]
    one, two = rows["query"].to_numpy(), rows["positive"].to_numpy()
    same = (twins.of(one) == twins.of(two)) & (one != two)
    return pd.DataFrame({"query": numbers[same], "one": one[same], "two": two[same]})


def model_twins(bundle: Bundle, numbers: Rows, threshold: float) -> pd.DataFrame:
    """Return the stored hard negatives that are at least so close to the right answer: query, one, two, cosine.

    Alike to this model, by its own vectors; they may look different to anybody else.
    """
    pairs = hard_candidates(bundle, numbers)
    pairs["cosine"] = cosines(bundle, pairs["one"].to_numpy(), pairs["two"].to_numpy())
    close = pairs.loc[pairs["cosine"] >= threshold]
    return close.sort_values("cosine", ascending=False, kind="stable", ignore_index=True)


def cosines(
    bundle: Bundle, one: Int[np.ndarray, " pairs"], two: Int[np.ndarray, " pairs"]
) -> Float[np.ndarray, " pairs"]:
    """Return the cosine of pairs of items, read from disk by blocks."""
    found = np.empty(len(one))
    for start in range(0, len(one), ROWS_AT_ONCE):
        here = slice(start, start + ROWS_AT_ONCE)
        found[here] = np.einsum("ij,ij->i", bundle.vectors[one[here]], bundle.vectors[two[here]])
    return found

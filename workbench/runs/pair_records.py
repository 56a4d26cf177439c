"""The records of pairs that a training leaves behind, read without trusting any of them to be complete."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = "pairs"
NAME = re.compile(r"(\d+)-rank(\d+)\.parquet")
NAMES = ("dataset", "query_id", "positive_id", "origin", "negative_id")
NUMBERS = ("step", "place", "similarity", "positive_similarity", "weight", "probability", "share")
QUERY = ("step", "dataset", "query_id", "positive_id", "origin")
MOST_STEPS = 60
"""Of longer records so many steps are read, evenly spaced, with the first and the last."""
MOST_SEARCHED = 400
"""In so many steps, spread likewise, single queries are looked for."""


@dataclass(frozen=True)
class Recorded:
    """What was recorded: one row a (query, negative), with the columns of `core.training.recorder`.

    steps: how many steps are on disk; `rows` holds at most MOST_STEPS of them. problems: files left out, and why.
    """

    rows: pd.DataFrame
    steps: int
    problems: tuple[str, ...]


def recorded_files(run: Path) -> list[Path]:
    """Return the record files of a run in the order of steps and ranks; plain files only."""
    found = [each for each in (run / FOLDER).glob("*.parquet") if NAME.fullmatch(each.name)]
    return sorted((each for each in found if each.is_file() and not each.is_symlink()), key=number_of)


def number_of(path: Path) -> tuple[int, int]:
    """Step and rank of a record file."""
    step, rank = path.stem.split("-rank")
    return int(step), int(rank)


def read_recorded(run: Path) -> Recorded:
    """Return the records of a run, of every rank; what cannot be read is left out and named."""
    files = recorded_files(run)
    steps = sorted({number_of(each)[0] for each in files})
    chosen = spread(steps, MOST_STEPS)
    return read_files([each for each in files if number_of(each)[0] in chosen], len(steps))


def read_step(run: Path, step: int) -> Recorded:
    """Return the records of one step of a run, of every rank; what cannot be read is left out and named."""
    files = recorded_files(run)
    steps = {number_of(each)[0] for each in files}
    return read_files([each for each in files if number_of(each)[0] == step], len(steps))


def read_files(files: Sequence[Path], steps: int) -> Recorded:
    """Return what some record files hold."""
    tables: list[pd.DataFrame] = []
    problems: list[str] = []
    for path in files:
        try:
            tables.append(read_file(path))
        except ValueError as error:
            problems.append(str(error))
    empty = pd.DataFrame({name: [] for name in (*NAMES, *NUMBERS)})
    return Recorded(pd.concat(tables, ignore_index=True) if tables else empty, steps, tuple(problems))


@dataclass(frozen=True)
class RecordedQueries:
    """Which queries were recorded when: one row a (file, query, right answer).

    Columns: file, step, dataset, query_id, positive_id, origin. steps: how many are on disk; `rows` holds at most
    MOST_SEARCHED of them. problems: files left out, and why.
    """

    rows: pd.DataFrame
    steps: int
    problems: tuple[str, ...]

    def most_recorded(self, dataset: str | None) -> pd.DataFrame:
        """Count the steps of each query with its right answer, most first: query_id positive_id origin steps."""
        rows = self.rows if dataset is None else self.rows.loc[self.rows["dataset"] == dataset]
        grouped = rows.groupby(["query_id", "positive_id"], sort=False)
        counted = grouped.agg(origin=("origin", "first"), steps=("step", "nunique")).reset_index()
        return counted.sort_values("steps", ascending=False, kind="stable", ignore_index=True)


def read_queries(run: Path) -> RecordedQueries:
    """Return which queries were recorded when; files that cannot be read are left out and named."""
    files = recorded_files(run)
    steps = sorted({number_of(each)[0] for each in files})
    chosen = spread(steps, MOST_SEARCHED)
    tables: list[pd.DataFrame] = []
    problems: list[str] = []
    for path in files:
        if number_of(path)[0] in chosen:
            try:
                tables.append(read_file(path, QUERY).drop_duplicates().assign(file=path.name))
            except ValueError as error:
                problems.append(str(error))
    empty = pd.DataFrame({name: [] for name in ("file", *QUERY)})
    return RecordedQueries(pd.concat(tables, ignore_index=True) if tables else empty, len(steps), tuple(problems))


def read_query(run: Path, files: Sequence[str], query: str, positive: str) -> pd.DataFrame:
    """Return what some record files say of one query with one right answer, in the order of steps and places.

    A batch that held the pair twice says the same of it twice; once is returned.

    Raises:
        ValueError: one of the files cannot be read any more.
    """
    tables = [read_file(run / FOLDER / name) for name in dict.fromkeys(files)]
    rows = pd.concat(tables, ignore_index=True)
    rows = rows.loc[(rows["query_id"] == query) & (rows["positive_id"] == positive)]
    return rows.sort_values(["step", "place"], kind="stable").drop_duplicates(["step", "negative_id"])


def datasets_at(run: Path, step: int) -> list[str]:
    """Return the names of the data sets of the queries recorded at a step; none where nothing can be read of it."""
    names: set[str] = set()
    for path in (run / FOLDER).glob(f"{step:06d}-rank*.parquet"):
        if NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            try:
                names |= set(read_file(path, ("dataset",))["dataset"])
            except ValueError:
                continue  # as good as not recorded
    return sorted(names)


def read_file(path: Path, columns: Sequence[str] = (*NAMES, *NUMBERS)) -> pd.DataFrame:
    """Return some columns of one file. Raises ValueError, naming it, where it is no record."""
    try:
        with pq.ParquetFile(path) as file:
            present = set(file.schema_arrow.names)
            table = file.read([name for name in columns if name in present]).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path.name} cannot be read ({type(error).__name__}).") from error
    missing = [name for name in columns if name not in present]
    if missing:
        raise ValueError(f"{path.name} has no column {', '.join(missing)}.")
    wrong = [name for name in columns if name in NUMBERS and not pd.api.types.is_numeric_dtype(table[name])]
    if wrong:
        raise ValueError(f"{path.name}: {', '.join(wrong)} holds no numbers.")
    for name in columns:
        table[name] = table[name].astype(str) if name in NAMES else table[name]
    return table[list(columns)]


def spread(steps: Sequence[int], most: int) -> set[int]:
    """At most so many of the steps, evenly spaced, with the first and the last."""
    rows = np.linspace(0, len(steps) - 1, min(len(steps), most)).round().astype(int) if steps else []
    return {steps[row] for row in rows}

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
MOST_STEPS = 60
"""Of longer records so many steps are read, evenly spaced, with the first and the last."""


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


def read_file(path: Path) -> pd.DataFrame:
    """Return one file. Raises ValueError, naming it, where it is no record."""
    try:
        table = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path.name} cannot be read ({type(error).__name__}).") from error
    missing = [name for name in (*NAMES, *NUMBERS) if name not in table.columns]
    if missing:
        raise ValueError(f"{path.name} has no column {', '.join(missing)}.")
    wrong = [name for name in NUMBERS if not pd.api.types.is_numeric_dtype(table[name])]
    if wrong:
        raise ValueError(f"{path.name}: {', '.join(wrong)} holds no numbers.")
    table[list(NAMES)] = table[list(NAMES)].astype(str)
    return table[[*NAMES, *NUMBERS]]


def spread(steps: Sequence[int], most: int) -> set[int]:
    """At most so many of the steps, evenly spaced, with the first and the last."""
    rows = np.linspace(0, len(steps) - 1, min(len(steps), most)).round().astype(int) if steps else []
    return {steps[row] for row in rows}

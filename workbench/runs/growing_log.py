"""The log of a run, metrics.jsonl, while it grows: each look reads only what was appended since the one before.

Numbers are kept by column, so that 100,000 steps take megabytes and no line is parsed twice.
"""

import math
import os
import threading
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard, overload

import numpy as np
from jaxtyping import Bool, Float, Int

from core.files.reading import parse_json
from core.files.run_layout import METRICS

LOGS = 256
"""Logs that are kept in memory."""
MARK = 64
"""Bytes before the place read up to, by which a file that was written anew is told."""
SHARED = 10_000
"""Different mappings of which one copy is kept for all rows that hold them."""
EXACT = 2**53
"""Whole numbers up to this one are what a float holds exactly."""


@dataclass(frozen=True, eq=False)
class Logged(Sequence[Mapping[str, Any]]):
    """The readable lines of a log, in order; also a sequence of rows.

    steps: of each row. numbers: by field; NaN where a row has no number of that name, or logged NaN. others: what else
    rows hold (validation, datasets, skipped, NaN), by place of the row. unreadable: lines left out, without a last one
    that is not complete.
    """

    steps: Int[np.ndarray, " rows"]
    numbers: Mapping[str, Float[np.ndarray, " rows"]]
    others: Mapping[int, Mapping[str, Any]]
    unreadable: int = 0

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, place: int) -> Mapping[str, Any]: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Mapping[str, Any]]: ...

    def __getitem__(self, place: int | slice) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        row = range(len(self))[place]
        found = {name: float(column[row]) for name, column in self.numbers.items()}
        known = {name: value for name, value in found.items() if not math.isnan(value)}
        return {"step": int(self.steps[row])} | known | dict(self.others.get(row, {}))

    def column(self, name: str) -> Float[np.ndarray, " rows"]:
        """Return one number of every row, NaN where it was not logged; "validation/all" reads inside a mapping."""
        if name in self.numbers:
            return self.numbers[name]
        found = np.full(len(self), np.nan)
        group, slash, inner = name.partition("/")
        for row, values in self.others.items() if slash else ():
            members = values.get(group)
            value = members.get(inner) if isinstance(members, Mapping) else None
            if is_number(value):
                found[row] = value
        return found

    def not_finite(self, name: str) -> Bool[np.ndarray, " rows"]:
        """Tell of every row whether a number was NaN or infinite, or its step was left out for such a number."""
        found = np.isinf(self.column(name))
        for row, values in self.others.items():
            value = values.get(name)
            found[row] |= "skipped" in values or (isinstance(value, float) and math.isnan(value))
        return found

    def other(self, row: int, name: str) -> object:
        """Return what a row holds besides numbers; None where it holds nothing of that name."""
        return self.others.get(row, {}).get(name)


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a number that a float holds exactly, or infinite; NaN is none."""
    if isinstance(value, float):
        return not math.isnan(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= EXACT


@dataclass
class Columns:
    """The rows read so far, in a form that grows."""

    steps: "array[int]" = field(default_factory=lambda: array("q"))
    numbers: dict[str, "array[float]"] = field(default_factory=dict)
    others: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    unreadable: int = 0
    shared: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def add(self, row: object) -> None:
        """Take one line's value; one without a step is no row."""
        if not isinstance(row, dict):
            self.unreadable += 1
            return
        step = row.pop("step", None)
        if not isinstance(step, int) or isinstance(step, bool) or abs(step) > EXACT:
            return
        place = len(self.steps)
        self.steps.append(step)
        other = {name: value for name, value in row.items() if not is_number(value)}
        if other:
            self.others[place] = self._once(other)
        for name, value in row.items():
            if name not in other:
                column = self.numbers.setdefault(name, array("d"))
                column.extend([float("nan")] * (place - len(column)))
                column.append(value)

    def _once(self, other: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an equal mapping that is kept already: most steps draw from the same few sets of data sets."""
        if len(self.shared) >= SHARED:
            return other
        return self.shared.setdefault(repr(other), other)

    def logged(self) -> Logged:
        """Return the rows as they are now."""
        steps = np.array(self.steps, dtype=np.int64)
        numbers = {name: np.full(len(steps), np.nan) for name in self.numbers}
        for name, column in self.numbers.items():
            numbers[name][: len(column)] = column
        return Logged(steps, numbers, dict(self.others), self.unreadable)


class GrowingLog:
    """One run's log; `read` returns all of it and parses only its new end. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._forget()

    def read(self) -> Logged:
        """Return the log as it is now; a line that is not complete yet is left for the next look.

        A file that was replaced, cut or written anew is read from its beginning.

        Raises:
            OSError: the file cannot be read; one that is not there is an empty log.
        """
        with self._lock:
            try:
                with self.path.open("rb") as file:
                    self._take(file)
            except FileNotFoundError:
                self._forget()
            return self._logged

    def _forget(self) -> None:
        self._columns, self._offset, self._mark, self._file = Columns(), 0, b"", (0, 0)
        self._logged = self._columns.logged()

    def _take(self, file: BinaryIO) -> None:
        """Parse what was appended."""
        found = os.fstat(file.fileno())
        file.seek(max(0, self._offset - MARK))
        if (found.st_dev, found.st_ino) != self._file or file.read(len(self._mark)) != self._mark:
            self._forget()
        self._file = (found.st_dev, found.st_ino)
        file.seek(self._offset)
        fresh = file.read()
        taken = sum(map(self._line, lines(fresh)))
        if taken:
            self._mark = (self._mark + fresh[max(0, taken - MARK) : taken])[-MARK:]
            self._offset += taken
            self._logged = self._columns.logged()

    def _line(self, line: bytes) -> int:
        """Take one line; the number of bytes that need not be read again."""
        if not line.strip():
            return len(line)
        try:
            self._columns.add(parse_json(line))
        except ValueError:
            if not line.endswith(b"\n"):
                return 0
            self._columns.unreadable += 1
        return len(line)


def lines(text: bytes) -> list[bytes]:
    """Return the lines with their newlines, the last one perhaps without."""
    pieces = text.split(b"\n")
    return [each + b"\n" for each in pieces[:-1]] + [each for each in pieces[-1:] if each]


@lru_cache(maxsize=LOGS)
def log_in(run: Path) -> GrowingLog:
    """Return the log of a run's folder, the same one for every page and thread."""
    return GrowingLog(run / METRICS)

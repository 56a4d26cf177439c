"""Bad rows and items of data that somebody brings: what is wrong, where, and the setting that leaves them out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

OnBadItem: TypeAlias = Literal["stop", "skip"]

LISTED = 10


@dataclass(frozen=True)
class Problem:
    """Why one row cannot be used. `where` is "<file> row <n>"."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}".replace("\n", "\\n")  # names of files may hold line ends


class BadRow(ValueError):
    """A row that makes no pair; raised when the pair is asked for."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Turn whatever goes wrong while a row is read or an item prepared into the problem of that row.

    This is the one place that catches every exception: what a stranger's file can make a decoder or a tokenizer raise
    is not known beforehand, and none of it may end a job without the row's name.

    Raises:
        BadRow: something went wrong; the cause is kept.
    """
    try:
        yield
    except BadRow:
        raise
    except Exception as error:
        raise BadRow(Problem(where, reason_of(error))) from error


def reason_of(error: Exception) -> str:
    """Say in one line why something failed; the kind of error is named where its own words may not be enough."""
    words = " ".join(str(error).split())
    if isinstance(error, BadRow):
        return error.problem.reason
    if type(error) is ValueError or (isinstance(error, ValueError) and type(error).__module__.startswith("core.")):
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


class BadItems(ValueError):
    """Rows that cannot be used, found by the check before any work. `option` is the setting that leaves them out.

    what: of what there are `total`.
    """

    def __init__(
        self, problems: list[Problem], total: int, option: str = "--data.on_bad_item", what: str = "rows"
    ) -> None:
        lines = [f"  {problem}" for problem in problems[:LISTED]]
        rest = len(problems) - len(lines)
        lines += [f"  ... and {rest} more"] * bool(rest)
        super().__init__(
            f"{len(problems)} of {total} {what} cannot be used:\n" + "\n".join(lines) + "\n"
            f"Mend them, or leave them out with {option} skip."
        )
        self.problems = problems

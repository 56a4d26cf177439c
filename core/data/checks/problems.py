"""Bad rows and items of data that somebody brings: what is wrong, where, and the setting that leaves them out."""

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
        return f"{self.where}: {self.reason}"


class BadRow(ValueError):
    """A row that makes no pair; raised when the pair is asked for."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


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

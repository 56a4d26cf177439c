"""What a run's folder remembers of its data: `data.json`, the data sets, and `substituted.jsonl`, what went bad later.

data.json            {"datasets": {name: {"pairs": n, "digest": "...", "left_out": [indices]}}, "changes": [...]}
substituted.jsonl    one line for each row that another pair stood in for, at the first step where it did
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core.data.data_state import DataState
from core.data.sources import CheckedData
from core.files.atomic import write_text, writing
from core.files.run_layout import DATA, SUBSTITUTED
from core.training.step_pairs import Substitution


def read_data_states(run: Path) -> dict[str, DataState]:
    """Return the data sets as a run found them; empty for a run that did not write them down.

    Raises:
        ValueError: the file is damaged.
    """
    path = run / DATA
    if not path.is_file():
        return {}
    try:
        listed = json.loads(path.read_text())["datasets"]
        return {
            name: DataState(int(each["pairs"]), str(each["digest"]), tuple(map(int, each["left_out"])))
            for name, each in listed.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: damaged ({error!r}), so it is not known which rows the run leaves out. Put it back, or delete it "
            "to go on without comparing the data."
        ) from error


def write_data_states(run: Path, data: CheckedData, step: int) -> None:
    """Write down the data sets as the run has them from a step on, and how they changed.

    Raises:
        core.files.atomic.CannotWrite: the system refused.
    """
    path = run / DATA
    earlier = json.loads(path.read_text()).get("changes", []) if path.is_file() else []
    changes = [*earlier, *({"after_step": step, "what": change} for change in data.changes)]
    states = {name: asdict(state) for name, state in data.states.items()}
    write_text(path, json.dumps({"datasets": states, "changes": changes}) + "\n")


class SubstitutionList:
    """`substituted.jsonl`: each row that could not be used in a step, once."""

    def __init__(self, run: Path, done: int) -> None:
        """Open the list of a run that has `done` steps behind it; lines of later steps, redone now, are dropped.

        Raises:
            core.files.atomic.CannotWrite: the system refused.
        """
        self.path = run / SUBSTITUTED
        kept: list[Substitution] = []
        if self.path.is_file():
            for line in self.path.read_text().splitlines():
                try:
                    found = Substitution(**json.loads(line))
                except (json.JSONDecodeError, TypeError):
                    break  # cut short by a kill
                kept += [found] * (found.step <= done)
            write_text(self.path, "".join(map(line_of, kept)))
        self._listed = {(each.dataset, each.where) for each in kept}

    def add(self, substitutions: Sequence[Substitution]) -> list[Substitution]:
        """List what was not listed before, and return it.

        Raises:
            core.files.atomic.CannotWrite: the system refused.
        """
        fresh = list({(each.dataset, each.where): each for each in reversed(substitutions)}.values())[::-1]
        fresh = [each for each in fresh if (each.dataset, each.where) not in self._listed]
        if fresh:
            with writing(self.path), self.path.open("a") as file:
                file.write("".join(map(line_of, fresh)))
        self._listed |= {(each.dataset, each.where) for each in fresh}
        return fresh


def line_of(substitution: Substitution) -> str:
    """Return a line of the list."""
    return json.dumps(asdict(substitution)) + "\n"

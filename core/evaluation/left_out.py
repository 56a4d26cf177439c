"""What a suite loses while it is encoded: items that were good when they were checked and can no longer be read."""

from collections.abc import Sequence

from core.data.checks.problems import BadItems, OnBadItem, Problem
from core.data.checks.rankings import OPTION, first_uses, log_left_out, without
from core.data.records import Item, RankingTask


class LeftOut:
    """Collects items that cannot be prepared, as `core.evaluation.encode_distributed` hands them over."""

    def __init__(self, tasks: Sequence[RankingTask], on_bad_item: OnBadItem) -> None:
        self.tasks = list(tasks)
        self.on_bad_item = on_bad_item
        self.problems: list[Problem] = []
        self._origins = {id(item): (item, origin) for item, origin in first_uses(tasks)}
        self._objects: set[int] = set()
        self._contents: set[str] = set()

    def unknown(self, item: Item, reason: str) -> None:
        """Leave out an item whose content id cannot be made.

        Raises:
            BadItems: on_bad_item is "stop".
        """
        self._objects.add(id(item))
        self._tell(item, reason)

    def add(self, item: Item, reason: str) -> None:
        """Leave out an item, and all with the same content.

        Raises:
            BadItems: on_bad_item is "stop".
        """
        self._contents.add(item.content_id)
        self._tell(item, reason)

    def tasks_left(self) -> list[RankingTask]:
        """Return the tasks without what was left out, which is warned of.

        Raises:
            ValueError: nothing is left of a task.
        """
        if not self.problems:
            return self.tasks
        log_left_out(self.problems)
        return [without(task, self._whole) for task in self.tasks]

    def _whole(self, item: Item) -> bool:
        return id(item) not in self._objects and item.content_id not in self._contents

    def _tell(self, item: Item, reason: str) -> None:
        problem = Problem(self._origins[id(item)][1], reason)
        if self.on_bad_item == "stop":
            raise BadItems([problem], len(self._origins), OPTION, "items")
        self.problems.append(problem)

"""The miniature's rankings, few queries, made once."""

import pytest

from core.data.miniature.benchmark import ranking_tasks
from core.data.records import RankingTask
from core.evaluation.embedded import distinct_items


@pytest.fixture(scope="session")
def tasks() -> list[RankingTask]:
    return ranking_tasks(queries=3)


@pytest.fixture(scope="session")
def items(tasks):
    return tuple(distinct_items(tasks))

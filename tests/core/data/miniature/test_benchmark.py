"""The miniature as a benchmark: repeatable, its splits apart, its pools fair."""

import hashlib
import subprocess
import sys
from collections import Counter

import pytest

from core.data.miniature.benchmark import (
    POOL,
    SOURCES,
    MiniaturePairs,
    Source,
    draw,
    ranking_task,
    ranking_tasks,
    training_sets,
)
from core.data.records import Item, PairDataset, RankingTask, true_hardness

EACH = [pytest.param(source, id=source.name) for source in SOURCES]
QUERIES = 25

FINGERPRINT = """
import hashlib
from core.data.miniature.benchmark import SOURCES, draw
parts = []
for source in SOURCES:
    for index in (0, 7):
        drawn = draw(source, "train", 3, index)
        for item in (drawn.query, drawn.target, *drawn.rivals):
            parts.append(item.content_id + repr(sorted(item.attributes.items())))
            parts += [hashlib.sha256(image.open().tobytes()).hexdigest() for image in item.images()]
print(hashlib.sha256("".join(parts).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def tasks() -> dict[str, RankingTask]:
    """Every data set as rankings."""
    return {task.name: task for task in ranking_tasks(seed=0, queries=QUERIES)}


def test_it_has_the_structure_of_mmeb() -> None:
    families = Counter((source.meta_task, source.in_distribution) for source in SOURCES)
    assert families == {
        ("classification", True): 3,
        ("classification", False): 1,
        ("vqa", True): 2,
        ("vqa", False): 1,
        ("retrieval", True): 4,
        ("retrieval", False): 2,
        ("grounding", True): 1,
        ("grounding", False): 1,
        ("video", False): 1,
    }
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert {dataset.name for dataset in training_sets()} == {s.name for s in SOURCES if s.in_distribution}


def test_pairs_and_pixels_are_the_same_in_every_process() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", FINGERPRINT],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(found) == 1
    assert len(found.pop().strip()) == len(hashlib.sha256().hexdigest())


def test_a_data_set_is_a_function_of_seed_and_index() -> None:
    dataset = MiniaturePairs(SOURCES[0], seed=1)
    assert isinstance(dataset, PairDataset)
    backwards = [dataset[index] for index in range(99, -1, -1)]
    assert backwards[::-1] == [dataset[index] for index in range(100)]
    assert len({pair.query.content_id for pair in backwards}) == 100
    assert dataset[5] != MiniaturePairs(SOURCES[0], seed=2)[5]
    assert dataset[5].origin == "miniature shape[5]"
    for index in (-1, len(dataset)):
        with pytest.raises(IndexError, match=rf"index = {index} is outside 0\.\.74999"):
            dataset[index]


def pictures(source: Source, split: str, number: int) -> set[str]:
    """The pictures of the pairs of a split."""
    items: list[Item] = []
    for index in range(number):
        drawn = draw(source, split, 0, index)
        items += (drawn.query, drawn.target, *drawn.rivals)
    return {image.content_id for item in items for image in item.images()}


@pytest.mark.parametrize(
    "source", [pytest.param(source, id=source.name) for source in SOURCES if source.in_distribution]
)
def test_no_picture_is_both_trained_and_scored(source: Source) -> None:
    trained = pictures(source, "train", 400)
    scored = pictures(source, "test", 200) | pictures(source, "distractors", 200)
    assert len(trained) >= 400
    assert not trained & scored


@pytest.mark.parametrize("source", EACH)
def test_no_candidate_but_the_first_is_truly_right(source: Source, tasks: dict[str, RankingTask]) -> None:
    assert len(tasks[source.name].rankings) == QUERIES
    for ranking in tasks[source.name].rankings:
        right, *others = ranking.candidates
        assert ranking.right == (0,)
        hardness = [true_hardness(ranking.asks, right, other) for other in others]
        assert all(each is not None and each >= 1 for each in hardness)
        assert right.content_id not in {item.content_id for item in others}


def test_no_candidate_comes_twice(tasks: dict[str, RankingTask]) -> None:
    for task in tasks.values():
        for ranking in task.rankings:
            ids = [item.content_id for item in ranking.candidates]
            assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("source", EACH)
def test_pools_hold_a_hundred_or_every_class_name(source: Source, tasks: dict[str, RankingTask]) -> None:
    sizes = {len(ranking.candidates) for ranking in tasks[source.name].rankings}
    expected = {"shape": 8, "colour": 8, "background": 8, "digits": 10, "colour-of": 8, "how-many": 8, "more-of": 8}
    assert sizes == {expected.get(source.name, POOL)}


@pytest.mark.parametrize("source", EACH)
def test_pools_are_hard(source: Source, tasks: dict[str, RankingTask]) -> None:
    if source.meta_task in ("classification", "vqa"):
        return
    for index, ranking in enumerate(tasks[source.name].rankings):
        hardness = sorted(true_hardness(ranking.asks, ranking.candidates[0], item) or 0 for item in ranking.candidates)
        assert hardness[1] <= (3 if source.name == "look-alike" else 2)
        drawn = draw(source, "test", 0, index)
        ids = {item.content_id for item in ranking.candidates}
        wrong = [item for item in drawn.rivals if true_hardness(drawn.asks, drawn.target, item)]
        assert {item.content_id for item in wrong} <= ids


def test_rankings_repeat_and_depend_on_the_seed(tasks: dict[str, RankingTask]) -> None:
    source = SOURCES[7]
    assert ranking_task(source, 0, QUERIES) == tasks[source.name]
    assert ranking_task(source, 1, QUERIES) != tasks[source.name]

"""Batches are a pure function of (seed, step): homogeneous blocks, every pair once an epoch, even over ranks."""

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.batches import BatchSampler
from core.data.records import Item, Pair, Text


@dataclass(frozen=True)
class Numbered:
    """A data set whose pairs carry their index."""

    name: str
    length: int
    meta_task: str = "retrieval"

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Pair:
        words = Item((Text(f"{self.name} {index}"),))
        return Pair(words, words, self.name, self.meta_task)


SETS = (Numbered("a", 40), Numbered("b", 24), Numbered("c", 16))


def test_a_batch_is_made_of_blocks_of_one_data_set() -> None:
    batches = BatchSampler(SETS, batch=24, block=8, seed=0)
    for step in range(20):
        rows = batches.rows(step)
        assert len(rows) == 24
        for start in range(0, 24, 8):
            assert len({dataset for dataset, _ in rows[start : start + 8]}) == 1


def test_counts_are_those_of_the_rows() -> None:
    for batches in (
        BatchSampler(SETS, batch=24, block=8, seed=0),
        BatchSampler(SETS, batch=16, block=16, seed=2, weights={"a": 0.5}),
    ):
        for step in range(12):
            expected = Counter(SETS[dataset].name for dataset, _ in batches.rows(step))
            assert batches.counts(step) == expected
            assert sum(batches.counts(step).values()) == batches.batch


def test_an_epoch_visits_every_pair_once() -> None:
    batches = BatchSampler(SETS, batch=16, block=8, seed=3)
    assert batches.steps_per_epoch == 5
    seen = Counter(row for step in range(5) for row in batches.rows(step))
    assert seen == Counter((d, i) for d, each in enumerate(SETS) for i in range(len(each)))


def test_epochs_and_seeds_differ_in_order() -> None:
    first, other = BatchSampler(SETS, 16, 8, seed=3), BatchSampler(SETS, 16, 8, seed=4)
    assert [first.rows(step) for step in range(5)] != [first.rows(step) for step in range(5, 10)]
    assert [first.rows(step) for step in range(5)] != [other.rows(step) for step in range(5)]


def test_epochs_and_seeds_differ_in_which_pairs_meet() -> None:
    """Not only in the order of the blocks: what is in a block is drawn anew."""

    def blocks(seed: int, epoch: int) -> set[frozenset[tuple[int, int]]]:
        batches = BatchSampler(SETS[:1], batch=8, block=8, seed=seed)
        return {frozenset(batches.rows(step)) for step in range(5 * epoch, 5 * epoch + 5)}

    assert blocks(3, 0) == blocks(3, 0)
    assert not blocks(3, 0) & blocks(4, 0)
    assert not blocks(3, 0) & blocks(3, 1)


def test_any_step_can_be_asked_for_first_and_on_any_machine() -> None:
    rows = BatchSampler(SETS, 16, 8, seed=3).rows(1234)
    program = (
        "import core.data.batches as b\n"
        "class D:\n"
        "    def __init__(s, n): s.n, s.name = n, str(n)\n"
        "    def __len__(s): return s.n\n"
        "print(b.BatchSampler([D(40), D(24), D(16)], 16, 8, 3).rows(1234))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(rows)


@given(st.integers(0, 10_000), st.sampled_from([1, 2, 4, 8]))
def test_ranks_share_the_batch_and_every_block_evenly(step: int, world: int) -> None:
    batches = BatchSampler(SETS, batch=16, block=8, seed=1)
    whole = Counter(pair.query.content_id for pair in batches.pairs(step))
    parts = [batches.pairs(step, rank, world) for rank in range(world)]
    assert Counter(pair.query.content_id for part in parts for pair in part) == whole
    assert len({tuple(sorted(Counter(pair.dataset for pair in part).items())) for part in parts}) == 1


def test_a_data_set_smaller_than_a_block_repeats_its_pairs() -> None:
    rows = BatchSampler([Numbered("few", 3)], batch=8, block=8, seed=0).rows(0)
    assert {index for _, index in rows} == {0, 1, 2}
    assert len(rows) == 8


@pytest.mark.parametrize(("batch", "block"), [(10, 4), (8, 0), (0, 1)])
def test_blocks_that_do_not_fit_are_refused(batch: int, block: int) -> None:
    with pytest.raises(ValueError, match="block"):
        BatchSampler(SETS, batch, block, 0)


def test_weights_say_how_often_an_epoch_visits_a_data_set() -> None:
    batches = BatchSampler(SETS, batch=8, block=8, seed=3, weights={"a": 0.4, "b": 2})
    assert batches.steps_per_epoch == 2 + 2 * 3 + 2
    epochs = [Counter(row for step in range(10 * e, 10 * e + 10) for row in batches.rows(step)) for e in range(2)]
    for rows in epochs:
        assert Counter(dataset for dataset, _ in rows.elements()) == {0: 16, 1: 48, 2: 16}
        assert {count for (dataset, _), count in rows.items() if dataset == 1} == {2}
        assert {count for (dataset, _), count in rows.items() if dataset != 1} == {1}
    assert {row for row in epochs[0] if row[0] == 0} != {row for row in epochs[1] if row[0] == 0}
    plain = BatchSampler(SETS, 8, 8, seed=3)
    assert [BatchSampler(SETS, 8, 8, 3, {"a": 1}).rows(step) for step in range(20)] == [
        plain.rows(s) for s in range(20)
    ]


def test_a_data_set_of_hardly_any_weight_has_a_block_in_every_epoch() -> None:
    batches = BatchSampler(SETS, batch=8, block=8, seed=3, weights={"c": 1e-6})
    assert batches.steps_per_epoch == 5 + 3 + 1
    assert Counter(dataset for step in range(9) for dataset, _ in batches.rows(step)) == {0: 40, 1: 24, 2: 8}


def test_a_block_that_is_visited_twice_holds_the_same_pairs() -> None:
    """Also where the block does not divide the data set: what is left over makes no block of its own."""
    batches = BatchSampler([Numbered("odd", 27)], batch=8, block=8, seed=3, weights={"odd": 2})
    assert batches.steps_per_epoch == 6
    seen = Counter(row for step in range(6) for row in batches.rows(step))
    assert len(seen) == 24
    assert set(seen.values()) == {2}


@pytest.mark.parametrize("weights", [{"a": 0}, {"b": -1.0}, {"d": 1.0}])
def test_weights_of_nothing_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weights = "):
        BatchSampler(SETS, 8, 8, 0, weights)


def test_no_data_and_uneven_worlds_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one data set"):
        BatchSampler([], 8, 8, 0)
    with pytest.raises(ValueError, match="'empty' has no pairs"):
        BatchSampler([Numbered("empty", 0)], 8, 8, 0)
    with pytest.raises(ValueError, match="multiple of the number of processes, 3"):
        BatchSampler(SETS, 16, 8, 0).pairs(0, 0, 3)

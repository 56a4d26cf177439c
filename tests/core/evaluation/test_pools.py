"""Candidates as rows: each object asked once, equal lists one pool, repeats dropped in order."""

import numpy as np
import pytest

from core.data.records import Item, Ranking, Text
from core.evaluation.pools import Pools


def words(*texts: str) -> tuple[Item, ...]:
    return tuple(Item((Text(text),)) for text in texts)


ITEMS = words(*"abcdefg")
ROW = {item.content_id: number for number, item in enumerate(ITEMS)}


def test_repeats_are_dropped_in_order_and_any_copy_makes_it_right():
    ranking = Ranking(ITEMS[0], (*words("d", "b"), ITEMS[3], ITEMS[1], *words("a")), (2,))
    pools = Pools(ROW)
    pool = pools.of(ranking)
    assert pool.listed.tolist() == [3, 1, 3, 1, 0]
    assert pool.distinct.tolist() == [3, 1, 0]
    assert pool.right((2,)).tolist() == [True, False, False]
    assert pool.right((3, 4)).tolist() == [False, True, True]
    assert pools.row(words("g")[0]) == 6


def test_equal_lists_are_one_pool_whether_one_object_or_spelled_out_again():
    pools = Pools(ROW)
    shared, anew, turned = ITEMS[1:5], words(*"bcde"), tuple(reversed(ITEMS[1:5]))
    found = [pools.of(Ranking(ITEMS[0], each, (0,))) for each in (shared, shared, anew, turned)]
    assert found[0] is found[1] is found[2]
    assert found[3] is not found[0]
    assert found[3].distinct.tolist() == [4, 3, 2, 1]


def test_a_content_id_is_asked_for_once_an_object():
    class Counting(dict):
        asked = 0

        def __getitem__(self, key):
            Counting.asked += 1
            return super().__getitem__(key)

    pools = Pools(Counting(ROW))
    Counting.asked = 0  # the check of types has asked too
    rankings = [Ranking(ITEMS[number % 7], tuple(ITEMS[place] for place in range(6)), (0,)) for number in range(50)]
    for number, ranking in enumerate(rankings):
        pools.of(ranking)
        pools.row(ITEMS[number % 7])
    assert Counting.asked == 7


def test_an_item_that_was_not_embedded_is_no_row():
    with pytest.raises(KeyError):
        Pools(ROW).of(Ranking(ITEMS[0], words("unknown"), (0,)))


def test_rows_take_four_bytes():
    assert Pools(ROW).of(Ranking(ITEMS[0], ITEMS, (0,))).distinct.dtype == np.int32

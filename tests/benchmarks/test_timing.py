import pytest

from benchmarks.timing import Spread, ratio, take_turns


def test_the_spread_is_the_median_and_the_quartiles():
    assert Spread.of([5.0, 1.0, 2.0, 3.0, 4.0]) == Spread(3.0, 2.0, 4.0)


def test_no_values_have_no_spread():
    with pytest.raises(ValueError, match="at least one"):
        Spread.of([])


def test_the_ratio_is_taken_within_rounds():
    # The machine is ten times slower in the third round: a ratio of medians or means would be off.
    ours, theirs = [1.0, 1.0, 10.0, 1.0], [3.0, 3.0, 30.0, 3.0]
    found = ratio(theirs, ours)
    assert (found.median, found.low, found.high) == pytest.approx((3.0, 3.0, 3.0))


def test_the_interval_holds_the_median_and_widens_with_the_noise():
    steady = ratio([2.0, 2.01, 1.99, 2.0, 2.02], [1.0] * 5)
    noisy = ratio([1.0, 3.0, 1.5, 2.5, 2.0], [1.0] * 5)
    assert noisy.low < noisy.median < noisy.high
    assert noisy.high - noisy.low > 10 * (steady.high - steady.low)
    assert str(noisy).startswith("2.00 [")


def test_the_interval_is_the_same_each_time():
    assert ratio([1.0, 3.0, 1.5], [1.0, 1.1, 0.9]) == ratio([1.0, 3.0, 1.5], [1.0, 1.1, 0.9])


@pytest.mark.parametrize(("theirs", "ours"), [([1.0], [1.0, 2.0]), ([], [])])
def test_unpaired_rounds_are_refused(theirs, ours):
    with pytest.raises(ValueError, match="pairs rounds"):
        ratio(theirs, ours)


def test_sides_take_turns_and_the_order_turns_round():
    calls = []
    sides = {name: lambda number, name=name: calls.append((name, number)) for name in "AB"}
    seconds = take_turns(sides, rounds=2, warmup=1)
    assert calls == [("A", 0), ("B", 0), ("B", 1), ("A", 1), ("A", 2), ("B", 2)]
    assert {name: len(each) for name, each in seconds.items()} == {"A": 2, "B": 2}


def test_at_least_one_round_is_needed():
    with pytest.raises(ValueError, match="rounds = 0"):
        take_turns({"A": print}, rounds=0)

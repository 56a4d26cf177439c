"""Groups of failures against plain loops over the same bundle."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from workbench.bundles.bundle import open_bundle
from workbench.explore.failure_groups import COLUMN, NO_DIFFERENCE, failure_groups, groupings, winners
from workbench.explore.filters import values_of
from workbench.measures.differing_words import STOP_WORDS, differing_words


@pytest.fixture(scope="module")
def bundle(written_run):
    return open_bundle(written_run / "bundles" / "000010-miniature")


def plain_words(text):
    text = text.replace("[image]", " ").replace("[video]", " ").lower()
    found = {
        "".join(c for c in word if c.isalnum()) for word in "".join(c if c.isalnum() else " " for c in text).split()
    }
    return found - STOP_WORDS


def names_of(bundle, query, by):
    """The groups of one query, written from the docstring."""
    hardest = bundle.hardest(query.number)
    if by == "dataset":
        return [query.dataset]
    if by == "meta_task":
        return [str(bundle.rankings["meta_task"].iat[query.number])]
    if by == "pair":
        return [f"{bundle.items['modality'].iat[query.query]} > {bundle.items['modality'].iat[query.positive]}"]
    if by.startswith(COLUMN):
        found = str(values_of(bundle, np.array([query.number]), by.removeprefix(COLUMN))[0])
        return [found] if found else []
    if not hardest:
        return []
    truth, winner = bundle.attributes(query.positive), hardest[0].item
    if by == "winner":
        return [str(winner)]
    if by == "attributes":
        other = bundle.attributes(winner)
        known = query.asks and all(name in truth for name in query.asks)
        return [" + ".join(n for n in query.asks if truth[n] != other.get(n)) or NO_DIFFERENCE] if known else []
    first, second = (plain_words(bundle.words(row)) for row in (winner, query.positive))
    return ["+" + w for w in first - second] + ["-" + w for w in second - first] if first and second else []


def plain_groups(bundle, numbers, by):
    found = defaultdict(list)
    for number in numbers:
        for name in names_of(bundle, bundle.query(int(number)), by):
            found[name].append(int(number))
    return found


def test_every_grouping_is_that_of_plain_loops(bundle):
    every = bundle.numbers(None)
    missed = every[bundle.rankings["hit"].to_numpy() < 1]
    offered = groupings(bundle)
    assert {"winner", "attributes", "words", "dataset", "pair", "meta_task"} < set(offered)
    assert any(each.startswith(COLUMN) for each in offered)
    for numbers in (every, missed, every[::3]):
        for by in offered:
            groups, expected = failure_groups(bundle, numbers, by), plain_groups(bundle, numbers, by)
            table = groups.table.set_index("group")
            assert set(table.index) == set(expected), by
            assert groups.base == len(numbers)
            assert groups.grouped == len({each for members in expected.values() for each in members})
            for name, members in expected.items():
                first = [bundle.hardest(each)[:1] for each in members]
                assert sorted(groups.of(name).tolist()) == sorted(members)
                row = table.loc[name]
                assert row["queries"] == len(members)
                assert row["failures"] == sum(bundle.rankings["hit"].iat[each] < 1 for each in members)
                assert row["share"] == pytest.approx(len(members) / len(numbers))
                assert row["pull"] == pytest.approx(sum(each.share for (each,) in first) / len(numbers))


def test_groups_come_in_order_and_shares_of_disjoint_ones_sum_to_the_grouped(bundle):
    numbers = bundle.numbers(None)
    for by in groupings(bundle):
        groups = failure_groups(bundle, numbers, by)
        assert (np.diff(groups.table["order"]) <= 0).all()
        if not groups.several:
            assert groups.table["share"].sum() == pytest.approx(groups.grouped / len(numbers))
            assert (np.diff(groups.table["queries"]) <= 0).all()
    words = failure_groups(bundle, numbers, "words")
    assert words.several
    assert words.table["queries"].sum() > words.grouped


def test_winners_are_the_hardest_negatives(bundle):
    np.testing.assert_array_equal(winners(bundle), bundle.rankings["hardest"].to_numpy())


def test_nothing_to_group_and_no_such_grouping(bundle):
    for by in groupings(bundle):
        groups = failure_groups(bundle, np.empty(0, np.int64), by)
        assert groups.table.empty
        assert (groups.base, groups.grouped, len(groups.of("x"))) == (0, 0, 0)
    with pytest.raises(ValueError, match="by = 'colour' is none of winner"):
        failure_groups(bundle, bundle.numbers(None), "colour")


def test_no_gradient_is_claimed_where_no_objective_is_known(written_run):
    found = open_bundle(written_run / "bundles" / "000010-miniature")
    found.negatives["share"] = np.nan
    assert failure_groups(found, found.numbers(None), "dataset").table["pull"].isna().all()


def test_words_by_hand():
    texts = pd.Series(["[image] A red dog, left of the CAT!", "a blue dog left of the cat", "[image]", "Größe 7", None])
    found = differing_words(texts, np.array([0, 0, 3, 0]), np.array([1, 2, 0, 4]))
    named = sorted((int(pair), found.names[name]) for pair, name in zip(found.pair, found.name, strict=True))
    assert named == [(0, "+red"), (0, "-blue"), (2, "+7"), (2, "+größe"), (2, "-cat"), (2, "-dog"), (2, "-left"),
                     (2, "-red")]  # fmt: skip
    rarity = dict(zip(found.names, found.rarity, strict=True))
    assert rarity["+red"] == rarity["-blue"] == pytest.approx(np.log(5))
    assert rarity["-dog"] == pytest.approx(np.log(5 / 2))

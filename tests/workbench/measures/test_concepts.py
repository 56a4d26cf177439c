"""Lifts against plain loops, scipy's test, and the formulas written out."""

import math

import numpy as np
import pytest
from scipy import sparse, stats

from workbench.measures.concepts import (
    alike,
    fisher,
    joined,
    length_groups,
    lift_interval,
    lifts,
    value_incidence,
    word_incidence,
)


def random_case(seed=0, queries=400, features=6):
    chance = np.random.default_rng(seed)
    matrix = chance.random((queries, features)) < chance.uniform(0.05, 0.6, features)
    outcome = chance.random(queries) < 0.2 + 0.4 * matrix[:, 2]
    return matrix, outcome


def test_counts_rates_and_lifts_are_those_of_a_plain_loop():
    matrix, outcome = random_case()
    table = lifts(sparse.csr_matrix(matrix.astype(int)), outcome, least=1).set_index("feature")
    assert sorted(table.index) == list(range(6))
    for feature in range(6):
        having = [bool(held) for held, has in zip(outcome, matrix[:, feature], strict=True) if has]
        lacking = [bool(held) for held, has in zip(outcome, matrix[:, feature], strict=True) if not has]
        row = table.loc[feature]
        assert (row["n"], row["x"], row["n_without"]) == (len(having), sum(having), len(lacking))
        assert row["rate"] == pytest.approx(sum(having) / len(having))
        assert row["rate_without"] == pytest.approx(sum(lacking) / len(lacking))
        assert row["lift"] == pytest.approx(sum(having) / len(having) / (sum(outcome) / len(outcome)))
        assert row["low"] < row["lift"] < row["high"]
    assert table["low"].is_monotonic_decreasing
    assert table.index[0] == 2


def test_the_interval_is_katz_of_the_risk_ratio_carried_over():
    x, n, total, queries = 12, 40, 50, 400
    one, rest, others = (x + 0.5) / (n + 0.5), queries - n, total - x
    zero = (others + 0.5) / (rest + 0.5)
    spread = math.sqrt(1 / (x + 0.5) - 1 / (n + 0.5) + 1 / (others + 0.5) - 1 / (rest + 0.5))
    expected = []
    for sign in (-1, 1):
        ratio = math.exp(math.log(one / zero) + sign * 1.959963984540054 * spread)
        # rate with it = ratio r, rate without it = r; over all: w ratio r + (1 - w) r
        expected.append(ratio / (n / queries * ratio + rest / queries))
    low, high = lift_interval(np.array([x]), np.array([n]), total, queries)
    np.testing.assert_allclose([low[0], high[0]], expected, rtol=1e-12)


def test_the_interval_holds_the_true_lift_in_95_of_100_samples():
    chance = np.random.default_rng(1)
    share, rates, queries = 0.3, (0.2, 0.35), 500
    truth = rates[1] / (share * rates[1] + (1 - share) * rates[0])
    inside = 0
    for _ in range(1000):
        has = chance.random(queries) < share
        held = chance.random(queries) < np.where(has, rates[1], rates[0])
        low, high = lift_interval(np.array([(has & held).sum()]), np.array([has.sum()]), int(held.sum()), queries)
        inside += low[0] <= truth <= high[0]
    assert 930 <= inside <= 980


def test_none_and_all_of_the_outcome_end_at_the_bounds():
    low, high = lift_interval(np.array([0, 20]), np.array([30, 40]), 20, 100)
    assert low[0] == 0
    assert high[1] == pytest.approx(100 / 40)
    assert 0 < high[0] < 1 < low[1]


def test_p_is_fishers_and_q_is_benjamini_and_hochbergs():
    matrix, outcome = random_case(3)
    table = lifts(sparse.csr_matrix(matrix.astype(int)), outcome, least=1)
    for row in table.to_dict("records"):
        cells = [[row["x"], row["n"] - row["x"]]]
        cells.append([outcome.sum() - row["x"], row["n_without"] - cells[0][1] * 0 - (outcome.sum() - row["x"])])
        tails = [stats.fisher_exact(cells, side).pvalue for side in ("less", "greater")]
        assert row["p"] == pytest.approx(min(1, 2 * min(tails)))
    ordered = table.sort_values("p", ignore_index=True)
    expected = [min(1, *(ordered["p"][other] * 6 / (other + 1) for other in range(place, 6))) for place in range(6)]
    np.testing.assert_allclose(ordered["q"], expected)


def test_equal_counts_have_equal_p():
    found = fisher(np.array([3, 5, 3]), np.array([10, 10, 10]), 30, 100)
    assert found[0] == found[2] != found[1]
    assert len(fisher(np.array([], dtype=int), np.array([], dtype=int), 3, 9)) == 0


def test_rare_features_and_one_sided_outcomes_have_no_row():
    matrix = sparse.csr_matrix(np.array([[1, 1, 0]] * 9 + [[1, 0, 1]]))
    outcome = np.arange(10) < 4
    assert lifts(matrix, outcome, least=2)["feature"].tolist() == []
    assert set(lifts(matrix, outcome, least=1)["feature"]) == {1, 2}
    assert lifts(matrix, np.ones(10, dtype=bool), least=1).empty
    assert lifts(matrix, np.zeros(10, dtype=bool), least=1).empty


def test_words_are_counted_by_query_without_case_and_without_marks_of_pictures():
    found = word_incidence(["A red [image] dog", "Blue dog", "[video]"], np.array([0, 1, 1, 2, 0]))
    held = {
        word: np.flatnonzero(found.matrix[:, place].toarray().ravel()).tolist()
        for place, word in enumerate(found.labels)
    }
    assert held == {"a": [0, 4], "blue": [1, 2], "dog": [0, 1, 2, 4], "red": [0, 4]}
    assert word_incidence(["A red dog", "dog"], np.array([0, 1]), least=2).labels == ["dog"]
    nothing = word_incidence(["[image]"], np.array([0, 0]))
    assert nothing.labels == []
    assert nothing.matrix.shape == (2, 0)


def test_values_and_joined_columns():
    values = value_incidence(["x", "", "y", "x"])
    assert values.labels == ["x", "y"]
    assert values.matrix.toarray().tolist() == [[1, 0], [0, 0], [0, 1], [1, 0]]
    assert joined([values, values]).toarray().shape == (4, 4)
    assert value_incidence(["", ""]).labels == []


def test_lengths_fall_into_quintiles_and_ties_stay_together():
    groups = length_groups(np.arange(1, 11))
    assert list(dict.fromkeys(groups)) == [
        "1 to 2 words",
        "3 to 4 words",
        "5 to 6 words",
        "7 to 8 words",
        "9 to 10 words",
    ]
    assert set(length_groups(np.array([1, 1, 1]))) == {"1 word"}
    assert len(length_groups(np.array([], dtype=int))) == 0


def test_features_of_just_the_same_queries_are_alike():
    matrix = sparse.csr_matrix(np.array([[1, 1, 0, 1], [0, 0, 1, 0], [1, 1, 1, 0]]))
    assert alike(matrix, np.array([0, 1, 2, 3])).tolist() == [0, 0, 1, 2]
    assert alike(matrix, np.array([3, 1])).tolist() == [0, 1]

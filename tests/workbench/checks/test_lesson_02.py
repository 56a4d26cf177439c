"""Helpers of lesson 2's checks: what absurd answers are told, and that the data can tell mistakes apart."""

import numpy as np
import pytest
import torch

from core.data.records import true_hardness
from workbench.checks import lesson_02
from workbench.lessons.feedback import Wrong


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "gave None"),
        (np.ones(3), r"an array of shape \[3\]"),
        (torch.ones(2, 2), r"an array of shape \[2, 2\]"),
        ("0.5", "gave a str"),
        (float("nan"), "gave nan"),
    ],
)
def test_what_is_no_number_is_named(found, words):
    with pytest.raises(Wrong, match=words):
        lesson_02.number("overlap", found)


@pytest.mark.parametrize("found", [0.25, np.float32(0.25), np.array(0.25), torch.tensor(0.25)])
def test_numbers_of_any_kind_are_taken(found):
    assert lesson_02.number("overlap", found) == 0.25


@pytest.mark.parametrize("seed", range(20))
def test_the_planted_pool_tells_all_mistakes_apart(seed):
    ranking, expected = lesson_02.planted_ranking(seed)
    own = ranking.candidates[0]
    found = [at for at, each in enumerate(ranking.candidates) if true_hardness(ranking.asks, own, each) == 0]
    assert found == [0, *expected]
    answers = [tuple(each) for each in lesson_02.mistaken_lists(ranking).values()]
    assert len({*answers, tuple(expected)}) == len(answers) + 1


@pytest.mark.parametrize("seed", range(20))
def test_margins_and_areas_tell_all_mistakes_apart(seed):
    similarity, positive = lesson_02.pools(seed)
    margins = [
        lesson_02.right_margins(similarity, positive),
        *lesson_02.mistaken_margins(similarity, positive).values(),
    ]
    assert len({tuple(np.round(each, 9)) for each in margins}) == len(margins)
    assert (similarity[0] < 0).all()
    assert margins[0][1] > 0


@pytest.mark.parametrize(
    ("found", "words"), [(None, "gave None"), (3, "gave a int"), ([True], "gave a list"), ([1], r"gave \[1\]")]
)
def test_lists_that_are_none_are_named(found, words):
    with pytest.raises(Wrong, match=words):
        lesson_02.listed("false_negatives", found, [2], {})

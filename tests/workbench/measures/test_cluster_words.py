"""Words of groups of texts: the formula by hand, and that words which all share weigh less than those of one group."""

from math import log

import numpy as np
import pytest

from workbench.measures.cluster_words import class_weights, cluster_words


def test_the_weights_are_those_of_the_formula_by_hand():
    # "cat" 3 times in group 0; "dog" twice in group 1; "pet" once in each: 7 words, 3.5 a group
    found = class_weights(np.array([[3.0, 0, 1], [0, 2, 1]]))
    expected = [[3 * log(1 + 3.5 / 3), 0, log(1 + 3.5 / 2)], [0, 2 * log(1 + 3.5 / 2), log(1 + 3.5 / 2)]]
    assert found.tolist() == [pytest.approx(row) for row in expected]


def test_each_group_is_told_by_its_own_words():
    texts = ["a red circle 17", "Red CIRCLE photo", "blue square photo", "blue square of the sea", "photo", ""]
    groups = np.array([0, 0, 1, 1, 2, 3])
    found = cluster_words(texts, groups, most=2)
    assert [set(each) for each in found] == [{"red", "circle"}, {"blue", "square"}, {"photo"}, set()]
    assert cluster_words(texts, groups, most=4)[0][-1] == "photo"


@pytest.mark.parametrize("texts", [["", "the of 12", "!"], ["", "", ""]])
def test_texts_without_a_word_have_none(texts):
    assert cluster_words(texts, np.array([0, 1, 1])) == [(), ()]


def test_no_text_has_no_group():
    assert cluster_words([], np.array([], dtype=int)) == []

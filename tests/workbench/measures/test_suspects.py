"""Suspects: a failure by itself suspects nobody; near-duplicates of the right answer and close runners-up do."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.bundles.bundle import open_bundle
from workbench.measures import cures, geometry, hardness
from workbench.measures.suspects import suspects, word_codes


@pytest.fixture
def bundle(bundle_folder):
    """The bundle of random vectors in 16 numbers, whose truth is not known."""
    found = open_bundle(bundle_folder)
    return replace(found, rankings=found.rankings.assign(asks=[()] * len(found.rankings)))


def pools_of(bundle):
    return hardness.pools_of(bundle, np.arange(len(bundle.rankings)))


def of(bundle):
    pools = pools_of(bundle)
    return suspects(bundle, pools, cures.hits(pools.similarity, pools)), pools


def test_every_kind_is_its_sentence(bundle):
    found, pools = of(bundle)
    least = 1 - 0.05 * (1 - geometry.mean_similarity(bundle.vectors))
    for row in range(len(pools)):
        own = pools.similarity[row][pools.positive[row]].max()
        hit = pools.similarity[row][pools.wrong[row]].max() < own
        answer = bundle.vectors[bundle.rankings["positive"].iloc[row]]
        for column in np.flatnonzero(pools.wrong[row]):
            reaches = own > 0 and pools.similarity[row, column] >= 0.95 * own
            duplicate = reaches and answer @ bundle.vectors[pools.candidates[row, column]] >= least
            assert found.duplicate[row, column] == duplicate
            assert found.near[row, column] == (reaches and hit and not duplicate)
            assert found.failing[row, column] == (reaches and not hit and not duplicate)
    assert found.failing.sum() > 20
    assert found.suspected.sum() < 0.2 * found.failing.sum()


def moved(bundle, number, towards):
    """A bundle where the hardest negative of a query is nearly the right answer, above it or below."""
    vectors = np.array(bundle.vectors)
    query, answer = (int(bundle.rankings[name].iloc[number]) for name in ("query", "positive"))
    best = int(bundle.rankings["hardest"].iloc[number])
    vectors[best] = vectors[answer] + towards * vectors[query]
    vectors[best] /= np.linalg.norm(vectors[best])
    return replace(bundle, vectors=vectors), best


@pytest.mark.parametrize(("towards", "above"), [(0.1, True), (-0.005, False)])
def test_a_near_duplicate_is_suspected_above_and_below(bundle, towards, above):
    pools = pools_of(bundle)
    own = np.where(pools.positive, pools.similarity, 0).max(axis=1)
    number = int(np.flatnonzero((own > 0.2) & (own < 0.8))[0])
    changed, item = moved(bundle, number, towards)
    found, pools = of(changed)
    column = pools.candidates[number].tolist().index(item)
    assert found.duplicate[number, column]
    assert found.above[number, column] == above
    if above:
        after = cures.hits(pools.similarity, cures.without(pools, found.suspected))
        assert after[number] >= cures.hits(pools.similarity, pools)[number]


def test_nothing_known_to_differ_is_suspected(bundle):
    pools = pools_of(bundle)
    told = replace(pools, hardness=np.where(pools.wrong, 1.0, np.nan))
    found = suspects(bundle, told, cures.hits(pools.similarity, pools))
    assert not (found.near | found.duplicate | found.failing).any()


def test_equal_words_are_duplicates_but_pictures_have_none(bundle):
    text = np.flatnonzero(bundle.items["modality"].astype(str) == "text")[:2]
    picture = np.flatnonzero(bundle.items["modality"].astype(str) != "text")[:2]
    items = bundle.items.copy()
    items.loc[text, "text"] = ["A red  circle", "a RED circle"]
    items.loc[picture, "text"] = ["[image]", "[image]"]
    codes = word_codes(replace(bundle, items=items), np.concatenate([text, picture]))
    assert codes[text[0]] == codes[text[1]] >= 0
    assert (codes[picture] == -1).all()
    assert (np.delete(codes, text) == -1).all()

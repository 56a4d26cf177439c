"""Suspected false negatives, apart from plain failures: which wrong candidates might be right, by the vectors alone?

NV-Retriever (arXiv 2407.15831) suspects a negative that reaches 95 % of the right answer's similarity. Where a query
fails, that holds of the winner by itself, and says nothing about the truth. So three kinds are told apart:

near        reaches 95 %, and the query is answered right all the same: nothing but closeness to explain it
duplicate   reaches 95 %, and is itself nearly the right answer, whether the query fails or not
failing     reaches 95 % in a query that fails, and is no duplicate: the failure explains it, so it is no suspect

A duplicate has the right answer's words (texts), or a distance 1 - cos to it of at most 5 % of the mean distance of two
items: RzenEmbed's 0.95 (arXiv 2510.27350) where items are spread evenly, stricter where all of them are alike.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from core.evaluation.ranking import TIE
from workbench.bundles.bundle import Bundle
from workbench.measures.cures import products
from workbench.measures.geometry import mean_similarity
from workbench.measures.hardness import Pools, reach_right

CLOSE = 0.05
"""Of the mean distance of two items: what duplicates are apart at most."""


@dataclass(frozen=True)
class Suspects:
    """Wrong candidates of the pools by kind; none of them is known to differ from the right answer.

    above: those of any kind that are more similar than the right answer, or tied with it.
    """

    near: Bool[np.ndarray, "m n"]
    duplicate: Bool[np.ndarray, "m n"]
    failing: Bool[np.ndarray, "m n"]
    above: Bool[np.ndarray, "m n"]

    @cached_property
    def suspected(self) -> Bool[np.ndarray, "m n"]:
        """Those that a failure does not explain."""
        return self.near | self.duplicate

    @property
    def counts(self) -> Int[np.ndarray, " m"]:
        """How many of each query are suspected."""
        return self.suspected.sum(axis=1)


def suspects(bundle: Bundle, pools: Pools, hit: Float[np.ndarray, " m"]) -> Suspects:
    """Return the suspects of the pools. hit: of each query the chance that its first answer is right.

    A negative of known hardness 1 or more truly differs and is never suspected. Nor is any beside a right answer whose
    similarity is not above 0, of which no share can be taken.
    """
    own = np.where(pools.positive, pools.similarity, -np.inf).max(axis=1)[:, None]
    reach = reach_right(pools)
    duplicate = reach & alike(bundle, pools, reach)
    right = (hit >= 1)[:, None]
    return Suspects(
        reach & right & ~duplicate, duplicate, reach & ~right & ~duplicate, reach & (pools.similarity >= own - TIE)
    )


def alike(bundle: Bundle, pools: Pools, asked: Bool[np.ndarray, "m n"]) -> Bool[np.ndarray, "m n"]:
    """Tell which of the candidates that are asked for are nearly their query's right answer, by words or by vectors."""
    answers = bundle.rankings["positive"].to_numpy()[pools.rankings]
    closeness = products(bundle, pools, bundle.vectors[answers], lambda rows: bundle.vectors[rows])
    least = 1 - CLOSE * (1 - mean_similarity(bundle.vectors))
    rows, columns = np.nonzero(asked)
    items = pools.candidates[rows, columns]
    spoken = word_codes(bundle, np.union1d(items, answers))
    same = np.zeros(asked.shape, dtype=bool)
    same[rows, columns] = (spoken[items] == spoken[answers[rows]]) & (spoken[items] >= 0)
    return asked & ((closeness >= least - TIE) | same)


def word_codes(bundle: Bundle, rows: Int[np.ndarray, " _"]) -> Int[np.ndarray, " items"]:
    """Number the words of some items, capitals and spaces aside; -1 for all others and for what is not text alone."""
    modality = bundle.items["modality"]
    plain = rows[np.asarray(modality.iloc[rows].astype(str) == "text", dtype=bool)]
    words = [" ".join(str(each).casefold().split()) for each in bundle.items["text"].iloc[plain]]
    codes = np.full(len(bundle.items), -1)
    codes[plain] = np.unique(np.array(words, dtype=object), return_inverse=True)[1] if words else []
    return codes

"""Which features of queries go with an outcome, such as a miss: words, attributes, data sets, lengths.

lift = (share with the outcome among queries that have the feature) / (share with it among all queries)

The 95 % interval: that of the risk ratio R of the queries with and without the feature by Katz et al. 1978 (Biometrics
34:469), with 1/2 added to each count and total so that zeros have one too (Walter 1975, Biometrika 62:371),

    log R -+ 1.96 sqrt(1/x1 - 1/n1 + 1/x0 - 1/n0),

carried over by lift = R / (w R + 1 - w), which rises with R; w is the share of queries that have the feature.
p: Fisher's exact test, twice the smaller tail. q: p by Benjamini and Hochberg 1995 over all features tested, which
bounds the expected share of false findings among those with a small q. Queries count as independent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy import sparse

from core.data.records import MARKS

WORD = r"(?u)\b\w+\b"
MARK = re.compile("|".join(map(re.escape, MARKS.values())))
"""Stands for a picture or a clip in an item's text, and is no word of it."""
LEAST = 10
QUANTILES = 5
Counts = Int[np.ndarray, " features"]
Numbers = Float[np.ndarray, " features"]


@dataclass(frozen=True)
class Incidence:
    """Which queries have which features. labels: of the features. matrix: queries x features, of 0 and 1."""

    labels: list[str]
    matrix: sparse.csr_matrix


def word_incidence(texts: Sequence[str], place: Int[np.ndarray, " queries"], least: int = 1) -> Incidence:
    """Say which words the text of each query has; upper and lower case are alike, marks of pictures are no words.

    texts: each different text once. place: the text of each query. Words of fewer than `least` queries are left out.
    """
    bare = [MARK.sub(" ", text) for text in texts]
    if not any(re.search(WORD, text) for text in bare):
        return Incidence([], sparse.csr_matrix((len(place), 0)))
    from sklearn.feature_extraction.text import CountVectorizer  # takes a second, and most pages never need it

    counter = CountVectorizer(binary=True, token_pattern=WORD)
    matrix = sparse.csr_matrix(counter.fit_transform(bare), dtype=np.int32)[place]
    kept = np.flatnonzero(np.asarray(matrix.sum(axis=0)).ravel() >= least)
    return Incidence([str(each) for each in counter.get_feature_names_out()[kept]], sparse.csr_matrix(matrix[:, kept]))


def value_incidence(values: Sequence[str] | np.ndarray) -> Incidence:
    """Say which queries have which value, one each; "" is none."""
    codes, labels = pd.factorize(np.asarray(values, dtype=object), sort=True)
    known = np.flatnonzero(np.asarray(values, dtype=object) != "")
    ones = np.ones(len(known), dtype=np.int32)
    matrix = sparse.csr_matrix((ones, (known, codes[known])), (len(codes), len(labels)))
    shown = np.flatnonzero(labels != "")
    return Incidence([str(labels[each]) for each in shown], sparse.csr_matrix(matrix[:, shown]))


def length_groups(lengths: Int[np.ndarray, " queries"]) -> np.ndarray:
    """Return the quintile of each text's number of words, named by the lengths in it; fewer groups where many tie."""
    edges = np.unique(np.quantile(lengths, np.arange(1, QUANTILES) / QUANTILES)) if len(lengths) else np.empty(0)
    group = np.searchsorted(edges, lengths, side="left")
    names = np.empty(len(lengths), dtype=object)
    for each in np.unique(group):
        low, high = lengths[group == each].min(), lengths[group == each].max()
        names[group == each] = f"{high} word{'' if high == 1 else 's'}" if low == high else f"{low} to {high} words"
    return names


def joined(parts: Sequence[Incidence]) -> sparse.csr_matrix:
    """Return the features of several incidences side by side."""
    return sparse.csr_matrix(sparse.hstack([each.matrix for each in parts], format="csr"))


def lifts(matrix: sparse.csr_matrix, outcome: Bool[np.ndarray, " queries"], least: int = LEAST) -> pd.DataFrame:
    """Return a row for each feature that at least so many queries have and as many lack, strongest first.

    Columns: feature (its column), n and x (queries that have it, and those of them with the outcome), rate, n_without,
    rate_without, lift, low, high, p, q. Order: the lower end of the lift, so that rare features must be sure.
    Without a query that has the outcome, or one that lacks it, there is no row.
    """
    queries, total = len(outcome), int(outcome.sum())
    n = np.asarray(matrix.sum(axis=0)).ravel().astype(np.int64)
    x = np.asarray(matrix.T @ outcome.astype(np.int64)).ravel().astype(np.int64)
    kept = np.flatnonzero((n >= least) & (queries - n >= least)) if 0 < total < queries else np.empty(0, np.int64)
    n, x = n[kept], x[kept]
    rest = queries - n
    from scipy.stats import false_discovery_control  # takes a second, and most pages never need it

    low, high = lift_interval(x, n, total, queries)
    p = fisher(x, n, total, queries)
    table = pd.DataFrame(
        {
            "feature": kept,
            "n": n,
            "x": x,
            "rate": x / n,
            "n_without": rest,
            "rate_without": (total - x) / rest,
            "lift": x / n / (total / queries) if len(kept) else np.empty(0),
            "low": low,
            "high": high,
            "p": p,
            "q": false_discovery_control(p) if len(p) else p,
        }
    )
    return table.sort_values(["low", "n"], ascending=False, kind="stable", ignore_index=True)


def lift_interval(x: Counts, n: Counts, total: int, queries: int) -> tuple[Numbers, Numbers]:
    """Return the ends of the 95 % interval of the lift; see the module.

    A feature that all, or none, of the outcome have ends at the largest and smallest lift that there is.
    """
    rest, others = queries - n, total - x
    one, zero = (x + 0.5) / (n + 0.5), (others + 0.5) / (rest + 0.5)
    spread = np.sqrt(1 / (x + 0.5) - 1 / (n + 0.5) + 1 / (others + 0.5) - 1 / (rest + 0.5))
    half = NormalDist().inv_cdf(0.975) * spread
    share = n / queries
    low, high = (lift_of(one / zero * np.exp(sign * half), share) for sign in (-1, 1))
    return np.where(x == 0, 0.0, low), np.where(others == 0, 1 / share, high)


def lift_of(ratio: Numbers, share: Numbers) -> Numbers:
    """Return the lift that goes with a risk ratio, where so large a share of the queries has the feature."""
    return ratio / (share * ratio + 1 - share)


def fisher(x: Counts, n: Counts, total: int, queries: int) -> Numbers:
    """Return twice the smaller tail of Fisher's exact test, at most 1; equal counts are computed once."""
    if not len(x):
        return np.empty(0)
    from scipy.stats import hypergeom  # takes a second, and most pages never need it

    pairs, place = np.unique(np.stack([x, n]), axis=1, return_inverse=True)
    drawn = hypergeom(queries, total, pairs[1])
    tails = np.minimum(np.asarray(drawn.sf(pairs[0] - 1)), np.asarray(drawn.cdf(pairs[0])))
    return np.minimum(1.0, 2 * tails)[place.ravel()]


def alike(matrix: sparse.csr_matrix, features: Int[np.ndarray, " _"]) -> Int[np.ndarray, " _"]:
    """Number features so that those which just the same queries have get the same number, that of their first.

    Each query is given a random number; features of the same queries have the same sum.
    """
    drawn = np.random.default_rng(0).integers(0, 2**62, size=len(matrix.indptr) - 1, dtype=np.int64)
    sums = sparse.csr_matrix(matrix[:, features]).astype(np.int64).T @ drawn
    return pd.factorize(np.asarray(sums))[0].astype(np.int64)

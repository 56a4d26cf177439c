"""Scores by the modalities of query and right answer, and how far kinds of vectors lie apart.

score, similarity    means over the queries of a pair of modalities, with 95 % bootstrap intervals
MRR                  mean of 1 / rank of the best right answer, the rank being the expected one where there are ties
gap                  `workbench.measures.modality_gap.gap`; beside it what shuffled labels give, 95 of 100 times: a gap
                     below that is none
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from workbench.bundles.bundle import Bundle
from workbench.measures.dataset_means import mean_over
from workbench.measures.hardness import Mean, sample_rows
from workbench.measures.modality_gap import gap

Quantity = Literal["P@1", "MRR", "similarity", "margin"]
Rows = Int[np.ndarray, " queries"]
Sides = tuple[str, str]
MOST = 2000
"""Vectors of a side that a gap is computed from; an even sample of more."""
SHUFFLES = 50
FEWEST = 2


def values_of(bundle: Bundle, numbers: Rows, quantity: Quantity) -> Float[np.ndarray, " queries"]:
    """Return one number a query; a margin is NaN without a negative."""
    rows = bundle.rankings.iloc[numbers]
    if quantity == "MRR":
        return 1 / rows["rank"].to_numpy(dtype=np.float64)
    column = {"P@1": "hit", "similarity": "similarity", "margin": "margin"}[quantity]
    return rows[column].to_numpy(dtype=np.float64)


def sides_of(bundle: Bundle, numbers: Rows) -> tuple[Int[np.ndarray, " queries"], Int[np.ndarray, " queries"]]:
    """Return the modality of each query and of its right answer, as codes of the items' modalities."""
    codes = bundle.items["modality"].cat.codes.to_numpy()
    rows = bundle.rankings.iloc[numbers]
    return codes[rows["query"].to_numpy()].astype(np.int64), codes[rows["positive"].to_numpy()].astype(np.int64)


def by_modalities(bundle: Bundle, numbers: Rows, values: Float[np.ndarray, " queries"]) -> Mapping[Sides, Mean]:
    """Return the mean of a number of each query by the modalities of query and right answer, most queries first."""
    query, answer = sides_of(bundle, numbers)
    names = [str(each) for each in bundle.items["modality"].cat.categories]
    pair = query * len(names) + answer
    present, counts = np.unique(pair, return_counts=True)
    ordered = present[np.argsort(-counts, kind="stable")]
    return {
        (names[int(each) // len(names)], names[int(each) % len(names)]): mean_over(values[pair == each])
        for each in ordered
    }


@dataclass(frozen=True)
class Gap:
    """How far two kinds of vectors lie apart. counts: vectors that were looked at of each.

    value: length of the difference of the means, 0 to 2. shuffled: what 95 % of 50 shuffles of the labels stay below.
    """

    first: str
    second: str
    counts: tuple[int, int]
    value: float
    shuffled: float


def gaps(bundle: Bundle, numbers: Rows) -> list[Gap]:
    """Return the gap between queries and right answers, then between each two modalities of these items."""
    rows = bundle.rankings.iloc[numbers]
    asked, right = np.unique(rows["query"].to_numpy()), np.unique(rows["positive"].to_numpy())
    both = np.union1d(asked, right)
    codes = bundle.items["modality"].cat.codes.to_numpy()[both]
    names = [str(each) for each in bundle.items["modality"].cat.categories]
    kinds = [(f"{names[code]} items", both[codes == code]) for code in np.unique(codes)]
    pairs = [(("queries", asked), ("right answers", right))]
    pairs += [(one, two) for place, one in enumerate(kinds) for two in kinds[place + 1 :]]
    return [gap_of(bundle, *pair) for pair in pairs if min(len(rows) for _, rows in pair) >= FEWEST]


def gap_of(bundle: Bundle, one: tuple[str, Rows], two: tuple[str, Rows]) -> Gap:
    """Return the gap between two kinds of items, each an even sample."""
    first, second = (bundle.vectors[rows[sample_rows(len(rows), MOST)]] for _, rows in (one, two))
    return Gap(one[0], two[0], (len(first), len(second)), gap(first, second), shuffled_gap(first, second))


def shuffled_gap(first: Float[np.ndarray, "_ d"], second: Float[np.ndarray, "_ d"], seed: int = 0) -> float:
    """Return the gap that 95 % of 50 shuffles of the labels stay below: what sampling alone gives."""
    vectors = np.concatenate([first, second])
    signs = np.repeat([1 / len(first), -1 / len(second)], [len(first), len(second)])
    drawn = np.random.default_rng(seed).permuted(np.tile(signs, (SHUFFLES, 1)), axis=1)
    return float(np.quantile(np.linalg.norm(drawn.astype(np.float32) @ vectors, axis=1), 0.95))


def table_of(means: Mapping[Sides, Mean]) -> pd.DataFrame:
    """Return the means as a table, for reading and for taking away."""
    rows: Sequence[tuple[str, str, int, float, float, float]] = [
        (query, answer, mean.n, mean.value, mean.low, mean.high) for (query, answer), mean in means.items()
    ]
    return pd.DataFrame(rows, columns=["query", "right answer", "queries", "mean", "from", "to"])

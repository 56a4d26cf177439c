"""The queries that two evaluations both asked, so that they can be compared query by query.

A query is the same where the data set has the same name and the query item the same id (for evaluations of ours its
content). Where a data set asks the same item several times, the first of one is held against the first of the other.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int

from workbench.bundles.bundle import Bundle

Rows = Int[np.ndarray, " queries"]


@dataclass(frozen=True)
class Matched:
    """Rows of the rankings of two bundles: first[i] and second[i] ask the same.

    asked: queries of the first that were looked for. other_size: how many of the matched had another number of
    candidates, so that they were not asked alike.
    """

    first: Rows
    second: Rows
    asked: int
    other_size: int


def matched(first: Bundle, second: Bundle, numbers: Rows) -> Matched:
    """Return those of some queries of the first bundle that the second asks too, in their order."""
    if first.digest == second.digest:
        return Matched(numbers, numbers, len(numbers), 0)
    found = keys(first).iloc[numbers].merge(keys(second), on=["dataset", "item", "turn"], suffixes=("", "_second"))
    mine, theirs = found["row"].to_numpy(dtype=np.int64), found["row_second"].to_numpy(dtype=np.int64)
    sizes = first.candidates.sizes[mine] != second.candidates.sizes[theirs]
    return Matched(mine, theirs, len(numbers), int(sizes.sum()))


def keys(bundle: Bundle) -> pd.DataFrame:
    """Say by what each query is known: data set, id of the query item, and the how-manieth time it is asked."""
    query = bundle.rankings["query"]
    dataset = bundle.rankings["dataset"]
    return pd.DataFrame(
        {
            "row": np.arange(len(query)),
            "dataset": dataset.astype(str).to_numpy(dtype=object),
            "item": bundle.items["item"].to_numpy(dtype=object)[query.to_numpy()],
            "turn": query.groupby([dataset.cat.codes, query], sort=False).cumcount().to_numpy(),
        }
    )

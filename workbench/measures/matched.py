"""Two evaluations on the queries that both have: the paired difference, and which queries were won and lost."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int

from core.evaluation.metrics import PairedDifference, paired_difference
from workbench.bundles.bundle import Bundle

Rows = Int[np.ndarray, " _"]


@dataclass(frozen=True)
class Matched:
    """Rows of the rankings of two bundles that ask the same of as many candidates, in the order of the first.

    other_pool: queries that both have, but with pools of different sizes, which are no fair pair and left out.
    """

    own: Rows
    other: Rows
    other_pool: int

    def among(self, numbers: Rows) -> "Matched":
        """Return those whose own row is one of some."""
        kept = np.isin(self.own, numbers)
        return Matched(self.own[kept], self.other[kept], self.other_pool)


def matched(bundle: Bundle, other: Bundle) -> Matched:
    """Match queries by the content of the query and the name of its data set.

    A query that a data set asks several times is matched in the order of its rows.
    """
    both = keys(bundle).merge(keys(other), on=["dataset", "query", "time"], suffixes=("", " other"), how="inner")
    fair = (both["size"] == both["size other"]).to_numpy()
    both = both.loc[fair].sort_values("row", kind="stable")
    return Matched(both["row"].to_numpy(), both["row other"].to_numpy(), int((~fair).sum()))


def keys(bundle: Bundle) -> pd.DataFrame:
    """Return what tells the queries of a bundle apart, one row a ranking."""
    table = pd.DataFrame(
        {
            "dataset": bundle.rankings["dataset"].astype(str).to_numpy(dtype=object),
            "query": bundle.items["item"].astype(str).to_numpy(dtype=object)[bundle.rankings["query"].to_numpy()],
            "size": bundle.candidates.sizes,
            "row": np.arange(len(bundle.rankings)),
        }
    )
    return table.assign(time=table.groupby(["dataset", "query"], sort=False).cumcount())


def difference(bundle: Bundle, other: Bundle, found: Matched) -> PairedDifference:
    """Return P@1 of the other bundle (before) and of the own one (after) on matched queries, as means over data sets.

    Raises:
        ValueError: nothing is matched.
    """
    before, after = hits(other)[found.other], hits(bundle)[found.own]
    return paired_difference(before, after, bundle.rankings["dataset"].cat.codes.to_numpy()[found.own])


def won(bundle: Bundle, other: Bundle, found: Matched) -> Rows:
    """Return the own rows whose first answer is right more probably than in the other bundle."""
    return found.own[hits(bundle)[found.own] > hits(other)[found.other]]


def lost(bundle: Bundle, other: Bundle, found: Matched) -> Rows:
    """Return the own rows whose first answer is right less probably than in the other bundle."""
    return found.own[hits(bundle)[found.own] < hits(other)[found.other]]


def hits(bundle: Bundle) -> np.ndarray:
    """Return of each query the chance that its first answer is right."""
    return bundle.rankings["hit"].to_numpy()

"""Who wrongly comes first: the winner of each failing query, and the hubs among the winners."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from workbench.bundles.bundle import Bundle

HUB_QUERIES = 5
HUB_RATIO = 3.0
"""A hub wins at least so many queries, and so many times its turn."""


def winners(bundle: Bundle) -> pd.DataFrame:
    """Return the most similar wrong candidate of each query where it is above the right answer, one row a failure.

    Columns: ranking, item, and true_hardness, NaN where unknown.
    """
    first = bundle.negatives.loc[(bundle.negatives["place"] == 1) & bundle.negatives["above_positive"]]
    return pd.DataFrame(
        {
            "ranking": first["ranking"].to_numpy(),
            "item": first["negative"].to_numpy(),
            "true_hardness": first["true_hardness"].to_numpy(dtype=float),
        }
    )


def hub_table(bundle: Bundle, numbers: Int[np.ndarray, " queries"]) -> pd.DataFrame:
    """Per data set and item that wrongly comes first for 5 of some queries at least: its wins, most first.

    pools: how many offer it as a wrong candidate. expected: the wins if the candidates of each pool took turns.
    """
    found = winners(bundle)
    found = found.loc[np.isin(found["ranking"], numbers)]
    codes = bundle.rankings["dataset"].cat.codes.to_numpy()
    wins = pd.DataFrame({"code": codes[found["ranking"]], "item": found["item"]}).value_counts().rename("wins")
    table = wins.loc[wins >= HUB_QUERIES].reset_index()
    if table.empty:
        return pd.DataFrame(columns=["item", "wins", "pools", "expected", "dataset"])
    offers = offered(bundle, numbers, np.unique(table["item"]))
    table = table.merge(offers, on=["code", "item"], how="left")
    table["dataset"] = np.array(bundle.datasets, dtype=object)[table["code"].to_numpy(dtype=int)]
    return table.drop(columns="code").sort_values("wins", ascending=False, kind="stable", ignore_index=True)


def hubs(bundle: Bundle, numbers: Int[np.ndarray, " queries"]) -> pd.DataFrame:
    """Return the rows of `hub_table` whose item wins at least 3 times its turn."""
    table = hub_table(bundle, numbers)
    return table.loc[table["wins"] >= HUB_RATIO * table["expected"]].reset_index(drop=True)


def offered(bundle: Bundle, numbers: Int[np.ndarray, " queries"], items: Int[np.ndarray, " _"]) -> pd.DataFrame:
    """Count by data set (code) and item how many of some queries are offered it as wrong, and its turns among them.

    A pool is gone through once, however many queries share it.
    """
    candidates, rankings = bundle.candidates, bundle.rankings
    asked = pd.DataFrame(
        {
            "ranking": numbers,
            "code": rankings["dataset"].cat.codes.to_numpy()[numbers],
            "pool": candidates.pool[numbers],
            "turn": 1 / candidates.sizes[numbers],
        }
    )
    shared = asked.groupby(["code", "pool"], as_index=False)["turn"].agg(["size", "sum"])
    wanted = marks(items, len(bundle.items))
    places = np.flatnonzero(wanted[candidates.pools.values])
    held = pd.DataFrame(
        {
            "pool": np.searchsorted(candidates.pools.starts, places, side="right") - 1,
            "item": candidates.pools.values[places],
        }
    )
    everyone = held.merge(shared, on="pool").rename(columns={"size": "pools", "sum": "expected"})
    parts = [everyone[["code", "item", "pools", "expected"]]]
    for lists in (candidates.left_out, candidates.right):
        places = np.flatnonzero(wanted[lists.values])
        owners = np.searchsorted(lists.starts, places, side="right") - 1
        taken = pd.DataFrame({"ranking": owners, "item": lists.values[places]}).merge(asked, on="ranking")
        parts.append(taken.assign(pools=-1, expected=-taken["turn"])[["code", "item", "pools", "expected"]])
    return pd.concat(parts).pivot_table(index=["code", "item"], aggfunc="sum").reset_index()


def marks(rows: Int[np.ndarray, " _"], count: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return a mark at each of some rows."""
    found = np.zeros(count, dtype=bool)
    found[rows] = True
    return found


def true_hardness_of_winner(bundle: Bundle) -> Float[np.ndarray, " queries"]:
    """Return for every query in how many asked attributes its wrong winner differs; NaN where none wins, or unknown."""
    out = np.full(len(bundle.rankings), np.nan)
    found = winners(bundle)
    out[found["ranking"]] = found["true_hardness"]
    return out

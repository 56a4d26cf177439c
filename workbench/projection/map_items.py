"""What a map of a bundle says of each item: its role, kind, data set, whether it was answered, and what it shows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from workbench.bundles.bundle import Bundle
from workbench.measures.hubness import Hubness
from workbench.projection.projection import Layout, Quality

PLAIN = ("modality", "role", "data set", "meta-task", "answered")
HUBS, KEPT, TRUTH = "hubs", "neighbours kept", "true "
ABOVE_MEAN = 3
"""A candidate that is near more queries than so many times the mean is called a hub."""
UNKNOWN = "unknown"


def item_table(bundle: Bundle, dataset: str | None) -> pd.DataFrame:
    """Return the items that a data set uses, or all data sets (None); the index is the item's row in the bundle.

    modality; role (query, candidate, both); data set and meta-task of its first ranking; answered (right first, wrong
    first, or no query); text; and "true ..." for each attribute that is known.
    """
    numbers = bundle.numbers(dataset)
    rankings = bundle.rankings.iloc[numbers]
    names = {"dataset": "data set", "meta_task": "meta-task"}
    fields = rankings[list(names)].rename(columns=names).reset_index(drop=True)
    answered = np.where(rankings["hit"] >= 1, "right first", "wrong first")
    queries = (
        fields.assign(item=rankings["query"].to_numpy(), answered=answered).drop_duplicates("item").set_index("item")
    )
    candidates = first_offers(bundle, numbers, fields)
    table = queries.combine_first(candidates).sort_index()
    table["answered"] = table["answered"].fillna("no query")
    is_query, is_candidate = table.index.isin(queries.index), table.index.isin(candidates.index)
    table["role"] = np.select([is_query & is_candidate, is_query], ["both", "query"], "candidate")
    rows = table.index.to_numpy(dtype=int)
    table["modality"] = bundle.items["modality"].to_numpy()[rows]
    table["text"] = bundle.items["text"].to_numpy()[rows]
    return pd.concat([table[[*PLAIN, "text"]], known_truth(bundle, rows)], axis=1)


def first_offers(bundle: Bundle, numbers: Int[np.ndarray, " m"], fields: pd.DataFrame) -> pd.DataFrame:
    """Return the items that some queries are offered, by item: of each the fields of the first query that offers it."""
    offers = bundle.candidates
    pools, first = np.unique(offers.pool[numbers], return_index=True)
    order = np.argsort(first, kind="stable")
    listed = [offers.pools[int(each)] for each in pools[order]]
    rows = np.concatenate([np.empty(0, np.int32), *listed])
    owners = np.repeat(first[order], [len(each) for each in listed])
    seen, places = np.unique(rows, return_index=True)
    kept = np.isin(seen, offers.union(numbers, len(bundle.items)))
    return fields.iloc[owners[places[kept]]].set_index(seen[kept]).rename_axis("item")


def known_truth(bundle: Bundle, rows: Int[np.ndarray, " n"]) -> pd.DataFrame:
    """Tabulate what the items truly show, one column an attribute; "unknown" where an item has none."""
    shown = bundle.attribute_table.iloc[rows].set_axis(rows, axis=0).astype(object)
    return shown.fillna(UNKNOWN).astype(str).add_prefix(TRUTH)


def colour_columns(table: pd.DataFrame) -> list[str]:
    """Say what the points of a map can be coloured by."""
    return [*PLAIN, HUBS, KEPT, *(name for name in table.columns if name.startswith(TRUTH))]


def hub_groups(rows: Int[np.ndarray, " n"], candidates: Int[np.ndarray, " c"], found: Hubness) -> list[str]:
    """For each item of a map how many queries are near it, in four groups in order; and who is no candidate."""
    mean = float(found.counts.mean())
    counts = dict(zip(candidates.tolist(), found.counts.tolist(), strict=True))

    def group(row: int) -> str:
        if row not in counts:
            return "no candidate"
        count = counts[row]
        if count == 0:
            return "0 near no query"
        if count <= mean:
            return "1 up to the mean"
        return "2 above the mean" if count <= ABOVE_MEAN * mean else f"3 hub: above {ABOVE_MEAN} times the mean"

    return [group(row) for row in rows.tolist()]


def kept_groups(layout: Layout, found: Quality) -> list[str]:
    """For each point of a map the share of its true neighbours that it kept, in quarters, where it was measured."""
    groups = np.full(len(layout.rows), "not measured", dtype=object)
    names = np.array(["0-25 % kept", "25-50 % kept", "50-75 % kept", "75-100 % kept"], dtype=object)
    if not np.isnan(found.kept).any():
        groups[found.rows] = names[np.minimum((4 * found.kept).astype(int), 3)]
    return [str(each) for each in groups]


def selected_rows(event: object, shown: Sequence[int] | np.ndarray) -> list[int]:
    """Read the items of a selection on the map, in order, each once; of an event as Streamlit gives it.

    The points carry their item's row as customdata, so a figure that was drawn anew cannot shift the choice.
    """
    selection = event.get("selection", {}) if isinstance(event, dict) else {}
    points = selection.get("points", []) if isinstance(selection, dict) else []
    known, found = {int(each) for each in shown}, []
    for point in points:
        value = point.get("customdata") if isinstance(point, dict) else None
        row = value[0] if isinstance(value, list) and value else value
        if isinstance(row, int | float) and int(row) in known:
            found.append(int(row))
    return list(dict.fromkeys(found))


def cosine_to(vectors: Float[np.ndarray, "n d"], rows: Sequence[int]) -> Float[np.ndarray, " _"]:
    """Compute each row's cosine to their mean direction: who is typical of a selection. 0 without a direction."""
    mean = vectors[list(rows)].mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    return vectors[list(rows)] @ (mean / length) if length > 0 else np.zeros(len(rows))

"""What is known of a query beside its rank: columns of its ranking, and attributes of its right answer or of itself."""

import numpy as np
import pandas as pd
from jaxtyping import Int

from workbench.bundles.bundle import Bundle

OWN = ("meta_task", "in_distribution")
"""Columns of the rankings that can be filtered by like an attribute."""


def values_of(
    bundle: Bundle, numbers: Int[np.ndarray, " queries"], column: str
) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    """Return the value of a column for some queries, "" where it is not known.

    It is an attribute of the right answer (or, where it has none of that name, of the query), or one of `OWN`.
    """
    rows = bundle.rankings.iloc[numbers]
    if column in OWN:
        return rows[column].astype(str).to_numpy(dtype=object)
    if column not in bundle.attribute_table:
        return np.full(len(numbers), "", dtype=object)
    table = bundle.attribute_table[column].astype(object)
    own = table.iloc[rows["positive"].to_numpy()].to_numpy(dtype=object)
    asked = table.iloc[rows["query"].to_numpy()].to_numpy(dtype=object)
    found = np.where(pd.isna(own), asked, own)
    return np.where(pd.isna(found), "", found)

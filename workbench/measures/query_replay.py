"""One recorded query through a training: its right answer and its heaviest negatives at each recorded step.

Only each recorded step's heaviest negatives are known; one that is not among them had less pull, or was not in the
batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.data.records import Item
from workbench.measures.replay import pair_of, short_id


@dataclass(frozen=True)
class Moment:
    """One recorded step of one query.

    positive: similarity (cosine) of the right answer. negatives: one row each, the heaviest first: negative_id place
    similarity weight probability share (of the query's pull on negatives, in [0, 1]) and before, its similarity at the
    recorded step before (NaN where it was not recorded there).
    """

    step: int
    positive: float
    negatives: pd.DataFrame

    @property
    def rank(self) -> int:
        """Rank of the right answer among itself and the recorded negatives: 1 + those more similar to the query."""
        return 1 + int(np.sum(self.negatives["similarity"].to_numpy() > self.positive))

    @property
    def share(self) -> float:
        """Return what the recorded negatives get together of the query's pull, in [0, 1]."""
        return float(np.sum(self.negatives["share"].to_numpy()))

    @property
    def again(self) -> int:
        """Count the negatives that were recorded at the step before, too."""
        return int(np.sum(~np.isnan(self.negatives["before"].to_numpy())))


def moments(rows: pd.DataFrame) -> list[Moment]:
    """Return the recorded steps of one query in order. rows: as `workbench.runs.pair_records.read_query` gives them."""
    found: list[Moment] = []
    earlier: Mapping[str, float] = {}
    for step, members in rows.groupby("step", sort=True):
        columns = ["negative_id", "place", "similarity", "weight", "probability", "share"]
        table = members.sort_values("place", kind="stable")[columns].reset_index(drop=True)
        table["before"] = [earlier.get(each, np.nan) for each in table["negative_id"]]
        found.append(Moment(int(step), float(members["positive_similarity"].iloc[0]), table))  # type: ignore[arg-type]
        earlier = dict(zip(table["negative_id"], table["similarity"], strict=True))
    return found


def course(found: Sequence[Moment]) -> pd.DataFrame:
    """Return the numbers of each step: positive, hardest (most similar recorded negative), rank, recorded, share.

    share: of the query's pull, what the recorded negatives get together, in [0, 1].
    """
    return pd.DataFrame(
        {
            "step": [each.step for each in found],
            "positive": [each.positive for each in found],
            "hardest": [float(np.max(each.negatives["similarity"].to_numpy())) for each in found],
            "rank": [each.rank for each in found],
            "recorded": [len(each.negatives) for each in found],
            "share": [each.share for each in found],
        }
    )


def item_words(origins: Mapping[str, str], own: str, seed: int) -> dict[str, str]:
    """Return words for items by short id, drawn again from the miniature with a seed; empty for other data.

    origins: of right answers, by their short id. own: the origin of the query, whose explicit negatives are named too.
    A pair whose right answer is another than its id says (another seed or version) names nothing.
    """
    named: dict[str, str] = {}
    for positive, origin in origins.items():
        pair = pair_of(origin, seed)
        if pair is not None and short_id(pair.positive) == positive:
            items = [pair.positive, *([pair.query, *pair.negatives] if origin == own else [])]
            named |= {short_id(item): in_words(item) for item in items}
    return named


def in_words(item: Item) -> str:
    """Return an item's words, and what it truly shows where the data knows that."""
    shown = ", ".join(item.attributes.values())
    return f"{item.text} ({shown})" if shown else item.text

"""Rankings of the miniature as a trained model sees them: their similarities, and cards to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.data.records import Item, Text
from core.evaluation.bundle_items import thumbnail, webp
from core.evaluation.embedded import Embedded, distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import Ranked, rank_all
from workbench.figures.failing_queries import Candidate, Card
from workbench.lessons.classroom import task, trained

SHOWN = 5


@dataclass(frozen=True)
class Evaluated:
    """One data set with its outcome: the distinct items with their vectors, and one result a query."""

    embedded: Embedded
    ranked: Sequence[Ranked]

    @property
    def similarities(self) -> Float[Tensor, "queries pool"]:
        """Cosines of each query with its candidates. Raises ValueError where pools differ in size."""
        return torch.from_numpy(np.stack([each.similarities for each in self.ranked]))

    @property
    def right(self) -> Bool[Tensor, "queries pool"]:
        """Which candidates are right. Raises ValueError where pools differ in size."""
        return torch.from_numpy(np.stack([each.right for each in self.ranked]))

    @property
    def failures(self) -> list[int]:
        """The queries whose first candidate is wrong, or may be in a tie."""
        return [row for row, each in enumerate(self.ranked) if each.placement.hit(1) < 1]


@cache
def evaluated(objective: str, dataset: str, queries: int = 60, seed: int = 0) -> Evaluated:
    """Rank a data set's candidates by a trained model, with the evaluator's own functions. See `classroom`."""
    ranking_task = task(dataset, queries, seed)
    embedded = embed_distinct(trained(objective), distinct_items([ranking_task]), progress=False)
    return Evaluated(embedded, rank_all([ranking_task], embedded))


def card(item: Item) -> Card:
    """Return an item as it is drawn: its pictures and clips small, and its words."""
    pictures = tuple(webp(thumbnail(part)) for part in item.parts if not isinstance(part, Text))
    return Card(pictures, " ".join(part.text for part in item.parts if isinstance(part, Text)))


def best_candidates(found: Evaluated, query: int, shown: int = SHOWN) -> list[Candidate]:
    """Return the most similar candidates of a query; its right answer stands last where it is not among them."""
    each = found.ranked[query]
    order = np.argsort(-each.similarities, kind="stable")
    chosen = order[:shown].tolist()
    if not each.right[chosen].any():
        chosen[-1] = int(order[each.right[order].argmax()])
    return [
        Candidate(
            card(found.embedded.items[each.candidates[at]]),
            int((each.similarities > each.similarities[at]).sum()) + 1,
            float(each.similarities[at]),
            bool(each.right[at]),
        )
        for at in chosen
    ]

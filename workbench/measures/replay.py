"""How the heaviest negatives of a training changed: similarity, weight and share of the pull over its steps.

The recorder keeps of each query of a recorded step the negatives that pull most. Where the data knows what items truly
show (the miniature), a negative has a true hardness: in how many of the asked attributes it differs from the right
answer. Else negatives are grouped by place: the heaviest, the next four, the others.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from core.data.miniature.benchmark import training_sets
from core.data.records import Item, Pair, true_hardness

ORIGIN = re.compile(r"miniature (.+)\[(\d{1,9})\]")
ID_LETTERS = 15
"""Of a content id, as the recorder writes it."""
FAR = 4
"""Negatives that differ in so many attributes or more are one group."""


@dataclass(frozen=True)
class Course:
    """One group of negatives over the steps; every list is as long as `steps`.

    similarity: mean cosine with the query. weight: the median. share: of each query's pull, what the group's recorded
    negatives get together, the mean over all recorded queries of the step, in [0, 1]. count: negatives.
    """

    name: str
    steps: Sequence[int]
    similarity: Sequence[float]
    weight: Sequence[float]
    share: Sequence[float]
    count: Sequence[int]


@dataclass(frozen=True)
class Replay:
    """The courses of the groups, the hardest first, and the mean similarity of right answers at each step.

    by_truth: whether groups are by true hardness, else by place. queries: of all steps together. known: the share of
    recorded negatives whose true hardness is known. datasets, datasets_a_step: how many there are in all, and in a
    recorded step on average: a batch holds few of them.
    """

    courses: Sequence[Course]
    steps: Sequence[int]
    positive: Sequence[float]
    by_truth: bool
    queries: int
    known: float
    datasets: int
    datasets_a_step: float

    @property
    def mixed(self) -> bool:
        """Whether steps hold different data sets, so that the courses follow what was drawn, not what was learnt."""
        return self.datasets_a_step < self.datasets


def replay(rows: pd.DataFrame, hardness: Float[np.ndarray, " rows"]) -> Replay:
    """Return the courses of recorded negatives; `hardness` is NaN where it is not known.

    Groups are by true hardness where that is known of most rows; rows without it are then left out of the groups.
    """
    known = float((~np.isnan(hardness)).mean()) if len(rows) else 0.0
    by_truth = known > 1 / 2
    groups = truth_groups(hardness) if by_truth else place_groups(rows["place"].to_numpy())
    queries = rows.drop_duplicates(["step", "query_id", "positive_id"])
    drawn = rows.drop_duplicates(["step", "dataset"])
    asked, positive = queries["step"].to_numpy(), queries["positive_similarity"].to_numpy()
    counts = dict(zip(*(each.tolist() for each in np.unique(asked, return_counts=True)), strict=True))
    return Replay(
        [course(name, rows.loc[members], counts) for name, members in groups.items() if members.any()],
        list(counts),
        [float(positive[asked == step].mean()) for step in counts],
        by_truth,
        len(queries),
        known,
        len(np.unique(drawn["dataset"].to_numpy().astype(str))),
        len(drawn) / max(1, len(counts)),
    )


def course(name: str, rows: pd.DataFrame, queries: Mapping[int, int]) -> Course:
    """Return one group's course. queries: how many were recorded at each step."""
    step = rows["step"].to_numpy()
    steps = np.unique(step).tolist()
    similarity, weight, share = (rows[field].to_numpy() for field in ("similarity", "weight", "share"))
    return Course(
        name,
        steps,
        [float(similarity[step == each].mean()) for each in steps],
        [float(np.median(weight[step == each])) for each in steps],
        [float(share[step == each].sum()) / queries[each] for each in steps],
        [int((step == each).sum()) for each in steps],
    )


def truth_groups(hardness: Float[np.ndarray, " rows"]) -> Mapping[str, np.ndarray]:
    """Tell which rows belong to which true hardness."""
    names = {0: "truly right (a false negative)", 1: "differs in 1 attribute"}
    near = {names.get(level, f"differs in {level}"): hardness == level for level in range(FAR)}
    return near | {f"differs in {FAR} or more": hardness >= FAR}


def place_groups(place: np.ndarray) -> Mapping[str, np.ndarray]:
    """Tell which rows belong to which places of their query."""
    return {"the heaviest": place == 1, "places 2 to 5": (place > 1) & (place <= 5), "the others": place > 5}


def known_hardness(rows: pd.DataFrame, seed: int) -> Float[np.ndarray, " rows"]:
    """Return the true hardness of each row; NaN where the pair is not of the miniature with this seed.

    The pairs are drawn again from their origin, which takes about a millisecond each; one that has another content than
    the record says (another seed or version) counts as not known.
    """
    origins = rows.drop_duplicates("origin")
    pairs = {
        origin: pair
        for origin, positive in zip(origins["origin"], origins["positive_id"], strict=True)
        if (pair := pair_of(origin, seed)) is not None and short_id(pair.positive) == positive
    }
    items = {short_id(item): item for pair in pairs.values() for item in (pair.positive, *pair.negatives)}
    found = np.full(len(rows), np.nan)
    for row, (origin, negative) in enumerate(zip(rows["origin"], rows["negative_id"], strict=True)):
        if origin in pairs and negative in items:
            level = true_hardness(pairs[origin].asks, pairs[origin].positive, items[negative])
            found[row] = np.nan if level is None else level
    return found


def pair_of(origin: str, seed: int) -> Pair | None:
    """Return the miniature's training pair that an origin names, or None."""
    match = ORIGIN.fullmatch(origin)
    sets = {each.name: each for each in training_sets(seed)}
    if match is None or match[1] not in sets or int(match[2]) >= len(sets[match[1]]):
        return None
    return sets[match[1]][int(match[2])]


def short_id(item: Item) -> str:
    """Return an item's id as the recorder writes it."""
    return item.content_id[:ID_LETTERS]

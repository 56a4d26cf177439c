"""What is wrong with a model: plain hints from a bundle, each with the view and the state that show more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.evaluation.metrics import Score
from workbench.bundles.bundle import Bundle
from workbench.measures.geometry import mean_similarity
from workbench.measures.hardness import Pools, mean_of, rank_correlations, true_false_negatives

ALIKE = 0.9
HUB_QUERIES = 5
HUB_RATIO = 3.0


@dataclass(frozen=True)
class Hint:
    """One finding. view: where to look; state: what to choose there (the names of the explorer's URL)."""

    text: str
    view: str
    state: Mapping[str, str] = field(default_factory=dict)


def hints(bundle: Bundle, pools: Pools) -> list[Hint]:
    """List what stands out, gravest first; empty when nothing does. `pools` are those of all queries, or a sample."""
    checks: tuple[Callable[[Bundle, Pools], list[Hint]], ...] = (
        zero_vectors,
        collapsed,
        at_chance,
        near_misses,
        hubs,
        false_negatives,
        transfer_gap,
        truth_not_followed,
    )
    return [hint for check in checks for hint in check(bundle, pools)]


def score_of(bundle: Bundle, scope: str, name: str, metric: str = "P@1") -> Score | None:
    """Return one of the scores, or None."""
    scores = bundle.scores
    found = as_scores(scores.loc[(scores["scope"] == scope) & (scores["name"] == name) & (scores["metric"] == metric)])
    return found[0] if found else None


def as_scores(table: pd.DataFrame) -> list[Score]:
    """Return rows of the scores as records."""
    return [Score(**{str(name): value for name, value in row.items()}) for row in table.to_dict("records")]


def zero_vectors(bundle: Bundle, pools: Pools) -> list[Hint]:
    """Return items whose vector is zero."""
    if not bundle.zero_vectors:
        return []
    return [
        Hint(
            f"{bundle.zero_vectors} items have a zero vector: they are like nothing, not even themselves.", "similarity"
        )
    ]


def collapsed(bundle: Bundle, pools: Pools) -> list[Hint]:
    """Return all vectors nearly alike."""
    value = mean_similarity(bundle.vectors)
    if value < ALIKE:
        return []
    text = f"The vectors have collapsed: two items drawn at random have a mean cosine of {value:.3f}."
    return [Hint(text, "similarity")]


def at_chance(bundle: Bundle, pools: Pools) -> list[Hint]:
    """Data sets whose interval reaches chance."""
    scores = bundle.scores.loc[(bundle.scores["scope"] == "dataset") & (bundle.scores["metric"] == "P@1")]
    weak = scores.loc[scores["low"] <= scores["chance"]].sort_values(by="value", kind="stable")
    if weak.empty:
        return []
    names = [str(name) for name in weak["name"]]
    listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    text = f"Not told from chance (the interval of P@1 reaches it): {listed}."
    return [Hint(text, "hard_negatives", {"dataset": names[0], "failures": "True"})]


def near_misses(bundle: Bundle, pools: Pools) -> list[Hint]:
    """Failures by a negative that differs in a single attribute, where several are asked for."""
    first = bundle.negatives.loc[(bundle.negatives["place"] == 1) & bundle.negatives["above_positive"]]
    rankings, hardness = first["ranking"].to_numpy(), first["true_hardness"].to_numpy(dtype=float)
    told = (bundle.rankings["asks"].map(len).to_numpy()[rankings] > 1) & ~np.isnan(hardness)
    if told.sum() < HUB_QUERIES:
        return []
    share = float((hardness[told] == 1).mean())
    datasets = bundle.rankings["dataset"].to_numpy()[rankings[told & (hardness == 1)]]
    if share < 1 / 2:
        return []
    name = str(pd.Series(datasets).value_counts().index[0])
    text = f"{share:.0%} of the failures are near misses: the winner differs in one attribute only. Most in {name}."
    return [Hint(text, "hard_negatives", {"dataset": name, "failures": "True"})]


def hubs(bundle: Bundle, pools: Pools) -> list[Hint]:
    """Return the wrong candidate that wins the most queries, if it wins far more than its turn."""
    found = hub_table(bundle)
    found = found.loc[(found["wins"] >= HUB_QUERIES) & (found["wins"] >= HUB_RATIO * found["expected"])]
    if found.empty:
        return []
    hub = found.iloc[0]
    words = str(bundle.items["text"].iat[int(hub["item"])])[:40]
    text = (
        f'A hub in {hub["dataset"]}: "{words}" wrongly comes first for {hub["wins"]:.0f} of the {hub["pools"]:.0f} '
        f"queries that offer it."
    )
    return [Hint(text, "hard_negatives", {"dataset": str(hub["dataset"]), "failures": "True"})]


def hub_table(bundle: Bundle) -> pd.DataFrame:
    """Per data set and item that wrongly comes first somewhere: its wins, most first.

    pools: how many offer it as a wrong candidate. expected: the wins if the candidates of each pool took turns.
    """
    first = bundle.negatives.loc[(bundle.negatives["place"] == 1) & bundle.negatives["above_positive"]]
    datasets = bundle.rankings["dataset"].to_numpy()
    winners = pd.DataFrame({"dataset": datasets[first["ranking"]], "item": first["negative"].to_numpy()})
    table = winners.value_counts().rename("wins").reset_index()
    table[["pools", "expected"]] = 0.0
    for name in table["dataset"].unique():
        numbers, here = bundle.numbers(str(name)), (table["dataset"] == name).to_numpy()
        items = table.loc[here, "item"].to_numpy()
        sizes = bundle.candidates.sizes[numbers]
        table.loc[here, "pools"] = bundle.candidates.offered_as_wrong(numbers, len(bundle.items))[items]
        table.loc[here, "expected"] = bundle.candidates.offered_as_wrong(numbers, len(bundle.items), 1 / sizes)[items]
    return table.sort_values("wins", ascending=False, kind="stable", ignore_index=True)


def false_negatives(bundle: Bundle, pools: Pools) -> list[Hint]:
    """Return candidates that count as wrong and are truly right."""
    counts = true_false_negatives(pools)
    if not counts.sum():
        return []
    name = str(bundle.rankings["dataset"].iat[int(pools.rankings[counts.argmax()])])
    text = f"{counts.sum()} candidates in {(counts > 0).sum()} pools count as wrong but are truly right."
    return [Hint(text, "hard_negatives", {"dataset": name, "failures": "False"})]


def transfer_gap(bundle: Bundle, pools: Pools) -> list[Hint]:
    """Return a score out of distribution that is below half of the one in distribution."""
    inside = score_of(bundle, "distribution", "in distribution")
    outside = score_of(bundle, "distribution", "out of distribution")
    if inside is None or outside is None or outside.high >= inside.low / 2:
        return []
    text = (
        f"What was learnt carries over little: P@1 is {inside.value:.0%} on trained data sets, "
        f"{outside.value:.0%} on new ones."
    )
    return [Hint(text, "similarity")]


def truth_not_followed(bundle: Bundle, pools: Pools) -> list[Hint]:
    """Return similarities that do not rank negatives by how much they truly differ."""
    found = mean_of(rank_correlations(pools, pools.similarity))
    if not found.n or found.low > 0:
        return []
    text = (
        f"Similarity does not follow the true hardness (rank correlation {found.value:.2f}, {found.low:.2f} to "
        f"{found.high:.2f}), so hardness weights fall on the wrong negatives."
    )
    return [Hint(text, "pair_weights")]

"""The scores of a bundle: as the evaluation stored them, and P@1 over some of its queries."""

import numpy as np
import pandas as pd
from jaxtyping import Int

from core.evaluation.metrics import Score, mean_interval
from workbench.bundles.bundle import Bundle


def score_of(bundle: Bundle, scope: str, name: str, metric: str = "P@1") -> Score | None:
    """Return one of the scores, or None."""
    scores = bundle.scores
    found = as_scores(scores.loc[(scores["scope"] == scope) & (scores["name"] == name) & (scores["metric"] == metric)])
    return found[0] if found else None


def as_scores(table: pd.DataFrame) -> list[Score]:
    """Return rows of the scores as records."""
    return [Score(**{str(name): value for name, value in row.items()}) for row in table.to_dict("records")]


def scores_over(bundle: Bundle, numbers: Int[np.ndarray, " queries"]) -> list[Score]:
    """Return P@1 over some rows of the rankings: of each data set, then ("overall", "all") their unweighted mean.

    Empty where there is no query.
    """
    rows = bundle.rankings.iloc[numbers]
    codes = rows["dataset"].cat.codes.to_numpy()
    hits, chances = rows["hit"].to_numpy(), rows["chance"].to_numpy()
    sizes = bundle.candidates.sizes[numbers]
    groups = {bundle.datasets[code]: np.flatnonzero(codes == code) for code in np.unique(codes)}
    found = [
        Score("dataset", name, "P@1", *mean_interval([hits[own]]), len(own), float(sizes[own].mean()),
              float(chances[own].mean()))
        for name, own in groups.items()
    ]  # fmt: skip
    if found:
        mean = mean_interval([hits[own] for own in groups.values()])
        chance = float(np.mean([each.chance for each in found]))
        found.append(Score("overall", "all", "P@1", *mean, len(rows), float(sizes.mean()), chance))
    return found

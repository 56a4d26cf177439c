"""The modality gap: do two kinds of vectors (texts and pictures, queries and answers) lie in places of their own?

gap      |mean of one side - mean of the other|                    0: same place; at most 2 for unit vectors
probe    AUROC of a linear classifier of the side, held out        0.5: cannot be told apart; 1: a plane parts them

Liang et al. 2022 (arXiv 2203.02053). A gap costs rankings nothing where it moves all candidates of a query alike; it
costs them where candidates of several kinds compete, or where the vectors are normalised again after a shift.
"""

import numpy as np
from jaxtyping import Float

from core.evaluation.ranking import placements
from workbench.measures.overlap import auroc

Side = Float[np.ndarray, "_ d"]
FOLDS = 5
FEWEST = 4
"""A side with fewer vectors is not probed."""


def gap_vector(first: Side, second: Side) -> Float[np.ndarray, " d"]:
    """Return the mean of the first side minus that of the second."""
    return first.mean(axis=0, dtype=np.float64) - second.mean(axis=0, dtype=np.float64)


def gap(first: Side, second: Side) -> float:
    """Return the length of the gap vector; NaN where a side is empty."""
    if not len(first) or not len(second):
        return float("nan")
    return float(np.linalg.norm(gap_vector(first, second)))


def closed(first: Side, second: Side, share: float = 1.0) -> tuple[Side, Side]:
    """Return both sides moved towards each other by half of `share` of the gap, and made unit vectors again.

    share: 0 leaves all in place; 1 makes the means equal, up to what the normalising moves back.
    """
    half = share / 2 * gap_vector(first, second)
    return unit(first - half), unit(second + half)


def unit(vectors: Side) -> Side:
    """Return every row divided by its length; a zero row stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1.0)).astype(np.float32)


def probe_auroc(first: Side, second: Side, seed: int = 0) -> float:
    """Say how well a logistic regression tells the sides apart on vectors it has not seen: mean AUROC of 5 folds.

    NaN where a side has fewer than 4 vectors.
    """
    smaller = min(len(first), len(second))
    if smaller < FEWEST:
        return float("nan")
    vectors, side = np.concatenate([first, second]), np.repeat([1, 0], [len(first), len(second)])
    from sklearn.linear_model import LogisticRegression  # takes seconds, and most pages never probe
    from sklearn.model_selection import StratifiedKFold

    found = []
    for seen, held_out in StratifiedKFold(min(FOLDS, smaller), shuffle=True, random_state=seed).split(vectors, side):
        probe = LogisticRegression(max_iter=1000).fit(vectors[seen], side[seen])
        score, truth = probe.decision_function(vectors[held_out]), side[held_out]
        found.append(auroc(score[truth == 1], score[truth == 0]))
    return float(np.mean(found))


def precision_at_1(queries: Float[np.ndarray, "n d"], targets: Float[np.ndarray, "n d"]) -> float:
    """Compute the share of queries whose own target, that of the same row, is the most similar; ties by expectation."""
    n = len(queries)
    ranked = placements((queries @ targets.T).ravel(), np.eye(n, dtype=bool).ravel(), [n] * n)
    return float(np.mean([each.hit(1) for each in ranked]))


def along(first: Side, second: Side) -> tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]:
    """Say where each vector of the two sides lies along the gap, 0 halfway between the means; all 0 without a gap."""
    direction = gap_vector(first, second)
    length = np.linalg.norm(direction)
    middle = (first.mean(axis=0, dtype=np.float64) + second.mean(axis=0, dtype=np.float64)) / 2
    direction = direction / length if length > 0 else direction
    return (first - middle) @ direction, (second - middle) @ direction


def cosines(first: Side, second: Side) -> dict[str, Float[np.ndarray, " _"]]:
    """Group the cosines of unit vectors whose row i belongs together: within each side, across, and own pairs.

    within first, within second: different vectors of one side. across: rows that do not belong together. own: that do.
    """
    between = first @ second.T
    upper, off = np.triu_indices(len(first), 1), ~np.eye(len(first), dtype=bool)
    return {
        "within first": (first @ first.T)[upper],
        "within second": (second @ second.T)[upper],
        "across": between[off],
        "own": np.diag(between),
    }

"""Score clustering: whether the vectors of a classification data set fall into its classes by themselves."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from core.config.ranges import seed_of_32_bits

SEEDS = 3
"""k-means is started from so many seeds, and the V-measures are averaged."""
SHUFFLES = 20
MOST_CLASSES = 50
MOST_ITEMS = 2000


@dataclass(frozen=True)
class Measured:
    """A V-measure with its 95 % jackknife interval over items, and what the same clusters get by chance.

    chance: the mean V-measure when the labels are shuffled. It is far from 0 where clusters have few items each.
    """

    value: float
    low: float
    high: float
    chance: float


def v_measure(vectors: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], seed: int = 0) -> Measured:
    """V-measure of k-means clusters against labels, k = number of labels, averaged over 3 seeds.

    V = 2hc / (h + c), h homogeneity, c completeness (Rosenberg and Hirschberg 2007); 0 to 1, 0 for constant vectors.
    The bootstrap would be biased upwards: repeated items agree with themselves.
    """
    from sklearn.metrics import v_measure_score  # takes seconds, and a training process never clusters

    runs = [clustered(vectors, len(np.unique(labels)), seed + each) for each in range(SEEDS)]
    value = float(np.mean([v_measure_score(labels, clusters) for clusters in runs]))
    n = len(labels)
    without = np.mean([left_out(labels, clusters) for clusters in runs], axis=0)
    error = float(np.sqrt((n - 1) / n * np.square(without - without.mean()).sum()))
    return Measured(
        value, max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error), by_chance(labels, runs, seed)
    )


def left_out(labels: Int[np.ndarray, " n"], clusters: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return the V-measure without each item in turn; items alike in label and cluster leave the same behind."""
    from sklearn.metrics import v_measure_score

    _, first, kind = np.unique(np.stack([labels, clusters]), axis=1, return_index=True, return_inverse=True)
    values = np.array([v_measure_score(np.delete(labels, i), np.delete(clusters, i)) for i in first])
    return values[kind.ravel()]


def by_chance(labels: Int[np.ndarray, " n"], runs: list[Int[np.ndarray, " n"]], seed: int) -> float:
    """Return the mean V-measure of clusters against shuffled labels."""
    from sklearn.metrics import v_measure_score

    generator = np.random.default_rng(seed_of_32_bits(seed))
    shuffled = [generator.permutation(labels) for _ in range(SHUFFLES)]
    return float(np.mean([v_measure_score(each, runs[0]) for each in shuffled]))


def clustered(vectors: Float[np.ndarray, "n d"], clusters: int, seed: int) -> Int[np.ndarray, " n"]:
    """k-means labels; vectors within 1e-6 of one another cannot be told apart and share cluster 0.

    Fewer different vectors than clusters give a cluster each.
    """
    from sklearn.cluster import KMeans

    if np.ptp(vectors, axis=0).max() <= 1e-6:
        return np.zeros(len(vectors), dtype=np.int64)
    clusters = min(clusters, len(np.unique(vectors, axis=0)))
    found = KMeans(clusters, n_init=2, random_state=seed_of_32_bits(seed)).fit_predict(vectors)  # pyright: ignore[reportArgumentType]
    return found.astype(np.int64)


def capped(labels: Int[np.ndarray, " n"], seed: int = 0) -> Int[np.ndarray, " kept"]:
    """Choose the items to cluster, in order: those of the 50 classes with most items, and 2000 of them at most.

    A thousand classes of one item each could be clustered perfectly by vectors that mean nothing. Which of the
    classes of equal size and which of the items are taken is drawn by the seed.
    """
    generator = np.random.default_rng(seed_of_32_bits(seed))
    names, counts = np.unique(labels, return_counts=True)
    order = generator.permutation(len(names))
    largest = order[np.argsort(-counts[order], kind="stable")][:MOST_CLASSES]
    kept = np.flatnonzero(np.isin(labels, names[largest]))
    if len(kept) > MOST_ITEMS:
        kept = np.sort(generator.choice(kept, MOST_ITEMS, replace=False))
    return kept

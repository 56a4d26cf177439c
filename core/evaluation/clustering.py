"""Clustering: do the vectors of a classification data set fall into its classes by themselves?"""

import numpy as np
from jaxtyping import Float, Int
from sklearn.cluster import KMeans
from sklearn.metrics import v_measure_score


def v_measure(
    vectors: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], seed: int = 0
) -> tuple[float, float, float]:
    """V-measure of k-means clusters against labels, k = number of labels, with a 95 % jackknife interval over items.

    V = 2hc / (h + c), h homogeneity, c completeness (Rosenberg and Hirschberg 2007); 0 to 1, 0 for constant vectors.
    The bootstrap would be biased upwards: repeated items agree with themselves.
    """
    clusters = clustered(vectors, len(np.unique(labels)), seed)
    value = float(v_measure_score(labels, clusters))
    n = len(labels)
    without = np.array([v_measure_score(np.delete(labels, i), np.delete(clusters, i)) for i in range(n)])
    error = float(np.sqrt((n - 1) / n * np.square(without - without.mean()).sum()))
    return value, max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error)


def clustered(vectors: Float[np.ndarray, "n d"], clusters: int, seed: int) -> Int[np.ndarray, " n"]:
    """k-means labels; vectors within 1e-6 of one another cannot be told apart and share cluster 0.

    Fewer different vectors than clusters give a cluster each.
    """
    if np.ptp(vectors, axis=0).max() <= 1e-6:
        return np.zeros(len(vectors), dtype=np.int64)
    clusters = min(clusters, len(np.unique(vectors, axis=0)))
    found = KMeans(clusters, n_init=5, random_state=seed).fit_predict(vectors)  # pyright: ignore[reportArgumentType]
    return found.astype(np.int64)

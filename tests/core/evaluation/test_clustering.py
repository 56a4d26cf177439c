"""V-measure on data whose answer is known."""

import numpy as np
import pytest
from sklearn.metrics import completeness_score, homogeneity_score

from core.evaluation.clustering import v_measure


def blobs(classes: int, each: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(classes), each)
    noise = np.random.default_rng(seed).normal(size=(len(labels), classes))
    return (np.eye(classes)[labels] + spread * noise).astype(np.float32), labels


def test_separable_classes_score_one():
    assert v_measure(*blobs(4, 10, 0.02)) == pytest.approx((1, 1, 1))


def test_vectors_alike_score_zero_without_a_warning():
    labels = np.array([0, 1, 2, 0, 1, 2])
    assert v_measure(np.ones((6, 3), dtype=np.float32), labels) == (0, 0, 0)
    nearly = np.ones((6, 3), dtype=np.float32) + np.linspace(0, 5e-7, 6, dtype=np.float32)[:, None]
    assert v_measure(nearly, labels)[0] == 0


def test_fewer_different_vectors_than_classes_are_their_own_clusters():
    """Classes 1 and 2 share a vector: homogeneity and completeness of that clustering, combined by hand."""
    labels = np.array([0, 0, 1, 1, 2, 2])
    merged = np.minimum(labels, 1)
    h, c = homogeneity_score(labels, merged), completeness_score(labels, merged)
    assert v_measure(np.eye(2, dtype=np.float32)[merged], labels)[0] == pytest.approx(2 * h * c / (h + c))


def test_random_vectors_of_many_items_score_near_zero():
    _, labels = blobs(3, 100, 0.0)
    vectors = np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
    value, low, high = v_measure(vectors, labels)
    assert 0 <= low <= value <= high < 0.1


def test_the_interval_narrows_with_more_items_and_repeats():
    small, large = v_measure(*blobs(3, 12, 0.45)), v_measure(*blobs(3, 150, 0.45))
    assert small[2] - small[1] > large[2] - large[1] > 0
    assert v_measure(*blobs(3, 12, 0.45)) == small

"""V-measure on data whose answer is known."""

import numpy as np
import pytest
from sklearn.metrics import completeness_score, homogeneity_score, v_measure_score

from core.evaluation import clustering
from core.evaluation.clustering import Measured, capped, left_out, v_measure


def span(measured: Measured) -> tuple[float, float, float]:
    return measured.value, measured.low, measured.high


def blobs(classes: int, each: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(classes), each)
    noise = np.random.default_rng(seed).normal(size=(len(labels), classes))
    return (np.eye(classes)[labels] + spread * noise).astype(np.float32), labels


def test_separable_classes_score_one():
    assert span(v_measure(*blobs(4, 10, 0.02))) == pytest.approx((1, 1, 1))


def test_vectors_alike_score_zero_without_a_warning():
    labels = np.array([0, 1, 2, 0, 1, 2])
    assert v_measure(np.ones((6, 3), dtype=np.float32), labels) == Measured(0.0, 0.0, 0.0, 0.0)
    nearly = np.ones((6, 3), dtype=np.float32) + np.linspace(0, 5e-7, 6, dtype=np.float32)[:, None]
    assert v_measure(nearly, labels).value == 0


def test_fewer_different_vectors_than_classes_are_their_own_clusters():
    """Classes 1 and 2 share a vector: homogeneity and completeness of that clustering, combined by hand."""
    labels = np.array([0, 0, 1, 1, 2, 2])
    merged = np.minimum(labels, 1)
    h, c = homogeneity_score(labels, merged), completeness_score(labels, merged)
    assert v_measure(np.eye(2, dtype=np.float32)[merged], labels).value == pytest.approx(2 * h * c / (h + c))


def test_random_vectors_of_many_items_score_near_zero():
    _, labels = blobs(3, 100, 0.0)
    vectors = np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
    found = v_measure(vectors, labels)
    assert 0 <= found.low <= found.value <= found.high < 0.1
    assert abs(found.value - found.chance) < 0.03


def test_the_interval_narrows_with_more_items_and_repeats():
    small, large = v_measure(*blobs(3, 12, 0.45)), v_measure(*blobs(3, 150, 0.45))
    assert small.high - small.low > large.high - large.low > 0
    assert v_measure(*blobs(3, 12, 0.45)) == small


def test_k_means_starts_from_three_seeds_of_its_own(monkeypatch):
    """So that an unlucky start counts for a third only: the mean of the three clusterings' V-measures."""
    vectors, labels = blobs(3, 12, 0.45)
    seeds, found = [], [labels, np.zeros_like(labels), np.minimum(labels, 1)]

    def chosen(vectors, clusters, seed):
        seeds.append(seed)
        return found[seed - 5]

    monkeypatch.setattr(clustering, "clustered", chosen)
    expected = np.mean([v_measure_score(labels, each) for each in found])
    measured = v_measure(vectors, labels, seed=5)
    assert measured.value == pytest.approx(expected)
    without = np.mean([left_out(labels, each) for each in found], axis=0)
    error = np.sqrt(35 / 36 * np.square(without - without.mean()).sum())  # the jackknife's, of 36 items
    assert 0 < measured.low < measured.high < 1
    assert measured.high - measured.value == pytest.approx(1.96 * error)
    assert measured.value - measured.low == pytest.approx(1.96 * error)
    assert seeds == [5, 6, 7]


def test_leaving_out_is_done_once_for_items_alike():
    generator = np.random.default_rng(0)
    labels, clusters = generator.integers(4, size=60), generator.integers(4, size=60)
    each = [v_measure_score(np.delete(labels, i), np.delete(clusters, i)) for i in range(60)]
    np.testing.assert_allclose(left_out(labels, clusters), each, atol=1e-12)


def test_vectors_that_mean_nothing_are_at_chance_even_in_small_classes():
    """Where classes have two items, V-measure is high for anything; the chance beside it says so."""
    labels = np.repeat(np.arange(30), 2)
    vectors = np.random.default_rng(2).normal(size=(60, 8)).astype(np.float32)
    found = v_measure(vectors, labels)
    assert found.chance > 0.5
    assert abs(found.value - found.chance) < 0.06
    assert v_measure(np.eye(30, dtype=np.float32)[labels], labels).value == 1


def test_of_many_classes_the_largest_are_kept():
    labels = np.concatenate([np.arange(300), np.repeat(np.arange(300, 330), 5)])
    kept = capped(labels, seed=1)
    counts = {name: int((labels[kept] == name).sum()) for name in np.unique(labels[kept])}
    assert len(counts) == 50
    assert {name for name, count in counts.items() if count == 5} == {*range(300, 330)}
    assert kept.tolist() == sorted(kept)
    assert not np.array_equal(kept, capped(labels, seed=2))
    np.testing.assert_array_equal(kept, capped(labels, seed=1))


def test_few_classes_and_items_are_all_kept_and_many_items_are_not():
    assert capped(np.arange(7) % 3).tolist() == [*range(7)]
    assert len(capped(np.arange(5000) % 3)) == 2000


@pytest.mark.parametrize("seed", [-(2**63), -1, 2**32, 2**64 - 1])
def test_any_seed_of_64_bits_clusters(seed: int) -> None:
    labels = np.repeat([0, 1], 4)
    vectors = np.eye(2, dtype=np.float32)[labels]
    assert v_measure(vectors, labels, seed).value == 1
    assert len(capped(labels, seed)) == len(labels)

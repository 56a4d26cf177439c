"""The k most similar against a full sort, with ties, for every way of cutting the work."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation import top_k as module
from core.evaluation.ranking import TIE
from core.evaluation.top_k import top_k


def by_sorting(queries: np.ndarray, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and ties beyond the last, from every cosine."""
    cosines = queries @ vectors.T
    rows = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    last = np.take_along_axis(cosines, rows, axis=1)[:, -1:]
    return rows, (cosines >= last - np.float32(TIE)).sum(axis=1) - rows.shape[1]


@given(
    n=st.integers(1, 3000), queries=st.integers(0, 9), k=st.integers(1, 12), ties=st.booleans(), seed=st.integers(0, 99)
)
@settings(deadline=None, max_examples=60)
def test_they_are_those_of_a_full_sort(n, queries, k, ties, seed):
    generator = np.random.default_rng(seed)
    values = generator.integers(-2, 3, size=(n + queries, 4)) if ties else generator.normal(size=(n + queries, 4))
    everything = values.astype(np.float32)  # small whole numbers multiply exactly, so their ties are exact
    found = top_k(torch.from_numpy(everything[:queries]), torch.from_numpy(everything[queries:]), k)
    rows, tied = by_sorting(everything[:queries], everything[queries:], k)
    cosines = everything[:queries] @ everything[queries:].T
    assert found.rows.shape == (queries, min(k, n))
    np.testing.assert_array_equal(found.tied, tied)
    np.testing.assert_allclose(
        found.similarities, np.take_along_axis(cosines, rows, axis=1), atol=1e-5, err_msg="similarities"
    )
    np.testing.assert_allclose(np.take_along_axis(cosines, found.rows.numpy(), axis=1), found.similarities, atol=1e-5)
    if not ties:
        np.testing.assert_array_equal(found.rows, rows)
    for line, values in zip(found.rows.tolist(), found.similarities.tolist(), strict=True):
        assert len({*line}) == len(line)
        assert [*zip([-value for value in values], line, strict=True)] == sorted(
            zip([-value for value in values], line, strict=True)
        )


@pytest.mark.parametrize(("largest", "at_once"), [(1, 5), (3, 100), (256, 4096)])
def test_tiles_do_not_matter(largest, at_once, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_TILE", largest)
    monkeypatch.setattr(module, "SMALLEST_TILE", 1)
    monkeypatch.setattr(module, "VECTORS_AT_ONCE", at_once)
    generator = torch.Generator().manual_seed(0)
    queries, vectors = torch.randn(7, 16, generator=generator), torch.randn(5000, 16, generator=generator)
    rows, _ = by_sorting(queries.numpy(), vectors.numpy(), 10)
    np.testing.assert_array_equal(top_k(queries, vectors, 10).rows, rows)


def test_a_tie_that_reaches_into_groups_that_were_not_chosen_is_told():
    vectors = torch.zeros(6400, 2)
    vectors[:, 0] = 0.25
    vectors[::64, 0] = 0.5  # the first of every group
    found = top_k(torch.tensor([[1.0, 0.0]]), vectors, 3)
    assert found.similarities.tolist() == [[0.5, 0.5, 0.5]]
    assert found.tied.tolist() == [97]


def test_nothing_to_search_and_no_places_are_refused():
    with pytest.raises(ValueError, match="at least one vector"):
        top_k(torch.zeros(1, 2), torch.zeros(0, 2), 1)
    with pytest.raises(ValueError, match="k = 0"):
        top_k(torch.zeros(1, 2), torch.zeros(3, 2), 0)

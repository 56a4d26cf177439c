"""The k most similar against a full sort, with ties, for every way of cutting the work."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

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


@pytest.mark.parametrize("largest", [1, 3, 256])
def test_tiles_do_not_matter(largest, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_TILE", largest)
    monkeypatch.setattr(module, "SMALLEST_TILE", 1)
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


CASES = (
    "random",
    "not of unit length",
    "clustered",
    "one cluster among others",
    "duplicates",
    "huge",
)


def searched(case: str, n: int = 3000, count: int = 40, d: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and vectors that are hard to tell apart, or far from unit length."""
    generator = torch.Generator().manual_seed(len(case))
    everything = normalize(torch.randn(n + count, d, generator=generator), dim=-1)
    queries, vectors = everything[:count].clone(), everything[count:].clone()
    if case == "not of unit length":
        vectors *= torch.rand(n, 1, generator=generator) * 8
        queries *= 100
    if case == "clustered":  # nearer each other than bfloat16 tells apart
        vectors = normalize(vectors[:1] + 1e-3 * vectors, dim=-1)
        queries = normalize(queries + 2 * vectors[:1], dim=-1)
    if case == "one cluster among others":
        vectors[::5] = normalize(queries[0] + 1e-3 * vectors[::5], dim=-1)
    if case == "duplicates":
        vectors = vectors[: n // 3].repeat(3, 1)
    if case == "huge":
        vectors *= 1e15
    return queries, vectors


def assert_they_are_the_largest(queries: torch.Tensor, vectors: torch.Tensor, k: int) -> None:
    """Every row chosen is as large as the k-th, none larger is missing, and what ties with the last is counted.

    Against float64; cosines closer together than float32 tells may stand for each other.
    """
    found = top_k(queries, vectors, k)
    exact = (queries.double() @ vectors.double().T).numpy()
    scale = np.maximum(1, np.abs(exact).max()) * 1e-6
    ordered = -np.sort(-exact, axis=1)
    chosen = np.take_along_axis(exact, found.rows.numpy(), axis=1)
    np.testing.assert_allclose(chosen, ordered[:, : found.rows.shape[1]], rtol=0, atol=scale)
    np.testing.assert_allclose(found.similarities, chosen, rtol=0, atol=scale)
    last = ordered[:, found.rows.shape[1] - 1 : found.rows.shape[1]]
    surely, perhaps = (exact >= last + scale - TIE).sum(axis=1), (exact >= last - TIE - scale).sum(axis=1)
    tied = found.tied.numpy() + found.rows.shape[1]
    assert (surely <= tied).all()
    assert (tied <= perhaps).all()
    assert all(len({*line}) == len(line) for line in found.rows.tolist())


@pytest.mark.parametrize("case", CASES)
def test_difficult_vectors_are_searched_exactly(case):
    assert_they_are_the_largest(*searched(case), 5)


@pytest.mark.parametrize("k", [1, 50, 2999, 3000, 4000])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_may_be_asked_for(k, count):
    queries, vectors = searched("random")
    if count == 0:
        assert top_k(queries[:0], vectors, k).rows.shape == (0, min(k, 3000))
    else:
        assert_they_are_the_largest(queries[:count], vectors, k)


def test_equal_vectors_come_together_and_are_told_as_ties():
    queries, vectors = searched("duplicates")
    found = top_k(queries, vectors, 4)
    assert (found.tied >= 2).all()
    # All three copies of the nearest; matrix products of equal vectors may differ in the last bit, and their order so.
    assert (found.rows[:, :3].sort(dim=1).values.diff(dim=1) == 1000).all()


def test_float64_is_searched_in_float64():
    queries, vectors = (each.double() for each in searched("clustered"))
    found = top_k(queries, vectors, 5)
    assert found.similarities.dtype == torch.float64
    assert_they_are_the_largest(queries, vectors, 5)

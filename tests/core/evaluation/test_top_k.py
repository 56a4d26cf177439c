"""The k most similar against a full sort, with ties, for every way of cutting the work."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from core.evaluation import bfloat16_search
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


CASES = (
    "random",
    "not of unit length",
    "clustered",
    "one cluster among others",
    "duplicates",
    "badly rounding",
    "huge",
)


def searched(case: str, n: int = 3000, count: int = 40, d: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and vectors that try the error bound of the first pass."""
    generator = torch.Generator().manual_seed(len(case))
    everything = normalize(torch.randn(n + count, d, generator=generator), dim=-1)
    queries, vectors = everything[:count].clone(), everything[count:].clone()
    if case == "not of unit length":
        vectors *= torch.rand(n, 1, generator=generator) * 8
        queries *= 100
    if case == "clustered":  # so near each other that bfloat16 tells none apart
        vectors = normalize(vectors[:1] + 1e-3 * vectors, dim=-1)
        queries = normalize(queries + 2 * vectors[:1], dim=-1)
    if case == "one cluster among others":
        vectors[::5] = normalize(queries[0] + 1e-3 * vectors[::5], dim=-1)
    if case == "duplicates":
        vectors = vectors[: n // 3].repeat(3, 1)
    if case == "badly rounding":  # halfway between bfloat16 numbers: every entry of one vector up, of another down
        steps = torch.randint(0, 2, (n, d), generator=generator) * 2.0**-7
        vectors = (1 + 2.0**-8 + steps) * (1 + torch.randn(n, d, generator=generator) * 2.0**-12)
        vectors *= torch.where(torch.rand(n, d, generator=generator) < 0.1, -1, 1)
        queries = vectors[:count] * (1 + 2.0**-9)
    if case == "huge":
        vectors *= 1e15
    return queries, vectors


@pytest.fixture
def two_passes(monkeypatch):
    """The first pass wherever it is possible, also on CPUs without bfloat16; counts the queries left to one pass."""
    for name in ("LEAST_QUERIES", "LEAST_DIMENSIONS", "LEAST_VECTORS"):
        monkeypatch.setattr(bfloat16_search, name, 1)
    monkeypatch.setattr(bfloat16_search, "has_fast_bfloat16", lambda: True)
    monkeypatch.setattr(bfloat16_search, "MOST_CANDIDATES", 1 / 8)
    left, in_one_pass = [], module.in_one_pass
    monkeypatch.setattr(module, "in_one_pass", lambda q, v, k: left.append(len(q)) or in_one_pass(q, v, k))
    return left


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
@pytest.mark.parametrize("at_once", [2**17, 1024])
def test_two_passes_find_what_one_finds(case, at_once, two_passes, monkeypatch):
    monkeypatch.setattr(bfloat16_search, "VECTORS_AT_ONCE", at_once)
    monkeypatch.setattr(bfloat16_search, "CONVERTED_AT_ONCE", 100)
    monkeypatch.setattr(bfloat16_search, "BLOCK", 700)
    monkeypatch.setattr(module, "QUERIES_AT_ONCE", 17)
    queries, vectors = searched(case)
    assert_they_are_the_largest(queries, vectors, 5)
    if case in ("random", "duplicates"):
        assert not two_passes
    if case in ("clustered", "huge"):
        assert sum(two_passes) == len(queries)
    if case == "one cluster among others":
        assert 0 < sum(two_passes) < len(queries)


def test_one_pass_finds_them_too(monkeypatch):
    monkeypatch.setattr(bfloat16_search, "has_fast_bfloat16", lambda: False)
    for case in CASES:
        assert_they_are_the_largest(*searched(case), 5)


@pytest.mark.parametrize("k", [1, 50, 2999, 3000, 4000])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_may_be_asked_for(k, count, two_passes):
    queries, vectors = searched("random")
    if count == 0:
        assert top_k(queries[:0], vectors, k).rows.shape == (0, min(k, 3000))
    else:
        assert_they_are_the_largest(queries[:count], vectors, k)


def test_ties_and_equal_vectors_are_told_and_in_the_order_of_rows(two_passes):
    queries, vectors = searched("duplicates")
    found = top_k(queries, vectors, 4)
    assert not two_passes
    assert (found.tied >= 2).all()
    assert (found.rows[:, :3].diff(dim=1) == 1000).all()


def test_float64_and_not_finite_numbers_are_searched_in_one_pass(two_passes):
    queries, vectors = searched("random")
    top_k(queries.double(), vectors.double(), 5)
    assert two_passes == [40]
    two_passes.clear()
    queries[3, 0] = float("nan")
    top_k(queries, vectors, 5)
    assert two_passes == [1]


@pytest.mark.parametrize("d", [8, 257, 4096])
@pytest.mark.parametrize("signs", ["equal", "mixed"])
def test_the_bound_holds_for_this_machines_bfloat16(d, signs):
    generator = torch.Generator().manual_seed(d)
    # Between 1 and 2, right below halfway to the next bfloat16: the rounding errors are as large as can be, and agree.
    steps = torch.randint(0, 2, (300, d), generator=generator) * 2.0**-7
    vectors = 1 + steps + 2.0**-8 * (1 - 2.0**-10)
    if signs == "mixed":
        vectors *= torch.where(torch.rand(300, d, generator=generator) < 0.5, -1, 1)
    queries, rounded = vectors[:200], vectors[:200].bfloat16()
    products, norm = bfloat16_search.rounded_products(rounded, vectors, rounded.new_empty((320, 200)))
    assert products[300:].eq(float("-inf")).all()
    error = bfloat16_search.error_of_unit_vectors(queries, rounded).double() * norm
    computed = products[:300].double()
    for exact in ((vectors.double() @ queries.double().T), (vectors @ queries.T).double()):
        excess = (exact - computed).abs() - error - bfloat16_search.ROUNDING * computed.abs()
        assert excess.max() <= 0
    # It is no idle bound either: as the errors agree, they come near it.
    if signs == "equal":
        assert ((vectors.double() @ queries.double().T) - computed).max() > error.max() / 4


def test_the_first_pass_is_for_many_queries_among_many_vectors(monkeypatch):
    monkeypatch.setattr(bfloat16_search, "has_fast_bfloat16", lambda: True)
    many, vectors = torch.zeros(32, 128), torch.zeros(8192, 128)
    pays = bfloat16_search.first_pass_pays
    assert pays(many, vectors, 10)
    assert not pays(many[:31], vectors, 10)
    assert not pays(many, vectors[:8191], 10)
    assert not pays(many[:, :127], vectors[:, :127], 10)
    assert not pays(many, vectors, 17)
    assert not pays(many.double(), vectors.double(), 10)
    monkeypatch.setattr(bfloat16_search, "has_fast_bfloat16", lambda: False)
    assert not pays(many, vectors, 10)
    monkeypatch.undo()
    assert bfloat16_search.has_fast_bfloat16() in (True, False)

"""LanceDB and Qdrant give what exact search in memory gives, and say clearly what is wrong."""

import json
import socket
import sys
from dataclasses import replace

import numpy as np
import pytest

from workbench.exchange import qdrant
from workbench.exchange.corpus import Corpus
from workbench.exchange.lance import LanceTable, write_lance
from workbench.exchange.qdrant import QdrantCollection, write_qdrant
from workbench.exchange.stored import DatabaseError, VectorDatabase, search_database
from workbench.search.search import SearchIndex, search


@pytest.fixture(params=["lancedb", "qdrant memory", "qdrant folder"])
def store(request, tmp_path):
    """Write a corpus into a database and open it: a function (corpus, if_exists) -> (database, count)."""
    client = None
    if request.param != "lancedb":
        location = ":memory:" if request.param == "qdrant memory" else str(tmp_path / "qdrant")
        client = qdrant.connect(location, create=True)

    def put(corpus: Corpus, if_exists="stop") -> tuple[VectorDatabase, int]:
        if client is None:
            count = write_lance(corpus, tmp_path / "lance", "items", if_exists)
            return LanceTable(tmp_path / "lance", "items"), count
        count = write_qdrant(corpus, client, "items", if_exists, progress=False)
        return QdrantCollection(client, "items"), count

    yield put
    if client is not None:
        client.close()


def part_of(corpus: Corpus, rows) -> Corpus:
    index = corpus.index
    chosen = SearchIndex(
        index.vectors[rows],
        [index.modalities[row] for row in rows],
        [index.texts[row] for row in rows],
        lambda place: index.parts(rows[place]),
    )
    return Corpus("part", chosen, [corpus.ids[row] for row in rows], [""] * len(rows))


def test_the_same_results_as_exact_search(store, corpus):
    database, count = store(corpus)
    assert count == len(corpus)
    assert database.dimensions == corpus.dimensions
    assert database.modalities == sorted(set(corpus.index.modalities))
    assert f"{count:,} items" in database.title
    index = corpus.index
    for row in range(0, len(corpus), 7):
        for modality in (None, "image", "text"):
            rows = index.of_kind(np.arange(len(corpus)), modality)
            expected = search(index, index.vectors[row], 12, rows)
            found = search_database(database, index.vectors[row], 12, modality)
            assert [(hit.rank, hit.tied) for hit in found] == [(hit.rank, hit.tied) for hit in expected]
            np.testing.assert_allclose(
                [hit.similarity for hit in found], [hit.similarity for hit in expected], atol=2e-6
            )
            singles = [(hit.text, hit.modality, hit.parts) for hit in expected if hit.tied == 1]
            assert [(hit.text, hit.modality, hit.parts) for hit in found if hit.tied == 1] == singles
    assert any(part.picture for hit in search_database(database, index.vectors[0], 20) for part in hit.parts)


def test_ties_are_followed_beyond_the_last_place(store, corpus):
    vectors = np.repeat(np.eye(3, corpus.dimensions, dtype=np.float32), [20, 15, 5], axis=0)
    rows = np.arange(len(vectors))
    tied = part_of(corpus, rows)
    tied = replace(tied, index=replace(tied.index, vectors=vectors))
    database, _ = store(tied)
    query = (vectors[0] * 0.8 + vectors[25] * 0.6).astype(np.float32)
    found = search_database(database, query, 25)
    expected = search(tied.index, query, 25)
    assert [(hit.rank, hit.tied) for hit in found] == [(hit.rank, hit.tied) for hit in expected]
    assert {(hit.rank, hit.tied) for hit in found} == {(10.5, 20), (28.0, 15)}
    assert search_database(database, query, 1)[0].tied == 20


def test_what_exists_is_kept_replaced_or_extended(store, corpus):
    first, second = part_of(corpus, np.arange(10)), part_of(corpus, np.arange(5, 25))
    store(first)
    with pytest.raises(DatabaseError, match="exists already"):
        store(second)
    database, count = store(second, "append")
    assert count == 25
    hit = search_database(database, corpus.index.vectors[3], 1)[0]
    assert hit.similarity == pytest.approx(1, abs=1e-5)
    assert store(first, "replace")[1] == 10
    short = replace(first, index=replace(first.index, vectors=np.eye(10, dtype=np.float32)))
    with pytest.raises(DatabaseError, match="vectors of 16 numbers, but those of part have 10"):
        store(short, "append")


def test_a_query_that_does_not_fit_is_refused(store, corpus):
    database, _ = store(corpus)
    with pytest.raises(ValueError, match=r"query has 3 numbers, but the vectors of .* have 16"):
        search_database(database, np.ones(3, dtype=np.float32), 1)
    with pytest.raises(ValueError, match="not finite"):
        search_database(database, np.full(16, np.nan, dtype=np.float32), 1)
    with pytest.raises(ValueError, match="k = 0"):
        search_database(database, corpus.index.vectors[0], 0)


def test_words_of_a_filter_are_data(store, corpus):
    database, _ = store(corpus)
    assert search_database(database, corpus.index.vectors[0], 5, "' OR '1'='1") == []


def test_a_name_that_is_not_there_lists_those_that_are(corpus, tmp_path):
    write_lance(corpus, tmp_path / "lance", "items")
    with pytest.raises(DatabaseError, match=r"Table 'other' in .* does not exist; there are items"):
        LanceTable(tmp_path / "lance", "other")
    with pytest.raises(DatabaseError, match="no such folder"):
        LanceTable(tmp_path / "none", "items")
    assert not (tmp_path / "none").exists()
    client = qdrant.connect(":memory:")
    write_qdrant(corpus, client, "items", progress=False)
    with pytest.raises(DatabaseError, match="Collection 'other' does not exist; there are items"):
        QdrantCollection(client, "other")
    with pytest.raises(DatabaseError, match="no such folder"):
        qdrant.connect(str(tmp_path / "none"))


def test_tables_of_other_programs(tmp_path):
    import lancedb

    database = lancedb.connect(str(tmp_path))
    database.create_table("bare", [{"vector": [1.0, 0.0], "text": "a"}, {"vector": [0.0, 2.0], "text": "b"}])
    database.create_table("none", [{"text": "a"}])
    bare = LanceTable(tmp_path, "bare")
    hits = search_database(bare, np.array([0.0, 1.0], dtype=np.float32), 2)
    assert [(hit.text, hit.modality, round(hit.similarity, 5)) for hit in hits] == [
        ("b", "unknown", 1),
        ("a", "unknown", 0),
    ]
    assert bare.modalities == []
    with pytest.raises(DatabaseError, match="has no column 'vector' of vectors; its columns are text"):
        LanceTable(tmp_path, "none")


def test_collections_of_other_programs():
    from qdrant_client import models

    client = qdrant.connect(":memory:")
    client.create_collection(
        "named", vectors_config={"a": models.VectorParams(size=2, distance=models.Distance.COSINE)}
    )
    client.create_collection("dot", vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
    client.create_collection("bare", vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE))
    broken = {"text": "b", "parts": json.dumps([{"type": "image", "webp": "???"}])}
    client.upsert("bare", [models.PointStruct(id=4, vector=[0.0, 2.0], payload=broken)])
    for name, message in [("named", "several named kinds"), ("dot", "compares by Dot")]:
        with pytest.raises(DatabaseError, match=message):
            QdrantCollection(client, name)
    (hit,) = search_database(QdrantCollection(client, "bare"), np.array([0.0, 1.0], dtype=np.float32), 2)
    assert (hit.text, hit.parts[0].text) == ("b", "b")


def test_a_server_that_is_down_is_named():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = qdrant.connect(f"http://127.0.0.1:{port}", timeout=2)
    with pytest.raises(DatabaseError, match=r"Collection 'items': Qdrant did not answer as asked .*Is the server up"):
        QdrantCollection(client, "items")


def test_a_server_that_never_answers_is_given_up():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        client = qdrant.connect(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout=1)
        with pytest.raises(DatabaseError, match="timed out"):
            QdrantCollection(client, "items")


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("ftp://host", "", "no URL of a Qdrant server"),
        ("http://user:secret@host:6333", "", "leave secrets out of the URL"),
        ("http://example.org:6333", "secret", "would send it in the open; use https"),
    ],
)
def test_urls_that_cannot_be_used(monkeypatch, url, key, message):
    monkeypatch.setenv(qdrant.API_KEY, key)
    with pytest.raises(DatabaseError, match=message) as raised:
        qdrant.connect(url)
    assert "secret" not in str(raised.value).replace("secrets", "")


@pytest.mark.parametrize(("package", "extra"), [("lancedb", "lancedb"), ("qdrant_client", "qdrant")])
def test_a_missing_package_says_what_to_install(monkeypatch, corpus, tmp_path, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DatabaseError, match=rf"Install it with: pip install '.*\[{extra}\]'"):
        write_lance(corpus, tmp_path, "items") if extra == "lancedb" else qdrant.connect(":memory:")


def test_a_table_with_an_approximate_index_can_be_searched_exactly(corpus, tmp_path):
    import lancedb
    from lancedb.index import IvfFlat

    chance = np.random.default_rng(0)
    rows = np.arange(2000) % len(corpus)
    many = part_of(corpus, rows)
    vectors = chance.normal(size=(2000, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    many = replace(many, index=replace(many.index, vectors=vectors), ids=[str(row) for row in range(2000)])
    write_lance(many, tmp_path, "items")
    table = lancedb.connect(str(tmp_path)).open_table("items")
    table.create_index("vector", config=IvfFlat(distance_type="cosine", num_partitions=200))
    indexed, exact = LanceTable(tmp_path, "items"), LanceTable(tmp_path, "items", exact=True)
    assert "searched by its index" in indexed.title
    assert "searched exactly" in exact.title
    missed = 0
    for query in vectors[:30]:
        expected = [hit.similarity for hit in search(many.index, query, 10)]
        found = [hit.similarity for hit in search_database(exact, query, 10)]
        np.testing.assert_allclose(found, expected, atol=2e-6)
        missed += not np.allclose([hit.similarity for hit in search_database(indexed, query, 10)], expected, atol=2e-6)
    assert missed > 0  # else this would show nothing


def test_a_server_whose_collection_has_no_index_of_kinds_is_searched_all_the_same(corpus, monkeypatch):
    from httpx import Headers
    from qdrant_client.http.exceptions import UnexpectedResponse

    client = qdrant.connect(":memory:")
    write_qdrant(corpus, client, "items", progress=False)

    def refused(*given, **named):
        raise UnexpectedResponse(400, "Bad Request", b"Index required", Headers())

    monkeypatch.setattr(client, "facet", refused)
    collection = QdrantCollection(client, "items")
    assert collection.modalities == []
    assert search_database(collection, corpus.index.vectors[3], 1)[0].similarity == pytest.approx(1, abs=1e-5)

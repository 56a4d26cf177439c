"""Vectors of other tools become bundles; what cannot be used is refused with its place."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import outside_files
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import warm_processes
from safetensors.torch import save_file

from core.vector_import.import_bundle import ImportSettings, import_embeddings
from workbench.bundles.bundle import open_bundle
from workbench.runs.runs import list_runs

ROOT = Path(__file__).parents[3]


@pytest.fixture
def files(tmp_path):
    return outside_files.write_outside(tmp_path / "outside")


def imported(files, out, **settings):
    return import_embeddings(ImportSettings(**files, out=out, **settings), progress=False)


@pytest.mark.parametrize("vectors", [".npy", ".safetensors", ".parquet"])
@pytest.mark.parametrize("tables", [".jsonl", ".csv", ".parquet"])
def test_every_format_gives_the_bundle_that_plain_numpy_gives(tmp_path, vectors, tables):
    found = outside_files.write_outside(tmp_path / "outside", vectors, tables)
    done = imported(found, tmp_path / "runs" / "other", name="colours")
    bundle = open_bundle(done.folder)
    assert (bundle.imported, bundle.suite, bundle.datasets) == ("other", "colours", ["captions", "cards"])
    rows = outside_files.item_rows(tmp_path / "outside")
    raw = outside_files.vectors_of(rows)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(bundle.vectors, unit, atol=1e-6)
    ids = [row["id"] for row in rows]
    assert bundle.items["item"].tolist() == ids
    for number, colour in enumerate(outside_files.COLOURS):
        query, targets = unit[ids.index(f"q-{colour}")], [f"t-{each}" for each in outside_files.COLOURS]
        similarity = np.array([query @ unit[ids.index(each)] for each in targets])
        own = similarity[targets.index(f"t-{colour}")]
        record = bundle.query(number)
        assert record.rank == 1 + (similarity > own).sum() == (2 if colour == "blue" else 1)
        assert sorted(ids[row] for row in bundle.candidates.of(number)) == sorted(targets)
        assert record.margin == pytest.approx(own - np.sort(similarity[similarity != own])[-1], abs=1e-6)
    card = bundle.query(len(outside_files.COLOURS))
    candidates = bundle.candidates.of(len(outside_files.COLOURS))
    assert {ids[row] for row in candidates} == {"t-red", "t-blue", "t-green"}
    assert card.size == 3
    assert "13 of 13 vectors were not of unit length" in done.notes[0]
    assert bundle.hardest(2)[0].true_hardness == 1
    assert bundle.hardest(len(outside_files.COLOURS))[0].true_hardness is None


def test_the_explorer_lists_it_as_imported(files, tmp_path):
    imported(files, tmp_path / "runs" / "other")
    (run,) = list_runs(tmp_path / "runs")
    assert (run.name, run.state, run.problem) == ("other", "imported", "")
    assert [each.name for each in run.bundles] == ["imported"]
    assert "import_embeddings" in run.evaluate_command


def test_the_objective_is_chosen(files, tmp_path):
    from core.objectives.settings import ObjectiveSettings

    flat = open_bundle(imported(files, tmp_path / "a", objective=ObjectiveSettings(name="infonce")).folder)
    steep = open_bundle(imported(files, tmp_path / "b", objective=ObjectiveSettings(alpha=5.0)).folder)
    assert set(flat.negatives["weight"]) == {1.0}
    np.testing.assert_allclose(steep.negatives["weight"], np.exp(5 * steep.negatives["similarity"]), rtol=1e-5)


def test_parquet_with_ids_may_be_in_any_order(tmp_path):
    rows = outside_files.item_rows(tmp_path)
    vectors, ids = outside_files.vectors_of(rows), [str(row["id"]) for row in rows]
    files = outside_files.write_outside(tmp_path)
    first = open_bundle(imported(files, tmp_path / "a").folder)
    path = outside_files.write_vectors(tmp_path / "v.parquet", vectors[::-1], ids[::-1])
    second = open_bundle(imported(files | {"embeddings": path}, tmp_path / "b").folder)
    np.testing.assert_allclose(first.vectors, second.vectors, atol=1e-6)
    for wrong, message in [
        (ids[:-1], r"has no vector for item 'card'"),
        ([*ids[:-1], ids[0]], r"row 13: id 'q-red' stands also in row 1"),
    ]:
        path = outside_files.write_vectors(tmp_path / "v.parquet", vectors[: len(wrong)], wrong)
        with pytest.raises(ValueError, match=message):
            imported(files | {"embeddings": path}, tmp_path / "c")


def test_bfloat16_tensors_and_a_named_one(files, tmp_path):
    rows = outside_files.item_rows(tmp_path)
    vectors = torch.from_numpy(outside_files.vectors_of(rows)).to(torch.bfloat16)
    path = tmp_path / "v.safetensors"
    save_file({"items": vectors, "queries": vectors[:2].clone()}, path)
    with pytest.raises(ValueError, match=r"has 2 tensors \(items, queries\); name one by --column"):
        imported(files | {"embeddings": path}, tmp_path / "a")
    bundle = open_bundle(imported(files | {"embeddings": path}, tmp_path / "a", column="items").folder)
    expected = torch.nn.functional.normalize(vectors.float(), dim=1).numpy()
    np.testing.assert_allclose(bundle.vectors, expected, atol=1e-6)


def test_unit_vectors_bring_no_note(files, tmp_path):
    vectors = outside_files.vectors_of(outside_files.item_rows(tmp_path))
    np.save(files["embeddings"], vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    (note,) = imported(files, tmp_path / "a").notes
    assert "row n is taken for item n" in note


def reversed_vectors(folder, **columns):
    """The vectors of the items in the opposite order, in Parquet with further columns."""
    vectors = outside_files.vectors_of(outside_files.item_rows(folder))[::-1]
    embedding = pa.array(list(vectors), pa.list_(pa.float32()))
    pq.write_table(pa.table({**columns, "embedding": embedding}), folder / "v.parquet")
    return folder / "v.parquet"


@pytest.mark.parametrize("name", ["id", "ID", "key", "document", "Unnamed: 0"])
def test_rows_are_matched_by_the_column_that_holds_the_ids_whatever_its_name(files, tmp_path, name):
    ids = [str(row["id"]) for row in outside_files.item_rows(tmp_path)]
    others = {"row": range(len(ids)), "caption": ["the same"] * len(ids), name: pa.array(ids[::-1]).dictionary_encode()}
    path = reversed_vectors(tmp_path, **others)
    first, second = imported(files, tmp_path / "a"), imported(files | {"embeddings": path}, tmp_path / "b")
    np.testing.assert_allclose(open_bundle(first.folder).vectors, open_bundle(second.folder).vectors, atol=1e-6)
    said = [note for note in second.notes if "matched by" in note]
    assert said == (
        [] if name == "id" else [f"{path}: rows are matched by {name}, which holds exactly the items' ids."]
    )


def test_whole_numbers_match_ids_in_parquet_and_in_safetensors(tmp_path):
    rows = [{"id": str(number), "text": f"words {number}"} for number in range(3)]
    files = {
        "embeddings": outside_files.write_vectors(tmp_path / "v.npy", np.eye(3)),
        "items": outside_files.write_rows(tmp_path / "i.csv", rows),
        "pairs": outside_files.write_rows(tmp_path / "p.jsonl", [{"query": 0, "positive": 1}]),
    }
    order, vectors = [2, 0, 1], np.eye(3, dtype=np.float32)[[2, 0, 1]]
    table = {"number": order, "embedding": pa.array(list(vectors), pa.list_(pa.float32()))}
    pq.write_table(pa.table(table), tmp_path / "v.parquet")
    tensors = {"vectors": torch.from_numpy(vectors), "rows": torch.tensor(order)}
    save_file(tensors, tmp_path / "v.safetensors")
    save_file({"vectors": tensors["vectors"]}, tmp_path / "w.safetensors", {"keys": json.dumps(order), "format": "pt"})
    for name in ("v.parquet", "v.safetensors", "w.safetensors"):
        done = imported(files | {"embeddings": tmp_path / name}, tmp_path / name.replace(".", "-"))
        np.testing.assert_allclose(open_bundle(done.folder).vectors, np.eye(3), atol=1e-6)
        assert [note for note in done.notes if "rows are matched by" in note]


def test_without_a_column_of_ids_the_guess_is_told_and_doubt_is_refused(files, tmp_path):
    ids = [str(row["id"]) for row in outside_files.item_rows(tmp_path)]
    done = imported(files | {"embeddings": reversed_vectors(tmp_path, row=range(len(ids)))}, tmp_path / "a")
    assert "none of its columns (row) holds the items' ids, so row n is taken for item n" in done.notes[-1]
    doubts = [
        ({"key": [*ids[:-1], "other"]}, r"has no vector for item 'card' of .* \(by its column key\)"),
        ({"Id": ["x", *ids[1:]]}, r"has no vector for item 'q-red' of .* \(by its column Id\)"),
        ({"ID": [f"n{row}" for row in range(len(ids))]}, r"by its column ID"),
        ({"key": ids, "doc": ids[::-1]}, r"columns key, doc each hold exactly the ids of .* in different orders"),
    ]
    for columns, message in doubts:
        with pytest.raises(ValueError, match=message):
            imported(files | {"embeddings": reversed_vectors(tmp_path, **columns)}, tmp_path / "b")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((3, 2), np.nan, r"vectors\.npy: number 3 of the vector of item 't-green' is nan"),
        ((3, 2), np.inf, "is inf"),
        ((4, slice(None)), 0.0, r"vectors\.npy: the vector of item 'q-blue' is zero \(1 such"),
    ],
)
def test_vectors_that_mean_nothing_are_refused(files, tmp_path, place, value, message):
    vectors = np.load(files["embeddings"])
    vectors[place] = value
    np.save(files["embeddings"], vectors)
    with pytest.raises(ValueError, match=message):
        imported(files, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def write_objects(path):
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("v.npy", lambda path: np.save(path, np.ones((12, 4))), "has 12 vectors, but .*items.jsonl has 13 items"),
        ("v.npy", lambda path: np.save(path, np.ones(13)), r"float64 of shape \(13,\), not floats of shape"),
        ("v.npy", lambda path: np.save(path, np.ones((13, 4), dtype=int)), "int64 of shape"),
        ("v.npy", write_objects, "no numpy array of numbers"),
        ("v.npy", lambda path: path.write_bytes(b"\x93NUMPY"), "no numpy array of numbers"),
        ("v.safetensors", lambda path: path.write_bytes(b"x" * 20), "not safetensors"),
        ("v.parquet", lambda path: pq.write_table(pa.table({"a": [1]}), path), "has 0 column of lists of floats"),
        (
            "v.parquet",
            lambda path: pq.write_table(pa.table({"e": [[1.0, 2.0]] * 4 + [[1.0]] * 9}), path),
            "row 5: e has 1 numbers, but row 1 2",
        ),
        ("v.parquet", lambda path: pq.write_table(pa.table({"e": [[1.0], None]}), path), "row 2: e is empty"),
        ("v.pt", lambda path: path.write_bytes(b""), "vectors are read from"),
    ],
)
def test_files_of_vectors_that_cannot_be_used(files, tmp_path, name, write, message):
    path = tmp_path / name
    write(path)
    with pytest.raises(ValueError, match=message):
        imported(files | {"embeddings": path}, tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "q-red"}, r"items\.jsonl row 2: id = 'q-red' stands also in row 1"),
        ({"id": None}, "row 2: id = None is no id"),
        ({"id": 1.5}, "row 2: id = 1.5 is no id"),
        ({"image": "../secret.png"}, "row 2: the picture's path '../secret.png'"),
        ({"image": "/etc/secret.png"}, "row 2: the picture's path"),
        ({"image": "pictures/none.png"}, r"1 of 13 items have pictures that cannot be read:\n.*row 2: image:"),
        ({"image": "", "text": ""}, "row 2: has neither text nor image"),
        ({"text": 3}, "row 2: text = 3 is no text"),
        ({"attributes": "{"}, "row 2: attributes = '{' is not JSON"),
        ({"attributes": [1]}, r"row 2: attributes = \[1\] is no object"),
    ],
)
def test_items_that_cannot_be_used(files, tmp_path, change, message):
    rows = [json.loads(line) for line in files["items"].read_text().splitlines()]
    rows[1] |= change
    outside_files.write_rows(files["items"], rows)
    with pytest.raises(ValueError, match=message):
        imported(files, tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": "nobody"}, r"pairs\.jsonl row 2: query names 'nobody', which is no id in .*items\.jsonl"),
        ({"positive": ["t-red", "nothing"]}, "row 2: positive names 'nothing'"),
        ({"candidates": ["gone"]}, "row 2: candidates names 'gone'"),
        ({"positive": []}, "row 2: positive is empty"),
        ({"positive": "q-green"}, "row 2: the query 'q-green' is its own positive"),
        ({"query": ["q-red", "q-green"]}, "row 2: query names 2 items"),
        ({"asks": ["size"]}, "row 2: asks names 'size', which item 't-green' has no attribute of"),
        ({"in_distribution": "maybe"}, "row 2: in_distribution = 'maybe' is neither true nor false"),
        ({"in_distribution": True}, "row 2: in_distribution = True, but False in .*row 1 of the data set captions"),
        ({"candidates": "[1"}, "row 2: candidates = '\\[1' is no JSON array"),
    ],
)
def test_pairs_that_cannot_be_used(files, tmp_path, change, message):
    rows = [json.loads(line) for line in files["pairs"].read_text().splitlines()]
    rows[1] |= change
    outside_files.write_rows(files["pairs"], rows)
    with pytest.raises(ValueError, match=message):
        imported(files, tmp_path / "a")


def test_a_query_that_is_a_target_does_not_rank_itself_and_twins_of_the_right_answer_are_right(tmp_path):
    rows = [{"id": number, "text": text} for number, text in enumerate(["yes", "no", "yes", "a question"])]
    files = {
        "embeddings": outside_files.write_vectors(tmp_path / "v.npy", np.eye(4) + 0.1),
        "items": outside_files.write_rows(tmp_path / "i.jsonl", rows),
        "pairs": outside_files.write_rows(
            tmp_path / "p.jsonl",
            [{"query": 3, "positive": 0}, {"query": 0, "positive": 1}, {"query": 1, "positive": [2]}],
        ),
    }
    done = imported(files, tmp_path / "out")
    bundle = open_bundle(done.folder)
    asked, itself, third = (bundle.query(number) for number in range(3))
    offered = [set(bundle.candidates.of(number).tolist()) for number in range(3)]
    assert len(bundle.candidates.pools) == 1
    assert (offered[0], set(asked.right)) == ({0, 1, 2}, {0, 2})
    assert (offered[1], set(itself.right)) == ({1}, {1})  # nor its own twin
    assert offered[2] == {0, 2} == set(third.right)
    assert "1 of 4 items repeat the words and picture of another id" in done.notes[1]
    assert bundle.rankings["meta_task"].unique().tolist() == ["retrieval"]


def test_rows_of_one_query_are_several_right_answers(files, tmp_path):
    """Two rows of one query, and one of its twin under another id: what any of them names is right for all three."""
    texts = {"q": "caf\u00e9", "twin": "cafe\u0301", "a": "one", "b": "two", "c": "three"}
    root = tmp_path / "rows"
    root.mkdir()
    (root / "items.jsonl").write_text("".join(json.dumps({"id": k, "text": v}) + "\n" for k, v in texts.items()))
    pairs = [("q", "a"), ("q", "b"), ("twin", "c"), ("a", "twin")]
    (root / "pairs.jsonl").write_text("".join(json.dumps({"query": q, "positive": p}) + "\n" for q, p in pairs))
    np.save(root / "vectors.npy", np.eye(5, dtype=np.float32))
    named = {"embeddings": root / "vectors.npy", "items": root / "items.jsonl", "pairs": root / "pairs.jsonl"}
    bundle = open_bundle(imported(named, tmp_path / "runs" / "m").folder)
    ids = bundle.items["item"].tolist()
    for number in range(3):
        record = bundle.query(number)
        assert {ids[row] for row in record.right} == {"a", "b", "c"}
    assert {ids[row] for row in bundle.candidates.of(2)} == {"a", "b", "c"}
    assert {ids[row] for row in bundle.candidates.of(3)} == {"twin", "b", "c"}


def test_the_bundle_of_other_vectors_is_not_replaced(files, tmp_path):
    out = tmp_path / "runs" / "other"
    folder = imported(files, out).folder
    assert imported(files, out).folder == folder
    others = outside_files.write_outside(tmp_path / "others")
    with pytest.raises(ValueError, match=r"imported: holds a bundle of embeddings = .*outside.*--name"):
        imported(others, out)
    assert imported(others, out, name="second").folder != folder
    with pytest.raises(ValueError, match=r"holds a bundle of model = 'other', not 'mine'"):
        imported(files, out, model="mine")


def test_the_name_is_a_folder_name(files, tmp_path):
    for name in ("../up", "a/b", "", ".hidden"):
        with pytest.raises(ValueError, match="is no folder name"):
            imported(files, tmp_path, name=name)


@pytest.mark.slow
def test_the_command(files, tmp_path):
    command = [sys.executable, "core/import_embeddings.py", "--out", str(tmp_path / "runs" / "other")]
    options = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "captions" in done.stdout
    assert "note: 13 of 13 vectors were not of unit length" in done.stderr
    assert open_bundle(tmp_path / "runs" / "other" / "bundles" / "imported").imported == "other"
    files["items"].write_text('{"id": "a"}\n')
    done = warm_processes.run([*command[1:], *options], folder=ROOT)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")


def test_large_lists_and_fixed_ones(files, tmp_path):
    rows = outside_files.vectors_of(outside_files.item_rows(tmp_path)).astype(np.float32)
    for kind in (pa.list_(pa.float32(), rows.shape[1]), pa.large_list(pa.float64())):
        pq.write_table(pa.table({"v": pa.array(rows.tolist(), kind)}), tmp_path / "v.parquet")
        bundle = open_bundle(imported(files | {"embeddings": tmp_path / "v.parquet"}, tmp_path / "a").folder)
        np.testing.assert_allclose(bundle.vectors, rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=1e-6)

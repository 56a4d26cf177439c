"""A bundle's files agree with one another and with what numpy makes of the vectors."""

import hashlib
import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from core.data.images.image_files import BadImage, FileImage
from core.data.miniature.benchmark import SOURCES, ranking_task
from core.data.records import Image, Item, Ranking, RankingTask, Text, Video
from core.evaluation.bundle import Description, write_bundle
from core.evaluation.bundle_rankings import RankedTables
from core.evaluation.embedded import Embedded, distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import ranked_in_turn, scores
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE

ALPHA, TAU = 9.0, 0.02
DESCRIPTION = Description("runs/one/checkpoints/000007", 7, {"name": "miniature"}, {"name": "llave", "alpha": ALPHA})
NAMES = ("background", "story", "cards", "clips", "edit")


def write(folder: Path, tasks, embedded: Embedded, objective=None) -> None:
    tables = RankedTables(embedded.items, objective or HardnessWeighted(ALPHA, TAU))
    placed = [tables.add(each) for each in ranked_in_turn(tasks, embedded)]
    write_bundle(folder, DESCRIPTION, embedded, tables, scores(placed))


def read(folder: Path) -> SimpleNamespace:
    tables = {path.stem: pq.read_table(path).to_pylist() for path in folder.glob("*.parquet")}
    for row in tables["rankings"]:
        pool = tables["pools"][row["pool"]]["candidates"]
        row["candidates"] = [each for each in pool if each not in row["left_out"]]
    for row in tables["items"]:
        row["attributes"] = {
            name.removeprefix("attribute:"): value
            for name, value in row.items()
            if name.startswith("attribute:") and value is not None
        }
    return SimpleNamespace(
        **tables,
        vectors=load_file(folder / "embeddings.safetensors")["items"],
        scores=json.loads((folder / "scores.json").read_text()),
        manifest=json.loads((folder / "manifest.json").read_text()),
    )


@pytest.fixture(scope="module")
def evaluated(tiny):
    tasks = [ranking_task(source, seed=0, queries=4) for source in SOURCES if source.name in NAMES]
    return tasks, embed_distinct(tiny, distinct_items(tasks), progress=False)


@pytest.fixture(scope="module")
def folder(evaluated, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "000007-miniature"
    write(folder, *evaluated)
    return folder


@pytest.fixture(scope="module")
def bundle(folder):
    return read(folder)


def test_the_manifest_names_every_file_with_its_hash(bundle, folder):
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    del files["manifest.json"]
    manifest = dict(bundle.manifest)
    maps = manifest.pop("projections")
    assert manifest == {"schema": 2, **asdict(DESCRIPTION), "dimensions": 32, "files": files}
    assert list(maps) == ["pca"]
    assert 0 < maps["pca"]["share"] < 1
    assert len(files) == 9


def test_row_counts_agree(bundle, evaluated):
    tasks, embedded = evaluated
    assert len(bundle.items) == len(bundle.vectors) == len(bundle.projection) == len(embedded.items)
    assert len(bundle.rankings) == sum(len(task.rankings) for task in tasks) == 20
    wrong = [len(row["candidates"]) - len(row["right"]) for row in bundle.rankings]
    assert len(bundle.negatives) == sum(min(20, count) for count in wrong)
    assert min(wrong) < 20 < max(wrong)


def test_items_and_vectors_are_those_embedded(bundle, evaluated):
    _, embedded = evaluated
    np.testing.assert_array_equal(bundle.vectors, embedded.vectors)
    np.testing.assert_allclose(np.linalg.norm(bundle.vectors, axis=1), 1, atol=1e-6)
    for row, item in zip(bundle.items, embedded.items, strict=True):
        assert row["item"] == item.content_id
        assert row["modality"] == item.modality
        assert row["attributes"] == item.attributes
        parts = row["parts"]
        assert [part["type"] for part in parts] == [type(part).__name__.lower() for part in item.parts]
        assert [part["text"] for part in parts if part["type"] == "text"] == [
            part.text for part in item.parts if isinstance(part, Text)
        ]


def test_rankings_are_what_the_vectors_say(bundle, evaluated):
    tasks, _ = evaluated
    expected = [(task, ranking) for task in tasks for ranking in task.rankings]
    for row, (task, ranking) in zip(bundle.rankings, expected, strict=True):
        assert (row["dataset"], row["meta_task"], row["in_distribution"]) == (
            task.name, task.meta_task, task.in_distribution
        )  # fmt: skip
        assert bundle.items[row["query"]]["item"] == ranking.query.content_id
        assert {bundle.items[each]["item"] for each in row["candidates"]} == {i.content_id for i in ranking.candidates}
        assert [bundle.items[each]["item"] for each in row["right"]] == [ranking.candidates[0].content_id]
        assert row["asks"] == list(ranking.asks)
        cosine = {each: float(bundle.vectors[each] @ bundle.vectors[row["query"]]) for each in row["candidates"]}
        own = cosine.pop(row["positive"])
        assert row["right"] == [row["positive"]]
        assert row["similarity"] == pytest.approx(own, abs=1e-6)
        hardest = max(cosine.values())
        assert row["hardest_similarity"] == pytest.approx(hardest, abs=1e-6)
        assert cosine[row["hardest"]] == pytest.approx(hardest, abs=1e-6)
        assert row["margin"] == pytest.approx(own - hardest, abs=1e-6)
        assert row["chance"] == pytest.approx(1 / len(row["candidates"]))
        above, tied = (sum(value > own + 1e-6 for value in cosine.values()),
                       sum(abs(value - own) <= 1e-6 for value in cosine.values()))  # fmt: skip
        assert row["rank"] == pytest.approx(1 + above + tied / 2)
        assert row["hit"] == pytest.approx(0 if above else 1 / (1 + tied))


def test_scores_follow_from_the_rankings(bundle):
    found = {score["name"]: score for score in bundle.scores if score["metric"] == "P@1"}
    for name in NAMES:
        hits = [row["hit"] for row in bundle.rankings if row["dataset"] == name]
        assert found[name]["value"] == pytest.approx(np.mean(hits))
        assert found[name]["n"] == 4
    assert found["all"]["value"] == pytest.approx(np.mean([found[name]["value"] for name in NAMES]))


def of_ranking(bundle, number: int) -> list[dict]:
    return [row for row in bundle.negatives if row["ranking"] == number]


@pytest.mark.parametrize("alpha", [ALPHA, 0.0])
def test_weights_probabilities_and_shares_are_those_of_a_softmax(evaluated, tmp_path, alpha):
    tasks, embedded = evaluated
    write(tmp_path / "b", tasks, embedded, HardnessWeighted(alpha, TAU) if alpha else InfoNCE(TAU))
    bundle = read(tmp_path / "b")
    for number, ranking in enumerate(bundle.rankings):
        wrong = np.array([each for each in ranking["candidates"] if each not in ranking["right"]])
        s = (bundle.vectors[wrong] @ bundle.vectors[ranking["query"]]).astype(np.float64)
        z = s / TAU + alpha * s
        own = ranking["similarity"] / TAU
        share = dict(zip(wrong, np.exp(z - z.max()) / np.exp(z - z.max()).sum(), strict=True))
        probability = dict(zip(wrong, np.exp(z - own) / (1 + np.exp(z - own).sum()), strict=True))
        rows = of_ranking(bundle, number)
        for row in rows:
            assert row["weight"] == pytest.approx(np.exp(alpha * row["similarity"]), rel=1e-4)
            assert row["share"] == pytest.approx(share[row["negative"]], rel=1e-3, abs=1e-9)
            assert row["probability"] == pytest.approx(probability[row["negative"]], rel=1e-3, abs=1e-9)
        total = sum(row["share"] for row in rows)
        assert total == pytest.approx(1, abs=1e-5) if len(rows) == len(wrong) else 0 < total <= 1 + 1e-5


def test_negatives_are_the_most_similar_wrong_candidates_in_order(bundle):
    for number, ranking in enumerate(bundle.rankings):
        rows = of_ranking(bundle, number)
        assert [row["place"] for row in rows] == list(range(1, len(rows) + 1))
        found = [row["similarity"] for row in rows]
        assert found == sorted(found, reverse=True)
        assert not {row["negative"] for row in rows} & set(ranking["right"])
        wrong = [each for each in ranking["candidates"] if each not in ranking["right"]]
        cosines = np.sort(bundle.vectors[wrong] @ bundle.vectors[ranking["query"]])[::-1]
        np.testing.assert_allclose(found, cosines[:20], atol=1e-6)
        assert rows[0]["negative"] == ranking["hardest"]
        for row in rows:
            assert row["above_positive"] == (row["similarity"] > ranking["similarity"])
            cosine = bundle.vectors[row["negative"]] @ bundle.vectors[ranking["query"]]
            assert row["similarity"] == pytest.approx(cosine, abs=1e-6)


def test_true_hardness_counts_the_asked_attributes_that_differ(bundle):
    seen = set()
    for row in bundle.negatives:
        ranking = bundle.rankings[row["ranking"]]
        truth = bundle.items[ranking["positive"]]["attributes"]
        other = bundle.items[row["negative"]]["attributes"]
        assert row["true_hardness"] == sum(truth[name] != other.get(name) for name in ranking["asks"])
        seen.add(row["true_hardness"])
    assert {1, 2} <= seen
    assert 0 not in seen  # the miniature has no false negatives in its pools


def test_true_hardness_is_null_where_the_truth_is_unknown(tmp_path):
    items = tuple(Item((Text(text),)) for text in "abc")
    task = RankingTask("own", "retrieval", True, (Ranking(items[0], items[1:], (0,)),))
    write(tmp_path / "b", [task], Embedded(items, np.eye(3, dtype=np.float32)))
    assert [row["true_hardness"] for row in read(tmp_path / "b").negatives] == [None]


def test_histograms_count_every_pair_once(bundle):
    for name in NAMES:
        rankings = [row for row in bundle.rankings if row["dataset"] == name]
        cosines = [
            np.sort([bundle.vectors[each] @ bundle.vectors[row["query"]]
                     for each in row["candidates"] if each not in row["right"]]) for row in rankings
        ]  # fmt: skip
        expected = {
            "positive": np.array([row["similarity"] for row in rankings]),
            "all": np.concatenate(cosines),
            "hard": np.concatenate([each[-5:] for each in cosines]),
            "easy": np.concatenate([each[:5] for each in cosines]),
        }
        for kind, values in expected.items():
            rows = [row for row in bundle.histograms if (row["dataset"], row["kind"]) == (name, kind)]
            assert [row["left"] for row in rows] == pytest.approx(np.arange(-100, 100) / 100)
            assert [row["right"] for row in rows] == pytest.approx(np.arange(-99, 101) / 100)
            assert sum(row["count"] for row in rows) == len(values)
            for row in rows:
                surely, perhaps = (((row["left"] + e < values) & (values < row["right"] - e)).sum()
                                   for e in (1e-6, -1e-6))  # fmt: skip
                assert surely <= row["count"] <= perhaps


def test_the_projection_is_the_plane_of_largest_variance(bundle):
    plane = np.array([[row["pca_x"], row["pca_y"]] for row in bundle.projection])
    centred = bundle.vectors - bundle.vectors.mean(axis=0)
    variances = np.sort(np.linalg.eigvalsh(centred.T.astype(np.float64) @ centred))[::-1]
    np.testing.assert_allclose(plane.T @ plane, np.diag(variances[:2]), rtol=1e-4, atol=1e-3)
    assert list(bundle.projection[0]) == ["pca_x", "pca_y"]
    share = variances[:2].sum() / variances.sum()
    assert bundle.manifest["projections"]["pca"]["share"] == pytest.approx(share, rel=1e-4)


def test_every_picture_has_a_thumbnail_that_shows_it(bundle, evaluated):
    _, embedded = evaluated
    webp = {row["thumbnail"]: row["webp"] for row in bundle.thumbnails}
    parts = {part.content_id: part for item in embedded.items for part in item.parts if not isinstance(part, Text)}
    named = {p["thumbnail"] for row in bundle.items for p in row["parts"] if p["type"] != "text"}
    assert set(webp) == set(parts) == named
    assert len(webp) == len(bundle.thumbnails)
    chosen = [part for part in parts.values() if isinstance(part, Image)][:10]
    chosen += [part for part in parts.values() if isinstance(part, Video)][:3]
    assert {type(part) for part in chosen} == {Image, Video}
    for part in chosen:
        found = PIL.Image.open(io.BytesIO(webp[part.content_id]))
        assert found.format == "WEBP"
        frames = [part.source] if isinstance(part, Image) else part.frames
        strip = np.concatenate([np.asarray(frame.open(), dtype=float) for frame in frames], axis=1)
        assert found.size == (96 * len(frames), 96)
        assert np.abs(np.asarray(found.convert("RGB"), dtype=float) - strip).mean() < 10


def test_large_and_wide_pictures_are_reduced_in_proportion(tmp_path):
    for name, size in {"tall": (300, 600), "wide": (4000, 10)}.items():
        PIL.Image.new("RGB", size, "red").save(tmp_path / f"{name}.png")
    items = tuple(Item((Image(FileImage(tmp_path / f"{name}.png")),)) for name in ("tall", "wide"))
    task = RankingTask("own", "retrieval", True, (Ranking(items[0], items[1:], (0,)),))
    write(tmp_path / "b", [task], Embedded(items, np.eye(2, dtype=np.float32)))
    sizes = [PIL.Image.open(io.BytesIO(row["webp"])).size for row in read(tmp_path / "b").thumbnails]
    assert sizes == [(48, 96), (192, 1)]


def test_one_query_in_a_pool_where_everything_is_right(tmp_path):
    query, answer = (Item((Text(text),)) for text in ("query", "answer"))
    task = RankingTask("easy", "vqa", True, (Ranking(query, (answer, answer), (0,)),))
    vectors = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    write(tmp_path / "b", [task], Embedded((query, answer), vectors))
    bundle = read(tmp_path / "b")
    (row,) = bundle.rankings
    assert (row["rank"], row["hit"], row["chance"]) == (1, 1, 1)
    assert row["hardest"] is row["hardest_similarity"] is row["margin"] is None
    assert bundle.negatives == bundle.thumbnails == []
    counts = {kind: sum(r["count"] for r in bundle.histograms if r["kind"] == kind) for kind in ("positive", "all")}
    assert counts == {"positive": 1, "all": 0}


def test_with_several_right_answers_the_best_is_the_positive_and_none_is_a_negative(tmp_path):
    items = tuple(Item((Text(text),)) for text in "qabcd")
    cosines = np.array([1, 0.2, 0.9, 0.7, 0.8])
    vectors = np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1).astype(np.float32)
    task = RankingTask("several", "vqa", True, (Ranking(items[0], items[1:], (0, 2)),))
    write(tmp_path / "b", [task], Embedded(items, vectors))
    bundle = read(tmp_path / "b")
    (row,) = bundle.rankings
    assert (row["positive"], row["hardest"], row["rank"], sorted(row["right"])) == (3, 2, 3, [1, 3])
    assert [each["negative"] for each in bundle.negatives] == [2, 4]
    assert sum(each["share"] for each in bundle.negatives) == pytest.approx(1)


def test_a_pool_is_stored_once_and_what_a_query_is_not_offered_beside_it(tmp_path):
    """Twelve queries rank the same six answers; one of them is an answer itself, and one leaves two out."""
    vectors = np.random.default_rng(0).normal(size=(12, 4))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    items = tuple(Item((Text(f"text {row}"),)) for row in range(12))
    pool = items[:6]
    rankings = tuple(
        Ranking(query, pool, (1 if row == 0 else row % 6,), left_out=(4, 5) if row == 8 else ())
        for row, query in enumerate(items)
        if row == 0 or row > 5
    )
    write(tmp_path / "b", [RankingTask("own", "retrieval", True, rankings)], Embedded(items, vectors))
    bundle = read(tmp_path / "b")
    assert [each["candidates"] for each in bundle.pools] == [[0, 1, 2, 3, 4, 5]]
    assert [row["left_out"] for row in bundle.rankings] == [[0], [], [], [4, 5], [], [], []]
    assert [row["size"] for row in bundle.rankings] == [5, 6, 6, 4, 6, 6, 6]
    for row in bundle.rankings:
        cosine = {each: float(vectors[each] @ vectors[row["query"]]) for each in row["candidates"]}
        own = cosine.pop(row["positive"])
        below = np.mean([(value < own) + (value == own) / 2 for value in cosine.values()])
        assert (row["similarity"], row["auroc"]) == (pytest.approx(own, abs=1e-6), pytest.approx(below))
        assert row["hardest"] == max(cosine, key=cosine.__getitem__)


def test_negatives_are_not_weighed_where_no_objective_is_known(tmp_path, evaluated):
    tasks, embedded = evaluated
    tables = RankedTables(embedded.items, None)
    placed = [tables.add(each) for each in ranked_in_turn(tasks, embedded)]
    write_bundle(tmp_path / "b", replace(DESCRIPTION, objective=None), embedded, tables, scores(placed))
    bundle = read(tmp_path / "b")
    assert bundle.manifest["objective"] is None
    assert {(row["weight"], row["probability"], row["share"]) for row in bundle.negatives} == {(None, None, None)}
    assert all(row["similarity"] is not None and row["true_hardness"] is not None for row in bundle.negatives)


def test_collapsed_vectors_and_a_single_item_make_a_bundle(tmp_path):
    item = Item((Text("alone"),))
    task = RankingTask("one", "vqa", True, (Ranking(item, (item,), (0,)),))
    write(tmp_path / "one", [task], Embedded((item,), np.ones((1, 1), dtype=np.float32)))
    assert [(row["pca_x"], row["pca_y"]) for row in read(tmp_path / "one").projection] == [(0, 0)]
    items = tuple(Item((Text(text),)) for text in "qab")
    task = RankingTask("same", "vqa", True, (Ranking(items[0], items[1:], (0,)),))
    write(tmp_path / "same", [task], Embedded(items, np.repeat(np.eye(1, 4, dtype=np.float32), 3, axis=0)))
    bundle = read(tmp_path / "same")
    assert bundle.rankings[0]["rank"] == 1.5
    assert {row["pca_x"] for row in bundle.projection} == {0}


def test_a_crash_in_the_middle_leaves_the_old_bundle_alone(tmp_path):
    """The picture is gone when the thumbnails, the last file, are made."""
    path = tmp_path / "picture.png"
    PIL.Image.new("RGB", (8, 8), "red").save(path)
    items = (Item((Text("red"),)), Item((Image(FileImage(path)),)))
    embedded = Embedded(items, np.eye(2, dtype=np.float32))
    tasks = [RankingTask("own", "retrieval", True, (Ranking(items[0], items[1:], (0,)),))]
    folder = tmp_path / "bundles" / "000001-own"
    write(folder, tasks, embedded)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    path.unlink()
    with pytest.raises(BadImage, match=r"picture\.png"):
        write(folder, tasks, embedded)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before
    assert [each.name for each in folder.parent.iterdir()] == ["000001-own"]

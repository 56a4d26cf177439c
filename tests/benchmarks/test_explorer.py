"""The explorer's benchmark: each size is as said, each view has a row, and what exceeds a limit says so."""

import json
import shutil
import time

import numpy as np
import pytest

from apps.views.choose import VIEWS
from benchmarks import explorer, explorer_make, explorer_view
from benchmarks.explorer import ExplorerBenchmarkSettings, Target, measure
from benchmarks.explorer_sizes import SIZES, Size, items, pools, right_answers, unit_vectors
from workbench.bundles.bundle import open_bundle

TINY = SIZES["tiny"]
IMPORTED = Size(2, 6, 5, None, 8, imported=True)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Settings for the smallest size, which is made already."""
    folder = tmp_path_factory.mktemp("explorer")
    row = {"size": "tiny", "view": "import", "runs": 1, "status": "done"}
    taken = explorer_make.make("bundle", TINY, folder / "tiny", 0.0)
    row |= {"seconds": taken["seconds"], "gb": taken["peak_gb"], "disk_gb": explorer.disk_gb(folder / "tiny")}
    (folder / "tiny" / "made.json").write_text(json.dumps(row))
    return lambda **limits: ExplorerBenchmarkSettings(
        folder, folder / "explorer.json", ["tiny"], threads=1, **{"runs": 1, **limits}
    )


def test_a_size_is_what_it_says():
    vectors = np.concatenate(list(unit_vectors(TINY, 0)))
    made = list(items(TINY, 0))
    assert vectors.shape == (len(made), TINY.dimensions) == (32, 16)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert len({each.content_id for each in made}) == 32
    assert sum(any(True for _ in each.images()) for each in made) == 10
    assert len(set(right_answers(TINY, 0))) == 12  # no target is right twice where there are enough
    for right, pool in zip(right_answers(TINY, 0), pools(TINY, 0), strict=True):
        assert pool[0] == right
        assert len(set(pool)) == 8
        assert set(pool) <= set(range(20))
    assert not np.allclose(vectors, np.concatenate(list(unit_vectors(TINY, 1))))


def test_some_queries_are_hard_and_some_are_not(settings):
    bundle = open_bundle(settings().folder / "tiny" / explorer_make.EVALUATED / "bundles" / "generated")
    assert len(bundle.rankings) == 24
    assert 0.1 < bundle.rankings["hit"].mean() < 0.95
    assert len(bundle.thumbnails) == 20


def test_an_imported_size_goes_through_the_import(tmp_path):
    explorer_make.make("files", IMPORTED, tmp_path, 0.0)
    taken = explorer_make.make("bundle", IMPORTED, tmp_path, 0.0)
    bundle = open_bundle(tmp_path / explorer_make.IMPORTED / "bundles" / "generated")
    assert bundle.imported == "imported"
    assert len(bundle.rankings) == 12
    assert len(bundle.items) == 22
    # The same right answers and pools as those that are made without files.
    hits = []
    for number in range(2):
        vectors = np.concatenate(list(unit_vectors(IMPORTED, number)))
        similarity = vectors[:6] @ vectors[6:].T
        hits += list(similarity.argmax(axis=1) == right_answers(IMPORTED, number))
    assert taken["precision_at_1"] == pytest.approx(np.mean(hits))


def test_candidates_of_their_own_are_imported_too(tmp_path):
    table = explorer_make.pairs_table(Size(1, 6, 9, 4, 8, imported=True), 0)
    assert [len(each) for each in table["candidates"].to_pylist()] == [4] * 6
    for row in table.to_pylist():
        assert row["positive"] in row["candidates"]


def test_every_view_has_a_row_and_an_exceeded_limit_is_told(settings):
    rows = measure(settings(seconds=0.05))
    assert [row["view"] for row in rows] == ["import", *VIEWS]
    assert [row["status"] for row in rows] == ["done", *["over 0.05 s"] * len(VIEWS)]
    assert json.loads(settings().output.read_text())["rows"] == rows
    assert "over 0.05 s" in explorer.table(rows, explorer.COLUMNS)
    (_, row) = measure(settings(views=["map"], memory_gb=0.02))
    assert row["status"] == "killed above 0.02 GB"
    assert "seconds" not in row


@pytest.mark.parametrize(("view", "move"), [("pair_weights", "slider"), ("map", "data set"), ("training", None)])
def test_a_view_is_opened_and_its_widget_moved(settings, monkeypatch, capsys, view, move):
    monkeypatch.setattr("sys.argv", ["given back after the test"])
    explorer_view.main(view, str(settings().folder / "tiny" / "runs"), str(time.monotonic()))
    opened, *moved = map(json.loads, capsys.readouterr().out.splitlines())
    assert opened["seconds"] > 0
    assert [each["move"] for each in moved] == [move] * (move is not None)


def test_a_page_that_says_what_is_wrong_is_not_taken_for_the_view(settings, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["given back after the test"])
    shutil.copytree(settings().folder / "tiny" / "runs", tmp_path / "runs")
    (tmp_path / "runs" / "trained" / "bundles" / "generated" / "scores.json").write_text("broken")
    with pytest.raises(SystemExit, match="error: the page shows an error: This evaluation cannot be shown"):
        explorer_view.main("overview", str(tmp_path / "runs"), "0")


@pytest.mark.slow
def test_a_fresh_process_opens_a_view(settings):
    (_, row) = measure(settings(views=["pair_weights"]))
    assert row["status"] == "done"
    assert row["move"] == "slider"
    assert 0 < row["move_s"] < row["seconds"]
    assert 0.1 < row["gb"] < 8


@pytest.mark.slow
def test_all_views_are_opened_more_than_once(settings, monkeypatch):
    monkeypatch.setattr(explorer, "OPENING", {"tiny": Target(1e-3, 8)})
    rows = measure(settings(runs=2))[1:]
    assert [(row["view"], row["status"], row["runs"]) for row in rows] == [(view, "done", 2) for view in VIEWS]
    assert [row["move"] for row in rows if row["view"] != "overview"].count(None) <= 1  # Training without records
    for row in rows:
        assert row["seconds"] == np.median([each["seconds"] for each in row["all_runs"]])
        assert row["meets"] == "FAIL"


def test_what_cannot_be_made_is_told_in_each_row(settings, tmp_path):
    chosen = settings(views=["map"], make_seconds=0.05)
    chosen.folder = tmp_path
    assert [row["status"] for row in measure(chosen)] == ["over 0.05 s", "not made"]


@pytest.mark.parametrize(
    ("row", "met"),
    [
        ({"status": "done", "seconds": 5.0, "gb": 1.0, "move": "slider", "move_s": 0.5}, True),
        ({"status": "done", "seconds": 5.1, "gb": 1.0, "move": None}, False),
        ({"status": "done", "seconds": 5.0, "gb": 1.1, "move": None}, False),
        ({"status": "done", "seconds": 5.0, "gb": 1.0, "move": "slider", "move_s": 0.6}, False),
        ({"status": "done", "seconds": 5.0, "gb": 1.0, "move": "data set", "move_s": 0.6}, True),
        ({"status": "killed above 8 GB", "gb": 8.1}, False),
    ],
)
def test_a_target_is_met_within_all_its_limits(row, met):
    assert Target(5, 1, slider_s=0.5).met_by(row) == met


def test_the_published_sizes_are_those_of_the_targets():
    mmeb, million = SIZES["mmeb"], SIZES["million"]
    assert (mmeb.datasets, mmeb.queries, mmeb.candidates, mmeb.dimensions) == (36, 1000, 1000, 896)
    assert million.rows == 1_000_000
    assert {*explorer.OPENING, *explorer.MAKING} <= set(SIZES)


def test_an_unknown_view_is_refused():
    with pytest.raises(ValueError, match="views names 'maps', which is none of overview"):
        ExplorerBenchmarkSettings(views=["maps"])

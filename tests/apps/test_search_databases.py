"""The search app over LanceDB and Qdrant: the same answers as over the bundle in memory, and clear errors."""

import socket

import pytest
from embedded_runs import make_run

from apps.live_search.answers import ANY, AUTOMATIC, POOL, Answers
from apps.search import arguments, catalogue, main
from core.encoder.tiny.llava_onevision import tiny_embedder
from workbench.exchange.export import ExportSettings, export
from workbench.live_search.sources import EVERY_ITEM, EVERYTHING

BUNDLE = "run / 000007-miniature"


@pytest.fixture(scope="module")
def root(tiny, tmp_path_factory):
    """A run with a bundle, and the bundle in both databases."""
    folder = tmp_path_factory.mktemp("databases")
    bundle = make_run(folder / "runs" / "run", tiny, ("edit", "cards"))
    export(ExportSettings(bundle, "lancedb", str(folder / "lance"), name="items"))
    export(ExportSettings(bundle, "qdrant", str(folder / "qdrant"), name="items"), progress=False)
    return folder


@pytest.fixture(scope="module", params=["lancedb", "qdrant"])
def answers(request, root):
    """The page's answers with a database open beside the bundles."""
    place = str(root / ("lance" if request.param == "lancedb" else "qdrant"))
    given = ["--root", str(root / "runs"), f"--{request.param}", place, "--table", "items"]
    return Answers(catalogue(arguments([*given, "--checkpoint", str(root / "runs" / "run")])))


def test_a_database_answers_as_the_bundle_in_memory(answers):
    name = answers.catalogue.names()[0]
    assert name in ("items (LanceDB)", "items (Qdrant)")
    for text, kind in [("a large red circle", ANY), ("two blue squares", "image")]:
        html, table = answers.search_query(name, text, None, AUTOMATIC, EVERY_ITEM, kind, 8)
        expected = answers.search_query(BUNDLE, text, None, AUTOMATIC, EVERYTHING, kind, 8)[1]["data"]
        found = table["data"]
        assert [row[:3] for row in found] == [row[:3] for row in expected]
        assert sorted(row[5] for row in found) == sorted(row[5] for row in expected)
        assert html.count("data:image/webp") > 0


def test_the_page_offers_what_a_database_has(answers):
    name = answers.catalogue.names()[0]
    head, scope, _, kind, dataset, _, example, *_ = answers.choose(name)
    assert "items, searched exactly" in head or "Qdrant collection" in head
    assert scope["choices"] == [EVERY_ITEM]
    assert {"image", "text"} <= set(kind["choices"])
    assert dataset["choices"] == []
    assert "no queries of its own" in example
    with pytest.raises(Exception, match="no queries of its own"):
        answers.search_example(name, "edit", 1, POOL, ANY, 5)
    with pytest.raises(Exception, match="not offered here"):
        answers.search_query(name, "words", None, AUTOMATIC, EVERYTHING, ANY, 5)


def test_a_checkpoint_of_another_length_is_refused(root, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    tiny_embedder(width=64, layers=1, vision_layers=1).save(tmp_path)
    given = ["--lancedb", str(root / "lance"), "--table", "items", "--checkpoint", str(tmp_path), "--check"]
    assert main(given) == 1
    assert "makes vectors of 64 numbers, but LanceDB table 'items'" in capsys.readouterr().err


def test_a_server_that_is_down_ends_the_start_with_its_name(root, capsys, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    assert main(["--qdrant", url, "--table", "items", "--checkpoint", str(root / "runs" / "run"), "--check"]) == 1
    assert "Is the server up" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--lancedb", "--qdrant"])
def test_a_database_needs_a_table_and_a_checkpoint(option):
    with pytest.raises(ValueError, match=f"{option} needs --table"):
        catalogue(arguments([option, "somewhere", "--table", "items"]))

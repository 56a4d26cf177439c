"""Exporting from the command's settings: bundles and embedded folders, each refused clearly where it cannot be used."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
import warm_processes
from safetensors.numpy import load_file, save_file

from core.corpus.image_folder import EmbedSettings, embed_to_files
from workbench.exchange.corpus import open_corpus
from workbench.exchange.export import ExportSettings, export
from workbench.exchange.lance import LanceTable
from workbench.exchange.stored import search_database

ROOT = Path(__file__).parents[3]


@pytest.fixture
def embedded(tiny, tmp_path):
    """The vectors of two pictures, and one that is a copy of the other."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, colour in [("red.png", "red"), ("blue.png", "blue"), ("copy.png", "red")]:
        PIL.Image.new("RGB", (9, 9), colour).save(pictures / name)
    tiny.save(tmp_path / "run" / "checkpoints" / "000001")
    embed_to_files(EmbedSettings(tmp_path / "run", pictures, tmp_path / "vectors"), progress=False)
    return tmp_path / "vectors"


def test_an_embedded_folder_goes_into_lancedb(embedded, tmp_path):
    said = export(ExportSettings(embedded, "lancedb", str(tmp_path / "base"), name="pictures"))
    assert "3 items are written" in said
    assert f"--lancedb {tmp_path / 'base'} --table pictures" in said
    table = LanceTable(tmp_path / "base", "pictures")
    vectors = load_file(embedded / "embeddings.safetensors")["items"]
    names = pq.read_table(embedded / "items.parquet")["file"].to_pylist()
    blue = names.index("blue.png")
    (hit,) = search_database(table, vectors[blue], 1)
    assert hit.text == "blue.png"
    assert [part.kind for part in hit.parts] == ["image", "text"]
    red = search_database(table, vectors[names.index("red.png")], 3)
    assert [(hit.text, hit.tied) for hit in red[:2]] == [("copy.png", 2), ("red.png", 2)] or {
        hit.text for hit in red[:2]
    } == {"copy.png", "red.png"}


def test_pictures_that_are_gone_are_exported_without_a_preview(embedded, tmp_path):
    (tmp_path / "pictures" / "blue.png").unlink()
    corpus = open_corpus(embedded)
    gone = [
        part for row in range(3) for part in corpus.index.parts(row) if part.kind == "image" and part.picture is None
    ]
    assert len(gone) == 1


def test_a_bundle_goes_to_every_tool(written_run, tmp_path):
    bundle = written_run / "bundles" / "000010-miniature"
    said = export(ExportSettings(bundle, "atlas", str(tmp_path / "items.parquet")))
    assert f"uvx embedding-atlas {tmp_path / 'items.parquet'} --x x --y y --neighbors neighbors" in said
    said = export(ExportSettings(bundle, "qdrant", str(tmp_path / "q")), progress=False)
    assert "000010-miniature in" in said
    assert "--qdrant" in said
    with pytest.raises(ValueError, match="exists already"):
        export(ExportSettings(bundle, "qdrant", str(tmp_path / "q")), progress=False)


def spoil_vectors(folder):
    vectors = load_file(folder / "embeddings.safetensors")["items"]
    vectors[1] = np.nan
    save_file({"items": vectors}, folder / "embeddings.safetensors")


def spoil_names(folder):
    table = pq.read_table(folder / "items.parquet").to_pydict()
    table["file"][2] = "../secret.png"
    pq.write_table(pq.read_table(folder / "items.parquet").from_pydict(table), folder / "items.parquet")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_vectors, "the vector of row 2 is not finite or not of norm 1"),
        (spoil_names, r"items\.parquet row 3: the picture's path '\.\./secret\.png'"),
        (lambda folder: (folder / "items.parquet").unlink(), "no readable output of core/embed.py"),
        (lambda folder: (folder / "manifest.json").write_text(json.dumps([1])), "no readable output of core/embed.py"),
        (lambda folder: (folder / "manifest.json").unlink(), "neither a bundle nor an output"),
    ],
)
def test_a_folder_that_cannot_be_used(embedded, tmp_path, spoil, message):
    spoil(embedded)
    with pytest.raises(ValueError, match=message):
        export(ExportSettings(embedded, "lancedb", str(tmp_path / "base")))
    assert not (tmp_path / "base").exists()


@pytest.mark.slow
def test_the_command(written_run, tmp_path):
    command = [sys.executable, "workbench/export_bundle.py", "--to", "atlas", "--output", str(tmp_path / "a.parquet")]
    bundle = written_run / "bundles" / "000010-miniature"
    done = subprocess.run([*command, "--bundle", str(bundle)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "uvx embedding-atlas" in done.stdout
    done = warm_processes.run([*command[1:], "--bundle", tmp_path], folder=ROOT)
    assert (done.returncode, done.stderr[:7]) == (1, "error: ")

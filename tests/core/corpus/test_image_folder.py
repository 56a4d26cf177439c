"""core/embed.py: a folder of pictures to vectors, on real files."""

import json
import sys

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from core import embed
from core.corpus.image_folder import EmbedSettings, embed_folder, embed_to_files
from core.data.images.image_files import FileImage
from core.data.records import Image, Item

COLOURS = {"b.png": "blue", "a.jpg": "red", "below/c.webp": "green"}


@pytest.fixture
def pictures(tmp_path):
    """Three pictures, one of them in a folder below."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    for name, colour in COLOURS.items():
        PIL.Image.new("RGB", (20, 10), colour).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    tiny.save(folder)
    return folder


def alone(tiny, path):
    """The vector of one picture embedded by itself."""
    return tiny.embed([Item((Image(FileImage(path)),))])[0].numpy()


def test_every_picture_below_the_folder_is_embedded_under_its_own_name(tiny, checkpoint, pictures, tmp_path):
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".hidden.png").write_text("no picture")
    out = tmp_path / "out"
    embed_to_files(EmbedSettings(checkpoint, pictures, out, batch=2), progress=False)
    rows = pq.read_table(out / "items.parquet").to_pylist()
    vectors = load_file(out / "embeddings.safetensors")["items"]
    assert [row["file"] for row in rows] == ["a.jpg", "b.png", "below/c.webp"]
    assert vectors.dtype == np.float32
    for row, vector in zip(rows, vectors, strict=True):
        np.testing.assert_allclose(vector, alone(tiny, pictures / row["file"]), atol=1e-5)
        assert row["item"] == Item((Image(FileImage(pictures / row["file"])),)).content_id
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["pictures"], manifest["skipped"], manifest["dimensions"]) == (3, 0, 32)
    assert manifest["ignored"] == {"hidden, or an operating system's own": 1, "no picture (.txt)": 1}
    assert not (out / "skipped.jsonl").exists()


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_metadata_chooses_the_pictures_and_gives_the_captions(tiny, pictures, name):
    lines = {
        "metadata.jsonl": '{"file_name": "below/c.webp", "words": " a green one "}\n{"file_name": "b.png"}\n',
        "metadata.csv": 'file_name,words\nbelow/c.webp," a green one "\nb.png,\n',
    }
    (pictures / name).write_text(lines[name])
    (pictures / "icon.svg").write_text("<svg/>")
    done = embed_folder(tiny, pictures, "words", progress=False)
    assert (done.problems, done.ignored) == ((), {f"not named by {name}": 2})
    assert [(each.file, each.text) for each in done.pictures] == [("below/c.webp", "a green one"), ("b.png", "")]
    np.testing.assert_allclose(done.vectors[1], alone(tiny, pictures / "b.png"), atol=1e-5)


def test_a_bad_picture_stops_with_its_file(tiny, pictures):
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(
        ValueError, match=r"1 of 4 rows cannot be used:\n  \S*broken\.png: not a[\s\S]*--on_bad_item skip"
    ):
        embed_folder(tiny, pictures, progress=False)


def test_bad_rows_are_skipped_counted_and_listed(tiny, checkpoint, pictures, tmp_path):
    (pictures / "broken.png").write_bytes(b"nothing")
    names = ["a.jpg", "broken.png", "../out.png", "", "missing.png", "b.png"]
    (pictures / "metadata.jsonl").write_text("".join(json.dumps({"file_name": name}) + "\n" for name in names))
    out = tmp_path / "out"
    done = embed_to_files(EmbedSettings(checkpoint, pictures, out, on_bad_item="skip"), progress=False)
    assert [each.file for each in done.pictures] == ["a.jpg", "b.png"]
    np.testing.assert_allclose(done.vectors[1], alone(tiny, pictures / "b.png"), atol=1e-5)
    listed = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
    assert sorted(each["where"].rsplit(" row ", 1)[1] for each in listed) == ["2", "3", "4", "5"]
    with pytest.raises(ValueError, match="4 of 6 rows"):
        embed_folder(tiny, pictures, progress=False)


def test_what_is_no_picture_here_is_counted_and_listed_without_a_stop(tiny, checkpoint, pictures, tmp_path):
    """A drawing, a HEIC, a linked folder: left out by name; JPEG under its other names, TIFF and AVIF are embedded."""
    for name, form in (("photo.jfif", "JPEG"), ("photo.jpe", "JPEG"), ("scan.tif", "TIFF"), ("new.avif", "AVIF")):
        PIL.Image.new("RGB", (20, 10), "blue").save(pictures / name, form)
    (pictures / "icon.svg").write_text("<svg/>")
    (tmp_path / "elsewhere").mkdir()
    (pictures / "album").symlink_to(tmp_path / "elsewhere")
    out = tmp_path / "out"
    done = embed_to_files(EmbedSettings(checkpoint, pictures, out), progress=False)
    assert [each.file for each in done.pictures] == sorted(
        [*COLOURS, "photo.jfif", "photo.jpe", "scan.tif", "new.avif"]
    )
    listed = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
    assert [each["where"].rsplit("/", 1)[1] for each in listed] == ["album", "icon.svg"]
    assert json.loads((out / "manifest.json").read_text())["skipped"] == 2


def test_drawings_in_transparency_alone_have_vectors_of_their_own(tiny, tmp_path):
    for name, box in (("a.png", (0, 0, 20, 40)), ("b.png", (20, 0, 40, 40))):
        picture = PIL.Image.new("RGBA", (40, 40))
        picture.paste((0, 0, 0, 255), box)
        picture.save(tmp_path / name)
    vectors = embed_folder(tiny, tmp_path, progress=False).vectors
    assert vectors[0] @ vectors[1] < 0.999


def test_nothing_left_is_an_error_even_when_skipping(tiny, tmp_path):
    (tmp_path / "only.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"none of its 1 pictures can be used.*only\.png"):
        embed_folder(tiny, tmp_path, on_bad_item="skip", progress=False)


@pytest.mark.parametrize(("path", "message"), [("missing", "no such folder"), (".", "holds no pictures")])
def test_a_folder_without_pictures_is_named(tiny, tmp_path, path, message):
    with pytest.raises(ValueError, match=message):
        embed_folder(tiny, tmp_path / path, progress=False)


def test_an_older_result_is_replaced_but_other_files_are_not(checkpoint, pictures, tmp_path):
    out = tmp_path / "out"
    settings = EmbedSettings(checkpoint, pictures, out)
    embed_to_files(settings, progress=False)
    (pictures / "b.png").unlink()
    embed_to_files(settings, progress=False)
    assert pq.read_table(out / "items.parquet").num_rows == 2
    with pytest.raises(ValueError, match="holds other files"):
        embed_to_files(EmbedSettings(checkpoint, pictures, pictures), progress=False)
    assert (pictures / "a.jpg").is_file()


def test_the_command(checkpoint, pictures, tmp_path, monkeypatch, capsys):
    (pictures / "broken.png").write_bytes(b"nothing")
    command = ["embed.py", "--checkpoint", str(checkpoint), "--folder", str(pictures), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", command)
    assert embed.main() == 1
    assert "broken.png" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(sys, "argv", [*command, "--on_bad_item", "skip"])
    assert embed.main() == 0
    printed = capsys.readouterr()
    assert "3 pictures embedded, 1 skipped" in printed.out
    assert "broken.png" in printed.err
    monkeypatch.setattr(sys, "argv", [*command, "--batch", "0"])
    with pytest.raises(SystemExit) as ended:
        embed.main()
    assert ended.value.code == 2
    assert "batch = 0 is outside [1, 65536]" in capsys.readouterr().err

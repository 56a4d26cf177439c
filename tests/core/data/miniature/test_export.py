"""The miniature written as MMEB files and read back."""

import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.data.checks.pairs import check_pairs
from core.data.images.image_files import FileImage
from core.data.miniature import export as export_module
from core.data.miniature.benchmark import MiniaturePairs, training_sets
from core.data.miniature.export import export, main
from core.data.mmeb.rows import COLUMNS
from core.data.mmeb.training import MmebPairs, read_mmeb
from core.data.records import Image, Item, Text

PAIRS = 12


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported miniature."""
    out = tmp_path_factory.mktemp("export") / "deep" / "miniature"
    export(out, pairs_per_dataset=PAIRS, seed=4)
    return out


def read_back(root: Path) -> list[tuple[MiniaturePairs, MmebPairs]]:
    """Each generated data set beside the one read from files."""
    files = {dataset.name: dataset for dataset in read_mmeb(root)}
    return [(dataset, files[dataset.name]) for dataset in training_sets(seed=4)]


def shown(item: Item) -> list[object]:
    """Words and pixels of an item in reading order."""
    parts: list[object] = []
    for part in item.parts:
        if isinstance(part, Text):
            parts.append(part.text)
        else:
            assert isinstance(part, Image)
            picture = part.source.open()
            parts.append((picture.size, picture.tobytes()))
    return parts


def test_what_is_read_back_equals_what_was_drawn(written: Path) -> None:
    for drawn, read in read_back(written):
        assert (read.name, read.meta_task, len(read)) == (drawn.name, drawn.meta_task, PAIRS)
        for index in range(PAIRS):
            one, other = drawn[index], read[index]
            assert [shown(item) for item in one.items()] == [shown(item) for item in other.items()]
            assert (one.dataset, one.meta_task) == (other.dataset, other.meta_task)
            assert other.origin.endswith(f"original-00000-of-00001.parquet row {index + 1}")
        assert check_pairs(read, progress=False) == []


def test_the_tables_have_mmeb_trains_columns_and_nothing_else(written: Path) -> None:
    names = set()
    for dataset in training_sets():
        columns = tuple(pq.read_schema(written / dataset.name / "original-00000-of-00001.parquet").names)
        assert columns[:4] == COLUMNS
        assert columns[4:] in ((), ("neg_text", "neg_image_path"))
        names |= {dataset.name} if columns[4:] else set()
    assert names == {"caption-to-image", "image-to-caption", "look-alike", "edit", "grounding"}
    table = pq.read_table(written / "image-to-caption" / "original-00000-of-00001.parquet").to_pylist()
    assert table[0]["qry"].startswith("<|image_1|>\n")
    assert table[0]["neg_text"].startswith("['")


def test_a_picture_is_written_once(written: Path) -> None:
    pictures = list((written / "images").rglob("*.png"))
    assert len({path.name for path in pictures}) == len(pictures)
    used = {
        source.path
        for _, read in read_back(written)
        for index in range(PAIRS)
        for item in read[index].items()
        for source in item.images()
        if isinstance(source, FileImage)
    }
    assert used == set(pictures)


def test_the_same_seed_writes_the_same_files(written: Path, tmp_path: Path) -> None:
    export(tmp_path / "again", pairs_per_dataset=PAIRS, seed=4)
    files = {path.relative_to(written): path.read_bytes() for path in written.rglob("*") if path.is_file()}
    again = {path.relative_to(tmp_path / "again"): path for path in (tmp_path / "again").rglob("*") if path.is_file()}
    assert files.keys() == again.keys()
    assert all(files[name] == path.read_bytes() for name, path in again.items())


def test_an_existing_folder_is_never_written_into(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    (tmp_path / "file").write_text("keep")
    for name in ("full", "file"):
        with pytest.raises(ValueError, match="there already and not empty"):
            export(tmp_path / name, pairs_per_dataset=1)
    with pytest.raises(ValueError, match=r"pairs_per_dataset = 0 is outside 1\.\."):
        export(tmp_path / "new", pairs_per_dataset=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]
    (tmp_path / "empty").mkdir()
    export(tmp_path / "empty", pairs_per_dataset=1)
    assert (tmp_path / "empty" / "meta_tasks.json").exists()


def test_a_broken_off_export_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = export_module.write_dataset

    def fail_late(root: Path, dataset: MiniaturePairs, *arguments: Any) -> None:
        if dataset.name == "edit":
            raise KeyboardInterrupt
        write(root, dataset, *arguments)

    monkeypatch.setattr(export_module, "write_dataset", fail_late)
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path / "out", pairs_per_dataset=1)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_and_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["export", "--out", str(tmp_path / "out"), "--pairs_per_dataset", "1"])
    main()
    assert len(read_mmeb(tmp_path / "out")) == len(training_sets())
    with pytest.raises(SystemExit, match=r"error: out = .* is there already"):
        main()

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.mixture import META_TASKS, read_rows, without_repeats, write_mixture
from core.data.mmeb.training import read_mmeb
from core.data.records import Image


@pytest.fixture(scope="module")
def mixture(tmp_path_factory) -> Path:
    return write_mixture(tmp_path_factory.mktemp("mixture") / "files", 64)


def test_the_project_reads_the_files(mixture):
    datasets = read_mmeb(mixture)
    assert {each.name: each.meta_task for each in datasets} == META_TASKS
    for dataset in datasets:
        for index in range(len(dataset)):
            for item in dataset[index].items():
                for picture in item.images():
                    picture.open()


def test_both_sides_see_the_same_rows(mixture):
    rows = read_rows(mixture)
    for dataset in read_mmeb(mixture):
        row, pair = rows[dataset.name][5], dataset[5]
        assert pair.query.text == row["qry"].replace("<|image_1|>", "[image]")
        assert pair.positive.text == row["pos_text"].replace("<|image_1|>", "[image]")


def test_half_of_the_text_sides_are_short(mixture):
    texts = [
        item.text
        for dataset in read_mmeb(mixture)
        for index in range(len(dataset))
        for item in dataset[index].items()
        if not any(isinstance(part, Image) for part in item.parts)
    ]
    short = sum(len(text.split()) <= 2 for text in texts)
    assert short == len(texts) / 2


def test_class_names_repeat_and_pictures_do_not(mixture):
    names = Counter(row["pos_text"] for row in read_rows(mixture)["classification"])
    assert len(names) < 64
    pictures = [
        source.content_id
        for dataset in read_mmeb(mixture)
        for index in range(len(dataset))
        for item in dataset[index].items()
        for source in item.images()
    ]
    assert len(set(pictures)) == len(pictures)


def test_pictures_come_in_several_sizes(mixture):
    first = read_mmeb(mixture, ["classification"])[0]
    assert len({next(iter(first[index].query.images())).open().size for index in range(32)}) >= 4


def test_the_same_seed_writes_the_same(mixture, tmp_path):
    again = write_mixture(tmp_path / "again", 64)
    assert read_rows(again) == read_rows(mixture)
    name = "images/composed/00003.jpg"
    assert (again / name).read_bytes() == (mixture / name).read_bytes()


def test_it_is_written_once_and_never_mistaken(mixture):
    before = (mixture / "mixture.json").stat().st_mtime_ns
    write_mixture(mixture, 64)
    assert (mixture / "mixture.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="name another folder"):
        write_mixture(mixture, 65)


def test_pairs_without_repeats(mixture):
    dataset = read_mmeb(mixture, ["classification"])[0]
    pairs = [dataset[index] for index in range(len(dataset))]
    chosen = without_repeats(pairs, 20)
    assert len({pairs[index].positive.content_id for index in chosen}) == 20
    with pytest.raises(ValueError, match="64 are needed"):
        without_repeats(pairs, 64)

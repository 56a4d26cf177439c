"""The table of MMEB's data sets against what its paper prints."""

from collections import Counter

import pytest

from core.data.mmeb.datasets import ALL_META_TASKS, DATASETS, known
from core.data.mmeb.training import META_TASKS


def test_there_are_36_by_meta_task_and_20_of_them_are_trained() -> None:
    assert len({each.name for each in DATASETS}) == len(DATASETS) == 36
    counts = Counter(each.meta_task for each in DATASETS)
    assert counts == {"classification": 10, "vqa": 10, "retrieval": 12, "grounding": 4}
    assert set(counts) < set(ALL_META_TASKS)
    trained = Counter(each.meta_task for each in DATASETS if each.in_distribution)
    assert trained == {"classification": 5, "vqa": 6, "retrieval": 8, "grounding": 1}


def test_caps_of_50000_make_the_papers_662_thousand_pairs() -> None:
    sizes = [each.train_size for each in DATASETS if each.train_size is not None]
    assert sum(min(size, 50_000) for size in sizes) == 662_000
    assert all((each.train_size is None) == (each.train_name is None) for each in DATASETS)


def test_candidates_are_all_classes_or_a_thousand() -> None:
    classes = {each.name: each.candidates for each in DATASETS if each.meta_task == "classification"}
    assert classes == {
        "ImageNet-1K": 1000, "N24News": 24, "HatefulMemes": 2, "VOC2007": 20, "SUN397": 397,
        "Place365": 365, "ImageNet-A": 1000, "ImageNet-R": 200, "ObjectNet": 313, "Country211": 211,
    }  # fmt: skip
    assert {each.candidates for each in DATASETS if each.meta_task != "classification"} == {1000}


def test_names_in_training_differ_for_one_alone() -> None:
    assert {each.name: each.train_name for each in DATASETS if each.train_name not in (None, each.name)} == {
        "ImageNet-1K": "ImageNet_1K"
    }
    assert len(META_TASKS) == 20
    assert (META_TASKS["MSCOCO"], META_TASKS["MSCOCO_t2i"]) == ("grounding", "retrieval")


def test_an_unknown_name_lists_the_known_ones() -> None:
    assert known("OK-VQA").meta_task == "vqa"
    with pytest.raises(ValueError, match=r"'ImageNet_1K' is not a data set of MMEB; there are ImageNet-1K, N24News"):
        known("ImageNet_1K")

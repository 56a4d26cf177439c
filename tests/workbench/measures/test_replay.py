"""Courses by hand, the truth from the pairs themselves, and the trainer's own records."""

import numpy as np
import pandas as pd
import pytest
from small_records import PLACES, record_rows
from small_training import small_settings

from core.config.settings import RecordSettings
from core.data.miniature.benchmark import training_sets
from core.data.records import true_hardness
from core.training.trainer import Trainer
from workbench.measures.replay import known_hardness, replay
from workbench.runs.pair_records import read_recorded


def test_courses_by_hand():
    rows = pd.concat([record_rows(step, "edit") for step in (10, 20)], ignore_index=True)
    hardness = np.tile([1.0, 1.0, 5.0], 8)
    found = replay(rows, hardness)
    near, far = found.courses
    assert found.by_truth
    assert (near.name, far.name) == ("differs in 1 attribute", "differs in 4 or more")
    assert near.steps == found.steps == [10, 20]
    np.testing.assert_allclose(near.similarity, 0.75)
    np.testing.assert_allclose(far.similarity, 0.6)
    np.testing.assert_allclose(near.weight, [11.5, 21.5])
    np.testing.assert_allclose(near.share, 0.4 + 0.2)
    np.testing.assert_allclose(far.share, 0.4 / 3)
    assert near.count == [8, 8]
    np.testing.assert_allclose(found.positive, [0.51, 0.52])
    assert (found.queries, found.datasets, found.datasets_a_step, found.mixed) == (8, 1, 1.0, False)


def test_a_group_without_negatives_at_a_step_has_no_point_there():
    rows = pd.concat([record_rows(step, "edit") for step in (10, 20)], ignore_index=True)
    hardness = np.array([1.0] * 12 + [2.0] * 12)
    first, second = replay(rows, hardness).courses
    assert (first.steps, second.steps) == ([10], [20])


def test_without_truth_groups_are_places():
    rows = record_rows(10, "edit")
    found = replay(rows, np.full(len(rows), np.nan))
    assert not found.by_truth
    assert [each.name for each in found.courses] == ["the heaviest", "places 2 to 5"]
    np.testing.assert_allclose(found.courses[0].share, [0.4])
    assert sum(sum(each.count) for each in found.courses) == 4 * PLACES


def test_steps_of_different_data_sets_are_mixed():
    rows = pd.concat([record_rows(10, "edit"), record_rows(20, "colour")], ignore_index=True)
    found = replay(rows, known_hardness(rows, 0))
    assert found.mixed
    assert (found.datasets, found.datasets_a_step) == (2, 1.0)


def test_nothing_recorded():
    found = replay(record_rows(10, "edit").iloc[:0], np.zeros(0))
    assert (len(found.courses), found.queries, found.steps) == (0, 0, [])


@pytest.mark.parametrize("dataset", ["edit", "colour", "grounding"])
def test_the_truth_is_that_of_the_pairs(dataset):
    rows = record_rows(10, dataset)
    pairs = next(each for each in training_sets(0) if each.name == dataset)
    expected = [
        true_hardness(pairs[query].asks, pairs[query].positive, pairs[(query + place) % 4].positive)
        for query in range(4)
        for place in range(1, PLACES + 1)
    ]
    np.testing.assert_array_equal(known_hardness(rows, 0), expected)


def test_another_seed_or_origin_is_not_known():
    rows = record_rows(10, "edit")
    assert np.isnan(known_hardness(rows, 1)).all()
    for origin in ("mmeb CIRR[3]", "miniature nothing[3]", "miniature edit[99999999]", "miniature edit[-1]", ""):
        assert np.isnan(known_hardness(rows.assign(origin=origin), 0)).all()


def test_what_the_trainer_records_is_known(tmp_path):
    Trainer(small_settings(tmp_path, record=RecordSettings(every=3))).run()
    recorded = read_recorded(tmp_path)
    assert (recorded.steps, recorded.problems) == (2, ())
    hardness = known_hardness(recorded.rows, 0)
    assert not np.isnan(hardness).any()
    found = replay(recorded.rows, hardness)
    assert found.steps == [3, 6]
    for step in range(2):
        shares = [
            each.share[each.steps.index(found.steps[step])] for each in found.courses if found.steps[step] in each.steps
        ]
        assert 0.9 < sum(shares) <= 1 + 1e-6

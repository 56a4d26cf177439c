"""Planted false negatives: truly right by attributes, unknown by id, and in the place of a wrong candidate."""

import random

import pytest

from core.data.miniature.benchmark import SOURCES, ranking_task
from core.data.records import Item, Text, true_hardness
from workbench.lessons.twins import planted, scene_of, twin, twin_pairs

TASK = ranking_task(next(each for each in SOURCES if each.name == "look-alike"), 0, 10)


def test_a_twin_is_another_picture_of_the_same_scene():
    own = TASK.rankings[0].candidates[0]
    other = twin(own, random.Random(0))
    assert other.content_id != own.content_id
    assert other.attributes == own.attributes
    assert scene_of(other).shapes == scene_of(own).shapes
    assert scene_of(other).background == scene_of(own).background
    assert next(other.images()).open().tobytes() != next(own.images()).open().tobytes()


def test_a_share_of_the_rankings_gets_one_false_negative_each():
    rankings, rows = planted(TASK, 0.3, seed=1)
    assert len(rows) == 3
    for row, (new, old) in enumerate(zip(rankings, TASK.rankings, strict=True)):
        own = new.candidates[new.right[0]]
        found = [at for at, each in enumerate(new.candidates) if true_hardness(new.asks, own, each) == 0]
        assert len(found) == (2 if row in rows else 1)
        assert len(new.candidates) == len(old.candidates)
        assert new.right == old.right
        changed = [at for at in range(len(new.candidates)) if new.candidates[at] != old.candidates[at]]
        assert changed == [at for at in found if at not in new.right]


def test_planting_depends_on_the_seed_alone():
    assert planted(TASK, 0.5, seed=2) == planted(TASK, 0.5, seed=2)
    assert planted(TASK, 0.5, seed=2)[1] != planted(TASK, 0.5, seed=3)[1]
    assert planted(TASK, 0.0) == (list(TASK.rankings), [])


def test_pairs_and_their_twins_are_right_for_each_other_and_share_no_id():
    pairs, twins = twin_pairs("look-alike", 5)
    for own, other in zip(pairs, twins, strict=True):
        assert true_hardness(own.asks, own.positive, other.positive) == 0
        assert {each.content_id for each in own.items()[:2]}.isdisjoint(each.content_id for each in other.items()[:2])


def test_items_without_a_scene_are_refused():
    with pytest.raises(ValueError, match="shows no whole scene"):
        scene_of(Item((Text("a red circle"),)))

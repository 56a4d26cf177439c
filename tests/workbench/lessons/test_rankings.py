"""Rankings as lessons see them: the evaluator's own, and the right answer always on show."""

import pytest

from core.data.miniature.benchmark import SOURCES, ranking_task
from core.encoder.embedder import Embedder
from core.evaluation.embedded import distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import rank_all
from workbench.lessons import classroom
from workbench.lessons.rankings import Evaluated, best_candidates, card, evaluated


@pytest.fixture(scope="module")
def found() -> Evaluated:
    return evaluated("infonce", "colour-of", 12, 0)


def test_it_is_what_the_evaluator_says(found):
    source = next(each for each in SOURCES if each.name == "colour-of")
    task = ranking_task(source, 0, 12)
    model = Embedder.load(classroom.MODELS / "infonce")
    expected = rank_all([task], embed_distinct(model, distinct_items([task]), progress=False))
    assert [each.placement.hit(1) for each in found.ranked] == [each.placement.hit(1) for each in expected]
    assert found.similarities.shape == found.right.shape == (12, len(task.rankings[0].candidates))
    assert (found.right.sum(dim=1) == 1).all()
    assert found.failures == [row for row, each in enumerate(expected) if each.placement.hit(1) < 1]


def test_best_candidates_are_in_order_and_hold_the_right_one(found):
    for query in range(12):
        shown = best_candidates(found, query, shown=3)
        assert len(shown) == 3
        assert sum(each.right for each in shown) == 1
        values = [each.similarity for each in shown]
        assert values == sorted(values, reverse=True)
        own = next(each for each in shown if each.right)
        assert own.place == int((found.similarities[query] > own.similarity).sum()) + 1


def test_cards_hold_pictures_and_words(found):
    query = found.ranked[0].ranking.query
    drawn = card(query)
    assert len(drawn.pictures) == 1
    assert drawn.words.startswith("what colour is the")
    assert card(found.ranked[0].ranking.candidates[0]).pictures == ()

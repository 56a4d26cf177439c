"""Validation draws other queries than evaluation and training, and says what core/eval.py would say of them."""

from core.config.settings import TrainSettings, ValidateSettings
from core.data.miniature.benchmark import ranking_tasks
from core.encoder.embedder import Embedder
from core.evaluation.embedded import distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import rank_all, scores
from core.training.validation import SEED, due, score_of, validate, validation_tasks


def test_it_is_due_every_so_many_steps_and_at_the_end() -> None:
    settings = TrainSettings(steps=10, validate=ValidateSettings(every=4))
    assert [step for step in range(1, 11) if due(settings, step)] == [4, 8, 10]
    assert not any(due(TrainSettings(steps=10), step) for step in range(1, 11))


def test_its_queries_are_not_those_of_evaluation() -> None:
    own, scored = validation_tasks(3), ranking_tasks(0, 3)
    assert [task.name for task in own] == [task.name for task in scored]
    pictures = [{each.query.content_id for task in tasks for each in task.rankings} for tasks in (own, scored)]
    assert len(pictures[0] & pictures[1]) < 0.1 * len(pictures[0])


def test_it_says_what_evaluation_says(tiny: Embedder) -> None:
    tasks = ranking_tasks(SEED, 2)
    ranked = rank_all(tasks, embed_distinct(tiny, distinct_items(tasks), progress=False))
    expected = {each.name: each.value for each in scores(ranked) if each.metric == "P@1" and each.scope != "dataset"}
    mode = tiny.training
    found = validate(tiny, 2)
    assert found == expected
    assert tiny.training == mode
    assert score_of(found).value == expected["all"]
    assert score_of(found).higher

"""The states at all tokens are those that the embedder reads one of."""

import pytest
import torch

from core.data.miniature.benchmark import SOURCES, ranking_task
from core.encoder.pooling import last_places, unit
from core.encoder.tiny.llava_onevision import tiny_embedder
from workbench.lessons.readings import candidate_vectors, padded_batch, precision_at_1, read_by
from workbench.measures.token_states import hidden_states, tokens_of


@pytest.fixture(scope="module")
def embedder():
    return tiny_embedder(0, width=32, layers=2, vision_layers=1)


@pytest.fixture(scope="module")
def task():
    return ranking_task(next(each for each in SOURCES if each.name == "edit"), 0, 5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("further", [0, 3])
def test_the_last_state_is_the_vector(embedder, task, side, further):
    items = [ranking.query for ranking in task.rankings] + [task.rankings[0].candidates[1]]
    inputs = padded_batch(embedder, items, side, further)
    states = hidden_states(embedder, inputs)
    assert inputs.attention_mask.shape == states.shape[:2]
    read = unit(states[torch.arange(len(items)), last_places(inputs.attention_mask)])
    torch.testing.assert_close(read, embedder.embed(items), rtol=1e-5, atol=1e-5)


def test_tokens_have_their_kinds(embedder, task):
    query = task.rankings[0].query
    tokens = tokens_of(embedder, query)
    assert tokens.kinds[0] == tokens.kinds[-1] == "template"
    assert tokens.kinds.count("picture") == 37
    assert "".join(tokens.texts[38:-1]).strip() == query.parts[1].text
    assert len(tokens.kinds) == len(tokens.texts) == len(tokens.states)


def test_reading_by_a_rule_scores_as_the_evaluator_does(embedder, task):
    queries = [ranking.query for ranking in task.rankings]

    def rule(states, mask):
        return unit(states[torch.arange(len(states)), last_places(mask)])

    known = candidate_vectors(embedder, task)
    found = precision_at_1(task, read_by(embedder, queries, rule, "left", 2), known)
    assert found == pytest.approx(precision_at_1(task, embedder.embed(queries), known))


def test_precision_at_1_by_hand(task):
    ids = {each.content_id for ranking in task.rankings for each in ranking.candidates}
    right = [ranking.candidates[0].content_id for ranking in task.rankings]
    known = {each: torch.tensor([0.0, 1.0]) for each in ids}
    known |= {each: torch.tensor([1.0, 0.0]) for each in right}
    towards = torch.tensor([[1.0, 0.0]] * len(right))
    tied = [sum(each.content_id in right for each in ranking.candidates) for ranking in task.rankings]
    assert precision_at_1(task, towards, known) == pytest.approx(sum(1 / each for each in tied) / len(tied))
    assert precision_at_1(task, towards.flip(1), known) == 0


def test_other_models_are_refused(embedder, task):
    inputs = embedder.collate([embedder.prepare(task.rankings[0].query)])
    embedder.packing = True
    with pytest.raises(ValueError, match="hidden_states reads LLaVA-OneVision"):
        hidden_states(embedder, inputs)
    embedder.packing = False

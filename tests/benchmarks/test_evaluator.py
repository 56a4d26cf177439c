import json
import random

import pytest
import torch

from benchmarks import evaluator, published_evaluation
from benchmarks.anyres_model import write_model
from benchmarks.mmeb_files import write_mmeb_eval
from benchmarks.published_evaluation import LLAVE, VLM2VEC, Rival, encode, published_scores
from core.data.images.image_files import FileImage
from core.data.miniature.scenes import DrawnScene, random_single
from core.data.mmeb.datasets import DATASETS
from core.data.records import Image, Item, Text
from core.encoder.embedder import Embedder

SIDE = 48


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("anyres") / "model", width=32, layers=2, vision_layers=1)


@pytest.fixture
def items(tmp_path):
    """Texts of different lengths and pictures of different numbers of crops, mixed."""
    found = [Item((Text("word " * length),)) for length in (5, 1, 9)]
    for number, size in enumerate([(40, 40), (96, 96), (100, 40)]):
        path = tmp_path / f"{number}.png"
        DrawnScene(random_single(random.Random(number))).open().resize(size).save(path)
        found.insert(2 * number, Item((Image(FileImage(path)), Text("which one?"))))
    return found


@pytest.mark.slow
def test_a_small_run_from_end_to_end(tmp_path):
    output = tmp_path / "evaluator.json"
    settings = evaluator.EvaluatorSettings(output, 2, 4, rounds=2, batches=[8], width=32, layers=1, threads=1)
    rows = evaluator.measure(settings)
    assert [row["side"] for row in rows] == ["published (LLaVE)", "published (VLM2Vec)", "ours", "ours, warm"]
    assert json.loads(output.read_text())["rows"] == rows
    assert rows[0]["items"] == rows[1]["items"] > rows[2]["items"] > rows[3]["items"] == 0
    assert rows[2]["passes"] == (rows[2]["ratio"]["median"] >= 3)
    assert rows[0]["differs"] == rows[1]["differs"] == 0
    assert all(len(row["all_seconds"]) == 2 for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("harness", [LLAVE, VLM2VEC])
def test_both_sides_find_the_same(model, tmp_path, harness):
    write_mmeb_eval(tmp_path, 4, 6)
    theirs = published_scores(tmp_path, Rival(Embedder.load(model).eval(), harness, 3))
    assert {*theirs} == {each.name for each in DATASETS}
    assert evaluator.ours(tmp_path, evaluator.packed(Embedder.load(model))) == pytest.approx(theirs)
    assert len({*theirs.values()}) > 2


@pytest.mark.parametrize("harness", [LLAVE, VLM2VEC])
def test_the_published_sides_make_our_tokens_and_vectors_in_the_order_given(model, items, harness):
    rival, own = Rival(Embedder.load(model).eval(), harness, 2), Embedder.load(model)
    for item in items:
        assert torch.equal(rival.prepare(item).token_ids, own.prepare(item).token_ids)
    rival.backbone_adapter.taken()
    seen = []
    rival.embedder.backbone.register_forward_pre_hook(
        lambda _, __, given: seen.append(given["input_ids"]), with_kwargs=True
    )
    vectors = encode(rival, items)
    assert [len(each) for each in seen] == [2, 2, 2]
    assert seen[0].shape[1] < seen[1].shape[1]
    for item, vector in zip(items, own.embed(items).numpy(), strict=True):
        assert vectors[id(item)] == pytest.approx(vector, abs=1e-5)


@pytest.mark.parametrize(("harness", "crops"), [(LLAVE, [2 + 1, 5 + 1, 3 + 1]), (VLM2VEC, [2, 5, 3])])
def test_texts_are_given_empty_pictures_by_llave_alone(model, items, harness, crops):
    rival = Rival(Embedder.load(model).eval(), harness, 2)
    shown = []
    rival.embedder.backbone.vision_tower.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    encode(rival, items)
    empty = [each for each in shown if not each.any()]
    assert len(empty) == (3 if harness is LLAVE else 0)
    assert all(each.shape == (1, 3, SIDE, SIDE) for each in empty)
    assert sum(map(len, shown)) == sum(crops)


def test_the_published_sides_keep_all_states_and_make_logits_of_all_tokens(model, items, monkeypatch):
    rival, made = Rival(Embedder.load(model).eval(), VLM2VEC, len(items)), []

    def linear(states, weight):
        made.append((states, weight))
        return states @ weight.T

    monkeypatch.setattr(published_evaluation, "linear", linear)
    outputs = []
    rival.embedder.backbone.register_forward_hook(lambda _, __, output: outputs.append(output))
    encode(rival, items)
    ((states, weight),) = made
    assert weight is rival.embedder.backbone.get_input_embeddings().weight
    assert states.shape[:2] == (len(items), max(rival.prepare(each).length for each in items))
    assert len(outputs[0].hidden_states) == 2 + 1
    assert torch.equal(outputs[0].hidden_states[-1], outputs[0].last_hidden_state)

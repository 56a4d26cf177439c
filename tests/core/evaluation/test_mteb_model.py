"""The mteb wrapper on real mteb tasks over generated data, without network: its scores are those of our evaluator."""

import random
import socket
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import PIL.Image
import pytest
import torch
from datasets import ClassLabel, Dataset, Features
from datasets import Image as ImageColumn
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.abstasks.zeroshot_classification import AbsTaskZeroShotClassification
from mteb.models.models_protocols import EncoderProtocol
from mteb.types import PromptType

from core.data.miniature.scenes import DrawnScene, random_single
from core.data.records import Image, Item, Ranking, RankingTask, Text, Video
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.evaluation.embedded import distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.mteb_model import EmbedderModel, OpenedImage, rows
from core.evaluation.scoring import rank_all

LABELS = ["red", "green", "blue", "a circle", "a square"]
ABOUT: dict[str, Any] = {
    "description": "Generated.",
    "dataset": {"path": "generated", "revision": "1"},
    "eval_splits": ["test"],
    "eval_langs": ["eng-Latn"],
    "date": ("2020-01-01", "2020-01-02"),
    "domains": ["Constructed"],
    "task_subtypes": [],
    "license": "not specified",
    "annotations_creators": "derived",
    "dialect": [],
    "sample_creation": "created",
    "bibtex_citation": "",
}


def picture(seed: int) -> PIL.Image.Image:
    return DrawnScene(random_single(random.Random(seed))).open()


class ZeroShot(AbsTaskZeroShotClassification):
    """Generated pictures, each with one label."""

    metadata = TaskMetadata(
        name="GeneratedZeroShot",
        type="ZeroShotClassification",
        category="i2t",
        modalities=["text", "image"],
        main_score="accuracy",
        **ABOUT,
    )
    count = 30

    def load_data(self, **_: Any) -> None:
        data = {"image": [picture(seed) for seed in range(self.count)], "label": [i % 5 for i in range(self.count)]}
        features = Features({"image": ImageColumn(), "label": ClassLabel(names=LABELS)})
        self.dataset = {"test": Dataset.from_dict(data, features=features)}
        self.data_loaded = True

    def get_candidate_labels(self) -> list[str]:
        return LABELS


class Composed(AbsTaskRetrieval):
    """A picture and words ask for one of thirty pictures."""

    metadata = TaskMetadata(
        name="GeneratedComposed",
        type="Any2AnyRetrieval",
        category="it2i",
        modalities=["text", "image"],
        main_score="hit_rate_at_1",
        **ABOUT,
    )
    count = 30

    def load_data(self, **_: Any) -> None:
        ids = [str(i) for i in range(self.count)]
        queries = {"id": ids, "text": [f"the same in {LABELS[i % 3]}" for i in range(self.count)]}
        queries["image"] = [picture(100 + i) for i in range(self.count)]
        corpus = {"id": [f"d{i}" for i in ids], "image": [picture(i) for i in range(self.count)]}
        self.dataset = {
            "default": {
                "test": {
                    "queries": with_pictures(queries),
                    "corpus": with_pictures(corpus),
                    "relevant_docs": {each: {f"d{each}": 1} for each in ids},
                    "top_ranked": None,
                }
            }
        }
        self.data_loaded = True


def with_pictures(data: dict[str, Any]) -> Dataset:
    return Dataset.from_dict(data).cast_column("image", ImageColumn())


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever connects fails; mteb's and datasets' files go to a folder of the test."""

    def refuse(*address: Any, **_: Any) -> None:
        raise AssertionError(f"the test went to the network: {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return tiny_embedder(width=32, layers=2, vision_layers=1)


def scored(model: EmbedderModel, task: Any) -> dict[str, Any]:
    result = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
    return result.task_results[0].scores["test"][0]


def hits(embedder: Embedder, rankings: list[Ranking], k: int = 1) -> list[float]:
    """What our evaluator says of each query."""
    tasks = [RankingTask("generated", "retrieval", True, tuple(rankings))]
    ranked = rank_all(tasks, embed_distinct(embedder, distinct_items(tasks), progress=False))
    return [each.placement.hit(k) for each in ranked]


def still(seed: int) -> Image:
    return Image(OpenedImage(picture(seed)))


def words(text: str) -> Item:
    return Item((Text(text),))


@pytest.mark.usefixtures("offline")
@pytest.mark.filterwarnings("ignore:Precision is ill-defined")  # of a label that is never found, which mteb scores too
@pytest.mark.parametrize("instruction", ["", "Represent the given image for classification"])
def test_zero_shot_classification_scores_as_our_evaluator_does(embedder: Embedder, instruction: str) -> None:
    model = EmbedderModel(embedder, instructions={"ZeroShotClassification": instruction} if instruction else None)
    found = scored(model, ZeroShot())
    candidates = tuple(words(each) for each in LABELS)
    more = (Text(instruction),) * bool(instruction)
    rankings = [Ranking(Item((still(i), *more)), candidates, (i % 5,)) for i in range(ZeroShot.count)]
    expected = np.mean(hits(embedder, rankings))
    assert found["accuracy"] == pytest.approx(expected, abs=1e-9)
    assert 0 < expected < 1


@pytest.mark.usefixtures("offline")
def test_retrieval_by_picture_and_words_scores_as_our_evaluator_does(embedder: Embedder) -> None:
    model = EmbedderModel(embedder, instructions={"Any2AnyRetrieval-query": "Find it:"})
    found = scored(model, Composed())
    corpus = tuple(Item((still(i),)) for i in range(Composed.count))
    rankings = [
        Ranking(Item((still(100 + i), Text(f"Find it: the same in {LABELS[i % 3]}"))), corpus, (i,))
        for i in range(Composed.count)
    ]
    for k in (1, 3, 5, 10):
        assert found[f"recall_at_{k}"] == pytest.approx(np.mean(hits(embedder, rankings, k)), abs=1e-5)
    assert 0 < np.mean(hits(embedder, rankings, 10)) < 1


def test_vectors_are_ours_in_order_whatever_the_batches(embedder: Embedder) -> None:
    items = [Item((still(0),)), words("a much longer text of a red square"), words("red")]
    batches = [{"image": [picture(0)]}, {"text": ["a much longer text of a red square", "red"]}]
    model = EmbedderModel(embedder)
    found = model.encode(batches, task_metadata=ZeroShot.metadata, hf_split="test", hf_subset="default", batch_size=2)
    np.testing.assert_allclose(found, embedder.embed(items).numpy(), atol=1e-6)
    np.testing.assert_allclose(model.similarity(found, found).numpy(), found @ found.T, atol=1e-6)


def test_instructions_go_by_name_type_and_side(embedder: Embedder) -> None:
    words = {"GeneratedComposed-query": "by name", "Any2AnyRetrieval": "by type", "document": "by side"}
    model = EmbedderModel(embedder, instructions=words)
    assert model.instruction(Composed.metadata, PromptType.query) == "by name"
    assert model.instruction(Composed.metadata, PromptType.document) == "by type"
    assert model.instruction(ZeroShot.metadata, PromptType.document) == "by side"
    assert model.instruction(ZeroShot.metadata, None) == ""


def test_rows_put_pictures_before_text_and_read_clips() -> None:
    frames = torch.randint(0, 255, (4, 3, 10, 12), dtype=torch.uint8)
    (parts,) = rows({"text": ["what?"], "video": [frames]})
    clip, text = parts
    assert isinstance(clip, Video)
    assert isinstance(text, Text)
    assert [each.open().size for each in clip.frames] == [(12, 10)] * 4
    np.testing.assert_array_equal(np.asarray(clip.frames[2].open()), frames[2].permute(1, 2, 0).numpy())
    assert [[type(each) for each in row] for row in rows({"text": ["", "a"], "image": [picture(0)] * 2})] == [
        [Image],
        [Image, Text],
    ]
    assert list(rows({"text": [""]})) == [(Text(""),)]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"audio": [1]}, "batch of audio: an embedder takes text, image and video"),
        ({"label": [1]}, "batch of label"),
        ({"video": ["clip.mp4"]}, "video of type str"),
        ({"image": [np.zeros((3, 4, 4))]}, r"shape \(4, 4, 3\) and type float64"),
        ({"image": [None]}, "an item has none of them"),
    ],
)
def test_other_batches_are_refused(batch: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(rows(batch))


def test_an_empty_loader_is_refused(embedder: Embedder) -> None:
    with pytest.raises(ValueError, match=r"GeneratedZeroShot.*no items"):
        EmbedderModel(embedder).encode([], task_metadata=ZeroShot.metadata, hf_split="test", hf_subset="default")


def test_a_folder_is_loaded_by_its_name(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path / "mine")
    model = EmbedderModel.load(tmp_path / "mine")
    assert model.mteb_model_meta.name == "local/mine"
    assert model.mteb_model_meta.embed_dim == embedder.dimensions
    assert {*model.mteb_model_meta.modalities} == {"text", "image", "video"}


def test_results_of_other_weights_or_instructions_are_told_apart(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path / "mine" / "checkpoints" / "000010")
    tiny_embedder(seed=1, width=32, layers=2, vision_layers=1).save(tmp_path / "other" / "checkpoints" / "000010")
    folders = [tmp_path / run / "checkpoints" / "000010" for run in ("mine", "other")]
    metas = [EmbedderModel.load(folder).mteb_model_meta for folder in folders]
    assert [each.name for each in metas] == ["local/mine-000010", "local/other-000010"]
    asked = EmbedderModel.load(folders[0], {"query": "Find it:"}).mteb_model_meta
    assert len({metas[0].revision, metas[1].revision, asked.revision}) == 3
    assert EmbedderModel(embedder).mteb_model_meta.revision == metas[0].revision


def test_similarities_are_cosines_of_rows(embedder: Embedder) -> None:
    model = EmbedderModel(embedder)
    vectors = torch.nn.functional.normalize(torch.randn(3, 8), dim=-1)
    torch.testing.assert_close(model.similarity_pairwise(vectors, vectors.numpy()), torch.ones(3))
    torch.testing.assert_close(
        model.similarity(vectors[0], vectors), torch.nn.functional.cosine_similarity(vectors[:1], vectors)[None]
    )
    assert isinstance(model, EncoderProtocol)


def test_pictures_are_equal_by_what_they_show() -> None:
    one, same, other = (OpenedImage(picture(seed)) for seed in (1, 1, 2))
    assert one.content_id == same.content_id != other.content_id
    assert one != other


def flag(number: int, mode: str) -> PIL.Image.Image:
    """Two stripes of two colours, as a palette of one's own or in RGB: the indices are those of every flag."""
    drawn = PIL.Image.new("P", (32, 32), 0)
    drawn.putpalette(np.random.default_rng(number).integers(0, 256, 6).tolist() + [0] * 762)
    drawn.paste(1, (0, 16, 32, 32))
    return drawn.convert(mode)


def test_palettes_tell_pictures_apart(embedder: Embedder) -> None:
    """Every flag is one item of its own, the same as in RGB, and gets the same vector."""
    ids = {mode: [OpenedImage(flag(number, mode)).content_id for number in range(6)] for mode in ("P", "RGB")}
    assert ids["P"] == ids["RGB"]
    assert len(set(ids["P"])) == 6
    vectors = {mode: embedder.embed([Item((Image(OpenedImage(flag(n, mode))),)) for n in range(6)]) for mode in ids}
    torch.testing.assert_close(vectors["P"], vectors["RGB"])
    assert (vectors["P"] @ vectors["P"].T - torch.eye(6)).max() < 0.99999

"""Step data: every distinct item once, in chunks of similar length, and rows that lead back to the pairs."""

import unicodedata
from pathlib import Path
from typing import ClassVar

import PIL.Image
import torch

from core.data.batches import BatchSampler
from core.data.images.image_files import FileImage
from core.data.miniature.benchmark import training_sets
from core.data.records import Image, Item, Pair, Text
from core.encoder.embedder import Embedder
from core.training.step_data import Steps, integer_id, load, step_data

FORMS = ((0, "NFC"), (1, "NFD"))


def words(text: str) -> Item:
    return Item((Text(text),))


def test_repeated_items_are_encoded_once_and_rows_lead_to_them(tiny: Embedder) -> None:
    texts = [("what is it?", "red"), ("and this?", "red"), ("the third", "a much longer blue target"), ("red", "red")]
    pairs = [Pair(words(query), words(target), "x", "vqa") for query, target in texts]
    data = step_data(0, pairs, tiny.prepare, tiny.collate, chunk=2)
    assert sum(len(chunk.token_ids) for chunk in data.chunks) == 5
    with torch.no_grad():
        vectors = torch.cat([tiny(chunk) for chunk in data.chunks])
    expected = tiny.embed([pair.query for pair in pairs]), tiny.embed([pair.positive for pair in pairs])
    torch.testing.assert_close(vectors[data.query_rows], expected[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(vectors[data.target_rows], expected[1], rtol=0, atol=1e-5)
    assert data.target_ids[0] == data.target_ids[1] == data.query_ids[3] == integer_id(words("red").content_id)
    assert len(set(data.query_ids.tolist())) == 4


def test_explicit_negatives_are_rows_of_their_own_unless_they_repeat(tiny: Embedder) -> None:
    given = ((), ("green", "blue", "late"), ("red",))
    pairs = [
        Pair(words(f"query {number}"), words("red" if number else "blue"), "x", "vqa", tuple(map(words, each)))
        for number, each in enumerate(given)
    ]
    data = step_data(0, pairs, tiny.prepare, tiny.collate, chunk=3, negatives=2)
    assert [data.items[row].text for row in data.negative_rows] == ["green", "blue", "red"]
    assert data.negative_owners.tolist() == [1, 1, 2]
    assert data.negative_ids[1] == data.target_ids[0] == integer_id(words("blue").content_id)
    assert len(data.items) == sum(len(chunk.token_ids) for chunk in data.chunks) == 6
    assert [data.items[row].text for row in data.query_rows] == ["query 0", "query 1", "query 2"]
    without = step_data(0, pairs, tiny.prepare, tiny.collate, chunk=3, negatives=0)
    assert len(without.negative_rows) == len(without.negative_ids) == 0
    assert len(without.items) == 5


def test_chunks_go_from_long_to_short(tiny: Embedder) -> None:
    batches = BatchSampler(training_sets(), batch=16, block=8, seed=0)
    data = step_data(0, batches.pairs(0), tiny.prepare, tiny.collate, chunk=4)
    lengths = [chunk.attention_mask.sum(dim=1) for chunk in data.chunks]
    flat = torch.cat(lengths)
    assert bool((flat[1:] <= flat[:-1]).all())
    assert data.tokens == int(flat.sum())


def test_a_loader_with_a_worker_gives_the_same_steps(tiny: Embedder) -> None:
    steps = Steps(BatchSampler(training_sets(), 8, 8, 0), tiny.prepare, tiny.collate, chunk=4, rank=1, world=2)
    here, there = list(load(steps, 3, 5, workers=0)), list(load(steps, 3, 5, workers=1))
    assert [each.step for each in here] == [each.step for each in there] == [3, 4]
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one.query_ids, other.query_ids)
        assert all(torch.equal(a.image_pixels, b.image_pixels) for a, b in zip(one.chunks, other.chunks, strict=True))


class Counted(FileImage):
    """A picture file that counts how often it is read."""

    reads: ClassVar[list[Path]] = []

    def read(self) -> bytes:
        self.reads.append(self.path)
        return super().read()


def test_no_picture_is_read_twice_in_a_step(tiny: Embedder, tmp_path: Path) -> None:
    """Copies of a picture under other names are one item all the same, encoded once."""
    for name, shade in (("a.png", 10), ("copy.bmp", 10), ("b.png", 200)):
        PIL.Image.new("RGB", (16, 16), (shade, 0, 0)).save(tmp_path / name)
    items = {name: Item((Image(Counted(tmp_path / name)),)) for name in ("a.png", "copy.bmp", "b.png")}
    pairs = [
        Pair(items["a.png"], words("red"), "x", "vqa", (items["b.png"],)),
        Pair(items["copy.bmp"], words("dark"), "x", "vqa", (Item((Image(Counted(tmp_path / "a.png")),)),)),
    ]
    Counted.reads.clear()
    data = step_data(0, pairs, tiny.prepare, tiny.collate, chunk=8, negatives=1)
    assert sorted(each.name for each in Counted.reads) == ["a.png", "b.png", "copy.bmp"]
    assert len(data.items) == 4
    assert data.query_ids[0] == data.query_ids[1] == data.negative_ids[1] != data.negative_ids[0]


def test_words_in_either_unicode_form_are_one_item(tiny: Embedder) -> None:
    pairs = [Pair(words(f"q{n}"), words(unicodedata.normalize(form, "caf\u00e9")), "x", "vqa") for n, form in FORMS]
    data = step_data(0, pairs, tiny.prepare, tiny.collate, chunk=8)
    assert data.target_ids[0] == data.target_ids[1]
    assert len(data.items) == 3


def test_what_the_data_knows_of_a_query_goes_with_it(tiny: Embedder) -> None:
    pairs = [Pair(words(query), words("x"), "x", "vqa") for query in ("asked often", "asked once", "asked often")]
    often, one, two = (words(each).content_id for each in ("asked often", "one", "two"))
    data = step_data(0, pairs, tiny.prepare, tiny.collate, chunk=8, positives={often: (one, two)})
    assert data.known is not None
    assert data.known.tolist() == [[integer_id(often), integer_id(one)], [integer_id(often), integer_id(two)]]
    assert step_data(0, pairs, tiny.prepare, tiny.collate, chunk=8, positives={one: (two,)}).known is None

"""What was encoded once is never encoded again: by another suite, another process, or after a kill."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.records import Item, Text
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.evaluation.encode import Encoding, NonFiniteVectors
from core.evaluation.encode_distributed import embed_distributed
from core.evaluation.encoding_workers import EncodingWorkers
from core.evaluation.vector_cache import VectorCache, encoder_name
from core.files.atomic import CannotWrite


@pytest.fixture
def embedder() -> Embedder:
    return tiny_embedder(width=32, layers=1, vision_layers=1).requires_grad_(False)


def texts(*numbers: int) -> list[Item]:
    return [Item((Text(f"number {number} " + "and more " * (number % 5)),)) for number in numbers]


def counted(embedder: Embedder, monkeypatch) -> list[str]:
    """The content ids of all items that are prepared from now on."""
    seen: list[str] = []
    prepare = embedder.prepare
    stand_in = lambda item: seen.append(item.content_id) or prepare(item)  # noqa: E731
    stand_in.max_text_tokens = None
    monkeypatch.setattr(embedder, "prepare", stand_in)
    return seen


def embed(embedder: Embedder, items: list[Item], folder: Path, name: str = "encoder", portion: int = 4):
    cache = VectorCache(folder, name)
    return embed_distributed(EncodingWorkers(), embedder, items, Encoding(portion, 2), cache, progress=False), cache


def test_a_second_evaluation_encodes_nothing_and_gives_the_same(embedder, tmp_path, monkeypatch):
    seen = counted(embedder, monkeypatch)
    first, _ = embed(embedder, texts(*range(10)), tmp_path)
    assert len(seen) == 10
    second, _ = embed(embedder, texts(*range(10)), tmp_path)
    assert len(seen) == 10
    np.testing.assert_array_equal(first.vectors, second.vectors)
    third, _ = embed(embedder, texts(20, 3, 21), tmp_path)
    assert seen[10:] == [item.content_id for item in sorted(texts(20, 21), key=lambda item: -len(item.text))]
    np.testing.assert_array_equal(third.vectors[1], first.vectors[3])


def test_another_encoder_shares_nothing(embedder, tmp_path, monkeypatch):
    seen = counted(embedder, monkeypatch)
    for name in ("one", "other"):
        embed(embedder, texts(1, 2), tmp_path, name)
    assert len(seen) == 4


def test_an_interrupted_evaluation_goes_on_where_it_was_bit_by_bit(embedder, tmp_path, monkeypatch):
    """The third portion fails; what was encoded before is not encoded again, and the result is that of one go."""
    items = texts(*range(20))
    whole, _ = embed(embedder, items, tmp_path / "whole")
    forward, calls = Embedder.forward, []

    def failing(self, inputs):
        calls.append(len(inputs.token_ids))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return forward(self, inputs)

    with monkeypatch.context() as patch:
        patch.setattr(Embedder, "forward", failing)
        with pytest.raises(KeyboardInterrupt):
            embed(embedder, items, tmp_path / "broken")
    seen = counted(embedder, monkeypatch)
    again, _ = embed(embedder, items, tmp_path / "broken")
    assert len(seen) == 12
    np.testing.assert_array_equal(again.vectors, whole.vectors)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other"])
def test_a_damaged_file_is_encoded_again_with_a_warning(embedder, tmp_path, monkeypatch, harm):
    first, cache = embed(embedder, texts(*range(6)), tmp_path)
    (path,) = cache.folder.glob("*")
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes({"cut": data[:-20], "flip": data, "empty": b"", "other": b"not safetensors" * 9}[harm])
    seen = counted(embedder, monkeypatch)
    with pytest.warns(UserWarning, match="is damaged .* encoded again"):
        again, cache = embed(embedder, texts(*range(6)), tmp_path)
    assert (cache.damaged, len(seen)) == (1, 6)
    np.testing.assert_array_equal(first.vectors, again.vectors)


def test_vectors_that_are_not_finite_are_never_kept(tmp_path):
    broken = tiny_embedder(width=32, layers=1, vision_layers=1)
    with torch.no_grad():
        broken.backbone.language_model.norm.weight.fill_(float("nan"))
    with pytest.raises(NonFiniteVectors, match="not finite"):
        embed(broken, texts(1, 2), tmp_path)
    assert [*tmp_path.rglob("*.safetensors")] == []


def test_writers_that_share_a_folder_keep_what_each_wrote(tmp_path):
    caches = [VectorCache(tmp_path, "shared") for _ in range(2)]
    for number, cache in enumerate(caches):
        cache.add([f"item {number}", "both"], np.full((2, 3), number, dtype=np.float32))
        cache.write()
    vectors = np.zeros((3, 3), dtype=np.float32)
    found = caches[0].read({"item 0": 0, "item 1": 1, "absent": 2}, vectors)
    assert found.tolist() == [True, True, False]
    assert vectors[:2, 0].tolist() == [0, 1]


def test_files_are_written_by_number_and_by_time(tmp_path, monkeypatch):
    cache = VectorCache(tmp_path, "one")
    cache.add(["a"], np.ones((1, 2), dtype=np.float32))
    assert not cache.folder.exists()
    cache.add([f"item {n}" for n in range(4096)], np.ones((4096, 2), dtype=np.float32))
    assert len([*cache.folder.glob("*")]) == 1
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    cache.add(["b"], np.ones((1, 2), dtype=np.float32))
    assert len([*cache.folder.glob("*")]) == 2


def test_only_old_left_overs_go(tmp_path):
    cache = VectorCache(tmp_path, "one")
    cache.add(["a"], np.ones((1, 2), dtype=np.float32))
    cache.write()
    old, new = (cache.folder / f".{name}.safetensors.abcd1234" for name in ("old", "new"))
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    cache.remove_left_overs()
    assert not old.exists()
    assert new.exists()
    assert len([*cache.folder.glob("*.safetensors")]) == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "one").write_text("a file")
    cache = VectorCache(tmp_path, "one")
    cache.add(["a"], np.ones((1, 2), dtype=np.float32))
    with pytest.raises(CannotWrite, match="one"):
        cache.write()


def test_the_encoders_name_tells_what_changes_its_vectors(embedder, tmp_path):
    name = encoder_name(embedder)
    embedder.save(tmp_path / "saved")
    assert encoder_name(Embedder.load(tmp_path / "saved")) == name
    assert name.endswith("-float32-cpu")
    assert encoder_name(Embedder.load(tmp_path / "saved", torch.bfloat16)).split("-")[0] != name.split("-")[0]
    others = [tiny_embedder(seed=1, width=32, layers=1, vision_layers=1) for _ in range(3)]
    with torch.no_grad():
        next(embedder.backbone.language_model.parameters())[0, 0] += 1e-3
    others[0] = embedder
    others[1].tokenizer.chat_template += " "
    others[2].image_processor.size = {"height": 40, "width": 40}
    assert len({name, *(encoder_name(each) for each in others)}) == 4

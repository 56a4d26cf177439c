"""Exact search, its sources, and queries."""

import io
import shutil

import numpy as np
import PIL.Image
import pytest
from embedded_runs import QUERIES, make_run
from hypothesis import given
from hypothesis import strategies as st
from video_files import level, write_video

from core.data.images.image_files import BadImage, BytesImage
from core.data.miniature.words import INSTRUCTIONS
from core.data.records import Image, Item, Text, Video
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.evaluation.ranking import TIE
from workbench.bundles.bundle import open_bundle
from workbench.live_search.queries import (
    CLIP_FRAMES,
    MAX_TEXT,
    build_query,
    default_instruction,
    embed_query,
    shown_query,
)
from workbench.live_search.sources import (
    EVERY_PICTURE,
    EVERY_TARGET,
    EVERYTHING,
    bundle_source,
    bundles_under,
    folder_source,
)
from workbench.search.search import (
    SearchIndex,
    ShownPart,
    bundle_index,
    examples,
    search,
)

DATASETS = ("edit", "cards")


@pytest.fixture(scope="module")
def root(tiny, tmp_path_factory):
    """A root folder with one run."""
    folder = tmp_path_factory.mktemp("root")
    make_run(folder / "run", tiny, DATASETS)
    return folder


@pytest.fixture(scope="module")
def bundle(root):
    return open_bundle(root / "run" / "bundles" / "000007-miniature")


def plain_index(vectors) -> SearchIndex:
    """An index whose items are named by their row."""
    n = len(vectors)
    kinds = ["text" if row % 2 else "image" for row in range(n)]
    return SearchIndex(
        np.asarray(vectors, dtype=np.float32), kinds, [f"item {row}" for row in range(n)], lambda row: ()
    )


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def png(size=(8, 8), colour="red") -> bytes:
    stream = io.BytesIO()
    PIL.Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), k=st.integers(1, 60))
def test_search_is_brute_force(seed, n, k):
    chance = np.random.default_rng(seed)
    # Few distinct vectors, so that many are equal.
    vectors = unit(chance.normal(size=(max(1, n // 2), 5)))[chance.integers(0, max(1, n // 2), n)]
    query = unit(chance.normal(size=5))
    hits = search(plain_index(vectors), query, k)
    exact = vectors.astype(np.float64) @ query.astype(np.float64)
    assert len(hits) == min(k, n)
    np.testing.assert_allclose([hit.similarity for hit in hits], np.sort(exact)[::-1][:k], atol=1e-6)
    for hit in hits:
        assert abs(exact[hit.row] - hit.similarity) < 1e-6
        above, tied = (exact > exact[hit.row] + TIE).sum(), (np.abs(exact - exact[hit.row]) <= TIE).sum()
        assert (hit.tied, hit.rank) == (tied, above + (tied + 1) / 2)
    keys = [(hit.rank, hit.row) for hit in hits]
    assert keys == sorted(keys)


def test_ties_share_the_expected_rank_and_come_in_the_order_of_rows():
    index = plain_index([[0, 1], [1, 0], [0, 1], [1, 0], [1, 0]])
    hits = search(index, np.array([1.0, 0.0], dtype=np.float32), 2)
    assert [(hit.row, hit.rank, hit.tied) for hit in hits] == [(1, 2.0, 3), (3, 2.0, 3)]
    hits = search(index, np.array([1.0, 0.0], dtype=np.float32), 9, rows=np.array([4, 2, 1]))
    assert [(hit.row, hit.rank, hit.tied) for hit in hits] == [(1, 1.5, 2), (4, 1.5, 2), (2, 3.0, 1)]


def test_differences_of_rounding_are_ties_and_do_not_change_the_order():
    index = plain_index([[1, 0], [1 + 2e-7, 0], [1 - 2e-7, 0], [0.9, 0]])
    hits = search(index, np.array([1.0, 0.0], dtype=np.float32), 4)
    assert [(hit.row, hit.rank) for hit in hits] == [(0, 2.0), (1, 2.0), (2, 2.0), (3, 4.0)]


def test_hits_say_what_is_known_to_be_right():
    index = plain_index(np.eye(3))
    hits = search(index, np.array([3.0, 2.0, 1.0], dtype=np.float32) / np.sqrt(14), 3, judged={0: False, 1: True})
    assert [(hit.right, hit.text, hit.modality) for hit in hits] == [
        (False, "item 0", "image"),
        (True, "item 1", "text"),
        (None, "item 2", "image"),
    ]


def test_rows_of_a_kind():
    index = plain_index(np.eye(5))
    rows = np.array([4, 1, 2, 3])
    assert index.of_kind(rows, "text").tolist() == [1, 3]
    assert index.of_kind(rows, None).tolist() == [4, 1, 2, 3]
    nothing = index.of_kind(rows, "video")
    assert search(index, np.eye(5, dtype=np.float32)[0], 3, nothing) == []
    assert index.of_kind(nothing, "text").tolist() == []


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        ([1, 0, 0], 0, "k = 0 must be at least 1"),
        ([1, 0], 1, "The query has 2 numbers, but the searched vectors have 3"),
        ([np.nan, 0, 0], 1, "not finite"),
    ],
)
def test_what_cannot_be_searched_is_refused(query, k, message):
    with pytest.raises(ValueError, match=message):
        search(plain_index(np.eye(3)), np.array(query, dtype=np.float32), k)


def test_an_example_ranks_its_right_answer_where_the_bundle_does(bundle):
    index, listed = bundle_index(bundle), examples(bundle)
    assert {name: len(group) for name, group in listed.items()} == dict.fromkeys(DATASETS, QUERIES)
    flat = [each for group in listed.values() for each in group]
    for example, ranking in zip(flat, map(bundle.query, range(len(bundle.rankings))), strict=True):
        hits = search(index, index.vectors[example.query], 100, example.candidates, example.judged)
        assert len(hits) == len(example.candidates)
        right = next(hit for hit in hits if hit.right)
        assert right.row == ranking.positive
        assert right.rank == pytest.approx(ranking.rank)
        assert right.similarity == pytest.approx(ranking.similarity, abs=1e-6)
        assert sum(bool(hit.right) for hit in hits) == len(ranking.right)


def test_an_item_outside_the_pool_is_not_judged(bundle):
    index, example = bundle_index(bundle), examples(bundle)["edit"][0]
    hits = search(index, index.vectors[example.query], len(index.texts), judged=example.judged)
    judged = {hit.row for hit in hits if hit.right is not None}
    assert judged == set(example.candidates.tolist())
    assert len(hits) > len(judged)


def test_items_of_a_bundle_are_shown_by_their_parts(bundle):
    index = bundle_index(bundle)
    row = examples(bundle)["edit"][0].query
    picture, words = index.parts(row)
    assert words.text.startswith(INSTRUCTIONS["edit"])
    assert picture.picture is not None
    assert PIL.Image.open(io.BytesIO(picture.picture)).format == "WEBP"
    assert index.modalities[row] == "image+text"


def test_the_default_instruction_goes_by_the_kind_of_query():
    assert default_instruction(True, False) == INSTRUCTIONS["caption_to_image"]
    assert default_instruction(False, True) == INSTRUCTIONS["look_alike"]
    assert default_instruction(True, True) == INSTRUCTIONS["edit"]


def test_a_query_is_an_item_as_in_training(tiny):
    both = build_query(" make it red ", png(), "Find it:")
    assert both == Item((Image(BytesImage(png())), Text("Find it: make it red")))
    assert build_query("words", None, "") == Item((Text("words"),))
    assert build_query("", png(), "") == Item((Image(BytesImage(png())),))
    np.testing.assert_allclose(embed_query(tiny, both), tiny.embed([both])[0].numpy(), atol=1e-6)
    shown = shown_query(both)
    assert [part.kind for part in shown] == ["image", "text"]
    assert PIL.Image.open(io.BytesIO(shown[0].picture or b"")).size == (8, 8)


def test_a_clip_is_told_by_its_bytes_and_becomes_frames_in_memory(tmp_path, tiny):
    data = write_video(tmp_path / "clip.mp4", list(range(10, 250, 4))).read_bytes()
    query = build_query("what moves?", data, "Find it:")
    clip, words = query.parts
    assert isinstance(clip, Video)
    assert words == Text("Find it: what moves?")
    assert len(clip.frames) == CLIP_FRAMES
    assert [level(frame.open()) for frame in clip.frames] == pytest.approx(np.linspace(10, 246, CLIP_FRAMES), abs=6)
    assert np.linalg.norm(embed_query(tiny, query)) == pytest.approx(1, abs=1e-5)
    strip, _ = shown_query(query)
    assert strip.kind == "video"
    assert PIL.Image.open(io.BytesIO(strip.picture or b"")).size == (CLIP_FRAMES * 64, 48)
    with pytest.raises(BadImage, match=r"^uploaded video: ") as raised:
        build_query("", data[:400], "")
    assert str(tmp_path) not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("  ", "Type some words"), ("a" * (MAX_TEXT + 1), "1001 characters; at most 1000"), ("a\ud800", "surrogates")],
)
def test_a_query_that_says_nothing_or_too_much_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        build_query(text, None, INSTRUCTIONS["edit"])


def test_a_corrupt_picture_is_refused():
    with pytest.raises(BadImage, match="not a readable picture"):
        build_query("words", png()[:30], "")


def test_a_bundle_is_a_source_of_targets_by_dataset(root, bundle):
    source = bundle_source(bundle.folder, root)
    pools = {name: {row for each in group for row in each.candidates} for name, group in source.examples.items()}
    assert {name: set(rows) for name, rows in source.scopes.items()} == {
        EVERY_TARGET: pools["edit"] | pools["cards"],
        "the targets of edit": pools["edit"],
        "the targets of cards": pools["cards"],
        EVERYTHING: set(range(len(bundle.items))),
    }
    assert source.embedder is not None
    assert source.example("cards", 2).dataset == "cards"
    for dataset, number in [("cards", 0), ("cards", 4), ("dogs", 1)]:
        with pytest.raises(ValueError, match=r"choose"):
            source.example(dataset, number)


def test_a_run_that_was_moved_keeps_its_checkpoint_but_one_outside_the_root_is_not_read(root, tmp_path, tiny):
    moved = tmp_path / "elsewhere" / "run"
    shutil.copytree(root / "run", moved)
    found = bundles_under(moved.parent)
    assert list(found) == ["run / 000007-miniature"]
    folder = found["run / 000007-miniature"]
    assert bundle_source(folder, moved.parent).embedder is not None
    shutil.rmtree(moved / "checkpoints")
    source = bundle_source(folder, moved.parent)
    assert source.embedder is None
    assert "lies outside" in source.no_embedder
    named = bundle_source(folder, moved.parent, root / "run")
    assert named.embedder is not None


def test_a_checkpoint_of_another_shape_is_refused(root, bundle, tmp_path):
    tiny_embedder(width=64, layers=1, vision_layers=1).save(tmp_path)
    source = bundle_source(bundle.folder, root, tmp_path)
    assert source.embedder is None
    assert "vectors of 64 numbers, but the bundle has 32" in source.no_embedder


def test_half_written_bundles_and_links_out_of_the_root_are_not_listed(root, tmp_path):
    assert bundles_under(tmp_path / "missing") == {}
    half = tmp_path / "run" / "bundles" / "000001-miniature"
    half.mkdir(parents=True)
    (half / "items.parquet").write_bytes(b"half")
    (tmp_path / "linked").symlink_to(root / "run")
    assert bundles_under(tmp_path) == {}


def test_a_folder_of_pictures_is_searched(root, tmp_path):
    for name, colour in [("red.png", "red"), ("blue.png", "blue")]:
        (tmp_path / name).write_bytes(png(colour=colour))
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"1 of 3 rows cannot be used[\s\S]*broken\.png"):
        folder_source(tmp_path, root / "run", "stop", progress=False)
    source = folder_source(tmp_path, root / "run", "skip", progress=False)
    assert len(source.skipped) == 1
    assert source.embedder is not None
    vector = embed_query(source.embedder, build_query("", png(colour="red"), ""))
    first = search(source.index, vector, 1, source.scopes[EVERY_PICTURE])[0]
    assert (first.text, first.right) == ("red.png", None)
    assert first.similarity == pytest.approx(1, abs=1e-5)
    (tmp_path / "red.png").unlink()
    assert source.index.parts(first.row) == (ShownPart("image"), ShownPart("text", "red.png"))

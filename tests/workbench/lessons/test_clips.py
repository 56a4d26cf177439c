"""Films of lesson 10: the same motions in more frames, captions beside their films, vectors of clips and frames."""

import numpy as np
import pytest
import torch

from core.data.records import Item, Video
from core.encoder.tiny.llava_onevision import tiny_embedder
from workbench.lessons.classroom import task
from workbench.lessons.clips import LENGTH, film, film_vectors, films, frame_vectors, mean_vectors


@pytest.fixture(scope="module")
def shown():
    return films(4, seed=3)


def test_a_film_keeps_motion_and_scene():
    clip = task("clips", 4, 3).rankings[0].candidates[0]
    (video,) = clip.parts
    assert film(clip, len(video.frames)) == video.frames
    longer = film(clip)
    assert len(longer) == LENGTH
    assert (longer[0].shift, longer[-1].shift) == (video.frames[0].shift, video.frames[-1].shift)
    assert {frame.scene for frame in longer} == {video.frames[0].scene}
    steps = np.diff([frame.shift for frame in longer], axis=0).sum(axis=1)
    assert (np.abs(steps - steps.mean()) < 1).all()


def test_each_caption_has_its_film_and_one_that_moves_elsewhere(shown):
    for place, ranking in enumerate(task("clips", 4, 3).rankings):
        right, other = shown.films[2 * place : 2 * place + 2]
        assert shown.captions[place] == ranking.query
        assert right[0].scene == other[0].scene
        assert right[-1].shift != other[-1].shift
        names = [name for name in ranking.asks if name != "direction"]
        first, second = ranking.candidates[:2]
        assert all(first.attributes[name] == second.attributes[name] for name in names)
        assert first.attributes["direction"] != second.attributes["direction"]
    assert shown.right.sum(axis=1).tolist() == [1] * 4
    assert (shown.right & shown.same_scene == shown.right).all()
    assert np.flatnonzero(shown.same_scene[2]).tolist() == [4, 5]


def test_other_seeds_draw_other_films(shown):
    assert films(4, seed=4).films != shown.films


def test_vectors(shown):
    embedder = tiny_embedder(width=32, layers=1, vision_layers=1)
    clips = [each[:3] for each in shown.films[:2]]
    expected = embedder.embed([Item((Video(tuple(clips[1])),))])
    torch.testing.assert_close(film_vectors(embedder, clips)[1:], expected, rtol=1e-4, atol=1e-5)
    singles = frame_vectors(embedder, clips, (0, 2))
    torch.testing.assert_close(singles[2], film_vectors(embedder, [each[2:] for each in clips]))
    mean = mean_vectors(singles, (0, 2))
    torch.testing.assert_close(mean, mean_vectors(singles, (2, 0)))
    torch.testing.assert_close(mean.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(mean, torch.nn.functional.normalize(singles[0] + singles[2], dim=1))

"""What lesson 10's checks compare with: the values of mistakes are those of the mistakes, and rules agree with core."""

import numpy as np
import pytest
import torch
from transformers import LlavaOnevisionConfig

from core.data.video.video_files import positions
from core.encoder.backbones.llava_onevision import video_tokens
from core.objectives.infonce import InfoNCE
from workbench.checks import lesson_10
from workbench.lessons.feedback import Wrong


def test_exact_positions_are_the_readers_but_for_rounding():
    pairs = [(total, wanted) for total in range(1, 200) for wanted in range(1, 33)]
    apart = [
        pair for pair in pairs if tuple(lesson_10.exact_positions(*pair)) != positions(pair[0], None, pair[1], None)
    ]
    assert len(apart) < 0.01 * len(pairs)
    for total, wanted in apart:
        difference = np.array(lesson_10.exact_positions(total, wanted)) - positions(total, None, wanted, None)
        assert set(difference) <= {0, 1}


def test_every_mistaken_matrix_is_another_one():
    for mistakes in (lesson_10.mistaken_probabilities, lesson_10.mistaken_gradients, lesson_10.mistaken_values):
        found = list(mistakes(lesson_10.SMALL, 9.0, 0.02).values())
        for place, one in enumerate(found):
            assert all(not torch.allclose(one, other, rtol=1e-6, atol=0) for other in found[:place])


def test_gradient_through_the_weights_is_numerically_right():
    def surrogate(similarity):
        weight = torch.exp(4.0 * (similarity - similarity.diagonal()[:, None]))
        amplified = torch.softmax(similarity / 0.1, dim=1) * weight
        return ((amplified - torch.eye(3, dtype=similarity.dtype)) * similarity).sum() / 0.3

    similarity, step = lesson_10.SMALL, 1e-6
    found = lesson_10.through_weights(similarity, 4.0, 0.1)
    for place in ((0, 1), (1, 1), (2, 0)):
        moved = torch.zeros_like(similarity)
        moved[place] = step
        expected = (surrogate(similarity + moved) - surrogate(similarity - moved)) / (2 * step)
        assert float(found[place]) == pytest.approx(float(expected), rel=1e-5)


def test_the_second_row_is_lost_and_amplified():
    p = lesson_10.terms(InfoNCE(0.02), lesson_10.SMALL).probability
    assert lesson_10.SMALL[1, 0] > lesson_10.SMALL[1, 1]
    assert p[1, 0] > 0.9


@pytest.mark.parametrize("budget", [10, 99, 8192])
def test_largest_is_the_last_that_fits(budget):
    config = LlavaOnevisionConfig()
    most = lesson_10.largest(lambda frames: video_tokens(config, frames) + 7, budget)
    assert most == 0 or video_tokens(config, most) + 7 <= budget
    assert video_tokens(config, most + 1) + 7 > budget


def plain_loss(similarity, tau):
    return lesson_10.terms(InfoNCE(tau), similarity).loss.mean()


@pytest.mark.parametrize(
    ("check", "answer", "message"),
    [
        (lesson_10.frame_positions, lambda total, wanted: None, "no `return`"),
        (lesson_10.frame_positions, lambda total, wanted: 3, "a list of positions"),
        (lesson_10.frame_positions, lambda total, wanted: [0.5, 1, 2, 3], "whole numbers"),
        (lesson_10.frames_that_fit, lambda budget, side, others: None, "no `return`"),
        (lesson_10.frames_that_fit, lambda budget, side, others: 41.0, "counted by an int"),
        (lesson_10.frames_that_fit, lambda budget, side, others: 40, "must stay within the budget"),
        (lesson_10.amplified_infonce, lambda s, beta, tau: plain_loss(s.detach(), tau), "apply"),
        (lesson_10.amplified_probabilities, lambda s, beta, tau: None, "no `return`"),
    ],
)  # fmt: skip
def test_absurd_answers_get_readable_messages(check, answer, message):
    with pytest.raises(Wrong, match=message):
        check(answer)


def test_a_stub_passes_through():
    def stub(*given):
        raise NotImplementedError("Exercise 10.1")

    for check in (lesson_10.amplified_probabilities, lesson_10.amplified_infonce, lesson_10.frame_positions):
        with pytest.raises(NotImplementedError):
            check(stub)

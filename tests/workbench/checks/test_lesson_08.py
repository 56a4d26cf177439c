"""What the general tests over wrong answers do not cover: shards are torch's, absurd answers give readable words."""

import pytest
import torch

from core.evaluation.metrics import mean_interval
from workbench.checks import lesson_08
from workbench.checks.shards import shards
from workbench.lessons.feedback import Wrong


@pytest.mark.parametrize(("queries", "processes"), [(10, 4), (12, 4), (3, 8), (1, 1), (5, 5)])
def test_shards_are_dealt_in_turn_and_padded_from_the_start(queries, processes):
    hits = torch.arange(queries).double()
    each = -(-queries // processes)
    expected = [[(k * processes + rank) % queries for k in range(each)] for rank in range(processes)]
    assert [hand.int().tolist() for hand in shards(hits, processes)] == expected


@pytest.mark.parametrize("seed", range(4))
def test_the_checks_own_interval_is_the_evaluators(seed):
    groups = lesson_08.drawn_groups(seed)
    _, *core = mean_interval([each.numpy() for each in groups])
    own = lesson_08.percentiles(lesson_08.resampled(groups, seed), 0.025)
    error = lesson_08.standard_error(groups)
    assert lesson_08.distance(own, (core[0], core[1])) < 0.4 * error


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("one", [True, False])
def test_mistakes_differ_from_the_right_interval_and_from_each_other(seed, one):
    groups = lesson_08.drawn_groups(seed)[: 1 if one else None]
    error = lesson_08.standard_error(groups)
    ends = [lesson_08.percentiles(lesson_08.resampled(groups, seed), 0.025)]
    ends += lesson_08.interval_mistakes(groups, seed).values()
    for number, first in enumerate(ends):
        for other in ends[number + 1 :]:
            assert lesson_08.distance(first, other) > lesson_08.CLOSE * error


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (lesson_08.precision_at_1, lambda *given: None, "no `return`"),
        (lesson_08.precision_at_1, lambda *given: 0.5, "gave a float"),
        (lesson_08.precision_at_1, lambda *given: torch.rand(3, 3), "has shape"),
        (lesson_08.means, lambda *given: 0.5, "a dictionary"),
        (lesson_08.means, lambda hits, kinds: dict.fromkeys({*kinds.values(), "overall"}), "one number is expected"),
        (lesson_08.interval, lambda *given: None, r"a pair \(low, high\)"),
        (lesson_08.interval, lambda *given: (0.9, 0.1), "the lower end comes first"),
        (lesson_08.interval, lambda *given: (float("nan"), 0.1), "NaN is no end"),
        (lesson_08.interval, lambda *given: (0.0, 5.0), "is expected, up to"),
        (lesson_08.gathered, lambda *given: None, "no `return`"),
        (lesson_08.gathered, lambda shards, queries: torch.zeros(queries), "differs from the right values"),
    ],
)
def test_absurd_answers_get_words(check, answer, words):
    with pytest.raises(Wrong, match=words):
        check(answer)


@pytest.mark.parametrize("check", [lesson_08.precision_at_1, lesson_08.means, lesson_08.interval, lesson_08.gathered])
def test_a_stub_passes_through(check):
    def stub(*given):
        raise NotImplementedError("Exercise")

    with pytest.raises(NotImplementedError, match="Exercise"):
        check(stub)

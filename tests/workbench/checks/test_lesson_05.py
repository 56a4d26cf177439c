"""What lesson 5's checks say of answers that are no answers, on real processes."""

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from workbench.checks import lesson_05
from workbench.checks.data_parallel_steps import STEPS, Summed, all_rows_loss
from workbench.lessons import processes
from workbench.lessons.feedback import Wrong
from workbench.lessons.processes import RankError, run_on_ranks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _stopped_at_the_end():
    yield
    processes.close_all()


def right_gather(local: Tensor) -> Tensor:
    return Summed.apply(local)


def gathers_a_list(local: Tensor) -> list[Tensor]:
    pieces = [torch.empty_like(local) for _ in range(dist.get_world_size())]
    dist.all_gather(pieces, local)
    return pieces


def gathers_in_another_order(local: Tensor) -> Tensor:
    return Summed.apply(local).flip(0)


def gathers_nothing(local: Tensor) -> Tensor:
    return local


def gathers_wrongly(local: Tensor) -> Tensor:
    return local @ local


def not_written(local: Tensor) -> Tensor:
    raise NotImplementedError("Exercise 5.2")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_trainers_gather_is_right(seed, capsys):
    lesson_05.gather(right_gather, seed=seed)
    assert capsys.readouterr().out.startswith("Exercise 5.2: right.")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (gathers_a_list, "returned no tensor"),
        (gathers_in_another_order, "What rank 0 gathered differs"),
        (gathers_nothing, r"has shape \[3, 5\]; \[6, 5\] is expected"),
    ],
)
def test_absurd_gathers_are_told_readably(answer, message):
    with pytest.raises(Wrong, match=message):
        lesson_05.gather(answer)


def test_the_learners_own_error_is_shown():
    with pytest.raises(RankError, match=r"gathers_wrongly[\s\S]*return local @ local[\s\S]*RuntimeError: mat1"):
        lesson_05.gather(gathers_wrongly)


def test_a_stub_stays_one():
    with pytest.raises(NotImplementedError, match=r"Exercise 5\.2"):
        lesson_05.gather(not_written)


@pytest.mark.parametrize("answer", [None, "much", True, [0.0]])
def test_errors_that_are_no_numbers(answer):
    with pytest.raises(Wrong, match="one number is expected"):
        lesson_05.gradient_error(lambda *_: answer)
    with pytest.raises(Wrong, match="a number is expected"):
        lesson_05.loss_factor(lambda *_: answer)


def test_the_steps_have_the_errors_that_they_are_said_to_have():
    queries, targets, weight = lesson_05.unit(0, 8, 6), lesson_05.unit(1, 8, 6), lesson_05.unit(2, 6, 5)
    whole = lesson_05.whole_gradient(weight, queries, targets)
    found = {}
    for step in [*STEPS, all_rows_loss]:
        ranks = run_on_ranks(lesson_05.gradient_on_rank, 2, weight, queries, targets, step=step)
        error, mistakes = lesson_05.errors(ranks, whole["gradient"], whole["loss"])
        assert all(abs(float(each) - error) > 1e-9 for each in mistakes.values())
        found[step.__name__] = error
    assert found["right_loss"] < 1e-12
    assert found["half_loss"] == pytest.approx(0.5, abs=1e-12)
    assert found["no_gradient"] == pytest.approx(1.0, abs=1e-12)
    assert found["triple_loss"] == pytest.approx(2.0, abs=1e-12)
    assert found["all_rows_loss"] == pytest.approx(0.5, abs=1e-12)
    assert found["uneven_loss"] > 0.05

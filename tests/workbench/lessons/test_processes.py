"""Functions run in real processes: sent by source, with what they need; failures are told and leave nothing behind."""

import subprocess
import sys
import textwrap
import time

import psutil
import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from workbench.lessons import processes
from workbench.lessons.processes import RankError, run_on_ranks
from workbench.lessons.sending import CannotSend, program

FACTOR = 3.0
TABLE = torch.ones(2)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _stopped_at_the_end():
    yield
    processes.close_all()


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, *gradients):
        return 7 * gradients[0]


def helper(x: Tensor) -> Tensor:
    return FACTOR * Doubled.apply(x)


def summed(x: Tensor) -> dict:
    mine = helper(x[dist.get_rank()])
    total = mine.clone()
    dist.all_reduce(total)
    print("mine is", mine.item())
    return {"mine": mine, "total": total, "rank": dist.get_rank()}


def with_function(x: Tensor, change) -> list:
    x = x.clone().requires_grad_()
    change(x).sum().backward()
    return [x.grad, float(dist.get_world_size())]


def test_helpers_classes_values_and_modules_go_along(capsys):
    found = run_on_ranks(summed, 2, torch.tensor([1.0, 10.0], dtype=torch.float64))
    assert [each["mine"].item() for each in found] == [6.0, 60.0]
    assert [each["total"].item() for each in found] == [66.0, 66.0]
    assert [each["rank"].item() for each in found] == [0, 1]
    assert capsys.readouterr().out == "[rank 0] mine is 6.0\n[rank 1] mine is 60.0\n"


def test_functions_are_arguments_and_the_processes_are_used_again():
    before = [each.pid for each in processes.pool(2).processes]
    for gradient, world in run_on_ranks(with_function, 2, torch.ones(3), change=helper):
        assert torch.equal(gradient, torch.full((3,), 21.0))
        assert world == 2.0
    assert [each.pid for each in processes.pool(2).processes] == before


def nothing():
    return None


def a_number():
    return 4


def test_results_of_every_kind():
    assert run_on_ranks(nothing, 2) == [None, None]
    assert run_on_ranks(a_number, 2) == [4.0, 4.0]


def fails_on_one():
    if dist.get_rank() == 1:
        deeper()
    dist.barrier()


def deeper():
    raise IndexError("no such row")


def to_write():
    raise NotImplementedError("Exercise 5.2")


def says_a_word():
    return "word"


def waits():
    if dist.get_rank() == 0:
        dist.barrier()


def test_an_error_is_told_with_the_rank_and_the_functions_own_lines():
    pids = [each.pid for each in processes.pool(2).processes]
    with pytest.raises(RankError) as caught:
        run_on_ranks(fails_on_one, 2)
    text = str(caught.value)
    assert text.startswith("On rank 1:\n  fails_on_one, line ")
    assert ", in deeper" in text
    assert 'raise IndexError("no such row")' in text
    assert text.endswith("IndexError: no such row")
    assert "rank_program" not in text
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_an_exercise_to_be_written_stays_one():
    with pytest.raises(NotImplementedError, match=r"Exercise 5\.2"):
        run_on_ranks(to_write, 2)


def test_a_result_that_cannot_travel_is_refused():
    with pytest.raises(RankError, match="not a str"):
        run_on_ranks(says_a_word, 2)


def test_a_rank_that_never_comes_is_not_waited_for():
    with pytest.raises(RankError, match="same calls in the same order"):
        run_on_ranks(waits, 2, limit_s=1.0)
    assert run_on_ranks(a_number, 2) == [4.0, 4.0]


def test_what_cannot_be_sent_is_said_before_anything_runs():
    def uses_table():
        return TABLE

    with pytest.raises(CannotSend, match="`TABLE`, a Tensor of the notebook"):
        program(uses_table)
    local = 3

    def closure():
        return local

    with pytest.raises(CannotSend, match="inside another function"):
        program(closure)
    with pytest.raises(CannotSend, match="def"):
        program(torch.nn.Identity())


def test_the_processes_end_with_their_notebook():
    """Also when it is killed: the end of their input ends them."""
    script = """
        import os, signal
        from workbench.lessons import processes
        print(*[each.pid for each in processes.pool(1).processes], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False, timeout=120
    )
    (pid,) = map(int, done.stdout.split())
    end = time.monotonic() + 60
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "the process outlives its notebook"
        time.sleep(0.1)

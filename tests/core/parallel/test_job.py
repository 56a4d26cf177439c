"""Processes of one attempt find each other past what dead ones left; the loss of one is told from other errors."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch.distributed import TCPStore

from core.parallel.job import LOST, last_words, lost_another, meet


def all_meet(store: dist.Store, world: int) -> list[str]:
    """What each of the processes, here threads, is told."""
    found: list[str] = [""] * world

    def one(rank: int) -> None:
        found[rank] = meet(store, rank, world, 10)

    # The first process comes last: the others have nothing but what an earlier attempt left.
    threads = [threading.Thread(target=one, args=(rank,)) for rank in reversed(range(world))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    return found


def test_each_attempt_has_a_name_of_its_own_that_all_know() -> None:
    store = dist.HashStore()
    names = []
    for _ in range(5):
        found = all_meet(store, 3)
        assert len(set(found)) == 1
        names.append(found[0])
    assert len(set(names)) == 5
    assert "" not in names


def test_an_attempt_that_broke_off_while_meeting_does_no_harm() -> None:
    store = dist.HashStore()
    store.set("meet/call", "dead")
    for rank in range(3):
        store.set(f"meet/dead/{rank}", "answer of the dead")
    store.set("meet/dead/all", "dead,dead too,dead as well")
    found = all_meet(store, 3)
    assert len(set(found)) == 1
    assert found[0] not in ("", "dead")


def test_nobody_waits_for_ever() -> None:
    store = dist.HashStore()
    store.set("meet/call", "dead")
    with pytest.raises(dist.DistStoreError, match=r"not there within 0\.2 s") as caught:
        meet(store, 1, 2, 0.2)
    assert lost_another(caught.value)


def two_processes(timeout_s: float) -> list[dist.ProcessGroupGloo]:
    """The ends of a connection by gloo, as two processes hold them; both are in this one."""
    store = dist.HashStore()

    def one(rank: int) -> dist.ProcessGroupGloo:
        return dist.ProcessGroupGloo(store, rank, 2, timedelta(seconds=timeout_s))

    with ThreadPoolExecutor(2) as threads:
        return [*threads.map(one, range(2))]


def test_a_process_that_dies_is_lost() -> None:
    ends = two_processes(20)
    ends.pop()
    with pytest.raises(RuntimeError) as caught:
        ends[0].allreduce([torch.ones(3)]).wait()
    assert lost_another(caught.value)


def test_a_process_that_does_not_answer_is_lost() -> None:
    ends = two_processes(0.2)
    with pytest.raises(RuntimeError) as caught:
        ends[0].allreduce([torch.ones(3)]).wait()
    assert lost_another(caught.value)


def test_a_store_whose_process_dies_is_lost() -> None:
    stores = [TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)]
    client = TCPStore("127.0.0.1", stores[0].port, is_master=False, timeout=timedelta(seconds=20))
    stores.clear()
    with pytest.raises(RuntimeError) as caught:
        client.get("anything")
    assert lost_another(caught.value)


def test_a_wrong_call_of_a_collective_is_an_error_of_its_own() -> None:
    ends = two_processes(20)
    with pytest.raises(RuntimeError, match="invalid tensor size") as caught:
        ends[0].allgather([[torch.empty(4), torch.empty(4)]], [torch.ones(3)]).wait()
    assert not lost_another(caught.value)


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        # As gloo of torch 2.13 words them: a dead process, one that resets, one that stands still, an old address.
        (RuntimeError("[/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [::1]:2"), True),
        (RuntimeError("[/gloo/transport/tcp/pair.cc:537] Read error [::1]:2: Connection reset by peer"), True),
        (RuntimeError("[/gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 20000ms for recv operation"), True),
        (RuntimeError("Gloo connectFullMesh failed with [/gloo/transport/tcp/pair.h:311] Connect timeout"), True),
        (dist.DistNetworkError("the client socket has failed"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (RuntimeError("DataLoader timed out after 5 seconds"), False),
        (ValueError("[/gloo/transport/tcp/pair.cc:553] Connection closed by peer"), False),
    ],
)
def test_the_loss_of_a_process_is_told_from_other_errors(error: Exception, lost: bool) -> None:
    assert lost_another(error) is lost


def test_nccls_own_words_are_kept_and_gloos_are_not() -> None:
    assert last_words(RuntimeError("[/gloo/transport/tcp/pair.cc:547] Connection closed by peer")) == LOST
    assert "unhandled system error" in last_words(dist.DistBackendError("NCCL: unhandled system error\nstack"))


LEAVING = """
import atexit
from core.parallel.job import leave
atexit.register(print, "shut down")
print("last words")
leave(3)
"""


@pytest.mark.parametrize(("processes", "printed"), [("1", "last words\nshut down\n"), ("2", "last words\n")])
def test_one_of_several_processes_ends_without_pythons_shutdown(processes: str, printed: str) -> None:
    environment = {**os.environ, "WORLD_SIZE": processes}
    ended = subprocess.run([sys.executable, "-c", LEAVING], env=environment, stdout=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stdout) == (3, printed)

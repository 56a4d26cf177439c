"""Join, restart, lose and leave the processes of one job."""

import os
import sys
import time
import uuid
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist
from accelerate import PartialState
from torch.distributed import PrefixStore, Store, TCPStore  # pyright: ignore[reportPrivateImportUsage]

from core.parallel.collectives import sum_over_ranks

LOST = "Another process of this job has died or hangs; see its output above."
LONGEST = 200

# torch gives what gloo raises no type of its own, a plain RuntimeError. All that gloo's connections raise, in whatever
# words, names the place in gloo's source, as in "[.../gloo/transport/tcp/pair.cc:553] Connection closed by peer".
GLOO_CONNECTIONS = "gloo/transport"


def join(timeout_s: float | int) -> PartialState:
    """Join the other processes that torchrun started, if it did; collectives give up after `timeout_s` seconds.

    Raises:
        RuntimeError: the others do not come; `lost_another` says so.
    """
    limit = timedelta(seconds=timeout_s)
    cpu = not torch.cuda.is_available()
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return PartialState(cpu=cpu, timeout=limit)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), world, is_master=False, timeout=limit)
    own = PrefixStore(meet(store, rank, world, timeout_s), store)
    return PartialState(cpu=cpu, timeout=limit, store=own, rank=rank, world_size=world)


def meet(store: Store, rank: int, world: int, timeout_s: float | int) -> str:
    """Return a name that the processes of this attempt agree on and no earlier attempt has used.

    torchrun's store outlives the attempts (--max-restarts), and with it the addresses of processes that are dead;
    who reads one of those fails or waits for ever (pytorch issue 135712). So the first process calls with a new name,
    the others answer with new names of their own, and only a list of names that has one's own counts.

    Raises:
        torch.distributed.DistStoreError: the others did not come in time.
    """
    own = uuid.uuid4().hex
    if rank == 0:
        store.set("meet/call", own)
        answers = [store.get(f"meet/{own}/{other}").decode() for other in range(1, world)]
        store.set(f"meet/{own}/all", ",".join([own, *answers]))
        return own
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        call = store.get("meet/call").decode()
        store.set(f"meet/{call}/{rank}", own)
        if store.check([f"meet/{call}/all"]) and own in store.get(f"meet/{call}/all").decode().split(","):
            return call
        time.sleep(0.02)
    raise dist.DistStoreError(f"The other processes were not there within {timeout_s:g} s.")


def started_again(state: PartialState) -> bool:
    """Tell whether torchrun (--max-restarts) started the processes in place of some that failed; all answer alike.

    torchrun counts on each node by itself, so one node that knows is enough.
    """
    restarts = float(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    return float(sum_over_ranks(torch.tensor(restarts, device=state.device))) > 0


def last_words(error: BaseException) -> str:
    """Tell the user that another process is lost; of NCCL, which fails for other reasons too, in its own words."""
    if isinstance(error, dist.DistBackendError):
        return f"{LOST} Or the network between them fails: {str(error).splitlines()[0][:LONGEST]}"
    return LOST


def lost_another(error: BaseException) -> bool:
    """Tell whether an error means that another process is gone or does not answer."""
    if isinstance(error, dist.DistNetworkError | dist.DistStoreError | dist.DistBackendError):
        return True
    return isinstance(error, RuntimeError) and GLOO_CONNECTIONS in str(error)


def leave(status: int, processes: int | None = None) -> NoReturn:
    """End this process; one of several (by default as torchrun says) ends at once, without Python's own shutdown.

    gloo's threads live on after a sharded model, whose device mesh torch keeps in caches. One that lets go of its last
    tensor while Python shuts down is stopped in the middle of a destructor, and the whole process aborts ("terminate
    called without an active exception") though its work is done: 4 of 80 processes on a busy machine.
    """
    if (processes or int(os.environ.get("WORLD_SIZE", "1"))) == 1:
        sys.exit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

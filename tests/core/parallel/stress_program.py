"""One rank of a real gloo job: many collectives of changing sizes, with ranks that arrive at different times.

python stress_program.py RANK WORLD RENDEZVOUS_FILE ROUNDS SEED
"""

import random
import sys
import time
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from core.parallel.collectives import all_rows, own_sum, sum_gradients, sum_over_ranks

TIMEOUT = timedelta(seconds=60)


def main() -> None:
    rank, world, rounds, seed = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4]), int(sys.argv[5])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=world, timeout=TIMEOUT)
    same = random.Random(seed)  # what all ranks must agree on
    own = random.Random(f"{seed}/{rank}")
    slowest, started = 0.0, time.perf_counter()
    for number in range(rounds):
        rows, width = same.choice((1, 7, 64, 513)), same.choice((1, 3, 128, 1024))
        if own.random() < 0.2:
            time.sleep(own.random() * 0.02)
        begun = time.perf_counter()
        check(rank, world, number, rows, width)
        slowest = max(slowest, time.perf_counter() - begun)
    if rank == 0:
        print(f"{rounds} rounds in {time.perf_counter() - started:.1f} s, the slowest {slowest:.2f} s")
    dist.destroy_process_group()


def check(rank: int, world: int, number: int, rows: int, width: int) -> None:
    """What one training step sends around, with known answers."""
    gathered = all_rows(torch.full((rows, width), float(rank)))
    expected = torch.arange(float(world)).repeat_interleave(rows)
    assert torch.equal(gathered, expected[:, None].expand(-1, width)), number
    assert torch.equal(all_rows(torch.full((rows,), rank)), expected.long()), number
    assert torch.equal(own_sum(gathered * (rank + 1))[:, 0], torch.full((rows,), rank * world * (world + 1) / 2)), (
        number
    )
    assert sum_over_ranks(torch.tensor(float(number))) == number * world
    weights = [nn.Parameter(torch.zeros(rows, width)), nn.Parameter(torch.zeros(width, dtype=torch.float64))]
    if rank % 2:
        weights[0].grad = torch.ones(rows, width)
    sum_gradients(weights)
    assert weights[0].grad is not None
    assert torch.equal(weights[0].grad, torch.full((rows, width), float(world // 2))), number


if __name__ == "__main__":
    main()

"""One rank of a real gloo job: run the contrast step on its share of a batch and write what it got.

python rank_program.py RANK WORLD RENDEZVOUS_FILE BATCH.safetensors OUT_FOLDER ALPHA TILE_ROWS
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

from core.objectives.hardness import HardnessWeighted
from core.parallel.contrast import Batch, value_and_gradient


def main() -> None:
    rank, world, rendezvous, batch_file, out, alpha, tile_rows = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=int(rank), world_size=int(world))
    whole = load_file(batch_file)
    rows = len(whole["queries"]) // int(world)
    mine = {name: value[int(rank) * rows : (int(rank) + 1) * rows].clone() for name, value in whole.items()}
    found = value_and_gradient(HardnessWeighted(float(alpha)), Batch(**mine), tile_rows=int(tile_rows))
    result = {name: getattr(found, name).clone().contiguous() for name in found.__dataclass_fields__}
    save_file(result, Path(out) / f"{rank}.safetensors")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

"""One rank of a real gloo job: run the contrast step of every objective on its share of a batch, write what it got.

python rank_program.py RANK WORLD RENDEZVOUS_FILE FOLDER TILE_ROWS, with FOLDER/batch.safetensors of the whole batch.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from objective_cases import CASES

from core.contrast.contrast import value_and_gradient
from core.contrast.similarity_tiles import EmbeddingBatch
from core.objectives.filters import Filters


def share(whole: dict[str, Tensor], rank: int, world: int) -> dict[str, Tensor]:
    """A rank's rows, and the explicit negatives that its rows own: not the same number on every rank."""
    rows = len(whole["queries"]) // world
    mine = slice(rank * rows, (rank + 1) * rows)
    owned = (whole["negative_owners"] // rows == rank).nonzero().flatten() if "negatives" in whole else None
    out = {}
    for name, value in whole.items():
        if name == "known":
            out[name] = value[torch.isin(value[:, 0], whole["query_ids"][mine])].clone()
        elif "negative" in name:
            assert owned is not None
            out[name] = value[owned].clone()
        else:
            out[name] = value[mine].clone()
    if owned is not None:
        out["negative_owners"] -= rank * rows
        if not len(owned):
            out = {name: value for name, value in out.items() if "negative" not in name}
    return out


def main() -> None:
    rank, world, rendezvous, folder, tile_rows = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=int(rank), world_size=int(world))
    mine = share(load_file(Path(folder) / "batch.safetensors"), int(rank), int(world))
    filters = Filters(exclude_above=0.1, exclude_similar=0.6)
    results = {}
    for name, case in CASES.items():
        for label, chosen in (("plain", None), ("filtered", filters)):
            found = value_and_gradient(case.objective, EmbeddingBatch(**mine), int(tile_rows), filters=chosen)
            for field in found.__dataclass_fields__:
                if getattr(found, field) is not None:
                    results[f"{name}/{label}/{field}"] = getattr(found, field).clone().contiguous()
    save_file(results, Path(folder) / f"{rank}.safetensors")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

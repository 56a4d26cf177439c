"""Hits of an evaluation that several processes have shared out, and what goes wrong in putting them together."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DistributedSampler

from workbench.lessons.feedback import Wrong, compare, tensor_like


def shards(hits: Float[Tensor, " queries"], processes: int) -> list[Float[Tensor, " each"]]:
    """Say what each process has after torch's own DistributedSampler dealt out the queries: padding at the end."""
    return [
        hits[list(DistributedSampler(range(len(hits)), processes, rank, shuffle=False))]  # pyright: ignore[reportArgumentType]
        for rank in range(processes)
    ]


def compare_gathered(found: object, hits: Tensor, processes: int) -> None:
    """Raise Wrong unless `found` is `hits`."""
    parts = shards(hits, processes)
    queries, dealt = len(hits), torch.stack(parts, dim=1).flatten()
    behind = torch.cat(parts)
    where = f"({queries} queries on {processes} processes)"
    mistakes = {
        f"gather_hits keeps the padding {where}: {len(dealt)} hits for {queries} queries, so some queries count twice. "
        "Drop what comes after the last query.": dealt,
        f"gather_hits puts the shards one behind the other {where} and keeps the padding. Queries were dealt out in "
        "turn, like cards: the first hit of every shard comes first. Then drop the padding.": behind,
        f"gather_hits puts the shards one behind the other and cuts the end off {where}. Queries were dealt out in "
        "turn, so the end holds queries of the last shard, and the padding is still inside.": behind[:queries],
        f"gather_hits drops the last hit of every shard {where}: only some of them are padding, and real queries are "
        "lost with it.": torch.stack([each[:-1] for each in parts], dim=1).flatten(),
        f"gather_hits cuts at the front {where}. What was dealt twice lies at the end: keep the first "
        f"{queries}.": dealt[len(dealt) - queries :],
    }
    if isinstance(found, Tensor):
        for message, wrong in mistakes.items():
            if not torch.equal(wrong, hits) and found.shape == wrong.shape and torch.equal(found.double(), wrong):
                raise Wrong(message)
    tensor_like("gather_hits", found, hits)
    compare(f"gather_hits {where}", found, hits, {})

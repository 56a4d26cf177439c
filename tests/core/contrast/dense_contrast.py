"""The contrast of a whole batch written out: every anchor's printed equation, and autograd."""

from collections.abc import Callable

import printed_equations as printed
import torch
from torch import Tensor

from core.objectives.filters import Filters


def make_batch(
    n: int, seed: int, duplicates: bool = True, reward: bool = False, d: int = 8, negatives: int = 0
) -> dict[str, Tensor]:
    """Random unit vectors; with duplicates, some pairs share a target or a query, ids and vectors alike.

    With negatives, the last `negatives` rows own an explicit hard negative; one of them repeats a target.
    """
    generator = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)

    q, t, rq, rt = unit(4, n, d)
    query_ids, target_ids = torch.arange(n), torch.arange(n) + 1000
    if duplicates and n >= 4:
        t[n - 1], target_ids[n - 1] = t[0], target_ids[0]
        q[n - 2], query_ids[n - 2] = q[1], query_ids[1]
    batch = {"queries": q, "targets": t, "query_ids": query_ids, "target_ids": target_ids}
    if reward:
        batch |= {"reward_queries": rq, "reward_targets": rt}
    if negatives:
        batch |= {
            "negatives": unit(negatives, d),
            "negative_ids": torch.arange(negatives) + 5000,
            "negative_owners": torch.arange(n - negatives, n),
        }
        batch["negatives"][0], batch["negative_ids"][0] = t[0], target_ids[0]
        if reward:
            batch["reward_negatives"] = unit(negatives, d)
    return batch


def make_repeats(n: int, seed: int, negatives: int = 0, items: int = 6, d: int = 8) -> dict[str, Tensor]:
    """Make a batch of few distinct items, each of which may be query, target and explicit negative of any row."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.nn.functional.normalize(torch.randn(items, d, generator=generator, dtype=torch.float64), dim=-1)
    names = torch.randint(2**60, (items,), generator=generator)
    query, target = torch.randint(items, (2, n), generator=generator)
    batch = {
        "queries": vectors[query], "targets": vectors[target], "query_ids": names[query], "target_ids": names[target]
    }  # fmt: skip
    if negatives:
        given = torch.randint(items, (negatives,), generator=generator)
        owners = torch.randint(n, (negatives,), generator=generator).sort().values
        batch |= {"negatives": vectors[given], "negative_ids": names[given], "negative_owners": owners}
    return batch


def dense(
    batch: dict[str, Tensor],
    equation: Callable[[printed.Anchor], Tensor],
    both_directions: bool = True,
    filters: Filters | None = None,
) -> dict[str, Tensor]:
    """Loss and autograd's gradients of queries, targets and negatives, from the whole matrix."""
    names = [name for name in ("queries", "targets", "negatives") if name in batch]
    q, t, *rest = leaves = [batch[name].clone().requires_grad_() for name in names]
    n, columns = len(q), torch.cat([t, *rest])
    similarity = q @ columns.T
    reward = similarity
    if "reward_queries" in batch:
        of_columns = [batch["reward_targets"], *([batch["reward_negatives"]] if rest else [])]
        reward = batch["reward_queries"] @ torch.cat(of_columns).T
    own = torch.zeros_like(similarity, dtype=torch.bool)
    if rest:
        own[:, n:] = torch.arange(n)[:, None] == batch["negative_owners"]
    by_row, by_column = negatives_of(batch, similarity.detach(), columns.detach(), filters or Filters())
    of_rows = printed.mean_loss(equation, printed.anchors(similarity, reward, by_row, own))
    loss = of_rows
    if both_directions:
        square = slice(0, n)
        other = printed.anchors(similarity[:, square].T, reward[:, square].T, by_column.T, own[:, square].T)
        loss = (of_rows + printed.mean_loss(equation, other)) / 2
    gradients = torch.autograd.grad(loss, leaves)
    fields = ("query_gradients", "target_gradients", "negative_gradients")[: len(leaves)]
    return {"loss": loss.detach()} | dict(zip(fields, gradients, strict=True))


def negatives_of(
    batch: dict[str, Tensor], similarity: Tensor, columns: Tensor, filters: Filters
) -> tuple[Tensor, Tensor]:
    """Which pairs are negatives: of rows (n x columns), and of targets as anchors (n x n).

    Whatever is known to be right is no negative: what any row, or the data besides, names as right for the same query,
    and the query itself.
    """
    n = len(similarity)
    known = {*zip(batch["query_ids"].tolist(), batch["target_ids"].tolist(), strict=True)}
    known |= {(query, item) for query, item in batch.get("known", torch.empty(0, 2)).tolist()}
    ids = torch.cat([batch["target_ids"], batch.get("negative_ids", batch["target_ids"][:0])])
    negative = torch.ones_like(similarity, dtype=torch.bool)
    for i in range(n):
        for j in range(len(ids)):
            query, item = int(batch["query_ids"][i]), int(ids[j])
            negative[i, j] = (query, item) not in known and query != item
            if filters.exclude_similar is not None and columns[i] @ columns[j] > filters.exclude_similar:
                negative[i, j] = False
    by_row, by_column = negative.clone(), negative[:, :n].clone()
    if filters.exclude_above is not None:
        positive = similarity.diagonal()
        by_row &= similarity <= positive[:, None] + filters.exclude_above
        by_column &= similarity[:, :n] <= positive + filters.exclude_above
    return by_row, by_column

"""The contrast of all pairs of a global batch: its loss and the exact gradient of every embedding.

Keys: n rows of this rank, N = n * world size rows of the global batch, d dimensions.

Each rank walks its n x N strip of the similarity matrix in tiles of a few rows, twice: first for the
log-sum-exp of rows and columns, then for the gradient. Nothing of size N x N, or n x N, is ever held.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from core.objectives.infonce import InfoNCE
from core.objectives.softmax import Objective, logits
from core.parallel.gather import all_rows, own_sum, rank, sum_over_ranks

TILE_ROWS = 256


@dataclass(frozen=True)
class Batch:
    """This rank's part of a global batch.

    queries, targets: unit vectors; row i of targets is the positive of row i of queries.
    query_ids, target_ids: content ids as integers; equal ids are equal items.
    reward_queries, reward_targets: a frozen reward model's vectors of the same items; None for the policy.
    """

    queries: Float[Tensor, "n d"]
    targets: Float[Tensor, "n d"]
    query_ids: Int[Tensor, " n"]
    target_ids: Int[Tensor, " n"]
    reward_queries: Float[Tensor, "n r"] | None = None
    reward_targets: Float[Tensor, "n r"] | None = None

    def __post_init__(self) -> None:
        if (self.reward_queries is None) != (self.reward_targets is None):
            raise ValueError("Batch needs both reward_queries and reward_targets, or neither.")


@dataclass(frozen=True)
class Contrast:
    """The outcome of one contrast step.

    loss: mean over the N rows and both directions, global. infonce_loss: the same with all weights 1 (alpha = 0),
    comparable across objectives. query_gradients, target_gradients: dloss / dembedding of this rank's rows, of the
    *global* loss; summed over ranks, the encoder's gradients are those of one process.
    positive, hardest: this rank's s_ii and max over negatives of s_ij, query -> target.
    """

    loss: Tensor
    infonce_loss: Tensor
    query_gradients: Float[Tensor, "n d"]
    target_gradients: Float[Tensor, "n d"]
    positive: Float[Tensor, " n"]
    hardest: Float[Tensor, " n"]


@dataclass(frozen=True)
class Tile:
    """Some rows of this rank against all N columns. `rows` indexes this rank's rows, `column_ids` the targets."""

    rows: slice
    column_ids: Int[Tensor, " total"]
    similarity: Float[Tensor, "m total"]
    reward: Float[Tensor, "m total"]
    positive: Bool[Tensor, "m total"]
    excluded: Bool[Tensor, "m total"]

    def logits(self, objective: Objective) -> Float[Tensor, "m total"]:
        """z of every pair of the tile."""
        return logits(objective, self.similarity, self.reward, self.positive, self.excluded)


def value_and_gradient(
    objective: Objective,
    batch: Batch,
    tile_rows: int = TILE_ROWS,
    observe: Callable[[Tile, Float[Tensor, "m total"]], None] | None = None,
) -> Contrast:
    """The objective's global loss and its gradient with respect to this rank's embeddings.

    loss = 1/(2N) sum_i [ (lse_j z_ij - z_ii) + (lse_j z_ji - z_ii) ]
    dloss/dS = (P_rows + P_columns - 2I) / (2 N tau)

    Equal to the single-process float64 gradient for any world size and tile size. Columns whose target equals a
    row's positive, or whose query equals the row's query, are known to be right and are no negatives.
    `observe` sees every tile with its row log-probabilities once the row normalizers are known.

    Raises:
        ValueError: an embedding is not finite.
    """
    strip = Strip(batch, tile_rows)
    weighted, plain = normalizers((objective, InfoNCE(objective.temperature)), strip)
    positive, hardest, query_gradients, target_gradients = gradients(objective, strip, weighted, observe)
    return Contrast(
        loss=global_loss(weighted, strip, positive / objective.temperature),
        infonce_loss=global_loss(plain, strip, positive / objective.temperature),
        query_gradients=query_gradients,
        target_gradients=target_gradients,
        positive=positive,
        hardest=hardest,
    )


class Strip:
    """This rank's rows against the targets of all ranks: gathered once, read tile by tile."""

    def __init__(self, batch: Batch, tile_rows: int) -> None:
        for name in ("queries", "targets"):
            if not bool(torch.isfinite(getattr(batch, name)).all()):
                raise ValueError(
                    f"{name}: some embeddings are not finite; the model has diverged or its input is broken."
                )
        self.queries = precise(batch.queries)
        self.targets = all_rows(precise(batch.targets))
        self.query_ids, self.target_ids = batch.query_ids, batch.target_ids
        self.all_query_ids, self.all_target_ids = all_rows(batch.query_ids), all_rows(batch.target_ids)
        self.reward_queries = self.reward_targets = None
        if batch.reward_queries is not None and batch.reward_targets is not None:
            self.reward_queries = precise(batch.reward_queries)
            self.reward_targets = all_rows(precise(batch.reward_targets))
        self.tile_rows = tile_rows
        self.total = len(self.targets)
        self.offset = rank() * len(self.queries)

    def own(self, columns: Float[Tensor, " total"]) -> Float[Tensor, " n"]:
        """The columns whose target belongs to this rank."""
        return columns[self.offset : self.offset + len(self.queries)]

    def __iter__(self) -> Iterator[Tile]:
        index = torch.arange(self.total, device=self.targets.device)
        for start in range(0, len(self.queries), self.tile_rows):
            rows = slice(start, min(start + self.tile_rows, len(self.queries)))
            similarity = self.queries[rows] @ self.targets.T
            reward = similarity
            if self.reward_queries is not None and self.reward_targets is not None:
                reward = (self.reward_queries[rows] @ self.reward_targets.T).to(similarity.dtype)
            positive = index[rows.start + self.offset : rows.stop + self.offset, None] == index
            same = (self.target_ids[rows, None] == self.all_target_ids) | (
                self.query_ids[rows, None] == self.all_query_ids
            )
            yield Tile(rows, self.all_target_ids, similarity, reward, positive, same & ~positive)


def precise(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Detached, in float32 or better: bf16 logits would be off by up to 0.25 (papers.md 6.17)."""
    return vectors.detach() if vectors.dtype == torch.float64 else vectors.detach().float()


@dataclass(frozen=True)
class Normalizers:
    """Log-sum-exp of this rank's rows and of all columns, of one objective."""

    rows: Float[Tensor, " n"]
    columns: Float[Tensor, " total"]


def normalizers(objectives: Sequence[Objective], strip: Strip) -> list[Normalizers]:
    """The normalizers of several objectives from one walk over the tiles."""
    rows: list[list[Tensor]] = [[] for _ in objectives]
    columns: list[list[Tensor]] = [[] for _ in objectives]
    for tile in strip:
        for number, objective in enumerate(objectives):
            z = tile.logits(objective)
            rows[number].append(torch.logsumexp(z, dim=1))
            columns[number].append(torch.logsumexp(z, dim=0))
    return [Normalizers(torch.cat(r), over_all_ranks(c)) for r, c in zip(rows, columns, strict=True)]


def over_all_ranks(partial: list[Float[Tensor, " total"]]) -> Float[Tensor, " total"]:
    """Combine log-sum-exps of columns over this rank's tiles and over ranks."""
    local = torch.logsumexp(torch.stack(partial), dim=0)
    return torch.logsumexp(all_rows(local[None]), dim=0)


def global_loss(normalizers: Normalizers, strip: Strip, positive_logits: Float[Tensor, " n"]) -> Tensor:
    """The mean over all rows of both directions' losses."""
    local = (normalizers.rows + strip.own(normalizers.columns)) / 2 - positive_logits
    return sum_over_ranks(local.sum()) / strip.total


def gradients(
    objective: Objective,
    strip: Strip,
    normalizers: Normalizers,
    observe: Callable[[Tile, Float[Tensor, "m total"]], None] | None,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Each row's positive and hardest negative similarity, dloss/dQ and dloss/dT.

    dloss/dQ = G T, dloss/dT = G^T Q, G = (P_rows + P_columns - 2I) / (2 N tau)  (papers.md 6.11)
    """
    of_queries = torch.empty_like(strip.queries)
    of_targets = torch.zeros_like(strip.targets)
    positive, hardest = torch.empty_like(strip.queries[:, 0]), torch.empty_like(strip.queries[:, 0])
    for tile in strip:
        positive[tile.rows] = tile.similarity[tile.positive]
        hardest[tile.rows] = tile.similarity.masked_fill(tile.positive | tile.excluded, -torch.inf).amax(dim=1)
        z = tile.logits(objective)
        log_probability = z - normalizers.rows[tile.rows, None]
        if observe is not None:
            observe(tile, log_probability)
        pull = torch.exp(log_probability) + torch.exp(z - normalizers.columns) - 2 * tile.positive.to(z.dtype)
        pull /= 2 * strip.total * objective.temperature
        of_queries[tile.rows] = pull @ strip.targets
        of_targets += pull.T @ strip.queries[tile.rows]
    return positive, hardest, of_queries, own_sum(of_targets)

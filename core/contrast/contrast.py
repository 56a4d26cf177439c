"""Contrast all pairs of a global batch: the loss and the exact gradient of every embedding.

Each rank walks its rows of the similarity matrix in tiles of a few rows, twice: first for the log-sum-exps of rows
and columns, then for the gradient. Nothing of size N x N, or n x N, is ever held; the walk costs four matrix
products for both directions together, one gather of embeddings and one reduce-scatter of their gradients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.contrast.similarity_tiles import EmbeddingBatch, SimilarityTiles, Tile
from core.contrast.tile_log_sum_exp import log_sum_exps, tile_exponentials
from core.objectives.filters import Filters
from core.objectives.infonce import InfoNCE
from core.objectives.objective import Objective, Value
from core.parallel.collectives import all_rows, own_sum, sum_over_ranks

Observer = Callable[[Tile, Value, Float[Tensor, "m columns"]], None]


@dataclass(frozen=True)
class Contrast:
    """The outcome of one contrast step.

    loss: mean over the N rows (and both directions, where the objective has both), global. infonce_loss: the same
    with all weights 1, comparable across objectives of one temperature.
    query_gradients, target_gradients, negative_gradients: dloss / dembedding of this rank's rows, of the *global*
    loss; summed over ranks, the encoder's gradients are those of one process.
    temperature_gradient: dloss / dlog tau; bias_gradient: dloss / db of a constant b added to every logit; both
    global, and meant for objectives whose only use of s is s/tau (+ b), with weights held constant.
    positive, hardest: this rank's s_ii and max over negatives of s_ij, query -> target.
    """

    loss: Tensor
    infonce_loss: Tensor
    query_gradients: Float[Tensor, "n d"]
    target_gradients: Float[Tensor, "n d"]
    negative_gradients: Float[Tensor, "k d"] | None
    temperature_gradient: Tensor
    bias_gradient: Tensor
    positive: Float[Tensor, " n"]
    hardest: Float[Tensor, " n"]


def value_and_gradient(
    objective: Objective,
    batch: EmbeddingBatch,
    tile_rows: int | None = None,
    observe: Observer | None = None,
    filters: Filters | None = None,
) -> Contrast:
    """Return the objective's global loss and its gradient with respect to this rank's embeddings.

    loss = 1/(2N) sum_i [ loss_i(query -> targets) + loss_i(target -> queries) ], or 1/N sum_i of the first alone.
    Explicit negatives are candidates of every query and anchors of nothing.

    Equal to the single-process float64 gradient for any world size and tile size. What is known to be right for a
    query (`core.contrast.known_positives`) is no negative of it, nor is the query one of what is right for it.
    `observe` sees every tile, the value of its rows, and sum_k slope_kij e^(z_kij - A_ki) of its pairs (the pull on
    each negative but for the row's factor; 0 where a pair is no negative).

    Raises:
        ValueError: an embedding is not finite.
    """
    tiles = SimilarityTiles(batch, tile_rows, filters)
    plain = InfoNCE(objective.temperature, objective.both_directions)
    objectives = [objective] if objective == plain else [objective, plain]
    sums = channel_log_sum_exps(objectives, tiles)
    values = [anchor_values(each, tiles, of_it) for each, of_it in zip(objectives, sums, strict=True)]
    gradients = EmbeddingGradients(objective, tiles, sums[0], values[0], observe)
    of_columns = own_sum(gradients.of_columns)
    scalars = sum_over_ranks(
        torch.stack(
            [
                *(each.rows.loss.sum() for each in values),
                -torch.dot(gradients.of_queries.flatten(), tiles.queries.flatten()),
                gradients.total * objective.temperature,
            ]
        )
    )
    losses = [global_loss(total, each, tiles) for total, each in zip(scalars[:-2], values, strict=True)]
    own_negatives = 0 if batch.negatives is None else len(batch.negatives)
    return Contrast(
        loss=losses[0],
        infonce_loss=losses[-1],
        query_gradients=gradients.of_queries,
        target_gradients=of_columns[: tiles.rows],
        negative_gradients=of_columns[tiles.rows : tiles.rows + own_negatives] if own_negatives else None,
        temperature_gradient=scalars[-2],
        bias_gradient=scalars[-1],
        positive=tiles.positive,
        hardest=gradients.hardest,
    )


@dataclass(frozen=True)
class ChannelLogSumExps:
    """Log-sum-exps over negatives of one objective's channels: of this rank's rows, and of all targets as anchors."""

    rows: Float[Tensor, "channels n"]
    columns: Float[Tensor, "channels total"] | None


def channel_log_sum_exps(objectives: Sequence[Objective], tiles: SimilarityTiles) -> list[ChannelLogSumExps]:
    """Return the sums of several objectives from one walk over the tiles."""
    rows: list[list[Tensor]] = [[] for _ in objectives]
    columns: list[Tensor | None] = [None for _ in objectives]
    for tile in tiles:
        for number, objective in enumerate(objectives):
            found = [log_sum_exps(each) for each in tile_exponentials(objective, tile)]
            rows[number].append(torch.stack([each.rows for each in found]))
            if objective.both_directions:
                partial = torch.stack([each.columns[tiles.anchors] for each in found])
                before = columns[number]
                columns[number] = partial if before is None else torch.logaddexp(before, partial)
    return [ChannelLogSumExps(torch.cat(r, dim=1), over_all_ranks(c)) for r, c in zip(rows, columns, strict=True)]


def over_all_ranks(partial: Float[Tensor, "channels total"] | None) -> Float[Tensor, "channels total"] | None:
    """Combine log-sum-exps of columns over ranks."""
    return None if partial is None else torch.logsumexp(all_rows(partial[None]), dim=0)


@dataclass(frozen=True)
class AnchorValues:
    """The objective's value of this rank's rows and, where it has both directions, of all targets."""

    rows: Value
    columns: Value | None


def anchor_values(objective: Objective, tiles: SimilarityTiles, sums: ChannelLogSumExps) -> AnchorValues:
    """Return loss and pulls of every anchor, in both directions."""
    rows = objective.value(tiles.positive, tiles.reward_positive, sums.rows)
    if sums.columns is None:
        return AnchorValues(rows, None)
    return AnchorValues(rows, objective.value(tiles.all_positive, all_rows(tiles.reward_positive), sums.columns))


def global_loss(rows: Tensor, values: AnchorValues, tiles: SimilarityTiles) -> Tensor:
    """Get the mean over all rows, and over both directions where there are two, from the ranks' summed row losses."""
    if values.columns is None:
        return rows / tiles.total
    return (rows + values.columns.loss.sum()) / (2 * tiles.total)


class EmbeddingGradients:
    """The second walk: G = dloss/dS tile by tile, and with it dloss/dQ = G T, dloss/dT = G^T Q (papers.md 6.11).

    of_queries; of_columns (of this rank's rows only, still to be summed over ranks); total: the sum of G over this
    rank's pairs; hardest: each row's most similar negative.
    """

    def __init__(
        self,
        objective: Objective,
        tiles: SimilarityTiles,
        sums: ChannelLogSumExps,
        values: AnchorValues,
        observe: Observer | None,
    ) -> None:
        self.objective, self.tiles, self.sums, self.values, self.observe = objective, tiles, sums, values, observe
        self.of_queries = torch.empty_like(tiles.queries)
        self.of_columns = torch.zeros_like(tiles.columns)
        self.hardest = torch.empty_like(tiles.positive)
        self.total = tiles.positive.new_zeros(())
        self.per_anchor = 1 / ((1 if values.columns is None else 2) * tiles.total)
        for tile in tiles:
            self._add(tile)

    def _add(self, tile: Tile) -> None:
        gradient = self._gradient(tile)
        self.total += gradient.sum()
        self.of_queries[tile.rows] = gradient @ self.tiles.columns
        self.of_columns.addmm_(gradient.T, self.tiles.queries[tile.rows])
        # In place, which no one minds: this is the last walk.
        self.hardest[tile.rows] = tile.only_negatives(tile.pairs.similarity, -torch.inf)[0].amax(dim=1)

    def _gradient(self, tile: Tile) -> Float[Tensor, "m columns"]:
        """dloss/dS of a tile's pairs."""
        values, total = self.values, None
        seen = torch.zeros_like(tile.pairs.similarity) if self.observe is not None else None
        slopes = self.objective.slopes(tile.pairs)
        active = [channel for channel, slope in enumerate(slopes) if slope is not None]
        for channel, each in zip(active, tile_exponentials(self.objective, tile, active), strict=True):
            slope = slopes[channel]
            assert slope is not None
            rows = self.sums.rows[channel, tile.rows]
            if seen is not None:
                seen += slope * each.scaled(rows, torch.ones_like(rows), None, None)
            columns = None if self.sums.columns is None else self._spread(self.sums.columns[channel], torch.inf)
            pull = None if values.columns is None else self._spread(values.columns.pull * self.per_anchor, 0)
            found = each.scaled(rows, values.rows.pull[tile.rows] * self.per_anchor, columns, pull).mul_(slope)
            total = found if total is None else total.add_(found)
        if seen is not None and self.observe is not None:
            self.observe(tile, part(values.rows, tile.rows), seen)
        assert total is not None
        total[tile.positions] += self._of_positives(tile)
        return total

    def _spread(self, of_anchors: Float[Tensor, " total"], elsewhere: float | int) -> Float[Tensor, " columns"]:
        """Return numbers of the targets laid out over all columns; explicit negatives are no anchors."""
        if isinstance(self.tiles.anchors, slice):
            return of_anchors
        out = torch.full_like(self.tiles.columns[:, 0], elsewhere)
        out[self.tiles.anchors] = of_anchors
        return out

    def _of_positives(self, tile: Tile) -> Float[Tensor, " m"]:
        """dloss/ds_ii of the tile's rows, both directions together."""
        found = self.values.rows.positive_gradient[tile.rows]
        if self.values.columns is not None:
            own = self._spread(self.values.columns.positive_gradient, 0)
            found = found + own[tile.positions[1]]
        return found * self.per_anchor


def part(value: Value, rows: slice) -> Value:
    """Return the value of some anchors."""
    return Value(value.loss[rows], value.positive_gradient[rows], value.pull[rows])

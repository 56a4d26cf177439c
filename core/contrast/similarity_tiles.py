"""A rank's rows of the global similarity matrix, read in tiles of a few rows.

Keys: n rows (queries) of this rank, N = n * world size rows of the global batch, k explicit hard negatives of this
rank (padded to the most of any rank), total = N + k * world size columns. Columns lie as they are gathered:

    rank 0: its n targets, its k negatives | rank 1: its n targets, its k negatives | ...
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from core.contrast.known_positives import KnownPositives
from core.objectives.filters import Filters, beyond_positive, like_own_target
from core.objectives.objective import PairSimilarities
from core.parallel.collectives import all_rows, largest_over_ranks, rank, world_size

# Elements of a tile: on a CPU it should stay in the cache; a GPU wants larger pieces of work.
TILE_ELEMENTS = {"cpu": 2**21, "cuda": 2**26}
FEWEST_ROWS = 128
"""Of a tile, however many columns: with fewer, matrix products wait for memory."""
# Bytes of similarities kept from the first walk for the second, which then need not be computed again.
KEPT_BYTES = {"cpu": 2**25, "cuda": 2**30}
PADDING = -1


@dataclass(frozen=True)
class EmbeddingBatch:
    """This rank's part of a global batch.

    queries, targets: unit vectors; row i of targets is the positive of row i of queries. A query with several
    positives has several rows, a target that is right for several queries too.
    query_ids, target_ids: content ids as integers >= 0; equal ids are equal items.
    negatives: explicit hard negatives, further columns for every query of the batch; negative_owners is the row of
    this rank's that each was given for.
    known: further pairs (query id, item id) of this rank's queries that the data knows to be right.
    reward_queries, reward_targets, reward_negatives: a reward model's vectors of the same items; None: the policy's.
    """

    queries: Float[Tensor, "n d"]
    targets: Float[Tensor, "n d"]
    query_ids: Int[Tensor, " n"]
    target_ids: Int[Tensor, " n"]
    negatives: Float[Tensor, "k d"] | None = None
    negative_ids: Int[Tensor, " k"] | None = None
    negative_owners: Int[Tensor, " k"] | None = None
    known: Int[Tensor, "pairs 2"] | None = None
    reward_queries: Float[Tensor, "n r"] | None = None
    reward_targets: Float[Tensor, "n r"] | None = None
    reward_negatives: Float[Tensor, "k r"] | None = None

    def __post_init__(self) -> None:
        if (self.reward_queries is None) != (self.reward_targets is None):
            raise ValueError("Batch needs both reward_queries and reward_targets, or neither.")
        given = [each is not None for each in (self.negatives, self.negative_ids, self.negative_owners)]
        if any(given) != all(given):
            raise ValueError("Batch needs negatives, negative_ids and negative_owners, or none of them.")
        if self.reward_queries is not None and (self.reward_negatives is None) != (self.negatives is None):
            raise ValueError("Batch needs reward_negatives exactly when it has a reward model and negatives.")
        for name in ("queries", "targets", "negatives"):
            vectors = getattr(self, name)
            if vectors is not None and not bool(torch.isfinite(vectors).all()):
                raise ValueError(
                    f"{name}: some embeddings are not finite; the model has diverged or its input is broken."
                )


class SimilarityTiles:
    """This rank's rows against the columns of all ranks: gathered once, read tile by tile."""

    def __init__(self, batch: EmbeddingBatch, tile_rows: int | None = None, filters: Filters | None = None) -> None:
        self.filters = filters or Filters()
        self.queries = precise(batch.queries)
        count = largest_over_ranks(0 if batch.negatives is None else len(batch.negatives), self.queries.device)
        self.rows, self.step = len(self.queries), len(self.queries) + count
        self.columns = all_rows(with_negatives(precise(batch.targets), batch.negatives, count))
        self.total = self.rows * world_size()
        self.own_positions = rank() * self.step + torch.arange(self.rows, device=self.queries.device)
        self._read_ids(batch, count)
        self.reward_queries = self.reward_columns = None
        if batch.reward_queries is not None and batch.reward_targets is not None:
            self.reward_queries = precise(batch.reward_queries)
            self.reward_columns = all_rows(
                with_negatives(precise(batch.reward_targets), batch.reward_negatives, count)
            ).to(self.reward_queries)
        self.tile_rows = tile_rows or max(FEWEST_ROWS, TILE_ELEMENTS[self.queries.device.type] // len(self.columns))
        self._kept: dict[int, Tile] = {}

    def _read_ids(self, batch: EmbeddingBatch, count: int) -> None:
        """Gather ids and owners in one go; owners become rows of the global batch."""
        padding = torch.full((count,), PADDING, device=self.queries.device)
        ids, owners = padding.clone(), padding
        if batch.negative_ids is not None and batch.negative_owners is not None:
            ids[: len(batch.negative_ids)] = batch.negative_ids
            owners[: len(batch.negative_owners)] = batch.negative_owners + rank() * self.rows
        no_query = torch.full_like(ids, PADDING)
        mine = torch.stack(
            [
                torch.cat([batch.target_ids, ids]),
                torch.cat([batch.query_ids, no_query]),
                torch.cat([torch.full_like(batch.target_ids, PADDING), owners]),
            ],
            dim=1,
        )
        self.column_ids, query_ids, self.column_owners = all_rows(mine).unbind(1)
        self.known_positives = KnownPositives(
            self.column_ids,
            self.column_ids != PADDING,
            self.anchors,
            query_ids[self.anchors],
            slice(rank() * self.rows, (rank() + 1) * self.rows),
            batch.known,
        )

    @cached_property
    def anchors(self) -> Int[Tensor, " total"] | slice:
        """The columns that are some row's target, and so anchors of the direction target -> query."""
        if self.step == self.rows:
            return slice(None)
        index = torch.arange(len(self.columns), device=self.columns.device)
        return index[index % self.step < self.rows]

    @cached_property
    def padding(self) -> Int[Tensor, " padded"]:
        """Columns that hold nothing."""
        return (self.column_ids == PADDING).nonzero().flatten()

    @cached_property
    def positive(self) -> Float[Tensor, " n"]:
        """s_ii of this rank's rows."""
        return (self.queries * self.columns[self.own_positions]).sum(dim=1)

    @cached_property
    def all_positive(self) -> Float[Tensor, " total"]:
        """s_ii of all rows."""
        return all_rows(self.positive)

    @cached_property
    def reward_positive(self) -> Float[Tensor, " n"]:
        """The reward model's s_ii of this rank's rows."""
        if self.reward_queries is None or self.reward_columns is None:
            return self.positive
        return (self.reward_queries * self.reward_columns[self.own_positions]).sum(dim=1).to(self.positive.dtype)

    def __iter__(self) -> Iterator["Tile"]:
        """Return the tiles in order; the first few are the same objects in every walk."""
        whole = self.tile_rows * len(self.columns) * self.queries.element_size()
        for start in range(0, self.rows, self.tile_rows):
            tile = self._kept.get(start) or Tile(self, slice(start, min(start + self.tile_rows, self.rows)))
            if (len(self._kept) + 1) * whole <= KEPT_BYTES[self.queries.device.type]:
                self._kept[start] = tile
            yield tile


@dataclass
class Tile:
    """Some of this rank's rows, which `rows` indexes, against all columns."""

    tiles: SimilarityTiles
    rows: slice
    pairs: PairSimilarities = field(init=False)

    def __post_init__(self) -> None:
        tiles = self.tiles
        similarity = tiles.queries[self.rows] @ tiles.columns.T
        reward = similarity
        if tiles.reward_queries is not None and tiles.reward_columns is not None:
            reward = (tiles.reward_queries[self.rows] @ tiles.reward_columns.T).to(similarity.dtype)
        own = None
        if tiles.step > tiles.rows:
            first = rank() * tiles.rows
            row = torch.arange(first + self.rows.start, first + self.rows.stop, device=similarity.device)
            own = row[:, None] == tiles.column_owners
        self.pairs = PairSimilarities(similarity, reward, own)

    @property
    def positive(self) -> Float[Tensor, " m"]:
        """s_ii of the tile's rows."""
        return self.tiles.positive[self.rows]

    @property
    def reward_positive(self) -> Float[Tensor, " m"]:
        """The reward model's s_ii of the tile's rows."""
        return self.tiles.reward_positive[self.rows]

    @property
    def positions(self) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
        """Row (of the tile) and column of every positive."""
        column = self.tiles.own_positions[self.rows]
        return torch.arange(len(column), device=column.device), column

    @cached_property
    def _known(self) -> tuple[Int[Tensor, " some"], Bool[Tensor, "some columns"]] | None:
        """Rows of the tile that have candidates known to be right, and which; None where there are none."""
        rows = self.tiles.known_positives.rows(self.rows)
        return None if rows is None else (rows - self.rows.start, self.tiles.known_positives.mask(rows))

    @cached_property
    def _filtered(self) -> tuple[Bool[Tensor, "m columns"] | None, Bool[Tensor, "m columns"] | None]:
        """What the filters leave out, for rows as anchors and for columns as anchors."""
        tiles, filters, similarity = self.tiles, self.tiles.filters, self.pairs.similarity
        rows = columns = None
        if filters.exclude_above is not None:
            rows = beyond_positive(similarity, self.positive[:, None], filters.exclude_above)
            bound = torch.full_like(similarity[0], torch.inf)
            bound[tiles.anchors] = tiles.all_positive
            columns = beyond_positive(similarity, bound[None], filters.exclude_above)
        if filters.exclude_similar is not None:
            alike = like_own_target(tiles.columns[self.positions[1]], tiles.columns, filters.exclude_similar)
            rows = alike if rows is None else rows | alike
            columns = alike if columns is None else columns | alike
        return rows, columns

    def only_negatives(
        self, values: Float[Tensor, "m columns"], fill: float | int
    ) -> tuple[Float[Tensor, "m columns"], Float[Tensor, "m columns"]]:
        """Return the values with `fill` wherever a pair is no negative: of rows as anchors, of columns as anchors.

        Both are one tensor, changed in place, unless a filter tells the directions apart.
        """
        tiles = self.tiles
        values[self.positions] = fill
        if len(tiles.padding):
            values[:, tiles.padding] = fill
        if self._known is not None:
            some, right = self._known
            values[some] = values[some].masked_fill(right, fill)
        rows, columns = self._filtered
        if rows is None or columns is None:
            return values, values
        return values.masked_fill(rows, fill), values.masked_fill(columns, fill)


def precise(vectors: Float[Tensor, "rows d"]) -> Float[Tensor, "rows d"]:
    """Detached, in float32 or better: bf16 logits would be off by up to 0.25 (papers.md 6.17)."""
    return vectors.detach() if vectors.dtype == torch.float64 else vectors.detach().float()


def with_negatives(
    targets: Float[Tensor, "n d"], negatives: Float[Tensor, "k d"] | None, count: int
) -> Float[Tensor, "columns d"]:
    """Return this rank's columns: its targets, its negatives, and zeros up to `count` negatives."""
    if count == 0:
        return targets
    padded = targets.new_zeros(count, targets.shape[1])
    if negatives is not None:
        padded[: len(negatives)] = precise(negatives)
    return torch.cat([targets, padded])

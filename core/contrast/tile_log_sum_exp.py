"""Log-sum-exps of a tile's logits: its exponentials are computed once and serve both directions.

e^(z - c) with one constant c a tile (its negatives' largest logit) serves the sums of rows and of columns, and again
the gradient of both directions, where e^(z_ij - A_i) = e^(z_ij - c) e^(c - A_i). An anchor whose logits lie far below c
would lose digits to underflow; such anchors are found and done again relative to their own largest logit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.contrast.similarity_tiles import Tile
from core.objectives.objective import Objective


@dataclass
class TileExponentials:
    """One channel of a tile: e^(z - reference) of negatives and 0 elsewhere, for rows and for columns as anchors.

    Both are one tensor unless a filter tells the directions apart. `scaled` may use it up.
    """

    objective: Objective
    tile: Tile
    channel: int
    reference: Tensor
    rows: Float[Tensor, "m columns"]
    columns: Float[Tensor, "m columns"]

    def logits(self) -> tuple[Float[Tensor, "m columns"], Float[Tensor, "m columns"]]:
        """z of negatives and -inf elsewhere, for rows and for columns as anchors: what underflow has not touched."""
        return self.tile.only_negatives(self.objective.logits(self.tile.pairs)[self.channel], -torch.inf)

    def scaled(
        self,
        row_sums: Float[Tensor, " m"],
        row_pulls: Float[Tensor, " m"],
        column_sums: Float[Tensor, " columns"] | None,
        column_pulls: Float[Tensor, " columns"] | None,
    ) -> Float[Tensor, "m columns"]:
        """pull_i e^(z_ij - A_i) + pull_j e^(z_ij - A_j), rows' part alone where no columns are given."""
        far_rows, by_row = factors(self.reference - row_sums, row_pulls)
        if column_sums is None or column_pulls is None:
            out = self.rows * by_row[:, None]
            far_columns = None
        else:
            far_columns, by_column = factors(self.reference - column_sums, column_pulls)
            if self.rows is self.columns:
                out = self.rows.mul_(by_row[:, None] + by_column)
            else:
                out = (self.rows * by_row[:, None]).addcmul_(self.columns, by_column[None])
        for axis, far, sums, pulls in ((0, far_rows, row_sums, row_pulls), (1, far_columns, column_sums, column_pulls)):
            if far is not None and sums is not None and pulls is not None and bool(far.any()):
                add_exactly(out, self.logits()[axis], axis, far, sums, pulls)
        return out


def tile_exponentials(
    objective: Objective, tile: Tile, channels: Sequence[int] | None = None
) -> Iterator[TileExponentials]:
    """Return the exponentials of an objective's channels (all, or some) over a tile, one after the other."""
    logits = list(objective.logits(tile.pairs))
    for channel in range(len(logits)) if channels is None else channels:
        rows, columns = tile.only_negatives(logits[channel], -torch.inf)
        reference = torch.maximum(rows.amax(), columns.amax())
        reference = torch.where(torch.isfinite(reference), reference, 0)  # a tile without negatives
        rows.sub_(reference).exp_()
        if columns is not rows:
            columns.sub_(reference).exp_()
        yield TileExponentials(objective, tile, channel, reference, rows, columns)


@dataclass(frozen=True)
class LogSumExps:
    """Log-sum-exps of a tile's negatives."""

    rows: Float[Tensor, " m"]
    columns: Float[Tensor, " columns"]


def log_sum_exps(each: TileExponentials) -> LogSumExps:
    """Return the log-sum-exp of every row and of every column of a tile; -inf where there is no negative."""
    sums = [each.rows.sum(dim=1), each.columns.sum(dim=0)]
    out = [torch.log(total) + each.reference for total in sums]
    for axis, total in enumerate(sums):
        poor = total < smallest_exact(total.dtype)
        if bool(poor.any()):
            z = each.logits()[axis]
            out[axis][poor] = torch.logsumexp(z[poor] if axis == 0 else z[:, poor], dim=1 - axis)
    return LogSumExps(*out)


def smallest_exact(dtype: torch.dtype) -> float:
    """Sums of exponentials above this have lost nothing to underflow: up to 10^7 lost terms are below 10^-6 of it."""
    return torch.finfo(dtype).tiny * 1e13


def factors(
    exponent: Float[Tensor, " anchors"], pulls: Float[Tensor, " anchors"]
) -> tuple[Bool[Tensor, " anchors"], Float[Tensor, " anchors"]]:
    """Tell which anchors lie too far below the reference, and pull * e^exponent of the others (0 for the far ones)."""
    far = exponent > -torch.log(torch.tensor(smallest_exact(exponent.dtype), dtype=torch.float64)).item()
    return far & (pulls != 0), torch.where(far, 0, pulls * torch.exp(exponent.masked_fill(far, 0)))


def add_exactly(
    out: Float[Tensor, "m columns"],
    logits: Float[Tensor, "m columns"],
    axis: int,
    far: Bool[Tensor, " anchors"],
    sums: Float[Tensor, " anchors"],
    pulls: Float[Tensor, " anchors"],
) -> None:
    """Add pull * e^(z - A) of the far anchors, relative to their own sums; anchors without negatives add nothing."""
    some = far & torch.isfinite(sums)
    if axis == 0:
        out[some] += pulls[some, None] * torch.exp(logits[some] - sums[some, None])
    else:
        out[:, some] += pulls[some] * torch.exp(logits[:, some] - sums[some])

"""The tables of a bundle that say how the queries fared, made while the rankings pass.

Of each ranking a row, its hardest negatives and its counts are kept; its similarities are let go, so a benchmark of
50,000 queries over 50,000 candidates needs no more memory than its pool.

rankings.parquet    per query: pool, right answers, rank, similarities, margin, hit, chance, AUROC within the query
pools.parquet       the candidates of each pool, each once however many queries share it
negatives.parquet   per query its most similar negatives: similarity, weight, probability, share, true hardness
histograms.parquet  counts of similarities by data set and kind, in bins of 0.01 on [-1, 1]
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Int

from core.data.records import Item, true_hardness
from core.evaluation.scoring import Placed, Ranked
from core.objectives.objective import Objective, PairTerms, row_terms

NEGATIVES = 20
EXTREME = 5
BINS = 200
ROWS_AT_ONCE = 4096

RANKINGS = pa.schema(
    {
        "dataset": pa.dictionary(pa.int32(), pa.string()),
        "meta_task": pa.dictionary(pa.int32(), pa.string()),
        "in_distribution": pa.bool_(),
        "query": pa.int32(),
        "positive": pa.int32(),
        "pool": pa.int32(),
        "size": pa.int32(),
        "left_out": pa.list_(pa.int32()),
        "right": pa.list_(pa.int32()),
        "asks": pa.list_(pa.string()),
        "rank": pa.float64(),
        "hit": pa.float64(),
        "chance": pa.float64(),
        "similarity": pa.float64(),
        "hardest": pa.int32(),
        "hardest_similarity": pa.float64(),
        "margin": pa.float64(),
        "auroc": pa.float64(),
    }
)
NEGATIVE_FIELDS = pa.schema(
    {
        "ranking": pa.int32(),
        "place": pa.int32(),
        "negative": pa.int32(),
        "similarity": pa.float32(),
        "weight": pa.float64(),
        "probability": pa.float64(),
        "share": pa.float64(),
        "true_hardness": pa.int32(),
        "above_positive": pa.bool_(),
    }
)


Columns = dict[str, np.ndarray]
"""Columns of NEGATIVE_FIELDS by name."""


class RankedTables:
    """The tables of rankings, row by row; `add` each ranking, then `write`."""

    def __init__(self, items: Sequence[Item], objective: Objective | None) -> None:
        """`items` are the embedded ones; `objective` weighs the negatives, null where it is not known (None)."""
        self._items = items
        self._objective = objective
        self._rankings: list[dict[str, object]] = []
        self._negatives: list[Columns] = []
        self._pools: dict[bytes, int] = {}
        self._candidates: list[Int[np.ndarray, " pool"]] = []
        self._counts: dict[tuple[str, str], Int[np.ndarray, " bins"]] = {}
        self._known: dict[int, int] = {}

    def add(self, ranked: Ranked) -> Placed:
        """Take a ranking in; return its outcome, for the scores."""
        number = len(self._rankings)
        wrong = wrong_candidates(ranked)
        self._rankings.append(ranking_row(ranked, self._pool(ranked.pool.distinct), wrong))
        self._negatives.append(pool_negatives(number, ranked, wrong, self._items, self._objective))
        for kind, values in by_kind(ranked, wrong).items():
            key = ranked.task.name, kind
            self._counts[key] = self._counts.get(key, 0) + histogram(values)
        return ranked.placed

    def _pool(self, rows: Int[np.ndarray, " pool"]) -> int:
        """Return the number of a pool, a new one for candidates that no ranking had before."""
        if id(rows) not in self._known:
            key = hashlib.sha256(rows.tobytes()).digest()
            if key not in self._pools:
                self._pools[key] = len(self._candidates)
                self._candidates.append(rows)
            # Held by the list or not, an array that another may replace at the same address must not be taken for it.
            if self._candidates[self._pools[key]] is not rows:
                return self._pools[key]
            self._known[id(rows)] = self._pools[key]
        return self._known[id(rows)]

    def write(self, folder: Path) -> None:
        """Write the four tables."""
        with pq.ParquetWriter(folder / "rankings.parquet", RANKINGS) as writer:
            for start in range(0, max(1, len(self._rankings)), ROWS_AT_ONCE):
                writer.write_table(pa.Table.from_pylist(self._rankings[start : start + ROWS_AT_ONCE], RANKINGS))
        pq.write_table(negatives_table(self._negatives), folder / "negatives.parquet")
        offsets = np.cumsum([0, *(len(each) for each in self._candidates)])
        flat = np.concatenate([np.empty(0, np.int32), *self._candidates]).astype(np.int32)
        lists = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(flat, pa.int32()))
        pq.write_table(pa.table({"candidates": lists}), folder / "pools.parquet")
        pq.write_table(histograms_table(self._counts), folder / "histograms.parquet")


def ranking_row(ranked: Ranked, pool: int, wrong: Float[np.ndarray, " wrong"]) -> dict[str, object]:
    """Return one query. Items are rows of items.parquet; rank is expected over ties; margin: to the hardest.

    auroc: share of the wrong candidates that are less similar than the best right answer, ties counting half; null
    where none is wrong.
    """
    own = float(ranked.similarities[ranked.right].max())
    hardest, similarity = hardest_negative(ranked)
    absent = len(ranked.candidates) < len(ranked.pool.distinct)
    return {
        "dataset": ranked.task.name,
        "meta_task": ranked.task.meta_task,
        "in_distribution": ranked.task.in_distribution,
        "query": ranked.query,
        "positive": best_right(ranked),
        "pool": pool,
        "size": len(ranked.candidates),
        "left_out": np.setdiff1d(ranked.pool.distinct, ranked.candidates) if absent else [],
        "right": ranked.candidates[ranked.right],
        "asks": list(ranked.ranking.asks),
        "rank": ranked.placement.rank,
        "hit": ranked.placement.hit(1),
        "chance": ranked.chance,
        "similarity": own,
        "hardest": hardest,
        "hardest_similarity": similarity,
        "margin": None if similarity is None else own - similarity,
        "auroc": float(((wrong < own).mean() + (wrong <= own).mean()) / 2) if len(wrong) else None,
    }


def wrong_candidates(ranked: Ranked) -> Float[np.ndarray, " wrong"]:
    """Return the similarities of the wrong candidates."""
    return ranked.similarities[~ranked.right]


def best_right(ranked: Ranked) -> int:
    """Return the most similar right candidate."""
    return int(ranked.candidates[np.where(ranked.right, ranked.similarities, -np.inf).argmax()])


def hardest_negative(ranked: Ranked) -> tuple[int | None, float | None]:
    """Return the most similar wrong candidate and its similarity; None where every candidate is right."""
    if ranked.right.all():
        return None, None
    place = int(np.where(ranked.right, -np.inf, ranked.similarities).argmax())
    return int(ranked.candidates[place]), float(ranked.similarities[place])


def pool_terms(ranked: Ranked, objective: Objective) -> PairTerms:
    """Say what the objective does to a query's pool, as one row: its best right answer against the wrong ones."""
    positive = torch.from_numpy(ranked.candidates == best_right(ranked))[None]
    excluded = torch.from_numpy(ranked.right)[None] & ~positive
    return row_terms(objective, torch.from_numpy(ranked.similarities)[None], positive, excluded)


def pool_negatives(
    number: int,
    ranked: Ranked,
    wrong: Float[np.ndarray, " wrong"],
    items: Sequence[Item],
    objective: Objective | None,
) -> Columns:
    """Return the most similar wrong candidates of a query, at most 20; of equal ones those that come first.

    number: its row of rankings.parquet. place: 1 is the most similar. true_hardness: asked attributes that differ, NaN
    where unknown; 0 is a false negative. weight, probability, share: NaN where no objective is known.
    """
    listed = np.flatnonzero(~ranked.right)
    if len(wrong) > NEGATIVES:
        last = np.partition(wrong, -NEGATIVES)[-NEGATIVES]
        listed = listed[wrong >= last]
    order = listed[np.argsort(-ranked.similarities[listed], kind="stable")][:NEGATIVES]
    positive = items[best_right(ranked)]
    rows = ranked.candidates[order]
    hardness = [true_hardness(ranked.ranking.asks, positive, items[row]) for row in rows]
    terms = None if objective is None else pool_terms(ranked, objective)
    unknown = np.full(len(order), np.nan)
    weighed = {name: unknown if terms is None else getattr(terms, name)[0].numpy()[order] for name in WEIGHED}
    return {
        "ranking": np.full(len(order), number),
        "place": np.arange(1, len(order) + 1),
        "negative": rows,
        "similarity": ranked.similarities[order],
        **weighed,
        "true_hardness": np.array([np.nan if each is None else each for each in hardness], dtype=np.float64),
        "above_positive": ranked.similarities[order] > ranked.similarities[ranked.right].max(),
    }


def negatives_table(listed: Sequence[Columns]) -> pa.Table:
    """Return the negatives of all queries, null where a number is not known."""
    arrays = []
    for field in NEGATIVE_FIELDS:
        values = np.concatenate([np.empty(0), *(each[field.name] for each in listed)])
        arrays.append(pa.array(values, mask=np.isnan(values)).cast(field.type))
    return pa.table(arrays, schema=NEGATIVE_FIELDS)


WEIGHED = ("weight", "probability", "share")
"""What an objective says of a negative."""


def by_kind(ranked: Ranked, wrong: Float[np.ndarray, " wrong"]) -> dict[str, Float[np.ndarray, " _"]]:
    """Return the similarities of a query by kind.

    Kinds: positive; hard and easy, the 5 most and least similar wrong candidates (LLaVE figure 1); all, every wrong
    candidate.
    """
    ends = np.sort(wrong) if len(wrong) <= 2 * EXTREME else np.partition(wrong, [EXTREME - 1, -EXTREME])
    return {
        "positive": ranked.similarities[ranked.right].max(keepdims=True),
        "hard": ends[-EXTREME:],
        "easy": ends[:EXTREME],
        "all": wrong,
    }


def histogram(values: Float[np.ndarray, " n"]) -> Int[np.ndarray, " bins"]:
    """Count similarities in the bins; 1 belongs to the last, and a rounding error beyond 1 or -1 to the outermost."""
    return np.histogram(np.clip(values, -1, 1), edges())[0]


def edges() -> Float[np.ndarray, " edges"]:
    """Return the edges of the bins."""
    return np.linspace(-1, 1, BINS + 1)


def histograms_table(counts: Mapping[tuple[str, str], Int[np.ndarray, " bins"]]) -> pa.Table:
    """Return counts of similarities by data set and kind, one row a bin."""
    return pa.table(
        {
            "dataset": pa.array([dataset for dataset, _ in counts for _ in range(BINS)], pa.string()),
            "kind": pa.array([kind for _, kind in counts for _ in range(BINS)], pa.string()),
            "left": np.tile(edges()[:-1], len(counts)),
            "right": np.tile(edges()[1:], len(counts)),
            "count": np.concatenate([np.empty(0, np.int64), *counts.values()]),
        }
    )

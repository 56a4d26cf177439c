"""The state of a bundle's space in numbers, each beside what random vectors, shuffled pairs or chance would give.

Of large bundles even samples are measured: at most 5,000 queries or items, 20,000 candidates, and of the pools those
that `workbench.measures.hardness` bounds.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from workbench.bundles.bundle import Bundle
from workbench.measures import cures, geometry, hubness, modality_gap
from workbench.measures.cures import gap_closed
from workbench.measures.hardness import even_sample, pools_of, sample_rows
from workbench.measures.hubness import Hubness

MOST = 5000
"""Beyond so many items or queries an even sample is measured."""
MOST_CANDIDATES = 20_000
COLLAPSED = 0.99
"""A mean cosine of random pairs beyond which the space is called collapsed."""
NO_VARIANCE = 1e-6
"""A mean squared distance from the mean below which vectors are equal up to rounding."""
ROWS_AT_ONCE = 2**14
PROBED = 1000
"""Vectors a side that the linear probe sees."""


@dataclass(frozen=True)
class Measure:
    """One number. baseline: its value without structure; against: what that is. form: how both are written.

    over: of what and how many it was taken.
    """

    name: str
    value: float
    baseline: float
    against: str
    meaning: str
    form: str = "{:.2f}"
    over: str = ""


@dataclass(frozen=True)
class Parts:
    """Rows of a bundle's items by what they are in some data set: numbers of rankings, queries, answers, candidates.

    queries, answers: one a ranking. candidates: each once, ascending, an even sample of `offered`; without pairs, the
    items.
    """

    rankings: Int[np.ndarray, " m"]
    queries: Int[np.ndarray, " m"]
    answers: Int[np.ndarray, " m"]
    candidates: Int[np.ndarray, " c"]
    offered: int


def parts_of(bundle: Bundle, dataset: str | None) -> Parts:
    """Return the parts of a data set, or of all (None); even samples of at most 5,000 rankings, 20,000 candidates."""
    numbers = bundle.numbers(dataset)
    numbers = numbers[sample_rows(len(numbers), MOST)]
    chosen = bundle.rankings.iloc[numbers]
    everybody = bundle.candidates.union(numbers, len(bundle.items)) if bundle.paired else np.arange(len(bundle.items))
    candidates = everybody[sample_rows(len(everybody), MOST_CANDIDATES)]
    return Parts(numbers, chosen["query"].to_numpy(), chosen["positive"].to_numpy(), candidates, len(everybody))


def space(bundle: Bundle, parts: Parts, counted: tuple[Hubness, Hubness] | None) -> list[Measure]:
    """Return all measures of some parts; without pairs (counted is None) those of the spread alone.

    counted: `hubness_of` the same parts.
    """
    if counted is None:
        return spread(bundle, parts)
    return [
        *paired_distance(bundle, parts),
        *spread(bundle, parts),
        *between(bundle, parts),
        *hubs(parts, *counted),
    ]


@dataclass(frozen=True)
class Collapse:
    """Whether a space is used at all: mean cosine of two of n items, and mean squared distance from their mean."""

    mean_cosine: float
    variance: float
    n: int

    def __bool__(self) -> bool:
        return self.n > 1 and (self.mean_cosine > COLLAPSED or self.variance < NO_VARIANCE)


def collapse(vectors: Float[np.ndarray, "items d"]) -> Collapse:
    """Say whether vectors are nearly all the same, by an even sample of at most 5,000."""
    chosen = vectors[sample_rows(len(vectors), MOST)].astype(np.float64)
    if not len(chosen):
        return Collapse(float("nan"), float("nan"), 0)
    variance = float(np.square(chosen - chosen.mean(axis=0)).sum(axis=1).mean())
    return Collapse(geometry.mean_similarity(chosen), variance, len(chosen))


def plane_share(vectors: Float[np.ndarray, "items d"], points: Float[np.ndarray, "items 2"]) -> float:
    """Return the share of the vectors' variance that principal components of all of them hold, in [0, 1]."""
    squares = sum(
        float(np.square(vectors[start : start + ROWS_AT_ONCE], dtype=np.float64).sum())
        for start in range(0, len(vectors), ROWS_AT_ONCE)
    )
    mean = vectors.mean(axis=0, dtype=np.float64)
    total = squares - len(vectors) * float(mean @ mean)
    held = float(np.square(points - points.mean(axis=0), dtype=np.float64).sum())
    return min(1.0, held / total) if total > NO_VARIANCE * len(vectors) else 0.0


def spread(bundle: Bundle, parts: Parts) -> list[Measure]:
    """Say how evenly the items lie, against random vectors."""
    vectors = bundle.vectors
    rows = np.union1d(parts.queries, parts.candidates)
    count = len(rows)
    rows = rows[sample_rows(count, MOST)]
    own = geometry.geometry(vectors[rows])
    random = geometry.geometry(geometry.isotropic(len(rows), vectors.shape[1]))
    found = [
        Measure(
            "uniformity", own.uniformity, random.uniformity, "random vectors",
            "ln of the mean of exp(-2 |x - y|^2); the lower, the more evenly the items lie on the sphere.",
        ),
        Measure(
            "mean cosine", own.mean_similarity, random.mean_similarity, "random vectors",
            "Of two items drawn at random (anisotropy): 1 is a collapsed space.",
        ),
        Measure(
            "effective rank", own.effective_rank, random.effective_rank, "random vectors",
            "Directions in use: exp of the entropy of the singular values (RankMe). Compare runs of one method only.",
            "{:.1f}",
        ),
        Measure(
            "participation ratio", own.participation_ratio, random.participation_ratio, "random vectors",
            "Directions in use, strong ones counting more: (sum l)^2 / sum(l^2) of the squared singular values.",
            "{:.1f}",
        ),
    ]  # fmt: skip
    return [replace(each, over=of_many(len(rows), count, "items")) for each in found]


def paired_distance(bundle: Bundle, parts: Parts) -> list[Measure]:
    """Say how close queries are to their right answers, against shuffled pairs."""
    queries, answers = bundle.vectors[parts.queries], bundle.vectors[parts.answers]
    shuffled = geometry.alignment(queries, np.roll(answers, 1, axis=0))
    meaning, over = "Mean |q - t|^2 of query and right answer.", f"{len(parts.queries):,} queries"
    own = geometry.alignment(queries, answers)
    return [Measure("alignment", own, shuffled, "shuffled pairs", meaning, over=over)]


def of_many(measured: int, count: int, what: str) -> str:
    """Say how many were measured of how many."""
    return f"{count:,} {what}" if measured == count else f"{measured:,} of {count:,} {what}"


def between(bundle: Bundle, parts: Parts) -> list[Measure]:
    """Return the gap between queries and candidates, and what closing it does to P@1."""
    queries, candidates = bundle.vectors[np.unique(parts.queries)], bundle.vectors[parts.candidates]
    both = np.random.default_rng(0).permutation(np.concatenate([queries, candidates]))
    shuffled = modality_gap.gap(both[: len(queries)], both[len(queries) :])
    seen, other = (each[sample_rows(len(each), PROBED)] for each in (queries, candidates))
    probe = modality_gap.probe_auroc(seen, other)
    pools = pools_of(bundle, even_sample(bundle, parts.rankings))
    chance = float(bundle.rankings["chance"].iloc[pools.rankings].mean())
    before, after = (float(cures.hits(each, pools).mean()) for each in (pools.similarity, gap_closed(bundle, pools)))
    sides = f"{len(np.unique(parts.queries)):,} queries, {of_many(len(parts.candidates), parts.offered, 'candidates')}"
    over = of_many(len(pools), len(parts.rankings), "queries")
    return [
        Measure(
            "gap", modality_gap.gap(queries, candidates), shuffled, "shuffled sides",
            "Distance of the mean query from the mean candidate: 0 to 2.", over=sides,
        ),
        Measure(
            "probe of the side", probe, 0.5, "chance",
            "AUROC, on vectors it has not seen, of a linear classifier that tells queries from candidates.",
            over=f"{len(seen):,} queries, {len(other):,} candidates",
        ),
        Measure("P@1", before, chance, "chance", "As evaluated.", "{:.1%}", over),
        Measure(
            "P@1, gap closed", after, chance, "chance",
            "Both sides moved towards each other by half of the gap and made unit vectors again.", "{:.1%}", over,
        ),
    ]  # fmt: skip


def hubness_of(bundle: Bundle, parts: Parts) -> tuple[Hubness, Hubness]:
    """Return of the candidates when every query searches all of them, and the same of random vectors."""
    found = hubness.hubness(bundle.vectors[parts.queries], bundle.vectors[parts.candidates])
    return found, hubness.of_random(len(parts.queries), len(parts.candidates), bundle.vectors.shape[1], found.k)


def hubs(parts: Parts, found: Hubness, random: Hubness) -> list[Measure]:
    """Say how unequally the candidates are found, and those of random vectors."""
    name = f"N_{found.k}"
    meaning = f"{name}: how many queries have a candidate among their {found.k} nearest of all candidates."
    measured = f"{found.queries:,} queries, {of_many(len(parts.candidates), parts.offered, 'candidates')}"
    return [
        Measure(
            f"skewness of {name}", found.skewness, random.skewness, "random vectors", f"{meaning} 0: no hubs.",
            over=measured,
        ),
        Measure(f"largest {name}", found.largest, random.largest, "random vectors", meaning, "{:.0f}", measured),
        Measure(
            "near no query", found.anti_hub_rate, random.anti_hub_rate, "random vectors",
            "Share of the candidates that no query has among its nearest.", "{:.1%}", measured,
        ),
    ]  # fmt: skip


@dataclass(frozen=True)
class Sums:
    """What mean cosines of n rows follow from: their sum, and the sum of their squares."""

    total: Float[np.ndarray, " d"]
    squares: float
    n: int


def sums_of(vectors: Float[np.ndarray, "items d"], rows: Int[np.ndarray, " _"]) -> Sums:
    """Return the sums of some rows, gone through in blocks."""
    total, squares = np.zeros(vectors.shape[1]), 0.0
    for start in range(0, len(rows), ROWS_AT_ONCE):
        block = vectors[rows[start : start + ROWS_AT_ONCE]]
        total += block.sum(axis=0, dtype=np.float64)
        squares += float(np.square(block, dtype=np.float64).sum())
    return Sums(total, squares, len(rows))


def within_and_across(chosen: Sums, every: Sums) -> tuple[float, float]:
    """Return the mean cosine of two different rows that are chosen, and of one that is with one that is not.

    every: of all rows, the chosen among them. NaN where there is no pair.
    """
    others = every.n - chosen.n
    if chosen.n < 2 or others < 1:
        return float("nan"), float("nan")
    within = (float(chosen.total @ chosen.total) - chosen.squares) / (chosen.n * (chosen.n - 1))
    return within, float(chosen.total @ (every.total - chosen.total)) / (chosen.n * others)

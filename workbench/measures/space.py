"""The state of a bundle's space in numbers, each beside what random vectors, shuffled pairs or chance would give."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from workbench.bundles.bundle import Bundle
from workbench.measures import cures, geometry, hubness, modality_gap
from workbench.measures.cures import gap_closed
from workbench.measures.hardness import even_sample, pools_of, sample_rows
from workbench.measures.hubness import Hubness

MOST = 5000
"""Beyond so many items or queries an even sample is measured."""
PROBED = 1000
"""Vectors a side that the linear probe sees."""


@dataclass(frozen=True)
class Measure:
    """One number. baseline: its value without structure; against: what that is. form: how both are written."""

    name: str
    value: float
    baseline: float
    against: str
    meaning: str
    form: str = "{:.2f}"


@dataclass(frozen=True)
class Parts:
    """Rows of a bundle's items by what they are in some data set: numbers of rankings, queries, answers, candidates.

    queries, answers: one a ranking. candidates: each once.
    """

    rankings: Int[np.ndarray, " m"]
    queries: Int[np.ndarray, " m"]
    answers: Int[np.ndarray, " m"]
    candidates: Int[np.ndarray, " c"]


def parts_of(bundle: Bundle, dataset: str | None) -> Parts:
    """Return the parts of a data set, or of all (None); an even sample of 5000 rankings where there are more."""
    numbers = bundle.numbers(dataset)
    numbers = numbers[sample_rows(len(numbers), MOST)]
    chosen = bundle.rankings.iloc[numbers]
    candidates = bundle.candidates.union(numbers, len(bundle.items))
    return Parts(numbers, chosen["query"].to_numpy(), chosen["positive"].to_numpy(), candidates)


def space(bundle: Bundle, dataset: str | None) -> list[Measure]:
    """Return all measures of a data set, or of all (None)."""
    parts = parts_of(bundle, dataset)
    return [*spread(bundle, parts), *between(bundle, parts), *hubs(bundle, parts)]


def spread(bundle: Bundle, parts: Parts) -> list[Measure]:
    """Say how close pairs are and how evenly the items lie, against shuffled pairs and random vectors."""
    vectors = bundle.vectors
    queries, answers = vectors[parts.queries], vectors[parts.answers]
    rows = np.union1d(parts.queries, parts.candidates)
    rows = rows[sample_rows(len(rows), MOST)]
    own = geometry.geometry(vectors[rows], queries, answers)
    random = geometry.geometry(geometry.isotropic(len(rows), vectors.shape[1]))
    shuffled = geometry.alignment(queries, np.roll(answers, 1, axis=0))
    return [
        Measure("alignment", own.alignment, shuffled, "shuffled pairs", "Mean |q - t|^2 of query and right answer."),
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
    return [
        Measure(
            "gap", modality_gap.gap(queries, candidates), shuffled, "shuffled sides",
            "Distance of the mean query from the mean candidate: 0 to 2.",
        ),
        Measure(
            "probe of the side", probe, 0.5, "chance",
            "AUROC, on vectors it has not seen, of a linear classifier that tells queries from candidates.",
        ),
        Measure("P@1", before, chance, "chance", "As evaluated.", "{:.1%}"),
        Measure(
            "P@1, gap closed", after, chance, "chance",
            "Both sides moved towards each other by half of the gap and made unit vectors again.", "{:.1%}",
        ),
    ]  # fmt: skip


def hubness_of(bundle: Bundle, parts: Parts) -> tuple[Hubness, Hubness]:
    """Return of the candidates when every query searches all of them, and the same of random vectors."""
    found = hubness.hubness(bundle.vectors[parts.queries], bundle.vectors[parts.candidates])
    return found, hubness.of_random(len(parts.queries), len(parts.candidates), bundle.vectors.shape[1], found.k)


def hubs(bundle: Bundle, parts: Parts) -> list[Measure]:
    """Say how unequally the candidates are found."""
    found, random = hubness_of(bundle, parts)
    name = f"N_{found.k}"
    meaning = f"{name}: how many queries have a candidate among their {found.k} nearest of all candidates."
    return [
        Measure(f"skewness of {name}", found.skewness, random.skewness, "random vectors", f"{meaning} 0: no hubs."),
        Measure(f"largest {name}", found.largest, random.largest, "random vectors", meaning, "{:.0f}"),
        Measure(
            "near no query", found.anti_hub_rate, random.anti_hub_rate, "random vectors",
            "Share of the candidates that no query has among its nearest.", "{:.1%}",
        ),
    ]  # fmt: skip


def within_and_across(
    vectors: Float[np.ndarray, "n d"], rows: Sequence[int] | np.ndarray, others: Sequence[int] | np.ndarray
) -> tuple[float, float]:
    """Return the mean cosine within some rows, and between them and the others; NaN where there is no pair."""
    if len(rows) < 2 or not len(others):
        return float("nan"), float("nan")
    across = vectors[rows].mean(axis=0, dtype=np.float64) @ vectors[others].mean(axis=0, dtype=np.float64)
    return geometry.mean_similarity(vectors[rows]), float(across)

"""Findings about where the vectors lie: collapse, zero vectors, a gap between the sides, hubs."""

import numpy as np

from workbench.measures.cures import candidates_of, mean, queries_of
from workbench.measures.finding import CENTRING, CSLS, IN_TRAINING, Evidence, Finding
from workbench.measures.geometry import mean_similarity
from workbench.measures.winners import hubs

ALIKE = 0.9
"""A mean cosine from which vectors count as collapsed."""
LISTED = 40
"""Letters of an item's words."""


def zero_vectors(evidence: Evidence) -> list[Finding]:
    """Return items whose vector is zero, with the failures of queries that are one, or are answered by one."""
    bundle = evidence.bundle
    if not bundle.zero_vectors:
        return []
    rows = bundle.rankings.iloc[evidence.numbers]
    zero = np.zeros(len(rows), dtype=bool)
    for side in ("query", "positive"):
        items, places = np.unique(rows[side].to_numpy(), return_inverse=True)
        zero |= np.array([not bundle.vectors[item].any() for item in items], dtype=bool)[places]
    return [
        Finding(
            "zero vectors",
            f"{bundle.zero_vectors:,} items have a zero vector: they are like nothing, not even themselves.",
            int((zero & evidence.failed).sum()),
            int(evidence.failed.sum()),
            "similarity",
            note="No cure on vectors: what those items say is lost. Embed them again and look at what they hold.",
        )
    ]


def collapsed(evidence: Evidence) -> list[Finding]:
    """Return all vectors nearly alike; every failure follows from it."""
    value = mean_similarity(evidence.bundle.vectors)
    if value < ALIKE:
        return []
    return [
        Finding(
            "collapse",
            f"The vectors have collapsed: two items drawn at random have a mean cosine of {value:.3f}. What else could "
            "be said of this space follows from that, and is left out.",
            int(evidence.failed.sum()),
            int(evidence.failed.sum()),
            "similarity",
            measured=(evidence.measured(*CENTRING, evidence.centred),),
        )
    ]


def gap_between_sides(evidence: Evidence) -> list[Finding]:
    """Return a gap between queries and candidates that costs answers: closing it raises P@1 beyond its interval."""
    tried = evidence.measured(*CENTRING, evidence.centred)
    if tried.change.low <= 0:
        return []
    bundle, pools = evidence.bundle, evidence.pools
    between = mean(bundle, np.unique(queries_of(bundle, pools))) - mean(bundle, candidates_of(pools))
    apart = float(np.linalg.norm(between))
    return [
        Finding(
            "modality gap",
            f"Queries and candidates lie apart (their means by {apart:.2f}), and that costs answers: centred, failing "
            "queries are answered right.",
            evidence.mended(evidence.centred),
            evidence.base,
            "similarity",
            measured=(tried,),
            note=f"Centring is done where vectors are searched; no command here does it. {IN_TRAINING}",
        )
    ]


def crowded(evidence: Evidence) -> list[Finding]:
    """Return wrong candidates that win far more queries than their turn."""
    bundle = evidence.bundle
    found = hubs(bundle, evidence.numbers)
    if found.empty:
        return []
    hub = found.to_dict("records")[0]
    words = " ".join(str(bundle.items["text"].iat[int(hub["item"])]).split())[:LISTED]
    more = f" {len(found):,} such items in all." if len(found) > 1 else ""
    wins = found.pivot_table(index="dataset", values="wins", aggfunc="sum", observed=True)
    datasets = wins.sort_values("wins", ascending=False).index
    return [
        Finding(
            "hubs",
            f'A hub in {hub["dataset"]}: "{words}" wrongly comes first for {hub["wins"]:,.0f} of the '
            f"{hub['pools']:,.0f} queries that offer it, {hub['expected']:.1f} would be its turn.{more}",
            int(found["wins"].to_numpy().sum()),
            int(evidence.failed.sum()),
            "hard_negatives",
            {"select": f"winner:{int(hub['item'])}", "failures": "True"},
            tuple(str(each) for each in datasets),
            (evidence.measured(*CSLS, evidence.csls),),
            f"CSLS is done where vectors are searched; no command here does it. {IN_TRAINING}",
        )
    ]

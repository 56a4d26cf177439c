"""Scores as a table for people."""

from collections.abc import Sequence

from core.evaluation.metrics import Score
from core.evaluation.paper_table import percent
from core.evaluation.report_tables import text_table

ORDER = ("overall", "distribution", "meta-task", "dataset")


def table(scores: Sequence[Score], metric: str = "P@1") -> str:
    """Return one line a score: percent with its interval, chance, queries and pool."""
    chosen = sorted((each for each in scores if each.metric == metric), key=lambda each: ORDER.index(each.scope))
    rows = []
    for each in chosen:
        interval = f"{percent(each.low)} - {percent(each.high):>5}"
        counts = (each.n, f"{each.pool:.0f}")
        rows.append((each.scope, each.name, f"{percent(each.value)}%", interval, f"{percent(each.chance)}%", *counts))
    return text_table((metric, "", "score", "95 % interval", "chance", "n", "pool"), rows, left=2)


def recall_table(scores: Sequence[Score], metrics: Sequence[str] = ("P@1", "R@5", "R@10", "MRR")) -> str:
    """Return one line a mean, one column a metric; for text-to-video retrieval (meta-task video) P@1 is R@1."""
    means: dict[tuple[str, str], dict[str, float]] = {}
    for each in sorted(scores, key=lambda each: ORDER.index(each.scope)):
        if each.scope != "dataset" and each.metric in metrics:
            means.setdefault((each.scope, each.name), {})[each.metric] = each.value
    rows = [(*named, *(f"{percent(values[metric])}%" for metric in metrics)) for named, values in means.items()]
    return text_table(("", "", *metrics), rows, left=2)

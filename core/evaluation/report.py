"""Scores as a table for people."""

from collections.abc import Sequence

from core.evaluation.metrics import Score

ORDER = ("overall", "distribution", "meta-task", "dataset")


def table(scores: Sequence[Score], metric: str = "P@1") -> str:
    """One line a score: percent with its interval, chance, queries and pool."""
    chosen = [each for each in scores if each.metric == metric]
    chosen.sort(key=lambda each: ORDER.index(each.scope))
    lines = [f"{metric:<14}{'':<24}{'score':>7}  {'95 % interval':^15}{'chance':>8}{'n':>7}{'pool':>7}"]
    for each in chosen:
        interval = f"{100 * each.low:5.1f} - {100 * each.high:5.1f}"
        lines.append(
            f"{each.scope:<14}{each.name:<24}{100 * each.value:6.1f}%  {interval:^15}"
            f"{100 * each.chance:7.1f}%{each.n:>7}{each.pool:>7.0f}"
        )
    return "\n".join(lines)


def recall_table(scores: Sequence[Score], metrics: Sequence[str] = ("P@1", "R@5", "R@10", "MRR")) -> str:
    """One line a mean, one column a metric; for text-to-video retrieval (meta-task video) P@1 is R@1."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for each in scores:
        if each.scope != "dataset" and each.metric in metrics:
            rows.setdefault((each.scope, each.name), {})[each.metric] = each.value
    lines = [f"{'':<38}" + "".join(f"{metric:>8}" for metric in metrics)]
    for (scope, name), values in sorted(rows.items(), key=lambda row: ORDER.index(row[0][0])):
        lines.append(f"{scope:<14}{name:<24}" + "".join(f"{100 * values[metric]:7.1f}%" for metric in metrics))
    return "\n".join(lines)

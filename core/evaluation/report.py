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

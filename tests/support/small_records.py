"""Records of pairs as a training on the miniature leaves them, made from its real pairs without training."""

from pathlib import Path

import pandas as pd

from core.data.miniature.benchmark import training_sets

PLACES = 3


def record_rows(step: int, dataset: str, count: int = 4, seed: int = 0) -> pd.DataFrame:
    """A batch of the first pairs of a data set: each query's heaviest negatives are the other pairs' right answers.

    Numbers are made up, but tell rows apart: similarity falls with place, weight and share depend on the step.
    """
    pairs = next(each for each in training_sets(seed) if each.name == dataset)
    rows = []
    for query in range(count):
        for place in range(1, PLACES + 1):
            other = pairs[(query + place) % count]
            rows.append(
                {
                    "step": step,
                    "dataset": dataset,
                    "query_id": pairs[query].query.content_id[:15],
                    "positive_id": pairs[query].positive.content_id[:15],
                    "origin": pairs[query].origin,
                    "negative_id": other.positive.content_id[:15],
                    "place": place,
                    "similarity": 0.9 - place / 10,
                    "positive_similarity": 0.5 + step / 1000,
                    "weight": float(step + place),
                    "probability": 0.1,
                    "share": 0.4 / place,
                }
            )
    return pd.DataFrame(rows)


def write_records(run: Path, steps: tuple[int, ...] = (10, 20), datasets: tuple[str, ...] = ("edit",)) -> None:
    """Record files of some steps, one rank a data set."""
    (run / "pairs").mkdir(parents=True, exist_ok=True)
    for step in steps:
        for rank, dataset in enumerate(datasets):
            record_rows(step, dataset).to_parquet(run / "pairs" / f"{step:06d}-rank{rank}.parquet")

"""Evaluating as VLM2Vec's published harness does it (eval.py of TIGER-AI-Lab/VLM2Vec, which LLaVE and mmE5 adapt).

Data set by data set: the queries once by text and path, in batches as they come; then the targets likewise; then, row
by row, the candidates' vectors are stacked, divided by their lengths, multiplied with the query's and sorted. Nothing
is shared between data sets, nor between queries and targets, and nothing is sorted by length.

It reads the same items and runs the same model as ours, which reads the last block at the last token only; the
published one computes all of it, and LLaVE's passes an empty picture with every text, so the rival here is the faster.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from core.data.mmeb_datasets import DATASETS
from core.data.mmeb_eval import read_mmeb_eval
from core.data.records import Item, RankingTask
from core.encoder.embedder import Embedder


def published_scores(root: Path, embedder: Embedder, batch: int) -> dict[str, float]:
    """P@1 of every data set of a folder in MMEB-eval's layout; of equal cosines the first counts, as published."""
    found = {}
    for dataset in DATASETS:
        (task,) = read_mmeb_eval(root, [dataset.name], progress=False)
        found[dataset.name] = score(task, embedder, batch)
    return found


def score(task: RankingTask, embedder: Embedder, batch: int) -> float:
    """P@1 of one data set."""
    queries = encode(embedder, sides(task)[0], batch)
    targets = encode(embedder, sides(task)[1], batch)
    hits = 0
    for ranking in task.rankings:
        query = queries[id(ranking.query)]
        stacked = np.stack([targets[id(item)] for item in ranking.candidates])
        cosines = stacked @ query / (np.linalg.norm(stacked, axis=1) * np.linalg.norm(query))
        hits += int(np.argsort(-cosines)[0]) in ranking.right
    return hits / len(task.rankings)


def sides(task: RankingTask) -> tuple[list[Item], list[Item]]:
    """The distinct queries and the distinct targets of a data set. Equal ones of a data set are one object."""
    return distinct(each.query for each in task.rankings), distinct(
        i for each in task.rankings for i in each.candidates
    )


def distinct(items: Iterable[Item]) -> list[Item]:
    """Every object once, in order."""
    return list({id(item): item for item in items}.values())


@torch.no_grad()
def encode(embedder: Embedder, items: Sequence[Item], batch: int) -> dict[int, np.ndarray]:
    """The vectors of items by object, encoded in batches as they come."""
    vectors = []
    for start in range(0, len(items), batch):
        inputs = embedder.collate([embedder.prepare(item) for item in items[start : start + batch]])
        vectors.append(embedder(inputs).float().cpu().numpy())
    return dict(zip(map(id, items), np.concatenate(vectors), strict=True))

"""Bundles of different evaluations have different names; the same evaluation has the same."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from core.checkpoints.listing import Checkpoint
from core.data.records import Item, Ranking, RankingTask, Text
from core.evaluation.bundle_name import EvaluationDigest, default_folder
from core.evaluation.embedded import Embedded, distinct_items
from core.evaluation.scoring import rank_all
from core.evaluation.suites import SuiteSettings


def name(
    root: Path,
    suite: SuiteSettings,
    candidates: Sequence[str] = ("a", "b"),
    right: int = 0,
    dtype: torch.dtype = torch.float32,
    checkpoint: str = "run/checkpoints/000010",
) -> str:
    """The folder of an evaluation of one ranking, seen from the root."""
    pool = tuple(Item((Text(each),)) for each in candidates)
    tasks = [RankingTask("t", "retrieval", True, (Ranking(Item((Text("q"),)), pool, (right,)),))]
    items = distinct_items(tasks)
    digest = EvaluationDigest(suite, items, dtype)
    for each in rank_all(tasks, Embedded(tuple(items), np.eye(8, dtype=np.float32)[: len(items)])):
        digest.add(each)
    return str(default_folder(Checkpoint(root / checkpoint, 10), suite, digest).relative_to(root))


def test_names_hold_suite_and_folder_and_a_digest_of_what_was_scored(tmp_path: Path) -> None:
    one, other = (SuiteSettings("folder", tmp_path / each / "My pictures!") for each in ("one", "other"))
    found = name(tmp_path, one)
    assert re.fullmatch(r"run/bundles/000010-folder-My-pictures-[0-9a-f]{8}", found)
    assert found == name(tmp_path, replace(one))
    others = [
        name(tmp_path, other),
        name(tmp_path, replace(one, queries=5)),
        name(tmp_path, replace(one, seed=1)),
        name(tmp_path, replace(one, held_out=0.5)),
        name(tmp_path, one, candidates=("a", "c")),
        name(tmp_path, one, right=1),
        name(tmp_path, one, dtype=torch.bfloat16),
    ]
    assert len({found, *others}) == len(others) + 1
    assert re.fullmatch(r"run/bundles/000010-miniature-[0-9a-f]{8}", name(tmp_path, SuiteSettings()))
    assert re.fullmatch(r"mine/bundle-miniature-[0-9a-f]{8}", name(tmp_path, SuiteSettings(), checkpoint="mine"))

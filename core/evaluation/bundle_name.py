"""The default folder of a bundle: its name tells evaluations apart, so that none replaces another's.

<run>/bundles/<step>-<suite>[-<folder>]-<digest>, or <checkpoint>/bundle-<suite>... outside a run. The digest is of all
that decides what was scored: the suite's settings, every item, ranking and right answer, and the precision. The same
evaluation has the same name, and replaces itself.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from core.checkpoints.checkpoint import Checkpoint
from core.config.command_line import plain
from core.data.records import Item
from core.evaluation.scoring import Ranked
from core.evaluation.suites import SuiteSettings

LETTERS = 8
"""Of the digest."""
LONGEST = 40
"""Letters of a folder's name that are taken."""


def default_folder(
    checkpoint: Checkpoint, suite: SuiteSettings, items: Sequence[Item], ranked: Sequence[Ranked], dtype: torch.dtype
) -> Path:
    """Return where the bundle of an evaluation goes if nobody says otherwise."""
    path = suite.path
    named = [] if path is None else [re.sub(r"[^A-Za-z0-9_.-]+", "-", path.resolve().name)[:LONGEST].strip("-.") or "-"]
    name = "-".join([suite.name, *named, scored_digest(suite, items, ranked, dtype)])
    if checkpoint.folder.parent.name == "checkpoints":
        return checkpoint.folder.parent.parent / "bundles" / f"{checkpoint.step:06d}-{name}"
    return checkpoint.folder / f"bundle-{name}"


def scored_digest(suite: SuiteSettings, items: Sequence[Item], ranked: Sequence[Ranked], dtype: torch.dtype) -> str:
    """Return a digest of what was scored; `ranked` is by row of `items`."""
    paths = {name: str(each.resolve()) for name, each in vars(suite).items() if isinstance(each, Path)}
    settings = plain(suite) | paths
    found = hashlib.sha256(json.dumps([settings, str(dtype)], sort_keys=True).encode())
    for item in items:
        found.update(item.content_id.encode())
    for each in ranked:
        found.update(f"{each.task.name} {each.query} {len(each.candidates)} ".encode())
        found.update(each.candidates.tobytes())
        found.update(each.right.tobytes())
    return found.hexdigest()[:LETTERS]

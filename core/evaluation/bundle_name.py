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

from core.checkpoints.listing import Checkpoint
from core.config.command_line import plain
from core.data.records import Item
from core.evaluation.scoring import Ranked
from core.evaluation.suites import SuiteSettings

LETTERS = 8
"""Of the digest."""
LONGEST = 40
"""Letters of a folder's name that are taken."""


class EvaluationDigest:
    """A digest of all that decides what was scored, taken while the rankings pass; `ranked` is by row of `items`."""

    def __init__(self, suite: SuiteSettings, items: Sequence[Item], dtype: torch.dtype) -> None:
        """Begin with the suite's settings, the precision and every item."""
        paths = {name: str(each.resolve()) for name, each in vars(suite).items() if isinstance(each, Path)}
        settings = plain(suite) | paths
        self._found = hashlib.sha256(json.dumps([settings, str(dtype)], sort_keys=True).encode())
        for item in items:
            self._found.update(item.content_id.encode())

    def add(self, ranked: Ranked) -> None:
        """Take in what a query was scored against."""
        self._found.update(f"{ranked.task.name} {ranked.query} {len(ranked.candidates)} ".encode())
        self._found.update(ranked.candidates.tobytes())
        self._found.update(ranked.right.tobytes())

    @property
    def letters(self) -> str:
        """The digest, shortened."""
        return self._found.hexdigest()[:LETTERS]


def default_folder(checkpoint: Checkpoint, suite: SuiteSettings, digest: EvaluationDigest) -> Path:
    """Return where the bundle of an evaluation goes if nobody says otherwise; every ranking is in the digest."""
    path = suite.path
    named = [] if path is None else [re.sub(r"[^A-Za-z0-9_.-]+", "-", path.resolve().name)[:LONGEST].strip("-.") or "-"]
    name = "-".join([suite.name, *named, digest.letters])
    if checkpoint.folder.parent.name == "checkpoints":
        return checkpoint.folder.parent.parent / "bundles" / f"{checkpoint.step:06d}-{name}"
    return checkpoint.folder / f"bundle-{name}"

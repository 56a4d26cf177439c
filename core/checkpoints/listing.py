"""Which checkpoints a run has, and which one a path means; nothing of them is opened."""

from dataclasses import dataclass
from pathlib import Path

from core.files.run_layout import DESCRIPTION


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint of a run: its folder and the number of optimizer steps done."""

    folder: Path
    step: int


def checkpoints(run: Path) -> list[Checkpoint]:
    """Return the complete checkpoints of a run, oldest first."""
    found = []
    for folder in sorted((run / "checkpoints").glob("[0-9]*")):
        if (folder / DESCRIPTION).is_file() and folder.name.isdigit():
            found.append(Checkpoint(folder, int(folder.name)))
    return sorted(found, key=lambda each: each.step)


def latest(run: Path) -> Checkpoint | None:
    """Return the checkpoint with the most steps, or None."""
    found = checkpoints(run)
    return found[-1] if found else None


def resolve(path: Path) -> Checkpoint:
    """Return the checkpoint that a path means: a checkpoint's folder, or a run (its latest).

    Raises:
        ValueError: the path is neither.
    """
    if (path / DESCRIPTION).is_file():
        return Checkpoint(path, int(path.name) if path.name.isdigit() else 0)
    found = latest(path)
    if found is None:
        raise ValueError(f"{path} is neither a checkpoint (it has no {DESCRIPTION}) nor a run with checkpoints.")
    return found

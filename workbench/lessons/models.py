"""Make one of the course's small models from a finished run: its last weights, halved to bfloat16.

python -m workbench.lessons.models --run runs/course-llave --out lessons/models/llave
"""

import argparse
from pathlib import Path

import torch

from core.checkpoints.listing import checkpoints
from core.encoder.embedder import Embedder


def main() -> None:
    """Read the run, write the model."""
    parser = argparse.ArgumentParser(description="Make one of the course's small models from a finished run.")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run, such as runs/course-llave")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, such as lessons/models/llave")
    options = parser.parse_args()
    shrink(options.run, options.out)


def shrink(run: Path, out: Path) -> None:
    """Write the run's last checkpoint with its weights in bfloat16, half as large.

    Raises:
        ValueError: the run has no checkpoint.
    """
    found = checkpoints(run)
    if not found:
        raise ValueError(f"{run}: there is no checkpoint to make a model of; train first.")
    embedder = Embedder.load(found[-1].folder)
    embedder.backbone.to(torch.bfloat16)
    embedder.save(out)


if __name__ == "__main__":
    main()

"""Make an ordinary embedder of a checkpoint whose weights lie in the shards of several ranks.

python core/consolidate.py --checkpoint runs/mine/checkpoints/002000 --output mine

It runs in one process and needs memory for one copy of the weights; any other command then reads the folder.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers: nothing is fetched

import sys

from transformers.utils import logging as transformers_logging

from core.checkpoints.consolidate import ConsolidateSettings, consolidate
from core.config.command_line import run


def main() -> int:
    """Parse, consolidate, say where; 0 when done, 1 for a user's error."""
    transformers_logging.disable_progress_bar()
    description = "Make an ordinary embedder of a sharded checkpoint."
    return run(ConsolidateSettings, description, lambda settings: f"Wrote {consolidate(settings)}")


if __name__ == "__main__":
    sys.exit(main())

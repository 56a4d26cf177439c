"""Answer a question from cards of text and image: find them, and hand them to a generator of your choice.

python workbench/rag_example.py --bundle runs/mine/bundles/000500-miniature-1a2b3c4d --dataset cards --question "where?"
python workbench/rag_example.py --cards cards.jsonl --checkpoint runs/mine --question "..." --generator FOLDER
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers: nothing is fetched

import sys

from transformers.utils import logging as transformers_logging

from core.config.command_line import run
from workbench.rag.example import RagSettings, run_example, told


def main() -> int:
    """Parse, retrieve, answer; 0 when done, 1 for a user's error."""
    transformers_logging.disable_progress_bar()
    return run(RagSettings, "Answer a question from cards of text and image.", lambda each: told(run_example(each)))


if __name__ == "__main__":
    sys.exit(main())

"""Embed a folder of pictures with a checkpoint and write their vectors and a table of them.

python core/embed.py --checkpoint runs/miniature --folder pictures --out vectors
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers: nothing is fetched

import sys

from transformers.utils import logging as transformers_logging

from core.config.command_line import parse
from core.corpus.image_folder import EmbedSettings, embed_to_files
from core.data.images.folder_listing import told


def main() -> int:
    """Parse, embed, say what was written; 0 when done, 1 for a user's error."""
    settings = parse(EmbedSettings, "Embed a folder of pictures.")
    transformers_logging.disable_progress_bar()
    try:
        done = embed_to_files(settings)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for problem in done.problems:
        print(f"skipped {problem}", file=sys.stderr)
    if done.ignored:
        print(f"passed over: {told(done.ignored)}")
    print(f"{len(done.pictures)} pictures embedded, {len(done.problems)} skipped: {settings.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

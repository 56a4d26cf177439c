"""Turn a published checkpoint into one that the other commands read.

python core/convert.py --source LLaVE-0.5B --output checkpoints/llave-0.5b
python core/convert.py --source VLM2Vec-Qwen2VL-2B --base Qwen2-VL-2B-Instruct --output checkpoints/vlm2vec-2b
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers: nothing is fetched

import sys

from transformers.utils import logging as transformers_logging

from core.checkpoint_import.conversion import ConvertSettings, convert
from core.config.command_line import run


def main() -> int:
    """Parse, convert, say where; 0 when done, 1 for a user's error."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    return run(ConvertSettings, "Turn a published checkpoint into one that the other commands read.", convert)


if __name__ == "__main__":
    sys.exit(main())

"""Export a checkpoint: a sentence-transformers model, or a model repository on the hub with its card.

python core/export.py --checkpoint runs/mine --output mine-for-sentence-transformers
python core/export.py --checkpoint runs/mine --to hub --repo user/mine --license apache-2.0 --dry_run --output look
python core/export.py --checkpoint runs/mine --to hub --repo user/mine --license apache-2.0 --private

To push, log in by `hf auth login` or set HF_TOKEN; no token is read from settings or written to a file.
"""

import os
import sys

from core.checkpoint_export.settings import ExportSettings
from core.config.command_line import run


def export(settings: ExportSettings) -> str:
    """Export as the settings say; only a push to the hub may reach for it.

    Raises:
        ValueError: what cannot be exported; the message says why.
    """
    if settings.to != "hub":
        os.environ["HF_HUB_OFFLINE"] = "1"
    # The hub's libraries read that when they are imported.
    from transformers.utils import logging as transformers_logging

    from core.checkpoint_export.export import export as written

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    return written(settings)


def main() -> int:
    """Parse, export, say where it is; 0 when done, 1 for a user's error."""
    return run(ExportSettings, "Export a checkpoint for other libraries and people.", export)


if __name__ == "__main__":
    sys.exit(main())

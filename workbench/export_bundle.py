"""Export a bundle for Embedding Atlas, or into a vector database.

python workbench/export_bundle.py --bundle runs/mine/bundles/000500-miniature-1a2b3c4d --to atlas --output items.parquet
python workbench/export_bundle.py --bundle vectors --to lancedb --output database
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers: nothing is fetched

import sys

from core.config.command_line import run
from workbench.exchange.export import ExportSettings, export


def main() -> int:
    """Parse, export, say what to do next; 0 when done, 1 for a user's error."""
    return run(ExportSettings, "Export a bundle for another tool.", export)


if __name__ == "__main__":
    sys.exit(main())

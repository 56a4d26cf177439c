"""Export a bundle for Embedding Atlas, or into a vector database.

python workbench/export_bundle.py --bundle runs/miniature/bundles/000500-miniature --to atlas --output items.parquet
python workbench/export_bundle.py --bundle vectors --to lancedb --output database
"""

import sys

from core.command_line import parse
from workbench.exchange.export import ExportSettings, export


def main() -> int:
    """Parse, export, say what to do next; 0 when done, 1 for a user's error."""
    settings = parse(ExportSettings, "Export a bundle for another tool.")
    try:
        print(export(settings))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

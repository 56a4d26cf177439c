r"""Make a bundle of the vectors that another tool or model made, so that the explorer opens it.

python core/import_embeddings.py --embeddings vectors.npy --items items.csv --pairs pairs.csv --out runs/clip
python core/import_embeddings.py --embeddings catalogue.parquet --out runs/catalogue
python core/import_embeddings.py --embeddings pairs.parquet --column image_vector --query_column text_vector \
    --queries_from text --targets_from image --out runs/clip
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers: nothing is fetched

import sys

from core.config.command_line import parse
from core.evaluation.report import recall_table, table
from core.vector_import.import_bundle import ImportSettings, import_embeddings


def main() -> int:
    """Parse, import, print the scores; 0 when done, 1 for a user's error."""
    settings = parse(ImportSettings, "Make a bundle of vectors that another tool made.")
    try:
        done = import_embeddings(settings)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    scored = (
        [table(done.scores), recall_table(done.scores)] if done.scores else ["No pairs were given: nothing is scored."]
    )
    print(*scored, f"Bundle: {done.folder}", sep="\n\n")
    root = settings.out.parent
    print(f"To look into it: streamlit run apps/explorer.py --server.address 127.0.0.1 -- --root {root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

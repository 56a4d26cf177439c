"""Evaluate a checkpoint on a suite and write the bundle that the explorer shows.

python core/eval.py --checkpoint runs/miniature
python core/eval.py --checkpoint runs/mine --suite.name folder --suite.path pictures
"""

import sys

from transformers.utils import logging as transformers_logging

from core.command_line import parse
from core.evaluation.report import recall_table, table
from core.evaluation.run import EvalSettings, evaluate


def main() -> int:
    """Parse, evaluate, print the table; 0 when done, 1 for a user's error."""
    settings = parse(EvalSettings, "Evaluate a checkpoint and write its bundle.")
    transformers_logging.disable_progress_bar()
    try:
        folder, scores = evaluate(settings)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(scores), recall_table(scores), table(scores, "V-measure"), f"Bundle: {folder}", sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

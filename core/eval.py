"""Evaluate a checkpoint on a suite and write the bundle that the explorer shows, with a report inside.

python core/eval.py --checkpoint runs/miniature
python core/eval.py --checkpoint runs/mine --suite.name folder --suite.path pictures
torchrun --nproc_per_node=8 core/eval.py --checkpoint models/llave --suite.name mmeb --suite.path MMEB --cache vectors
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers: nothing is fetched

import sys

from transformers.utils import logging as transformers_logging

from core.config.command_line import parse
from core.evaluation.encoding_workers import EncodingWorkers
from core.evaluation.evaluate import assist, evaluate
from core.evaluation.report_files import printed
from core.evaluation.settings import EvalSettings
from core.evaluation.termination import ending_in_order
from core.parallel.job import join, last_words, leave, lost_another


def main() -> int:
    """Parse, evaluate, print the tables; 0 when done, 1 for a user's error or when another process is lost."""
    settings = parse(EvalSettings, "Evaluate a checkpoint and write its bundle.")
    transformers_logging.disable_progress_bar()
    own = f"process {os.environ.get('RANK', 0)}: " if int(os.environ.get("WORLD_SIZE", "1")) > 1 else ""
    try:
        state = join(settings.collective_timeout_s)
        workers = EncodingWorkers(settings.collective_timeout_s)
        with ending_in_order():
            if workers.leads:
                folder, scores = evaluate(settings, workers=workers)
                print(printed(folder, scores))
            elif not assist(settings, workers):
                return 1
    except ValueError as error:
        print(f"error: {own}{error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if not lost_another(error):
            raise
        print(f"error: {own}{last_words(error)}", file=sys.stderr)
        return 1
    state.destroy_process_group()
    return 0


if __name__ == "__main__":
    leave(main())

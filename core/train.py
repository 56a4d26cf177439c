"""Train a multimodal embedding model.

torchrun --nproc_per_node=2 core/train.py                      the miniature on two processes of this machine
torchrun --nproc_per_node=8 core/train.py --config recipe.yaml
torchrun core/train.py --help                                  every setting with its unit and default
"""

import sys

import torch
from accelerate import PartialState
from transformers.utils import logging as transformers_logging

from core.command_line import parse
from core.config import TrainSettings
from core.trainer import Interrupted, Trainer


def main() -> int:
    """Parse, train, say where the result is; 0 when done, 130 when interrupted, 1 for a user's error."""
    settings = parse(TrainSettings, "Train a multimodal embedding model.")
    transformers_logging.disable_progress_bar()
    state = PartialState(cpu=not torch.cuda.is_available())
    try:
        message, status = f"Finished: {Trainer(settings).run()}", 0
    except Interrupted as stopped:
        message, status = str(stopped), 130
    except ValueError as error:
        message, status = f"error: {error}", 1
    finally:
        state.destroy_process_group()
    if state.is_main_process:
        print(message, file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())

"""Train a multimodal embedding model.

torchrun --nproc_per_node=2 core/train.py                      the miniature on two processes of this machine
torchrun --nproc_per_node=8 core/train.py --config recipe.yaml
torchrun --nproc_per_node=8 --max-restarts=3 core/train.py     goes on from the latest checkpoint if a process dies
torchrun core/train.py --config recipe.yaml --dry_run          says what it needs and what is missing; trains nothing
torchrun core/train.py --help                                  every setting with its unit and default
"""

import dataclasses
import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers: nothing is fetched

import sys

import torch
from accelerate import PartialState
from transformers.utils import logging as transformers_logging

from core.config.command_line import parse
from core.config.settings import TrainSettings
from core.estimate.dry_run import dry_run
from core.parallel.job import join, last_words, leave, lost_another, started_again
from core.training.nan_guard import NonFiniteStep
from core.training.trainer import Interrupted, StepWithoutPairs, Trainer


def main() -> int:
    """Parse, train, say where the result is; or with --dry_run say what that will need.

    Returns:
        0 when done, 130 when interrupted, 1 for a user's error or when another process is lost.
    """
    settings = parse(TrainSettings, "Train a multimodal embedding model.")
    transformers_logging.disable_progress_bar()
    if settings.dry_run:
        return dry_run(settings)
    # Denormal numbers, which small gradients are full of early on, slow a CPU's matrix products several times. The
    # setting holds for the whole process, so it is made here and not in the trainer.
    torch.set_flush_denormal(True)
    try:
        state = join(settings.collective_timeout_s)
        message, status, alike = train(settings, started_again(state))
    except RuntimeError as error:
        if not lost_another(error):
            raise
        print(f"error: process {os.environ.get('RANK', 0)}: {last_words(error)}", file=sys.stderr)
        return 1
    state.destroy_process_group()
    report(state, message, status, alike)
    return status


def train(settings: TrainSettings, again: bool) -> tuple[str, int, bool]:
    """Train, or go on if torchrun started us again; last words, exit status, and whether all processes say the same."""
    settings = dataclasses.replace(settings, resume=settings.resume or again)
    try:
        return f"Finished: {Trainer(settings).run()}", 0, True
    except Interrupted as stopped:
        return str(stopped), 130, True
    except (NonFiniteStep, StepWithoutPairs) as error:
        return f"error: {error}", 1, True
    except ValueError as error:
        return f"error: {error}", 1, False


def report(state: PartialState, message: str, status: int, alike: bool) -> None:
    """Print the last words: the first process's all, of the others the first line, in case they failed alone."""
    if state.is_main_process:
        print(message, file=sys.stderr if status else sys.stdout)
    elif not alike:
        print(f"process {state.process_index}: {message.splitlines()[0]}", file=sys.stderr)


if __name__ == "__main__":
    leave(main())

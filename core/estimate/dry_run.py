"""`--dry_run`: print the estimate and all problems at once; do nothing."""

import os
import sys

from core.config.settings import TrainSettings
from core.estimate.estimate import make_estimate
from core.estimate.report import report


def dry_run(settings: TrainSettings) -> int:
    """Print the plan, and all problems at once; of a torchrun job the first process prints.

    Returns:
        The exit status: 0, or 1 if there are problems.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    plan, problems = make_estimate(settings, started if started > 1 else settings.plan.gpus)
    if int(os.environ.get("RANK", "0")) == 0:
        if plan is not None:
            print(report(plan))
        for number, problem in enumerate(problems, 1):
            print(f"problem {number} of {len(problems)}: {problem}", file=sys.stderr)
    return 1 if problems else 0

"""Validate while training, on rankings of the miniature that training never draws."""

from functools import cache

from core.checkpoints.checkpoint import CheckpointScore
from core.config.settings import TrainSettings
from core.data.miniature.benchmark import ranking_tasks
from core.data.records import RankingTask
from core.encoder.embedder import Embedder
from core.evaluation.embedded import distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import rank_all, scores

SEED = 20_260
"""Draws other queries than core/eval.py does by default: the best checkpoint is not chosen on what it is scored on."""

METRIC = "P@1"
MEASURE = f"validation {METRIC}"


def due(settings: TrainSettings, step: int) -> bool:
    """Tell whether the model is to be scored after a step, counted from 1."""
    every = settings.validate.every
    return every > 0 and (step % every == 0 or step == settings.steps)


def validate(embedder: Embedder, queries: int) -> dict[str, float]:
    """P@1, 0 to 1, overall ("all") and by meta-task and distribution.

    Raises:
        core.evaluation.encode.NonFiniteVectors: some vectors hold NaN or infinity.
    """
    tasks = validation_tasks(queries)
    ranked = rank_all(tasks, embed_distinct(embedder, distinct_items(tasks), progress=False))
    return {
        each.name: float(each.value)
        for each in scores(ranked)
        if each.metric == METRIC and each.scope in ("overall", "meta-task", "distribution")
    }


def score_of(validation: dict[str, float]) -> CheckpointScore:
    """Say what ranks a checkpoint with this validation."""
    return CheckpointScore(MEASURE, validation["all"], higher=True)


@cache
def validation_tasks(queries: int) -> list[RankingTask]:
    """Return the rankings, drawn once."""
    return ranking_tasks(SEED, queries)

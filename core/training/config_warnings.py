"""Warn of settings that are allowed but may mislead."""

from collections.abc import Sequence

from core.config.settings import TrainSettings
from core.data.records import PairDataset

SAMPLED = 8
"""Pairs of a data set that are looked at for explicit negatives."""


def config_warnings(settings: TrainSettings, datasets: Sequence[PairDataset]) -> list[str]:
    """List what a user may not expect of these settings: a smaller pool of negatives, unranked checkpoints."""
    block, batch, every = settings.data.block, settings.batch, settings.validate.every
    found = []
    if block == batch and len(datasets) > 1:
        found.append(
            f"data.block = {block} is the whole batch: each batch comes from one data set, and no query has a "
            "negative from another."
        )
    for dataset in datasets:
        if len(dataset) < block:
            found.append(
                f"The data set {dataset.name!r} has {len(dataset)} pairs, fewer than data.block = {block}: a block "
                "repeats pairs, which are no negatives of each other, so queries have fewer negatives than the batch "
                "suggests."
            )
    unused = [each.name for each in datasets if any(each[row].negatives for row in range(min(SAMPLED, len(each))))]
    if settings.data.negatives == 0 and unused and settings.data.source != "miniature":
        found.append(f"data.negatives = 0 leaves the explicit hard negatives of {', '.join(unused)} unused.")
    if every and settings.save_every % every and settings.keep_latest and settings.keep_best:
        found.append(
            f"save_every = {settings.save_every} is no multiple of validate.every = {every}: checkpoints at steps "
            "without a validation are not kept as best."
        )
    return found

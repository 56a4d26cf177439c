"""Open the training data that the settings name: the miniature, MMEB, or a folder."""

from collections.abc import Sequence
from pathlib import Path

from core.config.settings import DataSettings
from core.data.checks.pairs import usable
from core.data.checks.problems import Problem
from core.data.folder import folder_pairs
from core.data.miniature.benchmark import training_sets
from core.data.mmeb.training import read_mmeb
from core.data.records import PairDataset


def training_data(
    settings: DataSettings,
    seed: int,
    show_progress: bool = True,
    positives: dict[str, tuple[str, ...]] | None = None,
) -> tuple[list[PairDataset], list[Problem]]:
    """Return the data sets to train on, and what had to be left out of them.

    positives: gets the content ids of all targets of each query that a data set asks several times.

    Raises:
        ValueError: a data set's name is unknown, a folder is not what it should be, or (unless
            data.on_bad_item = skip) a picture or caption cannot be used.
    """
    if settings.source == "miniature":
        return chosen(training_sets(seed), settings.datasets), []
    assert settings.path is not None
    kept: list[PairDataset] = []
    problems: list[Problem] = []
    for dataset in chosen(from_files(settings, settings.path, seed, show_progress), settings.datasets):
        good, bad = usable(dataset, settings.on_bad_item, show_progress, positives)
        kept.append(good)
        problems += bad
    return kept, list(dict.fromkeys(problems))


def from_files(settings: DataSettings, path: Path, seed: int, show_progress: bool = False) -> Sequence[PairDataset]:
    """Return the data sets of a local folder, unchecked; pictures and captions are opened to see which are held out."""
    if settings.source == "mmeb":
        names, limits = settings.datasets or None, settings.limits
        return read_mmeb(path, names, settings.split, settings.limit, seed, settings.image_root, limits)
    return folder_pairs(path, settings.caption_column, progress=show_progress)


def chosen(datasets: Sequence[PairDataset], names: Sequence[str]) -> list[PairDataset]:
    """Return the data sets of the given names, all when there are none.

    Raises:
        ValueError: a name that no data set has.
    """
    known = {dataset.name: dataset for dataset in datasets}
    for name in names:
        if name not in known:
            raise ValueError(f"data.datasets: {name!r} is unknown; there are {', '.join(known)}.")
    return [known[name] for name in names] if names else list(datasets)

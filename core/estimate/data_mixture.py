"""Count the pairs that a training sees, and how many of their items have pictures: from the data, or as published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.config.settings import DataSettings
from core.data.mmeb.datasets import BY_TRAIN_NAME
from core.data.records import Item, PairDataset, Text
from core.data.sources import chosen, from_files, training_data

SAMPLED = 16
"""Pairs of a data set that are looked at for pictures."""


@dataclass(frozen=True)
class Mixture:
    """What one pass over the data is.

    pairs: after the cap on each data set; one of weight 2 counts twice. query_pictures, target_pictures: shares of
    items with a picture. origin: in words, where that is from.
    """

    pairs: int
    query_pictures: float
    target_pictures: float
    origin: str


def published_mixture(settings: DataSettings) -> Mixture:
    """MMEB-train by the sizes that its paper gives, to the thousand; all 20 data sets if the settings name none.

    Raises:
        ValueError: a name is not one of them.
    """
    names = settings.datasets
    known = [BY_TRAIN_NAME[name] for name in names or BY_TRAIN_NAME if name in BY_TRAIN_NAME]
    unknown = [name for name in names if name not in BY_TRAIN_NAME]
    if unknown:
        raise ValueError(f"data.datasets: {unknown[0]!r} is not one of MMEB-train: {', '.join(BY_TRAIN_NAME)}.")
    caps = [settings.limits.get(str(each.train_name), settings.limit or 10**9) for each in known]
    weights = [settings.weights.get(str(each.train_name), 1) for each in known]
    sizes = [weight * min(cap, each.train_size or 0) for weight, cap, each in zip(weights, caps, known, strict=True)]
    queries = sum(size for size, each in zip(sizes, known, strict=True) if "image" in each.query)
    targets = sum(size for size, each in zip(sizes, known, strict=True) if "image" in each.target)
    total, origin = sum(sizes), f"{len(known)} data sets of MMEB-train, published sizes"
    return Mixture(round(total), queries / total, targets / total, origin)


def found_mixture(datasets: Sequence[PairDataset], weights: Mapping[str, float]) -> Mixture:
    """Data that is there: its length, and pictures in a sample of every data set.

    Raises:
        ValueError: a pair that was looked at cannot be read.
    """
    total, queries, targets = 0.0, 0.0, 0.0
    for dataset in datasets:
        visited = len(dataset) * weights.get(dataset.name, 1)
        total += visited
        step = max(1, len(dataset) // SAMPLED)
        pairs = [dataset[row] for row in range(0, len(dataset), step)]
        queries += visited * sum(pictured(pair.query) for pair in pairs) / len(pairs)
        targets += visited * sum(pictured(pair.positive) for pair in pairs) / len(pairs)
    return Mixture(round(total), queries / total, targets / total, f"{len(datasets)} data sets, read")


def pictured(item: Item) -> bool:
    """Tell whether an item is more than text."""
    return any(not isinstance(part, Text) for part in item.parts)


def mixture(settings: DataSettings, seed: int) -> tuple[Mixture | None, list[str]]:
    """Return the pairs of a training, and all that is wrong with its data; None if neither data nor sizes are known.

    Every data set is looked at by itself, so that all problems are found. Pictures are opened of a folder alone, whose
    contents decide which are held out.
    """
    if settings.source == "miniature":
        try:
            return found_mixture(training_data(settings, seed, show_progress=False)[0], settings.weights), []
        except ValueError as error:
            return None, [str(error)]
    assert settings.path is not None
    if settings.path.is_dir():
        return from_folder(settings, settings.path, seed)
    wanted = f"{settings.path}: data.path is no folder."
    if settings.source != "mmeb":
        return None, [wanted]
    problems = [f"{wanted} Get MMEB-train by: python core/download.py --what mmeb-train --to {settings.path}"]
    try:
        return published_mixture(settings), problems
    except ValueError as error:
        return None, [*problems, str(error)]


def from_folder(settings: DataSettings, path: Path, seed: int) -> tuple[Mixture | None, list[str]]:
    """Return the same for a folder that is there."""
    read: list[PairDataset] = []
    problems: list[str] = []
    # MMEB's data sets one by one: a fault of one does not hide those of the others.
    one_by_one = [[name] for name in settings.datasets] if settings.source == "mmeb" and settings.datasets else [[]]
    for names in one_by_one:
        try:
            limits = {name: cap for name, cap in settings.limits.items() if not names or name in names}
            part = replace(settings, datasets=names or settings.datasets, limits=limits)
            found = chosen(from_files(part, path, seed), part.datasets)
            _ = found_mixture(found, {})
            read += found
        except ValueError as error:
            problems.append(str(error))
    return (found_mixture(read, settings.weights) if read else None), problems

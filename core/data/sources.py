"""Open the training data that the settings name: the miniature, MMEB, or a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.config.settings import DataSettings
from core.data.checks.model_rules import ModelRules
from core.data.checks.pairs import checked_rows, without_rows
from core.data.checks.problems import Problem
from core.data.data_state import DataState, difference, state_of
from core.data.folder import folder_pairs
from core.data.miniature.benchmark import training_sets
from core.data.mmeb.training import read_mmeb
from core.data.records import PairDataset
from core.data.repeated_queries import add_positives


@dataclass(frozen=True)
class CheckedData:
    """The data sets to train on.

    problems: of rows that were left out now. newly_bad: of rows that were good when the run began; they stay, so that
    the order of pairs stays, and other pairs stand in for them. states: of each data set, by name. changes: how data
    sets are others than when the run began. positives: the content ids of all targets of each query that a data set
    asks several times.
    """

    datasets: list[PairDataset] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    newly_bad: list[Problem] = field(default_factory=list)
    states: dict[str, DataState] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    positives: dict[str, tuple[str, ...]] = field(default_factory=dict)


def training_data(
    settings: DataSettings, seed: int, show_progress: bool = True, rules: ModelRules | None = None
) -> tuple[list[PairDataset], list[Problem]]:
    """Return the data sets to train on, and what had to be left out of them.

    Raises:
        ValueError: as `checked_data`.
    """
    data = checked_data(settings, seed, show_progress, rules)
    return data.datasets, data.problems


def checked_data(
    settings: DataSettings,
    seed: int,
    show_progress: bool = True,
    rules: ModelRules | None = None,
    began: Mapping[str, DataState] | None = None,
) -> CheckedData:
    """Return the data sets to train on, checked.

    Args:
        settings: which.
        seed: draws the miniature, and rows where there is a limit.
        show_progress: show bars.
        rules: what the model refuses; None: only what cannot be read is bad.
        began: the data sets as a run that is resumed found them: what is the same leaves out the same rows again.

    Raises:
        ValueError: a data set's name is unknown, a folder is not what it should be, or (unless
            data.on_bad_item = skip) a picture or caption cannot be used.
    """
    if settings.source == "miniature":
        drawn = chosen(training_sets(seed), settings.datasets)
        return CheckedData(drawn, states={each.name: state_of(each) for each in drawn})
    assert settings.path is not None
    data, began = CheckedData(), began or {}
    problems: list[Problem] = []
    newly_bad: list[Problem] = []
    for dataset in chosen(from_files(settings, settings.path, seed, show_progress), settings.datasets):
        rows = checked_rows(dataset, settings.on_bad_item, show_progress, rules)
        found = rows.faults
        add_positives(data.positives, rows.positives(dataset))
        state = state_of(dataset, found.keys())
        earlier = began.get(dataset.name)
        if earlier is not None and state.same_rows(earlier):
            newly_bad += [problem for index, problem in found.items() if index not in earlier.left_out]
            state = earlier
        else:
            problems += found.values()
        if earlier is not None and (change := difference(dataset.name, earlier, state)):
            data.changes.append(change)
        data.datasets.append(without_rows(dataset, {*state.left_out}))
        data.states[dataset.name] = state
    data.changes.extend(f"{name} is gone; the run began with it." for name in began.keys() - data.states.keys())
    data.problems.extend(dict.fromkeys(problems))
    data.newly_bad.extend(dict.fromkeys(newly_bad))
    return data


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

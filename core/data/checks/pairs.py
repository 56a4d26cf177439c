"""Check training pairs before training starts: every row, every distinct picture, and what the model says of them."""

from collections.abc import Set
from dataclasses import dataclass, field, replace

from tqdm import tqdm

from core.data.checks.model_rules import ModelRules
from core.data.checks.problems import BadItems, BadRow, OnBadItem, Problem, naming
from core.data.checks.visuals import unreadable
from core.data.miniature.benchmark import MiniaturePairs
from core.data.records import ImageSource, Pair, PairDataset
from core.data.repeated_queries import RepeatedQueries


@dataclass(frozen=True)
class Subset:
    """Some pairs of a data set, by their index in it."""

    whole: PairDataset
    indices: tuple[int, ...]

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.whole.name

    @property
    def meta_task(self) -> str:
        """Its meta-task."""
        return self.whole.meta_task

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Pair:
        if not 0 <= index < len(self):
            raise IndexError(f"index = {index} is outside 0..{len(self) - 1} of the usable rows of {self.name}.")
        return self.whole[self.indices[index]]


def usable(
    dataset: PairDataset, on_bad_item: OnBadItem = "stop", progress: bool = True, rules: ModelRules | None = None
) -> tuple[PairDataset, list[Problem]]:
    """Return the data set without its bad rows, and the problems of those left out, one a row.

    The miniature is returned as it is: it reads no files, so there is nothing to check.

    Args:
        dataset: what is to be trained or scored on.
        on_bad_item: "stop" refuses a data set with bad rows; "skip" leaves them out.
        progress: show a bar with rate and time left.
        rules: what the model refuses; None: only what cannot be read is bad.

    Raises:
        BadItems: there are bad rows and `on_bad_item` is "stop".
        ValueError: every row is bad, or `on_bad_item` is another word.
    """
    if isinstance(dataset, MiniaturePairs):
        return dataset, []
    found = checked_rows(dataset, on_bad_item, progress, rules).faults
    return without_rows(dataset, found.keys()), list(found.values())


def without_rows(dataset: PairDataset, rows: Set[int]) -> PairDataset:
    """Return the data set without some rows; itself if there are none."""
    return Subset(dataset, tuple(each for each in range(len(dataset)) if each not in rows)) if rows else dataset


def usable_indices(
    dataset: PairDataset, on_bad_item: OnBadItem, progress: bool, rules: ModelRules | None = None
) -> tuple[list[int], list[Problem]]:
    """Return the indices of the good rows, and the problems of the others. See `usable`."""
    found = checked_rows(dataset, on_bad_item, progress, rules).faults
    return [index for index in range(len(dataset)) if index not in found], list(found.values())


def checked_rows(
    dataset: PairDataset, on_bad_item: OnBadItem, progress: bool, rules: ModelRules | None = None
) -> "Rows":
    """Return what was found of the rows, as far as some may be bad. See `usable`."""
    if on_bad_item not in ("stop", "skip"):
        raise ValueError(f'on_bad_item = {on_bad_item!r} is neither "stop" nor "skip".')
    rows = look_at_rows(dataset, progress, rules)
    problems = list(rows.faults.values())
    if problems and on_bad_item == "stop":
        raise BadItems(problems, len(dataset))
    if len(problems) == len(dataset):
        first = f" The first is {problems[0]}" if problems else ""
        raise ValueError(f"{dataset.name}: none of its {len(dataset)} rows can be used.{first}")
    return rows


def check_pairs(dataset: PairDataset, progress: bool = True, rules: ModelRules | None = None) -> list[Problem]:
    """Read every row and open every distinct picture once; the problems in the order of rows, one a row.

    Finds missing and unreadable pictures, empty captions and placeholders that do not fit their pictures; with rules
    also what the model refuses.
    """
    return list(look_at_rows(dataset, progress, rules).faults.values())


@dataclass(frozen=True)
class Rows:
    """What was found of a data set's rows: the problem of each bad one, and of the others where they were read.

    pictures: which rows show each; unusable: those of them that cannot be used. suspects: rows that the model may
    refuse. repeats: rows that ask the same.
    """

    faults: dict[int, Problem] = field(default_factory=dict)
    origins: dict[int, str] = field(default_factory=dict)
    pictures: dict[ImageSource, list[int]] = field(default_factory=dict)
    unusable: set[ImageSource] = field(default_factory=set)
    suspects: list[int] = field(default_factory=list)
    repeats: RepeatedQueries = field(default_factory=RepeatedQueries)

    def blame(self, index: int, reason: str) -> None:
        """Add a reason to a row's problem."""
        earlier = f"{self.faults[index].reason} " if index in self.faults else ""
        self.faults[index] = Problem(self.origins[index], earlier + reason)

    def positives(self, dataset: PairDataset) -> dict[str, tuple[str, ...]]:
        """Return the content ids of all targets of each query that the data set asks several times."""
        return self.repeats.positives(dataset, [each for each in self.pictures if each not in self.unusable])


def look_at_rows(dataset: PairDataset, progress: bool, rules: ModelRules | None = None) -> Rows:
    """Read every row, open its pictures and ask the model; faults are in the order of rows. See `check_pairs`."""
    rows = read_rows(dataset, progress, rules)
    for source, reason in unreadable(list(rows.pictures), dataset.name, progress, rules):
        rows.unusable.add(source)
        for index in dict.fromkeys(rows.pictures[source]):
            rows.blame(index, reason)
    if rules is not None:
        for index in [each for each in rows.suspects if each not in rows.faults]:
            try:
                with naming(rows.origins[index]):
                    for item in dataset[index].items():
                        rules.refuse_item(item)
            except BadRow as error:
                rows.faults[index] = error.problem
    return replace(rows, faults=dict(sorted(rows.faults.items())))


def read_rows(dataset: PairDataset, progress: bool, rules: ModelRules | None) -> Rows:
    """Read every row and note the pictures that it shows."""
    rows = Rows()
    for index in tqdm(range(len(dataset)), f"reading rows of {dataset.name}", unit="row", disable=not progress):
        try:
            with naming(f"{dataset.name} row {index + 1}"):  # readers name file and row better
                pair = dataset[index]
        except BadRow as error:
            rows.faults[index] = error.problem
            continue
        rows.origins[index] = pair.origin
        rows.repeats.see(index, pair)
        for item in pair.items():
            for source in item.images():
                rows.pictures.setdefault(source, []).append(index)
        if rules is not None and any(map(rules.suspects, pair.items())):
            rows.suspects.append(index)
    return rows

"""Check training pairs: read every row and open every distinct picture once, before training starts."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tqdm import tqdm

from core.data.checks.problems import BadItems, BadRow, OnBadItem, Problem
from core.data.images.image_files import BadImage, was_opened
from core.data.miniature.benchmark import MiniaturePairs
from core.data.records import ImageSource, Pair, PairDataset
from core.data.repeated_queries import RepeatedQueries

CHUNK = 1024


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
    dataset: PairDataset,
    on_bad_item: OnBadItem = "stop",
    progress: bool = True,
    positives: dict[str, tuple[str, ...]] | None = None,
) -> tuple[PairDataset, list[Problem]]:
    """Return the data set without its bad rows, and the problems of those left out, one a row.

    The miniature is returned as it is: it reads no files, so there is nothing to check.

    Args:
        dataset: what is to be trained or scored on.
        on_bad_item: "stop" refuses a data set with bad rows; "skip" leaves them out.
        progress: show a bar with rate and time left.
        positives: gets the content ids of all targets of each query that the data set asks several times.

    Raises:
        BadItems: there are bad rows and `on_bad_item` is "stop".
        ValueError: every row is bad, or `on_bad_item` is another word.
    """
    if isinstance(dataset, MiniaturePairs):
        return dataset, []
    kept, problems = usable_indices(dataset, on_bad_item, progress, positives)
    return (Subset(dataset, tuple(kept)) if problems else dataset), problems


def usable_indices(
    dataset: PairDataset, on_bad_item: OnBadItem, progress: bool, positives: dict[str, tuple[str, ...]] | None = None
) -> tuple[list[int], list[Problem]]:
    """Return the indices of the good rows, and the problems of the others. See `usable`."""
    if on_bad_item not in ("stop", "skip"):
        raise ValueError(f'on_bad_item = {on_bad_item!r} is neither "stop" nor "skip".')
    found = faults(dataset, progress, positives)
    problems = list(found.values())
    if found and on_bad_item == "stop":
        raise BadItems(problems, len(dataset))
    if len(found) == len(dataset):
        first = f" The first is {problems[0]}" if problems else ""
        raise ValueError(f"{dataset.name}: none of its {len(dataset)} rows can be used.{first}")
    return [index for index in range(len(dataset)) if index not in found], problems


def check_pairs(dataset: PairDataset, progress: bool = True) -> list[Problem]:
    """Read every row and open every distinct picture once; the problems in the order of rows, one a row.

    Finds missing and unreadable pictures, empty captions and placeholders that do not fit their pictures.
    """
    return list(faults(dataset, progress).values())


def faults(
    dataset: PairDataset, progress: bool, positives: dict[str, tuple[str, ...]] | None = None
) -> dict[int, Problem]:
    """Return the problem of each bad row by its index, in the order of rows. See `check_pairs` and `usable`."""
    found: dict[int, Problem] = {}
    repeats = RepeatedQueries()
    pictures: dict[ImageSource, dict[int, str]] = {}
    for index in tqdm(range(len(dataset)), f"reading rows of {dataset.name}", unit="row", disable=not progress):
        try:
            pair = dataset[index]
        except BadRow as error:
            found[index] = error.problem
            continue
        repeats.see(index, pair)
        for item in pair.items():
            for source in item.images():
                pictures.setdefault(source, {})[index] = pair.origin
    bad = dict(unreadable(list(pictures), dataset.name, progress))
    for source, reason in bad.items():
        for index, origin in pictures[source].items():
            earlier = f"{found[index].reason} " if index in found else ""
            found[index] = Problem(origin, earlier + reason)
    if positives is not None:
        opened = [source for source in pictures if source not in bad]
        for query, items in repeats.positives(dataset, opened).items():
            positives[query] = tuple(dict.fromkeys((*positives.get(query, ()), *items)))
    return dict(sorted(found.items()))


def unreadable(sources: list[ImageSource], name: str, progress: bool) -> Iterator[tuple[ImageSource, str]]:
    """Return the pictures that cannot be opened, each with the reason.

    Pillow decodes outside the interpreter lock, so threads share the work; the chunks bound what is queued.
    """
    bar = tqdm(total=len(sources), desc=f"checking pictures of {name}", unit="picture", disable=not progress)
    with bar, ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1)) as threads:
        for start in range(0, len(sources), CHUNK):
            chunk = sources[start : start + CHUNK]
            for source, reason in zip(chunk, threads.map(why_bad, chunk), strict=True):
                bar.update()
                if reason is not None:
                    yield source, reason


def why_bad(source: ImageSource) -> str | None:
    """Say why a picture cannot be opened, or None if it can; one that was opened before is not opened again."""
    if was_opened(source):
        return None
    try:
        source.open()
    except BadImage as error:
        return str(error)
    return None

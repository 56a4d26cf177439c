"""Queries that a data set asks several times: all of their targets are right answers, whichever a row names.

Found while the check before training reads every row anyway; where no query repeats, a number a row is all it takes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from core.data.records import Image, ImageSource, Item, Pair, PairDataset, Part, Text, Video


class RepeatedQueries:
    """The rows of one data set by what they ask. Pictures count as one here only if they come from one source."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        self._rows: dict[int, list[int]] = defaultdict(list)

    def see(self, index: int, pair: Pair) -> None:
        """Take note of a row."""
        query = hash(tuple(part.content_id if isinstance(part, Text) else part for part in pair.query.parts))
        first = self._first.setdefault(query, index)
        if first != index:
            self._rows[query].append(index)

    def positives(self, dataset: PairDataset, opened: Iterable[ImageSource]) -> dict[str, tuple[str, ...]]:
        """Return the content ids of all targets of each repeated query, by its content id.

        opened: the pictures of the data set as they were opened for the check, which know their ids; a row whose
        picture is not among them, as it cannot be opened, is left out.
        """
        if not self._rows:
            return {}
        known = {source: source for source in opened}
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for query, others in self._rows.items():
            for index in (self._first[query], *others):
                pair = dataset[index]
                if all(source in known for item in (pair.query, pair.positive) for source in item.images()):
                    found[with_sources(pair.query, known)][with_sources(pair.positive, known)] = None
        return {query: tuple(targets) for query, targets in found.items() if len(targets) > 1}


def add_positives(known: dict[str, tuple[str, ...]], more: Mapping[str, Sequence[str]]) -> None:
    """Add the targets of one data set's repeated queries to those of others, each target once."""
    for query, targets in more.items():
        known[query] = tuple(dict.fromkeys((*known.get(query, ()), *targets)))


def with_sources(item: Item, known: Mapping[ImageSource, ImageSource]) -> str:
    """Return an item's content id by the sources that know theirs, so that no picture is decoded again."""

    def part_of(part: Part) -> Part:
        if isinstance(part, Image):
            return replace(part, source=known[part.source])
        if isinstance(part, Video):
            return replace(part, frames=tuple(known[frame] for frame in part.frames))
        return part

    return Item(tuple(map(part_of, item.parts))).content_id

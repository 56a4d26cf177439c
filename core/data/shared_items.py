"""Keep one object for each distinct item and picture of a suite, so that repeats are told by identity."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.data.images.image_folders import Finder
from core.data.mmeb.rows import build_item
from core.data.records import ImageSource, Item, Ranking


@dataclass(frozen=True)
class SharedPictures:
    """Pictures of which each is one object however often it is asked for, so that its file is hashed once."""

    pictures: Finder
    _found: dict[str, ImageSource] = field(default_factory=dict, repr=False)

    def find(self, relative: str, where: str) -> ImageSource:
        """Return the picture of a relative path. Raises `BadRow`."""
        source = self._found.get(relative)
        if source is None:
            source = self._found[relative] = self.pictures.find(relative, where)
        return source


@dataclass(frozen=True)
class SharedItems:
    """Items of which each is one object, and pools of them of which each is one tuple.

    Items are told apart by their parts; by content id nothing is told here, for no file is opened.
    """

    pictures: Finder
    _by_fields: dict[tuple[str, str], Item] = field(default_factory=dict, repr=False)
    _by_parts: dict[Item, Item] = field(default_factory=dict, repr=False)
    _order: dict[int, int] = field(default_factory=dict, repr=False)
    _pools: dict[tuple[int, ...], tuple[Item, ...]] = field(default_factory=dict, repr=False)

    def item(self, text: str, path: str, where: str, fields: tuple[str, str]) -> Item:
        """Return the item of a text and the relative path of a picture; one of both may be empty.

        Raises:
            BadRow: they make no item; the message names the place and the fields.
        """
        found = self._by_fields.get((text, path))
        if found is None:
            built = build_item(text, [path] if path else [], self.pictures, where, fields)
            found = self._by_fields[(text, path)] = self.keep(built, f"{path}\n{text}")
        return found

    def keep(self, item: Item, name: str) -> Item:
        """Return the one object of an item. `name` gives the item its place in pools; the first name counts."""
        kept = self._by_parts.setdefault(item, item)
        if id(kept) not in self._order:
            self._order[id(kept)] = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
        return kept

    def pool(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """Return the distinct ones among items of this object, as the one tuple of that set.

        Their order depends on what they are alone: it tells nothing of which is right, or came first.
        """
        distinct = sorted({id(item): item for item in items}.values(), key=lambda item: self._order[id(item)])
        return self._pools.setdefault(tuple(map(id, distinct)), tuple(distinct))

    def ranking(self, query: Item, right: Sequence[Item], pool: Sequence[Item], origin: str) -> Ranking:
        """Return a ranking over a shared pool; `right` are among its items, all of them of this object."""
        candidates = self.pool(pool)
        wanted = {id(item) for item in right}
        places = tuple(place for place, item in enumerate(candidates) if id(item) in wanted)
        return Ranking(query, candidates, places, origin=origin)

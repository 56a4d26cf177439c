"""What a map of a bundle says of each item: kind, role, data set, whether it was answered, what it shows.

Each is one column of numbers for all items at once, made when it is asked for: a bundle may hold a million.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from workbench.bundles.bundle import Bundle
from workbench.measures.hubness import Hubness
from workbench.projection.projection import Layout, Quality

MODALITY, ROLE, DATASET, META_TASK, ANSWERED = PLAIN = ("modality", "role", "data set", "meta-task", "answered")
HUBS, KEPT, TRUTH = "hubs", "neighbours kept", "true "
ABOVE_MEAN = 3
"""A candidate that is near more queries than so many times the mean is called a hub."""
UNKNOWN, UNUSED = "unknown", "not used"
ROLES = (UNUSED, "query", "candidate", "both")
Rows = Int[np.ndarray, " n"]


@dataclass(frozen=True)
class Groups:
    """The group of each of some items: a place in names, of which each has at least one."""

    codes: Int[np.ndarray, " n"]
    names: tuple[str, ...]


@dataclass(frozen=True)
class FirstUses:
    """Of each item of a bundle the first ranking that asks with it, and the first that offers it; -1 for none."""

    asks: Int[np.ndarray, " items"]
    offered: Int[np.ndarray, " items"]


def shown_items(bundle: Bundle, dataset: str | None) -> Rows:
    """Return the items that a data set uses, or all that there are (None)."""
    if dataset is None:
        return np.arange(len(bundle.items))
    numbers = bundle.numbers(dataset)
    used = bundle.candidates.offered(numbers, len(bundle.items)) > 0.5
    used[bundle.rankings["query"].to_numpy()[numbers]] = True
    return np.flatnonzero(used)


def first_uses(bundle: Bundle, dataset: str | None) -> FirstUses:
    """Return who uses each item first, among the rankings of a data set or all (None)."""
    numbers, offers, count = bundle.numbers(dataset), bundle.candidates, len(bundle.items)
    asks = np.full(count, -1)
    asks[bundle.rankings["query"].to_numpy()[numbers][::-1]] = numbers[
        ::-1
    ]  # of several the last that is written stays
    nobody = len(bundle.rankings)
    of_pool = np.full(len(offers.pools), nobody)
    np.minimum.at(of_pool, offers.pool[numbers], numbers)
    offered = np.full(count, nobody)
    np.minimum.at(offered, offers.pools.values, np.repeat(of_pool, offers.pools.lengths))
    offered[offers.offered(numbers, count) < 0.5] = -1
    return FirstUses(asks, offered)


def groups_by(bundle: Bundle, column: str, rows: Rows, uses: Callable[[], FirstUses]) -> Groups:
    """Return the groups of some items by a column of `colour_columns` other than hubs and neighbours kept.

    uses: gives `first_uses`; called only where the column needs it.

    Raises:
        ValueError: there is no such column.
    """
    if column.startswith(TRUTH):
        return by_attribute(bundle, column.removeprefix(TRUTH), rows)
    if column == MODALITY:
        modality = bundle.items["modality"].cat
        return compact(modality.codes.to_numpy()[rows], [str(each) for each in modality.categories])
    if column == ROLE:
        return by_role(bundle, uses(), rows)
    if column == ANSWERED:
        asks, hit = uses().asks[rows], bundle.rankings["hit"].to_numpy() >= 1
        found = np.where(asks < 0, 2, np.where(np.append(hit, False)[asks], 0, 1))
        return compact(found, ("right first", "wrong first", "no query"))
    if column in (DATASET, META_TASK):
        return by_ranking(bundle, "dataset" if column == DATASET else "meta_task", uses(), rows)
    raise ValueError(f"column = {column!r}; give one of {', '.join(colour_columns(bundle))}.")


def by_role(bundle: Bundle, uses: FirstUses, rows: Rows) -> Groups:
    """Say what items are used as; without pairs each is an item."""
    if not bundle.paired:
        return Groups(np.zeros(len(rows), dtype=int), ("item",))
    return compact((uses.asks[rows] >= 0) + 2 * (uses.offered[rows] >= 0), ROLES)


def by_ranking(bundle: Bundle, field: str, uses: FirstUses, rows: Rows) -> Groups:
    """Group items by a field of the first ranking that asks with them, or else offers them."""
    first = np.where(uses.asks[rows] >= 0, uses.asks[rows], uses.offered[rows])
    names = [str(each) for each in bundle.rankings[field].cat.categories]
    codes = np.append(bundle.rankings[field].cat.codes.to_numpy().astype(int), len(names))
    return compact(codes[first], [*names, UNUSED])


def by_attribute(bundle: Bundle, name: str, rows: Rows) -> Groups:
    """Group items by what they truly show.

    Raises:
        ValueError: no item has an attribute of that name.
    """
    if name not in bundle.attribute_table:
        raise ValueError(
            f"attribute = {name!r}; the bundle has {', '.join(map(str, bundle.attribute_table)) or 'none'}."
        )
    names = [str(each) for each in bundle.attribute_table[name].cat.categories]
    codes = bundle.attribute_codes(name)[rows].astype(int)
    return compact(np.where(codes < 0, len(names), codes), [*names, UNKNOWN])


def compact(codes: Int[np.ndarray, " n"], names: Sequence[str]) -> Groups:
    """Return groups without the names that nobody has."""
    held = np.flatnonzero(np.bincount(codes, minlength=len(names)))
    place = np.zeros(len(names), dtype=int)
    place[held] = np.arange(len(held))
    return Groups(place[codes], tuple(names[int(each)] for each in held))


def colour_columns(bundle: Bundle) -> list[str]:
    """Say what the points of a map can be coloured by."""
    paired = [ROLE, DATASET, META_TASK, ANSWERED, HUBS] if bundle.paired else []
    return [MODALITY, *paired, KEPT, *(f"{TRUTH}{name}" for name in bundle.attribute_table.columns)]


def hub_groups(rows: Rows, candidates: Int[np.ndarray, " c"], found: Hubness) -> Groups:
    """For each item how many queries are near it, in four groups in order; and who was not counted.

    candidates: those that were counted, in ascending order.
    """
    mean = float(found.counts.mean()) if len(found.counts) else 0.0
    places = np.minimum(np.searchsorted(candidates, rows), max(0, len(candidates) - 1))
    known = candidates[places] == rows if len(candidates) else np.zeros(len(rows), dtype=bool)
    counts = found.counts[places] if len(candidates) else np.zeros(len(rows))
    codes = np.select([~known, counts == 0, counts <= mean, counts <= ABOVE_MEAN * mean], [4, 0, 1, 2], 3)
    names = ("near no query", "up to the mean", "above the mean", f"hub: above {ABOVE_MEAN} times the mean")
    return compact(codes, (*names, "not counted"))


def kept_groups(layout: Layout, found: Quality) -> Groups:
    """For each point of a map the share of its true neighbours that it kept, in quarters, where it was measured."""
    codes = np.full(len(layout.rows), 4)
    if not np.isnan(found.kept).any():
        codes[found.rows] = np.minimum((4 * found.kept).astype(int), 3)
    return compact(codes, ("0-25 % kept", "25-50 % kept", "50-75 % kept", "75-100 % kept", "not measured"))


def cosine_to(vectors: Float[np.ndarray, "n d"], rows: Sequence[int] | np.ndarray) -> Float[np.ndarray, " _"]:
    """Compute each row's cosine to their mean direction: who is typical of a selection. 0 without a direction."""
    chosen = vectors[np.asarray(rows, dtype=int)]
    mean = chosen.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    return chosen @ (mean / length) if length > 0 else np.zeros(len(chosen))

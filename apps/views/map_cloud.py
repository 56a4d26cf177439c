"""The points of a map: groups by colour, flags of what is selected, filtered and clicked, lines, cards, and events."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
from jaxtyping import Int, UInt8

from apps.point_map.component import Card, show_point_map
from apps.point_map.encoding import DIMMED, QUERY, RIGHT, SELECTED, WINNER, PointCloud
from apps.point_map.events import MapEvent
from apps.views import cached, cached_map
from apps.views.address import put
from apps.views.captions import escaped, shortened
from apps.views.filter_bar import SELECTED as SELECTION
from apps.views.looking import Looking
from apps.views.map_layouts import Over, ShownMap, rows_on
from workbench.bundles.bundle import Bundle
from workbench.explore.selection import MOST_LISTED, UnknownSelection, items_rule, lasso_rule, selected
from workbench.explore.ties import Ties
from workbench.projection import map_items
from workbench.projection.aligned import Move
from workbench.projection.map_items import HUBS, KEPT, ROLE, Groups

POINT = "point"
"""The name in the URL of the item that was clicked."""
LONGEST = 150
MOST_PICTURE = 200_000
Rows = Int[np.ndarray, " n"]
Labels = Sequence[tuple[float, float, str]]


def show_cloud(
    looking: Looking,
    shown: ShownMap,
    over: Over | None,
    colour: str,
    labels: Labels,
    clicked: int | None,
    ties: Ties | None,
    near: Rows,
) -> None:
    """Return the map, and beside it the other evaluation's where it is laid over that."""
    bundle, dataset = looking.bundle, looking.dataset
    rows = cached_map.rows(bundle.digest, dataset, bundle)
    groups = groups_of(looking, shown, colour)
    points = shown.points if over is None else over.points
    onto = "" if over is None else over.label
    placed = cached_map.placed(bundle.digest, dataset, shown.name, onto, bundle, points)
    cloud = PointCloud(
        placed, groups.codes, groups.names, flags_of(looking, rows, clicked, ties),
        lines_of(rows, clicked, ties, near), f"{shown.made}, coloured by {colour}", 620,
        labels=[] if over is not None else labels,
    )  # fmt: skip
    tell = teller(bundle, shown, over.move if over is not None else None, rows)
    card = card_maker(looking, rows)
    if over is None:
        show_point_map("map", cloud, card, tell)
        return
    left, right = st.columns(2)
    with left:
        st.caption("This evaluation, laid over the other")
        show_point_map("map", cloud, card, tell)
    with right:
        st.caption(f"{escaped(over.label)}, {over.move.shared:,} shared items in the same colours")
        other = cached_map.placed(bundle.digest, dataset, f"other: {over.label}", onto, bundle, over.others)
        show_point_map("map-other", replace(cloud, points=other, label=over.label), card)


def groups_of(looking: Looking, shown: ShownMap, colour: str) -> Groups:
    """Return the group of each shown item by the chosen column."""
    bundle, dataset = looking.bundle, looking.dataset
    rows = cached_map.rows(bundle.digest, dataset, bundle)
    if colour == HUBS:
        counted, _ = cached_map.hubs(bundle.digest, dataset, bundle)
        return map_items.hub_groups(rows, cached_map.parts(bundle.digest, dataset, bundle).candidates, counted)
    if colour == KEPT:
        layout = cached_map.placed_items(rows, shown.points)
        found = map_items.kept_groups(
            layout, cached_map.quality(bundle.digest, dataset, shown.name, bundle, shown.points)
        )
        codes = np.full(len(rows), len(found.names))
        codes[np.searchsorted(rows, layout.rows)] = found.codes
        return map_items.compact(codes, [*found.names, "no place"])
    return cached_map.groups(bundle.digest, dataset, colour, bundle)


def flags_of(looking: Looking, rows: Rows, clicked: int | None, ties: Ties | None) -> UInt8[np.ndarray, " n"]:
    """Return who is selected, who is a clicked item's query or answer, and which queries the filters leave out."""
    bundle = looking.bundle
    flags = np.zeros(len(bundle.items), dtype=np.uint8)
    if len(looking.filters.parts) > (looking.dataset is not None):
        asks = bundle.rankings["query"].to_numpy()
        flags[asks] |= DIMMED
        flags[asks[cached.filtered(bundle.digest, looking.filters, bundle)]] &= ~np.uint8(DIMMED)
    flags[looking.selection.items] |= SELECTED
    for tie in ties.drawn if ties is not None else ():
        flags[tie.query] |= QUERY
        flags[tie.answer] |= RIGHT if tie.kind == "right answer" else WINNER
    if clicked is not None and not flags[clicked] & (QUERY | RIGHT | WINNER):
        flags[clicked] |= QUERY if ties is not None and ties.asks else SELECTED
    return flags[rows]


def lines_of(rows: Rows, clicked: int | None, ties: Ties | None, near: Rows) -> list[tuple[int, int, str]]:
    """Return the lines of a clicked item, by places among the shown items; none to those that are not shown."""
    pairs = [(tie.query, tie.answer, tie.kind) for tie in ties.drawn] if ties is not None else []
    pairs += [(clicked, int(each), "neighbour") for each in near] if clicked is not None else []
    ends = np.array([pair[:2] for pair in pairs], dtype=int).reshape(-1, 2)
    shown, places = np.isin(ends, rows), np.searchsorted(rows, ends)
    lines = zip(places, pairs, shown, strict=True)
    return [(int(a), int(b), kind) for (a, b), (_, _, kind), held in lines if held.all()]


def teller(bundle: Bundle, shown: ShownMap, move: Move | None, rows: Rows) -> Callable[[MapEvent], None]:
    """Return what is done with an event: a click chooses an item, a lasso selects."""

    def take(event: MapEvent) -> None:
        if event.click is not None:
            put({POINT: str(int(rows[event.click]))})
        elif event.cleared:
            put({SELECTION: ""})
        elif event.polygon is not None:
            outline = event.polygon if move is None else move.back(event.polygon)
            put({SELECTION: rule_of(bundle, shown, outline.tolist(), rows[event.rows])})

    return take


def rule_of(bundle: Bundle, shown: ShownMap, outline: list[list[float]], taken: Rows) -> str:
    """Return the rule of a lasso; its items by number where they are few and the outline would take others."""
    if not len(taken):
        return ""
    rule = lasso_rule(shown.name, outline)
    if len(taken) > MOST_LISTED:
        return rule
    try:
        within = selected(bundle, rule, lambda _: shown.points).items
    except UnknownSelection:
        return items_rule(taken.tolist())
    return rule if set(within.tolist()) == set(taken.tolist()) else items_rule(taken.tolist())


def card_maker(looking: Looking, rows: Rows) -> Callable[[int], Card]:
    """Return what says a hovered item's caption, kind, role, and shows its picture."""
    bundle, dataset = looking.bundle, looking.dataset

    def card(place: int) -> Card:
        row = int(rows[place])
        role = cached_map.groups(bundle.digest, dataset, ROLE, bundle)
        kind = bundle.items["modality"].iat[row]
        words = shortened(bundle.words(row), LONGEST)
        return Card(words, (f"{kind}, {role.names[role.codes[place]]}", f"row {row}"), picture_of(bundle, row))

    return card


def picture_of(bundle: Bundle, row: int) -> bytes | None:
    """Return the first small picture of an item as WebP, if it has one that a card can take."""
    for part in bundle.parts(row):
        found = bundle.thumbnails.get(part["thumbnail"]) if "thumbnail" in part else None
        if found is not None and found[:4] == b"RIFF" and found[8:12] == b"WEBP" and len(found) <= MOST_PICTURE:
            return bytes(found)
    return None


def said_of(looking: Looking, shown: ShownMap, over: Over | None) -> str:
    """Say how many items are shown, where, and what is left out."""
    bundle = looking.bundle
    rows = cached_map.rows(bundle.digest, looking.dataset, bundle)
    placed = rows_on(shown, rows)
    count = f"{placed:,} items" if placed == len(rows) else f"{placed:,} of {len(rows):,} items have a place"
    said = [f"{shown.made}; {count}."]
    if bundle.zero_vectors:
        said.append(f"{bundle.zero_vectors:,} items of the bundle have a zero vector.")
    if over is not None:
        said.append(
            f"Turned, scaled and shifted over the {over.label} by {over.move.shared:,} shared items (orthogonal "
            f"Procrustes); {over.move.left:.0%} of their spread is not explained by that."
        )
    said.append(f"A lasso of more than {MOST_LISTED} items also takes hidden and dimmed points within it.")
    return " ".join(said)

"""The point map as a Streamlit component: two mounts that share one script.

The map itself gets all points as bytes and tells clicks and lassos, upon which the page runs anew. The card of the
hovered point is a mount of its own inside a fragment: hovering runs that fragment alone and sends no point again.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

from apps.point_map.encoding import Packed, PointCloud, pack
from apps.point_map.events import MapEvent, read_event, read_row

FOLDER = Path(__file__).parent
SCRIPTS = ("points", "gl", "plane", "density", "overlay", "legend", "card", "picture", "gestures", "point_map")
"""The parts of the script in their order; they share one scope, and the last exports its entrance."""
MOST_PICTURE = 200_000
"""Bytes of a card's picture."""


@dataclass(frozen=True)
class Card:
    """What is said of a hovered point. picture: WebP."""

    title: str
    lines: tuple[str, ...] = ()
    picture: bytes | None = None


def show_point_map(
    key: str,
    cloud: PointCloud,
    card: Callable[[int], Card] | None = None,
    on_event: Callable[[MapEvent], None] | None = None,
) -> MapEvent:
    """Return what was just done on the map, which is shown where this is called.

    An event is told once, to the run that it causes: what is to last is for the caller to keep. Pan, zoom, hidden
    groups and the density layer live in the browser and last as long as the points stay where they are.

    key: of the widget. card: says what is known of a row, called while it is hovered. on_event: called with the event
    before the page runs, as on_change of other widgets.
    """
    packed, told = pack(key, cloud), f"{key}-told"

    def tell() -> None:
        event = read_event(sent_to(key, "event"), packed)
        st.session_state[told] = event
        if on_event is not None:
            on_event(event)

    points_component()(key=key, data=packed.content, on_event_change=tell)
    if card is not None:
        answer_hover(key, packed, card)
    event = st.session_state.pop(told, MapEvent())
    if event.refused:
        st.caption(f"The map's last event was not taken: {event.refused}. Do it once more.")
    return event


@st.fragment
def answer_hover(key: str, packed: Packed, card: Callable[[int], Card]) -> None:
    """Send the card of the point that is hovered, if one is."""
    own = f"{key}-card"
    hover = sent_to(own, "hover")
    row = read_row(hover, packed)
    data: dict[str, object] = {"key": key, "digest": packed.points.digest}
    if row is not None and isinstance(hover, dict):
        data["card"] = {"row": hover["row"], **written(card(row))}
    card_component()(key=own, data=data, on_hover_change=lambda: None)


def written(card: Card) -> dict[str, object]:
    """Return a card as it is sent.

    Raises:
        ValueError: its picture is no WebP or larger than 200,000 bytes.
    """
    picture = card.picture
    if picture is not None and not (
        picture[:4] == b"RIFF" and picture[8:12] == b"WEBP" and len(picture) <= MOST_PICTURE
    ):
        raise ValueError(
            f"picture: {len(picture):,} bytes of another kind; give WebP of at most {MOST_PICTURE:,} bytes."
        )
    address = None if picture is None else "data:image/webp;base64," + base64.b64encode(picture).decode()
    return {"title": card.title, "lines": list(card.lines), "picture": address}


def sent_to(key: str, name: str) -> object:
    """Return what the browser just told a mount, before that mount is drawn anew; None where it told nothing."""
    state = st.session_state.get(key)
    return state.get(name) if isinstance(state, dict) else None


@cache
def script() -> str:
    """Return the script, whole."""
    return "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)


@cache
def points_component() -> Callable:
    """Return the mount of the map; it is registered once a process."""
    style = (FOLDER / "point_map.css").read_text(encoding="utf-8")
    return component("point_map", html="<div class='point-map'></div>", css=style, js=script())


@cache
def card_component() -> Callable:
    """Return the mount that brings cards; it shows nothing itself."""
    return component("point_map_card", html="<div hidden></div>", js=script())

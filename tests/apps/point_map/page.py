"""A page with a point map alone, for the tests that look at it in a browser; served as the explorer is.

?n=2000 points in four clusters at the corners of a square, 500 one after the other in each. ?odd=1: one is not finite.
"""

import io

import numpy as np
import PIL.Image
import streamlit as st
from starlette.middleware import Middleware

from apps.access import SameMachineOnly
from apps.point_map.component import Card, show_point_map
from apps.point_map.encoding import QUERY, RIGHT, SELECTED, WINNER, PointCloud
from apps.point_map.events import MapEvent

CENTRES = np.array([[-3.0, -2.0], [3.0, -2.0], [-3.0, 2.0], [3.0, 2.0]])
NAMES = ("south west", "south east", "north west", "<b>north east</b>")


def clusters(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points and groups; the first of each cluster is its centre, and the last points stretch the box."""
    groups = np.arange(count) * 4 // count
    points = CENTRES[groups] + np.random.default_rng(0).uniform(-0.9, 0.9, (count, 2))
    points[[0, count // 4, count // 2, 3 * count // 4]] = CENTRES
    points[-1], points[1] = (4.0, 3.0), (-4.0, -3.0)
    return points, groups


def card(row: int) -> Card:
    """Return what is said of a point."""
    stream = io.BytesIO()
    PIL.Image.new("RGB", (60, 40), (200, 40 + row % 200, 90)).save(stream, "WEBP")
    return Card(f"<i>title of {row}</i>", ("a line",), stream.getvalue())


def take(event: MapEvent) -> None:
    """Keep what was selected, before the page is drawn."""
    if event.click is not None:
        st.session_state["rows"] = [event.click]
    elif event.polygon is not None:
        st.session_state["rows"] = event.rows.tolist()
    elif event.cleared:
        st.session_state["rows"] = []


def main() -> None:
    """Show the map and say what came of it."""
    st.set_page_config(layout="wide")
    rows = st.session_state.get("rows", [])
    count = int(st.query_params.get("n", "2000"))
    points, groups = clusters(count)
    if "odd" in st.query_params:
        points[7] = np.nan
    flags = np.zeros(count, np.uint8)
    flags[rows] |= SELECTED
    flags[0], flags[count // 4], flags[count // 2] = flags[0] | QUERY, flags[count // 4] | RIGHT, WINNER
    lines = [(0, count // 4, "right answer"), (0, count // 2, "hardest negative")]
    event = MapEvent()
    if not st.toggle("Another view"):
        event = show_point_map("map", PointCloud(points, groups, NAMES, flags, lines, "Four clusters", 500), card, take)
    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.text(f"run {runs}; {len(rows)} selected, {min(rows, default=-1)} to {max(rows, default=-1)}")
    st.text(f"click {event.click}; polygon {None if event.polygon is None else len(event.polygon)}")
    if st.button("Again"):
        st.text("again")


app = st.App(__file__, middleware=[Middleware(SameMachineOnly)])

if __name__ == "__main__":
    main()

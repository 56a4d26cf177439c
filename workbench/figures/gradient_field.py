"""Where a training step moves a query, its right answer and one negative on the circle, with and without stop-gradient.

Angles are in degrees from the query, which stands at the top; positive angles lie to the right.
"""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, GREY, ORANGE, styled

Speeds = Float[np.ndarray, "n 3"]
LONGEST = 0.8
"""Length of the longest arrow, in radii."""
STILL = 0.02
"""Speeds below this share of the largest are drawn as a ring: no arrow."""
LANES = (
    ("with stop-gradient", BLUE, "solid", 1.09, "arrow"),
    ("without (outer arrows)", ORANGE, "dash", 1.23, "arrow-open"),
)
POINTS = (("query", "diamond"), ("right answer", "star"), ("negative", "x"))


def gradient_field_figure(
    angles: Float[np.ndarray, " n"], positive: float, with_stop: Speeds, without: Speeds, at: int
) -> go.Figure:
    """Above: the circle with the negative at angles[at], and two arrows a point; below: the query's speed for all.

    angles: of the negative, ascending, in degrees. positive: the right answer's angle. with_stop, without: downhill
    angular speed (-dloss/dangle) of query, right answer and negative for each of the negative's angles.
    """
    figure = make_subplots(rows=2, cols=1, row_heights=[0.63, 0.37], vertical_spacing=0.06)
    arc = np.radians(np.linspace(-100, 100, 81))
    outline = go.Scatter(x=np.sin(arc), y=np.cos(arc), mode="lines", line={"color": GREY, "width": 1.5})
    figure.add_trace(outline.update(showlegend=False, hoverinfo="skip"), row=1, col=1)
    places = np.array([0.0, positive, angles[at]])
    longest = max(float(np.abs(with_stop).max()), float(np.abs(without).max()), 1e-12)
    for (_, colour, _, radius, head), speeds in zip(LANES, (with_stop, without), strict=True):
        figure.add_trace(arrows(places, speeds[at] / longest, radius, colour, head), row=1, col=1)
    figure.add_trace(marks(places), row=1, col=1)
    figure.add_trace(names(places), row=1, col=1)
    for (name, colour, dash, _, _), speeds in zip(LANES, (with_stop, without), strict=True):
        line = {"color": colour, "dash": dash, "width": 2.5}
        curve = go.Scatter(x=angles, y=speeds[:, 0], mode="lines", line=line, name=name)
        figure.add_trace(curve, row=2, col=1)
        dot = {"color": colour, "size": 11, "symbol": "circle" if dash == "solid" else "circle-open"}
        now = go.Scatter(x=[angles[at]], y=[speeds[at, 0]], mode="markers", marker=dot, name=name, showlegend=False)
        figure.add_trace(now, row=2, col=1)
    title = finding(angles[at], positive, with_stop[at, 0] / longest, without[at, 0] / longest)
    return laid_out(figure, title, angles, with_stop, without)


def arrows(
    places: Float[np.ndarray, " 3"],
    lengths: Float[np.ndarray, " 3"],
    radius: float,
    colour: str,
    head: str,
) -> go.Scatter:
    """Tangential arrows outside the circle. lengths: shares of the longest, positive to the right."""
    x: list[float | None] = []
    y: list[float | None] = []
    symbols: list[str] = []
    sizes: list[float] = []
    for angle, length in zip(np.radians(places), lengths, strict=True):
        end = angle + LONGEST * length / radius
        path = np.linspace(angle, end, 8) if abs(length) > STILL else np.array([angle, angle])
        x += [*(radius * np.sin(path)).tolist(), None]
        y += [*(radius * np.cos(path)).tolist(), None]
        end_mark = (head, 14.0) if abs(length) > STILL else ("circle-open", 9.0)
        symbols += ["circle"] * (len(path) - 1) + [end_mark[0], "circle"]
        sizes += [0.0] * (len(path) - 1) + [end_mark[1], 0.0]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line={"color": colour, "width": 3},
        marker={"symbol": symbols, "size": sizes, "angleref": "previous", "color": colour, "opacity": 1},
        showlegend=False,
        hoverinfo="skip",
    )


def marks(places: Float[np.ndarray, " 3"]) -> go.Scatter:
    """Return the three points on the circle."""
    turns = np.radians(places)
    return go.Scatter(
        x=np.sin(turns),
        y=np.cos(turns),
        mode="markers",
        marker={"symbol": [symbol for _, symbol in POINTS], "size": 14, "color": GREY},
        showlegend=False,
        hovertext=[f"{name} at {angle:.0f} degrees" for (name, _), angle in zip(POINTS, places, strict=True)],
        hoverinfo="text",
    )


def names(places: Float[np.ndarray, " 3"]) -> go.Scatter:
    """Say what the points are, written inside the circle; the negative's name deeper where it would cover another."""
    near = bool((np.abs(places[2] - places[:2]) < 30).any())
    radii, turns = np.array([0.86, 0.86, 0.68 if near else 0.86]), np.radians(places)
    return go.Scatter(
        x=radii * np.sin(turns),
        y=radii * np.cos(turns),
        mode="text",
        text=[name for name, _ in POINTS],
        textfont={"size": 13},
        showlegend=False,
        hoverinfo="skip",
    )


def laid_out(
    figure: go.Figure, title: str, angles: Float[np.ndarray, " n"], with_stop: Speeds, without: Speeds
) -> go.Figure:
    """Fixed axes, so that positions of a slider compare."""
    styled(figure, title, height=600)
    figure.update_xaxes(visible=False, range=[-1.5, 1.5], row=1, col=1)
    figure.update_yaxes(visible=False, range=[0.0, 1.4], scaleanchor="x", row=1, col=1)
    figure.add_hline(y=0, line={"color": GREY, "width": 1.5}, row=2, col=1)  # pyright: ignore[reportArgumentType] - numbers are meant
    speeds = np.concatenate([with_stop[:, 0], without[:, 0]])
    room = 0.08 * max(float(np.ptp(speeds)), 1e-12)
    figure.update_xaxes(title="angle of the negative, degrees", range=[angles[0] - 3, angles[-1] + 3], row=2, col=1)
    bounds = [min(0.0, float(speeds.min())) - room, max(0.0, float(speeds.max())) + room]
    return figure.update_yaxes(title="query's speed", range=bounds, row=2, col=1)


def finding(angle: float, positive: float, with_stop: float, without: float) -> str:
    """Say what becomes of the query at this place of the negative; its speeds as shares of the figure's largest."""
    moves = [direction(speed, positive) for speed in (with_stop, without)]
    where = f"At {angle:.0f} degrees"
    if moves[0] == moves[1]:
        return f"{where}: the query {moves[0]} either way"
    return f"{where}: with the stop the query {moves[0]}, without it {moves[1]}"


def direction(speed: float, positive: float) -> str:
    """Tell whether a query at 0 moves towards the right answer; speeds as shares of the largest."""
    if abs(speed) <= STILL:
        return "stays"
    return "moves to its answer" if speed * positive > 0 else "is pushed away"

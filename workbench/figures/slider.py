"""A figure that moves: one still figure for each position of a slider, alive in a page without a kernel."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import plotly.graph_objects as go
from plotly.basedatatypes import BaseTraceType

from workbench.figures.theme import BLUE, ORANGE

BELOW = 120
"""Pixels that the slider and its buttons add below the figure."""
UNDER_AXIS = 58
"""Pixels from the plot's lower edge to the slider's text: room for tick labels and an axis title."""
BUTTONS = 106
"""Pixels that the two buttons take left of the slider."""
AUTOMATIC = 0.05
"""Share of the data's extent that plotly adds at each end of an axis without a range."""
TEXT = "#777777"
"""Read on white and on near-black pages."""
FIXED = ("template", "height", "width", "margin", "sliders", "updatemenus")
"""What of the layout stays as the first position shown has it."""
MARKS = ("annotations", "shapes", "images")
"""Lists in the layout that a browser updates entry by entry: what a frame does not name stays as it was."""


def with_slider(stills: Mapping[str, go.Figure], name: str, start: str | None = None, play: bool = False) -> go.Figure:
    """Return the stills as frames of one figure, in order, with a slider called `name` between them.

    stills: from the slider's label to the figure at that position; all with the same traces in the same order. What
    differs between their layouts moves too (title, marks, axes), but not size and margins. An axis without a range
    keeps the one that the browser finds for the first position shown. start: the first label shown; the first of all
    by default. play: add buttons that run through them and stop.

    Raises:
        ValueError: no stills, an unknown start, stills whose traces differ in number or type, a still that leaves
            unsaid what another one sets (a browser would keep what the position before has set), or one that reaches
            beyond an axis without a range.
    """
    check(stills, start)
    first = start if start is not None else next(iter(stills))
    figure = go.Figure(stills[first])
    layouts = moving([still.layout.to_plotly_json() for still in stills.values()])
    states = {
        label: {"data": still.to_plotly_json()["data"], "layout": layout}
        for (label, still), layout in zip(stills.items(), layouts, strict=True)
    }
    check_all_said(states)
    for label, still in stills.items():
        check_in_view(label, still, stills[first])
    figure.frames = [
        go.Frame(name=label, traces=list(range(len(state["data"]))), **state) for label, state in states.items()
    ]
    shown = stills[first].layout.to_plotly_json()
    margin, height = shown.get("margin", {}).get("b", 0), shown.get("height", 380)
    figure.update_layout(
        sliders=[slider(list(stills), name, first, BUTTONS if play else 0)],
        updatemenus=[play_buttons()] if play else [],
        height=height + BELOW,
        margin={"b": margin + BELOW},
    )
    return figure


def check(stills: Mapping[str, go.Figure], start: str | None) -> None:
    """Raise ValueError as `with_slider` says of stills, start and traces."""
    if not stills:
        raise ValueError("with_slider needs at least one still.")
    if start is not None and start not in stills:
        raise ValueError(f"start = {start!r} is no label of the slider; there are {', '.join(stills)}.")
    kinds = {label: [type(trace).__name__ for trace in traces(still)] for label, still in stills.items()}
    expected = next(iter(kinds.values()))
    for label, found in kinds.items():
        if found != expected:
            raise ValueError(f"still {label!r} has traces {found}; the first has {expected}, and frames must agree.")


def traces(figure: go.Figure) -> Sequence[BaseTraceType]:
    """Return the figure's traces, typed: plotly gives them as one of several things."""
    return cast(Sequence[BaseTraceType], figure.data)


def moving(layouts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return of each still's layout the parts that differ between stills, with lists of marks of one length."""
    names = sorted({name for layout in layouts for name in layout} - {*FIXED})
    changing = [name for name in names if any(layout.get(name) != layouts[0].get(name) for layout in layouts)]
    lengths = {name: max(len(layout.get(name, ())) for layout in layouts) for name in MARKS if name in changing}
    return [
        {
            name: padded(layout.get(name, ()), lengths[name]) if name in lengths else layout[name]
            for name in changing
            if name in lengths or name in layout
        }
        for layout in layouts
    ]


def padded(marks: Sequence[dict[str, Any]], length: int) -> list[dict[str, Any]]:
    """Marks followed by invisible ones."""
    shown = [{"visible": True, **mark} for mark in marks]
    return [*shown, *({"visible": False} for _ in range(length - len(marks)))]


def check_all_said(states: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ValueError as `with_slider` says of what a still leaves unsaid."""
    said = {label: dict.fromkeys(paths(state)) for label, state in states.items()}
    for label, state in states.items():
        hidden = {path.removesuffix("visible") for path, value in leaves(state) if value is False}
        for other, theirs in said.items():
            for path in theirs:
                if path not in said[label] and not any(path.startswith(mark) for mark in hidden if mark != path):
                    raise ValueError(
                        f"still {label!r} does not say {path}, which {other!r} sets; say it in every still, or the "
                        "browser keeps the value of the position before."
                    )


def check_in_view(label: str, still: go.Figure, first: go.Figure) -> None:
    """Raise ValueError if a still reaches beyond what the first one's axes show: browsers do not find ranges anew."""
    shown = first.layout.to_plotly_json()
    allowed, reached = extents(first), extents(still)
    for axis, (low, high) in reached.items():
        if {"range", "matches"} & set(shown.get(axis, {})) or axis not in allowed:
            continue
        room = AUTOMATIC * (allowed[axis][1] - allowed[axis][0]) or 1.0
        if low < allowed[axis][0] - room or high > allowed[axis][1] + room:
            raise ValueError(
                f"still {label!r} reaches from {low:g} to {high:g} on its {axis}, which has no range and shows "
                f"{allowed[axis][0]:g} to {allowed[axis][1]:g} of the first still; give every still the same range."
            )


def extents(figure: go.Figure) -> dict[str, tuple[float, float]]:
    """From the name of each axis with numbers to the lowest and the highest; bars begin at 0."""
    found: dict[str, list[np.ndarray]] = {}
    for trace in traces(figure):
        for letter in "xy":
            values = np.asarray(trace[letter]) if f"{letter}axis" in trace and letter in trace else np.array([])
            if np.issubdtype(values.dtype, np.number) and np.isfinite(values).any():
                name = f"{letter}axis{(trace[f'{letter}axis'] or letter)[1:]}"
                start = [0.0] if trace.plotly_name == "bar" else []
                found.setdefault(name, []).append(np.append(values[np.isfinite(values)], start))
    return {name: (float(min(map(np.min, each))), float(max(map(np.max, each)))) for name, each in found.items()}


def paths(state: object) -> Iterator[str]:
    """Say where a state says something, such as data[0].marker.color."""
    return (path for path, _ in leaves(state))


def leaves(part: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Return every value with its place; an array of data is one value, however it is packed."""
    if isinstance(part, Mapping) and "bdata" not in part:
        for name, inner in part.items():
            yield from leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(part, list | tuple) and part and isinstance(part[0], Mapping):
        for place, inner in enumerate(part):
            yield from leaves(inner, f"{path}[{place}]")
    else:
        yield path, part


def slider(labels: list[str], name: str, first: str, left: int) -> dict[str, object]:
    """Return the slider under the figure, `left` pixels from its left edge."""
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    return {
        "active": labels.index(first),
        "currentvalue": {"prefix": f"{name} = ", "font": {"size": 15, "color": TEXT}},
        "pad": {"t": UNDER_AXIS, "b": 5, "l": left},
        "x": 0.0,
        "len": 1.0,
        "bgcolor": BLUE,
        "activebgcolor": ORANGE,
        "bordercolor": BLUE,
        "tickcolor": TEXT,
        "font": {"size": 11, "color": TEXT},
        "steps": [{"label": label, "method": "animate", "args": [[label], at_once]} for label in labels],
    }


def play_buttons() -> dict[str, object]:
    """Return a button left of the slider that runs through the positions, and one that stops."""
    running = {
        "mode": "immediate",
        "frame": {"duration": 700, "redraw": True},
        "transition": {"duration": 0},
        "fromcurrent": True,
    }
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    return {
        "type": "buttons",
        "direction": "left",
        "showactive": False,
        "x": 0.0,
        "xanchor": "left",
        "y": 0.0,
        "yanchor": "top",
        "pad": {"t": UNDER_AXIS + 18, "r": 5},
        "bgcolor": "rgba(0,0,0,0)",
        "bordercolor": BLUE,
        "font": {"color": TEXT, "size": 13},
        "buttons": [
            {"label": "play", "method": "animate", "args": [None, running]},
            {"label": "stop", "method": "animate", "args": [[None], still]},
        ],
    }

"""A clip as a strip of frames with those that the model is given marked, above recall by the number of frames."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
import PIL.Image
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.evaluation.metrics import Score
from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, styled

SIDE = 40
"""Pixels of a frame in the strip."""
LOOKS = ((ORANGE, "diamond", "solid"), (BLUE, "circle", "dash"))


def frames_figure(
    strip: Sequence[PIL.Image.Image],
    taken: Sequence[int],
    curves: Mapping[str, Sequence[Score]],
    counts: Sequence[int],
) -> go.Figure:
    """Return the strip, the frames `taken` framed, and the curves with the scores of len(taken) frames set off.

    curves: by name, at most two, the score of each of `counts` numbers of frames, with one chance throughout.

    Raises:
        ValueError: a curve has another length than `counts`, or there is none for len(taken).
    """
    if any(len(scores) != len(counts) for scores in curves.values()):
        raise ValueError(f"every curve needs {len(counts)} scores, one for each of {list(counts)}.")
    if len(taken) not in counts:
        raise ValueError(f"{len(taken)} frames are taken; the curves have {list(counts)}.")
    figure = make_subplots(rows=2, cols=1, row_heights=[0.1, 0.9], vertical_spacing=0.1)
    figure.add_trace(numbered(strip, taken), row=1, col=1)
    for (name, scores), look, beside in zip(curves.items(), LOOKS, beside_each_other(curves), strict=False):
        figure.add_trace(curve(name, scores, [count + beside for count in counts], *look), row=2, col=1)
    chance = next(iter(curves.values()))[0].chance
    figure.add_trace(chance_line(chance, counts), row=2, col=1)
    figure.add_trace(set_off(curves, counts, len(taken)), row=2, col=1)
    styled(figure, finding(curves, counts, len(taken)), height=470)
    add_pictures(figure, strip)
    for position in taken:
        mark = {"color": ORANGE, "width": 3}
        figure.add_shape(type="rect", x0=position - 0.5, x1=position + 0.5, y0=0, y1=1, line=mark, row=1, col=1)  # pyright: ignore[reportArgumentType]
    figure.update_layout(margin={"t": 95}, legend={"y": 1.02})
    figure.update_xaxes(visible=False, range=[-0.6, len(strip) - 0.4], row=1)
    figure.update_yaxes(visible=False, range=[-0.05, 1.05], row=1)
    figure.update_xaxes(title="frames that the model is given", dtick=1, row=2)
    figure.update_xaxes(range=[min(counts) - 0.4, max(counts) + 0.4], row=2)
    return figure.update_yaxes(title=f"{next(iter(curves.values()))[0].metric}, %", range=[-2, 102], row=2)


def numbered(strip: Sequence[PIL.Image.Image], taken: Sequence[int]) -> go.Scatter:
    """Invisible points over the frames that say on hover which they are."""
    texts = [f"frame {place}{', taken' if place in set(taken) else ''}" for place in range(len(strip))]
    middle = [0.5] * len(strip)
    marker = {"opacity": 0, "size": 20}
    return go.Scatter(
        x=list(range(len(strip))), y=middle, mode="markers", marker=marker, hovertext=texts, hoverinfo="text",
        showlegend=False,
    )  # fmt: skip


def curve(
    name: str, scores: Sequence[Score], places: Sequence[float], colour: str, symbol: str, dash: str
) -> go.Scatter:
    """Return one way of reading clips: its scores with their intervals."""
    return go.Scatter(
        x=list(places),
        y=[100 * score.value for score in scores],
        error_y={
            "type": "data",
            "array": [100 * (score.high - score.value) for score in scores],
            "arrayminus": [100 * (score.value - score.low) for score in scores],
            "thickness": 1.5,
            "width": 4,
        },
        mode="lines+markers",
        line={"color": colour, "width": 2.5, "dash": dash},
        marker={"symbol": symbol, "size": 9},
        name=name,
        hovertext=[said(score) for score in scores],
        hoverinfo="text",
    )


def beside_each_other(curves: Mapping[str, Sequence[Score]]) -> list[float]:
    """Say how far each curve is drawn beside its number of frames, so that no interval hides another."""
    return [0.0] if len(curves) == 1 else [-0.06, 0.06]


def chance_line(chance: float, counts: Sequence[int]) -> go.Scatter:
    """Say what random vectors would score."""
    return go.Scatter(
        x=[min(counts) - 0.4, max(counts) + 0.4],
        y=[100 * chance] * 2,
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 2},
        name="chance",
        hoverinfo="skip",
    )


def set_off(curves: Mapping[str, Sequence[Score]], counts: Sequence[int], now: int) -> go.Scatter:
    """Rings around the scores of the number of frames that is shown."""
    place = list(counts).index(now)
    return go.Scatter(
        x=[now + beside for beside in beside_each_other(curves)],
        y=[100 * scores[place].value for scores in curves.values()],
        mode="markers",
        marker={"symbol": "circle-open", "size": 18, "color": GREEN, "line": {"width": 3}},
        name="frames shown above",
        hoverinfo="skip",
    )


def add_pictures(figure: go.Figure, strip: Sequence[PIL.Image.Image]) -> None:
    """Draw the frames side by side in the upper panel."""
    for place, picture in enumerate(strip):
        figure.add_layout_image(
            source=embedded(picture), xref="x", yref="y", x=place - 0.48, y=0.98, sizex=0.96, sizey=0.96,
            sizing="stretch", layer="below",
        )  # fmt: skip


def embedded(picture: PIL.Image.Image) -> str:
    """Return a small copy of a picture as a data address, which needs no file and no network."""
    stream = io.BytesIO()
    picture.resize((SIDE, SIDE), PIL.Image.Resampling.LANCZOS).save(stream, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def said(score: Score) -> str:
    """Return a score in words."""
    return f"{100 * score.value:.0f} %, 95 % interval {100 * score.low:.0f} to {100 * score.high:.0f} %"


def finding(curves: Mapping[str, Sequence[Score]], counts: Sequence[int], now: int) -> str:
    """Say what the first curve says of this number of frames, beside the smallest number."""
    (name, scores), *_ = curves.items()
    place = list(counts).index(now)
    values = np.array([score.value for score in scores])
    frames = f"{now} frame{'s' if now > 1 else ''}"
    before = "" if place == 0 else f"; {counts[0]} frame{'s' if counts[0] > 1 else ''}: {100 * values[0]:.0f} %"
    return f"{frames}, {name}: {scores[place].metric} {100 * values[place]:.0f} %{before}"

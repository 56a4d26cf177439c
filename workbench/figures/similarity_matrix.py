"""A batch's similarity matrix, and what the softmax makes of one of its rows."""

import base64
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, ORANGE, escape, styled

Matrix = Float[np.ndarray, "m n"]
MOST_NUMBERS = 12
"""Columns up to which every cell shows its number."""


def similarity_matrix_figure(
    similarity: Matrix,
    probability: Matrix,
    row: int,
    rows: Sequence[str],
    columns: Sequence[str],
    pictures: Sequence[bytes] = (),
) -> go.Figure:
    """Return cosines of queries (rows) and targets (columns) as a heat map; under it the softmax of the outlined row.

    Both panels share their columns. The right target of query i is target i. probability: rows sum to 1. rows,
    columns: what each query and target is, in words, shown on hover. pictures: WebP of each query, drawn beside its
    row. Both colour scale and bars have fixed ranges, so that figures of one batch compare.

    Raises:
        ValueError: `row` is no row of the matrix.
    """
    if not 0 <= row < len(similarity):
        raise ValueError(f"row = {row} is outside 0..{len(similarity) - 1}, the rows of the matrix.")
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1, row_heights=[0.7, 0.3])
    figure.add_trace(heat_map(similarity, rows, columns), row=1, col=1)
    figure.add_trace(bars(probability[row], row, columns), row=2, col=1)
    styled(figure, finding(probability[row], row), height=560)
    figure.add_shape(outline(row, similarity.shape[1]), row=1, col=1)
    for number, picture in enumerate(pictures):
        figure.add_layout_image(beside(number, picture))
    figure.update_layout(margin={"t": 50, "l": 70 if pictures else 10}, showlegend=False)
    names = [str(number + 1) for number in range(similarity.shape[1])]
    figure.update_xaxes(tickvals=list(range(similarity.shape[1])), ticktext=names, showgrid=False)
    figure.update_xaxes(title="target", row=2)
    figure.update_yaxes(
        title="" if pictures else "query",
        tickvals=list(range(len(similarity))),
        ticktext=[str(number + 1) for number in range(len(similarity))],
        range=[len(similarity) - 0.5, -0.5],
        showgrid=False,
        row=1,
    )
    figure.update_yaxes(title=f"softmax of row {row + 1}", range=[0, 1.15], tickformat=".0%", row=2)
    return figure


def heat_map(similarity: Matrix, rows: Sequence[str], columns: Sequence[str]) -> go.Heatmap:
    """Return the cosines, dark where low: the scale's lightness rises throughout, so that grey prints say the same."""
    hover = [[f"query: {escape(row)}<br>target: {escape(column)}" for column in columns] for row in rows]
    return go.Heatmap(
        z=np.round(similarity, 4),
        zmin=-1,
        zmax=1,
        colorscale="Cividis",
        hovertext=hover,
        hovertemplate="%{hovertext}<br>cosine %{z:.3f}<extra></extra>",
        texttemplate="%{z:.2f}" if similarity.shape[1] <= MOST_NUMBERS else None,
        textfont={"size": 11},
        colorbar={"title": {"text": "cosine"}, "y": 1.0, "yanchor": "top", "len": 0.68, "thickness": 14},
        xgap=1,
        ygap=1,
    )


def bars(probability: Float[np.ndarray, " n"], row: int, columns: Sequence[str]) -> go.Bar:
    """Return the softmax of one row: the right target filled, the others hatched."""
    own = [column == row for column in range(len(probability))]
    return go.Bar(
        x=list(range(len(probability))),
        y=probability,
        marker={
            "color": [BLUE if each else ORANGE for each in own],
            "pattern": {"shape": ["" if each else "/" for each in own]},
        },
        text=[f"{each:.0%}" if each >= 0.005 else "" for each in probability],
        textposition="outside",
        cliponaxis=False,
        hovertext=[escape(column) for column in columns],
        hovertemplate="%{hovertext}<br>probability %{y:.4f}<extra></extra>",
    )


def outline(row: int, width: int) -> dict[str, object]:
    """Return a frame around one row of the heat map."""
    corners = {"x0": -0.5, "x1": width - 0.5, "y0": row - 0.5, "y1": row + 0.5}
    return {"type": "rect", **corners, "line": {"color": ORANGE, "width": 3}}


def beside(row: int, picture: bytes) -> dict[str, object]:
    """Return a picture left of its row."""
    return {
        "source": f"data:image/webp;base64,{base64.b64encode(picture).decode()}",
        "xref": "paper",
        "yref": "y",
        "x": -0.035,
        "y": row,
        "sizex": 0.08,
        "sizey": 0.92,
        "xanchor": "right",
        "yanchor": "middle",
    }


def finding(probability: Float[np.ndarray, " n"], row: int) -> str:
    """Say what the right target gets, and who comes next."""
    others = np.delete(probability, row)
    if not len(others):
        return "One pair alone: its softmax is 100 % whatever the model does"
    rival = int(np.argmax(np.where(np.arange(len(probability)) == row, -1, probability)))
    return f"Query {row + 1} gives its right target {probability[row]:.0%}, target {rival + 1} {probability[rival]:.0%}"

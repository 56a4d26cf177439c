"""The look of every figure: colours that colour-blind readers tell apart, on light and on dark pages.

Colours have a contrast of at least 3 to 1 on white and on near-black. What differs by colour also differs by dash,
pattern or symbol, so that a black-and-white print says the same.
"""

import plotly.graph_objects as go

BLUE, ORANGE, GREY, PURPLE, GREEN = "#2A87C8", "#E0621B", "#7F8C98", "#A86BC4", "#1B9E77"
GROUP_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#C2406A", "#8C7A10", "#5B6EE1", "#A0623A")
"""Colours of many groups; grey is kept for those that have none of their own."""
GRID = "rgba(128, 128, 128, 0.25)"

KIND_COLOURS = {"positive": BLUE, "hard": ORANGE, "easy": GREY, "all": PURPLE}
KIND_DASHES = {"positive": "solid", "hard": "dash", "easy": "dot", "all": "dashdot"}
KIND_NAMES = {
    "positive": "right answers",
    "hard": "5 hardest negatives",
    "easy": "5 easiest negatives",
    "all": "all negatives",
}
PATTERNS = {"trained": "/", "what-if": ""}


def styled(figure: go.Figure, title: str, height: int = 380) -> go.Figure:
    """Give a figure its title (the finding), height in pixels, fonts, grid and a legend that covers nothing."""
    figure.update_layout(
        title={"text": escape(title), "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top", "font": {"size": 16}},
        height=height,
        margin={"l": 10, "r": 10, "t": 70, "b": 10},
        font={"size": 13},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "font": {"size": 13}},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"align": "left"},
        bargap=0.25,
    )
    figure.update_xaxes(automargin=True, gridcolor=GRID, zeroline=False, title_font={"size": 13})
    figure.update_yaxes(automargin=True, gridcolor=GRID, zeroline=False, title_font={"size": 13})
    return figure


def escape(text: str, longest: int = 90) -> str:
    """Return a caption as plotly text: it would read tags and entities, so both are taken apart; long ones are cut."""
    cut = text if len(text) <= longest else text[: longest - 3] + "..."
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def empty(title: str, height: int = 380) -> go.Figure:
    """Return a figure that says why there is nothing to see."""
    figure = styled(go.Figure(), title, height)
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)

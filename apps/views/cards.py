"""Items as people look at them: pictures and words in reading order."""

import streamlit as st

from apps.views.captions import escaped
from workbench.bundles.bundle import Bundle, Negative, Query
from workbench.measures.hardness import differing

HEIGHT = 110
WIDEST = 230


def show_item(bundle: Bundle, row: int, height: int = HEIGHT) -> None:
    """Return the parts of an item in order, several pictures beside one another. Words are never read as Markdown."""
    parts = bundle.parts(row)
    interleaved = sum(part["type"] != "text" for part in parts) > 1
    with st.container(horizontal=interleaved, vertical_alignment="center" if interleaved else "top"):
        show_parts(bundle, parts, height)


def show_parts(bundle: Bundle, parts: list[dict[str, str]], height: int) -> None:
    """Return the parts of an item, one after the other."""
    for part in parts:
        if part["type"] == "text":
            st.text(part["text"], width="content" if len(parts) > 1 else "stretch")
            continue
        picture = bundle.picture(part["thumbnail"])
        if picture is None:
            st.caption(f"({part['type']} that cannot be shown)")
            continue
        st.image(picture, width=min(WIDEST, max(1, round(height * picture.width / picture.height))))


def show_negative(bundle: Bundle, query: Query, negative: Negative) -> None:
    """Return a negative with its place, similarity, pull, weight, and how it truly differs."""
    with st.container(border=True, height="stretch"):
        fools = " :red-badge[above the right answer]" if negative.above_positive else ""
        st.markdown(f"**{negative.place}.** similarity **{negative.similarity:.3f}**{fools}")
        show_item(bundle, negative.item)
        weight = ""
        if negative.share is not None and negative.weight is not None:
            st.progress(min(1.0, negative.share), text=f"{negative.share:.1%} of the gradient")
            weight = f"weight {compact(negative.weight)}. "
        st.caption(f"{weight}{difference(bundle, query, negative)}")


def difference(bundle: Bundle, query: Query, negative: Negative) -> str:
    """Say how many asked attributes truly differ, and which; as Markdown."""
    if negative.true_hardness is None:
        return "True difference not known."
    if negative.true_hardness == 0:
        return "Truly right: a false negative."
    names = differing(query.asks, bundle.attributes(query.positive), bundle.attributes(negative.item))
    return f"Differs in {negative.true_hardness} of {len(query.asks)}: {escaped(', '.join(names))}."


def compact(number: float) -> str:
    """Return a weight in at most four digits or so."""
    return f"{number:,.0f}" if 100 <= number < 1e6 else f"{number:.3g}"

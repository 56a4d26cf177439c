"""Items as people look at them: pictures and words in reading order."""

from typing import Any, Literal

import streamlit as st

from apps.views.captions import escaped, shortened
from apps.views.large_picture import show_large
from apps.views.ways_on import item_menu
from workbench.bundles.bundle import Bundle, Negative, Query
from workbench.measures.hardness import differing
from workbench.measures.ranked_candidates import RankedCandidate

HEIGHT = 110
WIDEST = 230
CARD = 196
LINES = 4
LINE, CARD_LINE = 45, 22
"""Characters that a line of a wide and of a narrow card holds."""
# Fixed text, into which no data ever enters: a picture that is clicked is shown large.
STYLE = """<style>
[class*="st-key-zoom-"] {position: relative; width: fit-content}
[class*="st-key-zoom-"] > [data-testid="stElementContainer"]:has([data-testid="stButton"]) {
  position: absolute; inset: 0; z-index: 1; width: 100% !important; height: 100%}
[class*="st-key-zoom-"] [data-testid="stButton"] {width: 100%; height: 100%}
[class*="st-key-zoom-"] button {width: 100%; height: 100%; opacity: 0; cursor: zoom-in; min-height: 0; padding: 0}
[class*="st-key-zoom-"] button:focus-visible {opacity: 0.6}
</style>"""


def show_item(bundle: Bundle, row: int, height: int = HEIGHT, key: str | None = None, line: int = LINE) -> None:
    """Return the parts of an item in order, several pictures beside one another. Words are never read as Markdown.

    key: of the buttons that show a picture large or all of a long text; without one there are no such buttons.
    line: characters in a line; words are cut to about four lines.
    """
    parts = bundle.parts(row)
    interleaved = sum(part["type"] != "text" for part in parts) > 1
    with st.container(horizontal=interleaved, vertical_alignment="center" if interleaved else "top"):
        show_parts(bundle, parts, height, key, shortened(bundle.words(row)), line)


def show_parts(bundle: Bundle, parts: list[dict[str, Any]], height: int, key: str | None, alt: str, line: int) -> None:
    """Return the parts of an item, one after the other."""
    for number, part in enumerate(parts):
        own = None if key is None else f"{key}-{number}"
        if part["type"] == "text":
            show_words(part["text"], own, "content" if len(parts) > 1 else "stretch", line)
            continue
        picture = bundle.picture(part["thumbnail"])
        if picture is None:
            st.caption(f"({part['type']} that cannot be shown)")
            continue
        width = min(WIDEST, max(1, round(height * picture.width / picture.height)))
        if own is None:
            st.image(picture, width=width, alt=alt)
            continue
        with st.container(key=f"zoom-{own}"):
            st.image(picture, width=width, alt=alt)
            if st.button("Play it" if part["type"] == "video" else "Show it large", key=f"large-{own}"):
                show_large(bundle, part, alt)


def show_words(text: str, key: str | None, width: Literal["stretch", "content"], line: int) -> None:
    """Return words, cut to about four lines, and all of them on demand."""
    cut = clamped(text, line)
    st.text(cut, width=width)
    if cut != text and key is not None:
        with st.popover("all of it", type="tertiary", key=f"words-{key}"):
            st.text(text)


def clamped(text: str, length: int) -> str:
    """Return words cut to about four lines of so many characters."""
    lines = text.split("\n")
    kept: list[str] = []
    left = LINES
    for line in lines:
        if left <= 0:
            break
        kept.append(line[: left * length])
        left -= max(1, -(-len(line) // length))
    cut = "\n".join(kept)
    return text if cut == text else cut.rstrip() + " ..."


def show_candidate(bundle: Bundle, query: Query, candidate: RankedCandidate, key: str) -> None:
    """Return a candidate with its place and similarity; of a wrong one its pull, weight, and how it truly differs."""
    negative = candidate.negative
    with st.container(border=True, width=CARD, height="stretch", gap="small"):
        badge = ":green-badge[right answer]" if negative is None else ""
        if negative is not None and negative.above_positive:
            badge = ":red-badge[above the right answer]"
        st.markdown(f"**{candidate.place}.** similarity **{candidate.similarity:.3f}** {badge}")
        show_item(bundle, candidate.item, key=key, line=CARD_LINE)
        if negative is not None:
            show_pull(bundle, query, negative)
        item_menu(candidate.item, f"menu-{key}")


def show_pull(bundle: Bundle, query: Query, negative: Negative) -> None:
    """Say what a wrong candidate weighs, and how it truly differs."""
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

"""Map: how does the space look, and how far can the picture be trusted?"""

import numpy as np
import streamlit as st

from apps.views import cached_map
from apps.views.address import prepare_option, remember
from apps.views.captions import escaped
from apps.views.choose import choose
from apps.views.looking import Looking
from apps.views.map_cloud import said_of, show_cloud
from apps.views.map_layouts import choose_map, choose_over, pca_is_map
from apps.views.map_point import neighbours, read_point, show_point
from apps.views.map_selection import show_selection
from apps.views.map_trust import collapsed_words, show_trust
from apps.views.map_words import cells_on, choose_words, labels_of, show_words
from workbench.explore.ties import ties_of
from workbench.projection import map_items

TABS = {"map": "Map", "trust": "How far to trust it"}


def show(looking: Looking) -> None:
    """Return the whole view."""
    prepare_option("map_tab", list(TABS), "map")
    tab = st.segmented_control(
        "Part", list(TABS), key="map_tab", format_func=TABS.__getitem__, required=True, label_visibility="collapsed"
    )
    remember("map_tab", tab)
    bundle = looking.bundle
    left, middle, right = st.columns(3)
    with left:
        shown = choose_map(looking)
    if not pca_is_map(looking):
        share = cached_map.pca_share(bundle.digest, bundle)
        st.info(
            f"PCA is not offered as a map: its plane holds {share:.2%} of the variance, so that it shows next to "
            "nothing of what there is."
        )
    if tab == "trust" or shown is None:
        show_trust(looking, shown)
        return
    with middle:
        colour = choose("colour", "Colour and symbol", map_items.colour_columns(bundle), "modality")
    with right:
        count = choose_words()
        over = choose_over(looking, shown)
    collapse = cached_map.collapse(bundle.digest, bundle)
    if collapse:
        st.warning(collapsed_words(collapse))
    clicked = read_point(bundle)
    ties = ties_of(bundle, clicked) if clicked is not None else None
    near = neighbours(bundle, clicked) if clicked is not None else None
    found = cells_on(looking, shown, count)
    rows = near.rows if near is not None else np.empty(0, dtype=int)
    show_cloud(looking, shown, over, colour, labels_of(found), clicked, ties, rows)
    st.caption(escaped(said_of(looking, shown, over)))
    if clicked is not None and ties is not None and near is not None:
        show_point(looking, clicked, ties, near)
    show_words(looking, shown, found)
    show_selection(looking)

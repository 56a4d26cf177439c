"""Map: how does the space look, and how far can the picture be trusted?"""

import numpy as np
import pandas as pd
import streamlit as st

from apps.views import cached_map
from apps.views.captions import escaped
from apps.views.cards import show_item
from apps.views.choose import choose
from apps.views.looking import Looking
from workbench.bundles.bundle import Bundle
from workbench.figures.hub_counts import hub_counts_figure
from workbench.figures.projection_map import projection_map_figure
from workbench.measures.space import within_and_across
from workbench.projection import map_items
from workbench.projection.projection import MEASURED, MOST, Layout, Quality

LAYOUTS = {"pca": "PCA, at once", "umap": "UMAP, in the background"}
NEIGHBOURS = (5, 10, 15, 30, 50, 100)
MIN_DISTS = (0.0, 0.1, 0.3, 0.5)
SEEDS = (0, 1, 2, 3)
SHOWN, COLUMNS = 24, 6
CHART = {"displaylogo": False, "scrollZoom": True}
TRUST = (
    "Trustworthiness: are those who are near on the map near in truth? Continuity: the other way round. 1 is perfect, "
    "a map drawn at random has about 0.5. Both look at neighbours only: they say nothing of the empty space between "
    "groups. Compare seeds and numbers of neighbours before you believe a gap."
)
Key = tuple[str, str | None, int, float, int]


def show(looking: Looking) -> None:
    """Return the whole view."""
    bundle, dataset = looking.bundle, looking.dataset
    middle, right = st.columns(2)
    table = cached_map.items(bundle.digest, dataset, bundle)
    with middle:
        chosen = choose("layout", "Map", list(LAYOUTS), "pca", LAYOUTS.__getitem__)
    with right:
        colour = choose("colour", "Colour and symbol", map_items.colour_columns(table), "modality")
    flat = cached_map.pca(bundle.digest, dataset, bundle)
    layout = flat if chosen == "pca" else umap_or(flat, bundle, dataset)
    found = cached_map.quality(bundle.digest, dataset, layout.made, bundle, layout)
    picture, numbers = st.columns([3, 2], gap="medium")
    with picture:
        rows = show_map(bundle, table, layout, found, groups(bundle, dataset, table, layout, found, colour))
    with numbers:
        show_measures(bundle, dataset)
    show_selection(bundle, table, rows)
    with st.expander("Hubs: who is near too many queries"):
        show_hubs(bundle, dataset)


def umap_or(flat: Layout, bundle: Bundle, dataset: str | None) -> Layout:
    """Return the chosen UMAP if it is there; else PCA, and a button that begins it or how it goes."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        neighbours = choose("neighbours", "Neighbours", list(NEIGHBOURS), 15)
        min_dist = choose("min_dist", "Least distance", list(MIN_DISTS), 0.1)
        seed = choose("map_seed", "Seed", list(SEEDS), 0)
        key = (bundle.digest, dataset, neighbours, min_dist, seed)
        job = cached_map.started().get(key)
        if job is None:
            st.button("Make this map", key="make", type="primary", on_click=cached_map.start, args=(key, bundle))
    if job is None:
        st.caption("It takes some 20 seconds and more for many items. Until then, PCA:")
        return flat
    if not job.done():
        wait_for(key)
        return flat
    if (failure := job.exception()) is not None:
        st.error(escaped(str(failure)))
        st.button("Try again", key="again", on_click=cached_map.forget, args=(key,))
        return flat
    return job.result()


@st.fragment(run_every=1.0)
def wait_for(key: Key) -> None:
    """Say that a map is being made, and show it once it is there."""
    job = cached_map.started().get(key)
    if job is None or job.done():
        st.rerun()
    st.info("The UMAP is being made in the background. Until then, PCA:")


def groups(
    bundle: Bundle, dataset: str | None, table: pd.DataFrame, layout: Layout, found: Quality, colour: str
) -> list[str]:
    """Return the group of each point by the chosen column."""
    rows = table.index.to_numpy()[layout.rows]
    if colour == map_items.KEPT:
        return map_items.kept_groups(layout, found)
    if colour == map_items.HUBS:
        parts, counted, _ = cached_map.hubs(bundle.digest, dataset, bundle)
        return map_items.hub_groups(rows, parts.candidates, counted)
    return [str(each) for each in table[colour].iloc[layout.rows]]


def show_map(bundle: Bundle, table: pd.DataFrame, layout: Layout, found: Quality, labels: list[str]) -> list[int]:
    """Return the map with what is to be known about it; the selected rows of the bundle's items."""
    rows = table.index.to_numpy()[layout.rows]
    figure = projection_map_figure(layout.points, labels, layout.made, found, ids=rows, height=560)
    figure.update_layout(modebar={"orientation": "v", "bgcolor": "rgba(0, 0, 0, 0)"})  # above, it would hide the title
    event = st.plotly_chart(
        figure, key="map", on_select="rerun", selection_mode=("points", "box", "lasso"), config=CHART
    )
    said = [f"{layout.made}."]
    if not np.isnan(found.trustworthiness):
        sample = f" over an even sample of {MEASURED:,}" if len(found.rows) < len(layout.rows) else ""
        said.append(
            f"Trustworthiness {found.trustworthiness:.3f}, continuity {found.continuity:.3f}, "
            f"{found.kept.mean():.0%} of the {found.k} nearest kept{sample}."
        )
    if len(layout.rows) + layout.left_out < len(table):
        said.append(f"An even sample of {MOST:,} of {len(table):,} items is drawn.")
    if layout.left_out:
        said.append(f"{layout.left_out} items have no finite vector and no place.")
    if bundle.zero_vectors:
        said.append(f"{bundle.zero_vectors} items of the bundle have a zero vector.")
    st.caption(" ".join(said), help=TRUST)
    return map_items.selected_rows(event, rows)


def show_measures(bundle: Bundle, dataset: str | None) -> None:
    """Return the state of the space, each number beside its baseline."""
    st.markdown(f"##### The space of {'all data sets' if dataset is None else escaped(dataset)}")
    found = cached_map.measures(bundle.digest, dataset, bundle)
    rows = [
        (each.name, written(each.form, each.value), written(each.form, each.baseline), each.against) for each in found
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=["measure", "here", "baseline", "which is"]), hide_index=True, key="space",
        height=38 + 35 * len(rows),
    )  # fmt: skip
    with st.popover("What they mean"):
        st.markdown("\n".join(f"- **{escaped(each.name)}**: {escaped(each.meaning)}" for each in found))


def written(form: str, value: float) -> str:
    """Return a number in its form."""
    return "none" if np.isnan(value) else form.format(value)


def show_selection(bundle: Bundle, table: pd.DataFrame, rows: list[int]) -> None:
    """Return the selected items as a table and as cards."""
    if not rows:
        st.caption("Draw a lasso or a box on the map, or click a point, to see what is there.")
        return
    within, across = within_and_across(bundle.vectors, rows, table.index.difference(rows).to_numpy())
    st.markdown(f"##### {len(rows):,} selected")
    st.caption(
        f"In the space itself, not on the map: mean cosine {written('{:.3f}', within)} within the selection, "
        f"{written('{:.3f}', across)} to the other items. A true group is clearly more alike within."
    )
    listed = table.loc[rows].assign(typical=map_items.cosine_to(bundle.vectors, rows))
    first = ["text", *map_items.PLAIN, "typical"]
    st.dataframe(
        listed[[*first, *(name for name in listed.columns if name not in first)]], hide_index=True, height=260,
        key="selected",
        column_config={
            "typical": st.column_config.NumberColumn(format="%.3f", help="Cosine to the selection's mean direction.")
        },
    )  # fmt: skip
    cards = listed.sort_values("typical", ascending=False, kind="stable").index[:SHOWN]
    st.caption(f"The {len(cards)} most typical of them:")
    for start in range(0, len(cards), COLUMNS):
        for column, row in zip(st.columns(COLUMNS), cards[start : start + COLUMNS], strict=False):
            with column, st.container(border=True, height="stretch"):
                show_item(bundle, int(row), height=72)


def show_hubs(bundle: Bundle, dataset: str | None) -> None:
    """Say how often each candidate is found, and the five that are found most."""
    parts, found, random = cached_map.hubs(bundle.digest, dataset, bundle)
    captions = bundle.items["text"].iloc[parts.candidates].tolist()
    figure = hub_counts_figure(found, random, captions)
    st.plotly_chart(figure, key="hubs", config={"displayModeBar": False})
    for column, place in zip(st.columns(5), found.hubs(5), strict=False):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"near **{found.counts[place]:.0f}** of {found.queries:,} queries")
            show_item(bundle, int(parts.candidates[place]), height=72)

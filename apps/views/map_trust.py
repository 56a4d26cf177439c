"""How far a map is to be trusted, and the state of the space that it is of: each number beside its baseline."""

import numpy as np
import pandas as pd
import streamlit as st

from apps.views import cached_map
from apps.views.captions import escaped
from apps.views.cards import show_item
from apps.views.export import download_table
from apps.views.looking import Looking
from apps.views.map_layouts import ShownMap, rows_on
from workbench.figures.hub_counts import hub_counts_figure
from workbench.measures.space import COLLAPSED, Collapse
from workbench.projection.projection import MEASURED

MEANING = (
    "Trustworthiness: are those who are near on the map near in truth? Continuity: the other way round. 1 is perfect, "
    "a map drawn at random has about 0.5. Both look at neighbours only: they say nothing of the empty space between "
    "groups. Compare seeds and numbers of neighbours before you believe a gap."
)
VERDICTS = ((0.8, "mostly real"), (0.5, "half real"), (-1.0, "mostly made up"))


def show_trust(looking: Looking, shown: ShownMap | None) -> None:
    """Return the whole tab."""
    collapse = cached_map.collapse(looking.bundle.digest, looking.bundle)
    if collapse:
        st.warning(collapsed_words(collapse))
    if shown is not None:
        show_quality(looking, shown, collapse)
    show_measures(looking)
    if looking.bundle.paired:
        show_hubs(looking)


def collapsed_words(collapse: Collapse) -> str:
    """Say that a space is collapsed, and by what number."""
    return (
        f"The space is collapsed: two of {collapse.n:,} items have a mean cosine of {collapse.mean_cosine:.4f} "
        f"(collapsed above {COLLAPSED}; mean squared distance from the mean {collapse.variance:.2g}). A map shows what "
        "little differs, however good its neighbourhoods look."
    )


def show_quality(looking: Looking, shown: ShownMap, collapse: Collapse) -> None:
    """Return trustworthiness and continuity of the map, with what they are taken over."""
    bundle = looking.bundle
    rows = cached_map.rows(bundle.digest, looking.dataset, bundle)
    found = cached_map.quality(bundle.digest, looking.dataset, shown.name, bundle, shown.points)
    st.markdown(f"##### The map: {escaped(shown.made)}", help=MEANING)
    if np.isnan(found.trustworthiness):
        st.caption("Too few items to judge the map.")
        return
    placed = rows_on(shown, rows)
    over = f"{placed:,} items" if placed <= MEASURED else f"an even sample of {MEASURED:,} of {placed:,} items"
    verdict = next(words for least, words in VERDICTS if 2 * found.trustworthiness - 1 >= least)
    st.markdown(
        "The space is collapsed: what its neighbourhoods are is not judged."
        if collapse
        else f"Neighbourhoods on this map are **{verdict}**."
    )
    for column, (name, value) in zip(
        st.columns(3),
        {
            "Trustworthiness": f"{found.trustworthiness:.3f}",
            "Continuity": f"{found.continuity:.3f}",
            f"Of the {found.k} nearest kept": f"{found.kept.mean():.0%}",
        }.items(),
        strict=True,
    ):
        column.metric(name, value)
    st.caption(f"Over {over}, {found.k} neighbours each. {MEANING}")


def show_measures(looking: Looking) -> None:
    """Return the state of the space, each number beside its baseline."""
    bundle, dataset = looking.bundle, looking.dataset
    st.markdown(f"##### The space of {'all data sets' if dataset is None else escaped(dataset)}")
    found = cached_map.measures(bundle.digest, dataset, bundle)
    table = pd.DataFrame(
        [
            (each.name, written(each.form, each.value), written(each.form, each.baseline), each.against, each.over)
            for each in found
        ],
        columns=["measure", "here", "baseline", "which is", "over"],
    )
    st.dataframe(table, hide_index=True, key="space", height=38 + 35 * len(table))
    download_table(table, "space", "space-export")
    with st.popover("What they mean"):
        st.markdown("\n".join(f"- **{escaped(each.name)}**: {escaped(each.meaning)}" for each in found))


def written(form: str, value: float) -> str:
    """Return a number in its form."""
    return "none" if np.isnan(value) else form.format(value)


def show_hubs(looking: Looking) -> None:
    """Say how often each candidate is found, and the five that are found most."""
    bundle, dataset = looking.bundle, looking.dataset
    found, random = cached_map.hubs(bundle.digest, dataset, bundle)
    candidates = cached_map.parts(bundle.digest, dataset, bundle).candidates
    st.markdown("##### Hubs: who is near too many queries")
    captions = bundle.items["text"].iloc[candidates].tolist()
    st.plotly_chart(hub_counts_figure(found, random, captions), key="hubs", config={"displaylogo": False})
    for column, place in zip(st.columns(5), found.hubs(5), strict=False):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"near **{found.counts[place]:.0f}** of {found.queries:,} queries")
            show_item(bundle, int(candidates[place]), height=72)

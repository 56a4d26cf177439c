"""The second part of Concepts: was it trained on this, and are items nearly the same as others?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from jaxtyping import Int

from apps.views import cached_concepts as cached
from apps.views.address import put
from apps.views.captions import escaped
from apps.views.cards import show_item
from apps.views.choose import choose
from apps.views.export import download_table
from apps.views.looking import Looking
from apps.views.paging import choose_page
from apps.views.switch import switched_on
from workbench.bundles.bundle import Bundle
from workbench.explore.selection import MOST_LISTED, queries_rule
from workbench.measures import leakage
from workbench.measures.hardness import mean_of
from workbench.runs.pair_records import recorded_files

SHOWN = 4
TRAINED = {
    "trained pair": "Query and right answer were trained as a pair",
    "trained query": "The query item was in training",
    "trained answer": "A right answer was in training",
}
JACCARDS = (0.7, 0.8, 0.9, 1.0)
COSINES = (0.9, 0.95, 0.98, 0.99, 0.999)


@dataclass(frozen=True)
class Found:
    """A kind of finding. queries: rows of the rankings that it affects. checked: the queries that were looked at.

    pairs: query, one, two (rows of the items) and what else is known of them; None where there are none to show.
    """

    name: str
    title: str
    queries: Int[np.ndarray, " affected"]
    checked: Int[np.ndarray, " queries"]
    pairs: pd.DataFrame | None


def show_leakage(looking: Looking) -> None:
    """Return all checks; those that cost time behind switches."""
    st.markdown("##### Seen in training")
    show_trained(looking)
    st.markdown("##### Nearly the same, by their letters and pixels")
    if switched_on("leakage_twins", "Compare texts and pictures"):
        show_twins(looking)
    st.markdown("##### Nearly the same to this model")
    if switched_on("leakage_model", "Compare vectors of right answers and hardest negatives"):
        show_model_twins(looking)


def show_trained(looking: Looking) -> None:
    """Say which queries were recorded in training, and what cannot be known."""
    bundle = looking.bundle
    if bundle.imported is not None:
        st.info("What these imported vectors' model was trained on is not known here, so nothing was checked.")
        return
    files = recorded_files(looking.run.folder)
    newest = max((each.stat().st_mtime for each in files), default=0.0)
    found = cached.recorded(str(looking.run.folder), len(files), newest)
    for problem in found.problems:
        st.warning(escaped(problem))
    if not len(found.pairs):
        st.info(
            "No training pairs were recorded by this run or those it started from, so it cannot be checked whether "
            "items of the evaluation were trained. To record them, train with --record.every 100, say."
        )
        return
    st.caption(
        f"By content: {len(found.pairs):,} different training pairs in {found.files:,} files of "
        f"{escaped(', '.join(found.runs))}. Only steps that were recorded, and in them queries that had a negative "
        "with a gradient; pairs of other steps, and what the backbone was trained on before, cannot be checked. None "
        "found is no proof."
    )
    seen = leakage.trained(bundle, looking.queries, found.pairs)
    for name, title in TRAINED.items():
        show_found(looking, Found(name, title, looking.queries[seen[name]], looking.queries, None))


def show_twins(looking: Looking) -> None:
    """Return the queries whose right answer has a twin among the wrong candidates, or that are copies of it."""
    threshold = choose(
        "leakage_jaccard", "Texts are alike from a Jaccard of 5 letters in a row of", list(JACCARDS), 0.9
    )
    numbers = cached.compared(looking.queries)
    twins = cached.twins(looking.key, threshold, looking.bundle, numbers)
    st.caption(
        f"{sample_words(numbers, looking)}, their right answers and the (at most 20) hardest negatives of each: "
        f"{len(twins.rows):,} items. Texts without case and punctuation by MinHash; {twins.pictures:,} pictures as "
        "small as they are stored, by dHash (at most 4 of 64 bits apart) and colours in 16 x 16 cells. Cropped or "
        "mirrored pictures and translated texts are not found."
        + (
            f" {twins.unseen:,} pictures beyond the limit, or that cannot be read, match only the same file."
            if twins.unseen
            else ""
        )
    )
    pairs = leakage.twin_pairs(looking.bundle, numbers, twins)
    title = "A hard negative is nearly the same as the right answer"
    show_found(looking, Found("twin", title, np.unique(pairs["query"].to_numpy(dtype=np.int64)), numbers, pairs))
    same = leakage.copies(looking.bundle, numbers, twins)
    title = "The query is nearly the same as its right answer"
    show_found(looking, Found("copy", title, np.unique(same["query"].to_numpy(dtype=np.int64)), numbers, same))


def show_model_twins(looking: Looking) -> None:
    """Return the queries with a hard negative that the model itself holds for nearly the right answer."""
    threshold = choose("leakage_cosine", "Alike from a cosine of", list(COSINES), 0.98)
    numbers = cached.compared(looking.queries)
    pairs = cached.model_twins(looking.key, threshold, looking.bundle, numbers)
    st.caption(
        f"{sample_words(numbers, looking)}. Alike to this model only: it may hold different things for the same, which "
        "is then its fault and not the data's. Look at the pairs."
    )
    title = f"A hard negative has a cosine of {threshold:g} or more with the right answer"
    show_found(looking, Found("model", title, np.unique(pairs["query"].to_numpy(dtype=np.int64)), numbers, pairs))


def sample_words(numbers: Int[np.ndarray, " _"], looking: Looking) -> str:
    """Say how many queries are looked at."""
    every = len(looking.queries)
    return (
        f"All {every:,} queries"
        if len(numbers) == every
        else f"An even sample of {len(numbers):,} of {every:,} queries"
    )


def show_found(looking: Looking, found: Found) -> None:
    """Return how many queries are affected, P@1 with and without them, a button that selects them, and the pairs."""
    count, checked = len(found.queries), len(found.checked)
    with st.container(border=True):
        st.markdown(f"**{found.title}**: {count:,} of {checked:,} queries ({count / max(1, checked):.1%})")
        if not count:
            return
        rest = np.setdiff1d(found.checked, found.queries)
        hit = looking.bundle.rankings["hit"].to_numpy()
        st.caption(
            f"P@1 of all {checked:,}: {score(hit[found.checked])}  \nof these {count:,}: {score(hit[found.queries])}"
            f"  \nof the other {len(rest):,}: {score(hit[rest])}"
        )
        listed = found.queries[:MOST_LISTED].tolist()
        words = "Select them" if count <= MOST_LISTED else f"Select the first {MOST_LISTED}"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                words, key=f"leakage-select-{found.name}", icon=":material/select_all:", on_click=put,
                args=({"select": queries_rule(listed)},), help="Every view then shows only these queries.",
            )  # fmt: skip
            opened = found.pairs is not None and switched_on(f"leakage_pairs_{found.name}", "Show the pairs")
        if found.pairs is not None and opened:
            show_pairs(looking.bundle, found.pairs, found.name)


def score(hits: np.ndarray) -> str:
    """Return P@1 with its 95 % interval, as Markdown."""
    mean = mean_of(hits)
    return f"**{mean.value:.1%}** ({mean.low:.1%} to {mean.high:.1%})" if mean.n else "none"


def show_pairs(bundle: Bundle, pairs: pd.DataFrame, name: str) -> None:
    """Return pairs side by side, some at a time, and all of them to take away."""
    places = choose_page(f"leakage_page_{name}", len(pairs), SHOWN)
    for pair in pairs.iloc[places.start : places.stop].to_dict("records"):
        show_pair(bundle, {str(key): value for key, value in pair.items()}, name)
    ids = bundle.items["item"].to_numpy()
    table = pairs.assign(one_id=ids[pairs["one"].to_numpy()], two_id=ids[pairs["two"].to_numpy()])
    download_table(table, f"pairs-{name}", f"leakage-{name}")


def show_pair(bundle: Bundle, pair: Mapping[str, float], name: str) -> None:
    """Return the two items of a pair, and the query that they belong to."""
    labels = ("query", "its right answer") if name == "copy" else ("right answer", "hard negative")
    number = int(pair["query"])
    cosine = f", cosine {pair['cosine']:.4f}" if "cosine" in pair else ""
    with st.container(border=True):
        st.caption(f"Query {number} of {escaped(bundle.query(number).dataset)}{cosine}")
        for column, label, item in zip(st.columns(2), labels, (pair["one"], pair["two"]), strict=True):
            with column:
                st.markdown(f"*{label}*")
                show_item(bundle, int(item))

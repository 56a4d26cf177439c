"""Concepts: what do the misses have in common, and what do the hits?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from jaxtyping import Bool, Int

from apps.views import cached_concepts as cached
from apps.views.address import go_to, prepare_option, put, remember
from apps.views.cached_similarity import matches_of
from apps.views.captions import escaped, shortened
from apps.views.choose import choose
from apps.views.export import download_table
from apps.views.leakage import show_leakage
from apps.views.looking import Looking
from apps.views.paging import choose_page
from workbench.explore.query_features import QueryFeatures
from workbench.figures.lifts import Lift, lifts_figure
from workbench.measures.concepts import alike
from workbench.measures.hardness import mean_of

PARTS = {"features": "Words and attributes", "leakage": "Leakage and duplicates"}
EVERY = "all kinds"
SHOWN = 10
FALSE_SHARE = 0.05
LEASTS = (5, 10, 20, 50, 100, 200)
METHOD = (
    "Lift: the rate among queries that have the feature over the rate among all; 1 is no difference. Lines: its 95 % "
    "interval (Katz's for the risk ratio, 1/2 added to counts), by whose lower end the list is sorted. Corrected: "
    "Fisher's exact test, by Benjamini and Hochberg over all features tested; of those that stand, 5 % are expected to "
    "be chance. Queries count as independent; a feature that goes with misses need not cause them."
)


@dataclass(frozen=True)
class Outcome:
    """What is counted. numbers: the queries. held: which of them have it. words: what it is called, in the plural."""

    name: str
    words: str
    numbers: Int[np.ndarray, " queries"]
    held: Bool[np.ndarray, " queries"]


def show(looking: Looking) -> None:
    """Return the whole view."""
    prepare_option("concepts_part", list(PARTS), "features")
    part = st.segmented_control("Part", list(PARTS), key="concepts_part", format_func=PARTS.__getitem__,
                                label_visibility="collapsed", required=True)  # fmt: skip
    remember("concepts_part", part)
    if not len(looking.queries):
        st.info("No query passes the filters and the selection.")
    elif part == "leakage":
        show_leakage(looking)
    else:
        show_features(looking)


def show_features(looking: Looking) -> None:
    """Return the features by lift, for the chosen outcome."""
    left, middle, right = st.columns(3)
    outcomes = outcomes_of(looking)
    with left:
        name = choose("concepts_of", "What goes with", list(outcomes), "misses", lambda each: outcomes[each].words)
    with middle:
        kind_box = st.container()
    with right:
        least = choose("concepts_least", "In at least so many queries", list(LEASTS), 10)
    outcome = outcomes[name]
    features = cached.features(f"{looking.key} {len(outcome.numbers)}", looking.bundle, outcome.numbers)
    kinds = list(dict.fromkeys(features.kinds))
    with kind_box:
        kind = choose("concepts_kind", "Kind of feature", [EVERY, *kinds], EVERY)
    rate = mean_of(outcome.held.astype(float))
    st.markdown(
        f"**{outcome.held.sum():,}** of {len(outcome.held):,} queries are {escaped(outcome.words)}: {rate.value:.1%} "
        f"(95 % interval {rate.low:.1%} to {rate.high:.1%})."
    )
    if outcome.held.all() or not outcome.held.any():
        st.info(f"{'All' if outcome.held.all() else 'None'} of the queries looked at are {outcome.words}, so nothing "
                "can be compared. Take a filter away.")  # fmt: skip
        return
    key = f"{looking.key} {against_digest(looking)}"
    table = cached.lifts(key, name, least, features, outcome.held)
    show_list(table, features, outcome, kind, least)


def outcomes_of(looking: Looking) -> dict[str, Outcome]:
    """Return what can be counted: misses, hits, and against another model what one finds and the other does not."""
    hit = looking.bundle.rankings["hit"].to_numpy() >= 1
    numbers = looking.queries
    found = [Outcome("misses", "misses", numbers, ~hit[numbers]), Outcome("hits", "hits", numbers, hit[numbers])]
    other = looking.against
    if other is not None:
        both = matches_of(looking, other)
        theirs = other.bundle.rankings["hit"].to_numpy()[both.other] >= 1
        own = hit[both.own]
        if len(both.own):
            found += [
                Outcome("lost", f"misses that {other.run} finds", both.own, ~own & theirs),
                Outcome("won", f"hits that {other.run} misses", both.own, own & ~theirs),
            ]
    return {each.name: each for each in found}


def against_digest(looking: Looking) -> str:
    """Return the digest of the other evaluation, "" for none."""
    return "" if looking.against is None else looking.against.bundle.digest


def show_list(table: pd.DataFrame, features: QueryFeatures, outcome: Outcome, kind: str, least: int) -> None:
    """Return the features of a kind as a figure and as a list with buttons, some at a time."""
    kinds = np.array(features.kinds, dtype=object)[table["feature"].to_numpy(dtype=np.int64)]
    chosen = distinct(table if kind == EVERY else table.loc[kinds == kind], features)
    standing = int(np.count_nonzero((table["q"].to_numpy() <= FALSE_SHARE) & (table["lift"].to_numpy() > 1)))
    if chosen.empty:
        st.info(f"No feature of this kind is in at least {least} queries and lacking in as many.")
        return
    places = choose_page("concepts_page", len(chosen), SHOWN)
    rows = chosen.iloc[places.start : places.stop].to_dict("records")
    st.markdown(
        f"**{standing}** of {len(table):,} features go with {escaped(outcome.words)} beyond chance, many comparisons "
        "corrected for."
    )
    figure = lifts_figure([lift_of(row, features) for row in rows], outcome.words, "Lift, with its interval")
    left, right = st.columns([3, 4], gap="medium")
    with left:
        st.plotly_chart(figure, key="lifts", config={"displaylogo": False})
    with right:
        for row in rows:
            show_row(row, features, outcome)
    st.caption(METHOD)
    download_table(exported(chosen, features), f"concepts-{outcome.name}", "concepts")


def distinct(table: pd.DataFrame, features: QueryFeatures) -> pd.DataFrame:
    """Return features of just the same queries once, by the first, with how many others it stands for."""
    same = alike(features.matrix, table["feature"].to_numpy(dtype=np.int64))
    others = np.bincount(same)[same] - 1 if len(same) else same
    return table.assign(others=others).loc[~pd.Series(same, index=table.index).duplicated()].reset_index(drop=True)


def lift_of(row: Mapping[str, float], features: QueryFeatures) -> Lift:
    """Return a row of the table for the figure."""
    feature = int(row["feature"])
    return Lift(
        features.kinds[feature], features.labels[feature], int(row["n"]), row["rate"], row["lift"], row["low"],
        row["high"], row["q"] <= FALSE_SHARE,
    )  # fmt: skip


def show_row(row: Mapping[str, float], features: QueryFeatures, outcome: Outcome) -> None:
    """Return a feature with its numbers; its button sets the filter of all views, the other one leads to its misses."""
    feature = int(row["feature"])
    state = dict(features.states[feature])
    label = shortened(features.labels[feature], 40)
    with st.container(horizontal=True, vertical_alignment="center", gap="xxsmall"):
        st.button(
            escaped(label), key=f"concept-{feature}", on_click=put, args=(state | {"concepts_page": ""},),
            disabled=not state, type="tertiary", icon=":material/filter_alt:" if state else None,
            help=explained(features, feature) if state else "No filter says a length.",
        )  # fmt: skip
        if state:
            missed = {"outcome": "hit" if outcome.name in ("hits", "won") else "miss"}
            st.button(
                "", key=f"concept-look-{feature}", icon=":material/arrow_forward:", type="tertiary",
                help=f"Look at its {'hits' if missed['outcome'] == 'hit' else 'misses'} in Hard negatives",
                on_click=go_to,
                args=("hard_negatives", state | missed | {"failures": str(missed["outcome"] == "miss")}),
            )  # fmt: skip
        st.caption(
            f"{escaped(features.kinds[feature])}{also(row)}: {int(row['x']):,} of {int(row['n']):,} = "
            f"**{row['rate']:.1%}**, without it {row['rate_without']:.1%} of {int(row['n_without']):,}; lift "
            f"**{row['lift']:.2f}** ({row['low']:.2f} to {row['high']:.2f}), corrected p {written_p(row['q'])}"
        )


def explained(features: QueryFeatures, feature: int) -> str:
    """Say what a feature's button filters by."""
    if "words" in features.states[feature]:
        return (
            "Show only these queries, in all views. The filter looks for these letters anywhere in the query or its "
            "right answer, so it may find a few more."
        )
    return "Show only these queries, in all views."


def also(row: Mapping[str, float]) -> str:
    """Say how many other features just the same queries have."""
    others = int(row["others"])
    return f" (and {others} other feature{'' if others == 1 else 's'} of just these queries)" if others else ""


def written_p(value: float) -> str:
    """Return a p-value with the digits that say something."""
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def exported(table: pd.DataFrame, features: QueryFeatures) -> pd.DataFrame:
    """Return the table with the features' kinds and names instead of their numbers."""
    numbers: Sequence[int] = table["feature"].astype(int).tolist()
    named = pd.DataFrame(
        {"kind": [features.kinds[each] for each in numbers], "feature": [features.labels[each] for each in numbers]},
        index=table.index,
    )
    return pd.concat([named, table.drop(columns="feature")], axis=1)

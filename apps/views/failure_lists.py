"""Lists of the view Hard negatives: groups of failures, and the queries of a group, a page at a time."""

import numpy as np
import pandas as pd
import streamlit as st

from apps.views import cached_groups
from apps.views.address import put
from apps.views.captions import escaped, shortened
from apps.views.cards import show_item
from apps.views.export import download_table
from apps.views.looking import Looking
from apps.views.paging import choose_page
from apps.views.ways_on import query_menu
from workbench.bundles.bundle import Bundle
from workbench.explore.failure_groups import COLUMN, LACKS, FailureGroups, winners

GROUPS, QUERIES = 10, 20
"""On a page."""
PICTURE, HEIGHT, LINE = 150, 72, 20
"""Pixels of a column and of a picture; characters in a line of a column."""
NAMES = {
    "none": "nothing: list the queries",
    "winner": "winner: the wrong item that comes first",
    "attributes": "differing attributes",
    "words": "differing words",
    "dataset": "data set",
    "pair": "modalities: query > right answer",
    "meta_task": "meta-task",
}
SHARE = "Share: queries in the group, of all that are grouped here."
PULL = (
    "Pull: the part of the gradient that all these queries put on negatives which goes to this group's winners, each "
    "query counting as 1, under the objective that the model was trained with."
)
WORDS = (
    "A query is in one group for each word, so shares add up to more than 100 %. Groups stand in the order of queries "
    "times rarity (tf-idf); words like 'the' are left out."
)
UNKNOWN = {
    "attributes": "what is truly shown is known of none of them",
    "words": "none of them has words on both sides, the winner's and the right answer's",
}


def group_words(by: str) -> str:
    """Return a grouping in words."""
    return by.removeprefix(COLUMN) if by.startswith(COLUMN) else NAMES[by]


def group_label(bundle: Bundle, by: str, name: str) -> str:
    """Return a group's name in words."""
    if by == "winner":
        return f"{shortened(bundle.words(int(name)), 80)} (item {name})"
    if by == "words":
        return f"only {'the right answer' if name.startswith(LACKS) else 'the winner'} says: {name[1:]}"
    return name


def show_groups(looking: Looking, by: str, failures: bool, numbers: np.ndarray) -> None:
    """Return the groups, the largest first, each with three items and a button that opens it."""
    bundle = looking.bundle
    found = cached_groups.groups(looking.key, failures, by, bundle, numbers)
    kind = "failures" if failures else "queries"
    if found.table.empty:
        st.info(f"The {found.base:,} {kind} cannot be grouped by {group_words(by)}: {UNKNOWN.get(by, 'none has one')}.")
        return
    whole = "" if found.grouped == found.base else f", which hold {found.grouped:,} of them"
    definitions = " ".join([SHARE, *([] if bundle.objective_settings is None else [PULL]), *([WORDS] * found.several)])
    st.markdown(f"**{found.base:,} {kind}** in **{len(found.table):,} groups**{whole}", help=definitions)
    labelled = found.table.assign(label=[group_label(bundle, by, each) for each in found.table["group"]])
    download_table(labelled.drop(columns="order"), f"{bundle.suite}-groups", "groups-export")
    page = choose_page("page", len(found.table), GROUPS)
    for place in range(len(found.table))[page]:
        show_group(bundle, by, found, place, kind)


def show_group(bundle: Bundle, by: str, found: FailureGroups, place: int, kind: str) -> None:
    """Return one group: how large it is, three items that show what it is, and a button that opens it."""
    row = found.table.iloc[place]
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
        with st.container(width=250, gap="xxsmall"):
            st.markdown(f"**{escaped(group_label(bundle, by, row['group']))}**")
            missed = "" if kind == "failures" else f", {row['failures']:,} of them failures"
            pull = "" if np.isnan(row["pull"]) else f"  \npull {row['pull']:.1%}"
            st.caption(f"{row['queries']:,} {kind}, {row['share']:.1%} of all {found.base:,}{missed}{pull}")
            st.button(
                "Open", key=f"group-{place}", icon=":material/arrow_forward:", type="tertiary", on_click=put,
                args=({"group": row["group"], "queries_page": "", "query": ""},),
            )  # fmt: skip
        for number, (label, item) in enumerate(examples(bundle, by, found.members[place])):
            with st.container(width=PICTURE, gap="xxsmall"):
                st.caption(label)
                show_item(bundle, item, HEIGHT, key=f"example-{place}-{number}", line=LINE)


def examples(bundle: Bundle, by: str, members: np.ndarray) -> list[tuple[str, int]]:
    """Return three items that show what a group is: its query of the smallest margin, or a winner and whom it beats."""
    first = bundle.query(int(members[np.argmin(bundle.rankings["margin"].to_numpy()[members])]))
    winner = int(winners(bundle)[first.number])
    if by == "winner":
        other = bundle.query(int(members[-1]))
        return [("winner", winner), ("comes first for", first.query), ("and for", other.query)][: 1 + len(members)]
    found = [("query", first.query), ("right answer", first.positive)]
    return [*found, ("winner", winner)] if winner >= 0 else found


def show_queries(looking: Looking, rows: np.ndarray, order: str) -> None:
    """Return some queries, 20 a page: question, right answer and winner, and a button that opens each."""
    bundle = looking.bundle
    st.markdown(f"**{len(rows):,} queries**, {order}")
    download_table(queries_table(bundle, rows), f"{bundle.suite}-queries", "queries-export")
    page = choose_page("queries_page", len(rows), QUERIES)
    winner = winners(bundle)
    for number in rows[page]:
        show_row(bundle, int(number), int(winner[number]))


def show_row(bundle: Bundle, number: int, winner: int) -> None:
    """Return one query of the list."""
    query = bundle.query(number)
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
        with st.container(width=170, gap="xxsmall"):
            st.markdown(escaped(query.dataset))
            margin = "nothing is wrong" if np.isnan(query.margin) else f"margin **{query.margin:+.3f}**"
            st.markdown(f"{margin}  \nrank **{query.rank:g}** of {query.size:,}")
            with st.container(horizontal=True, gap="small"):
                st.button(
                    "Open", key=f"open-{number}", type="tertiary", icon=":material/arrow_forward:", on_click=put,
                    args=({"query": str(number)},),
                )  # fmt: skip
                query_menu(number, query.query, f"menu-query-{number}")
        shown = [("query", query.query), ("right answer", query.positive)]
        for label, item in [*shown, ("winner", winner)] if winner >= 0 else shown:
            with st.container(width=PICTURE, gap="xxsmall"):
                st.caption(label)
                show_item(bundle, item, HEIGHT, key=f"row-{number}-{label[0]}", line=LINE)


def queries_table(bundle: Bundle, rows: np.ndarray) -> pd.DataFrame:
    """Return some queries as a table to take away."""
    table = bundle.rankings.iloc[rows]
    texts = bundle.items["text"].to_numpy()
    winner = winners(bundle)[rows]
    return pd.DataFrame(
        {
            "query_number": rows,
            "dataset": table["dataset"].astype(str).to_numpy(),
            "query": texts[table["query"].to_numpy()],
            "right_answer": texts[table["positive"].to_numpy()],
            "winner": [texts[each] if each >= 0 else None for each in winner],
            "rank": table["rank"].to_numpy(),
            "pool": table["size"].to_numpy(),
            "similarity": table["similarity"].to_numpy(),
            "margin": table["margin"].to_numpy(),
        }
    )

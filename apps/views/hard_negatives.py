"""Hard negatives: which wrong candidates fool the model? Groups of failures, then their queries, then one query."""

import numpy as np
import streamlit as st

from apps.views import cached_groups
from apps.views.address import drop, prepare_option, put, remember, said
from apps.views.captions import escaped
from apps.views.failure_lists import group_label, group_words, show_groups, show_queries
from apps.views.looking import Looking
from apps.views.one_query import show_query
from apps.views.queries import asked_query, step_through

SORTS = {
    "margin": ("smallest margin first", "margin", True),
    "rank": ("worst rank first", "rank", False),
    "order": ("order of the data", None, True),
}
NO_GROUPS = "none"


def show(looking: Looking) -> None:
    """Return the whole view: the groups, or the queries of the group that the URL names, or the query that it names."""
    number = asked_query(looking.bundle)
    by, sort, failures = choose_list(looking)
    rows = sorted_rows(looking, sort, failures)
    group = said("group")
    if group is not None:
        rows, group = open_group(looking, by, failures, rows, group)
    if number is not None:
        show_one(looking, number, rows, SORTS[sort][0], by, group)
    elif not len(rows):
        show_nothing(looking, failures)
    elif group is None and by != NO_GROUPS:
        show_groups(looking, by, failures, np.sort(rows))
    else:
        show_back(looking, by, group)
        show_queries(looking, rows, SORTS[sort][0])


def choose_list(looking: Looking) -> tuple[str, str, bool]:
    """Return how failures are grouped, the order of queries, and whether to leave out those that did not fail."""
    offered = [*cached_groups.offered(looking.bundle.digest, looking.bundle), NO_GROUPS]
    left, middle, right = st.columns([3, 3, 2], vertical_alignment="bottom")
    with left:
        prepare_option("by", offered, "winner")
        by = st.selectbox(
            "Group by", offered, key="by", format_func=group_words, on_change=drop,
            args=("group", "query", "page", "queries_page"),
        )  # fmt: skip
        remember("by", by)
    with middle:
        prepare_option("sort", list(SORTS), "margin")
        sort = st.selectbox("Order", list(SORTS), key="sort", format_func=lambda name: SORTS[name][0])
        remember("sort", sort)
    with right:
        prepare_option("failures", [True, False], True)
        failures = st.toggle("Only failures", key="failures", on_change=drop, args=("page", "queries_page"))
        remember("failures", failures)
    return by, sort, failures


def sorted_rows(looking: Looking, sort: str, failures: bool) -> np.ndarray:
    """Return the rows of the rankings that are looked at, in the chosen order; perhaps the failures alone."""
    rows = looking.bundle.rankings.iloc[looking.queries]
    if failures:
        rows = rows.loc[rows["hit"] < 1]
    _, column, ascending = SORTS[sort]
    ordered = rows if column is None else rows.sort_values(by=column, ascending=ascending, kind="stable")
    return ordered.index.to_numpy()


def open_group(
    looking: Looking, by: str, failures: bool, rows: np.ndarray, group: str
) -> tuple[np.ndarray, str | None]:
    """Return the rows of a group in their order; a group that there is not is told, and all rows are returned."""
    if by == NO_GROUPS:
        return rows, None
    found = cached_groups.groups(looking.key, failures, by, looking.bundle, np.sort(rows))
    members = found.of(group)
    if len(members):
        return rows[np.isin(rows, members)], group
    st.warning(
        f"The link asks for group = {escaped(group[:80])}, which is not among these {len(rows):,} queries. "
        "Shown instead: all."
    )
    put({"group": ""})
    return rows, None


def show_back(looking: Looking, by: str, group: str | None) -> None:
    """Say which group is open, with a button that leads back to all."""
    if group is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "All groups", key="back", icon=":material/arrow_back:", on_click=put,
            args=({"group": "", "query": "", "queries_page": ""},),
        )  # fmt: skip
        st.markdown(f"{group_words(by).partition(':')[0]}: **{escaped(group_label(looking.bundle, by, group))}**")


def show_one(looking: Looking, number: int, rows: np.ndarray, order: str, by: str, group: str | None) -> None:
    """Return one query, with buttons to its list and to its neighbours there."""
    show_back(looking, by, group)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("List", key="list", icon=":material/list:", on_click=put, args=({"query": ""},))
        step_through(rows, number, order)
    if number not in rows:
        hit = looking.bundle.rankings["hit"].iat[number] >= 1
        why = "its first answer is right" if hit and number in looking.queries else "the filters leave it out"
        st.caption(f"This query is not in the list: {why}.")
    show_query(looking.bundle, number)


def show_nothing(looking: Looking, failures: bool) -> None:
    """Say why there is nothing to list."""
    if not len(looking.queries):
        st.info("No query passes the filters.")
    elif failures:
        st.success("No failure here: every first answer is right. Switch off 'Only failures' to see the queries.")

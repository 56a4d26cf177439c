"""Weights over training batches: what the recorder kept of a step, query by query."""

import pandas as pd
import streamlit as st

from apps.views import cached_weights
from apps.views.address import prepare_option, put, remember, said
from apps.views.captions import escaped, shortened
from apps.views.export import download_table
from apps.views.looking import Looking
from apps.views.paging import choose_page
from workbench.bundles.bundle import Bundle
from workbench.runs.pair_records import FOLDER, number_of, recorded_files
from workbench.what_if.objective_words import made_by

QUERIES = 20
ID = 15
"""Characters of a content id that the recorder keeps."""
KEYS = ["dataset", "query_id", "positive_id", "origin"]
SHOWN = ["place", "negative", "similarity", "weight", "probability", "share"]


def show_recorded(looking: Looking) -> None:
    """Return the recorded queries of a step, and of one of them the negatives."""
    files = recorded_files(looking.run.folder)
    steps = sorted({number_of(each)[0] for each in files})
    prepare_option("recorded_step", steps, steps[-1])
    step = st.select_slider("Recorded step", steps, key="recorded_step") if len(steps) > 1 else steps[0]
    remember("recorded_step", step)
    marks = tuple((each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in files)
    found = cached_weights.recorded(str(looking.run.folder), step, marks)
    for problem in found.problems:
        st.warning(escaped(f"{FOLDER}/{problem} It is left out."))
    rows = found.rows if looking.dataset is None else found.rows.loc[found.rows["dataset"] == looking.dataset]
    if rows.empty:
        st.info(f"No recorded pair of step {step}{' is of this data set' if len(found.rows) else ' can be read'}.")
        return
    st.caption(
        f"Step {step} of the training with {escaped(made_by(looking.bundle))}: weights over its batch, in the "
        "direction query to target. Only each query's heaviest negatives are recorded."
    )
    queries = by_query(rows)
    opened = said("recorded_query")
    if opened in set(queries["query_id"]):
        show_negatives(looking.bundle, rows.loc[rows["query_id"] == opened])
    else:
        show_list(looking.bundle, queries, step)


def by_query(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a recorded query, the one whose heaviest negative has the largest share first."""
    grouped = rows.groupby(KEYS, sort=False)
    table = grouped.agg(
        positive_similarity=("positive_similarity", "first"),
        negatives=("share", "size"),
        heaviest_weight=("weight", "max"),
        largest_share=("share", "max"),
        recorded_share=("share", "sum"),
    )
    return table.reset_index().sort_values("largest_share", ascending=False, kind="stable", ignore_index=True)


def show_list(bundle: Bundle, queries: pd.DataFrame, step: int) -> None:
    """Return the recorded queries, 20 a page."""
    st.markdown(f"**{len(queries):,} recorded queries**, largest share first")
    download_table(queries, f"step-{step}-queries", "recorded-export")
    for place, row in enumerate(queries.iloc[choose_page("recorded_page", len(queries), QUERIES)].to_dict("records")):
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
            with st.container(width=330, gap="xxsmall"):
                st.markdown(f"**{escaped(str(row['dataset']))}**: {escaped(words_of(bundle, row))}")
            with st.container(width=300, gap="xxsmall"):
                st.caption(
                    f"right answer {row['positive_similarity']:.3f}  \nheaviest of {row['negatives']} negatives: "
                    f"weight {row['heaviest_weight']:.3g}, {row['largest_share']:.1%} of the gradient"
                )
            st.button(
                "Open", key=f"recorded-{place}", type="tertiary", icon=":material/arrow_forward:", on_click=put,
                args=({"recorded_query": str(row["query_id"])},),
            )  # fmt: skip


def show_negatives(bundle: Bundle, rows: pd.DataFrame) -> None:
    """Return the recorded negatives of one query."""
    first = rows.iloc[0].to_dict()
    st.button("All recorded queries", key="back", icon=":material/arrow_back:", on_click=put,
              args=({"recorded_query": ""},))  # fmt: skip
    st.markdown(
        f"**{escaped(str(first['dataset']))}**: {escaped(words_of(bundle, first))}  \n"
        f"similarity of the right answer **{first['positive_similarity']:.3f}**, "
        f"{rows['share'].sum():.1%} of the gradient is recorded"
    )
    negative = [item_words(bundle, str(each)) or str(each) for each in rows["negative_id"]]
    table = pd.DataFrame(rows.assign(negative=negative).sort_values("place", kind="stable")[SHOWN])
    percent = st.column_config.NumberColumn(format="percent")
    st.dataframe(table, hide_index=True, column_config={"share": percent, "probability": percent})
    download_table(table, "recorded-negatives", "negatives-export")


def words_of(bundle: Bundle, row: dict[object, object] | dict[str, object]) -> str:
    """Return a recorded query in words: its own, if this evaluation holds it, else where it was read."""
    named = {str(name): str(value) for name, value in row.items()}
    return item_words(bundle, named["query_id"]) or shortened(named["origin"] or named["query_id"], 90)


def item_words(bundle: Bundle, short: str) -> str:
    """Return the words of the item of an id's beginning; nothing where this evaluation does not hold it."""
    found = bundle.items["text"].to_numpy()[(bundle.items["item"].str[:ID] == short).to_numpy()]
    return shortened(str(found[0]), 90) if len(found) else ""

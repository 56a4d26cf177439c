"""The replay of one recorded query: a slider over its recorded steps shows its negatives moving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from apps.views import cached
from apps.views.address import prepare_option, remember
from apps.views.captions import escaped, shortened
from apps.views.choose import choose
from apps.views.export import download_table
from apps.views.training_records import (
    CHART,
    Marks,
    choose_dataset,
    marks_of,
    queries,
    say_no_records,
    seed_of,
    warn,
)
from workbench.bundles.bundle import BundleError
from workbench.figures.query_replay import course_figure, moment_figure, span_of
from workbench.measures.query_replay import Moment, course, item_words, moments
from workbench.measures.replay import ID_LETTERS
from workbench.runs.pair_records import FOLDER, MOST_SEARCHED, RecordedQueries, read_query
from workbench.runs.runs import Run

MOST_OFFERED = 200
"""Queries of a data set that can be chosen: those recorded in most steps."""
NUMBER = st.column_config.NumberColumn(format="%.3f")
PERCENT = {"share": st.column_config.NumberColumn(format="percent", help="Of the query's pull on its negatives")}
FORMS = PERCENT | dict.fromkeys(("similarity", "before", "weight", "probability"), NUMBER)


@dataclass(frozen=True)
class Asked:
    """A recorded query with its right answer, by short id, and where the pair was read ("" where not recorded)."""

    query: str
    right: str
    origin: str


def show_query(run: Run) -> None:
    """Return one recorded query at one of its recorded steps: right answer and heaviest negatives."""
    marks = marks_of(run)
    if not marks:
        say_no_records()
        return
    recorded = queries(str(run.folder), marks)
    warn(recorded.problems)
    if recorded.rows.empty:
        st.info("None of the recorded pairs can be read.")
        return
    dataset = choose_dataset(recorded.rows)
    offered = recorded.most_recorded(dataset)
    asked = choose_query(run, marks, offered)
    mine = (recorded.rows["query_id"] == asked.query) & (recorded.rows["positive_id"] == asked.right)
    files = recorded.rows.loc[mine, "file"].tolist()
    try:
        found = moments(read_query(run.folder, files, asked.query, asked.right))
    except ValueError as error:
        st.warning(escaped(f"{FOLDER}/{error}"))
        return
    words = names_of(run, found, recorded, asked)
    show_moments(found, words, asked)
    searched = f" ({MOST_SEARCHED} of them, evenly spaced, are searched)" if recorded.steps > MOST_SEARCHED else ""
    st.caption(
        f"{len(offered):,} queries in {recorded.steps:,} recorded steps{searched}; offered: the "
        f"{min(len(offered), MOST_OFFERED):,} recorded most often. A query is in few of them: a step records only the "
        "queries of its batch."
    )


def choose_query(run: Run, marks: Marks, offered: pd.DataFrame) -> Asked:
    """Return one of the queries, named by its words where they are known."""
    offered = offered.head(MOST_OFFERED)
    keys = [f"{query}.{right}" for query, right in zip(offered["query_id"], offered["positive_id"], strict=True)]
    counts = dict(zip(keys, offered["steps"].tolist(), strict=True))
    words = query_words(str(run.folder), marks, tuple(offered["origin"]), tuple(offered["positive_id"]), seed_of(run))
    known = named_in_bundle(run, offered["query_id"].tolist())
    names = {
        key: shortened(words.get(query) or known.get(query) or origin or query)
        for key, query, origin in zip(keys, offered["query_id"], offered["origin"], strict=True)
    }
    key = choose(
        "recorded_query", "Query", keys, keys[0], lambda each: f"{names[each]} - {counts[each]} recorded steps"
    )
    row = offered.iloc[keys.index(key)]
    return Asked(str(row["query_id"]), str(row["positive_id"]), str(row["origin"]))


def show_moments(found: Sequence[Moment], words: Mapping[str, str], asked: Asked) -> None:
    """Return the chosen step, its table, and the course over all steps."""
    st.markdown(
        f"Query: {escaped(words.get(asked.query, asked.query))}  \n"
        f"Right answer: {escaped(words.get(asked.right, asked.right))}  \n"
        f"From {escaped(asked.origin or 'a place that is not recorded')}"
    )
    steps = [each.step for each in found]
    prepare_option("at", steps, steps[0])
    if len(steps) > 1:
        st.select_slider("Recorded step", steps, key="at")
    step = int(st.session_state["at"])
    remember("at", step)
    place = steps.index(step)
    moment = found[place]
    st.plotly_chart(moment_figure(moment, span_of(found), words), key="moment", config=CHART)
    again = (
        f" {moment.again} of these {len(moment.negatives)} were recorded at step {steps[place - 1]} too, and have a "
        "line from where they were; the others had less pull then, or were not in the batch."
        if place
        else ""
    )
    st.caption(
        f"Only the heaviest negatives of recorded steps are known: {len(moment.negatives)} at this step, with "
        f"{moment.share:.0%} of the query's pull on negatives (the area of a dot is its share). "
        f"The rank is among these: lighter negatives that were more similar would make it worse.{again}"
    )
    show_negatives(found, place, words)
    if len(found) > 1:
        st.plotly_chart(course_figure(found, step), key="course", config=CHART)
        st.dataframe(course(found), hide_index=True, column_config=PERCENT, height=min(380, 40 + 35 * len(found)))
        download_table(course(found), f"query-{asked.query}-course", "course-table")


def show_negatives(found: Sequence[Moment], place: int, words: Mapping[str, str]) -> None:
    """Return the negatives of a step as a table."""
    table = found[place].negatives
    named = table.assign(negative=[words.get(each, "") for each in table["negative_id"]])
    st.dataframe(
        named[["place", "negative", "similarity", "before", "weight", "probability", "share", "negative_id"]],
        hide_index=True,
        height="content" if len(named) <= 10 else 380,
        column_config=FORMS,
    )
    everything = pd.concat([each.negatives.assign(step=each.step, right_answer=each.positive) for each in found])
    everything["negative"] = [words.get(each, "") for each in everything["negative_id"]]
    download_table(everything, "query-negatives", "negative-table")


def names_of(run: Run, found: Sequence[Moment], recorded: RecordedQueries, asked: Asked) -> dict[str, str]:
    """Return words for query, right answer and negatives: of the miniature, an evaluation, or the origin."""
    ids = [*{asked.query, asked.right}.union(*(each.negatives["negative_id"].tolist() for each in found))]
    rows = recorded.rows.loc[recorded.rows["positive_id"].isin(ids)].drop_duplicates("positive_id")
    origins = dict(zip(rows["positive_id"], rows["origin"], strict=True)) | {asked.right: asked.origin}
    drawn = item_words(origins, asked.origin, seed_of(run))
    places = {item: f"right answer of {origin}" for item, origin in origins.items() if origin}
    return places | named_in_bundle(run, ids) | drawn


def named_in_bundle(run: Run, ids: Sequence[str]) -> dict[str, str]:
    """Return the words of items that the run's last evaluation holds too, by short id."""
    if not run.bundles:
        return {}
    try:
        items = cached.open_bundle(run.bundles[-1]).items
    except BundleError:
        return {}  # the other views say why; here it only names less
    short = items["item"].astype(str).str[:ID_LETTERS]
    chosen = items.loc[short.isin(ids)]
    return dict(zip(short[chosen.index], chosen["text"].astype(str), strict=True))


@st.cache_resource(max_entries=16, show_spinner=False)
def query_words(
    folder: str, marks: Marks, origins: tuple[str, ...], positives: tuple[str, ...], seed: int
) -> dict[str, str]:
    """Return the words of queries by short id, where the miniature can draw them again."""
    pairs = zip(origins, positives, strict=True)
    return {name: text for origin, right in pairs for name, text in item_words({right: origin}, origin, seed).items()}

"""Filters against plain loops over the queries."""

import pytest

from workbench.bundles.bundle import open_bundle
from workbench.explore.filters import Filters, choices_of, filter_columns, filters_from, in_words, matching


@pytest.fixture(scope="module")
def bundle(small_runs, tmp_path_factory):
    run = small_runs.write_run(tmp_path_factory.mktemp("filters"))
    return open_bundle(next((run / "bundles").iterdir()))


def passes(bundle, number: int, filters: Filters) -> bool:
    """Whether one query passes, by its record alone."""
    query, hit = bundle.query(number), bundle.rankings["hit"].iat[number] >= 1
    pair = " > ".join(str(bundle.items["modality"].iat[row]) for row in (query.query, query.positive))
    texts = " / ".join(bundle.words(row) for row in (query.query, query.positive)).lower()
    known = {**bundle.attributes(query.query), **bundle.attributes(query.positive)}
    known |= {"meta_task": str(bundle.rankings["meta_task"].iat[number])}
    return (
        filters.dataset in ("", query.dataset)
        and filters.pair in ("", pair)
        and filters.outcome in ("", "hit" if hit else "miss")
        and filters.words.lower() in texts
        and (not filters.column or known.get(filters.column, "") == filters.value)
    )


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"dataset": "clips"},
        {"outcome": "miss"},
        {"outcome": "hit"},
        {"pair": "image+text > text"},
        {"words": "SHAPE"},
        {"words": "[image]"},
        {"column": "meta_task", "value": "retrieval"},
        {"column": "nobody's", "value": "x"},
        {"dataset": "story", "outcome": "miss", "words": "a"},
    ],
)
def test_a_filter_lets_exactly_those_queries_pass_that_have_what_it_names(bundle, said):
    filters = filters_from(said)
    expected = [number for number in range(len(bundle.rankings)) if passes(bundle, number, filters)]
    assert matching(bundle, filters).tolist() == expected
    assert filters.parts == said
    assert bool(expected) is (said.get("column") != "nobody's")


def test_every_value_of_every_column_partitions_the_queries(bundle):
    for column in filter_columns(bundle):
        values = choices_of(bundle, column)
        counts = [len(matching(bundle, Filters(column=column, value=value))) for value in values]
        assert counts == sorted(counts, reverse=True)
        assert all(counts)
        known = sum(
            column in {**bundle.attributes(query.query), **bundle.attributes(query.positive), "meta_task": 1,
                       "in_distribution": 1}
            for query in map(bundle.query, range(len(bundle.rankings)))
        )  # fmt: skip
        assert sum(counts) == known


def test_names_that_are_no_filter_are_passed_over_and_the_others_said_in_words():
    filters = filters_from({"view": "map", "dataset": "clips", "outcome": "miss", "column": "colour", "value": "red"})
    assert filters == Filters(dataset="clips", outcome="miss", column="colour", value="red")
    assert in_words(filters) == ["data set clips", "missed", "colour = red"]
